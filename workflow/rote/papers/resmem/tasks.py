"""The classification tasks: their data, their bases, and one loop that trains them."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from rote import data as data_files
from rote import train
from rote.errors import InputError
from rote.models import classifiers
from rote.models.classifiers import Parameters, Stack
from rote.papers.resmem import pictures, settings
from rote.seeds import generator, torch_seed
from rote.synth import images

TASKS = ("digits", "longtail", "fine", "text", "mnist", "cifar", "pictures")
SHAPES = {"fine": (images.CoarseFine.CHANNELS, images.CoarseFine.SIDE), "mnist": (1, 14), "cifar": (3, 32)}


class Split(NamedTuple):
    """Inputs, labels and groups of one part of a data set."""

    x: np.ndarray  # (n, inputs) float32, or int64 of characters
    y: np.ndarray  # (n,) int64
    groups: np.ndarray  # (n,) int64, what the evaluation groups by


class Data(NamedTuple):
    """A data set."""

    train: Split
    valid: Split
    test: Split
    classes: int


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
        found = [Arm(f"{n} units" if n else "linear", (n,) if n else (), examples=options.train) for n in options.units]
        return found + [Arm(f"linear, noise {p:g}", (), examples=options.train, noise=p) for p in options.noises]
    if task == "longtail":
        small = [Arm(f"{options.units} units, n = {n}", (options.units,), examples=n) for n in options.sizes]
        n = options.sizes[0]
        return [*small, Arm(f"{options.large} units, n = {n}", (options.large,), examples=n)]
    if task == "fine":
        found = [Arm(f"width {w}", depth=options.depth, width=w, examples=options.train) for w in options.widths]
        middle = options.widths[len(options.widths) // 2]
        name = f"width {middle}, n = {options.small}"
        return [*found, Arm(name, depth=options.depth, width=middle, examples=options.small)]
    if task == "text":
        return [Arm(f"{h} units", (h, h), examples=max(options.memories)) for h in options.units]
    if task == "mnist":
        first = options.widths[0]
        found = [Arm(f"width {w}", depth=8, width=w, examples=options.train) for w in options.widths]
        found += [Arm(f"depth {d}", depth=d, width=first, examples=options.train) for d in options.depths]
        small = [Arm(f"n = {n}", depth=8, width=first, examples=n) for n in options.sizes]
        return found + small
    if task == "cifar":
        return [Arm(f"depth {d}", depth=d, width=options.width, examples=options.train) for d in options.depths]
    if task == "pictures":
        count = pictures.files(options)[2]
        return [Arm(model, examples=count) for model in options.models]
    raise InputError(f"task must be one of {', '.join(TASKS)}, given {task!r}")


def recipe(task: str, options: Any) -> Recipe:
    """How its bases are trained."""
    if task in ("digits", "text"):
        return Recipe(options.steps, options.batch, options.learning_rate)
    if task == "cifar":
        steps = options.epochs * max(1, options.train // options.batch)
        return Recipe(steps, options.batch, options.learning_rate, 0.05, augmented=True)
    if task == "mnist":
        return Recipe(max(1, options.seen // options.batch), options.batch, options.learning_rate, 0.05)
    middle = sorted(options.sizes)[len(options.sizes) // 2] if task == "longtail" else options.train
    steps = max(1, options.epochs * (middle // options.batch))
    return Recipe(steps, options.batch, options.learning_rate, 0.05 if task == "fine" else 0.0)


# ---- data ------------------------------------------------------------------------------------------------------------


def data(task: str, options: Any, seed: int, replicate: int) -> Data:
    """One replicate's data set, the largest training set of the task."""
    rng = generator(seed, "resmem", task, "data", replicate)
    return {
        "digits": _digits,
        "longtail": _longtail,
        "fine": _fine,
        "text": _text,
        "mnist": _mnist,
        "cifar": _cifar,
        "pictures": _pictures,
    }[task](options, rng)


def _digits(options: settings.Digits, rng: np.random.Generator) -> Data:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = rng.permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    ends = [0, options.train, options.train + options.valid, len(x)]
    parts = [Split(x[a:b], y[a:b], y[a:b]) for a, b in pairwise(ends)]
    return Data(*parts, 10)


def _drawn(source: Any, rng: np.random.Generator, numbers: list[int]) -> Data:
    parts = [Split(*source.draw(rng, number)) for number in numbers]
    return Data(*parts, source.CLASSES)


def _longtail(options: settings.LongTail, rng: np.random.Generator) -> Data:
    most = max(*options.sizes, min(options.sizes) + max(options.grown))  # a memory may grow beyond the base's rows
    numbers = [most, options.valid, options.test]
    return _drawn(images.LongTail(rng), rng, numbers)


def _fine(options: settings.CoarseFine, rng: np.random.Generator) -> Data:
    return _drawn(images.CoarseFine(rng), rng, [max(options.train, options.small), options.valid, options.test])


def _mnist(options: settings.Mnist, rng: np.random.Generator) -> Data:
    """The split is that of the specification, the same in every replicate."""
    found = data_files.mnist(options.root, download=options.download)
    pixels, y = found.pixels[-10_000:], found.labels[-10_000:].astype(np.int64)
    if len(y) < 10_000 or pixels.shape[1] != 28:
        raise InputError(f"{options.root}: 10,000 images of 28 x 28 pixels are needed, found {pixels.shape}")
    x = (pixels / 255 - 0.1307) / 0.3081
    x = x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(len(x), -1).astype(np.float32)
    order = np.random.default_rng(0).permutation(10_000)
    parts = (order[3000 : 3000 + options.train], order[2000 : 2000 + options.valid], order[: options.test])
    return Data(*(Split(x[some], y[some], y[some]) for some in parts), 10)


def _cifar(options: settings.Cifar, rng: np.random.Generator) -> Data:
    """The published test set; validation images are of the training part, the same in every replicate."""
    found = data_files.cifar100(options.root, download=options.download)
    last = len(found.labels) - len(found.labels) // 6  # one sixth of the images are for testing
    if last < options.train + options.valid:
        raise InputError(
            f"{options.root}: {last} images are not for testing, resmem.cifar.train and valid ask for "
            f"{options.train} + {options.valid}"
        )
    mean, spread = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)  # of its channels, as everyone has them
    order = np.random.default_rng(0).permutation(last)
    parts = []
    for some in (order[: options.train], order[options.train : options.train + options.valid], np.s_[last:]):
        pixels = found.pixels[some].astype(np.float32) / 255
        x = (pixels - np.array(mean, np.float32)[:, None, None]) / np.array(spread, np.float32)[:, None, None]
        y = found.labels[some].astype(np.int64)
        parts.append(Split(x.reshape(len(x), -1), y, y))
    return Data(*parts, 100)


def _pictures(options: settings.Pictures, rng: np.random.Generator) -> Data:
    """Inputs are numbers of pictures in `pictures.files`."""
    _, y, count = pictures.files(options)
    half = count + rng.permutation(len(y) - count)
    cut = len(half) // 2
    parts = (np.arange(count), half[:cut], half[cut:])
    return Data(*(Split(some, y[some], y[some]) for some in parts), int(y.max()) + 1)


def topics() -> list[str]:
    """The help topics that come with Python, a text under the PSF licence; they differ a little between versions."""
    from pydoc_data.topics import topics as found

    return [found[name] for name in sorted(found)]


def _text(options: settings.Text, rng: np.random.Generator) -> Data:
    texts = topics()
    order = rng.permutation(len(texts))
    texts = [texts[i] for i in order]
    lengths = np.cumsum([len(text) for text in texts])
    first, second = np.searchsorted(lengths, [0.1 * lengths[-1], 0.2 * lengths[-1]]) + 1
    parts = ["\n".join(some) for some in (texts[second:], texts[first:second], texts[:first])]
    symbols = {symbol: number for number, symbol in enumerate(sorted(set("".join(texts) + "\n")))}
    codes = [np.array([symbols[symbol] for symbol in part], np.int64) for part in parts]
    windows = [np.lib.stride_tricks.sliding_window_view(some, options.context + 1) for some in codes]
    if len(windows[0]) < max(options.memories):
        raise InputError(
            f"the help topics give {len(windows[0])} training positions, resmem.text.memories asks for "
            f"{max(options.memories)}"
        )
    seen = {parts[0][at : at + options.unseen] for at in range(len(parts[0]) - options.unseen)}
    splits = []
    for number, (part, window) in enumerate(zip(parts, windows, strict=True)):
        if number == 0:
            chosen = rng.choice(len(window), max(options.memories), replace=False)
        else:  # topics repeat each other: only contexts that are new count
            ends = np.arange(options.unseen - options.context, len(window))
            new = [at for at in ends if part[at + options.context - options.unseen : at + options.context] not in seen]
            size = options.valid if number == 1 else options.test
            chosen = rng.choice(new, min(size, len(new)), replace=False)
        rows = window[chosen]
        splits.append(Split(rows[:, :-1].copy(), rows[:, -1].copy(), rows[:, -1].copy()))
    return Data(*splits, len(symbols))


def noisy(labels: np.ndarray, share: float, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Labels of which a share was drawn anew, uniformly over all classes."""
    drawn = rng.integers(classes, size=len(labels))
    return np.where(rng.random(len(labels)) < share, drawn, labels)


def training_labels(arm: Arm, data: Data, seed: int, replicate: int) -> np.ndarray:
    """Labels that an arm is trained on, and that its memory holds, (examples,)."""
    y = data.train.y[: arm.examples]
    if not arm.noise:
        return y
    return noisy(y, arm.noise, data.classes, generator(seed, "resmem", "noise", arm.name, replicate))


# ---- bases -----------------------------------------------------------------------------------------------------------


def build(task: str, arm: Arm, options: Any, data: Data, rngs: list[np.random.Generator]) -> Stack:
    """Untrained networks, one per generator."""
    if task == "text":
        return classifiers.characters(data.classes, options.context, options.embedding, arm.hidden, rngs)
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
    rngs = [generator(seed, "resmem", task, arm.name, "weights", replicate) for replicate in range(count)]
    stack = build(task, arm, options, datas[0], rngs)
    use = [np.arange(arm.examples) if rows is None else rows(replicate) for replicate in range(count)]
    x = [torch.tensor(data.train.x[some]).to(device) for data, some in zip(datas, use, strict=True)]
    labels = [training_labels(arm, data, seed, replicate)[use[replicate]] for replicate, data in enumerate(datas)]
    y = [torch.tensor(some).to(device) for some in labels]
    batch = min(how.batch, len(use[0]))
    order = torch.tensor(np.stack([
        _order(generator(seed, "resmem", task, arm.name, "order", replicate), len(use[replicate]), how.steps, batch)
        for replicate in range(count)
    ]))  # fmt: skip

    base, moves = torch_seed(seed, "resmem", task, arm.name, "moves") // 2, torch.Generator()

    def loss(parameters: Parameters, step: int) -> torch.Tensor:
        chosen = order[:, step]
        inputs = torch.stack([some[at] for some, at in zip(x, chosen, strict=True)])
        if how.augmented:
            inputs = moved(inputs, *SHAPES[task], moves.manual_seed(base + step))
        wanted = torch.stack([some[at] for some, at in zip(y, chosen, strict=True)])
        logits, _ = stack.forward(parameters, inputs, True)
        losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
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
        what=f"{task}, {arm.name}",
    )
    return stack, parameters | stack.buffers


def moved(x: torch.Tensor, channels: int, side: int, generator: torch.Generator, pad: int = 4) -> torch.Tensor:
    """Every image (..., channels · side²) cropped at random from its padded self, half of them mirrored."""
    images = torch.nn.functional.pad(x.reshape(-1, channels, side, side), (pad,) * 4)
    count = len(images)
    down, right = (torch.randint(2 * pad + 1, (2, count, 1), generator=generator) + torch.arange(side)).to(x.device)
    mirror = torch.rand(count, 1, generator=generator).to(x.device) < 0.5
    right = torch.where(mirror, right.flip(1), right)
    each = torch.arange(count, device=x.device)
    # indices apart from each other put the channels last
    found = images[each[:, None, None], :, down[:, :, None], right[:, None, :]]
    return found.permute(0, 3, 1, 2).reshape(x.shape)


def _order(rng: np.random.Generator, examples: int, steps: int, batch: int) -> np.ndarray:
    """Rows of every batch, (steps, batch): epoch after epoch in new orders, the short last batch dropped."""
    per_epoch = examples // batch
    epochs = -(-steps // per_epoch)
    rows = [rng.permutation(examples)[: per_epoch * batch].reshape(per_epoch, batch) for _ in range(epochs)]
    return np.concatenate(rows)[:steps].astype(np.int64)


def embed(stack: Stack, weights: Parameters, number: int, x: np.ndarray, size: int = 1000) -> dict[str, np.ndarray]:
    """Logits and embeddings of one network, each (n, ...), in evaluation mode: `logits`, `last` and maybe `map`.

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
