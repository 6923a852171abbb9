"""What the claims measure (labels 4.1 to 4.19): functions from tables to replicate values.

A function has the name of its claim. Those that theory alone decides are computed in `checks`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.ledger import Sample

Tables = Mapping[str, pd.DataFrame]
MAX_E_MEM = 0.01  # below it a learner of real images counts as remembering all facts


def _check(tables: Tables, name: str) -> dict[str, Sample]:
    """Numbers that theory alone decides, one per condition."""
    table = tables["checks"]
    rows = table[table["check"] == name]
    return {row.condition: Sample([row.value]) for row in rows.itertuples()}


def _against_theory(rows: pd.DataFrame, error: str) -> dict[str, Sample]:
    """Simulation minus theory per simulated row."""
    conditions = {}
    for _, replicates in rows.groupby("row"):
        first = replicates.iloc[0]
        lam = "" if np.isnan(first["lam"]) else f", λ = {first['lam']:g}"
        name = f"{first['series']}, α = {first['alpha']:g}, ε = {first['eps']:g}{lam}"
        conditions[name] = Sample(replicates[error] - replicates[f"{error}_theory"])
    return conditions


def _verification(tables: Tables, *, features: bool) -> pd.DataFrame:
    """Verification rows of random features, or of linear and kernel learners."""
    table = tables["simulations"]
    return table[(table["figure"] == "verification") & (table["kappa"].notna() == features)]


def gen_theory(tables: Tables) -> dict[str, Sample]:
    """4.1: simulated minus predicted E_gen, linear and kernel learners."""
    return _against_theory(_verification(tables, features=False), "e_gen")


def mem_theory(tables: Tables) -> dict[str, Sample]:
    """4.2: simulated minus predicted E_mem."""
    return _against_theory(_verification(tables, features=False), "e_mem")


def features_gen(tables: Tables) -> dict[str, Sample]:
    """4.14: simulated minus predicted E_gen, random features."""
    return _against_theory(_verification(tables, features=True), "e_gen")


def features_mem(tables: Tables) -> dict[str, Sample]:
    """4.14: simulated minus predicted E_mem, random features."""
    return _against_theory(_verification(tables, features=True), "e_mem")


def bayes_gamp(tables: Tables) -> dict[str, Sample]:
    """4.18: message passing minus the Bayes-optimal E_gen."""
    table = tables["simulations"]
    return _against_theory(table[table["figure"] == "bayes"], "e_gen")


def universality_gen(tables: Tables) -> dict[str, Sample]:
    """4.3: E_gen of a true kernel minus that of its equivalent model, same data."""
    return _universality(tables, "e_gen")


def universality_mem(tables: Tables) -> dict[str, Sample]:
    """4.3: the same for E_mem."""
    return _universality(tables, "e_mem")


def _universality(tables: Tables, error: str) -> dict[str, Sample]:
    groups = tables["universality"].groupby(["kernel", "loss"])
    return {
        f"{kernel}, {loss}": Sample(rows[f"{error}_true"] - rows[f"{error}_model"])
        for (kernel, loss), rows in groups
    }


def lambda_opt(tables: Tables) -> dict[str, Sample]:
    """4.4: grid steps between λ_opt and the argmin of the iterated solution."""
    return _check(tables, "lambda_opt_steps")


def lambda_opt_value(tables: Tables) -> dict[str, Sample]:
    """4.4: |E_gen iterated − closed form| at λ_opt."""
    return _check(tables, "lambda_opt_value")


def gamma_opt_gen(tables: Tables) -> dict[str, Sample]:
    """4.5: E_gen of the interpolator at γ_opt minus the square-loss optimum."""
    return _check(tables, "gamma_opt_gen")


def gamma_opt_mem(tables: Tables) -> dict[str, Sample]:
    """4.5: E_mem there."""
    return _check(tables, "gamma_opt_mem")


def linear_tradeoff(tables: Tables) -> dict[str, Sample]:
    """4.6: smallest E_mem of a linear learner over λ, α = 4, ε = 0.1."""
    return _check(tables, "linear_memory")


def linear_tradeoff_at_best(tables: Tables) -> dict[str, Sample]:
    """4.6: its E_mem at the λ that generalizes best."""
    return _check(tables, "linear_memory_at_best")


def hinge_tradeoff(tables: Tables) -> dict[str, Sample]:
    """4.7: best E_gen of square minus that of hinge, α = 4, ε = 0.1, γ = 45°."""
    return _check(tables, "hinge_gain")


def hinge_tradeoff_memory(tables: Tables) -> dict[str, Sample]:
    """4.7: E_mem of hinge at its best λ."""
    return _check(tables, "hinge_memory")


def hinge_interpolator(tables: Tables) -> dict[str, Sample]:
    """4.7b: the same gain among learners without memory error."""
    return _check(tables, "hinge_interpolator_gain")


def rate_square(tables: Tables) -> dict[str, Sample]:
    """4.8: √α E_gen at α = 1e5 over its limit, minus 1."""
    return _check(tables, "rate_square")


def rate_hinge(tables: Tables) -> dict[str, Sample]:
    """4.9: log-log slope of E_gen between α = 1e4 and 1e5."""
    return _check(tables, "rate_hinge")


def rate_hinge_prefactor(tables: Tables) -> dict[str, Sample]:
    """4.10: √α E_gen at α = 1e5 over the derived prefactor, minus 1."""
    return _check(tables, "rate_hinge_prefactor")


def rate_bayes(tables: Tables) -> dict[str, Sample]:
    """4.11: α E_gen at α = 1e4 over its limit, minus 1."""
    return _check(tables, "rate_bayes")


def memory_limit(tables: Tables) -> dict[str, Sample]:
    """4.12: E_mem at α = 1e5 minus its limit."""
    return _check(tables, "memory_limit")


def capacity(tables: Tables) -> Sample:
    """4.13: the α at which half of the training sets are separable, minus α_c."""
    table = tables["separability"]
    wide = table.astype({"separable": float}).pivot(
        index="replicate", columns="alpha", values="separable"
    )
    alphas = wide.columns.to_numpy(float)
    predicted = table["capacity"].iloc[0]

    def crossing(shares: np.ndarray) -> np.ndarray:
        flat = np.atleast_2d(shares)  # shares fall with α, since training sets are nested
        crossings = [np.interp(0.5, row[::-1], alphas[::-1]) for row in flat]
        return np.reshape(crossings, shares.shape[:-1]) - predicted

    return Sample(wide, crossing)


def features_limit(tables: Tables) -> dict[str, Sample]:
    """4.15: |E_gen at κ = 1e4 − kernel limit|."""
    return _check(tables, "features_limit")


def moreau(tables: Tables) -> Sample:
    """4.16: |E_gen of Newton in d dimensions − of the quadratic program in n|, same data."""
    return Sample((tables["reduction"]["e_gen_newton"] - tables["reduction"]["e_gen_qp"]).abs())


def bayes_bound(tables: Tables) -> dict[str, Sample]:
    """4.17: smallest E_gen − E_Bayes over the grids."""
    return _check(tables, "bayes_bound")


def converged(tables: Tables) -> Sample:
    """Share of all points of curves and phase diagrams that converged."""
    return Sample([tables["curves"]["converged"].mean()])


def reference(tables: Tables) -> dict[str, Sample]:
    """4.19: largest difference from the golden values."""
    return _check(tables, "reference")


def real_memory_cost(tables: Tables) -> Sample:
    """Real images: E_gen lost by remembering all facts, smallest bandwidth minus η = 1."""
    table = tables["real"]
    etas = np.sort(table["eta"].unique())
    wide = etas[np.abs(np.log(etas)).argmin()]
    costs = []
    for eta in (etas[0], wide):
        rows = table[table["eta"] == eta]
        e_gen = rows.pivot(index="replicate", columns="lam", values="e_gen")
        e_mem = rows.pivot(index="replicate", columns="lam", values="e_mem")
        remembering = e_gen.where(e_mem <= MAX_E_MEM)
        costs.append(remembering.min(axis=1) - e_gen.min(axis=1))
    return Sample(costs[0] - costs[1])


def _widest(tables: Tables) -> dict[str, pd.DataFrame]:
    """The widest networks without weight decay, per scale of initialization."""
    table = tables["two_layer"]
    table = table[(table["width"] == table["width"].max()) & (table["weight_decay"] == 0)]
    return {f"init scale {scale:g}": rows for scale, rows in table.groupby("scale")}


def two_layer_rate(tables: Tables) -> dict[str, Sample]:
    """Log-log slope of E_gen in α of the widest networks without weight decay."""
    conditions = {}
    for name, rows in _widest(tables).items():
        wide = np.log(rows.pivot(index="replicate", columns="alpha", values="e_gen"))
        x = np.log(wide.columns.to_numpy(float))
        weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        conditions[name] = Sample(wide.to_numpy() @ weights)
    return conditions


def two_layer_memory(tables: Tables) -> dict[str, Sample]:
    """E_mem of those networks, largest over α."""
    return {
        name: Sample(rows.groupby("replicate")["e_mem"].max())
        for name, rows in _widest(tables).items()
    }
