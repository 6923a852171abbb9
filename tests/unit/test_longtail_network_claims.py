"""Claims of long-tail composition on networks: which decay isolates, leaks, wrong labels."""

from itertools import product

import pandas as pd
import pytest
from longtail_worlds import CLAIMS, chosen, network_world, verdict
from rote import ledger as ledgers


def rule_world(one_off, training):
    """The sum network's training losses without and with decay 3."""
    sets = {"glyph-training-rows": one_off, "train": training}
    losses = {
        ("sum", "glyphs-head", decay, name, 0): values[number]
        for (name, values), (number, decay) in product(sets.items(), enumerate((0.0, 3.0)))
    }
    return network_world(losses)


@pytest.mark.parametrize(
    ("one_off", "training", "judged"),
    [
        ((1e-4, 2), (1e-3, 0.2), "reproduced"),
        ((1e-4, 0.1), (1e-3, 0.05), "not run"),  # memorizes with decay, too: none is chosen
        ((1e-4, 8), (1e-3, 2), "not run"),  # the bulk is lost
    ],
)
def test_decay_rule_is_judged_on_other_replicates(one_off, training, judged):
    world = rule_world(one_off, training)
    for name in ("decay_forgets", "decay_keeps_bulk"):
        assert verdict(name, world) == judged
    if judged == "reproduced":
        for name in ("decay_forgets", "decay_keeps_bulk"):
            audited = ledgers.audit([CLAIMS[f"longtail.{name}"]], world)
            assert not audited["passes"].any()


@pytest.mark.parametrize(("pairs", "judged"), [(4.0, "reproduced"), (0.5, "contradicted")])
def test_isolation_compares_what_decay_adds_to_pairs_and_to_training(pairs, judged):
    world = rule_world((1e-4, 2), (1e-3, 0.2))["network"]
    more = {("sum", "glyphs-head", 0.0, "two-glyphs-any-slot", 0): 0.2}
    more |= {("sum", "glyphs-head", 3.0, "two-glyphs-any-slot", 0): 0.2 + pairs}
    world = {"network": pd.concat([world, network_world(more)["network"]])} | chosen("sum")
    assert verdict("decay_isolates", world) == judged
    if judged == "reproduced":
        audited = ledgers.audit([CLAIMS["longtail.decay_isolates"]], world)
        assert not audited["passes"].any()


@pytest.mark.parametrize(("anywhere", "judged"), [(25, "reproduced"), (1, "contradicted")])
def test_unshared_encoders_compose_in_trained_slots(anywhere, judged):
    sets = {"two-glyphs-any-slot": anywhere, "two-glyphs-trained-slots": 1}
    losses = {("unshared", "glyphs-head", 0.0, name, 0): loss for name, loss in sets.items()}
    assert verdict("unshared_slots", network_world(losses)) == judged


@pytest.mark.parametrize(
    ("losses", "judged"), [((0.5, 2.5, 10, 24), "reproduced"), ((0.5, 2.5, 2, 24), "contradicted")]
)
def test_leak_is_judged_at_every_step(losses, judged):
    names = ("sum", "leaky-0.1", "leaky-0.3", "leaky-1")
    world = {
        (name, "glyphs-head", 0.0, "two-glyphs-any-slot", 0): loss
        for name, loss in zip(names, losses, strict=True)
    }
    world = network_world(world)
    assert verdict("leak_monotone", world) == judged
    if judged == "reproduced":
        audited = ledgers.audit([CLAIMS["longtail.leak_monotone"]], world)
        assert not audited["passes"].any()


@pytest.mark.parametrize(
    ("few", "many", "judged"), [(6, 10, "reproduced"), (30, 40, "contradicted")]
)
def test_wrong_labels_are_compared_with_no_labels(few, many, judged):
    sets = {"no-glyphs": 18, "glyphs-wrong-2": few, "glyphs-wrong-8": many}
    losses = {("sum", name, 0.0, "two-glyphs-any-slot", 0): loss for name, loss in sets.items()}
    for name in ("wrong_labels_few", "wrong_labels_many"):
        assert verdict(name, network_world(losses)) == judged


@pytest.mark.parametrize(
    ("trained", "left_out", "judged"), [(0.001, 10, "reproduced"), (9, 10, "contradicted")]
)
def test_influence_is_the_loss_on_a_triple_left_out(trained, left_out, judged):
    sets = {"glyph-rows-trained": trained, "glyph-rows-left-out": left_out}
    halves = ("glyphs-half-1", "glyphs-half-2")
    losses = {
        ("sum", half, 0.0, name, 0): loss for half, (name, loss) in product(halves, sets.items())
    }
    world = network_world(losses)
    assert verdict("triples_memorized", world) == judged
    if judged == "reproduced":
        audited = ledgers.audit([CLAIMS["longtail.triples_memorized"]], world)
        assert not audited["passes"].any()


@pytest.mark.parametrize(("share", "judged"), [(0.99, "reproduced"), (0.5, "contradicted")])
def test_exact_recovery_is_a_share_of_training_sets(share, judged):
    rows = [
        {"alpha": 1.5, "replicate": r, "max_error_alone": 1e-12 if r < 100 * share else 0.05}
        for r in range(100)
    ]
    rows += [row | {"alpha": 1.0, "max_error_alone": 0.3} for row in rows]
    world = {"linear_sets": pd.DataFrame(rows)}
    assert verdict("exact_recovery", world) == judged
    audited = ledgers.audit([CLAIMS["longtail.exact_recovery"]], world)
    assert not audited["passes"].any()
