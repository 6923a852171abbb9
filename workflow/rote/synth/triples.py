"""Sums of three images: the network and kernel tracks' data (long-tail composition; sizes are our
reconstruction).

A triple is three image ids; its target is the sum of their labels. The base training set holds
digits 0-8 with Zipf frequencies; 9s and glyphs (symbols seen in one training triple each) are the
long tail. Test sets force rare symbols together that never met in training.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError

COMPANIONS = ("head", "zipf", "tail")  # what shares a triple with a rare symbol
RARE = 9  # the digit that the base training set never holds
GLYPHS = 10


class Bank(NamedTuple):
    """One replicate's images: which ids are for training, which are held out, and the ten glyphs."""

    labels: np.ndarray  # (images,) label by image id
    pool: Mapping[int, np.ndarray]  # digit -> ids for training
    held_out: Mapping[int, np.ndarray]  # digit -> ids for tests alone
    glyphs: np.ndarray  # (10,) ids
    slots: np.ndarray  # (10,) the slot each glyph has in training


def draw_glyphs(side: int, ink: int, rng: np.random.Generator) -> np.ndarray:
    """Ten symbols of two random strokes each on a side x side grid: (10, side, side) uint8.

    A stroke starts away from the edge with a step in {-1, 0, 1}², inks 9 pixels, and redraws its
    direction with probability 0.4 before each.
    """
    glyphs = np.zeros((GLYPHS, side, side), np.uint8)
    for glyph in glyphs:
        for _ in range(2):
            position, step = rng.integers(1, side - 1, 2), rng.integers(-1, 2, 2)
            for _ in range(9):
                glyph[tuple(position)] = ink
                if rng.random() < 0.4:
                    step = rng.integers(-1, 2, 2)
                position = np.clip(position + step, 0, side - 1)
    return glyphs


def split(
    labels: np.ndarray, digits: int, glyphs: np.ndarray, held_out: int, rng: np.random.Generator
) -> Bank:
    """Hold out `held_out` images per digit for tests, and give each glyph its training slot.

    Args:
        labels: labels of all images, digits first.
        digits: number of digit images; ids from here on are glyphs.
        glyphs: ids of this replicate's ten glyphs.

    Raises:
        InputError: if a class has too few images.
    """
    pool, test = {}, {}
    for digit in range(10):
        ids = rng.permutation(np.flatnonzero(labels[:digits] == digit))
        if len(ids) <= held_out:
            raise InputError(
                f"images.held_out is {held_out}, but the data set has {len(ids)} images of digit "
                f"{digit}; lower it"
            )
        test[digit], pool[digit] = ids[:held_out], ids[held_out:]
    slots = rng.integers(3, size=len(glyphs))
    if len(np.unique(slots)) == 1:  # no two glyphs could be tested in their trained slots
        raise InputError(f"all {len(glyphs)} glyphs drew slot {slots[0]}; choose another seed")
    return Bank(labels, pool, test, glyphs, slots)


def base(bank: Bank, n: int, zipf: float, rng: np.random.Generator) -> np.ndarray:
    """n triples of training digits 0-8 with Zipf frequencies: (n, 3) image ids."""
    weights = np.arange(1, RARE + 1, dtype=float) ** -zipf
    return _images(bank.pool, rng.choice(RARE, size=(n, 3), p=weights / weights.sum()), rng)


def with_nines(triples: np.ndarray, bank: Bank, count: int, rng: np.random.Generator) -> np.ndarray:
    """`triples` with one 9 in a random slot of the first `count` rows; distinct images, cyclically
    beyond the pool.
    """
    triples, ids = triples.copy(), rng.permutation(bank.pool[RARE])
    triples[np.arange(count), rng.integers(3, size=count)] = ids[np.arange(count) % len(ids)]
    return triples


def with_glyphs(
    triples: np.ndarray, bank: Bank, companions: str, zipf: float, rng: np.random.Generator
) -> np.ndarray:
    """`triples` with each glyph, in its slot, in exactly one of the last ten rows.

    `companions` fill the other two slots: `head` digits 0-1, `zipf` as the base, `tail` digits 7-8.
    """
    if companions == "zipf":
        rows = base(bank, GLYPHS, zipf, rng)
    else:
        rows = _images(
            bank.pool,
            rng.choice({"head": [0, 1], "tail": [7, 8]}[companions], size=(GLYPHS, 3)),
            rng,
        )
    rows[np.arange(GLYPHS), bank.slots] = bank.glyphs
    return np.concatenate([triples[:-GLYPHS], rows])


def tests(bank: Bank, n: int, zipf: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The test sets that do not depend on the training set, each (n, 3) image ids of held-out
    digits.

    `id`: as the base; `nine1`, `nine2`, `nine3`: that many held-out 9s, other slots 0-4; `gl2_any`:
        two glyphs in any
    slots; `gl2_same`: two glyphs in their trained slots; `gl1_same`: one glyph in its trained slot.
    """
    weights = np.arange(1, RARE + 1, dtype=float) ** -zipf
    sets = {
        "id": _images(bank.held_out, rng.choice(RARE, size=(n, 3), p=weights / weights.sum()), rng)
    }
    for forced in (1, 2, 3):
        digits = np.where(_slots(n, forced, rng), RARE, rng.integers(5, size=(n, 3)))
        sets[f"nine{forced}"] = _images(bank.held_out, digits, rng)
    others = _images(bank.held_out, rng.integers(5, size=(n, 3)), rng)

    pairs = rng.random((n, GLYPHS)).argsort(axis=1)[:, :2]  # two distinct glyphs per row
    anywhere = others.copy()
    anywhere[_slots(n, 2, rng)] = bank.glyphs[pairs].ravel()
    sets["gl2_any"] = anywhere

    first, second = np.nonzero(
        bank.slots[:, None] != bank.slots
    )  # ordered pairs whose trained slots differ
    chosen, row = rng.integers(len(first), size=n), np.arange(n)
    same = others.copy()
    for glyph in (first[chosen], second[chosen]):
        same[row, bank.slots[glyph]] = bank.glyphs[glyph]
    sets["gl2_same"] = same

    single, glyph = others.copy(), rng.integers(GLYPHS, size=n)
    single[row, bank.slots[glyph]] = bank.glyphs[glyph]
    sets["gl1_same"] = single
    return sets


def seen_pairs(
    train: np.ndarray, bank: Bank, n: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Two 9s that were seen in training, in a new combination: (n, 3) ids, None if training holds
    no 9.
    """
    nines = np.unique(train[bank.labels[train] == RARE])
    nines = nines[np.isin(nines, bank.pool[RARE])]
    if not len(nines):
        return None
    rows = _images(bank.held_out, rng.integers(5, size=(n, 3)), rng)
    first = rng.integers(len(nines), size=n)
    second = (first + rng.integers(1, max(len(nines), 2), size=n)) % len(nines)
    rows[_slots(n, 2, rng)] = nines[np.stack([first, second], 1)].ravel()
    return rows


def check(bank: Bank, train: np.ndarray, tests: Mapping[str, np.ndarray]) -> None:
    """Refuse leakage: held-out digits in training, training digits in tests, a test triple that was
    trained on.
    """
    held_out, pool = (np.concatenate(list(ids.values())) for ids in (bank.held_out, bank.pool))
    if np.isin(train, held_out).any():
        raise AssertionError("training triples hold held-out images")
    seen = {tuple(row) for row in train.tolist()}
    for name, rows in tests.items():
        allowed = np.concatenate([held_out, bank.glyphs])
        if name == "seen9x2":
            allowed = np.concatenate([allowed, bank.pool[RARE]])
        if not np.isin(rows, allowed).all() or (name != "seen9x2" and np.isin(rows, pool).any()):
            raise AssertionError(f"test set {name} holds training images")
        if any(tuple(row) in seen for row in rows.tolist()):
            raise AssertionError(f"test set {name} holds a training triple")


def _images(
    images: Mapping[int, np.ndarray], digits: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A random image id for each digit, drawn with replacement."""
    ids = np.empty(digits.shape, int)
    for digit in range(10):
        where = digits == digit
        ids[where] = rng.choice(images[digit], where.sum())
    return ids


def _slots(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` random slots out of three per row, as a mask (n, 3)."""
    return rng.random((n, 3)).argsort(axis=1) < count
