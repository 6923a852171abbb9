"""Folders of pictures, as ImageNet's, under networks that torchvision knows: a base that is taken,
not trained.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rote.core.errors import InputError
from rote.core.job import track
from rote.data.images import torchvision
from rote.papers.resmem import settings

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels


def files(options: settings.Pictures) -> tuple[list[Path], np.ndarray, int]:
    """Pictures of `<root>/train/<class>/` (a random part, if so many are not wanted), then all of
    `<root>/val/`.

    Returns:
        Paths, labels (classes in alphabetical order, as torchvision numbers them), and how many are
        for training.

    Raises:
        InputError: for a missing folder, or classes of `val` that `train` does not have.
    """
    root = Path(options.root)
    found = {}
    for part in ("train", "val"):
        folder = root / part
        if not folder.is_dir():
            raise InputError(
                f"{folder} does not exist; the root must hold train/ and val/ with a folder per "
                "class"
            )
        found[part] = {
            kind.name: sorted(path for path in kind.iterdir() if path.suffix.lower() in SUFFIXES)
            for kind in sorted(folder.iterdir())
            if kind.is_dir()
        }
    classes = {name: number for number, name in enumerate(found["train"])}
    unknown = set(found["val"]) - set(classes)
    if unknown or not classes:
        raise InputError(
            f"{root}: val/ has classes that train/ has not: "
            f"{', '.join(sorted(unknown)) or 'none at all'}"
        )
    paths, labels = {}, {}
    for part, kinds in found.items():
        paths[part] = [path for some in kinds.values() for path in some]
        labels[part] = [classes[name] for name, some in kinds.items() for _ in some]
    count = min(options.train, len(paths["train"]))
    chosen = np.random.default_rng(0).permutation(len(paths["train"]))[:count]
    every = [paths["train"][i] for i in chosen] + paths["val"]
    y = np.array([labels["train"][i] for i in chosen] + labels["val"], np.int64)
    if not count or len(paths["val"]) < 2:
        raise InputError(
            f"{root}: {count} training and {len(paths['val'])} validation pictures; put more there"
        )
    return every, y, count


def bases(options: settings.Pictures) -> dict[str, np.ndarray]:
    """Weights of every network: from `<weights>/<model>.safetensors` or `.pth`, or those that
    torchvision publishes.
    """
    found = {}
    for model in options.models:
        for name, value in _weights(options, model).items():
            found[f"{model}/{name}"] = value.cpu().numpy()
    return found


def _weights(options: settings.Pictures, model: str) -> "dict[str, Tensor]":
    import torch

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
            try:
                if path.suffix == ".pth":
                    return torch.load(path, map_location="cpu", weights_only=True)
                from safetensors.torch import load_file

                return load_file(path)
            except Exception as error:  # whatever a damaged file makes its reader raise
                raise InputError(
                    f"{path} holds no weights ({type(error).__name__}: {error})"
                ) from error
    raise InputError(f"{folder} holds neither {model}.safetensors nor {model}.pth")


def embed(
    options: settings.Pictures,
    model: str,
    weights: "dict[str, Tensor]",
    paths: list[Path],
    device: str = "cpu",
) -> dict[str, np.ndarray]:
    """`logits` (pictures, classes) and `last`, what the last layer reads, (pictures, d), float32."""
    import torch

    package = torchvision()
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
    from torchvision.transforms import v2

    whole = package.models.get_model(model, weights=None)
    node = [name for name, layer in whole.named_modules() if isinstance(layer, torch.nn.Linear)][-1]
    if f"{node}.bias" not in weights:
        raise InputError(f"the weights do not fit {model}: they hold no {node}.bias")
    net = package.models.get_model(model, weights=None, num_classes=len(weights[f"{node}.bias"]))
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"the weights do not fit {model}: {error}") from error
    names = get_graph_node_names(net)[1]
    if "flatten" not in names or node not in names:
        raise InputError(
            f"{model} has no pooled layer that torchvision calls flatten; use one that has, as "
            "resnet50"
        )
    extractor = create_feature_extractor(net, {"flatten": "last", node: "logits"}).eval().to(device)
    prepare = v2.Compose(
        [
            v2.Resize(round(options.side * 8 / 7)),
            v2.CenterCrop(options.side),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, SPREAD),
        ]
    )
    found: dict[str, list[np.ndarray]] = {"logits": [], "last": []}
    with torch.no_grad():
        for begin in track(range(0, len(paths), options.batch), f"{model}: pictures"):
            pixels = torch.stack(
                [prepare(_opened(path)) for path in paths[begin : begin + options.batch]]
            )
            for name, value in extractor(pixels.to(device)).items():
                found[name].append(value.float().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _opened(path: Path):
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(path).convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(
            f"{path} is not a readable picture ({error}); remove it or fetch it again"
        ) from error
