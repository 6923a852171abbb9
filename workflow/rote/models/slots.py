"""Networks on three images: per-slot encoders with an aggregating head, and networks that mix the
images at once.

`sum`, `linear`, `two-layer` encode each image alone with one shared encoder, then add, weigh, or
feed a small network. `cross-channel` and `concat` mix the images in their first layer. Many
networks are stacked on a leading `models` axis and run as one program.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from rote.core.errors import InputError
from rote.data.images import torchvision
from rote.models.products import bmm
from rote.models.stack import Parameters, Stack

PER_SLOT = ("sum", "linear", "two-layer")
WIDTH = 96  # hidden layers of the MLP encoder
HEAD_WIDTH = 64  # hidden layer of the two-layer head


def build(
    backbone: str, architecture: str, side: int, rngs: Sequence[np.random.Generator]
) -> Stack:
    """One network per generator, stacked. Inputs are (models, batch, 3, side²) floats, outputs
    (models, batch).
    """
    if backbone == "mlp":
        return _mlp(architecture, side * side, rngs)
    if architecture == "concat":
        raise InputError("architecture 'concat' exists for backbone mlp only")
    return _resnet(architecture, side, rngs)


def layers(architecture: str, pixels: int) -> dict[str, list[int]]:
    """Widths of the MLP's parts, input to output."""
    encoder = [pixels, WIDTH, WIDTH, 1]
    return {
        "sum": {"encoder": encoder},
        "linear": {"encoder": encoder, "head": [3, 1]},
        "two-layer": {"encoder": encoder, "head": [3, HEAD_WIDTH, 1]},
        "cross-channel": {"encoder": [3 * pixels, pixels, *encoder[1:]]},
        "concat": {"encoder": [3 * pixels, *encoder[1:]]},
    }[architecture]


def _mlp(architecture: str, pixels: int, rngs: Sequence[np.random.Generator]) -> Stack:
    """Weights N(0, 2/fan-in), biases 0, the last weight matrix times 0.1."""
    parts = layers(architecture, pixels)
    shapes = {
        f"{part}.{i}": shape
        for part, widths in parts.items()
        for i, shape in enumerate(pairwise(widths))
    }
    parameters = {}
    last = list(shapes)[-1]
    for name, (fan_in, fan_out) in shapes.items():
        scale = np.sqrt(2 / fan_in) * (0.1 if name == last else 1.0)
        weights = np.stack([rng.normal(scale=scale, size=(fan_in, fan_out)) for rng in rngs])
        parameters[f"{name}.weight"] = torch.tensor(weights, dtype=torch.float32)
        parameters[f"{name}.bias"] = torch.zeros(len(rngs), 1, fan_out)

    def perceptron(
        parameters: Parameters, part: str, x: Tensor
    ) -> Tensor:  # (models, rows, in) -> (.., out)
        names = [
            f"{part}.{i}.{kind}" for i in range(len(parts[part]) - 1) for kind in ("weight", "bias")
        ]
        return _Perceptron.apply(x, *(parameters[name] for name in names))

    def forward(parameters: Parameters, x: Tensor, training: bool) -> Tensor:
        models, batch = x.shape[:2]
        if architecture not in PER_SLOT:
            return perceptron(parameters, "encoder", x.reshape(models, batch, -1)).squeeze(-1)
        codes = perceptron(parameters, "encoder", x.reshape(models, batch * 3, -1)).view(
            models, batch, 3
        )
        return (
            codes.sum(-1)
            if architecture == "sum"
            else perceptron(parameters, "head", codes).squeeze(-1)
        )

    return Stack(parameters, {}, forward)


class _Perceptron(torch.autograd.Function):
    """Stacked ReLU networks as one operation: autograd's own graph costs more than the arithmetic
    at this size.
    """

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
        inputs, weights = saved[: len(saved) // 2], saved[len(saved) // 2 :]
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

    def __init__(self, architecture: str):
        super().__init__()
        resnet18 = torchvision().models.resnet18
        channels = 1 if architecture in PER_SLOT else 3
        self.encoder = resnet18(num_classes=1)
        self.encoder.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.encoder.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.channels = channels
        self.head = {
            "linear": lambda: nn.Linear(3, 1),
            "two-layer": lambda: nn.Sequential(
                nn.Linear(3, HEAD_WIDTH), nn.ReLU(), nn.Linear(HEAD_WIDTH, 1)
            ),
        }.get(architecture, lambda: None)()

    def forward(self, x: Tensor) -> Tensor:  # (batch, 3, side, side) -> (batch,)
        codes = self.encoder(x.reshape(-1, self.channels, *x.shape[2:])).view(len(x), -1)
        return codes.sum(-1) if self.head is None else self.head(codes).squeeze(-1)


def _resnet(architecture: str, side: int, rngs: Sequence[np.random.Generator]) -> Stack:
    modules = []
    for rng in rngs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            modules.append(_Slots(architecture))
    parameters, buffers = torch.func.stack_module_state(modules)
    module = modules[0]

    def forward(parameters: Parameters, x: Tensor, training: bool) -> Tensor:
        # one after another: batch normalization keeps running statistics in place, which vmap
        # cannot stack
        module.train(training)
        outputs = []
        for i in range(len(x)):
            state = {name: value[i] for name, value in (parameters | buffers).items()}
            outputs.append(
                torch.func.functional_call(module, state, (x[i].unflatten(-1, (side, side)),))
            )
        return torch.stack(outputs)

    return Stack({name: value.detach() for name, value in parameters.items()}, buffers, forward)
