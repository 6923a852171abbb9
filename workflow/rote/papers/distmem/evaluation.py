"""From counts and scores to the tables that figures and claims read."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote import ngrams
from rote.ngrams.files import COUNTED
from rote.papers.distmem import mining, settings
from rote.papers.distmem.correlation import (
    Memorization,
    correlation,
    memorization,
    partial,
    ratio_log,
)
from rote.papers.distmem.schema import Memorization as Memorized
from rote.papers.distmem.scoring import span_logprobs
from rote.papers.distmem.tasks import prompt

INFINITY = "infinity-gram"
UNSATURATED = (
    -0.05
)  # nats: above it a model is sure, and the order of its log-probabilities is noise
HEAD, MIDDLE = (
    0.25,
    0.6,
)  # shares of the facts, by frequency rank, that end the head and the middle (ours)


class Source(NamedTuple):
    """What was counted and scored of one corpus."""

    name: str
    corpus: ngrams.Corpus
    examples: pd.DataFrame
    pairs: pd.DataFrame  # pairs and counts side by side
    scores: pd.DataFrame
    facts: pd.DataFrame | None  # of a generated corpus
    lexicon: Mapping[str, set[str]] | None


def count(
    corpus: ngrams.Corpus,
    pairs: pd.DataFrame,
    options: settings.Analysis,
    *,
    shards=None,
    threads: int = 1,
    progress=None,
) -> pd.DataFrame:
    """The table Counts, row by row of Pairs; input n-grams in the stream without stop words where
    these apply.
    """
    found = pd.DataFrame(0, index=range(len(pairs)), columns=COUNTED)
    near = np.zeros((len(pairs), len(options.windows)), np.int64)
    for n, rows in pairs.groupby("n").indices.items():
        some = pairs.iloc[rows]
        wanted = ngrams.queries(
            corpus,
            pairs=zip(some["input_gram"], some["output_gram"], strict=True),
            stop_words=(mining.stop_words(options, n), ()),
        )
        counted = ngrams.scan(corpus, wanted, shards=shards, threads=threads, progress=progress)
        singles = []
        for side in wanted.pairs.T:
            singles += [
                np.append(counted.occurrences, 0)[side],
                np.append(counted.documents, 0)[side],
            ]
        found.iloc[rows] = np.column_stack([counted.pairs, *singles])
        for at, window in enumerate(options.windows):
            scanned = ngrams.scan(
                corpus, wanted, window=window, shards=shards, threads=threads, progress=progress
            )
            near[rows, at] = scanned.pairs
    return found.assign(near=list(near))


def infinity_scores(
    corpus: ngrams.Corpus, examples: pd.DataFrame, context: int, shards: int = 0
) -> pd.DataFrame:
    """The table Scores of the ∞-gram model of a corpus, or its first shards, as a language model;
    NaN where P = 0.
    """
    model, rows = ngrams.InfinityGram(corpus, shards), []
    known: dict[tuple, float] = {}
    for row in examples.itertuples():
        before = prompt(row.instruction, row.input)
        text, start = f"{before} {row.output}", len(before) + 1
        if corpus.analyser.unit == "token":
            from rote.models import pretrained

            given = pretrained.tokenizer(corpus.analyser.tokenizer)(
                text, return_offsets_mapping=True, add_special_tokens=False
            )
            ids, spans = tuple(given["input_ids"]), given["offset_mapping"]
        else:
            ids = corpus.ids(text)
            spans = [(begin, end) for _, begin, end in corpus.analyser.spans(text)]
        first = next((at for at, (_, end) in enumerate(spans) if end > start), len(spans))
        logprobs = []
        for at in range(first, len(ids)):
            key = ids[max(at - context, 0) : at + 1]
            if key not in known:
                known[key] = model.continuation_ids(key[:-1], key[-1]).probability
            logprobs.append(np.log(known[key]) if known[key] > 0 else np.nan)
        starts, ends = (
            [max(begin - start, 0) for begin, _ in spans[first:]],
            [end - start for _, end in spans[first:]],
        )
        rows.append(
            (INFINITY, 0, 1.0, row.task, row.example, -1, logprobs, starts, ends, False, 0, "")
        )
    columns = [
        "model",
        "size",
        "step",
        "task",
        "example",
        "choice",
        "logprobs",
        "starts",
        "ends",
        "correct",
    ]
    return pd.DataFrame(rows, columns=[*columns, "truncated", "generated"])


# ---- correlations
# ----------------------------------------------------------------------------------------------------


def correlations(source: Source, options: settings.Analysis) -> pd.DataFrame:
    """The table Memorization."""
    rows = []
    pairs, final = source.pairs, source.scores
    marks = {share: mining.keep(pairs, share) for share in options.keep} if len(pairs) else {}
    groups = fact_groups(source)
    outputs = final[(final["choice"] < 0) & (final["model"] != INFINITY)]
    for (task, n), places in pairs.groupby(["task", "n"]).indices.items():
        some = pairs.iloc[places]
        infinity = _logprobs(some, final[final["model"] == INFINITY], "ngram", ignore_zero=True)
        aligned = mining.aligned(some, source.lexicon or {}) if task == "translation" else None
        group = some["example"].map(groups if task == "facts" else {}).to_numpy()
        for (model, step), scores in outputs.groupby(["model", "step"]):
            logprobs = _logprobs(some, scores, "ngram")
            about = (source.name, model, int(scores["size"].iloc[0]), float(step), task, n)
            kept = {f"keep {share:g}": mark[places] for share, mark in marks.items()}
            if source.lexicon is not None and task == "translation":
                kept["aligned"] = aligned
            to_end = _logprobs(some, scores, "to_end")
            documents, whole = source.corpus.documents, step == 1.0
            wanted = variants(
                some, logprobs, to_end, infinity, documents, options, kept, group, whole=whole
            )
            rows += [(*about, name, *_flat(found)) for name, found in wanted.items()]
    return pd.DataFrame(rows, columns=list(Memorized.model_fields))


def variants(
    pairs, logprobs, to_end, infinity, documents, options, marks, groups, *, whole: bool = True
) -> dict:
    """Memorization of one model on one task and n, by the name of what is varied.

    * paper: Def. 3, over pairs, C(s_x) by occurrences, pairs without a document dropped.
    * smoothed: κ-smoothed ratio over all pairs (ours).
    * key, to_end, documents: unit, span and denominator as in the released code, one at a time.
    * infinity: the ∞-gram instead of the task-gram model, one point per (example, s_y); shared: the
      task-gram model on the pairs that the ∞-gram has a value for.
    * keep s: only the share s of highest cosine; mined: only pairs that the mining data hold;
      aligned: only true translations (known for generated corpora).
    * unsaturated: only pairs with a model log-probability below −0.05.
    * window w: pairs within w words instead of in one document.
    * head, mid, tail: facts by frequency rank.
    * partial: given the counts of s_y and s_x (ranks regressed out).
    """
    counts = {name: pairs[name].to_numpy() for name in COUNTED}
    common = {"examples": pairs["example"].to_numpy(), "resamples": options.resamples}
    keys = pairs["output_gram"].factorize()[0]
    found = {"paper": memorization(counts, logprobs, **common, kendall=whole)}
    if not whole:
        return found
    quiet = common | {"resamples": 0, "kendall": False}

    def some(mark: np.ndarray, **changes) -> Memorization:
        given = quiet | {"examples": common["examples"][mark]} | changes
        return memorization(
            {name: column[mark] for name, column in counts.items()}, logprobs[mark], **given
        )

    every = np.ones(len(pairs), bool)
    smooth = {"smoothing": options.smoothing, "documents": documents}
    found["smoothed"] = memorization(counts, logprobs, **common, **smooth, kendall=False)
    found["key"] = some(every, unit="key", keys=keys)
    found["documents"] = some(every, denominator="documents")
    found["to_end"] = memorization(counts, to_end, **quiet)
    has = np.isfinite(infinity)
    first = (
        pairs.reset_index(drop=True).drop_duplicates(["example", "output_gram"]).index.to_numpy()
    )
    first = first[has[first] & np.isfinite(logprobs[first])]
    rho = correlation(
        infinity[first],
        logprobs[first],
        common["examples"][first],
        resamples=options.resamples,
        kendall=False,
    )
    found["infinity"] = _plain(rho, len(first), len(np.unique(common["examples"][first])))
    found["shared"] = some(has)
    for name, mark in marks.items():
        found[name] = some(mark)
    found["mined"] = some(pairs["mined"].to_numpy(bool))
    found["unsaturated"] = some(logprobs < UNSATURATED)
    near = np.stack(pairs["near"].to_numpy())
    for at, window in enumerate(options.windows):
        found[f"window {window}"] = memorization(
            counts | {"pair_documents": near[:, at]}, logprobs, **quiet
        )
    for group in ("head", "mid", "tail"):
        if (groups == group).any():
            found[group] = some(groups == group)
    counted = (pairs[["pair_documents", "first_occurrences"]] > 0).all(axis=1).to_numpy()
    kept = counted & np.isfinite(logprobs)
    controls = np.log(pairs[["second_occurrences", "first_occurrences"]].to_numpy(float)[kept])
    rho = partial(ratio_log(pairs[kept]), logprobs[kept], controls)
    reason = "" if np.isfinite(rho) else "too_few_pairs"
    nothing = (np.nan,) * 4
    found["partial"] = _plain(
        (rho, *nothing, reason), int(kept.sum()), int(pairs.loc[kept, "example"].nunique())
    )
    return found


def _plain(found: tuple, points: int, examples: int) -> Memorization:
    return Memorization(*found[:5], points, examples, 0, 0, 0, 0.0, found[5])


def _flat(found: Memorization) -> tuple:
    values = found._asdict()
    del values["p"]
    return tuple(values.values())


def _logprobs(
    pairs: pd.DataFrame, scores: pd.DataFrame, span: str, ignore_zero: bool = False
) -> np.ndarray:
    if scores.empty:
        return np.full(len(pairs), np.nan)
    return span_logprobs(pairs, scores, span=span, ignore_zero=ignore_zero)[0]


def fact_groups(source: Source) -> dict[int, str]:
    """Head, mid or tail by frequency rank, by example number; nothing for a study."""
    if source.facts is None:
        return {}
    ranks = source.facts["rank"].to_numpy() / len(source.facts)
    names = np.where(ranks <= HEAD, "head", np.where(ranks <= MIDDLE, "mid", "tail"))
    return dict(zip(source.facts["fact"].tolist(), names.tolist(), strict=True))


# ---- the other tables
# ------------------------------------------------------------------------------------------------


def performance(source: Source) -> pd.DataFrame:
    """The table Performance: whole training, true outputs, and choices where a task has them."""
    shortest = source.pairs.groupby("task")["n"].transform("min") == source.pairs["n"]
    held = source.pairs[shortest].groupby(["task", "example"])["pair_documents"].sum()
    tests = source.examples[source.examples["part"] == "test"].set_index(["task", "example"])
    groups, rows = fact_groups(source), []
    scores = source.scores[(source.scores["step"] == 1.0) & (source.scores["model"] != INFINITY)]
    scores = scores[scores["task"].isin(tests.index.get_level_values("task").unique())]
    scores = scores.assign(total=scores["logprobs"].map(np.sum))
    for (model, size), of_model in scores.groupby(["model", "size"]):
        best = (
            of_model[of_model["choice"] >= 0]
            .sort_values("total")
            .groupby(["task", "example"])["choice"]
            .last()
        )
        for row in of_model[of_model["choice"] < 0].itertuples():
            key = (row.task, row.example)
            right = np.nan
            if key in best.index:
                right = float(tests.loc[key, "choices"][best[key]] == tests.loc[key, "output"])
            group = groups.get(row.example, "") if row.task == "facts" else ""
            loss = -row.total if np.isfinite(row.total) else np.nan
            rows.append(
                (
                    source.name,
                    model,
                    size,
                    *key,
                    group,
                    int(held.get(key, 0)),
                    loss,
                    row.correct,
                    right,
                )
            )
    columns = [
        "source",
        "model",
        "size",
        "task",
        "example",
        "group",
        "pair_documents",
        "loss",
        "correct",
    ]
    return pd.DataFrame(rows, columns=[*columns, "choice_correct"])


def novel(source: Source, options: settings.Analysis) -> pd.DataFrame:
    """The table Novel: pairs of an input n-gram and one that a model wrote, shortest n of each
    task.
    """
    tests = source.examples[source.examples["part"] == "test"].set_index(["task", "example"])
    written = source.scores[(source.scores["generated"] != "") & (source.scores["step"] == 1.0)]
    known = [key in tests.index for key in zip(written["task"], written["example"], strict=True)]
    written = written[np.array(known, bool)]
    asked = tests.loc[
        list(zip(written["task"], written["example"], strict=True)), ["input", "output"]
    ]
    frame = written[["model", "size", "task", "example"]].assign(output=written["generated"])
    frame = frame.assign(input=asked["input"].array)
    reference = asked["output"].map(lambda text: f" {' '.join(source.corpus.split(text))} ").array
    frame = frame.assign(reference=reference)
    rows = []
    for (model, size, task), some in frame.groupby(["model", "size", "task"]):
        found = mining.candidates(some, options)
        found = found[found["n"] == found["n"].min()]
        if found.empty:
            continue
        n = int(found["n"].iloc[0])
        grams = zip(found["input_gram"], found["output_gram"], strict=True)
        fresh = (
            ngrams.count_pairs(source.corpus, grams, stop_words=(mining.stop_words(options, n), ()))
            == 0
        )
        true = some.set_index("example")["reference"].to_dict()
        written_of = zip(found["example"], found["output_gram"], strict=True)
        right = [f" {gram} " in true[example] for example, gram in written_of]
        rows.append(
            (
                source.name,
                model,
                size,
                task,
                n,
                len(found),
                int(fresh.sum()),
                int((fresh & right).sum()),
            )
        )
    return pd.DataFrame(
        rows, columns=["source", "model", "size", "task", "n", "pairs", "novel", "novel_right"]
    )


def bias(source: Source, options: settings.Analysis) -> pd.DataFrame:
    """The table Bias."""
    rows = []
    for (task, n), pairs in source.pairs.groupby(["task", "n"]):
        known = pairs[pairs["first_occurrences"] > 0]
        held = known[known["pair_documents"] > 0]
        smooth = ratio_log(known, smoothing=options.smoothing, documents=source.corpus.documents)
        rows.append(
            (
                source.name,
                task,
                n,
                1 - len(held) / len(pairs),
                correlation(
                    ratio_log(held), held["first_occurrences"].to_numpy(float), resamples=0
                )[0],
                correlation(smooth, known["first_occurrences"].to_numpy(float), resamples=0)[0],
            )
        )
    return pd.DataFrame(rows, columns=["source", "task", "n", "dropped", "filtered", "smoothed"])


def mining_quality(source: Source, options: settings.Analysis) -> pd.DataFrame:
    """The table Mining: precision and recall of the pairs kept by cosine against the lexicon."""
    rows = []
    for n, pairs in source.pairs[source.pairs["task"] == "translation"].groupby("n"):
        true = mining.aligned(pairs, source.lexicon)
        for share in (1.0, *options.keep):
            kept = mining.keep(pairs, share)
            recall = float(true[kept].sum() / true.sum()) if true.any() else np.nan
            rows.append((source.name, n, share, float(true[kept].mean()), recall))
    return pd.DataFrame(rows, columns=["source", "n", "keep", "precision", "recall"])


def audit(source: Source) -> pd.DataFrame:
    """The table Audit: 8-grams, 14-grams and whole outputs of the test examples in the corpus."""
    split, rows = source.corpus.analyser.splitter(), []
    tests = source.examples[source.examples["part"] == "test"]
    for task, examples in tests.groupby("task"):
        units = [split(text) for text in examples["output"]]
        for n in (0, 8, 14):
            grams = [ngrams.grams(unit, n or len(unit)) for unit in units]
            flat = [gram for some in grams for gram in some]
            ids = [" ".join(gram) for gram in flat]
            held = iter(ngrams.count(source.corpus, ids) > 0)
            overlapping = sum(int(sum(next(held) for _ in some) > 0) for some in grams)
            rows.append((source.name, task, n, len(units), overlapping))
    return pd.DataFrame(rows, columns=["source", "task", "n", "examples", "overlapping"])


def prompts(source: Source) -> pd.DataFrame:
    """The table Prompts: accuracy in other wordings, and how common these are."""
    rows = []
    asked = source.examples[source.examples["part"] == "prompts"]
    split = source.corpus.analyser.splitter()
    for name, examples in asked.groupby("task"):
        task, number = name.split("/")
        texts = [split(prompt(row.instruction, row.input)) for row in examples.itertuples()]
        grams = [" ".join(gram) for text in texts for gram in ngrams.grams(text, 3)]
        mean = float(ngrams.count(source.corpus, grams).mean())
        some = source.scores[(source.scores["task"] == name) & (source.scores["choice"] < 0)]
        for (model, size), scores in some.groupby(["model", "size"]):
            instruction = examples["instruction"].iloc[0]
            rows.append(
                (
                    source.name,
                    model,
                    size,
                    task,
                    int(number),
                    instruction,
                    mean,
                    float(scores["correct"].mean()),
                )
            )
    columns = ["source", "model", "size", "task", "prompt", "instruction", "mean_count", "accuracy"]
    return pd.DataFrame(rows, columns=columns)
