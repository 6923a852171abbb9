"""Verdicts: claims evaluated on result tables, one ledger row per claim and condition."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from rote.core.errors import ConfigError, InputError
from rote.core.papers import load as load_paper
from rote.core.section import Scale, validate
from rote.core.tables import Table, column, frame
from rote.ledger import reading
from rote.ledger.claims import KINDS, ORIGINS, VERDICTS, Claim, criterion, load
from rote.ledger.intervals import (
    CONFIDENCE,
    METHODS,
    Estimate,
    NoValueError,
    Sample,
    interval,
    p_value,
)

# one-sided probability that a claim whose truth lies at its bound passes all the same
CHANCE = (1 - CONFIDENCE) / 2
_NONE = Estimate(math.nan, math.nan, math.nan, 0)
# a claim holds if it holds under all its conditions: one that fails decides, one that was not
# judged leaves it open
_SEVERITY = ["contradicted", "inconclusive", "not run", "reproduced"]


# in which order a column's values are shown
_ORDER = {"origin": ORIGINS, "kind": KINDS}


class Ledger(Table):
    """One claim under one condition: what was measured, its interval, the verdict."""

    KEY = ("claim", "condition")
    claim: str = column("claim id, <paper>.<claim>")
    condition: str = column("setting within the claim, empty if there is only one")
    paper: str = column("paper")
    says: str = column("the claim as a sentence")
    source: str = column("where it is claimed")
    origin: str = column("paper, reconstruction or extension")
    kind: str = column("statistical (replicates, an interval) or numerical (a tolerance)")
    paper_value: str = column("the published value, empty if none")
    unit: str = column("unit of value, low and high")
    value: float = column("measured statistic; of a numerical claim the worst", nan="not run")
    low: float = column("lower end of the 95 % interval", nan="none", infinite="no bound")
    high: float = column("upper end of the 95 % interval", nan="none", infinite="no bound")
    replicates: int = column("replicates behind the value; of a numerical claim, values")
    differ_in: str = column("what the replicates differ in, empty for a numerical claim")
    shares: str = column("what all replicates have in common, empty if nothing")
    interval: str = column("method of the interval, empty for a numerical claim")
    criterion: str = column("what the interval must satisfy, empty if not judged at this scale")
    scales: str = column("scales at which the claim is judged, the smallest first")
    margin: float = column(
        "distance to the nearest bound, positive inside; in half-widths of the interval, of a "
        "numerical claim relative to the bound",
        nan="no verdict",
        infinite="no width",
    )
    p: float = column(
        "one-sided p-value against the criterion not being met", nan="no verdict, or numerical"
    )
    holm: bool = column("reproduced also by Holm's correction for the claims of its paper")
    verdict: str = column("reproduced, contradicted, inconclusive or not run")
    null: str = column("how the tables would look if the claim were false, by each of its nulls")
    revised: str = column("why the criterion is weaker than the paper's, or was changed")
    note: str = column("what a reader must know, or why it was not run")


def evaluate(
    claims: str | Path | Iterable[Claim | Mapping[str, Any]],
    tables: Mapping[str, pd.DataFrame],
    *,
    scale: str = "full",
    min_replicates: int | None = None,
) -> pd.DataFrame:
    """Evaluate claims on result tables.

    Args:
        claims: a claims file, or its entries (as `Claim` or as mappings).
        tables: result tables by name. A claim that asks for a table, setting or replicate that is
            not there is `not run`, and its note says what is missing.
        scale: which claims and criteria apply.
        min_replicates: replicates that a verdict needs, instead of each claim's own minimum.

    Returns:
        One row per claim and condition, with the columns of `Ledger`.

    Raises:
        ConfigError: for a malformed claim, an unknown statistic or null, or values that the claim's
            interval cannot take.
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
            rows += _judge(claim, tables, scale, min_replicates)
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from error
    return corrected(frame(Ledger, rows))


def samples(claim: Claim, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What a claim's statistic gives on tables, by condition.

    Raises:
        KeyError: if the tables do not hold what it needs.
        ConfigError: for an unknown statistic.
    """
    result = statistic(claim)(tables)
    return dict(result) if isinstance(result, Mapping) else {"": result}


def _judge(
    claim: Claim, tables: Mapping[str, pd.DataFrame], scale: str, min_replicates: int | None
) -> list[dict]:
    """The ledger rows of one claim."""
    passes = claim.criterion_at(scale)
    statistic(claim)
    if passes is None:
        return [_row(claim, "", note=f"Not judged at scale {scale}, but at {_listed(claim)}.")]
    given = reading.StatisticTables(tables)
    try:
        conditions = samples(claim, given)
    except (KeyError, AttributeError) as error:
        if reading.is_lookup(error):
            raise reading.unknown_column(error, claim, given) from error
        if isinstance(error, AttributeError):
            raise
        return [_row(claim, passes, note=f"The run does not hold {error}.")]
    if not conditions:
        return [_row(claim, passes, note="The run's settings leave nothing to measure.")]
    judge = _statistical if claim.kind == "statistical" else _numerical
    return [
        judge(
            claim,
            passes,
            str(condition),
            sample,
            claim.min_replicates if min_replicates is None else min_replicates,
        )
        for condition, sample in conditions.items()
    ]


def _statistical(
    claim: Claim, passes: str, condition: str, sample: Any, min_replicates: int
) -> dict:
    sample = sample if isinstance(sample, Sample) else Sample(sample)
    if "test set" in claim.shares and sample.shared_variance is None:
        raise ConfigError(
            f"claim {claim.id}: its replicates share a test set, so its statistic must give the "
            "sample's shared_variance"
        )
    try:
        estimate = interval(sample, claim.interval or "mean")
    except NoValueError as error:
        return _row(claim, passes, condition, note=str(error))
    except ConfigError as error:
        raise ConfigError(f"claim {claim.id}: {error}") from error
    except InputError as error:
        row = _row(claim, passes, condition, note=str(error))
        return row | {"verdict": "inconclusive", "p": 1.0, "margin": 0.0}
    missing = len(np.asarray(sample.values)) - estimate.replicates
    without = f"{missing} other replicates have no value." if missing else ""
    needed = max(min_replicates, METHODS[claim.interval or "mean"].min_replicates)
    if estimate.replicates < needed:
        note = f"{estimate.replicates} replicates; a verdict needs {needed}. {without}".strip()
        return _row(claim, passes, condition, estimate=estimate, note=note)
    rule = criterion(passes)
    note = " ".join(filter(None, [estimate.reason, without]))
    row = _row(claim, passes, condition, estimate=estimate, note=note)
    if estimate.reason:
        return row | {"verdict": "inconclusive", "p": 1.0, "margin": 0.0}
    ends = (estimate.low, estimate.high)
    return row | {
        "verdict": rule.verdict(*ends),
        "margin": rule.margin(estimate.value, *ends),
        "p": p_value(sample, claim.interval or "mean", rule),
    }


def _numerical(claim: Claim, passes: str, condition: str, sample: Any, min_replicates: int) -> dict:
    values = np.asarray(sample.values if isinstance(sample, Sample) else sample, float).ravel()
    numbers = values[~np.isnan(values)]
    if len(numbers) == 0:
        return _row(claim, passes, condition, note="There is no value to judge.")
    rule = criterion(passes)
    margins = [rule.relative_margin(value) for value in numbers]
    worst = int(np.argmin(margins))
    value = float(numbers[worst])
    estimate = Estimate(value, math.nan, math.nan, len(numbers))
    if not rule.holds(value):
        row = _row(claim, passes, condition, estimate=estimate)
        return row | {"verdict": "contradicted", "margin": margins[worst]}
    # a computation that fails holds nothing
    if failed := len(values) - len(numbers):
        note = f"{failed} of {len(values)} values are no numbers."
        row = _row(claim, passes, condition, estimate=estimate, note=note)
        return row | {"verdict": "inconclusive", "margin": 0.0}
    row = _row(claim, passes, condition, estimate=estimate)
    return row | {"verdict": "reproduced", "margin": margins[worst]}


def _row(
    claim: Claim,
    passes: str,
    condition: str = "",
    *,
    estimate: Estimate = _NONE,
    note: str = "",
) -> dict[str, Any]:
    """One row of `Ledger`, not judged yet."""
    published = "" if claim.paper_value is None else str(claim.paper_value)
    common = claim.model_dump(include={"says", "source", "origin", "kind", "unit", "revised"})
    return {
        **common,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "replicates": estimate.replicates,
        "claim": claim.id,
        "condition": condition,
        "paper": claim.paper,
        "paper_value": published,
        "differ_in": ", ".join(claim.replicates),
        "shares": ", ".join(claim.shares),
        "interval": claim.interval or "",
        "criterion": passes,
        "scales": _listed(claim),
        "margin": math.nan,
        "p": math.nan,
        "holm": False,
        "verdict": "not run",
        "null": " ".join(sentence(null) for null in nulls(claim)),
        "note": " ".join(filter(None, [claim.note, note])),
    }


def _listed(claim: Claim) -> str:
    """Scales at which a claim is judged, the smallest first."""
    return ", ".join(filter(claim.criterion_at, get_args(Scale))) or "none"


def corrected(ledger: pd.DataFrame) -> pd.DataFrame:
    """The ledger with `holm`: which claims stay reproduced among all of their paper.

    A statistical claim's p-value is the largest of its conditions, as all must hold. Holm's
    step-down procedure (1979) keeps the chance of one false *reproduced* in a paper below 2.5 %.
    """
    judged = ledger[(ledger["kind"] == "statistical") & ledger["p"].notna()]
    significant: set[str] = set()
    for _, rows in judged.groupby("paper"):
        largest = rows.groupby("claim")["p"].max().sort_values(kind="stable")
        bounds = CHANCE / np.arange(len(largest), 0, -1)
        failing = np.flatnonzero(largest.to_numpy() > bounds)
        significant |= set(largest.index[: failing[0] if len(failing) else None])
    reproduced = {row.claim for row in summary(ledger).itertuples() if row.verdict == "reproduced"}
    return ledger.assign(holm=ledger["claim"].isin(significant & reproduced))


def statistic(claim: Claim) -> Callable[[Mapping[str, pd.DataFrame]], Any]:
    """The function that a claim's statistic names. Raises ConfigError if there is none."""
    return _function(claim, "statistics", claim.statistic, "statistic")


def _function(claim: Claim, module: str, name: str, role: str) -> Callable:
    try:
        if ":" in name:
            module, name = name.split(":")
            return getattr(import_module(module), name)
        return getattr(load_paper(claim.paper, module), name)
    except (AttributeError, ImportError) as error:
        raise ConfigError(f"claim {claim.id}: no {role} {name!r} ({error})") from error
    except InputError as error:
        raise ConfigError(f"claim {claim.id}: {error}") from error


def nulls(claim: Claim) -> list[Callable[..., Mapping[str, pd.DataFrame]]]:
    """The functions of tables that a claim's nulls name. Raises ConfigError if one is missing."""
    return [_function(claim, "nulls", name, "null") for name in claim.nulls]


def sentence(function: Callable) -> str:
    """What a null does, in its own words: the first line of its docstring."""
    return (inspect.getdoc(function) or "").split("\n")[0]


def by_claim(ledger: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The ledger's rows claim by claim, in its order; within a claim the worst condition first.

    The worst condition has the severest verdict, and among those the smallest margin.
    """
    groups = dict(list(_worst_first(ledger).groupby("claim", sort=False)))
    return [(claim, groups[claim]) for claim in dict.fromkeys(ledger["claim"])]


def _worst_first(ledger: pd.DataFrame) -> pd.DataFrame:
    return (
        ledger.assign(severity=ledger["verdict"].map(_SEVERITY.index))
        .sort_values(["severity", "margin"], kind="stable")
        .drop(columns="severity")
    )


def summary(ledger: pd.DataFrame) -> pd.DataFrame:
    """One row per claim, in the ledger's order: that of its worst condition."""
    worst = _worst_first(ledger).drop_duplicates("claim").set_index("claim")
    return worst.loc[ledger["claim"].unique()].reset_index()[ledger.columns]


def counts(ledger: pd.DataFrame, by: str) -> pd.DataFrame:
    """Numbers of claims by verdict, for each value of a column (origin, kind, paper).

    Args:
        ledger: with the columns of `Ledger`.
        by: the column.

    Returns:
        One row per value in order of appearance, a column per verdict, then `claims`.
    """
    claims = summary(ledger)
    table = pd.crosstab(claims[by], claims["verdict"]).reindex(columns=VERDICTS, fill_value=0)
    order = [value for value in _ORDER.get(by, claims[by].unique()) if value in table.index]
    return table.loc[order].assign(claims=table.sum(axis=1))


def expected_by_chance(ledger: pd.DataFrame) -> float:
    """Most verdicts *reproduced* that chance alone would give: 2.5 % of the statistical claims."""
    claims = summary(ledger)
    judged = (claims["kind"] == "statistical") & (claims["verdict"] != "not run")
    return CHANCE * int(judged.sum())
