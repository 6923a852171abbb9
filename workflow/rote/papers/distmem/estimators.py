"""Other estimates of a fact from the corpus: is the task-gram ratio better than simpler counts?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from rote import ngrams
from rote.core import tables
from rote.papers.distmem import mining, schema
from rote.papers.distmem.correlation import Measure, correlation, partial, ratio_log
from rote.papers.distmem.measured import MeasuredCorpus
from rote.papers.distmem.settings import DistmemAnalysis
from rote.papers.distmem.spans import span_logprobs
from rote.papers.distmem.tasks import FACTS

K1, B = 1.5, 0.75  # of BM25
MAX_RETRIEVED = 50  # documents that BM25 is summed over
BANDWIDTH = 0.05  # of the embedding density, in cosines
QUESTION_GRAM = 3  # words


class DocumentTerms(NamedTuple):
    """Counts of some words in every document of a corpus.

    Attributes:
        counts: (documents, words).
        lengths: (documents,) over their mean.
        column: of each word.
    """

    counts: sparse.csc_matrix
    lengths: np.ndarray
    column: dict[str, int]

    def idf(self) -> np.ndarray:
        """Inverse document frequency of BM25, (words,)."""
        frequency = np.diff(self.counts.indptr)
        return np.log(1 + (self.counts.shape[0] - frequency + 0.5) / (frequency + 0.5))


@dataclass(frozen=True)
class FactQuestions:
    """The facts as questions, and what the corpus says of them; rows are facts.

    Attributes:
        measured: the corpus.
        options: of the analysis.
        questions, answers: (facts,) texts.
        pairs: a pair of shortest n-grams of each fact, with its counts.
    """

    measured: MeasuredCorpus
    options: DistmemAnalysis
    questions: Sequence[str]
    answers: Sequence[str]
    pairs: pd.DataFrame

    @property
    def corpus(self) -> ngrams.Corpus:
        """The corpus in words."""
        return self.measured.corpus

    @property
    def facts(self) -> pd.DataFrame:
        """The table CorpusFacts."""
        return self.measured.facts

    @cached_property
    def terms(self) -> DocumentTerms:
        """Counts of the words of all questions and answers."""
        return document_terms(self.corpus, [*self.questions, *self.answers])


def fact_questions(measured: MeasuredCorpus, options: DistmemAnalysis) -> FactQuestions:
    """The questions of a generated corpus."""
    facts = measured.facts["fact"]
    pairs = measured.pairs[measured.pairs["task"] == FACTS.name]
    pairs = pairs[pairs["n"] == pairs["n"].min()].drop_duplicates("example").set_index("example")
    return FactQuestions(
        measured=measured,
        options=options,
        questions=measured.tests.loc[FACTS.name]["input"].reindex(facts).tolist(),
        answers=measured.facts["object"].tolist(),
        pairs=pairs.reindex(facts.rename("example")).reset_index(),
    )


def document_terms(corpus: ngrams.Corpus, texts: Sequence[str]) -> DocumentTerms:
    """Counts of the words of `texts` in every document of a corpus."""
    units: set[str] = set()
    for text in texts:
        units.update(corpus.split(text))
    words = sorted(units)
    columns = mining.columns_of(corpus, words)
    parts, lengths = [], []
    for shard in corpus.shards:
        n_tokens = np.diff(shard.offsets)
        column = columns[shard.tokens]
        document = np.repeat(np.arange(shard.documents), n_tokens)[column >= 0]
        cells = (np.ones(len(document)), (document, column[column >= 0]))
        parts.append(sparse.coo_matrix(cells, (shard.documents, len(words))))
        lengths.append(n_tokens)
    counts = sparse.vstack(parts).tocsc()
    counts.sum_duplicates()
    length = np.concatenate(lengths)
    return DocumentTerms(counts, length / length.mean(), {w: i for i, w in enumerate(words)})


# ---- estimates, (facts,) each; NaN or −inf where one says nothing


def _task_gram(facts: FactQuestions) -> np.ndarray:
    return ratio_log(facts.pairs)


def _task_gram_smoothed(facts: FactQuestions) -> np.ndarray:
    options = facts.options
    documents = facts.corpus.documents
    return ratio_log(facts.pairs, Measure(smoothing=options.smoothing, documents=documents))


def _task_gram_mean(facts: FactQuestions) -> np.ndarray:
    """Mean of log(C(s_x, s_y)/C(s_x)) over all 3-grams of the question, stop words and all."""
    rows = []
    for row, question in enumerate(facts.questions):
        for gram in ngrams.grams(facts.corpus.split(question), QUESTION_GRAM):
            rows.append({"row": row, "gram": " ".join(gram), "answer": facts.answers[row]})
    frame = pd.DataFrame(rows)
    pairs = zip(frame["gram"], frame["answer"], strict=True)
    pair_documents = ngrams.count_pairs(facts.corpus, pairs).astype(float)
    gram_occurrences = ngrams.count(facts.corpus, frame["gram"].tolist()).astype(float)
    frame["ratio_log"] = np.log(
        pair_documents / np.where(pair_documents > 0, gram_occurrences, np.nan)
    )
    means = frame.groupby("row")["ratio_log"].mean()
    return means.reindex(range(len(facts.questions))).to_numpy()


def _name_and_answer(facts: FactQuestions) -> np.ndarray:
    names = facts.facts["subject"].str.split().str[-1]
    return np.log(ngrams.count_pairs(facts.corpus, zip(names, facts.answers, strict=True)))


def _answer(facts: FactQuestions) -> np.ndarray:
    return np.log(ngrams.count(facts.corpus, facts.answers))


def bm25(facts: FactQuestions) -> np.ndarray:
    """Log of BM25 of the question, summed over the best documents that hold the answer."""
    terms = facts.terms
    scores = np.full(len(facts.questions), np.nan)
    idf = terms.idf()
    for row, (question, answer) in enumerate(zip(facts.questions, facts.answers, strict=True)):
        documents = _holding(facts, answer)
        if not len(documents):
            continue
        total = np.zeros(len(documents))
        norm = K1 * (1 - B + B * terms.lengths[documents])
        for word in set(facts.corpus.split(question)):
            column = terms.column[word]
            count = np.asarray(terms.counts[:, column][documents].todense()).ravel()
            total += idf[column] * count * (K1 + 1) / (count + norm)
        scores[row] = np.log(np.sort(total)[-MAX_RETRIEVED:].sum())
    return scores


def embedding_density(facts: FactQuestions) -> np.ndarray:
    """Log density of the question among the LSA embeddings of documents that hold the answer."""
    terms = facts.terms
    density = np.full(len(facts.questions), np.nan)
    words = list(terms.column)
    embed = mining.lsa(facts.corpus, words, facts.options.dimensions)
    vectors = embed(words)
    if not vectors.size:
        return density
    embedded = terms.counts @ sparse.csr_matrix(vectors)
    for row, (question, answer) in enumerate(zip(facts.questions, facts.answers, strict=True)):
        documents = _holding(facts, answer)
        if not len(documents):
            continue
        embeddings = np.asarray(embedded[documents].todense())
        norms = np.linalg.norm(embeddings, axis=1)
        products = embeddings @ embed([question])[0]
        cosine = np.divide(products, norms, out=np.zeros(len(norms)), where=norms > 0)
        density[row] = np.log(np.exp((cosine - 1) / BANDWIDTH).sum())
    return density


def _holding(facts: FactQuestions, answer: str) -> np.ndarray:
    """Numbers of the documents that hold the first word of the answer."""
    column = facts.terms.column[facts.corpus.split(answer)[0]]
    return facts.terms.counts[:, column].indices


def _infinity(facts: FactQuestions) -> np.ndarray:
    return span_logprobs(facts.pairs, facts.measured.infinity_scores, ignore_zero=True).logprobs


@dataclass(frozen=True)
class FactEstimator:
    """An estimate of the facts.

    Attributes:
        name: in tables.
        label: in figures.
        estimate: (facts,), see above.
    """

    name: str
    label: str
    estimate: Callable[[FactQuestions], np.ndarray]


TASK_GRAM = FactEstimator("task_gram", "task-gram", _task_gram)
TASK_GRAM_SMOOTHED = FactEstimator("task_gram_smoothed", "task-gram, smoothed", _task_gram_smoothed)
NAME_AND_ANSWER = FactEstimator(
    "name_and_answer", "documents with name and answer", _name_and_answer
)
ANSWER = FactEstimator("answer", "answer alone", _answer)
BM25 = FactEstimator("bm25", "BM25", bm25)
_ESTIMATORS = (
    TASK_GRAM,
    TASK_GRAM_SMOOTHED,
    FactEstimator("task_gram_mean", "task-gram, every 3-gram", _task_gram_mean),
    NAME_AND_ANSWER,
    ANSWER,
    BM25,
    FactEstimator("embedding_density", "embedding density", embedding_density),
    FactEstimator("infinity", "infinity-gram", _infinity),
    FactEstimator("frequency", "known frequency", lambda q: q.facts["frequency"].to_numpy()),
    FactEstimator("fidelity", "known fidelity", lambda q: q.facts["fidelity"].to_numpy()),
)
ESTIMATORS: dict[str, FactEstimator] = {estimator.name: estimator for estimator in _ESTIMATORS}


def table(measured: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Estimators: ρ with the log-probability of every fact's object."""
    facts = fact_questions(measured, options)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimates = {name: estimator.estimate(facts) for name, estimator in ESTIMATORS.items()}
    answers = pd.get_dummies(pd.Series(facts.answers)).to_numpy(float)
    scores = measured.output_scores
    scores = scores[(scores["task"] == FACTS.name) & (scores["snapshot"] == 1.0)]
    rows = []
    for (model, size), of_model in scores.groupby(["model", "size"]):
        logprobs = of_model.set_index("example")["logprobs"].map(np.sum)
        logprobs = logprobs.reindex(facts.facts["fact"]).to_numpy()
        for name, values in estimates.items():
            valid = np.isfinite(values) & np.isfinite(logprobs)
            result = correlation(values[valid], logprobs[valid], measure=Measure(resamples=0))
            given = partial(values[valid], logprobs[valid], answers[valid])
            rows.append(
                {
                    "source": measured.name,
                    "model": model,
                    "size": size,
                    "estimator": name,
                    "rho": result.rho,
                    "given_answer": given,
                }
            )
    return tables.frame(schema.Estimators, rows)
