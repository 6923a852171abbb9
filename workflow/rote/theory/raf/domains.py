"""Where the functions of this package are right, and how that was checked."""

from rote.core.domains import Domain

_EPS = "eps in [0, 1]"
_CLOSED = "a closed form"

DOMAINS = [
    Domain(
        "rote.theory.raf.solve",
        f"alpha 1e-8 to 1e8; {_EPS}; lam/mu1² 0 or 1e-16 to 1e16; mustar/mu1 0 to 1e6; "
        "kappa 1e-4 to 1e10 and lam > 0; lam = 0 below the capacity of the data only",
        "both errors to 1e-8, relative; else marked as not converged (3 of 126,000 random "
        "points with alpha 1e-4 to 1e6, lam 1e-16 to 1e6, kappa 1e-2 to 1e8: hinge loss, linear, "
        "eps < 1e-10, lam < 1e-11 and alpha > 1e5, where rounding decides)",
        "textbook equations and integrals in mpmath at random points, alpha 1e-4 to 1e6, lam 1e-12 "
        "to 1e6, kappa 1e-2 to 1e8 (and at a few beyond); every "
        "point by a finer quadrature and against the Bayes-optimal error",
        "5 sweeps, at most 50; square and hinge 20 µs, logistic 0.5 ms a point",
    ),
    Domain(
        "rote.theory.raf.bayes_optimal",
        f"alpha 1e-100 to 1e100; {_EPS}",
        "1e-12, relative",
        "integrals in mpmath; the large-alpha constant at alpha 1e8 to 1e60",
        "20 µs a point",
    ),
    Domain(
        "rote.theory.raf.bayes_overlap",
        f"alpha 1e-100 to 1e100; {_EPS}",
        "1e-12, relative",
        "integrals in mpmath; the large-alpha constant at alpha 1e8 to 1e60",
        "20 µs a point",
    ),
    Domain(
        "rote.theory.raf.bayes_rate",
        "eps in [0, 1)",
        "1e-12, relative",
        "integrals in mpmath",
        "2 µs",
    ),
    Domain(
        "rote.theory.raf.capacity",
        _EPS,
        "1e-14, relative",
        "the minimum that defines it, in mpmath, eps 1e-300 to 1 − 1e-9",
        "1 µs",
    ),
    Domain(
        "rote.theory.raf.hinge_limit",
        "eps 1e-12 to 1 − 1e-6; v_star 0, 1e-6 to 1e8 or infinite",
        "1e-9, relative",
        "the balance of its force in mpmath; solutions at alpha 1e5",
        "10 ms",
    ),
    Domain("rote.theory.raf.optimal_ridge", "eps in [0, 1)", "rounding", _CLOSED, "none"),
    Domain("rote.theory.raf.square_rate", "eps in [0, 1)", "rounding", _CLOSED, "none"),
    Domain("rote.theory.raf.optimal_angle", _EPS, "rounding", _CLOSED, "none"),
    Domain(
        "rote.theory.raf.Learner",
        "mu1 1e-100 to 1e100, of either sign; mustar ≥ 0, > 0 with kappa; gamma in [0, 90)",
        "exact",
        "kernels against the derivatives of their functions",
        "none",
    ),
]
