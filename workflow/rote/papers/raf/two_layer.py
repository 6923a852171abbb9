"""Two-layer ReLU networks on rules and facts (our extension): their rate, and their facts."""

from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import train
from rote.core import tables
from rote.core.seeds import generator
from rote.models.products import bmm
from rote.papers.raf import schema, settings
from rote.synth import rules_facts
from rote.theory import raf

TEST_ROWS = 4000


class TwoLayerArm(NamedTuple):
    """One network of a shape."""

    scale: float  # of the initial weights
    weight_decay: float
    replicate: int


class _ShapeNetworks(NamedTuple):
    """The networks of one shape, (α, width): every arm, each with data of its own."""

    alpha: float
    width: int
    arms: list[TwoLayerArm]
    samples: list[rules_facts.RulesFactsSample]
    x: Tensor  # (arms, n, d), divided by √d
    y: Tensor  # (arms, n)
    decays: Tensor  # (arms,)


def sweep(
    options: settings.RafTwoLayer,
    seed: int,
    *,
    device: str = "cpu",
    saving: train.Saving = train.Saving(),
) -> pd.DataFrame:
    """Train every α × width × scale × decay × replicate in one program: the table TwoLayerTable.

    f(x) = a·relu(W x/√d)/√width, logistic loss, full batches, Adam with a coupled L2 penalty on the
    mean loss. Networks of one shape are one stack; all stacks share the steps, the optimizer and
    the checkpoint, so nothing is padded.

    Args:
        options: sizes, shapes, steps.
        seed: of all streams.
        device: of the tensors.
        saving: where and how often the state of training is saved.
    """
    blocks = []
    parameters = {}
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
        train.AdamW(steps=options.steps, learning_rate=options.learning_rate),
        checkpoint=saving.file(f"two-layer-{seed}-{options.steps}.pt"),
        label=f"two-layer: {sum(len(block.arms) for block in blocks)} networks",
    )
    rows = []
    for number, block in enumerate(blocks):
        hidden, output = trained[f"hidden.{number}"], trained[f"output.{number}"]
        rows += _evaluate(options, block, hidden, output, seed)
    return tables.frame(schema.TwoLayerTable, rows)


def _forward(hidden: Tensor, output: Tensor, x: Tensor) -> Tensor:
    """Outputs (arms, rows) on x (arms, rows, d)."""
    return bmm(bmm(x, hidden).relu_(), output).squeeze(-1) / hidden.shape[-1] ** 0.5


def _block(
    options: settings.RafTwoLayer, alpha: float, width: int, seed: int, device: str
) -> tuple[_ShapeNetworks, Tensor, Tensor]:
    """Data and initial weights of the networks of one shape."""
    arms = []
    samples = []
    hidden = []
    output = []
    for arm in product(options.scales, options.weight_decays, range(options.replicates)):
        scale, decay, replicate = arm
        rng = generator(seed, "raf", "two-layer", str(alpha), width, str((scale, decay)), replicate)
        arms.append(TwoLayerArm(*arm))
        samples.append(rules_facts.draw(alpha, options.eps, options.d, rng))
        hidden.append(scale * rng.normal(size=(options.d, width)))
        output.append(scale * rng.normal(size=(width, 1)))

    def stack(arrays: list[np.ndarray]) -> Tensor:
        return torch.tensor(np.stack(arrays), dtype=torch.float32, device=device)

    block = _ShapeNetworks(
        alpha=alpha,
        width=width,
        arms=arms,
        samples=samples,
        x=stack([sample.X / np.sqrt(options.d) for sample in samples]),
        y=stack([sample.y for sample in samples]),
        decays=torch.tensor([arm.weight_decay for arm in arms], device=device),
    )
    return block, stack(hidden), stack(output)


def _evaluate(
    options: settings.RafTwoLayer, block: _ShapeNetworks, hidden: Tensor, output: Tensor, seed: int
) -> list[dict]:
    """Both errors of every network of a block, each on its own fresh inputs: rows of the table."""
    with torch.no_grad():
        fitted = _forward(hidden, output, block.x).cpu().numpy()
    e_gen_hinge = _best_hinge(block.alpha, options.eps)
    rows = []
    for number, (arm, sample) in enumerate(zip(block.arms, block.samples, strict=True)):
        rng = generator(
            seed, "raf", "two-layer fresh", str(block.alpha), block.width, str(arm[:2]), arm[2]
        )
        fresh = rng.normal(size=(TEST_ROWS, options.d))
        inputs = torch.tensor(fresh / np.sqrt(options.d), dtype=torch.float32, device=hidden.device)
        one = slice(number, number + 1)
        with torch.no_grad():
            test = _forward(hidden[one], output[one], inputs[None])[0].cpu().numpy()
        wrong = rules_facts.sign(test) != rules_facts.sign(fresh @ sample.teacher)
        lost = rules_facts.sign(fitted[number]) != sample.y
        rows.append(
            {
                "alpha": block.alpha,
                "width": block.width,
                **arm._asdict(),
                "e_gen": float(wrong.mean()),
                "e_mem": float(lost[sample.facts].mean()),
                "e_gen_hinge": e_gen_hinge,
            }
        )
    return rows


def _best_hinge(alpha: float, eps: float) -> float:
    """E_gen of a linear hinge learner in the proportional limit, at its best ridge."""
    lams = np.geomspace(1e-3, 10**1.5, 61)
    solver = raf.Solver(tolerance=1e-8)
    return float(np.nanmin(raf.solve("hinge", alpha, eps, lams, solver=solver).e_gen))
