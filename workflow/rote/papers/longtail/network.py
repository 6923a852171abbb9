"""Network track: sums of three images, learnt by stacked networks of several architectures.

Some encode each image alone, others mix the images in their first layer (`architectures`).
`train_networks` trains every training set × weight decay × replicate of one architecture as one
stacked program and measures the loss on every test set.
"""

import hashlib
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from rote import train
from rote.core import tables
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.core.seeds import generator
from rote.models import slots
from rote.papers.longtail import dataset, schema, settings
from rote.papers.longtail.architectures import ARCHITECTURES
from rote.papers.longtail.dataset import SetName, TrainingSet, TripleSet
from rote.synth import triples

EVALUATION_ROWS = 1000  # triples that pass through a stack at once


class NetworkUnit(NamedTuple):
    """One network to train."""

    training_set: TrainingSet
    weight_decay: float
    replicate: int


class Execution(NamedTuple):
    """Where and how the networks are trained; the losses do not depend on it."""

    device: str = "cpu"
    checkpoints: Path | None = None  # folder for checkpoints, one file per stacked program
    checkpoint_steps: int = 500
    stack: int | None = None  # networks per program; None: all (ResNets: one)


class NetworkStudy(NamedTuple):
    """What all networks of one architecture share."""

    options: settings.LongtailNetwork
    architecture: str
    seed: int
    bank: torch.Tensor  # (images, pixels) float32, standardized
    side: int  # height and width of an image, pixels
    sets: dict[SetName, TripleSet]


def units(options: settings.LongtailNetwork, architecture: str) -> list[NetworkUnit]:
    """What one architecture trains.

    Every architecture: the rare-digit sweep without decay, and glyphs with and without decay. The
    reference also: the sweep with decay, every weight decay, all companions, and no glyphs.
    """
    sweep = [dataset.nines(count) for count in options.rare_counts]
    plan = list(product(sweep, [0.0]))
    plan += product([dataset.GLYPHS_HEAD], [0.0, options.decayed])
    if registered(ARCHITECTURES, architecture, "architecture").reference:
        plan += product(sweep, [options.decayed])
        plan += product([dataset.GLYPHS_HEAD], options.weight_decays)
        plan += product([*dataset.GLYPHS.values(), dataset.WITHOUT_GLYPHS], [0.0])
    pairs = product(dict.fromkeys(plan), range(options.replicates))
    return [
        NetworkUnit(training_set, decay, replicate) for (training_set, decay), replicate in pairs
    ]


def check_architecture(options: settings.LongtailNetwork, architecture: str) -> None:
    """Raise InputError unless the settings name the architecture."""
    if architecture not in options.architectures:
        raise InputError(
            f"--architecture {architecture!r} is not among the settings' "
            f"architectures ({', '.join(options.architectures)})"
        )


def train_networks(
    options: settings.LongtailNetwork,
    architecture: str,
    images: pd.DataFrame,
    rows: pd.DataFrame,
    seed: int,
    execution: Execution = Execution(),
) -> pd.DataFrame:
    """Train all `units` of one architecture and measure them on every test set: NetworkLosses.

    Args:
        options: sizes, schedule, weight decays.
        architecture: a name of `ARCHITECTURES`.
        images: the table ImageBank.
        rows: the table Triples.
        seed: of all random streams.
        execution: device, checkpoints, networks per program.
    """
    bank = _standardized(images, execution.device)
    side = int(images["side"].iloc[0])
    study = NetworkStudy(
        options=options,
        architecture=architecture,
        seed=seed,
        bank=bank,
        side=side,
        sets=dataset.triple_sets(rows),
    )
    networks = units(options, architecture)
    backbone = registered(slots.BACKBONES, options.backbone, "backbone")
    size = execution.stack or (len(networks) if backbone.one_program else 1)
    content = _digest(study)
    records = []
    for start in range(0, len(networks), size):
        block = networks[start : start + size]
        checkpoint = None
        if execution.checkpoints:
            identity = [options.model_dump(), architecture, block, seed, content]
            key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
            checkpoint = execution.checkpoints / f"{architecture}-{key}.pt"
        records += _train_block(study, block, checkpoint, execution.checkpoint_steps)
    return tables.frame(schema.NetworkLosses, records)


def _standardized(images: pd.DataFrame, device: str) -> torch.Tensor:
    """Pixels minus the mean over the digits, over their standard deviation, (images, pixels)."""
    pixels = np.stack(images["pixels"].to_numpy()).astype(np.float32)
    digits = pixels[(images["kind"] == "digit").to_numpy()]
    return torch.tensor((pixels - digits.mean()) / digits.std(), device=device)


def _digest(study: NetworkStudy) -> str:
    """Digest of the images and triples."""
    content = hashlib.sha256(study.bank.cpu().numpy())
    for triple_set in study.sets.values():
        content.update(triple_set.ids.tobytes() + triple_set.targets.tobytes())
    return content.hexdigest()


class BatchOrder(NamedTuple):
    """Which rows of its training set every network sees at a step: a permutation per epoch.

    Networks of one replicate see the same rows. The last batch of an epoch may be short: no row is
    skipped.
    """

    samplers: dict[int, train.EpochSampler]  # by replicate
    replicates: list[int]  # of each network
    n: int  # rows of a training set
    size: int  # rows of a full batch

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return -(-self.n // self.size)

    def rows(self, step: int) -> np.ndarray:
        """Row numbers at a step, (models, batch)."""
        epoch, batch = divmod(step, self.steps)
        start = batch * self.size
        count = min(self.size, self.n - start)
        taken = {
            replicate: sampler.batch(epoch * self.n + start, count)
            for replicate, sampler in self.samplers.items()
        }
        return np.stack([taken[replicate] for replicate in self.replicates])


def batch_order(study: NetworkStudy, block: list[NetworkUnit]) -> BatchOrder:
    """The order in which a block of networks sees its training sets."""
    n = study.options.n
    replicates = [unit.replicate for unit in block]
    samplers = {
        replicate: train.EpochSampler(np.ones(n, int), study.seed, "longtail", "order", replicate)
        for replicate in replicates
    }
    return BatchOrder(samplers, replicates, n, min(study.options.batch, n))


def _train_block(
    study: NetworkStudy, block: list[NetworkUnit], checkpoint: Path | None, checkpoint_steps: int
) -> Iterator[dict[str, Any]]:
    """Train one stack of networks and evaluate it."""
    options, device = study.options, study.bank.device
    network = _initialized(study, block)
    training_sets = [
        study.sets[SetName(unit.replicate, unit.training_set, triples.TRAIN.name)] for unit in block
    ]
    ids, targets = _stacked(training_sets, device)
    order = batch_order(study, block)
    model = torch.arange(len(block), device=device)[:, None]

    def loss(parameters: dict[str, torch.Tensor], step: int) -> torch.Tensor:  # (models,)
        rows = torch.tensor(order.rows(step), device=device)
        output = network.forward(parameters, _pixels(study.bank, ids[model, rows]), True)
        return ((output - targets[model, rows]) ** 2).mean(1)

    trained = train.fit(
        network.parameters,
        loss,
        train.AdamW(
            steps=options.epochs * order.steps,
            learning_rate=options.learning_rate,
            weight_decay=torch.tensor([unit.weight_decay for unit in block]),
        ),
        buffers=network.buffers,
        checkpoint=train.Checkpoint(checkpoint, checkpoint_steps),
        label=f"{study.architecture}: {len(block)} networks",
    )
    return _evaluate(study, block, network._replace(parameters=trained))


def _initialized(study: NetworkStudy, block: list[NetworkUnit]) -> slots.Stack:
    """Stacked networks on the study's device.

    One initialization per replicate, shared by its training sets and decays: differences are
    theirs alone.
    """
    rngs = [
        generator(study.seed, "longtail", "init", study.architecture, unit.replicate)
        for unit in block
    ]
    network = slots.build(study.options.backbone, study.architecture, study.side, rngs)
    for state in (network.parameters, network.buffers):
        for name, value in state.items():
            state[name] = value.to(study.bank.device)  # in place: `forward` reads the buffers
    return network


def _stacked(
    triple_sets: list[TripleSet], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image ids (models, n, 3) and targets (models, n) of one set per network."""
    ids = np.stack([triple_set.ids for triple_set in triple_sets])
    targets = np.stack([triple_set.targets for triple_set in triple_sets]).astype(np.float32)
    return torch.tensor(ids, device=device), torch.tensor(targets, device=device)


def _pixels(bank: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Images by id, any shape -> (..., pixels); faster than indexing with a tensor."""
    return bank.index_select(0, ids.flatten()).view(*ids.shape, -1)


def _evaluate(
    study: NetworkStudy, block: list[NetworkUnit], network: slots.Stack
) -> Iterator[dict[str, Any]]:
    """Loss of every network of a stack on every evaluation set that applies to it."""
    for evaluation_set in triples.EVALUATION_SETS:
        triple_sets = [
            dataset.evaluated(study.sets, SetName(replicate, training_set, evaluation_set))
            for training_set, _, replicate in block
        ]
        applicable = [triple_set for triple_set in triple_sets if triple_set is not None]
        if not applicable:
            continue
        # a stack is evaluated as one program:
        # networks without this set run on another's, and are dropped
        filled = [triple_set or applicable[0] for triple_set in triple_sets]
        losses = _losses(study.bank, network, filled)
        for unit, triple_set, mse in zip(block, triple_sets, losses, strict=True):
            if triple_set is not None:
                yield {
                    "architecture": study.architecture,
                    "training_set": unit.training_set.name,
                    "nines": unit.training_set.nines,
                    "weight_decay": unit.weight_decay,
                    "replicate": unit.replicate,
                    "evaluation_set": evaluation_set,
                    "mse": mse,
                }


@torch.no_grad()
def _losses(bank: torch.Tensor, network: slots.Stack, triple_sets: list[TripleSet]) -> list[float]:
    """Mean squared error of every network on its set, (models,)."""
    ids, targets = _stacked(triple_sets, bank.device)
    total = torch.zeros(len(triple_sets), dtype=torch.float64, device=bank.device)
    for start in range(0, ids.shape[1], EVALUATION_ROWS):
        part = slice(start, start + EVALUATION_ROWS)
        output = network.forward(network.parameters, bank[ids[:, part]], False)
        total += ((output - targets[:, part]) ** 2).sum(1, dtype=torch.float64)
    return (total / ids.shape[1]).tolist()
