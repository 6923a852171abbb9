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
        "rote.theory.attention.memorization_errors",
        "that of `memorization_error`",
        "that of `memorization_error`",
        "`memorization_error`, one by one",
        "0.5 ms a setting in addition to one grid",
    ),
    Domain(
        "rote.theory.attention.matched_ridge",
        f"{_HEAD}; a ridge of the regression on raw tokens",
        "1e-9, relative, of the degrees of freedom",
        "degrees of freedom at the ridge that it gives",
        "0.1 s per p/n for equal freedom",
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
    Domain(
        "rote.theory.attention.named",
        "a name, or a vectorized function with f² exp(−t²/2) vanished at |t| = 38",
        "kinks to 1e-9",
        "functions of known kinks, declared and not",
        "10 ms of a function, nothing of a name",
    ),
    Domain(
        "rote.theory.attention.clipped_exp",
        "any t",
        "float64",
        "its closed moments",
        "an exponential",
    ),
    Domain(
        "rote.theory.attention.coefficients",
        "as `moments`",
        "as `moments`",
        "as `moments`",
        "as `moments`",
    ),
    Domain(
        "rote.theory.attention.finite_size",
        "as `moments`; n ≥ 1 tokens",
        "the first order in 1/n",
        "simulated heads of 512 and 1,024 tokens",
        "as `moments`",
    ),
    Domain(
        "rote.theory.attention.equal_power",
        "c > 0",
        "1e-13 relative, for moments that are exact",
        "its formula",
        "as `moments`",
    ),
    Domain(
        "rote.theory.attention.kernel_density",
        "c > 0, finite x",
        "mass to 1e-3, second moment to 5e-3, on a grid of 20,001 points",
        "integrals of the density and of its square: mass 1 and the kernel's power",
        "milliseconds per 1,000 points",
    ),
]
