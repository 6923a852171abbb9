"""Compiled kernels of the n-gram counter. They release the interpreter lock, so blocks can be
counted side by side.

Hashes are polynomials in 64-bit arithmetic, rolled along a document; a hit counts only after its
tokens were compared.
"""

import numpy as np
from numba import njit

BASE = np.uint64(0x9E3779B97F4A7C15)  # of the rolling hash; odd
_MIX = np.uint64(0xD6E8FEB86659FD93)
_ONE, _HALF, _SIX, _SIXTY_THREE = np.uint64(1), np.uint64(32), np.uint64(6), np.uint64(63)
_STRETCH = 1024  # places hashed before their candidates may have to be looked up
_JIT = {"nogil": True, "cache": True}


@njit(inline="always")
def _mixed(h):
    h = (h ^ (h >> _HALF)) * _MIX
    return h ^ (h >> _HALF)


@njit(**_JIT)
def hashes(grams, base):
    """Hash of every row of token ids, (m,) uint64."""
    found = np.zeros(len(grams), np.uint64)
    for row in range(len(grams)):
        for at in range(grams.shape[1]):
            found[row] = found[row] * base + np.uint64(grams[row, at])
    return found


@njit(**_JIT)
def fill_table(keys, slots, sieve):
    """Open addressing with linear probing, by hash, and one bit per hash in `sieve`.

    A slot is (hash, row number), the row as uint64 and one too large: 0 is a free slot.
    """
    mask, bits = np.uint64(len(slots) - 1), np.uint64(len(sieve) * 64 - 1)
    for row in range(len(keys)):
        mixed = _mixed(keys[row])
        bit = mixed & bits
        sieve[bit >> _SIX] |= _ONE << (bit & _SIXTY_THREE)
        slot = (mixed >> _HALF) & mask
        while slots[slot, 1] != 0:
            slot = (slot + _ONE) & mask
        slots[slot, 0] = keys[row]
        slots[slot, 1] = np.uint64(row) + _ONE


@njit(inline="always")
def _same(tokens, begin, grams, row):
    """Whether the n-gram in this row stands at tokens[begin:]."""
    same = True
    for i in range(grams.shape[1]):
        same &= grams[row, i] == tokens[begin + i]
    return same


@njit(**_JIT)
def scan(
    tokens,
    offsets,
    base,
    packed,
    grams,
    slots,
    sieve,
    tallies,
    origin,
    every,
    gap,
    hit_gram,
    hit_place,
):
    """One pass over the documents of a block for the n-grams in `grams`; returns the number of hits
    written.

    Places whose hash passes the sieve are gathered first, then looked up together: so their cache
    misses overlap.

    Args:
        tokens, offsets: the block, document d at tokens[offsets[d] : offsets[d + 1]].
        base: of the hash. If `packed`, n-grams fit into 64 bits in that base: the hash is the
            n-gram, and equal hashes need no comparison of the tokens.
        grams: (m, n) token ids, distinct rows.
        tallies: (m, 4) by row: occurrences and documents, counted up, and the last document with a
            hit.
        origin: place of each token in the block that stop words were taken from; empty if none
            were.
        every: True writes every occurrence (place: position + gap · document), False the documents
            that hold it.
        hit_gram, hit_place: row and place of each hit, in order.
    """
    n = grams.shape[1]
    bits, mask = np.uint64(len(sieve) * 64 - 1), np.uint64(len(slots) - 1)
    power = _ONE
    for _ in range(n - 1):
        power *= base
    places, keys = np.empty(2 * _STRETCH, np.int64), np.empty(2 * _STRETCH, np.uint64)
    first, held = np.empty(2 * _STRETCH, np.uint64), np.empty(2 * _STRETCH, np.uint64)
    rows = np.empty(2 * _STRETCH, np.int64)
    behind, candidates = (
        np.uint64(n - 1),
        np.uint64(0),
    )  # unsigned indices: no check for negative ones in the hot loop
    hits = holder = 0
    documents = len(offsets) - 1
    for document in range(documents):
        begin, end = offsets[document], offsets[document + 1] - n + 1
        h = np.uint64(0)
        if begin < end:
            for at in range(begin, begin + n - 1):
                h = h * base + np.uint64(tokens[at])
        while True:
            for at in range(np.uint64(begin), np.uint64(max(begin, min(end, begin + _STRETCH)))):
                h = h * base + np.uint64(tokens[at + behind])
                bit = _mixed(h) & bits
                places[candidates] = at
                candidates += (sieve[bit >> _SIX] >> (bit & _SIXTY_THREE)) & _ONE
                h -= np.uint64(tokens[at]) * power
            begin += _STRETCH
            ended = begin >= end
            if candidates >= np.uint64(_STRETCH) or (ended and document == documents - 1):
                for i in range(np.int64(candidates)):
                    key = np.uint64(0)
                    for j in range(n):
                        key = key * base + np.uint64(tokens[places[i] + j])
                    slot = (_mixed(key) >> _HALF) & mask
                    keys[i], first[i], held[i], rows[i] = (
                        key,
                        slot,
                        slots[slot, 0],
                        np.int64(slots[slot, 1]) - 1,
                    )
                found = 0
                for i in range(np.int64(candidates)):
                    row, at = rows[i], places[i]
                    if row >= 0 and not (
                        held[i] == keys[i] and (packed or _same(tokens, at, grams, row))
                    ):
                        slot = (first[i] + _ONE) & mask
                        row = -1
                        while slots[slot, 1] != 0:
                            other = np.int64(slots[slot, 1]) - 1
                            if slots[slot, 0] == keys[i] and (
                                packed or _same(tokens, at, grams, other)
                            ):
                                row = other
                                break
                            slot = (slot + _ONE) & mask
                    rows[found], places[found] = row, at
                    found += row >= 0
                for i in range(found):
                    row, at = rows[i], places[i]
                    while at >= offsets[holder + 1]:
                        holder += 1
                    new = tallies[row, 2] != holder
                    tallies[row, 0] += 1
                    tallies[row, 1] += new
                    tallies[row, 2] = holder
                    if every or new:
                        hit_gram[hits] = row
                        hit_place[hits] = (
                            (origin[at] if len(origin) else at) + gap * holder if every else holder
                        )
                        hits += 1
                candidates = np.uint64(0)
            if ended:
                break
    return hits


@njit(**_JIT)
def without(tokens, offsets, skip, kept, kept_offsets, origin):
    """Copy a block leaving out the token ids marked in `skip`; `origin` gets each kept token's
    place in the block.
    """
    out = 0
    kept_offsets[0] = 0
    for document in range(len(offsets) - 1):
        for at in range(offsets[document], offsets[document + 1]):
            token = tokens[at]
            if token >= len(skip) or not skip[token]:
                kept[out] = token
                origin[out] = at
                out += 1
        kept_offsets[document + 1] = out
    return out


@njit(**_JIT)
def postings(hit_gram, hit_place, hits, starts, places):
    """Counting sort of hits by n-gram, keeping their order: places[starts[g] : starts[g + 1]] are
    those of g.
    """
    starts[:] = 0
    for hit in range(hits):
        starts[hit_gram[hit] + 1] += 1
    for number in range(1, len(starts)):
        starts[number] += starts[number - 1]
    for hit in range(hits):
        number = hit_gram[hit]
        places[starts[number]] = hit_place[hit]
        starts[number] += 1
    for number in range(len(starts) - 1, 0, -1):
        starts[number] = starts[number - 1]
    starts[0] = 0


@njit(**_JIT)
def bitmaps(starts, places, documents, dense, bits):
    """One bit per document for each n-gram with a row (≥ 0) in `dense`."""
    for number in range(len(dense)):
        if dense[number] >= 0:
            for at in range(starts[number], starts[number + 1]):
                place = places[at]
                bits[dense[number], place >> 6] |= _ONE << np.uint64(place & 63)


@njit(inline="always")
def _ones(word):
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(inline="always")
def _gallop(places, begin, end, wanted):
    """First position in places[begin:end] that is not below `wanted`: doubling steps, then
    bisection.
    """
    step = 1
    low = begin
    while low + step < end and places[low + step] < wanted:
        low += step
        step *= 2
    high = min(low + step + 1, end)
    while low < high:
        middle = (low + high) >> 1
        if places[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@njit(**_JIT)
def together(pairs, starts, places, dense, bits, found):
    """Add to `found` the documents that hold both n-grams of each pair, from sorted distinct
    document numbers.
    """
    for row in range(len(pairs)):
        a, b = pairs[row, 0], pairs[row, 1]
        if a < 0 or b < 0:
            continue
        size_a, size_b = starts[a + 1] - starts[a], starts[b + 1] - starts[b]
        if size_a == 0 or size_b == 0:
            continue
        if size_a > size_b:
            a, b = b, a
            size_a, size_b = size_b, size_a
        count = 0
        if dense[a] >= 0:  # then b, which is no rarer, has a bitmap too
            for word in range(bits.shape[1]):
                count += _ones(bits[dense[a], word] & bits[dense[b], word])
        elif dense[b] >= 0:
            for at in range(starts[a], starts[a + 1]):
                place = places[at]
                count += np.int64((bits[dense[b], place >> 6] >> np.uint64(place & 63)) & _ONE)
        elif size_b > 16 * size_a:
            other, end = starts[b], starts[b + 1]
            for at in range(starts[a], starts[a + 1]):
                other = _gallop(places, other, end, places[at])
                if other == end:
                    break
                count += places[other] == places[at]
        else:
            i, j, end_i, end_j = starts[a], starts[b], starts[a + 1], starts[b + 1]
            while i < end_i and j < end_j:
                if places[i] < places[j]:
                    i += 1
                elif places[i] > places[j]:
                    j += 1
                else:
                    count += 1
                    i += 1
                    j += 1
        found[row] += count


@njit(**_JIT)
def near(pairs, starts, places, window, found):
    """Add the occurrences of each pair's first n-gram that have the second within `window` places,
    before or after.
    """
    for row in range(len(pairs)):
        a, b = pairs[row, 0], pairs[row, 1]
        if a < 0 or b < 0:
            continue
        j, end = starts[b], starts[b + 1]
        for i in range(starts[a], starts[a + 1]):
            while j < end and places[j] < places[i] - window:
                j += 1
            if j == end:
                break
            found[row] += places[j] <= places[i] + window
