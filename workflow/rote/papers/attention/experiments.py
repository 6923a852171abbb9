"""Contexts at finite size, every row with the theory beside it.

Each (row, replicate) has data of its own.
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg

from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.papers.attention import curves, schema, settings, simulation
from rote.papers.attention.heads import (
    FUNCTIONS,
    HEAVY,
    SPIKES,
    STRUCTURES,
    Structure,
    aligned_spike,
    error,
    key_at,
    spike_at,
    tanh_lookalikes,
    with_linear_part,
)
from rote.papers.attention.simulation import ContextErrors
from rote.synth import tokens
from rote.theory import attention

LIMIT_RIDGES = np.array([1e-4, 1e-2, 0.1, 1.0, 10.0])
UNIT_RIDGE = np.array([1.0])


class ContextRow(NamedTuple):
    """A head on contexts of one size; every γ is measured on every context."""

    figure: str
    panel: str
    series: str
    n: int
    p: int
    gammas: np.ndarray
    f: Any = "tanh"
    structure: Structure = Structure()
    x: float | None = None  # abscissa; γ if None
    trace: bool = False  # average over random labels
    replicate_factor: float = 1.0  # times `simulation.replicates` contexts, at least 2
    name: str = ""  # of f, if f is not a name itself

    def replicates(self, options: settings.AttentionSimulation) -> int:
        """Contexts to draw."""
        return max(2, int(self.replicate_factor * options.replicates))


def rows(options: settings.AttentionSimulation) -> list[ContextRow]:
    """Every row that follows the paper's model."""
    return [
        *_baseline(options),
        *_nonlinearity(options),
        *_alignment(options),
        *_limit(options),
        *_signal(options),
        *_single_values(options),
        *_reversals(options),
    ]


def _baseline(options: settings.AttentionSimulation) -> list[ContextRow]:
    """Fig. 1 and 2."""
    n = options.tokens
    sweep_tokens, snr_tokens = options.sweep_tokens, options.snr_tokens
    ridges = np.geomspace(1e-6, 1e3, 19)
    smallest = np.array([options.sweep_gamma])
    simulated = []
    for series in ("tanh", "tanh, aligned"):
        spike = SPIKES[curves.BASELINE[series].spike]
        row = ContextRow(
            figure="baseline",
            panel="ridge",
            series=series,
            n=n,
            p=4 * n,
            gammas=ridges,
            structure=Structure(1.0, spike),
        )
        simulated.append(row)
        row = row._replace(panel="dimension", n=sweep_tokens, gammas=smallest)
        for c in (1 / 16, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0):
            simulated.append(row._replace(p=round(c * sweep_tokens), x=c))
        row = row._replace(panel="signal", n=snr_tokens, p=snr_tokens // 4)
        for snr in (0.0, 0.5, 1.0, 2.0, 4.0, 16.0):
            simulated.append(row._replace(structure=Structure(snr, spike), x=snr))
    return simulated


def _nonlinearity(options: settings.AttentionSimulation) -> list[ContextRow]:
    """Fig. 3."""
    n, p = options.tokens, 4 * options.tokens
    ridges = np.geomspace(1e-3, 1e2, 6)
    functions = []
    linear_parts = []
    for name, structure in STRUCTURES.items():
        row = ContextRow(
            figure="nonlinearity",
            panel=name,
            series="",
            n=n,
            p=p,
            gammas=ridges,
            structure=structure,
        )
        if structure.mu2 == 0:
            row = row._replace(trace=True, replicate_factor=0.5)
        for f in FUNCTIONS:
            functions.append(row._replace(series=f, f=f))
        row = row._replace(figure="linear part", panel="", series=name, gammas=UNIT_RIDGE)
        for a1 in (0.0, 0.4, 0.7, 1.0):
            linear_parts.append(row._replace(f=with_linear_part(a1), x=a1, name=f"a1 = {a1:g}"))
    return functions + linear_parts


def _alignment(options: settings.AttentionSimulation) -> list[ContextRow]:
    """Fig. 4."""
    n, p = options.tokens, 4 * options.tokens
    angles = (0.0, 45.0, 90.0, 135.0, 180.0)
    panels = {
        "strength": (aligned_spike, (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)),
        "angle": (spike_at, angles),
        "key angle": (key_at, angles),
    }
    simulated = []
    row = ContextRow(
        figure="alignment",
        panel="",
        series="tanh",
        n=n,
        p=p,
        gammas=np.array(curves.ALIGNMENT_RIDGES),
    )
    for panel, (spike, xs) in panels.items():
        for x in xs:
            structure = Structure(4.0, spike(x))
            simulated.append(row._replace(panel=panel, structure=structure, x=x))
    return simulated


def _limit(options: settings.AttentionSimulation) -> list[ContextRow]:
    """T1: without signal, averaged over labels, at the largest size; heavy f at several."""
    n = options.limit_tokens
    row = ContextRow(
        figure="limit",
        panel="",
        series="",
        n=n,
        p=n,
        gammas=LIMIT_RIDGES,
        trace=True,
    )
    simulated = []
    for f, c in product(("tanh", "exp_clip", "cos_c", "linear"), (0.5, 2.0)):
        simulated.append(row._replace(panel=curves.at_ratio(c), series=f, f=f, p=round(c * n)))
    row = row._replace(panel=curves.at_ratio(2), gammas=UNIT_RIDGE, replicate_factor=2.5)
    for f, size in product(HEAVY, (n // 4, n // 2, n)):
        simulated.append(row._replace(series=f, f=f, n=size, p=2 * size))
    return simulated


def _signal(options: settings.AttentionSimulation) -> list[ContextRow]:
    """T3: with signal; sizes and strengths alternate over f × spike."""
    n = options.tokens
    sizes = [(n, 2 * n, 2.0), (2 * n, n, 1.0)]  # tokens, dimensions, ||μ||²
    spikes = ("none", "aligned", "orthogonal", "mixed", "negative", "double")
    simulated = []
    for number, (f, spike) in enumerate(product(FUNCTIONS[:-1], spikes)):
        size, p, mu2 = sizes[(number + number // len(spikes)) % 2]
        simulated.append(
            ContextRow(
                figure="signal",
                panel=f"{f}, {spike}",
                series=f,
                n=size,
                p=p,
                gammas=LIMIT_RIDGES[1:],
                f=f,
                structure=Structure(mu2, SPIKES[spike]),
            )
        )
    return simulated


def _single_values(options: settings.AttentionSimulation) -> list[ContextRow]:
    """The single values of C5 and C6."""
    n, p = options.tokens, 4 * options.tokens
    ridges = np.array(curves.ALIGNMENT_RIDGES)
    row = ContextRow(figure="spikes", panel="", series="tanh", n=n, p=p, gammas=ridges)
    simulated = []
    for spike in ("none", "orthogonal", "aligned", "anti", "key only", "query only"):
        simulated.append(row._replace(panel=spike, structure=Structure(4.0, SPIKES[spike])))
    return simulated


CROSSINGS = {"ω = 1": (1.0, 7.077), "ω = 4": (4.0, 4.890)}  # strength, γ where the gap closes
AROUND = np.geomspace(0.8, 1.25, 5)  # times that γ


def _reversals(options: settings.AttentionSimulation) -> list[ContextRow]:
    """A signal alone, and where the gap closes with aligned spikes: both of tanh at c = 4."""
    n, p = options.tokens, 4 * options.tokens
    row = ContextRow(
        figure="structure",
        panel="signal",
        series="tanh",
        n=n,
        p=p,
        gammas=np.array([31.6]),
        structure=Structure(8.0),
    )
    simulated = [row]
    if options.crossings:
        for panel, (omega, gamma) in CROSSINGS.items():
            structure = Structure(4.0, aligned_spike(omega))
            crossing = row._replace(figure="crossing", panel=panel, structure=structure)
            simulated.append(crossing._replace(gammas=gamma * AROUND, replicate_factor=5.0))
    return simulated


def contexts(options: settings.AttentionSimulation, seed: int) -> pd.DataFrame:
    """Every simulated row: the table AttentionSimulations."""
    parts = []
    for row in track(rows(options), "settings"):
        c = row.p / row.n
        theory = ContextErrors(
            attention=error(
                row.gammas, c, attention.finite_size(row.f, row.n), row.structure
            ).error,
            ridge=attention.ridge_error(row.gammas, c, row.structure.mu2),
        )
        stream = ("attention", row.figure, row.panel, row.series, str((row.x, row.n)))
        for replicate in range(row.replicates(options)):
            rng = generator(seed, *stream, replicate)
            context = tokens.draw(row.n, row.p, rng, mu=row.structure.mu)
            parts.append(frame(row, replicate, measure(row, context), theory))
    return pd.concat(parts + _paired(options, seed), ignore_index=True)


def measure(row: ContextRow, context: tokens.Context) -> ContextErrors:
    """Errors of a row's head on one context, without the cautions of `simulation.simulate`."""
    spike = simulation.padded_spike(row.structure.spike, row.p)
    kernel = simulation.entrywise(row.f, row.p)
    return simulation.training_errors(context, kernel, row.gammas, spike, trace=row.trace)[0]


def frame(
    row: ContextRow, replicate: int, errors: ContextErrors, theory: ContextErrors
) -> pd.DataFrame:
    """The table's rows for one context of a row.

    Args:
        row: the head and its place in figures.
        replicate: number of the context.
        errors, theory: measured and predicted, (γ,) each.
    """
    columns = {
        "figure": row.figure,
        "panel": row.panel,
        "series": row.series,
        "x": row.gammas if row.x is None else row.x,
        "gamma": row.gammas,
        "f": row.name or row.f,
        "n": row.n,
        "p": row.p,
        "mu2": row.structure.mu2,
        "replicate": replicate,
        "error": errors.attention,
        "ridge": errors.ridge,
        "theory": theory.attention,
        "ridge_theory": theory.ridge,
    }
    return tables.frame(schema.AttentionSimulations, columns)


def _paired(options: settings.AttentionSimulation, seed: int) -> list[pd.DataFrame]:
    """All spikes, and all look-alikes of tanh, on common contexts: for their differences."""
    n, p = options.tokens, 4 * options.tokens
    gammas = np.array([1.0, 10.0])
    row = ContextRow(figure="paired", panel="", series="tanh", n=n, p=p, gammas=gammas)
    compared = []
    for name in ("none", "orthogonal", "aligned", "anti", "key only", "query only"):
        compared.append(row._replace(panel=name, structure=Structure(4.0, SPIKES[name])))
    row = row._replace(figure="lookalikes", structure=STRUCTURES["aligned"])
    for name, f in tanh_lookalikes().items():
        compared.append(row._replace(panel=name, series=name, f=f, name=name))
    ridge = attention.ridge_error(gammas, 4.0, 4.0)
    parts = []
    for row in compared:
        theory = ContextErrors(error(gammas, 4.0, row.f, row.structure).error, ridge)
        for replicate in range(options.replicates):
            rng = generator(seed, "attention", row.figure, replicate)
            context = tokens.draw(n, p, rng, mu=row.structure.mu)
            parts.append(frame(row, replicate, measure(row, context), theory))
    return parts


def spectrum(options: settings.AttentionSimulation, seed: int, bins: int = 60) -> pd.DataFrame:
    """Eigenvalues of the kernel against their limit: the table KernelSpectrum.

    Args:
        options: tokens, `limit_tokens`.
        seed: of all streams.
        bins: of the histogram, per kernel.
    """
    n = options.limit_tokens
    parts = []
    for f, c in product(("linear", "tanh", "cos_c"), (0.5, 4.0)):
        p = round(c * n)
        X = tokens.draw(n, p, generator(seed, "attention", "spectrum", f, str(c))).X
        K = simulation.entrywise(f, p)(X.T @ X / np.sqrt(p), np.diag_indices(n))
        values = linalg.eigvalsh(K, overwrite_a=True)
        edges = np.linspace(values[0] - 0.05, values[-1] + 0.05, bins + 1)
        inner = edges[:-1, None] + np.diff(edges)[:, None] * (np.arange(8) + 0.5) / 8
        density = attention.kernel_density(inner.ravel(), c, f).reshape(inner.shape)
        columns = {
            "f": f,
            "c": c,
            "low": edges[:-1],
            "high": edges[1:],
            "simulated": np.histogram(values, edges, density=True)[0],
            "theory": density.mean(axis=1),
        }
        parts.append(tables.frame(schema.KernelSpectrum, columns))
    return pd.concat(parts, ignore_index=True)
