"""Velocity models and full waveform inversion: checks of the operator, what the published rate
calls memorized, and the posterior linearized at every training example."""

import logging

import numpy as np
import pandas as pd
import torch
from scipy.special import hankel1

from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import diffusion
from rote.papers.inversion import settings
from rote.papers.inversion.library import TRAINING, Library, mean_of_three, spread
from rote.papers.inversion.nearness import ratios
from rote.synth import velocity
from rote.theory import posterior
from rote.waves import acoustic
from rote.waves.helmholtz import Helmholtz

log = logging.getLogger("rote")


def operator(options: settings.Acquisition) -> Helmholtz:
    """The acquisition of the config."""
    return Helmholtz(
        n=options.n,
        spacing=options.side / options.n,
        layer=options.layer,
        damping=options.damping,
        frequency=options.frequency,
        sources=options.sources,
        receivers=options.receivers,
        margin=options.margin,
    )


# ---- operators
# -------------------------------------------------------------------------------------------------------


def checks(options: settings.Acquisition, seed: int) -> pd.DataFrame:
    """The table Operators.

    * order: error against the exact field of a homogeneous medium at one grid over that at twice as
      many cells.
    * adjoint: gradient against central differences. jacobian: Jacobian against central differences.
    * layers: time-domain traces against those of a larger domain. propagators: deepwave against our
      own.
    * published: training coefficients against the published ones, absolute.
    """
    rows = [
        ("order", f"{n} to {2 * n} cells", _homogeneous(n) / _homogeneous(2 * n)) for n in (48, 64)
    ]
    forward, train = operator(options), velocity.project(velocity.fields(30, TRAINING))
    start, other = velocity.slowness(train[:2], options.n)
    observed, rng = forward.data(other), generator(seed, "inversion", "checks")
    noise, basis = options.noise * np.abs(observed).max(), velocity.basis(options.n)
    _, gradient = forward.misfit(start, observed, noise)
    _, jacobian = forward.jacobian(start, basis)
    for number in range(4):
        direction = rng.normal(size=basis.shape[1])
        change = (basis @ direction).reshape(start.shape)
        step = 1e-4
        ends = [
            forward.misfit(start + sign * step * change, observed, noise)[0] for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        rows.append(
            ("adjoint", f"direction {number}", abs((gradient * change).sum() - slope) / abs(slope))
        )
        data = [forward.data(start + sign * step * change) for sign in (1, -1)]
        slope = (data[0] - data[1]) / (2 * step)
        off = np.linalg.norm(jacobian @ direction - slope) / np.linalg.norm(slope)
        rows.append(("jacobian", f"direction {number}", off))
    rows += _time_domain()
    wanted = np.array([-1.34423, -2.95381, 2.80749])
    rows += [
        ("published", f"coefficient {number}", abs(mean_of_three(train)[number] - value))
        for number, value in enumerate(wanted)
    ]
    return pd.DataFrame(rows, columns=["check", "condition", "value"]).astype({"value": float})


def _homogeneous(n: int) -> float:
    """Relative error of the field of a point source in a homogeneous medium, 2 km/s and 6 Hz."""
    forward = Helmholtz(n, 2 / n, n // 6, 100.0, 6.0, sources=1, receivers=2, margin=n // 2 - 1)
    field = forward.field(np.full((n, n), 1 / 4), (n // 2, n // 2))
    x = (np.arange(n) - n // 2) * forward.spacing
    distance = np.hypot(x[:, None], x)
    exact = -0.25j * hankel1(0, forward.omega * np.where(distance > 0, distance, 1) / 2)
    seen = (distance > 0.3) & (np.abs(x)[:, None] < 0.8) & (np.abs(x) < 0.8)
    return float(np.linalg.norm((field - exact)[seen]) / np.linalg.norm(exact[seen]))


def _time_domain() -> list[tuple[str, str, float]]:
    model = torch.tensor(velocity.layered(np.random.default_rng(3)), dtype=torch.float32)
    survey = acoustic.Survey(
        20.0,
        0.002,
        250,
        8.0,
        np.array([[1, 12], [1, 36]]),
        np.array([[1, x] for x in range(2, 46, 4)]),
    )

    def widened(cells: int):
        wide = torch.nn.functional.pad(model[None, None], (cells,) * 4, mode="replicate")[0, 0]
        return wide, survey._replace(
            sources=survey.sources + cells, receivers=survey.receivers + cells
        )

    reference, own = acoustic.shots(*widened(120)), acoustic.leapfrog(*widened(60))
    pairs = [
        ("layers", "deepwave, 10 cells", acoustic.shots(model, survey), reference),
        ("layers", "own, 20 cells", acoustic.leapfrog(model, survey._replace(layer=20)), own),
        ("propagators", "own and deepwave, large domain", own, reference),
    ]
    return [(check, what, float((a - b).norm() / b.norm())) for check, what, a, b in pairs]


# ---- what the published rate measures
# --------------------------------------------------------------------------------


def rates(
    options: settings.Models, models: Library, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables Rates and Ratios."""
    rows, parts = [], []
    for replicate, (everything, fresh) in enumerate(
        zip(models.train, models.held_out, strict=True)
    ):
        rng = generator(seed, "inversion", "rates", replicate)
        for number in options.sizes:
            train = everything[:number]
            thirds = np.stack(
                [train[rng.choice(number, 3, replace=False)].mean(0) for _ in range(500)]
            )
            sets = {"fresh draws": fresh, "leave-one-out": train, "means of three": thirds}
            sets["the true model"] = mean_of_three(everything)[None]
            for name, some in sets.items():
                published, pair = ratios(some, train, options.neighbors, name == "leave-one-out")
                rows.append(
                    (
                        replicate,
                        number,
                        name,
                        len(some),
                        float((published < options.threshold).mean()),
                        float((pair < 1 / 3).mean()),
                        float(np.median(published)),
                        float(np.quantile(published, 0.01)),
                    )
                )
                about = {
                    "replicate": replicate,
                    "examples": number,
                    "set": name,
                    "model": range(len(some)),
                }
                parts.append(pd.DataFrame(about | {"ratio": published}))
    columns = ["replicate", "examples", "set", "models", "ratio_rate", "pair_rate", "median", "low"]
    return pd.DataFrame(rows, columns=columns), pd.concat(parts, ignore_index=True)


# ---- the linearized posterior of full waveform inversion
# -------------------------------------------------------------


def observe(
    forward: Helmholtz, z: np.ndarray, noise: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Noisy data of a model, and the noise's standard deviation (of the complex datum)."""
    clean = forward.data(velocity.slowness(z, forward.n))
    sd = noise * float(np.abs(clean).max())
    return clean + sd * (
        rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)
    ) / np.sqrt(2), sd


def linearized(acquisition: settings.Acquisition, models: Library, seed: int) -> pd.DataFrame:
    """The table Linearized: one training set and data noise per replicate.

    Coordinates are standardized by the training set. Complex data are stacked, each part with
    standard deviation σ_d/√2.
    """
    forward, rows = operator(acquisition), []
    for replicate, train in enumerate(models.train[:, : acquisition.examples]):
        rng = generator(seed, "inversion", "data", replicate)
        rows += [(replicate, *row) for row in _linearized(acquisition, forward, train, rng)]
    columns = [
        "replicate",
        "sigma",
        "weight",
        "example",
        "misfit",
        "error",
        "shift",
        "effective",
        "spacing",
    ]
    return pd.DataFrame(rows, columns=columns)


def _linearized(
    acquisition: settings.Acquisition,
    forward: Helmholtz,
    train: np.ndarray,
    rng: np.random.Generator,
) -> list[tuple]:
    true, n = mean_of_three(train), acquisition.n
    observed, sd = observe(forward, true, acquisition.noise, rng)
    center, scale = train.mean(0), spread(train)
    z, gamma, y = (train - center) / scale, sd / np.sqrt(2), _stacked(observed)
    basis = velocity.basis(n) * scale
    found = [forward.jacobian(velocity.slowness(one, n), basis) for one in train]
    data = np.stack([_stacked(one) for one, _ in found])
    jacobians = np.stack(
        [np.concatenate([J.real, J.imag]).reshape(-1, len(scale)) for _, J in found]
    )
    lookup = posterior.empirical(-0.5 * ((y - data) ** 2).sum(1) / gamma**2)
    distances = np.linalg.norm(z[:, None] - z, axis=-1) + np.diag(np.full(len(z), np.inf))
    spacing = float(distances.min(1).mean())

    def fit(point: np.ndarray) -> tuple[float, float]:
        """Misfit over the noise floor, and velocity error, of a standardized model."""
        model = center + scale * point
        residual = forward.data(velocity.slowness(model, n)) - observed
        error = velocity.velocity(model, n) - velocity.velocity(true, n)
        return float((np.abs(residual) ** 2).mean() / sd**2), float(np.sqrt((error**2).mean()))

    top = int(lookup.argmax())
    rows: list[tuple] = [(0.0, float(lookup[top]), top, *fit(z[top]), 0.0, 1.0, spacing)]
    for sigma in acquisition.widths:
        mixture = posterior.mixture(
            z, sigma, lambda _: data, y, gamma, jacobian=lambda _: jacobians
        )
        top = int(mixture.weights.argmax())
        alone = posterior.Mixture(np.zeros(1), mixture.means[[top]], mixture.covariances[[top]])
        draws = alone.sample(acquisition.draws, rng)
        fits = np.array([fit(draw)[0] for draw in draws]) * observed.size
        logs = -fits - 0.5 * ((draws - z[top]) ** 2).sum(1) / sigma**2 - alone.log_density(draws)
        effective = float(1 / (posterior.empirical(logs) ** 2).sum() / acquisition.draws)
        shift = float(np.linalg.norm(mixture.means[top] - z[top]))
        rows.append(
            (
                sigma,
                float(mixture.weights[top]),
                top,
                *fit(mixture.means[top]),
                shift,
                effective,
                spacing,
            )
        )
    return rows


def _stacked(data: np.ndarray) -> np.ndarray:
    return np.concatenate([data.real.ravel(), data.imag.ravel()])


# ---- schedules
# -------------------------------------------------------------------------------------------------------


def schedule(name: str, steps: int, warn: bool = False) -> diffusion.Schedule:
    """A schedule by name; fewer steps with larger ones end at the same place."""
    if name not in diffusion.SCHEDULES:
        raise InputError(
            f"schedule must be one of {', '.join(diffusion.SCHEDULES)}, given {name!r}"
        )
    first, last = diffusion.SCHEDULES[name]
    found = diffusion.linear(steps, 200 / steps * first, min(200 / steps * last, 0.999))
    if warn and (end := float(found.kept[-1])) > 1e-3:
        log.warning(
            "schedule %s ends at a signal of %.3g, not in noise: samples start from what no "
            "network saw",
            name,
            end,
        )
    return found


def schedules(options: settings.Diffusion, models: Library, seed: int) -> pd.DataFrame:
    """The table Schedules: samples of closed-form denoisers under the published schedule and one
    that ends in noise.

    * variance: along the leading direction, of samples of a Gaussian prior, over the prior's.
    * collapse: largest distance of a sample of a memorized prior to its examples, in standard
      deviations.
    * exact: total variation of the exact posterior sampler's frequencies and the lookup weights.
    """
    rows = []
    for replicate, train in enumerate(models.train):
        z = torch.tensor((train - train.mean(0)) / spread(train))
        covariance = torch.cov(z.T)
        leading = torch.linalg.eigh(covariance)[1][:, -1]
        few = z[: options.examples]
        rng = generator(seed, "inversion", "schedules", replicate)
        logs = torch.tensor(rng.normal(scale=2.0, size=len(few)))
        weights = posterior.empirical(logs.numpy())
        start = torch.tensor(rng.normal(size=(options.samples, z.shape[1])))
        for name in diffusion.SCHEDULES:
            noise = schedule(name, options.steps)
            smooth = diffusion.ddim(diffusion.gaussian(z.mean(0), covariance, noise), start, noise)
            along = float(leading @ covariance @ leading)
            memorized = diffusion.ddim(
                diffusion.memorized(few, noise), start[: max(50, options.samples // 4)], noise
            )
            guided = diffusion.ddim(diffusion.memorized(few, noise, logs), start, noise)
            nearest = torch.cdist(guided, few).argmin(1).numpy()
            shares = np.bincount(nearest, minlength=len(few)) / options.samples
            found = {
                "variance": float((smooth @ leading).var()) / along,
                "collapse": float(torch.cdist(memorized, few).min(1).values.max()),
                "exact": 0.5 * float(np.abs(shares - weights).sum()),
            }
            rows += [(replicate, name, quantity, value) for quantity, value in found.items()]
    return pd.DataFrame(rows, columns=["replicate", "schedule", "quantity", "value"])
