"""Theory: the curves of the figures, the phase map, and the numbers that theory alone decides."""

from itertools import combinations, pairwise, product

import numpy as np
import pandas as pd

from rote.papers.attention import settings
from rote.papers.attention.arms import (
    FUNCTIONS,
    SPIKES,
    U,
    both,
    key_angle,
    linear_share,
    lookalikes,
    strength,
)
from rote.theory import attention
from rote.theory.attention import variants

PAIR = (1.0, 31.6)  # ridges of the alignment figure
SETTINGS = {
    "no signal": (0.0, "none"),
    "signal": (4.0, "none"),
    "aligned": (4.0, "aligned"),
}  # ||μ||², spike
# f, c, μ, w_K, w_Q, γ, diagonal, E, h_uu: values of an independent implementation
V, T = np.eye(3)[1:]
GOLDEN = [
    ("tanh", 4, 0, 0, 0, 1e-2, "zero", 0.08106308, 15.61588362),
    ("tanh", 4, 2 * U, 0, 0, 1, "zero", 0.22905133, 0.78691926),
    ("tanh", 4, 2 * U, U, U, 1, "zero", 0.15692846, 0.78691926),
    ("tanh", 4, 2 * U, U, U, 1e-5, "zero", 0.00059428, 504.26863058),
    ("tanh", 0.25, U, U, U, 1e-5, "zero", 0.37605715, 75001.00762593),
    ("tanh", 0.25, U, U, U, 1, "zero", 0.41113793, 0.84953443),
    (
        "exp_clip",
        2,
        1.4 * U,
        0.8 * U + 0.6 * V,
        1.5 * (U + T) / np.sqrt(2),
        0.1,
        "zero",
        0.06194675,
        2.62943160,
    ),
    ("linear", 0.5, 0, 0, 0, 0.1, "zero", 0.62668533, 6.80047838),
    ("linear", 2, 0, 0, 0, 0.1, "keep", 0.16653120, 2.55735592),
    ("relu_c", 1, U, U, -0.7 * U, 0.1, "zero", 0.39417032, 5.72956336),
    ("cos_c", 4, 2 * U, U, U, 1, "zero", 0.75434316, 0.85810556),
    ("sign", 0.5, np.sqrt(2) * U, V, V, 10, "zero", 0.34049677, 0.09042052),
]
GOLDEN_RIDGE = [  # c, ||μ||², γ, E
    (4, 1, 1, 0.0476773308),
    (4, 0, 0.1, 0.0013314104),
    (0.25, 1, 1e-5, 0.3750000000),
    (0.25, 1, 1, 0.4662217259),
    (1, 1, 1e-5, 0.0007905704),
]


def error(gamma, c, f, mu2: float = 0.0, spike=(None, None), **options) -> attention.Memorization:
    """The theory for ||μ||² along the first direction and a spike in the basis of `arms`."""
    return attention.memorization_error(
        gamma, c, f, mu=np.sqrt(mu2) * U, w_key=spike[0], w_query=spike[1], **options
    )


def curves(options: settings.Theory, sweep_gamma: float) -> pd.DataFrame:
    """Every theory curve: the table Curves. `sweep_gamma` is the ridge of the sweeps over dimension
    and signal.
    """
    parts = []

    def add(figure: str, panel: str, series: str, x, gamma, c, f, mu2=0.0, spike=(None, None)):
        """`f` None is ridge regression on raw tokens."""
        x, gamma, c = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(v, float)) for v in (x, gamma, c))
        )
        if f is None:
            found = attention.ridge_error(gamma, c, mu2)
            fields = {
                "error": found,
                "iterations": 0,
                "residual": 0.0,
                "converged": np.isfinite(found),
            }
        else:
            s = error(gamma, c, f, mu2, spike)
            fields = {
                "error": s.error,
                "iterations": s.iterations,
                "residual": s.residual,
                "converged": s.converged,
            }
        labels = {"figure": figure, "panel": panel, "series": series}
        parts.append(pd.DataFrame({**labels, "x": x, "gamma": gamma, **fields}))

    ridges = np.geomspace(1e-6, 1e3, options.curve)
    # Fig. 1 and 2: against ridge, dimension, signal
    wide = np.geomspace(1 / 16, 4, options.curve)
    snrs = np.concatenate([[0.0], np.geomspace(0.1, 16, options.curve)])
    for series, f, spike in (
        ("ridge", None, "none"),
        ("tanh", "tanh", "none"),
        ("tanh, aligned", "tanh", "aligned"),
        ("exp_clip, aligned", "exp_clip", "aligned"),
        ("linear, aligned", "linear", "aligned"),
    ):
        add("baseline", "ridge", series, ridges, ridges, 4.0, f, 1.0, SPIKES[spike])
        add("baseline", "dimension", series, wide, sweep_gamma, wide, f, 1.0, SPIKES[spike])
        for snr in snrs:
            add("baseline", "signal", series, snr, sweep_gamma, 0.25, f, float(snr), SPIKES[spike])
    # Fig. 3: which nonlinearity
    grid = np.geomspace(1e-3, 1e2, options.curve)
    for panel, (mu2, spike) in SETTINGS.items():
        add("nonlinearity", panel, "ridge", grid, grid, 4.0, None, mu2)
        for f in FUNCTIONS:
            add("nonlinearity", panel, f, grid, grid, 4.0, f, mu2, SPIKES[spike])
        for a1 in np.linspace(0, 1, 21):
            add("linear part", "", panel, a1, 1.0, 4.0, linear_share(float(a1)), mu2, SPIKES[spike])
    # Fig. 4: alignment
    for gamma in PAIR:
        name = f"γ = {gamma:g}"
        for omega in np.linspace(0, 8, 33):
            add("alignment", "strength", name, omega, gamma, 4.0, "tanh", 4.0, strength(omega))
            add("alignment", "strength", f"ridge, {name}", omega, gamma, 4.0, None, 4.0)
        for angle in np.linspace(0, 180, 37):
            add("alignment", "angle", name, angle, gamma, 4.0, "tanh", 4.0, both(angle))
            add("alignment", "key angle", name, angle, gamma, 4.0, "tanh", 4.0, key_angle(angle))
            for panel in ("angle", "key angle"):
                add("alignment", panel, f"ridge, {name}", angle, gamma, 4.0, None, 4.0)
    # equal feature power
    for c in (0.25, 1.1, 4.0):
        for f in ("linear", "tanh", "exp_clip", "cos_c"):
            add("power", f"c = {c:g}", f, grid, attention.equal_power(c, f) * grid, c, f)
        add("power", f"c = {c:g}", "ridge", grid, grid, c, None)
    return pd.concat(parts, ignore_index=True)


def phase(options: settings.Theory) -> pd.DataFrame:
    """Attention and ridge over f × c × γ and two settings: the table Phase."""
    c, gamma = np.geomspace(0.1, 10, options.phase), np.geomspace(1e-4, 1e3, options.phase)
    grid = np.meshgrid(c, gamma, indexing="ij")
    parts = []
    for (setting, (mu2, spike)), f in product(
        SETTINGS.items(), ("linear", "tanh", "exp_clip", "cos_c")
    ):
        found = error(grid[1], grid[0], f, mu2, SPIKES[spike]).error
        base = attention.ridge_error(grid[1], grid[0], mu2)
        columns = {
            "c": grid[0].ravel(),
            "gamma": grid[1].ravel(),
            "attention": found.ravel(),
            "ridge": base.ravel(),
        }
        parts.append(pd.DataFrame({"setting": setting, "f": f, **columns}))
    return pd.concat(parts, ignore_index=True)


def crossings(gamma: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Where a gap changes sign, by interpolation in log γ."""
    at = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0)
    share = gap[at] / (gap[at] - gap[at + 1])
    return np.exp(np.log(gamma[at]) + share * np.diff(np.log(gamma))[at])


def checks() -> pd.DataFrame:
    """The statistics of the claims that need no simulation: the table Checks."""
    rows: list[tuple[str, str, float]] = []

    def put(check, condition, value):
        return rows.append((check, condition, float(value)))

    wide = np.geomspace(1e-4, 1e3, 141)

    for f, c, mu, key, query, gamma, diag, wanted, trace in GOLDEN:
        vectors = [v * np.ones(3) if np.isscalar(v) else v for v in (mu, key, query)]
        s = attention.memorization_error(
            gamma, c, f, mu=vectors[0], w_key=vectors[1], w_query=vectors[2], diag=diag
        )
        distance = max(abs(float(s.error) - wanted), abs(float(s.h_uu) - trace) / max(1.0, trace))
        put(
            "reference",
            f"{f}, c = {c:g}, γ = {gamma:g}, {len([v for v in vectors if v.any()])} vectors",
            distance,
        )
    for c, mu2, gamma, wanted in GOLDEN_RIDGE:
        name = f"ridge, c = {c:g}, ||μ||² = {mu2:g}, γ = {gamma:g}"
        put("reference", name, abs(float(attention.ridge_error(gamma, c, mu2)) - wanted))

    # C1, C2: random inputs at equal ridge
    gap = error(wide, 4.0, "tanh").error - attention.ridge_error(wide, 4.0)
    put("worse_on_noise", "c = 4", gap.min())
    gap = error(wide, 0.25, "tanh").error - attention.ridge_error(wide, 0.25)
    put("flip_count", "c = 0.25", len(crossings(wide, gap)))
    put("flip_at", "c = 0.25", crossings(wide, gap)[0])
    # C3: equal feature power
    grid = np.geomspace(1e-4, 1e3, 29)
    for f in ("linear", "tanh", "relu_c", "sign", "cubic", "exp_clip", "cos_c"):
        gaps = []
        for c in (0.1, 0.25, 0.5, 0.9, 1.1, 2.0, 4.0, 10.0):
            scaled = error(attention.equal_power(c, f) * grid, c, f).error
            gaps.append((scaled - attention.ridge_error(grid, c)).min())
        put("worse_at_equal_power", f, min(gaps))
    # C4: exponents as γ → 0
    small = np.array([1e-7, 1e-6])

    def slope(e):
        return np.log(e[1] / e[0]) / np.log(10)

    for f in ("linear", "tanh", "relu_c", "sign", "cubic", "exp_c", "exp_clip", "cos_c"):
        worst = max(
            (slope(error(small, c, f).error) for c in (1.5, 2.0, 4.0, 8.0)),
            key=lambda s: abs(s - 0.5),
        )
        put("ridgeless_exponent", f, worst)
    for c in (1.5, 2.0, 4.0, 8.0):
        put("ridgeless_exponent_ridge", f"c = {c:g}", slope(attention.ridge_error(small, c)))
    # C5, C6: alignment
    arms = {name: float(error(1.0, 4.0, "tanh", 4.0, SPIKES[name]).error) for name in SPIKES}
    order = ("aligned", "query only", "none", "key only", "anti")
    put("alignment_order", "smallest step", min(arms[b] - arms[a] for a, b in pairwise(order)))
    put("orthogonal_spike", "γ = 1", abs(arms["none"] - arms["orthogonal"]))
    fine = np.geomspace(1e-4, 1e3, 701)
    for c, mu2, omega, at in (
        (4, 4, 1, 7.077),
        (4, 4, 4, 4.890),
        (4, 1, 4, 17.92),
        (2, 1, 1, 14.18),
        (2, 1, 4, 4.987),
        (0.25, 1, 0, 0.414),
        (0.25, 1, 1, 0.315),
        (0.25, 1, 4, 0.292),
    ):
        gap = error(fine, c, "tanh", mu2, strength(omega)).error - attention.ridge_error(
            fine, c, mu2
        )
        found = crossings(fine, gap)
        put(
            "gap_crossing",
            f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}",
            found[0] / at - 1 if len(found) else np.inf,
        )
    for c, mu2, omega in ((4, 4, 0), (4, 1, 0), (4, 1, 1), (2, 1, 0)):
        gap = error(fine, c, "tanh", mu2, strength(omega)).error - attention.ridge_error(
            fine, c, mu2
        )
        put("gap_never_closes", f"c = {c:g}, ||μ||² = {mu2}, ω = {omega}", gap.min())
    # C7: ridgeless, fewer dimensions than tokens
    base = float(attention.ridge_error(1e-5, 0.25, 1.0))
    for f in ("tanh", "exp_clip", "linear"):
        plain, along = (
            float(error(1e-5, 0.25, f, 1.0, SPIKES[s]).error) - base for s in ("none", "aligned")
        )
        put("ridgeless_gap", f, min(plain, along))
        if f != "linear":
            put("ridgeless_gap_shrinks", f, along / plain)
    # C9, C10: what of f matters
    alike = {
        name: error(np.array([1.0, 10.0]), 4.0, f, 4.0, SPIKES["aligned"]).error
        for name, f in lookalikes().items()
    }
    put(
        "lookalikes",
        "largest difference",
        max(np.abs(a - b).max() for a, b in combinations(alike.values(), 2)),
    )
    blind = [
        error(1.0, 4.0, "cos_c", mu2, SPIKES[s]).error for mu2 in (0.0, 1.0, 4.0) for s in SPIKES
    ]
    put("structure_blind", "spread", np.ptp(blind))
    ten = np.geomspace(1e-4, 10, 41)
    gap = (
        error(ten, 4.0, "cos_c", 4.0, SPIKES["aligned"]).error
        - error(ten, 4.0, "tanh", 4.0, SPIKES["aligned"]).error
    )
    put("cosine_is_worse", "c = 4, aligned", gap.min())
    # limits of the equations
    for c, gamma in product((0.25, 0.5, 1.0, 2.0, 4.0), (1e-3, 1.0)):
        put(
            "linear_limit",
            f"c = {c:g}, γ = {gamma:g}",
            abs(float(error(gamma, c, "linear").error) - _linear(gamma, c)),
        )
    one = variants.heads_error(wide[60:], 4.0, ["tanh"], mu=2 * U, w_keys=[U], w_queries=[U])
    put(
        "complex_step",
        "one head",
        np.abs(one - error(wide[60:], 4.0, "tanh", 4.0, SPIKES["aligned"]).error).max(),
    )
    return pd.DataFrame(rows, columns=["check", "condition", "value"])


def _linear(gamma: float, c: float) -> float:
    """E of linear attention on noise, straight from the Marchenko–Pastur law: f(t) = t, zero
    diagonal.
    """
    count = 20_000
    a, b = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    angle = (
        np.pi * (np.arange(count) + 0.5) / count
    )  # x = middle − half cos(angle): periodic, so midpoints converge fast
    half = (b - a) / 2
    x = (a + b) / 2 - half * np.cos(angle)
    density = half * np.sin(angle) / (2 * np.pi * x) * half * np.sin(angle) * np.pi / count
    return max(0.0, 1 - c) + float(((gamma / (gamma + (x / c - 1) ** 2 * x)) ** 2 * density).sum())
