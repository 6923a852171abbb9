"""Sums of three images: data of the network and kernel tracks (long-tail composition).

A triple is three image ids; its target is the sum of their labels. The base training set holds
digits 0-8 with Zipf frequencies; 9s and glyphs (symbols seen in one training triple each) are the
long tail. Test sets force rare symbols together that never met in training. The task is the
paper's, its sizes are our reconstruction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError

RARE = 9  # the digit that the base training set never holds
GLYPHS = 10
CELLS = 8  # height and width of the grid that symbols are drawn on


class Bank(NamedTuple):
    """One replicate's images: ids for training, held-out ids for tests, and the ten glyphs."""

    labels: np.ndarray  # (images,) label by image id
    pool: Mapping[int, np.ndarray]  # digit -> ids for training
    held_out: Mapping[int, np.ndarray]  # digit -> ids for tests alone
    glyphs: np.ndarray  # (10,) ids
    slots: np.ndarray  # (10,) the slot each glyph has in training


@dataclass(frozen=True)
class Companions:
    """What shares a training triple with a glyph."""

    name: str
    digits: tuple[int, ...] | None  # drawn uniformly; None: as the base training set


HEAD = Companions("head", (0, 1))
ZIPF = Companions("zipf", None)
TAIL = Companions("tail", (7, 8))
COMPANIONS = (HEAD, ZIPF, TAIL)


@dataclass(frozen=True)
class EvaluationSet:
    """Triples on which a fitted model is measured."""

    name: str
    holds: str  # what a triple is made of
    trained_nines: bool = False  # whether its 9s are images that were trained on


TRAIN = EvaluationSet("train", "the training triples themselves")
IN_DISTRIBUTION = EvaluationSet("in-distribution", "held-out digits, distributed as the base")
ONE_NINE = EvaluationSet("one-nine", "one held-out 9, two digits 0-4")
TWO_NINES = EvaluationSet("two-nines", "two held-out 9s, one digit 0-4")
THREE_NINES = EvaluationSet("three-nines", "three held-out 9s")
TWO_TRAINED_NINES = EvaluationSet(
    "two-trained-nines", "two trained 9s that never met, one digit 0-4", trained_nines=True
)
TWO_GLYPHS = EvaluationSet("two-glyphs-any-slot", "two glyphs in any slots, one digit 0-4")
TWO_GLYPHS_TRAINED_SLOTS = EvaluationSet(
    "two-glyphs-trained-slots", "two glyphs in the slots that they had in training, one digit 0-4"
)
ONE_GLYPH_TRAINED_SLOT = EvaluationSet(
    "one-glyph-trained-slot", "one glyph in the slot that it had in training, two digits 0-4"
)
GLYPH_ROWS = EvaluationSet("glyph-training-rows", "the ten training triples with a glyph")
HEAD_DIGITS = EvaluationSet("head-digits", "held-out digits 0 and 1")
RARE_DIGITS = EvaluationSet("rare-digits", "held-out digits 5-8")
ROWS_TRAINED = EvaluationSet("glyph-rows-trained", "the triples with a glyph that were trained on")
ROWS_LEFT_OUT = EvaluationSet("glyph-rows-left-out", "the triples with a glyph that were not")
EVALUATION_SETS = {
    evaluation_set.name: evaluation_set
    for evaluation_set in (
        TRAIN,
        IN_DISTRIBUTION,
        ONE_NINE,
        TWO_NINES,
        THREE_NINES,
        TWO_TRAINED_NINES,
        TWO_GLYPHS,
        TWO_GLYPHS_TRAINED_SLOTS,
        ONE_GLYPH_TRAINED_SLOT,
        GLYPH_ROWS,
        HEAD_DIGITS,
        RARE_DIGITS,
        ROWS_TRAINED,
        ROWS_LEFT_OUT,
    )
}


class Sheet(NamedTuple):
    """What symbols are drawn on."""

    side: int  # height and width, pixels
    ink: int  # gray value of a stroke; the background is 0
    margin: float = 0.0  # share of the side that stays empty at each edge, as around the digits


def draw_glyphs(sheet: Sheet, rng: np.random.Generator) -> np.ndarray:
    """Ten symbols of two random strokes each: (10, side, side) uint8.

    Strokes are drawn on 8x8 cells and scaled to the sheet within its margins, so that symbols have
    the same proportions at every resolution. A stroke starts away from the edge with a step in
    {-1, 0, 1}², inks 9 cells, and redraws its direction with probability 0.4 before each.

    Args:
        sheet: size and ink of the images.
        rng: source of all draws.

    Raises:
        InputError: if less than 8 pixels are left between the margins.
    """
    cells = np.zeros((GLYPHS, CELLS, CELLS))
    for glyph in cells:
        for _ in range(2):
            position, step = rng.integers(1, CELLS - 1, 2), rng.integers(-1, 2, 2)
            for _ in range(9):
                glyph[tuple(position)] = sheet.ink
                if rng.random() < 0.4:
                    step = rng.integers(-1, 2, 2)
                position = np.clip(position + step, 0, CELLS - 1)
    edge = round(sheet.side * sheet.margin)
    inner = sheet.side - 2 * edge
    if inner < CELLS:
        raise InputError(
            f"symbols of {CELLS}x{CELLS} cells do not fit on {inner} pixels "
            f"(side {sheet.side}, margin {sheet.margin:g}); use larger images"
        )
    # every cell as a square of `inner` pixels, then means over squares of 8: exact at any size
    fine = cells.repeat(inner, axis=1).repeat(inner, axis=2)
    scaled = fine.reshape(GLYPHS, inner, CELLS, inner, CELLS).mean((2, 4))
    return np.pad(scaled.round().astype(np.uint8), [(0, 0), (edge, edge), (edge, edge)])


def split(
    labels: np.ndarray, digits: int, glyphs: np.ndarray, held_out: int, rng: np.random.Generator
) -> Bank:
    """Hold out `held_out` images per digit for tests, and give each glyph its training slot.

    Args:
        labels: (images,) labels of all images, digits first.
        digits: number of digit images; ids from there on are glyphs.
        glyphs: (10,) ids of this replicate's glyphs.
        held_out: images per digit for tests alone.
        rng: source of all draws.

    Returns:
        The bank; every other digit image is for training.

    Raises:
        InputError: if a class has too few images, or all glyphs draw the same slot.
    """
    pool = {}
    test = {}
    for digit in range(10):
        ids = rng.permutation(np.flatnonzero(labels[:digits] == digit))
        if len(ids) <= held_out:
            raise InputError(
                f"images.held_out is {held_out}, "
                f"but the data set has {len(ids)} images of digit {digit}; lower it"
            )
        test[digit] = ids[:held_out]
        pool[digit] = ids[held_out:]
    slots = rng.integers(3, size=len(glyphs))
    if len(np.unique(slots)) == 1:  # no two glyphs could be tested in their trained slots
        raise InputError(f"all {len(glyphs)} glyphs drew slot {slots[0]}; choose another seed")
    return Bank(labels=labels, pool=pool, held_out=test, glyphs=glyphs, slots=slots)


def base(
    bank: Bank, n: int, zipf: float, rng: np.random.Generator, digits: int = RARE
) -> np.ndarray:
    """n triples of training digits 0-8: (n, 3) image ids.

    Args:
        bank: images to draw from.
        n: number of triples.
        zipf: exponent of the digits' frequencies, (digit + 1)^-zipf.
        rng: source of all draws.
        digits: how many digits there are, from 0: 9, or 10 for the law that fits the paper's
            counts (exponent 2, 40,000 triples: 77,431 zeros and 956 eights).
    """
    return _images(bank.pool, zipf_digits(n, zipf, rng, digits), rng)


def mislabelled(labels: np.ndarray, wrong: int, rng: np.random.Generator) -> np.ndarray:
    """What the ten glyphs' labels are changed by: (10,), 0 but for `wrong` of them.

    A wrong label is another one of 0-9, uniformly.

    Args:
        labels: (10,) right labels.
        wrong: how many are wrong, at most 10.
        rng: source of all draws.
    """
    shift = np.zeros(len(labels), int)
    chosen = rng.permutation(len(labels))[:wrong]
    shift[chosen] = (labels[chosen] + rng.integers(1, 10, len(chosen))) % 10 - labels[chosen]
    return shift


def with_nines(triples: np.ndarray, bank: Bank, count: int, rng: np.random.Generator) -> np.ndarray:
    """`triples` with one 9 in a random slot of each of the first `count` rows: (n, 3) image ids.

    The 9s are distinct images, repeated in turn where `count` exceeds the pool.

    Args:
        triples: (n, 3) image ids; left as they are.
        bank: images to draw from.
        count: rows that get a 9, at most n.
        rng: source of all draws.
    """
    triples, ids = triples.copy(), rng.permutation(bank.pool[RARE])
    triples[np.arange(count), rng.integers(3, size=count)] = ids[np.arange(count) % len(ids)]
    return triples


def with_glyphs(
    triples: np.ndarray,
    bank: Bank,
    companions: Companions,
    zipf: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """`triples` with each glyph, in its slot, in exactly one of the last ten rows: (n, 3) ids.

    Args:
        triples: (n, 3) image ids; the last ten are replaced.
        bank: the glyphs, their slots, and the digits that fill the other two slots.
        companions: which digits fill them.
        zipf: exponent for companions that are distributed as the base.
        rng: source of all draws.
    """
    if companions.digits is None:
        rows = base(bank, GLYPHS, zipf, rng)
    else:
        rows = _images(bank.pool, rng.choice(companions.digits, size=(GLYPHS, 3)), rng)
    rows[np.arange(GLYPHS), bank.slots] = bank.glyphs
    return np.concatenate([triples[:-GLYPHS], rows])


def tests(bank: Bank, n: int, zipf: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The test sets that serve every training set: name of an `EvaluationSet` -> (n, 3) image ids.

    Digits are held-out images. All sets share one stream of draws, so their order here matters.

    Args:
        bank: images to draw from.
        n: triples of each set.
        zipf: exponent of the digits' frequencies in the in-distribution set, (digit + 1)^-zipf.
        rng: source of all draws.
    """
    row = np.arange(n)
    sets = {IN_DISTRIBUTION: _images(bank.held_out, zipf_digits(n, zipf, rng), rng)}
    for count, nines in enumerate((ONE_NINE, TWO_NINES, THREE_NINES), 1):
        digits = np.where(_random_slots(n, count, rng), RARE, rng.integers(5, size=(n, 3)))
        sets[nines] = _images(bank.held_out, digits, rng)
    digits_only = _images(bank.held_out, rng.integers(5, size=(n, 3)), rng)

    pairs = rng.random((n, GLYPHS)).argsort(axis=1)[:, :2]  # two distinct glyphs per row
    any_slot = digits_only.copy()
    any_slot[_random_slots(n, 2, rng)] = bank.glyphs[pairs].ravel()
    sets[TWO_GLYPHS] = any_slot

    # ordered pairs whose trained slots differ
    first, second = np.nonzero(bank.slots[:, None] != bank.slots)
    pair = rng.integers(len(first), size=n)
    trained_slots = digits_only.copy()
    for glyph in (first[pair], second[pair]):
        trained_slots[row, bank.slots[glyph]] = bank.glyphs[glyph]
    sets[TWO_GLYPHS_TRAINED_SLOTS] = trained_slots

    glyph = rng.integers(GLYPHS, size=n)
    single = digits_only.copy()
    single[row, bank.slots[glyph]] = bank.glyphs[glyph]
    sets[ONE_GLYPH_TRAINED_SLOT] = single
    sets[HEAD_DIGITS] = _images(bank.held_out, rng.integers(2, size=(n, 3)), rng)
    sets[RARE_DIGITS] = _images(bank.held_out, rng.integers(5, RARE, size=(n, 3)), rng)
    return {evaluation_set.name: rows for evaluation_set, rows in sets.items()}


def trained_pairs(
    train: np.ndarray, bank: Bank, n: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Two different 9s that were trained on, in a new combination, or None.

    None is what there is if `train` holds fewer than two.

    Args:
        train: (rows, 3) image ids of the training triples.
        bank: images to draw from; the third image of a triple is a held-out digit 0-4.
        n: number of triples.
        rng: source of all draws.

    Returns:
        (n, 3) image ids.
    """
    nines = np.unique(train[bank.labels[train] == RARE])
    nines = nines[np.isin(nines, bank.pool[RARE])]
    if len(nines) < 2:
        return None
    rows = _images(bank.held_out, rng.integers(5, size=(n, 3)), rng)
    first = rng.integers(len(nines), size=n)
    second = (first + rng.integers(1, len(nines), size=n)) % len(nines)
    rows[_random_slots(n, 2, rng)] = nines[np.stack([first, second], 1)].ravel()
    return rows


def check(bank: Bank, train: np.ndarray, tests: Mapping[str, np.ndarray]) -> None:
    """Refuse leakage between a training set and its test sets.

    Args:
        bank: which images are for training and which are held out.
        train: (n, 3) image ids.
        tests: name of an `EvaluationSet` -> (rows, 3) image ids.

    Raises:
        AssertionError: for held-out images in training, training images in a test set (but for
            trained 9s where the set allows them), or a test triple that was trained on.
    """
    held_out = np.concatenate(list(bank.held_out.values()))
    if np.isin(train, held_out).any():
        raise AssertionError("training triples hold held-out images")
    trained = {tuple(row) for row in train.tolist()}
    for name, rows in tests.items():
        allowed = [held_out, bank.glyphs]
        if EVALUATION_SETS[name].trained_nines:
            allowed.append(bank.pool[RARE])
        if not np.isin(rows, np.concatenate(allowed)).all():
            raise AssertionError(f"test set {name} holds training images")
        if any(tuple(row) in trained for row in rows.tolist()):
            raise AssertionError(f"test set {name} holds a training triple")


def zipf_digits(n: int, zipf: float, rng: np.random.Generator, digits: int = RARE) -> np.ndarray:
    """Digits with Zipf frequencies, (n, 3).

    Args:
        n: number of triples.
        zipf: exponent of the frequencies, (digit + 1)^-zipf.
        rng: source of all draws.
        digits: how many there are, from 0.
    """
    weights = np.arange(1, digits + 1, dtype=float) ** -zipf
    return rng.choice(digits, size=(n, 3), p=weights / weights.sum())


def _images(
    images: Mapping[int, np.ndarray], digits: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A random image id for each digit, drawn with replacement."""
    ids = np.empty(digits.shape, int)
    for digit in range(10):
        mask = digits == digit
        ids[mask] = rng.choice(images[digit], mask.sum())
    return ids


def _random_slots(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` random slots out of three per row, as a mask (n, 3)."""
    return rng.random((n, 3)).argsort(axis=1) < count
