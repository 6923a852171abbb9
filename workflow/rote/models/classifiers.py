"""Stacked classifiers: perceptrons, perceptrons on characters, and CIFAR's residual networks.

Many networks of one architecture sit on a leading `models` axis. `forward` gives logits and the
embeddings that a memory can search: `last` (what the last layer reads) and, of a residual network,
`map` (the last feature map).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rote.core.errors import InputError
from rote.models.batch_norm import BatchNorm
from rote.models.products import bmm
from rote.models.stack import Parameters, Stack

Output = tuple[Tensor, dict[str, Tensor]]  # logits and embeddings, each (models, batch, ...)


def perceptron(
    inputs: int, hidden: Sequence[int], classes: int, rngs: Sequence[np.random.Generator]
) -> Stack:
    """ReLU perceptrons, weights uniform in ±1/√fan-in as torch has it.

    Args:
        inputs: coordinates of x, which is (models, batch, inputs).
        hidden: widths of the hidden layers; none is a linear classifier, whose embedding is its
            input.
        classes: number of logits.
        rngs: one per network, of its initial weights.
    """
    parameters = _layers([inputs, *hidden, classes], rngs)

    def forward(p: Parameters, x: Tensor, training: bool = False) -> Output:
        return _run(p, x, len(hidden))

    return Stack(parameters, {}, forward)


def characters(
    symbols: int,
    length: int,
    embedding: int,
    hidden: Sequence[int],
    rngs: Sequence[np.random.Generator],
) -> Stack:
    """Perceptrons that predict a character from those before it.

    Args:
        symbols: distinct characters.
        length: characters of context; x is (models, batch, length) int64.
        embedding: dimension of each character's embedding.
        hidden: widths of the hidden layers.
        rngs: one per network, of its initial weights.
    """
    parameters = _layers([length * embedding, *hidden, symbols], rngs)
    parameters["embedding"] = torch.tensor(
        np.stack([rng.normal(size=(symbols, embedding)) for rng in rngs]), dtype=torch.float32
    )

    def forward(p: Parameters, x: Tensor, training: bool = False) -> Output:
        embedded = [
            F.embedding(symbols, table).flatten(1)
            for symbols, table in zip(x, p["embedding"], strict=True)
        ]
        return _run(p, torch.stack(embedded), len(hidden))

    return Stack(parameters, {}, forward)


def _layers(widths: Sequence[int], rngs: Sequence[np.random.Generator]) -> Parameters:
    parameters: Parameters = {}
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        bound = inputs**-0.5
        for part, shape in (("weight", (inputs, outputs)), ("bias", (1, outputs))):
            value = np.stack([rng.uniform(-bound, bound, shape) for rng in rngs])
            parameters[f"{number}.{part}"] = torch.tensor(value, dtype=torch.float32)
    return parameters


def _run(p: Parameters, h: Tensor, layers: int) -> Output:
    for number in range(layers):
        h = bmm(h, p[f"{number}.weight"], p[f"{number}.bias"]).relu()
    return bmm(h, p[f"{layers}.weight"], p[f"{layers}.bias"]), {"last": h}


class _ResidualBlock(nn.Module):
    """Two convolutions and a shortcut: the identity, or 1×1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([BatchNorm(outputs), BatchNorm(outputs)])
        self.shortcut = None
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), BatchNorm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = self.norms[1](self.second(self.norms[0](self.first(x)).relu()))
        return (h + (x if self.shortcut is None else self.shortcut(x))).relu()


class CifarResNet(nn.Module):
    """CIFAR's residual network: three stages of m blocks, widths w, 2w, 4w (He et al. 2016, 4.2).

    Args:
        depth: 6m + 2.
        width: w, 16 in the paper.
        channels: of the images (batch, channels, side, side).
        classes: number of logits.

    Raises:
        InputError: for another depth.
    """

    def __init__(self, depth: int, width: int, channels: int, classes: int):
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            raise InputError(f"depth must be 6m + 2 with m ≥ 1 (8, 14, 20, ...), given {depth}")
        blocks: list[nn.Module] = []
        inputs = width
        for stage in range(3):
            outputs = width * 2**stage
            for number in range((depth - 2) // 6):
                blocks.append(_ResidualBlock(inputs, outputs, 2 if stage and not number else 1))
                inputs = outputs
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, 1, 1, bias=False), BatchNorm(width), nn.ReLU()
        )
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Output:
        """Logits (batch, classes) of images (batch, channels, side, side), and the embeddings.

        `last` is (batch, 4 · width), the mean of the last feature map over places; `map` is that
        map, flattened.
        """
        maps = self.stages(self.stem(x))
        pooled = maps.mean((2, 3))
        return self.head(pooled), {"last": pooled, "map": maps.flatten(1)}


def residual(
    depth: int,
    width: int,
    channels: int,
    side: int,
    classes: int,
    rngs: Sequence[np.random.Generator],
) -> Stack:
    """Residual networks, see `CifarResNet`; x is (models, batch, channels · side²).

    Running statistics among the parameters of a call are used instead of the stack's own buffers.

    Args:
        depth: layers, 6m + 2.
        width: channels of the first stage.
        channels: of the images.
        side: height and width of the images, pixels.
        classes: number of logits.
        rngs: one per network, of its initial weights.

    Returns:
        A stack; `forward` gives logits (models, batch, classes) and the embeddings `last` and
        `map`.

    Raises:
        InputError: for a depth that is not 6m + 2 with m ≥ 1.
    """
    modules = []
    for rng in rngs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            modules.append(CifarResNet(depth, width, channels, classes))
    parameters, buffers = torch.func.stack_module_state(modules)
    module = modules[0]

    def forward(p: Parameters, x: Tensor, training: bool = False) -> Output:
        # one after another: batch normalization keeps running statistics in place, which vmap
        # cannot stack
        module.train(training)
        logits: list[Tensor] = []
        embeddings: dict[str, list[Tensor]] = {"last": [], "map": []}
        for number, batch in enumerate(x):
            state = {name: value[number] for name, value in (buffers | p).items()}
            images = batch.unflatten(-1, (channels, side, side))
            output, inner = torch.func.functional_call(module, state, (images,))
            logits.append(output)
            for name, values in inner.items():
                embeddings[name].append(values)
        return torch.stack(logits), {name: torch.stack(e) for name, e in embeddings.items()}

    return Stack({name: value.detach() for name, value in parameters.items()}, buffers, forward)
