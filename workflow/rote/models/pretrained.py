"""Pretrained language models, by Hugging Face id or from a folder that `save_pretrained` wrote."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from rote.core.errors import InputError
from rote.data.images import torchvision
from rote.models.stack import LanguageStack, Parameters, stacked


def causal(model: str, *, revision: str = "main", offline: bool = False) -> Any:
    """A causal language model of transformers in evaluation mode.

    Args:
        model: hub id, or a folder with config.json and weights.
        revision: branch, tag or commit on the hub; checkpoints of a training run are often tags.
        offline: never ask the hub.

    Raises:
        InputError: saying what to put where, if it is not there.
    """
    return _load("AutoModelForCausalLM", model, revision, offline)


def encoder(model: str, *, revision: str = "main", offline: bool = False) -> Any:
    """An encoder's body in evaluation mode.

    Args:
        model: hub id, or a folder with config.json and weights.
        revision: branch, tag or commit on the hub.
        offline: never ask the hub.

    Raises:
        InputError: saying what to put where, if it is not there.
    """
    return _load("AutoModel", model, revision, offline)


def _load(kind: str, model: str, revision: str, offline: bool) -> Any:
    torchvision()  # beside a CPU build of torch, parts of transformers fail to import without it
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import transformers

    transformers.utils.logging.disable_progress_bar()
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(
                f"model folder {folder} has no config.json; save a model there with save_pretrained"
            )
        source = str(folder)
        offline = True
    else:
        source = model
    auto_class = getattr(transformers, kind)
    try:
        module = auto_class.from_pretrained(source, revision=revision, local_files_only=offline)
        return module.eval()
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"model {model!r} (revision {revision}) cannot be loaded: {first}; give a folder "
            "that save_pretrained wrote, or an id that the hub or its cache (HF_HOME) holds"
        ) from error


def tokenizer(name: str, *, offline: bool = False, fast: bool = True) -> Any:
    """A tokenizer of transformers.

    Args:
        name: hub id, or a folder with tokenizer.json.
        offline: never ask the hub.
        fast: insist on one that knows which characters a token covers.

    Raises:
        InputError: saying what to put where, if it is not there.
    """
    torchvision()
    from transformers import AutoTokenizer

    folder = Path(name).expanduser()
    try:
        source = str(folder) if folder.is_dir() else name
        result = AutoTokenizer.from_pretrained(source, local_files_only=offline)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"tokenizer {name!r} cannot be loaded: {first}; "
            "give a folder with tokenizer.json, or an id that the hub or its cache (HF_HOME) holds"
        ) from error
    if fast and not result.is_fast:
        raise InputError(
            f"tokenizer {name!r} is not a fast one: it cannot say which characters a token covers"
        )
    return result


def token_embeddings(model: str, *, revision: str = "main", offline: bool = False) -> np.ndarray:
    """Input embeddings of a causal language model, (vocabulary, d) float64.

    Args:
        model: hub id, or a folder with config.json and weights.
        revision: branch, tag or commit on the hub.
        offline: never ask the hub.

    Raises:
        InputError: saying what to put where, if it is not there.
    """
    weights = causal(model, revision=revision, offline=offline).get_input_embeddings().weight
    return weights.detach().double().numpy()


def stack(model: str, count: int, device: str = "cpu") -> LanguageStack:
    """Copies of a causal language model as a stack, to be trained apart from each other.

    Args:
        model: hub id or folder, as of `causal`.
        count: number of copies.
        device: where the parameters lie.

    Raises:
        InputError: if it is not there, or its head has a bias.
    """
    import torch

    body = causal(model).to(device)
    head = body.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise InputError(
            f"model {model!r}: its head has a bias, which is not supported; "
            "use one without, as Pythia"
        )
    named = dict(body.named_parameters())
    tied = next(name for name, value in named.items() if value is head.weight)
    parameters = {
        name: value.detach()[None].repeat(count, *[1] * value.ndim) for name, value in named.items()
    }

    def features(p: Parameters, tokens: torch.Tensor, first: int = 0) -> torch.Tensor:
        hidden = []
        for number, batch in enumerate(tokens):
            weights = {name: value[number] for name, value in p.items()}
            inputs = {"input_ids": batch, "output_hidden_states": True, "use_cache": False}
            output = torch.func.functional_call(body, weights, (), inputs)
            hidden.append(output.hidden_states[-1][:, first:])
        return torch.stack(hidden)

    return stacked(parameters, features, lambda p: p[tied])
