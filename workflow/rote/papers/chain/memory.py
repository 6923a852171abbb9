"""The residual memory: its neighbors, its setting, and the answers of network and memory."""

from typing import Any, NamedTuple

import numpy as np

from rote import knn, resmem
from rote.knn import Datastore, Neighbors
from rote.papers.chain.embeddings import AnswerTokens
from rote.papers.chain.settings import ChainMemory
from rote.resmem import BANDWIDTH_GRID, TEMPERATURE_GRID, Setting

NO_MEMORY = Setting(0, np.inf, 1.0)  # k, bandwidth, temperature
PROBABILITY_FLOOR = 1e-12
BLOCK = 8192  # answer tokens that are scored at a time


class Retrieval(NamedTuple):
    """A memory, and the neighbors in it of all answer tokens of the questions."""

    entries: AnswerTokens
    neighbors: Neighbors


class TuningRows(NamedTuple):
    """Answer tokens that a setting is tuned on; either kind may be missing."""

    facts: np.ndarray  # row numbers
    rules: np.ndarray


class LineAnswers(NamedTuple):
    """The answers to n lines."""

    exact: np.ndarray  # (n,) bool
    losses: np.ndarray  # (n,) nats
    token_accuracy: np.ndarray  # (n,) share of correct tokens


def retrieve(
    options: ChainMemory, entries: AnswerTokens, queries: AnswerTokens, device: str = "cpu"
) -> Retrieval:
    """The neighbors of every query row among the entries, as many as the largest k.

    Args:
        options: engine, probes and numbers of neighbors.
        entries: answer tokens that the memory holds.
        queries: answer tokens of the questions.
        device: where the engine `torch` searches.
    """
    store = Datastore(entries.features, engine=options.engine, probes=options.probes, device=device)
    return Retrieval(entries, store.search(queries.features, max(options.neighbors)))


def tune(
    options: ChainMemory,
    retrieval: Retrieval,
    head: np.ndarray,
    queries: AnswerTokens,
    tuning: TuningRows,
) -> Setting:
    """The setting with the best accuracy, facts and rules weighing half each.

    "No memory" is among the settings.

    Args:
        options: numbers of neighbors to try.
        retrieval: the memory, and the neighbors of all queries in it.
        head: (vocabulary, d).
        queries: answer tokens of the questions.
        tuning: rows of the queries to tune on.
    """
    entries, neighbors = retrieval
    rows = np.concatenate(tuning)
    n_neighbors = neighbors.rows.shape[1]
    if not len(rows) or not n_neighbors:
        return NO_MEMORY
    of_rows = Neighbors(neighbors.distances[rows], neighbors.rows[rows])
    unit = knn.scale(of_rows.distances)
    bandwidths = [unit * factor for factor in BANDWIDTH_GRID]
    ks = [k for k in options.neighbors if k <= n_neighbors] or [n_neighbors]
    grid = resmem.settings(bandwidths, ks, TEMPERATURE_GRID)
    targets, n_fact_rows = queries.targets[rows], len(tuning.facts)

    def accuracy(scores: np.ndarray) -> np.ndarray:
        correct = scores.argmax(-1) == targets
        kinds = (correct[:, :n_fact_rows], correct[:, n_fact_rows:])
        return np.mean([kind.mean(-1) for kind in kinds if kind.shape[1]], axis=0)

    accuracies = resmem.sweep(
        of_rows,
        entries.targets,
        _Logits(entries.features, head),
        queries.features[rows] @ head.T,
        grid,
        accuracy,
    )
    return grid[int(accuracies.argmax())]


def answer(
    queries: AnswerTokens,
    n_lines: int,
    head: np.ndarray,
    retrieval: Retrieval | None = None,
    setting: Setting = NO_MEMORY,
) -> LineAnswers:
    """Network and memory together, at one setting; without a retrieval the network alone.

    A line's answer is exact if each of its tokens has the highest score after the true ones before
    it; losses are of scores clipped at 1e-6 and normalized.

    Args:
        queries: answer tokens of the questions.
        n_lines: questions; a query's `items` is below it.
        head: (vocabulary, d).
        retrieval: the memory, and the neighbors of the queries in it.
        setting: neighbors k, bandwidth and temperature; k = 0 is no memory.
    """
    correct = np.zeros(len(queries.targets), bool)
    losses = np.zeros(len(queries.targets))
    for begin in range(0, len(queries.targets), BLOCK):
        block = slice(begin, begin + BLOCK)
        logits = queries.features[block] @ head.T
        if retrieval is None or not setting.k:
            probabilities = resmem.softmax(logits.astype(float))
        else:
            entries, neighbors = retrieval
            scores = resmem.scores(
                Neighbors(neighbors.distances[block], neighbors.rows[block]),
                entries.targets,
                _Logits(entries.features, head),
                logits,
                setting,
            )
            probabilities = resmem.probabilities(scores)
        targets = queries.targets[block]
        correct[block] = probabilities.argmax(1) == targets
        of_targets = probabilities[np.arange(len(targets)), targets]
        losses[block] = -np.log(np.maximum(of_targets, PROBABILITY_FLOOR))
    count = np.bincount(queries.items, minlength=n_lines)
    n_correct = np.bincount(queries.items, correct, minlength=n_lines)
    return LineAnswers(
        exact=n_correct == count,
        losses=np.bincount(queries.items, losses, minlength=n_lines),
        token_accuracy=n_correct / np.maximum(count, 1),
    )


class _Logits:
    """Logits of memory rows, made when needed: an entry costs d numbers, not a vocabulary."""

    def __init__(self, features: np.ndarray, head: np.ndarray):
        self.features, self.head = features, head

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.features[rows] @ self.head.T
