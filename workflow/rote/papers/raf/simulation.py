"""Learners at finite size: linear, kernel, random features; Bayes by message passing.

All minimize Σ ℓ(y, f) + λ/2 ||w||², without intercept. In the model K = μ1² XXᵀ/d + μ⋆² I, a kernel
machine is a linear one with a Moreau envelope of its loss, V⋆ = μ⋆²/λ: ridge with λ + μ⋆², or the
Huberized hinge, which Newton's method in d dimensions solves to machine precision. There a fact is
lost iff y z < −V⋆, z the linear part on that example. At λ = 0 all are interpolators: of smallest
norm, or with the hard margin.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from scipy import linalg, special

from rote.core.errors import InputError
from rote.papers.raf import inputs, solvers
from rote.synth import rules_facts
from rote.synth.rules_facts import RulesFactsSample, sign
from rote.theory import raf

NO_RIDGE = 1e-7  # at which theory of random features stands for their interpolators


class RafProblem(NamedTuple):
    """What a learner is trained on, and its ridge."""

    loss: str  # square, hinge or logistic
    alpha: float  # samples per dimension
    eps: float  # fraction of facts
    lam: float  # ridge ≥ 0; NaN for the Bayes-optimal learner
    d: int  # dimension
    inputs: str = ""  # their covariance, as of `rote.papers.raf.inputs`; isotropic

    def eigenvalues(self) -> np.ndarray | None:
        """Of the inputs' covariance, (d,); None: isotropic."""
        return inputs.eigenvalues(self.inputs, self.d)


class LearnerErrors(NamedTuple):
    """The errors of a learner."""

    e_gen: float
    e_mem: float  # NaN if there are no facts, or they are not modelled
    e_rule: float = np.nan  # share of training rules whose label is not reproduced


class RafLearner(Protocol):
    """A kind of learner, simulated on one training set or solved in the limit."""

    label: str
    gamma: float  # kernel angle in degrees; NaN if it has none
    kappa: float  # features per dimension; NaN if it has no features

    def simulate(self, problem: RafProblem, rng: np.random.Generator) -> LearnerErrors:
        """Train on one fresh training set and measure both errors."""

    def theory(self, problem: RafProblem) -> LearnerErrors:
        """Both errors in the proportional limit."""


def simulate(learner: RafLearner, problem: RafProblem, rng: np.random.Generator) -> LearnerErrors:
    """Train one learner on one fresh training set and measure both errors.

    Args:
        learner: `KernelModel`, `TrueKernel`, `RandomFeatures` or `BayesOptimal`.
        problem: loss, size of the training set, ridge.
        rng: draws the training set, and fresh inputs where E_gen is measured on some.

    Raises:
        InputError: naming a parameter and its valid range; at λ = 0 for data that the learner
            cannot interpolate.
    """
    if problem.lam < 0:
        raise InputError(f"lam must be ≥ 0, given {problem.lam}")
    if problem.inputs and not isinstance(learner, KernelModel):
        raise InputError(
            "inputs of a covariance are simulated for linear learners and kernel models, "
            f"not for {learner.label}"
        )
    return learner.simulate(problem, rng)


# ---- losses


class ModelFit(NamedTuple):
    """A learner in the model K = μ1² XXᵀ/d + μ⋆² I."""

    w: np.ndarray  # (d,) of its linear part, which alone acts on fresh inputs
    lost: np.ndarray  # (n,) whether it does not reproduce a training label


class DualFit(NamedTuple):
    """A kernel machine."""

    a: np.ndarray  # (n,) coefficients of the kernel functions
    output: np.ndarray  # (n,) on the training inputs


class LossMachine(NamedTuple):
    """How the learners of one loss are trained; None where this is not implemented."""

    # B (n, d), y, λ, μ⋆², weights of the rows (n,)
    model: Callable[[np.ndarray, np.ndarray, float, float, np.ndarray], ModelFit]
    features: Callable[[np.ndarray, np.ndarray, float], np.ndarray] | None  # B, y, λ -> w
    dual: Callable[[np.ndarray, np.ndarray, float], DualFit] | None  # K (n, n), y, λ


def _square_model(
    B: np.ndarray, y: np.ndarray, lam: float, noise: float, weight: np.ndarray
) -> ModelFit:
    if lam + noise == 0:
        w = solvers.min_norm(B, y)
        return ModelFit(w, sign(B @ w) != y)
    # the envelope of ρ(y − f)²/2 is (y − z)²/2 over 1/ρ + V⋆, V⋆ = μ⋆²/λ; an interpolator has no ρ
    bare = lam / weight if lam > 0 else np.zeros(len(y))
    root = 1 / np.sqrt(bare + noise)
    w = solvers.ridge(B * root[:, None], y * root, 1.0)
    output = y - bare * (y - B @ w) / (bare + noise)
    return ModelFit(w, sign(output) != y)


def _hinge_model(
    B: np.ndarray, y: np.ndarray, lam: float, noise: float, weight: np.ndarray
) -> ModelFit:
    rows = B * y[:, None]
    if lam == 0:
        w = solvers.squared_hinge(rows, noise) if noise > 0 else solvers.hard_margin(rows)
        return ModelFit(w, np.zeros(len(y), bool))
    v_star = noise / lam
    if v_star > 0:
        w = solvers.huberized(rows, lam, v_star, weight=weight)
    else:
        w = solvers.hinge(_stated(rows, weight), lam)
    return ModelFit(w, y * (B @ w) < -v_star * weight)


def _logistic_model(
    B: np.ndarray, y: np.ndarray, lam: float, noise: float, weight: np.ndarray
) -> ModelFit:
    if noise != 0:
        raise InputError("loss must be square or hinge for mustar > 0, given 'logistic'")
    if lam == 0:
        raise InputError("lam must be > 0 for the logistic loss, given 0")
    w = solvers.logistic(_stated(B * y[:, None], weight), lam)
    return ModelFit(w, y * (B @ w) < 0)


def _stated(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Every row as often as it is stated. Raises InputError for weights that are not whole."""
    times = np.round(weight)
    if (times < 1).any() or (times != weight).any():
        raise InputError(
            "weight of facts must be a whole number ≥ 1 where learners are trained on repeated "
            f"rows (hinge and logistic loss without μ⋆, features), given {weight.max():g}"
        )
    return np.repeat(rows, times.astype(int), axis=0)


def _square_features(B: np.ndarray, y: np.ndarray, lam: float) -> np.ndarray:
    return solvers.ridge(B, y, lam) if lam > 0 else solvers.min_norm(B, y)


def _hinge_features(B: np.ndarray, y: np.ndarray, lam: float) -> np.ndarray:
    rows = B * y[:, None]
    return solvers.hinge(rows, lam) if lam > 0 else solvers.hard_margin(rows)


def _square_dual(K: np.ndarray, y: np.ndarray, lam: float) -> DualFit:
    a = linalg.solve(K + lam * np.eye(len(K)), y, assume_a="pos")
    return DualFit(a, y - lam * a)


def _hinge_dual(K: np.ndarray, y: np.ndarray, lam: float) -> DualFit:
    a = solvers.box_qp(K * np.outer(y, y), 1 / lam if lam > 0 else solvers.HARD) * y
    return DualFit(a, K @ a)


MACHINES: dict[str, LossMachine] = {
    "square": LossMachine(_square_model, _square_features, _square_dual),
    "hinge": LossMachine(_hinge_model, _hinge_features, _hinge_dual),
    "logistic": LossMachine(_logistic_model, None, None),
}


def _trainer(loss: str, part: str, learner: str) -> Callable:
    """A field of the loss's machine. Raises InputError naming the losses that have it."""
    allowed = [name for name, machine in MACHINES.items() if getattr(machine, part) is not None]
    if loss not in allowed:
        raise InputError(f"loss must be {' or '.join(allowed)} for {learner}, given {loss!r}")
    return getattr(MACHINES[loss], part)


# ---- learners


@dataclass(frozen=True)
class KernelModel:
    """The model K = μ1² XXᵀ/d + μ⋆² I, in d dimensions; linear if μ⋆ = 0.

    E_gen is exact, from the overlap with the teacher.
    """

    mu1: float = 1.0
    mustar: float = 0.0
    weight: float = 1.0  # of a fact in the sum of losses
    kappa = np.nan

    @property
    def gamma(self) -> float:
        """Kernel angle, degrees."""
        return np.degrees(np.arctan2(self.mustar, self.mu1))

    @property
    def label(self) -> str:
        """Its name in figures."""
        return (f"kernel, γ = {self.gamma:.1f}°" if self.mustar else "linear") + _times(self.weight)

    def simulate(self, problem: RafProblem, rng: np.random.Generator) -> LearnerErrors:
        """Train on one fresh training set and measure both errors."""
        variances = problem.eigenvalues()
        sample = rules_facts.draw(problem.alpha, problem.eps, problem.d, rng, eigenvalues=variances)
        return self.errors(problem.loss, problem.lam, sample)

    def errors(self, loss: str, lam: float, sample: RulesFactsSample) -> LearnerErrors:
        """Both errors on one training set, E_gen from the overlap with its teacher.

        Args:
            loss: square, hinge or logistic.
            lam: ridge ≥ 0.
            sample: the training set.

        Raises:
            InputError: for a loss that the model does not have.
        """
        fit = self.fit(loss, lam, sample)
        e_gen = angle(sample.deviations * fit.w, sample.deviations * sample.teacher)
        return LearnerErrors(e_gen, *_lost(fit.lost, sample))

    def fit(self, loss: str, lam: float, sample: RulesFactsSample) -> ModelFit:
        """Train on one training set.

        Args:
            loss: square, hinge or logistic (linear models only).
            lam: ridge ≥ 0.
            sample: the training set.

        Raises:
            InputError: for a loss that the model does not have.
        """
        train = _trainer(loss, "model", "a linear learner or kernel")
        B = self.mu1 / np.sqrt(sample.X.shape[1]) * sample.X
        weight = np.where(sample.facts, self.weight, 1.0)
        return train(B, sample.y, lam, self.mustar**2, weight)

    def theory(self, problem: RafProblem) -> LearnerErrors:
        """Both errors in the proportional limit."""
        return _predicted(problem, raf.Learner(self.mu1, self.mustar, weight=self.weight))


@dataclass(frozen=True)
class TrueKernel:
    """A dot-product kernel on inputs of norm √d, in n dimensions; E_gen on fresh inputs."""

    name: str  # as of `raf.named`
    test_rows: int = 4000
    kappa = np.nan

    def __post_init__(self) -> None:
        raf.named(self.name)

    @property
    def model(self) -> KernelModel:
        """The equivalent model."""
        return KernelModel(*raf.named(self.name).geometry)

    @property
    def gamma(self) -> float:
        """Kernel angle, degrees."""
        return self.model.gamma

    @property
    def label(self) -> str:
        """Its name in figures."""
        return self.name

    def simulate(self, problem: RafProblem, rng: np.random.Generator) -> LearnerErrors:
        """Train on one fresh training set and measure both errors."""
        sample = rules_facts.draw(problem.alpha, problem.eps, problem.d, rng, sphere=True)
        fresh = rng.normal(size=(self.test_rows, problem.d))
        return self.errors(problem.loss, problem.lam, sample, fresh)

    def errors(
        self, loss: str, lam: float, sample: RulesFactsSample, fresh: np.ndarray
    ) -> LearnerErrors:
        """Both errors on one training set, E_gen on fresh inputs.

        Args:
            loss: square or hinge.
            lam: ridge ≥ 0.
            sample: the training set, its inputs of norm √d.
            fresh: Gaussian inputs, (rows, d); projected to norm √d.

        Raises:
            InputError: for a loss without a dual.
        """
        train = _trainer(loss, "dual", "a kernel")
        h, d = raf.named(self.name).function, sample.X.shape[1]
        fit = train(h(np.clip(sample.X @ sample.X.T / d, -1, 1)), sample.y, lam)
        f = h(np.clip(rules_facts.on_sphere(fresh) @ sample.X.T / d, -1, 1)) @ fit.a
        wrong = sign(f) != sign(fresh @ sample.teacher)
        return LearnerErrors(float(wrong.mean()), *_lost(sign(fit.output) != sample.y, sample))

    def theory(self, problem: RafProblem) -> LearnerErrors:
        """Both errors in the proportional limit: those of the equivalent model."""
        return self.model.theory(problem)


@dataclass(frozen=True)
class RandomFeatures:
    """Activations of p = κd random directions; E_gen on fresh inputs."""

    kappa: float
    activation: str = "sign"  # of raf.ACTIVATIONS
    weight: float = 1.0  # how often a fact is stated
    test_rows: int = 4000
    gamma = np.nan

    def __post_init__(self) -> None:
        if self.activation not in raf.ACTIVATIONS:
            names = ", ".join(raf.ACTIVATIONS)
            raise InputError(f"activation must be one of {names}, given {self.activation!r}")

    @property
    def label(self) -> str:
        """Its name in figures."""
        name = "random" if self.activation == "sign" else self.activation
        return f"{name} features, κ = {self.kappa:g}{_times(self.weight)}"

    def simulate(self, problem: RafProblem, rng: np.random.Generator) -> LearnerErrors:
        """Train on one fresh training set and measure both errors."""
        sample = rules_facts.draw(problem.alpha, problem.eps, problem.d, rng)
        p = round(self.kappa * problem.d)
        if p < 1:
            raise InputError(
                f"kappa d = {self.kappa * problem.d:g} rounds to no feature; raise kappa or d"
            )
        directions = rng.normal(size=(p, problem.d))

        def features(X: np.ndarray) -> np.ndarray:
            fields = X @ directions.T / np.sqrt(problem.d)
            return raf.ACTIVATIONS[self.activation](fields) / np.sqrt(p)

        B = features(sample.X)
        weight = np.where(sample.facts, self.weight, 1.0)
        rows = _stated(np.column_stack([B, sample.y]), weight)
        train = _trainer(problem.loss, "features", "random features")
        w = train(rows[:, :-1], rows[:, -1], problem.lam)
        fresh = rng.normal(size=(self.test_rows, problem.d))
        wrong = sign(features(fresh) @ w) != sign(fresh @ sample.teacher)
        return LearnerErrors(float(wrong.mean()), *_lost(sign(B @ w) != sample.y, sample))

    def theory(self, problem: RafProblem) -> LearnerErrors:
        """Both errors in the proportional limit."""
        ridge = max(problem.lam, NO_RIDGE)
        geometry = raf.named(self.activation).geometry
        learner = raf.Learner(*geometry, self.kappa, self.weight)
        return _predicted(problem._replace(lam=ridge), learner)


@dataclass(frozen=True)
class BayesOptimal:
    """The Bayes-optimal learner of the rule, by message passing (GAMP); facts are not modelled."""

    label = "GAMP"
    gamma = np.nan
    kappa = np.nan

    def simulate(self, problem: RafProblem, rng: np.random.Generator) -> LearnerErrors:
        """Learn from one fresh training set and measure E_gen."""
        sample = rules_facts.draw(problem.alpha, problem.eps, problem.d, rng)
        return LearnerErrors(gamp(sample, problem.eps), np.nan)

    def theory(self, problem: RafProblem) -> LearnerErrors:
        """E_gen in the proportional limit."""
        return LearnerErrors(float(raf.bayes_optimal(problem.alpha, problem.eps)), np.nan)


def _times(weight: float) -> str:
    return f", facts × {weight:g}" if weight != 1 else ""


def angle(w: np.ndarray, teacher: np.ndarray) -> float:
    """E_gen of a linear rule w (d,): its angle to the teacher (d,) over π."""
    overlap = w @ teacher / (np.linalg.norm(w) * np.linalg.norm(teacher))
    return float(np.arccos(np.clip(overlap, -1, 1)) / np.pi)


def _lost(lost: np.ndarray, sample: RulesFactsSample) -> tuple[float, float]:
    """E_mem and E_rule; NaN where there are no facts, or no rules."""
    parts = (lost[sample.facts], lost[~sample.facts])
    e_mem, e_rule = (float(part.mean()) if len(part) else np.nan for part in parts)
    return e_mem, e_rule


def _predicted(problem: RafProblem, learner: raf.Learner) -> LearnerErrors:
    """The errors of a learner in the proportional limit."""
    point = (problem.alpha, problem.eps, problem.lam)
    learner = replace(learner, eigenvalues=problem.eigenvalues())
    solution = raf.solve(problem.loss, *point, learner)
    e_rule = float(raf.rule_error(problem.loss, solution))
    return LearnerErrors(float(solution.e_gen), float(solution.e_mem), e_rule)


def gamp(sample: RulesFactsSample, eps: float) -> float:
    """E_gen of Bayes-optimal message passing for the rule (generalized AMP, prior N(0, 1)).

    Args:
        sample: the training set.
        eps: fraction of facts that the likelihood assumes.
    """
    n, d = sample.X.shape
    A = sample.X / np.sqrt(d)
    square = A**2
    mean = np.zeros(d)
    variance = np.ones(d)
    g = np.zeros(n)
    for _ in range(300):
        V = square @ variance
        omega = A @ mean - V * g
        root = np.sqrt(V)
        t = sample.y * omega / root
        Z = eps / 2 + (1 - eps) * special.ndtr(t)
        g = (1 - eps) * sample.y * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi) / (root * Z)
        slope = -omega * g / V - g**2
        precision = -(square.T @ slope)
        field = precision * mean + A.T @ g
        old = mean
        variance = 1 / (1 + precision)
        mean = 0.7 * field * variance + 0.3 * old
        if np.abs(mean - old).max() < 1e-8:
            break
    return angle(mean, sample.teacher)
