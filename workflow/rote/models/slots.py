"""Stacked networks on three images: an encoder per slot with a head, or all images at once.

`sum`, `linear`, `two-layer` encode each image alone with one shared encoder, then add, weigh, or
feed a small network. `cross-channel` and `concat` mix the images in their first layer. Between them
structure is taken away by degrees: `wide-codes` feeds a head with many numbers per image,
`unshared` has an encoder for every slot, and `leaky-ρ` adds ρ times the other images to each before
it is encoded. Perceptrons have as many parameters as `sum`, to the nearest width. Many networks are
stacked on a leading `models` axis and run as one program.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.errors import InputError
from rote.core.registry import registered
from rote.data.images import torchvision
from rote.models.batch_norm import BatchNorm
from rote.models.products import bmm
from rote.models.stack import Parameters, Stack

WIDTH = 96  # hidden layers of the sum network's perceptron
HEAD_WIDTH = 64  # hidden layer of heads with one
SLOTS = 3  # images of an example
LEAKS = (0.1, 0.3, 1.0)  # ρ of the leaky networks


class _Architecture(NamedTuple):
    """What tells one architecture from another."""

    together: int = 1  # images that the encoder sees at once: 1 or all
    layers: int = 2  # hidden layers of the perceptron
    codes: int = 1  # outputs of the encoder
    head: tuple[int, ...] = ()  # widths of the layers on the encoder's outputs; () adds them up
    encoders: int = 1  # one for all slots, or one for each
    leak: float = 0.0  # ρ: how much of the other images each slot sees
    backbones: tuple[str, ...] = ("mlp",)


_BOTH = ("mlp", "resnet18")
ARCHITECTURES = {
    "sum": _Architecture(backbones=_BOTH),
    "linear": _Architecture(head=(SLOTS, 1), backbones=_BOTH),
    "two-layer": _Architecture(head=(SLOTS, HEAD_WIDTH, 1), backbones=_BOTH),
    "cross-channel": _Architecture(SLOTS, layers=3, backbones=_BOTH),
    "concat": _Architecture(SLOTS),
    "wide-codes": _Architecture(codes=16, head=(SLOTS * 16, HEAD_WIDTH, 1)),
    "unshared": _Architecture(encoders=SLOTS),
    **{f"leaky-{leak:g}": _Architecture(leak=leak) for leak in LEAKS},
}


class Sizes(NamedTuple):
    """What a stack is built for."""

    inputs: int  # numbers per image
    width: int = WIDTH  # of the sum network's hidden layers


def build(
    backbone: str,
    architecture: str,
    sizes: Sizes,
    rngs: Sequence[np.random.Generator],
) -> Stack:
    """One network per generator, stacked; its `forward` gives (models, batch).

    Args:
        backbone: a name of `BACKBONES`.
        architecture: a name of `ARCHITECTURES`.
        sizes: numbers per image, and the width of the sum network, whose number of parameters all
            others have, too. x is (models, batch, 3, inputs) floats.
        rngs: one per network, of its initial weights.

    Raises:
        InputError: for an unknown architecture or backbone, or a pair that does not exist.
    """
    spec = registered(ARCHITECTURES, architecture, "architecture")
    encoder = registered(BACKBONES, backbone, "backbone")
    if backbone not in spec.backbones:
        allowed = " or ".join(spec.backbones)
        raise InputError(f"architecture {architecture!r} exists for backbone {allowed} only")
    return encoder.build(spec, sizes, rngs)


def _shapes(spec: _Architecture, inputs: int, width: int) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every layer of a perceptron, by name."""
    widths = [spec.together * inputs, *[width] * spec.layers, spec.codes]
    return _layers("encoder", widths) | _layers("head", spec.head)


def _count(spec: _Architecture, inputs: int, width: int) -> int:
    """Parameters of a perceptron, weights and biases."""
    total = 0
    for name, (fan_in, fan_out) in _shapes(spec, inputs, width).items():
        total += (fan_in + 1) * fan_out * (spec.encoders if name.startswith("encoder") else 1)
    return total


def equal_width(architecture: str, sizes: Sizes) -> int:
    """Hidden width at which a perceptron's parameters are nearest to the sum network's.

    Args:
        architecture: a name of `ARCHITECTURES`.
        sizes: numbers per image, and the width of the sum network.

    Raises:
        InputError: for an unknown architecture.
    """
    spec = registered(ARCHITECTURES, architecture, "architecture")
    target = _count(ARCHITECTURES["sum"], *sizes)
    # a head alone may have more than a small sum network, never more than itself and that one
    widths = np.arange(1, sizes.width + 1)
    counts = np.array([_count(spec, sizes.inputs, int(width)) for width in widths])
    return int(widths[np.abs(counts - target).argmin()])


def _mlp(spec: _Architecture, sizes: Sizes, rngs: Sequence[np.random.Generator]) -> Stack:
    """Weights N(0, 2/fan-in), biases 0, the last weight matrix times 0.1."""
    name = next(name for name, known in ARCHITECTURES.items() if known is spec)
    shapes = _shapes(spec, sizes.inputs, equal_width(name, sizes))
    parameters: Parameters = {}
    last = list(shapes)[-1]
    for name, (fan_in, fan_out) in shapes.items():
        scale = np.sqrt(2 / fan_in) * (0.1 if name == last else 1.0)
        copies = spec.encoders if name.startswith("encoder") else 1
        shape = (copies, fan_in, fan_out)
        weights = np.stack([rng.normal(scale=scale, size=shape) for rng in rngs])
        parameters[f"{name}.weight"] = torch.tensor(weights, dtype=torch.float32)
        parameters[f"{name}.bias"] = torch.zeros(len(rngs), copies, 1, fan_out)
    names: dict[str, list[str]] = {"encoder": [], "head": []}
    for name in parameters:
        names[name.split(".")[0]].append(name)

    def perceptron(parameters: Parameters, part: str, x: Tensor) -> Tensor:
        """Part of the network on x (copies of it, rows, inputs), (copies, rows, outputs)."""
        return _Perceptron.apply(x, *(parameters[name].flatten(0, 1) for name in names[part]))

    def encoded(parameters: Parameters, x: Tensor) -> Tensor:
        """Codes (models, batch, slots, codes) of x (models, batch, slots, inputs)."""
        models, batch = x.shape[:2]
        if spec.leak:
            x = (1 - spec.leak) * x + spec.leak * x.sum(2, keepdim=True)
        if spec.encoders == 1:
            codes = perceptron(parameters, "encoder", x.reshape(models, batch * SLOTS, -1))
            return codes.view(models, batch, SLOTS, -1)
        by_slot = x.transpose(1, 2).reshape(models * SLOTS, batch, -1)
        codes = perceptron(parameters, "encoder", by_slot)
        return codes.view(models, SLOTS, batch, -1).transpose(1, 2)

    def forward(parameters: Parameters, x: Tensor, training: bool) -> Tensor:
        models, batch = x.shape[:2]
        if spec.together == SLOTS:
            return perceptron(parameters, "encoder", x.reshape(models, batch, -1)).squeeze(-1)
        codes = encoded(parameters, x).flatten(2)
        return perceptron(parameters, "head", codes).squeeze(-1) if spec.head else codes.sum(-1)

    return Stack(parameters, {}, forward)


def _layers(part: str, widths: Sequence[int]) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each layer of a part, by name."""
    return {f"{part}.{i}": shape for i, shape in enumerate(pairwise(widths))}


class _Perceptron(torch.autograd.Function):
    """Stacked ReLU networks as one operation: autograd's graph would outweigh the arithmetic."""

    @staticmethod
    def forward(ctx, x: Tensor, *layers: Tensor) -> Tensor:
        activations = [x]
        for number in range(0, len(layers), 2):
            weight, bias = layers[number : number + 2]
            x = bmm(x, weight, bias)
            if number + 2 < len(layers):
                x.relu_()
            activations.append(x)
        ctx.save_for_backward(*activations[:-1], *layers[::2])
        return x

    @staticmethod
    def backward(ctx, gradient: Tensor):
        saved = ctx.saved_tensors
        depth = len(saved) // 2
        inputs, weights = saved[:depth], saved[depth:]
        gradients: list[Tensor | None] = []
        for number in reversed(range(len(weights))):
            x, weight = inputs[number], weights[number]
            gradients += [gradient.sum(1, keepdim=True), bmm(x.mT, gradient)]
            if number == 0 and not ctx.needs_input_grad[0]:
                gradient = None
                break
            gradient = bmm(gradient, weight.mT)
            if number:
                torch.ops.aten.threshold_backward.grad_input(gradient, x, 0, grad_input=gradient)
        return gradient, *reversed(gradients)


class _Slots(nn.Module):
    """ResNet-18 per slot with a head, or one ResNet-18 on the three images as channels."""

    def __init__(self, spec: _Architecture):
        super().__init__()
        resnet18 = torchvision().models.resnet18
        channels = spec.together
        self.encoder = resnet18(num_classes=1, norm_layer=BatchNorm)
        self.encoder.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.encoder.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.channels = channels
        self.head = _head(spec.head) if spec.head else None

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch,) of x (batch, 3, side, side)."""
        codes = self.encoder(x.reshape(-1, self.channels, *x.shape[2:])).view(len(x), -1)
        return codes.sum(-1) if self.head is None else self.head(codes).squeeze(-1)


def _head(widths: Sequence[int]) -> nn.Module:
    """Linear layers of these widths, ReLU between them."""
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    return modules[0] if len(modules) == 2 else nn.Sequential(*modules[:-1])


def _resnet(spec: _Architecture, sizes: Sizes, rngs: Sequence[np.random.Generator]) -> Stack:
    side = math.isqrt(sizes.inputs)
    modules = []
    for rng in rngs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            modules.append(_Slots(spec))
    parameters, buffers = torch.func.stack_module_state(modules)
    module = modules[0]

    def forward(parameters: Parameters, x: Tensor, training: bool) -> Tensor:
        # one after another: batch normalization keeps running statistics in place, which vmap
        # cannot stack
        module.train(training)
        outputs = []
        for number, batch in enumerate(x):
            state = {name: value[number] for name, value in (parameters | buffers).items()}
            images = batch.unflatten(-1, (side, side))
            outputs.append(torch.func.functional_call(module, state, (images,)))
        return torch.stack(outputs)

    return Stack({name: value.detach() for name, value in parameters.items()}, buffers, forward)


class Backbone(NamedTuple):
    """An encoder of images, and how stacks of it run."""

    # (architecture, sizes, a generator per network) -> stack
    build: Callable[[_Architecture, Sizes, Sequence[np.random.Generator]], Stack]
    one_program: bool  # networks run at once; else one after another, and a stack saves nothing


BACKBONES = {
    "mlp": Backbone(_mlp, one_program=True),
    "resnet18": Backbone(_resnet, one_program=False),
}
