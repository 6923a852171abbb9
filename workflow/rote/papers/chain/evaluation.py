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
from rote.papers.chain import lookups, plan, schema
from rote.papers.chain.documents import (
    PARAPHRASE,
    STATED,
    TEST,
    Line,
    distinct_statements,
)
from rote.papers.chain.generated import RULES
from rote.papers.chain.memory import LineAnswers
from rote.papers.chain.plan import (
    ALL,
    COMPARED,
    FACT,
    LOOKUPS,
    PRUNED,
    NetworkMember,
    StackSpec,
)
from rote.papers.chain.residuals import Residuals, facts_of, tuning_questions
from rote.papers.chain.settings import Settings
from rote.papers.chain.training import Trained
from rote.papers.chain.worlds import WorldFolder, open_world

MIN_ITEMS = 10  # of a correlation
DECILES = 10
STEP_OF_COUNTS = 0.5  # width of a class of log counts in which facts and phrases are as many
OPERATIONS = 6  # of a training per parameter and token: forward and backward


class EvaluationInputs(NamedTuple):
    """What earlier steps made."""

    worlds: Path  # folder with a folder per world
    unpruned: Path  # folder with <world>-<width>.safetensors: networks on everything
    models: Path  # the same of networks on pruned corpora
    residuals: Path  # folder with <world>.safetensors and <world>.parquet
    facts: pd.DataFrame  # table ChainFacts
    counts: pd.DataFrame  # table ChainPairCounts


def evaluate(options: Settings, inputs: EvaluationInputs, seed: int) -> dict[str, pd.DataFrame]:
    """All networks alone, and those of the first width with their memories; tables by name."""
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in plan.EVALUATION_TABLES}
    pruned = plan.pruned_stacks(options)
    for spec in plan.stacks(options):
        world = open_world(inputs.worlds / spec.world)
        trained = [Trained(load(inputs.unpruned / f"{spec.name}.safetensors"))]
        if spec in pruned:
            trained.append(Trained(load(inputs.models / f"{spec.name}.safetensors")))
        frames = evaluate_networks(options, world, spec, trained, inputs.counts)
        for name, frame in frames.items():
            parts[name].append(frame)
    for world_spec in plan.worlds(options):
        world = open_world(inputs.worlds / world_spec.name)
        residuals = Residuals(
            load(inputs.residuals / f"{world.name}.safetensors"),
            tables.read(inputs.residuals / f"{world.name}.parquet"),
        )
        frames = evaluate_memories(options, world, inputs.facts, residuals, seed)
        for name, frame in frames.items():
            parts[name].append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def _questions(probes: list[Line], answers: LineAnswers) -> pd.DataFrame:
    """The questions, and how they were answered.

    Columns fact, kind, part, tokens, exact, losses and token_accuracy.
    """
    frame = pd.DataFrame(
        {
            "fact": [line["fact_id"] for line in probes],
            "kind": [line["kind"] for line in probes],
            "part": [line["part"] for line in probes],
        }
    )
    return frame.assign(**answers._asdict())


def _share(of_facts: pd.DataFrame, part: str) -> float:
    """Accuracy over questions of a part, NaN if there are none."""
    return float(of_facts.loc[of_facts["part"] == part, "exact"].mean())


# ---- networks alone


def evaluate_networks(
    options: Settings,
    world: WorldFolder,
    spec: StackSpec,
    trained: list[Trained],
    counts: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """The networks of one world and width: the tables NetworkScores and CountCorrelations.

    Args:
        options: config section of the chain.
        world: whose questions are put.
        spec: the stack.
        trained: networks on the unpruned corpora, and, of some widths, on the pruned ones.
        counts: table ChainPairCounts.
    """
    scores = []
    correlations = []
    counts = counts[counts["world"] == world.name]
    tokens = options.network.batch * world.length
    for replicate in range(options.world.replicates):
        probes, facts = world.probes(replicate), world.facts(replicate)
        bits = float(facts["bits"].iloc[0])
        for steps in plan.steps_of(options, spec.width):
            variants = [plan.UNPRUNED.name]
            if len(trained) > 1:
                variants += plan.pruned_variants(options, spec.width, steps)
            for variant in variants:
                of_variant = trained[variant != plan.UNPRUNED.name]
                answered = _questions(probes, _answers_alone(of_variant, steps, variant, replicate))
                of_facts = answered[answered["fact"] >= 0]
                by_rule = _rules(answered)["accuracy"]
                names = {"world": world.name, "width": spec.width, "variant": variant}
                names["replicate"] = replicate
                scoring = {plan.UNPRUNED.name: 0, plan.EARLY.name: options.network.steps[0]}
                trained_for = steps + scoring.get(variant, steps)
                scores.append(
                    names
                    | {
                        "steps": steps,
                        "parameters": of_variant.parameters,
                        "operations": trained_for * tokens * OPERATIONS * of_variant.parameters,
                        "information": bits * int((facts["count"] > 0).sum()),
                        "stored": information_gained(of_facts, bits),
                        "facts": _share(of_facts, PARAPHRASE),
                        "verbatim": _share(of_facts, STATED),
                        "phrases": by_rule.get(COMPARED, np.nan),
                    }
                )
                if steps == plan.plateau_steps(options):
                    of_replicate = counts[counts["replicate"] == replicate]
                    rng = np.random.default_rng(replicate)
                    correlations += [
                        names | row for row in count_correlations(answered, of_replicate, rng)
                    ]
    return {
        "networks": tables.frame(schema.NetworkScores, scores),
        "spearman": tables.frame(schema.CountCorrelations, correlations),
    }


def _answers_alone(trained: Trained, steps: int, variant: str, replicate: int) -> LineAnswers:
    member = NetworkMember(variant, replicate)
    return LineAnswers(
        exact=trained.exact(steps, member),
        losses=trained.losses(steps, member),
        token_accuracy=trained.token_accuracy(steps, member),
    )


def information_gained(of_facts: pd.DataFrame, bits: float) -> float:
    """H − loss of a fact's statement, where positive, summed over facts, in bits.

    Args:
        of_facts: questions about facts, with the columns part and losses.
        bits: H of a fact.
    """
    losses = of_facts.loc[of_facts["part"] == STATED, "losses"].to_numpy() / np.log(2)
    return float(np.maximum(bits - losses, 0).sum())


def _rules(answered: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on held-out items and their number by rule; of text, the share of tokens."""
    test = answered[answered["part"] == TEST]
    has_answer = test["kind"].isin(list(RULES))
    accuracy = np.where(has_answer, test["exact"].astype(float), test["token_accuracy"])
    by_rule = test.assign(accuracy=accuracy).groupby("kind")["accuracy"]
    return by_rule.agg(accuracy="mean", items="size")


def count_correlations(
    answered: pd.DataFrame, counts: pd.DataFrame, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Rank correlations of log-probabilities with log counts: columns kind, rho, spread, items.

    Log-probabilities of answers against log shares of documents with their pairs. A key has one
    value, so that P(value | key) by counts is 1 throughout: the joint share is taken. Items of
    which a pair never occurs are left out, and of facts and phrases as many in every class of log
    counts about their median, so that both spread alike.

    Args:
        answered: questions with their losses.
        counts: rows of the table ChainPairCounts about this corpus.
        rng: of the items that are left out.
    """
    of_facts = answered[answered["part"] == PARAPHRASE]
    test = answered[answered["part"] == TEST]
    log_probabilities = {FACT: -of_facts.set_index("fact")["losses"]}
    log_probabilities |= {rule: -test.loc[test["kind"] == rule, "losses"] for rule in RULES}
    items = {}
    for kind, of_model in log_probabilities.items():
        of_corpus = _log_shares(counts[counts["kind"] == kind])
        both = pd.concat([of_model.rename("model"), of_corpus], axis=1, join="inner").dropna()
        items[kind] = both.assign(counts=both["counts"] - both["counts"].median())
    if len(items[FACT]) and len(items[COMPARED]):
        items |= _matched({kind: items[kind] for kind in (FACT, COMPARED)}, rng)
    for kind, rows in items.items():
        if len(rows) >= MIN_ITEMS and (rows.nunique() > 1).all():
            rho = float(stats.spearmanr(rows["model"], rows["counts"]).statistic)
            spread = float(rows["counts"].std())
            yield {"kind": kind, "rho": rho, "spread": spread, "items": len(rows)}


def _matched(items: dict[str, pd.DataFrame], rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """As many items of each kind in every class of log counts."""
    classes = {kind: (rows["counts"] / STEP_OF_COUNTS).round() for kind, rows in items.items()}
    sizes = pd.concat([column.value_counts() for column in classes.values()], axis=1).fillna(0)
    smallest = sizes.min(axis=1).astype(int)
    matched = {}
    for kind, rows in items.items():
        order = rng.permutation(len(rows))
        shuffled, of_rows = rows.iloc[order], classes[kind].iloc[order]
        rank = of_rows.groupby(of_rows).cumcount()
        matched[kind] = shuffled[rank < of_rows.map(smallest)]
    return matched


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
    residuals: Residuals,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Every network with each memory, and statements alone: the tables about them, by name.

    Args:
        options: config section of the chain.
        world: whose questions are put.
        facts: table ChainFacts.
        residuals: what its networks of the first width answer with every memory.
        seed: of the run; it fixes the questions that settings were tuned on.
    """
    rows: dict[str, list[dict]] = {"accuracy": [], "deciles": [], "rules": [], "lookups": []}
    for replicate in track(range(options.world.replicates), f"{world.name}: evaluation"):
        of_replicate = facts_of(facts, world, replicate)
        tuning = tuning_questions(options, world, of_replicate, seed, replicate)
        probes = world.sampled_probes(replicate, options.memory.facts)
        tuned = set(tuning.facts.tolist())
        for cell in [*plan.NETWORKS_ALONE, *plan.memory_cells()]:
            names = {"world": world.name, "variant": cell.variant, "memory": cell.content}
            names["replicate"] = replicate
            answers = residuals.answers(cell, replicate)
            answered = _with_counts(_questions(probes, answers), of_replicate, tuned)
            sizes = residuals.choice(cell, replicate)
            rows["accuracy"].append(names | sizes | _accuracies(answered) | _other_loss(answered))
            if cell.bits == 32:
                rows["deciles"] += [names | decile for decile in _decile_accuracies(answered)]
                by_rule = _rules(answered).rename_axis("rule").reset_index()
                rows["rules"] += [names | row for row in by_rule.to_dict("records")]
        names = {"world": world.name, "replicate": replicate}
        for row in _looked_up(world, probes, of_replicate, tuned):
            rows["lookups"].append(names | row)
    return {name: tables.frame(schema.TABLES[name], of_name) for name, of_name in rows.items()}


def _with_counts(answered: pd.DataFrame, facts: pd.DataFrame, tuned: set[int]) -> pd.DataFrame:
    """Questions that no setting was tuned on, with the columns count and remains.

    count: statements of the fact in the unpruned corpus; remains: whether pruning by loss keeps
    any.

    Args:
        facts: rows of the table ChainFacts about this replicate.
        tuned: numbers of the questions that settings were tuned on.
    """
    by_fact = facts.set_index("fact")
    count = answered["fact"].map(by_fact["count"]).fillna(0)
    remains = answered["fact"].map(by_fact["count_loss"]).fillna(0) > 0
    answered = answered.assign(count=count, remains=remains)
    return answered[~answered.index.isin(tuned)]


def _accuracies(answered: pd.DataFrame) -> dict[str, float]:
    """Columns facts, verbatim, kept_facts, pruned_facts and rules, of questions with `remains`."""
    of_facts = answered[answered["fact"] >= 0]
    return {
        "facts": _share(of_facts, PARAPHRASE),
        "verbatim": _share(of_facts, STATED),
        "kept_facts": _share(of_facts[of_facts["remains"]], PARAPHRASE),
        "pruned_facts": _share(of_facts[~of_facts["remains"]], PARAPHRASE),
        "rules": _rules(answered)["accuracy"].mean(),
    }


def _other_loss(answered: pd.DataFrame) -> dict[str, float]:
    """Column other_loss: nats of an item of held-out text, mean over items."""
    test = answered[answered["part"] == TEST]
    return {"other_loss": float(test["losses"].mean())}


def _decile_accuracies(answered: pd.DataFrame) -> list[dict[str, float]]:
    """Columns decile and accuracy, the rarest facts first; fewer than ten facts make fewer."""
    paraphrased = answered[answered["part"] == PARAPHRASE]
    ordered = paraphrased.sort_values("count", kind="stable")["exact"].to_numpy(float)
    parts = np.array_split(ordered, DECILES)
    return [
        {"decile": number, "accuracy": float(part.mean())}
        for number, part in enumerate(parts, 1)
        if len(part)
    ]


def _looked_up(
    world: WorldFolder, probes: list[Line], facts: pd.DataFrame, tuned: set[int]
) -> Iterator[dict[str, Any]]:
    """Rows of the table LookupAccuracy, without the names of world and replicate."""
    lines = distinct_statements(world.corpus(int(facts["replicate"].iloc[0])))
    lost = set(facts.loc[facts["count_loss"] == 0, "fact"])
    stored = {ALL.name: lines, PRUNED.name: [line for line in lines if line["fact_id"] in lost]}
    questions = world.encode(probes)
    for content, of_content in stored.items():
        if not of_content:
            continue
        statements = world.encode(of_content)
        for method in LOOKUPS:
            answers = lookups.answer(method, statements, questions)
            answered = _with_counts(_questions(probes, answers), facts, tuned)
            names = {"method": method, "memory": content}
            names["memory_bytes"] = lookups.bytes_of(statements)
            accuracies = _accuracies(answered)
            yield names | {name: accuracies[name] for name in ("facts", "verbatim", "rules")}
