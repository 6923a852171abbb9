"""What was counted and scored of one corpus."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.papers.distmem.infinity import INFINITY
from rote.papers.distmem.tasks import RANK_GROUPS, TASKS


class CorpusPaths(NamedTuple):
    """Where a corpus and its tables lie; facts and lexicon only of a generated corpus."""

    words: Path
    examples: Path
    pairs: Path
    counts: Path
    scores: Sequence[Path]
    facts: Path | None = None
    lexicon: Path | None = None


class MeasuredCorpus(NamedTuple):
    """What was counted and scored of one corpus.

    Attributes:
        name: of the corpus.
        corpus: in words.
        examples: the table TaskExamples.
        pairs: the tables TaskGrams and TaskGramCounts side by side.
        scores: the tables OutputScores of every model, one below the other.
        facts: the table CorpusFacts of a generated corpus.
        lexicon: translations of each word, of a generated corpus.
    """

    name: str
    corpus: ngrams.Corpus
    examples: pd.DataFrame
    pairs: pd.DataFrame
    scores: pd.DataFrame
    facts: pd.DataFrame | None
    lexicon: Mapping[str, set[str]] | None

    @property
    def tests(self) -> pd.DataFrame:
        """The test examples by task and example."""
        tests = self.examples[self.examples["part"] == "test"]
        return tests.set_index(["task", "example"])

    @property
    def test_scores(self) -> pd.DataFrame:
        """Scores of the networks on the test examples in their own wording."""
        scores = self.scores
        return scores[(scores["wording"] == 0) & (scores["model"] != INFINITY)]

    @property
    def output_scores(self) -> pd.DataFrame:
        """Those of the true outputs."""
        return self.test_scores[self.test_scores["choice"] < 0]

    @property
    def infinity_scores(self) -> pd.DataFrame:
        """Scores of the infinity-gram."""
        return self.scores[self.scores["model"] == INFINITY]

    def rank_groups(self, task: str) -> dict[int, str]:
        """Frequency group by example; empty unless each example asks for a fact with a rank."""
        if self.facts is None or task not in TASKS or not TASKS[task].is_ranked:
            return {}
        ranks = self.facts["rank"] / len(self.facts)
        names = [group.name for group in RANK_GROUPS]
        groups = pd.cut(ranks, [0.0, *(group.end for group in RANK_GROUPS)], labels=names)
        return dict(zip(self.facts["fact"], groups.astype(str), strict=True))


def read(name: str, paths: CorpusPaths) -> MeasuredCorpus:
    """What was counted and scored of the corpus `name`."""
    lexicon = None
    if paths.lexicon:
        lexicon = tables.read(paths.lexicon).groupby("source")["target"].agg(set).to_dict()
    return MeasuredCorpus(
        name=name,
        corpus=ngrams.Corpus.open(paths.words),
        examples=tables.read(paths.examples),
        pairs=tables.read(paths.pairs).join(tables.read(paths.counts)),
        scores=pd.concat([tables.read(path) for path in paths.scores], ignore_index=True),
        facts=tables.read(paths.facts) if paths.facts else None,
        lexicon=lexicon,
    )
