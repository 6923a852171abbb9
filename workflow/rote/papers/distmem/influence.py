"""Influence of documents on test examples (TracIn, Eq. 7-9).

Dot products of full gradients, summed over snapshots.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import ngrams
from rote.core import tables
from rote.core.seeds import generator
from rote.papers.distmem import corpora, mining, schema, scoring
from rote.papers.distmem.families import NEOX, rungs
from rote.papers.distmem.ladder import snapshot_path
from rote.papers.distmem.scoring import LanguageModel
from rote.papers.distmem.settings import DistmemAnalysis, DistmemInfluence, Settings
from rote.papers.distmem.tasks import TEST, prompt

PRODUCTS = ["pair", "output_only"]  # columns, by kind of documents
COSINES = ["pair_cosine", "output_only_cosine"]


class Passage(NamedTuple):
    """A text, and the characters of an n-gram in it."""

    text: str
    span: tuple[int, int]


class TracedExample(NamedTuple):
    """A test example, and documents whose influence on it is measured.

    Attributes:
        task, example: of the table TaskExamples.
        test: prompt and output up to the end of s_y.
        with_pair: documents with both n-grams, up to the end of their first s_y.
        output_only: as many with s_y but not s_x.
    """

    task: str
    example: int
    test: Passage
    with_pair: list[Passage]
    output_only: list[Passage]


class TracedCorpus(NamedTuple):
    """A generated corpus.

    Attributes:
        name: of the corpus.
        corpus: in words.
        texts: of every document, by its number.
        examples: the table TaskExamples.
        pairs: the tables TaskGrams and TaskGramCounts side by side.
    """

    name: str
    corpus: ngrams.Corpus
    texts: Sequence[str]
    examples: pd.DataFrame
    pairs: pd.DataFrame


def read(folder: Path) -> TracedCorpus:
    """A generated corpus from its folder."""
    counts = tables.read(folder / "counts.parquet")
    return TracedCorpus(
        name=folder.name,
        corpus=ngrams.Corpus.open(folder / "words"),
        texts=corpora.read(folder / "corpus.jsonl")["text"].tolist(),
        examples=tables.read(folder / "examples.parquet"),
        pairs=tables.read(folder / "pairs.parquet").join(counts),
    )


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
                "documents": [len(example.with_pair) for example in examples],
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


def choose(
    corpus: TracedCorpus,
    options: DistmemAnalysis,
    limits: DistmemInfluence,
    rng: np.random.Generator,
) -> list[TracedExample]:
    """Test examples with documents of both kinds, drawn at random; shortest n of each task.

    If there are fewer documents than `limits` says, all are used; an example without documents of a
    kind is left out.

    Args:
        corpus: with its pairs and counts.
        options: its stop words.
        limits: examples per task, and documents per example and kind.
        rng: draws examples, then documents.
    """
    tests = corpus.examples[corpus.examples["part"] == TEST].set_index(["task", "example"])
    traced = []
    paired = corpus.pairs[corpus.pairs["pair_documents"] > 0]
    for task, pairs in paired.groupby("task"):
        n = int(pairs["n"].min())
        pairs = pairs[pairs["n"] == n].sample(frac=1, random_state=int(rng.integers(2**31)))
        pairs = pairs.drop_duplicates("example")
        pairs = pairs[pairs["pair_documents"] < pairs["second_documents"]].head(limits.items)
        stop = mining.stop_words(options, n)
        with_input = ngrams.postings(corpus.corpus, pairs["input_gram"], stop_words=stop)
        with_output = ngrams.postings(corpus.corpus, pairs["output_gram"])
        documents = zip(pairs.itertuples(), with_input, with_output, strict=True)
        for pair, of_input, of_output in documents:
            with_pair = np.intersect1d(of_input, of_output, assume_unique=True)
            output_only = np.setdiff1d(of_output, of_input, assume_unique=True)
            size = min(limits.documents, len(with_pair), len(output_only))
            traced.append(
                TracedExample(
                    task=task,
                    example=pair.example,
                    test=_test(tests.loc[(task, pair.example)], pair.start, pair.end),
                    with_pair=_passages(corpus, rng.choice(with_pair, size, False), pair),
                    output_only=_passages(corpus, rng.choice(output_only, size, False), pair),
                )
            )
    return traced


def _test(example: pd.Series, start: int, end: int) -> Passage:
    """Prompt and output up to the end of an n-gram of the output."""
    before = prompt(example["instruction"], example["input"]) + " "
    text = before + example["output"]
    span = (len(before) + start, len(before) + end)
    return Passage(text[: span[1]], span)


def _passages(corpus: TracedCorpus, documents: np.ndarray, pair) -> list[Passage]:
    """Documents up to the end of their first output n-gram of the pair."""
    gram = corpus.corpus.split(pair.output_gram)
    passages = []
    for number in documents:
        text = corpus.texts[number]
        spans = corpus.corpus.analyser.spans(text)
        units = [unit for unit, _, _ in spans]
        first = next(i for i in range(len(units)) if units[i : i + len(gram)] == gram)
        begin, end = spans[first][1], spans[first + len(gram) - 1][2]
        passages.append(Passage(text[:end], (begin, end)))
    return passages


def measure(model: LanguageModel, examples: Sequence[TracedExample]) -> pd.DataFrame:
    """Influence of the documents on each example.

    The loss of a text is −log P(s_y | what precedes it); influence is the dot product of the
    gradients over all parameters. The mean of the products is the product with the mean gradient.

    Args:
        model: at one snapshot.
        examples: of `choose`.

    Returns:
        Columns `PRODUCTS` (means over documents) and `COSINES`, one row per example.
    """
    leaves = [parameter.requires_grad_() for parameter in model.model.parameters()]

    def gradient(passages: Sequence[Passage]) -> list[Tensor]:
        gradients = torch.autograd.grad(loss(model, passages), leaves)
        return [values.double() for values in gradients]

    rows = []
    for example in examples:
        of_test = gradient([example.test])
        length = _product(of_test, of_test) ** 0.5
        row = {}
        kinds = zip(PRODUCTS, COSINES, (example.with_pair, example.output_only), strict=True)
        for product, cosine, documents in kinds:
            mean = gradient(documents)
            row[product] = _product(of_test, mean)
            lengths = length * _product(mean, mean) ** 0.5
            row[cosine] = row[product] / lengths if lengths > 0 else 0.0
        rows.append(row)
    return pd.DataFrame(rows, columns=[*PRODUCTS, *COSINES])


def _product(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    return float(sum((x * y).sum() for x, y in zip(a, b, strict=True)))


def loss(model: LanguageModel, passages: Sequence[Passage]) -> Tensor:
    """Mean over passages of −log P of the tokens that overlap the span, summed."""
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
    return -(of_tokens * is_target[:, 1:].to(model.device)).sum() / len(rows)
