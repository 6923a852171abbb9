"""Claims: what a paper says, as a number with an interval and a verdict.

A claims file (`workflow/claims/<paper>.yaml`) lists claims; each names a statistic, a function of the paper's result
tables that returns one value per replicate. The verdict compares a 95 % interval, never a mean, with the criterion:

* reproduced: the interval lies inside the criterion,
* contradicted: it lies outside,
* inconclusive: it straddles the bound (or there are fewer than two replicates),
* not run: the claim is not judged at this scale, or the run does not hold what it needs.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from scipy import special, stats

from rote.config import Scale, validate
from rote.errors import ConfigError, InputError
from rote.papers import load as load_paper
from rote.tables import Table, column

VERDICTS = ("reproduced", "contradicted", "inconclusive", "not run")


class Sample(NamedTuple):
    """What a statistic returns when a plain array of replicate values is not enough."""

    values: Any  # (replicates,) or (replicates, quantities); NaN rows are dropped and not counted
    of_means: Callable[[np.ndarray], np.ndarray] | None = None  # mean quantities (..., quantities) -> (...)


def ratio(means: np.ndarray) -> np.ndarray:
    """Ratio of the first mean quantity to the second, for `Sample.of_means`; NaN where the second is 0."""
    below = means[..., 1]
    return np.where(below == 0, np.nan, means[..., 0] / np.where(below == 0, 1.0, below))


class Criterion(NamedTuple):
    """An interval of accepted values."""

    low: float
    high: float
    closed: tuple[bool, bool]

    def holds(self, value: float) -> bool:
        above = value >= self.low if self.closed[0] else value > self.low
        below = value <= self.high if self.closed[1] else value < self.high
        return above and below

    def verdict(self, low: float, high: float) -> str:
        """The verdict on the interval [low, high]."""
        if self.holds(low) and self.holds(high):
            return "reproduced"
        # disjoint: wholly below the lower bound or wholly above the upper one
        below = high < self.low or (high == self.low and not self.closed[0])
        above = low > self.high or (low == self.high and not self.closed[1])
        return "contradicted" if below or above else "inconclusive"


_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


def criterion(text: str) -> Criterion:
    """Parse `"> 0"`, `">= -0.01"`, `"< 1e-9"`, `"<= 3"` or `"in [0.8, 1.3]"`. Raises ValueError otherwise."""
    if match := re.fullmatch(rf"\s*(<=|>=|<|>)\s*{_NUMBER}\s*", text):
        sign, bound = match[1], float(match[2])
        closed = len(sign) == 2
        if sign[0] == "<":
            return Criterion(-math.inf, bound, (False, closed))
        return Criterion(bound, math.inf, (closed, False))
    match = re.fullmatch(rf"\s*in\s*\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\]\s*", text)
    if match and float(match[1]) <= float(match[2]):
        return Criterion(float(match[1]), float(match[2]), (True, True))
    raise ValueError(f"cannot read criterion {text!r}; allowed: '> x', '>= x', '< x', '<= x', 'in [x, y]' with x <= y")


def _parses(text: str) -> str:
    criterion(text)
    return text


Passes = Annotated[str, AfterValidator(_parses)]


class Claim(BaseModel):
    """One entry of a claims file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", description="<paper>.<claim>")
    says: str = Field(description="The claim as a sentence")
    source: str = Field(description="Where: table, figure or section; the label (L1, N2, ...) is ours")
    paper_value: float | str | None = Field(None, description="As published, in `unit`; null if the paper gives none")
    origin: Literal["paper", "reconstruction", "extension"] = Field(description="Who says so")
    statistic: str = Field(description="A function in rote.papers.<paper>.statistics, or module:function")
    unit: str = Field("", description="Unit of the statistic")
    passes: Passes | dict[Scale, Passes] = Field(description="Criterion, or one per scale")
    interval: Literal["mean", "median", "every"] = Field(
        "mean",
        description="mean, median: bootstrap interval of it; every: the whole range, so each replicate must pass",
    )
    scales: list[Scale] = Field(["smoke", "laptop", "paper"], description="Scales at which the claim is judged")
    note: str = Field("", description="What a reader must know, e.g. why a criterion was changed")

    @property
    def paper(self) -> str:
        return self.id.split(".")[0]

    def criterion_at(self, scale: str) -> str | None:
        """The criterion at a scale, None where the claim is not judged."""
        if scale not in self.scales:
            return None
        return self.passes.get(scale) if isinstance(self.passes, dict) else self.passes


class Ledger(Table):
    """One claim under one condition: what was measured, its interval, the verdict."""

    KEY = ("claim", "condition")
    claim: str = column("claim id, <paper>.<claim>")
    condition: str = column("setting within the claim, empty if there is only one")
    paper: str = column("paper")
    says: str = column("the claim as a sentence")
    source: str = column("where it is claimed")
    origin: str = column("paper, reconstruction or extension")
    paper_value: str = column("the published value, empty if none")
    unit: str = column("unit of value, low and high")
    value: float = column("measured statistic", nan="not run")
    low: float = column("lower end of the 95 % interval", nan="not run, or fewer than two replicates")
    high: float = column("upper end of the 95 % interval", nan="not run, or fewer than two replicates")
    replicates: int = column("replicates behind the value")
    interval: str = column("mean, median or every")
    criterion: str = column("what the interval must satisfy, empty if not judged at this scale")
    verdict: str = column("reproduced, contradicted, inconclusive or not run")
    note: str = column("what a reader must know, or why it was not run")


def load(path: str | Path) -> list[Claim]:
    """Read a claims file. Raises ConfigError naming the file, entry and key for anything malformed."""
    path = Path(path)
    try:
        entries = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"claims file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"claims file {path} is not valid YAML: {error}") from error
    if not isinstance(entries, list):
        raise ConfigError(f"claims file {path}: expected a list of claims, found {type(entries).__name__}")
    claims = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", f"entry {number}") if isinstance(entry, dict) else f"entry {number}"
        claims.append(validate(Claim, entry, f"claims file {path}, {name}"))
    twice = {claim.id for claim in claims if sum(other.id == claim.id for other in claims) > 1}
    if twice:
        raise ConfigError(f"claims file {path}: ids used twice: {', '.join(sorted(twice))}")
    return claims


def evaluate(
    claims: str | Path | Iterable[Claim | Mapping[str, Any]],
    tables: Mapping[str, pd.DataFrame],
    *,
    scale: str = "laptop",
    resamples: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Evaluate claims on result tables: one ledger row per claim and condition (columns of `Ledger`).

    Args:
        claims: a claims file, or its entries (as `Claim` or as mappings).
        tables: result tables by name. A claim that asks for a table, setting or replicate that is not there is
            `not run`, and its note says what is missing.
        scale: which claims and criteria apply.
        resamples: bootstrap resamples of the replicates.
        seed: seed of the resampling; the same for every claim, so a claim's interval depends on its data alone.

    Raises:
        ConfigError: for a malformed claim or an unknown statistic.
    """
    where = f"{claims}: " if isinstance(claims, (str, Path)) else ""
    if isinstance(claims, (str, Path)):
        claims = load(claims)
    rows = []
    for entry in claims:
        claim = entry if isinstance(entry, Claim) else validate(Claim, dict(entry), f"claim {entry.get('id')}")
        try:
            rows += _judge(claim, tables, scale, resamples, seed)
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from error
    return pd.DataFrame(rows, columns=list(Ledger.model_fields))


def _judge(claim: Claim, tables: Mapping[str, pd.DataFrame], scale: str, resamples: int, seed: int) -> list[dict]:
    """The ledger rows of one claim."""
    function, wanted = _statistic(claim), claim.criterion_at(scale)

    def row(condition: str = "", measured=(math.nan, math.nan, math.nan, 0), verdict: str = "not run", note: str = ""):
        value, low, high, replicates = measured
        published = "" if claim.paper_value is None else str(claim.paper_value)
        common = claim.model_dump(include={"says", "source", "origin", "unit", "interval"})
        return common | {
            "claim": claim.id,
            "condition": condition,
            "paper": claim.paper,
            "paper_value": published,
            "value": value,
            "low": low,
            "high": high,
            "replicates": replicates,
            "criterion": wanted or "",
            "verdict": verdict,
            "note": " ".join(filter(None, [claim.note, note])),
        }

    if wanted is None:
        return [row(note=f"Not judged at scale {scale}.")]
    try:
        result = function(tables)
    except KeyError as error:
        return [row(note=f"The run does not hold {error}.")]
    rows = []
    for condition, sample in (result if isinstance(result, Mapping) else {"": result}).items():
        try:
            measured = interval(sample, claim.interval, resamples, seed)
        except InputError as error:
            rows.append(row(str(condition), note=str(error)))
            continue
        low, high = measured[1:3]
        verdict = "inconclusive" if math.isnan(low) else criterion(wanted).verdict(low, high)
        if claim.interval == "every" and verdict == "inconclusive":
            verdict = "contradicted"  # the claim is about every replicate, and one fails
        rows.append(row(str(condition), measured, verdict))
    if not rows:
        return [row(note="The run's settings leave nothing to measure.")]
    return rows


def _statistic(claim: Claim) -> Callable[[Mapping[str, pd.DataFrame]], Any]:
    try:
        if ":" in claim.statistic:
            module, name = claim.statistic.split(":")
            return getattr(import_module(module), name)
        return getattr(load_paper(claim.paper, "statistics"), claim.statistic)
    except (AttributeError, ImportError) as error:
        raise ConfigError(f"claim {claim.id}: no statistic {claim.statistic!r} ({error})") from error
    except InputError as error:
        raise ConfigError(f"claim {claim.id}: {error}") from error


def interval(
    sample: Sample | Any, kind: str = "mean", resamples: int = 9999, seed: int = 0
) -> tuple[float, float, float, int]:
    """Estimate and 95 % interval of a sample: (value, low, high, replicates that counted).

    `mean` and `median` use the expanded percentile bootstrap over replicates (Hesterberg, What Teachers Should Know
    About the Bootstrap, 2015): the percentiles are widened as Student's t widens the normal interval, which a plain
    percentile interval misses for few replicates. `every` is the range of the replicates.
    With one replicate the interval is NaN.

    Raises:
        InputError: if no replicate has a value.
    """
    sample = sample if isinstance(sample, Sample) else Sample(sample)
    values = np.asarray(sample.values, dtype=float)
    if values.ndim == 1:
        values = values[:, None]
    values = values[~np.isnan(values).any(axis=1)]
    n = len(values)
    if n == 0:
        raise InputError("No replicate has a value: the run's settings leave nothing to measure.")
    of_means = sample.of_means or (lambda means: means[..., 0])
    if kind == "every":
        each = np.asarray(of_means(values), float)
        return float(each.mean()), float(each.min()), float(each.max()), n
    center = np.mean if kind == "mean" else np.median
    estimate = float(of_means(center(values, axis=0)))
    if n < 2:
        return estimate, math.nan, math.nan, n
    picks = np.random.default_rng(seed).integers(n, size=(resamples, n))
    boot = np.asarray(of_means(center(values[picks], axis=1)), float)
    tail = special.ndtr(-math.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))
    if np.isnan(boot).all():
        return estimate, math.nan, math.nan, n
    low, high = np.nanquantile(boot, [tail, 1 - tail])
    return estimate, float(low), float(high), n


def by_claim(ledger: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The ledger's rows claim by claim, in its order; within a claim the worst condition first."""
    severity = ledger["verdict"].map(["contradicted", "inconclusive", "reproduced", "not run"].index)
    ordered = ledger.assign(severity=severity).sort_values("severity", kind="stable").drop(columns="severity")
    groups = dict(list(ordered.groupby("claim", sort=False)))
    return [(claim, groups[claim]) for claim in dict.fromkeys(ledger["claim"])]


def summary(ledger: pd.DataFrame) -> pd.DataFrame:
    """One row per claim: that of its worst condition."""
    return pd.concat([rows.head(1) for _, rows in by_claim(ledger)], ignore_index=True)
