"""A task's data and its bases: the replicates of each arm are trained as one stack."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rote import train
from rote.core.seeds import generator, torch_seed
from rote.models.classifiers import Parameters, Stack
from rote.papers.resmem.task import (
    Arrays,
    BaseArm,
    ImageShape,
    ResmemTask,
    Rng,
    TaskData,
    TrainingRecipe,
    TrainingRun,
)

WARMUP = 0.15  # share of the steps
PADDING = 4  # pixels around an image before it is cropped


def sample(task: ResmemTask, options: Any, seed: int, replicate: int) -> TaskData:
    """One replicate's data set, the largest training set of the task.

    Args:
        task: what data.
        options: its config section.
        seed: of the run.
        replicate: number of the data set.
    """
    return task.load(options, generator(seed, "resmem", task.name, "data", replicate))


def samples(task: ResmemTask, options: Any, seed: int) -> list[TaskData]:
    """The data sets of all replicates."""
    return [sample(task, options, seed, replicate) for replicate in range(options.replicates)]


def training_labels(arm: BaseArm, data: TaskData, seed: int, replicate: int) -> np.ndarray:
    """Labels that an arm is trained on, and that its memory holds, (examples,).

    Args:
        arm: the base, with its share of noise.
        data: of the replicate.
        seed: of the run.
        replicate: number of the data set.
    """
    y = data.train.y[: arm.examples]
    if not arm.noise:
        return y
    rng = generator(seed, "resmem", "noise", arm.key, replicate)
    return with_noise(y, arm.noise, data.classes, rng)


def with_noise(labels: np.ndarray, share: float, classes: int, rng: Rng) -> np.ndarray:
    """Labels of which a share was drawn anew, uniformly over all classes.

    Args:
        labels: (n,).
        share: probability that a label is drawn anew.
        classes: how many there are.
        rng: draws which, and what.
    """
    drawn = rng.integers(classes, size=len(labels))
    return np.where(rng.random(len(labels)) < share, drawn, labels)


def bases(task: ResmemTask, options: Any, run: TrainingRun) -> Arrays:
    """Weights of a task's bases, trained or taken as they are, by arm and name."""
    if task.bases:
        return task.bases(options)
    datasets = samples(task, options, run.seed)
    arrays = {}
    for arm in task.distinct_arms(options):
        _, weights = fit(task, arm, options, datasets, run)
        for name, value in weights.items():
            arrays[f"{arm.key}/{name}"] = value.cpu().numpy()
    return arrays


def fit(
    task: ResmemTask,
    arm: BaseArm,
    options: Any,
    samples: list[TaskData],
    run: TrainingRun,
    rows: Callable[[int], np.ndarray] | None = None,
) -> tuple[Stack, Parameters]:
    """Train one network per data set, as one stack, by cross-entropy.

    Args:
        task: the arm's.
        arm: the base.
        options: the task's config section.
        samples: the data sets.
        run: seed, device and checkpoints.
        rows: from the number of a data set to the training rows to use; all of the arm's by
            default.

    Returns:
        The stack, and its weights: trained parameters and running statistics.
    """
    recipe = task.recipe(options)
    count = len(samples)
    stack = untrained(task, arm, options, samples, run.seed)
    for weights in (stack.parameters, stack.buffers):
        weights.update({name: value.to(run.device) for name, value in weights.items()})
    inputs, labels = [], []
    for number, data in enumerate(samples):
        used = np.arange(arm.examples) if rows is None else rows(number)
        y = training_labels(arm, data, run.seed, number)[used]
        inputs.append(torch.tensor(data.train.x[used]).to(run.device))
        labels.append(torch.tensor(y).to(run.device))
    batches = _batches(task, arm, recipe, [len(y) for y in labels], run)
    crop_seed = torch_seed(run.seed, "resmem", task.name, arm.key, "moves") // 2
    crop_generator = torch.Generator()

    def loss(parameters: Parameters, step: int) -> torch.Tensor:
        chosen = batches[:, step]
        x = torch.stack([part[index] for part, index in zip(inputs, chosen, strict=True)])
        if recipe.crops:
            x = cropped(x, recipe.crops, crop_generator.manual_seed(crop_seed + step))
        targets = torch.stack([part[index] for part, index in zip(labels, chosen, strict=True)])
        logits, _ = stack.forward(parameters, x, True)
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="none"
        )
        return losses.view(count, -1).mean(1)

    parameters = train.fit(
        stack.parameters,
        loss,
        optimizer_of(recipe, count),
        buffers=stack.buffers,
        checkpoint=train.Checkpoint(run.checkpoint(arm), run.checkpoint_steps),
        label=f"{task.name}, {arm.label}",
    )
    return stack, parameters | stack.buffers


def optimizer_of(recipe: TrainingRecipe, networks: int) -> train.AdamW | train.SGD:
    """The optimizer of a recipe.

    Args:
        recipe: of a task.
        networks: how many are trained as one stack.
    """
    steps, rate = recipe.steps, recipe.learning_rate
    schedule = train.cosine(steps, warmup=max(1, round(WARMUP * steps)))
    if recipe.stepwise:
        schedule = train.steps_down(steps)
    if recipe.sgd:
        return train.SGD(steps, rate, schedule, weight_decay=recipe.decay)
    decay = torch.full((networks,), recipe.decay) if recipe.decay else None
    return train.AdamW(steps, rate, schedule, weight_decay=decay)


def untrained(
    task: ResmemTask, arm: BaseArm, options: Any, samples: list[TaskData], seed: int
) -> Stack:
    """Untrained networks, one per data set.

    Args:
        task: the arm's.
        arm: the base.
        options: the task's config section.
        samples: the data sets.
        seed: of the run; draws the weights.
    """
    key = ("resmem", task.name, arm.key, "weights")
    rngs = [generator(seed, *key, number) for number in range(len(samples))]
    return task.build(arm, options, samples[0], rngs)


def _batches(
    task: ResmemTask, arm: BaseArm, recipe: TrainingRecipe, examples: list[int], run: TrainingRun
) -> torch.Tensor:
    """Rows of every batch of every network, (networks, steps, batch)."""
    key = ("resmem", task.name, arm.key, "order")
    size = min(recipe.batch, examples[0])
    orders = []
    for number, count in enumerate(examples):
        rng = generator(run.seed, *key, number)
        orders.append(_order(rng, count, recipe.steps, size))
    return torch.tensor(np.stack(orders)).to(run.device)


def _order(rng: Rng, examples: int, steps: int, batch: int) -> np.ndarray:
    """Rows of every batch, (steps, batch): epochs in new orders, the short last batch dropped."""
    per_epoch = examples // batch
    epochs = -(-steps // per_epoch)
    rows = [
        rng.permutation(examples)[: per_epoch * batch].reshape(per_epoch, batch)
        for _ in range(epochs)
    ]
    return np.concatenate(rows)[:steps].astype(np.int64)


def cropped(
    x: torch.Tensor, shape: ImageShape, generator: torch.Generator, padding: int = PADDING
) -> torch.Tensor:
    """Every image cropped at random from its padded self, half of them mirrored.

    Args:
        x: images, (..., channels · side²).
        shape: of an image.
        generator: draws places and which are mirrored.
        padding: pixels around an image before it is cropped.

    Returns:
        Of the shape of x.
    """
    channels, side = shape
    images = torch.nn.functional.pad(x.reshape(-1, channels, side, side), (padding,) * 4)
    count = len(images)
    offsets = torch.randint(2 * padding + 1, (2, count, 1), generator=generator)
    rows, columns = (offsets + torch.arange(side)).to(x.device)
    mirrored = torch.rand(count, 1, generator=generator).to(x.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    numbers = torch.arange(count, device=x.device)
    # indices apart from each other put the channels last
    crops = images[numbers[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return crops.permute(0, 3, 1, 2).reshape(x.shape)
