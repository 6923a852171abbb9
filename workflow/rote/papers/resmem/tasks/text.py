"""Next characters of Python's own help topics under perceptrons."""

from typing import Any, ClassVar

import numpy as np

from rote.core.errors import InputError
from rote.core.section import Section, key
from rote.papers.resmem.task import (
    LAST,
    BaseArm,
    Headline,
    ResmemTask,
    Rng,
    Size,
    TaskData,
    TaskSplit,
    TaskWork,
    TrainingRecipe,
    Width,
    last_layer,
)


class ResmemText(Section):
    """Next characters of Python's own help topics, from the eight before."""

    units: list[Width] = key([16, 64], "Units of both hidden layers", min_length=1)
    memories: list[Size] = key([20_000, 80_000], "Positions remembered", min_length=2)
    context: int = key(8, "Characters that the network sees", ge=1)
    embedding: int = key(12, "Size of a character's embedding", ge=1)
    unseen_context: int = key(
        16,
        "A test position counts if as many characters before it are not in the training text",
        ge=1,
    )
    valid: int = key(1000, "Validation positions", ge=50)
    test: int = key(2000, "Test positions", ge=100)
    steps: int = key(3000, "Training steps", ge=10)
    batch: int = key(256, "Batch size", ge=1)
    learning_rate: float = key(0.005, "Peak of the learning rate", gt=0)
    replicates: int = key(8, "Splits by topic, and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "units": [16],
            "memories": [2000, 8000],
            "valid": 200,
            "test": 300,
            "steps": 100,
            "replicates": 2,
        },
        "paper": {"memories": [20_000, 80_000, 300_000], "replicates": 10},
    }


def topics() -> list[str]:
    """Python's help topics, text under the PSF licence; they differ a little between versions."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]


def load(options: ResmemText, rng: Rng) -> TaskData:
    """Windows of characters, split by whole topics: a tenth of the text each to test and to tune.

    Topics repeat each other. A validation or test position counts only if the characters before it
    do not occur in the training text.

    Raises:
        InputError: for more training positions than the text has.
    """
    texts = topics()
    order = rng.permutation(len(texts))
    texts = [texts[number] for number in order]
    lengths = np.cumsum([len(text) for text in texts])
    tested, tuned = np.searchsorted(lengths, [0.1 * lengths[-1], 0.2 * lengths[-1]]) + 1
    parts = ["\n".join(topic) for topic in (texts[tuned:], texts[tested:tuned], texts[:tested])]
    symbols = {symbol: number for number, symbol in enumerate(sorted(set("".join(texts) + "\n")))}
    windows = [_windows(part, symbols, options.context) for part in parts]
    positions = max(options.memories)
    if len(windows[0]) < positions:
        raise InputError(
            f"the help topics give {len(windows[0])} training positions, "
            f"resmem.text.memories asks for {positions}"
        )
    splits = [_rows(windows[0], rng.choice(len(windows[0]), positions, replace=False))]
    contexts = _contexts(parts[0], options.unseen_context)
    for part, window, count in zip(
        parts[1:], windows[1:], (options.valid, options.test), strict=True
    ):
        unseen = _unseen(part, len(window), contexts, options)
        splits.append(_rows(window, rng.choice(unseen, min(count, len(unseen)), replace=False)))
    return TaskData(*splits, len(symbols))


def _windows(text: str, symbols: dict[str, int], context: int) -> np.ndarray:
    """Every position with the characters before it, (positions, context + 1) int64."""
    codes = np.array([symbols[symbol] for symbol in text], np.int64)
    return np.lib.stride_tricks.sliding_window_view(codes, context + 1)


def _rows(windows: np.ndarray, positions: np.ndarray) -> TaskSplit:
    rows = windows[positions]
    return TaskSplit(rows[:, :-1].copy(), rows[:, -1].copy(), rows[:, -1].copy())


def _contexts(text: str, length: int) -> set[str]:
    return {text[start : start + length] for start in range(len(text) - length)}


def _unseen(text: str, windows: int, contexts: set[str], options: ResmemText) -> list[int]:
    """Windows whose last characters before the one to predict are not among the contexts."""
    starts = np.arange(options.unseen_context - options.context, windows)
    ends = starts + options.context
    return [
        start
        for start, end in zip(starts, ends, strict=True)
        if text[end - options.unseen_context : end] not in contexts
    ]


def arms(options: ResmemText) -> list[BaseArm]:
    """Networks of two hidden layers, by their units."""
    examples = max(options.memories)
    return [
        BaseArm(("units",), units=units, layers=2, examples=examples) for units in options.units
    ]


def recipe(options: ResmemText) -> TrainingRecipe:
    """As many steps as the config says."""
    return TrainingRecipe(options.steps, options.batch, options.learning_rate)


def build(arm: BaseArm, options: ResmemText, data: TaskData, rngs: list[Rng]) -> Any:
    """Perceptrons on embedded characters.

    Args:
        arm: the base, with its hidden units.
        options: the task's config section.
        data: of one replicate.
        rngs: draw the weights, one per network.
    """
    from rote.models import classifiers

    return classifiers.characters(
        data.classes, options.context, options.embedding, arm.hidden, rngs
    )


def memories(options: ResmemText, arm: BaseArm) -> list[int]:
    """Fewer rows than the base was trained on, too."""
    return list(options.memories)


def work(options: ResmemText) -> TaskWork:
    """Products of the three layers."""
    products = sum(
        options.context * options.embedding * units + units * units + 100 * units
        for units in options.units
    )
    return TaskWork(
        training=products * options.replicates * options.steps * options.batch,
        rows=len(options.units) * options.replicates * max(options.memories),
    )


TASK = ResmemTask(
    name="text",
    title="Text",
    settings=ResmemText,
    work=work,
    rank=4,
    load=load,
    arms=arms,
    recipe=recipe,
    build=build,
    features=last_layer,
    memories=memories,
    split_ratio=0.1 / 0.8,
    headline=Headline(LAST, {"units": 16}),
)
