"""What a corpus holds of one question: its pairs, the documents with them, the model's probability.

Counts are exact and documents are all found, in one pass over the corpus; no index is needed.
"""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import typer

from rote import ngrams
from rote.core import job, tables
from rote.core.errors import InputError
from rote.papers.distmem import counting, mining, schema, scoring, task_files
from rote.papers.distmem.correlation import ratio_log
from rote.papers.distmem.measured import MeasuredCorpus
from rote.papers.distmem.scoring import LanguageModel
from rote.papers.distmem.settings import DistmemAnalysis
from rote.papers.distmem.spans import span_logprobs
from rote.papers.distmem.tasks import FACTS, TEST

AROUND = 8  # words shown before and after the n-grams of a pair
REPORTED = 12  # examples whose trace the report shows
NO_DOCUMENT = -1
MARKS = ("[", "]")  # around an n-gram in a snippet


class TraceLimits(NamedTuple):
    """How much a trace shows.

    Attributes:
        documents: most documents of each pair.
        pairs: most pairs of each example and n, those in most documents; 0: all.
    """

    documents: int = 3
    pairs: int = 0


def trace(
    corpus: ngrams.Corpus,
    examples: pd.DataFrame,
    options: DistmemAnalysis,
    model: LanguageModel | None = None,
    limits: TraceLimits = TraceLimits(),
) -> pd.DataFrame:
    """The table Traces: every pair of the examples, and one row per document that is shown of it.

    A pair in no document has one row, without a document.

    Args:
        corpus: in words, or in a tokenizer's tokens.
        examples: rows of TaskExamples.
        options: n-gram lengths and stop words.
        model: whose log-probability of each output n-gram stands beside; None: none.
        limits: how much is shown.

    Raises:
        InputError: if no example has a pair.
    """
    pairs = mining.candidates(examples, options)
    if pairs.empty:
        raise InputError("no pair of n-grams: input or output holds no word, or they are the same")
    pairs = pairs.join(counting.count(corpus, pairs, options))
    pairs["logprob"] = np.nan
    if model is not None:
        scores = scoring.score(model, examples.assign(choices=[[]] * len(examples)))
        pairs["logprob"] = span_logprobs(pairs, scores).logprobs
    return _rows("", "", corpus, pairs, options, limits)


def reported(measured: MeasuredCorpus, options: DistmemAnalysis) -> pd.DataFrame:
    """The table Traces of some questions of a generated corpus, for its largest network.

    Args:
        measured: the corpus, and what was counted and scored of it.
        options: stop words.
    """
    scores = measured.output_scores
    scores = scores[(scores["task"] == FACTS.name) & (scores["snapshot"] == 1.0)]
    largest = scores.sort_values("size")["model"].iloc[-1]
    pairs = measured.pairs[(measured.pairs["task"] == FACTS.name)]
    pairs = pairs[pairs["n"] == pairs["n"].min()].sort_values("pair_documents")
    # from the rarest to the most frequent
    places = np.linspace(0, len(pairs) - 1, min(REPORTED, len(pairs))).round().astype(int)
    pairs = pairs.iloc[places]
    of_model = scores[scores["model"] == largest]
    pairs = pairs.assign(logprob=span_logprobs(pairs, of_model).logprobs)
    limits = TraceLimits(documents=1)
    return _rows(measured.name, largest, measured.corpus, pairs, options, limits)


def _rows(
    source: str,
    model: str,
    corpus: ngrams.Corpus,
    pairs: pd.DataFrame,
    options: DistmemAnalysis,
    limits: TraceLimits,
) -> pd.DataFrame:
    rows = []
    pairs = pairs.sort_values("pair_documents", ascending=False, kind="stable")
    if limits.pairs:
        pairs = pairs.groupby(["task", "example", "n"], sort=False).head(limits.pairs)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = ratio_log(pairs)
    pairs = pairs.assign(ratio=np.where(pairs["pair_documents"] > 0, ratios, np.nan))
    for n, of_length in pairs.groupby("n", sort=True):
        stop = mining.stop_words(options, int(n))
        with_input = ngrams.postings(corpus, of_length["input_gram"], stop_words=stop)
        with_output = ngrams.postings(corpus, of_length["output_gram"])
        postings = zip(of_length.itertuples(), with_input, with_output, strict=True)
        for pair, of_input, of_output in postings:
            documents = np.intersect1d(of_input, of_output, assume_unique=True)
            chosen = documents[: limits.documents].tolist() or [NO_DOCUMENT]
            for document in chosen:
                rows.append(
                    {
                        "source": source,
                        "model": model,
                        "task": pair.task,
                        "example": pair.example,
                        "n": int(n),
                        "input_gram": pair.input_gram,
                        "output_gram": pair.output_gram,
                        "pair_documents": pair.pair_documents,
                        "first_occurrences": pair.first_occurrences,
                        "ratio": pair.ratio,
                        "logprob": pair.logprob,
                        "document": document,
                        "snippet": snippet(corpus, document, pair, stop),
                    }
                )
    return tables.frame(schema.Traces, rows)


def snippet(corpus: ngrams.Corpus, document: int, pair, stop_words: Iterable[str] = ()) -> str:
    """The words of a document around the n-grams of a pair, which stand in brackets.

    Args:
        corpus: that holds it.
        document: its number; `NO_DOCUMENT` has no words.
        pair: with input_gram and output_gram.
        stop_words: that the input n-gram lacks.
    """
    if document == NO_DOCUMENT:
        return ""
    words = _words(corpus, document)
    left_out = set(stop_words)
    is_left = [word in left_out for word in words]
    remaining = [at for at, gone in enumerate(is_left) if not gone]
    marked: set[int] = set()
    without_stops = [words[at] for at in remaining]
    for gram, texts, places in (
        (pair.input_gram, without_stops, remaining),
        (pair.output_gram, words, range(len(words))),
    ):
        units = gram.split()
        for first in range(len(texts) - len(units) + 1):
            if texts[first : first + len(units)] == units:
                marked.update(range(places[first], places[first + len(units) - 1] + 1))
                break
    shown: set[int] = set()
    for at in marked:
        shown.update(range(max(at - AROUND, 0), min(at + AROUND + 1, len(words))))
    text = []
    previous = -1
    for at in sorted(shown):
        text.append("…" if at > previous + 1 else "")
        opens = at in marked and at - 1 not in marked
        closes = at in marked and at + 1 not in marked
        text.append(f"{MARKS[0] * opens}{words[at]}{MARKS[1] * closes}")
        previous = at
    text.append("…" if previous < len(words) - 1 else "")
    return " ".join(part for part in text if part)


def _words(corpus: ngrams.Corpus, document: int) -> list[str]:
    ids = corpus.document(document).tolist()
    if corpus.words is not None:
        return [corpus.words[token] for token in ids]
    if not corpus.analyser.gives_ids:
        return list(map(str, ids))
    from rote.models import pretrained

    tokenizer = pretrained.tokenizer(corpus.analyser.tokenizer)
    return mining.WORDS.splitter()(tokenizer.decode(ids))


def page(traced: pd.DataFrame, examples: pd.DataFrame) -> str:
    """A trace as one HTML page, example by example.

    Args:
        traced: the table Traces.
        examples: rows of TaskExamples that were traced.
    """
    parts = [_HEAD]
    for example in examples.itertuples():
        rows = traced[(traced["task"] == example.task) & (traced["example"] == example.example)]
        parts.append(f"<h2>{html.escape(example.input)} → {html.escape(example.output)}</h2>")
        parts.append(_table(rows))
    return "\n".join([*parts, "</body></html>\n"])


_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Trace</title><style>
body{font:15px sans-serif;max-width:70em;margin:2em auto}td,th{text-align:left;padding:.2em .8em}
td.n{text-align:right}mark{background:#ffe08a}tr{border-bottom:1px solid #ddd}table{border-collapse:
collapse}</style></head><body><h1>What the corpus holds of each question</h1>
<p>Documents that hold both n-grams of a pair, counted exactly; log P of the task-gram model and of
the model, in nats.</p>"""
_TITLES = ("input n-gram", "output n-gram", "documents", "log P, corpus", "log P, model")


def _table(rows: pd.DataFrame) -> str:
    lines = [
        "<table><tr>" + "".join(f"<th>{title}</th>" for title in (*_TITLES, "document")) + "</tr>"
    ]
    for row in rows.itertuples():
        text = html.escape(row.snippet)
        text = text.replace(MARKS[0], "<mark>").replace(MARKS[1], "</mark>")
        passage = f"{row.document:,}: {text}" if row.document != NO_DOCUMENT else "–"
        numbers = (f"{row.pair_documents:,}", _number(row.ratio), _number(row.logprob))
        cells = [f"<td>{html.escape(gram)}</td>" for gram in (row.input_gram, row.output_gram)]
        cells += [f'<td class="n">{value}</td>' for value in numbers]
        lines.append("<tr>" + "".join(cells) + f"<td>{passage}</td></tr>")
    return "\n".join([*lines, "</table>"])


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else "–"


def summary(traced: pd.DataFrame) -> Sequence[str]:
    """A trace in lines for a terminal.

    Args:
        traced: the table Traces.
    """
    lines = []
    keys = ["task", "example", "n", "input_gram", "output_gram"]
    for (*_, first, second), rows in traced.groupby(keys, sort=False):
        row = rows.iloc[0]
        probabilities = f"log P {_number(row['ratio'])}, of the model {_number(row['logprob'])}"
        lines.append(f"{first} | {second}: {row['pair_documents']:,} documents, {probabilities}")
        lines += [
            f"    {document:,}: {text}"
            for document, text in zip(rows["document"], rows["snippet"], strict=True)
            if document != NO_DOCUMENT
        ]
    return lines


class Question(NamedTuple):
    """What is traced: one question, or a file of them.

    Attributes:
        input: x.
        output: y.
        instruction: prompt, {input} stands for the input.
        file: of rows with x and y, see `task_files.read`; in place of the others.
    """

    input: str = ""
    output: str = ""
    instruction: str = ""
    file: str = ""

    def examples(self) -> pd.DataFrame:
        """Rows of TaskExamples. Raises InputError unless there is a question or a file."""
        if bool(self.file) == bool(self.input and self.output):
            raise InputError("give --question and --answer, or --questions, a file of several")
        if self.file:
            return task_files.read("question", self.file, TEST)
        row = {
            "task": "question",
            "part": TEST,
            "wording": 0,
            "example": 0,
            "instruction": self.instruction,
            "input": self.input,
            "output": self.output,
            "fact": -1,
            "choices": [],
            "group": "",
            "aliases": [],
            "whole": False,
        }
        return tables.frame(schema.TaskExamples, [row])


def options(lengths: str) -> DistmemAnalysis:
    """Options of a trace. Raises InputError for lengths that are no whole numbers from 1 on.

    Args:
        lengths: of the n-grams, by commas.
    """
    try:
        numbers = [int(part) for part in lengths.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise InputError(f"--n must be whole numbers from 1 on, by commas, given {lengths!r}")
    return DistmemAnalysis(default_grams=numbers, windows=[])


def run(
    folder: Path,
    given: Question,
    options: DistmemAnalysis,
    model: str,
    limits: TraceLimits,
    out: Path | None,
) -> None:
    """Trace questions, and write the result or tell it line by line.

    Args:
        folder: of the corpus.
        given: the questions.
        options: of `options`.
        model: Hugging Face id or folder; empty: none.
        limits: how much is shown.
        out: .html, a table, or None.
    """
    examples = given.examples()
    with job.start("distmem trace"):
        corpus = ngrams.Corpus.open(folder)
        language_model = scoring.load(model, "cpu") if model else None
        traced = trace(corpus, examples, options, language_model, limits)
        if out is None:
            typer.echo("\n".join(summary(traced)))
        elif out.suffix.lower() == ".html":
            with tables.atomic(out) as temporary:
                temporary.write_text(page(traced, examples), "utf-8")
        else:
            tables.export(out, traced)
