"""Linear track: min-norm and ridge on power-law features, every loss in closed form.

The data are x ∈ {−1, 0, 1}^d with P(x_i ≠ 0) = p_i (`rote.synth.features`) and y = ⟨β*, x⟩ + ξ,
β*_i = i^−b. With Δ = β̂ − β*, the coordinates being independent and centered,

    IND = Σ p_i Δ_i²,    OOD_t(S) = IND + t · mean over i ∈ S of (1 − p_i) Δ_i²,

where OOD_t(S) is the expected loss when t distinct features of the pool S are forced to ±1.
"""

from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from rote.core import tables
from rote.core.seeds import generator
from rote.papers.longtail import schema, settings
from rote.papers.longtail.records import Columns, Progress, stacked
from rote.synth import features
from rote.theory import minnorm

RECOVERED = 1e-7  # |Δ_i| below this counts as exactly recovered
IDENTIFIABLE = 1 - 1e-8  # a feature whose row-space leverage exceeds this is identifiable
RANK_EDGES = (0, 10, 33, 66, 130, 260, 520, 1040, 2080)  # then d


class LinearProblem(NamedTuple):
    """One training set on its seen columns, with the paper's index sets as masks over them."""

    X: sparse.csr_array  # (n, seen)
    spectrum: minnorm.ThinSVD
    seen: np.ndarray  # (seen,) feature numbers from 0
    counts: np.ndarray  # (seen,) m_i
    p: np.ndarray  # (d,)
    beta: np.ndarray  # (d,)
    rare: np.ndarray  # (seen,)
    once: np.ndarray  # (seen,) rare features with m_i = 1
    alone: np.ndarray  # (seen,) F-hat: rare features that are the only rare one in some row
    k: int  # number of common features

    @property
    def common(self) -> np.ndarray:
        """Common features, (seen,)."""
        return ~self.rare

    @property
    def once_alone(self) -> np.ndarray:
        """once ∩ F-hat, (seen,)."""
        return self.once & self.alone

    @property
    def y0(self) -> np.ndarray:
        """Noiseless labels, (n,)."""
        return self.X @ self.beta[self.seen]

    @property
    def p_seen(self) -> np.ndarray:
        """p_i of the seen features, (seen,)."""
        return self.p[self.seen]

    @property
    def beta_seen(self) -> np.ndarray:
        """β*_i of the seen features, (seen,)."""
        return self.beta[self.seen]

    @property
    def unseen_loss(self) -> float:
        """Part of IND from features never seen, whose coefficients stay 0."""
        return self.p @ self.beta**2 - self.p_seen @ self.beta_seen**2


def problem(
    law: settings.LongtailFeatures, alpha: float, rng: np.random.Generator
) -> LinearProblem:
    """Draw one training set, drop the unseen columns, factor it, and find the index sets.

    Args:
        law: sizes, frequencies and true coefficients.
        alpha: power-law exponent of the frequencies.
        rng: source of all draws.
    """
    p = features.frequencies(law.d, law.s, alpha)
    X = features.draw(p, law.n, rng)
    counts = np.bincount(X.indices, minlength=law.d)
    seen = np.flatnonzero(counts)
    X, counts = X[:, seen], counts[seen]
    k = int(np.sum(law.n * p >= law.common_count))
    rare = seen >= k
    rare_per_row = abs(X[:, rare]).sum(axis=1)  # (n,)
    alone = np.zeros(len(seen), bool)
    alone[rare] = abs(X[rare_per_row == 1][:, rare]).sum(axis=0) > 0
    return LinearProblem(
        X=X,
        spectrum=minnorm.factorize(X),
        seen=seen,
        counts=counts,
        p=p,
        beta=true_coefficients(law.d, law.decay),
        rare=rare,
        once=rare & (counts == 1),
        alone=alone,
        k=k,
    )


def true_coefficients(d: int, decay: float) -> np.ndarray:
    """β*_i = i^-decay, (d,)."""
    return np.arange(1, d + 1, dtype=float) ** -decay


# ---- the sweep


class LinearTables(NamedTuple):
    """What the sweep measures."""

    sets: pd.DataFrame  # LinearSets
    sweep: pd.DataFrame  # LinearSweep
    ranks: pd.DataFrame  # LinearRanks
    shrinkage: pd.DataFrame  # LinearShrinkage


class _Fits(NamedTuple):
    """All fits to one training set: linear in the labels, so noiseless ones plus σ times noise."""

    data: LinearProblem
    sigmas: np.ndarray  # (S,)
    lams: np.ndarray  # (L,)
    clean: np.ndarray  # (L, seen) coefficients of the noiseless labels
    noise: np.ndarray  # (L, seen) coefficients of the unit noise
    exact: np.ndarray  # (seen,) errors of min-norm at σ = 0

    @property
    def recovered(self) -> np.ndarray:
        """Features that min-norm recovers at σ = 0, (seen,)."""
        return np.abs(self.exact) < RECOVERED


def sweep(options: settings.LongtailLinear, seed: int, progress: Progress = iter) -> LinearTables:
    """All replicates × α × σ × λ, one factorization per training set (Figure 1).

    Args:
        options: sizes, and the grids of α, σ and λ.
        seed: of all random streams.
        progress: shows how many training sets are done.
    """
    parts = []
    units = list(product(enumerate(options.alphas), range(options.replicates)))
    for (number, alpha), replicate in progress(units):
        rng = generator(seed, "longtail", "linear", number, replicate)
        fits = _fits(options, problem(options, alpha, rng), rng.normal(size=options.n))
        measured = (_index_sets(fits), _losses(fits), _ranks(fits), _shrinkage(fits))
        name = {"alpha": alpha, "replicate": replicate}
        parts.append([name | columns for columns in measured])
    models = (schema.LinearSets, schema.LinearSweep, schema.LinearRanks, schema.LinearShrinkage)
    return LinearTables(*map(stacked, models, zip(*parts, strict=True)))


def _fits(options: settings.LongtailLinear, data: LinearProblem, noise: np.ndarray) -> _Fits:
    lams = np.array(options.lams)
    labels = np.stack([data.y0, noise], 1)  # two right-hand sides serve every σ
    clean, unit = np.moveaxis(minnorm.coefficients(data.spectrum, labels, lams), -1, 0)
    exact = minnorm.coefficients(data.spectrum, data.y0) - data.beta_seen
    return _Fits(
        data=data, sigmas=np.array(options.sigmas), lams=lams, clean=clean, noise=unit, exact=exact
    )


def _index_sets(fits: _Fits) -> Columns:
    data = fits.data
    common = data.common
    identifiable = minnorm.row_space(data.spectrum) > IDENTIFIABLE
    never_seen = data.k - common.sum()  # of the common features
    return {
        "seen_rare": data.rare.sum(),
        "once": data.once.sum(),
        "alone": data.alone.sum(),
        "common_unidentifiable": (~identifiable & common).sum() + never_seen,
        "once_alone": data.once_alone.sum(),
        "recovered": (fits.recovered & data.rare).sum(),
        "disagree": (fits.recovered != identifiable).sum(),
        "max_error_alone": np.abs(fits.exact[data.alone]).max() if data.alone.any() else np.nan,
        "once_beta2": _mean(data.beta_seen**2, data.once),
    }


def _losses(fits: _Fits) -> Columns:
    """Errors and losses of every fit, flattened from (S, L)."""
    data, p = fits.data, fits.data.p_seen
    delta = (fits.clean - data.beta_seen)[None] + fits.sigmas[:, None, None] * fits.noise
    size = np.abs(delta)  # (S, L, seen)
    square = delta**2
    forced = (1 - p) * square
    unseen = np.ones(len(data.p), bool)
    unseen[data.seen] = False
    missing = np.sum((data.p * data.beta**2)[unseen])
    recovered = data.rare & fits.recovered
    unrecovered = data.rare & ~fits.recovered
    losses = {
        "error_common": _mean(size, data.common),
        "error_rare": _mean(size, data.rare),
        "error_alone": _mean(size, data.alone),
        "once_alone_mse": _mean(square, data.once_alone),
        "ind": square @ p + missing,
        "ind_common": square[..., data.common] @ p[data.common],
        "ind_recovered": square[..., recovered] @ p[recovered],
        "ind_unrecovered": square[..., unrecovered] @ p[unrecovered],
        "ind_unseen": np.full(delta.shape[:2], missing),
        "forced_once": _mean(forced, data.once),
        "forced_alone": _mean(forced, data.alone),
        "forced_once_alone": _mean(forced, data.once_alone),
    }
    return {
        "sigma": np.repeat(fits.sigmas, len(fits.lams)),
        "lam": np.tile(fits.lams, len(fits.sigmas)),
        **{name: np.ravel(values) for name, values in losses.items()},
    }


def _ranks(fits: _Fits) -> Columns:
    """Seen and recovered features by bins of their frequency rank."""
    data = fits.data
    n, d = data.X.shape[0], len(data.p)
    seen = np.zeros(d, bool)
    seen[data.seen] = True
    recovered = np.zeros(d, bool)
    recovered[data.seen[fits.recovered]] = True
    edges = [edge for edge in RANK_EDGES if edge < d] + [d]
    bins = [slice(low, high) for low, high in pairwise(edges)]
    return {
        "rank_low": edges[:-1],
        "rank_high": edges[1:],
        "seen": [seen[ranks].mean() for ranks in bins],
        "expected": [np.mean(1 - (1 - data.p[ranks]) ** n) for ranks in bins],
        "recovered": [recovered[ranks].mean() for ranks in bins],
    }


def _shrinkage(fits: _Fits) -> Columns:
    """Noiseless coefficients of common ∪ F-hat features against their counts, by octaves."""
    data, lams = fits.data, fits.lams
    features_shown = np.flatnonzero(data.common | data.alone)
    counts = data.counts[features_shown]
    ratio = fits.clean[:, features_shown] / data.beta_seen[features_shown]  # (L, shown)
    deviation = np.abs(ratio - counts / (counts + lams[:, None]))
    octave = 2 ** np.log2(counts).astype(int)
    lows = np.unique(octave)
    blocks = [octave == low for low in lows]
    return {
        "lam": np.tile(lams, len(lows)),
        "count_low": np.repeat(lows, len(lams)),
        "count_mean": np.repeat([counts[block].mean() for block in blocks], len(lams)),
        "ratio": np.ravel([np.median(ratio[:, block], axis=1) for block in blocks]),
        "deviation": np.ravel([np.median(deviation, axis=1) for _ in lows]),
    }


# ---- scaling


def scaling(
    options: settings.LongtailScaling, seed: int, progress: Progress = iter
) -> pd.DataFrame:
    """Min-norm excess risk against the number of rows, σ = 0: the table Scaling.

    Args:
        options: the grids of α, b and the number of rows.
        seed: of all random streams.
        progress: shows how many training sets are done.
    """
    records = []
    units = list(product(enumerate(options.alphas), options.rows, range(options.replicates)))
    for (number, alpha), rows, replicate in progress(units):
        rng = generator(seed, "longtail", "scaling", number, rows, replicate)
        law = settings.LongtailFeatures(n=rows, d=options.d, s=options.s)
        data = problem(law, alpha, rng)
        for decay in options.decays:
            beta = true_coefficients(options.d, decay)
            delta = -beta
            delta[data.seen] += minnorm.coefficients(data.spectrum, data.X @ beta[data.seen])
            records.append(
                {
                    "alpha": alpha,
                    "decay": decay,
                    "rows": rows,
                    "replicate": replicate,
                    "ind": data.p @ delta**2,
                }
            )
    return tables.frame(schema.Scaling, records)


# ---- influence


class InfluenceTables(NamedTuple):
    """Three measures of memorization."""

    hat_diagonals: pd.DataFrame  # HatDiagonals
    leave_one_out: pd.DataFrame  # LeaveOneOut
    descent: pd.DataFrame  # Descent


def influence(
    options: settings.LongtailInfluence, seed: int, progress: Progress = iter
) -> InfluenceTables:
    """Hat diagonal, leave-one-out residual and gradient-descent time of every replicate.

    Args:
        options: sizes, penalties, steps, and how many rows are refitted without.
        seed: of all random streams.
        progress: shows how many replicates are done.
    """
    hat_diagonals = []
    leave_one_out = []
    descent = []
    for replicate in progress(range(options.replicates)):
        rng = generator(seed, "longtail", "influence", replicate)
        data = problem(options, options.alpha, rng)
        name = {"replicate": replicate}
        hat_diagonals.append(name | _hat_diagonals(options, data))
        leave_one_out.extend(name | row for row in _left_out_rows(options, data, rng))
        descent.append(name | _descent(options, data))
    return InfluenceTables(
        stacked(schema.HatDiagonals, hat_diagonals),
        tables.frame(schema.LeaveOneOut, leave_one_out),
        stacked(schema.Descent, descent),
    )


def _once_per_row(data: LinearProblem) -> np.ndarray:
    """Number of once-seen features per row, (n,)."""
    return abs(data.X[:, data.once]).sum(axis=1)


def _hat_diagonals(options: settings.LongtailInfluence, data: LinearProblem) -> Columns:
    hat = minnorm.hat_diagonal(data.spectrum, np.array(options.lams))  # (L, n)
    return {"lam": options.lams, "hat_once": _mean(hat, _once_per_row(data) > 0)}


def _descent(options: settings.LongtailInfluence, data: LinearProblem) -> Columns:
    """Gradient descent from 0 at log-spaced steps."""
    steps = np.unique(np.geomspace(1, options.max_steps, 60).round().astype(int))
    beta, p = data.beta_seen, data.p_seen
    path = minnorm.descent(data.spectrum, data.y0, steps)  # (T, seen)
    end = minnorm.coefficients(data.spectrum, data.y0)
    square = (path - beta) ** 2
    return {
        "step": steps,
        "expected": -np.expm1(-steps / data.spectrum.largest),
        "recovery": _mean(path / beta, data.once_alone),
        "distance": np.linalg.norm(path - end, axis=1),
        "ind": square @ p + data.unseen_loss,
        "forced_once_alone": _mean((1 - p) * square, data.once_alone),
    }


def _left_out_rows(
    options: settings.LongtailInfluence, data: LinearProblem, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Leave-one-out residuals of a few rows, half of them with a once-seen feature."""
    once = _once_per_row(data) > 0
    y = data.y0 + options.sigma * rng.normal(size=options.n)
    closed_form = minnorm.leave_one_out(data.spectrum, data.X, y)
    hat = minnorm.hat_diagonal(data.spectrum)
    train_error = np.abs(y - data.X @ minnorm.coefficients(data.spectrum, y))
    half = min(options.refits // 2, once.sum())
    with_once = rng.permutation(np.flatnonzero(once))[:half]
    without_once = rng.permutation(np.flatnonzero(~once))[: options.refits - half]
    records = []
    for row in np.sort(np.concatenate([with_once, without_once])):
        others = np.arange(options.n) != row
        refit = minnorm.coefficients(minnorm.factorize(data.X[others]), y[others])
        records.append(
            {
                "row": row,
                "once": bool(once[row]),
                "hat": hat[row],
                "train_error": train_error[row],
                "residual": closed_form[row],
                "refit": y[row] - (data.X[[row]] @ refit).item(),
            }
        )
    return records


# ---- losses


def ood(sweep: pd.DataFrame, sets: pd.DataFrame, pool: str, t: int) -> pd.Series:
    """OOD_t of each row of LinearSweep for a pool of features that are forced together.

    Args:
        sweep: rows of the table LinearSweep.
        sets: the table LinearSets.
        pool: `once`, `alone` or `once_alone`.
        t: number of forced features.

    Returns:
        As many values as `sweep` has rows. NaN where the pool of that training set holds fewer than
        t features: features are never forced twice.
    """
    keys = ["alpha", "replicate"]
    size = sweep[keys].merge(sets[[*keys, pool]], on=keys, how="left")[pool].to_numpy()
    return (sweep["ind"] + t * sweep[f"forced_{pool}"]).where(size >= t)


def _mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean over the masked last axis; NaN (not a warning) if the mask is empty."""
    if not mask.any():
        return np.full(values.shape[:-1], np.nan)
    return values[..., mask].mean(axis=-1)
