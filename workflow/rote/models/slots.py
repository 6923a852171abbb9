"""Stacked networks on three images: an encoder per slot with a head, or all images at once.

`sum`, `linear`, `two-layer` encode each image alone with one shared encoder, then add, weigh, or
feed a small network. `cross-channel` and `concat` mix the images in their first layer. Many
networks are stacked on a leading `models` axis and run as one program.
"""

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

WIDTH = 96  # hidden layers of the MLP encoder
HEAD_WIDTH = 64  # hidden layer of the two-layer head
SLOTS = 3  # images of an example


class _Architecture(NamedTuple):
    """What tells one architecture from another."""

    together: int  # images that the encoder sees at once: 1 or all
    encoder: Callable[[int], list[int]]  # pixels of an image -> widths of the MLP encoder
    head: tuple[int, ...] = ()  # widths of the layers on the encoder's outputs; () adds them up
    backbones: tuple[str, ...] = ("mlp", "resnet18")


def _per_slot(pixels: int) -> list[int]:
    return [pixels, WIDTH, WIDTH, 1]


def _concat(pixels: int) -> list[int]:
    return [SLOTS * pixels, WIDTH, WIDTH, 1]


def _cross_channel(pixels: int) -> list[int]:
    return [SLOTS * pixels, pixels, WIDTH, WIDTH, 1]


ARCHITECTURES = {
    "sum": _Architecture(1, _per_slot),
    "linear": _Architecture(1, _per_slot, (SLOTS, 1)),
    "two-layer": _Architecture(1, _per_slot, (SLOTS, HEAD_WIDTH, 1)),
    "cross-channel": _Architecture(SLOTS, _cross_channel),
    "concat": _Architecture(SLOTS, _concat, backbones=("mlp",)),
}


def build(
    backbone: str, architecture: str, side: int, rngs: Sequence[np.random.Generator]
) -> Stack:
    """One network per generator, stacked; its `forward` gives (models, batch).

    Args:
        backbone: a name of `BACKBONES`.
        architecture: a name of `ARCHITECTURES`.
        side: of the images; x is (models, batch, 3, side²) floats.
        rngs: one per network, of its initial weights.

    Raises:
        InputError: for an unknown architecture or backbone, or a pair that does not exist.
    """
    spec = registered(ARCHITECTURES, architecture, "architecture")
    encoder = registered(BACKBONES, backbone, "backbone")
    if backbone not in spec.backbones:
        allowed = " or ".join(spec.backbones)
        raise InputError(f"architecture {architecture!r} exists for backbone {allowed} only")
    return encoder.build(spec, side, rngs)


def _mlp(spec: _Architecture, side: int, rngs: Sequence[np.random.Generator]) -> Stack:
    """Weights N(0, 2/fan-in), biases 0, the last weight matrix times 0.1."""
    shapes = _layers("encoder", spec.encoder(side * side)) | _layers("head", spec.head)
    parameters: Parameters = {}
    last = list(shapes)[-1]
    for name, (fan_in, fan_out) in shapes.items():
        scale = np.sqrt(2 / fan_in) * (0.1 if name == last else 1.0)
        weights = np.stack([rng.normal(scale=scale, size=(fan_in, fan_out)) for rng in rngs])
        parameters[f"{name}.weight"] = torch.tensor(weights, dtype=torch.float32)
        parameters[f"{name}.bias"] = torch.zeros(len(rngs), 1, fan_out)
    names: dict[str, list[str]] = {"encoder": [], "head": []}
    for name in parameters:
        names[name.split(".")[0]].append(name)

    def perceptron(parameters: Parameters, part: str, x: Tensor) -> Tensor:
        """Part of the network on x (models, rows, inputs), (models, rows, outputs)."""
        return _Perceptron.apply(x, *(parameters[name] for name in names[part]))

    def forward(parameters: Parameters, x: Tensor, training: bool) -> Tensor:
        models, batch = x.shape[:2]
        if spec.together == SLOTS:
            return perceptron(parameters, "encoder", x.reshape(models, batch, -1)).squeeze(-1)
        codes = perceptron(parameters, "encoder", x.reshape(models, batch * SLOTS, -1))
        codes = codes.view(models, batch, SLOTS)
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


def _resnet(spec: _Architecture, side: int, rngs: Sequence[np.random.Generator]) -> Stack:
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

    # (architecture, side of the images, a generator per network) -> stack
    build: Callable[[_Architecture, int, Sequence[np.random.Generator]], Stack]
    one_program: bool  # networks run at once; else one after another, and a stack saves nothing


BACKBONES = {
    "mlp": Backbone(_mlp, one_program=True),
    "resnet18": Backbone(_resnet, one_program=False),
}
