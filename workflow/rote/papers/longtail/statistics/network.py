"""What the claims about the network track measure (labels N1 to N9)."""

import numpy as np

from rote.papers.longtail.architectures import ARCHITECTURES, MIXING, REFERENCE, Architecture
from rote.papers.longtail.dataset import (
    GLYPHS,
    GLYPHS_HEAD,
    SWEEP,
    WITHOUT_GLYPHS,
    TrainingSet,
    nines,
)
from rote.papers.longtail.statistics.samples import Tables, steps
from rote.synth import triples
from rote.synth.triples import EvaluationSet

MANY_NINES = 16  # from this many training triples with a 9 the sum network knows the digit
LEARNT = 5.0  # a loss on fresh data below this, in label²; a constant answer has about 7
FITTED = 1.0  # a training loss below this, in label², is that of a trained network


def composes(tables: Tables) -> dict[str, np.ndarray]:
    """N1: loss on pairs of glyphs without decay, additive networks."""
    return _composed_losses(tables, additive=True)


def composes_two_layer(tables: Tables) -> dict[str, np.ndarray]:
    """N1 for the compositional network with a two-layer head."""
    return _composed_losses(tables, additive=False)


def monolithic_fails(tables: Tables) -> dict[str, np.ndarray]:
    """N2: loss on glyph pairs without decay, mixing networks over the sum network.

    Here and below networks that lose on fresh data what a constant answer does have no value.
    """
    reference = _losses(tables, REFERENCE, GLYPHS_HEAD)
    return {
        f"{network.name}/{REFERENCE}": np.where(
            _learnt(tables, network.name, GLYPHS_HEAD),
            _losses(tables, network.name, GLYPHS_HEAD) / reference,
            np.nan,
        )
        for network in _trained(tables)
        if not network.compositional
    }


def decay_destroys(tables: Tables) -> dict[str, np.ndarray]:
    """N3: loss on glyph pairs, with decay over without, compositional networks."""
    return {
        network.name: np.where(
            _learnt(tables, network.name, GLYPHS_HEAD, _decay(tables)),
            _decay_factors(tables, network.name),
            np.nan,
        )
        for network in _trained(tables)
        if network.compositional
    }


def decay_no_rescue(tables: Tables) -> dict[str, np.ndarray]:
    """N5: the same for networks that mix the images.

    Networks that do not fit their training triples have no value: decay changes nothing where
    nothing was learnt.
    """
    return {
        network.name: np.where(
            _fitted(tables, network.name), _decay_factors(tables, network.name), np.nan
        )
        for network in _trained(tables)
        if not network.compositional
    }


def decay_is_selective(tables: Tables) -> np.ndarray:
    """N4: factor of the loss on glyph pairs over factor of the in-distribution loss."""
    bulk = _decay_factors(tables, REFERENCE, triples.IN_DISTRIBUTION)
    factors = _decay_factors(tables, REFERENCE) / bulk
    return np.where(_learnt(tables, REFERENCE, GLYPHS_HEAD, _decay(tables)), factors, np.nan)


def rare_count_helps(tables: Tables) -> dict[str, np.ndarray]:
    """N6: factor of the sum network's loss with two held-out 9s, with each step of n_9."""
    table = tables["network"]
    rows = table[
        (table["architecture"] == REFERENCE)
        & (table["training_set"] == SWEEP)
        & (table["weight_decay"] == 0)
        & (table["evaluation_set"] == triples.TWO_NINES.name)
    ]
    return steps(rows, "nines", "mse", "n_9")


def rare_count_architecture(tables: Tables) -> dict[str, np.ndarray]:
    """N6: loss with two held-out 9s, cross-channel over sum, n_9 ≥ 16."""
    return {
        f"n_9 = {count}": _mixing_factors(tables, count, triples.TWO_NINES)
        for count in _counts(tables)
        if count >= MANY_NINES
    }


def new_pairs(tables: Tables) -> np.ndarray:
    """N7: loss on new pairs of two trained 9s at n_9 = 16, cross-channel over sum."""
    return _mixing_factors(tables, MANY_NINES, triples.TWO_TRAINED_NINES)


def rows_carry_knowledge(tables: Tables) -> np.ndarray:
    """N8: losses on the ten glyph rows, without and with them in training, sum network."""
    return _without_and_with(tables, triples.GLYPH_ROWS)


def rows_carry_combinations(tables: Tables) -> np.ndarray:
    """N8: losses on glyph pairs, without and with the glyph rows in training, sum network."""
    return _without_and_with(tables, triples.TWO_GLYPHS)


def credit_assignment(tables: Tables) -> np.ndarray:
    """N9: loss on glyph pairs, tail companions over head companions, sum network, no decay."""
    tail, head = (
        _losses(tables, REFERENCE, training_set)
        for training_set in (GLYPHS[triples.TAIL], GLYPHS_HEAD)
    )
    return np.where(_learnt(tables, REFERENCE, GLYPHS[triples.TAIL]), tail / head, np.nan)


def credit_memorized(tables: Tables) -> np.ndarray:
    """N9: loss on the training rows of glyphs beside tail companions."""
    return _losses(tables, REFERENCE, GLYPHS[triples.TAIL], triples.GLYPH_ROWS)


# ---- selections


def _trained(tables: Tables) -> list[Architecture]:
    return [ARCHITECTURES[name] for name in tables["network"]["architecture"].unique()]


def _decay(tables: Tables) -> float:
    """The decay called 'not memorized': what the sum network's rare-digit sweep is decayed by."""
    table = tables["network"]
    return float(table.loc[table["training_set"] == SWEEP, "weight_decay"].max())


def _counts(tables: Tables) -> list[int]:
    """Numbers of training triples with a 9, in order."""
    table = tables["network"]
    return sorted(table.loc[table["training_set"] == SWEEP, "nines"].unique())


def _losses(
    tables: Tables,
    architecture: str,
    training_set: TrainingSet,
    evaluation_set: EvaluationSet = triples.TWO_GLYPHS,
    decay: float = 0.0,
) -> np.ndarray:
    """Losses of one network, (replicates,).

    Raises:
        KeyError: if no such network was trained or measured.
    """
    table = tables["network"]
    rows = table[
        (table["architecture"] == architecture)
        & (table["training_set"] == training_set.name)
        & (table["nines"] == training_set.nines)
        & (table["weight_decay"] == decay)
        & (table["evaluation_set"] == evaluation_set.name)
    ]
    if rows.empty:
        count = f" ({training_set.nines})" if training_set.nines else ""
        raise KeyError(
            f"network {architecture} on {training_set.name}{count} with weight decay {decay:g}, "
            f"measured on {evaluation_set.name}"
        )
    return rows.sort_values("replicate")["mse"].to_numpy()


def _composed_losses(tables: Tables, additive: bool) -> dict[str, np.ndarray]:
    return {
        network.name: _losses(tables, network.name, GLYPHS_HEAD)
        for network in _trained(tables)
        if network.compositional and network.additive is additive
    }


def _decay_factors(
    tables: Tables, architecture: str, evaluation_set: EvaluationSet = triples.TWO_GLYPHS
) -> np.ndarray:
    """Loss with decay over loss without, glyphs beside head companions, (replicates,)."""
    with_decay, without = (
        _losses(tables, architecture, GLYPHS_HEAD, evaluation_set, decay)
        for decay in (_decay(tables), 0.0)
    )
    return with_decay / without


def _learnt(
    tables: Tables, architecture: str, training_set: TrainingSet, decay: float = 0.0
) -> np.ndarray:
    """Whether networks have learnt to add digits, (replicates,): any answers fail otherwise."""
    losses = _losses(tables, architecture, training_set, triples.IN_DISTRIBUTION, decay)
    return losses < LEARNT


def _fitted(tables: Tables, architecture: str) -> np.ndarray:
    """Whether the networks fit their training triples with and without decay, (replicates,)."""
    losses = [
        _losses(tables, architecture, GLYPHS_HEAD, triples.TRAIN, decay)
        for decay in (_decay(tables), 0.0)
    ]
    return np.max(losses, axis=0) < FITTED


def _without_and_with(tables: Tables, evaluation_set: EvaluationSet) -> np.ndarray:
    """Losses of sum networks without and with the glyph rows in training, (replicates, 2)."""
    training_sets = (WITHOUT_GLYPHS, GLYPHS_HEAD)
    losses = np.stack([_losses(tables, REFERENCE, s, evaluation_set) for s in training_sets], 1)
    return np.where(_learnt(tables, REFERENCE, WITHOUT_GLYPHS)[:, None], losses, np.nan)


def _mixing_factors(tables: Tables, count: int, evaluation_set: EvaluationSet) -> np.ndarray:
    """Loss of the cross-channel network over that of the sum network, `count` trained 9s."""
    mixing, additive = (
        _losses(tables, architecture, nines(count), evaluation_set)
        for architecture in (MIXING, REFERENCE)
    )
    return np.where(_learnt(tables, MIXING, nines(count)), mixing / additive, np.nan)
