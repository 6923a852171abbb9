"""Full n-gram tables: every distinct n-gram with its count."""

from typing import NamedTuple

import numpy as np
from numba import njit

from rote.core.errors import InputError
from rote.ngrams.corpus import Corpus
from rote.ngrams.infinity import suffix_array

_BUCKETS = 64
_JIT = {"nogil": True, "cache": True}
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class NGramTable(NamedTuple):
    """Distinct n-grams of a corpus."""

    ngrams: np.ndarray  # (m, n) token ids
    counts: np.ndarray  # (m,) int64 occurrences

    def top(self, number: int) -> "NGramTable":
        """The most frequent ones, ties in the order of their ids."""
        best = np.lexsort((*self.ngrams.T[::-1], -self.counts))[:number]
        return NGramTable(self.ngrams[best], self.counts[best])


def table(corpus: Corpus, n: int, *, min_count: int = 1) -> NGramTable:
    """Every n-gram that occurs at least `min_count` times.

    n-grams that fit into 64 bits are packed, spread over buckets by hash and sorted bucket by
    bucket: 8 bytes per token, given back as the table grows. Longer ones are read off a suffix
        array.

    Raises:
        InputError: for n or min_count below 1.
    """
    if n < 1 or min_count < 1:
        raise InputError(f"n and min_count must be at least 1, given {n} and {min_count}")
    kind = np.uint16 if corpus.types <= 2**16 else np.uint32
    bits = max(int(corpus.types - 1).bit_length(), 1)
    if n * bits > 64:
        return _by_suffixes(corpus, n, min_count, kind)
    sizes = np.zeros(_BUCKETS, np.int64)
    for shard in corpus.shards:
        _sizes(shard.tokens, shard.offsets, n, np.uint64(bits), sizes)
    ends = np.cumsum(sizes)
    packed = np.empty(int(ends[-1]), np.uint64)
    at = ends - sizes
    for shard in corpus.shards:
        _fill(shard.tokens, shard.offsets, n, np.uint64(bits), at, packed)
        shard.release()
    ngrams, counts = np.empty((0, n), kind), np.empty(0, np.int64)
    for end, size in zip(ends[::-1], sizes[::-1], strict=True):
        bucket = packed[end - size :]
        bucket.sort()
        distinct, found = _runs(bucket, min_count)
        have = len(counts)
        ngrams.resize(
            (have + distinct, n), refcheck=False
        )  # grown and given back in place: nothing is held twice
        counts.resize(have + distinct, refcheck=False)
        _unpack(bucket[:distinct], np.uint64(bits), ngrams[have:])
        counts[have:] = found
        del bucket
        packed.resize(int(end - size), refcheck=False)
    return NGramTable(ngrams, counts)


@njit(**_JIT)
def _sizes(tokens, offsets, n, bits, sizes):
    for document in range(len(offsets) - 1):
        for at in range(offsets[document], offsets[document + 1] - n + 1):
            key = np.uint64(0)
            for i in range(n):
                key = (key << bits) | np.uint64(tokens[at + i])
            sizes[np.int64((key * _MULTIPLIER) >> np.uint64(58))] += 1


@njit(**_JIT)
def _fill(tokens, offsets, n, bits, place, packed):
    for document in range(len(offsets) - 1):
        for at in range(offsets[document], offsets[document + 1] - n + 1):
            key = np.uint64(0)
            for i in range(n):
                key = (key << bits) | np.uint64(tokens[at + i])
            bucket = np.int64((key * _MULTIPLIER) >> np.uint64(58))
            packed[place[bucket]] = key
            place[bucket] += 1


@njit(**_JIT)
def _runs(keys, min_count):
    """Run lengths of sorted keys: the distinct ones, moved to the front, and their counts."""
    distinct, begin = 0, 0
    counts = np.empty(len(keys), np.uint32)
    for at in range(1, len(keys) + 1):
        if at == len(keys) or keys[at] != keys[begin]:
            if at - begin >= min_count:
                keys[distinct] = keys[begin]
                counts[distinct] = at - begin
                distinct += 1
            begin = at
    return distinct, counts[:distinct].copy()


@njit(**_JIT)
def _unpack(packed, bits, out):
    mask = (np.uint64(1) << bits) - np.uint64(1)
    for row in range(len(packed)):
        key = packed[row]
        for column in range(out.shape[1] - 1, -1, -1):
            out[row, column] = key & mask
            key >>= bits


def _by_suffixes(corpus: Corpus, n: int, min_count: int, kind: type) -> NGramTable:
    """n-grams stand side by side in the suffix array of all shards together."""
    tokens = np.concatenate([shard.tokens for shard in corpus.shards])
    starts = np.cumsum([0, *(len(shard.tokens) for shard in corpus.shards)])
    offsets = [
        shard.offsets[1:] + start for shard, start in zip(corpus.shards, starts[:-1], strict=True)
    ]
    bounds = np.concatenate([[0], *offsets]).astype(np.int64)
    ends = np.repeat(bounds[1:], np.diff(bounds))
    order = suffix_array(tokens, bounds, corpus.types)
    order = order[order + n <= ends[order]]
    first, counts = _neighbors(tokens, order, n)
    keep = counts >= min_count
    places = first[keep][:, None] + np.arange(n)
    return NGramTable(tokens[places].astype(kind), counts[keep])


@njit(**_JIT)
def _neighbors(tokens, order, n):
    first, counts, distinct = np.empty(len(order), np.int64), np.zeros(len(order), np.int64), 0
    for place in range(len(order)):
        same = distinct > 0
        if same:
            for i in range(n):
                if tokens[order[place] + i] != tokens[first[distinct - 1] + i]:
                    same = False
                    break
        if not same:
            first[distinct] = order[place]
            distinct += 1
        counts[distinct - 1] += 1
    return first[:distinct], counts[:distinct]
