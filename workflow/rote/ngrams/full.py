"""Full n-gram tables: every distinct n-gram with its count."""

from typing import NamedTuple

import numpy as np

from rote.core import fields
from rote.core.compiled import kernel, part
from rote.ngrams.corpus import Corpus
from rote.ngrams.infinity import suffix_array

_BUCKETS = 64
_JIT = {"nogil": True}
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of the hash that spreads n-grams over buckets


class NGramTable(NamedTuple):
    """Distinct n-grams of a corpus."""

    ngrams: np.ndarray  # (m, n) token ids
    counts: np.ndarray  # (m,) int64 occurrences

    def top(self, number: int) -> "NGramTable":
        """The `number` most frequent ones, ties in the order of their ids.

        Args:
            number: of n-grams; all of them if there are fewer.

        Raises:
            InputError: for a number that is no whole number ≥ 0.
        """
        fields.check({"number": fields.COUNT}, {"number": number})
        order = np.lexsort((*self.ngrams.T[::-1], -self.counts))[:number]
        return NGramTable(self.ngrams[order], self.counts[order])


def table(corpus: Corpus, n: int, *, min_count: int = 1) -> NGramTable:
    """Every n-gram that occurs at least `min_count` times.

    n-grams that fit into 64 bits are packed, spread over buckets by hash and sorted bucket by
    bucket: 8 bytes per token, released as the table grows. Longer ones are read off a suffix array.

    Args:
        corpus: to count in.
        n: length of the n-grams in tokens.
        min_count: n-grams that occur less often are left out.

    Returns:
        The n-grams, in no particular order.

    Raises:
        InputError: for an n or min_count that is no whole number ≥ 1, and an n above 2^20.
    """
    fields.check_types({"corpus": Corpus}, {"corpus": corpus})
    domains = {"n": fields.whole(1, 2**20), "min_count": fields.SIZE}
    n, min_count = fields.check(domains, {"n": n, "min_count": min_count}).values()
    dtype = np.uint16 if corpus.types <= 2**16 else np.uint32
    bits = max(int(corpus.types - 1).bit_length(), 1)
    if n * bits > 64:
        return _by_suffixes(corpus, n, min_count, dtype)
    sizes = np.zeros(_BUCKETS, np.int64)
    for shard in corpus.shards:
        _sizes(shard.tokens, shard.offsets, n, np.uint64(bits), sizes)
    ends = np.cumsum(sizes)
    packed = np.empty(int(ends[-1]), np.uint64)
    cursors = ends - sizes
    for shard in corpus.shards:
        _fill(shard.tokens, shard.offsets, n, np.uint64(bits), cursors, packed)
        shard.release()
    ngrams = np.empty((0, n), dtype)
    counts = np.empty(0, np.int64)
    for end, size in zip(ends[::-1], sizes[::-1], strict=True):
        bucket = packed[end - size :]
        bucket.sort()
        distinct, bucket_counts = _runs(bucket, min_count)
        size_before = len(counts)
        # grown and released in place: nothing is in memory twice
        ngrams.resize((size_before + distinct, n), refcheck=False)
        counts.resize(size_before + distinct, refcheck=False)
        _unpack(bucket[:distinct], np.uint64(bits), ngrams[size_before:])
        counts[size_before:] = bucket_counts
        del bucket
        packed.resize(int(end - size), refcheck=False)
    return NGramTable(ngrams, counts)


@part
def _packed(tokens, at, n, bits):
    """The n-gram at a position in one number."""
    key = np.uint64(0)
    for i in range(n):
        key = (key << bits) | np.uint64(tokens[at + i])
    return key


@part
def _bucket(key):
    return np.int64((key * _MULTIPLIER) >> np.uint64(58))


@kernel(**_JIT)
def _sizes(tokens, offsets, n, bits, sizes):
    """Count the n-grams of each bucket."""
    for document in range(len(offsets) - 1):
        for at in range(offsets[document], offsets[document + 1] - n + 1):
            sizes[_bucket(_packed(tokens, at, n, bits))] += 1


@kernel(**_JIT)
def _fill(tokens, offsets, n, bits, cursors, packed):
    """Write the packed n-grams into their buckets, each from its cursor on."""
    for document in range(len(offsets) - 1):
        for at in range(offsets[document], offsets[document + 1] - n + 1):
            key = _packed(tokens, at, n, bits)
            bucket = _bucket(key)
            packed[cursors[bucket]] = key
            cursors[bucket] += 1


@kernel(**_JIT)
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


@kernel(**_JIT)
def _unpack(packed, bits, out):
    """Token ids (m, n) of packed n-grams (m,)."""
    mask = (np.uint64(1) << bits) - np.uint64(1)
    for row in range(len(packed)):
        key = packed[row]
        for column in range(out.shape[1] - 1, -1, -1):
            out[row, column] = key & mask
            key >>= bits


def _by_suffixes(corpus: Corpus, n: int, min_count: int, dtype: type) -> NGramTable:
    """The table by a suffix array of all shards together, where equal n-grams are neighbors."""
    tokens = np.concatenate([shard.tokens for shard in corpus.shards])
    starts = np.cumsum([0, *(len(shard.tokens) for shard in corpus.shards)])
    offsets = [
        shard.offsets[1:] + start for shard, start in zip(corpus.shards, starts[:-1], strict=True)
    ]
    bounds = np.concatenate([[0], *offsets]).astype(np.int64)
    ends = np.repeat(bounds[1:], np.diff(bounds))
    order = suffix_array(tokens, bounds, corpus.types)
    order = order[order <= ends[order] - n]
    first, counts = _suffix_runs(tokens, order, n)
    frequent = counts >= min_count
    positions = first[frequent][:, None] + np.arange(n)
    return NGramTable(tokens[positions].astype(dtype), counts[frequent])


@kernel(**_JIT)
def _suffix_runs(tokens, order, n):
    """First position and count of each distinct n-gram, from suffixes in order."""
    first = np.empty(len(order), np.int64)
    counts = np.zeros(len(order), np.int64)
    distinct = 0
    for row in range(len(order)):
        same = distinct > 0
        if same:
            for i in range(n):
                if tokens[order[row] + i] != tokens[first[distinct - 1] + i]:
                    same = False
                    break
        if not same:
            first[distinct] = order[row]
            distinct += 1
        counts[distinct - 1] += 1
    return first[:distinct], counts[:distinct]
