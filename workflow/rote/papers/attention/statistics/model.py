"""Claims of the paper's model (T1 to T3, C1 to C10)."""

from itertools import pairwise

import numpy as np
import pandas as pd

from rote.papers.attention.curves import at_ridge
from rote.papers.attention.heads import HEAVY
from rote.papers.attention.statistics.samples import (
    ARMS,
    MIN_EIGENVALUES,
    Tables,
    Values,
    deviations,
    rows_of,
    worse_by,
)
from rote.papers.attention.theory_claims import ORDER

# ---- T1-T3: theory against simulation


def limit(tables: Tables) -> Values:
    """T1: simulated minus predicted E without signal, averaged over labels, at the largest n.

    Points with n E < 10 are left out.
    """
    rows = rows_of(tables, "limit")
    rows = rows[~rows["f"].isin(HEAVY) & (rows["n"] == rows["n"].max())]
    rows = rows[rows["n"] * rows["theory"] >= MIN_EIGENVALUES]
    return {
        f"{f}, {c}, γ = {gamma:g}": (group["error"] - group["theory"]).to_numpy()
        for (f, c, gamma), group in rows.groupby(["f", "panel", "gamma"])
    }


def _heavy_distances(tables: Tables) -> pd.DataFrame:
    """Distances of functions that grow fast: f, n, replicate, distance."""
    rows = rows_of(tables, "limit")
    rows = rows[rows["f"].isin(HEAVY)]
    return rows.assign(distance=rows["error"] - rows["theory"])


def limit_heavy(tables: Tables) -> Values:
    """T1: the same for functions that grow fast."""
    rows = _heavy_distances(tables)
    rows = rows[rows["n"] == rows["n"].max()]
    return {f: group["distance"].to_numpy() for f, group in rows.groupby("f")}


def limit_heavy_decay(tables: Tables) -> Values:
    """T1: their distances at n tokens (numerator) and at 2n (denominator), (replicates, 2)."""
    conditions = {}
    for f, group in _heavy_distances(tables).groupby("f"):
        wide = group.pivot(index="replicate", columns="n", values="distance")
        for small, large in pairwise(sorted(wide.columns)):
            conditions[f"{f}, n = {small} → {large}"] = wide[[small, large]].to_numpy()
    return conditions


def signal(tables: Tables) -> Values:
    """T3: relative deviation from theory, per spike, functions that grow at most linearly."""
    rows = rows_of(tables, "signal")
    return deviations(rows[~rows["f"].isin(HEAVY)])


def signal_heavy(tables: Tables) -> Values:
    """T3: the same for functions that grow fast."""
    rows = rows_of(tables, "signal")
    return deviations(rows[rows["f"].isin(HEAVY)])


# ---- C1-C4: random inputs


def worse_on_noise_simulated(tables: Tables) -> Values:
    """C1: simulated gap minus its theory, averaged over labels, tanh, c = 4."""
    rows = _noise(tables)
    gap = (rows["error"] - rows["ridge"]) - (rows["theory"] - rows["ridge_theory"])
    groups = rows.assign(distance=gap).groupby("gamma")
    return {at_ridge(gamma): group["distance"].to_numpy() for gamma, group in groups}


def _noise(tables: Tables) -> pd.DataFrame:
    """Contexts of tanh without signal, c = 4."""
    rows = rows_of(tables, "nonlinearity")
    return rows[(rows["panel"] == "no signal") & (rows["f"] == "tanh")]


def ridgeless_exponent_simulated(tables: Tables) -> np.ndarray:
    """C4: log-log slope of E over γ in [1e-3, 1e-1], tanh on noise, c = 4."""
    rows = _noise(tables)
    rows = rows[rows["gamma"] <= 0.11]
    wide = np.log(rows.pivot(index="replicate", columns="gamma", values="error"))
    x = np.log(wide.columns.to_numpy(float))
    return wide.to_numpy() @ ((x - x.mean()) / ((x - x.mean()) ** 2).sum())


# ---- C5-C8: alignment


def alignment_order_simulated(tables: Tables) -> Values:
    """C5: steps of aligned < query only < none < key only < anti on common contexts, γ = 1."""
    wide = _common(tables, "paired")
    return {f"{b} − {a}": wide[[b, a]].to_numpy() for a, b in pairwise(ORDER)}


def orthogonal_simulated(tables: Tables) -> Values:
    """C5: an orthogonal spike and none, on common contexts."""
    return {
        at_ridge(gamma): _common(tables, "paired", gamma)[["orthogonal", "none"]].to_numpy()
        for gamma in _ridges(tables, "paired")
    }


def _common(tables: Tables, figure: str, gamma: float = 1.0) -> pd.DataFrame:
    """Errors on common contexts at one ridge: (replicates, arms)."""
    rows = rows_of(tables, figure)
    rows = rows[rows["gamma"] == gamma]
    return rows.pivot(index="replicate", columns="panel", values="error")


def _ridges(tables: Tables, figure: str) -> list[float]:
    return sorted(rows_of(tables, figure)["gamma"].unique())


def spikes(tables: Tables) -> Values:
    """C5, C6: relative deviation from theory with each spike."""
    return deviations(rows_of(tables, "spikes"))


def gap_sign(tables: Tables) -> Values:
    """C6: by how much the side is worse that theory predicts to be, at γ = 31.6."""
    rows = rows_of(tables, "spikes")
    rows = rows[rows["gamma"] == rows["gamma"].max()]
    aligned = rows[rows["panel"] == "aligned"]
    worse = {name: worse_by(rows[rows["panel"] == name]) for name in ("none", "orthogonal", "anti")}
    return worse | {"aligned": (aligned["ridge"] - aligned["error"]).to_numpy()}


def gap_never_closes(tables: Tables) -> dict[str, float]:
    """C6: smallest gap over γ and p > n of the phase map, settings without a spike."""
    table = tables["phase"]
    table = table[(table["setting"] != "aligned") & (table["c"] > 1)]
    groups = table.assign(gap=table["attention"] - table["ridge"]).groupby(["setting", "f"])
    return {f"{f}, {setting}": gap for (setting, f), gap in groups["gap"].min().items()}


def typical(tables: Tables) -> dict[str, float]:
    """C1: share of the phase map on noise in which attention is worse, per function."""
    table = tables["phase"]
    table = table[table["setting"] == "no signal"]
    worse = table.assign(worse=table["attention"] > table["ridge"])
    return worse.groupby("f")["worse"].mean().to_dict()


def structure_reverses_simulated(tables: Tables) -> Values:
    """E of attention and of ridge regression with a signal and no spike."""
    rows = rows_of(tables, "structure")
    return {at_ridge(gamma): group[ARMS].to_numpy() for gamma, group in rows.groupby("gamma")}


def crossing_simulated(tables: Tables) -> Values:
    """C6: γ at which the gap closes in a context, over that of its theory, minus 1, per spike."""
    conditions = {}
    for panel, rows in rows_of(tables, "crossing").groupby("panel"):
        wide = rows.assign(gap=rows["error"] - rows["ridge"])
        wide = wide.pivot(index="replicate", columns="gamma", values="gap")
        x = np.log(wide.columns.to_numpy(float))
        first = rows[rows["replicate"] == rows["replicate"].min()].sort_values("gamma")
        predicted = _closes(x, (first["theory"] - first["ridge_theory"]).to_numpy())
        closes = np.array([_closes(x, gaps) for gaps in wide.to_numpy()])
        conditions[panel] = np.exp(closes - predicted) - 1
    return conditions


def _closes(x: np.ndarray, gaps: np.ndarray) -> float:
    """Where a line through gaps (γ,) over log γ crosses 0."""
    slope, offset = np.polyfit(x, gaps, 1)
    return float(-offset / slope)


def ridge_theory(tables: Tables) -> Values:
    """Figure 1: relative deviation of simulated ridge regression from its theory, per panel."""
    rows = rows_of(tables, "baseline")
    rows = rows.drop(columns=["theory", "error"])
    return deviations(rows.rename(columns={"ridge": "error", "ridge_theory": "theory"}))


REACH = 0.12  # s = μᵀWμ/√p up to which theory is meant


def attention_theory(tables: Tables) -> Values:
    """Figure 2: relative deviation of simulated attention from its theory, s up to 0.12."""
    rows = rows_of(tables, "baseline")
    strength = rows["series"].map({"tanh": 1, "tanh, aligned": 2}) * rows["mu2"]
    return deviations(rows[strength / np.sqrt(rows["p"]) <= REACH])


# ---- C9, C10: what of f matters


def lookalikes_simulated(tables: Tables) -> Values:
    """C9: E of a function with tanh's a1 and ν and of tanh, on common contexts."""
    conditions = {}
    for gamma in _ridges(tables, "lookalikes"):
        wide = _common(tables, "lookalikes", gamma)
        for name in wide.columns.drop("tanh"):
            conditions[f"{name}, γ = {gamma:g}"] = wide[[name, "tanh"]].to_numpy()
    return conditions


def structure_blind_simulated(tables: Tables) -> Values:
    """C10: E of cos with a signal minus its theory without any structure, per γ ≥ 0.01."""
    rows = rows_of(tables, "nonlinearity")
    rows = rows[(rows["f"] == "cos_c") & (rows["gamma"] > 0.005)]
    noise = rows[rows["panel"] == "no signal"].groupby("gamma")["theory"].first()
    rows = rows[rows["panel"] != "no signal"]
    groups = rows.assign(distance=rows["error"] - rows["gamma"].map(noise)).groupby(
        ["panel", "gamma"]
    )
    return {
        f"{panel}, γ = {gamma:g}": group["distance"].to_numpy() for (panel, gamma), group in groups
    }
