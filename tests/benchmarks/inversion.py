"""Inverse problems: one factorization, Jacobians by the adjoint, deepwave, beside plain code."""

import tracemalloc

import numpy as np
import torch
from numba import njit
from rote.papers.inversion import settings, time_domain
from rote.papers.inversion.acquisition import operator
from rote.synth import velocity
from rote.theory import posterior
from rote.waves import acoustic
from rote.waves.helmholtz import Helmholtz
from scipy import sparse, stats
from scipy.sparse.linalg import splu, spsolve

from tests.benchmarks.case import Case, Growth, Work


def _problem(n: int) -> tuple[Helmholtz, np.ndarray, np.ndarray, float]:
    """A forward operator, a squared slowness, data of another one, and their noise."""
    forward = operator(settings.InversionAcquisition(n=n, layer=10, sources=15))
    start, true = velocity.slowness(velocity.project(velocity.fields(2, 42)), n)
    observed = forward.data(true)
    return forward, start, observed, 0.05 * float(np.abs(observed).max())


def _matrix(forward: Helmholtz, slowness: np.ndarray) -> sparse.csc_array:
    grid = forward._grid
    padded = np.pad(slowness, forward.layer, mode="edge").ravel()
    return (grid.laplacian + sparse.diags_array(forward.omega**2 * padded * grid.stretch)).tocsc()


def _gradient(forward: Helmholtz, fields: np.ndarray, adjoint: np.ndarray) -> np.ndarray:
    padded = -(forward.omega**2) * (forward._grid.stretch * (fields * adjoint).sum(1)).real
    return forward._folded(padded)


def default_ordering():
    """Helmholtz gradient at 64 x 64, 15 sources:
    LDLᵀ / SciPy's default ordering, operator and transpose
    """
    forward, slowness, observed, sd = _problem(64)
    sources = forward._grid.sources
    receivers = forward._grid.receivers

    def plain() -> np.ndarray:
        matrix = _matrix(forward, slowness)
        right = np.zeros((matrix.shape[0], len(sources)), complex)
        right[sources, np.arange(len(sources))] = 1 / forward.spacing**2
        fields = splu(matrix).solve(right)
        back = np.zeros_like(right)
        back[receivers] = (fields[receivers].T - observed).conj().T / sd**2
        return _gradient(forward, fields, splu(matrix.T.tocsc()).solve(back))

    ours, peer = forward.misfit(slowness, observed, sd)[1], plain()
    assert np.linalg.norm(ours - peer) < 1e-10 * np.linalg.norm(peer)
    factor, solution = forward._plan.flops
    return Case(
        lambda: forward.misfit(slowness, observed, sd),
        plain,
        repeats=15,
        bar=5.0,
        flops=factor + 30 * solution,
        dtype="f8",  # 15 fields and 15 adjoints
        note="one symmetric factorization by nested dissection, in dense fronts, "
        "instead of two by columns. Most fronts are too small to fill vectors, "
        "and a solution reads all of L for 16 right-hand sides",
    )


def solve_per_shot():
    """The same: LDLᵀ / scipy.sparse.linalg.spsolve for every source and every adjoint source"""
    forward, slowness, observed, sd = _problem(64)
    sources = forward._grid.sources
    receivers = forward._grid.receivers

    def plain(number: int = 3) -> np.ndarray:
        matrix = _matrix(forward, slowness)
        solutions = []
        for shot, source in enumerate(sources[:number]):
            right, back = np.zeros((2, matrix.shape[0]), complex)
            right[source] = 1 / forward.spacing**2
            field = spsolve(matrix, right)
            back[receivers] = (field[receivers] - observed[shot]).conj() / sd**2
            solutions.append((field, spsolve(matrix, back)))
        fields, adjoint = np.moveaxis(np.array(solutions), (1, 0), (0, 2))
        return _gradient(forward, fields, adjoint)

    ours, peer = forward.misfit(slowness, observed, sd)[1], plain(len(sources))
    assert np.linalg.norm(ours - peer) < 1e-10 * np.linalg.norm(peer)
    return Case(
        lambda: forward.misfit(slowness, observed, sd), plain, scale=len(sources) / 3, bar=5.0
    )


def jacobians():
    """Jacobians at 50 examples, 40 x 40, 100 coordinates: the adjoint / central differences"""
    forward = operator(settings.InversionAcquisition())
    train = velocity.project(velocity.fields(50, 42))
    basis = velocity.basis(forward.n)
    step = 1e-4
    models = velocity.slowness(train, forward.n)

    def differences(model: np.ndarray) -> np.ndarray:
        changes = step * basis.T.reshape(-1, forward.n, forward.n)
        ends = [(forward.data(model + change), forward.data(model - change)) for change in changes]
        return np.stack([(a - b) / (2 * step) for a, b in ends], axis=-1)

    exact, plain = forward.jacobian(models[0], basis)[1], differences(models[0])
    assert np.linalg.norm(exact - plain) < 1e-5 * np.linalg.norm(exact)
    (factor, solution), pairs = forward._plan.flops, exact.shape[0] * exact.shape[1]
    cells = (forward.n + 2 * forward.layer) ** 2
    example = factor + sum(exact.shape[:2]) * solution + 8 * pairs * cells
    return Case(
        lambda: [forward.jacobian(m, basis) for m in models],
        lambda: differences(models[0]),
        scale=50,
        repeats=3,
        bar=10.0,
        flops=50 * (example + 4 * pairs * basis.size),
        dtype="f8",
    )


def propagators():
    """A shot and its gradient, 48 x 48 cells, 300 samples: deepwave / leapfrog in plain torch"""
    survey = time_domain.SURVEY._replace(samples=300, sources=np.array([[24, 1]]))
    model = torch.tensor(velocity.layered(np.random.default_rng(0)), dtype=torch.float32)

    def run(propagate) -> torch.Tensor:
        v = model.clone().requires_grad_()
        data = propagate(v, survey)
        return torch.autograd.grad((data**2).sum(), v)[0]

    run(acoustic.shots)
    cells = np.prod([size + 2 * survey.layer for size in model.shape])
    operations = 30
    return Case(
        lambda: [run(acoustic.shots) for _ in range(5)],
        lambda: run(acoustic.leapfrog),
        scale=5,
        bar=20.0,
        flops=5 * 2.0 * operations * cells * survey.samples,
        note=f"counted as {operations} operations a cell and step, there and back. "
        f"A step of {cells:,} cells is short, and deepwave stores every field for the gradient",
    )


@njit(error_model="numpy", fastmath=True)
def _leap(squared, zeta_x, zeta_z, source, receivers, force, h, dt):
    """`acoustic.leapfrog` of one shot as loops: (receivers, samples)."""
    width, depth = squared.shape
    u, before, after, psi_x, psi_z, new_x, new_z = np.zeros((7, width + 4, depth + 4), np.float32)
    recorded = np.zeros((len(receivers), len(force)), np.float32)
    for sample in range(len(force)):
        for r in range(len(receivers)):
            recorded[r, sample] = u[receivers[r, 0] + 2, receivers[r, 1] + 2]
        for i in range(width):
            for j in range(depth):
                a, b = i + 2, j + 2
                adjacent = u[a - 1, b] + u[a + 1, b] + u[a, b - 1] + u[a, b + 1]
                second = u[a - 2, b] + u[a + 2, b] + u[a, b - 2] + u[a, b + 2]
                push = (-5 * u[a, b] + 4 / 3 * adjacent - second / 12) / h**2
                if i == source[0] and j == source[1]:
                    push -= force[sample]
                push *= squared[i, j]
                push += (psi_x[a + 1, b] - psi_x[a - 1, b]) / (2 * h)
                push += (psi_z[a, b + 1] - psi_z[a, b - 1]) / (2 * h)
                x, z = zeta_x[i], zeta_z[j]
                push -= x * z * u[a, b]
                damped = (x + z) * dt / 2
                after[a, b] = (2 * u[a, b] - (1 - damped) * before[a, b] + dt**2 * push) / (
                    1 + damped
                )
                slope = squared[i, j] * (z - x) * dt / (2 * h)
                new_x[a, b] = (1 - x * dt / 2) * psi_x[a, b] + slope * (u[a + 1, b] - u[a - 1, b])
                new_x[a, b] /= 1 + x * dt / 2
                new_z[a, b] = (1 - z * dt / 2) * psi_z[a, b] - slope * (u[a, b + 1] - u[a, b - 1])
                new_z[a, b] /= 1 + z * dt / 2
        u, before, after = after, u, before
        psi_x, new_x = new_x, psi_x
        psi_z, new_z = new_z, psi_z
    return recorded


def shot_by_numba():
    """A shot without its gradient, 48 x 48 cells, 300 samples: deepwave / the leapfrog in numba"""
    survey = time_domain.SURVEY._replace(samples=300, sources=np.array([[24, 1]]))
    model = velocity.layered(np.random.default_rng(0)).astype(np.float32)
    p = survey.layer
    squared = np.pad(model, p, mode="edge") ** 2
    strongest = 3 * survey.fastest * np.log(1e4) / (2 * p * survey.spacing)
    inside = ((p - np.arange(p)) / p) ** 2
    zeta_x, zeta_z = (np.zeros(size, np.float32) for size in squared.shape)
    for line in (zeta_x, zeta_z):
        line[:p], line[-p:] = strongest * inside, strongest * inside[::-1]
    force = acoustic.ricker(survey).numpy() / survey.spacing**2
    tensor = torch.from_numpy(model)

    def peer() -> np.ndarray:
        places = survey.sources[0] + p, survey.receivers + p
        return _leap(squared, zeta_x, zeta_z, *places, force, survey.spacing, survey.step)

    def ours() -> torch.Tensor:
        with torch.no_grad():
            return acoustic.shots(tensor, survey)

    reference = acoustic.leapfrog(tensor, survey)[0].numpy()
    largest = np.abs(reference).max()
    assert np.abs(peer() - reference).max() < 1e-3 * largest
    assert np.abs(ours()[0].numpy() - reference).max() < 0.1 * largest  # of other absorbing layers
    return Case(ours, peer, repeats=9, note="deepwave pads and checks; a shot so small is short")


def posterior_draws():
    """10,000 draws of a posterior of 200 components in 30 dimensions:
    `Mixture.sample` / scipy's multivariate_normal, a draw at a time
    """
    rng = np.random.default_rng(0)
    d, components, number = 30, 200, 10_000
    matrix = rng.normal(size=(40, d)) / d**0.5
    given = posterior.Observation(rng.normal(size=40), 0.3)
    train = rng.normal(size=(components, d))
    mixture = posterior.mixture(train, 0.4, matrix, given)
    covariances = mixture.covariances

    def peer(count: int = number // 20) -> np.ndarray:
        draws = []
        for n in np.random.default_rng(1).choice(components, count, p=mixture.weights):
            law = stats.multivariate_normal(mixture.means[n], covariances[n])
            draws.append(law.rvs(random_state=rng))
        return np.array(draws)

    def ours() -> np.ndarray:
        return mixture.sample(number, np.random.default_rng(1))

    spread = np.sqrt(ours().var(0).max() / 500)
    assert np.abs(ours().mean(0) - peer().mean(0)).max() < 6 * spread
    return Case(ours, peer, scale=20, repeats=3)


def lookup_memory() -> list[dict[str, object]]:
    """Peak memory of the denoiser over 10,000 examples of 64 x 64 cells, 4 points, by chunk."""
    rng = np.random.default_rng(0)
    rows = []
    train = rng.normal(size=(10_000, 64 * 64))
    x = train[:4] + 0.1 * rng.normal(size=(4, 64 * 64))
    logs = rng.normal(size=10_000)
    for chunk in (2**20, 2**22, 2**24):
        tracemalloc.start()  # numpy reports its arrays to it
        posterior.denoise(x, train, 0.5, log_weights=logs, chunk=chunk)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        rows.append(
            {
                "comparison": "peak of the denoiser of 10,000 x 64 x 64, "
                f"chunks of 2^{chunk.bit_length() - 1}",
                "peak_memory_mb": round(peak),
            }
        )
    return rows


def _misfit(n: int) -> Work:
    forward, slowness, observed, sd = _problem(n)
    return lambda: forward.misfit(slowness, observed, sd)


COMPARISONS = [
    default_ordering,
    solve_per_shot,
    jacobians,
    propagators,
    shot_by_numba,
    posterior_draws,
]
MEASURES = [lookup_memory]
GROWTH = [Growth("Helmholtz gradient, 15 sources", "cells a side", (48, 64, 96, 128), _misfit)]
