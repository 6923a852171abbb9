"""Facts in natural text: finding them, and GPT-2 trained with and without selection by loss.

One training may span several devices: every process sees the same candidates, scores its part, and
all choose together, so that the number of processes changes nothing but speed.
"""

import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

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
from rote.data import corpora, statements
from rote.data.corpora import Document
from rote.models import pretrained
from rote.papers.cramless import schema
from rote.papers.cramless.arms import TextArm
from rote.papers.cramless.settings import CramlessText
from rote.prune import online
from rote.readers import weights


class TextBlocks(NamedTuple):
    """Blocks of text with the tokens of annotated values."""

    tokens: np.ndarray  # (blocks, context) int32, padded with 0
    lengths: np.ndarray  # (blocks,) tokens of each
    values: np.ndarray  # (blocks, context) int32: fact + 1 where a token belongs to a value, else 0


class TextTraining(NamedTuple):
    """One GPT-2 to train."""

    blocks: TextBlocks
    shape: tuple[int, int, int]  # layers, heads, width
    online: str  # rule of rote.prune.ONLINE that selects candidates; "" for none
    vocabulary: int
    options: CramlessText
    seed: int
    checkpoint: Path | None = None
    checkpoint_steps: int = 500


class TextOutcome(NamedTuple):
    """One trained network."""

    parameters: int
    recited: np.ndarray  # (facts that occur,) bool
    losses: list[float]  # of every step, nats per token
    trained: int  # blocks with a gradient
    scored: int  # blocks that were only scored


class Processes(NamedTuple):
    """What trains, and where it saves its state."""

    devices: Sequence[str] = ()
    count: int = 1  # processes where there is no device
    checkpoints: Path | None = None  # folder; None writes none
    checkpoint_steps: int = 500


class Worker(NamedTuple):
    """One process of a training."""

    rank: int
    count: int  # processes in all
    device: torch.device


# ---- corpus


def annotate_corpus(options: CramlessText) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Where the corpus states the facts of the table: the tables Mentions and MentionCounts.

    Raises:
        InputError: if it states none of them.
    """
    facts = statements.read_facts(options.facts)
    documents = track(corpora.documents(options.corpus, options.column), "documents")
    mentions = statements.annotate(documents, facts, options.window)
    if mentions.empty:
        raise InputError(
            f"no fact of {options.facts} is stated in {options.corpus}; "
            "raise `window` or check both"
        )
    counts = mentions.groupby("fact").size().reindex(range(len(facts)), fill_value=0)
    columns = {"fact": counts.index, "mentions": counts.to_numpy()}
    return mentions, tables.frame(schema.MentionCounts, columns)


def cut_blocks(
    documents: Iterable[Document], annotations: pd.DataFrame, tokenizer: Any, context: int
) -> TextBlocks:
    """Every document in blocks of `context` tokens.

    A value that a block's end cuts, or that begins a block, is not counted there.

    Args:
        documents: of the corpus.
        annotations: table Mentions.
        context: tokens of a block.
        tokenizer: of transformers' fast kind.

    Raises:
        InputError: for a corpus without two tokens in a row.
    """
    spans = {
        name: rows[["fact", "start", "end"]].to_numpy()
        for name, rows in annotations.groupby("document")
    }
    tokens = []
    lengths = []
    values = []
    for document in documents:
        coded = tokenizer(document.text, return_offsets_mapping=True, add_special_tokens=False)
        token_ids = np.array(coded["input_ids"], np.int32)
        offsets = np.array(coded["offset_mapping"]).reshape(-1, 2)
        marks = _marked(offsets, spans.get(document.id, ()), context)
        for begin in range(0, len(token_ids), context):
            block = slice(begin, begin + context)
            length = len(token_ids[block])
            if length > 1:
                tokens.append(np.pad(token_ids[block], (0, context - length)))
                values.append(np.pad(marks[block], (0, context - length)))
                lengths.append(length)
    if not tokens:
        raise InputError("the corpus holds no text of two tokens or more")
    return TextBlocks(np.stack(tokens), np.array(lengths), np.stack(values))


def _marked(offsets: np.ndarray, spans: Iterable[np.ndarray], context: int) -> np.ndarray:
    """fact + 1 at the tokens of values that lie in one block, else 0, (tokens,) int32."""
    marks = np.zeros(len(offsets), np.int32)
    for fact, start, end in spans:
        inside = np.flatnonzero((offsets[:, 1] > start) & (offsets[:, 0] < end))
        if not len(inside):
            continue
        in_one_block = inside[0] // context == inside[-1] // context
        if in_one_block and inside[0] % context:
            marks[inside] = fact + 1
    return marks


# ---- training


def train_replicates(
    arm: TextArm,
    options: CramlessText,
    annotations: pd.DataFrame,
    seed: int,
    processes: Processes,
) -> pd.DataFrame:
    """Train the replicates of an arm one after another: the table TextRuns.

    Args:
        arm: size of the networks, and whether candidates are selected.
        options: corpus, tokenizer and training.
        annotations: table Mentions.
        seed: of the first replicate; the next ones follow it.
        processes: what trains, and where it saves its state.
    """
    tokenizer = pretrained.tokenizer(options.tokenizer)
    documents = corpora.documents(options.corpus, options.column)
    blocks = cut_blocks(documents, annotations, tokenizer, options.context)
    rows = []
    for replicate in range(options.replicates):
        training = TextTraining(
            blocks=blocks,
            shape=arm.shape(options),
            online=arm.scheme.online,
            vocabulary=len(tokenizer),
            options=options,
            seed=seed + replicate,
            checkpoint=processes.checkpoints and processes.checkpoints / f"{seed + replicate}.pt",
            checkpoint_steps=processes.checkpoint_steps,
        )
        outcome = fit(training, devices=processes.devices, processes=processes.count)
        rows.append(
            {
                "size": arm.size,
                "scheme": arm.scheme.name,
                "replicate": replicate,
                "parameters": outcome.parameters,
                "facts": len(outcome.recited),
                "recited": int(outcome.recited.sum()),
                "trained": outcome.trained,
                "scored": outcome.scored,
            }
        )
    return tables.frame(schema.TextRuns, rows)


def fit(training: TextTraining, devices: Sequence[str] = (), processes: int = 1) -> TextOutcome:
    """Train one GPT-2 over the devices, or over so many CPU processes."""
    count = max(len(devices), processes)
    if count == 1:
        return _train(Worker(0, 1, _device(0, bool(devices))), training)
    address = f"tcp://127.0.0.1:{_free_port()}"
    with torch.multiprocessing.get_context("spawn").Manager() as manager:
        results = manager.dict()
        arguments = (count, bool(devices), address, results, training)
        torch.multiprocessing.spawn(_join, args=arguments, nprocs=count)
        return TextOutcome(*results["outcome"])


def _device(rank: int, cuda: bool) -> torch.device:
    return torch.device(f"cuda:{rank}" if cuda and torch.cuda.is_available() else "cpu")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _join(
    rank: int, count: int, cuda: bool, address: str, results: Any, training: TextTraining
) -> None:
    """One process of several: the first puts the outcome into `results`."""
    device = _device(rank, cuda)
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=count)
    outcome = _train(Worker(rank, count, device), training)
    if rank == 0:
        results["outcome"] = tuple(outcome)
    dist.barrier()
    dist.destroy_process_group()


def _train(worker: Worker, training: TextTraining) -> TextOutcome:
    options, blocks = training.options, training.blocks
    model = _gpt2(training).to(worker.device)
    body = torch.compile(model) if options.compile else model
    if worker.count > 1:
        device_ids = [worker.rank] if worker.device.type == "cuda" else None
        body = DistributedDataParallel(body, device_ids=device_ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)
    state = _resumed(training.checkpoint, model, optimizer, worker.device)
    factor = train.cosine(options.steps, warmup=options.warmup, floor=0.02)
    steps: Iterable[int] = range(state["step"], options.steps)
    if worker.rank == 0:
        steps = track(steps, "training", status=lambda: f"loss {state['losses'][-1]:.4g}")
    for step in steps:
        rows = _batch(model, training, worker, state, step)
        optimizer.zero_grad()
        loss = _backward(body, blocks, rows, options, worker)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * factor(step)
        optimizer.step()
        state["losses"].append(_summed(loss, worker))
        state["trained"] += len(rows)
        state["step"] = step + 1
        if not np.isfinite(state["losses"][-1]):
            raise FloatingPointError(
                f"loss is {state['losses'][-1]} at step {step}; lower learning_rate"
            )
        if worker.rank == 0:
            _save_checkpoint(training, model, optimizer, state)
    size = sum(value.numel() for value in model.parameters())
    recited = np.zeros(0, bool)
    if worker.rank == 0:
        recited = _recited(model, blocks, worker.device)
    return TextOutcome(
        parameters=size,
        recited=recited,
        losses=state["losses"],
        trained=state["trained"],
        scored=state["scored"],
    )


def _gpt2(training: TextTraining) -> Any:
    """A new GPT-2 without dropout."""
    from rote.data.images import torchvision

    torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    layers, heads, width = training.shape
    torch.manual_seed(torch_seed(training.seed, "cramless", "text", *training.shape))
    config = GPT2Config(
        vocab_size=training.vocabulary,
        n_positions=training.options.context,
        n_layer=layers,
        n_head=heads,
        n_embd=width,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return GPT2LMHeadModel(config)


def _resumed(
    checkpoint: Path | None, model: Any, optimizer: torch.optim.Optimizer, device: torch.device
) -> dict[str, Any]:
    """The state of the training: that of the checkpoint, if there is one."""
    state = {"step": 0, "share": torch.ones(1), "losses": [], "trained": 0, "scored": 0}

    def adopt(saved: dict[str, Any]) -> None:
        if saved["state"].keys() != state.keys():
            raise ValueError("it is of another training")
        shapes = {name: value.shape for name, value in saved["model"].items()}
        if shapes != {name: value.shape for name, value in model.state_dict().items()}:
            raise ValueError("it is of another network")
        optimizer.load_state_dict(saved["optimizer"])
        model.load_state_dict(saved["model"])
        state.update(saved["state"])

    weights.resume(checkpoint, adopt, device)
    return state


def _save_checkpoint(
    training: TextTraining, model: Any, optimizer: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """Write the state now and then, but not at the end."""
    step = state["step"]
    due = step % training.checkpoint_steps == 0 and step < training.options.steps
    if training.checkpoint is None or not due:
        return
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "state": state}
    with tables.atomic(training.checkpoint) as temporary:
        torch.save(content, temporary)


def _batch(
    model: Any, training: TextTraining, worker: Worker, state: dict[str, Any], step: int
) -> np.ndarray:
    """Blocks to train on at a step, of all processes; with selection those of the lowest loss."""
    options, n_blocks = training.options, len(training.blocks.tokens)
    if not training.online or step < round(options.unselected_share * options.steps):
        return _draw(n_blocks, training.seed, step, options.batch)
    candidates = _draw(n_blocks, training.seed, step, options.candidates)
    part = candidates[worker.rank :: worker.count]
    with torch.no_grad():
        losses = _losses(model, training.blocks, part, options, worker.device)[1]
    losses = _gathered(losses, len(candidates), worker)
    choice = online.choose(
        losses[None],
        state["share"],
        step / options.steps,
        scheme=training.online,
        min_admitted=options.batch,
    )
    state["share"] = choice.share.cpu()
    state["scored"] += len(candidates)
    return candidates[choice.chosen[0][choice.weights[0] > 0].cpu().numpy()]


def _backward(
    body: Any, blocks: TextBlocks, rows: np.ndarray, options: CramlessText, worker: Worker
) -> float:
    """Gradients of the mean loss per token over all processes; this process' part of that loss."""
    n_tokens = float((blocks.lengths[rows] - 1).sum())
    part = rows[worker.rank :: worker.count]
    starts = range(0, len(part), options.device_batch)
    pieces = [part[start : start + options.device_batch] for start in starts]
    pieces = pieces or [part]  # a process without rows takes part in the sum of gradients
    total = 0.0
    for number, piece in enumerate(pieces):
        is_last = number + 1 == len(pieces)
        with nullcontext() if worker.count == 1 or is_last else body.no_sync():
            # DDP averages over processes: times their count it is the sum over the whole batch
            losses = _losses(body, blocks, piece, options, worker.device)[0]
            loss = losses.sum() * worker.count / n_tokens
            loss.backward()
        total += float(loss.detach()) / worker.count
    return total


def _draw(n_blocks: int, seed: int, step: int, size: int) -> np.ndarray:
    """The global batch of a step: the same in every process, and again after a resumption."""
    epoch, position = divmod(step * size, n_blocks)
    order = generator(seed, "cramless", "text order", size, epoch).permutation(n_blocks)
    rows = order[position : position + size]
    while len(rows) < size:
        epoch += 1
        order = generator(seed, "cramless", "text order", size, epoch).permutation(n_blocks)
        rows = np.concatenate([rows, order[: size - len(rows)]])
    return rows


def _losses(
    model: Any,
    blocks: TextBlocks,
    rows: np.ndarray,
    options: CramlessText,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Per block: its loss, and the mean loss of its facts (0 without facts), both in nats.

    A block's loss is summed over its tokens, a fact's over its value tokens.
    """
    if not len(rows):
        return torch.zeros(0, device=device), torch.zeros(0, device=device)
    of_blocks = []
    of_facts = []
    for start in range(0, len(rows), options.device_batch):
        part = rows[start : start + options.device_batch]
        tokens = torch.tensor(blocks.tokens[part].astype(np.int64), device=device)
        last_tokens = torch.tensor(blocks.lengths[part], device=device)[:, None] - 1
        present = torch.arange(tokens.shape[1] - 1, device=device) < last_tokens
        with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            logits = model(tokens, use_cache=False).logits[:, :-1]
        losses = F.cross_entropy(logits.float().transpose(1, 2), tokens[:, 1:], reduction="none")
        losses = losses * present
        marks = blocks.values[part][:, 1:]
        n_facts = np.array([max(1, len(np.unique(row[row > 0]))) for row in marks])
        in_value = torch.tensor(marks > 0, device=device)
        of_blocks.append(losses.sum(1))
        of_facts.append((losses * in_value).sum(1) / torch.tensor(n_facts, device=device))
    return torch.cat(of_blocks), torch.cat(of_facts)


def _gathered(losses: Tensor, count: int, worker: Worker) -> Tensor:
    """The losses of all processes in the order of the candidates, which were dealt out by turns."""
    if worker.count == 1:
        return losses
    padded = torch.full((-(-count // worker.count),), torch.inf, device=losses.device)
    padded[: len(losses)] = losses
    parts = [torch.empty_like(padded) for _ in range(worker.count)]
    dist.all_gather(parts, padded)
    return torch.stack(parts, dim=1).flatten()[:count]


def _summed(value: float, worker: Worker) -> float:
    if worker.count == 1:
        return value
    total = torch.tensor([value], dtype=torch.float64, device=worker.device)
    dist.all_reduce(total)
    return float(total)


def _recited(model: Any, blocks: TextBlocks, device: torch.device) -> np.ndarray:
    """Whether greedy decoding gives the value at a fact's first mention, per fact that occurs."""
    first_rows: dict[int, int] = {}
    for row in np.flatnonzero(blocks.values.any(axis=1)):
        for fact in np.unique(blocks.values[row][blocks.values[row] > 0]):
            first_rows.setdefault(int(fact), int(row))
    recited = []
    with torch.no_grad():
        for fact, row in sorted(first_rows.items()):
            tokens = torch.tensor(blocks.tokens[row : row + 1].astype(np.int64), device=device)
            decoded = model(tokens, use_cache=False).logits[0, :-1].argmax(-1).cpu().numpy()
            positions = _first_run(np.flatnonzero(blocks.values[row][1:] == fact))
            targets = blocks.tokens[row][1:][positions]
            recited.append(bool((decoded[positions] == targets).all()))
    return np.array(recited, bool)


def _first_run(positions: np.ndarray) -> np.ndarray:
    """The first positions that follow one another without a gap."""
    gaps = np.flatnonzero(np.diff(positions, append=positions[-1] + 2) > 1)
    return positions[: gaps[0] + 1]
