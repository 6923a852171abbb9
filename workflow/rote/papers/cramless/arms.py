"""Which networks are trained on what: one arm per data set, selection, width and length of
training.
"""

from typing import NamedTuple

from rote.papers.cramless import settings

OFFLINE = ("random", "loss", "loss-flat", "automatic", "frequent")


class Data(NamedTuple):
    """A data set of facts."""

    name: str
    facts: int
    exponent: float
    copies: int | None  # None: every fact once


class Arm(NamedTuple):
    """One kind of trained network; its replicates are stacked."""

    group: str  # the job that trains it
    data: Data
    scheme: str  # none; one of rote.prune.online.SCHEMES; or offline and one of OFFLINE
    width: int
    steps: int

    @property
    def name(self) -> str:
        return f"{self.data.name}, {self.scheme}, width {self.width}, {self.steps} steps"


def data_sets(options: settings.Facts) -> list[Data]:
    """Uniform data sets by size, power laws by exponent."""
    found = [Data(f"uniform {n}", n, 0.0, None) for n in options.uniform]
    return found + [
        Data(f"power {a:g}", options.skewed, a, options.copies) for a in options.exponents
    ]


def arms(facts: settings.Facts, training: settings.Training) -> list[Arm]:
    """Every arm, by group: standard; uniform, skewed, schemes (online selection); ladder; pruned
    (offline).
    """
    sets, width, steps = data_sets(facts), training.width, training.steps
    uniform = [data for data in sets if data.copies is None]
    skewed = [data for data in sets if data.copies is not None]
    one = next(data for data in skewed if data.exponent == 1.0)
    found = [Arm("standard", data, "none", width, steps) for data in sets]
    found += [Arm("uniform", data, "auto", width, steps) for data in (uniform[0], *uniform[-2:])]
    found += [Arm("skewed", data, "auto", width, steps) for data in skewed]
    found += [
        Arm("schemes", one, scheme, width, steps) for scheme in ("auto-flat", "low", "low-flat")
    ]
    # at every size: what is recited of a power law, and the capacity, on a uniform set that is too
    # large for it
    for other in training.ladder:
        crammed = uniform[-2] if other > width else uniform[-3]
        found += [Arm("ladder", data, "none", other, steps) for data in (one, crammed)]
    found += [Arm("ladder", one, "auto", other, steps) for other in training.pruned_ladder]
    found += [Arm("ladder", one, "none", width, training.longer * steps)]
    found += [Arm("pruned", one, f"offline {scheme}", width, steps) for scheme in OFFLINE]
    return found


GROUPS = ("standard", "uniform", "skewed", "schemes", "ladder", "pruned")
