"""What the claims about the linear track measure (labels L1 to L19)."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from rote.papers.longtail import interpolators
from rote.papers.longtail.linear import ood
from rote.papers.longtail.statistics.samples import Tables, arms, steps

EXACT = 1e-9  # an error that is rounding alone
DETERMINED = 1.5  # from here on (α) the common features are determined in nearly every replicate
ALL_SEEN = 33  # features of ranks up to this one occur in every training set at α = 1.5
QUIET, LOUD = 0.05, 0.2  # label noise, standard deviations
SHRINKING = (0.03, 30.0)  # penalties at which the law of shrinkage can be told from none
HARMFUL = 0.62  # label noise as large as the rms coefficient i^-0.1 of features that occur once


def exact_recovery(tables: Tables) -> dict[str, np.ndarray]:
    """L1: whether all of F-hat is recovered to 1e-9 in a training set, σ = 0, α ≥ 1.5.

    Training sets without such features have no value.
    """
    sets = tables["linear_sets"]

    def exact(group: pd.DataFrame) -> np.ndarray:
        largest = group["max_error_alone"].to_numpy()
        return np.where(np.isnan(largest), np.nan, largest < EXACT)

    return _by_alpha(sets[sets["alpha"] >= DETERMINED], exact)


def few_recovered_slow(tables: Tables) -> dict[str, np.ndarray]:
    """L3 at α = 1: recovered and seen rare features, (replicates, 2)."""
    return _recovered_and_seen(tables, 1.0)


def most_recovered_medium(tables: Tables) -> dict[str, np.ndarray]:
    """L3 at α = 1.5: recovered and seen rare features, (replicates, 2)."""
    return _recovered_and_seen(tables, 1.5)


def most_recovered_fast(tables: Tables) -> dict[str, np.ndarray]:
    """L3 at α = 2: recovered and seen rare features, (replicates, 2)."""
    return _recovered_and_seen(tables, 2.0)


def once_error_is_noise(tables: Tables) -> dict[str, np.ndarray]:
    """L4: sum of Δ² over once ∩ F-hat in σ², and the number of features; σ = 0.05, α ≥ 1.5."""
    rows = _min_norm(tables, QUIET, above=DETERMINED)
    sums = rows.assign(total=rows["once_alone_mse"] * rows["once_alone"] / QUIET**2)
    return _by_alpha(sums, lambda group: group[["total", "once_alone"]].to_numpy())


def error_proportional_to_noise(tables: Tables) -> dict[str, np.ndarray]:
    """L5: mean error of seen rare features at σ = 0.2 and 0.05, the same unit noise, all α."""
    sweep = tables["linear_sweep"]
    rows = sweep[sweep["lam"] == 0]
    return _by_alpha(rows, lambda group: arms(group, "sigma", "error_rare", LOUD, QUIET))


def noise_curves_overlap(tables: Tables) -> dict[str, np.ndarray]:
    """L6: IND at σ = 0.05 minus IND at σ = 0, and IND at σ = 0, all α.

    Of fits that lose less than half of what the largest penalty does: one that learns nothing from
    labels does not see their noise.
    """
    sweep = tables["linear_sweep"]
    largest = sweep["lam"].max()

    def added(group: pd.DataFrame) -> np.ndarray:
        fits = group[group["lam"] == 0]
        noisy, clean = arms(fits, "sigma", "ind", QUIET, 0.0).T
        shrunk = arms(group[group["lam"] == largest], "sigma", "ind", 0.0)
        pairs = np.stack([noisy - clean, clean], 1)
        return np.where(clean[:, None] < shrunk / 2, pairs, np.nan)

    return _by_alpha(sweep, added)


def slow_decay_hurts(tables: Tables) -> np.ndarray:
    """L7: IND at α = 1 and at α = 2, σ = 0."""
    sweep = tables["linear_sweep"]
    rows = sweep[(sweep["lam"] == 0) & (sweep["sigma"] == 0)]
    return arms(rows, "alpha", "ind", 1.0, 2.0)


def combination_bound(tables: Tables) -> dict[str, np.ndarray]:
    """L8: (OOD_t − IND)/(t σ²) for the pool F-hat, whatever its counts; σ = 0.05, α ≥ 1.5."""
    rows = _min_norm(tables, QUIET, above=DETERMINED)
    return _by_alpha(rows, lambda group: (group["forced_alone"] / QUIET**2).to_numpy())


def unseen_mass_dominates(tables: Tables) -> np.ndarray:
    """L9: the unseen part of IND, and IND; α = 2, σ = 0."""
    rows = _min_norm(tables, 0.0)
    return rows.loc[rows["alpha"] == 2, ["ind_unseen", "ind"]].to_numpy()


def scaling_exponent(tables: Tables) -> dict[str, np.ndarray]:
    """L10: log-log slope of IND in n, minus −(1 − 1/α) − 2b/α."""
    conditions = {}
    for (alpha, decay), group in tables["scaling"].groupby(["alpha", "decay"]):
        wide = group.pivot(index="replicate", columns="rows", values="ind")
        x = np.log(wide.columns.to_numpy(float))
        weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        theory = -(1 - 1 / alpha) - 2 * decay / alpha
        conditions[f"alpha = {alpha:g}, b = {decay:g}"] = np.log(wide.to_numpy()) @ weights - theory
    return conditions


def ridge_shrinkage(tables: Tables) -> dict[str, pd.Series]:
    """L11: median |β̂/β* − m/(m + λ)| over common ∪ F-hat, α = 2, λ from 0.03 to 30.

    Smaller penalties leave coefficients as they are, and larger ones leave nothing of those that
    occur once, to within the tolerance.
    """
    table = tables["linear_shrinkage"]
    resolved = (table["alpha"] == 2) & table["lam"].between(*SHRINKING)
    table = table[resolved].drop_duplicates(["replicate", "lam"])
    return {f"lambda = {lam:g}": group["deviation"] for lam, group in table.groupby("lam")}


def ridge_hurts_combinations(tables: Tables) -> np.ndarray:
    """L12: factor of OOD_2(F-hat) over factor of IND when λ goes from 0 to 1, σ = 0.05, α = 2."""
    sweep = _at_alpha_two(tables, QUIET)
    sweep["ood2"] = ood(sweep, tables["linear_sets"], "alone", 2)
    pairs, fresh = (arms(sweep, "lam", loss, 1.0, 0.0) for loss in ("ood2", "ind"))
    return (pairs[:, 0] / pairs[:, 1]) / (fresh[:, 0] / fresh[:, 1])


def harm_threshold(tables: Tables) -> dict[str, np.ndarray]:
    """L13: forced loss on once ∩ F-hat, min-norm over the largest penalty; its inverse at large σ.

    Theory has min-norm lose less where σ lies below the rms coefficient, and more above it.
    """
    table = _at_alpha_two(tables)
    conditions = {}
    for sigma, group in table[table["sigma"] > 0].groupby("sigma"):
        losses = arms(group, "lam", "forced_once_alone", 0.0, table["lam"].max())
        ratio = losses[:, 0] / losses[:, 1]
        conditions[f"sigma = {sigma:g}"] = ratio if sigma < HARMFUL else 1 / ratio
    return conditions


def optimal_ridge(tables: Tables) -> dict[str, np.ndarray]:
    """L14: the λ that minimizes OOD_2(once) over σ²/mean β*², α = 2, σ ≥ 0.1."""
    sets = tables["linear_sets"]
    beta2 = sets[sets["alpha"] == 2].set_index("replicate")["once_beta2"]
    conditions = {}
    for sigma in (0.1, 0.2, 0.5, 1.0):
        sweep = _at_alpha_two(tables, sigma)
        if sweep.empty:
            raise KeyError(f"sigma {sigma}")
        sweep["ood2"] = ood(sweep, sets, "once", 2)
        wide = sweep[sweep["lam"] > 0].pivot(index="replicate", columns="lam", values="ood2")
        wide = wide.dropna()
        best = wide.idxmin(axis=1)
        conditions[f"sigma = {sigma:g}"] = (best * beta2.reindex(wide.index) / sigma**2).to_numpy()
    return conditions


def recovery_by_rank(tables: Tables) -> dict[str, np.ndarray]:
    """L15: recovered and seen features per rank bin, α = 1.5, ranks above 33."""
    return {ranks: group[["recovered", "seen"]].to_numpy() for ranks, group in _by_ranks(tables)}


def other_interpolators_fail(tables: Tables) -> dict[str, np.ndarray]:
    """L16: OOD_2/IND of interpolators that are not linear in x."""
    table = tables["interpolators"]
    conditions = {}
    for name in interpolators.OTHER_INTERPOLATORS:
        rows = table[table["estimator"] == name]
        conditions[name] = (rows["ood2"] / rows["ind"]).to_numpy()
    return conditions


def partial_structure_monotone(tables: Tables) -> dict[str, np.ndarray]:
    """L17: factor of OOD_2 with each step of ρ."""
    return steps(_mixtures(tables), "parameter", "ood2", "rho")


def partial_structure_range(tables: Tables) -> np.ndarray:
    """L17: OOD_2 at ρ = 1 over ρ = 0."""
    additive, none = arms(_mixtures(tables), "parameter", "ood2", 0.0, 1.0).T
    return none / additive


def one_off_influence(tables: Tables) -> dict[str, pd.Series]:
    """L18: mean H_jj of rows with a once-seen feature minus 1/(1 + λ)."""
    return {
        f"lambda = {lam:g}": group["hat_once"] - 1 / (1 + lam)
        for lam, group in tables["influence"].groupby("lam")
    }


def early_stopping(tables: Tables) -> pd.Series:
    """L19: largest |mean recovery − (1 − exp(−t/L))| over time, (replicates,)."""
    table = tables["descent"]
    gap = (table["recovery"] - table["expected"]).abs()
    return gap.groupby(table["replicate"]).max()


# ---- selections


def _by_alpha(rows: pd.DataFrame, values: Callable) -> dict:
    return {f"alpha = {alpha:g}": values(group) for alpha, group in rows.groupby("alpha")}


def _by_ranks(tables: Tables) -> list[tuple[str, pd.DataFrame]]:
    """The bins of frequency ranks at α = 1.5 whose features are not all seen, with their names."""
    table = tables["linear_ranks"]
    rows = table[(table["alpha"] == 1.5) & (table["rank_low"] >= ALL_SEEN)]
    return [
        (f"ranks {low + 1}-{high}", group)
        for (low, high), group in rows.groupby(["rank_low", "rank_high"])
    ]


def _min_norm(tables: Tables, sigma: float, above: float = 0.0) -> pd.DataFrame:
    """Min-norm fits at one noise level and all α from `above`, with their index sets."""
    sweep = tables["linear_sweep"]
    sweep = sweep[(sweep["lam"] == 0) & (sweep["sigma"] == sigma) & (sweep["alpha"] >= above)]
    return sweep.merge(
        tables["linear_sets"], on=["alpha", "replicate"], how="left", validate="many_to_one"
    )


def _at_alpha_two(tables: Tables, sigma: float | None = None) -> pd.DataFrame:
    """Fits of every penalty at α = 2 and one noise level, or all of them."""
    sweep = tables["linear_sweep"]
    rows = sweep[sweep["alpha"] == 2]
    return (rows if sigma is None else rows[rows["sigma"] == sigma]).copy()


def _recovered_and_seen(tables: Tables, alpha: float) -> dict[str, np.ndarray]:
    sets = tables["linear_sets"]
    rows = sets[sets["alpha"] == alpha]
    return _by_alpha(rows, lambda group: group[["recovered", "seen_rare"]].to_numpy())


def _mixtures(tables: Tables) -> pd.DataFrame:
    """Rows of the mixture kernels."""
    table = tables["interpolators"]
    return table[table["estimator"] == interpolators.MIXTURE]
