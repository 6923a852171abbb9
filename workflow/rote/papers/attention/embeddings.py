"""Real inputs as tokens: scanned digits, or the token embeddings of a language model."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import images as data
from rote.models import pretrained
from rote.papers.attention import settings, simulation
from rote.theory import attention
from rote.theory.attention import variants

Track = Callable[[Iterable], Iterable] | None


def load(options: settings.Embeddings) -> tuple[np.ndarray, np.ndarray | None]:
    """Inputs (rows, p), centered and of mean variance 1, and labels ±1 where they have some."""
    if options.source == "digits":
        images = data.digits()
        rows, labels = (
            images.pixels.reshape(len(images.labels), -1).astype(float),
            1.0 - 2 * (images.labels % 2),
        )
        rows = rows[:, rows.std(axis=0) > 1e-8]  # corners that are always blank
    else:
        rows = pretrained.token_embeddings(
            options.model, revision=options.revision, offline=options.offline
        )
        labels = None
    rows = rows - rows.mean(axis=0)
    return rows / rows.std(), labels


def sweep(options: settings.Embeddings, seed: int, track: Track = None) -> pd.DataFrame:
    """Attention, ridge regression and theory on random contexts of real inputs: the table
    EmbeddingsTable.
    """
    inputs, labels = load(options)
    if len(inputs) < options.tokens:
        raise InputError(
            f"embeddings.tokens asks for {options.tokens} tokens, {options.source} has "
            f"{len(inputs)}"
        )
    n, p = options.tokens, inputs.shape[1]
    gammas = np.array(options.gammas)
    spectrum = np.linalg.eigvalsh(np.cov(inputs.T))[::-1]
    spectrum = np.maximum(spectrum, 1e-6 * spectrum[0])
    ranks = np.log(np.arange(1, p // 2 + 1))
    exponent = -float(np.polyfit(ranks, np.log(spectrum[: p // 2]), 1)[0])
    theory = {
        f: (
            attention.memorization_error(gammas, p / n, f).error,
            variants.anisotropic_error(gammas, n, spectrum, f),
        )
        for f in options.functions
    }
    parts = []
    for replicate in (track or iter)(range(options.replicates)):
        rng = generator(seed, "attention", "embeddings", options.source, replicate)
        at = rng.choice(len(inputs), n, replace=False)
        X = np.asfortranarray(inputs[at].T)
        targets = {"random": rng.permutation(np.resize([-1.0, 1.0], n))}
        if labels is not None:
            targets["real"] = labels[at]
        for f in options.functions:
            A, _ = simulation.features(X, simulation.entrywise(f, p))
            for name, y in targets.items():
                trace = name == "random"
                found, base = (simulation.errors(M, y, gammas, trace) for M in (A, X))
                columns = {"gamma": gammas, "replicate": replicate, "error": found, "ridge": base}
                columns |= {
                    "isotropic": theory[f][0],
                    "anisotropic": theory[f][1],
                    "exponent": exponent,
                }
                parts.append(pd.DataFrame({"f": f, "labels": name, **columns}))
    return pd.concat(parts, ignore_index=True)
