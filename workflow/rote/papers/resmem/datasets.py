"""The data of the classification tasks: training, validation and test rows of every replicate."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import images as data_files
from rote.papers.resmem import language, pictures, settings
from rote.synth import images


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


def data(task: str, options: Any, seed: int, replicate: int) -> Data:
    """One replicate's data set, the largest training set of the task."""
    rng = drawing(task, seed, replicate)
    return {
        "digits": _digits,
        "longtail": _longtail,
        "fine": _fine,
        "text": _text,
        "mnist": _mnist,
        "cifar": _cifar,
        "fashion": _fashion,
        "pictures": _pictures,
        "language": _language,
    }[task](options, rng)


def drawing(task: str, seed: int, replicate: int) -> np.random.Generator:
    """What a replicate's data set is drawn with."""
    return generator(seed, "resmem", task, "data", replicate)


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
    most = max(
        *options.sizes, min(options.sizes) + max(options.grown)
    )  # a memory may grow beyond the base's rows
    numbers = [most, options.valid, options.test]
    return _drawn(images.LongTailImages(rng), rng, numbers)


def _fine(options: settings.CoarseFine, rng: np.random.Generator) -> Data:
    return _drawn(
        images.CoarseFineImages(rng),
        rng,
        [max(options.train, options.small), options.valid, options.test],
    )


def _mnist(options: settings.Mnist, rng: np.random.Generator) -> Data:
    """The split is that of the specification, the same in every replicate."""
    found = data_files.mnist(options.root, download=options.download)
    pixels, y = found.pixels[-10_000:], found.labels[-10_000:].astype(np.int64)
    if len(y) < 10_000 or pixels.shape[1] != 28:
        raise InputError(
            f"{options.root}: 10,000 images of 28 x 28 pixels are needed, found {pixels.shape}"
        )
    x = (pixels / 255 - 0.1307) / 0.3081
    x = x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(len(x), -1).astype(np.float32)
    order = np.random.default_rng(0).permutation(10_000)
    parts = (
        order[3000 : 3000 + options.train],
        order[2000 : 2000 + options.valid],
        order[: options.test],
    )
    return Data(*(Split(x[some], y[some], y[some]) for some in parts), 10)


def _cifar(options: settings.Cifar, rng: np.random.Generator) -> Data:
    """The published test set; validation images are of the training part, the same in every
    replicate.
    """
    found = data_files.cifar100(options.root, download=options.download)
    last = len(found.labels) - len(found.labels) // 6  # one sixth of the images are for testing
    if last < options.train + options.valid:
        raise InputError(
            f"{options.root}: {last} images are not for testing, resmem.cifar.train and valid ask "
            "for "
            f"{options.train} + {options.valid}"
        )
    mean, spread = (
        (0.5071, 0.4865, 0.4409),
        (0.2673, 0.2564, 0.2762),
    )  # of its channels, as everyone has them
    order = np.random.default_rng(0).permutation(last)
    parts = []
    for some in (
        order[: options.train],
        order[options.train : options.train + options.valid],
        np.s_[last:],
    ):
        pixels = found.pixels[some].astype(np.float32) / 255
        x = (pixels - np.array(mean, np.float32)[:, None, None]) / np.array(spread, np.float32)[
            :, None, None
        ]
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


def _fashion(options: settings.Fashion, rng: np.random.Generator) -> Data:
    """Another split in every replicate."""
    found = data_files.fashion(options.root, download=options.download)
    wanted = options.train + options.valid + options.test
    if len(found.labels) < wanted:
        raise InputError(
            f"{options.root}: {len(found.labels)} images, resmem.fashion.train, valid and test "
            f"ask for {wanted}"
        )
    order = rng.permutation(len(found.labels))[:wanted]
    x = (found.pixels[order].reshape(wanted, -1) / found.largest).astype(np.float32)
    y = found.labels[order].astype(np.int64)
    ends = [0, options.train, options.train + options.valid, wanted]
    return Data(*(Split(x[a:b], y[a:b], y[a:b]) for a, b in pairwise(ends)), 10)


def _language(options: settings.Language, rng: np.random.Generator) -> Data:
    """Inputs are positions in `language.pieces`."""
    splits, known = language.draw(options, rng)
    return Data(*splits, len(known) + 1)


def topics() -> list[str]:
    """The help topics that come with Python, a text under the PSF licence; they differ a little
    between versions.
    """
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
    windows = [
        np.lib.stride_tricks.sliding_window_view(some, options.context + 1) for some in codes
    ]
    if len(windows[0]) < max(options.memories):
        raise InputError(
            f"the help topics give {len(windows[0])} training positions, resmem.text.memories "
            "asks for "
            f"{max(options.memories)}"
        )
    seen = {parts[0][at : at + options.unseen] for at in range(len(parts[0]) - options.unseen)}
    splits = []
    for number, (part, window) in enumerate(zip(parts, windows, strict=True)):
        if number == 0:
            chosen = rng.choice(len(window), max(options.memories), replace=False)
        else:  # topics repeat each other: only contexts that are new count
            ends = np.arange(options.unseen - options.context, len(window))
            new = [
                at
                for at in ends
                if part[at + options.context - options.unseen : at + options.context] not in seen
            ]
            size = options.valid if number == 1 else options.test
            chosen = rng.choice(new, min(size, len(new)), replace=False)
        rows = window[chosen]
        splits.append(Split(rows[:, :-1].copy(), rows[:, -1].copy(), rows[:, -1].copy()))
    return Data(*splits, len(symbols))


def noisy(labels: np.ndarray, share: float, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Labels of which a share was drawn anew, uniformly over all classes."""
    drawn = rng.integers(classes, size=len(labels))
    return np.where(rng.random(len(labels)) < share, drawn, labels)
