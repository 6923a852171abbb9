"""n-grams of corpora that others tokenized, counted in place; one pass for several windows."""

import struct

import numpy as np
import pytest
from rote import ngrams
from rote.core.errors import InputError
from rote.ngrams import passes, places

END = 3


@pytest.fixture(scope="module")
def documents() -> list[list[int]]:
    rng = np.random.default_rng(4)
    return [rng.integers(4, 40, rng.integers(1, 60)).tolist() for _ in range(200)]


def joined(documents, end=()) -> list[int]:
    tokens: list[int] = []
    for document in documents:
        tokens += [*document, *end]
    return tokens


def write_megatron(folder, documents, dtype=np.uint16, code=8, per_document=1):
    """As Megatron's builder does; documents of several sequences where `per_document` says so."""
    sequences = []
    bounds = [0]
    for document in documents:
        sequences += [document[at::per_document] for at in range(per_document)]
        bounds.append(len(sequences))
    np.array(joined(sequences), dtype).tofile(folder / "pile.bin")
    sizes = np.array([len(sequence) for sequence in sequences], np.int32)
    pointers = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    with (folder / "pile.idx").open("wb") as file:
        file.write(b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, code, len(sizes), len(bounds)))
        file.write(sizes.tobytes() + (pointers * np.dtype(dtype).itemsize).tobytes())
        file.write(np.array(bounds, np.int64).tobytes())
    return folder / "pile.bin"


def write_memmap(folder, documents, dtype=np.uint16):
    np.array(joined(documents, [END]), dtype).tofile(folder / "tokens.bin")
    return folder / "tokens.bin"


def write_npy(folder, documents, dtype=np.uint32):
    """As OLMo's parts: bare tokens under a name of numpy's, without its header."""
    np.array(joined(documents, [END]), dtype).tofile(folder / "part-0-00000.npy")
    return folder


def write_headed(folder, documents):
    np.save(folder / "tokens.npy", np.array(joined(documents, [END]), np.uint16))
    return folder / "tokens.npy"


def write_infinigram(folder, documents, dtype=np.uint16):
    """As its indexing does: a separator before every document, byte offsets beside."""
    halves = (documents[:50], documents[50:])
    for number, half in enumerate(halves):
        separator = np.array([np.iinfo(dtype).max], dtype)
        pieces = [np.concatenate([separator, np.array(one, dtype)]) for one in half]
        ends = np.cumsum([0, *(piece.nbytes for piece in pieces)])
        np.concatenate(pieces).tofile(folder / f"tokenized.{number}")
        ends[:-1].astype("<u8").tofile(folder / f"offset.{number}")
    return folder


def write_datasets(folder, documents):
    from datasets import Dataset

    Dataset.from_dict({"input_ids": documents}).save_to_disk(str(folder / "saved"))
    return folder / "saved"


def write_column(folder, documents):
    """Several batches of 32-bit tokens in one file."""
    from datasets import Features, List, Value
    from datasets.arrow_writer import ArrowWriter

    (folder / "saved").mkdir()
    features = Features({"input_ids": List(Value("int32")), "id": Value("int64")})
    path = str(folder / "saved" / "data-00000-of-00001.arrow")
    with ArrowWriter(path=path, features=features, writer_batch_size=30) as writer:
        for number, document in enumerate(documents):
            writer.write({"input_ids": document, "id": number})
        writer.finalize()
    return folder / "saved"


FORMATS = {
    "megatron": (write_megatron, {}),
    "memmap": (write_memmap, {"end": END}),
    "memmap, bare .npy": (write_npy, {"end": END, "dtype": "uint32"}),
    "memmap, .npy": (write_headed, {"end": END}),
    "infini-gram": (write_infinigram, {}),
    "datasets": (write_datasets, {}),
    "datasets, batches": (write_column, {}),
}


def queries_of(documents):
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(60):
        document = documents[rng.integers(len(documents))]
        a, b = rng.integers(0, len(document), 2)
        pairs.append((tuple(document[a : a + 2]), tuple(document[b : b + 1])))
    return pairs


@pytest.mark.parametrize("name", FORMATS)
def test_tokens_of_others_count_as_the_same_documents_do(tmp_path, documents, name):
    write, options = FORMATS[name]
    stored = write(tmp_path, documents)
    before = {file: file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()}
    corpus = ngrams.index_tokens(stored, tmp_path / "index", ngrams.IndexOptions(**options))
    offsets = np.cumsum([0, *map(len, documents)])
    plain = ngrams.Corpus.from_tokens(tmp_path / "plain", np.array(joined(documents)), offsets)
    pairs = queries_of(documents)
    expected = ngrams.count_pairs(plain, pairs)
    assert expected.max() > 1
    np.testing.assert_array_equal(ngrams.count_pairs(corpus, pairs), expected)
    grams = [first for first, _ in pairs]
    np.testing.assert_array_equal(ngrams.count(corpus, grams), ngrams.count(plain, grams))
    assert corpus.documents == len(documents)
    again = ngrams.Corpus.open(tmp_path / "index")
    np.testing.assert_array_equal(
        ngrams.count_pairs(again, pairs, window=3), ngrams.count_pairs(plain, pairs, window=3)
    )
    # not a token was copied
    index = [file for file in (tmp_path / "index").iterdir() if file.name.startswith("tokens")]
    assert index == []
    assert {file: file.stat().st_size for file in before} == before


def test_documents_of_several_sequences_and_end_tokens_within_sequences(tmp_path, documents):
    """The preshuffled Pile: sequences of one length with end tokens inside."""
    long = [document * 2 for document in documents]
    corpus = ngrams.index_tokens(
        write_megatron(tmp_path, long, np.int32, 4, per_document=2), tmp_path / "several"
    )
    assert corpus.documents == len(documents)
    stream = np.array(joined(documents, [END]))
    stream = stream[: len(stream) // 16 * 16].reshape(-1, 16).tolist()
    (tmp_path / "packed").mkdir()
    stored = write_megatron(tmp_path / "packed", stream)
    options = ngrams.IndexOptions(end=END)
    packed = ngrams.index_tokens(stored, tmp_path / "index", options)
    bounds = np.union1d(
        np.arange(0, len(stream) * 16 + 1, 16), np.flatnonzero(np.array(stream).ravel() == END) + 1
    )
    np.testing.assert_array_equal(packed.shards[0].offsets, bounds)


def test_infinity_gram_and_tables_read_tokens_of_others(tmp_path, documents):
    corpus = ngrams.index_tokens(
        write_memmap(tmp_path, documents), tmp_path / "index", ngrams.IndexOptions(end=END)
    )
    gram = documents[0][:2] if len(documents[0]) > 1 else documents[1][:2]
    model = ngrams.InfinityGram(corpus)
    assert model.count(gram) == ngrams.count(corpus, [gram])[0]
    singles = ngrams.table(corpus, 1)
    counts = dict(zip(singles.ngrams[:, 0].tolist(), singles.counts.tolist(), strict=True))
    assert counts[END] == len(documents)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no tokens of a known format"),
        (b"abc", "no whole number of uint16"),
        (b"", "holds no token"),
    ],
)
def test_index_refuses_what_is_no_token_file(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(InputError, match=message):
        ngrams.index_tokens(tmp_path / "a.bin", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_index_names_damage(tmp_path, documents):
    stored = write_megatron(tmp_path, documents)
    corpus = ngrams.index_tokens(stored, tmp_path / "index")
    stored.write_bytes(stored.read_bytes()[:-10])
    with pytest.raises(InputError, match="is shorter than when"):
        ngrams.Corpus.open(corpus.folder)
    stored.unlink()
    with pytest.raises(InputError, match="is missing, whose tokens"):
        ngrams.Corpus.open(corpus.folder)
    with pytest.raises(InputError, match=r"is missing, which pile\.idx belongs to"):
        ngrams.index_tokens(stored.with_suffix(".idx"), tmp_path / "other")
    (tmp_path / "pile.idx").write_bytes(b"MMIDIDX\x00\x00" + b"\x02" * 30)
    with pytest.raises(InputError, match="is no index of Megatron, version 1"):
        ngrams.index_tokens(stored.with_suffix(".idx"), tmp_path / "other")
    for bad in ({"dtype": "int8"}, {"end": -2}):
        with pytest.raises(InputError, match=r"must be"):
            ngrams.IndexOptions(**bad)
    saved = write_datasets(tmp_path, documents)
    with pytest.raises(InputError, match="no column 'tokens'; it has input_ids"):
        ngrams.index_tokens(saved, tmp_path / "x", ngrams.IndexOptions(column="tokens"))


# ---- one pass


def test_one_pass_counts_as_many_do(tmp_path, documents):
    texts = []
    for document in documents:
        texts.append(" ".join(f"w{token % 9}" for token in document))
    corpus = ngrams.tokenize(texts, tmp_path / "c", options=ngrams.CorpusOptions(shard_tokens=900))
    rng = np.random.default_rng(1)

    def gram(n):
        return " ".join(f"w{token}" for token in rng.integers(0, 10, n))

    kinds = []
    for n, stop in ((1, []), (2, []), (3, ["w1"])):
        pairs = [(gram(n), gram(n)) for _ in range(40)]
        kinds.append(ngrams.queries(corpus, pairs=pairs, singles=[gram(n)], stop_words=(stop, ())))
    windows = [0, 2, 7]
    together = passes.join(kinds)
    result = ngrams.scan_windows(corpus, together, windows)
    halves = [
        ngrams.scan_windows(corpus, together, windows, ngrams.ScanOptions(shards=part))
        for part in ([0, 1], range(2, len(corpus.shards)))
    ]
    first = 0
    for kind in kinds:
        alone = ngrams.scan(corpus, kind)
        rows = slice(first, first + len(kind.pairs))
        np.testing.assert_array_equal(result.documents.pairs[rows], alone.pairs)
        for column, window in enumerate(windows):
            expected = ngrams.scan(corpus, kind, window=window).pairs
            np.testing.assert_array_equal(result.windows[rows, column], expected)
        for name in ("occurrences", "documents"):
            of_kind = np.append(getattr(alone, name), 0)[kind.pairs]
            of_all = np.append(getattr(result.documents, name), 0)[together.pairs[rows]]
            np.testing.assert_array_equal(of_all, of_kind)
        first += len(kind.pairs)
    assert result.documents.pairs.max() > 0
    np.testing.assert_array_equal(halves[0].windows + halves[1].windows, result.windows)
    without = ngrams.scan_windows(corpus, together, [])
    np.testing.assert_array_equal(without.documents.pairs, result.documents.pairs)
    with pytest.raises(InputError, match="shard 99 does not exist"):
        ngrams.scan_windows(corpus, together, [], ngrams.ScanOptions(shards=[99]))


def test_known_formats_are_told_apart(tmp_path, documents):
    assert places.is_indexed(write_memmap(tmp_path, documents))
    assert not places.is_indexed(tmp_path / "none")
