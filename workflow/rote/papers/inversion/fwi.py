"""Velocity models and full waveform inversion: checks of the operator, what the published rate calls memorized, and the
posterior linearized at every training example."""

import numpy as np
import pandas as pd
import torch
from scipy.special import hankel1

from rote.models import diffusion
from rote.papers.inversion import settings
from rote.seeds import generator
from rote.synth import velocity
from rote.theory import posterior
from rote.waves import acoustic
from rote.waves.helmholtz import Helmholtz

SEED, HELD_OUT = 42, 43  # of the published data
TRUTH = (9, 8, 24)  # examples whose mean is the published true model


def training(options: settings.Models, replicate: int) -> np.ndarray:
    """Coordinates of a training set, (largest size, d); the first one is the published."""
    return velocity.project(velocity.fields(max(options.sizes), SEED + 1000 * replicate))


def held_out(options: settings.Models, replicate: int) -> np.ndarray:
    """Further draws of the generator, (held_out, d)."""
    return velocity.project(velocity.fields(options.held_out, HELD_OUT + 1000 * replicate))


def truth(train: np.ndarray) -> np.ndarray:
    """The true model: the mean of three training examples, within the hull of every training set."""
    return train[[n % len(train) for n in TRUTH]].mean(0)


def operator(options: settings.Acquisition) -> Helmholtz:
    """The acquisition of the config."""
    return Helmholtz(
        n=options.n, spacing=options.side / options.n, layer=options.layer, damping=options.damping,
        frequency=options.frequency, sources=options.sources, receivers=options.receivers, margin=options.margin,
    )  # fmt: skip


# ---- operators -------------------------------------------------------------------------------------------------------


def checks(options: settings.Acquisition, seed: int) -> pd.DataFrame:
    """The table Operators.

    * order: error against the exact field of a homogeneous medium at one grid over that at twice as many cells.
    * adjoint: gradient against central differences. jacobian: Jacobian against central differences.
    * layers: time-domain traces against those of a larger domain. propagators: deepwave against our own.
    * published: training coefficients against the published ones, absolute.
    """
    rows = [("order", f"{n} to {2 * n} cells", _homogeneous(n) / _homogeneous(2 * n)) for n in (48, 64)]
    forward, train = operator(options), velocity.project(velocity.fields(30, SEED))
    start, other = velocity.slowness(train[:2], options.n)
    observed, rng = forward.data(other), generator(seed, "inversion", "checks")
    noise, basis = options.noise * np.abs(observed).max(), velocity.basis(options.n)
    _, gradient = forward.misfit(start, observed, noise)
    _, jacobian = forward.jacobian(start, basis)
    for number in range(4):
        direction = rng.normal(size=basis.shape[1])
        change = (basis @ direction).reshape(start.shape)
        step = 1e-4
        ends = [forward.misfit(start + sign * step * change, observed, noise)[0] for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        rows.append(("adjoint", f"direction {number}", abs((gradient * change).sum() - slope) / abs(slope)))
        data = [forward.data(start + sign * step * change) for sign in (1, -1)]
        slope = (data[0] - data[1]) / (2 * step)
        off = np.linalg.norm(jacobian @ direction - slope) / np.linalg.norm(slope)
        rows.append(("jacobian", f"direction {number}", off))
    rows += _time_domain()
    wanted = np.array([-1.34423, -2.95381, 2.80749])
    rows += [
        ("published", f"coefficient {number}", abs(truth(train)[number] - value)) for number, value in enumerate(wanted)
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
    survey = acoustic.Survey(20.0, 0.002, 250, 8.0, np.array([[1, 12], [1, 36]]),
                             np.array([[1, x] for x in range(2, 46, 4)]))  # fmt: skip

    def widened(cells: int):
        wide = torch.nn.functional.pad(model[None, None], (cells,) * 4, mode="replicate")[0, 0]
        return wide, survey._replace(sources=survey.sources + cells, receivers=survey.receivers + cells)

    reference, own = acoustic.shots(*widened(120)), acoustic.leapfrog(*widened(60))
    pairs = [
        ("layers", "deepwave, 10 cells", acoustic.shots(model, survey), reference),
        ("layers", "own, 20 cells", acoustic.leapfrog(model, survey._replace(layer=20)), own),
        ("propagators", "own and deepwave, large domain", own, reference),
    ]
    return [(check, what, float((a - b).norm() / b.norm())) for check, what, a, b in pairs]


# ---- what the published rate measures --------------------------------------------------------------------------------


def ratios(
    models: np.ndarray, train: np.ndarray, neighbours: int, leave_out: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The published ratio d₁ / mean(d₂ ... d_k) and d₁/d₂ to the training set, per model.

    Args:
        leave_out: the models are the training set; each is compared with the others.
    """
    distances = np.stack([np.linalg.norm(train - model, axis=1) for model in models])
    distances = np.sort(distances, axis=1)[:, 1 if leave_out else 0 :]
    k = min(neighbours, len(train) - leave_out)
    rest = distances[:, 1:k].mean(1)
    second = distances[:, 1]

    def over(below: np.ndarray) -> np.ndarray:  # repeated examples: no nearest one stands out
        return np.where(below > 0, distances[:, 0] / np.where(below > 0, below, 1), 1.0)

    return over(rest), over(second)


def rates(options: settings.Models, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables Rates and Ratios."""
    rows, parts = [], []
    for replicate in range(options.replicates):
        everything, fresh = training(options, replicate), held_out(options, replicate)
        rng = generator(seed, "inversion", "rates", replicate)
        for number in options.sizes:
            train = everything[:number]
            thirds = np.stack([train[rng.choice(number, 3, replace=False)].mean(0) for _ in range(500)])
            sets = {"fresh draws": fresh, "leave-one-out": train, "means of three": thirds}
            sets["the true model"] = truth(everything)[None]
            for name, models in sets.items():
                published, pair = ratios(models, train, options.neighbours, name == "leave-one-out")
                rows.append((
                    replicate, number, name, len(models), float((published < options.threshold).mean()),
                    float((pair < 1 / 3).mean()), float(np.median(published)), float(np.quantile(published, 0.01)),
                ))  # fmt: skip
                about = {"replicate": replicate, "examples": number, "set": name, "model": range(len(models))}
                parts.append(pd.DataFrame(about | {"ratio": published}))
    columns = ["replicate", "examples", "set", "models", "ratio_rate", "pair_rate", "median", "low"]
    return pd.DataFrame(rows, columns=columns), pd.concat(parts, ignore_index=True)


# ---- the linearized posterior of full waveform inversion -------------------------------------------------------------


def observe(forward: Helmholtz, z: np.ndarray, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Noisy data of a model, and the noise's standard deviation (of the complex datum)."""
    clean = forward.data(velocity.slowness(z, forward.n))
    sd = noise * float(np.abs(clean).max())
    return clean + sd * (rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)) / np.sqrt(2), sd


def linearized(acquisition: settings.Acquisition, models: settings.Models, seed: int) -> pd.DataFrame:
    """The table Linearized: one training set and data noise per replicate.

    Coordinates are standardized by the training set. Complex data are stacked, each part with standard deviation
    σ_d/√2.
    """
    forward, rows = operator(acquisition), []
    for replicate in range(models.replicates):
        rng = generator(seed, "inversion", "data", replicate)
        train = training(models, replicate)[: acquisition.examples]
        rows += [(replicate, *row) for row in _linearized(acquisition, forward, train, rng)]
    columns = ["replicate", "sigma", "weight", "example", "misfit", "error", "shift", "effective", "spacing"]
    return pd.DataFrame(rows, columns=columns)


def _linearized(
    acquisition: settings.Acquisition, forward: Helmholtz, train: np.ndarray, rng: np.random.Generator
) -> list[tuple]:
    true, n = truth(train), acquisition.n
    observed, sd = observe(forward, true, acquisition.noise, rng)
    centre, scale = train.mean(0), train.std(0, ddof=1)
    z, gamma, y = (train - centre) / scale, sd / np.sqrt(2), _stacked(observed)
    basis = velocity.basis(n) * scale
    found = [forward.jacobian(velocity.slowness(one, n), basis) for one in train]
    data = np.stack([_stacked(one) for one, _ in found])
    jacobians = np.stack([np.concatenate([J.real, J.imag]).reshape(-1, len(scale)) for _, J in found])
    lookup = posterior.empirical(-0.5 * ((y - data) ** 2).sum(1) / gamma**2)
    distances = np.linalg.norm(z[:, None] - z, axis=-1) + np.diag(np.full(len(z), np.inf))
    spacing = float(distances.min(1).mean())

    def fit(point: np.ndarray) -> tuple[float, float]:
        """Misfit over the noise floor, and velocity error, of a standardized model."""
        model = centre + scale * point
        residual = forward.data(velocity.slowness(model, n)) - observed
        error = velocity.velocity(model, n) - velocity.velocity(true, n)
        return float((np.abs(residual) ** 2).mean() / sd**2), float(np.sqrt((error**2).mean()))

    top = int(lookup.argmax())
    rows: list[tuple] = [(0.0, float(lookup[top]), top, *fit(z[top]), 0.0, 1.0, spacing)]
    for sigma in acquisition.widths:
        mixture = posterior.mixture(z, sigma, lambda _: data, y, gamma, jacobian=lambda _: jacobians)
        top = int(mixture.weights.argmax())
        alone = posterior.Mixture(np.ones(1), mixture.means[[top]], mixture.covariances[[top]])
        draws = alone.sample(acquisition.draws, rng)
        fits = np.array([fit(draw)[0] for draw in draws]) * observed.size
        logs = -fits - 0.5 * ((draws - z[top]) ** 2).sum(1) / sigma**2 - alone.log_density(draws)
        effective = float(1 / (posterior.empirical(logs) ** 2).sum() / acquisition.draws)
        shift = float(np.linalg.norm(mixture.means[top] - z[top]))
        rows.append((sigma, float(mixture.weights[top]), top, *fit(mixture.means[top]), shift, effective, spacing))
    return rows


def _stacked(data: np.ndarray) -> np.ndarray:
    return np.concatenate([data.real.ravel(), data.imag.ravel()])


# ---- schedules -------------------------------------------------------------------------------------------------------


def schedules(options: settings.Diffusion, models: settings.Models, seed: int) -> pd.DataFrame:
    """The table Schedules: samples of closed-form denoisers under the published schedule and one that ends in noise.

    * variance: along the leading direction, of samples of a Gaussian prior, over the prior's.
    * collapse: largest distance of a sample of a memorized prior to its examples, in standard deviations.
    * exact: total variation of the exact posterior sampler's frequencies and the lookup weights.
    """
    rows = []
    for replicate in range(models.replicates):
        train = training(models, replicate)
        z = torch.tensor((train - train.mean(0)) / train.std(0, ddof=1))
        covariance = torch.cov(z.T)
        leading = torch.linalg.eigh(covariance)[1][:, -1]
        few = z[: options.examples]
        rng = generator(seed, "inversion", "schedules", replicate)
        logs = torch.tensor(rng.normal(scale=2.0, size=len(few)))
        weights = posterior.empirical(logs.numpy())
        start = torch.tensor(rng.normal(size=(options.samples, z.shape[1])))
        for name, (first, last) in diffusion.SCHEDULES.items():
            scale = 200 / options.steps  # fewer steps with larger ones end at the same place
            schedule = diffusion.linear(options.steps, scale * first, min(scale * last, 0.999))
            smooth = diffusion.ddim(diffusion.gaussian(z.mean(0), covariance, schedule), start, schedule)
            along = float(leading @ covariance @ leading)
            memorized = diffusion.ddim(diffusion.memorized(few, schedule), start, schedule)
            guided = diffusion.ddim(diffusion.memorized(few, schedule, logs), start, schedule)
            nearest = torch.cdist(guided, few).argmin(1).numpy()
            shares = np.bincount(nearest, minlength=len(few)) / options.samples
            found = {
                "variance": float((smooth @ leading).var()) / along,
                "collapse": float(torch.cdist(memorized, few).min(1).values.max()),
                "exact": 0.5 * float(np.abs(shares - weights).sum()),
            }
            rows += [(replicate, name, quantity, value) for quantity, value in found.items()]
    return pd.DataFrame(rows, columns=["replicate", "schedule", "quantity", "value"])
