"""Exact counts by a query-driven scan: the n-grams asked for are hashed, the corpus is streamed
past them once.

Memory is that of the queries and of one block of the corpus; no index is built and no other n-gram
is kept.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.ngrams import kernels
from rote.ngrams.corpus import Corpus, NGram, Shard

BLOCK = 2**20  # tokens, at least
_FEW = np.empty(0, np.int64)


class Counts(NamedTuple):
    """What a scan counted. Single n-grams are numbered as in `Queries`."""

    pairs: (
        np.ndarray
    )  # (P,) int64: documents with both, or with a window occurrences of the first near the second
    occurrences: np.ndarray  # (G,) int64, overlapping ones included
    documents: np.ndarray  # (G,) int64


class Queries(NamedTuple):
    """Distinct n-grams, and pairs of them by number; −1 stands for an n-gram with a word that the
    corpus lacks.
    """

    grams: list[tuple[int, tuple[int, ...]]]  # (stop-word set, token ids)
    stop_words: list[np.ndarray]  # marks by token id, per stop-word set; the first is empty
    pairs: np.ndarray  # (P, 2) int64
    singles: np.ndarray  # (S,) int64, numbers of n-grams asked for alone

    @property
    def checksum(self) -> str:
        """Names the list of queries: partial counts of different lists must never be added up."""
        digest = hashlib.sha256(repr(self.grams).encode())
        for part in (*self.stop_words, self.pairs, self.singles):
            digest.update(len(part).to_bytes(8, "little") + part.tobytes())
        return digest.hexdigest()[:32]


def queries(
    corpus: Corpus,
    *,
    pairs: Iterable[tuple[NGram, NGram]] = (),
    singles: Iterable[NGram] = (),
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
) -> Queries:
    """Number n-grams and pairs.

    Args:
        pairs, singles: n-grams as text or token ids, see `Corpus.ids`.
        stop_words: left out of the corpus and of the n-grams: for the first of each pair, and for
            its second. Single n-grams go with the first.

    Raises:
        InputError: naming the pair or n-gram that cannot be read.
    """
    marks, of_side, left_out = [np.empty(0, bool)], [], []
    for words in stop_words:
        left_out.append(_units(corpus, words))
        mark = np.zeros(corpus.types, bool)
        mark[
            [
                unit
                for unit in left_out[-1]
                if not isinstance(unit, str) and 0 <= unit < corpus.types
            ]
        ] = True
        mark = mark if mark.any() else marks[0]
        same = [number for number, other in enumerate(marks) if np.array_equal(mark, other)]
        of_side.append(same[0] if same else len(marks))
        if not same:
            marks.append(mark)
    numbers: dict[tuple[int, tuple[int, ...]], int] = {}
    known: tuple[dict, dict] = ({}, {})

    def number(ngram: NGram, side: int) -> int:
        key = ngram if isinstance(ngram, (str, bytes, tuple)) else tuple(ngram)
        found = known[side].get(key)
        if found is None:
            plain = (
                type(key) is tuple
                and not left_out[side]
                and set(map(type, key)) == {int}
                and min(key) >= 0
            )
            ids = key if plain else corpus.ids(ngram, left_out[side])
            unknown = min(ids) < 0 or max(ids) >= corpus.types
            found = -1 if unknown else numbers.setdefault((of_side[side], ids), len(numbers))
            known[side][key] = found
        return found

    def all_of(items: Iterable, what: str, read: Callable) -> list:
        found = []
        for place, item in enumerate(items):
            try:
                found.append(read(item))
            except InputError as error:
                raise InputError(f"{what} {place}: {error}") from error
            except (TypeError, ValueError) as error:
                raise InputError(f"{what} {place}: {item!r} is not two n-grams") from error
        return found

    def both(pair: tuple[NGram, NGram]) -> tuple[int, int]:
        first, second = pair
        return number(first, 0), number(second, 1)

    ids = np.array(all_of(pairs, "pair", both), np.int64).reshape(-1, 2)
    alone = np.array(all_of(singles, "n-gram", lambda ngram: number(ngram, 0)), np.int64)
    return Queries(list(numbers), marks, ids, alone)


def _units(corpus: Corpus, words: Collection[NGram]) -> set[str | int]:
    """Stop words as the units that they are, and as token ids."""
    found: set[str | int] = set()
    for word in words:
        ids = corpus.ids(word)
        if len(ids) != 1:
            raise InputError(f"stop word {word!r}: must be one {corpus.analyser.unit}")
        found |= {*ids, *(corpus.split(word) if isinstance(word, str) else ())}
    return found - {-1}


def scan(
    corpus: Corpus,
    wanted: Queries,
    *,
    window: int | None = None,
    shards: Collection[int] | None = None,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
    _base: np.uint64 | None = None,
) -> Counts:
    """Count everything in `wanted` in one pass.

    Args:
        window: None counts documents that hold both n-grams of a pair; a number counts occurrences
            of the first whose start lies at most so many tokens from a start of the second in the
            same document.
        shards: numbers of the shards to count in; all by default. Counts of disjoint shards add up.
        threads: blocks counted side by side.
        progress: called with the tokens of each finished block.

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
    tables = _tables(wanted, corpus.types, _base)
    # larger blocks for many pairs: each block visits every pair once
    size = int(min(max(BLOCK, 16 * len(wanted.pairs)), 16 * BLOCK))
    lengths = len(wanted.pairs), len(wanted.grams), len(wanted.grams)
    total = Counts(*(np.zeros(length, np.int64) for length in lengths))

    def work(block: tuple[Shard, int, int]) -> tuple[Counts, int]:
        shard, first, end = block
        offsets = np.asarray(shard.offsets[first : end + 1])
        tokens = shard.tokens[offsets[0] : offsets[-1]]
        found = _block(tokens, offsets - offsets[0], wanted, tables, window)
        shard.release()
        return found, len(tokens)

    with ThreadPoolExecutor(threads) as pool:
        for found, tokens in _in_turn(pool, work, _blocks(corpus, chosen, size), threads):
            for sums, part in zip(total, found, strict=True):
                sums += part
            if progress:
                progress(tokens)
    return Counts(total.pairs, total.occurrences[tables.places], total.documents[tables.places])


def count(
    corpus: Corpus,
    ngrams: Iterable[NGram],
    *,
    statistic: str = "occurrences",
    stop_words: Collection[str] = (),
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Occurrences of each n-gram (overlapping ones included; never across documents), (n-grams,)
    int64.

    Args:
        ngrams: as text, which the corpus's own analyser splits, or as token ids; of any lengths.
        statistic: `occurrences`, or `documents` that hold the n-gram.
        stop_words: units left out of corpus and n-grams first.
        threads, progress: see `scan`.

    Raises:
        InputError: naming the n-gram that cannot be read.
    """
    if statistic not in ("occurrences", "documents"):
        raise InputError(f"statistic must be occurrences or documents, given {statistic!r}")
    wanted = queries(corpus, singles=ngrams, stop_words=(stop_words, ()))
    counted = getattr(scan(corpus, wanted, threads=threads, progress=progress), statistic)
    return np.append(counted, 0)[
        wanted.singles
    ]  # number −1, a word that the corpus lacks, reads the 0


def count_pairs(
    corpus: Corpus,
    pairs: Iterable[tuple[NGram, NGram]],
    *,
    window: int | None = None,
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Documents that hold both n-grams of each pair, anywhere and in any order, (pairs,) int64.

    Args:
        pairs: two n-grams each, as text or token ids.
        window: given, occurrences of the first n-gram near the second are counted instead, see
            `scan`.
        stop_words: units left out first, for the first n-grams and for the second ones.
        threads, progress: see `scan`.

    Raises:
        InputError: naming the pair that cannot be read.
    """
    wanted = queries(corpus, pairs=pairs, stop_words=stop_words)
    return scan(corpus, wanted, window=window, threads=threads, progress=progress).pairs


def postings(
    corpus: Corpus,
    ngrams: Iterable[NGram],
    *,
    stop_words: Collection[str] = (),
    progress: Callable[[int], None] | None = None,
) -> list[np.ndarray]:
    """Numbers of the documents that hold each n-gram, ascending int64, from one pass over the
    corpus.

    Args:
        ngrams, stop_words, progress: see `count`.
    """
    wanted = queries(corpus, singles=ngrams, stop_words=(stop_words, ()))
    tables = _tables(wanted, corpus.types)
    parts: list[list[np.ndarray]] = [[] for _ in wanted.grams]
    passed = 0
    for shard, first, end in _blocks(corpus, range(len(corpus.shards)), BLOCK):
        offsets = np.asarray(shard.offsets[first : end + 1])
        hits = _hits(
            shard.tokens[offsets[0] : offsets[-1]], offsets - offsets[0], wanted, tables, None
        )
        shard.release()
        for number, place in enumerate(tables.places):
            if hits.documents[place]:
                parts[number].append(
                    passed
                    + hits.places[hits.starts[place] : hits.starts[place + 1]].astype(np.int64)
                )
        passed += end - first
        if progress:
            progress(int(offsets[-1] - offsets[0]))
    found = [np.concatenate([np.empty(0, np.int64), *pieces]) for pieces in parts] + [
        np.empty(0, np.int64)
    ]
    return [
        found[number] for number in wanted.singles
    ]  # number −1, a word that the corpus lacks, reads the last


# ---- one block
# -----------------------------------------------------------------------------------------------------


class _Table(NamedTuple):
    """Queries of one length in one stream, hashed."""

    stream: int
    base: np.uint64
    packed: bool  # the hash is the n-gram itself
    first: int  # number of the first, in the order of the tables
    grams: np.ndarray
    slots: np.ndarray
    sieve: np.ndarray


class _Tables(NamedTuple):
    """All queries. Within a block n-grams are numbered in the order of the tables."""

    parts: list[_Table]
    places: np.ndarray  # number in that order, by number in `Queries`
    pairs: np.ndarray  # (P, 2) pairs in that order


class _Hits(NamedTuple):
    """Postings of a block: places[starts[g] : starts[g + 1]] are those of the n-gram g, ascending."""

    starts: np.ndarray
    places: np.ndarray
    occurrences: np.ndarray
    documents: np.ndarray


def _tables(wanted: Queries, types: int, base: np.uint64 | None = None) -> _Tables:
    bits = max(int(types - 1).bit_length(), 1) if types else 1
    groups: dict[tuple[int, int], list[int]] = {}
    for number, (stream, ids) in enumerate(wanted.grams):
        groups.setdefault((stream, len(ids)), []).append(number)
    parts, places, first = [], np.full(len(wanted.grams), -1, np.int64), 0
    for (stream, _), numbers in sorted(groups.items()):
        grams = np.array([wanted.grams[number][1] for number in numbers], np.int64)
        packed = base is None and grams.shape[1] * bits <= 64
        radix = np.uint64(1 << bits) if packed else kernels.BASE if base is None else base
        keys = kernels.hashes(grams, radix)
        slots = np.zeros((_power_of_two(2 * len(grams)), 2), np.uint64)
        sieve = np.zeros(
            _power_of_two(max(len(grams) // 4, 16)), np.uint64
        )  # 16 bits per n-gram or more
        kernels.fill_table(keys, slots, sieve)
        parts.append(_Table(stream, radix, packed, first, grams, slots, sieve))
        places[numbers] = np.arange(first, first + len(grams))
        first += len(grams)
    pairs = np.where(wanted.pairs < 0, -1, places[wanted.pairs]) if len(places) else wanted.pairs
    return _Tables(parts, places, pairs)


def _power_of_two(least: int) -> int:
    return 1 << max(int(least) - 1, 1).bit_length()


def _hits(tokens, offsets, wanted: Queries, tables: _Tables, window: int | None) -> _Hits:
    # occurrences, documents, last document; four columns, so that a row lies in one cache line
    tallies = np.zeros((len(wanted.grams), 4), np.int32 if len(tokens) < 2**31 else np.int64)
    tallies[:, 2] = -1
    streams: dict[int, tuple] = {0: (tokens, offsets, _FEW)}
    gram_parts, place_parts = [], []
    room = len(tokens)
    every, gap = window is not None, 0 if window is None else window + 1
    for part in tables.parts:
        if part.stream not in streams:
            kept, kept_offsets = np.empty_like(tokens), np.empty_like(offsets)
            origin = np.empty(len(tokens), np.int64)
            size = kernels.without(
                tokens, offsets, wanted.stop_words[part.stream], kept, kept_offsets, origin
            )
            streams[part.stream] = (kept[:size], kept_offsets, origin[:size])
        stream, ends, origin = streams[part.stream]
        hit_gram, hit_place = (
            np.empty(room, np.int32),
            np.empty(room, np.int64 if every else np.int32),
        )
        hits = kernels.scan(
            stream,
            ends,
            part.base,
            part.packed,
            part.grams,
            part.slots,
            part.sieve,
            tallies[part.first : part.first + len(part.grams)],
            origin,
            every,
            gap,
            hit_gram,
            hit_place,
        )
        gram_parts.append(hit_gram[:hits] + part.first if part.first else hit_gram[:hits])
        place_parts.append(hit_place[:hits])
    hit_gram = _joined(gram_parts, np.int32)
    hit_place = _joined(place_parts, np.int64 if every else np.int32)
    starts, places = np.empty(len(wanted.grams) + 1, np.int64), np.empty_like(hit_place)
    kernels.postings(hit_gram, hit_place, len(hit_gram), starts, places)
    return _Hits(starts, places, tallies[:, 0], tallies[:, 1])


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, kind)])


def _block(tokens, offsets, wanted: Queries, tables: _Tables, window: int | None) -> Counts:
    found = np.zeros(len(wanted.pairs), np.int64)
    hits = _hits(tokens, offsets, wanted, tables, window)
    if len(found):
        if window is None:
            documents = len(offsets) - 1
            # a bitmap is no larger than a list of more than documents / 32 numbers
            dense = np.full(len(hits.documents), -1, np.int64)
            frequent = np.flatnonzero(hits.documents > max(documents // 32, 64))
            dense[frequent] = np.arange(len(frequent))
            bits = np.zeros((len(frequent), documents // 64 + 1), np.uint64)
            kernels.bitmaps(hits.starts, hits.places, documents, dense, bits)
            kernels.together(tables.pairs, hits.starts, hits.places, dense, bits, found)
        else:
            kernels.near(tables.pairs, hits.starts, hits.places, window, found)
    return Counts(found, hits.occurrences, hits.documents)


def _blocks(corpus: Corpus, shards: Iterable[int], size: int) -> Iterator[tuple[Shard, int, int]]:
    """Whole documents of about `size` tokens at a time: (shard, first document, document after the
    last).
    """
    for number in shards:
        shard, first = corpus.shards[number], 0
        while first < shard.documents:
            target = shard.offsets[first] + size
            end = int(np.searchsorted(shard.offsets, target, side="right")) - 1
            end = min(max(end, first + 1), shard.documents, first + size)
            yield shard, first, end
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
