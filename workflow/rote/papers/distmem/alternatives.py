"""Other models of the corpus on every task: BM25, LSA and a sentence encoder beside the task-gram.

Each estimates log P(s_y | s_x) of the same pairs. A retrieval model says how near the documents
with s_y are to s_x: BM25 by words, the others by the density of embeddings around that of s_x.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.papers.distmem import estimators, mining, schema
from rote.papers.distmem.correlation import Measure, correlation, ratio_log
from rote.papers.distmem.measured import MeasuredCorpus
from rote.papers.distmem.mining import Embedding
from rote.papers.distmem.settings import DistmemAnalysis
from rote.papers.distmem.spans import span_logprobs
from rote.papers.distmem.tasks import PRINCIPAL

if TYPE_CHECKING:  # figures and statistics name these models, and start without torch
    from torch import Tensor

DOCUMENTS = 50  # with an output n-gram that are embedded, drawn at random
DIMENSIONS = 48  # of the trained encoder
STEPS, BATCH = 200, 128  # of its training
RATE = 0.02
TEMPERATURE = 0.1  # of its contrastive loss
VIEWED = 0.5  # share of a document's words in each of its two views


@dataclass(frozen=True)
class PairSample:
    """Pairs of one task, and the documents with their output n-grams.

    Attributes:
        corpus: in words.
        options: dimensions of the LSA, and the encoder.
        pairs: with their counts; index from 0.
        with_output: by pair, all numbers of documents.
    """

    corpus: ngrams.Corpus
    options: DistmemAnalysis
    pairs: pd.DataFrame
    with_output: Sequence[np.ndarray]

    @cached_property
    def embedded(self) -> list[np.ndarray]:
        """By pair, numbers of the documents that are embedded."""
        rng = np.random.default_rng(0)
        sizes = [min(DOCUMENTS, len(numbers)) for numbers in self.with_output]
        drawn = zip(self.with_output, sizes, strict=True)
        return [rng.choice(numbers, size, False) for numbers, size in drawn]

    @cached_property
    def texts(self) -> dict[int, str]:
        """Words of the documents that are embedded, by number."""
        numbers = np.unique(np.concatenate(self.embedded)) if self.embedded else []
        return {int(number): text_of(self.corpus, int(number)) for number in numbers}


def text_of(corpus: ngrams.Corpus, number: int) -> str:
    """A document's words, joined.

    Args:
        corpus: in words.
        number: of the document.
    """
    return " ".join(corpus.words[token] for token in corpus.document(number).tolist())


def task_gram(sample: PairSample) -> np.ndarray:
    """Log of the task-gram ratio."""
    return ratio_log(sample.pairs)


def bm25(sample: PairSample) -> np.ndarray:
    """Log of BM25 of s_x, summed over the best documents that hold s_y."""
    terms = estimators.document_terms(sample.corpus, sample.pairs["input_gram"].tolist())
    idf = terms.idf()
    scores = np.full(len(sample.pairs), np.nan)
    pairs = zip(sample.pairs["input_gram"], sample.with_output, strict=True)
    for row, (gram, documents) in enumerate(pairs):
        columns = [terms.column[word] for word in set(sample.corpus.split(gram))]
        count = terms.counts[:, columns][documents].toarray()
        norm = estimators.K1 * (1 - estimators.B + estimators.B * terms.lengths[documents])
        total = (idf[columns] * count * (estimators.K1 + 1) / (count + norm[:, None])).sum(axis=1)
        scores[row] = np.log(np.sort(total)[-estimators.MAX_RETRIEVED :].sum())
    return scores


def lsa(sample: PairSample) -> np.ndarray:
    """Log density of s_x among the LSA embeddings of documents that hold s_y."""
    grams = [*sample.pairs["input_gram"], *sample.texts.values()]
    return density(sample, mining.lsa(sample.corpus, grams, sample.options.dimensions))


def encoder(sample: PairSample) -> np.ndarray:
    """The same by a sentence encoder: one that is named, or a small one trained on the corpus."""
    if sample.options.embedding:
        return density(sample, mining.encoder(sample.options.embedding))
    return density(sample, train_encoder(sample.corpus, np.random.default_rng(0)))


def density(sample: PairSample, embed: Embedding) -> np.ndarray:
    """Log density of each s_x among the embeddings of documents that hold its s_y, (pairs,).

    Args:
        sample: the pairs.
        embed: of texts.
    """
    numbers = list(sample.texts)
    row_of = {number: row for row, number in enumerate(numbers)}
    documents = embed([sample.texts[number] for number in numbers])
    grams = pd.unique(sample.pairs["input_gram"]).tolist()
    vectors = dict(zip(grams, embed(grams), strict=True))
    values = []
    for gram, shown in zip(sample.pairs["input_gram"], sample.embedded, strict=True):
        cosines = documents[[row_of[int(number)] for number in shown]] @ vectors[gram]
        values.append(np.log(np.exp((cosines - 1) / estimators.BANDWIDTH).sum()))
    return np.array(values)


def train_encoder(corpus: ngrams.Corpus, rng: np.random.Generator) -> Embedding:
    """A sentence encoder: mean of word vectors, trained to tell two views of a document.

    Each view is half of the document's words; the other documents of a batch are the negatives
    (SimCSE, Gao et al. 2021, with words dropped).

    Args:
        corpus: in words, that it is trained on.
        rng: of the initial vectors, the documents and the views.
    """
    import torch

    initial = rng.normal(size=(corpus.types, DIMENSIONS)) / DIMENSIONS**0.5
    table = torch.tensor(initial, dtype=torch.float32, requires_grad=True)
    optimizer = torch.optim.Adam([table], lr=RATE)
    same = torch.arange(BATCH)
    for _ in range(STEPS):
        views = _views(corpus, rng)
        first, second = (_encoded(table, view) for view in views)
        loss = torch.nn.functional.cross_entropy(first @ second.T / TEMPERATURE, same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = table.detach()

    def embed(texts: Sequence[str]) -> np.ndarray:
        known = []
        for text in texts:
            ids = np.array(corpus.ids(text) if text else (), np.int64)
            known.append(ids[ids >= 0])
        return _encoded(trained, known).numpy().astype(float)

    return embed


def _views(corpus: ngrams.Corpus, rng: np.random.Generator) -> tuple[list, list]:
    """Two halves of the words of each document of a batch."""
    views: tuple[list, list] = ([], [])
    for number in rng.integers(0, corpus.documents, BATCH):
        words = corpus.document(int(number))
        size = max(int(VIEWED * len(words)), min(len(words), 1))
        for view in views:
            view.append(rng.permutation(words)[:size].astype(np.int64))
    return views


def _encoded(table: "Tensor", texts: Sequence[Sequence[int]]) -> "Tensor":
    """Unit vectors of texts as token ids, (texts, d); zero for one without words."""
    import torch

    sizes = [len(text) for text in texts]
    flat = torch.tensor(np.concatenate([np.asarray(text, np.int64) for text in texts]))
    offsets = torch.tensor(np.cumsum([0, *sizes[:-1]]))
    means = torch.nn.functional.embedding_bag(flat, table, offsets, mode="mean")
    return torch.nn.functional.normalize(means, dim=1)


@dataclass(frozen=True)
class PairEstimator:
    """An estimate of log P(s_y | s_x).

    Attributes:
        name: in tables.
        label: in figures.
        estimate: (pairs,).
    """

    name: str
    label: str
    estimate: Callable[[PairSample], np.ndarray]


TASK_GRAM = PairEstimator("task_gram", "task-gram", task_gram)
OTHERS = (
    PairEstimator("bm25", "BM25", bm25),
    PairEstimator("lsa", "LSA", lsa),
    PairEstimator("encoder", "sentence encoder", encoder),
)


def samples(measured: MeasuredCorpus, options: DistmemAnalysis) -> Iterator[tuple[str, PairSample]]:
    """Pairs of each task, shortest n, by task.

    Args:
        measured: the corpus, and what was counted of it.
        options: pairs of each task, drawn at random among those with a count.
    """
    pairs = measured.pairs
    pairs = pairs[(pairs["pair_documents"] > 0) & (pairs["first_occurrences"] > 0)]
    for task in PRINCIPAL if options.alternative_pairs else ():
        rows = pairs[pairs["task"] == task.name]
        if rows.empty:
            continue
        rows = rows[rows["n"] == rows["n"].min()]
        rows = rows.sample(min(options.alternative_pairs, len(rows)), random_state=0).reset_index(
            drop=True
        )
        with_output = ngrams.postings(measured.corpus, rows["output_gram"])
        yield task.name, PairSample(measured.corpus, options, rows, with_output)


def table(measured: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Alternatives: ρ of each estimate with each trained network, same pairs for all."""
    scores = measured.output_scores
    scores = scores[scores["snapshot"] == 1.0]
    rows = []
    for task, sample in samples(measured, options):
        with np.errstate(divide="ignore"):
            values = {one.name: one.estimate(sample) for one in (TASK_GRAM, *OTHERS)}
        is_valid = np.isfinite(list(values.values())).all(axis=0)
        for (model, size), of_model in scores.groupby(["model", "size"]):
            logprobs = span_logprobs(sample.pairs, of_model).logprobs
            valid = is_valid & np.isfinite(logprobs)
            for name, estimate in values.items():
                result = correlation(estimate[valid], logprobs[valid], measure=Measure(resamples=0))
                rows.append(
                    {
                        "source": measured.name,
                        "model": model,
                        "size": size,
                        "task": task,
                        "n": int(sample.pairs["n"].iloc[0]),
                        "estimator": name,
                        "rho": result.rho,
                        "points": int(valid.sum()),
                    }
                )
    return tables.frame(schema.Alternatives, rows)
