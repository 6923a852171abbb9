"""What a task is, and the records that its steps hand to each other.

A task is one file of `rote.papers.resmem.tasks` that holds `TASK`, a `ResmemTask`. The config, the
rules, the costs, the steps, the figures and the errors go through the registry there, and none of
them names a task. The workflow imports the registry at each start: what is heavy (torch, numba,
scikit-learn) is imported inside the functions that use it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple
from zlib import crc32

import numpy as np
from pydantic import Field

from rote.core import fields
from rote.core.errors import InputError
from rote.core.section import Section

Arrays = dict[str, np.ndarray]
Rng = np.random.Generator
SPLITS = ("train", "valid", "test")

# types of config keys
Size = Annotated[int, Field(ge=20)]
Units = Annotated[int, Field(ge=0)]
Width = Annotated[int, Field(ge=1)]
Depth = Annotated[int, Field(ge=8)]
NoiseShare = Annotated[float, Field(ge=0, lt=1)]


# ---- data


class TaskSplit(NamedTuple):
    """One part of a data set."""

    x: np.ndarray  # (n, inputs) float32; int64 of characters or tokens; (n,) numbers of files
    y: np.ndarray  # (n,) int64, labels
    groups: np.ndarray  # (n,) int64: subpopulations or coarse classes; labels where there are none


class TaskData(NamedTuple):
    """The data set of one replicate."""

    train: TaskSplit  # the largest training set of the task; smaller ones are its first rows
    valid: TaskSplit
    test: TaskSplit
    classes: int
    tokens: np.ndarray | None = None  # the token of each class but the last, where classes are such

    def split(self, name: str, examples: int | None = None) -> TaskSplit:
        """A part by its name; of the training part only the first `examples`."""
        part = getattr(self, name)
        if name != "train" or examples is None:
            return part
        return TaskSplit(*(array[:examples] for array in part))


def cut(x: np.ndarray, y: np.ndarray, train: int, valid: int, classes: int) -> TaskData:
    """Rows in their order as training, validation and (all others) test rows.

    Args:
        x: (n, inputs).
        y: (n,) labels, which are the groups as well.
        train, valid: rows of the first two parts, ≥ 1 each; together fewer than n.
        classes: how many there are.

    Raises:
        InputError: for labels of other rows, and for parts that would be empty or short.
    """
    if len(y) != len(x):
        raise InputError(f"y must have a label for each of the {len(x)} rows of x, given {len(y)}")
    fields.check({"train": fields.SIZE, "valid": fields.SIZE}, {"train": train, "valid": valid})
    if train + valid >= len(x):
        raise InputError(
            f"train + valid must be below the {len(x)} rows, so that some are left for testing, "
            f"given {train} + {valid}"
        )
    edges = [train, train + valid]
    parts = zip(np.split(x, edges), np.split(y, edges), strict=True)
    return TaskData(*(TaskSplit(inputs, labels, labels) for inputs, labels in parts), classes)


# ---- embeddings


class FeatureLayer(NamedTuple):
    """What a memory's distances are taken between."""

    name: str  # in tables, and of its arrays in files
    label: str  # in titles
    is_input: bool = False  # whether it is what the base reads: no layer of it, and not stored


LAST = FeatureLayer("last", "last layer")
MAP = FeatureLayer("map", "feature map")
INPUTS = FeatureLayer("inputs", "inputs", is_input=True)
FEATURES = {layer.name: layer for layer in (LAST, MAP, INPUTS)}  # the deepest first


# ---- bases


@dataclass(frozen=True)
class BaseArm:
    """A base: what it is and what it is trained on. Tables hold its fields as columns.

    Raises:
        InputError: naming the field and its range.
    """

    varied: tuple[str, ...]  # the fields by which the arms of a task are told apart
    units: int = 0  # of a perceptron's hidden layers; 0 for a linear base
    layers: int = 1  # hidden layers of a perceptron
    width: int = 0  # of a residual network's first stage
    depth: int = 0  # of a residual network
    examples: int = 0  # training examples: the first ones
    noise: float = 0.0  # share of training labels drawn anew
    model: str = ""  # a network that is taken as it is
    weights: float = 0.0  # of that network, roughly: what a forward pass costs
    given_key: str = ""  # its key where the varied fields do not make it

    def __post_init__(self) -> None:
        fields.check(_ARM_DOMAINS, vars(self))
        unknown = sorted(set(self.varied) - set(_KEY_PARTS))
        if unknown or not self.varied:
            raise InputError(
                f"varied must name some of {', '.join(_KEY_PARTS)}, "
                f"given {', '.join(unknown) or 'none'}"
            )

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of a perceptron's hidden layers."""
        return (self.units,) * self.layers if self.units else ()

    @property
    def key(self) -> str:
        """What its random streams, its arrays in files and its rows in tables are named by."""
        return self.given_key or ", ".join(_KEY_PARTS[name](self) for name in self.varied)

    @property
    def label(self) -> str:
        """The arm in words, for display alone: no number and no file depends on it."""
        return ", ".join(LABEL_PARTS[name](self) for name in self.varied)

    def columns(self) -> dict[str, Any]:
        """The arm as columns of a table: its key, its label, and the fields to select by."""
        fields = {name: getattr(self, name) for name in ARM_COLUMNS}
        return {"arm": self.key, "label": self.label} | fields


_ARM_DOMAINS = {
    "units": fields.COUNT,
    "layers": fields.SIZE,
    "width": fields.COUNT,
    "depth": fields.COUNT,
    "examples": fields.COUNT,
    "noise": fields.FieldRange("in [0, 1)", lambda value: 0 <= value < 1),
    "weights": fields.NOT_NEGATIVE,
}
ARM_COLUMNS = ("units", "width", "depth", "examples", "noise")
ArmText = Callable[[BaseArm], str]
# other text would draw other numbers: data and weights of every arm would change
_KEY_PARTS: dict[str, ArmText] = {
    "units": lambda arm: f"{arm.units} units" if arm.units else "linear",
    "width": lambda arm: f"width {arm.width}",
    "depth": lambda arm: f"depth {arm.depth}",
    "examples": lambda arm: f"n = {arm.examples}",
    "noise": lambda arm: f"noise {arm.noise:g}",
    "model": lambda arm: arm.model,
}
LABEL_PARTS: dict[str, ArmText] = dict(_KEY_PARTS)  # free to say it in other words


class ImageShape(NamedTuple):
    """Shape of flattened images."""

    channels: int
    side: int


@dataclass(frozen=True)
class TrainingRecipe:
    """How a task's bases are trained.

    Raises:
        InputError: naming the field and its range.
    """

    steps: int
    batch: int
    learning_rate: float  # its peak
    decay: float = 0.0  # weight decay; AdamW's is decoupled
    crops: ImageShape | None = None  # images are cropped at random and mirrored, if of this shape
    sgd: bool = False  # SGD with Nesterov's momentum 0.9; else AdamW
    stepwise: bool = False  # the rate is cut to a tenth at half and three quarters; else one cycle

    def __post_init__(self) -> None:
        fields.check(_RECIPE_DOMAINS, vars(self))
        fields.check_types({"sgd": bool, "stepwise": bool}, vars(self))


_RECIPE_DOMAINS = {
    "steps": fields.SIZE,
    "batch": fields.SIZE,
    "learning_rate": fields.POSITIVE,
    "decay": fields.NOT_NEGATIVE,
}


class TrainingRun(NamedTuple):
    """How bases are trained that is not the task's: where, and where checkpoints go."""

    seed: int
    device: str = "cpu"
    checkpoints: Path | None = None  # folder
    checkpoint_steps: int = 500

    def checkpoint(self, arm: BaseArm) -> Path | None:
        """The file in which an arm's training saves its state."""
        name = f"{crc32(arm.key.encode()):08x}.pt"
        return self.checkpoints / name if self.checkpoints else None


class MemorySpec(NamedTuple):
    """One memory of a task: of which base, on which embedding, how large, in which replicate."""

    arm: BaseArm
    features: FeatureLayer
    rows: int  # remembered
    replicate: int

    def array_key(self, *parts: str) -> str:
        """The name of one of its arrays in the file of neighbors."""
        return array_key(self.arm, self.replicate, self.features.name, str(self.rows), *parts)

    def columns(self, task: "ResmemTask") -> dict[str, Any]:
        """The columns that say in a table which memory a row is about."""
        about = {"features": self.features.name, "rows": self.rows, "replicate": self.replicate}
        return {"task": task.name} | self.arm.columns() | about


def array_key(arm: BaseArm, replicate: int, *parts: str) -> str:
    """The name of an array in the files between steps: arm, replicate, split, what it is."""
    return "/".join([arm.key, str(replicate), *parts])


# ---- what tasks share


def perceptron(arm: BaseArm, options: Any, data: TaskData, rngs: list[Rng]) -> Any:
    """A stack of untrained perceptrons on flat inputs, one per generator.

    Args:
        arm: the base, with its hidden units.
        options: the task's config section.
        data: of one replicate.
        rngs: draw the weights, one per network.
    """
    from rote.models import classifiers

    return classifiers.perceptron(data.train.x.shape[1], arm.hidden, data.classes, rngs)


def residual(shape: ImageShape) -> Callable[[BaseArm, Any, TaskData, list[Rng]], Any]:
    """What builds stacks of CIFAR's residual networks for images of a shape."""

    def build(arm: BaseArm, options: Any, data: TaskData, rngs: list[Rng]) -> Any:
        from rote.models import classifiers

        return classifiers.residual(arm.depth, arm.width, *shape, data.classes, rngs)

    return build


def residual_products(depth: int, width: int, side: int) -> float:
    """Multiply-adds of CIFAR's residual network: three stages, side halved, channels doubled."""
    return (depth - 2) * 9 * width**2 * side**2


def layer_and_inputs(arm: BaseArm) -> list[FeatureLayer]:
    """Features of perceptrons: their last layer, if there is a hidden one, and the inputs."""
    return [LAST, INPUTS] if arm.hidden else [INPUTS]


def last_layer(arm: BaseArm) -> list[FeatureLayer]:
    """Features of networks whose inputs no memory is built on."""
    return [LAST]


def all_examples(options: Any, arm: BaseArm) -> list[int]:
    """One memory of all rows that the base was trained on."""
    return [arm.examples]


# ---- the protocol


@dataclass(frozen=True)
class TaskWork:
    """What a task's jobs grow with, leading orders (see `rote.run.costs`).

    Raises:
        InputError: naming the field and its range.
    """

    training: float  # network evaluations (examples seen times networks) times multiply-adds
    rows: float  # embedded
    forward: float | None = None  # of embedding them, where networks are large; else `rows`

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        fields.check(dict.fromkeys(given, fields.NOT_NEGATIVE), given)


def first_layer_work(options: Any, inputs: int, classes: int) -> TaskWork:
    """The cost of perceptrons: products of the first layer.

    Args:
        options: a config section with `units`, `replicates`, `steps`, `batch` and `train`.
        inputs: coordinates of a row.
        classes: how many there are.
    """
    products = sum(inputs * max(units, classes) for units in options.units)
    return TaskWork(
        training=products * options.replicates * options.steps * options.batch,
        rows=len(options.units) * options.replicates * options.train,
    )


class SizeAxis(NamedTuple):
    """The field along which a figure shows a task's arms."""

    column: str  # one of ARM_COLUMNS
    label: str
    zero: str = ""  # what a size of 0 is called, if it may occur


class Headline(NamedTuple):
    """The memory that claims about all tasks measure: that of the smallest base."""

    features: FeatureLayer
    fields: Mapping[str, Any]  # in which its arm differs from the task's first


@dataclass(frozen=True, kw_only=True)
class ResmemTask:
    """A task, from its config section to its place in figures.

    Most tasks classify: they say how to `load` data and which `arms` there are, and either how to
    train them (`recipe`, `build`) or where to take them (`bases`, `embed`). `steps` replaces all
    four steps.

    Raises:
        InputError: for a task that lacks what its steps or `rote plan` need, or whose section,
            headline, axis or arms (at the section's defaults, unless it `needs` files) cannot be
            used.
    """

    name: str  # of its file and of its config section; a key of its random streams
    title: str  # in figures
    settings: type[Section]  # its config section; has `replicates`
    work: Callable[[Any], TaskWork] | None = None  # section -> cost; must not be left out
    needs: str = ""  # the key of its section that must name files, or the task is left out
    rank: int = 50  # its place among the tasks: rows of tables, panels of figures

    load: Callable[[Any, Rng], TaskData] | None = None  # (section, generator) -> a replicate
    arms: Callable[[Any], list[BaseArm]] | None = None  # section -> bases; the smallest first
    recipe: Callable[[Any], TrainingRecipe] | None = None
    build: Callable[[BaseArm, Any, TaskData, list[Rng]], Any] = perceptron  # -> Stack
    features: Callable[[BaseArm], list[FeatureLayer]] = layer_and_inputs
    memories: Callable[[Any, BaseArm], list[int]] = all_examples  # rows remembered

    bases: Callable[[Any], Arrays] | None = None  # section -> weights that are taken as they are
    # (section, arm, its weights, data of all replicates, device) -> by replicate and split:
    # `logits` (n, classes) and `last` (n, d)
    embed: Callable[..., list[dict[str, Arrays]]] | None = None

    # -> a module that has all four steps: `bases`, `embeddings`, `neighbors` and `evaluate` with
    # the arguments that those of `training`, `embedding`, `residuals` and `evaluation` take
    steps: Callable[[], ModuleType] | None = None

    axis: SizeAxis | None = None  # None: not in the figure of accuracy by size
    headline: Headline | None = None  # None: in no claim about all tasks
    subpopulations: bool = False  # whether groups are such, so that accuracy by frequency is told
    split_ratio: float = 0.0  # test over training part of a text that replicates split anew
    coarse: Callable[[np.ndarray], np.ndarray] | None = None  # classes -> coarse classes = groups

    def __post_init__(self) -> None:
        required = ["work"]
        if self.steps is None:
            required += ["load", "arms", *(["embed"] if self.bases else ["recipe"])]
        missing = [name for name in required if getattr(self, name) is None]
        if missing:
            raise InputError(f"task {self.name!r} says nothing about {', '.join(missing)}")
        needed = ["replicates", *([self.needs] if self.needs else [])]
        lacking = [name for name in needed if name not in self.settings.model_fields]
        if lacking:
            raise InputError(
                f"task {self.name!r}: {self.settings.__name__} must have the "
                f"key{'s' * (len(lacking) > 1)} {', '.join(lacking)}"
            )
        if self.headline and self.headline.features not in FEATURES.values():
            raise InputError(
                f"task {self.name!r}: features of the headline must be one of "
                f"{', '.join(layer.name.upper() for layer in FEATURES.values())}, "
                f"given {self.headline.features!r}"
            )
        shown = [self.axis.column] if self.axis else []
        selected = [*shown, *(self.headline.fields if self.headline else ())]
        unknown = sorted(set(selected) - set(ARM_COLUMNS))
        if unknown:
            raise InputError(
                f"task {self.name!r}: axis and headline select by {', '.join(ARM_COLUMNS)}, "
                f"not by {', '.join(unknown)}"
            )
        if not self.needs:  # else its arms may depend on files
            self.distinct_arms(self.settings())

    def distinct_arms(self, options: Any) -> list[BaseArm]:
        """The task's arms.

        Args:
            options: its config section.

        Raises:
            InputError: for an arm outside its ranges, or for arms that `varied` does not tell
                apart: they would share random streams and files.
        """
        try:
            arms = self.arms(options) if self.arms else []
        except InputError as error:
            raise InputError(f"task {self.name!r}: {error}") from error
        keys = [arm.key for arm in arms]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        if repeated:
            raise InputError(
                f"task {self.name!r}: arms are told apart by `varied`, which leaves several called "
                f"{', '.join(map(repr, repeated))}"
            )
        return arms

    def steps_or(self, usual: ModuleType) -> ModuleType:
        """The module with the task's steps: its own, or the usual one."""
        return self.steps() if self.steps else usual

    def runs(self, options: Any) -> bool:
        """Whether the task is part of a run: the config names the files that it needs."""
        return not self.needs or bool(getattr(options, self.needs))
