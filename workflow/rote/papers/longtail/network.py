"""Network track: sums of three images, learnt by networks that encode each image alone and by networks that mix them.

`synthesize_images` and `synthesize_triples` make the data, `train` trains every training set × weight decay ×
replicate of one architecture as one stacked program and measures the loss on every test set.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rote import data, train
from rote.models import slots
from rote.papers.longtail import settings
from rote.seeds import generator
from rote.synth import triples

GLYPHS_IN = {companions: f"glyphs-{companions}" for companions in triples.COMPANIONS}
WITHOUT_GLYPHS = "no-glyphs"


def nines(count: int) -> str:
    """Name of the training set with `count` 9s."""
    return f"nines-{count}"


def synthesize_images(options: settings.Images, replicates: int, seed: int) -> pd.DataFrame:
    """The digit images, and ten glyphs per replicate: the table ImageBank."""
    source = data.digits() if options.source == "digits" else data.mnist(options.root, download=options.download)
    side = source.pixels.shape[1]
    pixels, labels = [source.pixels], [source.labels]
    kinds, owners = ["digit"] * len(source.labels), [-1] * len(source.labels)
    for replicate in range(replicates):
        rng = generator(seed, "longtail", "glyphs", replicate)
        if options.glyphs == "drawn":
            drawn = triples.draw_glyphs(side, source.largest, rng)
        else:
            drawn = data.omniglot(options.glyph_root, triples.GLYPHS, side, rng, download=options.download)
            drawn = (drawn.astype(float) * source.largest / 255).round().astype(np.uint8)
        pixels.append(drawn)
        labels.append(rng.permutation(triples.GLYPHS))
        kinds += ["glyph"] * triples.GLYPHS
        owners += [replicate] * triples.GLYPHS
    flat = np.concatenate(pixels).reshape(len(kinds), -1)
    return pd.DataFrame(
        {
            "image": np.arange(len(kinds)),
            "kind": kinds,
            "replicate": owners,
            "label": np.concatenate(labels),
            "side": side,
            "pixels": list(flat.astype(np.int64)),
        }
    )


def synthesize_triples(
    images: pd.DataFrame,
    options: settings.Network | settings.Kernel,
    track: str,
    zipf: float,
    rare_counts: Iterable[int],
    held_out: int,
    seed: int,
) -> pd.DataFrame:
    """Training sets (rare-digit sweep, glyphs beside head, zipf and tail companions, none) and test sets: Triples.

    Args:
        options: gives the sizes n, test_rows, replicates.
        track: `network` or `kernel`; each has its own random streams.
    """
    labels, digits = images["label"].to_numpy(), int((images["kind"] == "digit").sum())
    frames = []
    for replicate in range(options.replicates):
        rng = lambda *key, r=replicate: generator(seed, "longtail", "triples", track, r, *key)  # noqa: E731
        glyphs = images.loc[images["replicate"] == replicate, "image"].to_numpy()
        bank = triples.split(labels, digits, glyphs, held_out, rng("split"))
        base = triples.base(bank, options.n, zipf, rng("base"))
        train_sets = {nines(count): triples.with_nines(base, bank, count, rng("nines", count)) for count in rare_counts}
        train_sets[WITHOUT_GLYPHS] = base
        for companions, name in GLYPHS_IN.items():
            train_sets[name] = triples.with_glyphs(base, bank, companions, zipf, rng("companions", companions))
        tests = triples.tests(bank, options.test_rows, zipf, rng("tests"))
        for name, rows in train_sets.items():
            own = {}  # test sets that belong to this training set
            if name.startswith("nines-"):
                pairs = triples.seen_pairs(rows, bank, options.test_rows, rng("pairs", name))
                own = {} if pairs is None else {"seen9x2": pairs}
            triples.check(bank, rows, tests | own)
            if not name.startswith("nines-"):  # the glyph rows themselves; without them, those it would have had
                own["gl_train"] = train_sets[name if name in GLYPHS_IN.values() else GLYPHS_IN["head"]][
                    -triples.GLYPHS :
                ]
            frames += [_frame(replicate, f"test:{test}:{name}", ids, labels) for test, ids in own.items()]
            frames.append(_frame(replicate, f"train:{name}", rows, labels))
        frames += [_frame(replicate, f"test:{name}", rows, labels) for name, rows in tests.items()]
    return pd.concat(frames, ignore_index=True)


def units(options: settings.Network, architecture: str) -> list[tuple[str, float, int]]:
    """What one architecture trains: (training set, weight decay, replicate).

    Every architecture: the rare-digit sweep without decay, and glyphs with and without decay. The sum network also:
    the sweep with decay, every weight decay, tail companions, and no glyphs.
    """
    pairs = [(nines(count), 0.0) for count in options.rare_counts]
    pairs += [(GLYPHS_IN["head"], 0.0), (GLYPHS_IN["head"], options.decayed)]
    if architecture == "sum":
        pairs += [(nines(count), options.decayed) for count in options.rare_counts]
        pairs += [(GLYPHS_IN["head"], decay) for decay in options.weight_decays]
        pairs += [(GLYPHS_IN[companions], 0.0) for companions in triples.COMPANIONS] + [(WITHOUT_GLYPHS, 0.0)]
    return [(name, decay, r) for name, decay in dict.fromkeys(pairs) for r in range(options.replicates)]


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
    """Train all `units` of one architecture and measure them on every test set: the table NetworkLosses.

    Args:
        stack: networks per stacked program; None stacks all (ResNets: one at a time).
        checkpoints: folder for checkpoints, one file per stacked program.
    """
    side = int(images["side"].iloc[0])
    pixels = np.stack(images["pixels"].to_numpy()).astype(np.float32)
    digits = pixels[(images["kind"] == "digit").to_numpy()]
    bank = torch.tensor((pixels - digits.mean()) / digits.std(), device=device)  # (images, pixels)
    sets = {
        key: (group[["image_0", "image_1", "image_2"]].to_numpy(), group["target"].to_numpy(np.float32))
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
        identity = json.dumps([options.model_dump(), architecture, block, seed, content.hexdigest()], sort_keys=True)
        key = hashlib.sha256(identity.encode()).hexdigest()[:16]
        path = checkpoints / f"{architecture}-{key}.pt" if checkpoints else None
        found += _train_block(options, architecture, block, bank, side, sets, seed, path, checkpoint_steps)
    return pd.DataFrame(found, columns=["architecture", "dataset", "weight_decay", "replicate", "evaluated", "mse"])


def drop_checkpoints(folder: Path, architecture: str) -> None:
    """Remove an architecture's checkpoints, once its result is safe."""
    for path in folder.glob(f"{architecture}-*.pt"):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _train_block(options, architecture, block, bank, side, sets, seed, checkpoint, checkpoint_steps) -> list[tuple]:
    """Train one stack of networks and evaluate it."""
    device, replicates = bank.device, [replicate for _, _, replicate in block]
    # one initialization per replicate, shared by its training sets and decays: differences are theirs alone
    rngs = [generator(seed, "longtail", "init", architecture, replicate) for replicate in replicates]
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

    def rows_at(step: int) -> torch.Tensor:  # (models, batch) rows, a fresh permutation per replicate and epoch
        epoch, part = divmod(step, per_epoch)
        if epoch not in order:
            order.clear()
            drawn = {r: generator(seed, "longtail", "order", r, epoch).permutation(n) for r in set(replicates)}
            order[epoch] = torch.tensor(np.stack([drawn[r] for r in replicates]), device=device)
        return order[epoch][:, part * batch : (part + 1) * batch]

    def loss(parameters: dict[str, torch.Tensor], step: int) -> torch.Tensor:  # (models,)
        at = rows_at(step)
        output = network.forward(parameters, bank[ids[model, at]], True)
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
        what=f"{architecture}: {len(block)} networks",
    )
    return _evaluate(architecture, block, network, trained, bank, sets)


@torch.no_grad()
def _evaluate(architecture, block, network, trained, bank, sets, chunk: int = 1000) -> list[tuple]:
    """Loss of every network of a stack on its own training set and on every test set that applies to it."""
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
        # a stack is evaluated as one program: networks without this set run on another's, and are dropped
        picked = [sets[key if ok else keys[there.index(True)]] for key, ok in zip(keys, there, strict=True)]
        ids = torch.tensor(np.stack([ids for ids, _ in picked]), device=bank.device)
        targets = torch.tensor(np.stack([target for _, target in picked]), device=bank.device)
        total = torch.zeros(len(block), dtype=torch.float64, device=bank.device)
        for start in range(0, ids.shape[1], chunk):
            part = slice(start, start + chunk)
            output = network.forward(trained, bank[ids[:, part]], False)
            total += ((output - targets[:, part]) ** 2).sum(1, dtype=torch.float64)
        for (dataset, decay, replicate), ok, mse in zip(block, there, (total / ids.shape[1]).tolist(), strict=True):
            if ok:
                found.append((architecture, dataset, decay, replicate, evaluated, mse))
    return found


def _frame(replicate: int, dataset: str, ids: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "replicate": replicate,
            "dataset": dataset,
            "row": np.arange(len(ids)),
            "image_0": ids[:, 0],
            "image_1": ids[:, 1],
            "image_2": ids[:, 2],
            "target": labels[ids].sum(axis=1).astype(float),
        }
    )
