"""What the claims measure (labels T1-T3, C1-C10): functions from tables to replicate values.

A function has the name of its claim. `theory_claims` declares those that theory alone decides: they
are attributes of this module, too.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from rote.papers.attention.curves import at_ridge
from rote.papers.attention.heads import HEAVY
from rote.papers.attention.schema import Objective
from rote.papers.attention.theory_claims import ORDER, THEORY

Tables = Mapping[str, pd.DataFrame]
Values = dict[str, np.ndarray]  # condition -> (replicates,) or, of two arms, (replicates, 2)
__getattr__ = THEORY.statistic  # claims that theory alone decides, by their names
POINT = ["figure", "panel", "series", "x", "gamma", "n"]
ARMS = ["error", "ridge"]
# a prediction is judged relative to itself, and to this where it is smaller
FLOOR = 0.1
MIN_EIGENVALUES = 10  # n E below which an error is made of too few eigenvalues to be compared


def _rows(tables: Tables, figure: str, table: str = "simulations") -> pd.DataFrame:
    frame = tables[table]
    return frame[frame["figure"] == figure]


def _deviations(rows: pd.DataFrame) -> Values:
    """(E − theory) / max(theory, 0.1) of every context, per point.

    Points with n E < 10 are left out.
    """
    rows = rows[rows["n"] * rows["theory"] >= MIN_EIGENVALUES]
    deviation = (rows["error"] - rows["theory"]) / rows["theory"].clip(lower=FLOOR)
    conditions = {}
    groups = rows.assign(deviation=deviation).groupby(POINT, sort=False)
    for (_, panel, series, x, gamma, _), group in groups:
        labels = [label for label in dict.fromkeys((panel, series)) if label]
        if x != gamma and group["figure"].iloc[0] == "baseline":
            labels.append(f"x = {x:g}")
        conditions[", ".join([*labels, f"γ = {gamma:.3g}"])] = group["deviation"].to_numpy()
    return conditions


# ---- T1-T3: theory against simulation


def limit(tables: Tables) -> Values:
    """T1: simulated minus predicted E without signal, averaged over labels, at the largest n.

    Points with n E < 10 are left out.
    """
    rows = _rows(tables, "limit")
    rows = rows[~rows["f"].isin(HEAVY) & (rows["n"] == rows["n"].max())]
    rows = rows[rows["n"] * rows["theory"] >= MIN_EIGENVALUES]
    return {
        f"{f}, {c}, γ = {gamma:g}": (group["error"] - group["theory"]).to_numpy()
        for (f, c, gamma), group in rows.groupby(["f", "panel", "gamma"])
    }


def _heavy_distances(tables: Tables) -> pd.DataFrame:
    """Distances of functions that grow fast: f, n, replicate, distance."""
    rows = _rows(tables, "limit")
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
    rows = _rows(tables, "signal")
    return _deviations(rows[~rows["f"].isin(HEAVY)])


def signal_heavy(tables: Tables) -> Values:
    """T3: the same for functions that grow fast."""
    rows = _rows(tables, "signal")
    return _deviations(rows[rows["f"].isin(HEAVY)])


# ---- C1-C4: random inputs


def worse_on_noise_simulated(tables: Tables) -> Values:
    """C1: simulated gap minus its theory, averaged over labels, tanh, c = 4."""
    rows = _noise(tables)
    gap = (rows["error"] - rows["ridge"]) - (rows["theory"] - rows["ridge_theory"])
    groups = rows.assign(distance=gap).groupby("gamma")
    return {at_ridge(gamma): group["distance"].to_numpy() for gamma, group in groups}


def _noise(tables: Tables) -> pd.DataFrame:
    """Contexts of tanh without signal, c = 4."""
    rows = _rows(tables, "nonlinearity")
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
    rows = _rows(tables, figure)
    rows = rows[rows["gamma"] == gamma]
    return rows.pivot(index="replicate", columns="panel", values="error")


def _ridges(tables: Tables, figure: str) -> list[float]:
    return sorted(_rows(tables, figure)["gamma"].unique())


def spikes(tables: Tables) -> Values:
    """C5, C6: relative deviation from theory with each spike."""
    return _deviations(_rows(tables, "spikes"))


def gap_sign(tables: Tables) -> Values:
    """C6: by how much the side is worse that theory predicts to be, at γ = 31.6."""
    rows = _rows(tables, "spikes")
    rows = rows[rows["gamma"] == rows["gamma"].max()]
    aligned = rows[rows["panel"] == "aligned"]
    worse = {name: _worse(rows[rows["panel"] == name]) for name in ("none", "orthogonal", "anti")}
    return worse | {"aligned": (aligned["ridge"] - aligned["error"]).to_numpy()}


def _worse(rows: pd.DataFrame) -> np.ndarray:
    """E minus that of ridge regression, and no more than E lies below 1, (replicates,).

    A head that gives nothing has E = 1: it is worse than ridge regression, and memorizes nothing.
    """
    return np.minimum(rows["error"] - rows["ridge"], 1 - rows["error"]).to_numpy()


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
    rows = _rows(tables, "structure")
    return {at_ridge(gamma): group[ARMS].to_numpy() for gamma, group in rows.groupby("gamma")}


def crossing_simulated(tables: Tables) -> Values:
    """C6: γ at which the gap closes in a context, over that of its theory, minus 1, per spike."""
    conditions = {}
    for panel, rows in _rows(tables, "crossing").groupby("panel"):
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
    rows = _rows(tables, "baseline")
    rows = rows.drop(columns=["theory", "error"])
    return _deviations(rows.rename(columns={"ridge": "error", "ridge_theory": "theory"}))


REACH = 0.12  # s = μᵀWμ/√p up to which theory is meant


def attention_theory(tables: Tables) -> Values:
    """Figure 2: relative deviation of simulated attention from its theory, s up to 0.12."""
    rows = _rows(tables, "baseline")
    strength = rows["series"].map({"tanh": 1, "tanh, aligned": 2}) * rows["mu2"]
    return _deviations(rows[strength / np.sqrt(rows["p"]) <= REACH])


STRONG = 0.5  # s from which on tanh attention is far better than ridge regression


def _strong(tables: Tables, f: str) -> dict[tuple[str, float], pd.DataFrame]:
    """Contexts with strong signals, per spike and s."""
    rows = _rows(tables, "strong", "variants")
    rows = rows[rows["f"] == f].sort_values("replicate")
    return dict(list(rows.groupby(["panel", "x"])))


def strong_falls(tables: Tables) -> Values:
    """C8: E / E(ridge) at one signal over that at the next stronger one, tanh."""
    ratios = {}
    for point, rows in _strong(tables, "tanh").items():
        ratios[point] = (rows["error"] / rows["ridge"]).to_numpy()
    conditions = {}
    for (spike, weak), (next_spike, strong) in pairwise(sorted(ratios)):
        if spike == next_spike:
            fall = ratios[spike, weak] / ratios[spike, strong]
            conditions[f"{spike}, s = {weak:g} → {strong:g}"] = fall
    return conditions


def strong_reversal(tables: Tables) -> Values:
    """C8: E of attention and of ridge regression at s = 1, tanh."""
    groups = _strong(tables, "tanh").items()
    return {spike: rows[ARMS].to_numpy() for (spike, s), rows in groups if s == 1.0}


def strong_linear(tables: Tables) -> Values:
    """C8: the same for linear attention, at every s ≥ 0.5."""
    conditions = {}
    for (spike, s), rows in _strong(tables, "linear").items():
        if s >= STRONG:
            conditions[f"{spike}, s = {s:g}"] = rows[ARMS].to_numpy()
    return conditions


def strong_corrected(tables: Tables) -> Values:
    """What the heuristic leaves of the strong-signal effect, and the effect, tanh, s ≥ 1."""
    conditions = {}
    for (spike, s), rows in _strong(tables, "tanh").items():
        if s >= 1:
            # without the effect attention is ridge regression in this regime
            effect = rows["ridge_theory"] - rows["error"]
            left = rows["theory"] - rows["error"]
            conditions[f"{spike}, s = {s:g}"] = np.column_stack([left, effect])
    return conditions


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
    rows = _rows(tables, "nonlinearity")
    rows = rows[(rows["f"] == "cos_c") & (rows["gamma"] > 0.005)]
    noise = rows[rows["panel"] == "no signal"].groupby("gamma")["theory"].first()
    rows = rows[rows["panel"] != "no signal"]
    groups = rows.assign(distance=rows["error"] - rows["gamma"].map(noise)).groupby(
        ["panel", "gamma"]
    )
    return {
        f"{panel}, γ = {gamma:g}": group["distance"].to_numpy() for (panel, gamma), group in groups
    }


# ---- beyond the model


def _variant(tables: Tables, *names: str, largest: float = np.inf) -> Values:
    """Relative deviations from a variant's theory, at ridges up to the largest."""
    rows = _rows(tables, "variants", "variants")
    return _deviations(rows[rows["panel"].isin(names) & (rows["gamma"] <= largest)])


def unbalanced(tables: Tables) -> Values:
    """Unbalanced labels: relative deviation from theory."""
    return _variant(tables, "unbalanced labels")


def softmax(tables: Tables) -> Values:
    """Masked softmax: relative deviation from theory."""
    return _variant(tables, "masked softmax", "masked softmax, aligned")


def dense(tables: Tables) -> Values:
    """Random dense heads: relative deviation from theory, γ up to 0.1."""
    return _variant(tables, "random dense head, tanh", "random dense head, linear", largest=0.1)


def two_heads(tables: Tables) -> Values:
    """Two heads before one probe: relative deviation from theory, γ up to 1."""
    return _variant(tables, "two heads", largest=1.0)


def anisotropic(tables: Tables) -> Values:
    """Tokens with a mild power-law covariance: relative deviation from theory, γ up to 0.1."""
    return _variant(tables, "power law 0.5", largest=0.1)


def anisotropic_fails(tables: Tables) -> np.ndarray:
    """Simulated minus predicted E where one direction dominates, γ = 0.1."""
    rows = _rows(tables, "variants", "variants")
    rows = rows[(rows["panel"] == "power law 1") & (rows["gamma"] == 0.1)]
    return (rows["error"] - rows["theory"]).to_numpy()


def noises(tables: Tables) -> Values:
    """Token noise that is not Gaussian: relative deviation from theory."""
    return _deviations(_rows(tables, "noises", "variants"))


# ---- trained heads


def _trained(tables: Tables, objective: Objective) -> pd.DataFrame:
    table = tables["trained"]
    return table[table["objective"] == objective.value].sort_values(["step", "replicate"])


def _at_end(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["step"] == rows["step"].max()]


def trained_alignment(tables: Tables) -> Values:
    """|cosine| of key and of query with the signal after training on fresh contexts."""
    conditions = {}
    for gamma, group in _at_end(_trained(tables, Objective.FRESH)).groupby("gamma"):
        for weight in ("key", "query"):
            conditions[f"{weight}, {at_ridge(gamma)}"] = group[weight].abs().to_numpy()
    return conditions


def trained_gap(tables: Tables) -> Values:
    """E of attention and of ridge regression on held-out contexts after training, per γ."""
    return _arms(_at_end(_trained(tables, Objective.FRESH)))


def untrained_gap(tables: Tables) -> Values:
    """By how much attention is worse than ridge regression before training, per γ."""
    rows = _trained(tables, Objective.FRESH)
    groups = rows[rows["step"] == 0].groupby("gamma")
    return {at_ridge(gamma): _worse(group) for gamma, group in groups}


def _arms(rows: pd.DataFrame) -> Values:
    """E of attention and of ridge regression, (replicates, 2) per γ."""
    return {at_ridge(gamma): group[ARMS].to_numpy() for gamma, group in rows.groupby("gamma")}


def query_first(tables: Tables) -> Values:
    """|cosine| of the query minus that of the key, mean over training on fresh contexts."""
    return _leads(tables, Objective.FRESH)


def query_first_limit(tables: Tables) -> Values:
    """The same over the descent of the theory's E."""
    return _leads(tables, Objective.THEORY)


def _leads(tables: Tables, objective: Objective) -> Values:
    rows = _trained(tables, objective)
    rows = rows[rows["step"] > 0].assign(lead=rows["query"].abs() - rows["key"].abs())
    return {
        at_ridge(gamma): group.groupby("replicate")["lead"].mean().to_numpy()
        for gamma, group in rows.groupby("gamma")
    }


def single_context_key_first(tables: Tables) -> Values:
    """|cosine| of the key minus that of the query, mean over training on one context."""
    leads = _leads(tables, Objective.SAME)
    return {name: -values for name, values in leads.items()}


def single_context_transfer(tables: Tables) -> Values:
    """E on other contexts after training on one, and before."""
    conditions = {}
    for gamma, group in _trained(tables, Objective.ELSEWHERE).groupby("gamma"):
        wide = group.pivot(index="replicate", columns="step", values="error")
        first, last = min(wide.columns), max(wide.columns)
        conditions[at_ridge(gamma)] = wide[[last, first]].to_numpy()
    return conditions


def single_context_error(tables: Tables) -> Values:
    """E on the only training context, and that of ridge regression there."""
    return _arms(_at_end(_trained(tables, Objective.SAME)))


# ---- real inputs


def _embedded(tables: Tables, labels: str) -> pd.DataFrame:
    table = tables["embeddings"]
    return table[table["labels"] == labels]


def embeddings_theory(tables: Tables) -> Values:
    """Random labels: distance from the measured spectrum's theory and from the isotropic, per f."""
    rows = _embedded(tables, "random").dropna(subset=["anisotropic"])
    isotropic = (rows["error"] - rows["isotropic"]).abs()
    anisotropic = (rows["error"] - rows["anisotropic"]).abs()
    rows = rows.assign(isotropic=isotropic, anisotropic=anisotropic)
    conditions = {}
    for f, group in rows.groupby("f"):
        distances = group.groupby("replicate")[["anisotropic", "isotropic"]].mean()
        conditions[f] = distances.to_numpy()
    return conditions


def embeddings_gap(tables: Tables) -> Values:
    """Real inputs, random labels, γ up to 0.1: by how much attention is worse."""
    rows = _embedded(tables, "random")
    groups = rows[rows["gamma"] <= 0.1].groupby(["f", "gamma"])
    return {f"{f}, {at_ridge(gamma)}": _worse(group) for (f, gamma), group in groups}


def embeddings_structure(tables: Tables) -> Values:
    """E of structure-blind cos minus that of tanh with real labels and with random ones, per γ."""
    table = tables["embeddings"]
    missing = {"real", "cos_c", "tanh"} - set(table["labels"]) - set(table["f"])
    if missing:
        raise KeyError(f"embeddings: {', '.join(sorted(missing))}")
    wide = table.pivot(index=["labels", "gamma", "replicate"], columns="f", values="error")
    excess = (wide["cos_c"] - wide["tanh"]).unstack("labels")
    return {
        at_ridge(gamma): group[["real", "random"]].to_numpy()
        for gamma, group in excess.groupby("gamma")
    }
