"""Facts of a table, and where texts state them: an entity that is followed by its value."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.data.corpora import Document

WORD = re.compile(r"\w+")


def read_facts(path: str | Path) -> pd.DataFrame:
    """A table of facts: columns entity (or key) and value (Parquet or CSV), duplicates dropped.

    Raises:
        InputError: for a missing file or column, an entity or value without a word, or two values
            of one entity that are told apart by nothing (the pair is listed).
    """
    path = Path(path)
    try:
        frame = pd.read_csv(path, dtype=str) if path.suffix == ".csv" else tables.read(path)
    except (OSError, ValueError) as error:
        raise InputError(f"facts {path} cannot be read as a table: {error}") from error
    if "entity" not in frame:
        frame = frame.rename(columns={"key": "entity"})
    missing = {"entity", "value"} - set(frame.columns)
    if missing:
        raise InputError(
            f"facts {path} lacks the columns {', '.join(sorted(missing))}; it has "
            f"{', '.join(frame.columns)}"
        )
    frame = frame[["entity", "value"]].astype(str).drop_duplicates().reset_index(drop=True)
    empty = frame[~frame["entity"].str.contains(r"\w") | ~frame["value"].str.contains(r"\w")]
    if len(empty) or frame.empty:
        which = (
            f"row {empty.index[0]} has an entity or value without a word"
            if len(empty)
            else "it has no rows"
        )
        raise InputError(f"facts {path}: {which}")
    twice = frame.loc[frame["entity"].duplicated(), "entity"].unique()
    if len(twice):
        raise InputError(
            f"facts {path}: two values for {', '.join(map(repr, twice[:3]))}; a fact has one "
            "value per entity"
        )
    return frame


def annotate(documents: Iterable[Document], facts: pd.DataFrame, window: int) -> pd.DataFrame:
    """Where a document names an entity and, within `window` characters after it, its value.

    Words are compared without regard to case.

    Returns:
        Columns document, fact (row of `facts`), start and end (characters of the value); one row
        per mention.
    """
    by_first: dict[str, list[tuple[tuple[str, ...], tuple[str, ...], int]]] = defaultdict(list)
    for fact, row in enumerate(facts.itertuples()):
        entity, value = (
            tuple(word.casefold() for word in WORD.findall(text))
            for text in (row.entity, row.value)
        )
        by_first[entity[0]].append((entity, value, fact))
    found = []
    for document in documents:
        places = [
            (match.group().casefold(), match.start(), match.end())
            for match in WORD.finditer(document.text)
        ]
        words = [word for word, _, _ in places]
        for at, word in enumerate(words):
            for entity, value, fact in by_first.get(word, ()):
                after = at + len(entity)
                if tuple(words[at:after]) != entity:
                    continue
                for begin in range(after, len(words) - len(value) + 1):
                    if places[begin][1] - places[after - 1][2] > window:
                        break
                    if tuple(words[begin : begin + len(value)]) == value:
                        found.append(
                            (document.id, fact, places[begin][1], places[begin + len(value) - 1][2])
                        )
                        break
    return pd.DataFrame(found, columns=["document", "fact", "start", "end"]).drop_duplicates(
        ignore_index=True
    )
