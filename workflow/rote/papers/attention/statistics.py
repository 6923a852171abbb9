"""What the claims measure (labels T1-T3, C1-C10): functions from tables to replicate values.

A function has the name of its claim. `theory_claims` declares those that theory alone decides: they
are attributes of this module, too.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio
from rote.papers.attention.curves import at_ridge
from rote.papers.attention.heads import HEAVY
from rote.papers.attention.schema import Objective
from rote.papers.attention.theory_claims import THEORY

Tables = Mapping[str, pd.DataFrame]
__getattr__ = THEORY.statistic  # claims that theory alone decides, by their names
POINT = ["figure", "panel", "series", "x", "gamma", "n"]


def _rows(tables: Tables, figure: str, table: str = "simulations") -> pd.DataFrame:
    frame = tables[table]
    return frame[frame["figure"] == figure]


def _excess(rows: pd.DataFrame, allowed: float = 0.0, relative: float = 0.01) -> dict[str, Sample]:
    """|mean − theory| − 3 s.e. − slack − allowed − relative · theory, per point.

    Agreement if ≤ 0. Points with n E < 10 are left out.
    """
    conditions = {}
    for (_, panel, series, _, gamma, _), group in rows.groupby(POINT, sort=False):
        theory, slack = group["theory"].iloc[0], group["slack"].iloc[0]
        if len(group) < 2 or group["n"].iloc[0] * theory < 10:
            continue
        mean, error = group["error"].mean(), group["error"].sem()
        excess = abs(mean - theory) - 3 * error - slack - allowed - relative * theory
        conditions[_name(panel, series, gamma)] = Sample([excess])
    return conditions


def _name(panel: str, series: str, gamma: float) -> str:
    """A point's condition."""
    labels = dict.fromkeys(label for label in (panel, series) if label)
    return ", ".join([*labels, f"γ = {gamma:.3g}"])


def algebra(tables: Tables) -> dict[str, Sample]:
    """T2: relative distance of the three ways to E."""
    table = tables["algebra"]
    spread = table[["probe", "resolvent", "derivative"]]
    values = (spread.max(axis=1) - spread.min(axis=1)) / spread.mean(axis=1)
    return {shape: Sample(values[rows.index]) for shape, rows in table.groupby("shape")}


def limit(tables: Tables) -> dict[str, Sample]:
    """T1: simulated minus predicted E without signal, averaged over labels, at the largest n."""
    rows = _rows(tables, "limit")
    rows = rows[~rows["f"].isin(list(HEAVY)) & (rows["n"] == rows["n"].max())]
    return {
        f"{f}, {c}, γ = {gamma:g}": Sample(group["error"] - group["theory"])
        for (f, c, gamma), group in rows.groupby(["f", "panel", "gamma"])
    }


def limit_heavy(tables: Tables) -> dict[str, Sample]:
    """T1: the same for functions that grow fast."""
    rows = _rows(tables, "limit")
    rows = rows[rows["f"].isin(list(HEAVY)) & (rows["n"] == rows["n"].max())]
    return {f: Sample(group["error"] - group["theory"]) for f, group in rows.groupby("f")}


def limit_heavy_decay(tables: Tables) -> dict[str, Sample]:
    """T1: by which factor their distance falls when n doubles."""
    rows = _rows(tables, "limit")
    rows = rows[rows["f"].isin(list(HEAVY))]
    rows = rows.assign(distance=rows["error"] - rows["theory"])
    conditions = {}
    for f, group in rows.groupby("f"):
        wide = group.pivot(index="replicate", columns="n", values="distance")
        for small, large in pairwise(sorted(wide.columns)):
            pair = wide[[small, large]].to_numpy()
            conditions[f"{f}, n = {small} → {large}"] = Sample(pair, ratio)
    return conditions


def signal(tables: Tables) -> dict[str, Sample]:
    """T3: distance of theory and simulation beyond 3 s.e. and the slack, per f and spike."""
    return _excess(_rows(tables, "signal"))


def worse_on_noise_simulated(tables: Tables) -> dict[str, Sample]:
    """C1: simulated gap minus its theory, beyond 3 s.e. + 0.005."""
    rows = _rows(tables, "noise")
    gap = rows.assign(
        error=rows["error"] - rows["ridge"], theory=rows["theory"] - rows["ridge_theory"]
    )
    return _excess(gap, allowed=0.005, relative=0)


def ridgeless_exponent_simulated(tables: Tables) -> Sample:
    """C4: log-log slope of E over γ in [1e-3, 1e-1], tanh on noise, c = 4."""
    rows = _rows(tables, "nonlinearity")
    rows = rows[(rows["panel"] == "no signal") & (rows["f"] == "tanh") & (rows["gamma"] <= 0.11)]
    wide = np.log(rows.pivot(index="replicate", columns="gamma", values="error"))
    x = np.log(wide.columns.to_numpy(float))
    return Sample(wide.to_numpy() @ ((x - x.mean()) / ((x - x.mean()) ** 2).sum()))


def alignment_order_simulated(tables: Tables) -> dict[str, Sample]:
    """C5: steps of aligned < query only < none < key only < anti on common contexts, γ = 1."""
    wide = _paired(tables, "paired")
    order = ("aligned", "query only", "none", "key only", "anti")
    return {f"{b} − {a}": Sample(wide[b] - wide[a]) for a, b in pairwise(order)}


def orthogonal_simulated(tables: Tables) -> Sample:
    """C5: an orthogonal spike minus none, on common contexts."""
    wide = _paired(tables, "paired")
    return Sample(wide["orthogonal"] - wide["none"])


def _paired(tables: Tables, figure: str, gamma: float = 1.0) -> pd.DataFrame:
    rows = _rows(tables, figure)
    rows = rows[rows["gamma"] == gamma]
    return rows.pivot(index="replicate", columns="panel", values="error")


def spikes(tables: Tables) -> dict[str, Sample]:
    """C5, C6: values with each spike, beyond 3 s.e. + 0.01."""
    return _excess(_rows(tables, "spikes"), allowed=0.01, relative=0)


def gap_sign(tables: Tables) -> dict[str, Sample]:
    """C6: the gap to ridge regression at γ = 31.6 times its predicted sign."""
    rows = _rows(tables, "spikes")
    rows = rows[rows["gamma"] == rows["gamma"].max()]
    gap = rows["error"] - rows["ridge"]
    signs = {"none": 1, "orthogonal": 1, "anti": 1, "aligned": -1}
    return {spike: Sample(sign * gap[rows["panel"] == spike]) for spike, sign in signs.items()}


def _strong(tables: Tables, f: str) -> dict[tuple[str, float], np.ndarray]:
    """Ratios of E to that of ridge regression, per spike and s."""
    rows = _rows(tables, "strong", "variants")
    groups = rows[rows["f"] == f].groupby(["panel", "x"])
    return {point: (group["error"] / group["ridge"]).to_numpy() for point, group in groups}


def strong_falls(tables: Tables) -> dict[str, Sample]:
    """C8: ratio to ridge regression at one signal minus that at the next stronger one, tanh."""
    ratios = _strong(tables, "tanh")
    conditions = {}
    for (spike, weak), (next_spike, strong) in pairwise(sorted(ratios)):
        if spike == next_spike and weak >= 0.25:
            fall = ratios[spike, weak] - ratios[spike, strong]
            conditions[f"{spike}, s = {weak:g} → {strong:g}"] = Sample(fall)
    return conditions


def strong_reversal(tables: Tables) -> dict[str, Sample]:
    """C8: ratio to ridge regression at s = 1, tanh."""
    ratios = _strong(tables, "tanh")
    return {spike: Sample(values) for (spike, s), values in ratios.items() if s == 1.0}


def strong_linear(tables: Tables) -> dict[str, Sample]:
    """C8: the same ratio for linear attention, at every s."""
    ratios = _strong(tables, "linear")
    return {f"{spike}, s = {s:g}": Sample(values) for (spike, s), values in ratios.items()}


def strong_corrected(tables: Tables) -> dict[str, Sample]:
    """Share of the strong-signal effect that the heuristic leaves unexplained, tanh, s ≥ 1."""
    rows = _rows(tables, "strong", "variants")
    rows = rows[(rows["f"] == "tanh") & (rows["x"] >= 1)]
    conditions = {}
    for (spike, s), group in rows.groupby(["panel", "x"]):
        # without the effect attention is ridge regression in this regime
        effect = group["ridge_theory"] - group["error"]
        unexplained = group["theory"] - group["error"]
        conditions[f"{spike}, s = {s:g}"] = Sample(np.column_stack([unexplained, effect]), _share)
    return conditions


def _share(means: np.ndarray) -> np.ndarray:
    return np.abs(means[..., 0] / means[..., 1])


def lookalikes_simulated(tables: Tables) -> dict[str, Sample]:
    """C9: E of a function with tanh's a1 and ν minus that of tanh, on common contexts."""
    conditions = {}
    for gamma in (1.0, 10.0):
        wide = _paired(tables, "lookalikes", gamma)
        for name in wide.columns.drop("tanh"):
            conditions[f"{name}, γ = {gamma:g}"] = Sample(wide[name] - wide["tanh"])
    return conditions


def structure_blind_simulated(tables: Tables) -> dict[str, Sample]:
    """C10: cos with an aligned spike, beyond 3 s.e. + 0.01 of its value without any structure."""
    return _excess(_rows(tables, "blind"), allowed=0.01, relative=0)


def converged(tables: Tables) -> dict[str, Sample]:
    """Share of the points of curves and phase map that converged."""
    return {
        "curves": Sample([tables["curves"]["converged"].mean()]),
        "phase map": Sample([tables["phase"]["attention"].notna().mean()]),
    }


def _variant(tables: Tables, *names: str) -> dict[str, Sample]:
    """Distance from a variant's theory beyond 3 s.e., the slack and 1 %."""
    rows = _rows(tables, "variants", "variants")
    return _excess(rows[rows["panel"].isin(names)])


def unbalanced(tables: Tables) -> dict[str, Sample]:
    """Unbalanced labels: distance from theory."""
    return _variant(tables, "unbalanced labels")


def softmax(tables: Tables) -> dict[str, Sample]:
    """Masked softmax: distance from theory."""
    return _variant(tables, "masked softmax", "masked softmax, aligned")


def dense(tables: Tables) -> dict[str, Sample]:
    """Random dense heads: distance from theory."""
    return _variant(tables, "random dense head, tanh", "random dense head, linear")


def two_heads(tables: Tables) -> dict[str, Sample]:
    """Two heads before one probe: distance from theory."""
    return _variant(tables, "two heads")


def anisotropic(tables: Tables) -> dict[str, Sample]:
    """Tokens with a mild power-law covariance: distance from theory."""
    return _variant(tables, "power law 0.5")


def softmax_identity(tables: Tables) -> dict[str, Sample]:
    """Plain softmax minus ridge regression on the raw tokens, same contexts."""
    rows = _rows(tables, "variants", "variants")
    groups = rows[rows["panel"] == "plain softmax"].groupby("gamma")
    return {at_ridge(gamma): _gap(group) for gamma, group in groups}


def anisotropic_fails(tables: Tables) -> Sample:
    """Simulated minus predicted E where one direction dominates, γ = 0.1."""
    rows = _rows(tables, "variants", "variants")
    rows = rows[(rows["panel"] == "power law 1") & (rows["gamma"] == 0.1)]
    return Sample(rows["error"] - rows["theory"])


def noises(tables: Tables) -> dict[str, Sample]:
    """Token noise that is not Gaussian, beyond 3 s.e. and the slack."""
    return _excess(_rows(tables, "noises", "variants"))


def _trained(tables: Tables, objective: Objective) -> pd.DataFrame:
    table = tables["trained"]
    return table[table["objective"] == objective.value].sort_values("step")


def trained_alignment(tables: Tables) -> dict[str, Sample]:
    """Mean |cosine| of key and query with the signal after training on fresh contexts."""
    rows = _trained(tables, Objective.FRESH)
    rows = rows[rows["step"] == rows["step"].max()]
    return {
        at_ridge(gamma): Sample((group["key"].abs() + group["query"].abs()) / 2)
        for gamma, group in rows.groupby("gamma")
    }


def trained_gap(tables: Tables) -> dict[str, Sample]:
    """Held-out gap to ridge regression at the largest trained γ, after training."""
    rows = _largest_ridge(tables)
    return {"after training": _gap(rows[rows["step"] == rows["step"].max()])}


def untrained_gap(tables: Tables) -> dict[str, Sample]:
    """The same before training."""
    rows = _largest_ridge(tables)
    return {"before training": _gap(rows[rows["step"] == 0])}


def _largest_ridge(tables: Tables) -> pd.DataFrame:
    rows = _trained(tables, Objective.FRESH)
    return rows[rows["gamma"] == rows["gamma"].max()]


def _gap(rows: pd.DataFrame) -> Sample:
    return Sample(rows["error"] - rows["ridge"])


def query_first(tables: Tables) -> dict[str, Sample]:
    """|cosine| of the query minus that of the key, mean over the descent of the theory's E."""
    rows = _trained(tables, Objective.THEORY)
    rows = rows[rows["step"] > 0].assign(lead=rows["query"].abs() - rows["key"].abs())
    return {
        at_ridge(gamma): Sample(group.groupby("replicate")["lead"].mean())
        for gamma, group in rows.groupby("gamma")
    }


def single_context_transfer(tables: Tables) -> dict[str, Sample]:
    """E on other contexts after training on one, minus before."""
    conditions = {}
    for gamma, group in _trained(tables, Objective.ELSEWHERE).groupby("gamma"):
        wide = group.pivot(index="replicate", columns="step", values="error")
        first, last = min(wide.columns), max(wide.columns)
        conditions[at_ridge(gamma)] = Sample(wide[last] - wide[first])
    return conditions


def single_context_error(tables: Tables) -> dict[str, Sample]:
    """E on the only training context over that of ridge regression there."""
    rows = _trained(tables, Objective.SAME)
    rows = rows[rows["step"] == rows["step"].max()]
    return {
        at_ridge(gamma): Sample(group[["error", "ridge"]].to_numpy(), ratio)
        for gamma, group in rows.groupby("gamma")
    }


def _embedded(tables: Tables, labels: str) -> pd.DataFrame:
    table = tables["embeddings"]
    return table[table["labels"] == labels]


def embeddings_theory(tables: Tables) -> dict[str, Sample]:
    """Random labels: distance from the isotropic theory minus that from the measured spectrum's."""
    rows = _embedded(tables, "random").dropna(subset=["anisotropic"])
    isotropic = (rows["error"] - rows["isotropic"]).abs()
    anisotropic = (rows["error"] - rows["anisotropic"]).abs()
    rows = rows.assign(gain=isotropic - anisotropic)
    return {f: Sample(group.groupby("replicate")["gain"].mean()) for f, group in rows.groupby("f")}


def embeddings_gap(tables: Tables) -> dict[str, Sample]:
    """Real inputs, random labels, second smallest γ: attention minus ridge regression."""
    rows = _embedded(tables, "random")
    gamma = sorted(rows["gamma"].unique())[:2][-1]
    rows = rows[(rows["gamma"] == gamma) & rows["f"].isin(["tanh", "linear"])]
    return {f: _gap(group) for f, group in rows.groupby("f")}


def embeddings_structure(tables: Tables) -> dict[str, Sample]:
    """Real inputs and labels: structure-blind cos minus tanh, same contexts, per γ."""
    wide = _embedded(tables, "real").pivot(
        index=["gamma", "replicate"], columns="f", values="error"
    )
    gap = (wide["cos_c"] - wide["tanh"]).reset_index(name="gap")
    return {at_ridge(gamma): Sample(group["gap"]) for gamma, group in gap.groupby("gamma")}
