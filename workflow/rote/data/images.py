"""Real data: images from scikit-learn, torchvision or local files. One source is never replaced by
another.
"""

import gzip
import math
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.data import download as downloads

_IDX_TYPES = {8: np.uint8}
_LARGEST = 2**33  # bytes that a file may unpack to
_MNIST_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Images(NamedTuple):
    """Gray images with labels."""

    pixels: np.ndarray  # (images, side, side) uint8, 0 is background
    labels: np.ndarray  # (images,) int
    largest: int  # the gray value of full ink


def digits() -> Images:
    """The 1,797 scanned digits that scikit-learn ships: 8x8 pixels, values 0-16 (UCI, Alpaydin and
    Kaynak 1998).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Images(bunch.images.astype(np.uint8), bunch.target.astype(int), 16)


def mnist(root: str | Path, *, download: bool = False) -> Images:
    """MNIST (LeCun, Cortes, Burges): 28x28 pixels, values 0-255; all splits that `root` holds,
    training first.

    `root` may be laid out by torchvision (`<root>/MNIST/raw/...`), or hold the idx files
    themselves, plain or gzipped, of both splits or of one (torchvision itself refuses a folder with
    one split).

    Args:
        download: fetch all four files of torchvision's into `root` first.

    Raises:
        InputError: naming the file if one is missing, truncated or not what its header says.
    """
    return _idx_folder(Path(root), "MNIST", download)


def fashion(root: str | Path, *, download: bool = False) -> Images:
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 28x28 pixels, values 0-255, 10 classes, training
    first.

    `root` may hold the idx files as for `mnist` (torchvision: `<root>/FashionMNIST/raw/...`), or
    the project's sheet of 900 samples, `fashion-mnist-sprite.png`: 30 x 30 images, three rows of
    them per class, in the order of the labels.

    Raises:
        InputError: as `mnist`, and for a sheet of another size.
    """
    from PIL import Image, UnidentifiedImageError

    sheet = Path(root) / "fashion-mnist-sprite.png"
    if download or not sheet.is_file():
        return _idx_folder(Path(root), "FashionMNIST", download)
    try:
        gray = np.asarray(Image.open(sheet).convert("L"))
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{sheet} is not a readable PNG ({error})") from error
    if gray.shape != (840, 840):
        raise InputError(
            f"{sheet}: expected 840 x 840 pixels, found {gray.shape[1]} x {gray.shape[0]}"
        )
    pixels = gray.reshape(30, 28, 30, 28).transpose(0, 2, 1, 3).reshape(900, 28, 28)
    return Images(pixels, np.repeat(np.arange(10), 90), 255)


def _idx_folder(root: Path, name: str, download: bool) -> Images:
    """A data set in MNIST's format; `name` is torchvision's."""
    if download:
        downloads.torchvision_set(torchvision().datasets, name, root)
    folder = root / name / "raw" if (root / name / "raw").is_dir() else root
    if not folder.is_dir():
        raise InputError(
            f"{name} folder {root} does not exist; put the idx files there, or set download to true"
        )
    parts = []
    for images_name, labels_name in _MNIST_FILES.values():
        images_file, labels_file = (
            _plain_or_gz(folder / images_name),
            _plain_or_gz(folder / labels_name),
        )
        if images_file is None and labels_file is None:
            continue
        if images_file is None or labels_file is None:
            missing = images_name if images_file is None else labels_name
            raise InputError(f"{name} folder {folder}: {missing} (or {missing}.gz) is missing")
        images, labels = read_idx(images_file), read_idx(labels_file)
        if images.ndim != 3 or images.shape[1] != images.shape[2]:
            raise InputError(
                f"{images_file}: expected square images (n, side, side), found shape {images.shape}"
            )
        if labels.shape != images.shape[:1]:
            raise InputError(
                f"{labels_file}: {labels.shape} labels for {len(images)} images in {images_file}"
            )
        if labels.size and labels.max() > 9:
            raise InputError(f"{labels_file}: labels must be 0-9, found {labels.max()}")
        parts.append((images, labels.astype(int)))
    if not parts:
        wanted = ", ".join(file for pair in _MNIST_FILES.values() for file in pair)
        raise InputError(
            f"{name} folder {folder} holds no idx files; expected some of {wanted} (or .gz)"
        )
    if len({images.shape[1] for images, _ in parts}) > 1:
        raise InputError(f"{name} folder {folder}: the splits have images of different size")
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Images(images, labels, 255)


def read_idx(path: str | Path) -> np.ndarray:
    """Read an idx file of bytes, plain or gzipped. Raises InputError if it is not whole."""
    path = Path(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            content = stream.read(20)
            if content[:2] == b"\0\0" and len(content) >= 4 and len(content) >= 4 + 4 * content[3]:
                # no more than the header says, and a byte to notice more by
                content += stream.read(min(_idx_size(content), _LARGEST) + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if (
        len(content) < 4
        or content[:2] != b"\0\0"
        or content[2] not in _IDX_TYPES
        or not 1 <= content[3] <= 4
    ):
        raise InputError(f"{path} is not an idx file of bytes (its header is {content[:4]!r})")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise InputError(
            f"{path} is truncated: {len(content)} bytes, its header alone needs {header}"
        )
    shape, wanted = struct.unpack(f">{content[3]}I", content[4:header]), _idx_size(content)
    if wanted > _LARGEST:
        raise InputError(
            f"{path}: its header says {wanted:,} bytes; more than {_LARGEST:,} are not read"
        )
    if len(content) < wanted:
        raise InputError(
            f"{path} is truncated: {len(content)} bytes, its header says {wanted}; fetch it again"
        )
    if len(content) > wanted:
        raise InputError(
            f"{path} is too long: more than the {wanted} bytes that its header says; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _idx_size(content: bytes) -> int:
    """Bytes of a whole idx file of bytes, by its header."""
    dimensions = content[3]
    return (
        4
        + 4 * dimensions
        + math.prod(struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions]))
    )


def omniglot(
    root: str | Path, count: int, side: int, rng: np.random.Generator, *, download: bool = False
) -> np.ndarray:
    """`count` Omniglot images, one each of distinct characters, as white ink on black: (count,
    side, side) uint8.

    Reads `<root>/images_background/<alphabet>/<character>/*.png` (torchvision puts it under
    `omniglot-py/`).

    Raises:
        InputError: if the folder is missing or holds fewer than `count` characters.
    """
    from PIL import Image, UnidentifiedImageError

    root = Path(root)
    if download:
        downloads.torchvision_set(torchvision().datasets, "Omniglot", root)
    candidates = [root / "images_background", root / "omniglot-py" / "images_background"]
    folder = next((path for path in candidates if path.is_dir()), None)
    if folder is None:
        raise InputError(
            f"Omniglot folder {root} has no images_background/; put it there, or set download to "
            "true"
        )
    characters = sorted(
        path for path in folder.glob("*/*") if path.is_dir() and any(path.glob("*.png"))
    )
    if len(characters) < count:
        raise InputError(
            f"{folder} holds {len(characters)} characters (alphabet/character/*.png), {count} are "
            "needed"
        )
    images = []
    for index in np.sort(rng.choice(len(characters), count, replace=False)):
        files = sorted(characters[index].glob("*.png"))
        file = files[rng.integers(len(files))]
        try:
            picture = Image.open(file).convert("L").resize((side, side), Image.Resampling.BOX)
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"{file} is not a readable PNG ({error})") from error
        images.append(255 - np.asarray(picture))
    return np.stack(images)


def torchvision() -> ModuleType:
    """`import torchvision`, also where its compiled part does not fit the installed torch.

    The index has torchvision for one CUDA build only. Beside a CPU build of torch its operators do
    not load, and the import fails at the first one it decorates. Data sets, transforms and models
    need none of them, so their two schemas are declared (never implemented: calling one is an
    error).
    """
    import torch

    if not _declared and torch.version.cuda is None:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            with suppress(RuntimeError):  # the compiled part was loaded after all
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)  # the declaration lives as long as this object
    import torchvision as package

    return package


_declared: list = []


def _plain_or_gz(path: Path) -> Path | None:
    return next(
        (file for file in (path, path.with_name(path.name + ".gz")) if file.is_file()), None
    )


def cifar10(root: str | Path, *, download: bool = False) -> Images:
    """CIFAR-10 (Krizhevsky 2009): 32x32 colour images, values 0-255, training first.

    Reads torchvision's layout (`<root>/cifar-10-batches-py`, checked by torchvision) or the binary
    version (`<root>/cifar-10-batches-bin/*.bin`: a label byte and 3,072 pixel bytes per image).

    Raises:
        InputError: naming the file if one is missing or truncated.
    """
    root = Path(root)
    binary = root / "cifar-10-batches-bin"
    if binary.is_dir():
        names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
        return _cifar_binary(binary, names, labels=1, classes=10)
    return _cifar(root, "CIFAR10", download)


def cifar100(root: str | Path, *, download: bool = False) -> Images:
    """CIFAR-100 (Krizhevsky 2009) with its fine labels: 32x32 colour images, values 0-255, training
    first.

    Reads torchvision's layout (`<root>/cifar-100-python`, checked by torchvision) or the binary
    version (`<root>/cifar-100-binary/{train,test}.bin`: a coarse and a fine label byte and 3,072
    pixel bytes per image).

    Raises:
        InputError: naming the file if one is missing or truncated.
    """
    root = Path(root)
    binary = root / "cifar-100-binary"
    if binary.is_dir():
        return _cifar_binary(binary, ["train.bin", "test.bin"], labels=2, classes=100)
    return _cifar(root, "CIFAR100", download)


def _cifar_binary(folder: Path, names: list[str], *, labels: int, classes: int) -> Images:
    """Images of the binary files that are there; the last of an image's label bytes is its label."""
    files = [folder / name for name in names if (folder / name).is_file()]
    if not files:
        raise InputError(f"{folder} holds none of {', '.join(names)}")
    parts, size = [], labels + 3072
    for file in files:
        content = np.fromfile(file, np.uint8)
        if not len(content) or len(content) % size:
            raise InputError(
                f"{file} is truncated: {len(content)} bytes is no multiple of {size:,}; fetch it "
                "again"
            )
        parts.append(content.reshape(-1, size))
    rows = np.concatenate(parts)
    found = rows[:, labels - 1].astype(int)
    if found.max() >= classes:
        raise InputError(f"{folder}: labels must be 0-{classes - 1}, found {found.max()}")
    return Images(rows[:, labels:].reshape(-1, 3, 32, 32), found, 255)


def _cifar(root: Path, name: str, download: bool) -> Images:
    """Both splits as torchvision reads them."""
    kind = getattr(torchvision().datasets, name)
    if download:
        downloads.torchvision_set(torchvision().datasets, name, root)
    try:
        sets = [kind(str(root), train=train, download=download) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        known = name.replace("CIFAR", "CIFAR-")
        raise InputError(
            f"{known} is not in {root} ({error}); put it there, or set download to true"
        ) from error
    pixels = np.concatenate([part.data for part in sets]).transpose(0, 3, 1, 2)
    return Images(pixels, np.concatenate([part.targets for part in sets]), 255)
