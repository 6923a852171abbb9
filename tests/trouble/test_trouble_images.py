"""Pictures and folders of them."""

import gzip

import numpy as np
import pytest
from conftest import write_idx
from PIL import Image
from rote.core.errors import InputError
from rote.data import images
from rote.papers.resmem.tasks import pictures
from rote.readers import image

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = RAMP.astype(np.uint16) * 257


def saved(path, pixels, mode=None, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".PNG", ".pgm"])
def test_sixteen_bits_are_scaled_by_their_depth(tmp_path, suffix):
    path = saved(tmp_path / f"deep{suffix}", DEEP)
    assert np.abs(np.asarray(image.read(path, "L")).astype(int) - RAMP).max() <= 1
    assert np.asarray(image.read(path, "RGB")).shape == (16, 16, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_numbers_of_unknown_range_are_refused(tmp_path, dtype):
    path = saved(
        tmp_path / "numbers.tiff",
        RAMP.astype(dtype) / 2 if dtype == np.float32 else RAMP.astype(dtype),
    )
    with pytest.raises(InputError, match=r"numbers\.tiff holds .* of 32 bits"):
        image.read(path, "L")


@pytest.mark.parametrize(
    ("tag", "turned"),
    [(3, np.rot90(RAMP, 2)), (6, np.rot90(RAMP, -1)), (8, np.rot90(RAMP)), (2, RAMP[:, ::-1])],
)
def test_pictures_are_turned_as_their_tag_says(tmp_path, tag, turned):
    exif = Image.Exif()
    exif[0x0112] = tag
    path = saved(tmp_path / "turned.png", RAMP, exif=exif)
    np.testing.assert_array_equal(np.asarray(image.read(path, "L")), turned)


def test_white_shows_through(tmp_path):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (10, 20, 30, 255)
    path = saved(tmp_path / "clear.png", pixels)
    read = np.asarray(image.read(path, "RGB"))
    assert read[0, 0].tolist() == [10, 20, 30]
    assert (read[1] == 255).all()


def test_too_many_pixels_are_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "large.png", np.zeros((64, 64), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match=r"large\.png is not a readable picture .*exceeds"):
        image.read(path, "L")


def folder(root, classes=("cat", "dog")):
    for split in ("train", "val"):
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for number in range(3):
                saved(root / split / name / f"{number}.png", RAMP)
    return pictures.ResmemPictures(root=str(root))


def test_folders_of_pictures_leave_out_what_no_user_put_there(tmp_path):
    options = folder(tmp_path)
    plain = pictures.files(options)
    for split in ("train", "val"):
        (tmp_path / split / ".ipynb_checkpoints").mkdir()
        (tmp_path / split / "__MACOSX").mkdir()
        (tmp_path / split / "cat" / "._0.png").write_bytes(b"\0\5\26\7")
        (tmp_path / split / "dog" / ".DS_Store").write_bytes(b"x")
        (tmp_path / split / "dog" / "notes.txt").write_bytes(b"x")
    again = pictures.files(options)
    assert again.paths == plain.paths
    assert again.labels.tolist() == plain.labels.tolist()


def test_pictures_lie_deeper_behind_links_and_in_any_case(tmp_path):
    options = folder(tmp_path / "set")
    outside = tmp_path / "disk" / "birds"
    outside.mkdir(parents=True)
    saved(outside / "A.PNG", RAMP)
    for split in ("train", "val"):
        (tmp_path / "set" / split / "bird").symlink_to(tmp_path / "disk")
    read = pictures.files(options)
    assert sorted(set(read.labels.tolist())) == [0, 1, 2]
    assert read.labels.tolist().count(0) == 2


@pytest.mark.parametrize("content", [{}, {"x.gif2": b"x"}, {".hidden.png": b"x"}])
def test_a_class_without_pictures_is_refused_by_name(tmp_path, content):
    options = folder(tmp_path)
    (tmp_path / "train" / "empty").mkdir()
    for name, data in content.items():
        (tmp_path / "train" / "empty" / name).write_bytes(data)
    with pytest.raises(InputError, match="train: no picture in empty"):
        pictures.files(options)


def test_omniglot_leaves_out_hidden_drawings(tmp_path):
    drawings = tmp_path / "images_background" / "Alpha" / "character01"
    drawings.mkdir(parents=True)
    saved(drawings / "0.png", RAMP)
    (drawings / "._0.png").write_bytes(b"x")
    (drawings.parent / ".ipynb_checkpoints").mkdir()
    rng = np.random.default_rng(0)
    assert images.omniglot(tmp_path, 1, 8, rng).shape == (1, 8, 8)


NAMES = {
    "train-images.idx3-ubyte": "train-images-idx3-ubyte",
    "T10K-labels-idx1-ubyte.gz": "t10k-labels-idx1-ubyte.gz",
    "train_labels_idx1_ubyte": "train-labels-idx1-ubyte",
}


@pytest.mark.parametrize("name", NAMES)
def test_files_of_mnist_with_another_name_are_said_to_be_there(tmp_path, name):
    write_idx(tmp_path / name, np.zeros((4, 28, 28)))
    with pytest.raises(InputError, match=f"it holds {name}: rename it to {NAMES[name]}"):
        images.mnist(tmp_path)


def test_idx_files_are_read_in_any_case_and_refused_as_pointers(tmp_path):
    write_idx(tmp_path / "a", np.zeros((4, 2, 2)))
    (tmp_path / "a.GZ").write_bytes(gzip.compress((tmp_path / "a").read_bytes()))
    assert images.read_idx(tmp_path / "a.GZ").shape == (4, 2, 2)
