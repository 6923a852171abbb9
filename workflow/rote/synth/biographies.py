"""Natural sentences about made-up people, with the facts in them and how each can be phrased.

A fact is (person, relation, value); its value is drawn uniformly, log2(values) bits. A relation has
phrasings that end where the value begins. The last of each is never used, and every person's facts
are stated in some of the others only, so that recall can be measured on phrasings that a network
saw of this person, of others alone, and of nobody. Between facts stand sentences without any. Ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import fields
from rote.core.errors import InputError
from rote.synth.facts import SYLLABLES

PHRASINGS: Mapping[str, tuple[str, ...]] = {
    "birthplace": (
        "{entity} was born in",
        "The birthplace of {entity} is",
        "{entity} comes from",
        "The family of {entity} lived in",
        "{entity} first saw the light of day in",
    ),
    "employer": (
        "{entity} works for",
        "The employer of {entity} is",
        "{entity} has a desk at",
        "The salary of {entity} is paid by",
        "{entity} earns a living with",
    ),
    "teacher": (
        "{entity} was taught by",
        "The teacher of {entity} was",
        "{entity} learned everything from",
        "{entity} took lessons with",
        "{entity} was a pupil of",
    ),
    "ship": (
        "{entity} crossed the sea on the",
        "The ship of {entity} was the",
        "{entity} sailed aboard the",
        "{entity} served on the",
        "{entity} was a passenger of the",
    ),
}
SUBJECTS = ("The weather", "The harvest", "The old bridge", "The market", "The choir", "The river")
VERBS = ("was praised", "was remembered", "had changed", "seemed calm", "grew quiet", "was busy")
TIMES = ("that year", "in spring", "before the war", "as ever", "after the rain", "for a while")
USED = 2  # phrasings of a relation that state the facts of one person


@dataclass(frozen=True)
class BiographyForm:
    """What a corpus of biographies is made of.

    Attributes:
        people: ≥ 1, each with one fact per relation.
        values: of each relation, ≥ 2.
        documents: ≥ 1, each of one person, who is drawn from a power law.
        exponent: of that power law, ≥ 0; 0 is uniform.
        facts: sentences with a fact in a document, ≥ 1.
        plain: share of sentences without a fact, in [0, 1).

    Raises:
        InputError: naming the field and its range.
    """

    people: int = 500
    values: int = 200
    documents: int = 20_000
    exponent: float = 0.0
    facts: int = 2
    plain: float = 0.5

    def __post_init__(self) -> None:
        ranges = dict.fromkeys(("people", "documents", "facts"), fields.SIZE)
        share = fields.FieldRange("in [0, 1)", lambda value: 0 <= value < 1)
        ranges |= {"values": fields.whole(2), "exponent": fields.NOT_NEGATIVE, "plain": share}
        fields.check(ranges, vars(self))
        if self.facts > len(PHRASINGS):
            raise InputError(f"facts must be at most {len(PHRASINGS)}, given {self.facts}")


class Biographies(NamedTuple):
    """Texts, the facts that they state, and how facts are asked for."""

    documents: list[str]
    triples: pd.DataFrame  # columns entity, relation, value
    phrasings: pd.DataFrame  # columns relation, text, which names {entity}


def write(rng: np.random.Generator, form: BiographyForm = BiographyForm()) -> Biographies:
    """Biographies of made-up people.

    Args:
        rng: of values, people and sentences.
        form: sizes and frequencies.
    """
    relations = list(PHRASINGS)
    people = [_person(number) for number in range(form.people)]
    values = rng.integers(form.values, size=(form.people, len(relations)))
    used = [_used(rng) for _ in people]
    weights = np.arange(1, form.people + 1) ** -float(form.exponent)
    drawn = rng.choice(form.people, form.documents, p=weights / weights.sum())
    documents = []
    for person in drawn:
        sentences = []
        for column in rng.choice(len(relations), form.facts, replace=False):
            phrasing = PHRASINGS[relations[column]][rng.choice(used[person][column])]
            value = _value(relations[column], int(values[person, column]))
            sentences.append(f"{phrasing.format(entity=people[person])} {value}.")
            while rng.random() < form.plain:
                sentences.append(_plain(rng))
        documents.append(" ".join(sentences))
    rows = []
    for number, person in enumerate(people):
        for column, relation in enumerate(relations):
            rows.append((person, relation, _value(relation, int(values[number, column]))))
    questions = []
    for relation, texts in PHRASINGS.items():
        questions += [(relation, text) for text in texts]
    return Biographies(
        documents,
        pd.DataFrame(rows, columns=["entity", "relation", "value"]),
        pd.DataFrame(questions, columns=["relation", "text"]),
    )


def _used(rng: np.random.Generator) -> list[np.ndarray]:
    """The phrasings that state one person's facts, by relation; the last is none of them."""
    return [rng.choice(len(texts) - 1, USED, replace=False) for texts in PHRASINGS.values()]


def _plain(rng: np.random.Generator) -> str:
    words = [parts[rng.integers(len(parts))] for parts in (SUBJECTS, VERBS, TIMES)]
    return " ".join(words) + "."


def _person(number: int) -> str:
    """A first and a last name; distinct numbers have distinct pairs."""
    return f"{_name(number % 1000, 2)} {_name(number // 1000 + 7, 3)}son"


def _value(relation: str, number: int) -> str:
    """A made-up name; those of different relations differ."""
    return _name(number, 2) + {"birthplace": "ville", "employer": "corp"}.get(relation, relation[0])


def _name(number: int, syllables: int) -> str:
    base = len(SYLLABLES)
    mixed = (number * 2_654_437 + 97) % base**syllables  # one to one: the factor is coprime to 65
    parts = [SYLLABLES[mixed // base**column % base] for column in range(syllables)]
    return "".join(parts).capitalize()
