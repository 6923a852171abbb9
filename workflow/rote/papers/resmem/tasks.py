"""The classification tasks: their bases, and one loop that trains them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from rote import train
from rote.core.errors import InputError
from rote.core.seeds import generator, torch_seed
from rote.models import classifiers
from rote.models.classifiers import Parameters, Stack
from rote.papers.resmem import pictures
from rote.papers.resmem.datasets import Data, noisy
from rote.synth import images

TASKS = ("digits", "longtail", "fine", "text", "mnist", "fashion", "cifar", "pictures", "language")
SHAPES = {
    "fine": (images.CoarseFineImages.CHANNELS, images.CoarseFineImages.SIDE),
    "mnist": (1, 14),
    "cifar": (3, 32),
}


class Arm(NamedTuple):
    """A base: what it is and what it is trained on."""

    name: str
    hidden: tuple[int, ...] = ()  # widths of a perceptron; none is linear
    depth: int = 0  # of a residual network; 0 for a perceptron
    width: int = 0  # of its first stage
    examples: int = 0  # training examples: the first ones
    noise: float = 0.0  # share of training labels drawn anew


class Recipe(NamedTuple):
    """How a task's bases are trained."""

    steps: int
    batch: int
    learning_rate: float
    decay: float = 0.0  # decoupled weight decay
    augmented: bool = False  # random crops of the padded image, and mirror images


# ---- arms ------------------------------------------------------------------------------------------------------------


def arms(task: str, options: Any) -> list[Arm]:
    """The bases of a task."""
    if task == "digits":
        found = [
            Arm(f"{n} units" if n else "linear", (n,) if n else (), examples=options.train)
            for n in options.units
        ]
        return found + [
            Arm(f"linear, noise {p:g}", (), examples=options.train, noise=p) for p in options.noises
        ]
    if task == "longtail":
        small = [
            Arm(f"{options.units} units, n = {n}", (options.units,), examples=n)
            for n in options.sizes
        ]
        n = options.sizes[0]
        return [*small, Arm(f"{options.large} units, n = {n}", (options.large,), examples=n)]
    if task == "fine":
        found = [
            Arm(f"width {w}", depth=options.depth, width=w, examples=options.train)
            for w in options.widths
        ]
        middle = options.widths[len(options.widths) // 2]
        name = f"width {middle}, n = {options.small}"
        return [*found, Arm(name, depth=options.depth, width=middle, examples=options.small)]
    if task == "text":
        return [Arm(f"{h} units", (h, h), examples=max(options.memories)) for h in options.units]
    if task == "mnist":
        first = options.widths[0]
        found = [
            Arm(f"width {w}", depth=8, width=w, examples=options.train) for w in options.widths
        ]
        found += [
            Arm(f"depth {d}", depth=d, width=first, examples=options.train) for d in options.depths
        ]
        small = [Arm(f"n = {n}", depth=8, width=first, examples=n) for n in options.sizes]
        return found + small
    if task == "cifar":
        return [
            Arm(f"depth {d}", depth=d, width=options.width, examples=options.train)
            for d in options.depths
        ]
    if task == "fashion":
        return [
            Arm(f"{n} units" if n else "linear", (n,) if n else (), examples=options.train)
            for n in options.units
        ]
    if task == "language":
        return [Arm(model, examples=options.train) for model in options.models]
    if task == "pictures":
        count = pictures.files(options)[2]
        return [Arm(model, examples=count) for model in options.models]
    raise InputError(f"task must be one of {', '.join(TASKS)}, given {task!r}")


def recipe(task: str, options: Any) -> Recipe:
    """How its bases are trained."""
    if task in ("digits", "text", "fashion"):
        return Recipe(options.steps, options.batch, options.learning_rate)
    if task == "cifar":
        steps = options.epochs * max(1, options.train // options.batch)
        return Recipe(steps, options.batch, options.learning_rate, 0.05, augmented=True)
    if task == "mnist":
        return Recipe(
            max(1, options.seen // options.batch), options.batch, options.learning_rate, 0.05
        )
    middle = sorted(options.sizes)[len(options.sizes) // 2] if task == "longtail" else options.train
    steps = max(1, options.epochs * (middle // options.batch))
    return Recipe(steps, options.batch, options.learning_rate, 0.05 if task == "fine" else 0.0)


def training_labels(arm: Arm, data: Data, seed: int, replicate: int) -> np.ndarray:
    """Labels that an arm is trained on, and that its memory holds, (examples,)."""
    y = data.train.y[: arm.examples]
    if not arm.noise:
        return y
    return noisy(
        y, arm.noise, data.classes, generator(seed, "resmem", "noise", arm.name, replicate)
    )


# ---- bases
# -----------------------------------------------------------------------------------------------------------


def build(task: str, arm: Arm, options: Any, data: Data, rngs: list[np.random.Generator]) -> Stack:
    """Untrained networks, one per generator."""
    if task == "text":
        return classifiers.characters(
            data.classes, options.context, options.embedding, arm.hidden, rngs
        )
    if arm.depth:
        return classifiers.residual(arm.depth, arm.width, *SHAPES[task], data.classes, rngs)
    return classifiers.perceptron(data.train.x.shape[1], arm.hidden, data.classes, rngs)


def fit(
    task: str,
    arm: Arm,
    options: Any,
    datas: list[Data],
    seed: int,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    every: int = 500,
    rows: Callable[[int], np.ndarray] | None = None,
) -> tuple[Stack, Parameters]:
    """Train one network per data set, as one stack, by cross-entropy.

    Args:
        rows: from a replicate to the training rows to use; all of the arm's by default.

    Returns:
        The stack, and its weights: trained parameters and running statistics.
    """
    how, count = recipe(task, options), len(datas)
    rngs = [
        generator(seed, "resmem", task, arm.name, "weights", replicate)
        for replicate in range(count)
    ]
    stack = build(task, arm, options, datas[0], rngs)
    for weights in (stack.parameters, stack.buffers):
        weights.update({name: value.to(device) for name, value in weights.items()})
    use = [
        np.arange(arm.examples) if rows is None else rows(replicate) for replicate in range(count)
    ]
    x = [torch.tensor(data.train.x[some]).to(device) for data, some in zip(datas, use, strict=True)]
    labels = [
        training_labels(arm, data, seed, replicate)[use[replicate]]
        for replicate, data in enumerate(datas)
    ]
    y = [torch.tensor(some).to(device) for some in labels]
    batch = min(how.batch, len(use[0]))
    order = torch.tensor(
        np.stack(
            [
                _order(
                    generator(seed, "resmem", task, arm.name, "order", replicate),
                    len(use[replicate]),
                    how.steps,
                    batch,
                )
                for replicate in range(count)
            ]
        )
    ).to(device)

    base, moves = torch_seed(seed, "resmem", task, arm.name, "moves") // 2, torch.Generator()

    def loss(parameters: Parameters, step: int) -> torch.Tensor:
        chosen = order[:, step]
        inputs = torch.stack([some[at] for some, at in zip(x, chosen, strict=True)])
        if how.augmented:
            inputs = moved(inputs, *SHAPES[task], moves.manual_seed(base + step))
        wanted = torch.stack([some[at] for some, at in zip(y, chosen, strict=True)])
        logits, _ = stack.forward(parameters, inputs, True)
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), reduction="none"
        )
        return losses.view(count, batch).mean(1)

    parameters = train.fit(
        stack.parameters,
        loss,
        steps=how.steps,
        learning_rate=how.learning_rate,
        schedule=train.cosine(how.steps, warmup=max(1, round(0.15 * how.steps))),
        weight_decay=torch.full((count,), how.decay) if how.decay else None,
        buffers=stack.buffers,
        checkpoint=checkpoint,
        checkpoint_steps=every,
        label=f"{task}, {arm.name}",
    )
    return stack, parameters | stack.buffers


def moved(
    x: torch.Tensor, channels: int, side: int, generator: torch.Generator, pad: int = 4
) -> torch.Tensor:
    """Every image (..., channels · side²) cropped at random from its padded self, half of them
    mirrored.
    """
    images = torch.nn.functional.pad(x.reshape(-1, channels, side, side), (pad,) * 4)
    count = len(images)
    down, right = (
        torch.randint(2 * pad + 1, (2, count, 1), generator=generator) + torch.arange(side)
    ).to(x.device)
    mirror = torch.rand(count, 1, generator=generator).to(x.device) < 0.5
    right = torch.where(mirror, right.flip(1), right)
    each = torch.arange(count, device=x.device)
    # indices apart from each other put the channels last
    found = images[each[:, None, None], :, down[:, :, None], right[:, None, :]]
    return found.permute(0, 3, 1, 2).reshape(x.shape)


def _order(rng: np.random.Generator, examples: int, steps: int, batch: int) -> np.ndarray:
    """Rows of every batch, (steps, batch): epoch after epoch in new orders, the short last batch
    dropped.
    """
    per_epoch = examples // batch
    epochs = -(-steps // per_epoch)
    rows = [
        rng.permutation(examples)[: per_epoch * batch].reshape(per_epoch, batch)
        for _ in range(epochs)
    ]
    return np.concatenate(rows)[:steps].astype(np.int64)


def embed(
    stack: Stack, weights: Parameters, number: int, x: np.ndarray, size: int = 1000
) -> dict[str, np.ndarray]:
    """Logits and embeddings of one network, each (n, ...), in evaluation mode: `logits`, `last` and
    maybe `map`.

    Args:
        weights: parameters and running statistics of all networks.
    """
    one = {name: value[[number]] for name, value in weights.items()}
    found: dict[str, list[np.ndarray]] = {}
    with torch.no_grad():
        for begin in range(0, len(x), size):
            inputs = torch.tensor(x[begin : begin + size])[None].to(next(iter(one.values())).device)
            logits, embeddings = stack.forward(one, inputs, False)
            for name, value in {"logits": logits, **embeddings}.items():
                found.setdefault(name, []).append(value[0].cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}
