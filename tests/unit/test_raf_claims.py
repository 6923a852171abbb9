"""Rules and facts: every claim on a world in which it is true, and on one in which it is false."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger
from rote.core.seeds import generator
from rote.papers.raf import experiments, nulls, real, schema, settings, theory_claims
from rote.papers.raf.simulation import KernelModel, RafProblem, simulate
from rote.papers.raf.statistics import FORGETFUL
from rote.synth import rules_facts
from rote.theory import raf

N = 16
NOISE = np.linspace(-0.001, 0.001, N)
CLAIMS = {entry.id: entry for entry in ledger.load(ROOT / "workflow/claims/raf.yaml")}


def verdict(name, tables):
    return ledger.summary(ledger.evaluate([CLAIMS[f"raf.{name}"]], tables))["verdict"].item()


def fails_on_its_null(name, tables):
    audited = ledger.audit([CLAIMS[f"raf.{name}"]], tables)
    return not (audited["passes"].any() or audited["powerless"].any())


def simulations(bias=0.0):
    """Rows of every kind, with a bias of simulation against theory in the last of each."""
    rows = []
    kinds = [("verification", np.nan), ("verification", 1.5), ("bayes", np.nan)]
    kinds += [("interpolators", np.nan), ("activations", 1.5)]
    for number, ((figure, kappa), last) in enumerate(product(kinds, (False, True))):
        columns = dict.fromkeys(schema.RafSimulations.model_fields, 0.0)
        columns |= {"figure": figure, "series": "x", "row": number, "kappa": kappa}
        columns |= {"e_gen_theory": 0.2, "e_mem_theory": 0.1, "replicate": np.arange(N)}
        columns |= {"e_rule_theory": 0.05, "e_rule": 0.05 + NOISE + bias * last}
        columns |= {"e_gen": 0.2 + NOISE + bias * last, "e_mem": 0.1 + NOISE + 2 * bias * last}
        rows.append(pd.DataFrame(columns))
    return {"simulations": pd.concat(rows)}


@pytest.mark.parametrize(
    "name",
    [
        "gen_theory",
        "mem_theory",
        "features_gen",
        "features_mem",
        "bayes_gamp",
        "rule_theory",
        "interpolators",
        "activations_gen",
        "activations_mem",
    ],
)
def test_theory_is_judged_by_the_setting_that_deviates_most(name):
    assert verdict(name, simulations()) == "reproduced"
    assert verdict(name, simulations(bias=0.013)) == "contradicted"
    assert verdict(name, simulations(bias=-0.013)) == "contradicted"
    assert fails_on_its_null(name, simulations())


def test_width_decides_memory_on_both_sides_of_its_threshold():
    def widths(narrow, wide):
        columns = {"figure": "width", "replicate": np.arange(N)}
        parts = [
            pd.DataFrame(columns | {"series": name, "e_mem": value + NOISE})
            for name, value in (("narrow", narrow), ("wide", wide))
        ]
        return {"simulations": pd.concat(parts)}

    assert verdict("width_threshold", widths(0.08, 0.003)) == "reproduced"
    assert verdict("width_threshold", widths(0.08, 0.03)) == "contradicted"
    assert fails_on_its_null("width_threshold", widths(0.08, 0.003))


def test_simulated_rows_have_streams_of_their_own():
    rows = experiments.rows(settings.RafSimulation(extensions=True), 0.1)
    streams = [row.stream() for row in rows]
    assert len(set(streams)) == len(rows)
    draws = {generator(1, "raf", "simulation", *stream, 0).normal() for stream in streams}
    assert len(draws) == len(rows)


def universality(bias=0.0):
    rows = []
    for kernel, loss in product((*FORGETFUL, "rbf"), ("square", "hinge")):
        columns = {"kernel": kernel, "loss": loss, "replicate": np.arange(N)}
        for error in ("e_gen", "e_mem"):
            columns[f"{error}_model"] = 0.2 + 20 * NOISE
            columns[f"{error}_true"] = columns[f"{error}_model"] + NOISE[::-1] + bias
        rows.append(pd.DataFrame(columns))
    return {"universality": pd.concat(rows)}


@pytest.mark.parametrize("name", ["universality_gen", "universality_mem"])
def test_universality_compares_kernel_and_model_on_the_same_data(name):
    assert verdict(name, universality()) == "reproduced"
    assert verdict(name, universality(bias=0.008)) == "contradicted"
    assert fails_on_its_null(name, universality())


def test_kernels_left_out_of_universal_memory_forget_less_than_a_thousandth():
    s = settings.RafUniversality()
    for kernel, loss in product(("erf", "relu", "cubic", "rbf"), ("square", "hinge")):
        e_mem = float(raf.solve(loss, s.alpha, s.eps, s.lam, raf.Learner.of_kernel(kernel)).e_mem)
        assert (e_mem > 0.001) == (kernel in FORGETFUL)


def test_capacity_is_the_median_threshold():
    thresholds = 3.0 + 40 * NOISE
    thresholds[:2] = 9.0  # a few that are far off
    table = pd.DataFrame({"replicate": np.arange(N), "threshold": thresholds, "capacity": 2.99})
    tables = {"separability": pd.concat([table, table])}
    assert verdict("capacity", tables) == "reproduced"
    assert fails_on_its_null("capacity", tables)
    off = {"separability": tables["separability"].assign(capacity=2.0)}
    assert verdict("capacity", off) == "contradicted"


def test_bisection_finds_the_most_separable_rows():
    sample = rules_facts.draw(8.0, 0.5, 5, generator(3, "bisection"))
    B = sample.X * sample.y[:, None]
    B = B[np.random.default_rng(0).permutation(len(B))]
    separable = [experiments.separates(B[:count]) for count in range(1, len(B) + 1)]
    assert experiments.most_separable(B) == sum(separable)
    assert sum(separable) < len(B)
    assert experiments.most_separable(B[: sum(separable)]) == sum(separable)


# ---- experiments


def images(cost=0.05, where=0.03):
    """Ten images of a hundred are wrong, and at one η a share `cost` more with memory."""
    rows = []
    pool = []
    for eta, (penalty, lam, e_mem) in product(
        (0.03, 1.0), [(real.BEST, 1.0, 0.3), (real.REMEMBERING, 0.1, 0.0)]
    ):
        paid = cost * (eta == where and penalty == real.REMEMBERING)
        columns = {"eta": eta, "lam": lam, "replicate": np.arange(N), "e_mem": e_mem}
        e_gen = 0.1 + paid * (1 + 100 * NOISE)
        e_valid = 0.1 if penalty == real.BEST else 0.2
        rows.append(pd.DataFrame(columns | {"e_gen": e_gen, "e_valid": e_valid}))
        wrong = np.where(np.arange(100) < 10 + round(100 * paid), 4, 0)
        columns = {"image": np.arange(100), "eta": eta, "penalty": penalty, "tests": 4}
        pool.append(pd.DataFrame(columns | {"wrong": wrong}))
    return {"real": pd.concat(rows), "real_images": pd.concat(pool)}


def test_memory_on_real_images_costs_more_than_the_pool_of_images_is_uncertain():
    assert verdict("real_memory_cost", images(cost=0.09)) == "reproduced"
    assert fails_on_its_null("real_memory_cost", images(cost=0.09))
    # one image of a hundred: all replicates agree, but they share it
    assert verdict("real_memory_cost", images(cost=0.01)) == "inconclusive"
    assert verdict("real_memory_cost", images(cost=0.09, where=1.0)) == "contradicted"


def test_sweep_counts_the_wrong_images_of_the_ridges_it_compares():
    options = settings.RafReal(
        etas=[0.03, 1.0], penalties=5, rules=60, facts=10, valid=20, tests=40, replicates=3
    )
    errors, pool, _ = real.sweep(options, 1)
    best = {}
    for eta, rows in errors.groupby("eta"):
        index = real.chosen(rows)[real.BEST]
        e_gen = rows.pivot(index="replicate", columns="lam", values="e_gen")
        best[eta] = e_gen.iloc[:, index].mean()
    counts = pool[pool["penalty"] == real.BEST].groupby("eta")[["tests", "wrong"]].sum()
    assert (counts["tests"] == 3 * 40).all()
    np.testing.assert_allclose(counts["wrong"] / counts["tests"], pd.Series(best))


def test_ridges_are_chosen_by_other_images_than_the_tested_ones():
    rows = pd.DataFrame({"lam": [1.0, 2.0, 3.0], "e_valid": [0.1, 0.1, 0.2], "e_mem": 0.5})
    assert real.chosen(rows) == {real.BEST: 1}
    rows = rows.assign(e_mem=[0.0, 0.4, 0.0], e_gen=[0.3, 0.3, 0.0])
    assert real.chosen(rows) == {real.BEST: 1, real.REMEMBERING: 0}


def test_images_are_balanced_and_those_that_choose_are_not_tested():
    options = settings.RafReal(rules=61, facts=10, valid=20, tests=40, replicates=2)
    groups = real.SOURCES["digits"](options)
    official = np.arange(len(groups.labels)) >= 1000
    for whole in (groups, groups._replace(official=official)):
        data = real.split(whole, options, generator(1, "images"))
        assert data.y[~data.facts].sum() == 1
        assert (data.y_valid.sum(), data.y_test.sum()) == (0, 0)
        assert not set(map(bytes, data.X_valid)) & set(map(bytes, data.X_test))
    assert (data.tested >= 1000).all()


def networks(slope=-0.2, forgetting=0.0):
    """Networks whose E_gen over that of the hinge learner has a slope, of which some forget."""
    rows = []
    for scale, alpha in product((0.1, 1.0), (2.0, 4.0, 8.0)):
        columns = {"alpha": alpha, "width": 64, "scale": scale, "weight_decay": 0.0}
        columns |= {"replicate": np.arange(N), "e_gen_hinge": 0.3 * alpha**-0.6}
        columns["e_gen"] = columns["e_gen_hinge"] * alpha ** (slope + 10 * NOISE)
        columns["e_mem"] = np.where(np.arange(N) < forgetting * N, 0.01, 0.0)
        rows.append(pd.DataFrame(columns))
    return {"two_layer": pd.concat(rows)}


def test_networks_learn_faster_only_if_their_error_falls_below_the_hinge_learners():
    assert verdict("two_layer_rate", networks()) == "reproduced"
    assert fails_on_its_null("two_layer_rate", networks())
    # steeper than -1/2, and yet no steeper than a linear hinge learner
    assert verdict("two_layer_rate", networks(slope=0.05)) == "contradicted"


def test_networks_remember_if_most_lose_no_fact_at_all():
    assert verdict("two_layer_memory", networks()) == "reproduced"
    assert fails_on_its_null("two_layer_memory", networks())
    assert verdict("two_layer_memory", networks(forgetting=1.0)) == "contradicted"


# ---- theory


@pytest.fixture(scope="module")
def checks():
    return {"checks": theory_claims.checks(nulls.GRID)}


# the slope at these samples is not yet that of the limit
CONTRADICTED = {"rate_hinge_rare", "rate_scaled_ridge_kernel"}


@pytest.mark.parametrize("name", theory_claims.THEORY.names())
def test_theory_claim_holds_and_fails_with_another_formula_or_learner(name, checks):
    holds = "contradicted" if name in CONTRADICTED else "reproduced"
    assert verdict(name, checks) == holds
    assert fails_on_its_null(name, checks)


def test_optimal_angle_differs_from_one_a_quarter_of_a_degree_off():
    for degrees in (-0.25, 0.25):
        moved = theory_claims.gamma_opt_gen(
            nulls.GRID, lambda eps, degrees=degrees: raf.optimal_angle(eps) + degrees
        )
        assert min(moved.values()) > 1e-7
    assert max(theory_claims.gamma_opt_gen(nulls.GRID).values()) < 1e-10


def test_best_ridge_at_the_optimal_angle_forgets_nothing():
    """True by construction: the best ridge there tends to 0, and interpolators recall all."""
    for alpha in theory_claims.ALPHAS:
        learner = raf.Learner.at_angle(float(raf.optimal_angle(0.1)))
        solver = raf.Solver(closed_form=False)
        path = raf.solve("square", alpha, 0.1, np.geomspace(1e-4, 1e2, 61), learner, solver)
        assert path.e_mem[np.nanargmin(path.e_gen)] < 1e-9


def test_memory_costs_a_linear_learner_more_than_a_kernel(checks):
    """A kernel in the place of the linear learner pays as much as a kernel."""
    kernel = theory_claims.linear_tradeoff_cost(nulls.GRID, theory_claims.KERNEL)
    assert set(kernel.values()) == {0.0}
    between = theory_claims.linear_tradeoff_cost(nulls.GRID, theory_claims.LearnerAt(4.0, 30.0))
    linear = theory_claims.linear_tradeoff_cost(nulls.GRID)
    assert all(0 < between[loss] < linear[loss] for loss in linear)


def square_optimum(alpha: float, eps: float) -> float:
    """Smallest E_gen of the square loss over ridges and angles, in closed form.

    cos²(π E_gen) = 2α / (B + √(B² − 4α)), B = α + π/(2(1 − ε)²).

    Args:
        alpha: samples per dimension.
        eps: fraction of facts.
    """
    B = alpha + np.pi / (2 * (1 - eps) ** 2)
    return float(np.arccos(np.sqrt(2 * alpha / (B + np.sqrt(B**2 - 4 * alpha)))) / np.pi)


@pytest.mark.parametrize("geometry", [(1.0, 0.0), raf.KERNELS["relu"].geometry])
def test_error_at_the_optimal_ridge_is_its_closed_form(geometry):
    mu1, mustar = geometry
    lam = raf.optimal_ridge(0.1, mu1, mustar)
    for alpha in theory_claims.ALPHAS:
        solver = raf.Solver(tolerance=1e-13, closed_form=False)
        learner = raf.Learner(mu1, mustar)
        e_gen = float(raf.solve("square", alpha, 0.1, lam, learner, solver).e_gen)
        assert abs(e_gen - square_optimum(alpha, 0.1)) < 1e-12
        assert abs(e_gen - square_optimum(alpha, 0.0)) > 1e-3


def test_kernel_interpolators_remember_every_fact():
    """True by construction at any angle above 0: the kernel's diagonal carries each label."""
    for gamma in (10.0, 44.1, 80.0):
        model = KernelModel(np.cos(np.radians(gamma)), np.sin(np.radians(gamma)))
        problem = RafProblem("square", 4.0, 0.1, 1e-9, 40)
        assert simulate(model, problem, generator(1, "interpolator", str(gamma))).e_mem == 0
        path = raf.solve("square", 4.0, 0.1, np.array([1e-3, 0.0]), raf.Learner.at_angle(gamma))
        assert path.e_mem.max() < 1e-9


def test_linear_learner_does_not_forget_most_where_it_generalizes_best():
    path = raf.solve("square", 4.0, 0.1, np.array([float(raf.optimal_ridge(0.1, 1, 0)), 1e3]))
    assert path.e_gen[0] < path.e_gen[1]
    assert path.e_mem[0] < path.e_mem[1]


def test_svm_of_images_forgets_more_than_ridge_regression():
    rows = {"eta": [1.0, 3.0] * 10, "lam": 1.0, "replicate": np.repeat(np.arange(10), 2)}
    lost = np.random.default_rng(0).normal(0.4, 0.02, (2, 20))
    machines = {"real_svm": pd.DataFrame(rows | {"e_mem": lost[0], "ridge_e_mem": lost[1] - 0.1})}
    assert verdict("real_svm", machines) == "reproduced"
    assert fails_on_its_null("real_svm", machines)
