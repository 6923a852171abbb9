"""Facts in natural text: finding them in a corpus, and GPT-2 trained on it with and without
selection by loss.

One training may span several devices: every process sees the same candidates, scores its part, and
all choose together, so that the number of processes changes nothing but speed.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from rote import train
from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator, torch_seed
from rote.data.corpora import Document
from rote.papers.cramless import settings
from rote.prune import online


class Examples(NamedTuple):
    """Blocks of text with the tokens of annotated values."""

    tokens: np.ndarray  # (examples, context) int32, padded with 0
    lengths: np.ndarray  # (examples,)
    values: (
        np.ndarray
    )  # (examples, context) int32: fact + 1 where a token belongs to its value, else 0


def examples(
    documents: Iterable[Document], annotations: pd.DataFrame, tokenizer, context: int
) -> Examples:
    """Cut every document into blocks of `context` tokens. A value that a block's end cuts is not
    counted there.
    """
    spans = {
        name: rows[["fact", "start", "end"]].to_numpy()
        for name, rows in annotations.groupby("document")
    }
    tokens, lengths, values = [], [], []
    for document in documents:
        coded = tokenizer(document.text, return_offsets_mapping=True, add_special_tokens=False)
        ids, offsets = (
            np.array(coded["input_ids"], np.int32),
            np.array(coded["offset_mapping"]).reshape(-1, 2),
        )
        marks = np.zeros(len(ids), np.int32)
        for fact, start, end in spans.get(document.id, ()):
            inside = np.flatnonzero((offsets[:, 1] > start) & (offsets[:, 0] < end))
            if (
                len(inside)
                and inside[0] // context == inside[-1] // context
                and inside[0] % context
            ):
                marks[inside] = fact + 1
        for begin in range(0, len(ids), context):
            block = slice(begin, begin + context)
            length = len(ids[block])
            if length > 1:
                tokens.append(np.pad(ids[block], (0, context - length)))
                values.append(np.pad(marks[block], (0, context - length)))
                lengths.append(length)
    if not tokens:
        raise InputError("the corpus holds no text of two tokens or more")
    return Examples(np.stack(tokens), np.array(lengths), np.stack(values))


class Outcome(NamedTuple):
    """One trained network."""

    parameters: int
    recited: np.ndarray  # (facts that occur,) bool
    losses: list[float]  # of every step, nats per token
    trained: int
    scored: int


def fit(
    data: Examples,
    shape: Sequence[int],
    scheme: str,
    vocabulary: int,
    options: settings.Text,
    seed: int,
    *,
    devices: Sequence[str] = (),
    processes: int = 1,
    checkpoint: Path | None = None,
    every: int = 500,
) -> Outcome:
    """Train one GPT-2 of `shape` (layers, heads, width), `scheme` none or auto, over the devices or
    CPU processes.
    """
    world = max(len(devices), processes)
    arguments = (
        data,
        tuple(shape),
        scheme,
        vocabulary,
        options,
        seed,
        bool(devices),
        checkpoint,
        every,
    )
    if world == 1:
        return _work(0, 1, "", None, *arguments)
    port = f"tcp://127.0.0.1:{_free_port()}"
    with torch.multiprocessing.get_context("spawn").Manager() as manager:
        box = manager.dict()
        torch.multiprocessing.spawn(_work, args=(world, port, box, *arguments), nprocs=world)
        return Outcome(*box["outcome"])


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _work(
    rank, world, port, box, data, shape, scheme, vocabulary, options, seed, cuda, checkpoint, every
):
    """One process of a training."""
    from rote.data.images import torchvision

    torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    device = torch.device(f"cuda:{rank}" if cuda and torch.cuda.is_available() else "cpu")
    if world > 1:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=port,
            rank=rank,
            world_size=world,
        )
    layers, heads, width = shape
    torch.manual_seed(torch_seed(seed, "cramless", "text", *shape))
    off = {
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=options.context,
        n_layer=layers,
        n_head=heads,
        n_embd=width,
        **off,
    )
    model = GPT2LMHeadModel(config).to(device)
    body = torch.compile(model) if options.compile else model
    if world > 1:
        body = DistributedDataParallel(body, device_ids=[rank] if device.type == "cuda" else None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)
    state = {"step": 0, "share": torch.ones(1), "losses": [], "trained": 0, "scored": 0}
    if checkpoint is not None and checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    factor = train.cosine(options.steps, warmup=options.warmup, floor=0.02)
    selects, alone = scheme != "none", round(options.unselected * options.steps)
    steps = range(state["step"], options.steps)
    if rank == 0:
        steps = track(steps, "training", status=lambda: f"loss {state['losses'][-1]:.4g}")
    for step in steps:
        if selects and step >= alone:
            ids = _draw(len(data.tokens), seed, step, options.candidates)
            with torch.no_grad():
                own = _losses(model, data, ids[rank::world], options, device)[1]
            scores = _gathered(own, len(ids), rank, world)
            choice = online.choose(
                scores[None],
                state["share"],
                step / options.steps,
                scheme="auto",
                least=options.batch,
            )
            state["share"], state["scored"] = choice.share.cpu(), state["scored"] + len(ids)
            ids = ids[choice.chosen[0][choice.weights[0] > 0].cpu().numpy()]
        else:
            ids = _draw(len(data.tokens), seed, step, options.batch)
        total = float((data.lengths[ids] - 1).sum())
        mine, seen = ids[rank::world], 0.0
        optimizer.zero_grad()
        blocks = [mine[at : at + options.micro] for at in range(0, len(mine), options.micro)] or [
            mine
        ]
        for number, block in enumerate(blocks):
            sync = body.no_sync() if world > 1 and number + 1 < len(blocks) else _nothing()
            with sync:
                # DDP averages over processes: times `world` it is the sum over the whole batch
                loss = _losses(body, data, block, options, device)[0].sum() * world / total
                loss.backward()
            seen += float(loss.detach()) / world
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * factor(step)
        optimizer.step()
        state["losses"].append(_summed(seen, device, world))
        state["trained"] += len(ids)
        if not np.isfinite(state["losses"][-1]):
            raise FloatingPointError(
                f"loss is {state['losses'][-1]} at step {step}; lower learning_rate"
            )
        state["step"] = step + 1
        if (
            checkpoint is not None
            and rank == 0
            and (step + 1) % every == 0
            and step + 1 < options.steps
        ):
            with tables.atomic(checkpoint) as temporary:
                content = {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "state": state,
                }
                torch.save(content, temporary)
    size = sum(value.numel() for value in model.parameters())
    recited = _recited(model, data, options, device) if rank == 0 else np.zeros(0, bool)
    outcome = Outcome(size, recited, state["losses"], state["trained"], state["scored"])
    if world > 1:
        if rank == 0:
            box["outcome"] = tuple(outcome)
        dist.barrier()
        dist.destroy_process_group()
    return outcome


class _nothing:
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return False


def _draw(count: int, seed: int, step: int, size: int) -> np.ndarray:
    """The global batch of a step: the same in every process, and again after a resumption."""
    epoch, at = divmod(step * size, count)
    order = generator(seed, "cramless", "text order", size, epoch).permutation(count)
    rest = order[at : at + size]
    while len(rest) < size:
        epoch += 1
        order = generator(seed, "cramless", "text order", size, epoch).permutation(count)
        rest = np.concatenate([rest, order[: size - len(rest)]])
    return rest


def _losses(
    model, data: Examples, ids: np.ndarray, options: settings.Text, device
) -> tuple[Tensor, Tensor]:
    """Per example: loss summed over its tokens, and its loss per fact, summed over value tokens (0
    without facts).
    """
    if not len(ids):
        return torch.zeros(0, device=device), torch.zeros(0, device=device)
    whole, facts = [], []
    for at in range(0, len(ids), options.micro):
        block = ids[at : at + options.micro]
        tokens = torch.tensor(data.tokens[block].astype(np.int64), device=device)
        there = (
            torch.arange(tokens.shape[1] - 1, device=device)
            < torch.tensor(data.lengths[block], device=device)[:, None] - 1
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            logits = model(tokens, use_cache=False).logits[:, :-1]
        each = (
            F.cross_entropy(logits.float().transpose(1, 2), tokens[:, 1:], reduction="none") * there
        )
        marks = data.values[block][:, 1:]
        held = np.array([max(1, len(np.unique(row[row > 0]))) for row in marks])
        value = torch.tensor(marks > 0, device=device)
        whole.append(each.sum(1))
        facts.append((each * value).sum(1) / torch.tensor(held, device=device))
    return torch.cat(whole), torch.cat(facts)


def _gathered(own: Tensor, count: int, rank: int, world: int) -> Tensor:
    """Everybody's losses in the order of the candidates, which were dealt out by turns."""
    if world == 1:
        return own
    padded = torch.full((-(-count // world),), torch.inf, device=own.device)
    padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    return torch.stack(parts, dim=1).flatten()[:count]


def _summed(value: float, device, world: int) -> float:
    if world == 1:
        return value
    total = torch.tensor([value], dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return float(total)


def _recited(model, data: Examples, options: settings.Text, device) -> np.ndarray:
    """Whether greedy decoding gives the value where a fact is first mentioned, per fact that
    occurs.
    """
    first: dict[int, int] = {}
    for row in np.flatnonzero(data.values.any(axis=1)):
        for fact in np.unique(data.values[row][data.values[row] > 0]):
            first.setdefault(int(fact), int(row))
    found = []
    with torch.no_grad():
        for fact, row in sorted(first.items()):
            tokens = torch.tensor(data.tokens[row : row + 1].astype(np.int64), device=device)
            guessed = model(tokens, use_cache=False).logits[0, :-1].argmax(-1).cpu().numpy()
            at = np.flatnonzero(data.values[row][1:] == fact)
            at = at[
                : np.flatnonzero(np.diff(at, append=at[-1] + 2) > 1)[0] + 1
            ]  # the first mention alone
            found.append(bool((guessed[at] == data.tokens[row][1:][at]).all()))
    return np.array(found, bool)
