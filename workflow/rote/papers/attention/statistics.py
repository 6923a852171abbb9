"""What the claims measure (labels T1-T3, C1-C10): functions from tables to replicate values."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio

Tables = Mapping[str, pd.DataFrame]
POINT = ["figure", "panel", "series", "x", "gamma", "n"]


def _check(name: str):
    """A statistic that theory alone decides: one number per condition."""

    def statistic(tables: Tables) -> dict[str, Sample]:
        table = tables["checks"]
        return {
            row.condition: Sample([row.value]) for row in table[table["check"] == name].itertuples()
        }

    return statistic


reference = _check("reference")
linear_limit = _check("linear_limit")
complex_step = _check("complex_step")
worse_on_noise = _check("worse_on_noise")
flip_count = _check("flip_count")
flip_at = _check("flip_at")
worse_at_equal_power = _check("worse_at_equal_power")
ridgeless_exponent = _check("ridgeless_exponent")
ridgeless_exponent_ridge = _check("ridgeless_exponent_ridge")
alignment_order = _check("alignment_order")
orthogonal_spike = _check("orthogonal_spike")
gap_crossing = _check("gap_crossing")
gap_never_closes = _check("gap_never_closes")
ridgeless_gap = _check("ridgeless_gap")
ridgeless_gap_shrinks = _check("ridgeless_gap_shrinks")
lookalikes_theory = _check("lookalikes")
structure_blind = _check("structure_blind")
cosine_is_worse = _check("cosine_is_worse")


def _rows(tables: Tables, figure: str, table: str = "simulations") -> pd.DataFrame:
    frame = tables[table]
    return frame[frame["figure"] == figure]


def _excess(rows: pd.DataFrame, allowed: float = 0.0, relative: float = 0.01) -> dict[str, Sample]:
    """|mean − theory| − 3 s.e. − slack − 1 % of the theory, per point: agreement if ≤ 0. Needs n E
    ≥ 10.
    """
    conditions = {}
    for key, group in rows.groupby(POINT, sort=False):
        if len(group) < 2 or group["n"].iloc[0] * group["theory"].iloc[0] < 10:
            continue
        mean, error = group["error"].mean(), group["error"].sem()
        theory, slack = group["theory"].iloc[0], group["slack"].iloc[0]
        name = (
            ", ".join(dict.fromkeys(str(part) for part in key[1:3] if part)) + f", γ = {key[4]:.3g}"
        )
        conditions[name] = Sample(
            [abs(mean - theory) - 3 * error - slack - allowed - relative * theory]
        )
    return conditions


def algebra(tables: Tables) -> dict[str, Sample]:
    """T2: relative distance of the three ways to E."""
    table = tables["algebra"]
    spread = table[["probe", "resolvent", "derivative"]]
    values = (spread.max(axis=1) - spread.min(axis=1)) / spread.mean(axis=1)
    return {shape: Sample(values[rows.index]) for shape, rows in table.groupby("shape")}


def limit(tables: Tables) -> dict[str, Sample]:
    """T1: simulated minus predicted E without signal, averaged over labels, at the largest n."""
    rows = _rows(tables, "limit")
    rows = rows[~rows["f"].isin(["cubic", "exp_c"]) & (rows["n"] == rows["n"].max())]
    groups = rows.groupby(["f", "panel", "gamma"])
    return {
        f"{f}, {c}, γ = {gamma:g}": Sample(g["error"] - g["theory"]) for (f, c, gamma), g in groups
    }


def limit_heavy(tables: Tables) -> dict[str, Sample]:
    """T1: the same for functions that grow fast."""
    rows = _rows(tables, "limit")
    rows = rows[rows["f"].isin(["cubic", "exp_c"]) & (rows["n"] == rows["n"].max())]
    return {f: Sample(group["error"] - group["theory"]) for f, group in rows.groupby("f")}


def limit_heavy_decay(tables: Tables) -> dict[str, Sample]:
    """T1: by which factor their distance falls when n doubles."""
    rows = _rows(tables, "limit")
    rows = rows[rows["f"].isin(["cubic", "exp_c"])].assign(off=rows["error"] - rows["theory"])
    conditions = {}
    for f, group in rows.groupby("f"):
        wide = group.pivot(index="replicate", columns="n", values="off")
        sizes = sorted(wide.columns)
        for small, large in pairwise(sizes):
            conditions[f"{f}, n = {small} → {large}"] = Sample(
                wide[[small, large]].to_numpy(), ratio
            )
    return conditions


def signal(tables: Tables) -> dict[str, Sample]:
    """T3: how far theory and simulation are apart beyond 3 s.e. and the finite-size slack, per f
    and spike.
    """
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
    """C5: steps of the order aligned < query only < none < key only < anti, on common contexts, γ =
    1.
    """
    wide = _paired(tables, "paired")
    order = ("aligned", "query only", "none", "key only", "anti")
    return {f"{b} − {a}": Sample(wide[b] - wide[a]) for a, b in pairwise(order)}


def orthogonal_spike_simulated(tables: Tables) -> Sample:
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
    signs = {"none": 1, "orthogonal": 1, "anti": 1, "aligned": -1}
    return {
        spike: Sample(sign * (group["error"] - group["ridge"]))
        for spike, sign in signs.items()
        if len(group := rows[rows["panel"] == spike])
    }


def _strong(tables: Tables, f: str) -> dict[tuple[str, float], np.ndarray]:
    rows = _rows(tables, "strong", "variants")
    groups = rows[rows["f"] == f].groupby(["panel", "x"])
    return {key: (group["error"] / group["ridge"]).to_numpy() for key, group in groups}


def strong_falls(tables: Tables) -> dict[str, Sample]:
    """C8: ratio to ridge regression at one signal minus that at the next stronger one, tanh."""
    ratios = _strong(tables, "tanh")
    keys = sorted(ratios)
    return {
        f"{a[0]}, s = {a[1]:g} → {b[1]:g}": Sample(ratios[a] - ratios[b])
        for a, b in pairwise(keys)
        if a[0] == b[0] and a[1] >= 0.25
    }


def strong_reversal(tables: Tables) -> dict[str, Sample]:
    """C8: ratio to ridge regression at s = 1, tanh."""
    return {
        key[0]: Sample(values) for key, values in _strong(tables, "tanh").items() if key[1] == 1.0
    }


def strong_linear(tables: Tables) -> dict[str, Sample]:
    """C8: the same ratio for linear attention, at every s."""
    return {
        f"{key[0]}, s = {key[1]:g}": Sample(values)
        for key, values in _strong(tables, "linear").items()
    }


def strong_corrected(tables: Tables) -> dict[str, Sample]:
    """Share of the strong-signal effect that the heuristic leaves unexplained, tanh, s ≥ 1 (1: all
    of it).
    """
    rows = _rows(tables, "strong", "variants")
    rows = rows[(rows["f"] == "tanh") & (rows["x"] >= 1)]
    conditions = {}
    for (spike, s), group in rows.groupby(["panel", "x"]):
        effect = (
            group["ridge_theory"] - group["error"]
        )  # without the effect attention is ridge regression here
        left = group["theory"] - group["error"]
        conditions[f"{spike}, s = {s:g}"] = Sample(np.column_stack([left, effect]), _share)
    return conditions


def _share(means: np.ndarray) -> np.ndarray:
    return np.abs(means[..., 0] / means[..., 1])


def lookalikes(tables: Tables) -> dict[str, Sample]:
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


def typical(tables: Tables) -> dict[str, Sample]:
    """Share of the phase map without signal on which attention is worse than ridge regression."""
    table = tables["phase"]
    table = table[table["setting"] == "no signal"]
    return {
        f: Sample([(rows["attention"] > rows["ridge"]).mean()]) for f, rows in table.groupby("f")
    }


def _variant(*names: str):
    def statistic(tables: Tables) -> dict[str, Sample]:
        rows = _rows(tables, "variants", "variants")
        return _excess(rows[rows["panel"].isin(names)])

    return statistic


unbalanced = _variant("unbalanced labels")
softmax = _variant("masked softmax", "masked softmax, aligned")
dense = _variant("random dense head, tanh", "random dense head, linear")
two_heads = _variant("two heads")
anisotropic = _variant("power law 0.5")


def softmax_identity(tables: Tables) -> dict[str, Sample]:
    """Plain softmax minus ridge regression on the raw tokens, same contexts."""
    rows = _rows(tables, "variants", "variants")
    groups = rows[rows["panel"] == "plain softmax"].groupby("gamma")
    return {f"γ = {gamma:g}": Sample(group["error"] - group["ridge"]) for gamma, group in groups}


def anisotropic_fails(tables: Tables) -> Sample:
    """Simulated minus predicted E where one direction dominates, γ = 0.1."""
    rows = _rows(tables, "variants", "variants")
    rows = rows[(rows["panel"] == "power law 1") & (rows["gamma"] == 0.1)]
    return Sample(rows["error"] - rows["theory"])


def noises(tables: Tables) -> dict[str, Sample]:
    """Token noise that is not Gaussian, beyond 3 s.e. and the slack."""
    return _excess(_rows(tables, "noises", "variants"))


def _trained(tables: Tables, objective: str) -> pd.DataFrame:
    table = tables["trained"]
    return table[table["objective"] == objective].sort_values("step")


def trained_alignment(tables: Tables) -> dict[str, Sample]:
    """Mean |cosine| of key and query with the signal at the end of training on fresh contexts."""
    rows = _trained(tables, "fresh")
    rows = rows[rows["step"] == rows["step"].max()]
    return {
        f"γ = {gamma:g}": Sample((g["key"].abs() + g["query"].abs()) / 2)
        for gamma, g in rows.groupby("gamma")
    }


def trained_gap(tables: Tables) -> dict[str, Sample]:
    """E of attention minus that of ridge regression on held-out contexts, at the largest trained γ,
    after training.
    """
    return {"after training": _gap(tables, -1)}


def untrained_gap(tables: Tables) -> dict[str, Sample]:
    """The same before training."""
    return {"before training": _gap(tables, 0)}


def _gap(tables: Tables, at: int) -> Sample:
    rows = _trained(tables, "fresh")
    rows = rows[rows["gamma"] == rows["gamma"].max()]
    rows = rows[rows["step"] == sorted(rows["step"].unique())[at]]
    return Sample(rows["error"] - rows["ridge"])


def query_first(tables: Tables) -> dict[str, Sample]:
    """|cosine| of the query minus that of the key, mean over the descent of the theory's E."""
    rows = _trained(tables, "theory")
    rows = rows[rows["step"] > 0].assign(lead=rows["query"].abs() - rows["key"].abs())
    return {
        f"γ = {gamma:g}": Sample(g.groupby("replicate")["lead"].mean())
        for gamma, g in rows.groupby("gamma")
    }


def trained_on_one(tables: Tables) -> dict[str, Sample]:
    """E on other contexts after training on one, minus before: what the weights stored helps there
    only.
    """
    rows = _trained(tables, "same, elsewhere")
    steps = sorted(rows["step"].unique())
    conditions = {}
    for gamma, group in rows.groupby("gamma"):
        wide = group.pivot(index="replicate", columns="step", values="error")
        conditions[f"γ = {gamma:g}"] = Sample(wide[steps[-1]] - wide[steps[0]])
    return conditions


def trained_on_one_own(tables: Tables) -> dict[str, Sample]:
    """E on the training context itself over that of ridge regression there."""
    rows = _trained(tables, "same")
    rows = rows[rows["step"] == rows["step"].max()]
    groups = rows.groupby("gamma")
    return {
        f"γ = {gamma:g}": Sample(g[["error", "ridge"]].to_numpy(), ratio) for gamma, g in groups
    }


def _embedded(tables: Tables, labels: str) -> pd.DataFrame:
    table = tables["embeddings"]
    return table[table["labels"] == labels]


def embeddings_theory(tables: Tables) -> dict[str, Sample]:
    """Real inputs, random labels: distance from the isotropic theory minus that from the measured
    spectrum's.
    """
    rows = _embedded(tables, "random").dropna(subset=["anisotropic"])
    gain = (rows["error"] - rows["isotropic"]).abs() - (rows["error"] - rows["anisotropic"]).abs()
    return {
        f: Sample(group.groupby("replicate")["gain"].mean())
        for f, group in rows.assign(gain=gain).groupby("f")
    }


def embeddings_gap(tables: Tables) -> dict[str, Sample]:
    """Real inputs, random labels, second smallest γ: attention minus ridge regression."""
    rows = _embedded(tables, "random")
    gammas = sorted(rows["gamma"].unique())
    rows = rows[
        (rows["gamma"] == gammas[min(1, len(gammas) - 1)]) & rows["f"].isin(["tanh", "linear"])
    ]
    return {f: Sample(group["error"] - group["ridge"]) for f, group in rows.groupby("f")}


def embeddings_structure(tables: Tables) -> dict[str, Sample]:
    """Real inputs and labels: structure-blind cos minus tanh, same contexts, per γ."""
    wide = _embedded(tables, "real").pivot(
        index=["gamma", "replicate"], columns="f", values="error"
    )
    gap = (wide["cos_c"] - wide["tanh"]).reset_index(name="gap")
    return {f"γ = {gamma:g}": Sample(group["gap"]) for gamma, group in gap.groupby("gamma")}
