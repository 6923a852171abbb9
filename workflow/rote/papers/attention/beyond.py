"""Beyond the paper's model: other labels, heads, weights, tokens and signals.

Each has a theory of its own.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.seeds import generator
from rote.papers.attention import settings, simulation
from rote.papers.attention.experiments import LIMIT_RIDGES, ContextRow, frame, measure
from rote.papers.attention.heads import SPIKES, Spike, Structure, U, V, error
from rote.papers.attention.simulation import ContextErrors
from rote.synth import tokens
from rote.theory import attention
from rote.theory.attention import variants
from rote.theory.attention.classes import Classes, classes_error
from rote.theory.attention.strong import strong_signal_error

CLIP = attention.Activation(attention.clipped_exp, (np.log(5),))  # not centered
RIDGES = LIMIT_RIDGES[1:]
MU2 = 2.0  # ||μ||² where there is a signal
WEAK = 0.4
# no class lies opposite another, and both labels have two
FOUR = Classes([[1.5, 0, 0], [0, 1, 0.5], [-0.5, -1, 0], [-1, 0, -0.5]], [1, -1, 1, -1])
CLASS_SPIKE = Spike(np.array([1.0, 0, 0.5]), np.array([0, 1.0, 0]))


class FeaturedContext(NamedTuple):
    """A context with its attention features."""

    features: np.ndarray  # one column per token
    context: tokens.Context


class ModelVariant(NamedTuple):
    """One departure from the paper's model."""

    theory: np.ndarray  # (γ,)
    draw: Callable[[np.random.Generator], FeaturedContext]
    trace: bool = True  # average over labels: where there is no signal
    p: int | None = None  # of its tokens, where it is not that of the others


def contexts(options: settings.AttentionSimulation, seed: int) -> pd.DataFrame:
    """Every departure, simulated: rows of the table AttentionSimulations."""
    parts = [*_variants(options, seed), *_strong(options, seed), *_noises(options, seed)]
    return pd.concat(parts, ignore_index=True)


def power_law(p: int, exponent: float) -> np.ndarray:
    """Covariance spectrum k^-exponent with mean 1, (p,)."""
    values = np.arange(1, p + 1) ** -float(exponent)
    return values / values.mean()


def cases(n: int, p: int, gammas: np.ndarray) -> dict[str, ModelVariant]:
    """The variants, by the panels that show them.

    Args:
        n, p: tokens in a context and their dimension.
        gammas: ridges of their theory, (γ,).
    """
    return {
        "unbalanced labels": _unbalanced(n, p, gammas),
        **_softmaxes(n, p, gammas),
        "two heads": _two_heads(n, p, gammas, MU2),
        # a weaker signal: with n = 4p it would reach the nonlinearity
        "two heads, p/n = 1/4": _two_heads(n, n // 4, gammas, WEAK),
        "four classes": _classes(n, p, gammas),
        "four classes, spike": _classes(n, p, gammas, CLASS_SPIKE),
        "random dense head, tanh": _dense("tanh", n, p, gammas),
        "random dense head, linear": _dense("linear", n, p, gammas),
        "power law 0.5": _anisotropic(0.5, n, p, gammas),
        "power law 0.5, common mean": _anisotropic(0.5, n, p, gammas, np.sqrt(MU2)),
        "power law 1": _anisotropic(1.0, n, p, gammas),
    }


def _one_head(
    n: int, p: int, kernel: simulation.Kernel, spike: Spike = Spike(), gain: float = 1.0, **drawing
) -> Callable[[np.random.Generator], FeaturedContext]:
    """Draws contexts with `gain` times the features of one head."""

    def draw(rng: np.random.Generator) -> FeaturedContext:
        context = tokens.draw(n, p, rng, **drawing)
        A, _ = simulation.features(context.X, kernel, spike)
        return FeaturedContext(gain * A, context)

    return draw


def _unbalanced(n: int, p: int, gammas: np.ndarray) -> ModelVariant:
    kernel = simulation.entrywise(CLIP, p, centered=False)
    return ModelVariant(
        theory=variants.unbalanced_error(gammas, p / n, CLIP, 0.6, p),
        draw=_one_head(n, p, kernel, balance=0.6),
        trace=False,
    )


def _softmaxes(n: int, p: int, gammas: np.ndarray) -> dict[str, ModelVariant]:
    """Masked softmax follows the theory; without the mask it is no attention."""
    soft = variants.softmax(1.0, n, p)
    gain = np.sqrt(soft.ridge)  # softmax features are that much smaller than the nonlinearity's
    kernel = simulation.softmax(1.0)
    aligned = Structure(MU2, SPIKES["aligned"])
    spike = simulation.padded_spike(aligned.spike, p)
    return {
        "masked softmax": ModelVariant(
            theory=error(gammas, p / n, soft.coefficients).error,
            draw=_one_head(n, p, kernel, gain=gain),
        ),
        "masked softmax, aligned": ModelVariant(
            theory=error(gammas, p / n, soft.coefficients, aligned).error,
            draw=_one_head(n, p, kernel, spike, gain, mu=aligned.mu),
            trace=False,
        ),
        # the query's own token takes all the weight, so that attention is the identity
        "plain softmax": ModelVariant(
            theory=attention.ridge_error(gammas, p / n),
            draw=_one_head(n, p, simulation.softmax(1.0, masked=False)),
        ),
    }


def _two_heads(n: int, p: int, gammas: np.ndarray, mu2: float) -> ModelVariant:
    heads = {"tanh": Spike(U, U), "relu_c": Spike(V, U + V)}
    mu = np.sqrt(mu2) * U

    def draw(rng: np.random.Generator) -> FeaturedContext:
        context = tokens.draw(n, p, rng, mu=mu)
        outputs = []
        for f, spike in heads.items():
            kernel = simulation.entrywise(f, p)
            padded = simulation.padded_spike(spike, p)
            outputs.append(simulation.features(context.X, kernel, padded)[0])
        return FeaturedContext(np.concatenate(outputs), context)

    theory = variants.heads_error(
        gammas,
        p / n,
        list(heads),
        mu=mu,
        w_keys=[spike.key for spike in heads.values()],
        w_queries=[spike.query for spike in heads.values()],
    )
    return ModelVariant(theory.error, draw, trace=False, p=p)


def _classes(n: int, p: int, gammas: np.ndarray, spike: Spike = Spike()) -> ModelVariant:
    """Tokens of four classes, two with each label."""
    means, labels = np.asarray(FOUR.means, float), np.asarray(FOUR.labels, float)
    kernel = simulation.entrywise("tanh", p)
    padded = simulation.padded_spike(spike, p)

    def draw(rng: np.random.Generator) -> FeaturedContext:
        numbers = rng.permutation(np.arange(n) % len(labels))
        X = tokens.normal(rng, (p, n))
        X[: means.shape[1]] += means[numbers].T
        context = tokens.Context(X, labels[numbers])
        return FeaturedContext(simulation.features(X, kernel, padded)[0], context)

    theory = classes_error(gammas, p / n, "tanh", FOUR, spike.key, spike.query)
    return ModelVariant(theory, draw, trace=False)


def _dense(f: str, n: int, p: int, gammas: np.ndarray) -> ModelVariant:
    def draw(rng: np.random.Generator) -> FeaturedContext:
        context = tokens.draw(n, p, rng)
        W = rng.normal(size=(p, p)) / np.sqrt(p)
        kernel = simulation.entrywise(f, p, diag="keep")
        return FeaturedContext(simulation.features(context.X, kernel, W=W)[0], context)

    return ModelVariant(variants.dense_error(gammas, p / n, f).error, draw)


def _anisotropic(
    exponent: float, n: int, p: int, gammas: np.ndarray, mean: float = 0.0
) -> ModelVariant:
    """Tokens with a power-law covariance, and a mean of this length that all of them share."""
    spectrum = power_law(p, exponent)
    noise = tokens.anisotropic(np.sqrt(spectrum))
    kernel = simulation.entrywise("tanh", p)

    def draw(rng: np.random.Generator) -> FeaturedContext:
        context = tokens.draw(n, p, rng, noise=noise)
        context.X[:] += mean / np.sqrt(p)
        return FeaturedContext(simulation.features(context.X, kernel)[0], context)

    return ModelVariant(variants.anisotropic_error(gammas, n, spectrum, "tanh").error, draw)


def _variants(options: settings.AttentionSimulation, seed: int) -> list[pd.DataFrame]:
    n, p = options.tokens, 2 * options.tokens
    parts = []
    for name, case in cases(n, p, RIDGES).items():
        row = ContextRow(
            figure="variants",
            panel=name,
            series=name,
            n=n,
            p=case.p or p,
            gammas=RIDGES,
            name=name,
        )
        theory = ContextErrors(case.theory, np.full(len(RIDGES), np.nan))
        for replicate in range(options.replicates):
            drawn = case.draw(generator(seed, "attention", "variants", name, replicate))
            y = drawn.context.y
            errors = ContextErrors(
                attention=simulation.probe_errors(drawn.features, y, RIDGES, case.trace),
                ridge=simulation.probe_errors(drawn.context.X, y, RIDGES, case.trace),
            )
            parts.append(frame(row, replicate, errors, theory))
    return parts


def _strong(options: settings.AttentionSimulation, seed: int) -> list[pd.DataFrame]:
    """Signals that reach the nonlinearity, x = s = μᵀWμ/√p at n = 4p.

    Signals of all strengths stand on the same labels and noise, for their ratios. The theory is
    that of strong signals.
    """
    n, p = options.tokens, options.tokens // 4
    gammas = np.array([1e-5, 1.0])
    strengths = (0.12, 0.25, 0.5, 1.0, 1.41, 2.0, 3.0)
    multiples = {"none": 1, "aligned": 2}  # of μᵀμ that μᵀWμ is
    parts = []
    for f, s, (name, multiple) in product(("tanh", "linear"), strengths, multiples.items()):
        structure = Structure(s * np.sqrt(p) / multiple, SPIKES[name])
        row = ContextRow(
            figure="strong",
            panel=name,
            series=f,
            n=n,
            p=p,
            gammas=gammas,
            f=f,
            structure=structure,
            x=s,
        )
        corrected = strong_signal_error(gammas, 0.25, f, p, structure.vectors)
        ridge = attention.ridge_error(gammas, 0.25, structure.mu2)
        for replicate in range(options.replicates):
            rng = generator(seed, "attention", "strong", f, name, replicate)
            context = tokens.draw(n, p, rng, mu=structure.mu)
            theory = ContextErrors(corrected, ridge)
            parts.append(frame(row, replicate, measure(row, context), theory))
    return parts


def _noises(options: settings.AttentionSimulation, seed: int) -> list[pd.DataFrame]:
    """Token noise that is not Gaussian, with a signal spread over all directions."""
    n, p = options.tokens, 2 * options.tokens
    even = np.ones(p) / np.sqrt(p)
    structure = Structure(MU2, Spike(even, even))
    aligned = Structure(MU2, SPIKES["aligned"])  # the same up to a rotation
    theory = ContextErrors(
        attention=error(RIDGES, 2.0, attention.finite_size("tanh", n), aligned).error,
        ridge=attention.ridge_error(RIDGES, 2.0, MU2),
    )
    parts = []
    for name, noise in (("Rademacher", tokens.rademacher), ("Student 5", tokens.student(5))):
        row = ContextRow(
            figure="noises",
            panel=name,
            series="tanh",
            n=n,
            p=p,
            gammas=RIDGES,
            structure=structure,
        )
        for replicate in range(options.replicates):
            rng = generator(seed, "attention", "noise", name, replicate)
            context = tokens.draw(n, p, rng, mu=np.sqrt(MU2) * even, noise=noise)
            parts.append(frame(row, replicate, measure(row, context), theory))
    return parts
