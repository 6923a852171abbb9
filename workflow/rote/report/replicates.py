"""What verdicts rest on: values of the replicates, the tables read, where a claim is defined."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rote.core import tables
from rote.ledger import Claim, Sample, verdicts
from rote.ledger.reading import StatisticTables

DIGITS = 5  # of a value in the file


class Basis(NamedTuple):
    """What one claim's verdict rests on."""

    statistic: str  # file and line of the function
    entry: str  # file and line in the claims file
    tables: list[str]  # that the statistic reads
    values: dict[str, list[float]]  # of the replicates, by condition


NOTHING = Basis("", "", [], {})


def of_paper(results: Path, paper: str) -> Path:
    """Where a paper's bases lie: results/<run>/claims/<paper>.json."""
    return results / "claims" / f"{paper}.json"


def write(path: Path, scale: str, folder: Path, out: Path) -> None:
    """Write what each verdict of a paper rests on.

    Args:
        path: the claims file.
        scale: whose claims are judged.
        folder: of the paper's tables, results/<run>/<paper>.
        out: JSON file.

    Raises:
        ConfigError: for a claims file that is missing or malformed, or an unknown statistic.
    """
    from rote.report import claim as claims  # here, not above: it brings the whole config

    bases = {}
    for definition in claims.load([path.stem], path.parent).values():
        claim = definition.claim
        read: list[str] = []
        values: dict[str, list[float]] = {}
        if claim.criterion_at(scale):
            read, values = _measured(claim, folder)
        entry = f"workflow/claims/{path.name}:{definition.line}"
        basis = Basis(claims.source(claim, in_repository=True), entry, read, values)
        bases[claim.id] = basis._asdict()
    with tables.atomic(out) as temporary:
        temporary.write_text(json.dumps(bases, indent=0) + "\n", "utf-8")


def read(results: Path, paper: str) -> dict[str, Basis]:
    """A paper's bases by claim; of a run that wrote none, none.

    Args:
        results: results/<run>.
        paper: name of its folder.
    """
    path = of_paper(results, paper)
    if not path.is_file():
        return {}
    bases = json.loads(path.read_text("utf-8"))
    return {claim: Basis(**basis) for claim, basis in bases.items()}


def _measured(claim: Claim, folder: Path) -> tuple[list[str], dict[str, list[float]]]:
    """The tables that a claim's statistic reads, and what it gives per replicate."""
    given = StatisticTables(tables.Folder(folder))
    values = {}
    try:
        for condition, sample in verdicts.samples(claim, given).items():
            values[str(condition)] = replicate_values(claim, sample)
    except KeyError:  # the run left out what the claim needs: it is not judged
        values = {}
    return sorted(given.read), values


def replicate_values(claim: Claim, sample: Any) -> list[float]:
    """One number per replicate, on the scale of the claim's criterion.

    Args:
        claim: its kind and interval say how the sample is read.
        sample: of one condition, as its statistic gives it.

    Returns:
        Differences of pairs, ratios of pairs, or the values themselves; nothing for a numerical
        claim, which has no replicates, and for a proportion, whose replicates are yes or no.
    """
    if claim.kind == "numerical" or claim.interval == "proportion":
        return []
    values = np.asarray(sample.values if isinstance(sample, Sample) else sample, float)
    if claim.interval == "paired":
        values = values[:, 0] - values[:, 1]
    elif claim.interval == "ratio":
        with np.errstate(divide="ignore", invalid="ignore"):
            values = values[:, 0] / values[:, 1]
    return [float(f"{value:.{DIGITS}g}") for value in values.ravel() if np.isfinite(value)]
