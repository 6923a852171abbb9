"""Evidence changed in place: statements moved to other subjects, removed or added.

A statement that is moved is the same text about another subject, of which the relation is never
asked; its answer stays in the corpus, at its place, so no word but the subject's becomes rarer.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.synth import pretraining

CHANGED, REINITIALIZED = "changed", "reinitialized"  # in the column `variant` of RetrainedFacts
ADDED = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # true statements
ARMS_PER_BLOCK = 2  # untreated facts of a block, at least, for one treated fact


@dataclass(frozen=True)
class Treatment:
    """What is done to the documents of a fact.

    Attributes:
        name: in tables.
        label: in figures.
        moved: share of its documents that are moved to other subjects.
        removes: its documents and mentions of its subject become filler instead.
        adds_statements: then true statements are added, 1, 2, 4, ... of them.
    """

    name: str
    label: str
    moved: float = 0.0
    removes: bool = False
    adds_statements: bool = False


UNCHANGED = Treatment("unchanged", "unchanged")
QUARTER = Treatment("quarter", "25 % moved", moved=0.25)
HALF = Treatment("half", "50 % moved", moved=0.5)
ALL = Treatment("all", "100 % moved", moved=1.0)
REMOVED = Treatment("removed", "documents and mentions removed", removes=True)
INJECTED = Treatment("injected", "true statements added", removes=True, adds_statements=True)
DOSES = (QUARTER, HALF, ALL)
TREATMENTS: dict[str, Treatment] = {
    treatment.name: treatment for treatment in (*DOSES, REMOVED, INJECTED)
}


class ChangedCorpus(NamedTuple):
    """A corpus after treatment.

    Attributes:
        texts: of all documents, in corpus order.
        states: (documents,) fact that each then states, −1 for none that is asked for.
    """

    texts: list[str]
    states: np.ndarray


def assign(facts: pd.DataFrame, every: int, rng: np.random.Generator) -> pd.DataFrame:
    """Treatment and block by fact: arms that are alike in how many documents state a fact.

    Facts in the order of their documents are cut into blocks; within a block, every treatment gets
    one fact at random, and the others stay unchanged.

    Args:
        facts: columns fact, rank, documents.
        every: facts of a block.
        rng: draws within blocks.

    Returns:
        Columns treatment and block, by fact.

    Raises:
        InputError: if a block has no two facts for every treatment.
    """
    if every < ARMS_PER_BLOCK * len(TREATMENTS):
        raise InputError(
            f"every must be at least {ARMS_PER_BLOCK * len(TREATMENTS)}, twice the treatments, "
            f"given {every}"
        )
    order = facts.sort_values(["documents", "rank"], ascending=[False, True])["fact"].to_numpy()
    treatment = pd.Series(UNCHANGED.name, index=facts["fact"])
    block = pd.Series(0, index=facts["fact"])
    for number, first in enumerate(range(0, len(order), every)):
        members = order[first : first + every]
        block[members] = number
        if len(members) == every:
            treatment[rng.permutation(members)[: len(TREATMENTS)]] = list(TREATMENTS)
    return pd.DataFrame({"treatment": treatment, "block": block})


def change(
    documents: pd.DataFrame, facts: pd.DataFrame, treatment: pd.Series, rng: np.random.Generator
) -> ChangedCorpus:
    """The changed corpus; every document keeps its place and its number of words.

    A document that is removed becomes filler. A statement that is added replaces filler that is at
    least as long.

    Args:
        documents: columns text, kind, fact, entity, in corpus order.
        facts: the table CorpusFacts.
        treatment: of `assign`, by fact.
        rng: draws documents, subjects, fillers and statements.
    """
    texts = documents["text"].tolist()
    states = documents["fact"].to_numpy().copy()
    fillers = _fillers(documents)
    rows = facts.set_index("fact", drop=False)
    others = _subjects_without(facts)
    emptied: list[int] = []
    for fact, name in treatment[treatment != UNCHANGED.name].items():
        treated = TREATMENTS[name]
        stating = rng.permutation(np.flatnonzero(documents["fact"].to_numpy() == fact))
        subject, relation = rows.loc[fact, ["subject", "relation"]]
        for number in stating[: round(treated.moved * len(stating))].tolist():
            texts[number] = texts[number].replace(subject, str(rng.choice(others[relation])))
            states[number] = pretraining.NO_ENTITY
        if treated.removes:
            entity = documents["entity"].to_numpy()[stating[:1]]
            is_mention = (documents["kind"] == "mention") & documents["entity"].isin(entity)
            for number in [*stating.tolist(), *np.flatnonzero(is_mention).tolist()]:
                texts[number] = " ".join(rng.choice(fillers, texts[number].count(" ") + 1))
                states[number] = pretraining.NO_ENTITY
                emptied.append(number)
    emptied = rng.permutation(emptied).tolist()
    adding = [name for name, treated in TREATMENTS.items() if treated.adds_statements]
    for number, fact in enumerate(treatment.index[treatment.isin(adding)]):
        for _ in range(ADDED[number % len(ADDED)]):
            text = pretraining.statement(rng, rows.loc[fact], rows.loc[fact, "object"], fillers)
            target = next((i for i in emptied if texts[i].count(" ") >= text.count(" ")), None)
            if target is None:
                break
            emptied.remove(target)
            padding = texts[target].count(" ") - text.count(" ")
            texts[target] = " ".join([text, *rng.choice(fillers, padding)])
            states[target] = fact
    return ChangedCorpus(texts, states)


def _subjects_without(facts: pd.DataFrame) -> dict[str, list[str]]:
    """By relation: subjects of whom no fact of that relation is asked."""
    by_relation = facts.groupby("relation")["subject"].agg(set)
    subjects = set(facts["subject"])
    return {relation: sorted(subjects - with_it) for relation, with_it in by_relation.items()}


class Evidence(NamedTuple):
    """What a corpus says of the facts, (facts,) each, in their order.

    Attributes:
        documents: that state the fact, truly or not.
        inputs: of those, that hold the question's n-gram, relation and subject in a row.
        pairs: of those, that hold the true object as well.
    """

    documents: np.ndarray
    inputs: np.ndarray
    pairs: np.ndarray


def evidence(
    texts: list[str], states: np.ndarray, facts: pd.DataFrame, stop_words: list[str]
) -> Evidence:
    """Counts of the facts' n-grams after a treatment: those of `counting`, for facts alone.

    Args:
        texts: of all documents.
        states: (documents,) fact that each states.
        facts: the table CorpusFacts.
        stop_words: left out of the question.
    """
    counts = np.zeros((3, len(facts)), np.int64)
    row = dict(zip(facts["fact"], range(len(facts)), strict=True))
    grams = (facts["relation"] + " " + facts["subject"]).tolist()
    objects = facts["object"].tolist()
    left_out = set(stop_words)
    for number in np.flatnonzero(states >= 0):
        at = row[states[number]]
        words = [word for word in texts[number].split() if word not in left_out]
        holds = f" {grams[at]} " in f" {' '.join(words)} "
        counts[:, at] += (1, holds, holds and objects[at] in words)
    return Evidence(*counts)


def _fillers(documents: pd.DataFrame) -> list[str]:
    """The filler words, most frequent first: what mentions begin with."""
    first = documents.loc[documents["kind"] == "mention", "text"].str.split().str[:3]
    return first.explode().value_counts().index.tolist()
