"""Real inputs as tokens: scanned digits, or the token embeddings of a language model."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator
from rote.data import images
from rote.models import pretrained
from rote.papers.attention import schema, settings, simulation
from rote.theory import attention
from rote.theory.attention import variants


class RealTokens(NamedTuple):
    """Inputs with their labels."""

    inputs: np.ndarray  # (rows, p), centered and of mean variance 1
    labels: np.ndarray | None  # (rows,) ±1, where they have some


class ContextTargets(NamedTuple):
    """Labels of a context."""

    y: np.ndarray  # (n,) ±1
    trace: bool  # whether errors are averaged over random labels


def _digits(options: settings.AttentionEmbeddings) -> tuple[np.ndarray, np.ndarray]:
    """8x8 scans, their parity as label."""
    data = images.digits()
    rows = data.pixels.reshape(len(data.labels), -1).astype(float)
    return rows[:, rows.std(axis=0) > 1e-8], 1.0 - 2 * (data.labels % 2)  # no blank corners


def _model(options: settings.AttentionEmbeddings) -> tuple[np.ndarray, None]:
    """Rows of a token-embedding matrix."""
    rows = pretrained.token_embeddings(
        options.model, revision=options.revision, offline=options.offline
    )
    return rows, None


SOURCES: dict[str, Callable[[settings.AttentionEmbeddings], tuple]] = {
    "digits": _digits,
    "model": _model,
}


def load(options: settings.AttentionEmbeddings) -> RealTokens:
    """Inputs of a source, standardized. Raises InputError if there are too few."""
    rows, labels = SOURCES[options.source](options)
    if len(rows) < options.tokens:
        raise InputError(
            f"embeddings.tokens asks for {options.tokens} tokens, {options.source} has {len(rows)}"
        )
    rows = rows - rows.mean(axis=0)
    return RealTokens(rows / rows.std(), labels)


def sweep(options: settings.AttentionEmbeddings, seed: int) -> pd.DataFrame:
    """Attention, ridge regression and theory on random contexts: the table EmbeddingsTable."""
    inputs, labels = load(options)
    n, p = options.tokens, inputs.shape[1]
    gammas = np.array(options.gammas)
    spectrum = np.linalg.eigvalsh(np.cov(inputs.T))[::-1]
    spectrum = np.maximum(spectrum, 1e-6 * spectrum[0])
    theory = {}
    for f in options.functions:
        theory[f] = {
            "isotropic": attention.memorization_error(gammas, p / n, f).error,
            "anisotropic": variants.anisotropic_error(gammas, n, spectrum, f).error,
        }
    parts = []
    for replicate in track(range(options.replicates), "contexts"):
        rng = generator(seed, "attention", "embeddings", options.source, replicate)
        index = rng.choice(len(inputs), n, replace=False)
        X = np.asfortranarray(inputs[index].T)
        targets = {"random": ContextTargets(rng.permutation(np.resize([-1.0, 1.0], n)), trace=True)}
        if labels is not None:
            targets["real"] = ContextTargets(labels[index], trace=False)
        for f in options.functions:
            A, _ = simulation.features(X, simulation.entrywise(f, p))
            for name, (y, trace) in targets.items():
                columns = {"f": f, "labels": name, "gamma": gammas, "replicate": replicate}
                columns["error"] = simulation.probe_errors(A, y, gammas, trace)
                columns["ridge"] = simulation.probe_errors(X, y, gammas, trace)
                parts.append(tables.frame(schema.EmbeddingsTable, columns | theory[f]))
    return pd.concat(parts, ignore_index=True)
