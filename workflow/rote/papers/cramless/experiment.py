"""Making facts, pruning them by the losses of trained networks, training on what is left, and
asking what is known.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import prune, train
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import lm
from rote.papers.cramless import settings
from rote.papers.cramless.arms import OFFLINE, Arm, Data, data_sets
from rote.prune import online
from rote.synth import facts as synth

LOGGED = 100  # admitted shares that are kept of a training


def synthesize(options: settings.Facts, seed: int) -> pd.DataFrame:
    """Every data set and replicate: the table FactsTable."""
    parts = []
    for data in data_sets(options):
        for replicate in range(options.replicates):
            made = make(options, data, replicate, seed)
            rows = range(len(made.keys))
            columns = {
                "fact": rows,
                "key": [synth.key_text(made, row) for row in rows],
                "value": [synth.value_text(made, row) for row in rows],
                "tokens": list(made.tokens),
                "frequency": made.frequencies,
                "count": made.counts,
                "bits": made.bits,
            }
            parts.append(pd.DataFrame({"data": data.name, "replicate": replicate, **columns}))
    return pd.concat(parts, ignore_index=True)


def make(options: settings.Facts, data: Data, replicate: int, seed: int) -> synth.Facts:
    """One data set."""
    shape = options.model_dump(
        include={"key_symbols", "key_tokens", "value_symbols", "value_tokens"}
    )
    rng = generator(seed, "cramless", "facts", data.name, replicate)
    return synth.make(data.facts, rng, exponent=data.exponent, copies=data.copies, **shape)


def read(options: settings.Facts, table: pd.DataFrame, data: Data) -> list[synth.Facts]:
    """The fact sets of a data set, one per replicate, from the table FactsTable.

    Raises:
        InputError: if the table does not hold the data set.
    """
    rows = table[table["data"] == data.name]
    if rows.empty:
        raise InputError(
            f"the facts hold no data set {data.name!r}, but {', '.join(table['data'].unique())}"
        )
    found = []
    for _, group in rows.groupby("replicate"):
        group = group.sort_values("fact")
        tokens = np.stack(group["tokens"].to_numpy())
        keys, values = tokens[:, : options.key_tokens], tokens[:, options.key_tokens :]
        frequencies, counts = group["frequency"].to_numpy(), group["count"].to_numpy()
        found.append(
            synth.Facts(
                keys, values, frequencies, counts, options.key_symbols, options.value_symbols
            )
        )
    return found


def counts_of(pruned: pd.DataFrame, arm: Arm) -> list[np.ndarray]:
    """Copies that an offline selection keeps, per replicate, from the table Pruned."""
    scheme = arm.scheme.removeprefix("offline ")
    rows = pruned[(pruned["data"] == arm.data.name) & (pruned["scheme"] == scheme)]
    return [group.sort_values("fact")["count"].to_numpy() for _, group in rows.groupby("replicate")]


def prune_offline(options: settings.Facts, trained: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Data sets of exponent 1 chosen from the losses of networks with standard training: the table
    Pruned.

    `trained` is the table Trained of those networks. All schemes but `frequent` and `automatic`
    keep as many facts as `automatic` found to fit; `frequent` keeps as many of the most frequent
    facts (an oracle).
    """
    parts = []
    bits = options.value_tokens * np.log2(options.value_symbols)
    one = next(data for data in data_sets(options) if data.exponent == 1.0)
    rows = trained[trained["arm"].str.startswith(f"{one.name}, none")]
    for replicate, group in rows.groupby("replicate"):
        group = group.sort_values("fact")
        losses, counts = group["loss"].to_numpy(), group["count"].to_numpy()
        number = prune.automatic(losses, counts=counts, ignorance=bits * np.log(2))
        keep = number / (counts > 0).sum()
        for scheme in OFFLINE:
            rng = generator(seed, "cramless", "prune", one.name, scheme, int(replicate))
            if scheme == "frequent":
                kept = prune.select(
                    -counts.astype(float), keep, scheme="loss", counts=counts, rng=rng
                )
            else:
                by = {"automatic": "loss-flat"}.get(scheme, scheme)
                kept = prune.select(losses, keep, scheme=by, counts=counts, rng=rng)
            if scheme == "automatic":  # as flat as can be: every kept fact equally often
                kept = np.minimum(kept, 1)
            columns = {"fact": group["fact"].to_numpy(), "count": kept}
            parts.append(
                pd.DataFrame(
                    {"data": one.name, "scheme": scheme, "replicate": replicate, **columns}
                )
            )
    return pd.concat(parts, ignore_index=True)


def train_arm(
    arm: Arm,
    facts: list[synth.Facts],
    counts: list[np.ndarray],
    options: settings.Training,
    seed: int,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    every: int = 500,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train the replicates of an arm as one stack.

    Args:
        facts: one fact set per replicate.
        counts: copies of each fact to train on, per replicate (after offline selection).

    Returns:
        Rows of the tables Trained, Runs and Shares.
    """
    first, replicates = facts[0], len(facts)
    start = first.keys.shape[1] - 1  # the position that predicts the first value token
    low, length = first.key_symbols, first.tokens.shape[1] - 1
    rngs = [generator(seed, "cramless", "weights", arm.name, r) for r in range(replicates)]
    transformer = lm.Transformer(
        options.architecture, first.vocabulary, length, arm.width, options.layers, options.heads
    )
    stack = lm.build(transformer, rngs, device)
    table = torch.tensor(
        np.stack([f.tokens for f in facts]), device=device
    )  # (replicates, N, tokens)
    orders = [
        train.EpochSampler(c, seed, "cramless", "order", arm.name, r) for r, c in enumerate(counts)
    ]
    selects, alone = arm.scheme in online.SCHEMES, round(options.unselected * arm.steps)
    buffers = {
        "share": torch.full(
            (replicates,), options.fixed_share if "low" in arm.scheme else 1.0, device=device
        ),
        "seen": torch.zeros(replicates, first.tokens.shape[0], device=device),
        "shares": torch.ones(LOGGED, replicates, device=device),
    }

    def examples(at: int, count: int) -> Tensor:
        return torch.tensor(np.stack([order.take(at, count) for order in orders]), device=device)

    def losses(parameters: lm.Parameters, ids: Tensor) -> Tensor:  # (replicates, examples) -> nats
        tokens = table.gather(1, ids[..., None].expand(-1, -1, table.shape[-1]))
        with torch.autocast(
            torch.device(device).type, torch.bfloat16, enabled=options.precision == "bf16"
        ):
            logits = stack.forward(parameters, tokens[..., :-1], start, low)
        return lm.value_losses(logits, tokens[..., start + 1 :], low)

    def loss(parameters: lm.Parameters, step: int) -> Tensor:
        if not selects or step < alone:
            ids = examples(step * options.batch, options.batch)
            weights = torch.ones_like(ids, dtype=torch.float32)
        else:
            ids = examples(
                alone * options.batch + (step - alone) * options.candidates, options.candidates
            )
            with torch.no_grad():
                candidate = losses(parameters, ids)
            if not bool(torch.isfinite(candidate).all()):
                replicate, at = (~torch.isfinite(candidate)).nonzero()[0].tolist()
                fact, value = int(ids[replicate, at]), float(candidate[replicate, at])
                raise FloatingPointError(
                    f"{arm.name}: loss of fact {fact} of replicate {replicate} is {value} at step "
                    f"{step}; "
                    "lower learning_rate"
                )
            choice = online.choose(candidate, buffers["share"], step / arm.steps, scheme=arm.scheme)
            ids, weights = ids.gather(1, choice.chosen), choice.weights
            buffers["share"].copy_(choice.share)
        buffers["seen"].scatter_add_(1, ids, weights)
        buffers["shares"][step * LOGGED // arm.steps] = buffers["share"]
        per_token = losses(parameters, ids) / (table.shape[-1] - start - 1)
        return (per_token * weights).sum(1) / weights.sum(1).clamp(min=1)

    trained = train.fit(
        stack.parameters,
        loss,
        steps=arm.steps,
        learning_rate=options.learning_rate,
        schedule=train.cosine(arm.steps, warmup=options.warmup, floor=0.02),
        betas=(0.9, 0.98),
        buffers=buffers,
        checkpoint=checkpoint,
        checkpoint_steps=every,
        label=arm.name,
    )
    known = evaluate(stack, trained, table, start, low)
    return _frames(arm, facts, stack.size, known, buffers, options)


def evaluate(
    stack: lm.LanguageStack,
    parameters: lm.Parameters,
    table: Tensor,
    start: int,
    low: int,
    block: int = 2048,
) -> tuple[np.ndarray, np.ndarray]:
    """Loss in nats and whether greedy decoding recites it, for every fact, (models, N) each.

    Greedy decoding gives the whole value exactly if each token is the likeliest one after the true
    ones before it.
    """
    found = []
    with torch.no_grad():
        for tokens in table.split(block, dim=1):
            logits = stack.forward(parameters, tokens[..., :-1], start, low)
            values = tokens[..., start + 1 :]
            exact = (logits.argmax(-1) == values - low).all(-1)
            found.append((lm.value_losses(logits, values, low).cpu().numpy(), exact.cpu().numpy()))
    losses, recited = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    return losses.astype(float), recited


def _frames(
    arm, facts, size, known, buffers, options
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    per_fact, runs, shares = [], [], []
    losses, recited = known
    alone = round(options.unselected * arm.steps)
    scored = (arm.steps - alone) * options.candidates if arm.scheme in online.SCHEMES else 0
    for r, made in enumerate(facts):
        seen, counts = buffers["seen"][r].cpu().numpy().astype(float), made.counts
        columns = {
            "fact": np.arange(len(counts)),
            "count": counts,
            "seen": seen,
            "loss": losses[r],
            "recited": recited[r],
        }
        per_fact.append(pd.DataFrame({"arm": arm.name, "replicate": r, **columns}))
        there = counts > 0
        stored = np.maximum(made.bits - losses[r] / np.log(2), 0)[there].sum()
        runs.append(
            {
                "arm": arm.name,
                "group": arm.group,
                "data": arm.data.name,
                "exponent": arm.data.exponent,
                "facts": arm.data.facts,
                "scheme": arm.scheme,
                "width": arm.width,
                "steps": arm.steps,
                "replicate": r,
                "parameters": size,
                "present": int(there.sum()),
                "recited": int((recited[r] & there).sum()),
                "weighted": float((recited[r] * counts).sum() / counts.sum()),
                "stored": float(stored),
                "bits": made.bits,
                "trained": float(seen.sum()),
                "scored": float(scored),
            }
        )
        steps = np.arange(LOGGED) * arm.steps // LOGGED
        column = buffers["shares"][:, r].cpu().numpy().astype(float)
        share = pd.DataFrame({"arm": arm.name, "replicate": r, "step": steps, "share": column})
        shares.append(share.drop_duplicates("step"))
    return pd.concat(per_fact), pd.DataFrame(runs), pd.concat(shares)
