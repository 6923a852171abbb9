"""Asking a language model for facts in phrasings in which the value does not stand before."""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from rote.core.errors import InputError
from rote.data import triples
from rote.readers import table

# how a phrasing of a fact was seen: with this entity, with others alone, or never
KINDS = ("stated", "paired", "new")
STATED, PAIRED, NEW = KINDS
ENTITY = "{entity}"


class Probe(NamedTuple):
    """One way to ask for one fact, with one name of its value."""

    question: int  # number of the entity and relation
    phrasing: int  # row of the table of phrasings
    kind: str
    prompt: str
    value: str


class Answer(NamedTuple):
    """What a model says to a probe."""

    recited: bool  # greedy decoding gives the value
    loss: float  # of the value, nats


def read_phrasings(path: str) -> pd.DataFrame:
    """A table of phrasings: columns relation and text, which names {entity} and ends at the value.

    Raises:
        InputError: for a missing column, no rows, or a text without {entity}.
    """
    frame = table.read(path)
    missing = {"relation", "text"} - set(frame.columns)
    if missing:
        raise InputError(f"phrasings {path} lacks the columns {', '.join(sorted(missing))}")
    columns = {
        name: table.texts(frame[name], f"phrasings {path}, {name}") for name in ("relation", "text")
    }
    if frame.empty:
        raise InputError(f"phrasings {path}: it has no rows")
    without = [text for text in columns["text"] if ENTITY not in text]
    if without:
        raise InputError(f"phrasings {path}: {without[0]!r} must name {ENTITY}")
    return pd.DataFrame(columns)


def prompt(text: str, entity: str) -> str:
    """A phrasing that asks for a fact of an entity, without a space at its end."""
    return text.replace(ENTITY, entity).rstrip()


def phrasing_of(before: str, prompts: list[tuple[int, str]]) -> int:
    """Row of the phrasing with which a text ends, −1 for none.

    Args:
        before: text up to a value.
        prompts: rows of phrasings and what they ask, case-folded.
    """
    end = before.rstrip().casefold()
    for row, query in prompts:
        if end.endswith(query):
            return row
    return -1


def prompts_of(facts: pd.DataFrame, phrasings: pd.DataFrame) -> list[list[tuple[int, str]]]:
    """For each fact the phrasings of its relation with every name of its entity, case-folded.

    Args:
        facts: as `rote.data.triples.read` gives them.
        phrasings: as `read_phrasings` gives them.
    """
    by_relation: dict[str, list[tuple[int, str]]] = {}
    for row, relation, text in phrasings.itertuples():
        by_relation.setdefault(relation, []).append((row, text))
    result = []
    for relation, names in zip(facts["relation"], triples.entity_names(facts), strict=True):
        texts = by_relation.get(relation, [])
        pairs = product(names, texts)
        result.append([(row, prompt(text, name).casefold()) for name, (row, text) in pairs])
    return result


def probes(
    facts: pd.DataFrame, phrasings: pd.DataFrame, mentions: pd.DataFrame, occurring: np.ndarray
) -> list[Probe]:
    """Every phrasing of every question that the corpus answers, with every right value.

    Args:
        facts: as `rote.data.triples.read` gives them.
        phrasings: as `read_phrasings` gives them.
        mentions: table Mentions.
        occurring: rows of the facts that stand in a block.
    """
    questions = facts.groupby(["entity", "relation"], sort=False).ngroup().to_numpy()
    names = triples.value_names(facts)
    used = mentions[mentions["phrasing"] >= 0]
    stated = set(zip(questions[used["fact"]], used["phrasing"], strict=True))
    seen = set(used["phrasing"])
    answered = set(questions[occurring])
    result = []
    for fact in facts.itertuples():
        question = int(questions[fact.Index])
        if question not in answered:
            continue
        for row, relation, text in phrasings.itertuples():
            if relation != fact.relation:
                continue
            kind = STATED if (question, row) in stated else PAIRED if row in seen else NEW
            query = prompt(text, fact.entity)
            result += [Probe(question, row, kind, query, name) for name in names[fact.Index]]
    if not result:
        raise InputError("no phrasing asks for a relation of the facts; check both tables")
    return result


def ask(
    model: Any, tokenizer: Any, queries: list[Probe], *, context: int, batch: int, device: Any
) -> list[Answer]:
    """What a model says to probes, in their order.

    Greedy decoding gives the value exactly if each of its tokens is the likeliest after the true
    ones before it.

    Args:
        model: causal, of transformers.
        tokenizer: of its fast kind.
        asked: probes.
        context: tokens that the model reads; of a longer prompt the end counts.
        batch: probes at one time.
        device: of the model.
    """
    coded = []
    for probe in queries:
        text = f"{probe.prompt} {probe.value}"
        tokens = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        ends = np.array([end for _, end in tokens["offset_mapping"]])
        in_value = ends > len(probe.prompt) + 1
        coded.append((np.array(tokens["input_ids"])[-context:], in_value[-context:]))
    order = np.argsort([len(token_ids) for token_ids, _ in coded], kind="stable")
    answers: dict[int, Answer] = {}
    for first in range(0, len(order), batch):
        rows = order[first : first + batch]
        for row, answer in zip(
            rows, _answers(model, [coded[r] for r in rows], device), strict=True
        ):
            answers[int(row)] = answer
    return [answers[row] for row in range(len(queries))]


def _answers(model: Any, coded: list[tuple[np.ndarray, np.ndarray]], device: Any) -> list[Answer]:
    length = max(len(token_ids) for token_ids, _ in coded)
    tokens = torch.zeros(len(coded), length, dtype=torch.long)
    in_value = torch.zeros(len(coded), length, dtype=torch.bool)
    for row, (token_ids, marks) in enumerate(coded):
        tokens[row, : len(token_ids)] = torch.tensor(token_ids)
        in_value[row, : len(marks)] = torch.tensor(marks)
    tokens, in_value = tokens.to(device), in_value[:, 1:].to(device)
    with torch.no_grad():
        logits = model(tokens, use_cache=False).logits[:, :-1].float()
    right = (logits.argmax(-1) == tokens[:, 1:]) | ~in_value
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), tokens[:, 1:], reduction="none"
    )
    losses = (losses * in_value).sum(1)
    return [Answer(*pair) for pair in zip(right.all(1).tolist(), losses.tolist(), strict=True)]


def recall(queries: list[Probe], answers: list[Answer]) -> pd.DataFrame:
    """Questions and how many are answered, by kind of phrasing.

    A question counts with the share of its phrasings of a kind in which any of its right values is
    recited, and with the smallest loss of any.

    Args:
        asked: probes.
        answers: to each.

    Returns:
        Columns kind, facts, recited, loss (nats, mean over questions).
    """
    frame = pd.DataFrame(queries).assign(
        recited=[answer.recited for answer in answers], loss=[answer.loss for answer in answers]
    )
    keys = ["kind", "question", "phrasing"]
    best = frame.groupby(keys).agg(recited=("recited", "max"), loss=("loss", "min"))
    best = best.astype(float).groupby(["kind", "question"]).mean()
    by_kind = best.groupby("kind").agg(
        facts=("recited", "size"), recited=("recited", "sum"), loss=("loss", "mean")
    )
    return by_kind.reset_index()
