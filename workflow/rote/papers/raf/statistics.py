"""What the claims measure (labels 4.1 to 4.19): functions from tables to replicate values.

A function has the name of its claim. `theory_claims` declares those that theory alone decides: they
are attributes of this module, too.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.raf.theory_claims import THEORY

Tables = Mapping[str, pd.DataFrame]
__getattr__ = THEORY.statistic  # claims that theory alone decides, by their names
MAX_E_MEM = 0.01  # below it a learner of real images counts as remembering all facts


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


def moreau(tables: Tables) -> Sample:
    """4.16: |E_gen of Newton in d dimensions − of the quadratic program in n|, same data."""
    return Sample((tables["reduction"]["e_gen_newton"] - tables["reduction"]["e_gen_qp"]).abs())


def converged(tables: Tables) -> Sample:
    """Share of all points of curves and phase diagrams that converged."""
    return Sample([tables["curves"]["converged"].mean()])


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
