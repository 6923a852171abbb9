"""Which statements stay in a corpus: those of facts that fit, by the losses of a network.

Documents that state no fact stay in all corpora.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from rote import prune
from rote.core import tables
from rote.core.seeds import generator
from rote.papers.chain import documents, plan, schema
from rote.papers.chain.documents import Line
from rote.papers.chain.plan import BY_LOSS, FLAT, RANDOM, UNPRUNED
from rote.papers.chain.settings import Settings
from rote.papers.chain.worlds import WorldFolder, open_world


def prune_corpora(
    options: Settings, worlds: Path, scores: Path, seed: int, out: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prune the corpora of all worlds.

    Args:
        options: config section of the chain.
        worlds: folder with a folder per world.
        scores: folder with <world>.parquet, table ScoringLosses.
        seed: of ties and random choices.
        out: folder to write <world>/<variant>-<replicate>.jsonl into.

    Returns:
        The tables ChainFacts and CorpusSizes.
    """
    facts = []
    sizes = []
    for spec in plan.worlds(options):
        world = open_world(worlds / spec.name)
        losses = tables.read(scores / f"{spec.name}.parquet")
        for replicate in range(options.world.replicates):
            of_replicate = losses[losses["replicate"] == replicate].set_index("fact")["loss"]
            corpora = _corpora(options, world, of_replicate, seed, replicate)
            for name, lines in corpora.items():
                if plan.VARIANTS[name].pruned:
                    file = world.corpus_file(name, replicate, out / world.name)
                    documents.write(file, lines)
            stated = {name: documents.statement_counts(lines) for name, lines in corpora.items()}
            sizes += [
                {
                    "world": world.name,
                    "replicate": replicate,
                    "variant": name,
                    "documents": len(corpora[name]),
                    "facts": len(counts),
                    "statements": sum(counts.values()),
                }
                for name, counts in stated.items()
            ]
            facts.append(_facts(world, replicate, of_replicate, stated))
    return pd.concat(facts, ignore_index=True), tables.frame(schema.CorpusSizes, sizes)


def _corpora(
    options: Settings, world: WorldFolder, losses: pd.Series, seed: int, replicate: int
) -> dict[str, list[Line]]:
    """The corpora of a replicate by variant, those that networks of the base width train on."""
    facts, lines = world.facts(replicate), world.corpus(replicate)
    rng = generator(seed, "chain", "prune", world.name, replicate)
    ordered = losses.reindex(facts["fact"]).to_numpy()
    pruned = choose(ordered, facts, lines, options.max_statements, rng)
    corpora = {UNPRUNED.name: lines} | pruned
    names = plan.variants_of(options, world.name, plan.base_width(options))
    return {name: corpora[name] for name in names}


def _facts(
    world: WorldFolder, replicate: int, losses: pd.Series, stated: dict[str, dict[int, int]]
) -> pd.DataFrame:
    facts = world.facts(replicate)
    counts = {
        name: facts["fact"].map(by_fact).fillna(0).astype(int) for name, by_fact in stated.items()
    }
    present = counts[UNPRUNED.name].to_numpy() > 0
    columns = {
        "world": world.name,
        "replicate": replicate,
        "count": counts[UNPRUNED.name],
        "loss": np.where(present, losses.reindex(facts["fact"]), np.nan),
        "count_random": counts[RANDOM.name],
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
) -> dict[str, list[Line]]:
    """The pruned corpora by variant.

    * loss: as many facts as fit (`rote.prune.automatic`), those with the lowest loss, each with at
      most `max_statements` statements.
    * random: facts in random order with all their statements, until the corpus is as large.
    * flat: the same, but flattened: what flattening alone does.

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
    fitting = prune.automatic(losses, counts=counts, ignorance=bits * np.log(2))
    share = fitting / present.sum()
    remaining = prune.select(losses, share, scheme="loss", counts=counts, rng=rng) > 0
    if fitting == present.sum():  # all facts fit: nothing is pruned, and frequencies stay
        return dict.fromkeys((RANDOM.name, BY_LOSS.name, FLAT.name), lines)
    order = rng.permutation(len(lines))
    by_loss = _flattened(lines, order, set(np.flatnonzero(remaining).tolist()), max_statements)
    size = len(by_loss)
    fact_order = rng.permutation(np.flatnonzero(present)).tolist()
    return {
        RANDOM.name: _random(lines, fact_order, size, None),
        BY_LOSS.name: by_loss,
        FLAT.name: _random(lines, fact_order, size, max_statements),
    }


def _random(
    lines: list[Line], fact_order: list[int], size: int, max_statements: int | None
) -> list[Line]:
    """`size` documents: those without facts, and statements of facts in this order."""
    by_fact = _numbers_by_fact(lines)
    chosen = {number for number, line in enumerate(lines) if not line["statements"]}
    for fact in fact_order:
        missing = size - len(chosen)
        if missing <= 0:
            break
        new = [number for number in by_fact[fact][:max_statements] if number not in chosen]
        chosen.update(new[:missing])
    return [line for number, line in enumerate(lines) if number in chosen]


def _numbers_by_fact(lines: list[Line]) -> dict[int, list[int]]:
    numbers: dict[int, list[int]] = {}
    for number, line in enumerate(lines):
        for fact, *_ in line["statements"]:
            numbers.setdefault(fact, []).append(number)
    return numbers


def _flattened(
    lines: list[Line], order: np.ndarray, facts: set[int], max_statements: int
) -> list[Line]:
    """Documents without facts, and those that state one of the facts until it has its statements.

    Args:
        order: that documents are looked at in.
    """
    missing = dict.fromkeys(facts, max_statements)
    chosen = set()
    for number in order.tolist():
        stated = {fact for fact, *_ in lines[number]["statements"]}
        needed = [fact for fact in stated if missing.get(fact, 0) > 0]
        if needed or not stated:
            chosen.add(number)
        for fact in needed:
            missing[fact] -= 1
    return [line for number, line in enumerate(lines) if number in chosen]
