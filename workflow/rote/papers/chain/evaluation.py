"""What networks and memories know: accuracies, information gained, correlations with counts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from rote.core import tables
from rote.core.arrays import load
from rote.core.job import track
from rote.papers.chain import memory, plan, schema
from rote.papers.chain.documents import Line
from rote.papers.chain.embeddings import WorldEmbeddings
from rote.papers.chain.generated import RULES
from rote.papers.chain.memory import LineAnswers
from rote.papers.chain.plan import NOTHING, MemoryCell
from rote.papers.chain.residuals import Residuals, facts_of, tuning_questions
from rote.papers.chain.settings import Settings
from rote.papers.chain.worlds import WorldFolder, open_world

MIN_ITEMS = 3  # of a correlation
DECILES = 10


class EvaluationInputs(NamedTuple):
    """What earlier steps made."""

    worlds: Path  # folder with a folder per world
    embeddings: Path  # folder with <world>-<width>.safetensors
    residuals: Path  # folder with <world>.safetensors and <world>.parquet
    facts: pd.DataFrame  # table ChainFacts
    counts: pd.DataFrame  # table ChainPairCounts


def evaluate(options: Settings, inputs: EvaluationInputs, seed: int) -> dict[str, pd.DataFrame]:
    """All networks alone, and those of the base width with their memories; tables by name."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for spec in plan.stacks(options):
        world = open_world(inputs.worlds / spec.world)
        embeddings = WorldEmbeddings(load(inputs.embeddings / f"{spec.name}.safetensors"))
        counts = inputs.counts[inputs.counts["world"] == world.name]
        networks, correlations = evaluate_networks(options, world, embeddings, spec.width, counts)
        frames = {"networks": networks, "spearman": correlations}
        if spec.width == plan.base_width(options):
            residuals = Residuals(
                load(inputs.residuals / f"{world.name}.safetensors"),
                tables.read(inputs.residuals / f"{world.name}.parquet"),
            )
            frames |= evaluate_memories(options, world, inputs.facts, embeddings, residuals, seed)
        for name, frame in frames.items():
            parts.setdefault(name, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def _probe_frame(probes: list[Line]) -> pd.DataFrame:
    """The questions: columns fact, kind and part."""
    return pd.DataFrame(
        {
            "fact": [line["fact_id"] for line in probes],
            "kind": [line["kind"] for line in probes],
            "part": [line["part"] for line in probes],
        }
    )


def _with_answers(probes: pd.DataFrame, answers: LineAnswers) -> pd.DataFrame:
    """Questions with the columns exact, losses and token_accuracy."""
    return probes.assign(**answers._asdict())


# ---- networks alone


def evaluate_networks(
    options: Settings,
    world: WorldFolder,
    embeddings: WorldEmbeddings,
    width: int,
    counts: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The networks of one width: rows of the tables NetworkScores and CountCorrelations.

    Args:
        options: config section of the chain.
        world: whose questions are put.
        embeddings: hidden states of its networks of this width.
        width: of the networks; 0 is the user's model.
        counts: rows of the table ChainPairCounts about this world.
    """
    networks = []
    correlations = []
    for variant, replicate in plan.members(options, world.name, width):
        names = {"world": world.name, "width": width, "variant": variant, "replicate": replicate}
        probes, facts = world.probes(replicate), world.facts(replicate)
        head, queries = embeddings.head(variant, replicate), embeddings.probes(variant, replicate)
        answers = memory.answer(queries, len(probes), head)
        answered = _with_answers(_probe_frame(probes), answers)
        present = set(facts.loc[facts["count"] > 0, "fact"])
        of_facts = answered[answered["fact"].isin(present)]
        networks.append(
            names
            | {
                "load": world.load,
                "parameters": embeddings.parameters,
                "stored": information_gained(of_facts, float(facts["bits"].iloc[0])),
                "facts": float(of_facts["exact"].mean()),
                "rules": rule_accuracies(answered).mean(),
            }
        )
        unpruned = counts[counts["replicate"] == replicate]
        unpruned = unpruned[unpruned["corpus"] == plan.UNPRUNED.name]
        for correlation in count_correlations(answered, unpruned, present):
            correlations.append(names | correlation)
    return (
        tables.frame(schema.NetworkScores, networks),
        tables.frame(schema.CountCorrelations, correlations),
    )


def information_gained(answered: pd.DataFrame, bits: float) -> float:
    """H − mean loss over a fact's questions, where positive, summed over facts, in bits."""
    losses = answered.groupby("fact")["losses"].mean().to_numpy() / np.log(2)
    return float(np.maximum(bits - losses, 0).sum())


def rule_accuracies(answered: pd.DataFrame) -> pd.Series:
    """Accuracy on held-out items by rule; of text without answers, the share of tokens."""
    test = answered[answered["part"] == "test"]
    has_answer = test["kind"].isin(list(RULES))
    accuracy = np.where(has_answer, test["exact"].astype(float), test["token_accuracy"])
    return test.assign(accuracy=accuracy).groupby("kind")["accuracy"].mean()


def count_correlations(
    answered: pd.DataFrame, counts: pd.DataFrame, present: set[int]
) -> Iterator[dict[str, Any]]:
    """Rank correlations of log-probabilities with log counts: columns kind, rho, items.

    Log-probabilities of answers against log shares of documents with their pairs. A key has one
    value, so that P(value | key) by counts is 1 throughout: the joint share is taken. Items of
    which a pair never occurs are left out.

    Args:
        counts: rows of the table ChainPairCounts about this corpus.
        present: facts that the corpus states.
    """
    of_facts = answered[answered["fact"].isin(present)]
    test = answered[answered["part"] == "test"]
    log_probabilities = {"fact": -of_facts.groupby("fact")["losses"].mean()}
    log_probabilities |= {rule: -test.loc[test["kind"] == rule, "losses"] for rule in RULES}
    for kind, of_model in log_probabilities.items():
        of_corpus = _log_shares(counts[counts["kind"] == kind])
        items = pd.concat([of_model.rename("model"), of_corpus], axis=1, join="inner").dropna()
        if len(items) >= MIN_ITEMS and (items.nunique() > 1).all():
            rho = float(stats.spearmanr(items["model"], items["counts"]).statistic)
            yield {"kind": kind, "rho": rho, "items": len(items)}


def _log_shares(counts: pd.DataFrame) -> pd.Series:
    """Log shares of documents with a pair, summed over the pairs of an item, where all occur."""
    occurring = counts[counts["documents"] > 0]
    log_shares = np.log(occurring["documents"] / occurring["total"])
    by_item = log_shares.groupby(occurring["item"]).agg(["sum", "size"])
    n_pairs = counts.groupby("item").size().reindex(by_item.index)
    return by_item.loc[by_item["size"] == n_pairs, "sum"].rename("counts")


# ---- networks with memories


def evaluate_memories(
    options: Settings,
    world: WorldFolder,
    facts: pd.DataFrame,
    embeddings: WorldEmbeddings,
    residuals: Residuals,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Every network alone and with each memory: rows of the tables accuracy, deciles and rules.

    Args:
        options: config section of the chain.
        world: whose questions are put.
        facts: table ChainFacts.
        embeddings: hidden states of its networks of the base width.
        residuals: the world's memories.
        seed: of the run; it fixes the questions that settings were tuned on.
    """
    accuracy = []
    deciles = []
    rules = []
    variants = plan.variants_of(options, world.name, plan.base_width(options))
    cells = [*(MemoryCell(variant, NOTHING.name) for variant in variants), *plan.CELLS]
    for replicate in track(range(options.world.replicates), f"{world.name}: evaluation"):
        of_replicate = facts_of(facts, world, replicate)
        tuning = tuning_questions(options, world, of_replicate, seed, replicate)
        probes = _tested(_probe_frame(world.probes(replicate)), of_replicate, tuning.facts)
        bits = float(of_replicate["bits"].iloc[0])
        for cell in cells:
            names = {"world": world.name, "variant": cell.variant, "memory": cell.content}
            names["replicate"] = replicate
            answers = _answers(cell, replicate, len(probes), embeddings, residuals)
            answered = _with_answers(probes, answers)
            tested = answered[answered["tested"]]
            by_rule = rule_accuracies(answered)
            accuracy.append(
                names
                | {"load": world.load}
                | _sizes(cell, replicate, embeddings, residuals)
                | {
                    "facts": float(tested["exact"].mean()),
                    "kept_facts": float(tested.loc[tested["remains"], "exact"].mean()),
                    "pruned_facts": float(tested.loc[~tested["remains"], "exact"].mean()),
                    "rules": by_rule.mean(),
                    "recalled": information_gained(tested, bits),
                }
            )
            deciles += [names | decile for decile in _decile_accuracies(tested)]
            rules += [names | {"rule": rule, "accuracy": a} for rule, a in by_rule.items()]
    return {
        "accuracy": tables.frame(schema.CellAccuracy, accuracy),
        "deciles": tables.frame(schema.DecileAccuracy, deciles),
        "rules": tables.frame(schema.RuleAccuracy, rules),
    }


def _tested(probes: pd.DataFrame, facts: pd.DataFrame, tuned: np.ndarray) -> pd.DataFrame:
    """Questions with the columns count, remains and tested.

    count: statements of the fact in the unpruned corpus; remains: whether pruning by loss keeps
    any; tested: it is stated, and no setting was tuned on it.

    Args:
        facts: rows of the table ChainFacts about this replicate.
        tuned: numbers of the questions that settings were tuned on.
    """
    by_fact = facts.set_index("fact")
    count = probes["fact"].map(by_fact["count"]).fillna(0)
    remains = probes["fact"].map(by_fact["count_loss"]).fillna(0) > 0
    tested = (count > 0) & ~probes.index.isin(tuned)
    return probes.assign(count=count, remains=remains, tested=tested)


def _answers(
    cell: MemoryCell,
    replicate: int,
    n_lines: int,
    embeddings: WorldEmbeddings,
    residuals: Residuals,
) -> LineAnswers:
    queries = embeddings.probes(cell.variant, replicate)
    head = embeddings.head(cell.variant, replicate)
    if not cell.has_memory:
        return memory.answer(queries, n_lines, head)
    retrieval = residuals.retrieval(cell, replicate, embeddings)
    setting = residuals.setting(cell, replicate)
    return memory.answer(queries, n_lines, head, retrieval, setting)


def _sizes(
    cell: MemoryCell, replicate: int, embeddings: WorldEmbeddings, residuals: Residuals
) -> dict[str, float]:
    """The memory's setting, its entries, and what it and the weights take."""
    setting, entries = memory.NO_MEMORY, 0
    if cell.has_memory:
        setting = residuals.setting(cell, replicate)
        entries = int(residuals.choice(cell, replicate)["entries"])
    width = embeddings.probes(cell.variant, replicate).features.shape[1]
    return {
        "k": setting.k,
        "bandwidth": setting.bandwidth,
        "temperature": setting.temperature,
        "entries": entries,
        "weights_bytes": 4 * embeddings.parameters,
        "memory_bytes": entries * (4 * width + 4),
    }


def _decile_accuracies(tested: pd.DataFrame) -> list[dict[str, float]]:
    """Columns decile and accuracy, the rarest facts first; fewer than ten facts make fewer."""
    by_fact = tested.groupby("fact").agg(count=("count", "first"), accuracy=("exact", "mean"))
    ordered = by_fact.sort_values("count", kind="stable")["accuracy"].to_numpy()
    parts = np.array_split(ordered, DECILES)
    return [
        {"decile": number, "accuracy": float(part.mean())}
        for number, part in enumerate(parts, 1)
        if len(part)
    ]
