"""What the attention heads of a pretrained model read: activations, queries and keys of tokens."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.registry import registered
from rote.models import pretrained


class HeadReadings(NamedTuple):
    """One layer's heads on n tokens."""

    layer: int
    inputs: np.ndarray  # (p, n): what queries and keys are made of, after the layer's norm
    queries: np.ndarray  # (heads, d, n), with biases and without rotations of positions
    keys: np.ndarray  # (heads, d, n)


class _Projection(NamedTuple):
    """Where an architecture makes queries and keys."""

    layers: str  # the modules of its layers
    modules: tuple[str, ...]  # within a layer; the first one's input is the heads'
    # (outputs of the modules, heads) -> queries and keys, (n, heads, d) each
    split: Callable[[list[Any], int], tuple[Any, Any]]


def _in_thirds(outputs: list[Any], heads: int) -> tuple[Any, Any]:
    """GPT-2: all queries, all keys, all values."""
    n = len(outputs[0])
    queries, keys, _ = outputs[0].view(n, 3, heads, -1).unbind(1)
    return queries, keys


def _interleaved(outputs: list[Any], heads: int) -> tuple[Any, Any]:
    """GPT-NeoX: query, key and value of one head after those of another."""
    queries, keys, _ = outputs[0].view(len(outputs[0]), heads, 3, -1).unbind(2)
    return queries, keys


def _apart(outputs: list[Any], heads: int) -> tuple[Any, Any]:
    """LLaMA: queries and keys apart, several queries to one key."""
    queries = outputs[0].view(len(outputs[0]), heads, -1)
    keys = outputs[1].view(len(queries), -1, queries.shape[-1])
    return queries, keys.repeat_interleave(heads // keys.shape[1], dim=1)


PROJECTIONS: dict[str, _Projection] = {
    "gpt2": _Projection("transformer.h", ("attn.c_attn",), _in_thirds),
    "gpt_neox": _Projection("gpt_neox.layers", ("attention.query_key_value",), _interleaved),
    "llama": _Projection("model.layers", ("self_attn.q_proj", "self_attn.k_proj"), _apart),
}


def read(body: Any, windows: np.ndarray, rows: np.ndarray) -> list[HeadReadings]:
    """Activations, queries and keys of tokens in a text, layer by layer.

    Args:
        body: a causal language model of `pretrained.causal`: GPT-2, GPT-NeoX (Pythia) or LLaMA.
        windows: token ids, (windows, length), each read apart from the others.
        rows: tokens to return, numbered through all windows, (n,).

    Returns:
        One entry per layer, tokens in the order of `rows`.

    Raises:
        InputError: for another architecture, and windows longer than the model reads.
    """
    import torch

    kind = body.config.model_type
    projection = registered(PROJECTIONS, kind, "model type of a model whose heads are read")
    if windows.shape[1] > pretrained.context(body):
        raise InputError(
            f"windows of {windows.shape[1]} tokens are longer than the model reads: "
            f"use at most {pretrained.context(body)}"
        )
    recorder = _Recorder(body, projection)
    picked = [rows[rows // windows.shape[1] == number] for number in range(len(windows))]
    with torch.no_grad():
        for window, chosen in zip(windows, picked, strict=True):
            if len(chosen):
                recorder.rows = torch.as_tensor(chosen % windows.shape[1])
                body(input_ids=torch.as_tensor(window)[None], use_cache=False)
    recorder.remove()
    # what was read is sorted by windows: back to the caller's order
    sorting = np.empty(len(rows), int)
    sorting[np.argsort(rows // windows.shape[1], kind="stable")] = np.arange(len(rows))
    return recorder.layers(body.config.num_attention_heads, sorting)


class _Recorder:
    """Hooks that store inputs and outputs of the projections at the rows of one window."""

    def __init__(self, body: Any, projection: _Projection):
        self.split = projection.split
        self.modules = len(projection.modules)
        self.rows: Any = None
        layers = body.get_submodule(projection.layers)
        self.inputs: list[list[Any]] = [[] for _ in layers]
        self.outputs: dict[tuple[int, int], list[Any]] = defaultdict(list)  # by layer and module
        self.handles = []
        for number, layer in enumerate(layers):
            for part, name in enumerate(projection.modules):
                hook = self._hook(number, part)
                self.handles.append(layer.get_submodule(name).register_forward_hook(hook))

    def _hook(self, layer: int, part: int) -> Callable[[Any, Any, Any], None]:
        def hook(module: Any, given: Any, made: Any) -> None:
            if part == 0:
                self.inputs[layer].append(given[0][0, self.rows].double())
            self.outputs[layer, part].append(made[0, self.rows].double())

        return hook

    def remove(self) -> None:
        """Take the hooks off the model."""
        for handle in self.handles:
            handle.remove()

    def layers(self, heads: int, order: np.ndarray) -> list[HeadReadings]:
        """What was stored, tokens in another order."""
        import torch

        readings = []
        for layer, inputs in enumerate(self.inputs):
            parts = (self.outputs[layer, part] for part in range(self.modules))
            outputs = [torch.cat(part)[order] for part in parts]
            queries, keys = (part.permute(1, 2, 0).numpy() for part in self.split(outputs, heads))
            readings.append(HeadReadings(layer, torch.cat(inputs)[order].T.numpy(), queries, keys))
        return readings
