"""Which test outputs share n-grams with the corpus: the audit, and the gate of generated tasks."""

import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.core.errors import InputError
from rote.papers.distmem import schema
from rote.papers.distmem.tasks import TASKS, TEST

GATED_LENGTHS = (8, 14)  # words; the paper's, of its decontamination
AUDITED_LENGTHS = (schema.WHOLE_OUTPUT, *GATED_LENGTHS)
EXAMPLE = ["task", "example"]


def of_examples(corpus: ngrams.Corpus, examples: pd.DataFrame) -> pd.DataFrame:
    """Whether an n-gram of an example's output stands in the corpus, from one pass over it.

    Args:
        corpus: in words.
        examples: the table TaskExamples, of which the tests are looked up.

    Returns:
        Columns task, example, n (of `AUDITED_LENGTHS`), overlapping: 1, 0, or NaN where the output
        is shorter than n and so has no such n-gram.
    """
    tests = examples[examples["part"] == TEST]
    rows = []
    grams: list = []
    owners: list[int] = []
    for example in tests.itertuples():
        units = corpus.split(example.output)
        for n in AUDITED_LENGTHS:
            length = n or len(units)
            is_long_enough = 0 < length <= len(units)
            for first in range(len(units) - length + 1) if is_long_enough else ():
                grams.append(units[first : first + length])
                owners.append(len(rows))
            rows.append((example.task, example.example, n, float(is_long_enough) - 1))
    frame = pd.DataFrame(rows, columns=[*EXAMPLE, "n", "overlapping"])
    texts = [gram if corpus.analyser.gives_ids else " ".join(gram) for gram in grams]
    occurrences = ngrams.count(corpus, texts)
    stands = pd.Series(occurrences > 0).groupby(owners).any()
    frame.loc[stands.index, "overlapping"] += stands
    return frame.assign(overlapping=frame["overlapping"].where(frame["overlapping"] >= 0))


def audit(source: str, overlaps: pd.DataFrame) -> pd.DataFrame:
    """The table Audit.

    Args:
        source: name of the corpus.
        overlaps: of `of_examples`.
    """
    groups = overlaps.groupby(["task", "n"], sort=False)["overlapping"]
    counts = groups.agg(examples="size", long_enough="count", overlapping="sum").reset_index()
    counts["overlapping"] = counts["overlapping"].astype(int)
    return tables.frame(schema.Audit, dict(counts) | {"source": source})


def check(audited: pd.DataFrame) -> None:
    """The gate: raises InputError if a generated task that is held out shares what it must not.

    Args:
        audited: the table Audit of a generated corpus.
    """
    for task in TASKS.values():
        lengths = [schema.WHOLE_OUTPUT] if task.has_known_parts else AUDITED_LENGTHS
        rows = audited[(audited["task"] == task.name) & audited["n"].isin(lengths)]
        leaks = rows[rows["overlapping"] > 0]
        if task.is_held_out and len(leaks):
            row = leaks.iloc[0]
            raise InputError(
                f"{row['source']}: {row['overlapping']} of {row['examples']} test outputs of "
                f"{task.name} share {row['n'] or 'all their'} words with the corpus, which holds "
                "them out; generate the corpus again"
            )
