"""Which of many settings to take after a look at held-out rows, without the winner's curse.

The least loss among hundreds of settings on a few hundred rows is partly luck. Settings whose loss
is within one standard error of the least are as good, as far as these rows can tell (Breiman,
Friedman, Olshen and Stone 1984, section 3.4.3).
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from rote.core.errors import InputError

Rule = Literal["one_se", "best"]
RULES: tuple[str, ...] = get_args(Rule)


def select(losses: np.ndarray, steadier: np.ndarray | None = None, *, rule: str = "one_se") -> int:
    """The setting to take.

    `one_se`: among the settings whose mean loss exceeds the least one by at most one standard error
    of their difference, row by row, the one of the least steadier loss. The difference is paired:
    rows that every setting gets wrong do not blur it. `best`: the least mean loss. Of equal ones
    the first.

    Args:
        losses: (settings, rows), e.g. 1 where a row is wrong.
        steadier: (settings,) a loss that depends less on single rows, as of `smoothed`; default:
            the mean losses.
        rule: one_se or best.

    Returns:
        Its number.

    Raises:
        InputError: for an unknown rule, no settings or rows, or another number of steadier losses.
    """
    if rule not in RULES:
        raise InputError(f"rule must be one of {', '.join(RULES)}, given {rule!r}")
    losses = np.asarray(losses, float)
    if losses.ndim != 2 or not losses.size:
        raise InputError(f"losses must be a matrix (settings, rows), given {losses.shape}")
    means = losses.mean(1)
    steadier = means if steadier is None else np.asarray(steadier, float)
    if steadier.shape != means.shape:
        raise InputError(
            f"steadier must hold a number for each of {len(means)} settings, given {steadier.shape}"
        )
    best = int(means.argmin())
    if rule == "best":
        return best
    n = losses.shape[1]
    spread = (losses - losses[best]).std(1, ddof=1) if n > 1 else np.zeros(len(losses))
    close = np.flatnonzero(means - means[best] <= spread / np.sqrt(n))
    return int(close[steadier[close].argmin()])


def smoothed(means: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Mean losses of every setting of a grid and its neighbors, one step along any of its axes.

    A setting that is good by luck has neighbors that are not.

    Args:
        means: (settings,): settings that are in no grid, which stay as they are, then those of the
            grid, the last axis varying fastest.
        shape: of the grid, e.g. numbers of k, bandwidths and temperatures.

    Returns:
        (settings,); beyond an edge the edge counts again.

    Raises:
        InputError: for fewer means than the grid has settings.
    """
    size = int(np.prod(shape))
    means = np.asarray(means, float)
    if means.ndim != 1 or not 0 < size <= len(means):
        raise InputError(
            f"means must hold a number for each of {size} settings, given {means.shape}"
        )
    apart, grid = means[: len(means) - size], means[len(means) - size :].reshape(shape)
    for axis in range(grid.ndim):
        length = grid.shape[axis]
        before = grid.take(np.arange(-1, length - 1).clip(min=0), axis)
        after = grid.take(np.arange(1, length + 1).clip(max=length - 1), axis)
        grid = (before + grid + after) / 3
    return np.concatenate([apart, grid.ravel()])
