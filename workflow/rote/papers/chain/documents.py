"""Documents that state facts or exercise rules, questions about them, and files of both.

A document is one line of JSON: `id, kind, fact_id, template, text`, where its answer lies
(`answer`, characters) and every fact that it states (`statements`: fact, start and end of the
value). A question has the same form, and its `part`: of a fact, a statement of the text or a
paraphrase that the text never states; of held-out text without facts, for tuning or for testing.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rote.core.errors import InputError
from rote.core.files import one_line, refuse_pointer
from rote.core.tables import atomic

Line = dict[str, Any]
STATED, PARAPHRASE = "statement", "paraphrase"  # parts of the questions about facts
TUNING, TEST = "tuning", "test"  # parts of the held-out text


class WorldReplicate(NamedTuple):
    """One replicate of a world."""

    documents: list[Line]  # what a network may be trained on
    probes: list[Line]  # questions: facts as stated and paraphrased, and held-out items
    facts: pd.DataFrame  # columns fact, key, value, bits, frequency, count


def numbered(lines: list[Line]) -> list[Line]:
    """Lines with their numbers as ids."""
    return [{"id": number} | line for number, line in enumerate(lines)]


def distinct_statements(documents: Iterable[Line]) -> list[Line]:
    """Every distinct statement of a fact, once, in the order of the documents.

    Each is cut after its value: what a memory may hold.
    """
    lines: dict[tuple[int, str, int], Line] = {}
    for document in documents:
        for fact, start, end in document["statements"]:
            text = document["text"][:end]
            line = document | {"fact_id": fact, "text": text, "answer": [start, end]}
            lines.setdefault((fact, text, start), line)
    return list(lines.values())


def statement_counts(documents: Iterable[Line]) -> dict[int, int]:
    """How often each fact is stated, for facts that are."""
    counts: Counter[int] = Counter()
    for document in documents:
        counts.update(fact for fact, *_ in document["statements"])
    return dict(counts)


def write(path: Path, lines: Iterable[Line]) -> None:
    """One JSON object per line."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def read(path: Path) -> list[Line]:
    """What `write` wrote. Raises InputError naming the line that is damaged."""
    refuse_pointer(Path(path))
    with one_line(path, "cannot be read", "delete the file and run again"):
        texts = Path(path).read_bytes().decode().split("\n")  # no other character ends a line
    lines = []
    for number, text in enumerate(texts[:-1] if not texts[-1] else texts, 1):
        try:
            lines.append(json.loads(text))
        except ValueError as error:
            raise InputError(
                f"{path}, line {number} is damaged ({error}); delete the file and run again"
            ) from error
    return lines
