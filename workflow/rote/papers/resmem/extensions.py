"""Beyond the paper: a growing memory, a budget, cross-fitted residuals, memorization scores, a
spurious feature.
"""

from typing import Any

import numpy as np
import pandas as pd

from rote import knn, resmem
from rote.core.job import track
from rote.core.seeds import generator
from rote.neighbors import Datastore
from rote.papers.resmem import datasets, experiment, settings, tasks
from rote.papers.resmem.experiment import Arrays
from rote.resmem import Setting


def growth(options: settings.LongTail, bases: Arrays, found: Arrays, seed: int) -> pd.DataFrame:
    """The table Growth: accuracy by rows remembered, the base trained once on the smallest set; its
    own rows, further ones that it never saw, and own rows kept by the size of their residual."""
    arm, rows = tasks.arms("longtail", options)[0], []
    for replicate in track(range(options.replicates), "growing memory"):
        data = datasets.data("longtail", options, seed, replicate)
        splits = ("train", "valid", "test")
        logits = {
            split: found[experiment.place(arm.name, replicate, split, "logits")] for split in splits
        }
        last = {
            split: found[experiment.place(arm.name, replicate, split, "last")] for split in logits
        }
        others = _embedded(options, arm, bases, data, replicate)

        def score(
            kind: str,
            vectors: np.ndarray,
            labels: np.ndarray,
            known: np.ndarray,
            last=last,
            logits=logits,
            data=data,
            replicate=replicate,
        ) -> None:
            store = Datastore(vectors)
            near = {
                split: store.search(last[split], experiment.MOST) for split in ("valid", "test")
            }
            chosen = experiment.tune(near["valid"], labels, known, logits["valid"], data.valid.y)
            setting = Setting(int(chosen[0]), experiment.bandwidth_of(chosen[1]), float(chosen[2]))
            s = resmem.softmax(logits["test"].astype(float))
            if setting.k:
                s = resmem.scores(
                    near["test"].first(setting.k),
                    labels,
                    known,
                    logits["test"],
                    bandwidth=setting.bandwidth,
                    temperature=setting.temperature,
                )
            rows.append((kind, len(labels), replicate, float((s.argmax(1) == data.test.y).mean())))

        y = data.train.y
        rows.append(("none", 0, replicate, float((logits["test"].argmax(1) == data.test.y).mean())))
        own = y[: arm.examples]
        score("own rows", last["train"], own, logits["train"])
        for number in options.grown:
            some = slice(arm.examples, arm.examples + number)
            labels = y[some]
            if len(labels) == number:
                score("unseen rows", others["last"][:number], labels, others["logits"][:number])
        weight = 1 - np.take_along_axis(resmem.softmax(logits["train"]), own[:, None], 1)[:, 0]
        by_residual = (-weight).argsort(kind="stable")
        at_random = generator(seed, "resmem", "budget", replicate).permutation(len(own))
        for share in (0.1, 0.25, 0.5, 0.75):
            count = max(2, round(share * len(own)))
            for kind, order in (("largest residuals", by_residual), ("random rows", at_random)):
                some = np.sort(order[:count])
                score(kind, last["train"][some], own[some], logits["train"][some])
    return pd.DataFrame(rows, columns=["kind", "rows", "replicate", "accuracy"])


def _embedded(
    options: Any, arm: tasks.Arm, bases: Arrays, data: datasets.Data, replicate: int
) -> Arrays:
    """Rows beyond those that the base was trained on."""
    import torch

    prefix = f"{arm.name}/"
    weights = {
        n.removeprefix(prefix): torch.tensor(v) for n, v in bases.items() if n.startswith(prefix)
    }
    rngs = [np.random.default_rng(0) for _ in range(options.replicates)]
    stack = tasks.build("longtail", arm, options, data, rngs)
    return tasks.embed(stack, weights, replicate, data.train.x[arm.examples :])


def crossfit(options: settings.LongTail, found: Arrays, seed: int) -> pd.DataFrame:
    """The table CrossFit: residuals of a base that fits its training set, its own and those of
    bases that did not see the row, at T = 1 and tuned."""
    arm, rows = tasks.arms("longtail", options)[-1], []
    datas = [
        datasets.data("longtail", options, seed, replicate)
        for replicate in range(options.replicates)
    ]
    folds = [
        generator(seed, "resmem", "folds", replicate).permutation(arm.examples) % options.folds
        for replicate in range(options.replicates)
    ]
    out = [np.empty((arm.examples, data.classes), np.float32) for data in datas]
    for fold in track(range(options.folds), "cross-fitting"):
        stack, weights = tasks.fit(
            "longtail",
            arm,
            options,
            datas,
            seed,
            rows=lambda r, fold=fold: np.flatnonzero(folds[r] != fold),
        )
        for replicate, data in enumerate(datas):
            left = folds[replicate] == fold
            out[replicate][left] = tasks.embed(
                stack, weights, replicate, data.train.x[: arm.examples][left]
            )["logits"]
    for replicate, data in enumerate(datas):
        labels = data.train.y[: arm.examples]
        own = {
            s: found[experiment.place(arm.name, replicate, s, "logits")]
            for s in ("train", "valid", "test")
        }
        last = {
            s: found[experiment.place(arm.name, replicate, s, "last")]
            for s in ("train", "valid", "test")
        }
        store = Datastore(last["train"])
        near = {s: store.search(last[s], experiment.MOST) for s in ("valid", "test")}
        unit = knn.scale(near["valid"].distances)
        base = float((own["test"].argmax(1) == data.test.y).mean())
        fitted = float((own["train"].argmax(1) == labels).mean())
        for kind, logits in (("in-sample", own["train"]), ("cross-fitted", out[replicate])):
            for temperatures in ((1.0,), resmem.TEMPERATURE_GRID):
                bandwidths = [unit * factor for factor in resmem.BANDWIDTH_GRID]
                grid = resmem.settings(bandwidths, temperatures=temperatures)[1:]
                accuracy = resmem.sweep(
                    near["valid"],
                    labels,
                    logits,
                    own["valid"],
                    grid,
                    lambda s, data=data: (s.argmax(-1) == data.valid.y).mean(-1),
                )
                best = grid[int(accuracy.argmax())]
                s = resmem.scores(
                    near["test"].first(best.k),
                    labels,
                    logits,
                    own["test"],
                    bandwidth=best.bandwidth,
                    temperature=best.temperature,
                )
                value = float((s.argmax(1) == data.test.y).mean())
                rows.append(
                    (
                        kind,
                        len(temperatures) > 1,
                        replicate,
                        fitted,
                        base,
                        value,
                        float(best.temperature),
                    )
                )
    columns = ["residuals", "tuned", "replicate", "train", "base", "resmem", "temperature"]
    return pd.DataFrame(rows, columns=columns)


def memorization(options: settings.Scores, longtail: settings.LongTail, seed: int) -> pd.DataFrame:
    """The table Memorization: per training image and width, its memorization score and what a
    memory adds.

    The score is the probability of the own label under networks trained with the image minus that
    under networks trained without it (Feldman 2020), by training on random parts. `weight` is 1 −
    p(label) under the former, what ResMem stores; `gain` is how often a memory of a network's own
    rows corrects the image, minus how often it spoils it, over networks that did not see it.
    """
    rows = []
    for replicate in track(range(options.replicates), "memorization scores"):
        data = datasets.data("longtail", longtail, seed, replicate)
        x, y, n = data.train.x, data.train.y[: options.train], options.train
        rng = generator(seed, "resmem", "parts", replicate)
        inside = np.stack([rng.permutation(n) < options.share * n for _ in range(options.networks)])
        for units in options.units:
            arm = tasks.Arm(f"{units} units, parts {replicate}", (units,), examples=n)
            copies = [data] * options.networks
            stack, weights = tasks.fit(
                "longtail",
                arm,
                longtail,
                copies,
                seed,
                rows=lambda model, inside=inside: np.flatnonzero(inside[model]),
            )
            own, right, corrected = np.empty((3, options.networks, n))
            for model in range(options.networks):
                found = tasks.embed(stack, weights, model, x[:n])
                p = resmem.softmax(found["logits"].astype(float))
                seen = inside[model]
                near = Datastore(found["last"][seen]).search(found["last"], 20)
                s = resmem.scores(
                    near,
                    y[seen],
                    found["logits"][seen],
                    found["logits"],
                    bandwidth=knn.scale(near.distances[~seen]),
                    temperature=3.0,
                )
                own[model], right[model] = p[np.arange(n), y], p.argmax(1) == y
                corrected[model] = s.argmax(1) == y
            with_it, without = inside.sum(0), (~inside).sum(0)
            good = (with_it > 0) & (without > 0)
            p_with = (own * inside).sum(0)[good] / with_it[good]
            p_without = (own * ~inside).sum(0)[good] / without[good]
            gain = ((corrected - right) * ~inside).sum(0)[good] / without[good]
            about = {"units": units, "replicate": replicate, "example": np.flatnonzero(good)}
            found = {"score": p_with - p_without, "weight": 1 - p_with, "gain": gain}
            rows.append(pd.DataFrame(about | found | {"frequency": _frequency(data, n)[good]}))
    return pd.concat(rows, ignore_index=True)


def _frequency(data: datasets.Data, n: int) -> np.ndarray:
    """How many training images share an image's subpopulation."""
    groups = data.train.groups[:n]
    return np.bincount(groups)[groups]


def spurious(options: settings.Spurious, seed: int) -> pd.DataFrame:
    """The table Spurious: accuracy where a spurious feature agrees and where it conflicts, for a
    linear base, its memory alone, ResMem, memorization-aware training, and ResMem on that.

    Memorization-aware training (Bayat et al. 2025, as reconstructed): logits are shifted in
    training by log P(y | ŷ), ŷ the prediction of a model that did not see the row, so that what
    follows from the spurious feature need not be learnt.
    """
    rows = []
    for number in track(options.sizes, "spurious feature"):
        for replicate in range(options.replicates):
            rng = generator(seed, "resmem", "spurious", number, replicate)
            centers = rng.normal(size=(2, options.modes, options.core)) * options.signal
            x, y, _ = _rows(rng, options, centers, number, options.agreement)
            valid, wanted, _ = _rows(
                rng, options, centers, max(200, number // 5), options.agreement
            )
            queries, truth, agrees = _rows(rng, options, centers, options.test, 0.5)
            fold = rng.permutation(number) % 2
            held_out = np.empty(number, int)
            for part in range(2):
                held_out[fold == part] = _linear(x[fold != part], y[fold != part], options.steps)(
                    x[fold == part]
                ).argmax(1)
            table = np.ones((2, 2))
            np.add.at(table, (held_out, y), 1)
            shift = np.log(table / table.sum(1, keepdims=True))[held_out]
            bases = {
                "base": _linear(x, y, options.steps),
                "aware": _linear(x, y, options.steps, shift),
            }
            for name, base in bases.items():
                store = Datastore(x)
                near, check = (
                    store.search(queries, experiment.MOST),
                    store.search(valid, experiment.MOST),
                )
                chosen = experiment.tune(check, y, base(x), base(valid), wanted)
                setting = Setting(
                    int(chosen[0]), experiment.bandwidth_of(chosen[1]), float(chosen[2])
                )
                outs = {name: base(queries)}
                if setting.k:
                    outs[f"{name}, ResMem"] = resmem.scores(
                        near.first(setting.k),
                        y,
                        base(x),
                        base(queries),
                        bandwidth=setting.bandwidth,
                        temperature=setting.temperature,
                    )
                else:
                    outs[f"{name}, ResMem"] = outs[name]
                if name == "base":
                    w = knn.weights(
                        near.first(int(chosen[4])).distances, experiment.bandwidth_of(chosen[5])
                    )
                    outs["kNN"] = resmem.vote(w, y[near.first(int(chosen[4])).rows], 2)
                for method, s in outs.items():
                    right = s.argmax(1) == truth
                    rows.append(
                        (
                            method,
                            number,
                            replicate,
                            float(right[agrees].mean()),
                            float(right[~agrees].mean()),
                        )
                    )
    return pd.DataFrame(
        rows, columns=["method", "examples", "replicate", "agreeing", "conflicting"]
    )


def _rows(
    rng: np.random.Generator,
    options: settings.Spurious,
    centers: np.ndarray,
    number: int,
    agreement: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, labels 0 or 1, and whether the spurious feature agrees."""
    y = rng.integers(2, size=number)
    agrees = rng.random(number) < agreement
    x = rng.normal(size=(number, options.core + 1)).astype(np.float32)
    x[:, :-1] += centers[y, rng.integers(options.modes, size=number)]
    x[:, -1] += options.spurious / 2 * np.where(agrees, 2 * y - 1, 1 - 2 * y)
    return x, y, agrees


def _linear(x: np.ndarray, y: np.ndarray, steps: int, shift: np.ndarray | None = None):
    """A linear classifier trained on all rows at once, its logits shifted in training; x -> logits."""
    import torch

    from rote import train

    inputs, wanted = torch.tensor(x), torch.tensor(y)
    offset = torch.zeros(len(x), 2) if shift is None else torch.tensor(shift, dtype=torch.float32)
    parameters = {"weight": torch.zeros(1, x.shape[1], 2), "bias": torch.zeros(1, 1, 2)}

    def loss(p: dict, step: int) -> torch.Tensor:
        logits = (inputs @ p["weight"][0] + p["bias"][0]) + offset
        return torch.nn.functional.cross_entropy(logits, wanted)[None]

    found = train.fit(parameters, loss, steps=steps, learning_rate=0.05, label="linear base")
    weight, bias = found["weight"][0].numpy(), found["bias"][0].numpy()
    return lambda rows: (rows @ weight + bias).astype(float)
