"""A text of the user's instead of a generated world: its pieces, and where they state facts."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator
from rote.data import corpora, statements
from rote.data.corpora import Document
from rote.papers.chain.documents import Line, WorldReplicate, numbered
from rote.papers.chain.settings import Settings

log = logging.getLogger("rote")
MAX_QUESTIONS = 8  # statements of a fact that become questions
HELD_OUT_SHARE = 0.1  # of the pieces without facts
MIN_HELD_OUT = 2  # pieces: one to tune on, one to test on
MIN_OTHERS = 4  # pieces without facts, of which any are held out


def read(options: Settings, tokenizer: Any, seed: int, replicate: int) -> WorldReplicate:
    """One replicate: every piece of the text; replicates differ in held-out pieces and questions.

    Facts are asked where the text states them; other text, held out, stands for what is not a fact.

    Args:
        options: text, table of facts, and how the text is cut.
        tokenizer: of transformers' fast kind.
        seed: of the run.
        replicate: number of the replicate.

    Raises:
        InputError: for a text that states no fact.
    """
    table = statements.read_facts(options.facts)
    pieces = list(_pieces(options, tokenizer))
    mentions = statements.annotate(track(pieces, "facts in the text"), table, options.window)
    if mentions.empty:
        raise InputError(
            f"no fact of {options.facts} is stated in {options.corpus}; "
            "raise chain.window or check both"
        )
    lines = _lines(pieces, mentions)
    rng = generator(seed, "chain", "own", replicate)
    held_out = _held_out(lines, rng)
    if not held_out:
        log.warning(
            "%s states facts and hardly anything else: "
            "what pruning does to other text is not measured",
            options.corpus,
        )
    probes: list[Line] = []
    for _, rows in mentions.groupby("fact"):
        probes += _questions(lines, rows, rng)
    half = len(held_out) // 2
    for position, number in enumerate(held_out):
        part = "valid" if position < half else "test"
        probes.append(lines[number] | {"part": part, "pairs": []})
    hidden = set(held_out)
    documents = [line for number, line in enumerate(lines) if number not in hidden]
    return WorldReplicate(numbered(documents), numbered(probes), _facts(table, mentions))


def _lines(pieces: list[Document], mentions: pd.DataFrame) -> list[Line]:
    by_piece = {
        name: rows[["fact", "start", "end"]].to_numpy().tolist()
        for name, rows in mentions.groupby("document")
    }
    lines = []
    for piece in pieces:
        stated = by_piece.get(piece.id, [])
        lines.append(
            {
                "kind": "fact" if stated else "other",
                "fact_id": stated[0][0] if stated else -1,
                "template": -1,
                "text": piece.text,
                "answer": None,
                "statements": stated,
            }
        )
    return lines


def _held_out(lines: list[Line], rng: np.random.Generator) -> list[int]:
    """Numbers of the lines without facts that are held out, in random order."""
    other_numbers = rng.permutation([n for n, line in enumerate(lines) if line["kind"] == "other"])
    if len(other_numbers) < MIN_OTHERS:
        return []
    return other_numbers[: max(MIN_HELD_OUT, round(HELD_OUT_SHARE * len(other_numbers)))].tolist()


def _questions(lines: list[Line], mentions: pd.DataFrame, rng: np.random.Generator) -> list[Line]:
    """Statements of one fact, cut after its value."""
    count = min(MAX_QUESTIONS, len(mentions))
    chosen = mentions.iloc[np.sort(rng.choice(len(mentions), count, replace=False))]
    questions = []
    for number, row in enumerate(chosen.itertuples()):
        line = lines[int(row.document)]
        questions.append(
            line
            | {
                "fact_id": int(row.fact),
                "template": number,
                "statements": [],
                "text": line["text"][: row.end],
                "answer": [int(row.start), int(row.end)],
                "part": "probe",
            }
        )
    return questions


def _facts(table: pd.DataFrame, mentions: pd.DataFrame) -> pd.DataFrame:
    counts = np.bincount(mentions["fact"], minlength=len(table))
    return pd.DataFrame(
        {
            "fact": np.arange(len(table)),
            "key": table["entity"],
            "value": table["value"],
            "bits": float(np.log2(max(2, table["value"].nunique()))),
            "frequency": counts / counts.sum(),
            "count": counts,
        }
    )


def _pieces(options: Settings, tokenizer: Any) -> Iterator[Document]:
    """The text in pieces of up to `context` tokens, as documents whose id is their number."""
    size = options.context - 1  # one token begins every piece
    number = 0
    for document in corpora.documents(options.corpus, options.column, split=options.split):
        coded = tokenizer(document.text, return_offsets_mapping=True, add_special_tokens=False)
        spans = coded["offset_mapping"]
        for begin in range(0, len(spans), size):
            block = spans[begin : begin + size]
            text = document.text[block[0][0] : block[-1][1]]
            if len(block) > 1 and text.strip():
                yield Document(str(number), text)
                number += 1
