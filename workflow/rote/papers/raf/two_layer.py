"""Two-layer ReLU networks on rules and facts (our extension): do they learn faster than α^-1/2, and keep all facts?"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rote import train
from rote.papers.raf import settings
from rote.seeds import generator
from rote.synth import rules_facts

FRESH = 4000


def sweep(
    options: settings.TwoLayer, seed: int, *, device: str = "cpu", checkpoints: Path | None = None, every: int = 500
) -> pd.DataFrame:
    """Train every α × width × scale × decay × replicate, stacked per (α, width): the table TwoLayerTable.

    f(x) = a·relu(W x/√d)/√width, logistic loss, full batches, Adam with a coupled L2 penalty on the mean loss.
    """
    found = []
    for alpha, width in product(options.alphas, options.widths):
        units = list(product(options.scales, options.weight_decays, range(options.replicates)))
        samples, starts = [], []
        for scale, decay, replicate in units:
            rng = generator(seed, "raf", "two-layer", str(alpha), width, str((scale, decay)), replicate)
            samples.append(rules_facts.draw(alpha, options.eps, options.d, rng))
            starts.append((scale * rng.normal(size=(options.d, width)), scale * rng.normal(size=(width, 1))))
        as_tensor = lambda arrays: torch.tensor(np.stack(arrays), dtype=torch.float32, device=device)  # noqa: E731
        x = as_tensor([sample.X / np.sqrt(options.d) for sample in samples])
        y = as_tensor([sample.y for sample in samples])
        decays = torch.tensor([decay for _, decay, _ in units], device=device)
        parameters = {"hidden": as_tensor([w for w, _ in starts]), "output": as_tensor([a for _, a in starts])}

        def forward(p: dict[str, torch.Tensor], x: torch.Tensor, width: int = width) -> torch.Tensor:
            return torch.bmm(torch.bmm(x, p["hidden"]).relu_(), p["output"]).squeeze(-1) / width**0.5

        def loss(p: dict[str, torch.Tensor], step: int, x=x, y=y, decays=decays, forward=forward) -> torch.Tensor:
            penalty = sum((value**2).sum((1, 2)) for value in p.values())
            return torch.nn.functional.softplus(-y * forward(p, x)).mean(1) + decays / 2 * penalty

        trained = train.fit(
            parameters,
            loss,
            steps=options.steps,
            learning_rate=options.learning_rate,
            checkpoint=checkpoints and checkpoints / f"two-layer-{seed}-{alpha:g}-{width}-{options.steps}.pt",
            checkpoint_steps=every,
            what=f"two-layer: {len(units)} networks, alpha = {alpha:g}, width {width}",
        )
        with torch.no_grad():
            output = forward(trained, x).cpu().numpy()
            rng = generator(seed, "raf", "two-layer fresh", str(alpha), width)
            fresh = rng.normal(size=(FRESH, options.d))
            rows = torch.tensor(fresh / np.sqrt(options.d), dtype=torch.float32, device=device)
            test = forward(trained, rows.expand(len(units), -1, -1)).cpu().numpy()
        for number, (scale, decay, replicate) in enumerate(units):
            sample = samples[number]
            wrong = rules_facts.sign(test[number]) != rules_facts.sign(fresh @ sample.teacher)
            lost = rules_facts.sign(output[number]) != sample.y
            errors = (float(wrong.mean()), float(lost[sample.facts].mean()))
            found.append((alpha, width, scale, decay, replicate, *errors))
    columns = ["alpha", "width", "scale", "weight_decay", "replicate", "e_gen", "e_mem"]
    return pd.DataFrame(found, columns=columns)
