"""One training loop for stacked models: decoupled weight decay per model, checkpoint, resume."""

import ctypes
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator
from rote.core.tables import atomic
from rote.models.products import full_precision
from rote.models.stack import Parameters
from rote.readers import weights

log = logging.getLogger("rote")
# options of Adam; the weight decay is the loop's own
_ADAM = {"fused": True, "amsgrad": False, "weight_decay": 0.0, "eps": 1e-8, "maximize": False}


@dataclass(frozen=True)
class AdamW:
    """AdamW (Loshchilov and Hutter 2019) over a number of steps.

    Args:
        steps: of the optimizer.
        learning_rate: largest, before the schedule.
        schedule: step -> factor of `learning_rate`; None is `cosine(steps)`.
        betas: of Adam.
        weight_decay: (models,); None for none.
        clip: longest gradient of one model, over all its parameters; None for any.

    Raises:
        InputError: naming the field and its range.
    """

    steps: int
    learning_rate: float
    schedule: Callable[[int], float] | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: Tensor | None = None
    clip: float | None = None

    def __post_init__(self) -> None:
        ranges = {"steps": fields.SIZE, "learning_rate": fields.NOT_NEGATIVE}
        if self.clip is not None:
            ranges["clip"] = fields.POSITIVE
        fields.check(ranges, vars(self))
        if self.schedule is not None:
            fields.check_types({"schedule": Callable}, vars(self))
        betas = reals.finite("betas", self.betas)
        if betas.shape != (2,) or not ((betas >= 0) & (betas < 1)).all():
            raise InputError(f"betas must be two numbers in [0, 1), given {self.betas}")
        decay = self.weight_decay
        holds = isinstance(decay, Tensor) and decay.ndim == 1 and not decay.is_meta
        if not (decay is None or holds):
            raise InputError(f"weight_decay must be a tensor (models,) or None, given {decay!r}")
        if decay is not None and not bool((torch.isfinite(decay) & (decay >= 0)).all()):
            raise InputError(f"weight_decay must be finite and ≥ 0, given {decay.tolist()}")


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with Nesterov's momentum (Sutskever et al. 2013).

    g ← g + wd θ, v ← μ v + g, θ ← θ − η_t (g + μ v), as torch.optim.SGD has it.

    Args:
        steps: of the optimizer.
        learning_rate: largest, before the schedule.
        schedule: step -> factor of `learning_rate`; None is `cosine(steps)`.
        momentum: μ, in [0, 1).
        weight_decay: wd ≥ 0, of all models.

    Raises:
        InputError: naming the field and its range.
    """

    steps: int
    learning_rate: float
    schedule: Callable[[int], float] | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "steps": fields.SIZE,
            "learning_rate": fields.NOT_NEGATIVE,
            "momentum": fields.FieldRange("in [0, 1)", lambda value: 0 <= value < 1),
            "weight_decay": fields.NOT_NEGATIVE,
        }
        fields.check(ranges, vars(self))
        if not (self.schedule is None or callable(self.schedule)):
            raise InputError(f"schedule must be a function of the step, given {self.schedule!r}")

    def move(
        self,
        leaves: list[Tensor],
        gradients: Sequence[Tensor],
        velocities: list[Tensor],
        rate: float,
    ) -> None:
        """One step, in place.

        Args:
            leaves: θ.
            gradients: of the loss.
            velocities: v.
            rate: η_t.
        """
        moves = torch._foreach_add(list(gradients), leaves, alpha=self.weight_decay)
        torch._foreach_mul_(velocities, self.momentum)
        torch._foreach_add_(velocities, moves)
        torch._foreach_add_(moves, velocities, alpha=self.momentum)
        torch._foreach_add_(leaves, moves, alpha=-rate)


@dataclass(frozen=True)
class Checkpoint:
    """A file that a training saves its state to and resumes from.

    Args:
        path: of the file; None saves nothing. Removed by the caller, once the result is safe.
        steps: between two saves, ≥ 1.

    Raises:
        InputError: naming the field and its range.
    """

    path: Path | None = None
    steps: int = 500

    def __post_init__(self) -> None:
        fields.check({"steps": fields.SIZE}, vars(self))
        if self.path is not None:
            fields.check_types({"path": Path}, vars(self))


class Saving(NamedTuple):
    """Where and how often trainings save their states."""

    folder: Path | None = None  # None saves nothing
    steps: int = 500  # between two saves

    def file(self, name: str) -> Checkpoint:
        """The checkpoint called `name`."""
        return Checkpoint(self.folder / name if self.folder else None, self.steps)


def fit(
    parameters: Parameters,
    loss: Callable[[Parameters, int], Tensor],
    optimizer: AdamW | SGD,
    *,
    buffers: Parameters | None = None,
    checkpoint: Checkpoint = Checkpoint(),
    label: str = "training",
) -> Parameters:
    """Train stacked models, by default on a cosine to zero.

    The models stay independent: each model's loss depends on its own slice of the parameters, the
    losses are summed, and every optimizer operation is element-wise. With AdamW θ ← θ(1 − η_t wd)
    before the Adam step, on all parameters.

    Args:
        parameters: tensors (models, ...); not changed.
        loss: (parameters, step) -> (models,), or the losses of several stacks of as many models,
            one behind the other. The step is the only data position, so a resumed run sees the
            batches of an undisturbed one.
        optimizer: its steps and rates.
        buffers: what `loss` updates in place (running statistics); saved and restored with the
            parameters.
        checkpoint: to save to and to resume from.
        label: names the training in progress lines and errors.

    Returns:
        The trained parameters, detached.

    Raises:
        InputError: for parameters and buffers that are no tensors (models, ...), a loss that is not
            one differentiable number per model or misses a parameter, and weight decays of another
            number of models.
        FloatingPointError: if a loss is NaN or infinite at step 0, 100, 200, ... or the last, or a
            parameter at the end, naming model and step.
    """
    models = _check_training(parameters, loss, optimizer, buffers, checkpoint)
    keep_freed_memory()
    steps = optimizer.steps
    schedule = optimizer.schedule or cosine(steps)
    parameters = {
        name: value.clone().contiguous().requires_grad_() for name, value in parameters.items()
    }
    leaves = list(parameters.values())
    # the function behind torch.optim.Adam, whose constructor loads the compiler: 1.8 CPU s in every
    # job that trains
    means = [torch.zeros_like(leaf) for leaf in leaves]
    squares = [torch.zeros_like(leaf) for leaf in leaves]
    counts = [torch.zeros((), device=leaf.device) for leaf in leaves]
    state = [*leaves, *(buffers or {}).values(), *means, *squares, *counts]
    begin = _resume(checkpoint.path, state)
    decays = None
    if (
        isinstance(optimizer, AdamW)
        and optimizer.weight_decay is not None
        and optimizer.weight_decay.any()
    ):
        decays = optimizer.weight_decay.to(leaves[0].device)
    latest: Parameters = {}

    def status() -> str:
        return f"loss {float(latest['loss'].mean()):.4g}"

    with _flushed_denormals(), full_precision():
        for step in track(range(begin, steps), label, status=status):
            rate = optimizer.learning_rate * schedule(step)
            losses = loss(parameters, step)
            if step == begin:
                _check_losses(losses, models)
            latest["loss"] = losses.detach()
            if step % 100 == 0 or step + 1 == steps:
                _check_finite(losses.detach(), f"{label}: loss", step)
            gradients = torch.autograd.grad(losses.sum(), leaves, allow_unused=step == begin)
            if step == begin:
                _check_reached(parameters, gradients)
            if isinstance(optimizer, AdamW) and optimizer.clip is not None:
                gradients = _clipped(gradients, optimizer.clip)
            with torch.no_grad():
                if decays is not None:
                    for leaf in leaves:
                        leaf.mul_((1 - rate * decays).view(-1, *[1] * (leaf.ndim - 1)))
                # the fused step reads memory in the parameter's own order
                gradients = [gradient.contiguous() for gradient in gradients]
                if isinstance(optimizer, SGD):
                    optimizer.move(leaves, gradients, means, rate)
                else:
                    adam(
                        leaves,
                        gradients,
                        means,
                        squares,
                        [],
                        counts,
                        lr=rate,
                        beta1=optimizer.betas[0],
                        beta2=optimizer.betas[1],
                        **_ADAM,
                    )
            due = (step + 1) % checkpoint.steps == 0 and step + 1 < steps
            if checkpoint.path is not None and due:
                _save(checkpoint.path, step + 1, state)
    for name, value in parameters.items():
        largest = value.detach().reshape(len(value), -1).abs().amax(1)
        _check_finite(largest, f"{label}: {name}", steps)
    return {name: value.detach() for name, value in parameters.items()}


def _check_training(
    parameters: Parameters,
    loss: Callable,
    optimizer: AdamW | SGD,
    buffers: Parameters | None,
    checkpoint: Checkpoint,
) -> int:
    """The number of models. Raises InputError for arguments of `fit` that are none."""
    kind = SGD if isinstance(optimizer, SGD) else AdamW
    types = {"loss": Callable, "optimizer": kind, "checkpoint": Checkpoint}
    fields.check_types(types, {"loss": loss, "optimizer": optimizer, "checkpoint": checkpoint})
    for name, tensors in (
        ("parameters", parameters),
        ("buffers", {} if buffers is None else buffers),
    ):
        fields.check_types({name: Mapping}, {name: tensors})
        fields.check_types(dict.fromkeys(tensors, Tensor), tensors)
    sizes = {len(value) if value.ndim else 0 for value in parameters.values()}
    floating = all(
        value.is_floating_point() and value.layout is torch.strided and not value.is_meta
        for value in parameters.values()
    )
    if len(sizes) != 1 or not floating or 0 in sizes:
        raise InputError(
            "parameters must be floating-point tensors (models, ...) of one number of models, "
            f"given {sorted(sizes)}"
        )
    decay = optimizer.weight_decay if isinstance(optimizer, AdamW) else None
    if decay is not None and len(decay) not in sizes:
        raise InputError(f"weight_decay must have shape ({min(sizes)},), given {len(decay)} values")
    return min(sizes)


def _check_losses(losses: Tensor, models: int) -> None:
    is_vector = isinstance(losses, Tensor) and losses.ndim == 1 and len(losses)
    if not is_vector or len(losses) % models or not losses.requires_grad:
        raise InputError(
            f"loss must give one differentiable number per model, ({models},), given "
            f"{fields.shown(losses)}"
        )


def _check_reached(parameters: Parameters, gradients: Sequence[Tensor | None]) -> None:
    missed = [name for name, g in zip(parameters, gradients, strict=True) if g is None]
    if missed:
        raise InputError(
            f"loss does not depend on the parameters {', '.join(missed)}; leave them out"
        )


def _check_finite(values: Tensor, name: str, step: int) -> None:
    """Raise FloatingPointError naming the first model whose value is no number."""
    if not bool(torch.isfinite(values).all()):
        model = int((~torch.isfinite(values)).nonzero()[0])
        raise FloatingPointError(
            f"{name} of model {model} is {float(values[model])} at step {step}; lower learning_rate"
        )


def _clipped(gradients: Sequence[Tensor], max_norm: float) -> list[Tensor]:
    """Each model's gradient, scaled down to length `max_norm` where it is longer."""
    models = len(gradients[0])
    norms = [torch.linalg.vector_norm(g.reshape(models, -1), dim=1) for g in gradients]
    scale = (max_norm / (torch.stack(norms).norm(dim=0) + 1e-6)).clamp(max=1.0)
    return [gradient * scale.view(-1, *[1] * (gradient.ndim - 1)) for gradient in gradients]


class EpochSampler:
    """The endless sequence of a data set's examples, shuffled anew each epoch, at any position.

    Args:
        counts: (N,) how often each example stands in an epoch.
        seed, key: of the random stream, see `rote.core.seeds.generator`.

    Raises:
        InputError: for counts that are no whole numbers ≥ 0, or all 0, and a seed that is none.
    """

    def __init__(self, counts: np.ndarray, seed: int, *key: str | int):
        fields.check({"seed": fields.COUNT}, {"seed": seed})
        given = reals.finite("counts", counts)
        whole = (given >= 0) & (given == np.floor(given))
        if given.ndim != 1 or not whole.all() or not given.any():
            raise InputError("counts must be a vector of whole numbers ≥ 0, not all 0")
        counts = given.astype(np.int64)
        self.rows = np.repeat(np.arange(len(counts)), counts)
        self.seed = seed
        self.key = key
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return generator(self.seed, *self.key, epoch).permutation(self.rows)

    def batch(self, start: int, count: int) -> np.ndarray:
        """Examples at positions start ... start + count − 1 of the endless sequence.

        Args:
            start: first position, from 0; an epoch has Σ counts of them.
            count: number of examples, at least 1.

        Returns:
            (count,) int64 rows of the data set.

        Raises:
            InputError: for a start below 0 or a count below 1.
        """
        positions = {"start": fields.COUNT, "count": fields.SIZE}
        start, count = fields.check(positions, {"start": start, "count": count}).values()
        parts = []
        while count:
            epoch, at = divmod(start, len(self.rows))
            part = self._epoch(epoch)[at : at + count]
            parts.append(part)
            start += len(part)
            count -= len(part)
        return np.concatenate(parts)


def steps_down(steps: int, cuts: Sequence[float] = (0.5, 0.75)) -> Callable[[int], float]:
    """A rate that is cut to a tenth at shares of the steps, as residual networks are trained.

    Args:
        steps: of the training.
        cuts: shares of them, in [0, 1].

    Raises:
        InputError: for shares out of their range.
    """
    shares = reals.finite("cuts", cuts)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise InputError(f"cuts must be shares in [0, 1], given {list(cuts)}")
    return lambda step: 0.1 ** sum(step >= share * steps for share in cuts)


def cosine(steps: int, *, warmup: int = 0, floor: float = 0.0) -> Callable[[int], float]:
    """A schedule: half a cosine from 1 towards `floor`, with a linear rise over `warmup` steps.

    Args:
        steps: of the whole training.
        warmup: first steps, over which the factor is also multiplied by 1/warmup, ..., 1.
        floor: value that would be reached at step `steps`, one after the last.

    Returns:
        step -> factor of the learning rate.

    Raises:
        InputError: for steps below 1, a warmup below 0 and a floor that is not finite.
    """
    ranges = {"steps": fields.SIZE, "warmup": fields.COUNT, "floor": fields.NOT_NEGATIVE}
    fields.check(ranges, {"steps": steps, "warmup": warmup, "floor": floor})

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return rise * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps)))

    return factor


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Adam's moments of dead units decay into denormals, which are slow; elsewhere they stay."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@cache
def keep_freed_memory() -> None:
    """Let glibc reuse the memory of one step in the next instead of returning it to the kernel.

    A stack's activations are large blocks, which malloc maps and unmaps each time: a third of a
    step went into faults.
    """
    with suppress(OSError, AttributeError):  # another libc
        libc = ctypes.CDLL(None)
        libc.mallopt(ctypes.c_int(-3), ctypes.c_int(2**30))  # M_MMAP_THRESHOLD
        libc.mallopt(ctypes.c_int(-1), ctypes.c_int(2**31 - 1))  # M_TRIM_THRESHOLD


def _save(path: Path, step: int, state: list[Tensor]) -> None:
    checkpoint = {
        "step": step,
        "state": [value.detach() for value in state],
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with atomic(path) as temporary:
        torch.save(checkpoint, temporary)


def _resume(path: Path | None, state: list[Tensor]) -> int:
    """Load the checkpoint into `state` if there is a whole one; returns the step to begin with."""
    steps = [0]

    def adopt(checkpoint: dict[str, Any]) -> None:
        shapes = [value.shape for value in checkpoint["state"]]
        if shapes != [value.shape for value in state]:
            raise ValueError("it is of other networks")
        torch.set_rng_state(checkpoint["rng"])
        if checkpoint["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(checkpoint["cuda_rng"])
        with torch.no_grad():
            for value, saved in zip(state, checkpoint["state"], strict=True):
                value.copy_(saved)
        steps[0] = int(checkpoint["step"])

    if weights.resume(path, adopt):
        log.info("resumed from %s at step %d", path, steps[0])
    return steps[0]
