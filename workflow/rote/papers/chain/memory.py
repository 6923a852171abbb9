"""The residual memory that knows when to be silent: its setting, and the answers with it.

A memory answers with resmem's probabilities p_M(x), the network's own plus the residuals of the
neighbors. It is weighed by how near the nearest neighbor is, at distance d:

    p(x) = (1 − g) p_N(x) + g p_M(x),    g = exp(−(d / ρ)²),

so that no answer loses more than −log(1 − g) to it, and far from all statements the network
answers alone. The reach ρ is the largest at which held-out text without facts loses no more than a
small share of its log-probability.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from rote import knn, resmem
from rote.knn import Datastore, Neighbors
from rote.papers.chain.embeddings import AnswerTokens
from rote.papers.chain.settings import ChainMemory
from rote.resmem import Setting

BANDWIDTHS = (0.1, 1.0)  # in units of the median distance to the nearest neighbor
REACHES = np.geomspace(8.0, 2.0**-9, 25)  # in the same units
OPEN = 1e-9  # a weight below it is 0
PROBABILITY_FLOOR = 1e-12
BLOCK = 2**24  # probabilities that are computed at a time


@dataclass(frozen=True)
class MemorySetting:
    """How many neighbors answer, how they are weighed, and how far the memory reaches."""

    k: int  # 0 is no memory
    bandwidth: float = np.inf  # of the neighbors' weights
    reach: float = 0.0  # ρ, in units of distance; 0 answers only what is stored


NO_MEMORY = MemorySetting(0)


class Retrieval(NamedTuple):
    """The neighbors in a memory of all answer tokens of the questions."""

    entries: AnswerTokens  # of the memory, those that are a neighbor of any
    neighbors: Neighbors  # rows: among these entries
    size: int  # entries of the memory in all


class TuningRows(NamedTuple):
    """Answer tokens that a setting is tuned on; either kind may be missing."""

    facts: np.ndarray  # row numbers
    others: np.ndarray  # of held-out text without facts


class LineAnswers(NamedTuple):
    """The answers to n lines."""

    exact: np.ndarray  # (n,) bool
    losses: np.ndarray  # (n,) nats
    token_accuracy: np.ndarray  # (n,) share of correct tokens


def no_retrieval(queries: AnswerTokens) -> Retrieval:
    """An empty memory.

    Args:
        queries: answer tokens of the questions.
    """
    nobody = np.zeros((len(queries.targets), 0))
    neighbors = Neighbors(nobody.astype(np.float32), nobody.astype(np.int64))
    return Retrieval(queries.pick(np.arange(0)), neighbors, 0)


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
    return extended(no_retrieval(queries), options, entries, queries, device)


def extended(
    retrieval: Retrieval,
    options: ChainMemory,
    part: AnswerTokens,
    queries: AnswerTokens,
    device: str = "cpu",
) -> Retrieval:
    """The same with a further part of the memory, which need not fit into RAM as a whole.

    Args:
        retrieval: from the parts before.
        options: engine, probes and numbers of neighbors.
        part: answer tokens that the memory holds, too.
        queries: answer tokens of the questions.
        device: where the engine `torch` searches.
    """
    if not len(part.targets):
        return retrieval
    k = max(options.neighbors)
    store = Datastore(part.features, engine=options.engine, probes=options.probes, device=device)
    of_part = store.search(queries.features, k)
    n_before = len(retrieval.entries.targets)
    rows = np.where(of_part.rows < 0, -1, of_part.rows + n_before)
    both = knn.merged([retrieval.neighbors, Neighbors(of_part.distances, rows)], k)
    parts = zip(retrieval.entries, part, strict=True) if n_before else [(of,) for of in part]
    entries = AnswerTokens(*(np.concatenate(arrays) for arrays in parts))
    present = both.rows >= 0
    used, numbers = np.unique(both.rows[present], return_inverse=True)
    rows = np.full(both.rows.shape, -1, np.int64)
    rows[present] = numbers
    size = retrieval.size + len(part.targets)
    return Retrieval(entries.pick(used), Neighbors(both.distances, rows), size)


def compact(entries: AnswerTokens) -> AnswerTokens:
    """Entries whose features are rounded to int8, one scale per coordinate."""
    scale = np.abs(entries.features).max(0, initial=1e-12) / 127
    return entries._replace(features=(np.round(entries.features / scale) * scale).astype("f4"))


def tune(
    options: ChainMemory,
    retrieval: Retrieval,
    head: np.ndarray,
    queries: AnswerTokens,
    tuning: TuningRows,
) -> MemorySetting:
    """The setting that answers most facts, at the largest reach that leaves other text alone.

    "No memory" is among the settings. Without other text the reach has no limit.

    Args:
        options: numbers of neighbors to try, and what other text may lose.
        retrieval: the memory, and the neighbors of all queries in it.
        head: (vocabulary, d).
        queries: answer tokens of the questions.
        tuning: rows of the queries to tune on.
    """
    n_neighbors = retrieval.neighbors.rows.shape[1]
    if not n_neighbors or not len(tuning.facts):
        return NO_MEMORY
    facts, others = (queries.pick(rows) for rows in tuning)
    of_facts, of_others = (_picked(retrieval, rows) for rows in tuning)
    unit = knn.scale(of_facts.neighbors.distances) or 1.0
    settings = [NO_MEMORY]
    for k in [k for k in options.neighbors if k <= n_neighbors] or [n_neighbors]:
        for bandwidth in BANDWIDTHS:
            setting = MemorySetting(k, unit * bandwidth, np.inf)
            reach = _largest_reach(of_others, head, others, setting, options.silence, unit)
            settings.append(replace(setting, reach=reach))
    accuracies = [np.mean(_scored(facts, head, of_facts, setting).correct) for setting in settings]
    return settings[int(np.argmax(accuracies))]


def _picked(retrieval: Retrieval, rows: np.ndarray) -> Retrieval:
    neighbors = retrieval.neighbors
    of_rows = Neighbors(neighbors.distances[rows], neighbors.rows[rows])
    return retrieval._replace(neighbors=of_rows)


def _largest_reach(
    retrieval: Retrieval,
    head: np.ndarray,
    others: AnswerTokens,
    setting: MemorySetting,
    silence: float,
    unit: float,
) -> float:
    """The largest reach at which other text loses at most a share `silence` of its losses more."""
    alone, answered = (
        np.exp(-_scored(others, head, *memory).losses) for memory in ((), (retrieval, setting))
    )
    allowed = -(1 + silence) * _log(alone).sum()
    for reach in unit * REACHES:
        weight = _gate(retrieval.neighbors, reach)
        if -_log((1 - weight) * alone + weight * answered).sum() <= allowed:
            return float(reach)
    return 0.0


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, PROBABILITY_FLOOR))


def _gate(neighbors: Neighbors, reach: float) -> np.ndarray:
    """What the memory weighs, exp(−(d / ρ)²) at distance d of the nearest neighbor, (queries,)."""
    distances = neighbors.distances[:, 0]
    if reach == 0:
        return (distances == 0).astype(float)
    return np.exp(-((distances / reach) ** 2))


def probabilities(
    queries: AnswerTokens,
    head: np.ndarray,
    retrieval: Retrieval | None = None,
    setting: MemorySetting = NO_MEMORY,
) -> np.ndarray:
    """Probabilities of every token by network and memory; without a retrieval by the network alone.

    Args:
        queries: answer tokens of the questions.
        head: (vocabulary, d).
        retrieval: the memory, and the neighbors of the queries in it.
        setting: neighbors, bandwidth and reach; k = 0 is no memory.

    Returns:
        (queries, vocabulary).
    """
    logits = queries.features @ head.T
    result = resmem.softmax(logits.astype(float))
    if retrieval is None or not setting.k or not len(result):
        return result
    weight = _gate(retrieval.neighbors, setting.reach)
    rows = np.flatnonzero(weight > OPEN)
    entries = retrieval.entries
    scores = resmem.scores(
        _picked(retrieval, rows).neighbors,
        entries.targets,
        _Logits(entries.features, head),
        logits[rows],
        Setting(setting.k, setting.bandwidth, 1.0),
    )
    share = weight[rows, None]
    result[rows] = (1 - share) * result[rows] + share * resmem.probabilities(scores)
    return result


def answer(
    queries: AnswerTokens,
    n_lines: int,
    head: np.ndarray,
    retrieval: Retrieval | None = None,
    setting: MemorySetting = NO_MEMORY,
) -> LineAnswers:
    """Network and memory together, at one setting; without a retrieval the network alone.

    A line's answer is exact if each of its tokens has the highest probability after the true ones
    before it.

    Args:
        queries: answer tokens of the questions.
        n_lines: questions; a query's `items` is below it.
        head: (vocabulary, d).
        retrieval: the memory, and the neighbors of the queries in it.
        setting: neighbors, bandwidth and reach; k = 0 is no memory.
    """
    correct, losses = _scored(queries, head, retrieval, setting)
    return line_answers(queries.items, correct, losses, n_lines)


class _TokenScores(NamedTuple):
    correct: np.ndarray  # (queries,) bool
    losses: np.ndarray  # (queries,) nats


def _scored(
    queries: AnswerTokens,
    head: np.ndarray,
    retrieval: Retrieval | None = None,
    setting: MemorySetting = NO_MEMORY,
) -> _TokenScores:
    """Every token by network and memory, a block at a time."""
    correct = np.zeros(len(queries.targets), bool)
    losses = np.zeros(len(queries.targets))
    size = max(1, BLOCK // len(head))
    for begin in range(0, len(queries.targets), size):
        block = np.arange(begin, min(begin + size, len(queries.targets)))
        of_block = None if retrieval is None else _picked(retrieval, block)
        by_token = probabilities(queries.pick(block), head, of_block, setting)
        targets = queries.targets[block]
        correct[block] = by_token.argmax(1) == targets
        losses[block] = -_log(by_token[np.arange(len(targets)), targets])
    return _TokenScores(correct, losses)


def line_answers(
    items: np.ndarray, correct: np.ndarray, losses: np.ndarray, n_lines: int
) -> LineAnswers:
    """Answers of lines from those of their tokens.

    Args:
        items: (rows,) line of each token, below `n_lines`.
        correct: (rows,) bool.
        losses: (rows,) nats.
        n_lines: lines.
    """
    count = np.bincount(items, minlength=n_lines)
    n_correct = np.bincount(items, correct, minlength=n_lines)
    return LineAnswers(
        exact=n_correct == count,
        losses=np.bincount(items, losses, minlength=n_lines),
        token_accuracy=n_correct / np.maximum(count, 1),
    )


class _Logits:
    """Logits of memory rows, made when needed: an entry costs d numbers, not a vocabulary."""

    def __init__(self, features: np.ndarray, head: np.ndarray):
        self.features, self.head = features, head

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.features[rows] @ self.head.T
