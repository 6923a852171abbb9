"""Evidence changed in place: documents of some facts removed or added, all else as it was."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.synth import pretraining

CHANGED, REINITIALIZED = "changed", "reinitialized"  # in the column `variant` of RetrainedFacts
DOSES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # true statements that are added


@dataclass(frozen=True)
class Treatment:
    """What is done to the documents of a fact.

    Attributes:
        name: in tables.
        label: in figures.
        removed_every: of its documents, every so many-th is removed; 0: none.
        removes_mentions: documents that only mention its subject are removed as well.
        adds_statements: then true statements are added, 1, 2, 4, ... of them.
    """

    name: str
    label: str
    removed_every: int = 1
    removes_mentions: bool = False
    adds_statements: bool = False


UNCHANGED = Treatment("unchanged", "unchanged", removed_every=0)
REMOVED = Treatment("removed", "documents and mentions removed", removes_mentions=True)
PAIRS = Treatment("pairs", "documents removed")
HALVED = Treatment("halved", "half removed", removed_every=2)
INJECTED = Treatment("injected", "true statements added", adds_statements=True)
TREATMENTS: dict[str, Treatment] = {
    treatment.name: treatment for treatment in (REMOVED, PAIRS, HALVED, INJECTED)
}
ADDITIONS = [name for name, treatment in TREATMENTS.items() if treatment.adds_statements]
REMOVALS = [name for name in TREATMENTS if name not in ADDITIONS]


class ChangedCorpus(NamedTuple):
    """A corpus after treatment.

    Attributes:
        texts: of all documents, in corpus order.
        documents: by fact, those that then state it.
    """

    texts: list[str]
    documents: pd.Series


def assign(facts: pd.DataFrame, every: int) -> pd.Series:
    """Name of the treatment by fact.

    Args:
        facts: columns fact, rank.
        every: of so many facts by rank, one gets each treatment.
    """
    position = (facts["rank"] % every).to_numpy()
    step = max(every // len(TREATMENTS), 1)
    treatment = pd.Series(UNCHANGED.name, index=facts["fact"])
    for number, name in enumerate(TREATMENTS):
        treatment[position == (number * step) % every] = name
    return treatment


def change(
    documents: pd.DataFrame, facts: pd.DataFrame, treatment: pd.Series, rng: np.random.Generator
) -> ChangedCorpus:
    """The changed corpus.

    A document that is removed is replaced by filler of the same length, so that all other documents
    stay at their place in the same batches. A statement that is added replaces filler that is at
    least as long.

    Args:
        documents: columns text, kind, fact, entity, in corpus order.
        facts: the table CorpusFacts.
        treatment: of `assign`.
        rng: draws fillers and statements.
    """
    texts = documents["text"].tolist()
    fillers = _fillers(documents)
    states = documents["fact"].to_numpy()
    entity = documents[states >= 0].groupby("fact")["entity"].first()
    remaining = documents.loc[states >= 0, "fact"].value_counts()
    remaining = remaining.reindex(facts["fact"], fill_value=0)
    replaced: list[int] = []
    for fact, name in treatment[treatment != UNCHANGED.name].items():
        treated = TREATMENTS[name]
        removed = np.flatnonzero(states == fact)[:: treated.removed_every]
        remaining[fact] -= len(removed)
        if treated.removes_mentions and fact in entity.index:
            is_mention = (documents["kind"] == "mention") & (documents["entity"] == entity[fact])
            removed = np.concatenate([removed, np.flatnonzero(is_mention)])
        for number in removed.tolist():
            texts[number] = " ".join(rng.choice(fillers, texts[number].count(" ") + 1))
            replaced.append(number)
    rows = facts.set_index("fact", drop=False)
    replaced = rng.permutation(replaced).tolist()
    injected = treatment.index[treatment.isin(ADDITIONS)]
    for number, fact in enumerate(injected):
        for _ in range(DOSES[number % len(DOSES)]):
            text = pretraining.statement(rng, rows.loc[fact], rows.loc[fact, "object"], fillers)
            target = next((i for i in replaced if texts[i].count(" ") >= text.count(" ")), None)
            if target is None:
                break
            replaced.remove(target)
            padding = texts[target].count(" ") - text.count(" ")
            texts[target] = " ".join([text, *rng.choice(fillers, padding)])
            remaining[fact] += 1
    return ChangedCorpus(texts, remaining)


def _fillers(documents: pd.DataFrame) -> list[str]:
    """The filler words, most frequent first: what mentions begin with."""
    first = documents.loc[documents["kind"] == "mention", "text"].str.split().str[:3]
    return first.explode().value_counts().index.tolist()
