"""The ledger: claims, the intervals behind them, verdicts, and the file that holds them."""

from rote.ledger.claims import VERDICTS, Claim, Criterion, criterion, load
from rote.ledger.intervals import Sample, interval, ratio
from rote.ledger.theory import TheoryClaims
from rote.ledger.verdicts import Ledger, by_claim, evaluate, summary

__all__ = [
    "VERDICTS",
    "Claim",
    "Criterion",
    "Ledger",
    "Sample",
    "TheoryClaims",
    "by_claim",
    "criterion",
    "evaluate",
    "interval",
    "load",
    "ratio",
    "summary",
]
