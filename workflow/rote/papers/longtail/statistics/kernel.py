"""What the claims about the kernel track measure (labels K1 to K5)."""

import numpy as np

from rote.papers.longtail import kernel
from rote.papers.longtail.dataset import GLYPHS, GLYPHS_HEAD, TrainingSet
from rote.papers.longtail.statistics.network import LEARNT
from rote.papers.longtail.statistics.samples import Tables, steps
from rote.synth import triples
from rote.synth.triples import EvaluationSet

MEMORIZED = "memorized"  # the smallest penalty that every kernel is fitted with
RIDGE = "ridge"  # the largest


def kernel_composes(tables: Tables) -> np.ndarray:
    """K1: loss on glyph pairs, shared over monolithic kernel, λ → 0, (replicates,)."""
    shared, monolithic = (
        _losses(tables, fitted, MEMORIZED) for fitted in (kernel.SHARED, kernel.MONOLITHIC)
    )
    return shared / monolithic


def kernel_needs_memory(tables: Tables) -> np.ndarray:
    """K1: losses on glyph pairs, shared kernel, ridge and λ → 0, (replicates, 2)."""
    penalties = (RIDGE, MEMORIZED)
    losses = np.stack([_losses(tables, kernel.SHARED, penalty) for penalty in penalties], 1)
    return np.where(_learnt(tables, kernel.SHARED, RIDGE)[:, None], losses, np.nan)


def kernel_needs_structure(tables: Tables) -> dict[str, np.ndarray]:
    """K1: losses on glyph pairs, monolithic and shared kernel, at both penalties."""
    conditions = {}
    for penalty in (MEMORIZED, RIDGE):
        kernels = (kernel.MONOLITHIC, kernel.SHARED)
        losses = [_losses(tables, fitted, penalty) for fitted in kernels]
        learnt = _learnt(tables, kernel.MONOLITHIC, penalty)
        conditions[penalty] = np.where(learnt[:, None], np.stack(losses, 1), np.nan)
    return conditions


def kernel_selective(tables: Tables) -> np.ndarray:
    """K2: ridge's factor of the loss on glyph pairs over its factor of the in-distribution loss."""
    factors = [
        _losses(tables, kernel.SHARED, RIDGE, evaluation_set)
        / _losses(tables, kernel.SHARED, MEMORIZED, evaluation_set)
        for evaluation_set in (triples.TWO_GLYPHS, triples.IN_DISTRIBUTION)
    ]
    learnt = _learnt(tables, kernel.SHARED, RIDGE)
    return np.where(learnt, factors[0] / factors[1], np.nan)


def kernel_slot_elsewhere(tables: Tables) -> np.ndarray:
    """K3: losses of the slot-wise kernel on glyph pairs in any and in their trained slots."""
    sets = (triples.TWO_GLYPHS, triples.TWO_GLYPHS_TRAINED_SLOTS)
    return np.stack([_losses(tables, kernel.SLOT_WISE, MEMORIZED, pairs) for pairs in sets], 1)


def kernel_partial_structure(tables: Tables) -> dict[str, np.ndarray]:
    """K4: factor of the loss on glyph pairs with each step of ρ."""
    table = tables["kernel"]
    pairs = table["evaluation_set"] == triples.TWO_GLYPHS.name
    return steps(table[(table["kernel"] == kernel.MIXTURE) & pairs], "rho", "mse", "rho")


def kernel_credit(tables: Tables) -> np.ndarray:
    """K5: loss on glyph pairs, tail companions over head companions, (replicates,)."""
    tail, head = (
        _losses(tables, kernel.SHARED, MEMORIZED, training_set=training_set)
        for training_set in (GLYPHS[triples.TAIL], GLYPHS_HEAD)
    )
    learnt = _learnt(tables, kernel.SHARED, MEMORIZED, GLYPHS[triples.TAIL])
    return np.where(learnt, tail / head, np.nan)


def _learnt(
    tables: Tables,
    fitted: kernel.TripleKernel,
    penalty: str,
    training_set: TrainingSet = GLYPHS_HEAD,
) -> np.ndarray:
    """Whether kernels have learnt to add digits, (replicates,): any answers fail otherwise."""
    return _losses(tables, fitted, penalty, triples.IN_DISTRIBUTION, training_set) < LEARNT


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
