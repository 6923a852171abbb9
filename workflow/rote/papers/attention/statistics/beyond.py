"""Claims beyond the paper's model: strong signals, labels, softmax, heads, tokens."""

from itertools import pairwise

import numpy as np
import pandas as pd

from rote.papers.attention.statistics.samples import ARMS, Tables, Values, deviations, rows_of

# ---- C8: strong signals

STRONG = 0.5  # s from which on tanh attention is far better than ridge regression


def _strong(tables: Tables, f: str) -> dict[tuple[str, float], pd.DataFrame]:
    """Contexts with strong signals at the smallest ridge, per spike and s."""
    rows = rows_of(tables, "strong", "variants")
    rows = rows[(rows["f"] == f) & (rows["gamma"] == rows["gamma"].min())]
    rows = rows.sort_values("replicate")
    return dict(list(rows.groupby(["panel", "x"])))


def strong_falls(tables: Tables) -> Values:
    """C8: E / E(ridge) at one signal over that at the next stronger one, tanh."""
    ratios = {}
    for point, rows in _strong(tables, "tanh").items():
        ratios[point] = (rows["error"] / rows["ridge"]).to_numpy()
    conditions = {}
    for (spike, weak), (next_spike, strong) in pairwise(sorted(ratios)):
        if spike == next_spike:
            fall = ratios[spike, weak] / ratios[spike, strong]
            conditions[f"{spike}, s = {weak:g} → {strong:g}"] = fall
    return conditions


def strong_reversal(tables: Tables) -> Values:
    """C8: E of attention and of ridge regression at s = 1, tanh."""
    groups = _strong(tables, "tanh").items()
    return {spike: rows[ARMS].to_numpy() for (spike, s), rows in groups if s == 1.0}


def strong_linear(tables: Tables) -> Values:
    """C8: the same for linear attention, at every s ≥ 0.5."""
    conditions = {}
    for (spike, s), rows in _strong(tables, "linear").items():
        if s >= STRONG:
            conditions[f"{spike}, s = {s:g}"] = rows[ARMS].to_numpy()
    return conditions


def strong_theory(tables: Tables) -> Values:
    """Relative deviation from the theory of strong signals at the largest ridge, tanh, s ≥ 0.5."""
    rows = rows_of(tables, "strong", "variants")
    rows = rows[(rows["f"] == "tanh") & (rows["gamma"] == rows["gamma"].max())]
    rows = rows[rows["x"] >= STRONG]
    deviation = rows["error"] / rows["theory"] - 1
    groups = rows.assign(deviation=deviation).groupby(["panel", "x"])
    return {f"{name}, s = {s:g}": group["deviation"].to_numpy() for (name, s), group in groups}


def strong_corrected(tables: Tables) -> Values:
    """What its theory leaves of the strong-signal effect, and the effect, tanh, s ≥ 1."""
    conditions = {}
    for (spike, s), rows in _strong(tables, "tanh").items():
        if s >= 1:
            # without the effect attention is ridge regression in this regime
            effect = rows["ridge_theory"] - rows["error"]
            left = rows["theory"] - rows["error"]
            conditions[f"{spike}, s = {s:g}"] = np.column_stack([left, effect])
    return conditions


# ---- beyond the model


def _variant(tables: Tables, *names: str, smallest: float = 0.0, largest: float = np.inf) -> Values:
    """Relative deviations from a variant's theory, at ridges from the smallest to the largest."""
    rows = rows_of(tables, "variants", "variants")
    judged = rows["gamma"].between(smallest, largest)
    return deviations(rows[rows["panel"].isin(names) & judged])


def unbalanced(tables: Tables) -> Values:
    """Unbalanced labels: relative deviation from theory."""
    return _variant(tables, "unbalanced labels")


def softmax(tables: Tables) -> Values:
    """Masked softmax: relative deviation from theory."""
    return _variant(tables, "masked softmax", "masked softmax, aligned")


def dense(tables: Tables) -> Values:
    """Random dense heads: relative deviation from theory, γ up to 0.1."""
    return _variant(tables, "random dense head, tanh", "random dense head, linear", largest=0.1)


def two_heads(tables: Tables) -> Values:
    """Two heads before one probe: relative deviation from theory, γ up to 1."""
    return _variant(tables, "two heads", "two heads, p/n = 1/4", largest=1.0)


def several_classes(tables: Tables) -> Values:
    """Tokens of four classes: relative deviation from theory, γ from 0.1 on."""
    return _variant(tables, "four classes", "four classes, spike", smallest=0.1)


def anisotropic(tables: Tables) -> Values:
    """Tokens with a mild power-law covariance: relative deviation from theory, γ up to 0.1."""
    return _variant(tables, "power law 0.5", "power law 0.5, common mean", largest=0.1)


def anisotropic_fails(tables: Tables) -> np.ndarray:
    """Simulated minus predicted E where one direction dominates, γ = 0.1."""
    rows = rows_of(tables, "variants", "variants")
    rows = rows[(rows["panel"] == "power law 1") & (rows["gamma"] == 0.1)]
    return (rows["error"] - rows["theory"]).to_numpy()


def noises(tables: Tables) -> Values:
    """Token noise that is not Gaussian: relative deviation from theory."""
    return deviations(rows_of(tables, "noises", "variants"))
