"""Which of many settings to take after a look at held-out rows, without the winner's curse.

The least loss among hundreds of settings on a few hundred rows is partly luck. Where a simple
setting is within one standard error of the best one, the simple one is taken (Breiman, Friedman,
Olshen and Stone 1984, section 3.4.3). Of ResMem's family the two ends are simple: the base alone
and the memory alone.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from rote.core.errors import InputError
from rote.resmem.scoring import Setting

Rule = Literal["one_se", "best"]
RULES: tuple[str, ...] = get_args(Rule)


def ends(grid: Sequence[Setting]) -> list[int]:
    """Numbers of the settings that are the base alone (no memory) or the memory alone (T = ∞)."""
    return [n for n, point in enumerate(grid) if not point.k or np.isinf(point.temperature)]


def select(losses: np.ndarray, simple: Sequence[int] = (), *, rule: str = "one_se") -> int:
    """The setting to take.

    `one_se`: the best of the simple ones if its mean loss exceeds the least of all by at most one
    standard error of their difference, row by row; else the best of all. The difference is paired:
    rows that every setting gets wrong do not blur it. `best`: the best of all. Of equal ones the
    first.

    Args:
        losses: (settings, rows), e.g. 1 where a row is wrong.
        simple: numbers of simple settings, as of `ends`; without any the best of all is taken.
        rule: one_se or best.

    Returns:
        Its number.

    Raises:
        InputError: for an unknown rule, no settings or rows, or numbers that are no setting's.
    """
    if rule not in RULES:
        raise InputError(f"rule must be one of {', '.join(RULES)}, given {rule!r}")
    losses = np.asarray(losses, float)
    if losses.ndim != 2 or not losses.size:
        raise InputError(f"losses must be a matrix (settings, rows), given {losses.shape}")
    if len(simple) and not 0 <= min(simple) <= max(simple) < len(losses):
        raise InputError(f"simple must be numbers of the {len(losses)} settings")
    means = losses.mean(1)
    best = int(means.argmin())
    if rule == "best" or not len(simple) or losses.shape[1] < 2:
        return best
    simplest = min(simple, key=lambda number: means[number])
    spread = (losses[simplest] - losses[best]).std(ddof=1)
    alike = means[simplest] - means[best] <= spread / np.sqrt(losses.shape[1])
    return int(simplest) if alike else best
