"""Full waveform inversion: the posterior linearized at every training example."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.seeds import generator
from rote.papers.inversion import schema, settings
from rote.papers.inversion.acquisition import observe, operator
from rote.papers.inversion.library import Library, mean_of_three, spread
from rote.synth import velocity
from rote.theory import posterior
from rote.waves.helmholtz import Helmholtz


class Linearization(NamedTuple):
    """The operator linearized at the examples of one training set, and noisy data of its truth.

    Coordinates are standardized by the training set. Complex data are stacked, each part with
    standard deviation σ_d/√2.
    """

    forward: Helmholtz
    true: np.ndarray  # coordinates of the true model, (d,)
    observed: np.ndarray  # (sources, receivers) complex
    sd: float  # σ_d
    center: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)
    z: np.ndarray  # standardized examples, (N, d)
    data: np.ndarray  # of the examples, stacked, (N, m)
    jacobians: np.ndarray  # per standardized coordinate, (N, m, d)

    @property
    def gamma(self) -> float:
        """Standard deviation of the noise of stacked data."""
        return self.sd / np.sqrt(2)

    @property
    def y(self) -> np.ndarray:
        """Stacked data, (m,)."""
        return _stacked(self.observed)

    def fit(self, z: np.ndarray) -> tuple[float, float]:
        """Misfit over the noise floor, and velocity error (km/s), of a standardized model (d,)."""
        n = self.forward.n
        model = self.center + self.scale * z
        residual = self.forward.data(velocity.slowness(model, n)) - self.observed
        error = velocity.velocity(model, n) - velocity.velocity(self.true, n)
        misfit = float((np.abs(residual) ** 2).mean() / self.sd**2)
        return misfit, float(np.sqrt((error**2).mean()))

    def mixture(self, sigma: float) -> posterior.Mixture:
        """The linearized posterior under components of width σ."""
        return posterior.mixture(
            self.z,
            sigma,
            lambda _: self.data,
            posterior.Observation(self.y, self.gamma),
            jacobian=lambda _: self.jacobians,
        )


def linearized(options: settings.InversionAcquisition, library: Library, seed: int) -> pd.DataFrame:
    """The table LinearizedPosteriors: one training set and data noise per replicate."""
    forward = operator(options)
    rows = []
    for replicate, train in enumerate(library.train[:, : options.examples]):
        rng = generator(seed, "inversion", "data", replicate)
        linearization = linearize(forward, train, options.noise, rng)
        for row in _by_width(linearization, options, rng):
            rows.append({"replicate": replicate} | row)
    return tables.frame(schema.LinearizedPosteriors, rows)


def linearize(
    forward: Helmholtz, train: np.ndarray, noise: float, rng: np.random.Generator
) -> Linearization:
    """Data and Jacobians at every example of a training set, and noisy data of its true model.

    Args:
        forward: the operator.
        train: coordinates of the examples, (N, d).
        noise: standard deviation as a share of the largest datum.
        rng: for the noise.
    """
    true = mean_of_three(train)
    observed, sd = observe(forward, true, noise, rng)
    center = train.mean(0)
    scale = spread(train)
    basis = velocity.basis(forward.n) * scale
    data = []
    jacobians = []
    for model in train:
        values, slopes = forward.jacobian(velocity.slowness(model, forward.n), basis)
        data.append(_stacked(values))
        jacobians.append(np.concatenate([slopes.real, slopes.imag]).reshape(-1, len(scale)))
    return Linearization(
        forward=forward,
        true=true,
        observed=observed,
        sd=sd,
        center=center,
        scale=scale,
        z=(train - center) / scale,
        data=np.stack(data),
        jacobians=np.stack(jacobians),
    )


def _by_width(
    linearization: Linearization,
    options: settings.InversionAcquisition,
    rng: np.random.Generator,
) -> list[dict[str, float]]:
    """Rows of one training set: the lookup limit, then every width."""
    z = linearization.z
    misfits = ((linearization.y - linearization.data) ** 2).sum(1)
    lookup = posterior.empirical(-0.5 * misfits / linearization.gamma**2)
    distances = np.linalg.norm(z[:, None] - z, axis=-1) + np.diag(np.full(len(z), np.inf))
    spacing = float(distances.min(1).mean())
    top = int(lookup.argmax())
    misfit, error = linearization.fit(z[top])
    limit = {
        "sigma": 0.0,
        "weight": float(lookup[top]),
        "example": top,
        "misfit": misfit,
        "error": error,
        "shift": 0.0,
        "effective": 1.0,
        "spacing": spacing,
    }
    widths = [
        _heaviest_component(linearization, sigma, options.draws, rng) | {"spacing": spacing}
        for sigma in options.widths
    ]
    return [limit, *widths]


def _heaviest_component(
    linearization: Linearization, sigma: float, draws: int, rng: np.random.Generator
) -> dict[str, float]:
    """A row of one width: the heaviest component of the mixture, and how good a proposal it is."""
    mixture = linearization.mixture(sigma)
    top = int(mixture.weights.argmax())
    example = linearization.z[top]
    component = posterior.Mixture(np.zeros(1), mixture.means[[top]], mixture.roots[[top]])
    points = component.sample(draws, rng)
    log_likelihood = -linearization.observed.size * np.array(
        [linearization.fit(point)[0] for point in points]
    )
    log_prior = -0.5 * ((points - example) ** 2).sum(1) / sigma**2
    weights = posterior.empirical(log_likelihood + log_prior - component.log_density(points))
    misfit, error = linearization.fit(mixture.means[top])
    return {
        "sigma": sigma,
        "weight": float(mixture.weights[top]),
        "example": top,
        "misfit": misfit,
        "error": error,
        "shift": float(np.linalg.norm(mixture.means[top] - example)),
        "effective": float(1 / (weights**2).sum() / draws),
    }


def _stacked(data: np.ndarray) -> np.ndarray:
    return np.concatenate([data.real.ravel(), data.imag.ravel()])
