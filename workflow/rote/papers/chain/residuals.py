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
from rote.papers.chain.documents import TUNING, distinct_statements
from rote.papers.chain.embeddings import AnswerTokens, WorldEmbeddings
from rote.papers.chain.memory import MemorySetting, Retrieval, TuningRows
from rote.papers.chain.networks import Arrays, ChainJob
from rote.papers.chain.plan import MemoryCell, Statements
from rote.papers.chain.settings import Settings
from rote.papers.chain.worlds import WorldFolder


class Residuals(NamedTuple):
    """The memories of a world, as `fit` made them."""

    arrays: Mapping[str, np.ndarray]
    choices: pd.DataFrame  # table MemoryChoices

    def choice(self, cell: MemoryCell, replicate: int) -> pd.Series:
        """The row of the table of choices."""
        rows = self.choices[
            (self.choices["variant"] == cell.variant)
            & (self.choices["memory"] == cell.content)
            & (self.choices["bits"] == cell.bits)
            & (self.choices["replicate"] == replicate)
        ]
        return rows.iloc[0]

    def setting(self, cell: MemoryCell, replicate: int) -> MemorySetting:
        """The setting that was tuned."""
        choice = self.choice(cell, replicate)
        return MemorySetting(int(choice["k"]), float(choice["bandwidth"]), float(choice["reach"]))

    def retrieval(self, cell: MemoryCell, replicate: int, embeddings: WorldEmbeddings) -> Retrieval:
        """The memory's entries and the neighbors of the questions in it."""
        key = f"{cell.key}/{replicate}"
        entries = _entries(cell, replicate, embeddings, self.arrays[f"{key}/entries"])
        distances, rows = self.arrays[f"{key}/distances"], self.arrays[f"{key}/rows"]
        return Retrieval(entries, Neighbors(distances, rows))


def fit(
    options: Settings,
    world: WorldFolder,
    facts: pd.DataFrame,
    embeddings: WorldEmbeddings,
    job: ChainJob,
) -> tuple[Arrays, pd.DataFrame]:
    """Neighbors of every question in every memory, and a setting for each.

    Args:
        options: config section of the chain.
        world: whose questions look up statements.
        facts: table ChainFacts.
        embeddings: hidden states of its networks.
        job: seed of random memories and of the questions that tune; device of the engine `torch`.

    Returns:
        Arrays `<cell>/<replicate>/distances`, `.../rows` (queries, k) and `.../entries` (rows of
        the statements in the memory), and the table MemoryChoices.
    """
    arrays: Arrays = {}
    choices = []
    for replicate in track(range(options.world.replicates), f"{world.name}: memories"):
        of_replicate = facts_of(facts, world, replicate)
        tuning = tuning_questions(options, world, of_replicate, job.seed, replicate)
        lines = distinct_statements(world.corpus(replicate))
        stated_facts = np.array([line["fact_id"] for line in lines])
        stated_by = of_replicate.set_index("fact")["count_loss"].reindex(stated_facts)
        for cell in plan.memory_cells():
            queries = embeddings.probes(cell.variant, replicate)
            head = embeddings.head(cell.variant, replicate)
            rng = generator(job.seed, "chain", "memory", world.name, cell.content, replicate)
            losses = _statement_losses(embeddings.statements(cell.variant, replicate), head)
            statements = Statements(stated_by.to_numpy() == 0, losses, rng)
            mask = plan.CONTENTS[cell.content].select(statements)
            in_memory = mask[embeddings.statements(cell.variant, replicate).items]
            numbers = np.flatnonzero(in_memory)
            entries = _entries(cell, replicate, embeddings, numbers)
            retrieval = memory.retrieve(options.memory, entries, queries, job.device)
            rows = TuningRows(
                facts=np.flatnonzero(np.isin(queries.items, tuning.facts)),
                others=np.flatnonzero(np.isin(queries.items, tuning.others)),
            )
            setting = memory.tune(options.memory, retrieval, head, queries, rows)
            key = f"{cell.key}/{replicate}"
            arrays[f"{key}/distances"] = retrieval.neighbors.distances
            arrays[f"{key}/rows"] = retrieval.neighbors.rows
            arrays[f"{key}/entries"] = numbers
            choices.append(
                {
                    "variant": cell.variant,
                    "memory": cell.content,
                    "bits": cell.bits,
                    "replicate": replicate,
                    "k": setting.k,
                    "bandwidth": float(setting.bandwidth),
                    "reach": float(setting.reach),
                    "entries": len(numbers),
                }
            )
    return arrays, tables.frame(schema.MemoryChoices, choices)


def _entries(
    cell: MemoryCell, replicate: int, embeddings: WorldEmbeddings, numbers: np.ndarray
) -> AnswerTokens:
    entries = embeddings.statements(cell.variant, replicate).pick(numbers)
    return entries if cell.bits == 32 else memory.compact(entries)


def _statement_losses(statements: AnswerTokens, head: np.ndarray) -> np.ndarray:
    """Nats of every statement under the network, (statements,)."""
    n_lines = int(statements.items.max(initial=-1)) + 1
    return memory.answer(statements, n_lines, head).losses


def facts_of(facts: pd.DataFrame, world: WorldFolder, replicate: int) -> pd.DataFrame:
    """Rows of the table ChainFacts about one replicate of a world."""
    return facts[(facts["world"] == world.name) & (facts["replicate"] == replicate)]


class TuningQuestions(NamedTuple):
    """Numbers of the questions that settings are tuned on."""

    facts: np.ndarray  # of some facts that the corpus states
    others: np.ndarray  # held-out text without facts


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
    probes = world.sampled_probes(replicate, options.memory.facts)
    present = facts.loc[facts["count"] > 0, "fact"].to_numpy()
    rng = generator(seed, "chain", "tuned", world.name, replicate)
    count = max(1, round(options.memory.tuning_share * len(present)))
    chosen = set(rng.permutation(present)[:count].tolist())
    of_facts = [number for number, line in enumerate(probes) if line["fact_id"] in chosen]
    others = [number for number, line in enumerate(probes) if line["part"] == TUNING]
    return TuningQuestions(np.array(of_facts, int), np.array(others, int))
