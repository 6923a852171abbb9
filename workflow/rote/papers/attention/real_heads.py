"""Heads of language models on their activations: memorization error, predicted and measured.

The theory's equivalence says that a kernel f(scores) is linear in the scores plus independent
noise. Here scores and tokens are a model's, so that both sides can be compared head by head; with
components of higher order beside the linear one less is left to be noise.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote import train
from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator
from rote.models import heads as readings
from rote.papers.attention import schema, settings, simulation
from rote.theory import attention
from rote.theory.attention import variants
from rote.theory.attention.activation import Nonlinearity

SOFTMAX = "softmax"
LARGEST_BETA = 10.0  # of softmax, that the theory for isotropic tokens takes


class HeadGrid(NamedTuple):
    """What is measured of every head."""

    gammas: np.ndarray  # ridges, of tokens with entries of mean square 1
    functions: Mapping[str, Nonlinearity | None]  # by name; None is softmax
    orders: Sequence[int]  # of the polynomial in the scores that is not noise; 1 is the theory's
    tokens: int  # n of a context


def choose(windows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Tokens of a context: positions of distinct words, none the first of its window.

    Copies of one word have one activation in the first layer, and a model's first position is
    unlike any other.

    Args:
        windows: token ids, (windows, length).
        count: tokens.
        rng: draws them.

    Returns:
        Numbers of tokens through all windows, (count,).

    Raises:
        InputError: if the text has too few distinct words.
    """
    inner = np.arange(windows.size).reshape(windows.shape)[:, 1:].ravel()
    shuffled = rng.permutation(inner)
    _, first = np.unique(windows.ravel()[shuffled], return_index=True)
    if len(first) < count:
        raise InputError(
            f"a context of {count} tokens needs as many distinct ones, the text has {len(first)}; "
            "use fewer tokens or a longer text"
        )
    return shuffled[rng.choice(first, count, replace=False)]


class HeadKernel(NamedTuple):
    """A head's kernel on one context."""

    scores: np.ndarray  # what f is applied to, (n, n); rows are keys, columns queries
    kernel: np.ndarray  # (n, n), diagonal 0


def head_kernel(
    keys: np.ndarray, queries: np.ndarray, f: Nonlinearity | None, p: int
) -> HeadKernel:
    """f of the scores of keys (d, n) and queries (d, n), over √p, without its diagonal.

    An entrywise f sees scores of mean 0 and variance 1; softmax sees them as they are, and is
    multiplied by n, which makes its entries of order 1, too.

    Args:
        keys, queries: of one head.
        f: nonlinearity; None is softmax.
        p: dimension of the tokens.
    """
    d, n = keys.shape
    scores = keys.T @ queries / np.sqrt(d)
    diagonal = np.diag_indices(n)
    if f is None:
        kernel = simulation.softmax(1.0)(scores.copy(), diagonal)
        return HeadKernel(scores, kernel * n / np.sqrt(p))
    outside = scores[~np.eye(n, dtype=bool)]
    scores = (scores - outside.mean()) / outside.std()
    return HeadKernel(scores, simulation.entrywise(f, p)(scores.copy(), diagonal))


class Decomposition(NamedTuple):
    """A kernel as a polynomial in the scores, and the rest."""

    mean: np.ndarray  # (n, n), diagonal 0
    noise: np.ndarray  # variance of the rest, per query (n,)


def decompose(head: HeadKernel, order: int) -> Decomposition:
    """The best polynomial in the scores for each query.

    Args:
        head: scores and kernel.
        order: of the polynomial.
    """
    n = len(head.kernel)
    inside = 1 - np.eye(n)
    centers = (head.scores * inside).sum(axis=0) / (n - 1)
    x = (head.scores - centers) * inside  # (keys, queries)
    x /= np.sqrt((x**2).sum(axis=0) / (n - 1)).clip(min=1e-300)
    powers = np.stack([x**k * inside for k in range(order + 1)], axis=-1)  # (keys, queries, k)
    basis, _ = np.linalg.qr(np.moveaxis(powers, 1, 0))  # (queries, keys, k)
    kernel = head.kernel.T[:, :, None]
    mean = (basis @ (np.swapaxes(basis, 1, 2) @ kernel))[..., 0].T * inside
    return Decomposition(mean, ((head.kernel - mean) ** 2).sum(axis=0) / (n - 1))


def isotropic(head: HeadKernel, f: Nonlinearity | None, gammas: np.ndarray, c: float) -> np.ndarray:
    """The paper's theory, which knows the size and f alone: E (γ,); NaN for too sharp a softmax.

    Args:
        head: of softmax the spread of its scores counts.
        f: nonlinearity; None is softmax.
        gammas: ridges.
        c: dimensions per token p/n.
    """
    if f is not None:
        return attention.memorization_error(gammas, c, f).error
    n = len(head.scores)
    beta = float((head.scores - head.scores.mean(axis=0)).std())
    if not 0 < beta <= LARGEST_BETA:
        return np.full(len(gammas), np.nan)
    exponential = variants.softmax(beta, n, round(c * n)).coefficients
    return attention.memorization_error(gammas * np.exp(beta**2), c, exponential).error


def measure(
    layers: Sequence[readings.HeadReadings], grid: HeadGrid, rng: np.random.Generator
) -> pd.DataFrame:
    """Every head of one model on one context: rows of the table HeadsTable, without a replicate.

    Args:
        layers: activations, queries and keys.
        grid: what is measured.
        rng: draws noise in place of what is not a polynomial, and nothing else.
    """
    parts = []
    for reading in layers:
        X = reading.inputs / np.sqrt((reading.inputs**2).mean())
        y = np.zeros(X.shape[1])  # errors are averaged over random labels
        ridge = simulation.probe_errors(X, y, grid.gammas, trace=True)
        for head, (keys, queries) in enumerate(zip(reading.keys, reading.queries, strict=True)):
            for name, f in grid.functions.items():
                kernel = head_kernel(keys, queries, f, len(X))
                columns = {"f": name, "layer": reading.layer, "head": head, "gamma": grid.gammas}
                columns["error"] = simulation.probe_errors(X @ kernel.kernel, y, grid.gammas, True)
                columns |= {"ridge": ridge}
                columns["isotropic"] = isotropic(kernel, f, grid.gammas, len(X) / len(y))
                parts += _predicted(X, kernel, grid, columns, rng)
    return pd.concat(parts, ignore_index=True)


def _predicted(
    X: np.ndarray,
    head: HeadKernel,
    grid: HeadGrid,
    columns: dict[str, Any],
    rng: np.random.Generator,
) -> list[pd.DataFrame]:
    """Rows of one head and f: what each order predicts, and what noise in its place gives."""
    parts = []
    for order in grid.orders:
        mean, noise = decompose(head, order)
        drawn = mean + rng.normal(size=mean.shape) * np.sqrt(noise)
        simulated = simulation.probe_errors(X @ drawn, np.zeros(len(noise)), grid.gammas, True)
        theory = attention.given_error(grid.gammas, X, mean, noise)
        added = {"order": order, "theory": theory, "noise": simulated}
        parts.append(pd.DataFrame(columns | added))
    return parts


def of_model(
    body: Any, windows: np.ndarray, grid: HeadGrid, contexts: int, stream: Callable
) -> pd.DataFrame:
    """Every head of a language model on contexts of a text.

    Args:
        body: the model, see `rote.models.heads.read`.
        windows: token ids, (windows, length).
        grid: what is measured.
        contexts: of `grid.tokens` tokens each.
        stream: number of a context -> generator of its choices.

    Returns:
        Rows of the table HeadsTable.
    """
    parts = []
    for replicate in track(range(contexts), "contexts"):
        rng = stream(replicate)
        rows = choose(windows, grid.tokens, rng)
        parts.append(measure(readings.read(body, windows, rows), grid, rng))
        parts[-1].insert(0, "replicate", replicate)
    return pd.concat(parts, ignore_index=True)


def sweep(
    options: settings.AttentionHeads,
    seed: int,
    *,
    device: str = "cpu",
    saving: train.Saving = train.Saving(),
) -> pd.DataFrame:
    """Heads of models that are trained for it: the table HeadsTable.

    Args:
        options: sizes, ridges, steps.
        seed: of all streams.
        device: where the models are trained.
        saving: where and how often the state of training is saved.
    """
    from rote.papers.attention import language_model

    functions = {name: None if name == SOFTMAX else name for name in options.functions}
    grid = HeadGrid(np.array(options.gammas), functions, options.orders, options.tokens)
    text = language_model.corpus(options, seed)
    parameters = language_model.trained(options, seed, text, saving, device)
    parts = []
    for replicate in track(range(options.replicates), "models"):
        rng = generator(seed, "attention", "heads", replicate)
        with language_model.loaded(options, parameters, replicate) as body:
            part = of_model(body, text.windows, grid, 1, lambda number, rng=rng: rng)
        parts.append(tables.frame(schema.HeadsTable, dict(part.assign(replicate=replicate))))
    return pd.concat(parts, ignore_index=True)
