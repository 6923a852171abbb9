"""Test data of real tasks: rows of a few known forms, from files or a hub, as TaskExamples."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.core.files import has_suffix
from rote.data import corpora
from rote.papers.distmem import schema
from rote.papers.distmem.corpora import with_corpus
from rote.papers.distmem.settings import DistmemStudy
from rote.papers.distmem.tasks import MINING, TEST
from rote.readers import table, text

Row = Mapping[str, Any]


def _plain(row: Row) -> dict[str, Any]:
    return {
        "instruction": row.get("u") or "",
        "input": row["x"],
        "output": row["y"],
        "choices": row.get("choices"),
    }


def _question(row: Row, answer: str, choices: list[str] | None = None, **more: Any) -> dict:
    return {
        "instruction": "Question: {input}\nAnswer:",
        "input": row["question"],
        "output": answer,
        "choices": choices,
        **more,
    }


def _trivia(row: Row) -> dict[str, Any]:
    """The whole answer is the only n-gram of the output, of every length; its aliases count."""
    answer = row["answer"]
    aliases = [*answer.get("aliases", ()), *answer.get("normalized_aliases", ())]
    return _question(row, answer["value"], whole=True, aliases=list(dict.fromkeys(aliases)))


def _multiple_choice(row: Row) -> dict[str, Any]:
    choices = list(row["choices"])
    answer = row["answer"]
    correct = answer if isinstance(answer, int) else ("A", "B", "C", "D").index(answer)
    if not 0 <= correct < len(choices):
        raise IndexError(f"answer {answer} of {len(choices)} choices")
    return _question(row, choices[correct], choices, group=str(row.get("subject", "")))


_CALCULATOR = re.compile(r"<<[^<>]*>>")  # what GSM8K's annotators computed, no part of the text


def _solution(row: Row) -> dict[str, Any]:
    return _question(row, _CALCULATOR.sub("", row["answer"]).replace("#### ", "answer "))


_LANGUAGES = {
    "cs": "Czech",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "hu": "Hungarian",
    "it": "Italian",
}


def _translation(row: Row) -> dict[str, Any]:
    pair = row["translation"]
    other = next(code for code in pair if code != "en")
    instruction = f"English text: {{input}}\n{_LANGUAGES.get(other, other)} translation:"
    return {
        "instruction": instruction,
        "input": pair["en"],
        "output": pair[other],
        "choices": None,
        "group": other,
    }


@dataclass(frozen=True)
class RowForm:
    """A form of rows: the keys that a row must have, and what makes an example of it."""

    keys: frozenset[str]
    example: Callable[[Row], dict[str, Any]]


# the most particular first; prompts are the paper's (appendix)
FORMS = (
    RowForm(frozenset({"x", "y"}), _plain),
    RowForm(frozenset({"translation"}), _translation),
    RowForm(frozenset({"question", "choices", "answer"}), _multiple_choice),
    RowForm(frozenset({"question", "question_source", "answer"}), _trivia),
    RowForm(frozenset({"question", "answer"}), _solution),
)


def study_examples(study: DistmemStudy) -> pd.DataFrame:
    """The table TaskExamples of a study: tests, and mining data (the tests where none are named).

    Raises:
        InputError: if the study names no corpus, or naming file, row and what it lacks.
    """
    parts = []
    for task, source in with_corpus(study).tasks.items():
        tests = read(task, source, TEST, study.examples)
        mining = study.mining.get(task)
        parts.append(tests)
        parts.append(read(task, mining, MINING) if mining else tests.assign(part=MINING))
    return pd.concat(parts, ignore_index=True)


def read(task: str, source: str, part: str, limit: int | None = None) -> pd.DataFrame:
    """Examples of one task, as the table TaskExamples.

    Args:
        task: its name in the table.
        source: file, folder, glob or hf:<data set> of JSON lines or Parquet, whose rows have x and
            y (perhaps u, an instruction with {input} where x belongs, and choices), or are of the
            form of TriviaQA, MMLU, GSM8K or WMT.
        part: test or mining.
        limit: most examples; of data sets in groups (subjects of MMLU, languages of WMT) as many
            of each.

    Raises:
        InputError: naming file, row and what it lacks.
    """
    constants = {"task": task, "part": part, "wording": 0, "fact": -1}
    absent = {"group": "", "aliases": [], "whole": False}
    rows = []
    for position, row in _rows(source):
        rows.append(absent | _example(row, f"task {task}, {position}") | constants)
    if not rows:
        raise InputError(f"task {task}: no row in {source}")
    chosen = _balanced([row["group"] for row in rows], limit)
    numbered = [rows[at] | {"example": number} for number, at in enumerate(chosen)]
    return tables.frame(schema.TaskExamples, numbered)


def _balanced(groups: Sequence[str], limit: int | None) -> list[int]:
    """Numbers of rows, at most so many, as equally many of each group as there are, in order.

    Within a group they are drawn at random, always the same ones: a data set's first rows are of
    its first subjects.
    """
    if limit is None or len(groups) <= limit:
        return list(range(len(groups)))
    rng = np.random.default_rng(0)
    shuffled = pd.Series(groups).iloc[rng.permutation(len(groups))]
    turn = shuffled.groupby(shuffled).cumcount()  # every group's first, every group's second, ...
    return sorted(turn.sort_values(kind="stable").index[:limit].tolist())


def _example(row: Row, position: str) -> dict[str, Any]:
    """Instruction, input, output and choices of a row. Raises InputError naming the position."""
    form = next((form for form in FORMS if form.keys <= row.keys()), None)
    if form is None:
        raise InputError(
            f"{position}: needs x and y, or a known data set's form; it has {', '.join(row)}"
        )
    try:
        example = form.example(row)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{position}: not of the form that its keys promise ({error!r})"
        ) from error
    if not isinstance(example["input"], str) or not isinstance(example["output"], str):
        raise InputError(f"{position}: input and output must be text")
    choices = [] if example["choices"] is None else example["choices"]
    if not isinstance(choices, list):
        raise InputError(f"{position}: choices must be a list, it holds {type(choices).__name__}")
    return example | {"choices": [table.as_text(one, f"{position}, choices") for one in choices]}


def _rows(source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in corpora.files(source):
        if has_suffix(file, (".parquet",)):
            for number, row in enumerate(table.rows(file)):
                yield f"{file}, row {number}", row
            continue
        if not has_suffix(file, corpora.JSON_LINES):
            raise InputError(f"task file {file}: must be JSON lines or Parquet")
        for number, row in text.objects(file, table.MAX_BYTES):
            yield f"{file}, line {number}", row
