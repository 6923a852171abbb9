"""The corpora of a run: generated ones, and those of studies of pretrained models."""

from dataclasses import dataclass

import pandas as pd

from rote.papers.distmem import published
from rote.papers.distmem.families import trained
from rote.papers.distmem.settings import STUDIES, DistmemAnalysis, DistmemStudy, Settings

COUNTED_FILES = ("words", "examples.parquet", "pairs.parquet", "counts.parquet")
KNOWN_FILES = ("facts.parquet", "lexicon.parquet")  # of generated corpora
GENERATED_FILES = ("corpus.jsonl", "examples.parquet", *KNOWN_FILES)


@dataclass(frozen=True)
class SourceCorpus:
    """A corpus, and the models that were trained on it.

    Attributes:
        name: in paths and tables.
        words: of the corpus, about.
        scores: names of the files of the models' scores.
        n_parts: jobs that count side by side.
        study: config section of a study; None for a generated corpus.
    """

    name: str
    words: float
    scores: tuple[str, ...]
    n_parts: int = 1
    study: DistmemStudy | None = None

    @property
    def is_generated(self) -> bool:
        """Whether its facts and lexicon are known."""
        return self.study is None

    def analysis(self, options: Settings) -> DistmemAnalysis:
        """How it is analysed: as the generated corpora are, or by the keys of its study."""
        return self.study.analysis(options.analysis) if self.study else options.analysis

    @property
    def measured_files(self) -> tuple[str, ...]:
        """What is counted and known of it, by the names in its folder."""
        return COUNTED_FILES + KNOWN_FILES if self.is_generated else COUNTED_FILES


def sources(options: Settings) -> dict[str, SourceCorpus]:
    """Every corpus by name: the generated ones, then the studies whose corpus is named."""
    names = [f"world{number}" for number in range(options.world.replicates)]
    corpora = {
        name: SourceCorpus(name, options.world.tokens, tuple(trained(options.ladder)))
        for name in names
    }
    for name in STUDIES:
        study: DistmemStudy = getattr(options, name)
        if study.corpus:
            words = published.words(study.corpus)
            scores = tuple(f"model{number}" for number in range(len(study.models)))
            corpora[name] = SourceCorpus(
                name=name, words=words, scores=scores, n_parts=study.parts, study=study
            )
    return corpora


def generated(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the generated corpora."""
    return table[~table["source"].isin(STUDIES)]
