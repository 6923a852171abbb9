"""Pictures and folders of them."""

import gzip
import struct

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


def packed12(values: np.ndarray) -> bytes:
    """Numbers of 12 bits, two in three bytes."""
    first, second = values.reshape(-1, 2).T
    parts = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1)
    return parts.astype(np.uint8).tobytes()


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
    with pytest.raises(InputError, match=r"numbers\.tiff holds .* nothing says which is white"):
        image.read(path, "L")


SHORT, ENTRY = 3, "<HHII"
TIFF = {
    "white is 65535": (1, 16, (RAMP * np.uint16(257)).tobytes()),
    "white is 0": (0, 16, (65535 - RAMP * np.uint16(257)).tobytes()),
    "white is 0 of 8 bits": (0, 8, (255 - RAMP).tobytes()),
    "12 bits": (1, 12, packed12(RAMP.astype(int) * 4095 // 255)),
}


def tiff(photometric: int, bits: int, content: bytes) -> bytes:
    """A TIFF file of one strip, 16 x 16, little-endian."""
    values = {256: 16, 257: 16, 258: bits, 259: 1, 262: photometric, 273: 200, 277: 1, 278: 16}
    entries = [struct.pack(ENTRY, tag, SHORT, 1, value) for tag, value in values.items()]
    entries.append(struct.pack(ENTRY, 279, 4, 1, len(content)))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries)
    return head.ljust(200, b"\0") + content


@pytest.mark.parametrize("case", TIFF)
def test_tiff_says_its_depth_and_what_is_white(tmp_path, case):
    (tmp_path / "a.tif").write_bytes(tiff(*TIFF[case]))
    assert np.abs(np.asarray(image.read(tmp_path / "a.tif", "L")).astype(int) - RAMP).max() <= 1


RED = np.zeros((16, 16, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
MODES = {
    "palette": (Image.fromarray(RED).convert("P"), {}, [255, 0, 0]),
    "palette, clear": (Image.fromarray(RED).convert("P"), {"transparency": bytes(256)}, [255] * 3),
    "grey, clear": (Image.new("L", (4, 4), 9), {"transparency": 9}, [255] * 3),
    "deep grey, clear": (Image.fromarray(DEEP * 0 + 900), {"transparency": 900}, [255] * 3),
    "colour, clear": (Image.fromarray(RED), {"transparency": (255, 0, 0)}, [255] * 3),
    "grey and alpha": (Image.new("LA", (4, 4), (0, 0)), {}, [255] * 3),
    "one bit": (Image.new("1", (4, 4), 1), {}, [255] * 3),
    "inks": (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), {"format": "TIFF"}, [255, 0, 0]),
    "frames": (
        Image.fromarray(RED),
        {"save_all": True, "append_images": [Image.new("RGB", (16, 16))]},
        [255, 0, 0],
    ),
}


@pytest.mark.parametrize("case", MODES)
def test_pictures_of_every_mode_are_read_in_colour(tmp_path, case):
    picture, options, expected = MODES[case]
    path = tmp_path / ("a.tif" if case == "inks" else "a.png")
    picture.save(path, **options)
    assert np.asarray(image.read(path, "RGB"))[0, 0].tolist() == expected


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_picture_is_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png is not a readable picture"):
        image.read(tmp_path / "a.png", "RGB")


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


def test_folders_of_pictures_leave_out_what_no_user_put_there(tmp_path, caplog):
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
    assert "1 files (notes.txt) skipped" in caplog.text


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


def test_a_class_on_a_disk_that_is_not_there_is_refused_and_what_is_no_class_is_said(
    tmp_path, caplog
):
    options = folder(tmp_path)
    saved(tmp_path / "train" / "loose.png", RAMP)
    assert len(pictures.files(options).labels) == 12
    assert "1 files (loose.png) beside the classes' folders skipped" in caplog.text
    (tmp_path / "val" / "dog2").symlink_to(tmp_path / "not-mounted")
    with pytest.raises(InputError, match="dog2 is a link that leads nowhere"):
        pictures.files(options)


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
