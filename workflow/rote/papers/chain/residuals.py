"""Memories of a world: their settings, and what every network answers with each.

A memory need not fit into RAM: statements are embedded in parts, each is searched for neighbors,
and only the states of neighbors stay.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.job import track
from rote.core.seeds import generator
from rote.papers.chain import lookups, memory, plan, schema
from rote.papers.chain.documents import STATED, TUNING, Line, distinct_statements
from rote.papers.chain.embeddings import AnswerTokens, TrainedNetwork, trained_networks
from rote.papers.chain.memory import NO_MEMORY, LineAnswers, MemorySetting, Retrieval, TuningRows
from rote.papers.chain.networks import Arrays, ChainJob
from rote.papers.chain.plan import MemoryCell, NetworkMember, Statements
from rote.papers.chain.pruning import fact_losses
from rote.papers.chain.sequences import Sequences
from rote.papers.chain.settings import Settings
from rote.papers.chain.training import Trained
from rote.papers.chain.worlds import WorldFolder

FLOAT_BYTES = 4


class Residuals(NamedTuple):
    """The memories of a world, as `fit` made them."""

    arrays: Mapping[str, np.ndarray]
    choices: pd.DataFrame  # table MemoryChoices

    def choice(self, cell: MemoryCell, replicate: int) -> dict[str, Any]:
        """The row of the table of choices."""
        rows = self.choices[
            (self.choices["variant"] == cell.variant)
            & (self.choices["memory"] == cell.content)
            & (self.choices["bits"] == cell.bits)
            & (self.choices["replicate"] == replicate)
        ]
        return rows.iloc[0].to_dict()

    def answers(self, cell: MemoryCell, replicate: int) -> LineAnswers:
        """The answers to the questions of `WorldFolder.sampled_probes`."""
        names = (f"{cell.key}/{replicate}/{part}" for part in LineAnswers._fields)
        answers = LineAnswers(*(self.arrays[name] for name in names))
        return answers._replace(exact=answers.exact > 0)


def fit(
    options: Settings,
    world: WorldFolder,
    facts: pd.DataFrame,
    trained: Mapping[str, Trained],
    job: ChainJob,
) -> tuple[Arrays, pd.DataFrame]:
    """A setting for every network and memory, and the answers to all questions with it.

    Args:
        options: config section of the chain.
        world: whose questions look up statements.
        facts: table ChainFacts.
        trained: networks on the unpruned corpora, and on the pruned ones, by "unpruned", "pruned".
        job: seed of random memories and of the questions that tune; device of networks and of the
            engine `torch`.

    Returns:
        Arrays `<cell>/<replicate>/<field of LineAnswers>` (questions,), and the table
        MemoryChoices.
    """
    arrays: Arrays = {}
    choices = []
    opened = trained_networks(options, world, trained, job)
    for replicate in track(range(options.world.replicates), f"{world.name}: memories"):
        questions = _questions(options, world, facts, job.seed, replicate)
        for variant in plan.WITH_MEMORIES:
            member = NetworkMember(variant, replicate)
            network = opened[member]
            of_variant = trained["unpruned" if variant == plan.UNPRUNED.name else "pruned"]
            losses = of_variant.losses(plan.plateau_steps(options), member)
            masks = _select(questions, losses, variant, world.name, job.seed, replicate)
            queries, head = network.states(questions.coded), network.head()
            retrievals = _retrieve(options, questions, network, masks, queries, job.device)
            for cell, retrieval in retrievals.items():
                rows = TuningRows(
                    facts=np.flatnonzero(np.isin(queries.items, questions.tuning.facts)),
                    others=np.flatnonzero(np.isin(queries.items, questions.tuning.others)),
                )
                setting = NO_MEMORY
                if cell.has_memory:
                    setting = memory.tune(options.memory, retrieval, head, queries, rows)
                answers = memory.answer(queries, len(questions.coded), head, retrieval, setting)
                for name, values in answers._asdict().items():
                    stored = values.astype(np.uint8) if values.dtype == bool else values
                    arrays[f"{cell.key}/{replicate}/{name}"] = stored
                names = {"variant": variant, "memory": cell.content, "bits": cell.bits}
                sizes = _sizes(cell, setting, retrieval.size, network)
                choices.append(names | {"replicate": replicate} | sizes)
    return arrays, tables.frame(schema.MemoryChoices, choices)


class _Questions(NamedTuple):
    """What a replicate is asked, and the statements that memories may hold."""

    coded: Sequences
    tuning: "TuningQuestions"
    statements: Sequences
    facts: np.ndarray  # (statements,) fact of each
    pruned: np.ndarray  # (statements,) bool: the corpus pruned by loss states its fact no more
    probes: np.ndarray  # (questions of all facts,) fact of those that are stated, else -1
    n_facts: int


def _questions(
    options: Settings, world: WorldFolder, facts: pd.DataFrame, seed: int, replicate: int
) -> _Questions:
    of_replicate = facts_of(facts, world, replicate)
    lines = distinct_statements(world.corpus(replicate))
    stated = np.array([line["fact_id"] for line in lines])
    left = of_replicate.set_index("fact")["count_loss"].reindex(stated)
    return _Questions(
        coded=world.encode(world.sampled_probes(replicate, options.memory.facts)),
        tuning=tuning_questions(options, world, of_replicate, seed, replicate),
        statements=world.encode(lines),
        facts=stated,
        pruned=left.to_numpy() == 0,
        probes=np.array([_stated_fact(line) for line in world.probes(replicate)]),
        n_facts=int(of_replicate["fact"].max()) + 1,
    )


def _stated_fact(line: Line) -> int:
    return line["fact_id"] if line["part"] == STATED else -1


def _select(
    questions: _Questions, losses: np.ndarray, variant: str, world: str, seed: int, replicate: int
) -> dict[MemoryCell, np.ndarray]:
    """Which statements each memory beside a network holds, (statements,) bool.

    Args:
        questions: statements, and the facts that they state.
        losses: (questions of all facts,) nats under the network.
        variant: corpus of the network.
        world: name of the world.
        seed: of random memories.
        replicate: of the world.
    """
    of_facts = fact_losses(losses, questions.probes, questions.n_facts)
    cells = [MemoryCell(variant, plan.NOTHING.name), *plan.memory_cells()]
    masks = {}
    for cell in [cell for cell in cells if cell.variant == variant]:
        rng = generator(seed, "chain", "memory", world, cell.content, replicate)
        statements = Statements(questions.pruned, of_facts[questions.facts], rng)
        masks[cell] = plan.CONTENTS[cell.content].select(statements)
    return masks


def _retrieve(
    options: Settings,
    questions: _Questions,
    network: TrainedNetwork,
    masks: Mapping[MemoryCell, np.ndarray],
    queries: AnswerTokens,
    device: str,
) -> dict[MemoryCell, Retrieval]:
    """The neighbors of every question in every memory, by one pass over the statements in parts.

    Args:
        options: config section of the chain.
        questions: the statements.
        network: that embeds them.
        masks: (statements,) bool by memory.
        queries: answer tokens of the questions.
        device: where the engine `torch` searches.
    """
    retrievals = dict.fromkeys(masks, memory.no_retrieval(queries))
    for part in network.parts(questions.statements, options.memory.part):
        for cell, mask in masks.items():
            entries = part.pick(mask[part.items])
            if cell.bits != 32 and len(entries.targets):
                entries = memory.compact(entries)
            retrievals[cell] = memory.extended(
                retrievals[cell], options.memory, entries, queries, device
            )
    return retrievals


def _sizes(
    cell: MemoryCell, setting: MemorySetting, entries: int, network: TrainedNetwork
) -> dict[str, float]:
    """The memory's setting, its entries, and what it and the weights take."""
    width = network.head().shape[1]
    return {
        "k": setting.k,
        "bandwidth": float(setting.bandwidth),
        "reach": float(setting.reach),
        "entries": entries,
        "weights_bytes": FLOAT_BYTES * network.parameters,
        "memory_bytes": entries * (width * cell.bits // 8 + lookups.ID_BYTES),
    }


def facts_of(facts: pd.DataFrame, world: WorldFolder, replicate: int) -> pd.DataFrame:
    """Rows of the table ChainFacts about one replicate of a world."""
    return facts[(facts["world"] == world.name) & (facts["replicate"] == replicate)]


class TuningQuestions(NamedTuple):
    """Numbers of the questions that settings are tuned on."""

    facts: np.ndarray  # of some facts that the corpus states
    others: np.ndarray  # masks-out text without facts


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
    sampled = {line["fact_id"] for line in probes if line["fact_id"] >= 0}
    present = facts.loc[facts["fact"].isin(sampled) & (facts["count"] > 0), "fact"].to_numpy()
    rng = generator(seed, "chain", "tuned", world.name, replicate)
    count = max(1, round(options.memory.tuning_share * len(present)))
    chosen = set(rng.permutation(present)[:count].tolist())
    of_facts = [number for number, line in enumerate(probes) if line["fact_id"] in chosen]
    others = [number for number, line in enumerate(probes) if line["part"] == TUNING]
    return TuningQuestions(np.array(of_facts, int), np.array(others, int))
