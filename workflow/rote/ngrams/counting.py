"""Exact counts by a query-driven scan: the queries are hashed, the corpus streams past them once.

Memory is that of the queries and of one block of the corpus; no index is built and no other n-gram
is stored.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.ngrams import kernels
from rote.ngrams.corpus import Corpus, NGram, Shard

BLOCK = 2**20  # tokens, at least
STATISTICS = ("occurrences", "documents")
Gram = tuple[int, tuple[int, ...]]  # stop-word set, token ids
Progress = Callable[[int], None]


class Counts(NamedTuple):
    """What a scan counted. Single n-grams are numbered as in `Queries`."""

    # (P,) int64: documents with both,
    # or with a window occurrences of the first within it of the second
    pairs: np.ndarray
    occurrences: np.ndarray  # (G,) int64, overlapping ones included
    documents: np.ndarray  # (G,) int64


class Queries(NamedTuple):
    """Distinct n-grams, and pairs of them by number.

    The number −1 stands for an n-gram with a word that the corpus lacks.
    """

    grams: list[Gram]
    stop_words: list[np.ndarray]  # marks by token id, per stop-word set; the first is empty
    pairs: np.ndarray  # (P, 2) int64
    singles: np.ndarray  # (S,) int64, numbers of the n-grams that are no part of a pair

    @property
    def checksum(self) -> str:
        """Names the list of queries: partial counts of different lists must never be added up."""
        digest = hashlib.sha256(repr(self.grams).encode())
        for part in (*self.stop_words, self.pairs, self.singles):
            digest.update(len(part).to_bytes(8, "little") + part.tobytes())
        return digest.hexdigest()[:32]


def by_number(counts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Counts of n-grams, taken by their numbers; the number −1 occurs 0 times.

    Args:
        counts: (G,) int64, see `Counts`.
        numbers: of n-grams in `Queries`, any shape, int64.

    Returns:
        int64, of the shape of `numbers`.
    """
    return np.append(counts, 0)[numbers]


def queries(
    corpus: Corpus,
    *,
    pairs: Iterable[tuple[NGram, NGram]] = (),
    singles: Iterable[NGram] = (),
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
) -> Queries:
    """Number n-grams and pairs.

    Args:
        corpus: whose analyser splits text, and whose words have the ids.
        pairs, singles: n-grams as text or token ids, see `Corpus.ids`.
        stop_words: left out of the corpus and of the n-grams: for the first of each pair, and for
            its second. Single n-grams go with the first.

    Returns:
        The queries.

    Raises:
        InputError: naming the pair or n-gram that cannot be read, or a stop word that is not one
            unit.
    """
    marks = [np.empty(0, bool)]
    numbers: dict[Gram, int] = {}
    first, second = (_Side(corpus, words, marks, numbers) for words in stop_words)

    def number_pair(pair: tuple[NGram, NGram]) -> tuple[int, int]:
        a, b = pair
        return first.number(a), second.number(b)

    pair_numbers = np.array(_read_all(pairs, "pair", number_pair), np.int64).reshape(-1, 2)
    single_numbers = np.array(_read_all(singles, "n-gram", first.number), np.int64)
    return Queries(list(numbers), marks, pair_numbers, single_numbers)


class _Side:
    """Numbers the n-grams of one side of the pairs, whose stop words they lack.

    Args:
        marks: of the stop-word sets so far, see `Queries`; a new set is appended.
        numbers: of the n-grams of both sides so far; new ones are added.
    """

    def __init__(
        self,
        corpus: Corpus,
        stop_words: Collection[str],
        marks: list[np.ndarray],
        numbers: dict[Gram, int],
    ):
        self.corpus = corpus
        self.stop_words = _stop_units(corpus, stop_words)
        self.stream = _stream_of(self.stop_words, corpus.types, marks)
        self.numbers = numbers
        self.cache: dict[Any, int] = {}

    def number(self, ngram: NGram) -> int:
        """Number of an n-gram. Raises InputError if it cannot be read."""
        key = ngram if isinstance(ngram, (str, bytes, tuple)) else tuple(ngram)
        if key not in self.cache:
            ids = self._ids(key)
            unknown = min(ids) < 0 or max(ids) >= self.corpus.types
            self.cache[key] = (
                -1 if unknown else self.numbers.setdefault((self.stream, ids), len(self.numbers))
            )
        return self.cache[key]

    def _ids(self, ngram: str | bytes | tuple) -> tuple[int, ...]:
        if isinstance(ngram, tuple) and not self.stop_words and _are_ids(ngram):
            return tuple(ngram)
        return self.corpus.ids(ngram, self.stop_words)


def _are_ids(values: tuple) -> bool:
    """Whether these are token ids already, as whole numbers of Python's own."""
    return set(map(type, values)) == {int} and min(values) >= 0


def _stop_units(corpus: Corpus, words: Collection[NGram]) -> set[str | int]:
    """Stop words as the units that they are, and as token ids."""
    units: set[str | int] = set()
    for word in words:
        ids = corpus.ids(word)
        if len(ids) != 1:
            raise InputError(f"stop word {word!r}: must be one {corpus.analyser.unit}")
        units |= {*ids, *(corpus.split(word) if isinstance(word, str) else ())}
    return units - {-1}


def _stream_of(stop_units: Collection[str | int], types: int, marks: list[np.ndarray]) -> int:
    """Number of a stop-word set among `marks`, appended if it is new; a set without ids is 0."""
    mark = np.zeros(types, bool)
    mark[[unit for unit in stop_units if not isinstance(unit, str) and 0 <= unit < types]] = True
    if not mark.any():
        return 0
    for number, other in enumerate(marks):
        if np.array_equal(mark, other):
            return number
    marks.append(mark)
    return len(marks) - 1


def _read_all(items: Iterable, kind: str, read: Callable[[Any], Any]) -> list:
    """Every item read. Raises InputError naming kind and position of one that cannot be."""
    results = []
    for position, item in enumerate(items):
        try:
            results.append(read(item))
        except InputError as error:
            raise InputError(f"{kind} {position}: {error}") from error
        except (TypeError, ValueError) as error:
            raise InputError(f"{kind} {position}: {item!r} is not two n-grams") from error
    return results


def scan(
    corpus: Corpus,
    queries: Queries,
    *,
    window: int | None = None,
    shards: Collection[int] | None = None,
    threads: int = 1,
    progress: Progress | None = None,
    _base: np.uint64 | None = None,
) -> Counts:
    """Count all queries in one pass.

    Args:
        corpus: the queries' corpus.
        queries: what is counted.
        window: None counts documents that contain both n-grams of a pair; a number counts
            occurrences of the first whose start lies at most so many tokens from a start of the
            second in the same document.
        shards: numbers of the shards to count in; all by default. Counts of disjoint shards add up.
        threads: blocks counted side by side.
        progress: called with the tokens of each finished block.
        _base: of every n-gram's hash; by default n-grams that fit into 64 bits are their own hash.

    Returns:
        The counts.

    Raises:
        InputError: for a negative window or a shard that does not exist.
    """
    if window is not None and window < 0:
        raise InputError(f"window must be 0 or more tokens, given {window}")
    chosen = range(len(corpus.shards)) if shards is None else sorted(set(shards))
    if wrong := [number for number in chosen if not 0 <= number < len(corpus.shards)]:
        raise InputError(
            f"shard {wrong[0]} does not exist: {corpus.folder} has {len(corpus.shards)}"
        )
    tables = _build_tables(queries, corpus.types, _base)
    # larger blocks for many pairs: each block visits every pair once
    size = int(min(max(BLOCK, 16 * len(queries.pairs)), 16 * BLOCK))
    n_grams = len(queries.grams)
    total = Counts(
        np.zeros(len(queries.pairs), np.int64),
        np.zeros(n_grams, np.int64),
        np.zeros(n_grams, np.int64),
    )

    def count_block(block: _DocumentBlock) -> tuple[Counts, int]:
        tokens, offsets = block.read()
        counts = _count_block(tokens, offsets, queries, tables, window)
        block.shard.release()
        return counts, len(tokens)

    with ThreadPoolExecutor(threads) as pool:
        blocks = _blocks(corpus, chosen, size)
        for counts, n_tokens in _in_turn(pool, count_block, blocks, threads):
            for sums, part in zip(total, counts, strict=True):
                sums += part
            if progress:
                progress(n_tokens)
    return Counts(total.pairs, total.occurrences[tables.rows], total.documents[tables.rows])


def count(
    corpus: Corpus,
    ngrams: Iterable[NGram],
    *,
    statistic: str = "occurrences",
    stop_words: Collection[str] = (),
    threads: int = 1,
    progress: Progress | None = None,
) -> np.ndarray:
    """Occurrences of each n-gram, overlapping ones included, never across documents.

    Args:
        corpus: to count in.
        ngrams: as text, which the corpus's own analyser splits, or as token ids; of any lengths.
        statistic: `occurrences`, or `documents` that contain the n-gram.
        stop_words: units left out of corpus and n-grams first.
        threads, progress: see `scan`.

    Returns:
        (n-grams,) int64.

    Raises:
        InputError: for an unknown `statistic`, and as `queries`.
    """
    if statistic not in STATISTICS:
        raise InputError(f"statistic must be occurrences or documents, given {statistic!r}")
    numbered = queries(corpus, singles=ngrams, stop_words=(stop_words, ()))
    counts = scan(corpus, numbered, threads=threads, progress=progress)
    return by_number(getattr(counts, statistic), numbered.singles)


def count_pairs(
    corpus: Corpus,
    pairs: Iterable[tuple[NGram, NGram]],
    *,
    window: int | None = None,
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
    threads: int = 1,
    progress: Progress | None = None,
) -> np.ndarray:
    """Documents that contain both n-grams of each pair, anywhere and in any order.

    Args:
        corpus: to count in.
        pairs: two n-grams each, as text or token ids.
        window: occurrences of the first n-gram within so many tokens of the second are counted
            instead, see `scan`.
        stop_words: units left out first, for the first n-grams and for the second ones.
        threads, progress: see `scan`.

    Returns:
        (pairs,) int64.

    Raises:
        InputError: for a negative window, and as `queries`.
    """
    numbered = queries(corpus, pairs=pairs, stop_words=stop_words)
    return scan(corpus, numbered, window=window, threads=threads, progress=progress).pairs


def postings(
    corpus: Corpus,
    ngrams: Iterable[NGram],
    *,
    stop_words: Collection[str] = (),
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """Numbers of the documents that contain each n-gram, from one pass over the corpus.

    Args:
        corpus, ngrams, stop_words, progress: see `count`.

    Returns:
        For each n-gram ascending document numbers, int64.

    Raises:
        InputError: as `queries`.
    """
    numbered = queries(corpus, singles=ngrams, stop_words=(stop_words, ()))
    tables = _build_tables(numbered, corpus.types)
    # number −1, a word that the corpus lacks, reads the last list, which stays empty
    parts: list[list[np.ndarray]] = [[np.empty(0, np.int64)] for _ in range(len(tables.rows) + 1)]
    first_document = 0
    for block in _blocks(corpus, range(len(corpus.shards)), BLOCK):
        tokens, offsets = block.read()
        hits = _find_hits(tokens, offsets, numbered, tables, None)
        block.shard.release()
        for number, row in enumerate(tables.rows):
            if hits.documents[row]:
                documents = hits.positions[hits.starts[row] : hits.starts[row + 1]]
                parts[number].append(first_document + documents.astype(np.int64))
        first_document += block.end - block.first
        if progress:
            progress(len(tokens))
    documents_of = [np.concatenate(pieces) for pieces in parts]
    return [documents_of[number] for number in numbered.singles]


# ---- blocks


class _DocumentBlock(NamedTuple):
    """Some whole documents of a shard, numbered within it."""

    shard: Shard
    first: int  # document
    end: int  # document after the last

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (T,), mapped, and offsets (documents + 1,) from 0 to T."""
        offsets = np.asarray(self.shard.offsets[self.first : self.end + 1])
        return self.shard.tokens[offsets[0] : offsets[-1]], offsets - offsets[0]


def _blocks(corpus: Corpus, shards: Iterable[int], size: int) -> Iterator[_DocumentBlock]:
    """Whole documents of about `size` tokens at a time."""
    for number in shards:
        shard, first = corpus.shards[number], 0
        while first < shard.documents:
            target = shard.offsets[first] + size
            end = int(np.searchsorted(shard.offsets, target, side="right")) - 1
            end = min(max(end, first + 1), shard.documents, first + size)
            yield _DocumentBlock(shard, first, end)
            first = end


def _in_turn(pool: ThreadPoolExecutor, work: Callable, items: Iterable, threads: int) -> Iterator:
    """Results in order, with only a few items under way."""
    waiting: list = []
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > threads:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


# ---- hashed queries


class _Table(NamedTuple):
    """Queries of one length in one stream, hashed."""

    stream: int  # number of the stop-word set that the stream lacks
    base: np.uint64
    packed: bool  # the hash is the n-gram itself
    first: int  # row of its first n-gram among those of all tables
    grams: np.ndarray  # (m, n) int64 token ids
    slots: np.ndarray  # see `kernels.fill_table`
    sieve: np.ndarray


class _Tables(NamedTuple):
    """All queries. Within a block n-grams are numbered by their rows in the tables."""

    parts: list[_Table]
    rows: np.ndarray  # (G,) int64 row of each n-gram, by its number in `Queries`
    pairs: np.ndarray  # (P, 2) int64 rows of the pairs


def _build_tables(queries: Queries, types: int, base: np.uint64 | None = None) -> _Tables:
    bits = max(int(types - 1).bit_length(), 1) if types else 1
    groups: dict[tuple[int, int], list[int]] = {}
    for number, (stream, ids) in enumerate(queries.grams):
        groups.setdefault((stream, len(ids)), []).append(number)
    parts: list[_Table] = []
    rows, first = np.full(len(queries.grams), -1, np.int64), 0
    for (stream, _), numbers in sorted(groups.items()):
        grams = np.array([queries.grams[number][1] for number in numbers], np.int64)
        packed = base is None and grams.shape[1] * bits <= 64
        radix = np.uint64(1 << bits) if packed else kernels.BASE if base is None else base
        keys = kernels.hashes(grams, radix)
        slots = np.zeros((_power_of_two(2 * len(grams)), 2), np.uint64)
        # 16 bits per n-gram or more
        sieve = np.zeros(_power_of_two(max(len(grams) // 4, 16)), np.uint64)
        kernels.fill_table(keys, slots, sieve)
        parts.append(
            _Table(
                stream=stream,
                base=radix,
                packed=packed,
                first=first,
                grams=grams,
                slots=slots,
                sieve=sieve,
            )
        )
        rows[numbers] = np.arange(first, first + len(grams))
        first += len(grams)
    pairs = np.where(queries.pairs < 0, -1, rows[queries.pairs]) if len(rows) else queries.pairs
    return _Tables(parts, rows, pairs)


def _power_of_two(minimum: int) -> int:
    return 1 << max(int(minimum) - 1, 1).bit_length()


# ---- one block


class _Stream(NamedTuple):
    """A block without the tokens of a stop-word set."""

    tokens: np.ndarray  # (T,)
    offsets: np.ndarray  # (documents + 1,)
    origin: np.ndarray  # (T,) int64 position of each token in the block; empty: the block itself


class _Hits(NamedTuple):
    """Postings of a block: positions[starts[g] : starts[g + 1]] are those of row g, ascending."""

    starts: np.ndarray  # (G + 1,) int64
    positions: np.ndarray  # (hits,) documents, or with a window positions of occurrences
    occurrences: np.ndarray  # (G,)
    documents: np.ndarray  # (G,)


def _drop_stop_words(tokens: np.ndarray, offsets: np.ndarray, skip: np.ndarray) -> _Stream:
    remaining, remaining_offsets = np.empty_like(tokens), np.empty_like(offsets)
    origin = np.empty(len(tokens), np.int64)
    size = kernels.drop_tokens(tokens, offsets, skip, remaining, remaining_offsets, origin)
    return _Stream(remaining[:size], remaining_offsets, origin[:size])


def _find_hits(
    tokens: np.ndarray, offsets: np.ndarray, queries: Queries, tables: _Tables, window: int | None
) -> _Hits:
    # occurrences, documents, last document; four columns, so that a row lies in one cache line
    tallies = np.zeros((len(queries.grams), 4), np.int32 if len(tokens) < 2**31 else np.int64)
    tallies[:, 2] = -1
    streams = {0: _Stream(tokens, offsets, np.empty(0, np.int64))}
    capacity = len(tokens)
    every = window is not None
    gap = 0 if window is None else window + 1
    position_type = np.int64 if every else np.int32
    gram_parts, position_parts = [], []
    for table in tables.parts:
        if table.stream not in streams:
            skip = queries.stop_words[table.stream]
            streams[table.stream] = _drop_stop_words(tokens, offsets, skip)
        stream = streams[table.stream]
        hit_gram = np.empty(capacity, np.int32)
        hit_position = np.empty(capacity, position_type)
        hits = kernels.scan(
            stream.tokens,
            stream.offsets,
            table.base,
            table.packed,
            table.grams,
            table.slots,
            table.sieve,
            tallies[table.first : table.first + len(table.grams)],
            stream.origin,
            every,
            gap,
            hit_gram,
            hit_position,
        )
        gram_parts.append(hit_gram[:hits] + table.first if table.first else hit_gram[:hits])
        position_parts.append(hit_position[:hits])
    hit_gram = _joined(gram_parts, np.int32)
    hit_position = _joined(position_parts, position_type)
    starts = np.empty(len(queries.grams) + 1, np.int64)
    positions = np.empty_like(hit_position)
    kernels.postings(hit_gram, hit_position, len(hit_gram), starts, positions)
    return _Hits(starts, positions, tallies[:, 0], tallies[:, 1])


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, kind)])


def _count_block(
    tokens: np.ndarray, offsets: np.ndarray, queries: Queries, tables: _Tables, window: int | None
) -> Counts:
    pair_counts = np.zeros(len(queries.pairs), np.int64)
    hits = _find_hits(tokens, offsets, queries, tables, window)
    if len(pair_counts) and window is None:
        documents = len(offsets) - 1
        # a bitmap is no larger than a list of more than documents / 32 numbers
        dense = np.full(len(hits.documents), -1, np.int64)
        frequent = np.flatnonzero(hits.documents > max(documents // 32, 64))
        dense[frequent] = np.arange(len(frequent))
        bits = np.zeros((len(frequent), documents // 64 + 1), np.uint64)
        kernels.bitmaps(hits.starts, hits.positions, dense, bits)
        kernels.count_shared_documents(
            tables.pairs, hits.starts, hits.positions, dense, bits, pair_counts
        )
    elif len(pair_counts):
        kernels.count_within_window(tables.pairs, hits.starts, hits.positions, window, pair_counts)
    return Counts(pair_counts, hits.occurrences, hits.documents)
