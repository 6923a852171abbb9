"""What the claims beyond the paper's networks measure: degrees of structure, influence, labels."""

import numpy as np

from rote.papers.longtail.architectures import LEAKY, MIXING, REFERENCE, UNSHARED, WIDE
from rote.papers.longtail.dataset import GLYPHS_HEAD, HALVES, WITHOUT_GLYPHS, WRONG
from rote.papers.longtail.statistics.network import losses_of
from rote.papers.longtail.statistics.samples import Tables, arms, steps
from rote.synth import scenes, triples
from rote.synth.triples import EvaluationSet


def leak_monotone(tables: Tables) -> dict[str, np.ndarray]:
    """Factor of the loss on glyph pairs with each step of the leak ρ."""
    table = tables["network"]
    rows = table[
        table["architecture"].isin(list(LEAKY.values()))
        & (table["training_set"] == GLYPHS_HEAD.name)
        & (table["weight_decay"] == 0)
        & (table["evaluation_set"] == triples.TWO_GLYPHS.name)
    ]
    leaks = {name: leak for leak, name in LEAKY.items()}
    conditions = steps(rows.assign(leak=rows["architecture"].map(leaks)), "leak", "mse", "rho")
    if not conditions:
        raise KeyError("architectures leaky-0.1, leaky-0.3, leaky-1")
    return conditions


def unshared_slots(tables: Tables) -> np.ndarray:
    """Loss on glyph pairs in any slots over that in their trained slots, unshared encoders."""
    sets = (triples.TWO_GLYPHS, triples.TWO_GLYPHS_TRAINED_SLOTS)
    anywhere, trained = (losses_of(tables, UNSHARED, GLYPHS_HEAD, pairs) for pairs in sets)
    return anywhere / trained


def wide_codes(tables: Tables) -> np.ndarray:
    """Loss on glyph pairs, a head on wide codes over the sum network."""
    wide, additive = (losses_of(tables, name, GLYPHS_HEAD) for name in (WIDE, REFERENCE))
    return wide / additive


def triples_memorized(tables: Tables) -> np.ndarray:
    """Losses on one-off triples that were trained on, and on those left out; no decay.

    Each replicate has two networks, each with half of the triples: every triple is in one of them.
    """
    return np.stack(
        [_of_halves(tables, rows) for rows in (triples.ROWS_TRAINED, triples.ROWS_LEFT_OUT)], 1
    )


def wrong_labels_few(tables: Tables) -> np.ndarray:
    """Loss on glyph pairs with 2 of 10 labels wrong over that without the triples, no decay."""
    return _wrong_over_without(tables, 2)


def wrong_labels_many(tables: Tables) -> np.ndarray:
    """The same with 8 of 10 labels wrong."""
    return _wrong_over_without(tables, 8)


def size_gap(tables: Tables) -> dict[str, np.ndarray]:
    """Loss on glyph pairs, cross-channel over sum, at every width and number of epochs."""
    table = tables["sizes"]
    pairs = table[table["evaluation_set"] == triples.TWO_GLYPHS.name]
    conditions = {}
    for (width, epochs), group in pairs.groupby(["width", "epochs"]):
        mixing, additive = arms(group, "architecture", "mse", MIXING, REFERENCE).T
        conditions[f"width {width}, {epochs} epochs"] = mixing / additive
    return conditions


def scenes_across_objects(tables: Tables) -> np.ndarray:
    """Loss on scenes of two rare objects, cross-channel over sum."""
    table = tables["scenes"]
    rows = table[table["evaluation_set"] == scenes.PAIRS]
    mixing, additive = arms(rows, "architecture", "mse", MIXING, REFERENCE).T
    return mixing / additive


def scenes_within_objects(tables: Tables) -> np.ndarray:
    """Sum network: loss on objects of two rare attributes over that on two rare objects."""
    table = tables["scenes"]
    rows = table[table["architecture"] == REFERENCE]
    within, across = arms(rows, "evaluation_set", "mse", scenes.JOINS, scenes.PAIRS).T
    return within / across


def _of_halves(tables: Tables, rows: EvaluationSet) -> np.ndarray:
    """Loss on one-off triples, all ten over both halves, (replicates,)."""
    return np.mean([losses_of(tables, REFERENCE, half, rows) for half in HALVES], axis=0)


def _wrong_over_without(tables: Tables, count: int) -> np.ndarray:
    wrong, without = (losses_of(tables, REFERENCE, s) for s in (WRONG[count], WITHOUT_GLYPHS))
    return wrong / without
