"""Compiled kernels of the n-gram counter.

They release the interpreter lock, so blocks can be counted side by side. Hashes are polynomials in
64-bit arithmetic, rolled along a document; a hit counts only after its tokens were compared.
Arrays are those of one block of a corpus: `tokens` (T,) of an unsigned type, `offsets` (D + 1,)
int64, document d at tokens[offsets[d] : offsets[d + 1]].
"""

import numpy as np

from rote.core.compiled import kernel, part

BASE = np.uint64(0x9E3779B97F4A7C15)  # of the rolling hash; odd
_FINALIZER = np.uint64(0xD6E8FEB86659FD93)  # spreads the high bits of a hash over its low ones
_ONE, _HALF = np.uint64(1), np.uint64(32)
_SIX, _SIXTY_THREE = np.uint64(6), np.uint64(63)  # a word has 2^6 bits
_STRETCH = 1024  # positions hashed before their candidates may have to be looked up
_JIT = {"nogil": True}


@part
def _finalized(h):
    h = (h ^ (h >> _HALF)) * _FINALIZER
    return h ^ (h >> _HALF)


@kernel(**_JIT)
def hashes(grams, base):
    """Hash of every row of token ids, (m,) uint64: the row's polynomial in `base`, modulo 2^64.

    Args:
        grams: (m, n) token ids.
        base: of the polynomial, uint64.
    """
    result = np.zeros(len(grams), np.uint64)
    for row in range(len(grams)):
        for at in range(grams.shape[1]):
            result[row] = result[row] * base + np.uint64(grams[row, at])
    return result


@kernel(**_JIT)
def fill_table(keys, slots, sieve):
    """Open addressing with linear probing, by hash, and one bit per hash in `sieve`.

    Args:
        keys: (m,) uint64 hashes.
        slots: (s, 2) uint64 zeros, s a power of two above m; becomes (hash, row number), the row
            one too large: 0 is a free slot.
        sieve: (w,) uint64 zeros, w a power of two; becomes a bitmap of mixed hashes.
    """
    mask, bits = np.uint64(len(slots) - 1), np.uint64(len(sieve) * 64 - 1)
    for row in range(len(keys)):
        mixed = _finalized(keys[row])
        bit = mixed & bits
        sieve[bit >> _SIX] |= _ONE << (bit & _SIXTY_THREE)
        slot = (mixed >> _HALF) & mask
        while slots[slot, 1] != 0:
            slot = (slot + _ONE) & mask
        slots[slot, 0] = keys[row]
        slots[slot, 1] = np.uint64(row) + _ONE


@part
def _same(tokens, begin, grams, row):
    """Whether the n-gram in this row stands at tokens[begin:]."""
    same = True
    for i in range(grams.shape[1]):
        same &= grams[row, i] == tokens[begin + i]
    return same


@kernel(**_JIT)
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
    hit_position,
):
    """One pass over the documents of a block for the n-grams in `grams`.

    Positions whose hash passes the sieve are gathered first, then looked up together: so their
    cache misses overlap.

    Args:
        tokens, offsets: the block.
        base: of the hash.
        packed: True if n-grams fit into 64 bits in that base: the hash is the n-gram, and equal
            hashes need no comparison of the tokens.
        grams: (m, n) token ids, distinct rows.
        slots, sieve: of the rows' hashes, see `fill_table`.
        tallies: (m, 4) by row: occurrences and documents, counted up, and the last document with a
            hit.
        origin: (T,) position of each token in the block before stop words were dropped; empty if
            none were.
        every: True writes every occurrence (its position + gap · document), False the documents
            that contain the n-gram.
        gap: added to the positions per document, so that a window never crosses documents.
        hit_gram, hit_position: (T,) written: row, and position or document, of each hit, in order.

    Returns:
        The number of hits written.
    """
    n = grams.shape[1]
    bits, mask = np.uint64(len(sieve) * 64 - 1), np.uint64(len(slots) - 1)
    power = _ONE
    for _ in range(n - 1):
        power *= base
    # candidates: position, hash, slot of the hash, hash in that slot, row in that slot
    positions = np.empty(2 * _STRETCH, np.int64)
    keys = np.empty(2 * _STRETCH, np.uint64)
    first_slots = np.empty(2 * _STRETCH, np.uint64)
    slot_keys = np.empty(2 * _STRETCH, np.uint64)
    rows = np.empty(2 * _STRETCH, np.int64)
    # unsigned indices: no check for negative ones in the hot loop
    behind = np.uint64(n - 1)
    candidates = np.uint64(0)
    hits = 0
    current = 0
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
                bit = _finalized(h) & bits
                positions[candidates] = at
                candidates += (sieve[bit >> _SIX] >> (bit & _SIXTY_THREE)) & _ONE
                h -= np.uint64(tokens[at]) * power
            begin += _STRETCH
            ended = begin >= end
            if candidates >= np.uint64(_STRETCH) or (ended and document == documents - 1):
                for i in range(np.int64(candidates)):
                    key = np.uint64(0)
                    for j in range(n):
                        key = key * base + np.uint64(tokens[positions[i] + j])
                    slot = (_finalized(key) >> _HALF) & mask
                    keys[i] = key
                    first_slots[i] = slot
                    slot_keys[i] = slots[slot, 0]
                    rows[i] = np.int64(slots[slot, 1]) - 1
                matches = 0
                for i in range(np.int64(candidates)):
                    row, at = rows[i], positions[i]
                    if row >= 0 and not (
                        slot_keys[i] == keys[i] and (packed or _same(tokens, at, grams, row))
                    ):
                        slot = (first_slots[i] + _ONE) & mask
                        row = -1
                        while slots[slot, 1] != 0:
                            other = np.int64(slots[slot, 1]) - 1
                            if slots[slot, 0] == keys[i] and (
                                packed or _same(tokens, at, grams, other)
                            ):
                                row = other
                                break
                            slot = (slot + _ONE) & mask
                    rows[matches], positions[matches] = row, at
                    matches += row >= 0
                for i in range(matches):
                    row, at = rows[i], positions[i]
                    while at >= offsets[current + 1]:
                        current += 1
                    new = tallies[row, 2] != current
                    tallies[row, 0] += 1
                    tallies[row, 1] += new
                    tallies[row, 2] = current
                    if every or new:
                        hit_gram[hits] = row
                        hit_position[hits] = (
                            (origin[at] if len(origin) else at) + gap * current
                            if every
                            else current
                        )
                        hits += 1
                candidates = np.uint64(0)
            if ended:
                break
    return hits


@kernel(**_JIT)
def drop_tokens(tokens, offsets, skip, out_tokens, out_offsets, origin):
    """Copy a block without some token ids.

    Args:
        tokens, offsets: the block.
        skip: bool marks by token id; ids beyond its length are not skipped.
        out_tokens, out_offsets: written: the block without them.
        origin: (T,) written: each remaining token's position in the block.

    Returns:
        The number of remaining tokens.
    """
    size = 0
    out_offsets[0] = 0
    for document in range(len(offsets) - 1):
        for at in range(offsets[document], offsets[document + 1]):
            token = tokens[at]
            if token >= len(skip) or not skip[token]:
                out_tokens[size] = token
                origin[size] = at
                size += 1
        out_offsets[document + 1] = size
    return size


@kernel(**_JIT)
def postings(hit_gram, hit_position, hits, starts, positions):
    """Counting sort of hits by n-gram, keeping their order.

    Args:
        hit_gram, hit_position: n-gram and position (or document) of each hit.
        hits: number of hits.
        starts: (G + 1,) int64, written.
        positions: (hits,) written: positions[starts[g] : starts[g + 1]] are those of n-gram g.
    """
    starts[:] = 0
    for hit in range(hits):
        starts[hit_gram[hit] + 1] += 1
    for number in range(1, len(starts)):
        starts[number] += starts[number - 1]
    for hit in range(hits):
        number = hit_gram[hit]
        positions[starts[number]] = hit_position[hit]
        starts[number] += 1
    for number in range(len(starts) - 1, 0, -1):
        starts[number] = starts[number - 1]
    starts[0] = 0


@kernel(**_JIT)
def bitmaps(starts, documents, dense, bits):
    """One bit per document for each frequent n-gram.

    Args:
        starts, documents: postings, see `postings`.
        dense: (G,) row of each n-gram in `bits`; -1 for those without.
        bits: (rows, words) uint64 zeros, written.
    """
    for number in range(len(dense)):
        if dense[number] >= 0:
            for at in range(starts[number], starts[number + 1]):
                document = documents[at]
                bits[dense[number], document >> 6] |= _ONE << np.uint64(document & 63)


@part
def _popcount(word):
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@part
def _gallop(values, begin, end, target):
    """First index in [begin, end) whose value is not below `target`: doubling, then bisection."""
    step = 1
    low = begin
    while low + step < end and values[low + step] < target:
        low += step
        step *= 2
    high = min(low + step + 1, end)
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(**_JIT)
def count_shared_documents(pairs, starts, documents, dense, bits, counts):
    """Count the documents that contain both n-grams of each pair.

    Args:
        pairs: (P, 2) n-gram numbers; -1 occurs nowhere.
        starts, documents: postings, sorted distinct document numbers of each n-gram.
        dense, bits: of the frequent n-grams, see `bitmaps`.
        counts: (P,) int64, added to.
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
                count += _popcount(bits[dense[a], word] & bits[dense[b], word])
        elif dense[b] >= 0:
            for at in range(starts[a], starts[a + 1]):
                document = documents[at]
                block = bits[dense[b], document >> 6]
                count += np.int64((block >> np.uint64(document & 63)) & _ONE)
        elif size_b > 16 * size_a:
            other, end = starts[b], starts[b + 1]
            for at in range(starts[a], starts[a + 1]):
                other = _gallop(documents, other, end, documents[at])
                if other == end:
                    break
                count += documents[other] == documents[at]
        else:
            i, j = starts[a], starts[b]
            end_i, end_j = starts[a + 1], starts[b + 1]
            while i < end_i and j < end_j:
                if documents[i] < documents[j]:
                    i += 1
                elif documents[i] > documents[j]:
                    j += 1
                else:
                    count += 1
                    i += 1
                    j += 1
        counts[row] += count


@kernel(**_JIT)
def count_within_window(pairs, starts, positions, window, counts):
    """Count the occurrences of each pair's first n-gram that have the second within a window.

    Args:
        pairs: (P, 2) n-gram numbers; -1 occurs nowhere.
        starts, positions: postings, ascending positions of each n-gram.
        window: largest distance of the two starts, before or after.
        counts: (P,) int64, added to.
    """
    for row in range(len(pairs)):
        a, b = pairs[row, 0], pairs[row, 1]
        if a < 0 or b < 0:
            continue
        j, end = starts[b], starts[b + 1]
        for i in range(starts[a], starts[a + 1]):
            while j < end and positions[j] < positions[i] - window:
                j += 1
            if j == end:
                break
            counts[row] += positions[j] <= positions[i] + window
