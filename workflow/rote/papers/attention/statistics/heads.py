"""Claims of heads that are learnt, and of real inputs."""

import pandas as pd

from rote.papers.attention.curves import at_ridge
from rote.papers.attention.schema import Objective
from rote.papers.attention.statistics.samples import Tables, Values, arms_of, worse_by

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
    return arms_of(_at_end(_trained(tables, Objective.FRESH)))


def untrained_gap(tables: Tables) -> Values:
    """By how much attention is worse than ridge regression before training, per γ."""
    rows = _trained(tables, Objective.FRESH)
    groups = rows[rows["step"] == 0].groupby("gamma")
    return {at_ridge(gamma): worse_by(group) for gamma, group in groups}


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
    return arms_of(_at_end(_trained(tables, Objective.SAME)))


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
    return {f"{f}, {at_ridge(gamma)}": worse_by(group) for (f, gamma), group in groups}


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


# ---- heads of language models


def _heads(tables: Tables, order: int | None = None) -> pd.DataFrame:
    """Heads on their activations, those of one order or all."""
    table = tables["heads"]
    return table if order is None else table[table["order"] == order]


def _per_replicate(rows: pd.DataFrame, columns: list[str]) -> Values:
    """Means over heads, (replicates, columns) per f and γ."""
    conditions = {}
    for (f, gamma), group in rows.groupby(["f", "gamma"]):
        means = group.groupby("replicate")[columns].mean()
        conditions[f"{f}, {at_ridge(gamma)}"] = means.to_numpy()
    return conditions


def heads_equivalent(tables: Tables) -> Values:
    """E with drawn noise in place of the nonlinear part minus its theory, per f and γ."""
    rows = _heads(tables, 1)
    rows = rows.assign(distance=rows["noise"] - rows["theory"])
    means = _per_replicate(rows, ["distance"])
    return {name: values[:, 0] for name, values in means.items()}


def heads_theory(tables: Tables) -> Values:
    """Distances of a head's E from theory with its scores and from that for isotropic tokens."""
    rows = _heads(tables, 1).dropna(subset=["theory", "isotropic"])
    known = (rows["error"] - rows["theory"]).abs()
    rows = rows.assign(with_scores=known, plain=(rows["error"] - rows["isotropic"]).abs())
    return _per_replicate(rows, ["with_scores", "plain"])


def heads_structured(tables: Tables) -> Values:
    """E of heads minus theory with their nonlinear part as noise, per f and γ up to 0.1."""
    rows = _heads(tables, 1)
    rows = rows[rows["gamma"] <= 0.1]
    rows = rows.assign(excess=rows["error"] - rows["theory"])
    means = _per_replicate(rows, ["excess"])
    return {name: values[:, 0] for name, values in means.items()}


def heads_orders(tables: Tables) -> Values:
    """Distance of heads' E from theory at the highest order over that at order 1, per f and γ."""
    table = _heads(tables)
    table = table.assign(distance=(table["error"] - table["theory"]).abs())
    conditions = {}
    for (f, gamma), group in table.groupby(["f", "gamma"]):
        means = group.pivot_table(index="replicate", columns="order", values="distance")
        shares = means[means.columns.max()] / means[1]
        conditions[f"{f}, {at_ridge(gamma)}"] = shares.to_numpy()
    return conditions
