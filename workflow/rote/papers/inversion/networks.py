"""Trained priors: score networks over training sets of several sizes, stacked."""

import json
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
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
from rote.papers.inversion.priors import PREDICTIONS, Prediction


class Member(NamedTuple):
    """One network of a stack."""

    steps: int  # of its training
    examples: int  # N of its training set
    replicate: int


class TrainedNetworks(NamedTuple):
    """Stacked networks of one kind."""

    prediction: Prediction
    members: list[Member]
    parameters: Parameters  # each (members, ...)
    schedule: Schedule

    @property
    def architecture(self) -> diffusion.DiffusionArchitecture:
        """The sizes of the networks, from the shapes of their parameters."""
        inputs, width = self.parameters["in.weight"].shape[1:]
        dimension = self.parameters["out.bias"].shape[1]
        blocks = sum(name.endswith(".scale") for name in self.parameters)
        return diffusion.DiffusionArchitecture(dimension, width, blocks, inputs - dimension)

    def number(self, examples: int, replicate: int) -> int:
        """Number of the network trained longest on the first N models of a training set."""
        trained = [member for member in self.members if member[1:] == (examples, replicate)]
        return self.members.index(max(trained))

    def denoiser(self, number: int | None = None) -> Denoiser:
        """Of all networks, on points (members, points, d), or of one, on points (points, d)."""
        forward = diffusion.network(self.architecture)
        parameters = self.parameters
        if number is not None:
            parameters = {name: value[[number]] for name, value in parameters.items()}

        def predict(z: Tensor, t: int) -> Tensor:
            points = (z if number is None else z[None]).float()
            times = torch.full(points.shape[:2], t, device=points.device)
            predicted = forward(parameters, points, times).to(z.dtype)
            return predicted if number is None else predicted[0]

        return self.prediction.denoiser(predict, self.schedule)


class Placement(NamedTuple):
    """Where a training computes, and where it saves its state."""

    device: str = "cpu"
    checkpoints: Path | None = None  # folder; None saves nothing
    checkpoint_steps: int = 500


def members(prediction: Prediction, options: settings.InversionNetworks) -> list[Member]:
    """Networks of one kind: those trained in full, then (where there are any) the brief ones."""
    grid = product(prediction.durations(options), options.sizes, range(options.replicates))
    return [Member(*values) for values in grid]


def fit(
    prediction: Prediction,
    options: settings.InversionNetworks,
    library: Library,
    schedule: Schedule,
    seed: int,
    placement: Placement = Placement(),
) -> TrainedNetworks:
    """Train one network per duration, size and replicate; those of one duration as one stack.

    The loss is E‖x̂(z_t, t) − x‖² or E‖ε̂(z_t, t) − ε‖², t uniform, summed over coordinates.

    Args:
        prediction: what the networks predict.
        options: the config section.
        library: the velocity models; every network sees the first N of its training set.
        schedule: of the noise.
        seed: of initial weights, batches, times and noise.
        placement: where to compute and to save the state; a resumed run gives the same weights.

    Returns:
        Networks with averaged weights.
    """
    networks = members(prediction, options)
    stacks = []
    for duration in prediction.durations(options):
        stack = [member for member in networks if member.steps == duration]
        training = _Training(
            prediction=prediction,
            options=prediction.options(options),
            members=stack,
            z=_standardized(library, stack).to(placement.device),
            schedule=schedule,
        )
        stacks.append(_fit(training, seed, placement))
    return TrainedNetworks(prediction, networks, _joined(stacks), schedule)


def _joined(stacks: list[Parameters]) -> Parameters:
    """Stacks as one, with the networks of the first stack first."""
    parameters = {}
    for name in stacks[0]:
        parameters[name] = torch.cat([stack[name] for stack in stacks])
    return parameters


def _standardized(library: Library, stack: list[Member]) -> Tensor:
    """The training set of every network in its own coordinates, (networks, N, d)."""
    scaled = [
        library.scaling(member.examples, member.replicate).standardize(
            library.train[member.replicate]
        )
        for member in stack
    ]
    return torch.tensor(np.stack(scaled), dtype=torch.float32)


class _Training(NamedTuple):
    """A stack of networks that are trained for as many steps."""

    prediction: Prediction
    options: settings.InversionNetwork
    members: list[Member]
    z: Tensor  # standardized models, (networks, N, d)
    schedule: Schedule


def _fit(training: _Training, seed: int, placement: Placement) -> Parameters:
    prediction, options, stack, z, schedule = training
    device = placement.device
    steps = stack[0].steps
    stream = ("inversion", prediction.name, steps)
    rngs = [generator(seed, *stream, member.examples, member.replicate) for member in stack]
    architecture = diffusion.DiffusionArchitecture(
        z.shape[-1], options.width, options.blocks, options.embedding
    )
    parameters = diffusion.initial(architecture, rngs, device)
    forward = train.captured(diffusion.network(architecture))
    averaged = {name: value.clone() for name, value in parameters.items()}
    sizes = torch.tensor([[member.examples] for member in stack])
    networks = torch.arange(len(stack))[:, None]
    alpha_bar = schedule.alpha_bar.float()
    base = torch_seed(seed, *stream) // 2
    rng = torch.Generator()

    def average(current: Parameters, step: int) -> None:
        decay = min(options.average, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(averaged.values()), [current[name] for name in averaged], 1 - decay
            )

    def loss(current: Parameters, step: int) -> Tensor:
        average(current, step)
        rng.manual_seed(base + step)
        shape = (len(stack), options.batch)
        chosen = (torch.rand(shape, generator=rng) * sizes).long()
        t = torch.randint(schedule.steps, shape, generator=rng)
        noise = torch.randn(*shape, z.shape[-1], generator=rng).to(device)
        clean = z[networks, chosen]
        signal = alpha_bar[t].to(device)[..., None]
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        predicted = forward(current, noisy, t.to(device))
        return ((predicted - prediction.target(clean, noise)) ** 2).sum(-1).mean(-1)

    checkpoint = placement.checkpoints and placement.checkpoints / f"{prediction.name}-{steps}.pt"
    trained = train.fit(
        parameters,
        loss,
        train.AdamW(
            steps=steps,
            learning_rate=options.learning_rate,
            schedule=train.cosine(steps, floor=options.last_rate / options.learning_rate),
            clip=options.clip,
        ),
        buffers=averaged,
        checkpoint=train.Checkpoint(checkpoint, placement.checkpoint_steps),
        label=f"{prediction.name} prediction, {steps} steps",
    )
    average(trained, steps)
    return averaged


# ---- files


def save(path: Path, trained: TrainedNetworks, library: Library) -> None:
    """Weights, and what they were trained on, as safetensors."""
    from safetensors.torch import save_file

    record = {
        "prediction": trained.prediction.name,
        "members": trained.members,
        "standardization": library.standardization,
    }
    tensors = {name: value.cpu().contiguous() for name, value in trained.parameters.items()}
    scaling = {
        "data.center": torch.tensor(library.center),
        "data.scale": torch.tensor(library.scale),
    }
    with atomic(path) as temporary:
        # one entry: of several the library would write the order at random
        save_file(tensors | scaling, temporary, metadata={"trained": json.dumps(record)})


def load(path: Path, library: Library, schedule: Schedule) -> TrainedNetworks:
    """Networks of a file.

    Args:
        path: what `save` wrote.
        library: the velocity models, which must be those that the networks were trained on.
        schedule: of the noise.

    Raises:
        InputError: if it does not exist or is not whole, or was trained on other coordinates or
            more examples than there are.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            record = json.loads(file.metadata()["trained"])
            parameters = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            prediction = PREDICTIONS[record["prediction"]]
            standardization = record["standardization"]
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no networks ({error}); train them again") from error
    if standardization != library.standardization:
        raise InputError(
            f"{path}: networks were trained with standardization {standardization!r}, the config "
            f"says {library.standardization!r}; train them again, or change the config"
        )
    for name in ("center", "scale"):
        stored = parameters.pop(f"data.{name}").numpy()
        current = getattr(library, name)
        if stored.shape != current.shape or not np.allclose(stored, current, rtol=1e-9, atol=1e-12):
            raise InputError(
                f"{path}: networks were trained "
                f"with another {name} of the coordinates than these models'"
            )
    trained = [Member(*member) for member in record["members"]]
    replicates, examples = library.train.shape[:2]
    for member in trained:
        if member.examples > examples or member.replicate >= replicates:
            raise InputError(
                f"{path}: a network was trained on {member.examples} examples "
                f"of training set {member.replicate}; there are {replicates} sets of {examples}"
            )
    return TrainedNetworks(prediction, trained, parameters, schedule)
