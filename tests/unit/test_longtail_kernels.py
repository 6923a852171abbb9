"""Kernels of long-tail composition: as loops, as solves."""

import numpy as np
import pytest
from rote.core import tables
from rote.papers.longtail import (
    dataset,
    kernel,
    schema,
    settings,
)


@pytest.fixture(scope="module")
def images():
    return dataset.synthesize_images(settings.LongtailImages(source="digits"), 2, 1)


def test_triple_kernels_agree_with_loops():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 4))
    kappa = np.exp(-((points[:, None] - points) ** 2).sum(-1))
    left, right = rng.integers(12, size=(5, 3)), rng.integers(12, size=(4, 3))
    shared, slot, mono = np.zeros((3, 5, 4))
    for i, j in np.ndindex(5, 4):
        for a in range(3):
            slot[i, j] += kappa[left[i, a], right[j, a]] / 3
            for b in range(3):
                shared[i, j] += kappa[left[i, a], right[j, b]] / 3
        mono[i, j] = np.prod([kappa[left[i, a], right[j, a]] for a in range(3)])
    for fitted, expected in (
        (kernel.SHARED, shared),
        (kernel.SLOT_WISE, slot),
        (kernel.MONOLITHIC, mono),
        (kernel.mixture(0.3), 0.7 * shared + 0.3 * mono),
    ):
        np.testing.assert_allclose(fitted.gram(kappa, left, right), expected)


def test_kernel_ridge_agrees_with_solve(images):
    options = settings.LongtailKernel(
        n=40, lams=[1e-6, 0.3], test_rows=15, replicates=2, rhos=[0.0, 1.0]
    )
    rows = dataset.synthesize_triples(images, dataset.kernel_track(options, 2.0, 50), 1)
    losses = kernel.evaluate(options, images, rows)
    tables.check(losses, schema.KernelLosses)
    rows = rows[rows["replicate"] == 0]
    pixels = dataset.pixels(images).astype(float)
    used = np.unique(rows[["image_0", "image_1", "image_2"]])
    distance = ((pixels[used][:, None] - pixels[used]) ** 2).sum(-1)
    scale = 2 * options.bandwidth * np.median(distance[distance > 0])

    def triples_of(training_set, evaluation_set):
        named = (rows["training_set"] == training_set) & (rows["evaluation_set"] == evaluation_set)
        group = rows[named]
        return group[["image_0", "image_1", "image_2"]].to_numpy(), group["target"].to_numpy()

    def gram(left, right):
        total = 0.0
        for a, b in np.ndindex(3, 3):
            u, v = pixels[left[:, a]], pixels[right[:, b]]
            total = total + np.exp(-((u[:, None] - v) ** 2).sum(-1) / scale) / 3
        return total

    train, targets = triples_of("glyphs-head", "train")
    test, test_targets = triples_of("any", "two-glyphs-any-slot")
    K = gram(train, train)
    center = targets.mean()
    dual = np.linalg.solve(K + 0.3 * np.eye(40), targets - center)
    prediction = gram(test, train) @ dual + center
    row = losses.query(
        "kernel == 'shared' and lam == 0.3 and training_set == 'glyphs-head' "
        "and replicate == 0 and evaluation_set == 'two-glyphs-any-slot'"
    )
    assert row["mse"].item() == pytest.approx(np.mean((prediction - test_targets) ** 2), rel=1e-6)
    H = K @ np.linalg.inv(K + 0.3 * np.eye(40))
    assert row["hat_glyphs"].item() == pytest.approx(np.diag(H)[-10:].mean(), rel=1e-6)


def test_kernels_memorize_glyph_rows_whatever_their_structure(images):
    options = settings.LongtailKernel(n=40, test_rows=15, replicates=2)
    rows = dataset.synthesize_triples(images, dataset.kernel_track(options, 2.0, 50), 1)
    losses = kernel.evaluate(options, images, rows)
    hats = losses.loc[losses["kernel"] == kernel.MIXTURE, "hat_glyphs"]
    assert hats.min() > 0.99
    ridge = losses[(losses["kernel"] == kernel.SHARED.name) & (losses["lam"] == options.lams[-1])]
    assert ridge["hat_glyphs"].max() < 0.5
