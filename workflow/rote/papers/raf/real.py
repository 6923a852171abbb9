"""Rules and facts on real images: RBF kernel ridge regression, over bandwidths and penalties."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg
from scipy.spatial.distance import cdist

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator
from rote.data import images
from rote.papers.raf import schema, settings
from rote.synth.rules_facts import sign

MAX_E_MEM = 0.01  # below it a learner of real images counts as remembering all facts
PENALTIES = BEST, REMEMBERING = ("best", "remembering")
CIFAR10_LABELS = {"automobile": 1, "cat": 3, "dog": 5}


class ImageGroups(NamedTuple):
    """Flattened images of the rule and for facts."""

    rule: np.ndarray  # (n, pixels)
    labels: np.ndarray  # (n,) ±1, of the rule
    facts: np.ndarray  # (m, pixels)


class ImageSplit(NamedTuple):
    """A training set, rules first, and test images; standardized."""

    X: np.ndarray  # (n, pixels)
    y: np.ndarray  # (n,) ±1
    facts: np.ndarray  # (n,) bool
    tested: np.ndarray  # (tests,) numbers of the test images among those of the rule
    X_test: np.ndarray  # (tests, pixels)
    y_test: np.ndarray  # (tests,) ±1


def _digits(options: settings.RafReal) -> ImageGroups:
    """Parity of 0-7; facts are 8s and 9s."""
    data = images.digits()
    rule = data.labels <= 7
    return _groups(data, rule, data.labels % 2 == 0, ~rule)


def _cifar10(options: settings.RafReal) -> ImageGroups:
    """Cat or dog; facts are automobiles."""
    data = images.cifar10(options.root, download=options.download)
    cat = data.labels == CIFAR10_LABELS["cat"]
    rule = cat | (data.labels == CIFAR10_LABELS["dog"])
    return _groups(data, rule, cat, data.labels == CIFAR10_LABELS["automobile"])


def _groups(
    data: images.Images, rule: np.ndarray, positive: np.ndarray, facts: np.ndarray
) -> ImageGroups:
    flat = data.pixels.reshape(len(data.labels), -1).astype(float)
    return ImageGroups(flat[rule], np.where(positive[rule], 1.0, -1.0), flat[facts])


SOURCES: dict[str, Callable[[settings.RafReal], ImageGroups]] = {
    "digits": _digits,
    "cifar10": _cifar10,
}


def split(groups: ImageGroups, options: settings.RafReal, rng: np.random.Generator) -> ImageSplit:
    """Random images and labels of one replicate.

    Args:
        groups: all images.
        options: rules, facts and tests to draw.
        rng: draws images and the facts' labels.

    Returns:
        The training set and test images, both standardized by the training set.
    """
    rule = rng.permutation(len(groups.rule))
    fact = rng.permutation(len(groups.facts))[: options.facts]
    train, test = rule[: options.rules], rule[options.rules : options.rules + options.tests]
    X = np.concatenate([groups.rule[train], groups.facts[fact]])
    y = np.concatenate([groups.labels[train], rng.choice([-1.0, 1.0], options.facts)])
    mean, scale = X.mean(0), X.std(0)
    scale = np.where(scale < 1e-8, 1.0, scale)  # constant pixels
    return ImageSplit(
        X=(X - mean) / scale,
        y=y,
        facts=np.arange(len(y)) >= options.rules,
        tested=test,
        X_test=(groups.rule[test] - mean) / scale,
        y_test=groups.labels[test],
    )


class ImageSweep(NamedTuple):
    """What a sweep over bandwidths and penalties gives."""

    errors: pd.DataFrame  # RealTable
    images: pd.DataFrame  # RealImages


def sweep(options: settings.RafReal, seed: int) -> ImageSweep:
    """Both errors for every bandwidth and penalty, and how often each image is wrong.

    One eigendecomposition per replicate and bandwidth.

    Raises:
        InputError: if the data set holds fewer images than the settings ask for.
    """
    groups = SOURCES[options.source](options)
    if options.rules + options.tests > len(groups.rule) or options.facts > len(groups.facts):
        raise InputError(
            f"raf.real asks for {options.rules} + {options.tests} rule images "
            f"and {options.facts} facts; "
            f"{options.source} holds {len(groups.rule)} and {len(groups.facts)}"
        )
    lams = np.geomspace(1e-6, 1e2, options.penalties)
    parts = []
    tests = {(eta, penalty): np.zeros(len(groups.rule), int) for eta, penalty in _arms(options)}
    misses = {arm: np.zeros(len(groups.rule), int) for arm in tests}
    for replicate in track(range(options.replicates), "replicates"):
        data = split(groups, options, generator(seed, "raf", "real", replicate))
        train_distances = cdist(data.X, data.X, "sqeuclidean")
        test_distances = cdist(data.X_test, data.X, "sqeuclidean")
        median = np.median(train_distances[np.triu_indices(len(data.X), 1)])
        for eta in options.etas:
            w, V = linalg.eigh(np.exp(-eta * train_distances / median))
            dual = V @ ((V.T @ data.y)[:, None] / (np.maximum(w, 0)[:, None] + lams))  # (n, λ)
            output = data.y[:, None] - lams * dual  # on the training set
            wrong = sign(np.exp(-eta * test_distances / median) @ dual) != data.y_test[:, None]
            lost = sign(output[data.facts]) != data.y[data.facts, None]
            columns = {"eta": eta, "lam": lams, "replicate": replicate}
            columns |= {"e_gen": wrong.mean(0), "e_mem": lost.mean(0)}
            parts.append(tables.frame(schema.RealTable, columns))
            for penalty, index in chosen(wrong.mean(0), lost.mean(0)).items():
                tests[eta, penalty][data.tested] += 1
                misses[eta, penalty][data.tested] += wrong[:, index]
    rows = []
    for (eta, penalty), counts in tests.items():
        columns = {"image": np.arange(len(counts)), "eta": eta, "penalty": penalty}
        columns |= {"tests": counts, "wrong": misses[eta, penalty]}
        rows.append(tables.frame(schema.RealImages, columns))
    return ImageSweep(pd.concat(parts, ignore_index=True), pd.concat(rows, ignore_index=True))


def _arms(options: settings.RafReal) -> Iterator[tuple[float, str]]:
    return product(options.etas, PENALTIES)


def chosen(e_gen: np.ndarray, e_mem: np.ndarray) -> dict[str, int]:
    """The ridges whose test errors are compared, as `RealImages` defines them.

    Args:
        e_gen: test error of every ridge, (λ,).
        e_mem: share of facts lost at every ridge, (λ,).

    Returns:
        Index of the ridge, by penalty; `remembering` is left out where every ridge loses more.
    """
    indices = {BEST: int(e_gen.argmin())}
    remembering = np.where(e_mem <= MAX_E_MEM, e_gen, np.inf)
    if np.isfinite(remembering).any():
        indices[REMEMBERING] = int(remembering.argmin())
    return indices
