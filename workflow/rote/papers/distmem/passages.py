"""Test examples and the documents whose influence on them is measured, chosen at random."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.papers.distmem import corpora, mining
from rote.papers.distmem.measured import translations
from rote.papers.distmem.settings import DistmemAnalysis, DistmemInfluence
from rote.papers.distmem.tasks import PRINCIPAL, TASKS, TEST, prompt

# of documents: with both n-grams; with s_y but not s_x; of those, the ones most like documents with
# the pair in the words of the prompt. By what is in a document, see `_documents`
KINDS = ("pair", "output_only", "matched")
# columns of the table ExampleInfluence, by kind of documents
PRODUCTS = list(KINDS)
COSINES = ["pair_cosine", "output_only_cosine", "matched_cosine"]
MAX_MATCHED = 100  # documents that the last kind is chosen among


class Passage(NamedTuple):
    """A text, and the characters of an n-gram in it."""

    text: str
    span: tuple[int, int]


class TracedGram(NamedTuple):
    """An output n-gram of a test example, and documents that hold it.

    Attributes:
        test: prompt and output up to the end of the n-gram.
        documents: by kind of `KINDS`: documents up to the end of their first s_y, over all input
            n-grams, and the weight of each: means over the documents of a pair, summed over pairs.
        pairs: its pairs.
    """

    test: Passage
    documents: dict[str, tuple[list[Passage], list[float]]]
    pairs: int


class TracedExample(NamedTuple):
    """A test example of the table TaskExamples, by its output n-grams."""

    task: str
    example: int
    grams: list[TracedGram]

    @property
    def pairs(self) -> int:
        """Pairs of the sum of Eq. 9."""
        return sum(gram.pairs for gram in self.grams)

    @property
    def documents(self) -> int:
        """Documents of a kind, all pairs together."""
        return sum(len(gram.documents[KINDS[0]][0]) for gram in self.grams)


class TracedCorpus(NamedTuple):
    """A generated corpus.

    Attributes:
        name: of the corpus.
        corpus: in words.
        texts: of every document, by its number.
        examples: the table TaskExamples.
        pairs: the tables TaskGrams and TaskGramCounts side by side.
        lexicon: translations of each word, where they are known.
    """

    name: str
    corpus: ngrams.Corpus
    texts: Sequence[str]
    examples: pd.DataFrame
    pairs: pd.DataFrame
    lexicon: dict[str, set[str]] | None = None


def read(folder: Path) -> TracedCorpus:
    """A generated corpus from its folder."""
    counts = tables.read(folder / "counts.parquet")
    return TracedCorpus(
        name=folder.name,
        corpus=ngrams.Corpus.open(folder / "words"),
        texts=corpora.read(folder / "corpus.jsonl")["text"].tolist(),
        examples=tables.read(folder / "examples.parquet"),
        pairs=tables.read(folder / "pairs.parquet").join(counts),
        lexicon=translations(folder / "lexicon.parquet"),
    )


def choose(
    corpus: TracedCorpus,
    options: DistmemAnalysis,
    limits: DistmemInfluence,
    rng: np.random.Generator,
) -> list[TracedExample]:
    """Test examples with documents of every kind, drawn at random; shortest n of each task.

    All pairs of an example are taken that belong together (see `mining.belonging`) and have
    documents of every kind. If there are fewer documents than `limits` says, all are used.

    Args:
        corpus: with its pairs and counts.
        options: its stop words and threshold.
        limits: examples per task, and documents per output n-gram and kind.
        rng: draws examples, then documents.
    """
    tests = corpus.examples[corpus.examples["part"] == TEST].set_index(["task", "example"])
    traced = []
    paired = corpus.pairs[corpus.pairs["pair_documents"] > 0]
    paired = paired[paired["pair_documents"] < paired["second_documents"]]
    for task in (task for task in PRINCIPAL if (paired["task"] == task.name).any()):
        pairs = paired[paired["task"] == task.name]
        pairs = pairs[pairs["n"] == pairs["n"].min()]
        lexicon = corpus.lexicon if TASKS[task.name].has_lexicon else None
        pairs = pairs[mining.belonging(pairs, lexicon, options.gamma)]
        examples = rng.permutation(pairs["example"].unique())[: limits.items]
        pairs = pairs[pairs["example"].isin(examples)].reset_index(drop=True)
        stop = mining.stop_words(options, int(pairs["n"].iloc[0]))
        with_input = ngrams.postings(corpus.corpus, pairs["input_gram"], stop_words=stop)
        with_output = ngrams.postings(corpus.corpus, pairs["output_gram"])
        for example in examples:
            row = tests.loc[(task.name, example)]
            grams = []
            of_example = pairs[pairs["example"] == example]
            for _, of_gram in of_example.groupby("output_gram", sort=False):
                places = [(with_input[at], with_output[at]) for at in of_gram.index]
                grams.append(_gram(corpus, row, of_gram, places, limits.documents, rng))
            traced.append(TracedExample(task.name, int(example), grams))
    return traced


def _gram(
    corpus: TracedCorpus,
    example: pd.Series,
    pairs: pd.DataFrame,
    places: Sequence[tuple[np.ndarray, np.ndarray]],
    limit: int,
    rng: np.random.Generator,
) -> TracedGram:
    """The documents of all pairs of one output n-gram; at least one of each pair and kind."""
    per_pair = max(limit // len(pairs), 1)
    documents: dict[str, tuple[list[Passage], list[float]]] = {kind: ([], []) for kind in KINDS}
    output_gram = pairs["output_gram"].iloc[0]
    words = set(corpus.corpus.split(example["instruction"].replace("{input}", " ")))
    for of_input, of_output in places:
        chosen = _documents(corpus, words, (of_input, of_output), per_pair, rng)
        for kind, numbers in zip(KINDS, chosen, strict=True):
            passages, weights = documents[kind]
            passages += _passages(corpus, numbers, output_gram)
            weights += [1 / len(numbers)] * len(numbers)
    first = pairs.iloc[0]
    return TracedGram(_test(example, int(first["start"]), int(first["end"])), documents, len(pairs))


def _documents(
    corpus: TracedCorpus,
    words: set[str],
    places: tuple[np.ndarray, np.ndarray],
    limit: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of documents by kind, as many of each.

    Args:
        words: of the prompt around the input. A document with the pair also looks like the prompt;
            a matched one holds as nearly the same of these words as there is.
        places: documents with the input n-gram, and with the output n-gram.
        limit: most documents of a kind.
    """
    with_pair = np.intersect1d(*places, assume_unique=True)
    without = np.setdiff1d(places[1], places[0], assume_unique=True)
    size = min(limit, len(with_pair), len(without))
    chosen = rng.choice(with_pair, size, False)
    output_only = rng.choice(without, size, False)
    pool = rng.choice(without, min(max(MAX_MATCHED, size), len(without)), False).tolist()
    forms = {number: words & set(corpus.corpus.split(corpus.texts[number])) for number in pool}
    matched = []
    for number in chosen:
        form = words & set(corpus.corpus.split(corpus.texts[number]))
        best = min(pool, key=lambda other: len(form ^ forms[other]))
        matched.append(best)
        pool.remove(best)
    return chosen, output_only, np.array(matched)


def _test(example: pd.Series, start: int, end: int) -> Passage:
    """Prompt and output up to the end of an n-gram of the output."""
    before = prompt(example["instruction"], example["input"]) + " "
    text = before + example["output"]
    span = (len(before) + start, len(before) + end)
    return Passage(text[: span[1]], span)


def _passages(corpus: TracedCorpus, documents: np.ndarray, output_gram: str) -> list[Passage]:
    """Documents up to the end of their first output n-gram of the pair."""
    gram = corpus.corpus.split(output_gram)
    passages = []
    for number in documents:
        text = corpus.texts[number]
        spans = corpus.corpus.analyser.spans(text)
        units = [unit for unit, _, _ in spans]
        first = next(i for i in range(len(units)) if units[i : i + len(gram)] == gram)
        begin, end = spans[first][1], spans[first + len(gram) - 1][2]
        passages.append(Passage(text[:end], (begin, end)))
    return passages
