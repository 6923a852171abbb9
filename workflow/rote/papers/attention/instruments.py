"""The theory as an instrument: grids over ridges, sizes, signals and spikes; simulations."""

from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.functions import of_user
from rote.core.seeds import generator
from rote.papers.attention.heads import SPIKES, Spike, Structure
from rote.papers.attention.simulation import AttentionHead, simulate
from rote.theory import attention, axes
from rote.theory.attention.activation import Coefficients, Nonlinearity

SERIES = "head"  # column with the names of what is compared
ERRORS = {"error": "memorization error", "gap": "gap to ridge regression"}
PARAMETERS = ("gamma", "c", "signal", "omega")


class HeadAxes(NamedTuple):
    """Signals and weights as a command line states them."""

    signal: str = "0"  # axis of ||μ||²
    spike: str = "none"  # names of SPIKES, with commas between
    omega: str = "1"  # axis of the spikes' strength
    w_key: str | None = None  # coordinates with commas between; the first is along the signal
    w_query: str | None = None

    def spikes(self) -> dict[str, Spike]:
        """The spikes by name. Raises InputError for an unknown one, or weights without a name."""
        if (self.w_key is None) != (self.w_query is None):
            raise InputError("--w-key and --w-query belong together; give both or neither")
        if self.w_key is not None and self.w_query is not None:
            if self.spike != "none":
                raise InputError("give either --spike or --w-key and --w-query, not both")
            key, query = axes.parse("--w-key", self.w_key), axes.parse("--w-query", self.w_query)
            length = max(len(key), len(query))
            padded = (np.pad(w, (0, length - len(w))) for w in (key, query))
            return {"given weights": Spike(*padded)}
        names = self.spike.split(",")
        for name in names:
            if name not in SPIKES:
                raise InputError(f"--spike must be of {', '.join(SPIKES)}, given {name!r}")
        return {name: SPIKES[name] for name in names}


def nonlinearity(text: str) -> Nonlinearity:
    """A nonlinearity by name, or the function of one array that module:function names.

    Raises:
        InputError: as `rote.theory.attention.named` and `of_user`.
    """
    return attention.named(of_user(text, "--f") if ":" in text else text)


def _structure(signal: float, spike: Spike, omega: float) -> Structure:
    """A signal and a spike of strength ω, in one space."""
    if spike.key is None or spike.query is None:
        return Structure(signal)
    size = max(3, len(spike.key))
    key, query = (np.pad(w, (0, size - len(w))) * np.sqrt(omega) for w in spike)
    return Structure(signal, Spike(key, query))


def _vectors(structure: Structure) -> attention.Vectors:
    key, query = structure.spike
    size = 3 if key is None else len(key)
    mu = np.zeros(size)
    mu[0] = np.sqrt(structure.mu2)
    return attention.Vectors(mu, key, query)


def grid(
    functions: str, fixed: dict[str, str], heads: HeadAxes, standard: str = "ridge", n: int = 0
) -> pd.DataFrame:
    """Errors of attention and of ridge regression at every combination.

    Args:
        functions: nonlinearities, with commas between.
        fixed: axes of gamma, the ridge on the raw tokens, and c.
        heads: signals and weights.
        standard: of `attention.STANDARDS`: at which ridge attention stands beside it.
        n: tokens, for the moments of f at finite size; 0 is the limit.

    Returns:
        One row per point: `gamma`, `gamma_attention`, `c`, `signal`, `omega`, `error`, `ridge`,
        `gap`, `freedom` (degrees of freedom of attention's probe per token, without a signal),
        `s` = μᵀWμ/√p where n says p, and `converged`.

    Raises:
        InputError: naming the option and what is allowed.
    """
    point = axes.points({name: axes.parse(f"--{name}", text) for name, text in fixed.items()})
    signals, omegas = axes.parse("--signal", heads.signal), axes.parse("--omega", heads.omega)
    for name, values in (("--signal", signals), ("--omega", omegas)):
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InputError(f"{name} must be finite and ≥ 0, given {values.min()}")
    spikes = heads.spikes()
    settings = list(product(spikes.items(), signals, omegas))
    structures = [_structure(mu2, spike, omega) for (_, spike), mu2, omega in settings]
    parts = []
    for text in functions.split(","):
        f: Nonlinearity | Coefficients = nonlinearity(text)
        f = attention.finite_size(f, n) if n else f
        for c in np.unique(point["c"]):  # each has ridges of its own
            gamma = point["gamma"][point["c"] == c]
            matched = attention.matched_ridge(gamma, c, f, standard)
            vectors = [_vectors(structure) for structure in structures]
            solutions = attention.memorization_errors(matched, c, f, vectors)
            for setting, structure, solution in zip(settings, structures, solutions, strict=True):
                (name, _), mu2, omega = setting
                ridge = attention.ridge_error(gamma, c, mu2)
                columns = {SERIES: f"{text}, {name}", "f": text, "spike": name, "gamma": gamma}
                columns |= {"gamma_attention": matched, "c": c, "signal": mu2, "omega": omega}
                columns |= {"error": solution.error, "ridge": ridge, "gap": solution.error - ridge}
                columns["freedom"] = 1 - matched * solution.h_uu
                columns["s"] = _reach(structure) / np.sqrt(n * c) if n else np.nan
                columns["converged"] = solution.converged
                parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _reach(structure: Structure) -> float:
    """μᵀWμ."""
    key, query = structure.spike
    spiked = 0.0 if key is None or query is None else structure.mu2 * float(key[0] * query[0])
    return structure.mu2 + spiked


class ContextSize(NamedTuple):
    """Simulated contexts."""

    n: int
    p: int
    replicates: int


def simulated(f: str, gamma: str, heads: HeadAxes, size: ContextSize, seed: int) -> pd.DataFrame:
    """Errors of attention and of ridge regression on fresh contexts, with their theory.

    Args:
        f: a nonlinearity.
        gamma: axis of ridges, the same for both.
        heads: one signal and one head.
        size: tokens, their dimension and the number of contexts.
        seed: of all streams.

    Returns:
        One row per context and ridge: `error`, `theory`, `ridge`, `ridge_theory`.

    Raises:
        InputError: naming the option and what is allowed.
    """
    gammas = axes.parse("--gamma", gamma)
    signals, omegas = axes.parse("--signal", heads.signal), axes.parse("--omega", heads.omega)
    spikes = heads.spikes()
    if len(signals) * len(omegas) * len(spikes) != 1:
        raise InputError("simulate takes one signal and one head; give one number or name each")
    activation = nonlinearity(f)
    structure = _structure(float(signals[0]), *spikes.values(), float(omegas[0]))
    moments, vectors = attention.finite_size(activation, size.n), _vectors(structure)
    c = size.p / size.n
    theory = attention.memorization_error(gammas, c, moments, vectors).error
    ridge_theory = attention.ridge_error(gammas, c, structure.mu2)
    head = AttentionHead(activation, structure.spike)
    parts = []
    for replicate in range(size.replicates):
        rng = generator(seed, "attention", "by hand", replicate)
        errors = simulate(gammas, size.n, size.p, head, rng, mu=vectors.mu)
        columns = {"replicate": replicate, "n": size.n, "p": size.p, "gamma": gammas}
        columns |= {"error": errors.attention, "theory": theory}
        parts.append(pd.DataFrame(columns | {"ridge": errors.ridge, "ridge_theory": ridge_theory}))
    return pd.concat(parts, ignore_index=True)


def compared(frame: pd.DataFrame) -> str:
    """What simulated contexts say, a line per ridge: means with standard errors, and theory."""
    head = ("gamma", "attention", "s.e.", "theory", "ridge", "s.e.", "theory")
    lines = ["".join(f"{name:>12}" for name in head)]
    for gamma, rows in frame.groupby("gamma"):
        numbers = [gamma]
        for name, theory in (("error", "theory"), ("ridge", "ridge_theory")):
            numbers += [rows[name].mean(), rows[name].sem(), rows[theory].iloc[0]]
        lines.append("".join(f"{number:12.5g}" for number in numbers))
    return "\n".join(lines)


def varying(frame: pd.DataFrame) -> list[str]:
    """Parameters with more than one value in a table, those with the finest grid first."""
    counts = {name: frame[name].nunique() for name in PARAMETERS}
    names = [name for name, count in counts.items() if count > 1]
    return sorted(names, key=lambda name: -counts[name])


def summary(frame: pd.DataFrame, path: Path) -> str:
    """One line on a written table."""
    return f"{path}: {len(frame):,} points, {frame['converged'].mean():.2%} converged"
