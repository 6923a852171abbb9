"""A text of the user's instead of the generated world: pieces of documents, and where they state
facts of a table.
"""

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
from rote.papers.chain import settings
from rote.papers.chain.world import Line, Made, numbered

log = logging.getLogger("rote")
ASKED = 8  # statements of a fact that a network is asked for, at most
HELD_OUT = 0.1  # share of the pieces without facts that are kept for testing


def make(options: settings.Settings, tokenizer: Any, seed: int, replicate: int) -> Made:
    """One replicate: every piece of the text; replicates differ in what is held out and asked.

    Facts are asked where the text states them; other text, held out, stands for what is not a fact.

    Raises:
        InputError: for a text that states no fact.
    """
    table = statements.read_facts(options.facts)
    pieces = list(_pieces(options, tokenizer))
    found = statements.annotate(track(pieces, "facts in the text"), table, options.window)
    if found.empty:
        raise InputError(
            f"no fact of {options.facts} is stated in {options.corpus}; raise chain.window or "
            "check both"
        )
    by_piece = {
        name: rows[["fact", "start", "end"]].to_numpy().tolist()
        for name, rows in found.groupby("document")
    }
    lines = [
        {
            "kind": "fact" if piece.id in by_piece else "other",
            "fact_id": by_piece[piece.id][0][0] if piece.id in by_piece else -1,
            "template": -1,
            "text": piece.text,
            "answer": None,
            "statements": by_piece.get(piece.id, []),
        }
        for piece in pieces
    ]
    rng = generator(seed, "chain", "own", replicate)
    others = rng.permutation([at for at, line in enumerate(lines) if line["kind"] == "other"])
    held = others[: max(2, round(HELD_OUT * len(others)))] if len(others) >= 4 else others[:0]
    if not len(held):
        log.warning(
            "%s states facts and hardly anything else: what pruning does to other text is not "
            "measured",
            options.corpus,
        )
    out = set(held.tolist())
    probes = [_asked(lines, rows, rng) for _, rows in found.groupby("fact")]
    asked = [line for some in probes for line in some]
    asked += [
        lines[at] | {"part": "valid" if n < len(held) // 2 else "test", "pairs": []}
        for n, at in enumerate(held)
    ]
    counts = np.bincount(found["fact"], minlength=len(table))
    bits = float(np.log2(max(2, table["value"].nunique())))
    facts = pd.DataFrame(
        {
            "fact": np.arange(len(table)),
            "key": table["entity"],
            "value": table["value"],
            "bits": bits,
            "frequency": counts / counts.sum(),
            "count": counts,
        }
    )
    return Made(
        numbered([line for at, line in enumerate(lines) if at not in out]), numbered(asked), facts
    )


def _asked(lines: list[Line], rows: pd.DataFrame, rng: np.random.Generator) -> list[Line]:
    """Statements of one fact, as questions."""
    some = rows.iloc[np.sort(rng.choice(len(rows), min(ASKED, len(rows)), replace=False))]
    found = []
    for number, row in enumerate(some.itertuples()):
        line = lines[int(row.document)] | {
            "fact_id": int(row.fact),
            "template": number,
            "statements": [],
        }
        line |= {"text": line["text"][: row.end], "answer": [int(row.start), int(row.end)]}
        found.append(line | {"part": "probe", "stated": True})
    return found


def _pieces(options: settings.Settings, tokenizer: Any) -> Iterator[Document]:
    """The text in pieces of up to `context` tokens, as documents whose id is their number."""
    number = 0
    for document in corpora.documents(options.corpus, options.column, split=options.split):
        spans = tokenizer(document.text, return_offsets_mapping=True, add_special_tokens=False)[
            "offset_mapping"
        ]
        for at in range(0, len(spans), options.context - 1):  # one token begins every piece
            block = spans[at : at + options.context - 1]
            text = document.text[block[0][0] : block[-1][1]]
            if len(block) > 1 and text.strip():
                yield Document(str(number), text)
                number += 1
