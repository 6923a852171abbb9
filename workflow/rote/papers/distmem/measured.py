"""What was counted and scored of one corpus."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.papers.distmem import overlap
from rote.papers.distmem.infinity import INFINITY
from rote.papers.distmem.tasks import RANK_GROUPS, TASKS, TEST


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
        overlaps: which test outputs the corpus shares n-grams with, see `overlap.of_examples`.
    """

    name: str
    corpus: ngrams.Corpus
    examples: pd.DataFrame
    pairs: pd.DataFrame
    scores: pd.DataFrame
    facts: pd.DataFrame | None
    lexicon: Mapping[str, set[str]] | None
    overlaps: pd.DataFrame | None = None

    @property
    def tests(self) -> pd.DataFrame:
        """The test examples by task and example."""
        tests = self.examples[self.examples["part"] == TEST]
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

    @property
    def overlapping(self) -> dict[tuple[str, int], float]:
        """By task and example: whether the corpus holds an n-gram of the output, of the shortest
        gated length; NaN for a shorter output.
        """
        if self.overlaps is None:
            return {}
        rows = self.overlaps[self.overlaps["n"] == overlap.GATED_LENGTHS[0]]
        return rows.set_index(overlap.EXAMPLE)["overlapping"].to_dict()

    def lexicon_of(self, task: str) -> Mapping[str, set[str]] | None:
        """Translations of each word, if the task has them."""
        return self.lexicon if task in TASKS and TASKS[task].has_lexicon else None

    def rank_groups(self, task: str) -> dict[int, str]:
        """Frequency group by example; empty unless each example asks for a fact with a rank."""
        if self.facts is None or task not in TASKS or not TASKS[task].is_ranked:
            return {}
        ranks = self.facts["rank"] / len(self.facts)
        names = [group.name for group in RANK_GROUPS]
        groups = pd.cut(ranks, [0.0, *(group.end for group in RANK_GROUPS)], labels=names)
        return dict(zip(self.facts["fact"], groups.astype(str), strict=True))


def read(folder: Path, scores: Sequence[Path]) -> MeasuredCorpus:
    """What was counted and scored of a corpus.

    Args:
        folder: of the corpus, with the files that `sources.SourceCorpus.measured_files` names;
            facts and lexicon may be missing.
        scores: files of the table OutputScores.

    Raises:
        InputError: naming a file that is missing or not whole.
    """
    counts = tables.read(folder / "counts.parquet")
    facts, lexicon = folder / "facts.parquet", folder / "lexicon.parquet"
    corpus = ngrams.Corpus.open(folder / "words")
    examples = tables.read(folder / "examples.parquet")
    return MeasuredCorpus(
        name=folder.name,
        corpus=corpus,
        examples=examples,
        pairs=tables.read(folder / "pairs.parquet").join(counts),
        scores=pd.concat([tables.read(path) for path in scores], ignore_index=True),
        facts=tables.read(facts) if facts.exists() else None,
        lexicon=translations(lexicon) if lexicon.exists() else None,
        overlaps=overlap.of_examples(corpus, examples),
    )


def translations(path: Path) -> dict[str, set[str]]:
    """Translations of each word, from the table Lexicon."""
    return tables.read(path).groupby("source")["target"].agg(set).to_dict()
