"""Influence of documents on test examples (TracIn, Eq. 7-9).

Dot products of full gradients, summed over an example's pairs and over snapshots.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from rote.core import tables
from rote.core.seeds import generator
from rote.papers.distmem import schema, scoring
from rote.papers.distmem.families import NEOX, rungs
from rote.papers.distmem.ladder import snapshot_path
from rote.papers.distmem.passages import (
    COSINES,
    PRODUCTS,
    Passage,
    TracedExample,
    choose,
    read,
)
from rote.papers.distmem.scoring import LanguageModel
from rote.papers.distmem.settings import Settings


def trace(
    folders: Sequence[Path], models: Path, options: Settings, seed: int, device: str
) -> pd.DataFrame:
    """The table ExampleInfluence: networks of the ladder on the corpora they were trained on.

    Args:
        folders: of the generated corpora.
        models: folder of <network>/<corpus>/<share>.
        options: numbers of networks, examples and documents, among others.
        seed: draws examples and documents.
        device: that gradients are computed on.
    """
    networks = rungs(options.ladder, NEOX)
    frames = []
    for folder in folders:
        corpus = read(folder)
        rng = generator(seed, "distmem", "influence", corpus.name)
        examples = choose(corpus, options.analysis, options.influence, rng)
        for number in options.influence.networks:
            name = networks[number].name
            untrained, *trained = [
                scoring.load(str(models / name / snapshot_path(corpus.name, share)), device)
                for share in options.ladder.snapshots
            ]
            common = {
                "source": corpus.name,
                "model": name,
                "size": untrained.size,
                "task": [example.task for example in examples],
                "example": [example.example for example in examples],
                "pairs": [example.pairs for example in examples],
                "documents": [example.documents for example in examples],
            }
            frames.append(_summed([measure(model, examples) for model in trained], common, True))
            initial = [measure(untrained, examples)] * len(trained)
            frames.append(_summed(initial, common, False))
    return pd.concat(frames, ignore_index=True)


def _summed(
    parts: Sequence[pd.DataFrame], common: Mapping[str, Any], trained: bool
) -> pd.DataFrame:
    """Rows of ExampleInfluence from what `measure` gives at every snapshot."""
    total = sum(parts)
    columns = dict(total[PRODUCTS]) | dict(total[COSINES] / len(parts))
    return tables.frame(schema.ExampleInfluence, {**common, "trained": trained, **columns})


def measure(model: LanguageModel, examples: Sequence[TracedExample]) -> pd.DataFrame:
    """Influence of the documents on each example.

    The loss of a text is −log P(s_y | what precedes it); influence is the dot product of the
    gradients over all parameters, summed over the pairs of the example (Eq. 9). The mean of the
    products is the product with the mean gradient, and pairs of one s_y share the example's
    gradient; so a kind of documents takes one gradient per s_y.

    Args:
        model: at one snapshot.
        examples: of `choose`.

    Returns:
        Columns `PRODUCTS` (sums over pairs of means over documents) and `COSINES` (means over
        s_y), one row per example.
    """
    leaves = [parameter.requires_grad_() for parameter in model.model.parameters()]

    def gradient(passages: Sequence[Passage], weights: Sequence[float]) -> list[Tensor]:
        gradients = torch.autograd.grad(loss(model, passages, weights), leaves)
        return [values.double() for values in gradients]

    rows = []
    for example in examples:
        row = dict.fromkeys([*PRODUCTS, *COSINES], 0.0)
        for gram in example.grams:
            of_test = gradient([gram.test], [1.0])
            length = _product(of_test, of_test) ** 0.5
            for product, cosine in zip(PRODUCTS, COSINES, strict=True):
                total = gradient(*gram.documents[product])
                value = _product(of_test, total)
                lengths = length * _product(total, total) ** 0.5
                row[product] += value
                row[cosine] += (value / lengths if lengths > 0 else 0.0) / len(example.grams)
        rows.append(row)
    return pd.DataFrame(rows, columns=[*PRODUCTS, *COSINES])


def _product(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    return float(sum((x * y).sum() for x, y in zip(a, b, strict=True)))


def loss(
    model: LanguageModel, passages: Sequence[Passage], weights: Sequence[float] | None = None
) -> Tensor:
    """−log P of the tokens that overlap the span, summed over them, mean over passages.

    Args:
        model: that reads.
        passages: texts and spans.
        weights: of the passages in a sum, in place of the mean.
    """
    rows, masks = [], []
    for text, (begin, end) in passages:
        tokens = model.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        overlaps = [a < end and b > begin for a, b in tokens["offset_mapping"]]
        rows.append([*model.head, *tokens["input_ids"]][-model.context :])
        masks.append(([False] * len(model.head) + overlaps)[-model.context :])
    shape = (len(rows), max(map(len, rows)))
    ids = torch.zeros(shape, dtype=torch.long)
    is_token, is_target = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, (tokens, mask) in enumerate(zip(rows, masks, strict=True)):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        is_token[row, : len(tokens)] = 1
        is_target[row, : len(tokens)] = torch.tensor(mask, dtype=torch.long)
    ids, is_token = ids.to(model.device), is_token.to(model.device)
    logits = model.model(input_ids=ids, attention_mask=is_token).logits
    logprobs = logits.float().log_softmax(-1)
    of_tokens = logprobs[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    per_passage = -(of_tokens * is_target[:, 1:].to(model.device)).sum(1)
    if weights is None:
        return per_passage.mean()
    return (per_passage * torch.tensor(weights, device=model.device)).sum()
