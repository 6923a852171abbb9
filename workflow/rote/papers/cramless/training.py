"""Training the networks of an arm as one stack, and asking them for every fact."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import prune, train
from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import lm
from rote.papers.cramless import data, pruning, schema
from rote.papers.cramless.arms import GROUPS, TUNING_GROUP, FactArm, arms_of
from rote.papers.cramless.settings import CramlessTraining, Settings
from rote.prune import online
from rote.synth import facts as synth

LOGGED = 100  # admitted shares that are stored of a training


class CramlessJob(NamedTuple):
    """Where and from which seed networks are trained."""

    seed: int
    device: str = "cpu"
    checkpoints: Path | None = None  # folder; None writes none
    checkpoint_steps: int = 500

    def checkpoint(self, arm: FactArm) -> Path | None:
        """The checkpoint file of an arm."""
        name = sha256(f"{self.seed} {arm.name}".encode()).hexdigest()[:16]
        return self.checkpoints and self.checkpoints / f"{name}.pt"


class TrainedTables(NamedTuple):
    """Rows of the three tables about trained networks; field names are those of the tables."""

    trained: pd.DataFrame  # FactOutcomes
    runs: pd.DataFrame  # NetworkRuns
    shares: pd.DataFrame  # AdmittedShares

    @classmethod
    def concatenated(cls, parts: list["TrainedTables"]) -> "TrainedTables":
        """All rows, numbered anew."""
        return cls(*(pd.concat(frames, ignore_index=True) for frames in zip(*parts, strict=True)))


class FactTokens(NamedTuple):
    """The facts of all replicates, and where their values are predicted."""

    tokens: Tensor  # (replicates, N, tokens) key then value
    start: int  # position that predicts the first value token
    first_value: int  # lowest id of a value token; logits below it are not computed


class FactNetwork(NamedTuple):
    """What one trained network knows, and what it was trained on."""

    replicate: int
    parameters: int
    losses: np.ndarray  # (N,) nats, summed over value tokens
    recited: np.ndarray  # (N,) bool
    seen: np.ndarray  # (N,) examples with a gradient
    shares: np.ndarray  # (LOGGED,) admitted share over the training


def train_group(
    group: str,
    options: Settings,
    facts: pd.DataFrame,
    pruned: pd.DataFrame | None,
    job: CramlessJob,
    tuned: pd.DataFrame | None = None,
) -> TrainedTables:
    """Train all arms of a group.

    Args:
        group: of `arms.GROUPS`.
        options: facts and training.
        facts: table FactSetRows.
        pruned: table PrunedCounts, for groups that need it.
        job: seed, device and checkpoints.
        tuned: table NetworkRuns of the group tuning, for groups that need it.

    Raises:
        InputError: for an unknown group, or one whose table of selections or rates is not given.
    """
    arms = arms_of(group, options.facts, options.training)
    if GROUPS[group].needs_tuned and tuned is None:
        raise InputError(f"--group {group} needs --tuned, the runs of --group {TUNING_GROUP.name}")
    if GROUPS[group].needs_tuned:
        arms = arms_of(group, options.facts, options.training, best_rates(tuned))
    if GROUPS[group].needs_pruned and pruned is None:
        raise InputError(
            f"--group {group} needs --pruned, the table of `rote cramless prune-facts`"
        )
    parts = []
    for arm in arms:
        sets = data.read(options.facts, facts, arm.data)
        counts = pruning.counts_of(pruned, arm) if arm.scheme.offline else None
        parts.append(train_arm(arm, sets, counts, options.training, job))
    return TrainedTables.concatenated(parts)


def best_rates(tuned: pd.DataFrame) -> dict[int, float]:
    """The learning rate that stores the most bits, by width.

    Bits, as networks that are given too much all recite next to nothing.

    Args:
        tuned: table NetworkRuns of the group tuning.
    """
    stored = tuned.groupby(["width", "learning_rate"])["stored"].mean().reset_index()
    best = stored.loc[stored.groupby("width")["stored"].idxmax()]
    return dict(zip(best["width"].astype(int), best["learning_rate"], strict=True))


def train_arm(
    arm: FactArm,
    facts: list[synth.FactSet],
    counts: list[np.ndarray] | None,
    options: CramlessTraining,
    job: CramlessJob,
) -> TrainedTables:
    """Train the replicates of an arm as one stack.

    Args:
        arm: scheme, width and steps.
        facts: one fact set per replicate.
        counts: (N,) copies of each fact to train on, per replicate; None is those of the data.
        options: of the training.
        job: seed, device and checkpoints.

    Raises:
        FloatingPointError: naming step, replicate and fact, for a loss that is not finite.
    """
    counts = [replicate.counts for replicate in facts] if counts is None else counts
    first = facts[0]
    rngs = [generator(job.seed, "cramless", "weights", arm.name, r) for r in range(len(facts))]
    transformer = lm.Transformer(
        options.architecture,
        vocabulary=first.vocabulary,
        length=first.tokens.shape[1] - 1,
        width=arm.width,
        layers=options.layers,
        heads=options.heads,
    )
    stack = lm.build(transformer, rngs, job.device)
    tokens = torch.tensor(np.stack([replicate.tokens for replicate in facts]), device=job.device)
    first_position = first.keys.shape[1] - 1
    questions = FactTokens(tokens, first_position, first.key_symbols)
    orders = [
        train.EpochSampler(copies, job.seed, "cramless", "order", arm.name, r)
        for r, copies in enumerate(counts)
    ]
    buffers = _buffers(arm, questions, counts, options)
    weights = train.fit(
        stack.parameters,
        _loss(arm, stack, questions, orders, buffers, options),
        train.AdamW(
            steps=arm.steps,
            learning_rate=arm.rate or options.learning_rate,
            schedule=train.cosine(arm.steps, warmup=options.warmup, floor=0.02),
            betas=(0.9, 0.98),
        ),
        buffers=buffers,
        checkpoint=train.Checkpoint(job.checkpoint(arm), job.checkpoint_steps),
        label=arm.name,
    )
    losses, recited = evaluate(stack, weights, questions)
    parts = []
    for replicate, fact_set in enumerate(facts):
        result = FactNetwork(
            replicate=replicate,
            parameters=stack.size,
            losses=losses[replicate],
            recited=recited[replicate],
            seen=buffers["seen"][replicate].cpu().numpy().astype(float),
            shares=buffers["shares"][:, replicate].cpu().numpy().astype(float),
        )
        parts.append(_tables(arm, fact_set, result, options))
    return TrainedTables(*(pd.concat(frames) for frames in zip(*parts, strict=True)))


def _buffers(
    arm: FactArm, questions: FactTokens, counts: list[np.ndarray], options: CramlessTraining
) -> dict[str, Tensor]:
    """What is logged and controlled: admitted share, examples seen per fact, shares over time.

    Selection without scoring also keeps the last loss of every fact, and its admitted copies.
    """
    replicates, n_facts, _ = questions.tokens.shape
    scheme = prune.ONLINE.get(arm.scheme.online)
    share = options.fixed_share if scheme and not scheme.controlled else 1.0
    device = questions.tokens.device
    buffers = {
        "share": torch.full((replicates,), share, device=device),
        "seen": torch.zeros(replicates, n_facts, device=device),
        "shares": torch.ones(LOGGED, replicates, device=device),
    }
    if scheme and not scheme.scores:
        copies = torch.tensor(np.stack(counts), dtype=torch.float32, device=device)
        buffers["losses"] = torch.full_like(copies, torch.inf)
        buffers["copies"] = copies
        buffers["admitted"] = copies.clone()
    return buffers


def controller_of(options: CramlessTraining, steps: int) -> online.Controller:
    """The controller of an admitted share that is moved so many times in a training."""
    return online.Controller(
        known=options.known,
        pace=options.pace,
        ceiling=options.ceiling,
        speed=options.speed,
        min_share=options.least_share,
        flat=options.flat_below,
        steps=steps,
        max_trained=options.trained,
    )


def _loss(
    arm: FactArm,
    stack: lm.LanguageStack,
    questions: FactTokens,
    orders: list[train.EpochSampler],
    buffers: dict[str, Tensor],
    options: CramlessTraining,
) -> Callable[[lm.Parameters, int], Tensor]:
    """The training loss of a step, in nats per value token, (replicates,).

    Args:
        orders: of the facts, one per replicate.
        buffers: updated at every step, see `_buffers`.
    """
    table, start, first_value = questions
    unselected = _unselected_steps(arm, options)
    by_last_losses = "losses" in buffers
    moves = -(-arm.steps // options.refresh) if by_last_losses else arm.steps
    controller = controller_of(options, moves)

    def examples(position: int, count: int) -> Tensor:
        fact_ids = np.stack([order.batch(position, count) for order in orders])
        return torch.tensor(fact_ids, device=table.device)

    def losses(parameters: lm.Parameters, fact_ids: Tensor) -> Tensor:  # (replicates, examples)
        tokens = table.gather(1, fact_ids[..., None].expand(-1, -1, table.shape[-1]))
        with torch.autocast(table.device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            logits = stack.forward(parameters, tokens[..., :-1], start, first_value)
        return lm.value_losses(logits, tokens[..., start + 1 :], first_value)

    def scored(parameters: lm.Parameters, step: int) -> tuple[Tensor, Tensor]:
        position = unselected * options.batch + (step - unselected) * options.candidates
        fact_ids = examples(position, options.candidates)
        with torch.no_grad():
            candidate_losses = losses(parameters, fact_ids)
        _check_finite(candidate_losses, fact_ids, arm, step)
        choice = online.choose(
            candidate_losses,
            buffers["share"],
            step / arm.steps,
            scheme=arm.scheme.online,
            controller=controller,
            ids=fact_ids,
        )
        buffers["share"].copy_(choice.share)
        return fact_ids.gather(1, choice.chosen), choice.weights

    def drawn(step: int) -> Tensor:
        if (step - unselected) % options.refresh == 0:
            admitted, share = online.admit(
                buffers["losses"],
                buffers["copies"],
                buffers["share"],
                step / arm.steps,
                controller,
            )
            buffers["admitted"].copy_(admitted)
            buffers["share"].copy_(share)
        rngs = [generator(order.seed, *order.key, "draw", step) for order in orders]
        places = np.stack([rng.random(options.batch) for rng in rngs])
        return _by_weight(buffers["admitted"], torch.tensor(places, device=table.device))

    def loss(parameters: lm.Parameters, step: int) -> Tensor:
        if step < unselected:
            fact_ids = examples(step * options.batch, options.batch)
            weights = torch.ones_like(fact_ids, dtype=torch.float32)
        elif by_last_losses:
            fact_ids = drawn(step)
            weights = torch.ones_like(fact_ids, dtype=torch.float32)
        else:
            fact_ids, weights = scored(parameters, step)
        buffers["seen"].scatter_add_(1, fact_ids, weights)
        buffers["shares"][step * LOGGED // arm.steps] = buffers["share"]
        of_examples = losses(parameters, fact_ids)
        if by_last_losses:
            _check_finite(of_examples.detach(), fact_ids, arm, step)
            buffers["losses"].scatter_(1, fact_ids, of_examples.detach())
        per_token = of_examples / (table.shape[-1] - start - 1)
        return (per_token * weights).sum(1) / weights.sum(1).clamp(min=1)

    return loss


def _by_weight(weights: Tensor, places: Tensor) -> Tensor:
    """Positions drawn in proportion to weights, one from each of equal parts of their sum.

    Args:
        weights: (models, N) ≥ 0, not all 0.
        places: (models, draws) in [0, 1), the place in its part of each draw.

    Returns:
        (models, draws) int64.
    """
    summed = weights.double().cumsum(1)
    draws = places.shape[1]
    parts = torch.arange(draws, device=places.device)
    positions = (parts + places) / draws * summed[:, -1:]
    drawn_rows = torch.searchsorted(summed, positions, right=True)
    last = (weights > 0).long().mul(torch.arange(weights.shape[1], device=weights.device)).amax(1)
    return torch.minimum(drawn_rows, last[:, None])


def _unselected_steps(arm: FactArm, options: CramlessTraining) -> int:
    """Steps before selection begins; all of them without selection inside training."""
    return round(options.unselected_share * arm.steps) if arm.scheme.online else arm.steps


def _scoring_steps(arm: FactArm, options: CramlessTraining) -> int:
    """Steps at which candidates are scored."""
    scores = arm.scheme.online in prune.SCORED
    return arm.steps - _unselected_steps(arm, options) if scores else 0


def _check_finite(losses: Tensor, fact_ids: Tensor, arm: FactArm, step: int) -> None:
    not_finite = ~torch.isfinite(losses)
    if bool(not_finite.any()):
        replicate, example = not_finite.nonzero()[0].tolist()
        fact, value = int(fact_ids[replicate, example]), float(losses[replicate, example])
        raise FloatingPointError(
            f"{arm.name}: loss of fact {fact} of replicate "
            f"{replicate} is {value} at step {step}; lower learning_rate"
        )


def evaluate(
    stack: lm.LanguageStack, parameters: lm.Parameters, questions: FactTokens, block: int = 2048
) -> tuple[np.ndarray, np.ndarray]:
    """Loss and whether greedy decoding recites it, for every fact.

    Greedy decoding gives the whole value exactly if each token is the likeliest one after the true
    ones before it.

    Args:
        stack: of all models.
        parameters: trained ones.
        questions: the facts.
        block: facts at a time.

    Returns:
        (models, N) nats, summed over value tokens; (models, N) bool.
    """
    losses = []
    recited = []
    with torch.no_grad():
        for tokens in questions.tokens.split(block, dim=1):
            logits = stack.forward(
                parameters, tokens[..., :-1], questions.start, questions.first_value
            )
            values = tokens[..., questions.start + 1 :]
            exact = (logits.argmax(-1) == values - questions.first_value).all(-1)
            losses.append(lm.value_losses(logits, values, questions.first_value).cpu().numpy())
            recited.append(exact.cpu().numpy())
    return np.concatenate(losses, axis=1).astype(float), np.concatenate(recited, axis=1)


def _tables(
    arm: FactArm, facts: synth.FactSet, network: FactNetwork, options: CramlessTraining
) -> TrainedTables:
    counts = facts.counts
    present = counts > 0
    outcomes = {
        "arm": arm.name,
        "replicate": network.replicate,
        "fact": np.arange(len(counts)),
        "count": counts,
        "seen": network.seen,
        "loss": network.losses,
        "recited": network.recited,
    }
    gained = np.maximum(facts.bits - network.losses / np.log(2), 0)
    run = {
        "arm": arm.name,
        "group": arm.group,
        "data": arm.data.name,
        "exponent": arm.data.exponent,
        "facts": arm.data.facts,
        "scheme": arm.scheme.name,
        "width": arm.width,
        "steps": arm.steps,
        "learning_rate": arm.rate or options.learning_rate,
        "replicate": network.replicate,
        "parameters": network.parameters,
        "present": int(present.sum()),
        "recited": int((network.recited & present).sum()),
        "weighted": float((network.recited * counts).sum() / counts.sum()),
        "stored": float(gained[present].sum()),
        "bits": facts.bits,
        "trained": float(network.seen.sum()),
        "scored": float(_scoring_steps(arm, options) * options.candidates),
    }
    shares = {
        "arm": arm.name,
        "replicate": network.replicate,
        "step": np.arange(LOGGED) * arm.steps // LOGGED,
        "share": network.shares,
    }
    return TrainedTables(
        tables.frame(schema.FactOutcomes, outcomes),
        tables.frame(schema.NetworkRuns, [run]),
        tables.frame(schema.AdmittedShares, shares).drop_duplicates("step"),
    )
