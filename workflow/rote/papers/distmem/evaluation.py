"""From counts and scores to the tables that figures and claims read, beside memorization itself."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.papers.distmem import (
    alternatives,
    estimators,
    metrics,
    mining,
    overlap,
    schema,
    tracing,
    variants,
)
from rote.papers.distmem.correlation import Measure, correlation, ratio_log
from rote.papers.distmem.measured import MeasuredCorpus
from rote.papers.distmem.settings import DistmemAnalysis
from rote.papers.distmem.tasks import REWORDED, TASKS, prompt

PROMPT_GRAM = 3  # words
RHO = Measure(resamples=0)
PAIR_OF_EXAMPLE = ["example", "input_gram", "output_gram"]


def performance(corpus: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Performance: trained models, true outputs, and choices where a task has them."""
    is_shortest = corpus.pairs.groupby("task")["n"].transform("min") == corpus.pairs["n"]
    shortest = corpus.pairs[is_shortest].groupby(["task", "example"])
    documents = shortest["pair_documents"].sum()
    tests = corpus.tests
    scores = corpus.test_scores
    tested = scores["task"].isin(tests.index.get_level_values("task"))
    scores = scores[(scores["snapshot"] == 1.0) & tested]
    scores = scores.assign(total=scores["logprobs"].map(np.sum))
    groups = {task: corpus.rank_groups(task) for task in scores["task"].unique()}
    overlaps = corpus.overlapping
    rows = []
    for (model, size), of_model in scores.groupby(["model", "size"]):
        likeliest = _likeliest_choices(of_model)
        for row in of_model[of_model["choice"] < 0].itertuples():
            key = (row.task, row.example)
            choice_correct = np.nan
            if key in likeliest.index:
                choice = tests.loc[key, "choices"][likeliest[key]]
                choice_correct = float(choice == tests.loc[key, "output"])
            rows.append(
                {
                    "source": corpus.name,
                    "model": model,
                    "size": size,
                    "task": row.task,
                    "example": row.example,
                    "group": groups[row.task].get(row.example, ""),
                    "pair_documents": int(documents.get(key, 0)),
                    "loss": -row.total if np.isfinite(row.total) else np.nan,
                    "correct": row.correct,
                    **_written(row.generated, tests.loc[key]),
                    "choice_correct": choice_correct,
                    "overlapping": overlaps.get(key, np.nan),
                }
            )
    return tables.frame(schema.Performance, rows)


def _written(generated: str, example: pd.Series) -> dict[str, float]:
    """What a model's own output is worth; NaN where it was not asked for one."""
    if not generated:
        return {"matched": np.nan, "bleu": np.nan}
    right = [example["output"], *example["aliases"]]
    return {
        "matched": float(metrics.answers(generated, right)),
        "bleu": metrics.bleu([generated], [example["output"]]),
    }


def _likeliest_choices(scores: pd.DataFrame) -> pd.Series:
    """Number of the likeliest choice, by task and example."""
    choices = scores[scores["choice"] >= 0].sort_values("total")
    return choices.groupby(["task", "example"])["choice"].last()


def novel(corpus: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Novel: pairs of an input and a generated n-gram, shortest n of each task.

    A pair is right if the reference holds it and its n-grams belong together: a translation by the
    lexicon, or where none is known, by cosine (see `mining.belonging`).
    """
    tests = corpus.tests[["input", "output"]].rename(columns={"output": "reference"})
    scores = corpus.output_scores
    scores = scores[(scores["generated"] != "") & (scores["snapshot"] == 1.0)]
    columns = ["model", "size", "task", "example", "generated"]
    generated = scores[columns].rename(columns={"generated": "output"})
    generated = generated.join(tests, on=["task", "example"], how="inner")
    rows = []
    for (model, size, task), examples in generated.groupby(["model", "size", "task"]):
        pairs = mining.candidates(examples, options)
        pairs = pairs[pairs["n"] == pairs["n"].min()]
        if pairs.empty:
            continue
        n = int(pairs["n"].iloc[0])
        documents = ngrams.count_pairs(
            corpus.corpus,
            zip(pairs["input_gram"], pairs["output_gram"], strict=True),
            stop_words=(mining.stop_words(options, n), ()),
        )
        is_novel = documents == 0
        right = corpus.pairs[(corpus.pairs["task"] == task) & (corpus.pairs["n"] == n)]
        right = right[mining.belonging(right, corpus.lexicon_of(task), options.gamma)]
        reference = pd.MultiIndex.from_frame(right[PAIR_OF_EXAMPLE])
        is_right = pd.MultiIndex.from_frame(pairs[PAIR_OF_EXAMPLE]).isin(reference)
        rows.append(
            {
                "source": corpus.name,
                "model": model,
                "size": size,
                "task": task,
                "n": n,
                "pairs": len(pairs),
                "novel": int(is_novel.sum()),
                "right": int(is_right.sum()),
                "novel_right": int((is_novel & is_right).sum()),
                "novel_in_reference": int((right["pair_documents"] == 0).sum()),
            }
        )
    return tables.frame(schema.Novel, rows)


def bias(corpus: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Bias."""
    smoothing = Measure(smoothing=options.smoothing, documents=corpus.corpus.documents)
    rows = []
    for (task, n), pairs in corpus.pairs.groupby(["task", "n"]):
        counted = pairs[pairs["first_occurrences"] > 0]
        paired = counted[counted["pair_documents"] > 0]
        rows.append(
            {
                "source": corpus.name,
                "task": task,
                "n": n,
                "dropped": 1 - len(paired) / len(pairs),
                "filtered": _rho_with_input_count(paired, RHO),
                "smoothed": _rho_with_input_count(counted, smoothing),
            }
        )
    return tables.frame(schema.Bias, rows)


def _rho_with_input_count(pairs: pd.DataFrame, measure: Measure) -> float:
    counts = pairs["first_occurrences"].to_numpy(float)
    return correlation(ratio_log(pairs, measure), counts, measure=RHO).rho


def audit(corpus: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Audit: 8-grams, 14-grams and whole outputs of the test examples in the corpus.

    Raises:
        InputError: for a generated corpus that holds what is held out.
    """
    audited = overlap.audit(corpus.name, corpus.overlaps)
    if corpus.facts is not None:
        overlap.check(audited)
    return audited


def mining_quality(corpus: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Mining: precision and recall of selection by cosine, against the lexicon."""
    with_lexicon = [task.name for task in TASKS.values() if task.has_lexicon]
    rows = []
    for n, pairs in corpus.pairs[corpus.pairs["task"].isin(with_lexicon)].groupby("n"):
        is_true = mining.aligned(pairs, corpus.lexicon)
        for share in (1.0, *options.cosine_shares):
            selected = is_true[mining.highest_cosine(pairs, share)]
            rows.append(
                {
                    "source": corpus.name,
                    "n": n,
                    "share": share,
                    "precision": float(selected.mean()),
                    "recall": float(selected.sum() / is_true.sum()) if is_true.any() else np.nan,
                }
            )
    return tables.frame(schema.Mining, rows)


def prompts(corpus: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Prompts: accuracy in other wordings, and how common these are."""
    split = corpus.corpus.analyser.splitter()
    reworded = corpus.examples[corpus.examples["part"] == REWORDED]
    scores = corpus.scores[corpus.scores["choice"] < 0]
    rows = []
    for (task, wording), examples in reworded.groupby(["task", "wording"]):
        grams: list[str] = []
        for row in examples.itertuples():
            units = split(prompt(row.instruction, row.input))
            grams += [" ".join(gram) for gram in ngrams.grams(units, PROMPT_GRAM)]
        mean_count = float(ngrams.count(corpus.corpus, grams).mean())
        of_wording = scores[(scores["task"] == task) & (scores["wording"] == wording)]
        for (model, size), of_model in of_wording.groupby(["model", "size"]):
            rows.append(
                {
                    "source": corpus.name,
                    "model": model,
                    "size": size,
                    "task": task,
                    "wording": wording,
                    "instruction": examples["instruction"].iloc[0],
                    "mean_count": mean_count,
                    "accuracy": float(of_model["correct"].mean()),
                }
            )
    return tables.frame(schema.Prompts, rows)


Evaluation = Callable[[MeasuredCorpus, DistmemAnalysis], pd.DataFrame]
# what every corpus gives, and what only a generated one does, by table
OF_SOURCES: dict[str, Evaluation] = {
    "memorization": variants.table,
    "performance": performance,
    "novel": novel,
    "bias": bias,
    "audit": audit,
}
OF_GENERATED: dict[str, Evaluation] = {
    "mining": mining_quality,
    "prompts": prompts,
    "estimators": estimators.table,
    "alternatives": alternatives.table,
    "traces": tracing.reported,
}


def evaluate(
    evaluations: Mapping[str, Evaluation], corpus: MeasuredCorpus, options: DistmemAnalysis
) -> dict[str, pd.DataFrame]:
    """Every table of `OF_SOURCES` or `OF_GENERATED`, by name."""
    return {name: evaluation(corpus, options) for name, evaluation in evaluations.items()}
