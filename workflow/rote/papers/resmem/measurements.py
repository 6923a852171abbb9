"""What tasks share whose rows are a few measurements of one thing: scikit-learn's small tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rote.core.section import Section, key
from rote.papers.resmem.task import (
    INPUTS,
    BaseArm,
    Headline,
    ResmemTask,
    Rng,
    TaskData,
    TaskWork,
    TrainingRecipe,
    Units,
    cut,
    first_layer_work,
)


class Measurements(Section):
    """A small table under a linear base and a perceptron."""

    units: list[Units] = key([0, 4], "Hidden units; 0 is a linear base", min_length=1)
    train: int = key(100, "Training rows", ge=20)
    valid: int = key(30, "Validation rows", ge=20)
    steps: int = key(300, "Training steps", ge=10)
    batch: int = key(50, "Batch size", ge=1)
    learning_rate: float = key(0.02, "Peak of the learning rate", gt=0)
    replicates: int = key(16, "Splits and networks", ge=2)

    SCALES: ClassVar = {"smoke": {"units": [0], "steps": 50, "replicates": 2}}


def table(file: str) -> tuple[np.ndarray, np.ndarray]:
    """Measurements (n, d) and labels (n,) of a table that scikit-learn ships.

    Args:
        file: its name; the first line is a header, the last column the label.
    """
    import sklearn

    folder = Path(sklearn.__file__).parent / "datasets/data"
    rows = np.loadtxt(folder / file, delimiter=",", skiprows=1)
    return rows[:, :-1], rows[:, -1].astype(np.int64)


def task(name: str, title: str, file: str, settings: type[Section], rank: int) -> ResmemTask:
    """The task of one table.

    Args:
        name: of the task.
        title: in figures.
        file: of scikit-learn's, see `table`.
        settings: its config section, a `Measurements`.
        rank: its place among the tasks.
    """
    return ResmemTask(
        name=name,
        title=title,
        settings=settings,
        work=work,
        rank=rank,
        load=_loading(file),
        arms=arms,
        recipe=recipe,
        headline=Headline(INPUTS, {"units": 0}),
    )


def _loading(file: str) -> Callable[[Any, Rng], TaskData]:
    def load(options: Any, rng: Rng) -> TaskData:
        """Another split in every replicate, standardized as its training rows are."""
        x, y = table(file)
        order = rng.permutation(len(y))
        x, y = x[order], y[order]
        first = x[: options.train]
        z = ((x - first.mean(0)) / first.std(0)).astype(np.float32)
        return cut(z, y, options.train, options.valid, int(y.max()) + 1)

    return load


def arms(options: Any) -> list[BaseArm]:
    """Perceptrons by their units."""
    return [BaseArm(("units",), units=units, examples=options.train) for units in options.units]


def recipe(options: Any) -> TrainingRecipe:
    """As many steps as the config says."""
    return TrainingRecipe(options.steps, options.batch, options.learning_rate)


def work(options: Any) -> TaskWork:
    """Products of the first layer, of about 30 measurements."""
    return first_layer_work(options, 30, 3)
