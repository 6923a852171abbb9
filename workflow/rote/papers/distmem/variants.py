"""Memorization under the paper's definition, and with one thing changed at a time."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.ngrams.files import COUNTED
from rote.papers.distmem import mining, schema
from rote.papers.distmem.correlation import (
    Correlation,
    Measure,
    TaskGramMemorization,
    correlation,
    memorization,
    partial,
    ratio_log,
    undefined,
)
from rote.papers.distmem.measured import MeasuredCorpus
from rote.papers.distmem.settings import DistmemAnalysis
from rote.papers.distmem.spans import span_logprobs
from rote.papers.distmem.tasks import RANK_GROUPS, RankGroup

# nats: above it a model is sure, and the order of its log-probabilities is noise
SATURATED_LOGPROB = -0.05
# what variants need of a pair, all numbers: selecting rows of texts takes longer than correlating
NUMBERS = ["example", "start", "end", "cosine", "mined", *COUNTED]
# without intervals and Kendall's distance
QUICK = Measure(resamples=0, kendall=False)


class ScoredPairs(NamedTuple):
    """Pairs of one task and n, and what one model makes of them.

    Attributes:
        pairs: the columns NUMBERS of pairs and counts.
        outputs: (P,) numbers of the output n-grams.
        in_windows: (P, windows) pairs within so many words.
        n_documents: of the corpus.
        infinity_logprobs: (P,) of the ∞-gram, nats; NaN where it has none.
        rank_groups: (P,) frequency group of the fact that the example asks for, "" if none.
        belonging: (P,) mask of pairs whose n-grams belong together, see `mining.belonging`.
        overlapping: (P,) 1 where the corpus holds 8 words of the example's output in a row, 0 where
            it does not, NaN where the output is shorter.
        output_lengths: (P,) characters of the example's output.
        logprobs: (P,) of the output n-gram, nats.
        logprobs_to_end: (P,) from the n-gram to the end of the output.
        is_described: the model is fully trained, or not at all: every variant is measured.
    """

    pairs: pd.DataFrame
    outputs: np.ndarray
    in_windows: np.ndarray
    n_documents: int
    infinity_logprobs: np.ndarray
    rank_groups: np.ndarray
    belonging: np.ndarray
    overlapping: np.ndarray
    output_lengths: np.ndarray
    logprobs: np.ndarray
    logprobs_to_end: np.ndarray
    is_described: bool


Results = Iterator[tuple[float, TaskGramMemorization]]  # parameter, NaN if there is none; result
NO_PARAMETER = math.nan


@dataclass(frozen=True)
class MemorizationVariant:
    """A way of measuring memorization.

    Attributes:
        measure: from scored pairs to results, none where the variant does not apply.
        label: in figures; {:g} stands for the parameter.
    """

    name: str
    label: str
    measure: Callable[[ScoredPairs, DistmemAnalysis], Results]


def _of_all(scored: ScoredPairs, measure: Measure) -> Results:
    examples = scored.pairs["example"].to_numpy()
    yield NO_PARAMETER, memorization(scored.pairs, scored.logprobs, measure, examples=examples)


def _of_rows(scored: ScoredPairs, rows: np.ndarray) -> TaskGramMemorization:
    pairs = scored.pairs[rows]
    examples = pairs["example"].to_numpy()
    return memorization(pairs, scored.logprobs[rows], QUICK, examples=examples)


def _paper(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Def. 3, over pairs, C(s_x) by occurrences, pairs without a document dropped."""
    return _of_all(scored, Measure(resamples=options.resamples, kendall=scored.is_described))


def _smoothed(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """κ-smoothed ratio over all pairs (ours)."""
    measure = Measure(
        smoothing=options.smoothing,
        documents=scored.n_documents,
        resamples=options.resamples,
        kendall=False,
    )
    return _of_all(scored, measure)


def _key(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """One point per (example, s_y), as in the released code."""
    measure = Measure(unit="key", resamples=0, kendall=False)
    examples = scored.pairs["example"].to_numpy()
    keys = scored.outputs
    result = memorization(scored.pairs, scored.logprobs, measure, examples=examples, keys=keys)
    yield NO_PARAMETER, result


def _documents(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """C(s_x) in documents, as C(s_x, s_y) is."""
    return _of_all(scored, Measure(denominator="documents", resamples=0, kendall=False))


def _to_end(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Log-probability from the n-gram to the end of the output, as in the released code."""
    return _of_all(scored._replace(logprobs=scored.logprobs_to_end), QUICK)


def _infinity(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """The ∞-gram instead of the task-gram model, one point per (example, s_y)."""
    pairs = scored.pairs[["example"]].assign(output=scored.outputs)
    has_value = np.isfinite(scored.infinity_logprobs)
    first = ~pairs.duplicated().to_numpy()
    rows = first & has_value & np.isfinite(scored.logprobs)
    examples = pairs["example"].to_numpy()[rows]
    result = correlation(
        scored.infinity_logprobs[rows],
        scored.logprobs[rows],
        examples,
        Measure(resamples=options.resamples, kendall=scored.is_described),
    )
    yield NO_PARAMETER, _without_drops(result, examples)


def _shared(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """The task-gram model on the pairs that the ∞-gram has a value for."""
    yield NO_PARAMETER, _of_rows(scored, np.isfinite(scored.infinity_logprobs))


def _cosine(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Only the pairs of highest cosine."""
    for share in options.cosine_shares:
        cosines = scored.pairs["cosine"].to_numpy()
        lowest = np.quantile(cosines, 1 - share, method="higher")
        yield share, _of_rows(scored, cosines >= lowest)


def _gamma(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Only the pairs whose cosine is above a threshold (Fig. 6)."""
    for gamma in options.gammas:
        yield gamma, _of_rows(scored, scored.pairs["cosine"].to_numpy() > gamma)


def _aligned(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Only pairs whose n-grams belong together."""
    yield NO_PARAMETER, _of_rows(scored, scored.belonging)


def _clean(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Only examples whose outputs share no 8 words in a row with the corpus."""
    if (scored.overlapping == 1).any():
        yield NO_PARAMETER, _of_rows(scored, scored.overlapping != 1)


def _shuffled(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """The null: pair counts permuted among pairs of equally frequent n-grams, mean over draws.

    Bins are powers of two of C(s_x) and of C(s_y). What remains is what the single counts explain.
    """
    counts = scored.pairs[["pair_documents", "first_occurrences", "second_occurrences"]]
    rows = (counts > 0).all(axis=1).to_numpy() & np.isfinite(scored.logprobs)
    pairs = scored.pairs[rows]
    logprobs = scored.logprobs[rows]
    draws = []
    for seed in range(options.shuffles):
        permuted = permuted_counts(pairs, np.random.default_rng(seed))
        ratios = ratio_log(pairs.assign(pair_documents=permuted))
        # Kendall's distance takes longest: of the first draw
        measure = Measure(resamples=0, kendall=scored.is_described and seed == 0)
        draws.append(correlation(ratios, logprobs, measure=measure))
    result = draws[0]
    if not result.reason:
        rhos = np.array([draw.rho for draw in draws])
        result = result._replace(rho=rhos.mean(), low=rhos.min(), high=rhos.max())
    yield NO_PARAMETER, _without_drops(result, pairs["example"].to_numpy())


def permuted_counts(pairs: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Pair counts permuted within bins of both single counts, (pairs,).

    Args:
        pairs: with their counts, none of them 0.
        rng: draws the permutation.
    """
    bins = np.floor(np.log2(pairs[["first_occurrences", "second_occurrences"]].to_numpy(float)))
    cell = (bins @ [64, 1]).astype(np.int64)
    permuted = np.empty(len(pairs), np.int64)
    order = np.lexsort((rng.random(len(pairs)), cell))
    permuted[np.argsort(cell, kind="stable")] = pairs["pair_documents"].to_numpy()[order]
    return permuted


def _mined(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Only pairs that the mining data hold."""
    yield NO_PARAMETER, _of_rows(scored, scored.pairs["mined"].to_numpy(bool))


def _unsaturated(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Only pairs that the model is not yet sure of."""
    yield NO_PARAMETER, _of_rows(scored, scored.logprobs < SATURATED_LOGPROB)


def _window(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Pairs within so many words instead of in one document."""
    for window, occurrences in zip(options.windows, scored.in_windows.T, strict=True):
        pairs = scored.pairs.assign(pair_documents=occurrences)
        for _, result in _of_all(scored._replace(pairs=pairs), QUICK):
            yield window, result


def _rank_group(group: RankGroup) -> Callable[[ScoredPairs, DistmemAnalysis], Results]:
    """Only facts of one frequency group."""

    def measure(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
        rows = scored.rank_groups == group.name
        if rows.any():
            yield NO_PARAMETER, _of_rows(scored, rows)

    return measure


def _partial(scored: ScoredPairs, options: DistmemAnalysis) -> Results:
    """Given the counts of the pair and of s_y: what dividing by C(s_x) adds to them.

    A model that follows the plain pair count has none, though it has one given the single counts.
    """
    counts = scored.pairs[["pair_documents", "first_occurrences"]]
    rows = (counts > 0).all(axis=1).to_numpy() & np.isfinite(scored.logprobs)
    pairs = scored.pairs[rows]
    controls = np.log(pairs[["pair_documents", "second_occurrences"]].to_numpy(float))
    rho = partial(ratio_log(pairs), scored.logprobs[rows], controls)
    result = undefined("" if np.isfinite(rho) else "too_few_pairs")._replace(rho=rho)
    yield NO_PARAMETER, _without_drops(result, pairs["example"].to_numpy())


def _without_drops(result: Correlation, examples: np.ndarray) -> TaskGramMemorization:
    """A correlation of points that were selected beforehand."""
    return TaskGramMemorization(
        **result._asdict(),
        points=len(examples),
        examples=len(np.unique(examples)),
        dropped_zero_input=0,
        dropped_zero_pair=0,
        dropped_logprob=0,
        above_one=0.0,
    )


PAPER = MemorizationVariant("paper", "as defined", _paper)
SMOOTHED = MemorizationVariant("smoothed", "smoothed, all pairs", _smoothed)
KEY = MemorizationVariant("key", "one point per output n-gram", _key)
DOCUMENTS = MemorizationVariant("documents", "input counted in documents", _documents)
TO_END = MemorizationVariant("to_end", "score to the end of the text", _to_end)
INFINITY = MemorizationVariant("infinity", "∞-gram", _infinity)
SHARED = MemorizationVariant("shared", "pairs that the ∞-gram scores", _shared)
COSINE = MemorizationVariant("cosine", "{:g} of the pairs, by cosine", _cosine)
GAMMA = MemorizationVariant("gamma", "cosine above {:g}", _gamma)
ALIGNED = MemorizationVariant("aligned", "pairs that belong together", _aligned)
CLEAN = MemorizationVariant("clean", "outputs apart from the corpus", _clean)
SHUFFLED = MemorizationVariant("shuffled", "counts shuffled within bins", _shuffled)
MINED = MemorizationVariant("mined", "pairs of the mining data only", _mined)
UNSATURATED = MemorizationVariant("unsaturated", "not yet sure only", _unsaturated)
WINDOW = MemorizationVariant("window", "within {:g} words", _window)
RANKED = tuple(MemorizationVariant(g.name, f"{g.label} facts", _rank_group(g)) for g in RANK_GROUPS)
PARTIAL = MemorizationVariant("partial", "given pair and output counts", _partial)
_VARIANTS = (
    PAPER,
    SMOOTHED,
    KEY,
    DOCUMENTS,
    TO_END,
    INFINITY,
    SHARED,
    COSINE,
    GAMMA,
    ALIGNED,
    CLEAN,
    SHUFFLED,
    MINED,
    UNSATURATED,
    WINDOW,
    *RANKED,
    PARTIAL,
)
VARIANTS: dict[str, MemorizationVariant] = {variant.name: variant for variant in _VARIANTS}


def table(corpus: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table MemorizationByVariant: all variants before and after training, else the paper's."""
    rows = []
    outputs = corpus.output_scores
    overlapping = corpus.overlapping
    lengths = outputs.drop_duplicates(["task", "example"]).set_index(["task", "example"])["ends"]
    characters = lengths.map(lambda ends: max(ends, default=0)).to_dict()
    for (task, n), pairs in corpus.pairs.groupby(["task", "n"]):
        groups = corpus.rank_groups(task)
        examples = pairs["example"]
        scored = ScoredPairs(
            pairs=pairs[NUMBERS],
            outputs=pairs["output_gram"].factorize()[0],
            in_windows=np.stack(pairs["window_occurrences"].to_numpy()),
            n_documents=corpus.corpus.documents,
            infinity_logprobs=_infinity_logprobs(pairs, corpus.infinity_scores),
            rank_groups=np.array([groups.get(example, "") for example in examples]),
            belonging=mining.belonging(pairs, corpus.lexicon_of(task), options.gamma),
            overlapping=np.array([overlapping.get((task, e), np.nan) for e in examples]),
            output_lengths=np.array([characters.get((task, e), 0) for e in examples]),
            logprobs=np.empty(0),
            logprobs_to_end=np.empty(0),
            is_described=False,
        )
        for (model, snapshot), scores in outputs.groupby(["model", "snapshot"]):
            logprobs, n_uncovered = span_logprobs(pairs, scores)
            scored = scored._replace(
                logprobs=logprobs,
                logprobs_to_end=span_logprobs(pairs, scores, to_end=True)[0],
                is_described=snapshot in (0.0, 1.0),
            )
            constants = {
                "source": corpus.name,
                "model": model,
                "family": scores["family"].iloc[0],
                "size": int(scores["size"].iloc[0]),
                "snapshot": float(snapshot),
                "task": task,
                "n": n,
                "uncovered": n_uncovered / len(pairs),
                "outside": outside(scored),
            }
            for variant in VARIANTS.values() if scored.is_described else [PAPER]:
                for parameter, result in variant.measure(scored, options):
                    described = {"variant": variant.name, "parameter": parameter}
                    rows.append(constants | described | result._asdict())
    return tables.frame(schema.MemorizationByVariant, rows)


def outside(scored: ScoredPairs) -> float:
    """Share of the outputs' characters in no n-gram of a pair that Def. 3 correlates.

    Args:
        scored: with log-probabilities; a pair is correlated if it is in a document and has one.
    """
    used = (scored.pairs["pair_documents"] > 0).to_numpy() & np.isfinite(scored.logprobs)
    spans = scored.pairs[["example", "start", "end"]].assign(length=scored.output_lengths)
    total = spans.drop_duplicates("example")["length"].sum()
    spans = spans[used].drop_duplicates().sort_values(["example", "start"])
    # what an earlier n-gram of the example covers already is not counted twice
    reached = spans.groupby("example")["end"].cummax().groupby(spans["example"]).shift(fill_value=0)
    covered = (spans["end"] - np.maximum(spans["start"], reached)).clip(lower=0).sum()
    return float(1 - covered / total) if total else np.nan


def _infinity_logprobs(pairs: pd.DataFrame, scores: pd.DataFrame) -> np.ndarray:
    if scores.empty:
        return np.full(len(pairs), np.nan)
    return span_logprobs(pairs, scores, ignore_zero=True)[0]
