"""Kernel track: the network track's experiment in closed form (our reconstruction).

With κ(u, v) = exp(−||u − v||² / (2h·median squared distance)) between single images, triples have
the kernels

    K_shared = ⅓ Σ_{a,b} κ(x_a, x'_b),   K_slot = ⅓ Σ_a κ(x_a, x'_a),   K_mono = Π_a κ(x_a, x'_a),

one function shared by the slots, one function per slot, and no structure at all; K_ρ mixes shared
and monolithic.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import linalg
from scipy.spatial.distance import cdist

from rote.core import tables
from rote.papers.longtail import dataset, schema, settings
from rote.papers.longtail.dataset import SetName, TripleSet
from rote.papers.longtail.records import Progress
from rote.synth import triples

Gram = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TripleKernel:
    """A kernel between triples: gram(κ by image id, (m, 3) ids, (n, 3) ids) -> (m, n)."""

    name: str
    gram: Gram
    rho: float = 0.0  # share of the monolithic kernel


def shared(kappa: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """⅓ Σ_{a,b} κ(x_a, x'_b): one function of an image, summed over the slots."""
    pairs = np.ndindex(3, 3)
    return sum(kappa[np.ix_(left[:, a], right[:, b])] for a, b in pairs) / 3


def slot_wise(kappa: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """⅓ Σ_a κ(x_a, x'_a): a function per slot, summed."""
    return sum(kappa[np.ix_(left[:, a], right[:, a])] for a in range(3)) / 3


def monolithic(kappa: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Π_a κ(x_a, x'_a): a function of the whole triple."""
    first, second, third = (kappa[np.ix_(left[:, a], right[:, a])] for a in range(3))
    return first * second * third


SHARED = TripleKernel("shared", shared)
SLOT_WISE = TripleKernel("slot-wise", slot_wise)
MONOLITHIC = TripleKernel("monolithic", monolithic, rho=1.0)
MIXTURE = "mixture"


def mixture(rho: float) -> TripleKernel:
    """(1 − ρ) K_shared + ρ K_mono."""

    def gram(kappa: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return (1 - rho) * shared(kappa, left, right) + rho * monolithic(kappa, left, right)

    return TripleKernel(MIXTURE, gram, rho)


class KernelFit(NamedTuple):
    """A kernel ridge fit: one eigendecomposition serves all penalties."""

    kernel: TripleKernel
    companions: triples.Companions
    lams: list[float]


def fits(options: settings.LongtailKernel) -> list[KernelFit]:
    """What is fitted.

    The shared kernel on every companion set and with every penalty, the others on head companions;
    mixtures with the smallest penalty only.
    """
    memorized = options.lams[:1]
    both = [options.lams[0], options.decayed]
    return [
        KernelFit(SHARED, triples.HEAD, options.lams),
        KernelFit(MONOLITHIC, triples.HEAD, both),
        KernelFit(SLOT_WISE, triples.HEAD, both),
        KernelFit(SHARED, triples.ZIPF, both),
        KernelFit(SHARED, triples.TAIL, both),
        *(KernelFit(mixture(rho), triples.HEAD, memorized) for rho in options.rhos),
    ]


def evaluate(
    options: settings.LongtailKernel,
    images: pd.DataFrame,
    rows: pd.DataFrame,
    progress: Progress = iter,
) -> pd.DataFrame:
    """Kernel ridge regression on the glyph training sets: the table KernelLosses.

    Args:
        options: kernels, penalties and sizes.
        images: the table ImageBank.
        rows: the table Triples of the kernel track.
        progress: shows how many replicates are done.
    """
    pixels = dataset.pixels(images).astype(float)
    records = []
    for replicate in progress(range(options.replicates)):
        sets = dataset.triple_sets(rows[rows["replicate"] == replicate])
        used = np.unique(np.concatenate([triple_set.ids.ravel() for triple_set in sets.values()]))
        local = {
            name: TripleSet(np.searchsorted(used, triple_set.ids), triple_set.targets)
            for name, triple_set in sets.items()
        }
        kappa = image_kernel(pixels[used], options.bandwidth)
        for fit in fits(options):
            records += _losses(fit, kappa, local, replicate)
    return tables.frame(schema.KernelLosses, records)


def image_kernel(pixels: np.ndarray, bandwidth: float) -> np.ndarray:
    """κ between all images, (images, images)."""
    squared = cdist(pixels, pixels, "sqeuclidean")
    return np.exp(-squared / (2 * bandwidth * np.median(squared[squared > 0])))


def _losses(
    fit: KernelFit, kappa: np.ndarray, sets: dict[SetName, TripleSet], replicate: int
) -> Iterator[dict[str, Any]]:
    """Losses on every test set and penalty; targets are centered by the training mean."""
    training_set = dataset.GLYPHS[fit.companions]
    train = sets[SetName(replicate, training_set, triples.TRAIN.name)]
    lams = np.array(fit.lams)
    w, V = linalg.eigh(fit.kernel.gram(kappa, train.ids, train.ids))
    w = np.maximum(w, 0)  # rounding
    center = train.targets.mean()
    dual = V @ ((V.T @ (train.targets - center))[:, None] / (w[:, None] + lams))  # (n, L)
    glyph_rows = V[-triples.GLYPHS :]  # the last ten
    hats = ((glyph_rows**2) @ (w[:, None] / (w[:, None] + lams))).mean(axis=0)  # (L,)
    for evaluation_set in triples.EVALUATION_SETS:
        test = dataset.evaluated(sets, SetName(replicate, training_set, evaluation_set))
        if test is None or evaluation_set == triples.TRAIN.name:
            continue
        output = fit.kernel.gram(kappa, test.ids, train.ids) @ dual + center  # (m, L)
        errors = ((output - test.targets[:, None]) ** 2).mean(axis=0)
        for lam, mse, hat in zip(fit.lams, errors, hats, strict=True):
            yield {
                "kernel": fit.kernel.name,
                "rho": fit.kernel.rho,
                "training_set": training_set.name,
                "lam": lam,
                "replicate": replicate,
                "evaluation_set": evaluation_set,
                "mse": mse,
                "hat_glyphs": hat,
            }
