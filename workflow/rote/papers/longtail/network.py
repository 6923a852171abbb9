"""Network track: sums of three images, learnt by stacked networks of several architectures.

Some encode each image alone, others mix the images in their first layer (`architectures`).
`train_networks` trains every training set × weight decay × replicate of one architecture as one
stacked program and measures the loss on every test set.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
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
from rote.papers.longtail.decay import chosen as not_memorized
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
    sets: dict[SetName, TripleSet]
    width: int = slots.WIDTH  # of the sum network's hidden layers


def units(options: settings.LongtailNetwork, architecture: str) -> list[NetworkUnit]:
    """What one architecture trains at first, before a weight decay is chosen.

    Those between the paper's: one-off symbols without decay. Every other: the rare-digit sweep
    without decay, and one-off symbols with every decay. The reference also: all companions, and no
    symbols. With extensions also the ten-digit law, and of the reference halves of the symbols.
    """
    spec = registered(ARCHITECTURES, architecture, "architecture")
    plan = list(product([dataset.GLYPHS_HEAD], [0.0] if spec.degree else options.weight_decays))
    if not spec.degree:
        plan += product([dataset.nines(count) for count in options.rare_counts], [0.0])
        plan += product([dataset.TEN_DIGITS] if options.extensions else [], [0.0])
    if spec.reference:
        plan += product([*dataset.GLYPHS.values(), dataset.WITHOUT_GLYPHS], [0.0])
        plan += product(dataset.HALVES if options.extensions else (), options.weight_decays)
    return _networks(options, plan)


def decayed_units(
    options: settings.LongtailNetwork, architecture: str, decay: float | None
) -> list[NetworkUnit]:
    """What the reference trains once its decay is chosen: the sweep, and wrong labels.

    Args:
        options: sizes of the sweep; whether there are extensions.
        architecture: a name of `ARCHITECTURES`.
        decay: that counts as not memorized; None if no decay does.
    """
    if not (ARCHITECTURES[architecture].reference and options.extensions):
        return []
    decays = [] if decay is None else [decay]
    plan = list(product([dataset.nines(count) for count in options.rare_counts], decays))
    plan += product(dataset.WRONG.values(), [0.0, *decays])
    return _networks(options, plan)


def _networks(
    options: settings.LongtailNetwork, plan: Iterable[tuple[TrainingSet, float]]
) -> list[NetworkUnit]:
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
    """Train one architecture's networks and measure them on every test set: NetworkLosses.

    First all `units`, of which a weight decay is chosen (`decay`), then those that need it.

    Args:
        options: sizes, schedule, weight decays.
        architecture: a name of `ARCHITECTURES`.
        images: the table ImageBank.
        rows: the table Triples.
        seed: of all random streams.
        execution: device, checkpoints, networks per program.
    """
    study = study_of(options, architecture, images, rows, seed, execution.device)
    first = train_units(study, units(options, architecture), execution)
    if ARCHITECTURES[architecture].degree:
        return first
    networks = decayed_units(options, architecture, not_memorized(first, architecture))
    if not networks:
        return first
    return pd.concat([first, train_units(study, networks, execution)], ignore_index=True)


def study_of(
    options: settings.LongtailNetwork,
    architecture: str,
    images: pd.DataFrame,
    rows: pd.DataFrame,
    seed: int,
    device: str = "cpu",
) -> NetworkStudy:
    """Images and triples on the device.

    Args:
        options: sizes, schedule, weight decays.
        architecture: a name of `ARCHITECTURES`.
        images: the table ImageBank.
        rows: the table Triples.
        seed: of all random streams.
        device: of the training.
    """
    return NetworkStudy(
        options=options,
        architecture=architecture,
        seed=seed,
        bank=_standardized(images, device),
        sets=dataset.triple_sets(rows),
    )


def train_units(
    study: NetworkStudy, networks: list[NetworkUnit], execution: Execution
) -> pd.DataFrame:
    """Train networks of one architecture and measure them on every test set: NetworkLosses.

    Args:
        study: what they share.
        networks: what to train, in stacks.
        execution: device, checkpoints, networks per program.
    """
    architecture = study.architecture
    backbone = registered(slots.BACKBONES, study.options.backbone, "backbone")
    size = execution.stack or (len(networks) if backbone.one_program else 1)
    content = _digest(study)
    records = []
    for start in range(0, len(networks), size):
        block = networks[start : start + size]
        checkpoint = None
        if execution.checkpoints:
            options = study.options.model_dump()
            identity = [options, study.width, architecture, block, study.seed, content]
            key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
            checkpoint = execution.checkpoints / f"{architecture}-{key}.pt"
        records += _train_block(study, block, checkpoint, execution.checkpoint_steps)
    return tables.frame(schema.NetworkLosses, records)


def _standardized(images: pd.DataFrame, device: str) -> torch.Tensor:
    """Pixels minus the mean over the digits, over their standard deviation, (images, pixels)."""
    pixels = torch.tensor(dataset.pixels(images), device=device).float()
    digits = int((images["kind"] == "digit").sum())  # they come first
    deviation, mean = torch.std_mean(pixels[:digits])
    # in place, as all of MNIST is 220 MB
    return pixels.sub_(mean).div_(deviation)


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

    def forward(parameters: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
        return network.forward(parameters, pixels, True)

    if not network.buffers:  # running statistics change with each call
        forward = train.captured(forward)

    def loss(parameters: dict[str, torch.Tensor], step: int) -> torch.Tensor:  # (models,)
        rows = torch.tensor(order.rows(step), device=device)
        output = forward(parameters, _pixels(study.bank, ids[model, rows]))
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
    sizes = slots.Sizes(study.bank.shape[1], study.width)
    network = slots.build(study.options.backbone, study.architecture, sizes, rngs)
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
