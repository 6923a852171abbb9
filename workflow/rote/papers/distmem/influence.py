"""Influence of documents on test examples (TracIn): dot products of full gradients, summed over
snapshots.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import ngrams
from rote.papers.distmem import mining, settings
from rote.papers.distmem.tasks import prompt


class Item(NamedTuple):
    """A test example, one of its pairs, and documents: with the pair, and with its output n-gram
    only.
    """

    task: str
    example: int
    text: str
    span: tuple[int, int]  # characters of s_y in the text
    with_pair: list[
        tuple[str, tuple[int, int]]
    ]  # texts, cut behind their first s_y, and where it stands
    output_only: list[tuple[str, tuple[int, int]]]


def choose(
    corpus: ngrams.Corpus,
    texts: Sequence[str],
    examples: pd.DataFrame,
    pairs: pd.DataFrame,
    options: settings.Analysis,
    limits: settings.Influence,
    rng: np.random.Generator,
) -> list[Item]:
    """Test examples with documents of both kinds, drawn at random; shortest n of each task.

    Fewer documents than asked for are all used; an example without documents of a kind is passed
    over.

    Args:
        texts: of every document, by its number in the corpus.
        pairs: pairs and counts side by side.
    """
    tests = examples[examples["part"] == "test"].set_index(["task", "example"])
    found = []
    for task, some in pairs[pairs["pair_documents"] > 0].groupby("task"):
        n = some["n"].min()
        some = (
            some[some["n"] == n]
            .sample(frac=1, random_state=int(rng.integers(2**31)))
            .drop_duplicates("example")
        )
        some = some[some["pair_documents"] < some["second_documents"]].head(limits.items)
        inputs = ngrams.postings(
            corpus, some["input_gram"], stop_words=mining.stop_words(options, int(n))
        )
        outputs = ngrams.postings(corpus, some["output_gram"])
        for row, of_input, of_output in zip(some.itertuples(), inputs, outputs, strict=True):
            both = np.intersect1d(of_input, of_output, assume_unique=True)
            output = np.setdiff1d(of_output, of_input, assume_unique=True)
            size = min(limits.documents, len(both), len(output))
            schemes = [
                [
                    _until(texts[number], row.output_gram, corpus)
                    for number in rng.choice(numbers, size, replace=False)
                ]
                for numbers in (both, output)
            ]
            example = tests.loc[(task, row.example)]
            before = prompt(example["instruction"], example["input"])
            at = len(before) + 1
            text = f"{before} {example['output']}"
            found.append(Item(task, row.example, text, (at + row.start, at + row.end), *schemes))
    return found


def measure(
    model: Any, tokenizer: Any, items: Sequence[Item], *, device: str = "cpu"
) -> np.ndarray:
    """Per item: influence of the pair documents, of the output-only ones (means over documents),
    and both cosines.

    The loss of a text is −log P(s_y | what precedes it); influence is the dot product of the
    gradients over all parameters (section 2, Eq. 7-9). The mean of the products is the product with
    the mean gradient.
    """
    leaves = [parameter.requires_grad_() for parameter in model.parameters()]

    def gradient(texts: Sequence[tuple[str, tuple[int, int]]]) -> list[Tensor]:
        loss = _loss(model, tokenizer, texts, device)
        return [g.double() for g in torch.autograd.grad(loss, leaves)]

    def product(a: list[Tensor], b: list[Tensor]) -> float:
        return float(sum((x * y).sum() for x, y in zip(a, b, strict=True)))

    rows = []
    for item in items:
        test = gradient([(item.text[: item.span[1]], item.span)])
        own = product(test, test) ** 0.5
        values, cosines = [], []
        for documents in (item.with_pair, item.output_only):
            mean = gradient(documents)
            values.append(product(test, mean))
            length = product(mean, mean) ** 0.5
            cosines.append(values[-1] / (own * length) if own * length > 0 else 0.0)
        rows.append((*values, *cosines))
    return np.array(rows).reshape(-1, 4)


def _until(text: str, gram: str, corpus: ngrams.Corpus) -> tuple[str, tuple[int, int]]:
    """A document up to the end of its first `gram`, and where that stands."""
    wanted, spans = corpus.split(gram), corpus.analyser.spans(text)
    units = [unit for unit, _, _ in spans]
    at = next(i for i in range(len(units)) if units[i : i + len(wanted)] == wanted)
    begin, end = spans[at][1], spans[at + len(wanted) - 1][2]
    return text[:end], (begin, end)


def _loss(
    model: Any, tokenizer: Any, texts: Sequence[tuple[str, tuple[int, int]]], device: str
) -> Tensor:
    """Mean over texts of −log P of the tokens that overlap the span, summed."""
    separator = (
        tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    )
    limit = getattr(model.config, "max_position_embeddings", 0) or 2**30
    rows, marks = [], []
    for text, (begin, end) in texts:
        given = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        head = [] if separator is None else [separator]
        ids = [*head, *given["input_ids"]]
        mark = [False] * len(head) + [a < end and b > begin for a, b in given["offset_mapping"]]
        rows.append(ids[-limit:])
        marks.append(mark[-limit:])
    longest = max(map(len, rows))
    ids, mask, wanted = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(3))
    for row, (tokens, mark) in enumerate(zip(rows, marks, strict=True)):
        ids[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), 1
        wanted[row, : len(tokens)] = torch.tensor(mark, dtype=torch.long)
    ids, mask, wanted = ids.to(device), mask.to(device), wanted.to(device)
    logprobs = model(input_ids=ids, attention_mask=mask).logits.float().log_softmax(-1)
    chosen = logprobs[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    return -(chosen * wanted[:, 1:]).sum() / len(rows)
