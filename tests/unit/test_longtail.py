"""Long-tail composition: closed forms against simulation, data without leakage, stacks as loops."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from rote import ledger as ledgers
from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import images as data
from rote.models import slots
from rote.papers.longtail import (
    dataset,
    interpolators,
    kernel,
    linear,
    network,
    schema,
    settings,
    statistics,
)
from rote.papers.longtail.architectures import ARCHITECTURES
from rote.synth import features, triples
from rote.theory import minnorm

SMALL = settings.LongtailLinear(
    n=120, d=400, alphas=[1.5, 2.0], sigmas=[0.0, 0.3], lams=[0.0, 1.0], replicates=3
)


@pytest.fixture(scope="module")
def linear_tables():
    result = linear.sweep(SMALL, 7)._asdict()
    return {f"linear_{name}": frame for name, frame in result.items()}


def one_problem(alpha=1.5):
    return linear.problem(SMALL, alpha, generator(7, "test", 0))


# ---- linear track


def test_linear_tables_obey_their_models(linear_tables):
    for name, frame in linear_tables.items():
        tables.check(frame, schema.TABLES[name])


def test_sweep_equals_one_lstsq_per_fit():
    """Seen columns, one eigh and two right-hand sides against dense lstsq for every σ and λ."""
    rng = generator(7, "longtail", "linear", 0, 0)
    p = features.frequencies(SMALL.d, SMALL.s, SMALL.alphas[0])
    X = features.draw(p, SMALL.n, rng).toarray()
    noise = rng.normal(size=SMALL.n)
    beta = np.arange(1, SMALL.d + 1) ** -0.1
    sweep = linear.sweep(SMALL, 7).sweep
    for sigma in SMALL.sigmas:
        for lam in SMALL.lams:
            y = X @ beta + sigma * noise
            if lam:
                padded = np.vstack([X, np.sqrt(lam) * np.eye(SMALL.d)])
                fit = np.linalg.lstsq(padded, np.r_[y, np.zeros(SMALL.d)])[0]
            else:
                fit = np.linalg.lstsq(X, y, rcond=1e-10)[0]
            row = sweep.query("alpha == 1.5 and replicate == 0 and sigma == @sigma and lam == @lam")
            assert row["ind"].item() == pytest.approx(p @ (fit - beta) ** 2, abs=1e-8)


def test_ind_and_ood_are_the_expected_losses():
    """Closed forms against Monte-Carlo rows, for a fit with errors everywhere."""
    problem = one_problem()
    rng = generator(8, "test")
    y = problem.y0 + 0.3 * rng.normal(size=120)
    estimate = np.zeros(400)
    estimate[problem.seen] = minnorm.coefficients(problem.spectrum, y, 0.5)
    delta = estimate - problem.beta
    p = problem.p
    pool = problem.seen[problem.alone]
    rows = features.draw(p, 200_000, rng)
    ind = p @ delta**2
    for t, expected in ((0, ind), (2, ind + 2 * np.mean((1 - p[pool]) * delta[pool] ** 2))):
        errors = (features.force(rows, pool, t, rng) @ delta) ** 2
        assert abs(errors.mean() - expected) < 5 * errors.std() / np.sqrt(len(errors))


@pytest.mark.parametrize("name", interpolators.LINEAR_INTERPOLATORS)
def test_linear_interpolators_fit_every_row(name):
    problem = one_problem(2.0)
    fit = interpolators.LINEAR_INTERPOLATORS[name]
    estimate = fit(problem, generator(0, "test"))
    np.testing.assert_allclose(problem.X @ estimate, problem.y0, atol=1e-8)


def test_losses_exist_for_every_predictor():
    options = settings.LongtailInterpolators(n=120, d=400, test_rows=20, replicates=2)
    frame = interpolators.compare(options, 7)
    tables.check(frame, schema.Interpolators)
    names = {*interpolators.LINEAR_INTERPOLATORS, *interpolators.LINEAR_OTHERS}
    names |= {*interpolators.OTHER_INTERPOLATORS}
    assert set(frame["estimator"]) == names | {interpolators.MIXTURE, interpolators.INTERACTION}
    wide = frame.pivot(index="replicate", columns=["estimator", "parameter"], values="ood2")
    # without interaction the truth is additive; with RBF alone the mixture is the RBF kernel
    np.testing.assert_allclose(wide[interpolators.INTERACTION, 0.0], wide["min-l2", 0.0])
    np.testing.assert_allclose(wide[interpolators.MIXTURE, 1.0], wide["RBF", 0.0])


def test_interaction_losses_are_the_expected_losses():
    problem = one_problem(2.0)
    rng = generator(9, "test")
    gamma = 0.7
    options = settings.LongtailInterpolators(n=120, d=400, gammas=[gamma])
    (losses,) = interpolators.interaction_losses(options, problem)
    rare = problem.X[:, problem.rare]
    pairs = (rare.sum(axis=1) ** 2 - abs(rare).sum(axis=1)) / 2
    delta = -problem.beta
    delta[problem.seen] += minnorm.coefficients(problem.spectrum, problem.y0 + gamma * pairs)
    rows = features.draw(problem.p, 300_000, rng)
    forced = features.force(rows, problem.seen[problem.once_alone], 2, rng)
    for expected, X in ((losses["ind"], rows), (losses["ood2"], forced)):
        tail = X[:, problem.k :]
        products = (tail.sum(axis=1) ** 2 - abs(tail).sum(axis=1)) / 2
        errors = (X @ delta - gamma * products) ** 2
        assert abs(errors.mean() - expected) < 5 * errors.std() / np.sqrt(len(errors))


def test_index_sets_come_from_the_matrix_alone():
    problem = one_problem()
    X = np.zeros((120, 400))
    X[:, problem.seen] = problem.X.toarray()
    counts = (X != 0).sum(axis=0)
    rare = np.arange(400) >= problem.k
    assert problem.k == np.sum(120 * problem.p >= 10)
    np.testing.assert_array_equal(problem.seen, np.flatnonzero(counts))
    np.testing.assert_array_equal(problem.once, (rare & (counts == 1))[problem.seen])
    alone = np.zeros(400, bool)
    for row in X != 0:
        if (row & rare).sum() == 1:
            alone |= row & rare
    np.testing.assert_array_equal(problem.alone, alone[problem.seen])


def test_linear_fit_recovers_isolated_features_where_common_ones_are_determined(linear_tables):
    sets = linear_tables["linear_sets"]
    assert sets.loc[sets["common_unidentifiable"] == 0, "max_error_alone"].max() < 1e-9
    assert (sets["disagree"] == 0).all()


def test_ind_is_the_sum_of_its_parts(linear_tables):
    sweep = linear_tables["linear_sweep"]
    parts = sweep[["ind_common", "ind_recovered", "ind_unrecovered", "ind_unseen"]].sum(axis=1)
    np.testing.assert_allclose(parts, sweep["ind"], rtol=1e-10)


def test_ood_is_affine_in_t_and_undefined_beyond_the_pool(linear_tables):
    sweep, sets = linear_tables["linear_sweep"], linear_tables["linear_sets"]
    two, four = (linear.ood(sweep, sets, "alone", t) for t in (2, 4))
    np.testing.assert_allclose(four - sweep["ind"], 2 * (two - sweep["ind"]))
    assert linear.ood(sweep, sets, "alone", 400).isna().all()


def test_empty_sets_have_nan_never_zero():
    fits = {"sigmas": [0.0], "lams": [0.0], "replicates": 2}
    no_common = settings.LongtailLinear(n=5, d=50, alphas=[1.0], **fits)
    assert linear.problem(no_common, 1.0, generator(0, "test")).k == 0
    sets, sweep, *_ = linear.sweep(no_common, 0)
    assert (sets["common_unidentifiable"] == 0).all()
    assert sweep["error_common"].isna().all()
    all_common = settings.LongtailLinear(
        n=50, d=3, alphas=[0.0], sigmas=[0.0], lams=[0.0], replicates=2
    )
    sets, sweep, *_ = linear.sweep(all_common, 0)
    assert sweep[["error_rare", "forced_once", "once_alone_mse"]].isna().all().all()
    assert sets["max_error_alone"].isna().all()
    for frame, model in ((sets, schema.LinearSets), (sweep, schema.LinearSweep)):
        tables.check(frame, model)


def test_sweep_keeps_its_values_where_an_alpha_is_added():
    more = SMALL.model_copy(update={"alphas": [*SMALL.alphas, 3.0]})
    before, after = linear.sweep(SMALL, 7).sweep, linear.sweep(more, 7).sweep
    pd.testing.assert_frame_equal(before, after[after["alpha"] <= 2].reset_index(drop=True))


def test_leave_one_out_table_holds_memorized_and_other_rows():
    options = settings.LongtailInfluence(n=120, d=400, replicates=2, refits=8)
    _, rows, descent = linear.influence(options, 3)
    np.testing.assert_allclose(rows["residual"], rows["refit"], atol=1e-6)
    assert set(rows["once"]) == {True, False}
    memorized = rows[rows["hat"] > 1 - 1e-9]
    assert (memorized["train_error"] < 1e-9).all()
    last = descent[descent["step"] == descent["step"].max()]
    assert (last["distance"] < 1e-2).all()


# ---- triples


@pytest.fixture(scope="module")
def bank():
    labels = np.concatenate([data.digits().labels, np.random.default_rng(0).permutation(10)])
    return triples.split(labels, 1797, np.arange(1797, 1807), 50, generator(0, "bank"))


def test_training_digits_are_zipf_and_never_nine(bank):
    rows = triples.base(bank, 20_000, 2.0, generator(1, "base"))
    counts = np.bincount(bank.labels[rows].ravel(), minlength=10)
    expected = np.arange(1, 10) ** -2.0
    expected *= counts.sum() / expected.sum()
    assert counts[9] == 0
    assert np.abs((counts[:9] - expected) / np.sqrt(expected)).max() < 5


@pytest.mark.parametrize("count", [0, 1, 16, 128, 200])
def test_nines_are_distinct_and_one_per_triple(bank, count):
    rows = triples.with_nines(
        triples.base(bank, 300, 2.0, generator(1, "b")), bank, count, generator(2, "n")
    )
    is_nine = bank.labels[rows] == 9
    assert (is_nine.sum(axis=1) == (np.arange(300) < count)).all()
    images, uses = np.unique(rows[is_nine], return_counts=True)
    assert len(images) == min(count, len(bank.pool[9]))
    assert uses.max(initial=1) <= -(-count // len(bank.pool[9])) or count == 0


@pytest.mark.parametrize(
    ("companions", "digits"),
    [(triples.HEAD, {0, 1}), (triples.ZIPF, set(range(9))), (triples.TAIL, {7, 8})],
)
def test_glyphs_are_in_exactly_one_training_triple_in_their_slot(bank, companions, digits):
    base = triples.base(bank, 100, 2.0, generator(1, "b"))
    rows = triples.with_glyphs(base, bank, companions, 2.0, generator(3, "g"))
    assert rows.shape == base.shape
    for glyph, slot in zip(bank.glyphs, bank.slots, strict=True):
        positions = np.argwhere(rows == glyph)
        assert positions[:, 1].tolist() == [slot]
    others = bank.labels[rows[-10:]][rows[-10:] < 1797]
    assert set(others.tolist()) <= digits


def test_test_sets_are_what_they_say_and_leak_nothing(bank):
    base = triples.base(bank, 400, 2.0, generator(1, "b"))
    with_nines = triples.with_nines(base, bank, 30, generator(2, "n"))
    train = triples.with_glyphs(with_nines, bank, triples.HEAD, 2.0, generator(3, "g"))
    tests = triples.tests(bank, 500, 2.0, generator(4, "t"))
    pairs = triples.trained_pairs(train, bank, 500, generator(5, "p"))
    triples.check(bank, train, tests | {triples.TWO_TRAINED_NINES.name: pairs})
    for nines, count in ((triples.ONE_NINE, 1), (triples.TWO_NINES, 2), (triples.THREE_NINES, 3)):
        assert ((bank.labels[tests[nines.name]] == 9).sum(axis=1) == count).all()
    is_glyph = {name: np.isin(rows, bank.glyphs) for name, rows in tests.items()}
    any_slot = triples.TWO_GLYPHS.name
    trained_slots = triples.TWO_GLYPHS_TRAINED_SLOTS.name
    single = triples.ONE_GLYPH_TRAINED_SLOT.name
    for name, count in ((any_slot, 2), (trained_slots, 2), (single, 1)):
        assert (is_glyph[name].sum(axis=1) == count).all()
    for name in (trained_slots, single):
        row, slot = np.nonzero(is_glyph[name])
        glyph = tests[name][row, slot] - bank.glyphs[0]
        np.testing.assert_array_equal(bank.slots[glyph], slot)
    both = tests[any_slot][is_glyph[any_slot]].reshape(-1, 2)
    assert (both[:, 0] != both[:, 1]).all()
    trained = np.intersect1d(train, bank.pool[9])
    assert (np.isin(pairs, trained).sum(axis=1) == 2).all()


def test_test_sets_refuse_leakage(bank):
    base = triples.base(bank, 50, 2.0, generator(1, "b"))
    tests = triples.tests(bank, 20, 2.0, generator(4, "t"))
    with_held_out = base.copy()
    with_held_out[0, 0] = bank.held_out[0][0]
    with pytest.raises(AssertionError, match="held-out"):
        triples.check(bank, with_held_out, tests)
    with pytest.raises(AssertionError, match="in-distribution holds training images"):
        triples.check(bank, base, tests | {triples.IN_DISTRIBUTION.name: base})
    trained = base.copy()
    trained[:, :] = bank.glyphs[:3]
    with pytest.raises(AssertionError, match="two-glyphs-any-slot holds a training triple"):
        triples.check(bank, trained, tests | {triples.TWO_GLYPHS.name: trained[:1]})


def test_test_sets_hold_training_images_only_where_nines_are_trained(bank):
    train = triples.with_nines(
        triples.base(bank, 50, 2.0, generator(1, "b")), bank, 9, generator(2, "n")
    )
    pairs = triples.trained_pairs(train, bank, 20, generator(5, "p"))
    triples.check(bank, train, {triples.TWO_TRAINED_NINES.name: pairs})
    with pytest.raises(AssertionError, match="two-nines holds training images"):
        triples.check(bank, train, {triples.TWO_NINES.name: pairs})


def test_pairs_of_no_nines_are_none_and_of_one_nine_itself(bank):
    base = triples.base(bank, 50, 2.0, generator(1, "b"))
    assert triples.trained_pairs(base, bank, 10, generator(0, "p")) is None
    one = triples.with_nines(base, bank, 1, generator(2, "n"))
    pairs = triples.trained_pairs(one, bank, 10, generator(0, "p"))
    assert ((bank.labels[pairs] == 9).sum(axis=1) == 2).all()


def test_synthesis_refuses_too_few_images_and_glyphs_in_one_slot(bank):
    with pytest.raises(
        InputError, match=r"held_out is 174, but the data set has 174 images of digit 8"
    ):
        triples.split(bank.labels, 1797, bank.glyphs, 174, generator(0, "bank"))

    class OneSlot(np.random.Generator):
        def integers(self, *args, size=None, **options):
            return np.zeros(size, int)

    with pytest.raises(InputError, match="all 10 glyphs drew slot 0"):
        triples.split(bank.labels, 1797, bank.glyphs, 50, OneSlot(np.random.PCG64(0)))


def test_glyphs_are_distinct_strokes():
    glyphs = triples.draw_glyphs(8, 16, generator(0, "glyphs"))
    assert set(np.unique(glyphs)) == {0, 16}
    ink = (glyphs > 0).sum(axis=(1, 2))
    assert ((ink >= 2) & (ink <= 18)).all()


# ---- networks and kernels


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

    def spy_fit(parameters, loss, *, steps, **options):
        assert steps == 4
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

    def mortal(parameters, loss, **rest):
        calls.append(1)

        def dies(inner, step):
            if len(calls) == 2 and step == 1:
                raise KeyboardInterrupt
            return loss(inner, step)

        return real(parameters, dies, **rest)

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


# ---- claims


def test_statistics_mark_a_missing_setting_as_not_run(linear_tables):
    claim = {"id": "longtail.x", "says": "x", "source": "s", "origin": "extension", "passes": "> 0"}
    for name in ("slow_decay_hurts", "optimal_ridge", "composes", "scaling_exponent"):
        ledger = ledgers.evaluate([claim | {"statistic": name}], linear_tables)
        assert set(ledger["verdict"]) == {"not run"}, name


def test_statistics_have_known_harm_threshold_and_noise_ratio():
    sets = pd.DataFrame({"alpha": 2.0, "replicate": [0, 1], "once_alone": [4, 8]})
    rows = []
    for (replicate, mse), sigma in product(((0, 1.0), (1, 1.6)), (0.0, 0.05, 1.0)):
        row = {"alpha": 2.0, "replicate": replicate, "sigma": sigma, "lam": 0.0}
        rows.append(row | {"once_alone_mse": mse * sigma**2})
    tables = {"linear_sets": sets, "linear_sweep": pd.DataFrame(rows)}
    pooled = (4 * 1.0 + 8 * 1.6) / 12
    value = ledgers.interval(statistics.once_error_is_noise(tables)["alpha = 2"])[0]
    assert value == pytest.approx(pooled)
    assert ledgers.interval(statistics.harm_threshold(tables))[0] == pytest.approx(pooled**-0.5 - 1)
