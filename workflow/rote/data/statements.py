"""Facts of a table, and where texts state them: an entity that is followed by its value."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rote.core.errors import InputError
from rote.data.corpora import Document
from rote.readers import table

FACT = ("entity", "value")
WORD = re.compile(r"\w+")


class _Fact(NamedTuple):
    """A fact as case-folded words."""

    row: int
    entity: tuple[str, ...]
    value: tuple[str, ...]


class _Word(NamedTuple):
    """A word of a text and where it stands, in characters."""

    word: str
    start: int
    end: int


def read_facts(path: str | Path) -> pd.DataFrame:
    """A table of facts, duplicates dropped.

    Args:
        path: of a table, see `rote.readers.table`, with the columns entity (or key) and value.

    Returns:
        Columns entity and value, strings; one row per entity.

    Raises:
        InputError: for a missing file or column, a table without rows, an entity or value without
            a word, or two values of one entity (the first such entities are listed).
    """
    path = Path(path)
    frame = table.read(path)
    if "entity" not in frame:
        frame = frame.rename(columns={"key": "entity"})
    missing = set(FACT) - set(frame.columns)
    if missing:
        raise InputError(
            f"facts {path} lacks the columns {', '.join(sorted(missing))}; "
            f"it has {', '.join(frame.columns)}"
        )
    columns = {name: table.texts(frame[name], f"facts {path}, {name}") for name in FACT}
    frame = pd.DataFrame(columns).drop_duplicates().reset_index(drop=True)
    if frame.empty:
        raise InputError(f"facts {path}: it has no rows")
    wordless = frame[~frame["entity"].str.contains(r"\w") | ~frame["value"].str.contains(r"\w")]
    if len(wordless):
        raise InputError(
            f"facts {path}: row {wordless.index[0]} has an entity or value without a word"
        )
    twice = frame.loc[frame["entity"].duplicated(), "entity"].unique()
    if len(twice):
        raise InputError(
            f"facts {path}: two values for {', '.join(map(repr, twice[:3]))}; "
            "a fact has one value per entity"
        )
    return frame


def annotate(documents: Iterable[Document], facts: pd.DataFrame, window: int) -> pd.DataFrame:
    """Where a document names an entity and, within `window` characters after it, its value.

    Words are compared without regard to case.

    Args:
        documents: texts to search.
        facts: as `read_facts` returns them.
        window: characters between the end of the entity and the start of its value, at most.

    Returns:
        Columns document, fact (row of `facts`), start and end (characters of the value); one row
        per mention.
    """
    by_first_word: dict[str, list[_Fact]] = defaultdict(list)
    for row, (entity, value) in enumerate(facts[["entity", "value"]].itertuples(index=False)):
        fact = _Fact(row, _folded_words(entity), _folded_words(value))
        by_first_word[fact.entity[0]].append(fact)
    mentions = []
    for document in documents:
        words = [
            _Word(match.group().casefold(), match.start(), match.end())
            for match in WORD.finditer(document.text)
        ]
        for position, word in enumerate(words):
            for fact in by_first_word.get(word.word, ()):
                span = _value_after(words, position, fact, window)
                if span is not None:
                    start, end = span
                    mentions.append(
                        {"document": document.id, "fact": fact.row, "start": start, "end": end}
                    )
    frame = pd.DataFrame(mentions, columns=["document", "fact", "start", "end"])
    return frame.drop_duplicates(ignore_index=True)


def _folded_words(text: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in WORD.findall(text))


def _value_after(
    words: list[_Word], position: int, fact: _Fact, window: int
) -> tuple[int, int] | None:
    """Start and end of a fact's value after its entity, if that stands at `position`."""
    after = position + len(fact.entity)
    if tuple(word.word for word in words[position:after]) != fact.entity:
        return None
    for begin in range(after, len(words) - len(fact.value) + 1):
        if words[begin].start - words[after - 1].end > window:
            return None
        span = words[begin : begin + len(fact.value)]
        if tuple(word.word for word in span) == fact.value:
            return span[0].start, span[-1].end
    return None
