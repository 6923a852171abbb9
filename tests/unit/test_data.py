"""Loaders of images: whole files are read, damaged ones are named, no source replaces another."""

import gzip

import numpy as np
import pytest
from conftest import write_idx
from PIL import Image
from rote.core.errors import InputError
from rote.data import images as data


def test_digits_are_the_1797_scans():
    images = data.digits()
    assert images.pixels.shape == (1797, 8, 8)
    assert np.bincount(images.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    scaled = images.pixels / images.largest
    assert (scaled.mean(), scaled.std()) == pytest.approx((0.30526, 0.37605), abs=1e-5)


def test_mnist_reads_the_real_test_images(real_mnist):
    images = data.mnist(real_mnist)
    assert images.pixels.shape == (10_000, 28, 28)
    assert np.bincount(images.labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert images.pixels.max() == images.largest == 255


@pytest.mark.parametrize("folder", ["", "MNIST/raw"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_reads_both_layouts_plain_and_gzipped_training_first(tmp_path, folder, suffix):
    raw = tmp_path / folder
    raw.mkdir(parents=True, exist_ok=True)
    for prefix, n, label in (("train", 6, 1), ("t10k", 4, 2)):
        write_idx(raw / f"{prefix}-images-idx3-ubyte{suffix}", np.full((n, 28, 28), label))
        write_idx(raw / f"{prefix}-labels-idx1-ubyte{suffix}", np.full(n, label))
    images = data.mnist(tmp_path)
    assert images.labels.tolist() == [1] * 6 + [2] * 4
    assert (images.pixels[:, 0, 0] == images.labels).all()


def test_mnist_agrees_with_torchvision(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix in ("train", "t10k"):
        write_idx(raw / f"{prefix}-images-idx3-ubyte", rng.integers(0, 256, (12, 28, 28)))
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", rng.integers(0, 10, 12))
    MNIST = data.torchvision().datasets.MNIST
    references = [MNIST(str(tmp_path), train=train) for train in (True, False)]
    images = data.mnist(tmp_path)
    np.testing.assert_array_equal(
        images.pixels, np.concatenate([part.data.numpy() for part in references])
    )
    np.testing.assert_array_equal(
        images.labels, np.concatenate([part.targets.numpy() for part in references])
    )


def test_torchvision_models_work_beside_cpu_torch():
    import torch

    model = data.torchvision().models.resnet18(num_classes=1)
    assert model(torch.zeros(2, 3, 28, 28)).shape == (2, 1)
    assert data.torchvision() is data.torchvision()


@pytest.mark.parametrize("keep", [0, 3, 10, 200, -1])
def test_read_idx_names_truncated_files(mnist_folder, keep):
    for suffix in (".gz", ""):
        path = mnist_folder / "t10k-images-idx3-ubyte.gz"
        content = path.read_bytes() if suffix else gzip.decompress(path.read_bytes())
        broken = mnist_folder / f"broken{suffix}"
        broken.write_bytes(content[:keep])
        with pytest.raises(InputError, match=f"{broken}.*(truncated|not an idx file)"):
            data.read_idx(broken)


def test_mnist_names_a_damaged_gzip(mnist_folder):
    path = mnist_folder / "t10k-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged"):
        data.mnist(mnist_folder)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ((400, 28, 27), np.zeros(400), "square images"),
        ((400, 28), np.zeros(400), "square images"),
        ((400, 28, 28), np.zeros(399), r"\(399,\) labels for 400 images"),
        ((400, 28, 28), np.full(400, 10), "labels must be 0-9, found 10"),
    ],
)
def test_mnist_names_wrong_shapes_and_labels(mnist_folder, images, labels, message):
    write_idx(mnist_folder / "t10k-images-idx3-ubyte.gz", np.zeros(images))
    write_idx(mnist_folder / "t10k-labels-idx1-ubyte.gz", labels)
    with pytest.raises(InputError, match=message):
        data.mnist(mnist_folder)


def test_mnist_names_missing_files(tmp_path, mnist_folder):
    with pytest.raises(InputError, match="does not exist"):
        data.mnist(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no idx files"):
        data.mnist(tmp_path / "empty")
    (mnist_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte"):
        data.mnist(mnist_folder)


@pytest.fixture
def omniglot_folder(tmp_path):
    """Twelve characters of two alphabets, two 105x105 drawings each, black on white as Omniglot."""
    rng = np.random.default_rng(0)
    for index in range(12):
        folder = tmp_path / "images_background" / f"Alphabet_{index % 2}" / f"character{index:02d}"
        folder.mkdir(parents=True)
        for drawing in range(2):
            pixels = np.full((105, 105), 255, np.uint8)
            pixels[20 + index * 5 : 30 + index * 5, 20:80] = rng.integers(0, 60)
            Image.fromarray(pixels).convert("1").save(folder / f"{index:04d}_{drawing:02d}.png")
    return tmp_path


def test_omniglot_is_white_ink_on_black(omniglot_folder):
    images = data.omniglot(omniglot_folder, 10, 28, np.random.default_rng(1))
    assert images.shape == (10, 28, 28)
    assert (images[:, 0] == 0).all()
    assert (images.reshape(10, -1).max(axis=1) > 200).all()
    assert len(np.unique(images.reshape(10, -1), axis=0)) == 10


def test_omniglot_names_too_few_characters_missing_folders_and_bad_drawings(omniglot_folder):
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"holds 12 characters .* 13 are needed"):
        data.omniglot(omniglot_folder, 13, 28, rng)
    with pytest.raises(InputError, match="no images_background"):
        data.omniglot(omniglot_folder / "elsewhere", 10, 28, rng)
    for path in omniglot_folder.rglob("*.png"):
        path.write_bytes(b"not a picture")
    with pytest.raises(InputError, match="not a readable PNG"):
        data.omniglot(omniglot_folder, 10, 28, rng)


def test_fashion_reads_its_sheet_and_idx_files(mnist_folder, tmp_path):
    from PIL import Image

    images = np.random.default_rng(0).integers(0, 256, (30, 30, 28, 28), dtype=np.uint8)
    gray = images.transpose(0, 2, 1, 3).reshape(840, 840)
    Image.fromarray(gray).convert("RGBA").save(tmp_path / "fashion-mnist-sprite.png")
    sheet = data.fashion(tmp_path)
    np.testing.assert_array_equal(sheet.pixels, images.reshape(900, 28, 28))
    assert sheet.labels.tolist() == np.repeat(np.arange(10), 90).tolist()
    assert len(data.fashion(mnist_folder).labels) == 400
    nested = tmp_path / "root" / "FashionMNIST"
    nested.mkdir(parents=True)
    mnist_folder.rename(nested / "raw")
    assert len(data.fashion(tmp_path / "root").labels) == 400
    with pytest.raises(InputError, match=r"FashionMNIST folder .* does not exist"):
        data.fashion(tmp_path / "none")


def test_fashion_names_a_sheet_of_another_size(tmp_path):
    from PIL import Image

    Image.new("RGBA", (840, 812)).save(tmp_path / "fashion-mnist-sprite.png")
    with pytest.raises(
        InputError, match=r"fashion-mnist-sprite.png: expected 840 x 840 pixels, found 840 x 812"
    ):
        data.fashion(tmp_path)
