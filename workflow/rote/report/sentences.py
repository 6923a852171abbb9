"""Sentences that stand on claims: they say what the claims say, and change with the verdicts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from rote import ledger as ledgers
from rote.core.errors import InputError

# of a notebook's output, in its metadata: the sentence and the figure of the overview
FINDING = "finding"
# a sentence holds if all of its claims do: the gravest verdict among them decides
_GRAVEST = ("contradicted", "inconclusive", "not run", "reproduced")
_FRAMES = {
    "contradicted": "In this run it does not hold that {}",
    "inconclusive": "This run leaves open whether {}",
    "not run": "Not judged in this run: whether {}",
}
Statement = Sequence[str]  # a sentence, then the claims that it stands on


class Sentence(NamedTuple):
    """A sentence as the verdicts have it."""

    text: str
    verdict: str
    rows: list[Any]  # of the claims that it stands on, each by its worst condition


def on_claims(ledger: pd.DataFrame, statement: Statement, paper: str) -> Sentence:
    """A sentence as the verdicts have it.

    Args:
        ledger: with the columns of `rote.ledger.Ledger`.
        statement: a declarative sentence in the present tense, without its full stop; then the
            claims that it stands on, without the paper's prefix, at least one.
        paper: name of its folder.

    Raises:
        InputError: for a sentence that stands on no claim, or on one that the ledger lacks.
    """
    sentence, *names = statement
    if not names:
        raise InputError(f"the sentence {sentence!r} stands on no claim; name one at least")
    rows = of_claims(ledger, [f"{paper}.{name}" for name in names])
    verdict = min((row.verdict for row in rows), key=_GRAVEST.index)
    return Sentence(worded(sentence, verdict), verdict, rows)


def of_claims(ledger: pd.DataFrame, ids: Iterable[str]) -> list[Any]:
    """The rows of these claims, each by its worst condition, in this order.

    Args:
        ledger: with the columns of `rote.ledger.Ledger`.
        ids: of claims.

    Raises:
        InputError: for claims that the ledger lacks.
    """
    rows = {row.claim: row for row in ledgers.summary(ledger).itertuples()}
    ids = list(ids)
    if unknown := [name for name in ids if name not in rows]:
        raise InputError(f"no such claims in the ledger: {', '.join(sorted(unknown))}")
    return [rows[name] for name in ids]


def worded(sentence: str, verdict: str) -> str:
    """A sentence as a verdict has it.

    Args:
        sentence: declarative, in the present tense, without its full stop.
        verdict: one of `rote.ledger.VERDICTS`.

    Returns:
        The sentence if it is reproduced, else that it does not hold, is open or was not judged.
    """
    if verdict == "reproduced":
        return f"{sentence}."
    return _FRAMES[verdict].format(_continued(sentence)) + "."


def _continued(sentence: str) -> str:
    """A sentence after other words: its first letter small, unless it begins with a name."""
    first = sentence.split()[0]
    is_name = any(letter.isupper() for letter in first[1:])  # ResMem, LLaMA, E_gen
    return sentence if is_name else sentence[0].lower() + sentence[1:]
