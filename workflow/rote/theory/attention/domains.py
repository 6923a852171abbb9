"""Where the theory of nonlinear attention is right, how right, and how that is known."""

from rote.core.domains import Domain

_HEAD = "0.001 ≤ c ≤ 1000, 1e-18 ≤ γ/ν ≤ 1e12"
_DIGITS = "60-digit Newton on the 3 × 3 matrices, at random extremes"
_NAN = "NaN where it is not reached"

DOMAINS = [
    Domain(
        "rote.theory.attention.memorization_error",
        f"{_HEAD}; any finite signal and spike, diagonal a finite number or settled slope",
        "`bound`, at most 1e-7 of the error, without a signal of E − max(0, 1 − c); else not "
        "converged and NaN",
        f"{_DIGITS}: c .01 to 100, γ 1e-12 to 100; the Marčenko-Pastur integral of linear f",
        "about 15 ms a point, 0.3 ms in a grid",
    ),
    Domain(
        "rote.theory.attention.moments",
        "piecewise smooth f with f² exp(−t²/2) vanished at |t| = 38 and up to 1e4 oscillations a "
        "unit; kinks need not be declared",
        "`error`, at most 1e-9 of √ν and ν",
        "closed forms of exponentials, cosines, hinges and steps",
        "5 to 50 ms",
    ),
    Domain(
        "rote.theory.attention.diagonal",
        "keep: f for which f(t)/t settles between t = 1e4 and 1e13",
        "1e-7 of the slope",
        "functions of known slope, and some without",
        "1 ms",
    ),
    Domain(
        "rote.theory.attention.ridge_error",
        "c, γ > 0 and ‖μ‖² ≥ 0, finite",
        "1e-13, relative",
        "the Marčenko-Pastur integral",
        "microseconds",
    ),
    Domain(
        "rote.theory.attention.variants.unbalanced_error",
        f"{_HEAD}, p ≥ 1, balance in [−1, 1]",
        f"1e-7, relative; {_NAN}",
        "reduces to the model; two quadratures",
        "about 15 ms a point",
    ),
    Domain(
        "rote.theory.attention.variants.strong_signal_error",
        f"{_HEAD}, p ≥ 1, odd f: a heuristic",
        f"1e-7 of the heuristic, relative; {_NAN}",
        "reduces to the model at large p",
        "about 15 ms a point",
    ),
    Domain(
        "rote.theory.attention.variants.heads_error",
        "0.001 ≤ c ≤ 1000, γ > 0; vectors of one length, keys with their queries",
        f"1e-6, relative, for γ/ν ≥ 1e-5; {_NAN}",
        "one head against the model",
        "seconds below γ = 1e-3",
    ),
    Domain(
        "rote.theory.attention.variants.dense_error",
        "0.001 ≤ c ≤ 1000, γ > 0",
        f"1e-6, relative, for γ/ν ≥ 1e-5; {_NAN}",
        "simulation",
        "seconds below γ = 1e-3",
    ),
    Domain(
        "rote.theory.attention.variants.anisotropic_error",
        "γ > 0, spectrum > 0 without a few dominating directions",
        f"1e-6, relative, for γ/ν ≥ 1e-5; {_NAN}",
        "equal eigenvalues against the model",
        "seconds below γ = 1e-3",
    ),
    Domain(
        "rote.theory.attention.variants.softmax",
        "0 < β ≤ 10, n, p ≥ 1",
        "1e-14, relative",
        "closed form",
        "microseconds",
    ),
]
