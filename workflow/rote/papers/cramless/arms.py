"""Which networks are trained on what: data sets, selection schemes, and the arms made of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
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


# LossH and LossHF are the published names; their rules could not be read, ours are reconstructions
STANDARD = Scheme("none", "standard training")
AUTOMATIC = Scheme("auto", "LossH, controlled", online="auto")
AUTOMATIC_FLAT = Scheme("auto-flat", "LossHF, controlled", online="auto-flat")
AUTOMATIC_EPOCH = Scheme("auto-epoch", "LossH, without scoring", online="auto-epoch")
HIGH = Scheme("high", "fixed share of highest loss", online="high")
LOW = Scheme("low", "LossH, fixed share", online="low")
LOW_FLAT = Scheme("low-flat", "LossHF, fixed share", online="low-flat")
ONLINE_VARIANTS = (AUTOMATIC_FLAT, AUTOMATIC_EPOCH, LOW, LOW_FLAT, HIGH)


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
    rate: float = 0.0  # peak learning rate; 0: that of the settings

    @property
    def name(self) -> str:
        """What the tables and its random streams call it."""
        name = f"{self.data.name}, {self.scheme.name}, width {self.width}, {self.steps} steps"
        return f"{name}, rate {self.rate:g}" if self.rate else name


class ArmLayout(NamedTuple):
    """The data sets and networks of a run."""

    uniform: list[FactDataSet]  # by size
    power_laws: list[FactDataSet]  # by exponent
    smaller: list[FactDataSet]  # of exponent 1, by size
    training: CramlessTraining

    @property
    def widths(self) -> list[int]:
        """Of the ladder, that of the base network among them."""
        return sorted({*self.training.ladder, self.training.width})

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


@dataclass(frozen=True)
class ArmGroup:
    """Arms that one job trains."""

    name: str
    arms: Callable[["ArmLayout", dict[int, float]], list[FactArm]]
    needs_pruned: bool = False  # trains on offline selections
    needs_tuned: bool = False  # trains at the learning rate that was the best for each width


def _base(layout: ArmLayout, data: FactDataSet, scheme: Scheme) -> FactArm:
    return FactArm("", data, scheme, layout.training.width, layout.training.steps)


def _standard(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    return [_base(layout, data, STANDARD) for data in (*layout.uniform, *layout.power_laws)]


def _uniform_selected(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    # of three sizes, which is a small run, the ends: the claims are about them
    sizes = layout.uniform if len(layout.uniform) > 3 else [layout.uniform[0], layout.uniform[-1]]
    return [_base(layout, data, AUTOMATIC) for data in sizes]


def _skewed_selected(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    return [_base(layout, data, AUTOMATIC) for data in layout.power_laws]


def _online_variants(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    arms = [_base(layout, layout.harmonic, scheme) for scheme in ONLINE_VARIANTS]
    return arms + [_base(layout, data, AUTOMATIC_EPOCH) for data in layout.uniform]


def _longer(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    """Standard training for more steps, where selection is said to gain: the curves of compute."""
    compared = (layout.uniform[-1], layout.harmonic)
    steps = [times * layout.training.steps for times in layout.training.longer]
    arms = [_base(layout, data, STANDARD) for data in compared]
    return [arm._replace(steps=count) for arm, count in product(arms, steps)]


def _tuning(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    """Every width and rate, for a quarter of the steps."""
    training = layout.training
    arm = _base(layout, layout.uniform[-1], STANDARD)._replace(steps=training.steps // 4)
    rates = [training.learning_rate * factor for factor in training.rate_factors]
    return [arm._replace(width=width, rate=rate) for width, rate in product(layout.widths, rates)]


def _ladder(layout: ArmLayout, rates: dict[int, float]) -> list[FactArm]:
    """Other widths: what they recite of the largest uniform data set and of the power law."""
    arms = []
    for data in (layout.uniform[-1], layout.harmonic):
        arm = _base(layout, data, STANDARD)
        arms += [arm._replace(width=width, rate=rates[width]) for width in layout.widths]
        chosen = _base(layout, data, AUTOMATIC)
        arms += [chosen._replace(width=width) for width in layout.training.pruned_ladder]
    return arms


def _smaller_standard(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    return [_base(layout, data, STANDARD) for data in layout.smaller]


def _pruned(layout: ArmLayout, _: dict[int, float]) -> list[FactArm]:
    arms = [_base(layout, layout.harmonic, scheme) for scheme in OFFLINE_SCHEMES]
    return arms + [_base(layout, data, OFFLINE_RANDOM) for data in layout.uniform]


STANDARD_GROUP = ArmGroup("standard", _standard)
TUNING_GROUP = ArmGroup("tuning", _tuning)
LONGER_GROUP = ArmGroup("longer", _longer)
LADDER_GROUP = ArmGroup("ladder", _ladder, needs_tuned=True)
GROUPS = {
    group.name: group
    for group in (
        STANDARD_GROUP,
        ArmGroup("uniform", _uniform_selected),
        ArmGroup("skewed", _skewed_selected),
        ArmGroup("schemes", _online_variants),
        LONGER_GROUP,
        TUNING_GROUP,
        LADDER_GROUP,
        ArmGroup("smaller", _smaller_standard),
        ArmGroup("pruned", _pruned, needs_pruned=True),
    )
}


def arms_of(
    name: str,
    facts: CramlessFacts,
    training: CramlessTraining,
    rates: dict[int, float] | None = None,
) -> list[FactArm]:
    """Every arm of a group.

    Args:
        name: of `GROUPS`.
        facts: data sets.
        training: widths, steps and rates.
        rates: learning rates by width, for a group that needs tuned ones; None: those of the
            settings.

    Raises:
        InputError: for an unknown group.
    """
    if name not in GROUPS:
        raise InputError(f"--group must be one of {', '.join(GROUPS)}, given {name!r}")
    layout = ArmLayout(_uniform(facts), _power_laws(facts), _smaller(facts), training)
    rates = rates or dict.fromkeys(layout.widths, training.learning_rate)
    return [arm._replace(group=name) for arm in GROUPS[name].arms(layout, rates)]


# ---- natural text


class TextArm(NamedTuple):
    """A GPT-2 trained on natural text."""

    size: str  # of TEXT_SIZES
    scheme: Scheme
    longer: bool = False  # as much work as with selection, at least

    @property
    def name(self) -> str:
        """How its files are called."""
        return f"{self.size}_{self.columns[1]}"

    @property
    def columns(self) -> tuple[str, str]:
        """Its size and scheme in the table TextRuns."""
        return self.size, f"{self.scheme.name}-longer" if self.longer else self.scheme.name

    def rate(self, options: CramlessText) -> float:
        """Peak learning rate."""
        return options.small_rate if self.size == TEXT_SIZES[0] else options.large_rate

    def steps(self, options: CramlessText) -> int:
        """Of the training."""
        scoring = (1 - options.unselected_share) * options.candidates * SCORING_WORK
        times = 1 + scoring / options.batch if self.longer else 1
        return math.ceil(options.steps * times)

    def shape(self, options: CramlessText) -> tuple[int, int, int]:
        """Layers, heads and width."""
        layers, heads, width = getattr(options, self.size)
        return layers, heads, width


SMALL_STANDARD = TextArm("small", STANDARD)
SMALL_AUTOMATIC = TextArm("small", AUTOMATIC)
LARGE_STANDARD = TextArm("large", STANDARD)
SMALL_LONGER = TextArm("small", STANDARD, longer=True)
LARGE_AUTOMATIC = TextArm("large", AUTOMATIC)
TEXT_ARMS = (SMALL_STANDARD, SMALL_AUTOMATIC, SMALL_LONGER, LARGE_STANDARD, LARGE_AUTOMATIC)
TEXT_SIZES = ("small", "large")  # keys of their shapes in the settings
TEXT_SCHEMES = tuple(dict.fromkeys(arm.columns[1] for arm in TEXT_ARMS))


_TEXT_ARMS = (*TEXT_ARMS, TextArm("large", STANDARD, longer=True))


def text_arm(size: str, scheme: str) -> TextArm:
    """The arm of that size and scheme. Raises InputError for an unknown one."""
    if size not in TEXT_SIZES or scheme not in TEXT_SCHEMES:
        raise InputError(
            f"--size must be {' or '.join(TEXT_SIZES)}, --scheme one of {', '.join(TEXT_SCHEMES)}; "
            f"given {size!r}, {scheme!r}"
        )
    return next(arm for arm in _TEXT_ARMS if arm.columns == (size, scheme))
