"""Claims of the chain on tables made by hand: worlds in which they hold, and not."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger
from rote.ledger import evaluate, summary
from rote.ledger.nulls import apply
from rote.papers.chain import nulls, results, statistics
from rote.run import config

REPLICATES = 8
INFORMATION = {"facts-300": 3_000.0, "facts-900": 10_000.0}  # bits
CAPACITY = 5_000.0  # bits of a network of width 8
STEPS = (500, 2000, 4000)
CLAIMS = {claim.id: claim for claim in ledger.load(ROOT / "workflow/claims/chain.yaml")}
CROWDED = "900 facts"

# accuracy over facts at a load above 1 by corpus and memory
FACTS = {
    ("none", "nothing"): 0.40,
    ("loss", "nothing"): 0.45,
    ("random", "nothing"): 0.20,
    ("flat", "nothing"): 0.30,
    ("loss", "pruned"): 0.85,
    ("none", "pruned"): 0.75,
    ("none", "unknown"): 0.80,
    ("none", "all"): 0.95,
}
# what pruning by early losses adds, by world and steps
GAIN = {"facts-300": (0.1, -0.05, -0.1), "facts-900": (0.2, 0.1, 0.05)}
RHO = {("none", "fact"): 0.8, ("loss", "fact"): 0.6}  # phrases: 0.3


def networks(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for (world, width), replicate in product(product(INFORMATION, (8, 16)), range(REPLICATES)):
        for number, steps in enumerate(STEPS):
            variants = ["none", "loss"] + ["early"] * (number > 0)
            variants += ["random", "flat"] if steps == STEPS[-1] and width == 8 else []
            for variant in variants:
                known = 0.4 + 0.01 * rng.normal()
                if variant in ("loss", "early"):
                    known += GAIN[world][number] + 0.05 * (variant == "loss")
                capacity = CAPACITY * (1.5 if width == 16 else 1)
                share = (0.5, 0.98, 1.0)[number]
                stored = min(capacity, INFORMATION[world]) * share * (1 + 0.01 * rng.normal())
                rows.append(
                    {
                        "world": world,
                        "width": width,
                        "steps": steps,
                        "variant": variant,
                        "replicate": replicate,
                        "parameters": 3000 if width == 8 else 12_000,
                        "information": INFORMATION[world],
                        "stored": stored,
                        "facts": known,
                        "phrases": 0.5 + 0.2 * (variant != "none") + 0.01 * rng.normal(),
                    }
                )
    return pd.DataFrame(rows)


def make() -> dict[str, pd.DataFrame]:
    """Tables of a run in which all claims hold."""
    rng = np.random.default_rng(0)
    accuracy = []
    rules = []
    lookups = []
    spearman = []
    cells = [(*cell, 32) for cell in FACTS] + [("loss", "pruned", 8), ("none", "pruned", 8)]
    for world, replicate in product(INFORMATION, range(REPLICATES)):
        names = {"world": world, "replicate": replicate}
        for variant, memory, bits in cells:
            of_cell = names | {"variant": variant, "memory": memory}
            recalled = memory != "nothing"
            accuracy.append(
                of_cell
                | {
                    "bits": bits,
                    "weights_bytes": 12_000,
                    "memory_bytes": 20_000 * recalled * bits // 32,
                    "facts": FACTS[variant, memory] + 0.01 * rng.normal(),
                    "pruned_facts": (0.9 if recalled else 0.02) + 0.01 * rng.normal(),
                    "other_loss": 0.1 * (1 + 0.002 * recalled + 0.0005 * rng.normal()),
                }
            )
            if bits == 32:
                for rule, known in (("translation", 0.99), ("arithmetic", 0.2)):
                    right = known - 0.001 * recalled + 0.0005 * rng.normal()
                    rules.append(of_cell | {"rule": rule, "items": 1000, "accuracy": right})
        for method, memory in product(("knn", "dictionary"), ("pruned", "all")):
            known = {"method": method, "memory": memory, "facts": 0.97 + 0.005 * rng.normal()}
            lookups.append(names | known)
        for width, variant in product((8, 16), ("none", "loss")):
            for kind in ("fact", "translation", "arithmetic"):
                rho = RHO.get((variant, kind), 0.3) + 0.02 * rng.normal()
                columns = {"width": width, "variant": variant, "kind": kind}
                spearman.append(names | columns | {"rho": rho, "spread": 1.0})
    frames = {"accuracy": accuracy, "rules": rules, "lookups": lookups, "spearman": spearman}
    made = {name: pd.DataFrame(rows) for name, rows in frames.items()}
    return made | {"networks": networks(rng)}


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


def test_load_is_information_over_the_most_that_unpruned_networks_store(tables):
    assert results.plateau(tables)[8] == pytest.approx(CAPACITY, rel=0.02)
    loads = results.base_loads(tables)
    assert loads["facts-300"] == pytest.approx(0.6, rel=0.02)
    assert loads["facts-900"] == pytest.approx(2.0, rel=0.02)


def test_gains_are_judged_on_their_side_of_load_1(tables):
    crowded = {f"{CROWDED}, width 8", f"{CROWDED}, width 16"}
    assert set(statistics.prune_helps(tables)) == crowded
    assert set(statistics.prune_hurts(tables)) == {"300 facts, width 8", "300 facts, width 16"}
    assert len(statistics.training_takes_the_gain(tables)) == 4


def test_sign_changes_between_the_steps_around_it():
    steps = np.array([500.0, 2000.0, 8000.0])
    assert results.sign_change(steps, np.array([0.1, -0.1, -0.2])) == pytest.approx(1000)
    assert results.sign_change(steps, np.array([-0.1, 0.1, 0.1])) == 500
    assert results.sign_change(steps, np.array([0.1, 0.1, 0.1])) == np.inf


@pytest.mark.parametrize(
    ("name", "null"),
    [
        ("prune_helps", nulls.unpruned_untrained),
        ("prune_hurts", nulls.pruned_untrained),
        ("choice", nulls.controls_untrained),
        ("memory_recovers", nulls.pruned_untrained),
        ("division_of_labour", nulls.unpruned_untrained),
        ("counts_explain_facts", nulls.networks_untrained),
        ("equal_bytes", nulls.networks_untrained),
    ],
)
def test_networks_that_know_nothing_have_no_value(tables, name, null):
    untrained = apply(null, tables, np.random.default_rng(0))
    rows = evaluate([CLAIMS[f"chain.{name}"]], untrained)
    assert set(rows["verdict"]) == {"not run"}


def test_only_rules_that_are_generalized_and_asked_often_enough_are_judged(tables):
    assert list(statistics.rules_kept(tables)) == [f"translation, {CROWDED}"]
    few = tables["rules"].assign(items=100)
    with pytest.raises(KeyError, match="1000 held-out items"):
        statistics.rules_kept(tables | {"rules": few})


def test_memory_that_costs_translations_is_contradicted(tables):
    rules = tables["rules"].copy()
    rules.loc[rules["memory"] == "pruned", "accuracy"] -= 0.03
    rows = evaluate([CLAIMS["chain.rules_kept"]], tables | {"rules": rules})
    assert set(rows["verdict"]) == {"contradicted"}


def test_counts_that_do_not_spread_alike_are_not_compared(tables):
    spearman = tables["spearman"].copy()
    spearman.loc[spearman["kind"] == "translation", "spread"] = 0.5
    rows = evaluate([CLAIMS["chain.counts_explain_facts"]], tables | {"spearman": spearman})
    assert set(rows["verdict"]) == {"not run"}


@pytest.mark.parametrize("scale", ["config", "full"])
def test_scales_train_networks_enough_for_verdicts(scale):
    options = config.load(ROOT / f"config/{scale}.yaml").chain
    assert options.world.replicates >= REPLICATES
    assert options.world.test_items >= statistics.MIN_RULE_ITEMS
