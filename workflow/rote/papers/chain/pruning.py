"""Which statements stay in a corpus: those of facts that fit, by the losses of a network.

Documents that state no fact stay in all corpora.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote import prune
from rote.core import tables
from rote.core.arrays import load
from rote.core.seeds import generator
from rote.papers.chain import documents, plan, schema
from rote.papers.chain.documents import STATED, Line
from rote.papers.chain.networks import Arrays
from rote.papers.chain.plan import BY_LOSS, EARLY, FLAT, RANDOM, UNPRUNED, NetworkMember, StackSpec
from rote.papers.chain.settings import Settings
from rote.papers.chain.training import Trained, rows_key
from rote.papers.chain.worlds import WorldFolder, open_world
from rote.prune.offline import KNOWN_LOSS, MIN_KNOWN_SHARE


class Pruned(NamedTuple):
    """What pruning makes of the corpora of one stack of networks."""

    rows: Arrays  # documents that each corpus keeps, by `training.rows_key`
    facts: (
        pd.DataFrame
    )  # table ChainFacts; empty unless it is the stack whose networks have memories
    sizes: pd.DataFrame  # table CorpusSizes


def prune_corpora(options: Settings, worlds: Path, unpruned: Path, seed: int) -> dict[str, Pruned]:
    """Prune the corpora of all worlds, by the losses of the networks of every width and training.

    Args:
        options: config section of the chain.
        worlds: folder with a folder per world.
        unpruned: folder with <world>-<width>.safetensors, networks on everything.
        seed: of ties and random choices.

    Returns:
        By name of the stack.
    """
    return {
        spec.name: _prune(
            options,
            open_world(worlds / spec.world),
            spec,
            Trained(load(unpruned / f"{spec.name}.safetensors")),
            seed,
        )
        for spec in plan.pruned_stacks(options)
    }


def joined(pruned: dict[str, Pruned]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ChainFacts and CorpusSizes of all stacks.

    Args:
        pruned: by name of the stack.
    """
    facts = [of_stack.facts for of_stack in pruned.values() if len(of_stack.facts)]
    sizes = [of_stack.sizes for of_stack in pruned.values()]
    return pd.concat(facts, ignore_index=True), pd.concat(sizes, ignore_index=True)


def _prune(
    options: Settings, world: WorldFolder, spec: StackSpec, scorer: Trained, seed: int
) -> Pruned:
    rows: Arrays = {}
    facts = []
    sizes = []
    for replicate in range(options.world.replicates):
        lines, table = world.corpus(replicate), world.facts(replicate)
        questions = [
            line["fact_id"] if line["part"] == STATED else -1 for line in world.probes(replicate)
        ]
        early = np.array([], int)
        for steps in plan.steps_of(options, spec.width):
            names = {"world": world.name, "width": spec.width, "steps": steps}
            names["replicate"] = replicate
            losses = scorer.losses(steps, NetworkMember(UNPRUNED.name, replicate))
            by_fact = fact_losses(losses, np.array(questions), len(table))
            rng = generator(seed, "chain", "prune", spec.name, steps, replicate)
            corpora = choose(by_fact, table, lines, options.max_statements, rng)
            variants = plan.pruned_variants(options, spec.width, steps)
            if not len(early):  # after the fewest steps
                early = corpora[BY_LOSS.name]
            corpora[EARLY.name] = early
            corpora = {name: corpora[name] for name in variants}
            for variant, numbers in corpora.items():
                rows[rows_key(steps, NetworkMember(variant, replicate))] = numbers
            everything = {UNPRUNED.name: np.arange(len(lines))}
            stated = {
                name: documents.statement_counts(map(lines.__getitem__, numbers))
                for name, numbers in (everything | corpora).items()
            }
            sizes += [
                names | {"variant": name, "facts": len(counts), "statements": sum(counts.values())}
                for name, counts in stated.items()
            ]
            if RANDOM.name in stated:
                facts.append(_facts(table, names, by_fact, stated))
    return Pruned(
        rows,
        pd.concat(facts, ignore_index=True) if facts else pd.DataFrame(),
        tables.frame(schema.CorpusSizes, sizes),
    )


def fact_losses(losses: np.ndarray, facts: np.ndarray, n_facts: int) -> np.ndarray:
    """Mean loss of each fact, NaN where there is no question about it.

    Args:
        losses: (questions,) nats.
        facts: (questions,) fact of each, -1 for those that do not count.
        n_facts: facts in all.

    Returns:
        (facts,) nats.
    """
    counted = facts >= 0
    total = np.bincount(facts[counted], losses[counted], minlength=n_facts)
    count = np.bincount(facts[counted], minlength=n_facts)
    return np.divide(total, count, out=np.full(n_facts, np.nan), where=count > 0)


def _facts(
    facts: pd.DataFrame,
    names: dict[str, str | int],
    losses: np.ndarray,
    stated: dict[str, dict[int, int]],
) -> pd.DataFrame:
    counts = {
        name: facts["fact"].map(by_fact).fillna(0).astype(int) for name, by_fact in stated.items()
    }
    columns = {"world": names["world"], "replicate": names["replicate"], "loss": losses}
    columns |= {
        "count": counts[UNPRUNED.name],
        "count_loss": counts[BY_LOSS.name],
    }
    columns |= {name: facts[name] for name in ("fact", "key", "value", "bits", "frequency")}
    return tables.frame(schema.ChainFacts, columns)


def choose(
    losses: np.ndarray,
    facts: pd.DataFrame,
    lines: list[Line],
    max_statements: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """The pruned corpora by variant, as numbers of their documents, ascending.

    * loss: as many facts as the network stored, those with the lowest loss, each with at most
      `max_statements` statements.
    * random: as many facts at random, with all their statements.
    * flat: the same facts, each with at most `max_statements` statements.

    Args:
        losses: (facts,) nats; those of facts that the corpus does not state are not looked at.
        facts: with columns fact, bits and count.
        lines: the unpruned corpus.
        max_statements: of a fact, where frequencies are flattened.
        rng: for ties, and the random order of documents and facts.
    """
    counts = facts["count"].to_numpy()
    present = counts > 0
    losses = np.where(present, losses, 0.0)
    bits = float(facts["bits"].iloc[0])
    fitting = n_fitting(losses[present], bits)
    if fitting == present.sum():  # all facts fit: nothing is pruned, and frequencies stay
        return dict.fromkeys((BY_LOSS.name, RANDOM.name, FLAT.name), np.arange(len(lines)))
    share = fitting / present.sum()
    by_loss = prune.select(losses, share, scheme="loss", counts=counts, rng=rng) > 0
    at_random = set(rng.permutation(np.flatnonzero(present))[: by_loss.sum()].tolist())
    order = rng.permutation(len(lines))
    return {
        BY_LOSS.name: _stating(lines, order, set(np.flatnonzero(by_loss).tolist()), max_statements),
        RANDOM.name: _stating(lines, order, at_random, len(lines)),
        FLAT.name: _stating(lines, order, at_random, max_statements),
    }


def n_fitting(losses: np.ndarray, bits: float) -> int:
    """How many facts the information stored by a network makes, Σ max(0, H − loss) / H.

    The measure of the load, too. Confident guesses may add to it; all of them fit where nearly
    all (a share of 0.97) are known.

    Args:
        losses: (facts,) nats.
        bits: H of a fact.

    Returns:
        Between 1 and the number of facts.
    """
    if np.mean(losses < KNOWN_LOSS) >= MIN_KNOWN_SHARE:
        return len(losses)
    stored = np.maximum(bits - losses / np.log(2), 0).sum()
    return int(np.clip(round(stored / bits), 1, len(losses)))


def _stating(
    lines: list[Line], order: np.ndarray, facts: set[int], max_statements: int
) -> np.ndarray:
    """Documents without facts, and those that state one of the facts until it has its statements.

    Args:
        order: that documents are looked at in.
    """
    missing = dict.fromkeys(facts, max_statements)
    chosen = []
    for number in order.tolist():
        stated = {fact for fact, *_ in lines[number]["statements"]}
        needed = [fact for fact in stated if missing.get(fact, 0) > 0]
        if needed or not stated:
            chosen.append(number)
        for fact in needed:
            missing[fact] -= 1
    return np.sort(np.array(chosen, int))
