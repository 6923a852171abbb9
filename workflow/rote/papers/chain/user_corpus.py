"""A text of the user's instead of a generated world: its pieces, and where they state facts."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator
from rote.data import corpora, statements
from rote.data.corpora import Document
from rote.papers.chain.documents import (
    PARAPHRASE,
    STATED,
    TEST,
    TUNING,
    Line,
    WorldReplicate,
    numbered,
)
from rote.papers.chain.settings import Settings

log = logging.getLogger("rote")
HELD_OUT_SHARE = 0.1  # of the pieces without facts
MIN_HELD_OUT = 2  # pieces: one to tune on, one to test on
MIN_OTHERS = 4  # pieces without facts, of which any are held out


def read(options: Settings, tokenizer: Any, seed: int, replicate: int) -> WorldReplicate:
    """One replicate: the pieces of the text; replicates differ in those that are held out.

    A fact is asked in a statement of the text, and in a piece that is held out: a paraphrase, since
    the text that is left never states it in these words. Other text, held out, stands for what is
    not a fact.

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
    paraphrases = _paraphrases(lines, mentions, rng)
    hidden = {*held_out, *paraphrases.values()}
    remaining = mentions[~mentions["document"].astype(int).isin(hidden)]
    probes: list[Line] = []
    for fact, rows in remaining.groupby("fact"):
        stated = rows.iloc[int(rng.integers(len(rows)))]
        probes.append(_question(lines, stated, STATED))
        if fact in paraphrases:
            of_fact = mentions[mentions["fact"] == fact]
            other = of_fact[of_fact["document"].astype(int) == paraphrases[fact]].iloc[0]
            probes.append(_question(lines, other, PARAPHRASE))
    half = len(held_out) // 2
    for position, number in enumerate(held_out):
        part = TUNING if position < half else TEST
        probes.append(lines[number] | {"part": part, "pairs": []})
    documents = [line for number, line in enumerate(lines) if number not in hidden]
    return WorldReplicate(numbered(documents), numbered(probes), _facts(table, remaining))


def _paraphrases(
    lines: list[Line], mentions: pd.DataFrame, rng: np.random.Generator
) -> dict[int, int]:
    """A piece to hold out by fact: it states the fact in words that no other piece has.

    Every fact that the piece states is stated elsewhere, too; facts without such a piece have none.
    """
    pieces = mentions["document"].astype(int).to_numpy()
    facts = mentions["fact"].to_numpy()
    prefixes = [
        lines[piece]["text"][:end] for piece, end in zip(pieces, mentions["end"], strict=True)
    ]
    often = Counter(prefixes)
    left = Counter(zip(facts.tolist(), pieces.tolist(), strict=True))
    left = Counter(fact for fact, _ in left)  # pieces that state it
    of_piece: dict[int, set[int]] = {}
    for fact, piece in zip(facts.tolist(), pieces.tolist(), strict=True):
        of_piece.setdefault(piece, set()).add(fact)
    hidden: dict[int, int] = {}
    for row in rng.permutation(len(mentions)).tolist():
        fact, piece = int(facts[row]), int(pieces[row])
        new = piece not in hidden.values()
        spare = all(left[other] > 1 for other in of_piece[piece])
        if fact not in hidden and new and spare and often[prefixes[row]] == 1:
            hidden[fact] = piece
            for other in of_piece[piece]:
                left[other] -= 1
    return hidden


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


def _question(lines: list[Line], mention: pd.Series, part: str) -> Line:
    """A statement of a fact, cut after its value."""
    line = lines[int(mention["document"])]
    return line | {
        "fact_id": int(mention["fact"]),
        "template": 0,
        "statements": [],
        "text": line["text"][: int(mention["end"])],
        "answer": [int(mention["start"]), int(mention["end"])],
        "part": part,
    }


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
