"""Nulls: how a claim's tables look if it is false, and the audit that no claim passes on them.

A paper's nulls are functions of its tables in `rote.papers.<paper>.nulls`; most are made by the
functions here. A null that draws takes a generator, `null(tables, rng)`; one that moves something
by what its claim tolerates takes that, `null(tables, tolerance)`.
"""

import inspect
import math
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.section import validate
from rote.ledger import verdicts
from rote.ledger.claims import Claim, criterion

Tables = Mapping[str, pd.DataFrame]
Null = Callable[..., Tables]
_DRAWS = 5  # of a null that is random; a claim passes if it does in most of them
_SEED = 20  # of those draws
BEYOND = 1.5  # times the tolerance: how far `off` moves
_COLUMNS = ["claim", "null", "verdict", "null_verdict", "passes", "powerless"]


def replaced(tables: Tables, **frames: pd.DataFrame) -> Tables:
    """Tables of which some are exchanged for other ones.

    Args:
        tables: by name.
        **frames: the other ones; the rest is read from `tables` when asked for.
    """
    return ChainMap(dict(frames), tables)  # type: ignore[arg-type]


def exchanged(table: str, column: str, a: Any, b: Any, replicate: str = "replicate") -> Null:
    """A null without a difference between two arms: in every second replicate they are exchanged.

    Args:
        table: name of the table.
        column: that names the arm of a row.
        a: one arm.
        b: the other.
        replicate: column of the replicates.
    """

    def null(tables: Tables) -> Tables:
        frame = tables[table]
        alternate = _every_second(frame[replicate])
        arms = frame[column].copy()
        arms[alternate & (frame[column] == a)] = b
        arms[alternate & (frame[column] == b)] = a
        return replaced(tables, **{table: frame.assign(**{column: arms})})

    null.__doc__ = f"{column} {a} and {b} are exchanged in every second replicate ({table})."
    return null


def exchanged_columns(table: str, a: str, b: str, replicate: str = "replicate") -> Null:
    """The same for two arms that are columns of one table.

    Args:
        table: name of the table.
        a: one column.
        b: the other.
        replicate: column of the replicates.
    """

    def null(tables: Tables) -> Tables:
        frame = tables[table]
        alternate = _every_second(frame[replicate])
        swapped = {
            a: frame[b].where(alternate, frame[a]),
            b: frame[a].where(alternate, frame[b]),
        }
        return replaced(tables, **{table: frame.assign(**swapped)})

    null.__doc__ = f"{a} and {b} are exchanged in every second replicate ({table})."
    return null


def shuffled(table: str, columns: str | Iterable[str], within: Iterable[str] = ()) -> Null:
    """A null without a relation: columns are permuted against all others.

    Args:
        table: name of the table.
        columns: one or several, which stay together.
        within: columns whose groups are permuted each for itself; none for the whole table.
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    groups = list(within)

    def null(tables: Tables, rng: np.random.Generator) -> Tables:
        frame = tables[table].reset_index(drop=True)
        order = np.arange(len(frame))
        members = frame.groupby(groups, sort=False).indices.values() if groups else [order]
        for rows in members:
            order[rows] = rng.permutation(rows)
        permuted = frame[names].iloc[order].reset_index(drop=True)
        return replaced(tables, **{table: frame.assign(**dict(permuted.items()))})

    inside = f" within {', '.join(groups)}" if groups else ""
    null.__doc__ = f"{', '.join(names)} permuted{inside} ({table})."
    return null


def moved(table: str, column: str, *, by: float = 0.0, times: float = 1.0) -> Null:
    """A null in which one side is another number: a theory that is off, an error above tolerance.

    Args:
        table: name of the table.
        column: that moves.
        by: added to it.
        times: it is multiplied by this before.

    Raises:
        InputError: if nothing would move.
    """
    if by == 0 and times == 1:
        raise InputError("by, times: a null that moves nothing is none")

    def null(tables: Tables) -> Tables:
        frame = tables[table]
        return replaced(tables, **{table: frame.assign(**{column: frame[column] * times + by})})

    steps = [f"multiplied by {times:g}"] * (times != 1) + [f"moved by {by:g}"] * (by != 0)
    null.__doc__ = f"{column} {' and '.join(steps)} ({table})."
    return null


def off(table: str, column: str, *, relative: bool = True) -> Null:
    """A null in which one side is wrong by one and a half times what the claim tolerates.

    Args:
        table: name of the table.
        column: that moves.
        relative: whether the tolerance is one of the column itself, which is then multiplied by
            one plus so much; otherwise so much is added.
    """

    def null(tables: Tables, tolerance: float) -> Tables:
        frame = tables[table]
        step = BEYOND * tolerance
        values = frame[column] * (1 + step) if relative else frame[column] + step
        return replaced(tables, **{table: frame.assign(**{column: values})})

    null.__doc__ = f"{column} is off by {BEYOND:g} times the tolerance ({table})."
    return null


def copied(table: str, column: str, source: Any, targets: Iterable[Any], on: Iterable[str]) -> Null:
    """A null in which arms are one and the same: rows of `targets` get the values of `source`.

    Args:
        table: name of the table.
        column: that names the arm of a row.
        source: the arm whose values count.
        targets: the arms that get them.
        on: columns that match a row of a target with one of the source.
    """
    keys = list(on)
    arms = list(targets)

    def null(tables: Tables) -> Tables:
        frame = tables[table]
        others = frame[~frame[column].isin(arms)]
        model = frame[frame[column] == source]
        frames = [others]
        for arm in arms:
            rows = frame.loc[frame[column] == arm, keys]
            frames.append(rows.merge(model, on=keys).assign(**{column: arm}))
        return replaced(tables, **{table: pd.concat(frames)[list(frame.columns)]})

    null.__doc__ = f"{column} {', '.join(map(str, arms))} with the values of {source} ({table})."
    return null


def chained(*nulls: Null) -> Null:
    """Several nulls, one after the other: for a claim that reads several tables.

    Args:
        *nulls: of the functions above, or a paper's own.
    """

    def null(tables: Tables, rng: np.random.Generator, tolerance: float) -> Tables:
        for step in nulls:
            tables = apply(step, tables, rng, tolerance)
        return tables

    null.__doc__ = " ".join(verdicts.sentence(step) for step in nulls)
    return null


def apply(
    null: Null, tables: Tables, rng: np.random.Generator, tolerance: float = math.nan
) -> Tables:
    """The tables of a null, whatever it takes beside tables.

    Args:
        null: a function of tables, and of a generator, a tolerance or both.
        tables: of a run.
        rng: for those that draw.
        tolerance: of the claim, for those that move something by it.
    """
    given = {"rng": rng, "tolerance": tolerance}
    return null(tables, **{name: given[name] for name in _takes(null)})


def _takes(null: Null) -> list[str]:
    """What a null takes beside tables."""
    return [name for name in inspect.signature(null).parameters if name in ("rng", "tolerance")]


def _every_second(replicates: pd.Series) -> np.ndarray:
    """Whether a row belongs to the second, fourth, ... replicate."""
    return np.unique(replicates, return_inverse=True)[1] % 2 == 1


def audit(
    claims: Iterable[Claim | Mapping[str, Any]],
    tables: Tables,
    *,
    scale: str = "full",
    min_replicates: int | None = None,
) -> pd.DataFrame:
    """Claims judged on the tables of a run and on those of each of their nulls.

    Args:
        claims: entries of a claims file.
        tables: of the run, by name.
        scale: which claims and criteria apply.
        min_replicates: replicates that a verdict needs, instead of each claim's own minimum.

    Returns:
        One row per claim and null: claim, null (its sentence), verdict, null_verdict, passes
        (whether the claim is reproduced on that null, too), powerless (those of its conditions
        that are reproduced on the run and on the null, joined by "; "). A claim that the run cannot
        judge has the null's verdict `not run`; a null that changes none of the values has
        `no change`, and its claim passes if it is reproduced.

    Raises:
        ConfigError: for a malformed claim, an unknown statistic or null.
    """
    rows = []
    for entry in claims:
        claim = entry if isinstance(entry, Claim) else validate(Claim, dict(entry), "claim")
        result = _evaluated(claim, tables, scale, min_replicates)
        for null in verdicts.nulls(claim):
            rows.append(_audited(claim, null, result, tables, scale, min_replicates))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _audited(
    claim: Claim,
    null: Null,
    result: pd.DataFrame,
    tables: Tables,
    scale: str,
    min_replicates: int | None,
) -> dict[str, Any]:
    """One row of `audit`."""
    row = {
        "claim": claim.id,
        "null": verdicts.sentence(null),
        "verdict": verdicts.summary(result)["verdict"].item(),
        "null_verdict": "not run",
        "passes": False,
        "powerless": "",
    }
    passes = claim.criterion_at(scale)
    if passes is None or result["value"].isna().all():
        return row
    tolerance = criterion(passes).tolerance
    draws = []
    for draw in range(_DRAWS if "rng" in _takes(null) else 1):
        altered = apply(null, tables, np.random.default_rng([_SEED, draw]), tolerance)
        draws.append(_evaluated(claim, altered, scale, min_replicates))
    if all(draw["value"].equals(result["value"]) for draw in draws):
        # no null at all, unless the run has nothing that it could change
        reproduced = row["verdict"] == "reproduced"
        return row | {"null_verdict": "no change", "passes": reproduced}
    outcomes = [verdicts.summary(draw)["verdict"].item() for draw in draws]
    common = max(dict.fromkeys(outcomes), key=outcomes.count)
    return row | {
        "null_verdict": common,
        "passes": outcomes.count("reproduced") > len(outcomes) / 2,
        "powerless": "; ".join(_powerless(result, draws)),
    }


def _powerless(result: pd.DataFrame, draws: list[pd.DataFrame]) -> list[str]:
    """Conditions that are reproduced on the run, and in most draws of a null, too."""
    names = []
    for condition in result.loc[result["verdict"] == "reproduced", "condition"]:
        outcomes = [draw.loc[draw["condition"] == condition, "verdict"].tolist() for draw in draws]
        if outcomes.count(["reproduced"]) > len(draws) / 2:
            names.append(condition)
    return names


def _evaluated(
    claim: Claim, tables: Tables, scale: str, min_replicates: int | None
) -> pd.DataFrame:
    return verdicts.evaluate([claim], tables, scale=scale, min_replicates=min_replicates)
