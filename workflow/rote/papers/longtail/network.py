"""Network track: sums of three images, learnt by networks that encode each image alone and by
networks that mix them.

`train_networks` trains every training set × weight decay × replicate of one architecture as one
stacked program and measures the loss on every test set.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rote import train
from rote.core.seeds import generator
from rote.models import slots
from rote.papers.longtail import settings
from rote.papers.longtail.dataset import GLYPHS_IN, WITHOUT_GLYPHS, nines


def units(options: settings.Network, architecture: str) -> list[tuple[str, float, int]]:
    """What one architecture trains: (training set, weight decay, replicate).

    Every architecture: the rare-digit sweep without decay, and glyphs with and without decay. The
    sum network also: the sweep with decay, every weight decay, tail companions, and no glyphs.
    """
    pairs = [(nines(count), 0.0) for count in options.rare_counts]
    pairs += [(GLYPHS_IN["head"], 0.0), (GLYPHS_IN["head"], options.decayed)]
    if architecture == "sum":
        pairs += [(nines(count), options.decayed) for count in options.rare_counts]
        pairs += [(GLYPHS_IN["head"], decay) for decay in options.weight_decays]
        pairs += [(name, 0.0) for name in GLYPHS_IN.values()] + [(WITHOUT_GLYPHS, 0.0)]
    return [
        (name, decay, r) for name, decay in dict.fromkeys(pairs) for r in range(options.replicates)
    ]


def train_networks(
    options: settings.Network,
    architecture: str,
    images: pd.DataFrame,
    rows: pd.DataFrame,
    seed: int,
    *,
    device: str = "cpu",
    checkpoints: Path | None = None,
    checkpoint_steps: int = 500,
    stack: int | None = None,
) -> pd.DataFrame:
    """Train all `units` of one architecture and measure them on every test set: the table
    NetworkLosses.

    Args:
        stack: networks per stacked program; None stacks all (ResNets: one at a time).
        checkpoints: folder for checkpoints, one file per stacked program.
    """
    side = int(images["side"].iloc[0])
    pixels = np.stack(images["pixels"].to_numpy()).astype(np.float32)
    digits = pixels[(images["kind"] == "digit").to_numpy()]
    bank = torch.tensor((pixels - digits.mean()) / digits.std(), device=device)  # (images, pixels)
    sets = {
        key: (
            group[["image_0", "image_1", "image_2"]].to_numpy(),
            group["target"].to_numpy(np.float32),
        )
        for key, group in rows.groupby(["replicate", "dataset"])
    }
    todo = units(options, architecture)
    size = stack or (len(todo) if options.backbone == "mlp" else 1)
    content = hashlib.sha256(bank.cpu().numpy())
    for ids, target in sets.values():
        content.update(ids.tobytes() + target.tobytes())
    found = []
    for start in range(0, len(todo), size):
        block = todo[start : start + size]
        identity = json.dumps(
            [options.model_dump(), architecture, block, seed, content.hexdigest()], sort_keys=True
        )
        key = hashlib.sha256(identity.encode()).hexdigest()[:16]
        path = checkpoints / f"{architecture}-{key}.pt" if checkpoints else None
        found += _train_block(
            options, architecture, block, bank, side, sets, seed, path, checkpoint_steps
        )
    return pd.DataFrame(
        found, columns=["architecture", "dataset", "weight_decay", "replicate", "evaluated", "mse"]
    )


def _train_block(
    options, architecture, block, bank, side, sets, seed, checkpoint, checkpoint_steps
) -> list[tuple]:
    """Train one stack of networks and evaluate it."""
    device, replicates = bank.device, [replicate for _, _, replicate in block]
    # one initialization per replicate, shared by its training sets and decays: differences are
    # theirs alone
    rngs = [
        generator(seed, "longtail", "init", architecture, replicate) for replicate in replicates
    ]
    network = slots.build(options.backbone, architecture, side, rngs)
    parameters = {name: value.to(device) for name, value in network.parameters.items()}
    for name, value in network.buffers.items():
        network.buffers[name] = value.to(device)
    chosen = [sets[replicate, f"train:{dataset}"] for dataset, _, replicate in block]
    ids = torch.tensor(np.stack([ids for ids, _ in chosen]), device=device)  # (models, n, 3)
    targets = torch.tensor(np.stack([target for _, target in chosen]), device=device)  # (models, n)
    n, batch = options.n, min(options.batch, options.n)
    per_epoch = -(-n // batch)  # the last batch of an epoch may be short: no row is skipped
    model = torch.arange(len(block), device=device)[:, None]
    order: dict[int, torch.Tensor] = {}

    def rows_at(
        step: int,
    ) -> torch.Tensor:  # (models, batch) rows, a fresh permutation per replicate and epoch
        epoch, part = divmod(step, per_epoch)
        if epoch not in order:
            order.clear()
            drawn = {
                r: generator(seed, "longtail", "order", r, epoch).permutation(n)
                for r in set(replicates)
            }
            order[epoch] = torch.tensor(np.stack([drawn[r] for r in replicates]), device=device)
        return order[epoch][:, part * batch : (part + 1) * batch]

    def pictures(
        ids: torch.Tensor,
    ) -> torch.Tensor:  # any shape -> (..., pixels); faster than indexing with a tensor
        return bank.index_select(0, ids.flatten()).view(*ids.shape, -1)

    def loss(parameters: dict[str, torch.Tensor], step: int) -> torch.Tensor:  # (models,)
        at = rows_at(step)
        output = network.forward(parameters, pictures(ids[model, at]), True)
        return ((output - targets[model, at]) ** 2).mean(1)

    trained = train.fit(
        parameters,
        loss,
        steps=options.epochs * per_epoch,
        learning_rate=options.learning_rate,
        weight_decay=torch.tensor([decay for _, decay, _ in block]),
        buffers=network.buffers,
        checkpoint=checkpoint,
        checkpoint_steps=checkpoint_steps,
        label=f"{architecture}: {len(block)} networks",
    )
    return _evaluate(architecture, block, network, trained, bank, sets)


@torch.no_grad()
def _evaluate(architecture, block, network, trained, bank, sets, chunk: int = 1000) -> list[tuple]:
    """Loss of every network of a stack on its own training set and on every test set that applies
    to it.
    """
    names = {name for _, name in sets}
    tests = sorted({name.split(":")[1] for name in names if name.startswith("test:")})
    found = []
    for evaluated in [*tests, "train"]:
        keys = []  # one data set per network: its own if there is such, else the one for all
        for dataset, _, replicate in block:
            own = f"train:{dataset}" if evaluated == "train" else f"test:{evaluated}:{dataset}"
            keys.append((replicate, own if own in names else f"test:{evaluated}"))
        there = [key in sets for key in keys]
        if not any(there):
            continue
        # a stack is evaluated as one program: networks without this set run on another's, and are
        # dropped
        picked = [
            sets[key if ok else keys[there.index(True)]]
            for key, ok in zip(keys, there, strict=True)
        ]
        ids = torch.tensor(np.stack([ids for ids, _ in picked]), device=bank.device)
        targets = torch.tensor(np.stack([target for _, target in picked]), device=bank.device)
        total = torch.zeros(len(block), dtype=torch.float64, device=bank.device)
        for start in range(0, ids.shape[1], chunk):
            part = slice(start, start + chunk)
            output = network.forward(trained, bank[ids[:, part]], False)
            total += ((output - targets[:, part]) ** 2).sum(1, dtype=torch.float64)
        for (dataset, decay, replicate), ok, mse in zip(
            block, there, (total / ids.shape[1]).tolist(), strict=True
        ):
            if ok:
                found.append((architecture, dataset, decay, replicate, evaluated, mse))
    return found
