"""∞-gram probabilities by suffix arrays: the longest context that occurs, and its continuations.

The suffix array of a shard lies beside its tokens and is mapped, never loaded. Suffixes end with
their document, so nothing is matched across documents. (Infini-gram, Liu et al. 2024, without its
sampling: counts are exact.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rote.core import fields, reals
from rote.core.compiled import kernel, part
from rote.core.errors import InputError
from rote.core.tables import atomic
from rote.ngrams.corpus import Corpus, NGram, map_file, read_ngram

_JIT = {"nogil": True}


class InfinityGram:
    """The ∞-gram model of a corpus (Liu et al. 2024, section 3).

    Its suffix arrays are built on first use and stored in the corpus folder.

    Args:
        corpus: to count in.
        shards: how many of the corpus's shards are read, from the first; 0 reads all.

    Raises:
        InputError: for a number of shards that is no whole number ≥ 0.
    """

    def __init__(self, corpus: Corpus, shards: int = 0):
        fields.check_types({"corpus": Corpus}, {"corpus": corpus})
        fields.check({"shards": fields.COUNT}, {"shards": shards})
        self.corpus = corpus
        self._shards = corpus.shards[: shards or None]
        self._suffixes = [_map_suffixes(corpus, number) for number in range(len(self._shards))]

    def count(self, ngram: NGram) -> int:
        """Occurrences of an n-gram; of the empty one, the number of tokens.

        Args:
            ngram: text, which the corpus's own analyser splits, or token ids; may be empty.

        Raises:
            InputError: as `Corpus.ids`.
        """
        return sum(self._count(self._known(ids)) for ids in self._forms(ngram))

    def probability(self, context: NGram, token: NGram) -> float:
        """P(token | context): C(suffix ⊕ token) / C(suffix), the longest suffix that occurs.

        Args:
            context: text, which the corpus's own analyser splits, or token ids; may be empty.
            token: text of one unit, or a sequence of one id.

        Returns:
            In [0, 1]; 0 in a corpus without tokens.

        Raises:
            InputError: as `continuation`.
        """
        return self.continuation(context, token).probability

    def continuation(self, context: NGram, token: NGram) -> "Continuation":
        """`probability` with the counts behind it and the length of the suffix.

        Args:
            context: text, which the corpus's own analyser splits, or token ids; may be empty.
            token: text of one unit, or a sequence of one id. In a corpus of a tokenizer's tokens
                texts are matched with and without a space before them.

        Returns:
            The counts of the suffix, and of the suffix with the token behind it.

        Raises:
            InputError: if `token` is not one token, and as `Corpus.ids`.
        """
        following = [ids[0] for ids in self._forms(token) if len(ids) == 1]
        if not following:
            raise InputError(f"token {token!r} must be one {self.corpus.analyser.unit}")
        best = Continuation(0, 0, -1)
        for context_ids in self._forms(context):
            ids = self._known(context_ids)
            parts = [self._continued(ids, self._known([token_id])) for token_id in following]
            followed = sum(part.followed for part in parts)
            whole = parts[0]._replace(followed=followed)
            best = max(best, whole, key=lambda item: (item.context, item.occurrences))
        return best

    def continuation_ids(self, context: Sequence[int], token: int) -> "Continuation":
        """`continuation` for token ids as they are; −1 is a word that the corpus lacks.

        Args:
            context: token ids; may be empty.
            token: one id.

        Returns:
            As `continuation`.

        Raises:
            InputError: for ids that are no whole numbers ≥ −1.
        """
        fields.check({"token": fields.whole(-1)}, {"token": token})
        return self._continued(self._ids("context", context), self._known([int(token)]))

    def _continued(self, ids: np.ndarray, token: np.ndarray) -> "Continuation":
        """`continuation_ids` of arrays: the context, and one id."""
        # bisection of the suffix's length: a suffix of a suffix that occurs occurs too
        length, missing = 0, len(ids) + 1
        occurrences = sum(len(shard.tokens) for shard in self._shards)
        while length + 1 < missing:
            middle = (length + missing) // 2
            count = self._count(ids[len(ids) - middle :])
            if count:
                length, occurrences = middle, count
            else:
                missing = middle
        followed = self._count(np.concatenate([ids[len(ids) - length :], token]))
        return Continuation(followed, occurrences, length)

    def _forms(self, ngram: NGram) -> list[tuple[int, ...]]:
        ngram = read_ngram(ngram)
        is_empty = not (ngram.strip() if isinstance(ngram, str) else ngram)
        return [()] if is_empty else self.corpus.forms(ngram)

    def _known(self, ids: Sequence[int]) -> np.ndarray:
        """Whole numbers as ids, int64; −1 for all that the corpus lacks."""
        return np.array([n if n < self.corpus.types else -1 for n in ids], np.int64)

    def _ids(self, name: str, values: Sequence[int]) -> np.ndarray:
        """Token ids, int64; −1 for all that the corpus lacks."""
        ids = reals.whole(name, values)
        if (ids < -1).any():
            raise InputError(f"{name} must be token ids ≥ 0, or −1, given {ids.min()}")
        return np.where(ids < self.corpus.types, ids, -1).astype(np.int64)

    def _count(self, ids: np.ndarray) -> int:
        if len(ids) == 0:
            return sum(len(shard.tokens) for shard in self._shards)
        total = 0
        for shard, suffixes in zip(self._shards, self._suffixes, strict=True):
            low, high = _bounds(shard.tokens, shard.offsets, suffixes, ids)
            total += high - low
        return int(total)


class Continuation(NamedTuple):
    """A token after the longest context that occurs."""

    followed: int  # occurrences of that context with the token behind it
    occurrences: int  # of that context
    context: int  # its length in tokens

    @property
    def probability(self) -> float:
        """Share of the occurrences that the token follows; 0 if there are none."""
        return self.followed / self.occurrences if self.occurrences else 0.0


def suffix_array(tokens: np.ndarray, offsets: np.ndarray, types: int) -> np.ndarray:
    """Positions of all suffixes in order; a suffix ends with its document.

    Sorted by as many tokens as fit into 64 bits, then by doubling within groups that are still
    equal (Larsson and Sadakane 2007).

    Args:
        tokens: (T,) ids in [0, types).
        offsets: (D + 1,) from 0 to T.
        types: number of token ids, at most 2^32.

    Returns:
        (T,) int32, or int64 from 2^31 tokens on.

    Raises:
        InputError: for ids that are not in [0, types), or offsets that do not rise from 0 to T.
    """
    fields.check({"types": fields.whole(0, 2**32)}, {"types": types})
    tokens, offsets = reals.whole("tokens", tokens), reals.whole("offsets", offsets)
    offsets = offsets.astype(np.int64)
    size = len(tokens)
    if size and not 0 <= int(tokens.min()) <= int(tokens.max()) < types:
        raise InputError(
            f"token ids must lie in [0, {types}), given {tokens.min()} to {tokens.max()}"
        )
    if len(offsets) < 1 or offsets[0] or offsets[-1] != size or (np.diff(offsets) < 0).any():
        raise InputError(f"offsets must rise from 0 to the number of tokens, {size}")
    dtype = np.int32 if size < 2**31 else np.int64
    if size == 0:
        return np.empty(0, dtype)
    bits = int(types).bit_length()  # tokens are shifted by one: 0 is past the end
    depth = max(63 // bits, 1)
    owner = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    keys = _packed(tokens, offsets, owner, bits, depth)
    order = np.argsort(keys, kind="stable").astype(dtype)
    rank = np.empty(size, dtype)
    _first_ranks(keys, order, rank)
    del keys
    while _refine(order, rank, owner, offsets, depth):
        depth *= 2
    return order


@kernel(**_JIT)
def _packed(tokens, offsets, owner, bits, depth):
    """The next `depth` tokens of every suffix in one number, (T,) int64."""
    keys = np.empty(len(tokens), np.int64)
    for at in range(len(tokens)):
        end = offsets[owner[at] + 1]
        key = np.int64(0)
        for i in range(depth):
            key <<= bits
            if at + i < end:
                key |= np.int64(tokens[at + i]) + 1
        keys[at] = key
    return keys


@kernel(**_JIT)
def _first_ranks(keys, order, rank):
    """Rank of every suffix: the first index in `order` of its group of equal keys."""
    first = 0
    for i in range(len(order)):
        if i and keys[order[i]] != keys[order[i - 1]]:
            first = i
        rank[order[i]] = first


@kernel(**_JIT)
def _refine(order, rank, owner, offsets, depth):
    """Sort every group of equal rank by the rank `depth` further on.

    Returns:
        Whether groups of more than one suffix may be left.
    """
    size = len(order)
    begin, left = 0, False
    while begin < size:
        end = begin + 1
        while end < size and rank[order[end]] == begin:
            end += 1
        if end - begin > 1:
            keys = np.empty(end - begin, np.int64)
            for i in range(end - begin):
                at = order[begin + i]
                document = owner[at]
                # past the end nothing follows:
                # such suffixes are equal, in the order of their documents
                keys[i] = (
                    rank[at + depth]
                    if at + depth < offsets[document + 1]
                    else document - len(offsets)
                )
            sorting = np.argsort(keys, kind="mergesort")
            members = order[begin:end].copy()
            first = begin
            for i in range(end - begin):
                order[begin + i] = members[sorting[i]]
                if i and keys[sorting[i]] != keys[sorting[i - 1]]:
                    first = begin + i
                rank[order[begin + i]] = first
                left |= first != begin + i
        begin = end
    return left


@part
def _compare(tokens, end, at, pattern):
    """−1, 0 or 1: the suffix at `at`, cut to the pattern's length, against the pattern."""
    for i in range(len(pattern)):
        if at + i >= end:
            return -1
        token = np.int64(tokens[at + i])
        if token != pattern[i]:
            return -1 if token < pattern[i] else 1
    return 0


def bounds(
    tokens: np.ndarray, offsets: np.ndarray, suffixes: np.ndarray, pattern: np.ndarray
) -> tuple[int, int]:
    """The suffixes that begin with a pattern.

    Args:
        tokens, offsets: as of `suffix_array`.
        suffixes: (T,) its result, which is not checked.
        pattern: (n,) token ids.

    Returns:
        First index in `suffixes`, and the one after the last.

    Raises:
        InputError: for what is no vector of whole numbers, and arrays that do not fit.
    """
    arrays = {"tokens": tokens, "offsets": offsets, "suffixes": suffixes, "pattern": pattern}
    tokens, offsets, suffixes, pattern = (
        reals.whole(name, values) for name, values in arrays.items()
    )
    if len(suffixes) != len(tokens) or len(offsets) < 1 or offsets[-1] != len(tokens):
        raise InputError(
            f"suffixes must be the suffix array of {len(tokens)} tokens, they are {len(suffixes)}"
        )
    return _bounds(tokens, offsets, suffixes, pattern.astype(np.int64))


@kernel(**_JIT)
def _bounds(tokens, offsets, suffixes, pattern):
    """First index in `suffixes`, and the one after the last."""
    edges = np.zeros(2, np.int64)
    for side in range(2):
        low, high = np.int64(0) if side == 0 else edges[0], np.int64(len(suffixes))
        while low < high:
            middle = (low + high) // 2
            at = suffixes[middle]
            end = offsets[np.searchsorted(offsets, at, side="right")]
            if _compare(tokens, end, at, pattern) < side:
                low = middle + 1
            else:
                high = middle
        edges[side] = low
    return edges[0], edges[1]


def _map_suffixes(corpus: Corpus, number: int) -> np.ndarray:
    """The suffix array of a shard (T,), mapped; written first where it is not there."""
    shard = corpus.shards[number]
    path = corpus.folder / f"suffixes-{number:05d}.bin"
    dtype = np.dtype("<i4" if len(shard.tokens) < 2**31 else "<i8")
    if len(shard.tokens) == 0:
        return np.empty(0, dtype)
    if not path.is_file() or path.stat().st_size != len(shard.tokens) * dtype.itemsize:
        suffixes = suffix_array(shard.tokens, shard.offsets, corpus.types)
        with atomic(path) as temporary:
            suffixes.astype(dtype, copy=False).tofile(temporary)
    return map_file(path, dtype, len(shard.tokens))
