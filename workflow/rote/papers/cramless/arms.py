"""Which networks are trained on what: data sets, selection schemes, and the arms made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rote.core.errors import InputError
from rote.papers.cramless.settings import CramlessFacts, CramlessText, CramlessTraining

SCORING_WORK = 1 / 3  # of scoring a candidate (a forward pass), in training steps on one example


@dataclass(frozen=True)
class OfflineSelection:
    """A data set that is chosen from the losses of a finished network."""

    name: str  # in the table of pruned counts
    label: str  # in figures
    scheme: str  # of rote.prune.OFFLINE
    by_frequency: bool = False  # an oracle: ranks facts by their copies instead of their losses
    each_once: bool = False  # one copy of every chosen fact


@dataclass(frozen=True)
class Scheme:
    """What a network is trained on: everything, or a selection inside or before training."""

    name: str  # in the tables
    label: str  # in figures
    online: str = ""  # of rote.prune.ONLINE
    offline: OfflineSelection | None = None


STANDARD = Scheme("none", "standard training")
AUTOMATIC = Scheme("auto", "automatic selection", online="auto")
AUTOMATIC_FLAT = Scheme("auto-flat", "automatic, flattened", online="auto-flat")
LOW = Scheme("low", "fixed share of lowest loss", online="low")
LOW_FLAT = Scheme("low-flat", "fixed share, flattened", online="low-flat")
ONLINE_VARIANTS = (AUTOMATIC_FLAT, LOW, LOW_FLAT)


def _offline(selection: OfflineSelection) -> Scheme:
    return Scheme(f"offline {selection.name}", selection.label, offline=selection)


OFFLINE_RANDOM = _offline(OfflineSelection("random", "random facts", "random"))
OFFLINE_LOSS = _offline(OfflineSelection("loss", "facts of lowest loss", "loss"))
OFFLINE_FLAT = _offline(OfflineSelection("loss-flat", "lowest loss, flattened", "loss-flat"))
OFFLINE_AUTOMATIC = _offline(
    OfflineSelection("automatic", "lowest loss, each once", "loss-flat", each_once=True)
)
OFFLINE_FREQUENT = _offline(
    OfflineSelection("frequent", "most frequent facts (oracle)", "loss", by_frequency=True)
)
OFFLINE_SCHEMES = (
    OFFLINE_RANDOM,
    OFFLINE_LOSS,
    OFFLINE_FLAT,
    OFFLINE_AUTOMATIC,
    OFFLINE_FREQUENT,
)
OFFLINE_SELECTIONS = tuple(scheme.offline for scheme in OFFLINE_SCHEMES if scheme.offline)
SCHEMES = {
    scheme.name: scheme for scheme in (STANDARD, AUTOMATIC, *ONLINE_VARIANTS, *OFFLINE_SCHEMES)
}


class FactDataSet(NamedTuple):
    """A data set of facts."""

    name: str
    facts: int
    exponent: float  # of the power law of frequencies; 0 is uniform
    copies: int | None  # None: every fact once


class FactArm(NamedTuple):
    """One kind of trained network; its replicates are stacked."""

    group: str  # the job that trains it
    data: FactDataSet
    scheme: Scheme
    width: int
    steps: int

    @property
    def name(self) -> str:
        """What the tables and its random streams call it."""
        return f"{self.data.name}, {self.scheme.name}, width {self.width}, {self.steps} steps"


class ArmLayout(NamedTuple):
    """The data sets and networks of a run."""

    uniform: list[FactDataSet]  # by size
    power_laws: list[FactDataSet]  # by exponent
    smaller: list[FactDataSet]  # of exponent 1, by size
    training: CramlessTraining

    @property
    def harmonic(self) -> FactDataSet:
        """The power law of exponent 1, which most claims are about."""
        return next(data for data in self.power_laws if data.exponent == 1.0)


def data_sets(facts: CramlessFacts) -> list[FactDataSet]:
    """Uniform data sets by size, power laws by exponent, then smaller ones of exponent 1."""
    return [*_uniform(facts), *_power_laws(facts), *_smaller(facts)]


def _uniform(facts: CramlessFacts) -> list[FactDataSet]:
    return [FactDataSet(f"uniform {n}", n, 0.0, None) for n in facts.uniform]


def _power_laws(facts: CramlessFacts) -> list[FactDataSet]:
    return [FactDataSet(f"power {a:g}", facts.skewed, a, facts.copies) for a in facts.exponents]


def _smaller(facts: CramlessFacts) -> list[FactDataSet]:
    """As many copies per fact as the other power laws have."""
    return [
        FactDataSet(f"power 1 of {n}", n, 1.0, round(facts.copies * n / facts.skewed))
        for n in facts.smaller
    ]


# ---- groups of arms

Cell = tuple[FactDataSet, Scheme, int, int]  # data, scheme, width, steps


@dataclass(frozen=True)
class ArmGroup:
    """Arms that one job trains."""

    name: str
    cells: Callable[[ArmLayout], list[Cell]]
    needs_pruned: bool = False  # trains on offline selections


def _standard(layout: ArmLayout) -> list[Cell]:
    return [_base(layout, data, STANDARD) for data in (*layout.uniform, *layout.power_laws)]


def _uniform_selected(layout: ArmLayout) -> list[Cell]:
    data_sets = (layout.uniform[0], *layout.uniform[2:][-2:])  # the smallest, and crowded ones
    return [_base(layout, data, AUTOMATIC) for data in data_sets]


def _skewed_selected(layout: ArmLayout) -> list[Cell]:
    return [_base(layout, data, AUTOMATIC) for data in layout.power_laws]


def _online_variants(layout: ArmLayout) -> list[Cell]:
    return [_base(layout, layout.harmonic, scheme) for scheme in ONLINE_VARIANTS]


def _ladder(layout: ArmLayout) -> list[Cell]:
    """Cells of other widths, and of the base width for more steps.

    Other widths: what they recite of a power law, and their capacity, on a uniform set that is too
    large for them.
    """
    training = layout.training
    cells: list[Cell] = []
    for width in training.ladder:
        crammed = layout.uniform[-2] if width > training.width else layout.uniform[-3]
        cells.append((layout.harmonic, STANDARD, width, training.steps))
        cells.append((crammed, STANDARD, width, training.steps))
    for width in training.pruned_ladder:
        cells.append((layout.harmonic, AUTOMATIC, width, training.steps))
    longer = training.longer_factor * training.steps
    return [*cells, (layout.harmonic, STANDARD, training.width, longer)]


def _smaller_standard(layout: ArmLayout) -> list[Cell]:
    return [_base(layout, data, STANDARD) for data in layout.smaller]


def _pruned(layout: ArmLayout) -> list[Cell]:
    return [_base(layout, layout.harmonic, scheme) for scheme in OFFLINE_SCHEMES]


def _base(layout: ArmLayout, data: FactDataSet, scheme: Scheme) -> Cell:
    return data, scheme, layout.training.width, layout.training.steps


STANDARD_GROUP = ArmGroup("standard", _standard)
GROUPS = {
    group.name: group
    for group in (
        STANDARD_GROUP,
        ArmGroup("uniform", _uniform_selected),
        ArmGroup("skewed", _skewed_selected),
        ArmGroup("schemes", _online_variants),
        ArmGroup("ladder", _ladder),
        ArmGroup("smaller", _smaller_standard),
        ArmGroup("pruned", _pruned, needs_pruned=True),
    )
}


def arms_of(name: str, facts: CramlessFacts, training: CramlessTraining) -> list[FactArm]:
    """Every arm of a group.

    Raises:
        InputError: for an unknown group.
    """
    if name not in GROUPS:
        raise InputError(f"--group must be one of {', '.join(GROUPS)}, given {name!r}")
    layout = ArmLayout(_uniform(facts), _power_laws(facts), _smaller(facts), training)
    return [FactArm(name, *cell) for cell in GROUPS[name].cells(layout)]


# ---- natural text


class TextArm(NamedTuple):
    """A GPT-2 trained on natural text."""

    size: str  # of TEXT_SIZES
    scheme: Scheme

    @property
    def name(self) -> str:
        """How its files are called."""
        return f"{self.size}_{self.scheme.name}"

    @property
    def columns(self) -> tuple[str, str]:
        """Its size and scheme in the table TextRuns."""
        return self.size, self.scheme.name

    def shape(self, options: CramlessText) -> tuple[int, int, int]:
        """Layers, heads and width."""
        layers, heads, width = getattr(options, self.size)
        return layers, heads, width


SMALL_STANDARD = TextArm("small", STANDARD)
SMALL_AUTOMATIC = TextArm("small", AUTOMATIC)
LARGE_STANDARD = TextArm("large", STANDARD)
TEXT_ARMS = (SMALL_STANDARD, SMALL_AUTOMATIC, LARGE_STANDARD)
TEXT_SIZES = ("small", "large")  # keys of their shapes in the settings
TEXT_SCHEMES = (STANDARD.name, AUTOMATIC.name)


def text_arm(size: str, scheme: str) -> TextArm:
    """The arm of that size and scheme. Raises InputError for an unknown one."""
    if size not in TEXT_SIZES or scheme not in TEXT_SCHEMES:
        raise InputError(
            f"--size must be {' or '.join(TEXT_SIZES)}, --scheme {' or '.join(TEXT_SCHEMES)}; "
            f"given {size!r}, {scheme!r}"
        )
    return TextArm(size, SCHEMES[scheme])
