"""What the claims about the linear track measure (labels L1 to L19)."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio
from rote.papers.longtail import interpolators
from rote.papers.longtail.linear import ood
from rote.papers.longtail.statistics.samples import Tables, ratio_of_ratios, smallest_rise

DETERMINED = 1.5  # from here on (α) the common features are determined in nearly every replicate


def exact_recovery(tables: Tables) -> dict[str, Sample]:
    """L1: largest error over F-hat, σ = 0."""
    sets = tables["linear_sets"]
    return _by_alpha(sets[sets["alpha"] >= DETERMINED], lambda group: group["max_error_alone"])


def exact_recovery_determined(tables: Tables) -> Sample:
    """The same wherever every common feature is identifiable, at any α."""
    sets = tables["linear_sets"]
    return Sample(sets.loc[sets["common_unidentifiable"] == 0, "max_error_alone"])


def recovered_iff_identifiable(tables: Tables) -> dict[str, Sample]:
    """L2: features for which 'recovered' and 'in the row space' disagree."""
    sets = tables["linear_sets"]
    return _by_alpha(sets[sets["alpha"] <= 2], lambda group: group["disagree"])


def few_recovered_slow(tables: Tables) -> dict[str, Sample]:
    """L3 at α = 1."""
    return _recovered_fraction(tables, 1.0)


def most_recovered_medium(tables: Tables) -> dict[str, Sample]:
    """L3 at α = 1.5."""
    return _recovered_fraction(tables, 1.5)


def most_recovered_fast(tables: Tables) -> dict[str, Sample]:
    """L3 at α = 2."""
    return _recovered_fraction(tables, 2.0)


def once_error_is_noise(tables: Tables) -> dict[str, Sample]:
    """L4: mean Δ² over once ∩ F-hat, over σ²; features pooled over replicates."""
    rows = _min_norm(tables, 0.05, above=DETERMINED)
    sums = rows.assign(total=rows["once_alone_mse"] * rows["once_alone"] / 0.05**2)
    return _by_alpha(sums, lambda group: group[["total", "once_alone"]], ratio)


def error_proportional_to_noise(tables: Tables) -> dict[str, Sample]:
    """L5: error over F-hat at σ = 0.2 over that at 0.05, the same unit noise."""
    sweep = tables["linear_sweep"]
    sweep = sweep[(sweep["lam"] == 0) & (sweep["alpha"] >= DETERMINED)]
    wide = sweep.pivot(
        index=["alpha", "replicate"], columns="sigma", values="error_alone"
    ).reset_index()
    return _by_alpha(wide, lambda group: group[0.2] / group[0.05])


def noise_curves_overlap(tables: Tables) -> dict[str, Sample]:
    """L6: (IND at σ = 0.05 − IND at σ = 0) / IND at σ = 0."""
    sweep = tables["linear_sweep"]
    sweep = sweep[sweep["lam"] == 0]
    wide = sweep.pivot(index=["alpha", "replicate"], columns="sigma", values="ind").reset_index()
    return _by_alpha(wide, lambda group: group[[0.05, 0.0]], lambda means: ratio(means) - 1)


def slow_decay_hurts(tables: Tables) -> Sample:
    """L7: IND at α = 1 over IND at α = 2, σ = 0."""
    sweep = tables["linear_sweep"]
    sweep = sweep[(sweep["lam"] == 0) & (sweep["sigma"] == 0)]
    return Sample(sweep.pivot(index="replicate", columns="alpha", values="ind")[[1.0, 2.0]], ratio)


def combination_bound(tables: Tables) -> dict[str, Sample]:
    """L8: (OOD_t − IND)/(t σ²) for t one-off features; the same for every t."""
    conditions = {}
    for sigma in (0.05, 0.2):
        rows = _min_norm(tables, sigma, above=DETERMINED)
        sums = rows.assign(total=rows["forced_once_alone"] * rows["once_alone"] / sigma**2)
        samples = _by_alpha(sums, lambda group: group[["total", "once_alone"]], ratio)
        for condition, sample in samples.items():
            conditions[f"{condition}, sigma = {sigma:g}"] = sample
    return conditions


def combination_affine(tables: Tables) -> Sample:
    """(OOD_4 − IND)/(OOD_2 − IND) on F-hat, σ = 0.05, α = 2."""
    rows = _min_norm(tables, 0.05)
    rows = rows[(rows["alpha"] == 2) & (rows["alone"] >= 4)]
    two, four = (ood(rows, tables["linear_sets"], "alone", t) for t in (2, 4))
    return Sample((four - rows["ind"]) / (two - rows["ind"]))


def unseen_mass_exact(tables: Tables) -> Sample:
    """L9: the unseen part of IND over its exact mean, minus 1, α = 2."""
    rows = _min_norm(tables, 0.0)
    rows = rows[rows["alpha"] == 2]
    return Sample(rows[["ind_unseen", "unseen_expected"]], lambda means: ratio(means) - 1)


def unseen_mass_dominates(tables: Tables) -> Sample:
    """L9: the unseen part's share of IND, α = 2, σ = 0."""
    rows = _min_norm(tables, 0.0)
    return Sample(rows.loc[rows["alpha"] == 2, ["ind_unseen", "ind"]], ratio)


def scaling_exponent(tables: Tables) -> dict[str, Sample]:
    """L10: log-log slope of IND in n, minus −(1 − 1/α) − 2b/α."""
    conditions = {}
    for (alpha, decay), group in tables["scaling"].groupby(["alpha", "decay"]):
        wide = group.pivot(index="replicate", columns="rows", values="ind")
        x = np.log(wide.columns.to_numpy(float))
        weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        theory = -(1 - 1 / alpha) - 2 * decay / alpha

        def gap(means: np.ndarray, weights=weights, theory=theory) -> np.ndarray:
            return np.log(means) @ weights - theory

        conditions[f"alpha = {alpha:g}, b = {decay:g}"] = Sample(wide, gap)
    return conditions


def ridge_shrinkage(tables: Tables) -> dict[str, Sample]:
    """L11: median |β̂/β* − m/(m + λ)| over common ∪ F-hat, α = 2."""
    table = tables["linear_shrinkage"]
    table = table[(table["alpha"] == 2) & (table["lam"] > 0)].drop_duplicates(["replicate", "lam"])
    return {f"lambda = {lam:g}": Sample(group["deviation"]) for lam, group in table.groupby("lam")}


def ridge_hurts_combinations(tables: Tables) -> dict[str, Sample]:
    """L12: factor of OOD_2(F-hat) over factor of IND when λ goes from 0 to 1, σ = 0.05, α = 2."""
    sweep = _at_alpha_two(tables, 0.05)
    sweep["ood2"] = ood(sweep, tables["linear_sets"], "alone", 2)
    wide = sweep.pivot(index="replicate", columns="lam", values=["ood2", "ind"])
    quantities = [("ood2", 1.0), ("ood2", 0.0), ("ind", 1.0), ("ind", 0.0)]
    return ratio_of_ratios([wide[quantity].to_numpy() for quantity in quantities])


def harm_threshold(tables: Tables) -> Sample:
    """L13: σ at which a one-off coefficient's min-norm error meets |β*|, over the rms of β*; − 1.

    At α = 2. The error at σ = 1 is the unit-noise error where σ = 0 recovers exactly, which is what
    once ∩ F-hat means.
    """
    noisy = _min_norm(tables, 1.0)
    noisy = noisy[noisy["alpha"] == 2]
    clean = _min_norm(tables, 0.0)
    clean = clean[clean["alpha"] == 2]
    count = noisy["once_alone"].to_numpy()
    error = noisy["once_alone_mse"].to_numpy() - clean["once_alone_mse"].to_numpy()
    return Sample(
        np.stack([error * count, count], 1),
        lambda means: np.sqrt(means[..., 1] / means[..., 0]) - 1,
    )


def optimal_ridge(tables: Tables) -> dict[str, Sample]:
    """L14: grid steps between the λ that minimizes mean OOD_2(once) and σ²/mean β*², α = 2."""
    conditions = {}
    for sigma in (0.2, 0.5, 1.0):
        sweep = _at_alpha_two(tables, sigma)
        sweep["ood2"] = ood(sweep, tables["linear_sets"], "once", 2)
        wide = sweep[sweep["lam"] > 0].pivot(index="replicate", columns="lam", values="ood2")
        sets = tables["linear_sets"]
        beta2 = sets[sets["alpha"] == 2].set_index("replicate")["once_beta2"].reindex(wide.index)
        grid = np.log(wide.columns.to_numpy(float))

        def steps(means: np.ndarray, grid=grid, sigma=sigma) -> np.ndarray:
            nearest = np.abs(np.log(sigma**2 / means[..., -1])[..., None] - grid).argmin(-1)
            return np.abs(means[..., :-1].argmin(-1) - nearest).astype(float)

        conditions[f"sigma = {sigma:g}"] = Sample(np.column_stack([wide, beta2]), steps)
    return conditions


def seen_frequency(tables: Tables) -> dict[str, Sample]:
    """L15: share of a rank bin seen in training minus 1 − (1 − p)^n, α = 1.5."""
    return {ranks: Sample(group["seen"] - group["expected"]) for ranks, group in _by_ranks(tables)}


def recovery_by_rank(tables: Tables) -> dict[str, Sample]:
    """L15: recovered over seen per rank bin, α = 1.5."""
    return {
        ranks: Sample(group[["recovered", "seen"]], ratio) for ranks, group in _by_ranks(tables)
    }


def linear_interpolators_compose(tables: Tables) -> dict[str, Sample]:
    """L16: OOD_2/IND of interpolators that are linear in x."""
    return _interpolators(tables, interpolators.LINEAR_INTERPOLATORS)


def other_interpolators_fail(tables: Tables) -> dict[str, Sample]:
    """L16: OOD_2/IND of interpolators that are not."""
    return _interpolators(tables, interpolators.OTHER_INTERPOLATORS)


def partial_structure_monotone(tables: Tables) -> Sample:
    """L17: the smallest rise of OOD_2 between neighboring ρ."""
    return smallest_rise(_mixtures(tables))


def partial_structure_range(tables: Tables) -> Sample:
    """L17: OOD_2 at ρ = 1 over ρ = 0."""
    return Sample(_mixtures(tables), lambda means: means[..., -1] / means[..., 0])


def one_off_influence(tables: Tables) -> dict[str, Sample]:
    """L18: mean H_jj of rows with a once-seen feature minus 1/(1 + λ)."""
    return {
        f"lambda = {lam:g}": Sample(group["hat_once"] - 1 / (1 + lam))
        for lam, group in tables["influence"].groupby("lam")
    }


def leave_one_out_closed_form(tables: Tables) -> Sample:
    """Largest |closed-form leave-one-out residual − refitted one| per replicate."""
    table = tables["leave_one_out"]
    return Sample((table["residual"] - table["refit"]).abs().groupby(table["replicate"]).max())


def early_stopping(tables: Tables) -> Sample:
    """L19: largest |mean recovery − (1 − exp(−t/L))| over time, of the replicates' mean path."""
    table = tables["descent"]
    table = table.assign(gap=table["recovery"] - table["expected"])
    wide = table.pivot(index="replicate", columns="step", values="gap")
    return Sample(wide, lambda means: np.abs(means).max(axis=-1))


def early_stopping_end(tables: Tables) -> Sample:
    """L19: distance to min-norm after the last step."""
    table = tables["descent"]
    return Sample(table.loc[table["step"] == table["step"].max(), "distance"])


def interaction_not_supplied(tables: Tables) -> dict[str, Sample]:
    """(OOD_2 − IND)/γ² for a truth with a non-additive term of strength γ."""
    table = tables["interpolators"]
    table = table[(table["estimator"] == interpolators.INTERACTION) & (table["parameter"] > 0)]
    return {
        f"gamma = {gamma:g}": Sample((group["ood2"] - group["ind"]) / gamma**2)
        for gamma, group in table.groupby("parameter")
    }


# ---- selections


def _by_alpha(
    rows: pd.DataFrame, values: Callable, of_means: Callable | None = None
) -> dict[str, Sample]:
    return {
        f"alpha = {alpha:g}": Sample(values(group), of_means)
        for alpha, group in rows.groupby("alpha")
    }


def _by_ranks(tables: Tables) -> list[tuple[str, pd.DataFrame]]:
    """The bins of frequency ranks at α = 1.5, with their names."""
    table = tables["linear_ranks"]
    groups = table[table["alpha"] == 1.5].groupby(["rank_low", "rank_high"])
    return [(f"ranks {low + 1}-{high}", group) for (low, high), group in groups]


def _min_norm(tables: Tables, sigma: float, above: float = 0.0) -> pd.DataFrame:
    """Min-norm fits at one noise level and all α from `above`, with their index sets."""
    sweep = tables["linear_sweep"]
    sweep = sweep[(sweep["lam"] == 0) & (sweep["sigma"] == sigma) & (sweep["alpha"] >= above)]
    return sweep.merge(
        tables["linear_sets"], on=["alpha", "replicate"], how="left", validate="many_to_one"
    )


def _at_alpha_two(tables: Tables, sigma: float) -> pd.DataFrame:
    """Fits of every penalty at α = 2 and one noise level."""
    sweep = tables["linear_sweep"]
    return sweep[(sweep["alpha"] == 2) & (sweep["sigma"] == sigma)].copy()


def _recovered_fraction(tables: Tables, alpha: float) -> dict[str, Sample]:
    sets = tables["linear_sets"]
    rows = sets[sets["alpha"] == alpha]
    return _by_alpha(rows, lambda group: group[["recovered", "seen_rare"]], ratio)


def _interpolators(tables: Tables, names: Iterable[str]) -> dict[str, Sample]:
    """OOD_2/IND of predictors by name."""
    table = tables["interpolators"]
    return {
        name: Sample(table.loc[table["estimator"] == name, ["ood2", "ind"]], ratio)
        for name in names
    }


def _mixtures(tables: Tables) -> pd.DataFrame:
    """OOD_2 of the mixture kernels, (replicates, ρ)."""
    table = tables["interpolators"]
    table = table[table["estimator"] == interpolators.MIXTURE]
    return table.pivot(index="replicate", columns="parameter", values="ood2")
