"""Folders of pictures, as ImageNet's, under networks that torchvision knows: taken, not trained."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.files import first_line, is_hidden, refuse_lost_link, skipped
from rote.core.section import Section, key
from rote.papers.resmem import pretrained_bases
from rote.papers.resmem.task import (
    Arrays,
    BaseArm,
    ResmemTask,
    Rng,
    TaskData,
    TaskSplit,
    TaskWork,
    last_layer,
)
from rote.readers import image
from rote.readers import weights as reader

log = logging.getLogger("rote")
MEAN = (0.485, 0.456, 0.406)  # of ImageNet's channels
SPREAD = (0.229, 0.224, 0.225)
PRODUCTS = 2e9  # multiply-adds of a network for one picture, in the middle of the published ones


class ResmemPictures(Section):
    """Folders of pictures, as ImageNet's, under networks that are already trained."""

    root: str = key(
        "",
        "Folder with train/<class>/ and val/<class>/; without it this part is left out",
        source=True,
    )
    weights: str = key(
        "", "Folder with <model>.safetensors or .pth; without it torchvision fetches its own"
    )
    models: list[str] = key(
        ["mobilenet_v2", "resnet50"], "Networks, by torchvision's names", min_length=1, source=True
    )
    train: int = key(200_000, "Training pictures remembered, at most", ge=2)
    side: int = key(224, "Side of a picture", unit="pixels", ge=32)
    batch: int = key(64, "Pictures at a time", ge=1)
    replicates: int = key(2, "Ways to halve the validation pictures into tuning and test", ge=2)


class PictureFiles(NamedTuple):
    """Pictures for training, then those for validation and test."""

    paths: list[Path]
    labels: np.ndarray  # (pictures,) classes in alphabetical order, as torchvision numbers them
    n_train: int


def files(options: ResmemPictures) -> PictureFiles:
    """Pictures of `<root>/train/<class>/` (a random `options.train`), then `<root>/val/`.

    A class's pictures may lie deeper in its folder. Hidden names are skipped, links followed; what
    lies beside the folders of the classes is named in the log.

    Raises:
        InputError: for a missing folder, a link that leads nowhere, a class without a picture, or
            classes of `val` that `train` does not have.
    """
    root = Path(options.root)
    train = _by_class(root / "train")
    valid = _by_class(root / "val")
    classes = {name: number for number, name in enumerate(train)}
    unknown = set(valid) - set(classes)
    if unknown or not classes:
        raise InputError(
            f"{root}: val/ has classes that train/ has not: "
            f"{', '.join(sorted(unknown)) or 'none at all'}"
        )
    train_pictures = _labelled(train, classes)
    valid_pictures = _labelled(valid, classes)
    n_train = min(options.train, len(train_pictures))
    if not n_train or len(valid_pictures) < 2:
        raise InputError(
            f"{root}: {n_train} training and {len(valid_pictures)} validation pictures; "
            "put more there"
        )
    chosen = np.random.default_rng(0).permutation(len(train_pictures))[:n_train]
    pictures = [train_pictures[number] for number in chosen] + valid_pictures
    labels = np.array([label for _, label in pictures], np.int64)
    return PictureFiles([path for path, _ in pictures], labels, n_train)


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """The pictures of each class below a folder, in alphabetical order."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} does not exist; the root must hold train/ and val/ with a folder per class"
        )
    entries = [path for path in sorted(folder.iterdir()) if not is_hidden(path)]
    for path in entries:
        refuse_lost_link(path)
    others = [path for path in entries if not path.is_dir()]
    if others:
        log.warning("%s: %s beside the classes' folders skipped", folder, skipped(others))
    classes = [path for path in entries if path.is_dir()]
    by_class = {path.name: image.files(path) for path in classes}
    bare = [name for name, paths in by_class.items() if not paths]
    if bare:
        raise InputError(
            f"{folder}: no picture in {', '.join(bare)}; a class is a folder with files of "
            f"{', '.join(image.SUFFIXES)}: put some there, or remove it"
        )
    return by_class


def _labelled(by_class: dict[str, list[Path]], classes: dict[str, int]) -> list[tuple[Path, int]]:
    pictures = []
    for name, paths in by_class.items():
        pictures += [(path, classes[name]) for path in paths]
    return pictures


def load(options: ResmemPictures, rng: Rng) -> TaskData:
    """Inputs are numbers of pictures in `files`; validation pictures are halved at random."""
    _, labels, n_train = files(options)
    rest = n_train + rng.permutation(len(labels) - n_train)
    middle = len(rest) // 2
    parts = (np.arange(n_train), rest[:middle], rest[middle:])
    splits = (TaskSplit(rows, labels[rows], labels[rows]) for rows in parts)
    return TaskData(*splits, int(labels.max()) + 1)


def arms(options: ResmemPictures) -> list[BaseArm]:
    """The networks."""
    return pretrained_bases.arms(
        options.models, dict.fromkeys(options.models, PRODUCTS), files(options).n_train
    )


def bases(options: ResmemPictures) -> Arrays:
    """Weights of every network: `<weights>/<model>.safetensors` or `.pth`, or torchvision's.

    Raises:
        InputError: for weights that cannot be fetched or read.
    """

    def arrays_of(model: str) -> Arrays:
        return {name: value.cpu().numpy() for name, value in _weights(options, model).items()}

    return pretrained_bases.bases(options.models, arrays_of)


def _weights(options: ResmemPictures, model: str) -> dict[str, Any]:
    from rote.data.images import torchvision

    if not options.weights:
        try:
            return torchvision().models.get_model(model, weights="DEFAULT").state_dict()
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"weights of {model} could not be fetched ({error}); set resmem.pictures.weights"
            ) from error
    folder = Path(options.weights)
    for path in (folder / f"{model}.safetensors", folder / f"{model}.pth"):
        if path.is_file():
            return reader.read(path)
    raise InputError(f"{folder} holds neither {model}.safetensors nor {model}.pth")


def embed(
    options: ResmemPictures,
    arm: BaseArm,
    weights: dict[str, Any],
    samples: list[TaskData],
    device: str = "cpu",
) -> list[dict[str, Arrays]]:
    """Every picture once, whatever the replicates make of them.

    Args:
        options: the task's config section.
        arm: the network.
        weights: of it, tensors.
        samples: the data of each replicate.
        device: where the network runs.

    Returns:
        Per replicate and split: `logits` (n, classes) and `last`, what the last layer reads,
        (n, d), float32.

    Raises:
        InputError: for weights that do not fit the network, or a picture that cannot be read.
    """
    arrays = _embedded(options, arm.model, weights, device)

    def arrays_of(data: TaskData, split: str) -> Arrays:
        rows = data.split(split).x
        return {kind: value[rows] for kind, value in arrays.items()}

    return pretrained_bases.by_split(samples, arrays_of)


def _embedded(options: ResmemPictures, model: str, weights: dict[str, Any], device: str) -> Arrays:
    """`logits` and `last` of all pictures."""
    import torch

    from rote.data.images import torchvision

    torchvision()  # imports that do not go through it fail beside a CPU build of torch
    from torchvision.transforms import v2

    extractor = _extractor(model, weights).eval().to(device)
    prepare = v2.Compose(
        [
            v2.Resize(round(options.side * 8 / 7)),
            v2.CenterCrop(options.side),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, SPREAD),
        ]
    )
    paths = files(options).paths
    parts: dict[str, list[np.ndarray]] = {"logits": [], "last": []}
    with torch.no_grad():
        for batch in pretrained_bases.batches(paths, options.batch, f"{model}: pictures"):
            pixels = torch.stack([prepare(image.read(path, "RGB")) for path in batch])
            for name, value in extractor(pixels.to(device)).items():
                parts[name].append(value.float().cpu().numpy())
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _extractor(model: str, weights: dict[str, Any]) -> Any:
    """The network with these weights, as a module that gives `logits` and `last`."""
    import torch

    from rote.data.images import torchvision

    models = torchvision().models
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    layers = models.get_model(model, weights=None).named_modules()
    head = [name for name, layer in layers if isinstance(layer, torch.nn.Linear)][-1]
    if f"{head}.bias" not in weights:
        raise InputError(f"the weights do not fit {model}: they hold no {head}.bias")
    network = models.get_model(model, weights=None, num_classes=len(weights[f"{head}.bias"]))
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"the weights do not fit {model}: {first_line(error)}") from error
    nodes = get_graph_node_names(network)[1]
    if "flatten" not in nodes or head not in nodes:
        raise InputError(
            f"{model} has no pooled layer that torchvision calls flatten; "
            "use one that has, as resnet50"
        )
    return create_feature_extractor(network, {"flatten": "last", head: "logits"})


def work(options: ResmemPictures) -> TaskWork:
    """A forward pass takes what networks of this size take; every replicate has the same rows."""
    return pretrained_bases.work([PRODUCTS] * len(options.models), options.train)


TASK = ResmemTask(
    name="pictures",
    title="Pictures",
    settings=ResmemPictures,
    work=work,
    needs="root",
    rank=9,
    load=load,
    arms=arms,
    bases=bases,
    embed=embed,
    features=last_layer,
)
