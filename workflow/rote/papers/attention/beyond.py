"""Beyond the paper's model: other labels, heads, weights, tokens and signals, each with a theory of
its own.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.seeds import generator
from rote.papers.attention import curves, settings, simulation
from rote.papers.attention.arms import SPIKES, U, V
from rote.papers.attention.experiments import FIVE, Row, frame, measure
from rote.synth import tokens
from rote.theory import attention
from rote.theory.attention import variants

CLIP = attention.Activation(
    lambda t: np.minimum(np.exp(np.minimum(t, 2.0)), 5.0), (np.log(5),)
)  # not centered
MU = np.sqrt(2) * U
Drawn = tuple[np.ndarray, tokens.Context]  # attention features and the context they are of


class Variant(NamedTuple):
    """One departure from the paper's model."""

    theory: np.ndarray  # (γ,)
    draw: Callable[[np.random.Generator], Drawn]
    trace: bool = True  # average over labels: where there is no signal


def contexts(options: settings.Simulation, seed: int) -> pd.DataFrame:
    """Every departure, simulated: rows of the table Simulations."""
    return pd.concat(
        [*_variants(options, seed), *_strong(options, seed), *_noises(options, seed)],
        ignore_index=True,
    )


def power_law(p: int, exponent: float) -> np.ndarray:
    """Covariance spectrum k^-exponent with mean 1, (p,)."""
    values = np.arange(1, p + 1) ** -float(exponent)
    return values / values.mean()


def cases(n: int, p: int, gammas: np.ndarray) -> dict[str, Variant]:
    """The variants at n tokens of dimension p."""
    c = p / n
    u, v, w = (simulation.padded("direction", x, p) for x in (U, V, U + V))
    soft = variants.softmax(1.0, n, p)
    smooth = np.sqrt(soft.ridge)  # softmax features are that much smaller than the nonlinearity's

    def head(
        kernel: simulation.Kernel, spike=(None, None), gain: float = 1.0, **context
    ) -> Callable:
        def draw(rng: np.random.Generator) -> Drawn:
            drawn = tokens.draw(n, p, rng, **context)
            return gain * simulation.features(drawn.X, kernel, *spike)[0], drawn

        return draw

    def dense(f: str) -> Callable:
        def draw(rng: np.random.Generator) -> Drawn:
            drawn, W = tokens.draw(n, p, rng), rng.normal(size=(p, p)) / np.sqrt(p)
            return simulation.features(drawn.X, simulation.entrywise(f, p, diag="keep"), W=W)[
                0
            ], drawn

        return draw

    def two_heads(rng: np.random.Generator) -> Drawn:
        drawn = tokens.draw(n, p, rng, mu=MU)
        heads = (("tanh", u, u), ("relu_c", v, w))
        outputs = [
            simulation.features(drawn.X, simulation.entrywise(f, p), k, q)[0] for f, k, q in heads
        ]
        return np.concatenate(outputs), drawn

    tanh = simulation.entrywise("tanh", p)
    stacked = variants.heads_error(
        gammas, c, ["tanh", "relu_c"], mu=MU, w_keys=[U, V], w_queries=[U, U + V]
    )
    found = {
        "unbalanced labels": Variant(
            variants.unbalanced_error(gammas, c, CLIP, 0.6, p),
            head(simulation.entrywise(CLIP, p, centered=False), balance=0.6),
            trace=False,
        ),
        "masked softmax": Variant(
            curves.error(gammas, c, soft.coefficients).error,
            head(simulation.softmax(1.0), gain=smooth),
        ),
        "masked softmax, aligned": Variant(
            curves.error(gammas, c, soft.coefficients, 2.0, (U, U)).error,
            head(simulation.softmax(1.0), (u, u), smooth, mu=MU),
            trace=False,
        ),
        # the query's own token takes all the weight, so that attention is the identity
        "plain softmax": Variant(
            attention.ridge_error(gammas, c), head(simulation.softmax(1.0, masked=False))
        ),
        "two heads": Variant(stacked, two_heads, trace=False),
    }
    for f in ("tanh", "linear"):
        found[f"random dense head, {f}"] = Variant(variants.dense_error(gammas, c, f), dense(f))
    for exponent in (0.5, 1.0):
        spectrum = power_law(p, exponent)
        theory = variants.anisotropic_error(gammas, n, spectrum, "tanh")
        found[f"power law {exponent:g}"] = Variant(theory, head(tanh, scales=np.sqrt(spectrum)))
    return found


def _variants(options: settings.Simulation, seed: int) -> list[pd.DataFrame]:
    n, gammas = options.tokens, FIVE[1:]
    p, parts = 2 * n, []
    for name, case in cases(n, p, gammas).items():
        # exponentials converge as slowly as the heavy functions of `experiments`
        slack = (8 if case.trace else 14) / n if "masked softmax" in name else 1 / n
        row = Row("variants", name, name, n, p, gammas, slack=slack, label=name)
        for replicate in range(options.replicates):
            A, context = case.draw(generator(seed, "attention", "variants", name, replicate))
            found = simulation.Errors(
                *(simulation.errors(M, context.y, gammas, case.trace) for M in (A, context.X))
            )
            parts.append(frame(row, replicate, found, (case.theory, np.full(len(gammas), np.nan))))
    return parts


def _strong(options: settings.Simulation, seed: int) -> list[pd.DataFrame]:
    """Signals that reach the nonlinearity, x = s = μᵀWμ/√p at n = 4p; the theory is the heuristic
    correction.
    """
    n, parts = options.tokens, []
    p, gammas = n // 4, np.array([1e-5])
    for f, s, spike in product(
        ("tanh", "linear"), (0.12, 0.25, 0.5, 1.0, 1.41, 2.0), ("none", "aligned")
    ):
        mu2 = s * np.sqrt(p) / (1 if spike == "none" else 2)
        row = Row("strong", spike, f, n, p, gammas, f=f, mu2=mu2, spike=SPIKES[spike], x=s)
        key, query = SPIKES[spike]
        mu = np.sqrt(mu2) * U
        theory = variants.strong_signal_error(gammas, 0.25, f, p, mu=mu, w_key=key, w_query=query)
        base = attention.ridge_error(gammas, 0.25, mu2)
        for replicate in range(options.replicates):
            context = tokens.draw(
                n, p, generator(seed, "attention", "strong", f, str(s), spike, replicate), mu=mu
            )
            parts.append(
                frame(row, replicate, measure(context, f, SPIKES[spike], gammas), (theory, base))
            )
    return parts


def _noises(options: settings.Simulation, seed: int) -> list[pd.DataFrame]:
    """Token noise that is not Gaussian, with a signal spread over all directions."""
    n, gammas, parts = options.tokens, FIVE[1:], []
    p = 2 * n
    even = np.ones(p) / np.sqrt(p)
    theory = curves.error(gammas, 2.0, attention.finite_size("tanh", n), 2.0, (U, U)).error
    base = attention.ridge_error(gammas, 2.0, 2.0)
    for name, noise in (("Rademacher", tokens.rademacher), ("Student 5", tokens.student(5))):
        row = Row("noises", name, "tanh", n, p, gammas, mu2=2.0, slack=1 / n, label="tanh")
        for replicate in range(options.replicates):
            rng = generator(seed, "attention", "noise", name, replicate)
            context = tokens.draw(n, p, rng, mu=np.sqrt(2) * even, noise=noise)
            parts.append(
                frame(
                    row, replicate, measure(context, "tanh", (even, even), gammas), (theory, base)
                )
            )
    return parts
