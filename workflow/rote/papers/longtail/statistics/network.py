"""What the claims about the network track measure (labels N1 to N9)."""

from collections.abc import Mapping

import numpy as np

from rote.papers.longtail import decay
from rote.papers.longtail.architectures import ARCHITECTURES, MIXING, REFERENCE, Architecture
from rote.papers.longtail.dataset import (
    GLYPHS,
    GLYPHS_HEAD,
    SWEEP,
    TEN_DIGITS,
    WITHOUT_GLYPHS,
    TrainingSet,
    nines,
)
from rote.papers.longtail.statistics.samples import Tables, steps
from rote.synth import triples
from rote.synth.triples import EvaluationSet

MANY_NINES = 16  # from this many training triples with a 9 the sum network knows the digit
LEARNT = 5.0  # a loss on fresh data below this, in label²; a constant answer has about 7


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
    reference = losses_of(tables, REFERENCE, GLYPHS_HEAD)
    return {
        f"{network.name}/{REFERENCE}": np.where(
            _learnt(tables, network.name, GLYPHS_HEAD),
            losses_of(tables, network.name, GLYPHS_HEAD) / reference,
            np.nan,
        )
        for network in _trained(tables)
        if not network.compositional
    }


def fits_without_decay(tables: Tables) -> dict[str, np.ndarray]:
    """Table 1: training loss without decay, every architecture."""
    return {
        network.name: losses_of(tables, network.name, GLYPHS_HEAD, triples.TRAIN)
        for network in _trained(tables)
    }


def decay_forgets(tables: Tables) -> dict[str, np.ndarray]:
    """Training loss of the one-off triples at the decay that the other replicates choose."""
    return {
        network.name: _at_chosen(tables, network.name, triples.GLYPH_ROWS)
        for network in _trained(tables)
    }


def decay_keeps_bulk(tables: Tables) -> dict[str, np.ndarray]:
    """Training loss of all triples at the decay that the other replicates choose."""
    return {
        network.name: _at_chosen(tables, network.name, triples.TRAIN)
        for network in _trained(tables)
    }


def decay_isolates(tables: Tables) -> dict[str, np.ndarray]:
    """Table 1: what decay adds to the loss on glyph pairs, and to the training loss.

    Of compositional networks, at the decay that counts as not memorized.
    """
    conditions = {}
    for network in _trained(tables):
        if network.compositional:
            pairs, training = (
                _decayed(tables, network.name, evaluation_set)
                - losses_of(tables, network.name, GLYPHS_HEAD, evaluation_set)
                for evaluation_set in (triples.TWO_GLYPHS, triples.TRAIN)
            )
            conditions[network.name] = np.stack([pairs, training], 1)
    return conditions


def decay_destroys(tables: Tables) -> dict[str, np.ndarray]:
    """N3: loss on glyph pairs, with decay over without, compositional networks."""
    return {
        network.name: _where_learnt(tables, network.name, _decay_factors(tables, network.name))
        for network in _trained(tables)
        if network.compositional
    }


def decay_no_rescue(tables: Tables) -> dict[str, np.ndarray]:
    """N5: the same for networks that mix the images."""
    return {
        network.name: _where_learnt(tables, network.name, _decay_factors(tables, network.name))
        for network in _trained(tables)
        if not network.compositional
    }


def decay_is_selective(tables: Tables) -> np.ndarray:
    """N4: factor of the loss on glyph pairs over factor of the in-distribution loss."""
    bulk = _decay_factors(tables, REFERENCE, triples.IN_DISTRIBUTION)
    return _where_learnt(tables, REFERENCE, _decay_factors(tables, REFERENCE) / bulk)


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


def ten_digits(tables: Tables) -> np.ndarray:
    """Figure 2: loss with two held-out 9s, cross-channel over sum; digits by a Zipf law of ten."""
    mixing, additive = (
        losses_of(tables, architecture, TEN_DIGITS, triples.TWO_NINES)
        for architecture in (MIXING, REFERENCE)
    )
    return np.where(_learnt(tables, MIXING, TEN_DIGITS), mixing / additive, np.nan)


def rows_carry_knowledge(tables: Tables) -> np.ndarray:
    """N8: losses on the ten glyph rows, without and with them in training, sum network."""
    return _without_and_with(tables, triples.GLYPH_ROWS)


def rows_carry_combinations(tables: Tables) -> np.ndarray:
    """N8: losses on glyph pairs, without and with the glyph rows in training, sum network."""
    return _without_and_with(tables, triples.TWO_GLYPHS)


def credit_assignment(tables: Tables) -> np.ndarray:
    """N9: loss on glyph pairs, tail companions over head companions, sum network, no decay."""
    tail, head = (
        losses_of(tables, REFERENCE, training_set)
        for training_set in (GLYPHS[triples.TAIL], GLYPHS_HEAD)
    )
    return np.where(_learnt(tables, REFERENCE, GLYPHS[triples.TAIL]), tail / head, np.nan)


def credit_memorized(tables: Tables) -> np.ndarray:
    """N9: loss on the training rows of glyphs beside tail companions."""
    return losses_of(tables, REFERENCE, GLYPHS[triples.TAIL], triples.GLYPH_ROWS)


# ---- selections


def _trained(tables: Tables) -> list[Architecture]:
    """Architectures of the paper's kind, not those between them."""
    known = [ARCHITECTURES[name] for name in tables["network"]["architecture"].unique()]
    return [network for network in known if not network.degree]


def chosen_decay(tables: Tables, architecture: str) -> float | None:
    """The decay that counts as not memorized by training losses, None if there is none.

    Args:
        tables: with `decays`.
        architecture: whose decay.
    """
    rows = tables["decays"]
    chosen = rows.loc[(rows["architecture"] == architecture) & rows["chosen"], "weight_decay"]
    return float(chosen.iloc[0]) if len(chosen) else None


def _counts(tables: Tables) -> list[int]:
    """Numbers of training triples with a 9, in order."""
    table = tables["network"]
    return sorted(table.loc[table["training_set"] == SWEEP, "nines"].unique())


def losses_of(
    tables: Tables,
    architecture: str,
    training_set: TrainingSet,
    evaluation_set: EvaluationSet = triples.TWO_GLYPHS,
    weight_decay: float = 0.0,
) -> np.ndarray:
    """Losses of one network, (replicates,).

    Args:
        tables: with `network`.
        architecture: of the network.
        training_set: that it was trained on.
        evaluation_set: that it is measured on.
        weight_decay: that it was trained with.

    Raises:
        KeyError: if no such network was trained or measured.
    """
    table = tables["network"]
    rows = table[
        (table["architecture"] == architecture)
        & (table["training_set"] == training_set.name)
        & (table["nines"] == training_set.nines)
        & (table["weight_decay"] == weight_decay)
        & (table["evaluation_set"] == evaluation_set.name)
    ]
    if rows.empty:
        count = f" ({training_set.nines})" if training_set.nines else ""
        raise KeyError(
            f"network {architecture} on {training_set.name}{count} "
            f"with weight decay {weight_decay:g}, measured on {evaluation_set.name}"
        )
    return rows.sort_values("replicate")["mse"].to_numpy()


def _composed_losses(tables: Tables, additive: bool) -> dict[str, np.ndarray]:
    return {
        network.name: losses_of(tables, network.name, GLYPHS_HEAD)
        for network in _trained(tables)
        if network.compositional and network.additive is additive
    }


def _decayed(tables: Tables, architecture: str, evaluation_set: EvaluationSet) -> np.ndarray:
    """Losses at the decay that counts as not memorized, (replicates,); NaN if there is none."""
    chosen = chosen_decay(tables, architecture)
    if chosen is None:
        return np.full_like(losses_of(tables, architecture, GLYPHS_HEAD, evaluation_set), np.nan)
    return losses_of(tables, architecture, GLYPHS_HEAD, evaluation_set, chosen)


def _decay_factors(
    tables: Tables, architecture: str, evaluation_set: EvaluationSet = triples.TWO_GLYPHS
) -> np.ndarray:
    """Loss with decay over loss without, glyphs beside head companions, (replicates,)."""
    without = losses_of(tables, architecture, GLYPHS_HEAD, evaluation_set)
    return _decayed(tables, architecture, evaluation_set) / without


def _at_chosen(tables: Tables, architecture: str, evaluation_set: EvaluationSet) -> np.ndarray:
    """Losses of each replicate at the decay that the others choose, (replicates,)."""
    by_others: Mapping[int, float] = decay.cross_fitted(tables["network"], architecture)
    losses = {
        value: losses_of(tables, architecture, GLYPHS_HEAD, evaluation_set, value)
        for value in set(by_others.values())
        if not np.isnan(value)
    }
    missing = np.full(len(by_others), np.nan)
    values = [losses.get(value, missing)[i] for i, value in enumerate(by_others.values())]
    return np.array(values)


def _learnt(
    tables: Tables, architecture: str, training_set: TrainingSet, weight_decay: float = 0.0
) -> np.ndarray:
    """Whether networks have learnt to add digits, (replicates,): any answers fail otherwise."""
    fresh = triples.IN_DISTRIBUTION
    return losses_of(tables, architecture, training_set, fresh, weight_decay) < LEARNT


def _where_learnt(tables: Tables, architecture: str, values: np.ndarray) -> np.ndarray:
    """Values of networks that add digits with decay, too; NaN of others."""
    return np.where(
        _decayed(tables, architecture, triples.IN_DISTRIBUTION) < LEARNT, values, np.nan
    )


def _without_and_with(tables: Tables, evaluation_set: EvaluationSet) -> np.ndarray:
    """Losses of sum networks without and with the glyph rows in training, (replicates, 2)."""
    training_sets = (WITHOUT_GLYPHS, GLYPHS_HEAD)
    losses = np.stack([losses_of(tables, REFERENCE, s, evaluation_set) for s in training_sets], 1)
    return np.where(_learnt(tables, REFERENCE, WITHOUT_GLYPHS)[:, None], losses, np.nan)


def _mixing_factors(tables: Tables, count: int, evaluation_set: EvaluationSet) -> np.ndarray:
    """Loss of the cross-channel network over that of the sum network, `count` trained 9s."""
    mixing, additive = (
        losses_of(tables, architecture, nines(count), evaluation_set)
        for architecture in (MIXING, REFERENCE)
    )
    return np.where(_learnt(tables, MIXING, nines(count)), mixing / additive, np.nan)
