"""What the claims measure (labels 4.1 to 4.19): functions from tables to replicate values.

A function has the name of its claim. `theory_claims` declares those that theory alone decides: they
are attributes of this module, too.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.ledger import Sample, test_set_variance
from rote.papers.raf.curves import WEIGHTS
from rote.papers.raf.real import BEST, MAX_E_MEM, REMEMBERING, chosen
from rote.papers.raf.theory_claims import THEORY

Tables = Mapping[str, pd.DataFrame]
Values = dict[str, np.ndarray]  # condition -> replicates
__getattr__ = THEORY.statistic  # claims that theory alone decides, by their names
# true kernels with a memorization error above 0.001, by theory, at the default α, ε and λ
FORGETFUL = ("erf", "relu")
SEEN = 1e-3  # E_mem that some of a few thousand facts show


def _against_theory(rows: pd.DataFrame, error: str) -> Values:
    """Simulation minus theory per training set, (replicates,), for every simulated row."""
    conditions = {}
    for _, replicates in rows.groupby("row"):
        first = replicates.iloc[0]
        lam = "" if np.isnan(first["lam"]) else f", λ = {first['lam']:g}"
        name = f"{first['series']}, α = {first['alpha']:g}, ε = {first['eps']:g}{lam}"
        conditions[name] = (replicates[error] - replicates[f"{error}_theory"]).to_numpy()
    return conditions


def _verification(tables: Tables, *, features: bool) -> pd.DataFrame:
    """Verification rows of random features, or of linear and kernel learners."""
    table = tables["simulations"]
    return table[(table["figure"] == "verification") & (table["kappa"].notna() == features)]


def gen_theory(tables: Tables) -> Values:
    """4.1: simulated minus predicted E_gen, linear and kernel learners."""
    return _against_theory(_verification(tables, features=False), "e_gen")


def mem_theory(tables: Tables) -> Values:
    """4.2: simulated minus predicted E_mem."""
    return _against_theory(_verification(tables, features=False), "e_mem")


def rule_theory(tables: Tables) -> Values:
    """2.3: simulated minus predicted share of training rules that are lost, all learners."""
    table = tables["simulations"]
    return _against_theory(table[table["figure"] == "verification"], "e_rule")


def interpolators(tables: Tables) -> Values:
    """Simulated minus predicted E_gen of interpolators, λ = 0."""
    return _against_theory(_extension(tables, "interpolators"), "e_gen")


def activations_gen(tables: Tables) -> Values:
    """Simulated minus predicted E_gen of random erf and ReLU features."""
    return _against_theory(_extension(tables, "activations"), "e_gen")


def activations_mem(tables: Tables) -> Values:
    """The same for E_mem."""
    return _against_theory(_extension(tables, "activations"), "e_mem")


def structured_gen(tables: Tables) -> Values:
    """6.7: simulated minus predicted E_gen on inputs of a power-law covariance."""
    return _against_theory(_extension(tables, "structured"), "e_gen")


def structured_mem(tables: Tables) -> Values:
    """The same for E_mem, where theory has any facts forgotten."""
    rows = _extension(tables, "structured")
    return _against_theory(rows[rows["e_mem_theory"] > SEEN], "e_mem")


def weights_gen(tables: Tables) -> Values:
    """Simulated minus predicted E_gen where facts are stated several times."""
    return _against_theory(_weighted(tables), "e_gen")


def weights_mem(tables: Tables) -> Values:
    """The same for E_mem, where theory has any facts forgotten."""
    rows = _weighted(tables)
    return _against_theory(rows[rows["e_mem_theory"] > SEEN], "e_mem")


def _weighted(tables: Tables) -> pd.DataFrame:
    rows = _extension(tables, "weights")
    return rows.assign(series=rows["series"] + ", facts × " + rows["weight"].map("{:g}".format))


def repetition_stores(tables: Tables) -> Values:
    """E_mem of linear learners whose facts are stated most often."""
    return {loss: ends["e_mem"].to_numpy()[-1:] for loss, ends in _repeated(tables).items()}


def repetition_cost(tables: Tables) -> Values:
    """Their E_gen minus that of the learners to which facts are stated once."""
    return {loss: np.diff(ends["e_gen"].to_numpy()) for loss, ends in _repeated(tables).items()}


def _repeated(tables: Tables) -> dict[str, pd.DataFrame]:
    """Linear learners, facts stated once and as often as simulated at most, by loss."""
    table = tables["curves"]
    table = table[(table["figure"] == "weights") & (table["gamma"] == 0)]
    table = table[table["weight"].isin((1.0, WEIGHTS[-1]))]
    return {loss: rows.sort_values("weight") for loss, rows in table.groupby("loss")}


def width_threshold(tables: Tables) -> Values:
    """How far E_mem is above 1 % at a third of κ_c, and below it at one and a half κ_c."""
    rows = _extension(tables, "width").set_index("series")["e_mem"]
    return {
        "a third of κ_c": (rows.loc["narrow"] - MAX_E_MEM).to_numpy(),
        "1.5 κ_c": (MAX_E_MEM - rows.loc["wide"]).to_numpy(),
    }


def _extension(tables: Tables, figure: str) -> pd.DataFrame:
    """Rows that only some scales simulate. Raises KeyError where there are none."""
    table = tables["simulations"]
    rows = table[table["figure"] == figure]
    if rows.empty:
        raise KeyError(f"simulations: {figure}")
    return rows


def features_gen(tables: Tables) -> Values:
    """4.14: simulated minus predicted E_gen, random features."""
    return _against_theory(_verification(tables, features=True), "e_gen")


def features_mem(tables: Tables) -> Values:
    """4.14: simulated minus predicted E_mem, random features."""
    return _against_theory(_verification(tables, features=True), "e_mem")


def bayes_gamp(tables: Tables) -> Values:
    """4.18: message passing minus the Bayes-optimal E_gen."""
    table = tables["simulations"]
    return _against_theory(table[table["figure"] == "bayes"], "e_gen")


def universality_gen(tables: Tables) -> Values:
    """4.3: E_gen of a true kernel and of its equivalent model, same data: (replicates, 2)."""
    return _universality(tables["universality"], "e_gen")


def universality_mem(tables: Tables) -> Values:
    """4.3: the same for E_mem, kernels that forget some facts by theory."""
    table = tables["universality"]
    return _universality(table[table["kernel"].isin(FORGETFUL)], "e_mem")


def _universality(table: pd.DataFrame, error: str) -> Values:
    columns = [f"{error}_true", f"{error}_model"]
    conditions = {}
    for (kernel, loss), rows in table.groupby(["kernel", "loss"]):
        conditions[f"{kernel}, {loss}"] = rows[columns].to_numpy()
    return conditions


def capacity(tables: Tables) -> np.ndarray:
    """4.13: α at which a growing training set stops being separable, minus α_c: (replicates,)."""
    sets = tables["separability"].groupby("replicate").first()
    return (sets["threshold"] - sets["capacity"]).to_numpy()


def real_memory_cost(tables: Tables) -> Sample:
    """Real images: E_gen lost by remembering the facts, smallest bandwidth minus η = 1.

    Ridges are chosen by images that no replicate is judged by where it chooses by them. All
    replicates draw their test images from one pool, whose variance is that of the same difference
    per image.
    """
    table = tables["real"]
    small, wide = bandwidths(table)
    costs = [_memory_cost(table[table["eta"] == eta]) for eta in (small, wide)]
    images = tables["real_images"]
    images = images[images["tests"] > 0].assign(rate=lambda rows: rows["wrong"] / rows["tests"])
    rates = images.pivot(index="image", columns=["eta", "penalty"], values="rate").dropna()
    lost = {eta: rates[eta, REMEMBERING] - rates[eta, BEST] for eta in (small, wide)}
    return Sample(costs[0] - costs[1], test_set_variance(lost[small] - lost[wide]))


def real_theory(tables: Tables) -> Values:
    """Real images: how far the share of lost facts is from theory's, mean over ridges, by η."""
    table = tables["real"]
    distance = (table["e_mem"] - table["e_mem_theory"]).abs()
    means = distance.groupby([table["eta"], table["replicate"]]).mean()
    return {f"η = {eta:g}": rows.to_numpy() for eta, rows in means.groupby(level="eta")}


def real_svm(tables: Tables) -> Values:
    """Real images: facts lost by an SVM and by ridge regression at penalty 1, η nearest to 1."""
    table = tables["real_svm"]
    etas = np.sort(table["eta"].unique())
    eta = etas[np.abs(np.log(etas)).argmin()]
    rows = table[(table["eta"] == eta) & (table["lam"] == 1)]
    return {f"η = {eta:g}": rows[["e_mem", "ridge_e_mem"]].to_numpy()}


def _memory_cost(rows: pd.DataFrame) -> np.ndarray:
    """E_gen at the best ridge that remembers the facts minus that at the best, (replicates,)."""
    index = chosen(rows)
    if REMEMBERING not in index:
        return np.full(rows["replicate"].nunique(), np.nan)
    e_gen = rows.pivot(index="replicate", columns="lam", values="e_gen").to_numpy()
    return e_gen[:, index[REMEMBERING]] - e_gen[:, index[BEST]]


def bandwidths(table: pd.DataFrame) -> tuple[float, float]:
    """The smallest η of a table of real images, and that nearest to 1.

    Args:
        table: with a column `eta`.
    """
    etas = np.sort(table["eta"].unique())
    return etas[0], etas[np.abs(np.log(etas)).argmin()]


def _widest(tables: Tables) -> dict[str, pd.DataFrame]:
    """The widest networks without weight decay, per scale of initialization."""
    table = tables["two_layer"]
    table = table[(table["width"] == table["width"].max()) & (table["weight_decay"] == 0)]
    return {f"init scale {scale:g}": rows for scale, rows in table.groupby("scale")}


def two_layer_rate(tables: Tables) -> Values:
    """Log-log slope in α of the widest networks' E_gen over that of the best linear hinge learner.

    One slope per replicate, (replicates,); its networks have data of their own at every α.
    """
    conditions = {}
    for name, rows in _widest(tables).items():
        rows = rows.assign(ratio=np.log(rows["e_gen"] / rows["e_gen_hinge"]))
        wide = rows.pivot(index="replicate", columns="alpha", values="ratio")
        x = np.log(wide.columns.to_numpy(float))
        weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        conditions[name] = wide.to_numpy() @ weights
    return conditions


def two_layer_memory(tables: Tables) -> Values:
    """Whether such a network reproduces every fact: 0 or 1, (replicates,), at every α."""
    conditions = {}
    for name, rows in _widest(tables).items():
        for alpha, networks in rows.groupby("alpha"):
            conditions[f"{name}, α = {alpha:g}"] = (networks["e_mem"] == 0).to_numpy(float)
    return conditions
