"""One training loop: any number of stacked models, decoupled weight decay per model, checkpoint and
resume.
"""

import ctypes
import logging
import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from rote.core.job import track
from rote.core.seeds import generator
from rote.core.tables import atomic
from rote.models.products import full_precision

log = logging.getLogger("rote")
Parameters = dict[str, Tensor]
_PLAIN = {
    "fused": True,
    "amsgrad": False,
    "weight_decay": 0.0,
    "eps": 1e-8,
    "maximize": False,
}  # of Adam


def fit(
    parameters: Parameters,
    loss: Callable[[Parameters, int], Tensor],
    *,
    steps: int,
    learning_rate: float,
    schedule: Callable[[int], float] | None = None,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: Tensor | None = None,
    clip: float | None = None,
    buffers: Parameters | None = None,
    checkpoint: Path | None = None,
    checkpoint_steps: int = 500,
    label: str = "training",
) -> Parameters:
    """Train stacked models with AdamW, by default on a cosine schedule to zero.

    The models stay independent: each model's loss depends on its own slice of the parameters, the
    losses are summed, and every optimizer operation is element-wise. θ ← θ(1 − η_t wd) before the
    Adam step, on all parameters.

    Args:
        parameters: tensors (models, ...); not changed.
        loss: (parameters, step) -> (models,). The step is the only data position, so a resumed run
            sees the batches of an undisturbed one.
        schedule: step -> factor of `learning_rate`; None is `cosine(steps)`.
        betas: of Adam.
        weight_decay: (models,).
        clip: longest gradient of one model, over all its parameters.
        buffers: what `loss` updates in place (running statistics); saved and restored with the
            parameters.
        checkpoint: file to save to every `checkpoint_steps` steps and to resume from. Removed by
            the caller, once the result is safe.
        label: names the training in progress lines and errors.

    Returns:
        The trained parameters, detached.

    Raises:
        FloatingPointError: if a loss becomes NaN or infinite, naming model and step.
    """
    keep_freed_memory()
    schedule = schedule or cosine(steps)
    parameters = {
        name: value.clone().contiguous().requires_grad_() for name, value in parameters.items()
    }
    leaves, buffers = list(parameters.values()), buffers or {}
    # the function behind torch.optim.Adam, whose constructor loads the compiler: 1.8 CPU s in every
    # job that trains
    means, squares = ([torch.zeros_like(leaf) for leaf in leaves] for _ in range(2))
    counts = [torch.zeros((), device=leaf.device) for leaf in leaves]
    state = [*leaves, *buffers.values(), *means, *squares, *counts]
    begin = _resume(checkpoint, state)
    decays = (
        None
        if weight_decay is None or not weight_decay.any()
        else weight_decay.to(leaves[0].device)
    )
    latest: Parameters = {}
    with _flushed_denormals(), full_precision():
        for step in track(
            range(begin, steps), label, status=lambda: f"loss {float(latest['loss'].mean()):.4g}"
        ):
            rate = learning_rate * schedule(step)
            losses = loss(parameters, step)
            latest["loss"] = losses.detach()
            if step % 100 == 0 and not bool(torch.isfinite(losses).all()):
                bad = int((~torch.isfinite(losses)).nonzero()[0])
                value = float(losses[bad].detach())
                raise FloatingPointError(
                    f"{label}: loss of model {bad} is {value} at step {step}; lower learning_rate"
                )
            gradients = torch.autograd.grad(losses.sum(), leaves)
            if clip is not None:
                gradients = _clipped(gradients, clip)
            with torch.no_grad():
                if decays is not None:
                    for leaf in leaves:
                        leaf.mul_((1 - rate * decays).view(-1, *[1] * (leaf.ndim - 1)))
                # the fused step reads memory in the parameter's own order
                gradients = [gradient.contiguous() for gradient in gradients]
                adam(
                    leaves,
                    gradients,
                    means,
                    squares,
                    [],
                    counts,
                    lr=rate,
                    beta1=betas[0],
                    beta2=betas[1],
                    **_PLAIN,
                )
            if checkpoint is not None and (step + 1) % checkpoint_steps == 0 and step + 1 < steps:
                _save(checkpoint, step + 1, state)
    return {name: value.detach() for name, value in parameters.items()}


def _clipped(gradients: tuple[Tensor, ...], longest: float) -> list[Tensor]:
    """Each model's gradient, scaled down to length `longest` where it is longer."""
    models = len(gradients[0])
    norm = torch.stack(
        [torch.linalg.vector_norm(g.reshape(models, -1), dim=1) for g in gradients]
    ).norm(dim=0)
    scale = (longest / (norm + 1e-6)).clamp(max=1.0)
    return [gradient * scale.view(-1, *[1] * (gradient.ndim - 1)) for gradient in gradients]


class EpochSampler:
    """The endless sequence of a data set's examples, shuffled anew each epoch; any position can be
    asked for.

    Args:
        counts: (N,) how often each example stands in an epoch.
        key: of the random stream, see `rote.core.seeds.generator`.
    """

    def __init__(self, counts: np.ndarray, *key: str | int):
        self.rows, self.key = np.repeat(np.arange(len(counts)), counts), key
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return generator(*self.key, epoch).permutation(self.rows)

    def take(self, start: int, count: int) -> np.ndarray:
        """Examples at positions start ... start + count − 1."""
        found = []
        while count:
            epoch, at = divmod(start, len(self.rows))
            part = self._epoch(epoch)[at : at + count]
            found.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(found)


def cosine(steps: int, *, warmup: int = 0, floor: float = 0.0) -> Callable[[int], float]:
    """Linear over `warmup` steps, then half a cosine down to `floor`: step -> factor of the
    learning rate.
    """

    def factor(step: int) -> float:
        rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return rising * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))

    return factor


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Adam's moments of dead units decay into denormals, which are slow. Elsewhere arithmetic stays
    IEEE.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@cache
def keep_freed_memory() -> None:
    """Let glibc reuse the memory of one step in the next, instead of returning it to the kernel in
    between.

    A stack's activations are large blocks, which malloc maps and unmaps each time: a third of a
    step went into faults.
    """
    with suppress(OSError, AttributeError):  # another libc
        libc = ctypes.CDLL(None)
        libc.mallopt(ctypes.c_int(-3), ctypes.c_int(2**30))  # M_MMAP_THRESHOLD
        libc.mallopt(ctypes.c_int(-1), ctypes.c_int(2**31 - 1))  # M_TRIM_THRESHOLD


def _save(path: Path, step: int, state: list[Tensor]) -> None:
    saved = {
        "step": step,
        "state": [value.detach() for value in state],
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with atomic(path) as temporary:
        torch.save(saved, temporary)


def _resume(path: Path | None, state: list[Tensor]) -> int:
    """Load the checkpoint into `state` if there is a whole one; returns the step to begin with."""
    if path is None or not path.exists():
        return 0
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        log.warning("checkpoint %s is unreadable (%s): starting from step 0", path, error)
        return 0
    with torch.no_grad():
        for value, known in zip(state, saved["state"], strict=True):
            value.copy_(known)
    torch.set_rng_state(saved["rng"])
    if saved["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["cuda_rng"])
    log.info("resumed from %s at step %d", path, saved["step"])
    return saved["step"]
