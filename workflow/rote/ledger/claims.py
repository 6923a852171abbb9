"""Claims: what a paper says, as a number with an interval and a verdict.

A claims file (`workflow/claims/<paper>.yaml`) lists claims; each names a statistic, a function of
the paper's result tables that returns one value per replicate. The verdict compares a 95 %
interval, never a mean, with the criterion:

* reproduced: the interval lies inside the criterion,
* contradicted: it lies outside,
* inconclusive: it straddles the bound (or there are fewer than two replicates),
* not run: the claim is not judged at this scale, or the run does not hold what it needs.
"""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rote.core.errors import ConfigError
from rote.core.section import Scale, validate

VERDICTS = ("reproduced", "contradicted", "inconclusive", "not run")


class Criterion(NamedTuple):
    """An interval of accepted values."""

    low: float
    high: float
    closed: tuple[bool, bool]

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
    statistic: str = Field(
        description="A function in rote.papers.<paper>.statistics, or module:function"
    )
    unit: str = Field("", description="Unit of the statistic")
    passes: Passes | dict[Scale, Passes] = Field(description="Criterion, or one per scale")
    interval: Literal["mean", "median", "every"] = Field(
        "mean",
        description="mean, median: bootstrap interval of it; "
        "every: the whole range, so each replicate must pass",
    )
    scales: list[Scale] = Field(
        ["smoke", "laptop", "paper"], description="Scales at which the claim is judged"
    )
    note: str = Field("", description="What a reader must know, e.g. why a criterion was changed")

    @property
    def paper(self) -> str:
        """The paper that it belongs to."""
        return self.id.split(".")[0]

    def criterion_at(self, scale: str) -> str | None:
        """The criterion at a scale, None where the claim is not judged."""
        if scale not in self.scales:
            return None
        return self.passes.get(scale) if isinstance(self.passes, dict) else self.passes


def load(path: str | Path) -> list[Claim]:
    """Read a claims file.

    Raises:
        ConfigError: for anything malformed, naming the file, entry and key.
    """
    path = Path(path)
    try:
        entries = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"claims file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"claims file {path} is not valid YAML: {error}") from error
    if not isinstance(entries, list):
        raise ConfigError(
            f"claims file {path}: expected a list of claims, found {type(entries).__name__}"
        )
    claims = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", f"entry {number}") if isinstance(entry, dict) else f"entry {number}"
        claims.append(validate(Claim, entry, f"claims file {path}, {name}"))
    counts = Counter(claim.id for claim in claims)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        raise ConfigError(f"claims file {path}: ids used twice: {', '.join(repeated)}")
    return claims
