"""ResMem's experiments: linear theory against simulation, generated images, tasks from base to evaluation."""

import json

import numpy as np
import pytest
import torch
from rote import resmem as scoring
from rote.errors import InputError
from rote.models import classifiers
from rote.papers.resmem import experiment, extensions, linear, settings, tasks
from rote.papers.resmem.cli import app
from rote.synth import images
from rote.theory import lookup
from safetensors.numpy import load_file
from scipy.optimize import minimize
from typer.testing import CliRunner

# ---- the linear model ------------------------------------------------------------------------------------------------


def test_the_ball_is_uniform():
    for d in (1, 2, 5):
        x = lookup.ball(np.random.default_rng(d), 40_000, d)
        assert np.linalg.norm(x, axis=1).max() <= np.sqrt(d)
        # E‖x‖² = d · d/(d + 2)
        assert (x**2).sum(1).mean() == pytest.approx(d * d / (d + 2), rel=0.02)
        np.testing.assert_allclose(x.mean(0), 0, atol=0.03)


@pytest.mark.parametrize("norm", [0.0, 0.2, 0.7, 5.0])
def test_the_constrained_base_is_the_minimum(norm):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 3))
    y = x @ np.array([1.0, -2.0, 0.5]) + rng.normal(size=50)
    found = lookup.constrained(x, y, norm)
    assert np.linalg.norm(found) <= norm + 1e-9
    wanted = minimize(
        lambda t: ((x @ t - y) ** 2).mean(), np.zeros(3),
        constraints={"type": "ineq", "fun": lambda t: norm**2 - t @ t}, tol=1e-12,
    ).x  # fmt: skip
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    with pytest.raises(InputError, match="norm"):
        lookup.constrained(x, y, -1)


def test_risks_meet_their_closed_forms():
    options = settings.Theory(dimensions=[1, 3], sizes=[30, 300, 3000, 10_000], norms=[0.0, 0.9], replicates=3)
    rows = linear.risks(options, 1)
    large = rows[(rows["examples"] == 10_000) & (rows["norm"] == 0.5)].groupby("dimension").mean()
    for d in (1, 3):
        assert large.loc[d, "base"] == pytest.approx(lookup.plateau(d, 0.5), rel=0.06)
        assert large.loc[d, "resmem"] == pytest.approx(float(lookup.leading(10_000, d, 0.5)), rel=0.15)
        assert large.loc[d, "resmem"] < float(lookup.bound(10_000, d, 0.5))
    nothing = rows[rows["norm"] == 0]
    np.testing.assert_allclose(nothing["resmem"], nothing["nearest"])  # a base of 0 leaves the nearest label
    ratio = rows["resmem"] / rows["nearest"]
    np.testing.assert_allclose(
        ratio[rows["examples"] >= 3000], (1 - rows["norm"][rows["examples"] >= 3000]) ** 2, rtol=0.05
    )


def test_noise_is_added_whole_by_one_neighbour_and_averaged_by_many():
    options = settings.Theory(sizes=[30, 300, 1000, 3000], noises=[0, 0.5], neighbours=[1, 30], replicates=3)
    risk = linear.noisy(options, 1).groupby(["examples", "noise", "k"])["risk"].mean()
    assert risk[3000, 0.5, 1] - risk[3000, 0.0, 1] == pytest.approx(0.25, rel=0.15)
    assert risk[3000, 0.5, 30] - risk[3000, 0.0, 30] == pytest.approx(0.25 / 30, rel=0.3)
    assert lookup.crossover(3, 0.5) == pytest.approx(0.387, abs=1e-3)
    assert risk[3000, 0.5, 1] > risk[3000, 0.5, 0]


def test_the_toys_memory_takes_most_of_the_error_off():
    rows = linear.toy(1)
    grid = rows[rows["points"] == "grid"]
    base, whole = (((grid[c] - grid["target"]) ** 2).mean() for c in ("base", "resmem"))
    assert whole < 0.05 * base
    np.testing.assert_allclose(grid["base"] + grid["remembered"], grid["resmem"])


# ---- images and networks ---------------------------------------------------------------------------------------------


def test_a_long_tail_is_one_and_its_rare_parts_wear_other_looks():
    source = images.LongTail(np.random.default_rng(0))
    some = source.draw(np.random.default_rng(1), 20_000)
    assert (some.groups // source.PARTS == some.labels).all()
    counts = np.bincount(some.groups % source.PARTS, minlength=source.PARTS)
    np.testing.assert_allclose(counts / 20_000, source.frequency, atol=0.01)
    assert some.pixels.shape == (20_000, 144)
    again = images.LongTail(np.random.default_rng(0)).draw(np.random.default_rng(1), 20_000)
    np.testing.assert_array_equal(again.pixels, some.pixels)


def test_fine_classes_lie_in_coarse_ones():
    source = images.CoarseFine(np.random.default_rng(0))
    some = source.draw(np.random.default_rng(1), 500)
    assert (some.groups == some.labels // 5).all()
    looks = source.looks.reshape(100, -1)
    distance = np.linalg.norm(looks[:, None] - looks, axis=-1) + np.diag(np.full(100, np.inf))
    assert (distance.argmin(1) // 5 == np.arange(100) // 5).mean() > 0.9


@pytest.mark.parametrize("kind", ["perceptron", "characters", "residual"])
def test_a_stack_is_its_networks_one_by_one(kind):
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    if kind == "perceptron":
        stack, x = classifiers.perceptron(6, [5, 4], 3, rngs), torch.randn(3, 7, 6)
    elif kind == "characters":
        stack, x = classifiers.characters(9, 4, 2, [5], rngs), torch.randint(9, (3, 7, 4))
    else:
        stack, x = classifiers.residual(8, 2, 1, 8, 3, rngs), torch.randn(3, 7, 64)
    whole, embeddings = stack.forward(stack.parameters, x, False)
    for model in range(3):
        one = {name: value[[model]] for name, value in (stack.parameters | stack.buffers).items()}
        logits, found = stack.forward(one, x[[model]], False)
        torch.testing.assert_close(logits[0], whole[model], rtol=1e-4, atol=1e-5)
        for name, value in found.items():
            torch.testing.assert_close(value[0], embeddings[name][model], rtol=1e-4, atol=1e-5)
    assert ("map" in embeddings) == (kind == "residual")


def test_a_residual_network_has_the_published_size_and_depths():
    module = classifiers.CifarResNet(20, 16, 3, 10)
    assert sum(p.numel() for p in module.parameters()) == pytest.approx(0.27e6, rel=0.02)  # He et al. 2016, table 6
    for depth in (9, 2, 16):
        with pytest.raises(InputError, match="6m \\+ 2"):
            classifiers.CifarResNet(depth, 4, 3, 10)


# ---- tasks -----------------------------------------------------------------------------------------------------------

DIGITS = settings.Digits(units=[0, 4], noises=[0.4], steps=200, replicates=2)


@pytest.fixture(scope="module")
def digits():
    datas = [tasks.data("digits", DIGITS, 1, replicate) for replicate in range(2)]
    bases = {}
    for arm in tasks.arms("digits", DIGITS):
        _, weights = tasks.fit("digits", arm, DIGITS, datas, 1)
        bases |= {f"{arm.name}/{name}": value.numpy() for name, value in weights.items()}
    found = experiment.embeddings("digits", DIGITS, bases, 1)
    near, choices = experiment.neighbours("digits", DIGITS, settings.Memory(), found, 1)
    return experiment.evaluate("digits", DIGITS, found, near, choices, 1)


def test_parts_of_a_data_set_share_nothing():
    data = tasks.data("digits", DIGITS, 1, 0)
    assert [len(part.y) for part in data[:3]] == [1000, 300, 497]
    rows = np.concatenate([part.x for part in data[:3]])
    assert len(np.unique(rows, axis=0)) == len(np.unique(tasks.data("digits", DIGITS, 1, 1).train.x, axis=0)) + 797
    text = settings.Text(memories=[500, 2000], valid=100, test=200)
    found = tasks.data("text", text, 1, 0)
    assert found.train.x.shape == (2000, 8)
    assert found.test.x.max() < found.classes


def test_a_memory_helps_a_small_base_and_the_numbers_agree_with_each_other(digits):
    cell = ["arm", "features", "replicate"]
    accuracy = digits["accuracy"].set_index(cell).sort_index()
    small = accuracy.xs("4 units").xs("inputs")
    assert (small["resmem"] > small["base"] + 0.03).all()
    strength = digits["sweeps"][digits["sweeps"]["over"] == "strength"]
    at = strength.pivot(index=cell, columns="value", values="accuracy").sort_index()
    np.testing.assert_allclose(at[0.0], accuracy["base"])  # a temperature changes no largest class
    np.testing.assert_allclose(at[1.0], accuracy["resmem"])
    assert set(digits["grid"]["temperature"]) == {0.5, 1.0, 1.4, 3.0, -1.0}
    parts = digits["parts"]
    shares = parts[parts["by"] == "confidence"].groupby(cell)["share"].sum()
    np.testing.assert_allclose(shares, 1)
    flips = parts[parts["by"] == "flips"].pivot(index=cell, columns="part", values="share").sort_index()
    np.testing.assert_allclose(accuracy["resmem"] - accuracy["base"], flips["fixed"] - flips["broken"], atol=1e-12)


def test_noise_reaches_the_training_labels():
    arm = tasks.arms("digits", DIGITS)[-1]
    data = tasks.data("digits", DIGITS, 1, 0)
    y = tasks.training_labels(arm, data, 1, 0)
    assert (y != data.train.y).mean() == pytest.approx(0.4 * 0.9, abs=0.05)
    np.testing.assert_array_equal(y, tasks.training_labels(arm, data, 1, 0))


def test_calibration_by_hand():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    y = np.array([0, 1, 1])
    nll, ece, brier = experiment.calibration(p, y, bins=10)
    assert nll == pytest.approx(-np.log([0.9, 0.4, 0.8]).mean())
    assert ece == pytest.approx((0.1 + 0.6 + 0.2) / 3)
    assert brier == pytest.approx(np.mean([0.02, 0.72, 0.08]))


def test_a_mixture_is_tuned_between_base_and_memory():
    rng = np.random.default_rng(0)
    y, logits = rng.integers(3, size=60), rng.normal(size=(60, 3))
    near = scoring.knn.Datastore(rng.normal(size=(60, 2)) + 5 * y[:, None]).search(rng.normal(size=(40, 2)) + 5, 30)
    truth = np.ones(40, int)
    chosen = experiment.tune(near, y, logits, 10 * np.eye(3)[truth], truth)
    assert chosen[0] == 0  # the base is perfect: no memory
    assert chosen[-1] == 0.0
    chosen = experiment.tune(near, y, logits, 10 * np.eye(3)[(truth + 1) % 3], truth)
    assert chosen[0] > 0  # always wrong
    assert chosen[-1] >= 0.5


def test_growth_and_crossfit_and_scores_at_a_small_size():
    small = settings.LongTail(**settings.LongTail.SCALES["smoke"])
    datas = [tasks.data("longtail", small, 1, replicate) for replicate in range(2)]
    bases = {}
    for arm in tasks.arms("longtail", small):
        _, weights = tasks.fit("longtail", arm, small, datas, 1)
        bases |= {f"{arm.name}/{name}": value.numpy() for name, value in weights.items()}
    found = experiment.embeddings("longtail", small, bases, 1)
    rows = extensions.growth(small, bases, found, 1)
    mean = rows.groupby(["kind", "rows"])["accuracy"].mean()
    assert mean["unseen rows", 1000] > mean["unseen rows", 500] > mean["none", 0]
    crossed = extensions.crossfit(small, found, 1)
    assert set(crossed["residuals"]) == {"in-sample", "cross-fitted"}
    scores = extensions.memorization(settings.Scores(**settings.Scores.SCALES["smoke"]), small, 1)
    assert scores["score"].between(-1, 1).all()
    assert scores.groupby("units")["score"].mean()[16] > scores.groupby("units")["score"].mean()[4]


def test_a_memory_helps_where_a_spurious_feature_misleads():
    options = settings.Spurious(sizes=[500, 2000], test=1000, steps=150, replicates=3, signal=1.0)
    mean = extensions.spurious(options, 1).groupby(["method", "examples"])[["agreeing", "conflicting"]].mean()
    assert mean.loc[("base", 2000), "agreeing"] > mean.loc[("base", 2000), "conflicting"] + 0.2
    assert mean.loc[("base, ResMem", 2000), "conflicting"] > mean.loc[("base", 2000), "conflicting"] + 0.1
    assert mean.loc[("aware", 2000), "conflicting"] > mean.loc[("base", 2000), "conflicting"]


def test_bad_tasks_and_files_are_refused(tmp_path):
    run = CliRunner()
    done = run.invoke(app, ["train-base", "--task", "cats", "--out", str(tmp_path / "x.safetensors")])
    assert done.exit_code
    assert "--task must be one of digits" in str(done.exception)
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    done = run.invoke(app, ["embed", "--task", "digits", "--bases", str(tmp_path / "broken.safetensors"), "--out",
                            str(tmp_path / "e.safetensors")])  # fmt: skip
    assert "not a whole safetensors file" in str(done.exception)
    assert not (tmp_path / "e.safetensors").exists()
    too_much = json.dumps({"text": {"memories": [100, 10_000_000]}})
    done = run.invoke(app, ["train-base", "--task", "text", "--out", str(tmp_path / "t"), "--settings", too_much])
    assert "resmem.text.memories asks for 10000000" in str(done.exception)
    missing = json.dumps({"mnist": {"root": str(tmp_path / "nowhere")}})
    done = run.invoke(app, ["train-base", "--task", "mnist", "--out", str(tmp_path / "t"), "--settings", missing])
    assert "does not exist" in str(done.exception)


def test_tables_of_regression_are_better_with_a_base():
    rows = linear.tables(settings.Regression(train=800, test=400, replicates=3), 1)
    friedman = rows[rows["data"] == "Friedman"]
    assert (friedman["resmem"] < friedman[["base", "knn"]].min(axis=1)).all()


# ---- files -----------------------------------------------------------------------------------------------------------


def test_moved_images_are_crops_of_padded_ones_and_some_are_mirrored():
    x = torch.arange(2 * 40 * 2 * 36, dtype=torch.float32).view(2, 40, 72) + 1
    found = tasks.moved(x, 2, 6, torch.Generator().manual_seed(0), pad=1)
    assert found.shape == x.shape
    torch.testing.assert_close(found, tasks.moved(x, 2, 6, torch.Generator().manual_seed(0), pad=1))
    mirrored = 0
    for image, new in zip(x.view(-1, 2, 6, 6), found.view(-1, 2, 6, 6), strict=True):
        padded = torch.nn.functional.pad(image, (1,) * 4)
        crops = [padded[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3)]
        plain, flipped = (any(torch.equal(new, f(crop)) for crop in crops) for f in (lambda c: c, lambda c: c.flip(2)))
        assert plain or flipped
        mirrored += flipped
    assert 20 < mirrored < 60


def test_cifar_100_from_its_binary_files_to_accuracies(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 256, (100, 3072))
    for name, number in (("train.bin", 500), ("test.bin", 100)):
        fine = rng.integers(100, size=number)
        pixels = np.clip(looks[fine] + rng.normal(scale=20, size=(number, 3072)), 0, 255)
        np.column_stack([fine // 5, fine, pixels]).astype(np.uint8).tofile(folder / name)
    options = settings.Cifar(
        root=str(tmp_path), depths=[8], width=2, train=400, valid=100, epochs=3, batch=50, replicates=2
    )
    datas = [tasks.data("cifar", options, 1, replicate) for replicate in range(2)]
    assert datas[0].test.x.shape == (100, 3072)
    assert abs(datas[0].train.x.mean()) < 0.5
    arm = tasks.arms("cifar", options)[0]
    _, weights = tasks.fit("cifar", arm, options, datas, 1)
    bases = {f"{arm.name}/{name}": value.numpy() for name, value in weights.items()}
    found = experiment.embeddings("cifar", options, bases, 1)
    assert {name.rsplit("/", 1)[1] for name in found} == {"logits", "last"}
    near, choices = experiment.neighbours("cifar", options, settings.Memory(engine="ivf", probes=8), found, 1)
    accuracy = experiment.evaluate("cifar", options, found, near, choices, 1)["accuracy"]
    assert (accuracy["resmem"] >= accuracy["base"]).all()
    assert choices["recall"].between(0.5, 1).all()
    with pytest.raises(InputError, match="500 images are not for testing"):
        tasks.data("cifar", options.model_copy(update={"train": 450}), 1, 0)
    (folder / "train.bin").write_bytes(b"\0" * 5000)
    with pytest.raises(InputError, match="no multiple of 3,074"):
        tasks.data("cifar", options, 1, 0)


def test_mnist_as_the_specification_splits_it(tmp_path):
    rng = np.random.default_rng(0)
    pixels, labels = (
        rng.integers(0, 256, (10_000, 28, 28), dtype=np.uint8),
        rng.integers(10, size=10_000, dtype=np.uint8),
    )
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(
        np.array([0x803, 10_000, 28, 28], ">i4").tobytes() + pixels.tobytes()
    )
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(np.array([0x801, 10_000], ">i4").tobytes() + labels.tobytes())
    data = tasks.data("mnist", settings.Mnist(root=str(tmp_path)), 1, 0)
    order = np.random.default_rng(0).permutation(10_000)
    np.testing.assert_array_equal(data.test.y, labels[order[:2000]])
    np.testing.assert_array_equal(data.train.y, labels[order[3000:]])
    first = (pixels[order[0]].astype(float) / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(data.test.x[0].reshape(14, 14)[0, 0], first[:2, :2].mean(), rtol=1e-5)


def test_folders_of_pictures_under_a_network_that_is_taken(tmp_path):
    from PIL import Image
    from rote.data import torchvision
    from rote.papers.resmem import pictures

    rng = np.random.default_rng(0)
    for part, number in (("train", 8), ("val", 4)):
        for kind in range(3):
            folder = tmp_path / "pictures" / part / f"class{kind}"
            folder.mkdir(parents=True)
            for name in range(number):
                pixels = rng.integers(0, 80, (40, 50, 3)) + 60 * np.eye(3, dtype=int)[kind]
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
    torch.manual_seed(0)
    net = torchvision().models.mobilenet_v2(num_classes=3)
    torch.save(net.state_dict(), tmp_path / "mobilenet_v2.pth")
    options = settings.Pictures(
        root=str(tmp_path / "pictures"), weights=str(tmp_path), models=["mobilenet_v2"], side=32, batch=10
    )
    bases, run = pictures.bases(options), CliRunner()
    given = ["--task", "pictures", "--settings", json.dumps({"pictures": options.model_dump()})]
    files = [str(tmp_path / f"{name}.safetensors") for name in ("bases", "embeddings")]
    for verb in (["train-base", "--out", files[0]], ["embed", "--bases", files[0], "--out", files[1]]):
        done = run.invoke(app, [*verb, *given])
        assert done.exit_code == 0, done.exception
    found = load_file(files[1])
    assert found["mobilenet_v2/0/train/last"].shape == (24, 1280)
    near, choices = experiment.neighbours("pictures", options, settings.Memory(), found, 1)
    accuracy = experiment.evaluate("pictures", options, found, near, choices, 1)["accuracy"]
    assert (accuracy["resmem"] > 0.6).all()  # three colours, and a network of random weights
    paths, y, count = pictures.files(options)
    assert (count, len(paths)) == (24, 36)
    assert all(f"class{label}" in str(path) for path, label in zip(paths, y, strict=True))
    broken = paths[0]
    broken.write_bytes(b"no picture")
    with pytest.raises(InputError, match="is not a readable picture"):
        experiment.embeddings("pictures", options, bases, 1)
    (tmp_path / "mobilenet_v2.pth").write_bytes(b"no weights")
    with pytest.raises(InputError, match="holds no weights"):
        pictures.bases(options)
    with pytest.raises(InputError, match="holds neither resnet50"):
        pictures.bases(options.model_copy(update={"models": ["resnet50"]}))
    with pytest.raises(InputError, match="does not exist"):
        pictures.files(options.model_copy(update={"root": str(tmp_path / "nowhere")}))
    (tmp_path / "pictures" / "val" / "other").mkdir()
    with pytest.raises(InputError, match="classes that train/ has not: other"):
        pictures.files(options)
