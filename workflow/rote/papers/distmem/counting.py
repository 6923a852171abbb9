"""Counts of pairs of n-grams in a corpus, whole or in parts."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.core.errors import InputError
from rote.ngrams import passes
from rote.ngrams.files import COUNTED
from rote.ngrams.numbering import by_number
from rote.papers.distmem import mining, schema
from rote.papers.distmem.settings import DistmemAnalysis


def count(
    corpus: ngrams.Corpus,
    pairs: pd.DataFrame,
    options: DistmemAnalysis,
    scan: ngrams.ScanOptions = ngrams.ScanOptions(),
) -> pd.DataFrame:
    """The table TaskGramCounts, row by row of TaskGrams.

    Input n-grams are counted in the stream without stop words where these apply.

    Args:
        corpus: in words.
        pairs: the table TaskGrams.
        options: its stop words and windows.
        scan: the shards that are read, threads and progress.
    """
    counts = np.zeros((len(pairs), len(COUNTED)), np.int64)
    in_windows = np.zeros((len(pairs), len(options.windows)), np.int64)
    kinds, rows = [], []
    for n, positions in pairs.groupby("n").indices.items():
        of_length = pairs.iloc[positions]
        kinds.append(
            ngrams.queries(
                corpus,
                pairs=zip(of_length["input_gram"], of_length["output_gram"], strict=True),
                stop_words=(mining.stop_words(options, n), ()),
            )
        )
        rows.append(positions)
    if kinds:  # all lengths and windows in one pass over the corpus
        queries = passes.join(kinds)
        counted = passes.scan_windows(corpus, queries, options.windows, scan)
        columns = [counted.documents.pairs]
        for gram in queries.pairs.T:
            columns.append(by_number(counted.documents.occurrences, gram))
            columns.append(by_number(counted.documents.documents, gram))
        order = np.concatenate(rows)
        counts[order] = np.column_stack(columns)
        in_windows[order] = counted.windows
    columns = dict(zip(COUNTED, counts.T, strict=True))
    return tables.frame(schema.TaskGramCounts, columns | {"window_occurrences": list(in_windows)})


def checksum(pairs: pd.DataFrame) -> str:
    """Names a list of pairs: counts of another list must never be put beside it."""
    columns = ["n", "input_gram", "output_gram"]
    return sha256(pairs[columns].to_csv(index=False).encode()).hexdigest()[:32]


def part_record(pairs: pd.DataFrame, scan: ngrams.ScanOptions) -> dict[str, Any]:
    """What the provenance of a part says of it: the pairs and the shards that it counted."""
    return {"queries": checksum(pairs), "shards": list(scan.shards or ())}


def total(parts: Sequence[Path], pairs: Path) -> pd.DataFrame:
    """Sum of the counts of all parts of a corpus, as the table TaskGramCounts.

    Args:
        parts: files of `count`, with the provenance of `part_record`.
        pairs: file of the table TaskGrams that they counted.

    Raises:
        InputError: naming a part that counted other pairs, or a shard for the second time.
    """
    queries = checksum(tables.read(pairs))
    shards = set()
    counts = 0
    in_windows = 0
    for path in parts:
        record = tables.provenance(path)
        frame = tables.read(path)
        if record["queries"] != queries:
            raise InputError(f"{path} counted other pairs than {pairs} holds; count again")
        if repeated := shards & set(record["shards"]):
            raise InputError(f"{path} counts shard {min(repeated)} once more")
        shards |= set(record["shards"])
        counts = counts + frame[COUNTED].to_numpy()
        in_windows = in_windows + np.array(frame["window_occurrences"].tolist(), dtype=np.int64)
    columns = dict(zip(COUNTED, counts.T, strict=True))
    return tables.frame(schema.TaskGramCounts, columns | {"window_occurrences": list(in_windows)})
