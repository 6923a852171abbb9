"""Facts (entity, relation, value) with other names, and where texts state them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rote.core.errors import InputError
from rote.data.corpora import Document
from rote.readers import table

TRIPLE = ("entity", "relation", "value")
ALIASES = ("entity_aliases", "value_aliases")  # columns of further names
BETWEEN = "|"  # aliases of one cell
WORD = re.compile(r"\w+")
Words = tuple[str, ...]


class _Word(NamedTuple):
    """A word of a text, case-folded, and where it stands, in characters."""

    word: str
    start: int
    end: int


class _Entity(NamedTuple):
    """A name of an entity, and its facts: names of their values by row."""

    name: Words
    entity: str


def read(path: str | Path) -> pd.DataFrame:
    """A table of facts, duplicates dropped.

    Args:
        path: of a table, see `rote.readers.table`: columns entity and value, perhaps relation,
            entity_aliases and value_aliases (further names, `|` between them). An entity may have
            any number of values of a relation, one row each.

    Returns:
        Columns entity, relation ("" where there is none), value, entity_aliases, value_aliases.

    Raises:
        InputError: for a missing file or column, a table without rows, or a name without a word.
    """
    path = Path(path)
    frame = table.read(path)
    missing = {"entity", "value"} - set(frame.columns)
    if missing:
        raise InputError(
            f"facts {path} lacks the columns {', '.join(sorted(missing))}; "
            f"it has {', '.join(frame.columns)}"
        )
    columns = {}
    for name in (*TRIPLE, *ALIASES):
        given = name in frame
        columns[name] = table.texts(frame[name], f"facts {path}, {name}") if given else ""
    frame = pd.DataFrame(columns, index=frame.index).drop_duplicates().reset_index(drop=True)
    if frame.empty:
        raise InputError(f"facts {path}: it has no rows")
    for row in frame.itertuples():
        names = [*_names(row.entity, row.entity_aliases), *_names(row.value, row.value_aliases)]
        if not all(WORD.search(name) for name in names):
            raise InputError(f"facts {path}: row {row.Index} has a name without a word")
    return frame


def _names(name: str, aliases: str) -> list[str]:
    """A name and its aliases."""
    return [name, *(alias for alias in aliases.split(BETWEEN) if alias.strip())]


def entity_names(facts: pd.DataFrame) -> list[list[str]]:
    """All names of each fact's entity, its own first.

    Args:
        facts: as `read` returns them.
    """
    pairs = zip(facts["entity"], facts["entity_aliases"], strict=True)
    return [_names(entity, aliases) for entity, aliases in pairs]


def value_names(facts: pd.DataFrame) -> list[list[str]]:
    """All names of each fact's value, its own first.

    Args:
        facts: as `read` returns them.
    """
    pairs = zip(facts["value"], facts["value_aliases"], strict=True)
    return [_names(value, aliases) for value, aliases in pairs]


def annotate(
    documents: Iterable[Document], facts: pd.DataFrame, window: int
) -> Iterator[tuple[Document, list[tuple[int, int, int]]]]:
    """Every document with the values that follow their entity within a window.

    Words are compared without regard to case. Of the entities that begin at a word the longest
    counts, and its words belong to no other one. A name that stands in a longer one in capitals
    ("Paris" in "Paris Hilton") is not the entity.

    Args:
        documents: texts to search.
        facts: as `read` returns them.
        window: characters between the end of the entity and the start of its value, at most.

    Yields:
        The document and (fact, start, end) of each value in characters, sorted by start.
    """
    by_word: dict[str, list[_Entity]] = defaultdict(list)
    values: dict[str, dict[str, list[tuple[Words, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in facts.itertuples():
        for name in _names(row.entity, row.entity_aliases):
            name_words = _folded(name)
            by_word[name_words[0]].append(_Entity(name_words, row.entity))
        for name in _names(row.value, row.value_aliases):
            name_words = _folded(name)
            values[row.entity][name_words[0]].append((name_words, row.Index))
    for entities in by_word.values():
        entities.sort(key=lambda entity: -len(entity.name))
    for document in documents:
        words = [
            _Word(match.group().casefold(), match.start(), match.end())
            for match in WORD.finditer(document.text)
        ]
        spans: set[tuple[int, int, int]] = set()
        position = 0
        while position < len(words):
            entity = _entity_at(document.text, words, position, by_word)
            if entity is None:
                position += 1
                continue
            position += len(entity.name)
            spans.update(_values_after(words, position, values[entity.entity], window))
        yield document, sorted(spans, key=lambda mention: (mention[1], mention[2], mention[0]))


def _folded(text: str) -> Words:
    return tuple(word.casefold() for word in WORD.findall(text))


def _entity_at(
    text: str, words: list[_Word], position: int, by_word: dict[str, list[_Entity]]
) -> _Entity | None:
    """The longest entity that begins at a word."""
    for entity in by_word.get(words[position].word, ()):
        after = position + len(entity.name)
        same = tuple(word.word for word in words[position:after]) == entity.name
        if same and not _in_longer_name(text, words, position, after):
            return entity
    return None


def _in_longer_name(text: str, words: list[_Word], first: int, after: int) -> bool:
    """Whether a word in capitals goes on with a name, or stands before it within the sentence."""
    if not text[words[first].start].isupper():
        return False
    goes_on = after < len(words) and text[words[after - 1].end : words[after].start] in (" ", "-")
    if goes_on and text[words[after].start].isupper():
        return True
    if first < 2 or text[words[first - 1].end : words[first].start] not in (" ", "-"):
        return False
    begins = "." in text[words[first - 2].end : words[first - 1].start]
    return text[words[first - 1].start].isupper() and not begins


def _values_after(
    words: list[_Word], after: int, values: dict[str, list[tuple[Words, int]]], window: int
) -> Iterator[tuple[int, int, int]]:
    """Fact, start and end of each fact's first value behind its entity, within the window."""
    seen = set()
    end = words[after - 1].end
    for begin in range(after, len(words)):
        if words[begin].start - end > window:
            return
        for name, fact in values.get(words[begin].word, ()):
            span = words[begin : begin + len(name)]
            if fact not in seen and tuple(word.word for word in span) == name:
                seen.add(fact)
                yield fact, span[0].start, span[-1].end
