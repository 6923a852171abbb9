"""Rules and facts: the grid solver against quadrature point by point, Newton against LIBSVM."""

from itertools import product

import numpy as np
from rote.core.seeds import generator
from rote.papers.raf.simulation import KernelModel, angle
from rote.synth import rules_facts
from rote.theory import raf
from scipy import integrate, special
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC

from tests.benchmarks.case import Case, Growth, Work

EPS, GAMMA = 0.1, 45.0
MODEL = KernelModel(np.sqrt(0.5), np.sqrt(0.5))
LAM = 0.3


def _by_quadrature(alpha: float, lam: float) -> float:
    """E_gen of one hinge point: the same equations and start, every expectation by
    `scipy.integrate.quad`.
    """
    mu1 = np.sqrt(0.5)
    mustar = mu1
    ms = 0.1
    qs = 0.8
    Vs = min(3 * lam, 1.0) / lam

    def normal(z):
        return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    def quad(f, low, high):
        return integrate.quad(f, low, high, epsabs=1e-13, epsrel=1e-11, limit=200)[0]

    for _ in range(2000):
        m = mu1 * ms
        q = mu1**2 * qs
        V = mu1**2 * Vs + mustar**2 / lam
        root, eta = np.sqrt(q), m**2 / q
        beta, sigma = np.sqrt(eta / (1 - eta)), np.sqrt(1 - eta)
        low, high = (1 - V) / root, 1 / root

        def p(z, beta=beta):
            return normal(z) * (2 * (1 - EPS) * special.ndtr(beta * z) + EPS)

        def force(z, root=root, V=V):
            return (1 - root * z) / V

        def gauss(z, sigma=sigma):
            return normal(z / sigma) / sigma

        q_hat = alpha * (
            quad(p, -12, low) + quad(lambda z, p=p, force=force: p(z) * force(z) ** 2, low, high)
        )
        v_hat = alpha / V * quad(p, low, high)
        score = special.ndtr(low / sigma) + quad(
            lambda z, g=gauss, force=force: g(z) * force(z), low, high
        )
        m_hat = 2 * alpha * (1 - EPS) / np.sqrt(2 * np.pi) * score
        shrink = lam + mu1**2 * v_hat
        new = np.array(
            [mu1 * m_hat / shrink, (mu1**2 * m_hat**2 + mu1**2 * q_hat) / shrink**2, 1 / shrink]
        )
        change = np.abs(new / [ms, qs, Vs] - 1).max()
        ms, qs, Vs = new
        if change < 1e-10:
            break
    return float(np.arccos(ms / np.sqrt(qs)) / np.pi)


def hinge_grid():
    """Hinge theory on a 200 x 200 grid of samples and penalties: all at once / scipy quadrature
    point by point
    """
    return _hinge_map(200)


def hinge_map():
    """The same on a 100 x 100 grid, a phase diagram: all at once / point by point"""
    return _hinge_map(100)


def _hinge_map(side: int) -> Case:
    alphas, lams = np.geomspace(0.1, 32, side), np.geomspace(1e-2, 10, side)

    def solve():
        return raf.solve("hinge", alphas[:, None], EPS, lams, raf.Learner.at_angle(GAMMA))

    grid = solve()
    assert grid.converged.all()
    rows, columns = [0.05, 0.375, 0.625, 0.95], [0.05, 0.5, 0.95]  # shares of each axis
    sampled = [(int(i * side), int(j * side)) for i, j in product(rows, columns)]

    def loop() -> list[float]:
        return [_by_quadrature(alphas[i], lams[j]) for i, j in sampled]

    for (i, j), e_gen in zip(sampled, loop(), strict=True):
        assert abs(e_gen - grid.e_gen[i, j]) < 1e-8, (alphas[i], lams[j])
    return Case(
        solve,
        loop,
        scale=grid.e_gen.size / len(sampled),
        repeats=3,
        bar=50.0,
        note="nearly all of it are erf and exp of whole grids; a roofline of sums and products "
        "says nothing",
    )


def _sample() -> rules_facts.RulesFactsSample:
    return rules_facts.draw(4.0, EPS, 500, generator(1, "bench", "raf"))


def _kernel(sample: rules_facts.RulesFactsSample) -> np.ndarray:
    n, d = sample.X.shape
    return MODEL.mu1**2 * sample.X @ sample.X.T / d + MODEL.mustar**2 * np.eye(n)


def hinge_simulation():
    """Hinge kernel machine, n = 2000, d = 500: Newton in d dimensions / sklearn SVC made to give
    the same answer
    """
    sample = _sample()
    n, d = sample.X.shape

    def ours() -> float:
        return MODEL.errors("hinge", LAM, sample).e_gen

    def peer() -> float:
        """LIBSVM has an intercept, which the model has not: on the data and their mirror images it
        is 0 by symmetry.
        """
        X, y = np.concatenate([sample.X, -sample.X]), np.concatenate([sample.y, -sample.y])
        mirrored = np.block([[np.eye(n), -np.eye(n)], [-np.eye(n), np.eye(n)]])
        K = MODEL.mu1**2 * X @ X.T / d + MODEL.mustar**2 * mirrored
        machine = SVC(kernel="precomputed", C=1 / (2 * LAM), tol=1e-8, cache_size=1000).fit(K, y)
        return angle(X[machine.support_].T @ machine.dual_coef_[0], sample.teacher)

    assert abs(peer() - ours()) < 1e-6
    return Case(
        ours,
        peer,
        bar=10.0,
        threads=True,
        flops=n * d**2 + d**3 / 3,
        dtype="f8",
        note="counted as one Newton step on all rows; there are several, on the active ones",
    )


def hinge_simulation_with_intercept():
    """The same / sklearn SVC(kernel="precomputed") as it comes, with an intercept and so another
    answer
    """
    sample = _sample()

    def peer() -> SVC:
        return SVC(kernel="precomputed", C=1 / LAM, cache_size=1000).fit(_kernel(sample), sample.y)

    return Case(lambda: MODEL.errors("hinge", LAM, sample), peer)


def square_simulation():
    """Ridge regression on the kernel, n = 2000, d = 500: solved in d dimensions / scikit-learn's
    KernelRidge
    """
    sample = _sample()

    def ours() -> float:
        return MODEL.errors("square", LAM, sample).e_gen

    def peer() -> float:
        machine = KernelRidge(alpha=LAM, kernel="precomputed").fit(_kernel(sample), sample.y)
        return angle(sample.X.T @ machine.dual_coef_, sample.teacher)

    assert abs(peer() - ours()) < 1e-8
    n, d = sample.X.shape
    return Case(ours, peer, bar=10.0, threads=True, flops=n * d**2 + d**3 / 3, dtype="f8")


def _grid(points: int) -> Work:
    alphas, lams = np.geomspace(0.1, 32, points // 100), np.geomspace(1e-2, 10, 100)
    return lambda: raf.solve("hinge", alphas[:, None], EPS, lams, raf.Learner.at_angle(GAMMA))


def _machine(d: int) -> Work:
    sample = rules_facts.draw(4.0, EPS, d, generator(1, "bench", "raf", d))
    return lambda: MODEL.errors("hinge", LAM, sample)


COMPARISONS = [
    hinge_grid,
    hinge_map,
    hinge_simulation,
    hinge_simulation_with_intercept,
    square_simulation,
]
GROWTH = [
    Growth("hinge theory", "points of the grid", (1000, 4000, 16_000, 64_000), _grid),
    Growth("hinge kernel machine, n = 4d", "dimensions d", (125, 250, 500, 1000), _machine),
]
