"""The residual memory: which statements it holds, its neighbors, and what network and memory know
together.
"""

from typing import Any, NamedTuple

import numpy as np

from rote import knn, resmem
from rote.core.seeds import generator
from rote.neighbors import Datastore, Neighbors
from rote.papers.chain import settings
from rote.resmem import BANDWIDTH_GRID, TEMPERATURE_GRID, Setting

# (corpus of the network, what its memory holds): statements of facts that pruning by loss kept, of
# those that the network's own pruning took away, of all, or as many random ones as pruning by loss
# took away
CELLS = [
    ("loss", "kept"),
    ("loss", "pruned"),
    ("loss", "all"),
    ("random", "pruned"),
    ("none", "all"),
    ("none", "random"),
]


class Rows(NamedTuple):
    """Tokens of answers, line after line."""

    features: np.ndarray  # (rows, d) float32
    targets: np.ndarray  # (rows,) int: token ids
    items: np.ndarray  # (rows,) int: number of the line


def held(
    kind: str, facts: np.ndarray, kept: dict[str, set[int]], variant: str, rng: np.random.Generator
) -> np.ndarray:
    """Which statements a memory holds, (statements,) bool.

    Args:
        facts: (statements,) fact of each.
        kept: facts that each variant's corpus states.
    """
    if kind == "all":
        return np.ones(len(facts), bool)
    if kind == "kept":
        return np.isin(facts, list(kept["loss"]))
    if kind == "pruned":
        return ~np.isin(facts, list(kept[variant]))
    number = int((~np.isin(facts, list(kept["loss"]))).sum())
    found = np.zeros(len(facts), bool)
    found[rng.choice(len(facts), number, replace=False)] = True
    return found


def tuned_on(facts: np.ndarray, share: float, seed: int, *key: str | int) -> np.ndarray:
    """The facts that settings are tuned on; the others are what accuracies are measured on."""
    rng = generator(seed, "chain", "tuned", *key)
    return np.sort(rng.permutation(facts)[: max(1, round(share * len(facts)))])


def neighbors(
    options: settings.Memory, memory: Rows, queries: Rows, device: str = "cpu"
) -> Neighbors:
    """Neighbors of every query row among the memory's rows, as many as the largest k."""
    store = Datastore(memory.features, engine=options.engine, probes=options.probes, device=device)
    return store.search(queries.features, max(options.neighbors))


def tune(
    options: settings.Memory,
    near: Neighbors,
    memory: Rows,
    head: np.ndarray,
    queries: Rows,
    facts: np.ndarray,
    rules: np.ndarray,
) -> Setting:
    """The setting with the best accuracy on tuning rows, facts and rules weighing half each; "no
    memory" may win.

    Args:
        head: (vocabulary, d).
        facts, rules: row numbers of the queries to tune on; either may be empty.
    """
    rows = np.concatenate([facts, rules])
    if not len(rows) or not near.rows.shape[1]:
        return Setting(0, np.inf, 1.0)
    some = Neighbors(near.distances[rows], near.rows[rows])
    unit = knn.scale(some.distances)
    ks = [k for k in options.neighbors if k <= near.rows.shape[1]] or [near.rows.shape[1]]
    grid = resmem.settings([unit * factor for factor in BANDWIDTH_GRID], ks, TEMPERATURE_GRID)
    wanted, cut = queries.targets[rows], len(facts)

    def measure(scores: np.ndarray) -> np.ndarray:
        right = scores.argmax(-1) == wanted
        parts = [part.mean(-1) for part in (right[:, :cut], right[:, cut:]) if part.shape[1]]
        return np.mean(parts, axis=0)

    found = resmem.sweep(
        some,
        memory.targets,
        _Logits(memory.features, head),
        queries.features[rows] @ head.T,
        grid,
        measure,
    )
    return grid[int(found.argmax())]


class Answers(NamedTuple):
    """What is known of every line."""

    exact: np.ndarray  # (lines,) bool
    losses: np.ndarray  # (lines,) nats
    rights: np.ndarray  # (lines,) share of tokens


def answers(
    near: Neighbors | None,
    memory: Rows | None,
    head: np.ndarray,
    queries: Rows,
    lines: int,
    setting: Setting,
    block: int = 8192,
) -> Answers:
    """Network and memory together, at one setting; without a memory the network alone.

    A line's answer is exact if each of its tokens has the highest score after the true ones before
    it; losses are of scores clipped at 1e-6 and normalized.
    """
    right, losses = np.zeros(len(queries.targets), bool), np.zeros(len(queries.targets))
    for begin in range(0, len(queries.targets), block):
        part = slice(begin, begin + block)
        logits = queries.features[part] @ head.T
        if near is None or memory is None or not setting.k:
            scores = resmem.softmax(logits.astype(float))
        else:
            some = Neighbors(near.distances[part], near.rows[part]).first(setting.k)
            scores = resmem.scores(
                some,
                memory.targets,
                _Logits(memory.features, head),
                logits,
                bandwidth=setting.bandwidth,
                temperature=setting.temperature,
            )
            scores = resmem.probabilities(scores)
        wanted = queries.targets[part]
        right[part] = scores.argmax(1) == wanted
        losses[part] = -np.log(np.maximum(scores[np.arange(len(wanted)), wanted], 1e-12))
    count = np.bincount(queries.items, minlength=lines)
    hits = np.bincount(queries.items, right, minlength=lines)
    return Answers(
        hits == count,
        np.bincount(queries.items, losses, minlength=lines),
        hits / np.maximum(count, 1),
    )


class _Logits:
    """Logits of memory rows, made from their features when asked for: an entry costs d numbers, not
    a vocabulary.
    """

    def __init__(self, features: np.ndarray, head: np.ndarray):
        self.features, self.head = features, head

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.features[rows] @ self.head.T
