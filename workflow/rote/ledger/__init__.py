"""The ledger: claims, the intervals behind them, verdicts, and the file that holds them."""

from rote.core import extras

extras.require("rote.ledger")

from rote.ledger import coverage
from rote.ledger.claims import KINDS, ORIGINS, VERDICTS, Claim, Criterion, criterion, load
from rote.ledger.intervals import (
    METHODS,
    Estimate,
    NoValueError,
    Sample,
    interval,
    test_set_variance,
)
from rote.ledger.ledger import is_current, join, of_paper, read
from rote.ledger.nulls import audit
from rote.ledger.theory import TheoryClaims
from rote.ledger.verdicts import (
    Ledger,
    by_claim,
    counts,
    evaluate,
    expected_by_chance,
    summary,
)

__all__ = [
    "KINDS",
    "METHODS",
    "ORIGINS",
    "VERDICTS",
    "Claim",
    "Criterion",
    "Estimate",
    "Ledger",
    "NoValueError",
    "Sample",
    "TheoryClaims",
    "audit",
    "by_claim",
    "counts",
    "coverage",
    "criterion",
    "evaluate",
    "expected_by_chance",
    "interval",
    "is_current",
    "join",
    "load",
    "of_paper",
    "read",
    "summary",
    "test_set_variance",
]
