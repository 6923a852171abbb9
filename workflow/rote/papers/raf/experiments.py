"""Finite size: verification against theory, true kernels, the exact reduction, separability."""

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pandas as pd
from scipy import linalg, optimize

from rote.core.seeds import generator
from rote.papers.raf import settings, simulation
from rote.synth import rules_facts
from rote.theory import raf

Track = Callable[[Iterable], Iterable] | None
NONE = np.nan
_30 = (np.cos(np.radians(30)), np.sin(np.radians(30)))
# loss, α, ε, λ, d, options: the rows that every release must agree with
VERIFICATION = [
    ("square", 2.0, 0.1, 0.1, 400, {}),
    ("square", 4.0, 0.3, 0.5, 400, {}),
    ("hinge", 2.0, 0.1, 1.0, 400, {}),
    ("hinge", 4.0, 0.3, 0.5, 300, {}),
    ("hinge", 4.0, 0.1, 0.178, 450, {}),
    ("logistic", 2.0, 0.1, 0.1, 300, {}),
    ("logistic", 4.0, 0.2, 0.01, 300, {}),
    ("square", 2.0, 0.1, 1.0, 500, {"mu1": 0.8, "mustar": 0.6}),
    ("hinge", 2.0, 0.1, 1.0, 600, {"mu1": 0.8, "mustar": 0.6}),
    ("hinge", 4.0, 0.2, 0.5, 400, {"mu1": 0.8, "mustar": 0.6}),
    ("square", 4.0, 0.1, 0.454, 400, {"mu1": _30[0], "mustar": _30[1]}),
    ("hinge", 4.0, 0.1, 0.299, 400, {"mu1": _30[0], "mustar": _30[1]}),
    ("square", 2.0, 0.1, 0.1, 300, {"kappa": 1.5}),
    ("hinge", 2.0, 0.1, 0.1, 300, {"kappa": 1.5}),
    ("square", 3.0, 0.2, 0.3, 300, {"kappa": 0.6}),
    ("hinge", 3.0, 0.2, 0.3, 300, {"kappa": 0.6}),
]
BAYES = [(4.0, 0.1), (10.0, 0.2), (1.0, 0.2)]


def _markers(eps: float) -> list[tuple]:
    """Rows behind the figures' markers: label, series, loss, α, ε, λ, d, options."""
    rows = []
    lams = np.geomspace(1e-3, 10**1.5, 61)
    for alpha in (0.5, 1.0, 2.0, 4.0, 8.0):
        best = lams[np.nanargmin(raf.solve("hinge", alpha, eps, lams, tolerance=1e-8).e_gen)]
        rows.append(
            (
                "linear",
                "square, λ_opt",
                "square",
                alpha,
                eps,
                float(raf.optimal_ridge(eps, 1, 0)),
                200,
                {},
            )
        )
        rows.append(("linear", "hinge, best λ", "hinge", alpha, eps, float(best), 200, {}))
    for gamma in (0.0, 15.0, 30.0, 45.0, 60.0, 75.0):
        mu1, mustar = np.cos(np.radians(gamma)), np.sin(np.radians(gamma))
        geometry = {"mu1": float(mu1), "mustar": float(mustar)}
        best = lams[
            np.nanargmin(raf.solve("hinge", 4.0, eps, lams, tolerance=1e-8, **geometry).e_gen)
        ]
        ridge = max(float(raf.optimal_ridge(eps, mu1, mustar)), 1e-4)
        rows.append(("angle", "square, best λ", "square", 4.0, eps, ridge, 300, geometry))
        rows.append(("angle", "hinge, best λ", "hinge", 4.0, eps, float(best), 300, geometry))
    for kappa, loss in product((0.5, 1.0, 2.0, 4.0, 8.0), ("square", "hinge")):
        rows.append(("features", f"{loss}, λ = 0.1", loss, 2.0, eps, 0.1, 150, {"kappa": kappa}))
    return rows


def verify(
    options: settings.Simulation, eps: float, seed: int, track: Track = None
) -> pd.DataFrame:
    """Every simulated row with its theory: the table Simulations. Each (row, replicate) has data of
    its own.
    """
    rows = [
        ("verification", f"{loss} {_name(more)}", loss, *rest, more)
        for loss, *rest, more in VERIFICATION
    ]
    rows += [("bayes", "GAMP", "bayes", alpha, e, NONE, 400, {}) for alpha, e in BAYES]
    counts = [options.replicates] * len(VERIFICATION) + [max(options.replicates // 2, 2)] * len(
        BAYES
    )
    markers = _markers(eps)
    rows, counts = rows + markers, counts + [options.marker_replicates] * len(markers)
    units = [
        (number, replicate) for number, count in enumerate(counts) for replicate in range(count)
    ]
    found, theory = [], {}
    for number, replicate in (track or iter)(units):
        label, series, loss, alpha, fraction, lam, d, more = rows[number]
        d = max(round(d * options.size), 10)
        rng = generator(
            seed, "raf", "simulation", label, series, str((alpha, fraction, lam)), replicate
        )
        if number not in theory:
            theory[number] = _theory(loss, alpha, fraction, lam, more)
        if loss == "bayes":
            sample = rules_facts.draw(alpha, fraction, d, rng)
            outcome = simulation.Outcome(
                simulation.gamp(sample, fraction), NONE, int(sample.facts.sum())
            )
        else:
            outcome = simulation.simulate(loss, alpha, fraction, lam, d, rng, **more)
        gamma = np.degrees(np.arctan2(more.get("mustar", 0.0), more.get("mu1", 1.0)))
        gamma = NONE if "kappa" in more or loss == "bayes" else gamma
        point = (
            label,
            series,
            number,
            loss,
            alpha,
            fraction,
            lam,
            gamma,
            more.get("kappa", NONE),
            d,
            replicate,
        )
        found.append((*point, *outcome, *theory[number]))
    columns = [
        "label",
        "series",
        "row",
        "loss",
        "alpha",
        "eps",
        "lam",
        "gamma",
        "kappa",
        "d",
        "replicate",
    ]
    return pd.DataFrame(
        found, columns=[*columns, "e_gen", "e_mem", "facts", "e_gen_theory", "e_mem_theory"]
    )


def _name(more: dict) -> str:
    if "kappa" in more:
        return f"random features, κ = {more['kappa']:g}"
    return (
        "linear"
        if not more
        else f"kernel, γ = {np.degrees(np.arctan2(more['mustar'], more['mu1'])):.1f}°"
    )


def _theory(loss: str, alpha: float, eps: float, lam: float, more: dict) -> tuple[float, float]:
    if loss == "bayes":
        return float(raf.bayes_optimal(alpha, eps)), NONE
    if "kappa" in more:
        more = {**more, "mu1": raf.GEOMETRY["sign"][0], "mustar": raf.GEOMETRY["sign"][1]}
    s = raf.solve(loss, alpha, eps, lam, **more)
    return float(s.e_gen), float(s.e_mem)


def universality(options: settings.Universality, seed: int, track: Track = None) -> pd.DataFrame:
    """True kernels and their equivalent models on the same training and fresh inputs: the table
    UniversalityTable.
    """
    found = []
    units = list(
        product(("cubic", "relu", "erf", "rbf"), ("square", "hinge"), range(options.replicates))
    )
    for kernel, loss, replicate in (track or iter)(units):
        rng = generator(seed, "raf", "universality", kernel, loss, replicate)
        sample = rules_facts.draw(options.alpha, options.eps, options.d, rng, sphere=True)
        fresh = rng.normal(size=(options.test_rows, options.d))
        true = simulation.true_kernel(loss, kernel, options.lam, sample, fresh)
        w, lost = simulation.linear_part(loss, options.lam, sample, *raf.GEOMETRY[kernel])
        e_gen = np.mean(rules_facts.sign(fresh @ w) != rules_facts.sign(fresh @ sample.teacher))
        found.append(
            (kernel, loss, replicate, true.e_gen, e_gen, true.e_mem, lost[sample.facts].mean())
        )
    columns = [
        "kernel",
        "loss",
        "replicate",
        "e_gen_true",
        "e_gen_model",
        "e_mem_true",
        "e_mem_model",
    ]
    return pd.DataFrame(found, columns=columns)


def reduction(seed: int, replicates: int = 10, d: int = 100) -> pd.DataFrame:
    """Newton in d dimensions against the n-dimensional quadratic program, same data: the table
    Reduction.
    """
    found = []
    mu1, mustar, lam = 0.8, 0.6, 0.5
    for replicate in range(replicates):
        sample = rules_facts.draw(3.0, 0.2, d, generator(seed, "raf", "reduction", replicate))
        newton = simulation.equivalent("hinge", lam, sample, mu1, mustar).e_gen
        K = mu1**2 * sample.X @ sample.X.T / d + mustar**2 * np.eye(len(sample.X))
        a = simulation.box_qp(K * np.outer(sample.y, sample.y), 1 / lam)
        w = sample.X.T @ (a * sample.y)
        cosine = w @ sample.teacher / (linalg.norm(w) * linalg.norm(sample.teacher))
        found.append((replicate, newton, float(np.arccos(cosine) / np.pi)))
    return pd.DataFrame(found, columns=["replicate", "e_gen_newton", "e_gen_qp"])


def separability(options: settings.Separability, seed: int, track: Track = None) -> pd.DataFrame:
    """Linear feasibility of training sets around the capacity, nested over α: the table
    SeparabilityTable.
    """
    limit, found = float(raf.capacity(options.eps)), []
    for replicate in (track or iter)(range(options.replicates)):
        largest = max(options.alphas)
        sample = rules_facts.draw(
            largest, options.eps, options.d, generator(seed, "raf", "separability", replicate)
        )
        order = generator(seed, "raf", "separability order", replicate).permutation(len(sample.y))
        B = (sample.X * sample.y[:, None])[order]
        separable = True
        for alpha in sorted(options.alphas):  # a subset of a separable set is separable
            rows = B[: round(alpha * options.d)]
            separable = separable and separates(rows)
            found.append((alpha, replicate, separable, limit))
    return pd.DataFrame(found, columns=["alpha", "replicate", "separable", "capacity"])


def separates(B: np.ndarray) -> bool:
    """Whether some w has B w ≥ 1, rows y x, by linear programming."""
    n, d = B.shape
    program = optimize.linprog(
        np.zeros(d), A_ub=-B, b_ub=-np.ones(n), bounds=(None, None), method="highs"
    )
    return program.status == 0
