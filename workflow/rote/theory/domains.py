"""Where min-norm regression and posteriors of memorized priors are right, and how that is known."""

from rote.core.domains import Domain

DOMAINS = [
    Domain(
        "rote.theory.minnorm.fit",
        "finite X and y, λ ≥ 0; columns of X 0 or with a largest number in [1e-150, 1e150], y at "
        "most 1e150; a rank that rounding does not decide (no singular value between rounding and "
        "1e-13, columns of length one)",
        "1e-7 of the norm, in columns of length one; refused where refinement does not reach it",
        "80-digit normal equations, condition numbers to 1e15, column scales 1e-15 to 1e15; "
        "designs times 1e-300 to 1e300",
        "one SVD; above 64 rows and columns one `eigh`",
    ),
    Domain(
        "rote.theory.minnorm.identifiable",
        "as `fit`",
        "exact, whatever the scale of the columns",
        "null vectors; rescaled columns",
        "one SVD",
    ),
    Domain(
        "rote.theory.minnorm.factorize",
        "as `fit`; of designs above 64 × 64 singular values below 1e-12 of the largest are zeros",
        "every singular value to 1e-15 κ, κ of the columns at length one",
        "LAPACK's pseudo-inverse, 80-digit normal equations",
        "one SVD; above 64 rows and columns one `eigh`",
    ),
    Domain(
        "rote.theory.minnorm.coefficients",
        "of any factorization, λ ≥ 0",
        "about 1e-16 (κ + κ² times the share of the residual); `fit` refines",
        "80-digit normal equations",
        "one product",
    ),
    Domain(
        "rote.theory.posterior.mixture",
        "real finite data and examples, σ and γ in [1e-150, 1e150], σ‖J‖/γ ≤ 1e9, F by torch, "
        "NumPy or with its Jacobian",
        "log-weights to about 1e-15 σ‖J‖/γ of the largest, means to 1e-12 of x_n, μ_n and σ; by "
        "differences to 1e-6 of the Jacobian",
        "60-digit elimination, γ 1e-8 to 1; units 1e-130 to 1e130; densities of linear operators",
        "one Cholesky factor, or QR of (m + d, d), per example",
    ),
    Domain(
        "rote.theory.posterior.denoise",
        "N ≥ 1 examples, finite x, σ in [1e-150, 1e150] with |x − x_n|/σ below 1e154, some finite "
        "log-weight",
        "1e-12, relative to the examples, while |x − x_n|/σ is below 1e10 (beyond, 1e-32 of its "
        "square); of log-weights as far apart as w also 1e-15 w",
        "the softmax at once; 80 digits at midpoints and far away, σ 1e-110 to 1e102",
        "N d per point; 30 times that where distant examples are equally far",
    ),
    Domain(
        "rote.theory.posterior.score",
        "as `denoise`; scores below 1e308",
        "that of `denoise` over σ², absolute",
        "differences of the log-density; powers of two as units",
        "N d per point",
    ),
    Domain(
        "rote.theory.posterior.empirical",
        "log-likelihoods without NaN or +inf, some above −inf",
        "1e-15, absolute",
        "log-sum-exp",
        "N",
    ),
    Domain(
        "rote.theory.posterior.effective",
        "weights ≥ 0 of sum 1",
        "1e-14, relative",
        "between 1 and N",
        "N",
    ),
    Domain(
        "rote.theory.minnorm.row_space",
        "of any factorization",
        "1e-12, absolute",
        "the pseudo-inverse's projector",
        "n d",
    ),
    Domain(
        "rote.theory.minnorm.hat_diagonal",
        "of any factorization, λ ≥ 0",
        "1e-9, absolute, for designs of condition up to 1e6",
        "the hat matrix",
        "n min(n, d) per penalty",
    ),
    Domain(
        "rote.theory.minnorm.leave_one_out",
        "of any factorization; a row counts as memorized where its H_jj exceeds 1 − 1e-8",
        "1e-5 relative, for designs of condition up to 1e6",
        "refitting without the row",
        "n d",
    ),
    Domain(
        "rote.theory.minnorm.descent",
        "of any factorization, steps ≥ 0",
        "1e-8, absolute, for designs of condition up to 1e6",
        "the iteration, and `fit` after 1e9 steps",
        "min(n, d) d per number of steps",
    ),
]
