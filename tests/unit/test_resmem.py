"""ResMem's experiments: linear theory against simulation, generated images, tasks in all steps."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from rote import knn
from rote.core.errors import InputError
from rote.models import classifiers
from rote.papers.resmem import (
    embedding,
    evaluation,
    extensions,
    linear,
    methods,
    residuals,
    sections,
    spurious,
    tasks,
    training,
)
from rote.papers.resmem.cli import app
from rote.papers.resmem.task import TrainingRun
from rote.papers.resmem.tasks import regression
from rote.papers.resmem.tasks.digits import ResmemDigits
from rote.papers.resmem.tasks.longtail import ResmemLongTail
from rote.papers.resmem.tasks.text import ResmemText
from rote.synth import images
from rote.theory import lookup
from scipy.optimize import minimize
from typer.testing import CliRunner

# ---- the linear model


def test_ball_is_uniform():
    for d in (1, 2, 5):
        x = lookup.ball(np.random.default_rng(d), 40_000, d)
        assert np.linalg.norm(x, axis=1).max() <= np.sqrt(d)
        # E‖x‖² = d · d/(d + 2)
        assert (x**2).sum(1).mean() == pytest.approx(d * d / (d + 2), rel=0.02)
        np.testing.assert_allclose(x.mean(0), 0, atol=0.03)


@pytest.mark.parametrize("norm", [0.0, 0.2, 0.7, 5.0])
def test_constrained_base_is_the_minimum(norm):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + rng.normal(size=50)
    theta = lookup.constrained(x, y, norm)
    assert np.linalg.norm(theta) <= norm + 1e-9
    expected = minimize(
        lambda t: ((x @ t - y) ** 2).mean(),
        np.zeros(3),
        constraints={"type": "ineq", "fun": lambda t: norm**2 - t @ t},
        tol=1e-12,
    ).x
    np.testing.assert_allclose(theta, expected, atol=1e-4)
    with pytest.raises(InputError, match="norm"):
        lookup.constrained(x, y, -1)


def test_risks_meet_their_closed_forms():
    options = sections.ResmemTheory(
        dimensions=[1, 3], sizes=[30, 300, 3000, 10_000], norms=[0.0, 0.9], replicates=3
    )
    rows = linear.risks(options, 1)
    large = rows[(rows["examples"] == 10_000) & (rows["norm"] == 0.5)].groupby("dimension").mean()
    for d in (1, 3):
        assert large.loc[d, "base"] == pytest.approx(lookup.plateau(d, 0.5), rel=0.06)
        assert large.loc[d, "resmem"] == pytest.approx(
            float(lookup.leading(10_000, d, 0.5)), rel=0.15
        )
        assert large.loc[d, "resmem"] < float(lookup.bound(10_000, d, 0.5))
    nothing = rows[rows["norm"] == 0]
    # a base of 0 leaves the nearest label
    np.testing.assert_allclose(nothing["resmem"], nothing["nearest"])
    ratio = rows["resmem"] / rows["nearest"]
    np.testing.assert_allclose(
        ratio[rows["examples"] >= 3000],
        (1 - rows["norm"][rows["examples"] >= 3000]) ** 2,
        rtol=0.05,
    )


def test_memory_adds_noise_whole_by_one_neighbor_and_averages_it_by_many():
    options = sections.ResmemTheory(
        sizes=[30, 300, 1000, 3000], noises=[0, 0.5], neighbors=[1, 30], replicates=3
    )
    risk = linear.noisy_risks(options, 1).groupby(["examples", "noise", "k"])["risk"].mean()
    assert risk[3000, 0.5, 1] - risk[3000, 0.0, 1] == pytest.approx(0.25, rel=0.15)
    assert risk[3000, 0.5, 30] - risk[3000, 0.0, 30] == pytest.approx(0.25 / 30, rel=0.3)
    # the label noise at which one neighbor costs as much as it gains
    assert lookup.plateau(3, 0.5) ** 0.5 == pytest.approx(0.387, abs=1e-3)
    assert risk[3000, 0.5, 1] > risk[3000, 0.5, 0]


def test_memory_takes_most_of_the_error_off_a_toy():
    rows = linear.toy(1)
    grid = rows[rows["points"] == "grid"]
    base, resmem = (((grid[c] - grid["target"]) ** 2).mean() for c in ("base", "resmem"))
    assert resmem < 0.05 * base
    np.testing.assert_allclose(grid["base"] + grid["remembered"], grid["resmem"])


# ---- images and networks


def test_long_tail_is_one_and_its_rare_parts_wear_other_looks():
    source = images.LongTailImages(np.random.default_rng(0))
    drawn = source.draw(np.random.default_rng(1), 20_000)
    assert (drawn.groups // source.SUBPOPULATIONS == drawn.labels).all()
    counts = np.bincount(drawn.groups % source.SUBPOPULATIONS, minlength=source.SUBPOPULATIONS)
    np.testing.assert_allclose(counts / 20_000, source.frequency, atol=0.01)
    assert drawn.pixels.shape == (20_000, 144)
    same_source = images.LongTailImages(np.random.default_rng(0))
    repeated = same_source.draw(np.random.default_rng(1), 20_000)
    np.testing.assert_array_equal(repeated.pixels, drawn.pixels)


def test_fine_classes_lie_in_coarse_ones():
    source = images.CoarseFineImages(np.random.default_rng(0))
    drawn = source.draw(np.random.default_rng(1), 500)
    assert (drawn.groups == drawn.labels // 5).all()
    np.testing.assert_array_equal(tasks.get("fine").coarse(drawn.labels), drawn.groups)
    looks = source.looks.reshape(100, -1)
    distance = np.linalg.norm(looks[:, None] - looks, axis=-1) + np.diag(np.full(100, np.inf))
    assert (distance.argmin(1) // 5 == np.arange(100) // 5).mean() > 0.9


@pytest.mark.parametrize("kind", ["perceptron", "characters", "residual"])
def test_stack_equals_its_networks_one_by_one(kind):
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    if kind == "perceptron":
        stack, x = classifiers.perceptron(6, [5, 4], 3, rngs), torch.randn(3, 7, 6)
    elif kind == "characters":
        stack, x = classifiers.characters(9, 4, 2, [5], rngs), torch.randint(9, (3, 7, 4))
    else:
        stack, x = classifiers.residual(8, 2, 1, 8, 3, rngs), torch.randn(3, 7, 64)
    stacked, embeddings = stack.forward(stack.parameters, x, False)
    for model in range(3):
        state = {name: value[[model]] for name, value in (stack.parameters | stack.buffers).items()}
        logits, alone = stack.forward(state, x[[model]], False)
        torch.testing.assert_close(logits[0], stacked[model], rtol=1e-4, atol=1e-5)
        for name, value in alone.items():
            torch.testing.assert_close(value[0], embeddings[name][model], rtol=1e-4, atol=1e-5)
    assert ("map" in embeddings) == (kind == "residual")


def test_residual_networks_train_on_a_batch_of_one_row():
    stack = classifiers.residual(8, 2, 1, 4, 3, [np.random.default_rng(0)])
    logits, _ = stack.forward(stack.parameters, torch.randn(1, 1, 16), True)  # last maps are 1 x 1
    assert torch.isfinite(logits).all()


def test_residual_network_has_the_published_size_and_depths():
    module = classifiers.CifarResNet(20, 16, 3, 10)
    # He et al. 2016, table 6
    assert sum(p.numel() for p in module.parameters()) == pytest.approx(0.27e6, rel=0.02)
    for depth in (9, 2, 16):
        with pytest.raises(InputError, match="6m \\+ 2"):
            classifiers.CifarResNet(depth, 4, 3, 10)


# ---- tasks

DIGITS = ResmemDigits(units=[0, 4], noises=[0.4], steps=200, replicates=2)
RUN = TrainingRun(seed=1)


@pytest.fixture(scope="module")
def digits():
    task = tasks.get("digits")
    bases = training.bases(task, DIGITS, RUN)
    embeddings = embedding.embeddings(task, DIGITS, bases, 1)
    neighbors, choices = residuals.neighbors(task, DIGITS, sections.ResmemMemory(), embeddings, 1)
    frames = evaluation.evaluate(task, DIGITS, embeddings, neighbors, choices, 1)
    return frames | {"choices": choices}


def test_data_set_parts_share_nothing():
    first, second = training.samples(tasks.get("digits"), DIGITS, 1)
    splits = [first.train, first.valid, first.test]
    assert [len(split.y) for split in splits] == [1000, 300, 497]
    rows = np.concatenate([split.x for split in splits])
    assert len(np.unique(rows, axis=0)) == len(np.unique(second.train.x, axis=0)) + 797
    options = ResmemText(memories=[500, 2000], valid=100, test=200)
    data = training.sample(tasks.get("text"), options, 1, 0)
    assert data.train.x.shape == (2000, 8)
    assert data.test.x.max() < data.classes


def test_memory_helps_a_small_base_and_the_numbers_agree_with_each_other(digits):
    cell = ["arm", "features", "replicate"]
    accuracy = digits["accuracy"].set_index(cell).sort_index()
    small = digits["accuracy"].query("units == 4 and features == 'inputs'")
    assert (small["resmem"] > small["base"] + 0.03).all()
    strength = digits["sweeps"].query("setting == 'strength'")
    at = strength.pivot(index=cell, columns="value", values="accuracy").sort_index()
    np.testing.assert_allclose(at[0.0], accuracy["base"])  # a temperature changes no largest class
    choices = digits["choices"].query("k > 0").set_index(cell)
    choices["units_of_distance"] = (choices["bandwidth"] / choices["median_distance"]).round(6)
    plain = digits["grid"].query("temperature == 1").set_index([*cell, "k", "bandwidth"])
    for row in choices.itertuples():
        expected = plain.loc[(*row.Index, row.k, row.units_of_distance), "accuracy"]
        assert at.loc[row.Index, 1.0] == pytest.approx(expected, abs=0.003)  # ties in float32
    assert set(digits["grid"]["temperature"]) == {0.5, 1.0, 1.4, 3.0, np.inf}
    lowest = digits["grid"].groupby(cell)["accuracy"].min()
    assert (accuracy["best"] >= np.minimum(lowest, accuracy["base"]) - 1e-12).all()
    parts = digits["parts"]
    shares = parts[parts["partition"] == "confidence"].groupby(cell)["share"].sum()
    np.testing.assert_allclose(shares, 1)
    flips = (
        parts[parts["partition"] == "flips"]
        .pivot(index=cell, columns="part", values="share")
        .sort_index()
    )
    np.testing.assert_allclose(
        accuracy["resmem"] - accuracy["base"], flips["fixed"] - flips["broken"], atol=1e-12
    )


def test_best_setting_is_chosen_on_the_other_half():
    correct = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 0, 0, 1]], bool)
    # rows 0, 2, 4: the first setting has all; rows 1, 3: the second
    assert evaluation.best_of_other_half(correct) == 0.0
    assert evaluation.best_of_other_half(correct[2:]) == pytest.approx(3 / 5)


def test_noise_reaches_the_training_labels():
    task = tasks.get("digits")
    arm = task.arms(DIGITS)[-1]
    data = training.sample(task, DIGITS, 1, 0)
    y = training.training_labels(arm, data, 1, 0)
    assert (y != data.train.y).mean() == pytest.approx(0.4 * 0.9, abs=0.05)
    np.testing.assert_array_equal(y, training.training_labels(arm, data, 1, 0))


def test_calibration_agrees_with_an_example_by_hand():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    y = np.array([0, 1, 1])
    nll, ece, brier = evaluation.calibration(p, y, bins=10)
    assert nll == pytest.approx(-np.log([0.9, 0.4, 0.8]).mean())
    assert ece == pytest.approx((0.1 + 0.6 + 0.2) / 3)
    assert brier == pytest.approx(np.mean([0.02, 0.72, 0.08]))


def test_interpolation_is_tuned_between_base_and_memory():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=60)
    logits = rng.normal(size=(60, 3))
    store = knn.Datastore(rng.normal(size=(60, 2)) + 5 * y[:, None])
    neighbors = store.search(rng.normal(size=(40, 2)) + 5, 30)
    truth = np.ones(40, int)
    tuned = residuals.tune(neighbors, y, logits, 10 * np.eye(3)[truth], truth)
    assert tuned.resmem.k == 0  # the base is perfect: no memory
    assert tuned.interpolation_weight == 0.0
    tuned = residuals.tune(neighbors, y, logits, 10 * np.eye(3)[(truth + 1) % 3], truth)
    assert tuned.resmem.k > 0  # always wrong
    assert tuned.interpolation_weight >= 0.5
    row = pd.Series(tuned.columns())
    assert residuals.Tuned.of(row).columns() == tuned.columns()


def test_evaluation_makes_growth_crossfit_and_scores_at_a_small_size():
    small = ResmemLongTail(**ResmemLongTail.SCALES["smoke"])
    task = tasks.get("longtail")
    bases = training.bases(task, small, RUN)
    embeddings = embedding.embeddings(task, small, bases, 1)
    rows = extensions.growth(small, bases, embeddings, 1)
    mean = rows.groupby(["kind", "rows"])["accuracy"].mean()
    assert mean["unseen rows", 1000] > mean["unseen rows", 500] > mean["none", 0]
    crossed = extensions.crossfit(small, embeddings, 1)
    assert set(crossed["residuals"]) == {"in-sample", "cross-fitted"}
    options = sections.ResmemScores(**sections.ResmemScores.SCALES["smoke"])
    scores = extensions.memorization(options, small, 1)
    assert scores["score"].between(-1, 1).all()
    assert scores.groupby("units")["score"].mean()[16] > scores.groupby("units")["score"].mean()[4]


def test_memory_helps_where_a_spurious_feature_misleads():
    options = sections.ResmemSpurious(
        sizes=[500, 2000], test=1000, steps=150, replicates=3, signal=1.0
    )
    accuracies = spurious.accuracies(options, 1)
    assert set(accuracies["method"]) <= set(methods.LABELS)
    mean = accuracies.groupby(["method", "examples"])[["agreeing", "conflicting"]].mean()
    assert mean.loc[("base", 2000), "agreeing"] > mean.loc[("base", 2000), "conflicting"] + 0.2
    assert (
        mean.loc[("base_resmem", 2000), "conflicting"]
        > mean.loc[("base", 2000), "conflicting"] + 0.1
    )
    assert mean.loc[("aware", 2000), "conflicting"] > mean.loc[("base", 2000), "conflicting"]


def test_tasks_refuse_bad_settings_and_files(tmp_path):
    run = CliRunner()
    done = run.invoke(
        app, ["train-base", "--task", "cats", "--out", str(tmp_path / "x.safetensors")]
    )
    assert done.exit_code
    assert "task must be one of digits" in str(done.exception)
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    done = run.invoke(
        app,
        [
            "embed",
            "--task",
            "digits",
            "--bases",
            str(tmp_path / "broken.safetensors"),
            "--out",
            str(tmp_path / "e.safetensors"),
        ],
    )
    assert "not a whole safetensors file" in str(done.exception)
    assert not (tmp_path / "e.safetensors").exists()
    too_much = json.dumps({"text": {"memories": [100, 10_000_000]}})
    done = run.invoke(
        app, ["train-base", "--task", "text", "--out", str(tmp_path / "t"), "--settings", too_much]
    )
    assert "resmem.text.memories asks for 10000000" in str(done.exception)
    missing = json.dumps({"mnist": {"root": str(tmp_path / "nowhere")}})
    done = run.invoke(
        app, ["train-base", "--task", "mnist", "--out", str(tmp_path / "t"), "--settings", missing]
    )
    assert "does not exist" in str(done.exception)


def test_regression_tables_are_better_with_a_base():
    options = regression.ResmemRegression(train=800, test=400, replicates=3)
    task = tasks.get("regression")
    bases = regression.bases(task, options, RUN)
    embeddings = regression.embeddings(task, options, bases, 1)
    memory = sections.ResmemMemory()
    neighbors, choices = regression.neighbors(task, options, memory, embeddings, 1)
    frames = regression.evaluate(task, options, embeddings, neighbors, choices, 1)
    friedman = frames["regression"].query("data == 'Friedman'")
    assert (friedman["resmem"] < friedman[["base", "knn"]].min(axis=1)).all()
