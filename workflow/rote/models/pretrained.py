"""Pretrained language models, by Hugging Face id or from a folder that `save_pretrained` wrote."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from rote.core.errors import InputError
from rote.core.files import first_line, refuse_pointers
from rote.data import hub
from rote.data.images import torchvision
from rote.models.stack import LanguageStack, Parameters, stacked

log = logging.getLogger("rote")
HEAD_TOLERANCE = 1e-4  # of the largest logit: more than rounding in 32 bits leaves


def causal(
    model: str, *, revision: str = "main", offline: bool = False, dtype: Any = "auto"
) -> Any:
    """A causal language model of transformers in evaluation mode.

    Args:
        model: hub id, or a folder with config.json and weights.
        revision: branch, tag or commit on the hub; checkpoints of a training run are often tags.
        offline: never ask the hub.
        dtype: of weights and buffers; auto is that of the weights on the disk.

    Raises:
        InputError: saying what to put where, if it is not there; for a model whose logits depend
            on later tokens (an encoder, as BERT).
    """
    body = _load("AutoModelForCausalLM", model, revision, offline, dtype)
    _refuse_foresight(model, body)
    return body


def _refuse_foresight(model: str, body: Any) -> None:
    """Raise InputError if what comes later changes a model's logits."""
    import torch

    size = body.get_input_embeddings().num_embeddings
    ids = torch.arange(min(8, context(body))).repeat(2, 1) * 7 % size
    ids[1, -1] = (ids[1, -1] + 1) % size
    try:
        with torch.no_grad():
            first, second = body(input_ids=ids, use_cache=False).logits[:, :-1].float()
    except Exception as error:  # weights that only a device computes with
        log.warning("model %r cannot be tried on the CPU: %s", model, first_line(error))
        return
    if float((first - second).abs().max()) > 1e-3 * float(first.abs().max().clamp(min=1e-30)):
        raise InputError(
            f"model {model!r} ({type(body).__name__}) is not causal: what it says of a token "
            "depends on later ones; use a language model that reads from left to right, as Pythia"
        )


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


def _load(kind: str, model: str, revision: str, offline: bool, dtype: Any = "auto") -> Any:
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
        offline = offline or not hub.answers()
    auto_class = getattr(transformers, kind)
    try:
        module, report = auto_class.from_pretrained(
            source,
            revision=revision,
            local_files_only=offline,
            dtype=dtype,
            output_loading_info=True,
        )
    except Exception as error:  # of the library, the network, or damaged files
        refuse_pointers(folder)
        raise InputError(
            f"model {model!r} (revision {revision}) cannot be loaded: "
            f"{hub.fault(model, error)}; give a "
            "folder that save_pretrained wrote, or an id that the hub or its cache (HF_HOME) holds"
        ) from error
    # a pooler on top is not used here, so models without one may lack it
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise InputError(
            f"model {model!r} has no weights for {len(lacking)} of its parameters, first "
            f"{lacking[0]}; transformers would draw them at random: save the whole model"
        )
    return module.eval()


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
        offline = offline or not (folder.is_dir() or hub.answers())
        # special tokens are what the model's code adds: their names in a text are text
        result = AutoTokenizer.from_pretrained(
            source, local_files_only=offline, split_special_tokens=True
        )
    except Exception as error:  # of the library, the network, or damaged files
        refuse_pointers(folder)
        raise InputError(
            f"tokenizer {name!r} cannot be loaded: {hub.fault(name, error)}; "
            "give a folder with tokenizer.json, or an id that the hub or its cache (HF_HOME) holds"
        ) from error
    if not set(result.get_vocab()) - set(result.get_added_vocab()):
        raise InputError(
            f"tokenizer {name!r} knows no token: the folder holds a model without one; "
            "save the model's tokenizer there, too"
        )
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

    Parameters are float32, whatever the checkpoint has. The model's own forward pass is compared
    with hidden states times head weights: a constant multiple (logit scales) goes into the head,
    any other difference is refused.

    Args:
        model: hub id or folder, as of `causal`.
        count: number of copies.
        device: where the parameters lie.

    Raises:
        InputError: if it is not there, its head has a bias, or its logits are no multiple of its
            hidden states times its head's weights.
    """
    import torch

    # trained in 32 bits whatever the checkpoint has: a step is lost in the rounding of 16, and so
    # are tables of positions that a model computes as it is loaded
    body = causal(model, dtype=torch.float32).to(device)
    head = body.get_output_embeddings()
    if getattr(head, "bias", None) is not None:
        raise InputError(
            f"model {model!r}: its head has a bias, which is not supported; "
            "use one without, as Pythia"
        )
    scale = _logit_scale(model, body, head.weight)
    named = dict(body.named_parameters())
    tied = next(name for name, value in named.items() if value is head.weight)
    parameters = {
        name: value.detach()[None].repeat(count, *[1] * value.ndim) for name, value in named.items()
    }

    def features(p: Parameters, tokens: torch.Tensor, first: int = 0) -> torch.Tensor:
        _refuse_long(model, body, tokens.shape[-1])
        hidden = []
        for number, batch in enumerate(tokens):
            weights = {name: value[number] for name, value in p.items()}
            inputs = {"input_ids": batch, "output_hidden_states": True, "use_cache": False}
            output = torch.func.functional_call(body, weights, (), inputs)
            hidden.append(output.hidden_states[-1][:, first:])
        return torch.stack(hidden)

    return stacked(parameters, features, lambda p: p[tied] if scale == 1 else scale * p[tied])


def _logit_scale(model: str, body: Any, weight: Any) -> float:
    """The number by which a model multiplies (hidden states) x (head weights), on a batch.

    Raises:
        InputError: if its logits are no multiple of that product, as with a soft cap.
    """
    import torch

    ids = torch.arange(16, device=weight.device).reshape(2, 8) * 7 % len(weight)
    with torch.no_grad():
        output = body(input_ids=ids, output_hidden_states=True, use_cache=False)
        logits = output.logits.double()
        product = output.hidden_states[-1].double() @ weight.double().T
    capped = getattr(body.config.get_text_config(), "final_logit_softcapping", None)
    scale = float((logits * product).sum() / (product**2).sum())
    rest = float((logits - scale * product).abs().max() / logits.abs().max().clamp(min=1e-30))
    if capped or not rest < HEAD_TOLERANCE:
        raise InputError(
            f"model {model!r}: its logits differ from its hidden states times its head's weights "
            f"by {rest:.2g} of the largest (a soft cap, or a layer in between), but here a memory "
            "of hidden states needs them equal; use a model without, as Pythia"
        )
    return 1.0 if abs(scale - 1) < HEAD_TOLERANCE else scale


def context(body: Any) -> int:
    """Tokens of the longest input that a model of transformers takes."""
    config = body.config.get_text_config()
    lengths = (getattr(config, name, 0) for name in ("max_position_embeddings", "max_seq_len"))
    return next(filter(None, lengths), 2**30)


def _refuse_long(model: str, body: Any, length: int) -> None:
    if length > context(body):
        raise InputError(
            f"model {model!r} reads {context(body)} tokens at most, given {length}: "
            "shorten the texts, or lower the context of the config"
        )
