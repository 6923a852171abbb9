"""Where the theory of nonlinear attention is right, how right, and how that is known."""

from rote.core.domains import Domain

_HEAD = "0.001 ≤ c ≤ 1000, 1e-18 ≤ γ/ν ≤ 1e12"
_DIGITS = "60-digit Newton on the 3 × 3 matrices, at random extremes"
_EXCESS = "`bound`, at most 1e-7 of what γ adds to the limit of E; NaN where the root is lost"
_PENCILS = "Newton in 90 digits on textbook forms at random extremes: c .01 to 100, γ 1e-12 to 100"
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
        "rote.theory.attention.given_error",
        "p, n ≥ 1 tokens not all 0, any finite mean of the kernel, noise ≥ 0, γ > 0",
        "1e-7 relative, 1e-6 for γ down to 1e-8 of the features' power; NaN where not solved",
        "simulated noise; exact without noise; the random dense head at n = 1,200",
        "10 n³ operations a step, 4 to 15 steps a ridge",
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
        "rote.theory.attention.strong.strong_signal_error",
        f"{_HEAD}, p ≥ 1, odd f: a heuristic, for s = μᵀWμ/√p up to 3",
        f"1e-7 of the heuristic, relative; {_NAN}",
        "simulation of n = 4p = 512 and p = 2n = 256: within 10 % for γ ≥ 1 and s ≤ 3, no spike or "
        "aligned; 15 % for s ≤ 1; at γ = 1e-5 the error is .65 to .75 of it at s = 2, half at 3; "
        "the model at large p",
        "about 40 ms, and 1 ms a ridge",
    ),
    Domain(
        "rote.theory.attention.classes.classes_error",
        f"{_HEAD}; two or more classes, whose means and labels average to 0",
        f"1e-7, relative; {_NAN}",
        "two classes against the model; four in simulation",
        "about 15 ms a point, less in a grid",
    ),
    Domain(
        "rote.theory.attention.variants.heads_error",
        f"{_HEAD}, ν of all heads; vectors of one length, keys with their queries",
        _EXCESS,
        f"{_PENCILS}; one head, and heads that are one, against the model",
        "one head 10 to 25 ms, two 20 to 50 ms, three 35 to 95 ms a point, less in a grid",
    ),
    Domain(
        "rote.theory.attention.variants.dense_error",
        _HEAD,
        _EXCESS,
        f"{_PENCILS}; simulation",
        "10 to 20 ms a point, less in a grid",
    ),
    Domain(
        "rote.theory.attention.variants.anisotropic_error",
        "0.001 ≤ p/n ≤ 1000, γ over the features' variance 1e-18 to 1e12, spectrum > 0 without a "
        "few dominating directions",
        f"{_EXCESS}; every eigenvalue counts",
        f"{_PENCILS}; equal eigenvalues against the model",
        "12 to 30 ms a point, and 0.1 ms per distinct eigenvalue",
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
        "0.001 ≤ c ≤ 1000, finite x",
        "1e-9 relative; within 1e-12 of an edge that of x moved by rounding, 1e-7",
        "the roots of its cubic in 60 digits, c .001 to 1000, noise 1e-14 to 1; mass and power",
        "5 ms per 1,000 points",
    ),
]
