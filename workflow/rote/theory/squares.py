"""Squared distances in a hundred bits, of points that float64 gives too few digits."""

import numpy as np

SIZE = 2**14  # numbers at a time: what caches hold


def exact_squares(x: np.ndarray, train: np.ndarray, unit: float) -> np.ndarray:
    """|x − x_n|²/unit², as numbers and what they round off.

    Sums and products without error are those of Knuth and Veltkamp (Ogita, Rump and Oishi 2005).

    Args:
        x: (d,).
        train: (N, d).
        unit: a power of 2.

    Returns:
        (2, N), whose sum is right to about 1e-31, relative.
    """
    size = max(1, SIZE // len(x))
    blocks = [train[first : first + size] for first in range(0, len(train), size)]
    return np.concatenate([_of_block(x, block, unit) for block in blocks], axis=1)


def _of_block(x: np.ndarray, train: np.ndarray, unit: float) -> np.ndarray:
    apart, lost = _exact_sum(x, -train)
    apart, lost = apart / unit, lost / unit
    shifted = (2.0**27 + 1) * apart
    high = shifted - (shifted - apart)
    low = apart - high
    squares = apart * apart
    rests = ((high * high - squares) + 2 * high * low) + low * low + 2 * apart * lost
    while squares.shape[1] > 1:
        odd = squares.shape[1] % 2
        added, lost = _exact_sum(squares[:, odd::2], squares[:, 1 + odd :: 2])
        squares = np.concatenate([squares[:, :odd], added], axis=1)
        both = rests[:, odd::2] + rests[:, 1 + odd :: 2] + lost
        rests = np.concatenate([rests[:, :odd], both], axis=1)
    return np.stack([squares[:, 0], rests[:, 0]])


def _exact_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a + b, and what it rounds off."""
    added = a + b
    moved = added - a
    return added, (a - (added - moved)) + (b - moved)
