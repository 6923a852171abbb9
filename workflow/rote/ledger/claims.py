"""Claims: what a paper says, as a number with an interval and a verdict.

A claims file (`workflow/claims/<paper>.yaml`) lists claims; each names a statistic, a function of
the paper's result tables, and is of one of two kinds:

* statistical: the statistic gives one value per replicate, and the verdict compares a 95 %
  interval, never a mean, with the criterion;
* numerical: it gives errors, or other results of one deterministic computation, and the verdict
  compares the worst of them with the criterion. There is no interval.

What is true by construction is no claim but a test. The verdicts:

* reproduced: the interval (the worst value) lies inside the criterion,
* contradicted: it lies outside,
* inconclusive: the interval straddles the bound, or the replicates leave no interval, or a
  computation has values that are no numbers,
* not run: the claim is not judged at this scale, or the run does not hold what it needs, or it
  holds too few replicates (8 of trained networks, 5 of anything else).
"""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rote.core.errors import ConfigError
from rote.core.section import Scale, validate

VERDICTS = ("reproduced", "contradicted", "inconclusive", "not run")
KINDS = ("statistical", "numerical")
ORIGINS = ("paper", "reconstruction", "extension")
# replicates below which a statistical claim is not judged
MIN_REPLICATES = 5
MIN_NETWORKS = 8


class Criterion(NamedTuple):
    """An interval of accepted values."""

    low: float
    high: float
    closed: tuple[bool, bool]

    @property
    def tolerance(self) -> float:
        """How far from its target a value may lie: half the interval, or the size of its bound."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            return (self.high - self.low) / 2
        return abs(self.high if math.isfinite(self.high) else self.low)

    def holds(self, value: float) -> bool:
        """Whether a value lies inside."""
        above = value >= self.low if self.closed[0] else value > self.low
        below = value <= self.high if self.closed[1] else value < self.high
        return above and below

    def verdict(self, low: float, high: float) -> str:
        """The verdict on an interval: reproduced inside, contradicted outside, else inconclusive.

        Args:
            low: lower end of the interval, in the unit of the criterion.
            high: upper end, at least `low`.

        Returns:
            One of the first three `VERDICTS`.
        """
        if self.holds(low) and self.holds(high):
            return "reproduced"
        # disjoint: wholly below the lower bound or wholly above the upper one
        below = high < self.low or (high == self.low and not self.closed[0])
        above = low > self.high or (low == self.high and not self.closed[1])
        return "contradicted" if below or above else "inconclusive"

    def margin(self, value: float, low: float, high: float) -> float:
        """Distance from a value to the nearest bound, in units of the interval's arm towards it.

        Args:
            value: the estimate.
            low: lower end of its interval.
            high: upper end.

        Returns:
            Positive inside the criterion, negative outside; above 1 the claim is reproduced, below
            -1 contradicted. ±inf for an interval of no width.
        """
        distances = []
        for bound, upwards in ((self.low, False), (self.high, True)):
            if math.isfinite(bound):
                distance = bound - value if upwards else value - bound
                # the arm of the interval that faces the bound
                arm = high - value if (distance >= 0) == upwards else value - low
                distances.append(_in_units_of(distance, arm))
        return min(distances)

    def relative_margin(self, value: float) -> float:
        """Distance from a value to the nearest bound, relative to the bound (absolute for 0).

        Args:
            value: a result of one computation.

        Returns:
            Positive inside the criterion, negative outside.
        """
        distances = []
        if math.isfinite(self.low):
            distances.append((value - self.low) / (abs(self.low) or 1.0))
        if math.isfinite(self.high):
            distances.append((self.high - value) / (abs(self.high) or 1.0))
        return min(distances)


def _in_units_of(distance: float, arm: float) -> float:
    if math.isinf(arm) or distance == 0:
        return math.copysign(0.0, distance)
    return distance / arm if arm else math.copysign(math.inf, distance)


_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


def criterion(text: str) -> Criterion:
    """Parse `"> 0"`, `">= -0.01"`, `"< 1e-9"`, `"<= 3"` or `"in [0.8, 1.3]"`.

    Raises:
        ValueError: for any other text.
    """
    if match := re.fullmatch(rf"\s*(<=|>=|<|>)\s*{_NUMBER}\s*", text):
        sign, bound = match[1], float(match[2])
        closed = len(sign) == 2
        if sign[0] == "<":
            return Criterion(-math.inf, bound, (False, closed))
        return Criterion(bound, math.inf, (closed, False))
    match = re.fullmatch(rf"\s*in\s*\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\]\s*", text)
    if match and float(match[1]) <= float(match[2]):
        return Criterion(float(match[1]), float(match[2]), (True, True))
    raise ValueError(
        f"cannot read criterion {text!r}; "
        "allowed: '> x', '>= x', '< x', '<= x', 'in [x, y]' with x <= y"
    )


def _parses(text: str) -> str:
    criterion(text)
    return text


Passes = Annotated[str, AfterValidator(_parses)]


class Claim(BaseModel):
    """One entry of a claims file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", description="<paper>.<claim>")
    says: str = Field(description="The claim as a sentence")
    source: str = Field(
        description="Where: table, figure or section; the label (L1, N2, ...) is ours"
    )
    paper_value: float | str | None = Field(
        None, description="As published, in `unit`; null if the paper gives none"
    )
    origin: Literal["paper", "reconstruction", "extension"] = Field(description="Who says so")
    kind: Literal["statistical", "numerical"] = Field(
        description="statistical: replicates and an interval; "
        "numerical: one computation and a tolerance"
    )
    statistic: str = Field(
        description="A function in rote.papers.<paper>.statistics, or module:function"
    )
    unit: str = Field("", description="Unit of the statistic")
    replicates: list[Literal["data", "initialization", "draws"]] = Field(
        [],
        description="Of a statistical claim: what its replicates differ in",
    )
    shares: list[Literal["test set", "training data"]] = Field(
        [],
        description="What all replicates have in common; "
        "a shared test set adds its own uncertainty to the interval",
    )
    interval: Literal["mean", "paired", "geometric", "ratio", "median", "proportion"] | None = (
        Field(None, description="Of a statistical claim: the method of its interval")
    )
    null: str | list[str] = Field(
        description="Functions in rote.papers.<paper>.nulls, one or several: "
        "how the tables look if the claim is false",
        min_length=1,
    )
    passes: Passes | dict[Scale, Passes] = Field(description="Criterion, or one per scale")
    scales: list[Literal["laptop", "full", "paper"]] = Field(
        ["full", "paper"],
        description="Scales at which the claim is judged; none is at the smoke scale",
        min_length=1,
    )
    revised: str = Field(
        "",
        description="Why the criterion is weaker than the paper's or was changed after results "
        "were seen",
    )
    note: str = Field("", description="What a reader must know")

    @model_validator(mode="after")
    def _kind_has_its_keys(self) -> "Claim":
        needed = {"interval": self.interval, "replicates": self.replicates}
        for name, value in needed.items():
            if self.kind == "statistical" and not value:
                raise ValueError(f"a statistical claim needs {name!r}")
            if self.kind == "numerical" and value:
                raise ValueError(f"a numerical claim has no {name!r}")
        if self.kind == "numerical" and self.shares:
            raise ValueError("a numerical claim has no 'shares'")
        return self

    @property
    def min_replicates(self) -> int:
        """Replicates that a verdict needs."""
        if self.kind == "numerical":
            return 1
        return MIN_NETWORKS if "initialization" in self.replicates else MIN_REPLICATES

    @property
    def nulls(self) -> list[str]:
        """Names of its nulls."""
        return [self.null] if isinstance(self.null, str) else self.null

    @property
    def paper(self) -> str:
        """The paper that it belongs to."""
        return self.id.split(".")[0]

    def criterion_at(self, scale: str) -> str | None:
        """The criterion at a scale, None where the claim is not judged."""
        if scale not in self.scales:
            return None
        return self.passes.get(scale) if isinstance(self.passes, dict) else self.passes


class _KeysOnce(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of the last one's value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key, count in Counter(map(str, keys)).items():
            if count > 1:
                problem = f"key {key!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


def load(path: str | Path) -> list[Claim]:
    """Read a claims file.

    Raises:
        ConfigError: for anything malformed, naming the file, entry and key.
    """
    path = Path(path)
    try:
        entries = _KeysOnce(path.read_bytes()).get_single_data()
    except OSError as error:
        raise ConfigError(f"claims file {path}: {error.strerror}") from error
    except Exception as error:  # of YAML, or of a value: 2024-99-99 is no date
        raise ConfigError(f"claims file {path} is not valid YAML: {error}") from error
    if not isinstance(entries, list):
        raise ConfigError(
            f"claims file {path}: expected a list of claims, found {type(entries).__name__}"
        )
    claims = []
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, dict) and None in entry:  # YAML reads the key `null` as nothing
            entry["null"] = entry.pop(None)
        name = entry.get("id", f"entry {number}") if isinstance(entry, dict) else f"entry {number}"
        claims.append(validate(Claim, entry, f"claims file {path}, {name}"))
    counts = Counter(claim.id for claim in claims)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        raise ConfigError(f"claims file {path}: ids used twice: {', '.join(repeated)}")
    return claims
