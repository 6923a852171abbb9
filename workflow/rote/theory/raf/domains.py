"""Where the functions of this package are right, and how that was checked."""

from rote.core.domains import Domain

_EPS = "eps in [0, 1]"
_CLOSED = "a closed form"

DOMAINS = [
    Domain(
        "rote.theory.raf.solve",
        f"alpha 1e-8 to 1e8; {_EPS}; lam/mu1² 0 or 1e-16 to 1e16; mustar/mu1 0 to 1e6; "
        "kappa 1e-4 to 1e10 and lam > 0; lam = 0 below the capacity of the data only; "
        "weight of facts 1e-6 to 1e3",
        "both errors to 1e-8, relative; else marked as not converged (3 of 126,000 random "
        "points with alpha 1e-4 to 1e6, lam 1e-16 to 1e6, kappa 1e-2 to 1e8: hinge loss, linear, "
        "eps < 1e-10, lam < 1e-11 and alpha > 1e5, where rounding decides; with weights of facts "
        "from 1e-6 to 1e3 none of 26,000)",
        "textbook equations and integrals in mpmath at random points, alpha 1e-4 to 1e6, lam 1e-12 "
        "to 1e6, kappa 1e-2 to 1e8 (and at a few beyond); every "
        "point by a finer quadrature and against the Bayes-optimal error",
        "5 sweeps, at most 50; square and hinge 20 µs, logistic 0.5 ms a point, and 2 to 20 ms per "
        "distinct weight of facts",
    ),
    Domain(
        "rote.theory.raf.eigenvalues",
        "1 to 1,000,000 values > 0 of any unit; none above a tenth of their sum or below 1e-12 of "
        "their mean; kernel limit only",
        "both errors of solve to 1e-8, relative, as without",
        "textbook equations in mpmath at random points and spectra of up to eight decades; scalar "
        "equations of ridge regression; simulations",
        "10 ns per eigenvalue, point and sweep",
    ),
    Domain(
        "rote.theory.raf.power_law",
        "exponent ≥ 0, number 1 to 1,000,000; none above a tenth of their sum or below 1e-12 of "
        "their mean",
        "rounding",
        _CLOSED,
        "none",
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
        "mu1 1e-100 to 1e100, of either sign; mustar ≥ 0, > 0 with kappa; gamma in [0, 90); "
        "weight > 0",
        "exact",
        "kernels against the derivatives of their functions",
        "none",
    ),
    Domain(
        "rote.theory.raf.best_ridge",
        "that of `solve`; forget in [0, 1]; best ridges are searched between 1e-8 and 1e4 times "
        "mu1² + mustar², and at 0",
        "E_gen to 1e-9; the ridge to 1e-6 where a bound on E_mem decides it, to 1e-4 elsewhere",
        "the closed form of the square loss; finer grids",
        "2 ms a point with hinge loss",
    ),
    Domain(
        "rote.theory.raf.best_kernel",
        "that of `best_ridge`; gamma in [0, 89] degrees",
        "E_gen to 1e-8; the angle to 0.01 degrees where E_gen is curved",
        "the closed form of the square loss; a grid of angles and ridges",
        "0.7 s a point with hinge loss",
    ),
    Domain(
        "rote.theory.raf.memory_width",
        "that of `solve`; widths from 0.02 to 1e5",
        "1e-6, relative",
        "E_mem on both sides of it",
        "2 s a point with hinge loss at its best ridge, 0.1 s at one ridge",
    ),
    Domain(
        "rote.theory.raf.rule_error",
        "solutions of `solve`",
        "1e-8, relative, down to 1e-12",
        "simulated training sets",
        "1 µs a point",
    ),
    Domain(
        "rote.theory.raf.rbf",
        "eta 1e-6 to 100",
        "rounding",
        _CLOSED,
        "none",
    ),
    Domain(
        "rote.theory.raf.named",
        "names of KERNELS; rbf:ETA with eta 1e-6 to 100",
        "rounding",
        _CLOSED,
        "none",
    ),
    Domain(
        "rote.theory.raf.of_function",
        "h of cosines in [-1, 1], analytic for cosines up to 0.9 in magnitude",
        "1e-12, relative",
        "closed forms of the named kernels",
        "0.1 ms",
    ),
    Domain(
        "rote.theory.raf.of_activation",
        "as `rote.theory.attention.moments`",
        "1e-9, relative",
        "closed forms of the named activations",
        "5 ms",
    ),
]
