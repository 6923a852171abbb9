"""Other estimates of a fact from the corpus: is the task-gram ratio better than simpler counts?"""

import numpy as np
import pandas as pd
from scipy import sparse

from rote import ngrams
from rote.papers.distmem import mining, settings
from rote.papers.distmem.correlation import correlation, ratio_log
from rote.papers.distmem.evaluation import INFINITY, Source
from rote.papers.distmem.scoring import span_logprobs

K1, B, DEPTH, BANDWIDTH = (
    1.5,
    0.75,
    50,
    0.05,
)  # BM25 and its depth; bandwidth of the embedding density


def table(source: Source, options: settings.Analysis) -> pd.DataFrame:
    """The table Estimators: Spearman's ρ with the log-probability of every fact's object, by model
    and estimate.
    """
    estimates = of_facts(source, options)
    rows = []
    scores = source.scores[(source.scores["task"] == "facts") & (source.scores["step"] == 1.0)]
    scores = scores[(scores["choice"] < 0) & (scores["model"] != INFINITY)]
    for (model, size), some in scores.groupby(["model", "size"]):
        logprobs = (
            some.set_index("example")["logprobs"]
            .map(np.sum)
            .reindex(source.facts["fact"])
            .to_numpy()
        )
        for name, values in estimates.items():
            known = np.isfinite(values) & np.isfinite(logprobs)
            rho = correlation(values[known], logprobs[known], resamples=0)[0]
            rows.append((source.name, model, size, name, rho))
    return pd.DataFrame(rows, columns=["source", "model", "size", "estimator", "rho"])


def of_facts(source: Source, options: settings.Analysis) -> dict[str, np.ndarray]:
    """Every estimate, by name, in the order of the facts; NaN or −inf where it says nothing."""
    corpus, facts = source.corpus, source.facts
    asked = source.examples[
        (source.examples["part"] == "test") & (source.examples["task"] == "facts")
    ]
    questions = asked.set_index("example")["input"].reindex(facts["fact"]).tolist()
    answers = facts["object"].tolist()
    names = facts["subject"].str.split().str[-1].tolist()
    shortest = source.pairs[source.pairs["task"] == "facts"]
    shortest = (
        shortest[shortest["n"] == shortest["n"].min()]
        .drop_duplicates("example")
        .set_index("example")
    )
    counts = shortest.reindex(facts["fact"].rename("example"))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "task-gram": ratio_log(counts),
            "task-gram, smoothed": ratio_log(
                counts, smoothing=options.smoothing, documents=corpus.documents
            ),
            "task-gram, every 3-gram": _every_gram(corpus, questions, answers),
            "documents with name and answer": np.log(
                ngrams.count_pairs(corpus, zip(names, answers, strict=True))
            ),
            "answer alone": np.log(ngrams.count(corpus, answers)),
        }
    found |= _retrieved(corpus, questions, answers, options.dimensions)
    infinity = source.scores[source.scores["model"] == INFINITY]
    if len(infinity):
        found["infinity-gram"] = span_logprobs(counts.reset_index(), infinity, ignore_zero=True)[0]
    found["known frequency"] = facts["frequency"].to_numpy()
    found["known fidelity"] = facts["fidelity"].to_numpy()
    return found


def _every_gram(corpus: ngrams.Corpus, questions: list[str], answers: list[str]) -> np.ndarray:
    """Mean of log(C(s_x, s_y)/C(s_x)) over all 3-grams of the question, stop words and all."""
    pairs = [
        (row, " ".join(gram), answers[row])
        for row, question in enumerate(questions)
        for gram in ngrams.grams(corpus.split(question), 3)
    ]
    both = ngrams.count_pairs(corpus, [pair[1:] for pair in pairs]).astype(float)
    single = ngrams.count(corpus, [pair[1] for pair in pairs]).astype(float)
    frame = pd.DataFrame(
        {
            "row": [pair[0] for pair in pairs],
            "log": np.log(both / np.where(both > 0, single, np.nan)),
        }
    )
    return frame.groupby("row")["log"].mean().reindex(range(len(questions))).to_numpy()


def _retrieved(
    corpus: ngrams.Corpus, questions: list[str], answers: list[str], dimensions: int
) -> dict[str, np.ndarray]:
    """BM25 summed over the best documents that hold the answer, and the density of their LSA
    embeddings.
    """
    offsets, tokens = _flat(corpus)
    documents = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    words = sorted({unit for text in (*questions, *answers) for unit in corpus.split(text)})
    ids = np.array([corpus.ids(word)[0] for word in words])
    column = np.full(corpus.types + 1, -1)
    column[ids[ids >= 0]] = np.flatnonzero(ids >= 0)
    used = column[tokens]
    held = sparse.coo_matrix(
        (np.ones((used >= 0).sum()), (documents[used >= 0], used[used >= 0])),
        (len(offsets) - 1, len(words)),
    ).tocsc()
    held.sum_duplicates()
    length = np.diff(offsets) / np.diff(offsets).mean()
    appears = np.diff(held.indptr)
    idf = np.log(1 + (held.shape[0] - appears + 0.5) / (appears + 0.5))
    embed = mining.lsa(corpus, words, dimensions)
    vectors = embed(words)
    whole = held @ sparse.csr_matrix(vectors) if vectors.size else None
    place = {word: number for number, word in enumerate(words)}
    scores, density = np.full(len(questions), np.nan), np.full(len(questions), np.nan)
    for row, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        with_answer = held[:, place[corpus.split(answer)[0]]].indices
        if not len(with_answer):
            continue
        total = np.zeros(len(with_answer))
        norm = K1 * (1 - B + B * length[with_answer])
        for word in set(corpus.split(question)):
            term = held[:, place[word]]
            count = np.asarray(term[with_answer].todense()).ravel()
            total += idf[place[word]] * count * (K1 + 1) / (count + norm)
        scores[row] = np.log(np.sort(total)[-DEPTH:].sum())
        asked = embed([question])[0]
        rows = np.asarray(whole[with_answer].todense())
        norms = np.linalg.norm(rows, axis=1)
        cosine = np.divide(rows @ asked, norms, out=np.zeros(len(rows)), where=norms > 0)
        density[row] = np.log(np.exp((cosine - 1) / BANDWIDTH).sum())
    return {"BM25": scores, "embedding density": density}


def _flat(corpus: ngrams.Corpus) -> tuple[np.ndarray, np.ndarray]:
    """All shards as one stream: offsets and tokens."""
    starts = np.cumsum([0, *(len(shard.tokens) for shard in corpus.shards)])
    parts = [
        shard.offsets[1:] + start for shard, start in zip(corpus.shards, starts[:-1], strict=True)
    ]
    return np.concatenate([[0], *parts]), np.concatenate([shard.tokens for shard in corpus.shards])
