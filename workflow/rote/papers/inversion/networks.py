"""Trained priors: score networks over training sets of several sizes, and which of them memorize."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import train
from rote.core.errors import InputError
from rote.core.seeds import generator, torch_seed
from rote.core.tables import atomic
from rote.models import diffusion
from rote.models.diffusion import Denoiser, Parameters, Schedule
from rote.papers.inversion import settings
from rote.papers.inversion.library import Library
from rote.papers.inversion.nearness import apart, ratios

PREDICTIONS = ("clean", "noise")


class Trained(NamedTuple):
    """Stacked networks of one kind."""

    prediction: str
    members: list[tuple[int, int, int]]  # (steps, examples, replicate) of each
    parameters: Parameters  # each (members, ...)
    noise: Schedule

    def denoiser(self, options: settings.Network, member: int | None = None) -> Denoiser:
        """Of all networks at once, on points (members, points, d), or of one, on points (points,
        d).
        """
        dimension = self.parameters["out.bias"].shape[1]
        forward = diffusion.network(dimension, options.width, options.blocks, options.embedding)
        chosen = (
            self.parameters
            if member is None
            else {n: p[[member]] for n, p in self.parameters.items()}
        )

        def predict(z: Tensor, t: int) -> Tensor:
            points = (z if member is None else z[None]).float()
            found = forward(
                chosen, points, torch.full(points.shape[:2], t, device=points.device)
            ).to(z.dtype)
            return found if member is None else found[0]

        return (
            predict if self.prediction == "clean" else diffusion.noise_to_clean(predict, self.noise)
        )


def members(prediction: str, options: settings.Networks) -> list[tuple[int, int, int]]:
    """(steps, examples, replicate) of each network: those trained in full, then (clean) those
    trained briefly.
    """
    steps = getattr(options, prediction).steps
    durations = [steps, max(1, round(options.brief * steps))] if prediction == "clean" else [steps]
    return [(s, n, r) for s in durations for n in options.sizes for r in range(options.replicates)]


def fit(
    prediction: str,
    options: settings.Networks,
    library: Library,
    noise: Schedule,
    seed: int,
    *,
    device: str = "cpu",
    checkpoints: Path | None = None,
    every: int = 500,
) -> Trained:
    """Train one network per duration, size and replicate; those of one duration as one stack.

    Clean: E‖x̂(z_t, t) − x‖²; noise: E‖ε̂(z_t, t) − ε‖²; t uniform, summed over coordinates.
        Returns averaged weights.
    """
    network = getattr(options, prediction)
    z = torch.tensor(library.standard(library.train), dtype=torch.float32, device=device)
    stacks, every_member = [], members(prediction, options)
    for duration in dict.fromkeys(steps for steps, *_ in every_member):
        some = [member for member in every_member if member[0] == duration]
        file = checkpoints and checkpoints / f"{prediction}-{duration}.pt"
        stacks.append(
            _fit(prediction, network, duration, some, z, noise, seed, device, file, every)
        )
    parameters = {name: torch.cat([stack[name] for stack in stacks]) for name in stacks[0]}
    return Trained(prediction, every_member, parameters, noise)


def _fit(
    prediction: str,
    network: settings.Network,
    steps: int,
    some: list[tuple[int, int, int]],
    z: Tensor,
    noise: Schedule,
    seed: int,
    device: str,
    checkpoint: Path | None,
    every: int,
) -> Parameters:
    name = ("inversion", prediction, steps)
    rngs = [generator(seed, *name, examples, replicate) for _, examples, replicate in some]
    dimension = z.shape[-1]
    parameters = diffusion.initial(
        dimension, network.width, network.blocks, network.embedding, rngs, device
    )
    forward = diffusion.network(dimension, network.width, network.blocks, network.embedding)
    averaged = {name: value.clone() for name, value in parameters.items()}
    sizes = torch.tensor([[examples] for _, examples, _ in some])
    replicates = torch.tensor([[replicate] for *_, replicate in some])
    kept, base, rng = noise.kept.float(), torch_seed(seed, *name) // 2, torch.Generator()

    def average(current: Parameters, step: int) -> None:
        decay = min(network.average, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(averaged.values()), [current[name] for name in averaged], 1 - decay
            )

    def loss(current: Parameters, step: int) -> Tensor:
        average(current, step)
        rng.manual_seed(base + step)
        shape = (len(some), network.batch)
        chosen = (torch.rand(shape, generator=rng) * sizes).long()
        t = torch.randint(noise.steps, shape, generator=rng)
        epsilon = torch.randn(*shape, dimension, generator=rng).to(device)
        x, level = z[replicates, chosen], kept[t].to(device)[..., None]
        predicted = forward(current, level.sqrt() * x + (1 - level).sqrt() * epsilon, t.to(device))
        return ((predicted - (x if prediction == "clean" else epsilon)) ** 2).sum(-1).mean(-1)

    trained = train.fit(
        parameters,
        loss,
        steps=steps,
        learning_rate=network.learning_rate,
        schedule=train.cosine(steps, floor=network.last_rate / network.learning_rate),
        clip=network.clip,
        buffers=averaged,
        checkpoint=checkpoint,
        checkpoint_steps=every,
        label=f"{prediction} prediction, {steps} steps",
    )
    average(trained, steps)
    return averaged


# ---- files
# -----------------------------------------------------------------------------------------------------------


def save(path: Path, trained: Trained, library: Library) -> None:
    """Weights, and what they were trained on, as safetensors."""
    from safetensors.torch import save_file

    # one entry: of several the library would write the order at random
    about = {"trained": json.dumps({"prediction": trained.prediction, "members": trained.members})}
    tensors = {name: value.cpu().contiguous() for name, value in trained.parameters.items()}
    scaling = {
        "data.center": torch.tensor(library.center),
        "data.scale": torch.tensor(library.scale),
    }
    with atomic(path) as temporary:
        save_file(tensors | scaling, temporary, metadata=about)


def load(path: Path, library: Library, noise: Schedule) -> Trained:
    """Networks of a file.

    Raises:
        InputError: if it does not exist or is not whole, or was trained on other coordinates or
            more examples than there are.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["trained"])
            parameters = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a mapping
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no networks ({error}); train them again") from error
    for name in ("center", "scale"):
        stored, given = parameters.pop(f"data.{name}").numpy(), getattr(library, name)
        if stored.shape != given.shape or not np.allclose(stored, given, rtol=1e-9, atol=1e-12):
            raise InputError(
                f"{path}: networks were trained with another {name} of the coordinates than these "
                "models'"
            )
    found = [tuple(member) for member in about["members"]]
    replicates, examples = library.train.shape[:2]
    wrong = [(n, r) for _, n, r in found if n > examples or r >= replicates]
    if wrong:
        raise InputError(
            f"{path}: a network was trained on {wrong[0][0]} examples of training set "
            f"{wrong[0][1]}; there are "
            f"{replicates} sets of {examples}"
        )
    return Trained(about["prediction"], found, parameters, noise)


# ---- what they learnt
# ------------------------------------------------------------------------------------------------

COLUMNS = [
    "prediction",
    "steps",
    "examples",
    "replicate",
    "pair_rate",
    "calibrated_rate",
    "ratio_rate",
    "ratio",
    "null_rate",
    "null_ratio",
    "null_low",
    "train_loss",
    "held_out_loss",
]
SHOWN = ["prediction", "examples", "replicate", "place", "ratio", "pair", "nearest", "coordinates"]


def evaluate(
    files: list[Path], options: settings.Waveform, library: Library, noise: Schedule, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables Networks, what samples of each prior are and how well it denoises what it saw and
    what it did not, and PriorSamples, those nearest to different examples of the smallest sets.

    Beside the networks: the closed form of the smallest training sets, and the Gaussian of the
    pool, which saw none of the examples.
    """
    networks, rows, shown = options.networks, [], []
    nulls: dict[tuple[int, int], np.ndarray] = {}

    def describe(
        prediction: str, steps: int, number: int, replicate: int, samples: np.ndarray, losses: tuple
    ) -> None:
        known = library.train[replicate, :number]
        if (number, replicate) not in nulls:
            nulls[number, replicate] = ratios(
                library.held_out[replicate], known, options.models.neighbors
            )[0]
        null, threshold = nulls[number, replicate], options.models.threshold
        low = float(np.quantile(null, 0.01))
        found = samples * library.scale + library.center
        published, pair = ratios(found, known, options.models.neighbors)
        rows.append(
            (
                prediction,
                steps,
                number,
                replicate,
                float((pair < 1 / 3).mean()),
                float((published < low).mean()),
                float((published < threshold).mean()),
                float(np.median(published)),
                float((null < threshold).mean()),
                float(np.median(null)),
                low,
                *losses,
            )
        )
        if prediction in PREDICTIONS and (steps, number) == (
            getattr(networks, prediction).steps,
            min(networks.sizes),
        ):
            nearest = np.array([np.linalg.norm(known - model, axis=1).argmin() for model in found])
            shown.extend(
                (
                    prediction,
                    number,
                    replicate,
                    place,
                    float(published[one]),
                    float(pair[one]),
                    int(nearest[one]),
                    found[one],
                )
                for place, one in enumerate(apart(published, nearest))
            )

    for file in files:
        trained = load(file, library, noise)
        network = getattr(networks, trained.prediction)
        denoiser = trained.denoiser(network)
        rng = generator(seed, "inversion", "prior samples", trained.prediction)
        count, dimension = len(trained.members), library.pool.shape[1]
        start = torch.tensor(rng.normal(size=(count, networks.samples, dimension)))
        samples = diffusion.ddim(denoiser, start, noise).numpy()
        known = [library.train[replicate, :number] for _, number, replicate in trained.members]
        fresh = [library.held_out[replicate] for *_, replicate in trained.members]
        losses = [
            _losses(denoiser, library, some, noise, trained.prediction, rng)
            for some in (known, fresh)
        ]
        for number, (member, *values) in enumerate(zip(trained.members, *losses, strict=True)):
            describe(trained.prediction, *member, samples[number], values)
    for prediction, replicate, number, denoiser in _closed_forms(networks, library, noise):
        rng = generator(seed, "inversion", "prior samples", prediction, replicate)
        start = torch.tensor(rng.normal(size=(networks.samples, library.pool.shape[1])))
        samples = diffusion.ddim(denoiser, start, noise).numpy()
        known, fresh = library.train[replicate, :number], library.held_out[replicate]
        one = [
            _losses(_stacked(denoiser), library, [some], noise, "noise", rng)[0]
            for some in (known, fresh)
        ]
        for scored in [number] if prediction == "closed form" else networks.sizes:
            describe(prediction, 0, scored, replicate, samples, one)
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(shown, columns=SHOWN)


def _closed_forms(
    options: settings.Networks, library: Library, noise: Schedule
) -> Iterator[tuple[str, int, int, Denoiser]]:
    smallest = min(options.sizes)
    for replicate in range(options.replicates):
        z = torch.tensor(library.standard(library.train[replicate]))
        yield "closed form", replicate, smallest, diffusion.memorized(z[:smallest], noise)
        yield "gaussian", replicate, max(options.sizes), gaussian(library, noise)


def gaussian(library: Library, noise: Schedule) -> Denoiser:
    """The Gaussian prior with the pool's mean and covariance."""
    z = torch.tensor(library.standard(library.pool))
    return diffusion.gaussian(z.mean(0), torch.cov(z.T), noise)


def _stacked(denoiser: Denoiser) -> Denoiser:
    return lambda z, t: denoiser(z[0], t)[None]


def _losses(
    denoiser: Denoiser,
    library: Library,
    sets: list[np.ndarray],
    noise: Schedule,
    prediction: str,
    rng: np.random.Generator,
    points: int = 64,
) -> np.ndarray:
    """Denoising loss of every stacked prior on its set, over all times, (priors,)."""
    z = [torch.tensor(library.standard(some)) for some in sets]
    total = torch.zeros(len(sets), dtype=torch.float64)
    for t in range(noise.steps):
        x = torch.stack([some[torch.tensor(rng.integers(len(some), size=points))] for some in z])
        epsilon, kept = torch.tensor(rng.normal(size=x.shape)), noise.kept[t]
        square = (
            (denoiser(kept.sqrt() * x + (1 - kept).sqrt() * epsilon, t) - x)
            .square()
            .sum(-1)
            .mean(-1)
        )
        total += square if prediction == "clean" else square * kept / (1 - kept)
    return (total / noise.steps).numpy()
