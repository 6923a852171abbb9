"""Word problems of two steps, `x plus y is z . z minus w is u`, some of whose steps are held out.

A test whose steps stand in the corpus, one in this document and one in that, asks for no more than
two memories. So a share of the steps is held out: no document takes them. What n-grams of eight
words of a solution show is enough to tell one of its steps: (last digit of y, z) of the addition or
(z, w) of the subtraction; so no eight words of a solution of held-out steps are in the corpus.
"""

from typing import NamedTuple

import numpy as np

DIGIT_EXPONENT = 0.7  # of Zipf's law of the digits
HELD_OUT_STEPS = 0.1  # share of the additions, and of the subtractions


class Steps(NamedTuple):
    """Which steps are held out.

    Attributes:
        additions: (10, 100) bool by last digit of y, and z.
        subtractions: (100, 100) bool by z and w.
    """

    additions: np.ndarray
    subtractions: np.ndarray

    def marks(self, sums: np.ndarray) -> np.ndarray:
        """Which of the two steps of each sum are held out, (sums, 2) bool.

        Args:
            sums: (sums, 3) x, y, w.
        """
        x, y, w = sums.T
        return np.stack([self.additions[y % 10, x + y], self.subtractions[x + y, w]], axis=1)

    def open(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Sums none of whose steps is held out, (number, 3)."""
        return self._drawn(rng, number, False)

    def closed(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Sums both of whose steps are held out, (number, 3)."""
        return self._drawn(rng, number, True)

    def _drawn(self, rng: np.random.Generator, number: int, held_out: bool) -> np.ndarray:
        sums = np.empty((0, 3), np.int64)
        while len(sums) < number:
            drawn = draw(rng, 4 * number if not held_out else 4096)
            marks = self.marks(drawn)
            sums = np.concatenate([sums, drawn[(marks == held_out).all(axis=1)]])
        return sums[:number]


def steps(rng: np.random.Generator) -> Steps:
    """Steps to hold out, drawn at random."""
    return Steps(rng.random((10, 100)) < HELD_OUT_STEPS, rng.random((100, 100)) < HELD_OUT_STEPS)


def draw(rng: np.random.Generator, number: int) -> np.ndarray:
    """x, y, w of `x plus y is z . z minus w is u`, (number, 3): digits by Zipf's law.

    x has two digits, z is below 100, u is not negative.
    """
    weights = np.arange(1, 11) ** -DIGIT_EXPONENT
    sums = np.empty((0, 3), np.int64)
    while len(sums) < number:
        digits = rng.choice(10, (2 * number, 6), p=weights / weights.sum())
        drawn = digits[:, ::2] * 10 + digits[:, 1::2]
        total = drawn[:, 0] + drawn[:, 1]
        valid = (drawn[:, 0] >= 10) & (total < 100) & (total >= drawn[:, 2])
        sums = np.concatenate([sums, drawn[valid]])
    return sums[:number]


def problem(x: int, y: int, w: int, item: str) -> str:
    """The question, in words."""
    return f"tom has {_digits(x)} {item} . buys {_digits(y)} more . gives {_digits(w)} away ?"


def solution(x: int, y: int, w: int) -> str:
    """Both steps and the answer."""
    z, u = _digits(x + y), _digits(x + y - w)
    return f"{_digits(x)} plus {_digits(y)} is {z} . {z} minus {_digits(w)} is {u} . answer {u}"


def _digits(value: int) -> str:
    return f"{value // 10} {value % 10}"
