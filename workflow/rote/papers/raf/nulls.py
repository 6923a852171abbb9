"""Nulls: how the tables look if a claim is false."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from rote.ledger import theory
from rote.ledger.nulls import Null, exchanged_columns, off, replaced
from rote.papers.raf import settings, statistics
from rote.papers.raf import theory_claims as claims
from rote.theory import raf

Tables = Mapping[str, pd.DataFrame]
Numbers = Callable[[], Mapping[str, float]]
# ridges on the grid where a best one is searched again
GRID = settings.RafTheory(penalties=25)


# ---- theory against simulation: off by one and a half times the tolerance

gen_theory_off = off("simulations", "e_gen_theory", relative=False)
rule_theory_off = off("simulations", "e_rule_theory", relative=False)
mem_theory_off = off("simulations", "e_mem_theory", relative=False)
model_gen_off = off("universality", "e_gen_model", relative=False)
model_mem_off = off("universality", "e_mem_model", relative=False)
capacity_off = off("separability", "capacity", relative=False)
check_off = off(theory.TABLE, "value", relative=False)


# ---- experiments: arms exchanged in every second replicate, learners that learn nothing


def bandwidths_exchanged(tables: Tables) -> Tables:
    """The smallest eta and eta = 1 are exchanged in every second replicate (real)."""
    table = tables["real"]
    small, wide = statistics.bandwidths(table)
    alternate = table["replicate"] % 2 == 1
    other = table["eta"].replace({small: wide, wide: small})
    return replaced(tables, real=table.assign(eta=table["eta"].where(~alternate, other)))


def theory_of_other_bandwidths(tables: Tables) -> Tables:
    """Theory is that of the bandwidths in the opposite order (real)."""
    table = tables["real"]
    etas = np.sort(table["eta"].unique())
    other = table["eta"].map(dict(zip(etas, etas[::-1], strict=True)))
    keys = ["replicate", "lam"]
    theory = table.set_index(["eta", *keys])["e_mem_theory"]
    index = pd.MultiIndex.from_arrays([other, *(table[key] for key in keys)])
    return replaced(tables, real=table.assign(e_mem_theory=theory.loc[index].to_numpy()))


def isotropic_theory(tables: Tables) -> Tables:
    """Theory knows nothing of the inputs' covariance (simulations, structured rows)."""
    table = tables["simulations"]
    structured = table["inputs"] != ""
    others = table[structured].drop_duplicates("row")
    theory = {}
    for _, one in others.iterrows():
        learner = raf.Learner.at_angle(one["gamma"])
        solution = raf.solve(one["loss"], one["alpha"], one["eps"], one["lam"], learner)
        theory[one["row"]] = solution
    table = table.copy()
    for error in ("e_gen", "e_mem"):
        values = {row: float(getattr(solution, error)) for row, solution in theory.items()}
        table.loc[structured, f"{error}_theory"] = table.loc[structured, "row"].map(values)
    return replaced(tables, simulations=table)


svm_as_ridge = exchanged_columns("real_svm", "e_mem", "ridge_e_mem")


def networks_as_hinge(tables: Tables) -> Tables:
    """Networks and the linear hinge learner are exchanged in every second replicate (two_layer)."""
    table = tables["two_layer"]
    alternate = table["replicate"] % 2 == 1
    exchanged = {
        "e_gen": table["e_gen"].where(~alternate, table["e_gen_hinge"]),
        "e_gen_hinge": table["e_gen_hinge"].where(~alternate, table["e_gen"]),
    }
    return replaced(tables, two_layer=table.assign(**exchanged))


def half_forget(tables: Tables) -> Tables:
    """Every second network forgets half of its facts, as an untrained one does (two_layer)."""
    table = tables["two_layer"]
    e_mem = table["e_mem"].where(table["replicate"] % 2 == 0, 0.5)
    return replaced(tables, two_layer=table.assign(e_mem=e_mem))


def widths_exchanged(tables: Tables) -> Tables:
    """The narrow features are the wide ones, and the other way round (simulations)."""
    table = tables["simulations"]
    series = table["series"].replace({"narrow": "wide", "wide": "narrow"})
    return replaced(tables, simulations=table.assign(series=series))


def facts_stated_once(tables: Tables) -> Tables:
    """Every fact is stated once, whatever the weight in the table (curves)."""
    table = tables["curves"]
    weighted = table["figure"] == "weights"
    once = table[weighted & (table["weight"] == 1)].set_index("series")
    errors = {
        name: table[name].where(~weighted, table["series"].map(once[name]))
        for name in ("e_gen", "e_mem")
    }
    return replaced(tables, curves=table.assign(**errors))


def kernel_as_linear(tables: Tables) -> Tables:
    """The linear learner and the kernel of 45 degrees are exchanged (curves)."""
    table = tables["curves"]
    weighted = table["figure"] == "weights"
    gamma = table["gamma"].where(~weighted, table["gamma"].replace({0.0: 45.0, 45.0: 0.0}))
    return replaced(tables, curves=table.assign(gamma=gamma))


def images_at_chance(tables: Tables, rng: np.random.Generator) -> Tables:
    """Learners of real images answer at random, whatever eta and ridge (real)."""
    table = tables["real"]
    chance = rng.normal(0.5, 0.02, len(table))
    return replaced(tables, real=table.assign(e_gen=chance, e_valid=rng.permutation(chance)))


def networks_at_chance(tables: Tables) -> Tables:
    """Networks answer at random, to facts and by the rule (two_layer)."""
    return replaced(tables, two_layer=tables["two_layer"].assign(e_gen=0.5, e_mem=0.5))


# ---- theory: another formula, learner or regime in the place of the one claimed


def _recomputed(name: str, says: str, numbers: Numbers) -> Null:
    """A null whose rows of the table `checks` are computed anew.

    Args:
        name: of the claim.
        says: the null in words.
        numbers: computes the claim's number under every condition.
    """

    def null(tables: Tables) -> Tables:
        checks = tables[theory.TABLE]
        rows = []
        for condition, value in numbers().items():
            rows.append({"check": name, "condition": condition, "value": float(value)})
        others = checks[checks["check"] != name]
        return replaced(tables, **{theory.TABLE: pd.concat([others, pd.DataFrame(rows)])})

    null.__doc__ = says
    return null


def _ridge_without_facts(eps: float, mu1: float, mustar: float) -> np.ndarray:
    return raf.optimal_ridge(0.0, mu1, mustar)


def _angle_without_facts(eps: float) -> np.ndarray:
    return raf.optimal_angle(0.0)


ridge_off = _recomputed(
    "lambda_opt",
    "The closed form is 1.5 % off.",
    lambda: claims.lambda_opt(lambda *learner: 1.015 * raf.optimal_ridge(*learner)),
)
ridge_without_facts = _recomputed(
    "lambda_opt",
    "The closed form is that of data without facts, eps = 0.",
    lambda: claims.lambda_opt(_ridge_without_facts),
)
angle_without_facts_gen = _recomputed(
    "gamma_opt_gen",
    "The angle is the optimal one of data without facts, eps = 0.",
    lambda: claims.gamma_opt_gen(GRID, _angle_without_facts),
)
angle_off = _recomputed(
    "gamma_opt_gen",
    "The angle is half a degree larger.",
    lambda: claims.gamma_opt_gen(GRID, lambda eps: raf.optimal_angle(eps) + 0.5),
)

_BELOW = claims.LearnerAt(0.5, 0.0)
below_capacity = _recomputed(
    "linear_tradeoff",
    "The training set is below the capacity, alpha = 0.5.",
    lambda: claims.linear_tradeoff(GRID, _BELOW),
)
kernel_at_best = _recomputed(
    "linear_tradeoff_at_best",
    "The learner is a kernel of angle 45 degrees.",
    lambda: claims.linear_tradeoff_at_best(GRID, claims.KERNEL),
)
kernel_cost = _recomputed(
    "linear_tradeoff_cost",
    "The learner is a kernel of angle 45 degrees.",
    lambda: claims.linear_tradeoff_cost(GRID, claims.KERNEL),
)

square_again = _recomputed(
    "hinge_tradeoff",
    "The hinge learner is another square-loss learner.",
    lambda: claims.hinge_tradeoff("square"),
)
square_again_memory = _recomputed(
    "hinge_tradeoff_memory",
    "The hinge learner is another square-loss learner.",
    lambda: claims.hinge_tradeoff_memory("square"),
)
square_again_interpolator = _recomputed(
    "hinge_interpolator",
    "The hinge learner is another square-loss learner.",
    lambda: claims.hinge_interpolator(GRID, "square"),
)

other_shares = _recomputed(
    "constrained_optimum",
    "Shares above and below 1 % are exchanged, and 1 % is any.",
    lambda: claims.constrained_optimum((1.0, 1.0, 1.0, 1e-3, 1e-3)),
)
square_price = _recomputed(
    "memory_price",
    "The hinge learner is another square-loss learner.",
    lambda: claims.memory_price("square"),
)
narrower = _recomputed(
    "width_helps_both",
    "Widths are halved in the place of doubled.",
    lambda: claims.width_helps_both(claims.WIDE[::-1]),
)
width_without_ridge = _recomputed(
    "width_of_memory",
    "There is no ridge in the place of the best one.",
    lambda: claims.width_of_memory(claims.NO_RIDGE),
)
width_of_square = _recomputed(
    "width_of_hinge",
    "The hinge learner is another square-loss learner.",
    lambda: claims.width_of_hinge("square"),
)
square_is_enough = _recomputed(
    "width_is_not_enough",
    "The hinge learner is a square-loss learner.",
    lambda: claims.width_is_not_enough("square"),
)
bandwidth_off = _recomputed(
    "rbf_bandwidth",
    "The bandwidth is 1.5 % off.",
    lambda: claims.rbf_bandwidth(lambda eps: 1.015 * claims.best_bandwidth(eps)),
)
bandwidth_without_facts = _recomputed(
    "rbf_bandwidth",
    "The bandwidth is that of data without facts, eps = 0.",
    lambda: claims.rbf_bandwidth(lambda eps: claims.best_bandwidth(0.0)),
)
late_is_early = _recomputed(
    "rate_hinge_late",
    "The samples are a thousand times fewer.",
    lambda: claims.rate_hinge_late(claims.LARGE),
)
facts_are_common = _recomputed(
    "rate_hinge_without_facts",
    "A tenth of the samples are facts.",
    lambda: claims.rate_hinge_without_facts(claims.EPS),
)


def _bayes_e_gen(eps: float, regime: claims.LargeRegime) -> np.ndarray:
    return raf.bayes_optimal(claims.LARGE, eps)


rate_without_facts = _recomputed(
    "rate_square",
    "The limit is that of data without facts, eps = 0.",
    lambda: claims.rate_square(lambda eps: raf.square_rate(0.0)),
)
rate_of_bayes = _recomputed(
    "rate_hinge",
    "The learner is the Bayes-optimal one.",
    lambda: claims.rate_hinge(_bayes_e_gen),
)
prefactor_of_more_facts = _recomputed(
    "rate_hinge_prefactor",
    "The prefactor is that of ten per cent more facts.",
    lambda: claims.rate_hinge_prefactor(lambda eps, v: raf.hinge_limit(1.1 * eps, v)),
)
bayes_without_facts = _recomputed(
    "rate_bayes",
    "The limit is that of data without facts, eps = 0.",
    lambda: claims.rate_bayes(lambda eps: raf.bayes_rate(0.0)),
)
limit_of_more_facts = _recomputed(
    "memory_limit",
    "The limit is that of one per cent more facts.",
    lambda: claims.memory_limit(lambda eps, v: claims.memory_limits(1.01 * eps, v)),
)
narrow_features = _recomputed(
    "features_limit",
    "There are 1000 features per dimension.",
    lambda: claims.features_limit(1000.0),
)
bayes_of_fewer = _recomputed(
    "bayes_bound",
    "The Bayes-optimal learner has one per cent fewer examples.",
    lambda: claims.bayes_bound(lambda alpha, eps: raf.bayes_optimal(0.99 * alpha, eps)),
)


def _more_facts(
    loss: str, alpha: float, eps: float, lam: float, learner: raf.Learner
) -> raf.Solution:
    return raf.solve(loss, alpha, 1.0001 * eps, lam, learner)


more_facts = _recomputed(
    "reference",
    "The equations are solved for 0.01 per cent more facts.",
    lambda: claims.reference(_more_facts),
)
