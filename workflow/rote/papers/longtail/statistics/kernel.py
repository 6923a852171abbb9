"""What the claims about the kernel track measure (labels K1 to K5)."""

import numpy as np

from rote.ledger import Sample
from rote.papers.longtail import kernel
from rote.papers.longtail.dataset import GLYPHS, GLYPHS_HEAD, TrainingSet
from rote.papers.longtail.statistics.samples import (
    Tables,
    ratio_of,
    ratio_of_ratios,
    smallest_rise,
)
from rote.synth import triples
from rote.synth.triples import EvaluationSet

MEMORIZED = "memorized"  # the smallest penalty that every kernel is fitted with
RIDGE = "ridge"  # the largest


def kernel_composes(tables: Tables) -> Sample:
    """K1: loss on glyph pairs, shared kernel, λ → 0."""
    return Sample(_losses(tables, kernel.SHARED, MEMORIZED))


def kernel_needs_memory(tables: Tables) -> Sample:
    """K1: loss on glyph pairs, shared kernel, ridge."""
    return Sample(_losses(tables, kernel.SHARED, RIDGE))


def kernel_needs_structure(tables: Tables) -> dict[str, Sample]:
    """K1: loss on glyph pairs, monolithic kernel, both penalties."""
    return {
        penalty: Sample(_losses(tables, kernel.MONOLITHIC, penalty))
        for penalty in (MEMORIZED, RIDGE)
    }


def kernel_selective(tables: Tables) -> Sample:
    """K2: factor of the loss on glyph pairs over factor of the in-distribution loss."""
    return ratio_of_ratios(
        [
            _losses(tables, kernel.SHARED, RIDGE),
            _losses(tables, kernel.SHARED, MEMORIZED),
            _losses(tables, kernel.SHARED, RIDGE, triples.IN_DISTRIBUTION),
            _losses(tables, kernel.SHARED, MEMORIZED, triples.IN_DISTRIBUTION),
        ]
    )


def kernel_slot_trained(tables: Tables) -> Sample:
    """K3: slot-wise kernel on glyph pairs in their trained slots."""
    pairs = triples.TWO_GLYPHS_TRAINED_SLOTS
    return Sample(_losses(tables, kernel.SLOT_WISE, MEMORIZED, pairs))


def kernel_slot_elsewhere(tables: Tables) -> Sample:
    """K3: slot-wise kernel on glyph pairs in any slots."""
    return Sample(_losses(tables, kernel.SLOT_WISE, MEMORIZED))


def kernel_partial_structure(tables: Tables) -> Sample:
    """K4: the smallest rise of the loss on glyph pairs between neighboring ρ."""
    table = tables["kernel"]
    pairs = table["evaluation_set"] == triples.TWO_GLYPHS.name
    table = table[(table["kernel"] == kernel.MIXTURE) & pairs]
    return smallest_rise(table.pivot(index="replicate", columns="rho", values="mse"))


def kernel_memorized_throughout(tables: Tables) -> Sample:
    """K4: smallest mean H_jj of the glyph rows over all mixtures."""
    table = tables["kernel"]
    table = table[table["kernel"] == kernel.MIXTURE]
    return Sample(table.groupby("replicate")["hat_glyphs"].min())


def kernel_credit(tables: Tables) -> Sample:
    """K5: loss on glyph pairs, tail companions over head companions."""
    return ratio_of(
        _losses(tables, kernel.SHARED, MEMORIZED, training_set=GLYPHS[triples.TAIL]),
        _losses(tables, kernel.SHARED, MEMORIZED, training_set=GLYPHS_HEAD),
    )


def _losses(
    tables: Tables,
    fitted: kernel.TripleKernel,
    penalty: str,
    evaluation_set: EvaluationSet = triples.TWO_GLYPHS,
    training_set: TrainingSet = GLYPHS_HEAD,
) -> np.ndarray:
    """Losses of one kernel at the smaller or larger of two penalties, (replicates,).

    Raises:
        KeyError: if the run holds no such fit.
    """
    table = tables["kernel"]
    # the monolithic kernel is fitted with these two penalties, and so is every other
    penalties = table.loc[table["kernel"] == kernel.MONOLITHIC.name, "lam"]
    rows = table[
        (table["kernel"] == fitted.name)
        & (table["lam"] == (penalties.min() if penalty == MEMORIZED else penalties.max()))
        & (table["evaluation_set"] == evaluation_set.name)
        & (table["training_set"] == training_set.name)
    ]
    if rows.empty:
        raise KeyError(
            f"kernel {fitted.name} on {training_set.name}, measured on {evaluation_set.name}"
        )
    return rows.sort_values("replicate")["mse"].to_numpy()
