"""n-grams: pair counts by the scan against engines with an index; full tables, threads, memory.

Peers are installed by `make bench` from envs/peers.txt.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from rote import ngrams
from rote.core.seeds import generator
from rote.papers.distmem import engines

from tests.benchmarks.case import Case, Growth, Work, threads

TOKENS, PAIRS = 50_000_000, 20_000
HASHED = "bound by hashing and looking up each token, 5 to 14 ns, not by the two bytes that it has"
_FOLDER = tempfile.TemporaryDirectory(prefix="rote-bench-")


@cache
def _stream(tokens: int):
    """A stream, its corpus on disk, and pairs."""
    rng = generator(1, "bench", "ngrams", tokens)
    ids, offsets = engines.token_stream(rng, tokens, 30_000)
    folder = Path(_FOLDER.name) / str(tokens)
    corpus = (
        ngrams.Corpus.open(folder)
        if folder.exists()
        else ngrams.Corpus.from_tokens(folder, ids, offsets)
    )
    return ids.astype(np.uint16), offsets, corpus, engines.close_pairs(rng, ids, PAIRS)


@cache
def _ours() -> np.ndarray:
    _, _, corpus, pairs = _stream(TOKENS)
    return ngrams.count_pairs(corpus, pairs)


def pairs_by_dictionary():
    """documents of 20,000 3-gram pairs in 50 M tokens:
    scan / dictionary of sets, over the n-grams asked for
    """
    ids, offsets, corpus, pairs = _stream(TOKENS)
    peer = engines.count_by_dictionary(ids, offsets, pairs)
    np.testing.assert_array_equal(_ours(), peer)
    return Case(
        lambda: ngrams.count_pairs(corpus, pairs),
        lambda: engines.count_by_dictionary(ids, offsets, pairs),
        repeats=2,
        bar=20.0,
        moved=2.0 * TOKENS,
        note=HASHED,
    )


def pairs_by_suffix_array():
    """the same: scan / suffix array of pydivsufsort, build and queries"""
    from pydivsufsort import divsufsort, sa_search

    ids, offsets, corpus, pairs = _stream(TOKENS)
    owner = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    ends = offsets[owner + 1] if len(owner) < 10**8 else None
    content = ids.astype("<u2").tobytes()

    def peer() -> np.ndarray:
        suffixes = divsufsort(content)
        documents = {}
        for gram in set(chain.from_iterable(pairs)):
            number, first = sa_search(content, suffixes, np.array(gram, "<u2").tobytes())
            positions = suffixes[first : first + number] if number else np.empty(0, np.int64)
            # suffixes that begin within a token are no n-grams
            positions = positions[positions % 2 == 0] // 2
            positions = positions[positions + len(gram) <= ends[positions]]
            documents[gram] = np.unique(owner[positions])
        return np.array(
            [len(np.intersect1d(documents[a], documents[b], assume_unique=True)) for a, b in pairs]
        )

    np.testing.assert_array_equal(_ours(), peer())
    return Case(
        lambda: ngrams.count_pairs(corpus, pairs),
        peer,
        repeats=2,
        bar=20.0,
        moved=2.0 * TOKENS,
        note=HASHED,
    )


def pairs_by_inverted_index():
    """the same on 5 M tokens and 4,000 pairs: scan / tantivy, phrase AND phrase"""
    import tantivy

    ids, offsets, corpus, pairs = _stream(5_000_000)
    pairs = pairs[:4000]
    words = np.array([f"w{i}" for i in range(int(ids.max()) + 1)])

    def peer() -> np.ndarray:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field(
            "text", stored=False, tokenizer_name="whitespace", index_option="position"
        )
        schema = builder.build()
        with tempfile.TemporaryDirectory() as folder:
            index = tantivy.Index(schema, folder)
            writer = index.writer(heap_size=500_000_000, num_threads=1)
            for begin, end in pairwise(offsets):
                writer.add_document(tantivy.Document(text=" ".join(words[ids[begin:end]])))
            writer.commit()
            writer.wait_merging_threads()
            index.reload()
            searcher = index.searcher()
            counts = []
            for pair in pairs:
                phrases = [
                    tantivy.Query.phrase_query(schema, "text", words[list(gram)].tolist())
                    for gram in pair
                ]
                query = tantivy.Query.boolean_query(
                    [(tantivy.Occur.Must, phrase) for phrase in phrases]
                )
                counts.append(searcher.search(query, limit=1).count)
        return np.array(counts)

    np.testing.assert_array_equal(ngrams.count_pairs(corpus, pairs), peer())
    return Case(lambda: ngrams.count_pairs(corpus, pairs), peer, repeats=2, bar=20.0)


def _infini_index(stream: np.ndarray, offsets: np.ndarray, out: Path) -> None:
    """Infini-gram's index of a stream in which 65535 begins each document."""
    with tempfile.TemporaryDirectory(dir=_FOLDER.name) as text:
        ends = np.concatenate([[0], offsets[1:]]) * 2 + np.arange(len(offsets)) * 2
        stream.tofile(out / "tokenized.0")
        ends[:-1].astype("<u8").tofile(out / "offset.0")
        options = {
            "data_dir": text,
            "save_dir": out,
            "token_dtype": "u16",
            "cpus": 1,
            "mem": 8,
            "shards": 1,
        }
        flags = []
        for name, value in options.items():
            flags += [f"--{name}", str(value)]
        max_files = str(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        command = [sys.executable, "-m", "infini_gram.indexing", *flags, "--ulimit", max_files]
        subprocess.run(command, check=True, capture_output=True)


def pairs_by_infini_gram():
    """the same on 5 M tokens and 2,000 pairs:
    scan / infini-gram (its AND counts positions, not documents)
    """
    from infini_gram.engine import InfiniGramEngine

    _, offsets, corpus, pairs = _stream(5_000_000)
    pairs = pairs[:2000]
    root = Path(_FOLDER.name) / "infini"

    def peer() -> list[int]:
        shutil.rmtree(root, ignore_errors=True)  # an index that is there would be used
        stream = _suffixes(5_000_000)[2]  # 65535 begins each document
        out = root / "index"
        out.mkdir(parents=True, exist_ok=True)
        _infini_index(stream, offsets, out)
        engine = InfiniGramEngine(index_dir=str(out), eos_token_id=65534, vocab_size=65535)
        return [engine.count_cnf(cnf=[[list(a)], [list(b)]])["count"] for a, b in pairs]

    peer(), ngrams.count_pairs(corpus, pairs)
    return Case(lambda: ngrams.count_pairs(corpus, pairs), peer, repeats=2, bar=50.0, wall=True)


LENGTHS = (1, 2, 3, 4, 5)


def five_lengths():
    """occurrences of 20,000 n-grams of each n from 1 to 5 in 20 M tokens: one pass / five passes"""
    ids, _, corpus, _ = _stream(20_000_000)
    rng = np.random.default_rng(2)
    queries = []
    for n in LENGTHS:
        starts = rng.integers(len(ids) - n, size=PAIRS)
        rows = np.unique(ids[starts[:, None] + np.arange(n)], axis=0).tolist()
        queries.append(list(map(tuple, rows)))

    together = ngrams.queries(corpus, singles=chain.from_iterable(queries))
    apart = [ngrams.queries(corpus, singles=grams) for grams in queries]

    def ours() -> np.ndarray:
        return ngrams.scan(corpus, together).occurrences

    def peer() -> np.ndarray:
        return np.concatenate([ngrams.scan(corpus, one).occurrences for one in apart])

    np.testing.assert_array_equal(ours(), peer())
    return Case(ours, peer, repeats=5, moved=2.0 * len(ids), note=HASHED)


def _suffixes(tokens: int):
    """A stream with a token of its own before each document, and 3-grams of it."""
    ids, offsets, corpus, pairs = _stream(tokens)
    grams = list(dict.fromkeys(chain.from_iterable(pairs)))[:PAIRS]
    stream = np.full(len(ids) + len(offsets) - 1, 65535, "<u2")
    stream[np.arange(len(ids)) + np.repeat(np.arange(1, len(offsets)), np.diff(offsets))] = ids
    return corpus, grams, stream, offsets


def counts_by_tokengrams():
    """occurrences of 20,000 n-grams in 5 M tokens:
    scan / tokengrams, memory-mapped suffix array, build and queries
    """
    from tokengrams import MemmapIndex

    corpus, grams, stream, _ = _suffixes(5_000_000)
    text, index = (str(Path(_FOLDER.name) / name) for name in ("tokengrams.bin", "tokengrams.idx"))
    stream.tofile(text)

    def peer() -> list[int]:
        Path(index).unlink(missing_ok=True)
        suffixes = MemmapIndex.build(text, index, vocab=2**16)
        return [suffixes.count(list(gram)) for gram in grams]

    np.testing.assert_array_equal(ngrams.count(corpus, grams), peer())
    return Case(lambda: ngrams.count(corpus, grams), peer, repeats=3, wall=True, note=THREADED)


THREADED = "on the clock: an index is built by as many threads as there are cores"


def counts_by_fast_gram():
    """the same: scan / fast-gram on an index of infini-gram's kind, the queries alone"""
    from fastgram import GramEngine

    corpus, grams, stream, offsets = _suffixes(5_000_000)
    out = Path(_FOLDER.name) / "fastgram"
    out.mkdir(exist_ok=True)
    _infini_index(stream, offsets, out)
    engine = GramEngine(index_dir=str(out), eos_token_id=65534, vocab_size=65535, version=4)

    def peer() -> list[int]:
        return [engine.count(list(gram))["count"] for gram in grams]

    np.testing.assert_array_equal(ngrams.count(corpus, grams), peer())
    return Case(lambda: ngrams.count(corpus, grams), peer, repeats=3, note="its index is there")


def two_threads():
    """the scan of 50 M tokens: two threads / one"""
    _, _, corpus, pairs = _stream(TOKENS)
    queries = ngrams.queries(corpus, pairs=pairs)
    return Case(
        lambda: ngrams.scan(corpus, queries, options=ngrams.ScanOptions(threads=2)),
        lambda: ngrams.scan(corpus, queries),
        wall=True,
    )


def full_table():
    """every distinct 3-gram of 50 M tokens:
    bucketed / numpy, packed, sorted in place, run lengths
    """
    ids, offsets, corpus, _ = _stream(TOKENS)

    def peer() -> tuple[np.ndarray, np.ndarray]:
        keys = ids[:-2].astype(np.uint64)
        for column in (ids[1:-1], ids[2:]):
            keys <<= np.uint64(16)
            keys |= column
        inside = np.ones(len(ids), bool)
        for back in (1, 2):
            inside[offsets[1:] - back] = False
        keys = keys[inside[:-2]]
        keys.sort()
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        return keys[first], np.diff(np.append(first, len(keys)))

    table, (keys, counts) = ngrams.table(corpus, 3), peer()
    assert len(table.counts) == len(keys)
    assert np.sort(table.counts).tolist() == np.sort(counts).tolist()
    return Case(
        lambda: ngrams.table(corpus, 3),
        peer,
        repeats=3,
        moved=2.0 * TOKENS + 16.0 * len(keys),
        note="bound by sorting: counted is reading the tokens and writing the table, "
        "not the n-grams between them, of which one bucket exists at a time; "
        "the other way holds all of them",
    )


def table_by_polars():
    """every distinct 3-gram of 20 M tokens: bucketed / polars, grouped by packed keys"""
    import polars

    ids, offsets, corpus, _ = _stream(20_000_000)
    inside = np.ones(len(ids), bool)
    for back in (1, 2):
        inside[offsets[1:] - back] = False
    keys = (
        ids[:-2].astype(np.uint64) << 32
        | ids[1:-1].astype(np.uint64) << 16
        | ids[2:].astype(np.uint64)
    )
    frame = polars.DataFrame({"gram": keys[inside[:-2]]})

    def peer():
        return frame.group_by("gram").len()

    table, counts = ngrams.table(corpus, 3), peer()
    assert sorted(table.counts.tolist()) == sorted(counts["len"].to_list())
    return Case(lambda: ngrams.table(corpus, 3), peer, repeats=3, wall=True)


def table_by_count_vectorizer():
    """the same of 2 M tokens: bucketed / scikit-learn's CountVectorizer, from the text"""
    from sklearn.feature_extraction.text import CountVectorizer

    ids, offsets, corpus, _ = _stream(2_000_000)
    texts = [" ".join(map(str, ids[begin:end])) for begin, end in pairwise(offsets)]

    def peer():
        counter = CountVectorizer(ngram_range=(3, 3), token_pattern=r"\d+", lowercase=False)
        return counter.fit_transform(texts).sum(axis=0)

    assert sorted(ngrams.table(corpus, 3).counts.tolist()) == sorted(
        np.asarray(peer()).ravel().tolist()
    )
    return Case(lambda: ngrams.table(corpus, 3), peer, repeats=2)


def _scan(tokens: int) -> Work:
    _stream.cache_clear()
    _, _, corpus, pairs = _stream(tokens)
    queries = ngrams.queries(corpus, pairs=pairs)
    return lambda: ngrams.scan(corpus, queries, options=ngrams.ScanOptions(threads=threads()))


def _table(tokens: int) -> Work:
    _stream.cache_clear()
    corpus = _stream(tokens)[2]
    return lambda: ngrams.table(corpus, 3)


def memory() -> list[dict]:
    """Peak memory of counting 20,000 pairs, by length of the corpus; and of a full table."""
    rows = []
    for tokens in (5_000_000, 50_000_000, 200_000_000):
        _, _, corpus, pairs = _stream(tokens)
        body = (
            "from rote.papers.distmem import engines\npairs = "
            f"{pairs!r}\nngrams.count_pairs(corpus, pairs)"
        )
        rows.append(
            {
                "comparison": f"peak of the scan, {tokens // 10**6} M tokens",
                "peak_memory_mb": _peak(corpus, body),
            }
        )
        _stream.cache_clear()
    _, _, corpus, _ = _stream(TOKENS)
    base = _peak(corpus, "pass")
    table = _peak(corpus, "ngrams.table(corpus, 3)")
    rows.append(
        {
            "comparison": "full table of 50 M tokens, bytes per token",
            "bytes_per_token": round((table - base) * 2**20 / TOKENS, 1),
        }
    )
    return rows


def _peak(corpus: ngrams.Corpus, body: str) -> int:
    """Peak resident memory of a process that runs `body` on a corpus, MiB."""
    program = (
        f"from rote import ngrams\ncorpus = ngrams.Corpus.open({str(corpus.folder)!r})\n{body}\n"
    )
    program += (
        "print(next(line.split()[1] for line in open('/proc/self/status') if "
        "line.startswith('VmHWM')))\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(program)
        file.flush()
        done = subprocess.run(
            [sys.executable, file.name], check=True, capture_output=True, text=True
        )
    return round(int(done.stdout) / 1024)


COMPARISONS = [
    pairs_by_dictionary,
    pairs_by_suffix_array,
    pairs_by_inverted_index,
    pairs_by_infini_gram,
    five_lengths,
    counts_by_tokengrams,
    counts_by_fast_gram,
    two_threads,
    full_table,
    table_by_polars,
    table_by_count_vectorizer,
]
MEASURES = [memory]
GROWTH = [
    Growth(
        "documents of 20,000 pairs",
        "tokens",
        (12_500_000, 25_000_000, 50_000_000, 100_000_000, 200_000_000),
        _scan,
        goal=10**9,
    ),
    Growth("table of 3-grams", "tokens", (3_000_000, 6_000_000, 12_500_000, 25_000_000), _table),
]
