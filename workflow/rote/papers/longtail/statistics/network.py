"""What the claims about the network track measure (labels N1 to N9)."""

import numpy as np

from rote.ledger import Sample
from rote.papers.longtail.architectures import ARCHITECTURES, REFERENCE, Architecture
from rote.papers.longtail.dataset import (
    GLYPHS,
    GLYPHS_HEAD,
    SWEEP,
    WITHOUT_GLYPHS,
    TrainingSet,
    nines,
)
from rote.papers.longtail.statistics.samples import Tables, ratio_of, ratio_of_ratios
from rote.synth import triples
from rote.synth.triples import EvaluationSet

MIXING = "cross-channel"  # the paper's network that mixes the images
MANY_NINES = 16  # from this many training triples with a 9 the sum network knows the digit


def composes(tables: Tables) -> dict[str, Sample]:
    """N1: loss on pairs of glyphs without decay, additive networks."""
    return _composed_losses(tables, additive=True)


def composes_two_layer(tables: Tables) -> dict[str, Sample]:
    """N1 for the compositional network with a two-layer head."""
    return _composed_losses(tables, additive=False)


def monolithic_fails(tables: Tables) -> dict[str, Sample]:
    """N2: loss on glyph pairs without decay, mixing networks over the sum network."""
    reference = _losses(tables, REFERENCE, GLYPHS_HEAD)
    return {
        f"{network.name}/{REFERENCE}": ratio_of(
            _losses(tables, network.name, GLYPHS_HEAD), reference
        )
        for network in _trained(tables)
        if not network.compositional
    }


def decay_destroys(tables: Tables) -> dict[str, Sample]:
    """N3: loss on glyph pairs, with decay over without, compositional networks."""
    return _decay_ratios(tables, compositional=True)


def decay_no_rescue(tables: Tables) -> dict[str, Sample]:
    """N5: the same for networks that mix the images."""
    return _decay_ratios(tables, compositional=False)


def decay_is_selective(tables: Tables) -> Sample:
    """N4: factor of the loss on glyph pairs over factor of the in-distribution loss."""
    decay = _decay(tables)
    return ratio_of_ratios(
        [
            _losses(tables, REFERENCE, GLYPHS_HEAD, decay=decay),
            _losses(tables, REFERENCE, GLYPHS_HEAD),
            _losses(tables, REFERENCE, GLYPHS_HEAD, triples.IN_DISTRIBUTION, decay),
            _losses(tables, REFERENCE, GLYPHS_HEAD, triples.IN_DISTRIBUTION),
        ]
    )


def rare_count_helps(tables: Tables) -> Sample:
    """N6: Spearman correlation of n_9 and the loss with two held-out 9s, sum network."""
    counts = _counts(tables)
    losses = [_losses(tables, REFERENCE, nines(count), triples.TWO_NINES) for count in counts]
    ranks = np.stack(losses, 1).argsort(axis=1).argsort(axis=1)
    return Sample([np.corrcoef(np.arange(len(counts)), row)[0, 1] for row in ranks])


def rare_count_architecture(tables: Tables) -> dict[str, Sample]:
    """N6: loss with two held-out 9s, cross-channel over sum, n_9 ≥ 16."""
    return {
        f"n_9 = {count}": _mixing_ratio(tables, count, triples.TWO_NINES)
        for count in _counts(tables)
        if count >= MANY_NINES
    }


def new_pairs(tables: Tables) -> Sample:
    """N7: loss on new pairs of two trained 9s at n_9 = 16, cross-channel over sum."""
    return _mixing_ratio(tables, MANY_NINES, triples.TWO_TRAINED_NINES)


def rows_carry_knowledge(tables: Tables) -> Sample:
    """N8: loss on the ten glyph rows when they are left out of training, sum network."""
    return Sample(_losses(tables, REFERENCE, WITHOUT_GLYPHS, triples.GLYPH_ROWS))


def rows_carry_combinations(tables: Tables) -> Sample:
    """N8: loss on glyph pairs when the glyph rows are left out of training, sum network."""
    return Sample(_losses(tables, REFERENCE, WITHOUT_GLYPHS))


def credit_assignment(tables: Tables) -> Sample:
    """N9: loss on glyph pairs, tail companions over head companions, sum network, no decay."""
    return ratio_of(
        _losses(tables, REFERENCE, GLYPHS[triples.TAIL]), _losses(tables, REFERENCE, GLYPHS_HEAD)
    )


def credit_memorized(tables: Tables) -> Sample:
    """N9: loss on the training rows of glyphs beside tail companions."""
    return Sample(_losses(tables, REFERENCE, GLYPHS[triples.TAIL], triples.GLYPH_ROWS))


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


def _composed_losses(tables: Tables, additive: bool) -> dict[str, Sample]:
    return {
        network.name: Sample(_losses(tables, network.name, GLYPHS_HEAD))
        for network in _trained(tables)
        if network.compositional and network.additive is additive
    }


def _decay_ratios(tables: Tables, compositional: bool) -> dict[str, Sample]:
    decay = _decay(tables)
    return {
        network.name: ratio_of(
            _losses(tables, network.name, GLYPHS_HEAD, decay=decay),
            _losses(tables, network.name, GLYPHS_HEAD),
        )
        for network in _trained(tables)
        if network.compositional is compositional
    }


def _mixing_ratio(tables: Tables, count: int, evaluation_set: EvaluationSet) -> Sample:
    """Loss of the cross-channel network over that of the sum network, `count` trained 9s."""
    return ratio_of(
        _losses(tables, MIXING, nines(count), evaluation_set),
        _losses(tables, REFERENCE, nines(count), evaluation_set),
    )
