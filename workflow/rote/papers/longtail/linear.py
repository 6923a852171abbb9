"""Linear track: min-norm and ridge on power-law features, every loss in closed form.

The data are x ∈ {−1, 0, 1}^d with P(x_i ≠ 0) = p_i (`rote.synth.features`) and y = ⟨β*, x⟩ + ξ,
β*_i = i^−b. With Δ = β̂ − β*, the coordinates being independent and centered,

    IND = Σ p_i Δ_i²,    OOD_t(S) = IND + t · mean over i ∈ S of (1 − p_i) Δ_i²,

where OOD_t(S) is the expected loss when t distinct features of the pool S are forced to ±1.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from rote.core.seeds import generator
from rote.papers.longtail import settings
from rote.synth import features
from rote.theory import minnorm

RECOVERED = 1e-7  # |Δ_i| below this counts as exactly recovered
Columns = dict[str, Any]  # of a table: arrays of one length, and numbers for all rows
RANK_EDGES = (0, 10, 33, 66, 130, 260, 520, 1040, 2080)  # then d


class Problem(NamedTuple):
    """One training set on its seen columns, with the paper's index sets (masks over the seen
    columns).
    """

    X: sparse.csr_array  # (n, seen)
    spectrum: minnorm.Spectrum
    seen: np.ndarray  # (seen,) feature numbers from 0
    counts: np.ndarray  # (seen,) m_i
    p: np.ndarray  # (d,)
    beta: np.ndarray  # (d,)
    common: np.ndarray
    rare: np.ndarray
    once: np.ndarray
    alone: np.ndarray  # F-hat
    k: int  # number of common features

    @property
    def once_alone(self) -> np.ndarray:
        return self.once & self.alone

    @property
    def y0(self) -> np.ndarray:
        """Noiseless labels, (n,)."""
        return self.X @ self.beta[self.seen]


def problem(
    n: int,
    d: int,
    s: float,
    alpha: float,
    decay: float,
    common_count: float,
    rng: np.random.Generator,
) -> Problem:
    """Draw one training set, drop the unseen columns, factor it, and find the index sets from X
    alone.
    """
    p = features.frequencies(d, s, alpha)
    X = features.draw(p, n, rng)
    counts = np.bincount(X.indices, minlength=d)
    seen = np.flatnonzero(counts)
    X, counts = X[:, seen], counts[seen]
    k = int(np.sum(n * p >= common_count))
    rare = seen >= k
    rare_per_row = _present(X[:, rare]).sum(axis=1)  # (n,)
    alone = np.zeros(len(seen), bool)
    alone[rare] = _present(X[rare_per_row == 1][:, rare]).sum(axis=0) > 0
    beta = np.arange(1, d + 1, dtype=float) ** -decay
    return Problem(
        X, minnorm.factorize(X), seen, counts, p, beta, ~rare, rare, rare & (counts == 1), alone, k
    )


def sweep(
    options: settings.Linear, seed: int, track: Iterable | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """All replicates × α × σ × λ, one factorization per training set.

    Returns:
        The tables LinearSets, LinearSweep, LinearRanks, LinearShrinkage.
    """
    units = [(a, r) for a in range(len(options.alphas)) for r in range(options.replicates)]
    parts: list[list[Columns]] = [[], [], [], []]
    for a, replicate in (track or iter)(units):
        alpha = options.alphas[a]
        rng = generator(seed, "longtail", "linear", a, replicate)
        data = problem(
            options.n, options.d, options.s, alpha, options.decay, options.common_count, rng
        )
        noise = rng.normal(size=options.n)
        for part, columns in zip(parts, _study(options, data, noise), strict=True):
            part.append({"alpha": alpha, "replicate": replicate} | columns)
    return tuple(_joined(part) for part in parts)


def _joined(parts: list[Columns]) -> pd.DataFrame:
    """One table of the rows of all parts; a frame per part would cost more than what it holds."""
    sizes = [np.broadcast(*part.values()).size for part in parts]
    return pd.DataFrame(
        {
            name: np.concatenate(
                [np.broadcast_to(part[name], size) for part, size in zip(parts, sizes, strict=True)]
            )
            for name in parts[0]
        }
    )


def _study(options: settings.Linear, data: Problem, noise: np.ndarray) -> Iterator[Columns]:
    """The four tables of one training set."""
    lams, sigmas = np.array(options.lams), np.array(options.sigmas)
    beta, p = data.beta[data.seen], data.p[data.seen]
    # the fit is linear in the labels: two right-hand sides serve every σ
    clean, unit = np.moveaxis(
        minnorm.coefficients(data.spectrum, np.stack([data.y0, noise], 1), lams), -1, 0
    )  # (L, seen)
    exact = minnorm.coefficients(data.spectrum, data.y0) - beta  # min-norm, σ = 0
    recovered = np.abs(exact) < RECOVERED
    identifiable = minnorm.row_space(data.spectrum) > 1 - 1e-8
    unseen = np.ones(len(data.p), bool)
    unseen[data.seen] = False
    never = data.p * data.beta**2  # what a feature costs if its coefficient stays 0
    rare_per_row = _present(data.X[:, data.rare]).sum(axis=1)

    yield {
        "n": options.n,
        "d": options.d,
        "p_total": data.p.sum(),
        "p_rare": data.p[data.k :].sum(),
        "rows_at_most_one_rare": np.mean(rare_per_row <= 1),
        "common": data.k,
        "seen_rare": data.rare.sum(),
        "once": data.once.sum(),
        "alone": data.alone.sum(),
        "common_unidentifiable": (~identifiable & data.common).sum() + data.k - data.common.sum(),
        "once_alone": data.once_alone.sum(),
        "identifiable": (identifiable & data.rare).sum(),
        "recovered": (recovered & data.rare).sum(),
        "disagree": (recovered != identifiable).sum(),
        "max_error_alone": np.abs(exact[data.alone]).max() if data.alone.any() else np.nan,
        "once_beta2": _mean(beta**2, data.once),
        "once_alone_beta2": _mean(beta**2, data.once_alone),
        "unseen_expected": np.sum(never * (1 - data.p) ** options.n),
    }

    delta = (clean - beta)[None] + sigmas[:, None, None] * unit  # (σ, λ, seen)
    size, square = np.abs(delta), delta**2
    missing = never[unseen].sum()
    losses = {
        "error_common": _mean(size, data.common),
        "error_rare": _mean(size, data.rare),
        "error_alone": _mean(size, data.alone),
        "once_alone_mse": _mean(square, data.once_alone),
        "ind": square @ p + missing,
        "ind_common": square[..., data.common] @ p[data.common],
        "ind_recovered": square[..., data.rare & recovered] @ p[data.rare & recovered],
        "ind_unrecovered": square[..., data.rare & ~recovered] @ p[data.rare & ~recovered],
        "ind_unseen": np.full(delta.shape[:2], missing),
        "forced_once": _mean((1 - p) * square, data.once),
        "forced_alone": _mean((1 - p) * square, data.alone),
        "forced_once_alone": _mean((1 - p) * square, data.once_alone),
        "forced_seen_rare": _mean((1 - p) * square, data.rare),
    }
    grid = {"sigma": np.repeat(sigmas, len(lams)), "lam": np.tile(lams, len(sigmas))}
    yield grid | {name: np.ravel(values) for name, values in losses.items()}

    edges = [edge for edge in RANK_EDGES if edge < options.d] + [options.d]
    is_seen, is_recovered = ~unseen, np.zeros(len(data.p), bool)
    is_recovered[data.seen[recovered]] = True
    bins = [slice(low, high) for low, high in pairwise(edges)]
    yield {
        "rank_low": edges[:-1],
        "rank_high": edges[1:],
        "seen": [is_seen[b].mean() for b in bins],
        "expected": [np.mean(1 - (1 - data.p[b]) ** options.n) for b in bins],
        "recovered": [is_recovered[b].mean() for b in bins],
    }

    chosen = np.flatnonzero(data.common | data.alone)
    counts = data.counts[chosen]
    ratio = clean[:, chosen] / beta[chosen]  # (L, chosen)
    deviation = np.abs(ratio - counts / (counts + lams[:, None]))
    octave = 2 ** np.log2(counts).astype(int)
    lows = np.unique(octave)
    blocks = [octave == low for low in lows]
    yield {
        "lam": np.tile(lams, len(lows)),
        "count_low": np.repeat(lows, len(lams)),
        "count_mean": np.repeat([counts[block].mean() for block in blocks], len(lams)),
        "features": np.repeat([block.sum() for block in blocks], len(lams)),
        "ratio": np.ravel([np.median(ratio[:, block], axis=1) for block in blocks]),
        "deviation": np.ravel([np.median(deviation, axis=1) for _ in lows]),
    }


def scaling(options: settings.Scaling, seed: int, track: Iterable | None = None) -> pd.DataFrame:
    """Min-norm excess risk against the number of rows, σ = 0: the table Scaling."""
    units = [
        (a, rows, r)
        for a in range(len(options.alphas))
        for rows in options.rows
        for r in range(options.replicates)
    ]
    found = []
    for a, rows, replicate in (track or iter)(units):
        rng = generator(seed, "longtail", "scaling", a, rows, replicate)
        data = problem(rows, options.d, options.s, options.alphas[a], 0.0, np.inf, rng)
        for decay in options.decays:
            beta = np.arange(1, options.d + 1, dtype=float) ** -decay
            delta = -beta
            delta[data.seen] += minnorm.coefficients(data.spectrum, data.X @ beta[data.seen])
            found.append((options.alphas[a], decay, rows, replicate, data.p @ delta**2))
    return pd.DataFrame(found, columns=["alpha", "decay", "rows", "replicate", "ind"])


def influence(
    options: settings.Influence, seed: int, track: Iterable | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Three measures of memorization: hat diagonal, leave-one-out residual, gradient-descent time.

    Returns:
        The tables Influence, LeaveOneOut, Descent.
    """
    steps = np.unique(np.geomspace(1, options.longest, 60).round().astype(int))
    hats, rows, paths = [], [], []
    for replicate in (track or iter)(range(options.replicates)):
        rng = generator(seed, "longtail", "influence", replicate)
        data = problem(
            options.n, options.d, options.s, options.alpha, options.decay, options.common_count, rng
        )
        holds = _present(data.X[:, data.once]).sum(axis=1)  # once-seen features per row
        hat = minnorm.hat_diagonal(data.spectrum, np.array(options.lams))  # (L, n)
        hats.append(
            pd.DataFrame(
                {
                    "lam": options.lams,
                    "hat_once": _mean(hat, holds > 0),
                    "hat_other": _mean(hat, holds == 0),
                }
            )
        )
        rows.append(_left_out(options, data, holds, rng))
        beta, p = data.beta[data.seen], data.p[data.seen]
        path = minnorm.descent(data.spectrum, data.y0, steps)  # (T, seen)
        end = minnorm.coefficients(data.spectrum, data.y0)
        square = (path - beta) ** 2
        unseen = data.p @ data.beta**2 - p @ beta**2
        paths.append(
            pd.DataFrame(
                {
                    "step": steps,
                    "expected": -np.expm1(-steps / data.spectrum.largest),
                    "recovery": _mean(path / beta, data.once_alone),
                    "distance": np.linalg.norm(path - end, axis=1),
                    "ind": square @ p + unseen,
                    "forced_once_alone": _mean((1 - p) * square, data.once_alone),
                }
            )
        )
    tables = []
    for frames in (hats, rows, paths):
        tables.append(
            pd.concat(frames, keys=range(len(frames)), names=["replicate"]).reset_index("replicate")
        )
    return tuple(table.reset_index(drop=True) for table in tables)


def _left_out(
    options: settings.Influence, data: Problem, holds: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Leave-one-out residuals of a few rows, half of them with a once-seen feature."""
    y = data.y0 + options.sigma * rng.normal(size=options.n)
    closed = minnorm.leave_one_out(data.spectrum, data.X, y)
    hat = minnorm.hat_diagonal(data.spectrum)
    with_once, without = np.flatnonzero(holds > 0), np.flatnonzero(holds == 0)
    half = min(options.refits // 2, len(with_once))
    picks = np.concatenate(
        [
            rng.permutation(with_once)[:half],
            rng.permutation(without)[: min(options.refits - half, len(without))],
        ]
    )
    train = y - data.X @ minnorm.coefficients(data.spectrum, y)
    once = data.X[:, data.once]
    found = []
    for j in np.sort(picks):
        others = np.arange(options.n) != j
        refit = minnorm.coefficients(minnorm.factorize(data.X[others]), y[others])
        single = once[[j]].indices
        beta = abs(data.beta[data.seen[data.once][single[0]]]) if len(single) == 1 else np.nan
        residual = y[j] - (data.X[[j]] @ refit).item()
        found.append((j, bool(holds[j] > 0), hat[j], beta, abs(train[j]), closed[j], residual))
    return pd.DataFrame(
        found, columns=["row", "once", "hat", "beta", "train_error", "residual", "refit"]
    )


def ood(sweep: pd.DataFrame, sets: pd.DataFrame, pool: str, t: int) -> pd.Series:
    """OOD_t of each row of LinearSweep for a pool (`once`, `alone`, `once_alone`, `seen_rare`).

    NaN where the pool of that training set holds fewer than t features: features are never forced
    twice.
    """
    size = sweep.merge(sets[["alpha", "replicate", pool]], on=["alpha", "replicate"], how="left")[
        pool
    ]
    return (sweep["ind"] + t * sweep[f"forced_{pool}"]).where(size.to_numpy() >= t)


def _present(X: sparse.csr_array) -> sparse.csr_array:
    return abs(X)


def _mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean over the masked last axis; NaN (not a warning) if the mask is empty."""
    if not mask.any():
        return np.full(values.shape[:-1], np.nan)
    return values[..., mask].mean(axis=-1)
