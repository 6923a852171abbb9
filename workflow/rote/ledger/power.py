"""Replicates from power: how many a claim needs before its interval clears the bound."""

import math

from scipy import special

from rote.core.errors import InputError
from rote.ledger.intervals import CONFIDENCE

POWER = 0.9
_MAX_REPLICATES = 1_000_000


def needed(margin: float, replicates: int, power: float = POWER) -> float:
    """Replicates at which a claim is decided with a given probability.

    The spread and the distance to the bound are those measured; the interval is Student's t, which
    the other methods follow up to a constant, and narrows as one over the root of the replicates.

    Args:
        margin: distance to the bound in half-widths of the interval measured, of either sign.
        replicates: behind that interval, at least 2.
        power: probability that the interval clears the bound.

    Returns:
        A whole number of at least 2; infinite where the estimate lies on the bound, or where a
        million would not do.

    Raises:
        InputError: for fewer than two replicates or a power outside (0, 1).
    """
    if replicates < 2:
        raise InputError(f"replicates: {replicates}; a spread needs two or more")
    if not 0 < power < 1:
        raise InputError(f"power: {power} is not between 0 and 1")
    if math.isnan(margin) or margin == 0:
        return math.inf
    if math.isinf(margin):
        return 2
    tail = (1 + CONFIDENCE) / 2
    # distance over the standard deviation of one replicate
    effect = abs(margin) * special.stdtrit(replicates - 1, tail) / math.sqrt(replicates)

    def short(n: float) -> float:
        reach = special.stdtrit(n - 1, tail) + special.stdtrit(n - 1, power)
        return float(reach / math.sqrt(n) - effect)

    if short(2) <= 0:
        return 2
    if short(_MAX_REPLICATES) > 0:
        return math.inf
    from scipy import optimize

    return math.ceil(optimize.brentq(short, 2, _MAX_REPLICATES, xtol=1e-6))
