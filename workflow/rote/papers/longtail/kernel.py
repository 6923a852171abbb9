"""Kernel track: the network track's experiment in closed form (our reconstruction).

With κ(u, v) = exp(−||u − v||² / (2h·median squared distance)) between single images, triples have
the kernels

    K_shared = ⅓ Σ_{a,b} κ(x_a, x'_b),   K_slot = ⅓ Σ_a κ(x_a, x'_a),   K_mono = Π_a κ(x_a, x'_a),

one function shared by the slots, one function per slot, and no structure at all; K_ρ mixes shared
and mono.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import linalg
from scipy.spatial.distance import cdist

from rote.papers.longtail import settings
from rote.papers.longtail.dataset import GLYPHS_IN
from rote.synth.triples import GLYPHS


def evaluate(
    options: settings.Kernel,
    images: pd.DataFrame,
    rows: pd.DataFrame,
    track: Iterable | None = None,
) -> pd.DataFrame:
    """Kernel ridge regression on the glyph training sets: the table KernelLosses.

    The shared kernel is fitted on every companion set and penalty, the others on head companions;
    mixtures without ridge only. One eigendecomposition serves all penalties.
    """
    pixels = np.stack(images["pixels"].to_numpy()).astype(float)
    found = []
    for replicate in (track or iter)(range(options.replicates)):
        mine = rows[rows["replicate"] == replicate]
        sets = {
            name: (group[["image_0", "image_1", "image_2"]].to_numpy(), group["target"].to_numpy())
            for name, group in mine.groupby("dataset")
        }
        used, flat = np.unique(
            np.concatenate([ids.ravel() for ids, _ in sets.values()]), return_inverse=True
        )
        edges = np.cumsum([0] + [ids.size for ids, _ in sets.values()])
        local = {  # the same triples, numbered within `used`
            name: (flat[low:high].reshape(-1, 3), target)
            for (name, (_, target)), low, high in zip(
                sets.items(), edges[:-1], edges[1:], strict=True
            )
        }
        squared = cdist(pixels[used], pixels[used], "sqeuclidean")
        kappa = np.exp(-squared / (2 * options.bandwidth * np.median(squared[squared > 0])))
        for kernel, rho, companions, lams in _plans(options):
            dataset = GLYPHS_IN[companions]
            tests = {
                name.split(":")[1]: pair
                for name, pair in local.items()
                if name.startswith("test:")
                and (name.count(":") == 1 or name.endswith(f":{dataset}"))
            }
            for lam, evaluated, mse, hat in _ridge(
                kernel, rho, kappa, local[f"train:{dataset}"], tests, lams
            ):
                found.append((kernel, rho, dataset, lam, replicate, evaluated, mse, hat))
    columns = ["kernel", "rho", "dataset", "lam", "replicate", "evaluated", "mse", "hat_rare"]
    return pd.DataFrame(found, columns=columns)


def _plans(options: settings.Kernel) -> list[tuple[str, float, str, list[float]]]:
    """What is fitted: (kernel, ρ, companions, penalties)."""
    memorized, both = options.lams[:1], [options.lams[0], options.decayed]
    plans = [
        ("shared", 0.0, "head", options.lams),
        ("mono", 1.0, "head", both),
        ("slot", 0.0, "head", both),
    ]
    plans += [("shared", 0.0, companions, both) for companions in ("zipf", "tail")]
    return plans + [("mixture", rho, "head", memorized) for rho in options.mixtures]


def gram(
    kernel: str, rho: float, kappa: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Kernel between triples, from the image-by-image kernel κ: (m, 3) x (n, 3) ids -> (m, n)."""
    if kernel == "mixture":
        return (1 - rho) * gram("shared", 0, kappa, left, right) + rho * gram(
            "mono", 1, kappa, left, right
        )
    if kernel == "shared":
        return sum(kappa[np.ix_(left[:, a], right[:, b])] for a in range(3) for b in range(3)) / 3
    matched = [kappa[np.ix_(left[:, a], right[:, a])] for a in range(3)]
    return sum(matched) / 3 if kernel == "slot" else matched[0] * matched[1] * matched[2]


def _ridge(
    kernel: str,
    rho: float,
    kappa: np.ndarray,
    train: tuple[np.ndarray, np.ndarray],
    tests: Mapping[str, tuple[np.ndarray, np.ndarray]],
    lams: list[float],
) -> Iterable[tuple[float, str, float, float]]:
    """(λ, test set, loss, mean H_jj of the glyph rows) for one training set; targets centered by the
    training mean.
    """
    ids, target = train
    w, V = linalg.eigh(gram(kernel, rho, kappa, ids, ids))
    w = np.maximum(w, 0)  # rounding
    shift = target.mean()
    spectral = V.T @ (target - shift)
    dual = V @ (spectral[:, None] / (w[:, None] + np.array(lams)))  # (n, L)
    hats = (V[-GLYPHS:] ** 2) @ (
        w[:, None] / (w[:, None] + np.array(lams))
    )  # the glyph rows are the last ten
    for name, (rows, truth) in tests.items():
        errors = gram(kernel, rho, kappa, rows, ids) @ dual + shift - truth[:, None]  # (m, L)
        for lam, mse, hat in zip(lams, (errors**2).mean(axis=0), hats.mean(axis=0), strict=True):
            yield lam, name, mse, hat
