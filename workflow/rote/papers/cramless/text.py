"""GPT-2 on text that states facts, with and without selection by loss.

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
from rote.core.job import track
from rote.core.seeds import torch_seed
from rote.models import causal_kernel, pretrained
from rote.papers.cramless import corpus, probes, schema
from rote.papers.cramless.arms import TextArm
from rote.papers.cramless.corpus import TextCorpus
from rote.papers.cramless.settings import CramlessText
from rote.prune import online
from rote.readers import weights


class TextTraining(NamedTuple):
    """One GPT-2 to train, and what it is asked."""

    tokens: Path  # of the tokenized corpus
    mentions: pd.DataFrame  # table Mentions
    probes: list[probes.Probe]
    tokenizer: str
    shape: tuple[int, int, int]  # layers, heads, width
    online: str  # rule of rote.prune.ONLINE that selects candidates; "" for none
    steps: int
    rate: float
    options: CramlessText
    seed: int
    checkpoint: Path | None = None
    checkpoint_steps: int = 500


class TextOutcome(NamedTuple):
    """One trained network."""

    parameters: int
    recall: pd.DataFrame  # of `probes.recall`
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


class TextInputs(NamedTuple):
    """A tokenized corpus and what it states."""

    tokens: Path
    mentions: pd.DataFrame  # table Mentions
    facts: pd.DataFrame  # of `rote.data.triples.read`
    phrasings: pd.DataFrame  # of `probes.read_phrasings`
    tokenizer: str  # hub id or folder


def read_inputs(folder: Path, mentions: pd.DataFrame) -> TextInputs:
    """What `corpus.prepare` wrote.

    Args:
        folder: of the tokenized corpus.
        mentions: table Mentions.
    """
    return TextInputs(
        folder / corpus.TOKENS,
        mentions,
        pd.read_parquet(folder / corpus.FACTS),
        pd.read_parquet(folder / corpus.PHRASINGS),
        str(folder / corpus.TOKENIZER),
    )


def train_replicates(
    arm: TextArm, options: CramlessText, inputs: TextInputs, seed: int, processes: Processes
) -> pd.DataFrame:
    """Train the replicates of an arm one after another: the table TextRuns.

    Args:
        arm: size of the networks, and whether candidates are selected.
        options: of the training.
        inputs: corpus, facts and phrasings.
        seed: of the first replicate; the next ones follow it.
        processes: what trains, and where it saves its state.
    """
    tokenizer = pretrained.tokenizer(inputs.tokenizer)
    opened = corpus.opened(inputs.tokens, inputs.mentions, len(tokenizer), options.context)
    occurring = np.unique(opened.facts)
    queries = probes.probes(inputs.facts, inputs.phrasings, inputs.mentions, occurring)
    parts = []
    for replicate in range(options.replicates):
        training = TextTraining(
            tokens=inputs.tokens,
            mentions=inputs.mentions,
            probes=queries,
            tokenizer=inputs.tokenizer,
            shape=arm.shape(options),
            online=arm.scheme.online,
            steps=arm.steps(options),
            rate=arm.rate(options),
            options=options,
            seed=seed + replicate,
            checkpoint=processes.checkpoints and processes.checkpoints / f"{seed + replicate}.pt",
            checkpoint_steps=processes.checkpoint_steps,
        )
        outcome = fit(training, devices=processes.devices, processes=processes.count)
        size, scheme = arm.columns
        columns = {
            "size": size,
            "scheme": scheme,
            "replicate": replicate,
            "parameters": outcome.parameters,
            "steps": training.steps,
            "learning_rate": training.rate,
            "trained": outcome.trained,
            "scored": outcome.scored,
        }
        rows = outcome.recall.assign(**columns).to_dict("records")
        parts.append(tables.frame(schema.TextRuns, rows))
    return pd.concat(parts, ignore_index=True)


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
    options = training.options
    tokenizer = pretrained.tokenizer(training.tokenizer)
    blocks = corpus.opened(training.tokens, training.mentions, len(tokenizer), options.context)
    model = _gpt2(training, len(tokenizer)).to(worker.device)
    body = TokenLosses(model)
    body = torch.compile(body) if options.compile else body
    if worker.count > 1:
        device_ids = [worker.rank] if worker.device.type == "cuda" else None
        body = DistributedDataParallel(body, device_ids=device_ids)
    optimizer = _optimizer(model, options)
    state = _resumed(training.checkpoint, model, optimizer, worker.device)
    warmup = min(options.warmup, training.steps // 10)
    factor = train.cosine(training.steps, warmup=warmup, floor=0.02)
    steps: Iterable[int] = range(state["step"], training.steps)
    if worker.rank == 0:
        steps = track(steps, "training", status=lambda: f"loss {state['losses'][-1]:.4g}")
    for step in steps:
        rows = _batch(model, blocks, training, worker, state)
        optimizer.zero_grad()
        loss = _backward(body, blocks, rows, options, worker)
        torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
        for group in optimizer.param_groups:
            group["lr"] = training.rate * factor(step)
        optimizer.step()
        state["losses"].append(_summed(loss, worker))
        state["trained"] += len(rows)
        state["step"] = step + 1
        if not np.isfinite(state["losses"][-1]):
            raise FloatingPointError(
                f"loss is {state['losses'][-1]} at step {step}; lower the learning rate"
            )
        if worker.rank == 0:
            _save_checkpoint(training, model, optimizer, state)
    return TextOutcome(
        parameters=sum(value.numel() for value in model.parameters()),
        recall=_recall(model, tokenizer, training, worker),
        losses=state["losses"],
        trained=state["trained"],
        scored=state["scored"],
    )


def _optimizer(model: Any, options: CramlessText) -> torch.optim.Optimizer:
    """AdamW that decays matrices, not biases and norms."""
    weights_of = {True: [], False: []}
    for value in model.parameters():
        weights_of[value.ndim > 1].append(value)
    groups = [
        {"params": weights_of[True], "weight_decay": options.weight_decay},
        {"params": weights_of[False], "weight_decay": 0.0},
    ]
    fused = model.device.type == "cuda"  # one kernel for all parameters
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=fused)


class TokenLosses(torch.nn.Module):
    """Loss of every token under a language model, as one function to compile: its softmax, too.

    Args:
        model: causal, of transformers.
    """

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """Cross-entropy of every token but the first, nats.

        Args:
            tokens: (batch, length) int64.

        Returns:
            (batch, length − 1) float32.
        """
        logits = self.model(tokens, use_cache=False).logits
        # targets are moved, not logits: those would be copied, and they are the largest array
        targets = F.pad(tokens[:, 1:], (0, 1), value=-100)
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), reduction="none", ignore_index=-100
        )
        return losses.view(tokens.shape)[:, :-1]


def padded_vocabulary(vocabulary: int, precision: str) -> int:
    """Rows of the embedding: in bf16 a multiple of 64, without which tensor cores idle.

    The tokens that this adds stand in no text: training only makes them unlikely.

    Args:
        vocabulary: of the tokenizer.
        precision: of the training, float32 or bf16.
    """
    return -(-vocabulary // 64) * 64 if precision == "bf16" else vocabulary


def _gpt2(training: TextTraining, vocabulary: int) -> Any:
    """A new GPT-2 without dropout."""
    from rote.data.images import torchvision

    torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    layers, heads, width = training.shape
    torch.manual_seed(torch_seed(training.seed, "cramless", "text", *training.shape))
    config = GPT2Config(
        vocab_size=padded_vocabulary(vocabulary, training.options.precision),
        n_positions=training.options.context,
        n_layer=layers,
        n_head=heads,
        n_embd=width,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        attn_implementation=causal_kernel.register(),
        bos_token_id=None,
        eos_token_id=None,
    )
    return GPT2LMHeadModel(config)


def _resumed(
    checkpoint: Path | None, model: Any, optimizer: torch.optim.Optimizer, device: torch.device
) -> dict[str, Any]:
    """The state of the training: that of the checkpoint, if there is one."""
    state = {
        "step": 0,
        "drawn": 0,  # blocks so far
        "share": torch.ones(1),
        "losses": [],
        "trained": 0,
        "scored": 0,
    }

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
    due = step % training.checkpoint_steps == 0 and step < training.steps
    if training.checkpoint is None or not due:
        return
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "state": state}
    with tables.atomic(training.checkpoint) as temporary:
        torch.save(content, temporary)


def _batch(
    model: Any, blocks: TextCorpus, training: TextTraining, worker: Worker, state: dict[str, Any]
) -> np.ndarray:
    """Blocks to train on at a step, of all processes, `batch` at most.

    Selection admits the candidates that state facts by their facts' losses, and the others apart.
    """
    options, step = training.options, state["step"]
    selects = training.online and step >= round(options.unselected_share * training.steps)
    size = options.candidates if selects else options.batch
    candidates = corpus.draw(blocks.blocks, training.seed, state["drawn"], size)
    state["drawn"] += size
    if not selects:
        return candidates
    states_facts = blocks.states_facts[candidates]
    admitted = np.zeros(size, bool)
    if states_facts.any():
        losses = _scored(model, blocks, candidates[states_facts], options, worker)[1]
        choice = online.choose(
            losses[None],
            state["share"].to(losses.device),
            step / training.steps,
            scheme=training.online,
            controller=_controller(options, training.steps),
        )
        state["share"] = choice.share.cpu()
        chosen = choice.chosen[0][choice.weights[0] > 0].cpu().numpy()
        admitted[np.flatnonzero(states_facts)[chosen]] = True
        state["scored"] += int(states_facts.sum())
    plain = np.flatnonzero(~states_facts)
    n_plain = round(options.plain_share * len(plain))
    if options.plain == "score" and len(plain):
        losses = _scored(model, blocks, candidates[plain], options, worker)[0]
        plain = plain[np.argsort(losses.cpu().numpy(), kind="stable")]
        state["scored"] += len(plain)
    admitted[plain[:n_plain]] = True
    admitted[0] |= not admitted.any()
    return candidates[admitted][: options.batch]


def _controller(options: CramlessText, steps: int) -> online.Controller:
    return online.Controller(
        known=options.known,
        pace=options.pace,
        speed=options.speed,
        min_share=options.least_share,
        steps=steps,
    )


def _scored(
    model: Any, blocks: TextCorpus, rows: np.ndarray, options: CramlessText, worker: Worker
) -> tuple[Tensor, Tensor]:
    """`_losses` of blocks without gradient, every process its part of them."""
    with torch.no_grad():
        losses = _losses(
            TokenLosses(model), blocks, rows[worker.rank :: worker.count], options, worker.device
        )
    return _gathered(losses[0], len(rows), worker), _gathered(losses[1], len(rows), worker)


def _backward(
    body: Any, blocks: TextCorpus, rows: np.ndarray, options: CramlessText, worker: Worker
) -> float:
    """Gradients of the mean loss per token over all processes; this process' part of that loss."""
    n_tokens = float(len(rows) * (options.context - 1))
    part = rows[worker.rank :: worker.count]
    starts = range(0, len(part), options.device_batch)
    pieces = [part[start : start + options.device_batch] for start in starts]
    pieces = pieces or [rows[:0]]
    total = 0.0
    for number, piece in enumerate(pieces):
        is_last = number + 1 == len(pieces)
        with nullcontext() if worker.count == 1 or is_last else body.no_sync():
            # DDP averages over processes: times their count it is the sum over the whole batch
            if len(piece):
                losses = _losses(body, blocks, piece, options, worker.device)[0]
                loss = losses.sum() * worker.count / n_tokens
            else:  # a process without rows takes part in the sum of gradients
                empty = torch.zeros(1, 2, dtype=torch.long, device=worker.device)
                loss = 0 * body(empty).sum()
            loss.backward()
        total += float(loss.detach()) / worker.count
    return total


def _losses(
    body: Any, blocks: TextCorpus, rows: np.ndarray, options: CramlessText, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Per block: its loss, and the mean loss of its values (0 without values), both in nats.

    A block's loss is summed over its tokens, a value's over its own.
    """
    if not len(rows):
        return torch.zeros(0, device=device), torch.zeros(0, device=device)
    of_blocks = []
    of_values = []
    for start in range(0, len(rows), options.device_batch):
        part = rows[start : start + options.device_batch]
        tokens = torch.tensor(blocks.rows(part), device=device)
        marks = torch.tensor(blocks.marks(part)[:, 1:], device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            losses = body(tokens)
        of_blocks.append(losses.sum(1))
        # a later value may cover an earlier one's tokens: the largest number is their count
        of_values.append((losses * (marks > 0)).sum(1) / marks.amax(1).clamp(min=1))
    return torch.cat(of_blocks), torch.cat(of_values)


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


def _recall(model: Any, tokenizer: Any, training: TextTraining, worker: Worker) -> pd.DataFrame:
    """What the network answers; every process asks its part of the probes."""
    queries = training.probes
    part = queries[worker.rank :: worker.count]
    options = training.options
    answers = probes.ask(
        model,
        tokenizer,
        part,
        context=options.context,
        batch=options.device_batch,
        device=worker.device,
    )
    if worker.count > 1:
        gathered: list[Any] = [None] * worker.count
        dist.all_gather_object(gathered, answers)
        answers = [gathered[at % worker.count][at // worker.count] for at in range(len(queries))]
    return probes.recall(queries, answers)
