"""From trained bases to accuracies: embeddings, neighbors and tuned residuals, evaluation. One
step per rule.

Beside ResMem stand, tuned in the same way, the memory alone (a soft kNN classifier) and the mixture
of kNN-LM, (1 − λ) p + λ p_kNN: no gain over the base is a gain over them.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from rote import knn, resmem
from rote.core.job import track
from rote.neighbors import Datastore, Neighbors
from rote.papers.resmem import datasets, language, pictures, settings, tasks
from rote.papers.resmem.datasets import Data
from rote.papers.resmem.tasks import Arm
from rote.resmem import BANDWIDTH_GRID, K_GRID, Setting

MOST = max(K_GRID)
MIXES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)  # λ of the mixture
CHOICES = [
    "task",
    "arm",
    "features",
    "rows",
    "replicate",
    "k",
    "bandwidth",
    "temperature",
    "unit",
    "knn_k",
    "knn_bandwidth",
    "mix_k",
    "mix_bandwidth",
    "mix",
    "recall",
]
Arrays = dict[str, np.ndarray]


# ---- names of arrays in the files between steps
# ----------------------------------------------------------------------


def place(arm: str, replicate: int, *rest: str) -> str:
    """The name of an array: arm, replicate, split, what it is."""
    return "/".join([arm, str(replicate), *rest])


def embeddings(task: str, options: Any, bases: Arrays, seed: int, device: str = "cpu") -> Arrays:
    """Logits and embeddings of every split under every base."""
    import torch

    found: Arrays = {}
    datas = [
        datasets.data(task, options, seed, replicate) for replicate in range(options.replicates)
    ]
    for arm in track(tasks.arms(task, options), f"{task}: embeddings"):
        prefix = f"{arm.name}/"
        weights = {
            n.removeprefix(prefix): torch.tensor(v).to(device)
            for n, v in bases.items()
            if n.startswith(prefix)
        }
        if task == "language":
            draws = [
                datasets.drawing(task, seed, replicate) for replicate in range(options.replicates)
            ]
            for replicate, splits in enumerate(
                language.embed(options, arm.name, weights, draws, device)
            ):
                for split, kinds in splits.items():
                    found |= {
                        place(arm.name, replicate, split, kind): value
                        for kind, value in kinds.items()
                    }
            continue
        if task == "pictures":  # each once, whatever the replicates make of them
            whole = pictures.embed(options, arm.name, weights, pictures.files(options)[0], device)
            for replicate, data in enumerate(datas):
                for split, part in zip(("train", "valid", "test"), data[:3], strict=True):
                    for kind, value in whole.items():
                        found[place(arm.name, replicate, split, kind)] = value[part.x]
            continue
        rngs = [np.random.default_rng(0) for _ in datas]
        stack = tasks.build(task, arm, options, datas[0], rngs)
        for replicate, data in enumerate(datas):
            for split, part in zip(("train", "valid", "test"), data[:3], strict=True):
                x = part.x[: arm.examples] if split == "train" else part.x
                for kind, value in tasks.embed(stack, weights, replicate, x).items():
                    if kind == "logits" or kind in features(task, arm):
                        found[place(arm.name, replicate, split, kind)] = value
    return found


def features(task: str, arm: Arm) -> list[str]:
    """The embeddings that a memory of this arm is built on."""
    if task in ("text", "cifar", "pictures", "language"):
        return ["last"]
    if arm.depth:
        return ["last", "map", "inputs"] if task == "mnist" else ["last", "map"]
    return ["last", "inputs"] if arm.hidden else ["inputs"]


def _vectors(
    found: Arrays, data: Data, arm: Arm, replicate: int, split: str, kind: str
) -> np.ndarray:
    if kind != "inputs":
        return found[place(arm.name, replicate, split, kind)]
    x = getattr(data, split).x
    return x[: arm.examples] if split == "train" else x


def memories(task: str, options: Any, arm: Arm) -> list[int]:
    """Rows remembered: those that the base was trained on; of the text also fewer."""
    return list(options.memories) if task == "text" else [arm.examples]


def cells(task: str, options: Any) -> Iterator[tuple[Arm, str, int, int]]:
    """(arm, features, rows remembered, replicate) of every memory of a task."""
    for arm in tasks.arms(task, options):
        for kind in features(task, arm):
            for rows in memories(task, options, arm):
                for replicate in range(options.replicates):
                    yield arm, kind, rows, replicate


def neighbors(
    task: str, options: Any, memory: settings.Memory, found: Arrays, seed: int, device: str = "cpu"
) -> tuple[Arrays, pd.DataFrame]:
    """Neighbors of validation and test queries in every memory, and the settings tuned on
    validation data.

    One search at the largest k serves the whole grid.
    """
    datas = [
        datasets.data(task, options, seed, replicate) for replicate in range(options.replicates)
    ]
    out, rows = {}, []
    for arm, kind, size, replicate in track(list(cells(task, options)), f"{task}: neighbors"):
        data = datas[replicate]
        labels = tasks.training_labels(arm, data, seed, replicate)[:size]
        vectors = _vectors(found, data, arm, replicate, "train", kind)[:size]
        exact, near = memory.engine in ("exact", "torch"), {}
        store = (
            None
            if exact
            else Datastore(vectors, engine=memory.engine, probes=memory.probes, device=device)
        )
        for split in ("valid", "test"):
            queries = _vectors(found, data, arm, replicate, split, kind)
            if store is None:
                parts = (
                    vectors[at : at + memory.part] for at in range(0, len(vectors), memory.part)
                )
                near[split] = knn.search(
                    parts, queries, MOST, device=device if memory.engine == "torch" else "cpu"
                )
            else:
                near[split] = store.search(queries, MOST)
            for name, value in near[split]._asdict().items():
                out[place(arm.name, replicate, kind, str(size), split, name)] = value
        logits = {
            split: found[place(arm.name, replicate, split, "logits")]
            for split in ("train", "valid")
        }
        chosen = tune(near["valid"], labels, logits["train"][:size], logits["valid"], data.valid.y)
        checked = _vectors(found, data, arm, replicate, "valid", kind)[: memory.checked]
        recall = store.recall(checked, min(50, size)) if store is not None else 1.0
        rows.append((task, arm.name, kind, size, replicate, *chosen, recall))
    return out, pd.DataFrame(rows, columns=CHOICES)


def tune(
    near: Neighbors,
    labels: np.ndarray,
    logits: np.ndarray,
    query_logits: np.ndarray,
    y: np.ndarray,
) -> tuple:
    """Settings of best accuracy on validation data, earlier ones first: ResMem's (with no memory in
    the grid), those of the memory alone, and the mixture's."""
    unit = knn.scale(near.distances)
    grid = resmem.settings([unit * factor for factor in BANDWIDTH_GRID])
    accuracy = resmem.sweep(
        near, labels, logits, query_logits, grid, lambda s: (s.argmax(-1) == y).mean(-1)
    )
    best = grid[int(accuracy.argmax())]
    alone = [
        point._replace(temperature=np.inf) for point in grid if point.temperature == 1.0 and point.k
    ]
    base, mixed = resmem.softmax(query_logits), []

    def votes(s: np.ndarray) -> np.ndarray:
        mixed.extend((((1 - mix) * base + mix * s).argmax(-1) == y).mean(-1) for mix in MIXES)
        return mixed[-1]

    resmem.sweep(near, labels, logits, query_logits, alone, votes)  # at T = ∞ scores are the votes
    only = alone[int(mixed[-1].argmax())]
    which, at = np.unravel_index(np.argmax(mixed), (len(MIXES), len(alone)))
    blend = alone[at]
    return (
        best.k,
        finite(best.bandwidth),
        best.temperature,
        unit,
        only.k,
        finite(only.bandwidth),
        blend.k,
        finite(blend.bandwidth),
        MIXES[which],
    )


def finite(bandwidth: float) -> float:
    """∞ is no number that a table holds: −1 stands for it."""
    return -1.0 if np.isinf(bandwidth) else float(bandwidth)


def bandwidth_of(value: float) -> float:
    """The bandwidth that a table's number stands for."""
    return np.inf if value < 0 else float(value)


class Cell:
    """One memory with everything that an evaluation needs."""

    def __init__(
        self, task: str, data: Data, arm: Arm, choice: Any, found: Arrays, near: Arrays, seed: int
    ):
        self.task, self.arm, self.data, self.choice = task, arm, data, choice
        replicate, size = choice.replicate, choice.rows
        self.labels = tasks.training_labels(arm, data, seed, replicate)[:size]
        self.logits = found[place(arm.name, replicate, "train", "logits")][:size]
        self.query_logits = found[place(arm.name, replicate, "test", "logits")]
        parts = [
            place(arm.name, replicate, choice.features, str(size), "test", n)
            for n in Neighbors._fields
        ]
        self.near, self.y, self.groups = (
            Neighbors(*(near[p] for p in parts)),
            data.test.y,
            data.test.groups,
        )
        self.unit = float(choice.unit)
        self.setting = Setting(
            int(choice.k), bandwidth_of(choice.bandwidth), float(choice.temperature)
        )
        self.base = resmem.softmax(np.asarray(self.query_logits, float))

    def scores(self, setting: Setting | None = None, strength: float = 1.0) -> np.ndarray:
        """ResMem's scores at a setting, by default the tuned one."""
        setting = setting or self.setting
        if not setting.k:
            return self.base
        return resmem.scores(
            self.near.first(setting.k),
            self.labels,
            self.logits,
            self.query_logits,
            bandwidth=setting.bandwidth,
            temperature=setting.temperature,
            strength=strength,
        )

    def votes(self, k: int, bandwidth: float) -> np.ndarray:
        """The memory alone."""
        near = self.near.first(k)
        return resmem.vote(
            knn.weights(near.distances, bandwidth), self.labels[near.rows], self.base.shape[1]
        )

    def knn(self) -> np.ndarray:
        """The tuned memory alone."""
        return self.votes(int(self.choice.knn_k), bandwidth_of(self.choice.knn_bandwidth))

    def mix(self) -> np.ndarray:
        """The tuned mixture."""
        voted = self.votes(int(self.choice.mix_k), bandwidth_of(self.choice.mix_bandwidth))
        return (1 - self.choice.mix) * self.base + self.choice.mix * voted

    def accuracy(self, scores: np.ndarray) -> float:
        return float((scores.argmax(1) == self.y).mean())


def each(
    task: str, options: Any, found: Arrays, near: Arrays, choices: pd.DataFrame, seed: int
) -> Iterator[Cell]:
    """Every memory of a task."""
    datas = [
        datasets.data(task, options, seed, replicate) for replicate in range(options.replicates)
    ]
    known = {arm.name: arm for arm in tasks.arms(task, options)}
    for choice in choices.itertuples():
        yield Cell(task, datas[choice.replicate], known[choice.arm], choice, found, near, seed)


def nll(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log-probability, nats."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-12)).mean())


def calibration(
    probabilities: np.ndarray, y: np.ndarray, bins: int = 15
) -> tuple[float, float, float]:
    """NLL, expected calibration error over equal bins of confidence, Brier score."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == y
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[at == b].mean() - confidence[at == b].mean()) * (at == b).mean()
        for b in np.unique(at)
    ]
    brier = ((probabilities - np.eye(probabilities.shape[1])[y]) ** 2).sum(1).mean()
    return nll(probabilities, y), float(sum(gaps)), float(brier)


# ---- tables
# ----------------------------------------------------------------------------------------------------------


def evaluate(
    task: str, options: Any, found: Arrays, near: Arrays, choices: pd.DataFrame, seed: int
) -> dict[str, pd.DataFrame]:
    """The tables Accuracy, Sweeps, Calibration, Parts and Grid of one task."""
    rows: dict[str, list[tuple]] = {
        "accuracy": [],
        "sweeps": [],
        "calibration": [],
        "parts": [],
        "grid": [],
    }
    for cell in each(task, options, found, near, choices, seed):
        c = cell.choice
        key = (task, c.arm, c.features, int(c.rows), int(c.replicate))
        outs = {"base": cell.base, "kNN": cell.knn(), "ResMem": cell.scores(), "kNN-LM": cell.mix()}
        own = float((cell.logits.argmax(1) == cell.labels).mean())
        rows["accuracy"].append(
            (*key, cell.arm.noise, own, *(cell.accuracy(s) for s in outs.values()))
        )
        for alpha in (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5):
            rows["sweeps"].append(
                (*key, "strength", float(alpha), cell.accuracy(cell.scores(strength=alpha)))
            )
        for k in (1, 5, 20, 50, 100):
            plain = cell.scores(Setting(k, cell.unit, 1.0))
            rows["sweeps"].append((*key, "k", float(k), cell.accuracy(plain)))
        methods = {
            "base": cell.base,
            "ResMem, clipped": resmem.probabilities(outs["ResMem"]),
            "ResMem, projected": resmem.simplex(outs["ResMem"]),
            "ResMem, 5 % base": 0.95 * resmem.simplex(outs["ResMem"]) + 0.05 * cell.base,
            "kNN": outs["kNN"],
            "kNN-LM": outs["kNN-LM"],
            "half and half": (cell.base + outs["kNN"]) / 2,
        }
        for method, p in methods.items():
            rows["calibration"].append((*key, method, cell.accuracy(p), *calibration(p, cell.y)))
        rows["parts"] += [(*key, *part) for part in _parts(cell, outs)]
        rows["grid"] += [(*key, *point) for point in _grid(cell)]
    names = ["task", "arm", "features", "rows", "replicate"]
    columns = {
        "accuracy": [*names, "noise", "train", "base", "knn", "resmem", "mix"],
        "sweeps": [*names, "over", "value", "accuracy"],
        "calibration": [*names, "method", "accuracy", "nll", "ece", "brier"],
        "parts": [*names, "by", "part", "share", "base", "knn", "resmem"],
        "grid": [*names, "k", "bandwidth", "temperature", "accuracy"],
    }
    return {name: pd.DataFrame(rows[name], columns=columns[name]) for name in rows}


def _grid(cell: Cell) -> Iterator[tuple]:
    """Test accuracy over the grid, bandwidths in units of the median distance to the nearest
    neighbor.
    """
    points = list(product((0.5, 1.0, 1.4, 3.0, np.inf), K_GRID, BANDWIDTH_GRID))
    grid = [Setting(k, width * cell.unit, temperature) for temperature, k, width in points]
    found = resmem.sweep(
        cell.near,
        cell.labels,
        cell.logits,
        cell.query_logits,
        grid,
        lambda s: (s.argmax(-1) == cell.y).mean(-1),
    )
    for (temperature, k, width), accuracy in zip(points, found, strict=True):
        yield k, finite(width), finite(temperature), float(accuracy)


def _parts(cell: Cell, outs: Arrays) -> Iterator[tuple]:
    """Accuracy on parts of the test set: quarters of the base's confidence, tenths of the
    frequency, kinds of flips.
    """
    right = {name: outs[name].argmax(1) == cell.y for name in ("base", "kNN", "ResMem")}
    confidence = cell.base.max(1).argsort(kind="stable")
    cuts = {"confidence": np.array_split(confidence, 4)}
    if cell.task == "longtail":
        frequency = np.bincount(
            cell.data.train.groups[: cell.arm.examples], minlength=cell.groups.max() + 1
        )
        cuts["frequency"] = np.array_split(frequency[cell.groups].argsort(kind="stable"), 10)
        cuts["half"] = np.array_split(frequency[cell.groups].argsort(kind="stable"), 2)
    for by, parts in cuts.items():
        for number, some in enumerate(parts):
            yield (
                by,
                str(number),
                len(some) / len(cell.y),
                *(float(right[n][some].mean()) for n in right),
            )
    fixed, broken = ~right["base"] & right["ResMem"], right["base"] & ~right["ResMem"]
    for name, some in (("fixed", fixed), ("broken", broken)):
        yield (
            "flips",
            name,
            float(some.mean()),
            *(float(right[n][some].mean()) if some.any() else 0.0 for n in right),
        )
    if cell.task == "fine":
        coarse = outs["base"].argmax(1) // 5 == cell.groups
        for name, some in (("fixed", fixed), ("wrong", ~right["base"])):
            share = float(coarse[some].mean()) if some.any() else 0.0
            yield ("coarse", name, share, 0.0, 0.0, 0.0)
