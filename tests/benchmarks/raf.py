"""Rules and facts: the grid solver against quadrature point by point, Newton against LIBSVM."""

import numpy as np
from rote.core.seeds import generator
from rote.papers.raf import simulation
from rote.synth import rules_facts
from rote.theory import raf
from scipy import integrate, special
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC

from tests.benchmarks.case import Case, Growth, Work

EPS, GAMMA = 0.1, 45.0


def _by_quadrature(alpha: float, lam: float) -> float:
    """E_gen of one hinge point: the same equations and start, every expectation by
    `scipy.integrate.quad`.
    """
    mu1 = mustar = np.sqrt(0.5)
    ms, qs, Vs = 0.1, 0.8, min(3 * lam, 1.0) / lam

    def normal(z):
        return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    def quad(f, low, high):
        return integrate.quad(f, low, high, epsabs=1e-13, epsrel=1e-11, limit=200)[0]

    for _ in range(2000):
        m, q, V = mu1 * ms, mu1**2 * qs, mu1**2 * Vs + mustar**2 / lam
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
    alphas, lams = np.geomspace(0.1, 32, 200), np.geomspace(1e-2, 10, 200)

    def solve():
        return raf.solve("hinge", alphas[:, None], EPS, lams, gamma=GAMMA)

    grid = solve()
    assert grid.converged.all()
    some = [(i, j) for i in (10, 75, 125, 190) for j in (10, 100, 190)]

    def loop() -> list[float]:
        return [_by_quadrature(alphas[i], lams[j]) for i, j in some]

    for (i, j), e_gen in zip(some, loop(), strict=True):
        assert abs(e_gen - grid.e_gen[i, j]) < 1e-8, (alphas[i], lams[j])
    return Case(
        solve,
        loop,
        scale=grid.e_gen.size / len(some),
        repeats=3,
        bar=50.0,
        note="nearly all of it are erf and exp of whole grids; a roofline of sums and products "
        "says nothing",
    )


def hinge_simulation():
    """Hinge kernel machine, n = 2000, d = 500: Newton in d dimensions / sklearn SVC made to give
    the same answer
    """
    mu1 = mustar = np.sqrt(0.5)
    lam, d = 0.3, 500
    sample = rules_facts.draw(4.0, EPS, d, generator(1, "bench", "raf"))

    def gram(X: np.ndarray) -> np.ndarray:
        return mu1**2 * X @ X.T / d

    def angle(w: np.ndarray) -> float:
        return float(
            np.arccos(w @ sample.teacher / np.linalg.norm(w) / np.linalg.norm(sample.teacher))
            / np.pi
        )

    def ours() -> float:
        return simulation.equivalent("hinge", lam, sample, mu1, mustar).e_gen

    def peer() -> float:
        """LIBSVM has an intercept, which the model has not: on the data and their mirror images it
        is 0 by symmetry.
        """
        n = len(sample.y)
        X, y = np.concatenate([sample.X, -sample.X]), np.concatenate([sample.y, -sample.y])
        K = gram(X) + mustar**2 * np.block([[np.eye(n), -np.eye(n)], [-np.eye(n), np.eye(n)]])
        machine = SVC(kernel="precomputed", C=1 / (2 * lam), tol=1e-8, cache_size=1000).fit(K, y)
        return angle(X[machine.support_].T @ machine.dual_coef_[0])

    assert abs(peer() - ours()) < 1e-6
    n = len(sample.y)
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
    mu1 = mustar = np.sqrt(0.5)
    lam, d = 0.3, 500
    sample = rules_facts.draw(4.0, EPS, d, generator(1, "bench", "raf"))

    def peer() -> SVC:
        K = mu1**2 * sample.X @ sample.X.T / d + mustar**2 * np.eye(len(sample.y))
        return SVC(kernel="precomputed", C=1 / lam, cache_size=1000).fit(K, sample.y)

    return Case(lambda: simulation.equivalent("hinge", lam, sample, mu1, mustar), peer)


def square_simulation():
    """Ridge regression on the kernel, n = 2000, d = 500: solved in d dimensions / scikit-learn's
    KernelRidge
    """
    mu1 = mustar = np.sqrt(0.5)
    lam, d = 0.3, 500
    sample = rules_facts.draw(4.0, EPS, d, generator(1, "bench", "raf"))

    def ours() -> float:
        return simulation.equivalent("square", lam, sample, mu1, mustar).e_gen

    def peer() -> float:
        K = mu1**2 * sample.X @ sample.X.T / d + mustar**2 * np.eye(len(sample.y))
        w = sample.X.T @ KernelRidge(alpha=lam, kernel="precomputed").fit(K, sample.y).dual_coef_
        return float(
            np.arccos(w @ sample.teacher / np.linalg.norm(w) / np.linalg.norm(sample.teacher))
            / np.pi
        )

    assert abs(peer() - ours()) < 1e-8
    n = len(sample.y)
    return Case(ours, peer, bar=10.0, threads=True, flops=n * d**2 + d**3 / 3, dtype="f8")


def _grid(points: int) -> Work:
    alphas, lams = np.geomspace(0.1, 32, points // 100), np.geomspace(1e-2, 10, 100)
    return lambda: raf.solve("hinge", alphas[:, None], EPS, lams, gamma=GAMMA)


def _machine(d: int) -> Work:
    sample, mu = rules_facts.draw(4.0, EPS, d, generator(1, "bench", "raf", d)), np.sqrt(0.5)
    return lambda: simulation.equivalent("hinge", 0.3, sample, mu, mu)


COMPARISONS = [hinge_grid, hinge_simulation, hinge_simulation_with_intercept, square_simulation]
GROWTH = [
    Growth("hinge theory", "points of the grid", (1000, 4000, 16_000, 64_000), _grid),
    Growth("hinge kernel machine, n = 4d", "dimensions d", (125, 250, 500, 1000), _machine),
]
