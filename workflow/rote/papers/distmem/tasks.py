"""Test data of real tasks: rows of any of a few known forms, read from files or a hub, as the table
Examples.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from rote.core.errors import InputError
from rote.data import corpora

COLUMNS = ["task", "part", "example", "instruction", "input", "output", "fact", "choices"]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "instruction": row.get("u") or "",
        "input": row["x"],
        "output": row["y"],
        "choices": row.get("choices"),
    }


def _question(
    row: Mapping[str, Any], answer: str, choices: list[str] | None = None
) -> dict[str, Any]:
    return {
        "instruction": "Question: {input}\nAnswer:",
        "input": row["question"],
        "output": answer,
        "choices": choices,
    }


def _trivia(row: Mapping[str, Any]) -> dict[str, Any]:
    return _question(row, row["answer"]["value"])


def _multiple_choice(row: Mapping[str, Any]) -> dict[str, Any]:
    choices = list(row["choices"])
    right = row["answer"] if isinstance(row["answer"], int) else "ABCD".index(row["answer"])
    return _question(row, choices[right], choices)


def _solution(row: Mapping[str, Any]) -> dict[str, Any]:
    return _question(row, row["answer"].replace("#### ", "answer "))


_LANGUAGES = {
    "cs": "Czech",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "hu": "Hungarian",
    "it": "Italian",
}


def _translation(row: Mapping[str, Any]) -> dict[str, Any]:
    pair = row["translation"]
    other = next(code for code in pair if code != "en")
    wanted = f"English text: {{input}}\n{_LANGUAGES.get(other, other)} translation:"
    return {"instruction": wanted, "input": pair["en"], "output": pair[other], "choices": None}


# by the keys that a row must have, the most particular first; prompts are the paper's (appendix)
FORMS: list[tuple[set[str], Callable[[Mapping[str, Any]], dict[str, Any]]]] = [
    ({"x", "y"}, _plain),
    ({"translation"}, _translation),
    ({"question", "choices", "answer"}, _multiple_choice),
    ({"question", "question_source", "answer"}, _trivia),
    ({"question", "answer"}, _solution),
]


def read(task: str, source: str, part: str, limit: int | None = None) -> pd.DataFrame:
    """Examples of one task, columns `COLUMNS`.

    Args:
        source: file, folder, glob or hf:<data set> of JSON lines or Parquet, whose rows have x and
            y (perhaps u, an instruction with {input} where x belongs, and choices), or are of the
            form of TriviaQA, MMLU, GSM8K or WMT.
        part: test or mining.
        limit: most examples.

    Raises:
        InputError: naming file, row and what it lacks.
    """
    rows: list[dict[str, Any]] = []
    for where, row in _rows(source):
        form = next((read for keys, read in FORMS if keys <= set(row)), None)
        if form is None:
            raise InputError(
                f"task {task}, {where}: needs x and y, or a known data set's form; it has "
                f"{', '.join(row)}"
            )
        try:
            found = form(row)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise InputError(
                f"task {task}, {where}: not of the form that its keys promise ({error!r})"
            ) from error
        if not isinstance(found["input"], str) or not isinstance(found["output"], str):
            raise InputError(f"task {task}, {where}: input and output must be text")
        choices = (
            [str(choice) for choice in found["choices"]] if found["choices"] is not None else []
        )
        rows.append(
            found
            | {"task": task, "part": part, "example": len(rows), "fact": -1, "choices": choices}
        )
        if limit is not None and len(rows) == limit:
            break
    if not rows:
        raise InputError(f"task {task}: no row in {source}")
    return pd.DataFrame(rows)[COLUMNS]


def prompt(instruction: str, text: str) -> str:
    """What the model reads before the output: the instruction with the input in its place (or
    behind it).
    """
    if "{input}" in instruction:
        return instruction.replace("{input}", text)
    return f"{instruction} {text}".strip()


def _rows(source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in corpora.files(source):
        if file.name.endswith(".parquet"):
            for batch in pq.ParquetFile(file).iter_batches(1024):
                for number, row in enumerate(batch.to_pylist()):
                    yield f"{file}, row {number}", row
            continue
        if not file.name.endswith(corpora.JSON_LINES):
            raise InputError(f"task file {file}: must be JSON lines or Parquet")
        for number, line in enumerate(corpora.lines(file), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"task file {file}, line {number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise InputError(f"task file {file}, line {number}: not an object")
            yield f"{file}, line {number}", row
