"""Networks and kernels of long-tail composition: stacks as loops, kernels as solves."""

import numpy as np
import pandas as pd
import pytest
import torch
from rote.core import tables
from rote.models import slots
from rote.papers.longtail import dataset, kernel, network, schema, settings
from rote.papers.longtail.architectures import ARCHITECTURES, BACKBONES
from rote.synth import triples


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ("sum", 15_649),
        ("linear", 15_653),
        ("two-layer", 15_970),
        ("cross-channel", 28_001),
        ("concat", 27_937),
    ],
)
def test_mlp_has_its_sizes_and_structure(architecture, parameters):
    rngs = [np.random.default_rng(i) for i in range(2)]
    stack = slots.build("mlp", architecture, 8, rngs)
    assert sum(value[0].numel() for value in stack.parameters.values()) == parameters
    x = torch.randn(2, 5, 3, 64)
    output = stack.forward(stack.parameters, x, True)
    assert output.shape == (2, 5)
    swapped = stack.forward(stack.parameters, x[:, :, [2, 0, 1]], True)
    has_no_slots = torch.allclose(output, swapped, atol=1e-5)
    assert has_no_slots is (architecture == "sum")
    # changing one image changes the output by an amount independent of the others
    if ARCHITECTURES[architecture].additive:
        other = x.clone()
        other[:, :, 1:] = torch.randn(2, 5, 2, 64)
        new = torch.randn(2, 5, 64)
        changes = []
        for start in (x, other):
            changed = start.clone()
            changed[:, :, 0] = new
            changes.append(
                stack.forward(stack.parameters, changed, True)
                - stack.forward(stack.parameters, start, True)
            )
        old = x[:, :, 0]
        assert torch.equal(old, other[:, :, 0])
        torch.testing.assert_close(*changes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["sum", "linear", "two-layer", "cross-channel"])
def test_resnets_train_and_keep_their_statistics_apart(architecture):
    torch.set_num_threads(1)
    stack = slots.build("resnet18", architecture, 28, [np.random.default_rng(i) for i in range(2)])
    x = torch.randn(2, 4, 3, 784)
    x[1] = 5 + 2 * x[1]
    before = {name: value.clone() for name, value in stack.buffers.items()}
    assert stack.forward(stack.parameters, x, True).shape == (2, 4)
    mean = stack.buffers["encoder.bn1.running_mean"]
    assert not torch.equal(mean, before["encoder.bn1.running_mean"])
    assert not torch.allclose(mean[0], mean[1])
    after = mean.clone()
    stack.forward(stack.parameters, x, False)
    assert torch.equal(stack.buffers["encoder.bn1.running_mean"], after)


@pytest.mark.parametrize("architecture", ["sum", "cross-channel"])
@pytest.mark.parametrize("side", [8, 28, 40])
def test_a_batch_of_one_row_trains(architecture, side):
    """The last of an epoch: where one value per channel is left, running statistics serve."""
    torch.set_num_threads(1)
    stack = slots.build("resnet18", architecture, side, [np.random.default_rng(0)])
    x = torch.randn(1, 1, 3, side * side)
    before = {name: value.clone() for name, value in stack.buffers.items()}
    parameters = {name: value.requires_grad_() for name, value in stack.parameters.items()}
    output = stack.forward(parameters, x, True)
    gradients = torch.autograd.grad(output.sum(), list(parameters.values()))
    assert torch.isfinite(output).all()
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    single = side <= 32 and architecture == "cross-channel"  # 1 x 1 maps of one row
    name = "encoder.layer4.1.bn2.running_mean"
    assert torch.equal(stack.buffers[name], before[name]) is single


def test_an_epoch_may_end_with_one_row(images):
    options = tiny_network(
        backbone="resnet18",
        architectures=["cross-channel"],
        n=21,
        epochs=1,
        batch=10,
        rare_counts=[0],
        replicates=2,
        test_rows=10,
    )
    small = network_triples(images, options)
    losses = network.train_networks(options, "cross-channel", images, small, 1)
    assert np.isfinite(losses["mse"]).all()


def test_backbones_are_those_that_slots_build():
    assert set(BACKBONES) == set(slots.BACKBONES)


def tiny_network(**changes) -> settings.LongtailNetwork:
    defaults = {
        "architectures": ["sum"],
        "rare_counts": [0, 4],
        "weight_decays": [0.0, 3.0],
        "n": 60,
        "epochs": 2,
        "test_rows": 20,
        "replicates": 2,
        "batch": 32,
    }
    return settings.LongtailNetwork(**(defaults | changes))


@pytest.fixture(scope="module")
def images():
    return dataset.synthesize_images(settings.LongtailImages(), 2, 1)


@pytest.fixture(scope="module")
def rows(images):
    return network_triples(images, tiny_network())


def network_triples(images, options, held_out=50):
    return dataset.synthesize_triples(images, dataset.network_track(options, held_out), 1)


@pytest.mark.parametrize("architecture", ["sum", "cross-channel"])
def test_stack_trains_what_a_loop_trains(images, rows, architecture):
    options = tiny_network(architectures=["sum", "cross-channel"])
    together, alone = (
        network.train_networks(
            options, architecture, images, rows, 1, network.Execution(stack=stack)
        )
        for stack in (None, 1)
    )
    key = ["training_set", "nines", "weight_decay", "replicate", "evaluation_set"]
    merged = together.merge(alone, on=key, validate="one_to_one")
    assert len(merged) == len(together) == len(alone)
    np.testing.assert_allclose(merged["mse_x"], merged["mse_y"], rtol=2e-4, atol=1e-5)
    tables.check(together, schema.NetworkLosses)


def test_epoch_trains_on_every_row(images, rows, monkeypatch):
    """60 rows in batches of 32: the last batch is short, no row is skipped."""
    orders = []
    real = network.batch_order

    def spy_order(*arguments):
        orders.append(real(*arguments))
        return orders[-1]

    def spy_fit(parameters, loss, optimizer, **options):
        assert optimizer.steps == 4
        return parameters

    monkeypatch.setattr(network, "batch_order", spy_order)
    monkeypatch.setattr(network.train, "fit", spy_fit)
    network.train_networks(tiny_network(), "sum", images, rows, 1)
    (order,) = orders
    for epoch in (0, 1):
        seen = np.concatenate([order.rows(2 * epoch), order.rows(2 * epoch + 1)], 1)
        assert (np.sort(seen, axis=1) == np.arange(60)).all()
    assert not np.array_equal(order.rows(0), order.rows(2))


def test_synthesis_is_reproducible_and_streams_are_separate(images, rows):
    again = network_triples(images, tiny_network())
    pd.testing.assert_frame_equal(rows, again)
    more = network_triples(images, tiny_network(rare_counts=[0, 4, 9]))
    assert set(more["nines"]) == {0, 4, 9}
    common = more[more["nines"] != 9].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, common)  # another count changes no other data set


def test_test_set_of_its_own_comes_before_the_set_for_any_training_set(rows):
    sets = dataset.triple_sets(rows)
    glyph_rows = dataset.SetName(0, dataset.GLYPHS_HEAD, triples.GLYPH_ROWS.name)
    train = dataset.SetName(0, dataset.GLYPHS_HEAD, triples.TRAIN.name)
    result = dataset.evaluated(sets, glyph_rows)
    np.testing.assert_array_equal(result.ids, sets[train].ids[-10:])
    shared = dataset.SetName(1, dataset.nines(4), triples.TWO_GLYPHS.name)
    assert dataset.evaluated(sets, shared) is sets[shared._replace(training_set=dataset.ANY)]
    assert dataset.evaluated(sets, glyph_rows._replace(training_set=dataset.nines(4))) is None


def test_mnist_and_omniglot_reach_the_networks(mnist_folder, images):
    options = settings.LongtailImages(source="mnist", root=str(mnist_folder), held_out=10)
    bank = dataset.synthesize_images(options, 2, 1)
    tables.check(bank, schema.ImageBank)
    assert bank["side"].unique().tolist() == [28]
    rows = network_triples(bank, tiny_network(epochs=1), held_out=10)
    losses = network.train_networks(tiny_network(epochs=1), "sum", bank, rows, 1)
    assert np.isfinite(losses["mse"]).all()


def test_resnet_jobs_resume(images, rows, tmp_path, monkeypatch):
    """The paper's network on tiny data, one at a time: killed in the second, resumed bit by bit."""
    options = tiny_network(
        backbone="resnet18", n=20, epochs=1, batch=10, rare_counts=[0], replicates=2, test_rows=10
    )
    small = network_triples(images, options)
    two_units = network.units(options, "sum")[:2]
    monkeypatch.setattr(network, "units", lambda options, architecture: two_units)
    undisturbed = network.train_networks(options, "sum", images, small, 1)
    real = network.train.fit
    calls = []

    def mortal(parameters, loss, optimizer, **rest):
        calls.append(1)

        def dies(inner, step):
            if len(calls) == 2 and step == 1:
                raise KeyboardInterrupt
            return loss(inner, step)

        return real(parameters, dies, optimizer, **rest)

    monkeypatch.setattr(network.train, "fit", mortal)
    execution = network.Execution(checkpoints=tmp_path, checkpoint_steps=1)
    with pytest.raises(KeyboardInterrupt):
        network.train_networks(options, "sum", images, small, 1, execution)
    assert any(tmp_path.glob("sum-*.pt"))
    monkeypatch.setattr(network.train, "fit", real)
    resumed = network.train_networks(options, "sum", images, small, 1, execution)
    pd.testing.assert_frame_equal(undisturbed, resumed)


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
    pixels = np.stack(images["pixels"].to_numpy()).astype(float)
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
