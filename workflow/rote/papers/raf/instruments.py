"""The theory as an instrument: grids, optima, widths and simulations, as tables."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.functions import of_user
from rote.core.seeds import generator
from rote.papers.raf.inputs import eigenvalues
from rote.papers.raf.simulation import (
    KernelModel,
    RafLearner,
    RafProblem,
    RandomFeatures,
    TrueKernel,
    simulate,
)
from rote.theory import axes, raf

BEST = "best"  # in the place of a ridge: the one that generalizes best
SERIES = "learner"  # column with the names of what is compared
ERRORS = {"e_gen": "generalization error", "e_mem": "memorization error"}
PARAMETERS = ("alpha", "eps", "lam", "gamma", "mu1", "mustar", "kappa", "weight", "forget")


class LearnerAxes(NamedTuple):
    """Learners as a command line states them; None where an option was left out."""

    gamma: str | None = None
    mu1: str | None = None
    mustar: str | None = None
    kernel: str | None = None
    kappa: str | None = None
    weight: str | None = None  # of facts

    def widths_and_weights(self) -> dict[str, np.ndarray]:
        """The axes that do not describe the kernel, of those that are given."""
        stated = {"kappa": self.kappa, "weight": self.weight}
        return {
            name: axes.parse(f"--{name}", text) for name, text in stated.items() if text is not None
        }


class _Geometry(NamedTuple):
    """Kernels or activations, by name; the axes that give their μ1 and μ⋆."""

    name: str
    axes: dict[str, np.ndarray]
    learner: Callable[[dict[str, np.ndarray]], raf.Learner]


def _geometries(stated: LearnerAxes) -> Iterator[_Geometry]:
    """The learners that one of three descriptions names; the linear one where all are None."""
    parts = [stated.kernel, stated.gamma, stated.mu1 or stated.mustar]
    if sum(part is not None for part in parts) > 1:
        raise InputError("give one of --kernel, --gamma, and --mu1 with --mustar, not two of them")
    if stated.kernel is not None:
        for name in stated.kernel.split(","):
            mu1, mustar = kernel(name).geometry
            fixed = {"mu1": np.array([mu1]), "mustar": np.array([mustar])}
            yield _Geometry(name, fixed, _of_parts)
    elif stated.gamma is not None:
        gammas = axes.parse("--gamma", stated.gamma)
        yield _Geometry("kernel", {"gamma": gammas}, _of_angle)
    else:
        mu1 = axes.parse("--mu1", stated.mu1 or "1")
        mustar = axes.parse("--mustar", stated.mustar or "0")
        name = "kernel" if mustar.any() else "linear"
        yield _Geometry(name, {"mu1": mu1, "mustar": mustar}, _of_parts)


def _of_parts(point: dict[str, np.ndarray]) -> raf.Learner:
    weight = point.get("weight", 1.0)
    return raf.Learner(point["mu1"], point["mustar"], point.get("kappa"), weight)


def _of_angle(point: dict[str, np.ndarray]) -> raf.Learner:
    learner = raf.Learner.at_angle(point["gamma"], point.get("kappa"))
    return replace(learner, weight=point.get("weight", 1.0))


def kernel(text: str) -> raf.DotProductKernel:
    """A kernel by name, or the function of cosines that module:function names.

    Raises:
        InputError: as `raf.named`, `of_user` and `raf.of_function`.
    """
    if ":" in text and not text.startswith("rbf:"):
        return raf.of_function(of_user(text, "--kernel"))
    return raf.named(text)


def grid(
    losses: str,
    fixed: dict[str, str],
    lam: str,
    learners: LearnerAxes,
    forget: float = 1.0,
    inputs: str = "",
) -> pd.DataFrame:
    """Both errors at every combination of losses, learners and the axes' numbers.

    Args:
        losses: names, with commas between.
        fixed: axes of alpha and eps, as of `axes.parse`.
        lam: an axis, or "best": the ridge that generalizes best at every point.
        learners: their axes.
        forget: largest E_mem that a best ridge may have.
        inputs: their covariance, as of `rote.papers.raf.inputs.eigenvalues`; isotropic if empty.

    Returns:
        One row per point: parameters, `e_gen`, `e_mem`, `e_rule` (share of training rules that are
        lost), `m`, `q`, `v`, `converged`, and `e_bayes`, the Bayes-optimal error.

    Raises:
        InputError: naming the option and what is allowed.
    """
    shared = {name: axes.parse(f"--{name}", text) for name, text in fixed.items()}
    if lam != BEST:
        shared["lam"] = axes.parse("--lam", lam)
    shared |= learners.widths_and_weights()
    variances = eigenvalues(inputs)
    parts = []
    for loss, geometry in product(losses.split(","), list(_geometries(learners))):
        point = axes.points(shared | geometry.axes)
        learner = replace(geometry.learner(point), eigenvalues=variances)
        if lam == BEST:
            best = raf.best_ridge(loss, point["alpha"], point["eps"], learner, forget)
            point["lam"] = np.where(np.isnan(best.lam), np.inf, best.lam)
        parts.append(_rows(loss, geometry.name, point, learner))
    return pd.concat(parts, ignore_index=True)


def _rows(loss: str, name: str, point: dict[str, np.ndarray], learner: raf.Learner) -> pd.DataFrame:
    """The rows of one loss and one kind of learner; without a ridge (infinite) no numbers."""
    reached = np.isfinite(point["lam"])
    ridge = np.where(reached, point["lam"], 1.0)
    solution = raf.solve(loss, point["alpha"], point["eps"], ridge, learner)
    angle = np.degrees(np.arctan2(learner.mustar, np.abs(learner.mu1)))
    numbers = {name: getattr(solution, name) for name in ("e_gen", "e_mem", "m", "q", "v")}
    numbers["e_rule"] = raf.rule_error(loss, solution)
    columns = {
        SERIES: f"{loss}, {name}",
        "loss": loss,
        "alpha": point["alpha"],
        "eps": point["eps"],
        "lam": np.where(reached, point["lam"], np.nan),
        "gamma": angle,
        "mu1": learner.mu1,
        "mustar": learner.mustar,
        "kappa": point.get("kappa", np.nan),
        "weight": learner.weight,
    }
    columns |= {name: np.where(reached, number, np.nan) for name, number in numbers.items()}
    columns["converged"] = solution.converged & reached
    columns["e_bayes"] = _bayes(point["alpha"], point["eps"], learner.eigenvalues)
    return pd.DataFrame(columns)


def _bayes(alpha: np.ndarray, eps: np.ndarray, variances: np.ndarray | None = None) -> np.ndarray:
    """The Bayes-optimal error, computed once for every α and ε."""
    pairs, index = np.unique(np.stack([alpha, eps]), axis=1, return_inverse=True)
    return raf.bayes_optimal(*pairs, variances)[index.ravel()]


def optima(losses: str, fixed: dict[str, str], learners: LearnerAxes) -> pd.DataFrame:
    """The learners that generalize best among those that forget at most a share of the facts.

    Args:
        losses: names, with commas between.
        fixed: axes of alpha, eps and forget.
        learners: whose ridge is chosen; where none is given, the kernel angle is chosen, too.

    Returns:
        One row per point: parameters, `gamma`, `lam`, `e_gen`, `e_mem`, `e_bayes`; no numbers where
        no learner forgets so little.

    Raises:
        InputError: naming the option and what is allowed.
    """
    shared = {name: axes.parse(f"--{name}", text) for name, text in fixed.items()}
    shared |= learners.widths_and_weights()
    angles = learners._replace(kappa=None, weight=None) == LearnerAxes()
    geometries = [] if angles else list(_geometries(learners))
    parts = []
    for loss in losses.split(","):
        if angles:
            parts.append(_over_angles(loss, axes.points(shared)))
        for geometry in geometries:
            point = axes.points(shared | geometry.axes)
            learner = geometry.learner(point)
            best = raf.best_ridge(loss, point["alpha"], point["eps"], learner, point["forget"])
            parts.append(_optimum(f"{loss}, {geometry.name}", point, best))
    return pd.concat(parts, ignore_index=True)


def _over_angles(loss: str, point: dict[str, np.ndarray]) -> pd.DataFrame:
    one = np.ones_like(point["alpha"])
    kappas, weights = point.get("kappa", np.inf * one), point.get("weight", one)
    parts = []
    for kappa, weight in np.unique(np.stack([kappas, weights]), axis=1).T:
        mask = (kappas == kappa) & (weights == weight)
        part = {name: values[mask] for name, values in point.items()}
        width = None if np.isinf(kappa) else float(kappa)
        given = part["alpha"], part["eps"], part["forget"]
        best = raf.best_kernel(loss, *given, kappa=width, weight=float(weight))
        parts.append(_optimum(f"{loss}, best kernel", part, best))
    return pd.concat(parts, ignore_index=True)


def _optimum(name: str, point: dict[str, np.ndarray], best: raf.Optimum) -> pd.DataFrame:
    columns = {SERIES: name, "loss": name.split(",")[0]}
    columns |= {key: point.get(key, np.nan) for key in ("alpha", "eps", "forget", "kappa")}
    columns["weight"] = point.get("weight", 1.0)
    columns |= best._asdict()
    columns["e_bayes"] = _bayes(point["alpha"], point["eps"])
    return pd.DataFrame(columns)


def capacities(
    losses: str, fixed: dict[str, str], kernel_names: str, forget: float, lam: float | None
) -> pd.DataFrame:
    """How much can be stored: α_c of a linear learner, and κ_c of random features.

    Args:
        losses: names, with commas between.
        fixed: axes of alpha and eps.
        kernel_names: of activations, with commas between.
        forget: share of the facts that may be lost.
        lam: ridge; None is the best one of every width.

    Returns:
        One row per point: `alpha`, `eps`, `alpha_c`, and `kappa_c`: infinite where no width is
        enough.

    Raises:
        InputError: naming the option and what is allowed.
    """
    if not 0 < forget < 1:
        raise InputError(f"--forget must be in (0, 1), given {forget}")
    point = axes.points({name: axes.parse(f"--{name}", text) for name, text in fixed.items()})
    parts = []
    for loss, name in product(losses.split(","), kernel_names.split(",")):
        learner = raf.Learner(*kernel(name).geometry)
        width = raf.memory_width(loss, point["alpha"], point["eps"], learner, forget, lam)
        columns = {SERIES: f"{loss}, {name}", "loss": loss, **point}
        columns |= {"alpha_c": raf.capacity(point["eps"]), "kappa_c": width}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


class SimulatedLearner(NamedTuple):
    """A learner as a command line states it."""

    gamma: float | None = None
    kernel: str | None = None
    true: bool = False  # the kernel itself, not the model with its μ1 and μ⋆
    kappa: float | None = None
    weight: float = 1.0  # of facts

    def resolved(self) -> RafLearner:
        """The learner. Raises InputError for two descriptions, or an unknown name."""
        if self.kernel is not None and self.gamma is not None:
            raise InputError("give either --kernel or --gamma, not both")
        if self.kappa is not None:
            if self.gamma is not None or self.true:
                raise InputError("random features take --kernel, the name of their activation")
            return RandomFeatures(self.kappa, self.kernel or "sign", self.weight)
        if self.true:
            if self.weight != 1:
                raise InputError("--weight is not simulated with --true; leave one of them out")
            return TrueKernel(self.kernel or "rbf")
        if self.kernel is not None:
            return KernelModel(*kernel(self.kernel).geometry, self.weight)
        angle = np.radians(self.gamma or 0.0)
        mustar = float(np.sin(angle)) if self.gamma else 0.0
        return KernelModel(float(np.cos(angle)), mustar, self.weight)


def simulated(learner: RafLearner, problem: RafProblem, replicates: int, seed: int) -> pd.DataFrame:
    """A learner on fresh training sets, with its theory.

    Args:
        learner: linear, kernel or random features.
        problem: loss, size of the training sets, ridge.
        replicates: training sets.
        seed: of all streams.

    Returns:
        One row per training set: `e_gen`, `e_mem`, `e_rule` and the same of theory.

    Raises:
        InputError: naming the parameter and its range.
    """
    if replicates < 1:
        raise InputError(f"--replicates must be at least 1, given {replicates}")
    theory = {f"{name}_theory": value for name, value in learner.theory(problem)._asdict().items()}
    rows = []
    for replicate in range(replicates):
        rng = generator(seed, "raf", "by hand", replicate)
        errors = simulate(learner, problem, rng)
        rows.append({"replicate": replicate, **problem._asdict(), **errors._asdict(), **theory})
    return pd.DataFrame(rows)


def compared(frame: pd.DataFrame) -> str:
    """What simulated training sets say, a line per error: mean, its standard error, theory."""
    lines = [f"{'':22}{'simulated':>12}{'s.e.':>10}{'theory':>12}"]
    labels = {**ERRORS, "e_rule": "lost training rules"}
    for name, label in labels.items():
        mean, error = frame[name].mean(), frame[name].sem()
        theory = frame[f"{name}_theory"].iloc[0]
        lines.append(f"{label:22}{mean:12.5f}{error:10.5f}{theory:12.5f}")
    return "\n".join(lines)


def geometry(name: str | None, activation: str | None, alpha: float, eps: float) -> str:
    """What a kernel or activation is worth at α and ε: its geometry, and its best learners.

    Args:
        name: of a kernel, or module:function of cosines.
        activation: a name of `raf.ACTIVATIONS`, or module:function of one array.
        alpha: samples per dimension.
        eps: fraction of facts.

    Raises:
        InputError: for none or both of the two, and as `raf.of_function`, `raf.of_activation`.
    """
    if (name is None) == (activation is None):
        raise InputError("give one of --kernel and --activation")
    if name is not None:
        mu1, mustar = kernel(name).geometry
    else:
        function = raf.ACTIVATIONS.get(activation) or of_user(activation, "--activation")
        _, mu1, mustar = raf.of_activation(function)
    learner = raf.Learner(mu1, mustar)
    optimal = float(raf.optimal_angle(eps))
    angle = float(np.degrees(np.arctan2(mustar, abs(mu1))))
    too = "much" if angle > optimal else "little"
    lines = {
        "mu1": f"{mu1:.10g}",
        "mustar": f"{mustar:.10g}",
        "angle γ": f"{angle:.6g} degrees",
        "optimal angle": f"{optimal:.6g} degrees at eps = {eps:g}",
        "interpolator": f"too {too} regularized by the kernel itself, for square loss",
    }
    head = [f"{label:22}{text}" for label, text in lines.items()]
    return "\n".join([*head, "", *_best_learners(learner, alpha, eps)])


def _best_learners(learner: raf.Learner, alpha: float, eps: float) -> list[str]:
    """A table of the best ridges of a kernel, without a bound and with E_mem ≤ 1 %."""
    rows = [f"{'at alpha = ' + format(alpha, 'g'):34}{'ridge':>12}{'E_gen':>12}{'E_mem':>12}"]
    for loss, forget in product(("square", "hinge"), (1.0, 0.01)):
        best = raf.best_ridge(loss, alpha, eps, learner, forget)
        label = f"{loss}, best ridge" + (f" with E_mem ≤ {forget:g}" if forget < 1 else "")
        numbers = "".join(f"{float(value):12.5g}" for value in best[1:])
        rows.append(f"{label:34}{numbers}")
    bayes = float(raf.bayes_optimal(alpha, eps))
    return [*rows, f"{'Bayes-optimal':34}{'':12}{bayes:12.5g}"]


def varying(frame: pd.DataFrame) -> list[str]:
    """Parameters with more than one value in a table, those with the finest grid first."""
    counts = {name: frame[name].nunique() for name in PARAMETERS if name in frame}
    names = [name for name, count in counts.items() if count > 1]
    if "gamma" in names:  # which μ1 and μ⋆ only restate
        names = [name for name in names if name not in ("mu1", "mustar")]
    return sorted(names, key=lambda name: -counts[name])


def summary(frame: pd.DataFrame, path: Path) -> str:
    """One line on a written table."""
    if "converged" not in frame:
        return f"{path}: {len(frame):,} rows"
    return f"{path}: {len(frame):,} points, {frame['converged'].mean():.2%} converged"
