"""Training the networks of a world: those whose losses prune its corpus, and one per corpus."""

from pathlib import Path

import numpy as np
import pandas as pd

from rote.core import tables
from rote.models.stack import LanguageStack
from rote.papers.chain import documents, networks, plan, schema
from rote.papers.chain.networks import ChainJob, NetworkShape
from rote.papers.chain.settings import Settings
from rote.papers.chain.worlds import WorldFolder


def score(options: Settings, world: WorldFolder, job: ChainJob) -> pd.DataFrame:
    """Losses of all facts under networks trained on everything: the table ScoringLosses."""
    replicates = range(options.world.replicates)
    corpora = {
        f"score {world.name} {replicate}": world.encode(world.corpus(replicate))
        for replicate in replicates
    }
    shape = NetworkShape(world.vocabulary, world.length, options.network.width)
    stack = networks.build(options, shape, list(corpora), job.seed, job.device)
    steps = options.network.scoring_steps
    weights = networks.fit(stack, corpora, options, steps, job, f"{world.name}, scoring")
    parts = []
    for replicate in replicates:
        probes = [line for line in world.probes(replicate) if line["fact_id"] >= 0]
        answers = networks.predict(stack, weights, replicate, world.encode(probes))
        losses = pd.Series(answers.losses).groupby([line["fact_id"] for line in probes]).mean()
        columns = {"replicate": replicate, "fact": losses.index, "loss": losses.to_numpy()}
        parts.append(tables.frame(schema.ScoringLosses, columns))
    return pd.concat(parts, ignore_index=True)


def train(
    options: Settings, world: WorldFolder, pruned: Path, width: int, job: ChainJob
) -> dict[str, np.ndarray]:
    """Train a network per corpus and replicate, with equally many steps.

    Args:
        options: config section of the chain.
        world: whose corpora they are.
        pruned: folder with the world's pruned corpora.
        width: of the networks; 0 is the user's model.
        job: seed, device and checkpoint.

    Returns:
        Weights (networks, ...) by name, in the order of `plan.members`.
    """
    stack = build_stack(options, world, width, job.seed, job.device)
    members = plan.members(options, world.name, width)
    files = [world.corpus_file(*member, pruned) for member in members]
    corpora = {
        network_name(world, *member): world.encode(documents.read(file))
        for member, file in zip(members, files, strict=True)
    }
    title = f"{world.name}, width {width}" if width else world.name
    weights = networks.fit(stack, corpora, options, options.network.steps, job, title)
    return {name: value.cpu().numpy() for name, value in weights.items()}


def build_stack(
    options: Settings, world: WorldFolder, width: int, seed: int, device: str
) -> LanguageStack:
    """The networks of a width, as yet untrained.

    Args:
        options: config section of the chain.
        world: whose corpora the networks are for.
        width: of the networks; 0 is the user's model.
        seed: of initial weights.
        device: where the parameters lie.
    """
    names = [network_name(world, *member) for member in plan.members(options, world.name, width)]
    shape = NetworkShape(world.vocabulary, world.length, width)
    return networks.build(options, shape, names, seed, device)


def network_name(world: WorldFolder, variant: str, replicate: int) -> str:
    """What a network's random streams are called after."""
    return f"{world.name} {variant} {replicate}"
