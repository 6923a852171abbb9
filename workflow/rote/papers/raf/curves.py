"""Theory: the curves and phase diagrams of the figures, and the numbers that theory alone decides."""

import numpy as np
import pandas as pd

from rote.papers.raf import settings
from rote.theory import raf

ANGLES = (0.0, 15.0, 30.0, 44.1, 60.0, 75.0)
ALPHA = 4.0  # of the figures at one alpha


def curves(options: settings.Theory) -> pd.DataFrame:
    """Every theory curve: the table Curves."""
    eps, parts = options.eps, []
    lams = np.geomspace(1e-5, 10**1.5, options.penalties)

    def add(
        figure: str,
        series: str,
        loss: str,
        alpha,
        lam=np.nan,
        gamma=np.nan,
        kappa=np.nan,
        eps=eps,
        **geometry,
    ):
        point = np.broadcast_arrays(
            *(np.asarray(x, float) for x in (alpha, eps, lam, gamma, kappa))
        )
        columns = dict(
            zip(("alpha", "eps", "lam", "gamma", "kappa"), (x.ravel() for x in point), strict=True)
        )
        if loss == "bayes":
            e_gen = raf.bayes_optimal(columns["alpha"], columns["eps"])
            found = {
                "e_gen": e_gen,
                "e_mem": np.nan,
                "iterations": 0,
                "residual": 0.0,
                "converged": ~np.isnan(e_gen),
            }
        else:
            if not geometry:
                geometry = {"gamma": np.where(np.isnan(columns["gamma"]), 0.0, columns["gamma"])}
            width = None if np.isnan(columns["kappa"]).all() else columns["kappa"]
            s = raf.solve(
                loss, columns["alpha"], columns["eps"], columns["lam"], kappa=width, **geometry
            )
            residual = np.where(np.isfinite(s.residual), s.residual, np.nan)
            found = {
                "e_gen": s.e_gen,
                "e_mem": s.e_mem,
                "iterations": s.iterations,
                "residual": residual,
            }
            found["converged"] = s.converged
        parts.append(
            pd.DataFrame({"figure": figure, "series": series, "loss": loss, **columns, **found})
        )
        return parts[-1]

    def best(figure: str, series: str, loss: str, alpha, gamma):
        """At the penalty with the smallest E_gen, per point."""
        alpha, gamma = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(gamma, float))
        s = raf.solve(loss, alpha[:, None], eps, lams, gamma=gamma[:, None])
        return add(figure, series, loss, alpha, _minimizer(lams, s.e_gen), gamma)

    # F1: linear learner against the number of samples
    alphas = np.geomspace(0.1, 16, options.curve)
    add("linear", "square, λ → 0", "square", alphas, 1e-6, 0.0)
    add("linear", "square, λ_opt", "square", alphas, raf.optimal_ridge(eps, 1, 0), 0.0)
    add("linear", "hinge, λ → 0", "hinge", alphas, 1e-4, 0.0)
    best("linear", "hinge, best λ", "hinge", alphas, 0.0)
    add("linear", "Bayes", "bayes", alphas)
    # F2: the trade-off as λ varies
    for gamma in ANGLES:
        for loss in ("square", "hinge"):
            add("tradeoff", loss, loss, ALPHA, np.geomspace(1e-5, 100, options.curve), gamma)
    # F3: the kernel angle
    gammas = np.linspace(0, 85, options.curve)
    add(
        "angle", "square, best λ", "square", ALPHA, np.maximum(_ridge_at(eps, gammas), 1e-9), gammas
    )
    best("angle", "hinge, best λ", "hinge", np.full(len(gammas), ALPHA), gammas)
    for loss in ("square", "hinge"):
        add("angle", f"{loss}, λ → 0", loss, ALPHA, 1e-4, gammas)
    # F4: optima against the fraction of facts; the numerical angle of the best interpolator
    fractions = np.linspace(0, 0.9, 19)
    fine = np.linspace(0, 89, 891)
    for fraction in fractions:
        s = raf.solve("square", ALPHA, fraction, 0.0, gamma=fine[1:])
        add("optima", "square", "square", ALPHA, 0.0, fine[1:][np.argmin(s.e_gen)], eps=fraction)
    # F5: large alpha
    wide = np.geomspace(1, 1e5, options.curve)
    add("rates", "square, γ_opt, λ = 0", "square", wide, 0.0, float(raf.optimal_angle(eps)))
    add("rates", "hinge, linear, λ = 1", "hinge", wide, 1.0, 0.0)
    add("rates", "hinge, γ = 45°, λ = 0.1", "hinge", wide, 0.1, 45.0)
    add("rates", "hinge, γ = 30°, λ = 1", "hinge", wide, 1.0, 30.0)
    add("rates", "Bayes", "bayes", wide)
    # F6: random features
    mu1, mustar = raf.GEOMETRY["sign"]
    widths = np.geomspace(0.25, 1e4, options.curve)
    for alpha in (2.0, 4.0):
        for lam in (1e-4, 0.1, 1.0):
            for loss in ("square", "hinge"):
                add(
                    "features",
                    f"{loss}, λ = {lam:g}",
                    loss,
                    alpha,
                    lam,
                    kappa=widths,
                    mu1=mu1,
                    mustar=mustar,
                )
                add(
                    "features",
                    f"{loss}, λ = {lam:g}, kernel",
                    loss,
                    alpha,
                    lam,
                    mu1=mu1,
                    mustar=mustar,
                )
    # F8: phase diagrams
    a, e = np.meshgrid(np.geomspace(0.2, 20, options.phase), np.linspace(0.01, 0.9, options.phase))
    add("phase_alpha", "linear hinge, λ = 0.001", "hinge", a, 1e-3, 0.0, eps=e)
    add("phase_alpha", "hinge, γ = 30°, λ = 1", "hinge", a, 1.0, 30.0, eps=e)
    g, penalty = np.meshgrid(
        np.linspace(0, 85, options.phase), np.geomspace(1e-3, 10, options.phase)
    )
    for loss in ("square", "hinge"):
        add("phase_angle", loss, loss, ALPHA, penalty, g)
    return pd.concat(parts, ignore_index=True)


def _minimizer(lams: np.ndarray, e_gen: np.ndarray) -> np.ndarray:
    """The λ of the smallest E_gen per row: the best of the grid, refined by a parabola in log λ."""
    at = np.nanargmin(e_gen, axis=1)
    inner = np.clip(at, 1, len(lams) - 2)
    low, middle, high = (
        np.take_along_axis(e_gen, (inner + shift)[:, None], 1)[:, 0] for shift in (-1, 0, 1)
    )
    bend = low - 2 * middle + high
    shift = np.where(
        (bend > 0) & (at == inner), (low - high) / (2 * np.where(bend > 0, bend, 1.0)), 0.0
    )
    return lams[at] * (lams[1] / lams[0]) ** np.clip(shift, -0.5, 0.5)


def _ridge_at(eps: float, gamma: np.ndarray) -> np.ndarray:
    return raf.optimal_ridge(eps, np.cos(np.radians(gamma)), np.sin(np.radians(gamma)))


def checks(options: settings.Theory) -> pd.DataFrame:
    """The statistics of the claims that need no simulation: the table Checks."""
    rows: list[tuple[str, str, float]] = []

    def put(check, condition, value):
        return rows.append((check, condition, float(value)))

    eps, lams = 0.1, np.geomspace(1e-5, 10**1.5, options.penalties)

    # 4.4: argmin of the iterated solution on a grid around the closed form, in grid steps; and the
    # value there
    for name, (mu1, mustar) in {"linear": (1.0, 0.0), "ReLU": raf.GEOMETRY["relu"]}.items():
        target = float(raf.optimal_ridge(eps, mu1, mustar))
        grid = target * np.exp(np.linspace(-0.2, 0.2, 41))
        for alpha in (0.5, 2.0, 8.0):
            s = raf.solve(
                "square",
                alpha,
                eps,
                grid,
                mu1=mu1,
                mustar=mustar,
                closed_form=False,
                tolerance=1e-13,
            )
            put("lambda_opt_steps", f"{name}, alpha = {alpha:g}", abs(int(np.argmin(s.e_gen)) - 20))
            closed = raf.solve("square", alpha, eps, target, mu1=mu1, mustar=mustar).e_gen
            put("lambda_opt_value", f"{name}, alpha = {alpha:g}", abs(s.e_gen[20] - closed))
    # 4.5: the interpolator at the optimal angle
    for alpha in (0.5, 2.0, 8.0):
        s = raf.solve("square", alpha, eps, 0.0, gamma=float(raf.optimal_angle(eps)))
        B = alpha + np.pi / (2 * (1 - eps) ** 2)
        optimum = np.arccos(np.sqrt(2 * alpha / (B + np.sqrt(B**2 - 4 * alpha)))) / np.pi
        put("gamma_opt_gen", f"alpha = {alpha:g}", s.e_gen - optimum)
        put("gamma_opt_mem", f"alpha = {alpha:g}", s.e_mem)
    # 4.6: a linear learner beyond its capacity
    for loss in ("square", "hinge"):
        s = raf.solve(loss, ALPHA, eps, lams, gamma=0.0, tolerance=1e-8)
        put("linear_memory", loss, np.nanmin(s.e_mem))
        put("linear_memory_at_best", loss, s.e_mem[np.nanargmin(s.e_gen)])
    # 4.7: what hinge gains, and pays
    grid = {loss: raf.solve(loss, ALPHA, eps, lams, gamma=45.0) for loss in ("square", "hinge")}
    at = {loss: np.nanargmin(s.e_gen) for loss, s in grid.items()}
    put("hinge_gain", "", grid["square"].e_gen[at["square"]] - grid["hinge"].e_gen[at["hinge"]])
    put("hinge_memory", "", grid["hinge"].e_mem[at["hinge"]])
    # 4.7b: both without memory error
    angles = np.linspace(1, 85, 169)[:, None]
    zero = {}
    for loss in ("square", "hinge"):
        s = raf.solve(loss, ALPHA, eps, np.r_[0.0, lams], gamma=angles, tolerance=1e-8)
        zero[loss] = np.nanmin(np.where(s.e_mem <= 1e-6, s.e_gen, np.nan))
    put("hinge_interpolator_gain", "", zero["square"] - zero["hinge"])
    # 4.8-4.12: large alpha
    for fraction in (0.1, 0.3):
        value = raf.solve(
            "square", 1e5, fraction, 0.0, gamma=float(raf.optimal_angle(fraction))
        ).e_gen * np.sqrt(1e5)
        put("rate_square", f"eps = {fraction:g}", value / raf.square_rate(fraction) - 1)
        ends = np.array([1e4, 1e5])
        for name, lam, gamma, v_star in (
            ("hard margin, 45°", 0.0, 45.0, np.inf),
            ("45°, λ = 0.5", 0.5, 45.0, 1.0),
            ("30°, λ = 0.75", 0.75, 30.0, 1 / 3),
            ("linear, λ = 1", 1.0, 0.0, 0.0),
        ):
            s = raf.solve("hinge", ends, fraction, lam, gamma=gamma)
            put(
                "rate_hinge",
                f"{name}, eps = {fraction:g}",
                np.diff(np.log(s.e_gen))[0] / np.log(10),
            )
            limit = raf.hinge_limit(fraction, v_star)
            put(
                "rate_hinge_prefactor",
                f"{name}, eps = {fraction:g}",
                s.e_gen[1] * np.sqrt(1e5) / limit.rate - 1,
            )
            if 0 < v_star < np.inf:
                put("memory_limit", f"hinge, {name}, eps = {fraction:g}", s.e_mem[1] - limit.e_mem)
        put(
            "rate_bayes",
            f"eps = {fraction:g}",
            raf.bayes_optimal(1e4, fraction) * 1e4 / raf.bayes_rate(fraction) - 1,
        )
        c = (1 - fraction) * np.sqrt(2 / np.pi)
        s = raf.solve("square", 1e5, fraction, 0.5, mu1=0.8, mustar=0.6)
        put(
            "memory_limit",
            f"square, eps = {fraction:g}",
            s.e_mem - _erfc(0.36 / (0.5 * c * np.sqrt(2))) / 2,
        )
    # 4.15: wide random features
    mu1, mustar = raf.GEOMETRY["sign"]
    for loss in ("square", "hinge"):
        pair = [
            raf.solve(loss, ALPHA, eps, 0.1, mu1=mu1, mustar=mustar, kappa=kappa).e_gen
            for kappa in (1e4, None)
        ]
        put("features_limit", loss, abs(pair[0] - pair[1]))
    # 4.17: nobody beats Bayes
    alpha, fraction = (
        np.geomspace(0.1, 100, 31)[:, None, None, None],
        np.array([0.05, 0.1, 0.3, 0.6])[:, None, None],
    )
    bayes = raf.bayes_optimal(alpha, fraction)
    for loss in ("square", "hinge"):
        s = raf.solve(
            loss,
            alpha,
            fraction,
            np.geomspace(1e-3, 10, 9),
            gamma=np.linspace(0, 75, 7)[:, None],
            tolerance=1e-8,
        )
        put("bayes_bound", loss, np.nanmin(s.e_gen - bayes))
        put("converged", loss, s.converged.mean())
    # 4.19: golden values of the released state-evolution code's equations, to 8 digits
    for number, (loss, a, f, lam, mu1, mustar, e_gen, e_mem) in enumerate(GOLDEN):
        s = raf.solve(loss, a, f, lam, mu1=mu1, mustar=mustar)
        put("reference", f"{loss} {number}", max(abs(s.e_gen - e_gen), abs(s.e_mem - e_mem)))
    return pd.DataFrame(rows, columns=["check", "condition", "value"])


def _erfc(x: float) -> float:
    from scipy.special import erfc

    return erfc(x)


GOLDEN = [  # loss, α, ε, λ, μ1, μ⋆, E_gen, E_mem
    ("square", 2, 0.1, 1, 1, 0, 0.21839352, 0.22306585),
    ("square", 4, 0.1, 0.01, 0.8, 0.6, 0.15796024, 0.0),
    ("square", 4, 0.3, 0.5, 0.8, 0.6, 0.21657740, 0.016219874),
    ("square", 0.5, 0.2, 0.1, 1, 0, 0.37271875, 9.9e-17),
    ("hinge", 2, 0.1, 1, 1, 0, 0.22517222, 0.27969463),
    ("hinge", 4, 0.1, 0.1, 1, 0, 0.15118546, 0.32639864),
    ("hinge", 2, 0.1, 0.5, 0.8, 0.6, 0.21467358, 0.039615114),
    ("hinge", 4, 0.2, 0.5, 0.8, 0.6, 0.17677600, 0.096969512),
    ("hinge", 4, 0.1, 0, 0.8, 0.6, 0.15427347, 0.0),
    ("hinge", 1, 0.2, 0.01, 1, 0, 0.33896165, 1.7e-120),
    ("hinge", 8, 0.1, 0.3, 0.5**0.5, 0.5**0.5, 0.10397018, 0.0098497225),
]
