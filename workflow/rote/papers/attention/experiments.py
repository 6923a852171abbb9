"""Contexts at finite size, every row with the theory beside it. Each (row, replicate) has data of
its own.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg

from rote.core.seeds import generator
from rote.papers.attention import curves, settings, simulation
from rote.papers.attention.arms import (
    FUNCTIONS,
    HEAVY,
    SPIKES,
    Spike,
    U,
    both,
    key_angle,
    linear_share,
    lookalikes,
    strength,
)
from rote.synth import tokens
from rote.theory import attention

Track = Callable[[Iterable], Iterable] | None
COLUMNS = ["figure", "panel", "series", "x", "gamma", "f", "n", "p", "mu2", "slack", "replicate"]
VALUES = ["error", "ridge", "theory", "ridge_theory"]
FIVE = np.array([1e-4, 1e-2, 0.1, 1.0, 10.0])


class Row(NamedTuple):
    """One setting; its γ grid is measured on every context."""

    figure: str
    panel: str
    series: str
    n: int
    p: int
    gammas: np.ndarray
    f: Any = "tanh"
    mu2: float = 0.0
    spike: Spike = (None, None)
    x: float | None = None  # abscissa; γ if None
    trace: bool = False
    slack: float = 0.0
    label: str = ""  # of f, where it has no name


def rows(options: settings.Simulation) -> list[Row]:
    """Every row that follows the paper's model."""
    n, found = options.tokens, []
    p = 4 * n
    grid, low = np.geomspace(1e-6, 1e3, 19), np.array([options.sweep_gamma])
    # Fig. 1 and 2
    for series, spike in (("tanh", "none"), ("tanh, aligned", "aligned")):
        found.append(Row("baseline", "ridge", series, n, p, grid, mu2=1.0, spike=SPIKES[spike]))
        for c in (1 / 16, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0):
            wide = options.sweep_tokens
            sizes = (wide, round(c * wide))
            found.append(
                Row("baseline", "dimension", series, *sizes, low, mu2=1.0, spike=SPIKES[spike], x=c)
            )
        for snr in (0.0, 0.5, 1.0, 2.0, 4.0, 16.0):
            sizes = (options.snr_tokens, options.snr_tokens // 4)
            found.append(
                Row("baseline", "signal", series, *sizes, low, mu2=snr, spike=SPIKES[spike], x=snr)
            )
    # Fig. 3
    ridges = np.geomspace(1e-3, 1e2, 6)
    for (panel, (mu2, spike)), f in product(curves.SETTINGS.items(), FUNCTIONS):
        more = {"mu2": mu2, "spike": SPIKES[spike], "trace": mu2 == 0, "slack": _slack(f, n, mu2)}
        found.append(Row("nonlinearity", panel, f, n, p, ridges, f=f, **more))
    for (panel, (mu2, spike)), a1 in product(curves.SETTINGS.items(), (0.0, 0.4, 0.7, 1.0)):
        more = {
            "mu2": mu2,
            "spike": SPIKES[spike],
            "trace": mu2 == 0,
            "x": a1,
            "label": f"a1 = {a1:g}",
        }
        found.append(
            Row("linear part", "", panel, n, p, np.array([1.0]), f=linear_share(a1), **more)
        )
    # Fig. 4
    pair = np.array(curves.PAIR)
    for omega in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0):
        found.append(
            Row(
                "alignment", "strength", "tanh", n, p, pair, mu2=4.0, spike=strength(omega), x=omega
            )
        )
    for angle in (0.0, 45.0, 90.0, 135.0, 180.0):
        found.append(
            Row("alignment", "angle", "tanh", n, p, pair, mu2=4.0, spike=both(angle), x=angle)
        )
        found.append(
            Row(
                "alignment",
                "key angle",
                "tanh",
                n,
                p,
                pair,
                mu2=4.0,
                spike=key_angle(angle),
                x=angle,
            )
        )
    # T1: without signal, averaged over labels, at the largest size
    big = options.limit_tokens
    for f, c in product(("tanh", "exp_clip", "cos_c", "linear"), (0.5, 2.0)):
        found.append(Row("limit", f"c = {c:g}", f, big, round(c * big), FIVE, f=f, trace=True))
    for f, size in product(HEAVY, (big // 4, big // 2, big)):
        found.append(Row("limit", "c = 2", f, size, 2 * size, np.array([1.0]), f=f, trace=True))
    # T3: with signal; sizes and strengths alternate over f × spike
    sizes = [(n, 2 * n, 2.0), (2 * n, n, 1.0)]
    spikes = ("none", "aligned", "orthogonal", "mixed", "negative", "double")
    for number, (f, spike) in enumerate(product(FUNCTIONS[:-1], spikes)):
        tall, p_, mu2 = sizes[(number + number // len(spikes)) % 2]
        more = {"f": f, "mu2": mu2, "spike": SPIKES[spike], "slack": _slack(f, tall, mu2)}
        found.append(Row("signal", f"{f}, {spike}", f, tall, p_, FIVE[1:], **more))
    # the single values of C1, C5, C6, C9, C10
    ridge4 = np.array([1e-2, 1.0, 10.0, 100.0])
    found.append(Row("noise", "tanh", "tanh", n, p, ridge4, slack=1 / n))
    for spike in ("none", "orthogonal", "aligned", "anti", "key only", "query only"):
        found.append(
            Row("spikes", spike, "tanh", n, p, pair, mu2=4.0, spike=SPIKES[spike], slack=1 / n)
        )
    found.append(
        Row(
            "blind",
            "cos_c",
            "cos_c",
            n,
            p,
            np.array([1.0]),
            f="cos_c",
            mu2=4.0,
            spike=SPIKES["aligned"],
        )
    )
    return found


def _slack(f: str, n: int, mu2: float) -> float:
    """Finite-size slack b_n of a comparison with the limit."""
    if f in HEAVY:
        return (14 if mu2 else 8) / n
    return 1 / n


def contexts(options: settings.Simulation, seed: int, track: Track = None) -> pd.DataFrame:
    """Every simulated row: the table Simulations."""
    parts = []
    units = [(row, replicate) for row in rows(options) for replicate in range(_count(row, options))]
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for row, replicate in (track or iter)(units):
        if id(row) not in known:
            c, f = row.p / row.n, attention.moments(row.f)
            limit = curves.error(
                row.gammas, c, attention.finite_size(f, row.n), row.mu2, row.spike
            ).error
            known[id(row)] = limit, attention.ridge_error(row.gammas, c, row.mu2)
        rng = generator(
            seed, "attention", row.figure, row.panel, row.series, str((row.x, row.n)), replicate
        )
        context = tokens.draw(row.n, row.p, rng, mu=np.sqrt(row.mu2) * U)
        found = measure(context, row.f, row.spike, row.gammas, row.trace)
        parts.append(frame(row, replicate, found, known[id(row)]))
    return pd.concat(parts + _paired(options, seed), ignore_index=True)


def _count(row: Row, options: settings.Simulation) -> int:
    """Averaged over labels a row needs fewer contexts; where the limit itself is approached slowly
    it needs more.
    """
    if row.figure == "limit" and row.f in HEAVY:
        return 4 * options.replicates
    return max(2, options.replicates // 2) if row.trace else options.replicates


def measure(
    context: tokens.Context,
    f: attention.activation.Nonlinearity,
    spike: Spike,
    gammas: np.ndarray,
    trace: bool = False,
) -> simulation.Errors:
    """Errors on one context without the cautions of `simulate`; the rows know their limits."""
    p = len(context.X)
    vectors = [None if w is None else simulation.padded("spike", w, p) for w in spike]
    return simulation.training_errors(
        *context, simulation.entrywise(f, p), gammas, *vectors, trace=trace
    )[0]


def frame(row: Row, replicate: int, found: simulation.Errors, theory: tuple) -> pd.DataFrame:
    """The table's rows for one context of a row; `theory` is that of attention and of ridge
    regression.
    """
    label = row.label or (row.f if isinstance(row.f, str) else "")
    point = {"figure": row.figure, "panel": row.panel, "series": row.series}
    point |= {
        "x": row.gammas if row.x is None else row.x,
        "gamma": row.gammas,
        "f": label,
        "n": row.n,
        "p": row.p,
    }
    point |= {"mu2": row.mu2, "slack": row.slack, "replicate": replicate}
    return pd.DataFrame(point | dict(zip(VALUES, (*found, *theory), strict=True)))[COLUMNS + VALUES]


def _paired(options: settings.Simulation, seed: int) -> list[pd.DataFrame]:
    """All spikes, and all look-alikes of tanh, on the same contexts: for statements about their
    differences.
    """
    n, parts = options.tokens, []
    gammas = np.array([1.0, 10.0])
    spikes = ("none", "orthogonal", "aligned", "anti", "key only", "query only")
    arms = [("paired", spike, "tanh", "tanh", SPIKES[spike]) for spike in spikes]
    arms += [("lookalikes", name, name, f, SPIKES["aligned"]) for name, f in lookalikes().items()]
    base = attention.ridge_error(gammas, 4.0, 4.0)
    for figure, panel, series, f, spike in arms:
        row = Row(figure, panel, series, n, 4 * n, gammas, mu2=4.0, label=series)
        theory = curves.error(gammas, 4.0, f, 4.0, spike).error
        for replicate in range(options.replicates):
            context = tokens.draw(
                n, 4 * n, generator(seed, "attention", figure, replicate), mu=2 * U
            )
            parts.append(frame(row, replicate, measure(context, f, spike, gammas), (theory, base)))
    return parts


def algebra(options: settings.Simulation, seed: int) -> pd.DataFrame:
    """Three ways to the training error of one context: the table Algebra."""
    found, size = [], min(options.tokens, 128)
    for (n, p), replicate in product(((size, 2 * size), (2 * size, size)), range(5)):
        context = tokens.draw(n, p, generator(seed, "attention", "algebra", n, replicate), mu=U)
        A, _ = simulation.features(context.X, simulation.entrywise("tanh", p))
        gram, y = A.T @ A / n, context.y

        def resolvent(gamma: float, gram=gram, y=y) -> np.ndarray:
            return linalg.solve(gram + gamma * np.eye(len(y)), y, assume_a="pos")

        for gamma in (1e-2, 1.0):
            w = linalg.solve(A @ A.T + n * gamma * np.eye(p), A @ y, assume_a="pos")
            probe = ((y - A.T @ w) ** 2).sum() / n
            step = 1e-4 * gamma
            slope = (y @ resolvent(gamma + step) - y @ resolvent(gamma - step)) / (2 * step)
            solved = resolvent(gamma)
            values = (probe, gamma**2 * solved @ solved / n, -(gamma**2) * slope / n)
            found.append((gamma, f"{n} x {p}", replicate, *values))
    columns = ["gamma", "shape", "replicate", "probe", "resolvent", "derivative"]
    return pd.DataFrame(found, columns=columns)


def spectrum(options: settings.Simulation, seed: int, bins: int = 60) -> pd.DataFrame:
    """Eigenvalues of the kernel against their limit: the table Spectrum."""
    parts, n = [], options.limit_tokens
    for f, c in product(("linear", "tanh", "cos_c"), (0.5, 4.0)):
        p = round(c * n)
        X = tokens.draw(n, p, generator(seed, "attention", "spectrum", f, str(c))).X
        K = simulation.entrywise(f, p)(X.T @ X / np.sqrt(p), np.diag_indices(n))
        values = linalg.eigvalsh(K, overwrite_a=True)
        edges = np.linspace(values[0] - 0.05, values[-1] + 0.05, bins + 1)
        counts = np.histogram(values, edges, density=True)[0]
        inner = edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(8) + 0.5) / 8
        theory = attention.kernel_density(inner.ravel(), c, f).reshape(inner.shape).mean(axis=1)
        columns = {
            "bin": range(bins),
            "low": edges[:-1],
            "high": edges[1:],
            "simulated": counts,
            "theory": theory,
        }
        parts.append(pd.DataFrame({"f": f, "c": c, **columns}))
    return pd.concat(parts, ignore_index=True)
