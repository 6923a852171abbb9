"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

import re

from rote.core.work import Where
from rote.papers.resmem.settings import Settings


def _residual(depth: int, width: int, side: int) -> float:
    """Multiply-adds of CIFAR's residual network: three stages, each half as wide and twice as deep
    in channels.
    """
    return (depth - 2) * 9 * width**2 * side**2


def _images(s: Settings, task: str) -> tuple[float, float]:
    """Network evaluations in training (examples seen, times networks), weighted by multiply-adds;
    and rows embedded.
    """
    o = getattr(s, task, None)
    if task == "fine":
        work = sum(_residual(o.depth, w, 16) for w in o.widths) + _residual(
            o.depth, o.widths[len(o.widths) // 2], 16
        )
        return work * o.replicates * o.epochs * o.train, len(o.widths) * o.replicates * o.train
    if task == "mnist":
        work = sum(_residual(8, w, 14) for w in o.widths) + sum(
            _residual(d, o.widths[0], 14) for d in o.depths
        )
        work += len(o.sizes) * _residual(8, o.widths[0], 14)
        arms = len(o.widths) + len(o.depths) + len(o.sizes)
        return work * o.replicates * o.seen, arms * o.replicates * o.train
    if task == "cifar":
        work = sum(_residual(d, o.width, 32) for d in o.depths)
        return work * o.replicates * o.epochs * o.train, len(o.depths) * o.replicates * o.train
    if task == "longtail":
        work = 3 * (o.units + o.large) * 256.0
        return work * o.replicates * o.epochs * max(o.sizes), 6 * o.replicates * max(o.sizes)
    if task == "text":
        work = sum(o.context * o.embedding * u + u * u + 100 * u for u in o.units)
        return work * o.replicates * o.steps * o.batch, len(o.units) * o.replicates * max(
            o.memories
        )
    if task in ("digits", "fashion"):
        pixels = 64 if task == "digits" else 784
        work = sum(pixels * max(u, 10) for u in o.units)
        return work * o.replicates * o.steps * o.batch, len(o.units) * o.replicates * o.train
    if task == "pictures":
        return 0.0, len(o.models) * o.train
    if task == "language":
        return 0.0, len(o.models) * o.replicates * o.train
    return 1.0, s.regression.replicates * s.regression.train


def _embed(s: Settings, where: Where) -> float:
    """A forward pass over every remembered row; of pretrained networks by their size."""
    task = where["task"]
    rows = _images(s, task)[1]
    if task == "language":
        sizes = [re.search(r"(\d+(?:\.\d+)?)([mMbB])\b", model) for model in s.language.models]
        weights = sum(
            float(m[1]) * (1e6 if m[2] in "mM" else 1e9) if m else 1e9 for m in sizes
        ) / len(sizes)
        return 2 * weights * rows
    if task == "pictures":
        return 2 * 2e9 * rows
    if task == "cifar":
        return (
            2
            * rows
            * sum(_residual(d, s.cifar.width, 32) for d in s.cifar.depths)
            / len(s.cifar.depths)
        )
    return rows


WORK = {
    "solve_linear": lambda s, w: (
        s.theory.replicates * len(s.theory.dimensions) * max(s.theory.sizes)
    ),
    "train_base": lambda s, w: 6 * _images(s, w["task"])[0],
    "embed": _embed,
    "fit_residuals": lambda s, w: _images(s, w["task"])[1],
    "evaluate": lambda s, w: _images(s, w["task"])[1],
    "evaluate_growth": lambda s, w: s.longtail.replicates * max(s.longtail.grown),
    "evaluate_memorization": lambda s, w: (
        s.scores.replicates * s.scores.networks * s.scores.train * sum(s.scores.units)
    ),
    "train_spurious": lambda s, w: s.spurious.replicates * sum(s.spurious.sizes) * s.spurious.steps,
}
DISK = {"embed": lambda s, w: 4 * 64 * _images(s, w["task"])[1]}
