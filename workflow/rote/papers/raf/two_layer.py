"""Two-layer ReLU networks on rules and facts (our extension): do they learn faster than α^-1/2, and
keep all facts?
"""

from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import train
from rote.core.seeds import generator
from rote.models.products import bmm
from rote.papers.raf import settings
from rote.synth import rules_facts

FRESH = 4000


class _Block(NamedTuple):
    """The networks of one shape, (α, width): every scale × decay × replicate, each with data of its
    own.
    """

    alpha: float
    width: int
    units: list[tuple[float, float, int]]  # scale, weight decay, replicate
    samples: list[rules_facts.Sample]
    x: Tensor  # (units, n, d), divided by √d
    y: Tensor  # (units, n)
    decays: Tensor  # (units,)


def sweep(
    options: settings.TwoLayer,
    seed: int,
    *,
    device: str = "cpu",
    checkpoints: Path | None = None,
    every: int = 500,
) -> pd.DataFrame:
    """Train every α × width × scale × decay × replicate in one program: the table TwoLayerTable.

    f(x) = a·relu(W x/√d)/√width, logistic loss, full batches, Adam with a coupled L2 penalty on the
    mean loss. Networks of one shape are one stack; all stacks share the steps, the optimizer and
    the checkpoint, so nothing is padded.
    """
    blocks, parameters = [], {}
    for number, (alpha, width) in enumerate(product(options.alphas, options.widths)):
        block, hidden, output = _block(options, alpha, width, seed, device)
        blocks.append(block)
        parameters |= {f"hidden.{number}": hidden, f"output.{number}": output}

    def loss(p: dict[str, Tensor], step: int) -> Tensor:
        losses = []
        for number, block in enumerate(blocks):
            hidden, output = p[f"hidden.{number}"], p[f"output.{number}"]
            penalty = (hidden**2).sum((1, 2)) + (output**2).sum((1, 2))
            misfit = torch.nn.functional.softplus(
                -block.y * _forward(hidden, output, block.x)
            ).mean(1)
            losses.append(misfit + block.decays / 2 * penalty)
        return torch.cat(losses)

    trained = train.fit(
        parameters,
        loss,
        steps=options.steps,
        learning_rate=options.learning_rate,
        checkpoint=checkpoints and checkpoints / f"two-layer-{seed}-{options.steps}.pt",
        checkpoint_steps=every,
        label=f"two-layer: {sum(len(block.units) for block in blocks)} networks",
    )
    found = []
    for number, block in enumerate(blocks):
        found += _evaluate(
            options, block, trained[f"hidden.{number}"], trained[f"output.{number}"], seed
        )
    columns = ["alpha", "width", "scale", "weight_decay", "replicate", "e_gen", "e_mem"]
    return pd.DataFrame(found, columns=columns)


def _forward(
    hidden: Tensor, output: Tensor, x: Tensor
) -> Tensor:  # (units, rows, d) -> (units, rows)
    return bmm(bmm(x, hidden).relu_(), output).squeeze(-1) / hidden.shape[-1] ** 0.5


def _block(
    options: settings.TwoLayer, alpha: float, width: int, seed: int, device: str
) -> tuple[_Block, Tensor, Tensor]:
    """Data and initial weights of the networks of one shape."""
    units = list(product(options.scales, options.weight_decays, range(options.replicates)))
    samples, hidden, output = [], [], []
    for scale, decay, replicate in units:
        rng = generator(seed, "raf", "two-layer", str(alpha), width, str((scale, decay)), replicate)
        samples.append(rules_facts.draw(alpha, options.eps, options.d, rng))
        hidden.append(scale * rng.normal(size=(options.d, width)))
        output.append(scale * rng.normal(size=(width, 1)))

    def stack(arrays: list[np.ndarray]) -> Tensor:
        return torch.tensor(np.stack(arrays), dtype=torch.float32, device=device)

    x, y = (
        stack([sample.X / np.sqrt(options.d) for sample in samples]),
        stack([sample.y for sample in samples]),
    )
    decays = torch.tensor([decay for _, decay, _ in units], device=device)
    return _Block(alpha, width, units, samples, x, y, decays), stack(hidden), stack(output)


def _evaluate(
    options: settings.TwoLayer, block: _Block, hidden: Tensor, output: Tensor, seed: int
) -> list[tuple]:
    """Both errors of every network of a block: rows of the table."""
    fresh = generator(seed, "raf", "two-layer fresh", str(block.alpha), block.width).normal(
        size=(FRESH, options.d)
    )
    rows = torch.tensor(fresh / np.sqrt(options.d), dtype=torch.float32, device=hidden.device)
    with torch.no_grad():
        fitted = _forward(hidden, output, block.x).cpu().numpy()
        test = _forward(hidden, output, rows.expand(len(block.units), -1, -1)).cpu().numpy()
    found = []
    for number, (unit, sample) in enumerate(zip(block.units, block.samples, strict=True)):
        wrong = rules_facts.sign(test[number]) != rules_facts.sign(fresh @ sample.teacher)
        lost = rules_facts.sign(fitted[number]) != sample.y
        found.append(
            (block.alpha, block.width, *unit, float(wrong.mean()), float(lost[sample.facts].mean()))
        )
    return found
