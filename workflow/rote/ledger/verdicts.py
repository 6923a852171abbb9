"""Verdicts: claims evaluated on result tables, one ledger row per claim and condition."""

import math
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from rote.core.errors import ConfigError, InputError
from rote.core.papers import load as load_paper
from rote.core.section import validate
from rote.core.tables import Table, column, frame
from rote.ledger import reading
from rote.ledger.claims import Claim, criterion, load
from rote.ledger.intervals import Estimate, interval


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
    low: float = column(
        "lower end of the 95 % interval", nan="not run, or fewer than two replicates"
    )
    high: float = column(
        "upper end of the 95 % interval", nan="not run, or fewer than two replicates"
    )
    replicates: int = column("replicates behind the value")
    interval: str = column("mean, median or every")
    criterion: str = column("what the interval must satisfy, empty if not judged at this scale")
    verdict: str = column("reproduced, contradicted, inconclusive or not run")
    note: str = column("what a reader must know, or why it was not run")


def evaluate(
    claims: str | Path | Iterable[Claim | Mapping[str, Any]],
    tables: Mapping[str, pd.DataFrame],
    *,
    scale: str = "laptop",
    resamples: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Evaluate claims on result tables.

    Args:
        claims: a claims file, or its entries (as `Claim` or as mappings).
        tables: result tables by name. A claim that asks for a table, setting or replicate that is
            not there is `not run`, and its note says what is missing.
        scale: which claims and criteria apply.
        resamples: bootstrap resamples of the replicates.
        seed: seed of the resampling; the same for every claim, so a claim's interval depends on its
            data alone.

    Returns:
        One row per claim and condition, with the columns of `Ledger`.

    Raises:
        ConfigError: for a malformed claim or an unknown statistic.
        InputError: for a column that a statistic looks up and a table lacks.
    """
    where = f"{claims}: " if isinstance(claims, (str, Path)) else ""
    if isinstance(claims, (str, Path)):
        claims = load(claims)
    rows = []
    for entry in claims:
        if isinstance(entry, Claim):
            claim = entry
        else:
            claim = validate(Claim, dict(entry), f"claim {entry.get('id')}")
        try:
            rows += _judge(claim, tables, scale, resamples, seed)
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from error
    return frame(Ledger, rows)


def _judge(
    claim: Claim, tables: Mapping[str, pd.DataFrame], scale: str, resamples: int, seed: int
) -> list[dict]:
    """The ledger rows of one claim."""
    function = statistic(claim)
    passes = claim.criterion_at(scale)
    if passes is None:
        return [_row(claim, "", note=f"Not judged at scale {scale}.")]
    given = reading.StatisticTables(tables)
    try:
        result = function(given)
    except (KeyError, AttributeError) as error:
        if reading.is_lookup(error):
            raise reading.unknown_column(error, claim, given) from error
        if isinstance(error, AttributeError):
            raise
        return [_row(claim, passes, note=f"The run does not hold {error}.")]
    samples = result if isinstance(result, Mapping) else {"": result}
    if not samples:
        return [_row(claim, passes, note="The run's settings leave nothing to measure.")]
    rows = []
    for condition, sample in samples.items():
        try:
            estimate = interval(sample, claim.interval, resamples, seed)
        except InputError as error:
            rows.append(_row(claim, passes, str(condition), note=str(error)))
        else:
            rows.append(
                _row(claim, passes, str(condition), estimate, _verdict(claim, passes, estimate))
            )
    return rows


def _verdict(claim: Claim, passes: str, estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return "inconclusive"
    verdict = criterion(passes).verdict(estimate.low, estimate.high)
    if claim.interval == "every" and verdict == "inconclusive":
        return "contradicted"  # the claim is about every replicate, and one fails
    return verdict


def _row(
    claim: Claim,
    passes: str,
    condition: str = "",
    estimate: Estimate = Estimate(math.nan, math.nan, math.nan, 0),
    verdict: str = "not run",
    note: str = "",
) -> dict[str, Any]:
    """One row of `Ledger`."""
    published = "" if claim.paper_value is None else str(claim.paper_value)
    common = claim.model_dump(include={"says", "source", "origin", "unit", "interval"})
    return {
        **common,
        **estimate._asdict(),
        "claim": claim.id,
        "condition": condition,
        "paper": claim.paper,
        "paper_value": published,
        "criterion": passes,
        "verdict": verdict,
        "note": " ".join(filter(None, [claim.note, note])),
    }


def statistic(claim: Claim) -> Callable[[Mapping[str, pd.DataFrame]], Any]:
    """The function that a claim's statistic names. Raises ConfigError if there is none."""
    try:
        if ":" in claim.statistic:
            module, name = claim.statistic.split(":")
            return getattr(import_module(module), name)
        return getattr(load_paper(claim.paper, "statistics"), claim.statistic)
    except (AttributeError, ImportError) as error:
        raise ConfigError(
            f"claim {claim.id}: no statistic {claim.statistic!r} ({error})"
        ) from error
    except InputError as error:
        raise ConfigError(f"claim {claim.id}: {error}") from error


def by_claim(ledger: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The ledger's rows claim by claim, in its order; within a claim the worst condition first."""
    severity = ledger["verdict"].map(
        ["contradicted", "inconclusive", "reproduced", "not run"].index
    )
    ordered = (
        ledger.assign(severity=severity)
        .sort_values("severity", kind="stable")
        .drop(columns="severity")
    )
    groups = dict(list(ordered.groupby("claim", sort=False)))
    return [(claim, groups[claim]) for claim in dict.fromkeys(ledger["claim"])]


def summary(ledger: pd.DataFrame) -> pd.DataFrame:
    """One row per claim: that of its worst condition."""
    return pd.concat([rows.head(1) for _, rows in by_claim(ledger)], ignore_index=True)
