"""Generated images with a long tail of subpopulations under perceptrons."""

from typing import ClassVar

from rote.core.section import Section, key
from rote.papers.resmem.task import (
    LAST,
    BaseArm,
    Headline,
    ResmemTask,
    Rng,
    Size,
    SizeAxis,
    TaskData,
    TaskSplit,
    TaskWork,
    TrainingRecipe,
)


class ResmemLongTail(Section):
    """Generated images with a long tail of subpopulations."""

    units: int = key(16, "Hidden units of the small base", ge=1)
    large: int = key(64, "Those of a base that fits its training set", ge=1)
    sizes: list[Size] = key([1000, 4000, 16_000], "Training images", min_length=2)
    valid: int = key(1000, "Validation images", ge=50)
    test: int = key(4000, "Test images", ge=100)
    unseen_sizes: list[Size] = key(
        [1000, 4000, 16_000], "Rows of a memory of images that the base did not see"
    )
    folds: int = key(5, "Folds of cross-fitted residuals", ge=2)
    epochs: int = key(30, "Training epochs, at the middle size; as many steps at the others", ge=1)
    batch: int = key(100, "Batch size", ge=1)
    learning_rate: float = key(0.01, "Peak of the learning rate", gt=0)
    replicates: int = key(8, "Generators, data sets and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "sizes": [500, 1000],
            "unseen_sizes": [500, 1000],
            "test": 500,
            "valid": 300,
            "epochs": 4,
            "replicates": 2,
        },
        "paper": {"replicates": 10},
    }


def load(options: ResmemLongTail, rng: Rng) -> TaskData:
    """Images of one generator; as many as a memory that grows beyond the base's rows needs."""
    from rote.synth.images import LongTailImages

    grown = min(options.sizes) + max(options.unseen_sizes)
    source = LongTailImages(rng)
    counts = (max(*options.sizes, grown), options.valid, options.test)
    return TaskData(*(TaskSplit(*source.draw(rng, count)) for count in counts), source.CLASSES)


def small_base(options: ResmemLongTail, examples: int) -> BaseArm:
    """A base too small for its training set."""
    return BaseArm(("units", "examples"), units=options.units, examples=examples)


def large_base(options: ResmemLongTail) -> BaseArm:
    """A base that fits its training set, the smallest."""
    return BaseArm(("units", "examples"), units=options.large, examples=options.sizes[0])


def arms(options: ResmemLongTail) -> list[BaseArm]:
    """The small base on every size, and the large one."""
    return [*(small_base(options, size) for size in options.sizes), large_base(options)]


def recipe(options: ResmemLongTail) -> TrainingRecipe:
    """As many steps for every arm as the middle size takes."""
    middle = sorted(options.sizes)[len(options.sizes) // 2]
    steps = max(1, options.epochs * (middle // options.batch))
    return TrainingRecipe(steps, options.batch, options.learning_rate)


def work(options: ResmemLongTail) -> TaskWork:
    """Products of the small base at three sizes and of the large one."""
    products = 3 * (options.units + options.large) * 256.0
    return TaskWork(
        training=products * options.replicates * options.epochs * max(options.sizes),
        rows=6 * options.replicates * max(options.sizes),
    )


TASK = ResmemTask(
    name="longtail",
    title="Long tail",
    settings=ResmemLongTail,
    work=work,
    rank=2,
    load=load,
    arms=arms,
    recipe=recipe,
    axis=SizeAxis("examples", "training images"),
    headline=Headline(LAST, {"units": 16, "examples": 4000}),
    subpopulations=True,
)
