"""Claims of the chain on tables made by hand: worlds in which they hold, and not."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger
from rote.ledger import evaluate, summary
from rote.ledger.nulls import apply
from rote.papers.chain import nulls, plan, statistics
from rote.run import config

REPLICATES = 8
LOADS = {"load-0.25": 0.25, "load-2": 2.0, "load-4": 4.0}
CLAIMS = {claim.id: claim for claim in ledger.load(ROOT / "workflow/claims/chain.yaml")}
CROWDED = ["load 2", "load 4"]

# fact accuracy at loads above 1 by corpus and memory
FACTS = {
    ("none", "nothing"): 0.35,
    ("random", "nothing"): 0.30,
    ("loss", "nothing"): 0.48,
    ("flat", "nothing"): 0.47,
    ("loss", "pruned"): 0.95,
    ("none", "random"): 0.65,
}
RHO = {("none", "fact"): 0.8, ("loss", "fact"): 0.7}  # rules: 0


def variants_of(world: str) -> list[str]:
    """Corpora of a world; the ablation is made for one alone."""
    return ["none", "random", "loss", *(["flat"] if world == "load-2" else [])]


def cells(learns: bool):
    """World, load, corpus, memory and replicate of every row, with its noise."""
    rng = np.random.default_rng(0 if learns else 1)
    for world, load in LOADS.items():
        for variant, memory in FACTS:
            for replicate in range(REPLICATES):
                yield world, load, variant, memory, replicate, 0.01 * rng.normal()


def make(learns: bool = True) -> dict[str, pd.DataFrame]:
    """Tables of a run; networks that learn nothing answer nothing, with a memory or without."""
    accuracy = []
    rules = []
    for world, load, variant, memory, replicate, noise in cells(learns):
        names = {"world": world, "variant": variant, "memory": memory, "replicate": replicate}
        recalled = memory != "nothing"
        row = {
            "load": load,
            "facts": FACTS[variant, memory] + noise if learns else 0.0,
            "pruned_facts": (0.9 if recalled else 0.02) + noise if learns else 0.0,
            "recalled": (5000 if recalled else 2500) * (1 + noise) if learns else 30.0,
        }
        accuracy.append(names | row)
        translated = 0.99 + 0.1 * noise if learns else 0.0
        rules.append(names | {"rule": "translation", "accuracy": translated})
        rules.append(names | {"rule": "arithmetic", "accuracy": 0.1 + noise})
    rng = np.random.default_rng(2)
    networks = []
    spearman = []
    for world, load in LOADS.items():
        for variant in variants_of(world):
            for replicate in range(REPLICATES):
                noise = 0.01 * rng.normal()
                names = {"world": world, "width": 16, "variant": variant, "replicate": replicate}
                known = FACTS[variant, "nothing"] + noise if learns else 0.0
                stored = 3000 * (1 + noise) if learns else 30.0 * (1 + noise)
                row = {"load": load, "facts": known, "stored": stored}
                networks.append(names | row)
                if variant in ("none", "loss"):
                    networks.append(names | row | {"width": 8})
                for width in (8, 16):
                    for kind in ("fact", "translation", "arithmetic"):
                        rho = RHO.get((variant, kind), 0.0) if learns else 0.0
                        rho += 0.02 * rng.normal()
                        spearman.append(names | {"width": width, "kind": kind, "rho": rho})
    facts = [
        {"world": world, "replicate": replicate, "fact": fact, "count": fact % 4}
        for world, replicate, fact in product(LOADS, range(REPLICATES), range(40))
    ]
    facts = pd.DataFrame(facts)
    crowded = facts["world"] != "load-0.25"
    facts["count_loss"] = facts["fact"].mask(crowded & (facts["fact"] % 3 == 0), 0)
    frames = {"accuracy": accuracy, "rules": rules, "networks": networks, "spearman": spearman}
    return {name: pd.DataFrame(rows) for name, rows in frames.items()} | {"facts": facts}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return make()


def test_every_claim_holds_where_pruning_and_memories_help(tables):
    rows = summary(evaluate(CLAIMS.values(), tables))
    assert rows.loc[rows["verdict"] != "reproduced", "claim"].tolist() == []


def test_no_claim_holds_on_its_null(tables):
    audited = ledger.audit(CLAIMS.values(), tables)
    assert audited.loc[audited["passes"], "claim"].tolist() == []
    assert set(audited["powerless"]) == {""}
    assert "no change" not in set(audited["null_verdict"])


def test_untrained_networks_meet_no_claim_about_networks():
    rows = summary(evaluate(CLAIMS.values(), make(learns=False)))
    met = set(rows.loc[rows["verdict"] == "reproduced", "claim"])
    assert met == {"chain.keeps_what_fits"}  # its table is that of pruning alone


def test_claims_about_loads_above_1_are_judged_at_all_of_them(tables):
    for name in ("prune_helps", "division_of_labour", "memory_keeps_rules", "beyond_capacity"):
        assert list(getattr(statistics, name)(tables)) == CROWDED
    assert list(statistics.facts_follow_counts(tables)) == [
        "load 2, width 8",
        "load 2, width 16",
        "load 4, width 8",
        "load 4, width 16",
    ]


def test_worst_load_is_shown_where_labour_divides_less(tables):
    accuracy = tables["accuracy"].copy()
    divided = (accuracy["world"] == "load-4") & (accuracy["memory"] == "pruned")
    accuracy.loc[divided, "facts"] -= 0.2
    rows = evaluate([CLAIMS["chain.division_of_labour"]], tables | {"accuracy": accuracy})
    worst = summary(rows).iloc[0]
    assert worst["condition"] == "load 4"
    assert worst["value"] == pytest.approx(0.1, abs=0.02)


def test_pruning_that_takes_a_fact_that_fits_is_counted(tables):
    facts = tables["facts"].copy()
    lost = (facts["world"] == "load-0.25") & (facts["replicate"] < 6) & (facts["fact"] == 1)
    facts.loc[lost, "count_loss"] = 0
    values = statistics.keeps_what_fits(tables | {"facts": facts})
    assert {name: list(sample) for name, sample in values.items()} == {
        "load 0.25": [0, 0, 0, 0, 0, 0, 1, 1]
    }


@pytest.mark.parametrize(
    ("name", "null"),
    [
        ("prune_helps", nulls.unpruned_untrained),
        ("prune_beats_random", nulls.random_untrained),
        ("flattening_alone", nulls.networks_untrained),
        ("memory_recovers", nulls.pruned_untrained),
        ("memory_keeps_rules", nulls.memory_unused),
        ("division_of_labour", nulls.unpruned_untrained),
        ("flattening_breaks_counts", nulls.pruned_untrained),
        ("beyond_capacity", nulls.networks_untrained),
    ],
)
def test_networks_that_know_nothing_have_no_value(tables, name, null):
    untrained = apply(null, tables, np.random.default_rng(0))
    rows = evaluate([CLAIMS[f"chain.{name}"]], untrained)
    assert set(rows["verdict"]) == {"not run"}


def test_pruning_that_takes_nothing_at_any_load_is_counted(tables):
    for sample in statistics.keeps_what_fits(nulls.nothing_pruned(tables)).values():
        assert set(sample) == {0}


def test_memory_that_costs_translations_is_contradicted(tables):
    rules = tables["rules"].copy()
    remembering = (rules["memory"] == "pruned") & (rules["rule"] == "translation")
    rules.loc[remembering, "accuracy"] *= 0.9
    rows = evaluate([CLAIMS["chain.memory_keeps_rules"]], tables | {"rules": rules})
    assert set(rows["verdict"]) == {"contradicted"}


def test_full_scale_trains_networks_enough_for_verdicts():
    options = config.load(ROOT / "config/full.yaml").chain
    assert options.world.replicates >= REPLICATES
    assert options.network.ladder_load in options.world.loads
    assert {plan.world_title(load) for load in options.world.loads} >= set(CROWDED)
