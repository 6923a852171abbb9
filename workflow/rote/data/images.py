"""Images from scikit-learn, torchvision or local files. No source is ever replaced by another."""

import gzip
import math
import struct
import zlib
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.data import download as downloads

_IDX_UNSIGNED_BYTES = 8  # the type code of an idx file of bytes
_MAX_BYTES = 2**33  # that a file may unpack to
_MNIST_FILES = (  # images and labels, training first
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


class Images(NamedTuple):
    """Images with labels."""

    # (images, side, side), 0 is background; colour (images, 3, side, side); uint8
    pixels: np.ndarray
    labels: np.ndarray  # (images,) int
    largest: int  # the largest value that a pixel may have: full ink


def digits() -> Images:
    """The 1,797 scanned digits that scikit-learn ships: 8x8 pixels, values 0-16.

    UCI's optical recognition of handwritten digits (Alpaydin and Kaynak 1998).

    Raises:
        InputError: without scikit-learn.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise InputError("scikit-learn, which ships the digits, is not installed: pip install it")
    # read, not imported: its `load_digits` imports a second's worth of estimators
    rows = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    return Images(rows[:, :-1].reshape(-1, 8, 8).astype(np.uint8), rows[:, -1].astype(int), 16)


def mnist(root: str | Path, *, download: bool = False) -> Images:
    """MNIST (LeCun, Cortes, Burges): 28x28 pixels, values 0-255; training first.

    Args:
        root: folder as torchvision lays it out (`<root>/MNIST/raw/...`), or with the idx files
            themselves, plain or gzipped, of both splits or of one (torchvision itself refuses a
            folder with one split).
        download: fetch all four files of torchvision's into `root` first.

    Returns:
        Gray images of the splits that are there, 70,000 of both.

    Raises:
        InputError: naming the file if one is missing, truncated or not what its header says; if
            the download fails.
    """
    return _idx_folder(Path(root), "MNIST", download)


def fashion(root: str | Path, *, download: bool = False) -> Images:
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 28x28 pixels, values 0-255; training first.

    Args:
        root: folder with the idx files as for `mnist` (torchvision: `<root>/FashionMNIST/raw/...`),
            or with the project's sheet of 900 samples, `fashion-mnist-sprite.png`: 30 x 30 images,
            three rows of them per class, in the order of the labels.
        download: fetch all four files of torchvision's into `root` first, and read no sheet.

    Returns:
        Gray images of the splits that are there, 70,000 of both; 900 of the sheet.

    Raises:
        InputError: as `mnist`, and for a sheet that cannot be read or has another size.
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
    splits = []
    for images_name, labels_name in _MNIST_FILES:
        images_file = _plain_or_gz(folder / images_name)
        labels_file = _plain_or_gz(folder / labels_name)
        if images_file is None and labels_file is None:
            continue
        if images_file is None or labels_file is None:
            missing = images_name if images_file is None else labels_name
            raise InputError(f"{name} folder {folder}: {missing} (or {missing}.gz) is missing")
        splits.append(_idx_split(images_file, labels_file))
    if not splits:
        names = ", ".join(chain.from_iterable(_MNIST_FILES))
        raise InputError(
            f"{name} folder {folder} holds no idx files; expected some of {names} (or .gz)"
        )
    if len({split.pixels.shape[1] for split in splits}) > 1:
        raise InputError(f"{name} folder {folder}: the splits have images of different size")
    pixels = np.concatenate([split.pixels for split in splits])
    return Images(pixels, np.concatenate([split.labels for split in splits]), 255)


def _idx_split(images_file: Path, labels_file: Path) -> Images:
    images = read_idx(images_file)
    labels = read_idx(labels_file)
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
    return Images(images, labels.astype(int), 255)


def read_idx(path: str | Path) -> np.ndarray:
    """Read an idx file of bytes, plain or gzipped.

    Returns:
        Of the shape that its header says, one to four axes, uint8.

    Raises:
        InputError: if the file cannot be read, is damaged, is no idx file of bytes, or is shorter
            or longer than its header says.
    """
    path = Path(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            content = stream.read(20)
            if _is_idx(content) and len(content) >= _header_bytes(content):
                # no more than the header says, and a byte to notice more by
                content += stream.read(min(_idx_bytes(content), _MAX_BYTES) + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); fetch it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not _is_idx(content):
        raise InputError(f"{path} is not an idx file of bytes (its header is {content[:4]!r})")
    header = _header_bytes(content)
    if len(content) < header:
        raise InputError(
            f"{path} is truncated: {len(content)} bytes, its header alone needs {header}"
        )
    size = _idx_bytes(content)
    if size > _MAX_BYTES:
        raise InputError(
            f"{path}: its header says {size:,} bytes; more than {_MAX_BYTES:,} are not read"
        )
    if len(content) < size:
        raise InputError(
            f"{path} is truncated: {len(content)} bytes, its header says {size}; fetch it again"
        )
    if len(content) > size:
        raise InputError(
            f"{path} is too long: more than the {size} bytes that its header says; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(_idx_shape(content))


def _is_idx(content: bytes) -> bool:
    """Whether a file begins as an idx file of bytes: two zeros, the type, the number of axes."""
    return (
        len(content) >= 4
        and content[:2] == b"\0\0"
        and content[2] == _IDX_UNSIGNED_BYTES
        and 1 <= content[3] <= 4
    )


def _header_bytes(content: bytes) -> int:
    return 4 + 4 * content[3]


def _idx_shape(content: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{content[3]}I", content[4 : _header_bytes(content)])


def _idx_bytes(content: bytes) -> int:
    """Bytes of a whole idx file of bytes, by its header."""
    return _header_bytes(content) + math.prod(_idx_shape(content))


def omniglot(
    root: str | Path, count: int, side: int, rng: np.random.Generator, *, download: bool = False
) -> np.ndarray:
    """Omniglot images (Lake et al. 2015), one each of distinct characters, white ink on black.

    Args:
        root: folder that holds `images_background/<alphabet>/<character>/*.png` (torchvision puts
            it under `omniglot-py/`).
        count: number of characters.
        side: height and width to scale to, pixels.
        rng: draws the characters, and one drawing of each.
        download: fetch torchvision's archive into `root` first.

    Returns:
        (count, side, side) uint8.

    Raises:
        InputError: if the folder is missing, holds fewer than `count` characters, or a drawing
            cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    root = Path(root)
    if download:
        downloads.torchvision_set(torchvision().datasets, "Omniglot", root)
    candidates = [root / "images_background", root / "omniglot-py" / "images_background"]
    folder = next((path for path in candidates if path.is_dir()), None)
    if folder is None:
        raise InputError(
            f"Omniglot folder {root} has no images_background/; "
            "put it there, or set download to true"
        )
    characters = sorted(
        path for path in folder.glob("*/*") if path.is_dir() and any(path.glob("*.png"))
    )
    if len(characters) < count:
        raise InputError(
            f"{folder} holds {len(characters)} characters (alphabet/character/*.png), "
            f"{count} are needed"
        )
    images = []
    for index in np.sort(rng.choice(len(characters), count, replace=False)):
        drawings = sorted(characters[index].glob("*.png"))
        file = drawings[rng.integers(len(drawings))]
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

    if torch.version.cuda is None:
        _declare_operators()
    import torchvision as package

    return package


@cache  # the declaration lives as long as the library object
def _declare_operators() -> object:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with suppress(RuntimeError):  # the compiled part was loaded after all
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def _plain_or_gz(path: Path) -> Path | None:
    return next(
        (file for file in (path, path.with_name(path.name + ".gz")) if file.is_file()), None
    )


def cifar10(root: str | Path, *, download: bool = False) -> Images:
    """CIFAR-10 (Krizhevsky 2009): 32x32 colour images, values 0-255, training first.

    Args:
        root: folder in torchvision's layout (`<root>/cifar-10-batches-py`, checked by torchvision)
            or with the binary version (`<root>/cifar-10-batches-bin/*.bin`: a label byte and 3,072
            pixel bytes per image), of which those files are read that are there.
        download: fetch torchvision's archive into `root` first; ignored beside the binary version.

    Returns:
        60,000 images (3, 32, 32), red first; fewer if files of the binary version are missing.

    Raises:
        InputError: if torchvision does not accept the folder; if no file of the binary version is
            there, naming one that is truncated, or if a label is above 9; if the download fails.
    """
    root = Path(root)
    binary = root / "cifar-10-batches-bin"
    if binary.is_dir():
        names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
        return _cifar_binary(binary, names, labels=1, classes=10)
    return _cifar(root, "CIFAR10", download)


def cifar100(root: str | Path, *, download: bool = False) -> Images:
    """CIFAR-100 (Krizhevsky 2009), fine labels: 32x32 colour images, values 0-255, training first.

    Args:
        root: folder in torchvision's layout (`<root>/cifar-100-python`, checked by torchvision) or
            with the binary version (`<root>/cifar-100-binary/{train,test}.bin`: a coarse and a fine
            label byte and 3,072 pixel bytes per image), of which those files are read that are
            there.
        download: fetch torchvision's archive into `root` first; ignored beside the binary version.

    Returns:
        60,000 images (3, 32, 32), red first; fewer if a file of the binary version is missing.

    Raises:
        InputError: as `cifar10`, for labels above 99.
    """
    root = Path(root)
    binary = root / "cifar-100-binary"
    if binary.is_dir():
        return _cifar_binary(binary, ["train.bin", "test.bin"], labels=2, classes=100)
    return _cifar(root, "CIFAR100", download)


def _cifar_binary(folder: Path, names: list[str], *, labels: int, classes: int) -> Images:
    """Images of those files that exist; the last of an image's `labels` bytes is its label."""
    files = [folder / name for name in names if (folder / name).is_file()]
    if not files:
        raise InputError(f"{folder} holds none of {', '.join(names)}")
    size = labels + 3072
    parts = []
    for file in files:
        content = np.fromfile(file, np.uint8)
        if not len(content) or len(content) % size:
            raise InputError(
                f"{file} is truncated: "
                f"{len(content)} bytes is no multiple of {size:,}; fetch it again"
            )
        parts.append(content.reshape(-1, size))
    rows = np.concatenate(parts)
    targets = rows[:, labels - 1].astype(int)
    if targets.max() >= classes:
        raise InputError(f"{folder}: labels must be 0-{classes - 1}, found {targets.max()}")
    return Images(rows[:, labels:].reshape(-1, 3, 32, 32), targets, 255)


def _cifar(root: Path, name: str, download: bool) -> Images:
    """Both splits as torchvision reads them."""
    datasets = torchvision().datasets
    if download:
        downloads.torchvision_set(datasets, name, root)
    dataset = getattr(datasets, name)
    try:
        splits = [dataset(str(root), train=train, download=download) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{name.replace('CIFAR', 'CIFAR-')} is not in {root} ({error}); "
            "put it there, or set download to true"
        ) from error
    pixels = np.concatenate([split.data for split in splits]).transpose(0, 3, 1, 2)
    return Images(pixels, np.concatenate([split.targets for split in splits]), 255)
