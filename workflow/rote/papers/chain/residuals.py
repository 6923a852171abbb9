"""Memories of a world: the neighbors of its questions, and the settings tuned for each."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.knn import Neighbors
from rote.papers.chain import memory, plan, schema
from rote.papers.chain.documents import Line, distinct_statements
from rote.papers.chain.embeddings import Arrays, WorldEmbeddings
from rote.papers.chain.memory import Retrieval, TuningRows
from rote.papers.chain.plan import MemoryCell, Statements
from rote.papers.chain.settings import Settings
from rote.papers.chain.worlds import WorldFolder
from rote.resmem import Setting


class Residuals(NamedTuple):
    """The memories of a world, as `fit` made them."""

    arrays: Mapping[str, np.ndarray]
    choices: pd.DataFrame  # table MemoryChoices

    def choice(self, cell: MemoryCell, replicate: int) -> pd.Series:
        """The row of the table of choices."""
        rows = self.choices[
            (self.choices["variant"] == cell.variant)
            & (self.choices["memory"] == cell.content)
            & (self.choices["replicate"] == replicate)
        ]
        return rows.iloc[0]

    def setting(self, cell: MemoryCell, replicate: int) -> Setting:
        """The setting that was tuned."""
        choice = self.choice(cell, replicate)
        return Setting(int(choice["k"]), float(choice["bandwidth"]), float(choice["temperature"]))

    def retrieval(self, cell: MemoryCell, replicate: int, embeddings: WorldEmbeddings) -> Retrieval:
        """The memory's entries and the neighbors of the questions in it."""
        key = _array_key(cell, replicate)
        statements = embeddings.statements(cell.variant, replicate)
        neighbors = Neighbors(self.arrays[f"{key}/distances"], self.arrays[f"{key}/rows"])
        return Retrieval(statements.pick(self.arrays[f"{key}/entries"]), neighbors)


def fit(
    options: Settings,
    world: WorldFolder,
    facts: pd.DataFrame,
    embeddings: WorldEmbeddings,
    seed: int,
    device: str = "cpu",
) -> tuple[Arrays, pd.DataFrame]:
    """Neighbors of every question in every memory, and a setting for each.

    Args:
        options: config section of the chain.
        world: whose questions look up statements.
        facts: table ChainFacts.
        embeddings: hidden states of its networks of the base width.
        seed: of the run: which statements random memories hold, which questions tune.
        device: where the engine `torch` searches.

    Returns:
        Arrays `<variant>/<content>/<replicate>/distances`, `.../rows` (queries, k) and
        `.../entries` (rows of the statements in the memory), and the table MemoryChoices.
    """
    arrays: Arrays = {}
    choices = []
    for replicate in track(range(options.world.replicates), f"{world.name}: memories"):
        of_replicate = facts_of(facts, world, replicate)
        tuning = tuning_questions(options, world, of_replicate, seed, replicate)
        lines = distinct_statements(world.corpus(replicate))
        stated_facts = np.array([line["fact_id"] for line in lines])
        for cell in plan.CELLS:
            queries = embeddings.probes(cell.variant, replicate)
            rng = generator(seed, "chain", "memory", world.name, cell.content, replicate)
            mask = _contents(cell, stated_facts, of_replicate, rng)
            statements = embeddings.statements(cell.variant, replicate)
            in_memory = mask[statements.items]
            entries = statements.pick(in_memory)
            retrieval = memory.retrieve(options.memory, entries, queries, device)
            rows = TuningRows(
                facts=np.flatnonzero(np.isin(queries.items, tuning.facts)),
                rules=np.flatnonzero(np.isin(queries.items, tuning.rules)),
            )
            head = embeddings.head(cell.variant, replicate)
            setting = memory.tune(options.memory, retrieval, head, queries, rows)
            key = _array_key(cell, replicate)
            arrays[f"{key}/distances"] = retrieval.neighbors.distances
            arrays[f"{key}/rows"] = retrieval.neighbors.rows
            arrays[f"{key}/entries"] = np.flatnonzero(in_memory)
            choices.append(
                {
                    "variant": cell.variant,
                    "memory": cell.content,
                    "replicate": replicate,
                    "k": setting.k,
                    "bandwidth": float(setting.bandwidth),
                    "temperature": setting.temperature,
                    "entries": len(entries.targets),
                }
            )
    return arrays, tables.frame(schema.MemoryChoices, choices)


def _array_key(cell: MemoryCell, replicate: int) -> str:
    return f"{cell.variant}/{cell.content}/{replicate}"


def facts_of(facts: pd.DataFrame, world: WorldFolder, replicate: int) -> pd.DataFrame:
    """Rows of the table ChainFacts about one replicate of a world."""
    return facts[(facts["world"] == world.name) & (facts["replicate"] == replicate)]


def _contents(
    cell: MemoryCell, stated_facts: np.ndarray, facts: pd.DataFrame, rng: np.random.Generator
) -> np.ndarray:
    """Which distinct statements of the corpus a memory holds, (statements,) bool.

    Args:
        stated_facts: (statements,) fact of each.
        facts: rows of the table ChainFacts about this replicate.
    """
    stated = {
        plan.UNPRUNED.name: set(facts.loc[facts["count"] > 0, "fact"]),
        plan.RANDOM.name: set(facts.loc[facts["count_random"] > 0, "fact"]),
        plan.BY_LOSS.name: set(facts.loc[facts["count_loss"] > 0, "fact"]),
    }
    statements = Statements(stated_facts, stated, cell.variant, rng)
    return plan.CONTENTS[cell.content].select(statements)


class TuningQuestions(NamedTuple):
    """Numbers of the questions that settings are tuned on."""

    facts: np.ndarray  # of some facts that the corpus states
    rules: np.ndarray  # held-out rule items


def tuning_questions(
    options: Settings, world: WorldFolder, facts: pd.DataFrame, seed: int, replicate: int
) -> TuningQuestions:
    """The questions to tune on; accuracies are measured on the others.

    Args:
        options: config section of the chain.
        world: whose questions they are.
        facts: rows of the table ChainFacts about this replicate.
        seed: of the run.
        replicate: of the world.
    """
    probes: list[Line] = world.probes(replicate)
    present = facts.loc[facts["count"] > 0, "fact"].to_numpy()
    rng = generator(seed, "chain", "tuned", world.name, replicate)
    count = max(1, round(options.memory.tuning_share * len(present)))
    chosen = set(rng.permutation(present)[:count].tolist())
    of_facts = [number for number, line in enumerate(probes) if line["fact_id"] in chosen]
    of_rules = [number for number, line in enumerate(probes) if line["part"] == "valid"]
    return TuningQuestions(np.array(of_facts, int), np.array(of_rules, int))
