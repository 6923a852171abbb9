"""Memories of residuals, pair counts, and what networks and memories know: the later steps, one
function per rule.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rote import ngrams
from rote.core.job import track
from rote.core.seeds import generator
from rote.neighbors import Neighbors
from rote.papers.chain import memory, settings, world
from rote.papers.chain.experiment import Arrays, World, names_of, rows, variants_of
from rote.papers.chain.memory import Answers, Rows
from rote.papers.chain.pruning import VARIANTS
from rote.papers.chain.world import RULES, Line
from rote.resmem import Setting

# ---- memories
# --------------------------------------------------------------------------------------------------------


def fit_residuals(
    options: settings.Settings,
    here: World,
    facts: pd.DataFrame,
    found: Arrays,
    seed: int,
    device: str = "cpu",
) -> tuple[Arrays, pd.DataFrame]:
    """Neighbors of every question in every memory, and the settings tuned on some of the facts and
    rule items.
    """
    out, chosen = {}, []
    for replicate in track(range(options.world.replicates), f"{here.name}: memories"):
        known = facts[(facts["world"] == here.name) & (facts["replicate"] == replicate)]
        kept = {
            "random": set(known.loc[known["random"] > 0, "fact"]),
            "loss": set(known.loc[known["kept"] > 0, "fact"]),
        }
        kept["none"] = set(known.loc[known["count"] > 0, "fact"])
        statements = np.array(
            [line["fact_id"] for line in world.statements(here.lines("corpus", replicate))]
        )
        probes = here.lines("probes", replicate)
        for_facts, for_rules = tuning_rows(options, here, known, probes, seed, replicate)
        for variant, kind in memory.CELLS:
            key = f"{variant}/{kind}/{replicate}"
            rng = generator(seed, "chain", "memory", here.name, kind, replicate)
            mask = memory.held(kind, statements, kept, variant, rng)
            whole, queries = (
                rows(found, variant, replicate, part) for part in ("statements", "probes")
            )
            keep = mask[whole.items]
            some = Rows(*(part[keep] for part in whole))
            near = memory.neighbors(options.memory, some, queries, device)
            head = found[f"{variant}/{replicate}/head"]
            in_rows = [
                np.flatnonzero(np.isin(queries.items, items)) for items in (for_facts, for_rules)
            ]
            setting = memory.tune(options.memory, near, some, head, queries, *in_rows)
            out |= {
                f"{key}/distances": near.distances,
                f"{key}/rows": near.rows,
                f"{key}/held": np.flatnonzero(keep),
            }
            width = -1.0 if np.isinf(setting.bandwidth) else float(setting.bandwidth)
            chosen.append(
                (variant, kind, replicate, setting.k, width, setting.temperature, len(some.targets))
            )
    columns = ["variant", "memory", "replicate", "k", "bandwidth", "temperature", "entries"]
    return out, pd.DataFrame(chosen, columns=columns)


def tuning_rows(
    options: settings.Settings,
    here: World,
    facts: pd.DataFrame,
    probes: list[Line],
    seed: int,
    replicate: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the questions to tune on: those of some facts that the corpus states, and held-out
    rule items.
    """
    present = facts.loc[facts["count"] > 0, "fact"].to_numpy()
    tuned = set(memory.tuned_on(present, options.memory.tuned, seed, here.name, replicate).tolist())
    for_facts = [at for at, line in enumerate(probes) if line["fact_id"] in tuned]
    for_rules = [at for at, line in enumerate(probes) if line["part"] == "valid"]
    return np.array(for_facts, int), np.array(for_rules, int)


# ---- count
# -----------------------------------------------------------------------------------------------------------


def count(options: settings.Settings, here: World, pruned: Path, scratch: Path) -> pd.DataFrame:
    """Documents with key and value of every fact, and with the words of every held-out rule item,
    in every corpus.
    """
    parts = []
    for replicate in range(options.world.replicates):
        known, probes = here.facts(replicate), here.lines("probes", replicate)
        items = [("fact", int(row.fact), 0, row.key, row.value) for row in known.itertuples()]
        for line in probes:
            if line["part"] == "test":
                items += [
                    (line["kind"], line["id"], n, *pair)
                    for n, pair in enumerate(line.get("pairs", []))
                ]
        for variant in VARIANTS:
            source = here.folder / f"corpus-{replicate}.jsonl"
            source = source if variant == "none" else pruned / f"{variant}-{replicate}.jsonl"
            counted = ngrams.tokenize(
                source, scratch / f"{here.name}-{variant}-{replicate}", strict=True
            )
            pairs = [item[3:] for item in items]
            wanted = ngrams.queries(
                counted, pairs=pairs, singles=[gram for pair in pairs for gram in pair]
            )
            numbers = ngrams.scan(counted, wanted)
            single = np.where(wanted.singles >= 0, numbers.documents[wanted.singles], 0).reshape(
                -1, 2
            )
            frame = pd.DataFrame([item[:3] for item in items], columns=["kind", "item", "pair"])
            frame = frame.assign(
                both=numbers.pairs, first=single[:, 0], second=single[:, 1], total=counted.documents
            )
            parts.append(frame.assign(world=here.name, replicate=replicate, corpus=variant))
    columns = [
        "world",
        "replicate",
        "corpus",
        "kind",
        "item",
        "pair",
        "both",
        "first",
        "second",
        "total",
    ]
    return pd.concat(parts, ignore_index=True)[columns]


# ---- evaluate
# --------------------------------------------------------------------------------------------------------


def evaluate_width(
    options: settings.Settings, here: World, found: Arrays, width: int, counts: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the tables Networks and Spearman for the networks of one width."""
    networks, correlations = [], []
    for variant, replicate in names_of(options, here, width):
        probes, known = here.lines("probes", replicate), here.facts(replicate)
        head = found[f"{variant}/{replicate}/head"]
        alone = memory.answers(
            None,
            None,
            head,
            rows(found, variant, replicate, "probes"),
            len(probes),
            Setting(0, np.inf, 1.0),
        )
        asked = pd.DataFrame(
            {
                "fact": [line["fact_id"] for line in probes],
                "kind": [line["kind"] for line in probes],
                "part": [line["part"] for line in probes],
                "exact": alone.exact,
                "loss": alone.losses,
                "right": alone.rights,
            }
        )
        present = set(known.loc[known["count"] > 0, "fact"])
        of_facts = asked[asked["fact"].isin(present)]
        bits = float(known["bits"].iloc[0])
        networks.append(
            (
                here.name,
                here.load,
                width,
                variant,
                replicate,
                int(found["parameters"][0]),
                len(present),
                _gained(of_facts, bits),
                float(of_facts["exact"].mean()),
                _rules(asked)["accuracy"].mean(),
            )
        )
        total = counts[(counts["replicate"] == replicate) & (counts["corpus"] == "none")]
        correlations += [
            (here.name, width, variant, replicate, kind, rho, n)
            for kind, rho, n in _spearman(asked, total, present)
        ]
    columns = [
        "world",
        "load",
        "width",
        "variant",
        "replicate",
        "parameters",
        "present",
        "stored",
        "facts",
        "rules",
    ]
    names = ["world", "width", "variant", "replicate", "kind", "rho", "items"]
    return pd.DataFrame(networks, columns=columns), pd.DataFrame(correlations, columns=names)


def _gained(asked: pd.DataFrame, bits: float) -> float:
    """Information gained on facts: H − mean loss over a fact's questions, where positive, summed."""
    losses = asked.groupby("fact")["loss"].mean().to_numpy() / np.log(2)
    return float(np.maximum(bits - losses, 0).sum())


def _rules(asked: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on held-out items by rule; of text without answers, the share of tokens."""
    test = asked[asked["part"] == "test"]
    value = np.where(test["kind"].isin(RULES), test["exact"].astype(float), test["right"])
    return test.assign(accuracy=value).groupby("kind", as_index=False)["accuracy"].mean()


def _spearman(asked: pd.DataFrame, counts: pd.DataFrame, present: set[int]):
    """(kind, ρ, items): log-probabilities of answers against log shares of documents with their
    pairs.

    A key has one value, so that P(value | key) by counts is 1 throughout: the joint share is taken.
    Items of which a pair never occurs are left out.
    """
    of_facts = asked[asked["fact"].isin(present)]
    chances = {"fact": -of_facts.groupby("fact")["loss"].mean()}
    for rule in RULES:
        test = asked[(asked["kind"] == rule) & (asked["part"] == "test")]
        chances[rule] = -test["loss"]
    for kind, logprob in chances.items():
        some = counts[(counts["kind"] == kind) & (counts["both"] > 0)]
        whole = counts[counts["kind"] == kind].groupby("item").size()
        by_item = np.log(some["both"] / some["total"]).groupby(some["item"]).agg(["sum", "size"])
        by_item = by_item[by_item["size"] == whole.reindex(by_item.index)]["sum"]
        both = pd.concat(
            [logprob.rename("model"), by_item.rename("counts")], axis=1, join="inner"
        ).dropna()
        if len(both) >= 3 and both["model"].nunique() > 1 and both["counts"].nunique() > 1:
            yield kind, float(stats.spearmanr(both["model"], both["counts"]).statistic), len(both)


def evaluate_memories(
    options: settings.Settings,
    here: World,
    facts: pd.DataFrame,
    found: Arrays,
    near: Arrays,
    choices: pd.DataFrame,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Rows of the tables Accuracy, Deciles and Rules: every network alone, and with each of its
    memories.
    """
    accuracy, deciles, rules = [], [], []
    for replicate in track(range(options.world.replicates), f"{here.name}: evaluation"):
        probes = here.lines("probes", replicate)
        known = facts[(facts["world"] == here.name) & (facts["replicate"] == replicate)]
        tuned = {
            probes[at]["fact_id"]
            for at in tuning_rows(options, here, known, probes, seed, replicate)[0]
        }
        asked = _asked(probes, known, tuned)
        bits = float(known["bits"].iloc[0])
        variants = variants_of(options, here.name, options.network.width)
        cells = [(variant, "nothing") for variant in variants] + memory.CELLS
        for variant, kind in cells:
            answered, c = _answers(found, near, choices, variant, kind, replicate, len(probes))
            table = asked.assign(exact=answered.exact, loss=answered.losses, right=answered.rights)
            tested = table[table["tested"]]
            by_rule = _rules(table)
            width = found[f"{variant}/{replicate}/probes"].shape[1]
            parts = [
                float(tested.loc[mask, "exact"].mean())
                for mask in (
                    tested["fact"] >= 0,
                    tested["kept"],
                    ~tested["kept"],
                    tested["stated"],
                    ~tested["stated"],
                )
            ]
            accuracy.append(
                (
                    here.name,
                    here.load,
                    variant,
                    kind,
                    replicate,
                    c["k"],
                    c["bandwidth"],
                    c["temperature"],
                    c["entries"],
                    4 * int(found["parameters"][0]),
                    c["entries"] * (4 * width + 4),
                    *parts,
                    by_rule["accuracy"].mean(),
                    _gained(tested, bits),
                )
            )
            key = (here.name, variant, kind, replicate)
            deciles += [(*key, *row) for row in _deciles(tested)]
            rules += [(*key, row.kind, float(row.accuracy)) for row in by_rule.itertuples()]
    names = [
        "world",
        "load",
        "variant",
        "memory",
        "replicate",
        "k",
        "bandwidth",
        "temperature",
        "entries",
        "weights_bytes",
        "memory_bytes",
        "facts",
        "kept",
        "pruned",
        "stated",
        "unstated",
        "rules",
        "recalled",
    ]
    keys = ["world", "variant", "memory", "replicate"]
    return {
        "accuracy": pd.DataFrame(accuracy, columns=names),
        "deciles": pd.DataFrame(deciles, columns=[*keys, "decile", "accuracy"]),
        "rules": pd.DataFrame(rules, columns=[*keys, "rule", "accuracy"]),
    }


def _asked(probes: list[Line], known: pd.DataFrame, tuned: set[int]) -> pd.DataFrame:
    """What is asked: fact, kind, part, whether the corpus states it in this form, how often it
    states the fact.
    """
    frame = pd.DataFrame(
        {
            "fact": [line["fact_id"] for line in probes],
            "kind": [line["kind"] for line in probes],
            "part": [line["part"] for line in probes],
            "stated": [bool(line.get("stated")) for line in probes],
        }
    )
    by_fact = known.set_index("fact")
    count = frame["fact"].map(by_fact["count"]).fillna(0)
    kept = frame["fact"].map(by_fact["kept"]).fillna(0) > 0
    return frame.assign(count=count, kept=kept, tested=(count > 0) & ~frame["fact"].isin(tuned))


def _answers(
    found: Arrays,
    near: Arrays,
    choices: pd.DataFrame,
    variant: str,
    kind: str,
    replicate: int,
    lines: int,
) -> tuple[Answers, dict[str, Any]]:
    queries, head = rows(found, variant, replicate, "probes"), found[f"{variant}/{replicate}/head"]
    if kind == "nothing":
        nothing = {"k": 0, "bandwidth": -1.0, "temperature": 1.0, "entries": 0}
        return memory.answers(None, None, head, queries, lines, Setting(0, np.inf, 1.0)), nothing
    rows_of = choices[
        (choices["variant"] == variant)
        & (choices["memory"] == kind)
        & (choices["replicate"] == replicate)
    ]
    c = rows_of.iloc[0].to_dict()
    key = f"{variant}/{kind}/{replicate}"
    whole = rows(found, variant, replicate, "statements")
    some = Rows(*(part[near[f"{key}/held"]] for part in whole))
    setting = Setting(
        int(c["k"]),
        np.inf if c["bandwidth"] < 0 else float(c["bandwidth"]),
        float(c["temperature"]),
    )
    neighbors = Neighbors(near[f"{key}/distances"], near[f"{key}/rows"])
    return memory.answers(neighbors, some, head, queries, lines, setting), c


def _deciles(tested: pd.DataFrame):
    """(tenth, accuracy), the rarest facts first; fewer than ten facts make fewer tenths."""
    by_fact = tested.groupby("fact").agg(count=("count", "first"), accuracy=("exact", "mean"))
    by_fact = by_fact.sort_values("count", kind="stable")
    parts = np.array_split(np.arange(len(by_fact)), 10)
    return [
        (n + 1, float(by_fact["accuracy"].iloc[part].mean()))
        for n, part in enumerate(parts)
        if len(part)
    ]
