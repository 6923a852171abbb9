"""Rules and facts on real images: kernel ridge regression with an RBF kernel, over bandwidths and
penalties.
"""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from scipy import linalg
from scipy.spatial.distance import cdist

from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import images as data
from rote.papers.raf import settings
from rote.synth.rules_facts import sign

CAT, DOG, AUTOMOBILE = 3, 5, 1


def groups(options: settings.Real) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images of the rule, their labels ±1, and images for facts, flattened: (n, pixels), (n,), (m,
    pixels).
    """
    if options.source == "digits":
        images = data.digits()
        flat = images.pixels.reshape(len(images.labels), -1).astype(float)
        rule = images.labels <= 7
        return flat[rule], np.where(images.labels[rule] % 2 == 0, 1.0, -1.0), flat[~rule]
    images = data.cifar10(options.root, download=options.download)
    flat = images.pixels.reshape(len(images.labels), -1).astype(float)
    rule = np.isin(images.labels, (CAT, DOG))
    return (
        flat[rule],
        np.where(images.labels[rule] == CAT, 1.0, -1.0),
        flat[images.labels == AUTOMOBILE],
    )


def sweep(
    options: settings.Real, seed: int, track: Callable[[Iterable], Iterable] | None = None
) -> pd.DataFrame:
    """Both errors for every bandwidth and penalty, one eigendecomposition per (replicate,
    bandwidth): RealTable.

    Raises:
        InputError: if the data set holds fewer images than the settings ask for.
    """
    X, labels, others = groups(options)
    if options.rules + options.tests > len(X) or options.facts > len(others):
        raise InputError(
            f"raf.real asks for {options.rules} + {options.tests} rule images and {options.facts} "
            "facts; "
            f"{options.source} holds {len(X)} and {len(others)}"
        )
    lams, found = np.geomspace(1e-6, 1e2, options.penalties), []
    for replicate in (track or iter)(range(options.replicates)):
        rng = generator(seed, "raf", "real", replicate)
        rule, fact = rng.permutation(len(X)), rng.permutation(len(others))[: options.facts]
        train, test = rule[: options.rules], rule[options.rules : options.rules + options.tests]
        inputs = np.concatenate([X[train], others[fact]])
        y = np.concatenate([labels[train], rng.choice([-1.0, 1.0], options.facts)])
        mean, spread = inputs.mean(0), inputs.std(0)
        spread = np.where(spread < 1e-8, 1.0, spread)  # constant pixels
        inputs, fresh = (inputs - mean) / spread, (X[test] - mean) / spread
        near = cdist(inputs, inputs, "sqeuclidean")
        median = np.median(near[np.triu_indices(len(near), 1)])
        across = cdist(fresh, inputs, "sqeuclidean")
        for eta in options.etas:
            w, V = linalg.eigh(np.exp(-eta * near / median))
            dual = V @ ((V.T @ y)[:, None] / (np.maximum(w, 0)[:, None] + lams))  # (n, L)
            output = y[:, None] - lams * dual  # on the training set
            wrong = sign(np.exp(-eta * across / median) @ dual) != labels[test][:, None]
            lost = sign(output[options.rules :]) != y[options.rules :, None]
            for lam, e_gen, e_mem in zip(lams, wrong.mean(0), lost.mean(0), strict=True):
                found.append((eta, lam, replicate, e_gen, e_mem))
    return pd.DataFrame(found, columns=["eta", "lam", "replicate", "e_gen", "e_mem"])
