"""Finite size: verification against theory, true kernels, separability."""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize

from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.papers.raf import curves, schema, settings
from rote.papers.raf.simulation import (
    BayesOptimal,
    KernelModel,
    RafLearner,
    RafProblem,
    RandomFeatures,
    TrueKernel,
    simulate,
)
from rote.synth import rules_facts
from rote.theory import raf


def at_angle(degrees: float) -> KernelModel:
    """The model of unit norm at a kernel angle."""
    return KernelModel(float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees))))


LINEAR, KERNEL = KernelModel(), KernelModel(0.8, 0.6)
VERIFICATION: list[tuple[RafProblem, RafLearner]] = [  # the rows that every release must agree with
    (RafProblem(loss="square", alpha=2.0, eps=0.1, lam=0.1, d=400), LINEAR),
    (RafProblem(loss="square", alpha=4.0, eps=0.3, lam=0.5, d=400), LINEAR),
    (RafProblem(loss="hinge", alpha=2.0, eps=0.1, lam=1.0, d=400), LINEAR),
    (RafProblem(loss="hinge", alpha=4.0, eps=0.3, lam=0.5, d=300), LINEAR),
    (RafProblem(loss="hinge", alpha=4.0, eps=0.1, lam=0.178, d=450), LINEAR),
    (RafProblem(loss="logistic", alpha=2.0, eps=0.1, lam=0.1, d=300), LINEAR),
    (RafProblem(loss="logistic", alpha=4.0, eps=0.2, lam=0.01, d=300), LINEAR),
    (RafProblem(loss="square", alpha=2.0, eps=0.1, lam=1.0, d=500), KERNEL),
    (RafProblem(loss="hinge", alpha=2.0, eps=0.1, lam=1.0, d=600), KERNEL),
    (RafProblem(loss="hinge", alpha=4.0, eps=0.2, lam=0.5, d=400), KERNEL),
    (RafProblem(loss="square", alpha=4.0, eps=0.1, lam=0.454, d=400), at_angle(30)),
    (RafProblem(loss="hinge", alpha=4.0, eps=0.1, lam=0.299, d=400), at_angle(30)),
    (RafProblem(loss="square", alpha=2.0, eps=0.1, lam=0.1, d=300), RandomFeatures(1.5)),
    (RafProblem(loss="hinge", alpha=2.0, eps=0.1, lam=0.1, d=300), RandomFeatures(1.5)),
    (RafProblem(loss="square", alpha=3.0, eps=0.2, lam=0.3, d=300), RandomFeatures(0.6)),
    (RafProblem(loss="hinge", alpha=3.0, eps=0.2, lam=0.3, d=300), RandomFeatures(0.6)),
]
BAYES = [  # α, ε
    (4.0, 0.1),
    (10.0, 0.2),
    (1.0, 0.2),
]


OPTIMAL = at_angle(float(raf.optimal_angle(0.1)))
SIX = RandomFeatures(6.0)
INTERPOLATORS: list[tuple[RafProblem, RafLearner]] = [
    (RafProblem(loss="square", alpha=0.5, eps=0.1, lam=0.0, d=400), LINEAR),
    (RafProblem(loss="hinge", alpha=1.0, eps=0.1, lam=0.0, d=400), LINEAR),
    (RafProblem(loss="square", alpha=4.0, eps=0.1, lam=0.0, d=300), OPTIMAL),
    (RafProblem(loss="hinge", alpha=4.0, eps=0.1, lam=0.0, d=300), at_angle(45)),
    (RafProblem(loss="square", alpha=1.0, eps=0.1, lam=0.0, d=150), SIX),
    (RafProblem(loss="hinge", alpha=1.0, eps=0.1, lam=0.0, d=150), SIX),
]
ACTIVATED: list[tuple[RafProblem, RafLearner]] = [
    (RafProblem(loss=loss, alpha=2.0, eps=0.2, lam=0.1, d=150), RandomFeatures(1.5, activation))
    for activation, loss in product(("erf", "relu"), curves.LOSSES)
]
STRUCTURED: list[tuple[RafProblem, RafLearner]] = [  # at covariances of two power laws
    (RafProblem(loss=loss, alpha=2.0, eps=0.2, lam=lam, d=400, inputs=inputs), learner)
    for inputs, (loss, lam, learner) in product(
        ("power:0.5", "power:0.7"),
        [
            ("square", 0.3, LINEAR),
            ("square", 1.0, KERNEL),
            ("hinge", 0.5, LINEAR),
            ("hinge", 1.0, KERNEL),
        ],
    )
]
WIDTH_FACTORS = {"narrow": 1 / 3, "wide": 1.5}  # of κ_c, by the series that have these widths
WIDTH_ALPHA = 1.0


class SimulatedRow(NamedTuple):
    """A learner, simulated on several training sets, with its place in figures."""

    figure: str
    series: str
    problem: RafProblem  # d before the factor `raf.simulation.size`
    learner: RafLearner
    replicates: int

    def stream(self) -> tuple[str, ...]:
        """Its name among random streams, which no other row has."""
        point = (self.problem.alpha, self.problem.eps, self.problem.lam)
        return self.figure, self.series, self.learner.label, str(point)


def rows(options: settings.RafSimulation, eps: float) -> list[SimulatedRow]:
    """Every simulated row: verification, message passing, and the figures' markers.

    Args:
        options: training sets per row, and the sizes' factor.
        eps: fraction of facts of the markers.
    """
    simulated = []
    for problem, learner in VERIFICATION:
        series = f"{problem.loss} {learner.label}"
        simulated.append(
            SimulatedRow(
                figure="verification",
                series=series,
                problem=problem,
                learner=learner,
                replicates=options.replicates,
            )
        )
    for alpha, fraction in BAYES:
        problem = RafProblem(loss="bayes", alpha=alpha, eps=fraction, lam=np.nan, d=400)
        learner = BayesOptimal()
        replicates = max(options.replicates // 2, 2)
        simulated.append(
            SimulatedRow(
                figure="bayes",
                series=learner.label,
                problem=problem,
                learner=learner,
                replicates=replicates,
            )
        )
    if options.extensions:
        simulated += _extensions(eps, max(options.replicates // 2, 2))
    markers = [*_linear_markers(eps), *_angle_markers(eps), *_features_markers(eps)]
    for figure, series, problem, learner in markers:
        replicates = options.marker_replicates
        simulated.append(
            SimulatedRow(
                figure=figure,
                series=series,
                problem=problem,
                learner=learner,
                replicates=replicates,
            )
        )
    return simulated


def _extensions(eps: float, replicates: int) -> list[SimulatedRow]:
    """Interpolators, activations, structured inputs, repeated facts, widths around κ_c."""
    pairs = [("interpolators", INTERPOLATORS), ("activations", ACTIVATED)]
    simulated = []
    for figure, cases in pairs:
        for problem, learner in cases:
            series = f"{problem.loss} {learner.label}"
            simulated.append(SimulatedRow(figure, series, problem, learner, replicates))
    for problem, learner in STRUCTURED:
        series = f"{problem.loss} {learner.label}, {problem.inputs}"
        simulated.append(SimulatedRow("structured", series, problem, learner, replicates))
    cases = [(0.0, weight) for weight in curves.WEIGHTS] + [(45.0, curves.WEIGHTS[0])]
    for (gamma, weight), loss in product(cases, curves.LOSSES):
        learner = replace(at_angle(gamma), weight=weight) if gamma else KernelModel(weight=weight)
        problem = RafProblem(
            loss=loss, alpha=curves.ALPHA, eps=eps, lam=curves.WEIGHTED_RIDGE, d=200
        )
        series = curves.weighted(loss, gamma)
        simulated.append(SimulatedRow("weights", series, problem, learner, replicates))
    sign = raf.Learner.of_kernel("sign")
    width = float(raf.memory_width("square", WIDTH_ALPHA, eps, sign))
    for series, factor in WIDTH_FACTORS.items():
        features = raf.Learner.of_kernel("sign", factor * width)
        lam = float(raf.best_ridge("square", WIDTH_ALPHA, eps, features).lam)
        problem = RafProblem(loss="square", alpha=WIDTH_ALPHA, eps=eps, lam=lam, d=150)
        learner = RandomFeatures(round(factor * width, 3))
        simulated.append(SimulatedRow("width", series, problem, learner, replicates))
    return simulated


Marker = tuple[str, str, RafProblem, RafLearner]  # figure, series


def _linear_markers(eps: float) -> list[Marker]:
    markers = []
    square, hinge = curves.OPTIMAL_RIDGE, curves.best_ridge("hinge")
    optimal = float(raf.optimal_ridge(eps, 1, 0))
    for loss, alpha, lam in (("square", 0.5, 1e-6), ("square", 2.0, 1e-6), ("hinge", 2.0, 1e-4)):
        problem = RafProblem(loss=loss, alpha=alpha, eps=eps, lam=lam, d=200)
        markers.append(("linear", curves.no_ridge(loss), problem, LINEAR))
    for alpha in (0.5, 1.0, 2.0, 4.0, 8.0):
        best = _best_hinge_ridge(alpha, eps, LINEAR)
        markers.append(
            (
                "linear",
                square,
                RafProblem(loss="square", alpha=alpha, eps=eps, lam=optimal, d=200),
                LINEAR,
            )
        )
        markers.append(
            (
                "linear",
                hinge,
                RafProblem(loss="hinge", alpha=alpha, eps=eps, lam=best, d=200),
                LINEAR,
            )
        )
    return markers


def _angle_markers(eps: float) -> list[Marker]:
    markers = []
    for gamma in (0.0, 15.0, 30.0, 45.0, 60.0, 75.0):
        model = at_angle(gamma)
        lams = {
            "square": max(float(raf.optimal_ridge(eps, model.mu1, model.mustar)), 1e-4),
            "hinge": _best_hinge_ridge(4.0, eps, model),
        }
        for loss, lam in lams.items():
            problem = RafProblem(loss=loss, alpha=4.0, eps=eps, lam=lam, d=300)
            markers.append(("angle", curves.best_ridge(loss), problem, model))
            if gamma in (15.0, 45.0, 75.0):
                problem = problem._replace(lam=1e-4, d=200)
                markers.append(("angle", curves.no_ridge(loss), problem, model))
    return markers


def _features_markers(eps: float) -> list[Marker]:
    markers = []
    for kappa, loss in product((0.5, 1.0, 2.0, 4.0, 8.0), curves.LOSSES):
        problem = RafProblem(loss=loss, alpha=2.0, eps=eps, lam=0.1, d=150)
        series = curves.at_ridge(loss, 0.1)
        markers.append(("features", series, problem, RandomFeatures(kappa)))
    return markers


def _best_hinge_ridge(alpha: float, eps: float, model: KernelModel) -> float:
    lams = np.geomspace(1e-3, 10**1.5, 61)
    learner = raf.Learner(model.mu1, model.mustar)
    path = raf.solve("hinge", alpha, eps, lams, learner, raf.Solver(tolerance=1e-8))
    return float(lams[np.nanargmin(path.e_gen)])


def verify(options: settings.RafSimulation, eps: float, seed: int) -> pd.DataFrame:
    """Every simulated row with its theory: the table RafSimulations.

    Each (row, replicate) has a stream of its own: no two rows share data.

    Args:
        options: training sets per row, and the sizes' factor.
        eps: fraction of facts of the figures' markers.
        seed: of all streams.
    """
    results = []
    for number, row in enumerate(track(rows(options, eps), "settings")):
        problem = row.problem._replace(d=max(round(row.problem.d * options.size), 10))
        theory = row.learner.theory(problem)
        shared = {
            "figure": row.figure,
            "series": row.series,
            "row": number,
            "gamma": row.learner.gamma,
            "kappa": row.learner.kappa,
            "weight": getattr(row.learner, "weight", 1.0),
            "e_gen_theory": theory.e_gen,
            "e_mem_theory": theory.e_mem,
            "e_rule_theory": theory.e_rule,
            **problem._asdict(),
        }
        for replicate in range(row.replicates):
            rng = generator(seed, "raf", "simulation", *row.stream(), replicate)
            errors = simulate(row.learner, problem, rng)
            results.append({**shared, "replicate": replicate, **errors._asdict()})
    return tables.frame(schema.RafSimulations, results)


def universality(options: settings.RafUniversality, seed: int) -> pd.DataFrame:
    """True kernels and their models on the same training and fresh inputs: UniversalityTable."""
    results = []
    kernels = ("cubic", "relu", "erf", "rbf")
    units = list(product(kernels, curves.LOSSES, range(options.replicates)))
    for name, loss, replicate in track(units, "training sets"):
        rng = generator(seed, "raf", "universality", name, loss, replicate)
        sample = rules_facts.draw(options.alpha, options.eps, options.d, rng, sphere=True)
        fresh = rng.normal(size=(options.test_rows, options.d))
        kernel = TrueKernel(name)
        errors = kernel.errors(loss, options.lam, sample, fresh)
        fit = kernel.model.fit(loss, options.lam, sample)
        wrong = rules_facts.sign(fresh @ fit.w) != rules_facts.sign(fresh @ sample.teacher)
        results.append(
            {
                "kernel": name,
                "loss": loss,
                "replicate": replicate,
                "e_gen_true": errors.e_gen,
                "e_gen_model": wrong.mean(),
                "e_mem_true": errors.e_mem,
                "e_mem_model": fit.lost[sample.facts].mean(),
            }
        )
    return tables.frame(schema.UniversalityTable, results)


def separability(options: settings.RafSeparability, seed: int) -> pd.DataFrame:
    """Linear feasibility around the capacity, training sets nested over α: SeparabilityTable.

    A subset of a separable set is separable; so each sequence of examples has one threshold.
    """
    capacity = float(raf.capacity(options.eps))
    longest = max(2 * capacity, *options.alphas)
    results = []
    for replicate in track(range(options.replicates), "training sets"):
        rng = generator(seed, "raf", "separability", replicate)
        sample = rules_facts.draw(longest, options.eps, options.d, rng)
        order = generator(seed, "raf", "separability order", replicate).permutation(len(sample.y))
        count = most_separable((sample.X * sample.y[:, None])[order])
        for alpha in sorted(options.alphas):
            results.append(
                {
                    "alpha": alpha,
                    "replicate": replicate,
                    "separable": round(alpha * options.d) <= count,
                    "threshold": (count + 0.5) / options.d,
                    "capacity": capacity,
                }
            )
    return tables.frame(schema.SeparabilityTable, results)


def most_separable(B: np.ndarray) -> int:
    """How many of the first rows y x of B (n, d) some w separates, by bisection."""
    if separates(B):
        return len(B)
    separable, inseparable = 0, len(B)
    while inseparable - separable > 1:
        middle = (separable + inseparable) // 2
        if separates(B[:middle]):
            separable = middle
        else:
            inseparable = middle
    return separable


def separates(B: np.ndarray) -> bool:
    """Whether some w has B w ≥ 1, rows y x (n, d), by linear programming."""
    n, d = B.shape
    program = optimize.linprog(
        np.zeros(d), A_ub=-B, b_ub=-np.ones(n), bounds=(None, None), method="highs"
    )
    return program.status == 0
