"""ResMem on files: images of known sets, folders of pictures, a text under language models."""

import json
import shutil
from itertools import chain

import numpy as np
import pytest
import torch
from rote.core.errors import InputError
from rote.papers.resmem import embedding, evaluation, residuals, tasks, training
from rote.papers.resmem.cli import app
from rote.papers.resmem.sections import ResmemMemory
from rote.papers.resmem.task import ImageShape, TrainingRun, array_key
from rote.papers.resmem.tasks import language, pictures
from rote.papers.resmem.tasks.cifar import ResmemCifar
from rote.papers.resmem.tasks.fashion import ResmemFashion
from rote.papers.resmem.tasks.mnist import ResmemMnist
from safetensors.numpy import load_file
from typer.testing import CliRunner


def evaluated(name, options, embeddings, memory):
    """Choices, and accuracies on test data, of a task from its embeddings on."""
    task = tasks.get(name)
    neighbors, choices = residuals.neighbors(task, options, memory, embeddings, 1)
    frames = evaluation.evaluate(task, options, embeddings, neighbors, choices, 1)
    return choices, frames["accuracy"]


def test_cropped_images_are_crops_of_padded_ones_and_some_are_mirrored():
    x = torch.arange(2 * 40 * 2 * 36, dtype=torch.float32).view(2, 40, 72) + 1
    shape = ImageShape(channels=2, side=6)
    result = training.cropped(x, shape, torch.Generator().manual_seed(0), padding=1)
    assert result.shape == x.shape
    repeated = training.cropped(x, shape, torch.Generator().manual_seed(0), padding=1)
    torch.testing.assert_close(result, repeated)
    mirrored = 0
    for image, new in zip(x.view(-1, 2, 6, 6), result.view(-1, 2, 6, 6), strict=True):
        padded = torch.nn.functional.pad(image, (1,) * 4)
        crops = [padded[:, i : i + 6, j : j + 6] for i, j in np.ndindex(3, 3)]
        plain = any(torch.equal(new, crop) for crop in crops)
        flipped = any(torch.equal(new, crop.flip(2)) for crop in crops)
        assert plain or flipped
        mirrored += flipped
    assert 20 < mirrored < 60


def test_cifar_100_goes_from_its_binary_files_to_accuracies(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 256, (100, 3072))
    for name, number in (("train.bin", 500), ("test.bin", 100)):
        fine = rng.integers(100, size=number)
        pixels = np.clip(looks[fine] + rng.normal(scale=20, size=(number, 3072)), 0, 255)
        np.column_stack([fine // 5, fine, pixels]).astype(np.uint8).tofile(folder / name)
    options = ResmemCifar(
        root=str(tmp_path),
        depths=[8],
        width=2,
        train=400,
        valid=100,
        epochs=3,
        batch=50,
        replicates=2,
    )
    task = tasks.get("cifar")
    data = training.sample(task, options, 1, 0)
    assert data.test.x.shape == (100, 3072)
    assert abs(data.train.x.mean()) < 0.5
    bases = training.bases(task, options, TrainingRun(seed=1))
    embeddings = embedding.embeddings(task, options, bases, 1)
    assert {name.rsplit("/", 1)[1] for name in embeddings} == {"logits", "last", "map"}
    memory = ResmemMemory(engine="ivf", probes=8)
    choices, accuracy = evaluated("cifar", options, embeddings, memory)
    assert (accuracy["resmem"] >= accuracy["base"]).all()
    assert choices["recall"].between(0.5, 1).all()
    with pytest.raises(InputError, match="500 images are not for testing"):
        training.sample(task, options.model_copy(update={"train": 450}), 1, 0)
    (folder / "train.bin").write_bytes(b"\0" * 5000)
    with pytest.raises(InputError, match="no multiple of 3,074"):
        training.sample(task, options, 1, 0)


def test_mnist_is_split_as_specified(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (10_000, 28, 28), dtype=np.uint8)
    labels = rng.integers(10, size=10_000, dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(
        np.array([0x803, 10_000, 28, 28], ">i4").tobytes() + pixels.tobytes()
    )
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(
        np.array([0x801, 10_000], ">i4").tobytes() + labels.tobytes()
    )
    sizes = {"train": 7000, "valid": 1000, "test": 2000}
    options = ResmemMnist(root=str(tmp_path), **sizes)
    data = training.sample(tasks.get("mnist"), options, 1, 0)
    order = np.random.default_rng(0).permutation(10_000)
    np.testing.assert_array_equal(data.test.y, labels[order[:2000]])
    np.testing.assert_array_equal(data.train.y, labels[order[3000:]])
    first = (pixels[order[0]].astype(float) / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(
        data.test.x[0].reshape(14, 14)[0, 0], first[:2, :2].mean(), rtol=1e-5
    )


def test_mnist_with_its_training_set_is_split_as_published(tmp_path, monkeypatch):
    from rote.data import images

    labels = np.arange(10_300) % 10
    pixels = np.zeros((10_300, 28, 28), np.uint8)
    pixels[300:] = 255
    files = images.Images(pixels, labels, 255)
    monkeypatch.setattr(images, "mnist", lambda root, download: files)
    options = ResmemMnist(root="there", train=200, valid=100, test=500)
    data = training.sample(tasks.get("mnist"), options, 1, 0)
    assert [len(part.y) for part in data[:3]] == [200, 100, 500]
    assert data.train.x.max() < 0 < data.test.x.min()
    np.testing.assert_array_equal(data.test.y, labels[300:800])
    with pytest.raises(InputError, match=r"there: 10300 images, resmem\.mnist\.train, valid"):
        training.sample(tasks.get("mnist"), options.model_copy(update={"train": 201}), 1, 0)


def test_shipped_digits_are_split_anew_by_each_replicate(monkeypatch):
    from rote.data import images

    rng = np.random.default_rng(0)
    files = images.Images(
        rng.integers(0, 256, (400, 28, 28), dtype=np.uint8), np.arange(400) % 10, 255
    )
    monkeypatch.setattr(images, "load_mnist_sample", lambda: files)
    options = ResmemMnist(train=200, valid=100, test=100)
    first, second = (training.sample(tasks.get("mnist"), options, 1, r) for r in (0, 1))
    rows = np.concatenate([part.x for part in first[:3]])
    assert len(np.unique(rows, axis=0)) == 400
    assert not np.array_equal(first.test.x, second.test.x)


@pytest.mark.parametrize(("name", "shape"), [("breast", (569, 30)), ("wines", (178, 13))])
def test_small_tables_are_those_of_scikit_learn(name, shape):
    from sklearn import datasets

    loaders = {"breast": datasets.load_breast_cancer, "wines": datasets.load_wine}
    x, y = loaders[name](return_X_y=True)
    task = tasks.get(name)
    data = training.sample(task, task.settings(), 1, 0)
    assert x.shape == shape
    assert sum(len(part.y) for part in data[:3]) == len(y)
    counts = sum(np.bincount(part.y, minlength=data.classes) for part in data[:3])
    np.testing.assert_array_equal(counts, np.bincount(y))
    np.testing.assert_allclose(data.train.x.mean(0), 0, atol=1e-5)


def test_pictures_task_reads_folders_under_a_given_network(tmp_path):
    from PIL import Image
    from rote.data.images import torchvision

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
    options = pictures.ResmemPictures(
        root=str(tmp_path / "pictures"),
        weights=str(tmp_path),
        models=["mobilenet_v2"],
        side=32,
        batch=10,
    )
    bases = pictures.bases(options)
    run = CliRunner()
    shared = ["--task", "pictures", "--settings", json.dumps({"pictures": options.model_dump()})]
    files = [str(tmp_path / f"{name}.safetensors") for name in ("bases", "embeddings")]
    for verb in (
        ["train-base", "--out", files[0]],
        ["embed", "--bases", files[0], "--out", files[1]],
    ):
        done = run.invoke(app, [*verb, *shared])
        assert done.exit_code == 0, done.exception
    embeddings = load_file(files[1])
    assert embeddings["mobilenet_v2/0/train/last"].shape == (24, 1280)
    _, accuracy = evaluated("pictures", options, embeddings, ResmemMemory())
    assert (accuracy["resmem"] > 0.6).all()  # three colours, and a network of random weights
    paths, y, count = pictures.files(options)
    assert (count, len(paths)) == (24, 36)
    assert all(f"class{label}" in str(path) for path, label in zip(paths, y, strict=True))
    broken = paths[0]
    broken.write_bytes(b"no picture")
    with pytest.raises(InputError, match="is not a readable picture"):
        embedding.embeddings(tasks.get("pictures"), options, bases, 1)
    (tmp_path / "mobilenet_v2.pth").write_bytes(b"no weights")
    with pytest.raises(InputError, match="holds no weights"):
        pictures.bases(options)
    with pytest.raises(InputError, match="holds neither resnet50"):
        pictures.bases(options.model_copy(update={"models": ["resnet50"]}))
    with pytest.raises(InputError, match="does not exist"):
        pictures.files(options.model_copy(update={"root": str(tmp_path / "nowhere")}))
    other = tmp_path / "pictures" / "val" / "other"
    other.mkdir()
    with pytest.raises(InputError, match="no picture in other"):
        pictures.files(options)
    shutil.copy(paths[-1], other)
    with pytest.raises(InputError, match="classes that train/ has not: other"):
        pictures.files(options)


def test_fashion_is_a_control(fashion_sheet):
    """900 images: no help of a memory is claimed, and there is none beyond noise."""
    options = ResmemFashion(root=str(fashion_sheet), units=[0], steps=300, replicates=3)
    task = tasks.get("fashion")
    data = training.sample(task, options, 1, 0)
    assert [len(part.y) for part in (data.train, data.valid, data.test)] == [500, 200, 200]
    bases = training.bases(task, options, TrainingRun(seed=1))
    embeddings = embedding.embeddings(task, options, bases, 1)
    _, accuracy = evaluated("fashion", options, embeddings, ResmemMemory())
    assert accuracy["base"].mean() > 0.7
    assert abs((accuracy["resmem"] - accuracy["base"]).mean()) < 0.05
    with pytest.raises(InputError, match=r"900 images, .* ask for 1300"):
        training.sample(task, options.model_copy(update={"test": 600}), 1, 0)


@pytest.fixture
def language_options(tmp_path, small_lm):
    """Documents in which one word decides the next.

    A memory of contexts knows it, a network of random weights not.
    """
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        pairs = [("red", "kite"), ("bird", "prey"), ("Bern", "red"), ("the", "bird")]
        words = chain.from_iterable(pairs[number] for number in rng.integers(len(pairs), size=12))
        lines.append(json.dumps({"text": " ".join(words)}))
    (tmp_path / "text.jsonl").write_text("\n".join(lines))
    return language.ResmemLanguage(
        corpus=str(tmp_path / "text.jsonl"),
        models=[str(small_lm)],
        context=32,
        vocabulary=20,
        train=800,
        valid=100,
        test=150,
        batch=7,
        replicates=2,
    )


def test_language_task_predicts_next_tokens_under_a_given_model(
    tmp_path, language_options, small_lm
):
    from rote.models import pretrained

    options = language_options
    shared = ["--task", "language", "--settings", json.dumps({"language": options.model_dump()})]
    files = [str(tmp_path / f"{name}.safetensors") for name in ("bases", "embeddings")]
    for verb in (
        ["train-base", "--out", files[0]],
        ["embed", "--bases", files[0], "--out", files[1]],
    ):
        done = CliRunner().invoke(app, [*verb, *shared])
        assert done.exit_code == 0, done.exception
    embeddings = load_file(files[1])
    task = tasks.get("language")
    data = training.sample(task, options, 1, 0)
    text = language.pieces_of(options)
    documents = [set(text.documents[split.x[:, 0]]) for split in (data.train, data.test)]
    assert not documents[0] & documents[1]  # apart by document
    # one position, by hand: the hidden state and the log-probabilities before the token
    piece, position = data.test.x[5]
    tokens = torch.tensor(text.tokens[piece])[None]
    with torch.no_grad():
        plain = pretrained.causal(str(small_lm))(tokens, output_hidden_states=True)
    (arm,) = task.arms(options)
    np.testing.assert_allclose(
        embeddings[array_key(arm, 0, "test", "last")][5],
        plain.hidden_states[-1][0, position - 1],
        rtol=1e-3,
        atol=1e-4,
    )
    probabilities = plain.logits[0, position - 1].softmax(-1).numpy()
    merged = np.exp(embeddings[array_key(arm, 0, "test", "logits")][5])
    np.testing.assert_allclose(merged[:-1], probabilities[data.tokens], rtol=1e-3, atol=1e-6)
    assert merged[-1] == pytest.approx(1 - probabilities[data.tokens].sum(), abs=1e-5)
    classes = list(data.tokens)
    token = int(tokens[0, position])
    assert data.test.y[5] == (classes.index(token) if token in classes else len(classes))
    _, accuracy = evaluated("language", options, embeddings, ResmemMemory())
    assert (accuracy["resmem"] > accuracy["base"] + 0.2).all()


def test_language_task_refuses_unusable_corpora_and_models(tmp_path, language_options, small_lm):
    task = tasks.get("language")
    few = language_options.model_copy(update={"train": 10**6})
    with pytest.raises(
        InputError,
        match=r"positions in the train documents, resmem.language.train asks for 1,000,000",
    ):
        training.sample(task, few, 1, 0)
    (tmp_path / "short.jsonl").write_text(json.dumps({"text": "the red kite"}))
    short = language_options.model_copy(update={"corpus": str(tmp_path / "short.jsonl")})
    with pytest.raises(InputError, match="1 documents of two tokens or more, at least 10"):
        training.sample(task, short, 1, 0)
    other = {"digest": np.zeros(32, np.uint8)}
    (arm,) = task.arms(language_options)
    with pytest.raises(InputError, match="is not the one that train-base saw"):
        language.embed(language_options, arm, other, [])
