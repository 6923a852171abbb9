"""The infinity-gram of a corpus as a language model (Eq. 5)."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.papers.distmem import schema
from rote.papers.distmem.settings import DistmemAnalysis
from rote.papers.distmem.tasks import TEST, prompt

INFINITY = "infinity-gram"  # in the column `model`


class _Tokens(NamedTuple):
    """A text in the corpus's tokens: their ids, and the characters that each covers."""

    ids: tuple[int, ...]
    spans: list[tuple[int, int]]


def score_tests(
    corpus: ngrams.Corpus, examples: pd.DataFrame, options: DistmemAnalysis
) -> pd.DataFrame:
    """`scores` of the test examples among the rows of TaskExamples."""
    return scores(corpus, examples[examples["part"] == TEST], options)


def scores(corpus: ngrams.Corpus, examples: pd.DataFrame, options: DistmemAnalysis) -> pd.DataFrame:
    """The table OutputScores of the ∞-gram model of a corpus, or of its first shards.

    Args:
        examples: rows of TaskExamples.
        options: its `context` and `infinity_shards`.

    Returns:
        One row per example; log-probabilities are NaN where P = 0.
    """
    model = ngrams.InfinityGram(corpus, options.infinity_shards)
    probabilities: dict[tuple[int, ...], float] = {}
    rows = []
    for row in examples.itertuples():
        before = prompt(row.instruction, row.input)
        start = len(before) + 1
        ids, spans = _tokens(corpus, f"{before} {row.output}")
        first = next((i for i, (_, end) in enumerate(spans) if end > start), len(spans))
        logprobs = []
        for position in range(first, len(ids)):
            gram = ids[max(position - options.context, 0) : position + 1]
            if gram not in probabilities:
                probabilities[gram] = model.continuation_ids(gram[:-1], gram[-1]).probability
            probability = probabilities[gram]
            logprobs.append(np.log(probability) if probability > 0 else np.nan)
        rows.append(
            {
                "model": INFINITY,
                "family": "",
                "size": 0,
                "snapshot": 1.0,
                "task": row.task,
                "wording": row.wording,
                "example": row.example,
                "choice": -1,
                "logprobs": logprobs,
                "starts": [max(begin - start, 0) for begin, _ in spans[first:]],
                "ends": [end - start for _, end in spans[first:]],
                "correct": False,
                "truncated": 0,
                "generated": "",
            }
        )
    return tables.frame(schema.OutputScores, rows)


def _tokens(corpus: ngrams.Corpus, text: str) -> _Tokens:
    if not corpus.analyser.gives_ids:
        spans = [(begin, end) for _, begin, end in corpus.analyser.spans(text)]
        return _Tokens(corpus.ids(text), spans)
    from rote.models import pretrained

    tokenizer = pretrained.tokenizer(corpus.analyser.tokenizer)
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    return _Tokens(tuple(encoding["input_ids"]), encoding["offset_mapping"])
