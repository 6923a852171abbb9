"""CUDA graphs: a step of a small stack is hundreds of kernels, replayed with one call each way.

Launched one by one, kernels of a few microseconds leave the device idle for most of the time.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from rote.models.stack import Parameters

log = logging.getLogger("rote")
Function = Callable[..., Tensor]  # (parameters, *tensors) -> a tensor


def captured(function: Function) -> Function:
    """A differentiable function of parameters and tensors, on a CUDA device replayed as a graph.

    The graph, of the function and of its gradients, is recorded at the first call with gradients
    and serves all calls with the same parameters and with tensors of the same shapes. Other calls,
    and all of them on a CPU, are the function's own.

    Args:
        function: (parameters, *tensors) -> a tensor. Without effects beside its result: it updates
            no buffers, moves nothing between devices and looks at no value. Its result and its
            gradients are overwritten by the next call.

    Returns:
        The same function.
    """
    recorded: dict[tuple, Function | None] = {}

    def call(parameters: Parameters, *tensors: Tensor) -> Tensor:
        leaves = list(parameters.values())
        if not (torch.is_grad_enabled() and all(x.is_cuda for x in (*leaves, *tensors))):
            return function(parameters, *tensors)
        key = (*map(Tensor.data_ptr, leaves), *((x.shape, x.dtype) for x in tensors))
        if not recorded:
            recorded[key] = _graph(function, parameters, tensors)
        graph = recorded.get(key)
        return graph(*leaves, *tensors) if graph else function(parameters, *tensors)

    return call


def _graph(
    function: Function, parameters: Parameters, tensors: tuple[Tensor, ...]
) -> Function | None:
    """The graph as a function of leaves and tensors; None if the device refuses to record it."""
    names = list(parameters)

    def flat(*arguments: Tensor) -> Tensor:
        leaves = dict(zip(names, arguments[: len(names)], strict=True))
        return function(leaves, *arguments[len(names) :])

    # parameters are read where they lie, other tensors are copied into these
    samples = (*parameters.values(), *(x.detach().clone() for x in tensors))
    try:
        return torch.cuda.make_graphed_callables(flat, samples)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        log.warning("no CUDA graph (%s): kernels are launched one by one", reason)
        return None
