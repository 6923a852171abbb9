"""Coverage of the ledger's intervals, measured: how often they hold the truth."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from rote.ledger import text
from rote.ledger.claims import Criterion
from rote.ledger.intervals import METHODS, interval

SIZES = (2, 3, 4, 5, 6, 8, 10, 15, 20)


class Draw(NamedTuple):
    """A kind of sample: `draw(rng, n)` gives the values of n replicates."""

    draw: Callable[[np.random.Generator, int], np.ndarray]
    truth: float  # of what the method estimates


def _clustered(rng: np.random.Generator, n: int) -> np.ndarray:
    """Shares of 20 draws from networks whose own rates scatter around 0.3."""
    return rng.binomial(20, rng.beta(0.7, 49 / 30, n)) / 20


def _pairs(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two correlated arms with means 6 and 3."""
    common = rng.normal(size=n)
    return np.stack([6 + common + rng.normal(size=n), 3 + 0.5 * common], axis=1)


# samples that each method is declared for
DECLARED = {
    ("mean", "Gaussian"): Draw(lambda rng, n: rng.normal(size=n), 0.0),
    ("mean", "t, 3 degrees"): Draw(lambda rng, n: rng.standard_t(3, n), 0.0),
    ("paired", "Gaussian"): Draw(_pairs, 3.0),
    ("geometric", "lognormal"): Draw(lambda rng, n: rng.lognormal(size=n), 1.0),
    ("ratio", "Gaussian"): Draw(_pairs, 2.0),
    ("median", "Gaussian"): Draw(lambda rng, n: rng.normal(size=n), 0.0),
    ("median", "lognormal"): Draw(lambda rng, n: rng.lognormal(size=n), 1.0),
    ("median", "exponential"): Draw(lambda rng, n: rng.exponential(size=n), float(np.log(2))),
    ("median", "t, 3 degrees"): Draw(lambda rng, n: rng.standard_t(3, n), 0.0),
    ("proportion", "Bernoulli, 0.5"): Draw(lambda rng, n: rng.binomial(1, 0.5, n), 0.5),
    ("proportion", "Bernoulli, 0.1"): Draw(lambda rng, n: rng.binomial(1, 0.1, n), 0.1),
    ("proportion", "clusters of 20"): Draw(_clustered, 0.3),
}
# samples that they are not declared for, or only from more replicates on, to show why
OTHERS = {
    ("mean", "uniform"): Draw(lambda rng, n: rng.uniform(-1, 1, n), 0.0),
    ("mean", "two peaks"): Draw(
        lambda rng, n: 3 * rng.choice([-1, 1], n) + rng.normal(size=n), 0.0
    ),
    ("mean", "lognormal"): Draw(lambda rng, n: rng.lognormal(size=n), float(np.exp(0.5))),
    ("mean", "exponential"): Draw(lambda rng, n: rng.exponential(size=n), 1.0),
    ("geometric", "exponential"): Draw(
        lambda rng, n: rng.exponential(size=n), float(np.exp(special.digamma(1)))
    ),
}


def measure(
    samples: Iterable[tuple[str, str]] | None = None,
    sizes: Iterable[int] = SIZES,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Coverage of 95 % intervals over drawn samples.

    Args:
        samples: keys of `DECLARED` and `OTHERS`; default: all.
        sizes: numbers of replicates.
        draws: samples for each of them; the coverage's standard error is 0.005 at 2000.
        seed: of the draws.

    Returns:
        One row per method, distribution and n: method, distribution, declared, replicates,
        coverage, false_reproduced (how often a true null, "above the truth" or "below" it,
        is reproduced, the larger of the two), without_interval (share that gave none; those count
        as covering, as they decide nothing). Sizes at which the method is refused are left out.
    """
    every = DECLARED | OTHERS
    rows = []
    for key in every if samples is None else samples:
        method, distribution = key
        for size in (size for size in sizes if size >= METHODS[method].min_replicates):
            rng = np.random.default_rng([seed, size, *map(ord, distribution)])
            rows.append(
                {
                    "method": method,
                    "distribution": distribution,
                    "declared": key in DECLARED,
                    "replicates": size,
                    **_rates(method, every[key], size, draws, rng),
                }
            )
    return pd.DataFrame(rows)


def _rates(
    method: str, kind: Draw, size: int, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    """Coverage, false *reproduced* rate and the share of samples without an interval."""
    above = Criterion(kind.truth, np.inf, (False, False))
    below = Criterion(-np.inf, kind.truth, (False, False))
    covering = missing = 0
    false_above = false_below = 0
    for _ in range(draws):
        estimate = interval(kind.draw(rng, size), method)
        if estimate.reason:
            covering += 1
            missing += 1
            continue
        covering += estimate.low <= kind.truth <= estimate.high
        false_above += above.verdict(estimate.low, estimate.high) == "reproduced"
        false_below += below.verdict(estimate.low, estimate.high) == "reproduced"
    return {
        "coverage": covering / draws,
        "false_reproduced": max(false_above, false_below) / draws,
        "without_interval": missing / draws,
    }


def markdown(table: pd.DataFrame) -> str:
    """The coverage table as Markdown: one row per method and distribution, a column per n."""
    sizes = sorted(table["replicates"].unique())
    header = ["method", "distribution", *(f"n = {size}" for size in sizes), "false *reproduced*"]
    lines = []
    for (method, distribution), rows in table.groupby(["method", "distribution"], sort=False):
        coverage = rows.set_index("replicates")["coverage"]
        cells = [f"{coverage[size]:.3f}" if size in coverage else "–" for size in sizes]
        name = method if rows["declared"].all() else f"({method})"
        largest = f"{rows['false_reproduced'].max():.3f}"
        lines.append([name, distribution, *cells, largest])
    return text.table(header, lines)
