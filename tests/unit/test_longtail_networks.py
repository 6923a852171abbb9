"""Networks and kernels of long-tail composition: stacks as loops, kernels as solves."""

import numpy as np
import pandas as pd
import pytest
import torch
from rote.core import tables
from rote.core.errors import InputError
from rote.models import slots
from rote.papers.longtail import (
    dataset,
    decay,
    network,
    scenes,
    schema,
    settings,
    sizes,
)
from rote.papers.longtail.architectures import ARCHITECTURES, BACKBONES
from rote.synth import scenes as generated
from rote.synth import triples


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ("sum", 15_649),
        ("linear", 15_653),
        ("two-layer", 15_712),
        ("cross-channel", 15_601),
        ("concat", 15_617),
        ("wide-codes", 15_697),
        ("unshared", 15_597),
        ("leaky-0.3", 15_649),
    ],
)
def test_mlp_has_its_sizes_and_structure(architecture, parameters):
    rngs = [np.random.default_rng(i) for i in range(2)]
    stack = slots.build("mlp", architecture, slots.Sizes(64), rngs)
    assert sum(value[0].numel() for value in stack.parameters.values()) == parameters
    x = torch.randn(2, 5, 3, 64)
    output = stack.forward(stack.parameters, x, True)
    assert output.shape == (2, 5)
    swapped = stack.forward(stack.parameters, x[:, :, [2, 0, 1]], True)
    has_no_slots = torch.allclose(output, swapped, atol=1e-5)
    assert has_no_slots is (architecture in ("sum", "leaky-0.3"))
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


@pytest.mark.parametrize("inputs", [64, 196, 784])
def test_perceptrons_have_equally_many_parameters(inputs):
    """To the width that is nearest: one unit more or less of it."""
    counts = {}
    for architecture in ARCHITECTURES:
        sizes = slots.Sizes(inputs)
        stack = slots.build("mlp", architecture, sizes, [np.random.default_rng(0)])
        counts[architecture] = sum(value.numel() for value in stack.parameters.values())
    for architecture, count in counts.items():
        assert abs(count / counts["sum"] - 1) < 0.015, architecture


def test_leaky_networks_are_the_sum_network_on_mixed_images():
    """With weights of their own, ρ times the other images is added to each before it is encoded."""
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(1, 4, 3, 64, generator=rng)
    sizes = slots.Sizes(64)
    leaky = slots.build("mlp", "leaky-0.3", sizes, [np.random.default_rng(0)])
    plain = slots.build("mlp", "sum", sizes, [np.random.default_rng(0)])
    mixed = torch.stack([x[:, :, a] + 0.3 * (x.sum(2) - x[:, :, a]) for a in range(3)], 2)
    torch.testing.assert_close(
        leaky.forward(leaky.parameters, x, True), plain.forward(plain.parameters, mixed, True)
    )


def test_unshared_networks_have_an_encoder_for_every_slot():
    """Each slot's part by hand: three perceptrons, added up."""
    stack = slots.build("mlp", "unshared", slots.Sizes(16), [np.random.default_rng(0)])
    x = torch.randn(1, 5, 3, 16)
    total = 0
    for slot in range(3):
        hidden = x[0, :, slot]
        for layer in range(3):
            weight = stack.parameters[f"encoder.{layer}.weight"][0, slot]
            hidden = hidden @ weight + stack.parameters[f"encoder.{layer}.bias"][0, slot]
            hidden = hidden if layer == 2 else hidden.relu()
        total = total + hidden[:, 0]
    torch.testing.assert_close(stack.forward(stack.parameters, x, True)[0], total)


@pytest.mark.parametrize("architecture", ["sum", "linear", "two-layer", "cross-channel"])
def test_resnets_train_and_keep_their_statistics_apart(architecture):
    torch.set_num_threads(1)
    stack = slots.build(
        "resnet18", architecture, slots.Sizes(784), [np.random.default_rng(i) for i in range(2)]
    )
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
    stack = slots.build("resnet18", architecture, slots.Sizes(side**2), [np.random.default_rng(0)])
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
    return dataset.synthesize_images(settings.LongtailImages(source="digits"), 2, 1)


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
    assert bank["side"].unique().tolist() == [14]
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


# ---- which decay counts as not memorized


def decay_losses(one_off, training, replicates=4):
    """Losses of one architecture on one-off symbols: by decay, the same in all replicates."""
    rows = []
    for replicate in range(replicates):
        for weight_decay in one_off:
            key = {"architecture": "sum", "training_set": "glyphs-head", "nines": 0}
            key |= {"weight_decay": weight_decay, "replicate": replicate}
            losses = {"glyph-training-rows": one_off[weight_decay], "train": training[weight_decay]}
            rows += [key | {"evaluation_set": name, "mse": mse} for name, mse in losses.items()]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("one_off", "training", "chosen"),
    [
        ({0.0: 0.0, 1.0: 0.3, 2.0: 0.8, 3.0: 5.0}, {0.0: 0, 1.0: 0.01, 2.0: 0.1, 3.0: 0.6}, 2.0),
        # of two that obey, the one farther from its nearer bound
        ({0.0: 0.0, 1.0: 0.6, 2.0: 2.0}, {0.0: 0, 1.0: 0.01, 2.0: 0.2}, 2.0),
        ({0.0: 0.0, 1.0: 0.6, 2.0: 2.0}, {0.0: 0, 1.0: 0.01, 2.0: 0.45}, 1.0),
        ({0.0: 0.0, 1.0: 0.3, 2.0: 5.0}, {0.0: 0, 1.0: 0.01, 2.0: 0.6}, None),
        ({0.0: 5.0, 1.0: 0.3}, {0.0: 0.1, 1.0: 0.01}, None),  # 0 is no decay
    ],
)
def test_decay_is_chosen_where_one_offs_are_forgotten_and_the_bulk_is_fitted(
    one_off, training, chosen
):
    losses = decay_losses(one_off, training)
    assert decay.chosen(losses, "sum") == chosen
    table = decay.summary(losses)
    tables.check(table, schema.Decays)
    assert table["chosen"].sum() == (chosen is not None)
    assert set(decay.cross_fitted(losses, "sum").values()) == {chosen} or chosen is None


def test_decay_is_judged_on_replicates_that_did_not_choose_it():
    grid = {0.0: 0.0, 1.0: 0.8, 2.0: 3.0}
    even = decay_losses(grid, {0.0: 0, 1.0: 0.01, 2.0: 0.9}, 2)
    odd = decay_losses(grid, {0.0: 0, 1.0: 0.01, 2.0: 0.1}, 2)
    losses = pd.concat([even[even["replicate"] == 0], odd[odd["replicate"] == 1]])
    assert decay.cross_fitted(losses, "sum") == {0: 2.0, 1: 1.0}


def test_networks_with_the_chosen_decay_are_trained_in_a_second_stage(images, monkeypatch):
    options = tiny_network(extensions=True)
    rows = network_triples(images, options)
    monkeypatch.setattr(network, "not_memorized", lambda losses, architecture: 3.0)
    losses = network.train_networks(options, "sum", images, rows, 1)
    trained = losses.groupby("training_set")["weight_decay"].unique().map(sorted)
    assert trained["nines"] == [0.0, 3.0]
    assert trained["glyphs-wrong-2"] == [0.0, 3.0]
    assert trained["glyphs-half-1"] == [0.0, 3.0]
    assert trained["ten-digits"] == [0.0]
    none = network.decayed_units(options, "sum", None)
    assert {unit.weight_decay for unit in none} == {0.0}
    assert network.decayed_units(options, "linear", 3.0) == []
    tables.check(losses, schema.NetworkLosses)


def test_degrees_of_structure_are_trained_on_one_off_symbols_alone():
    options = tiny_network(architectures=["sum", "unshared"])
    units = network.units(options, "unshared")
    trained = {(unit.training_set, unit.weight_decay) for unit in units}
    assert trained == {(dataset.GLYPHS_HEAD, 0.0)}


def test_halves_hold_every_symbol_once_and_wrong_labels_are_wrong(images):
    options = tiny_network(extensions=True, n=60)
    sets = dataset.triple_sets(network_triples(images, options))
    glyphs = images.loc[images["replicate"] == 0, "image"].to_numpy()
    trained = []
    for half in dataset.HALVES:
        ids = sets[dataset.SetName(0, half, "train")].ids
        there = np.intersect1d(ids, glyphs)
        left_out = sets[dataset.SetName(0, half, "glyph-rows-left-out")].ids
        assert not np.isin(left_out, there).any()
        assert np.isin(there, sets[dataset.SetName(0, half, "glyph-rows-trained")].ids).all()
        trained += there.tolist()
    assert sorted(trained) == sorted(glyphs)
    right = sets[dataset.SetName(0, dataset.GLYPHS_HEAD, "train")]
    for count, training_set in dataset.WRONG.items():
        wrong = sets[dataset.SetName(0, training_set, "train")]
        np.testing.assert_array_equal(wrong.ids, right.ids)
        changed = wrong.targets != right.targets
        assert changed.sum() == count
        assert changed[-10:].sum() == count


def test_sizes_train_every_width_and_length(images):
    options = tiny_network(widths=[8, 4], lengths=[1], epochs=2)
    frame = sizes.train(options, images, network_triples(images, options), 1)
    tables.check(frame, schema.SizeLosses)
    trained = set(zip(frame["width"], frame["epochs"], strict=True))
    assert trained == {(8, 2), (4, 2), (8, 1)}


# ---- scenes


def test_scenes_are_what_they_say():
    rng = np.random.default_rng(0)
    rare = generated.rarities(rng)
    train = generated.training(60, 1.0, rare, rng)
    is_rare = (train.shape >= 4).astype(int) + (train.colour >= 4)
    assert (is_rare.sum(1)[:-6] == 0).all()
    assert (is_rare.sum(1)[-6:] == 1).all()  # each rare attribute is in one scene
    numbers = np.r_[train.shape[train.shape >= 4], train.colour[train.colour >= 4]]
    assert sorted(numbers) == [4, 4, 5, 5, 6, 6]
    pairs = generated.pairs(50, rare, rng)
    assert ((pairs.shape >= 4).sum(1) == 1).all()
    assert ((pairs.colour >= 4).sum(1) == 1).all()
    assert not ((pairs.shape >= 4) & (pairs.colour >= 4)).any()
    joins = generated.joins(50, rare, rng)
    assert (((joins.shape >= 4) & (joins.colour >= 4)).sum(1) == 1).all()
    # a rare object of a test scene is, pixel by pixel, the one of the training scene
    trained = generated.render(train.at(slice(-6, None)), 12).reshape(-1, 432)
    shown = generated.render(pairs, 12).reshape(50, 3, 432)
    rare_objects = shown[(pairs.shape >= 4) | (pairs.colour >= 4)]
    assert all((trained == image).all(1).any() for image in rare_objects)


def test_scenes_render_every_shape_differently_in_its_colour():
    numbers = np.arange(7)
    still = np.full(7, 0.4), np.zeros(7), np.zeros(7)
    pixels = generated.render(generated.Objects(numbers, numbers, *still), 16)
    assert pixels.shape == (7, 3, 16, 16)
    masks = (pixels.max(1) > 0).reshape(7, -1)
    assert len(np.unique(masks, axis=0)) == 7
    for number, image in enumerate(pixels):
        inked = image.reshape(3, -1)[:, masks[number]]
        np.testing.assert_allclose(inked.T - generated.COLOURS[number], 0, atol=1e-6)
    with pytest.raises(InputError, match="side must be at least 8"):
        generated.render(generated.Objects(numbers, numbers, *still), 4)
    with pytest.raises(InputError, match="shape must be 0-6"):
        generated.render(generated.Objects(numbers + 1, numbers, *still), 16)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="n must exceed the 6 scenes"):
        generated.training(6, 1.0, generated.rarities(rng), rng)


def test_scene_losses_exist_for_every_network():
    options = settings.LongtailScenes(n=40, test_rows=20, epochs=2, replicates=2)
    frame = scenes.compare(options, 1)
    tables.check(frame, schema.SceneLosses)
    assert len(frame) == 2 * 2 * 5
    assert np.isfinite(frame["mse"]).all()
