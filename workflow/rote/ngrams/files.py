"""Counts of a table of pairs, whole or per part of the corpus, as Parquet files that say what they
counted.

Counts of disjoint shards add up. Every file names its corpus, its list of queries and the shards
that it has seen, so parts of different countings are never added, and none twice.
"""

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rote.core.errors import InputError
from rote.core.tables import atomic
from rote.ngrams.corpus import Corpus
from rote.ngrams.counting import queries, scan

_ABOUT = b"rote.ngrams"
COUNTED = [
    "pair_documents",
    "first_occurrences",
    "first_documents",
    "second_occurrences",
    "second_documents",
]


def read_pairs(path: Path) -> tuple[pd.DataFrame, str, str]:
    """A table of pairs (Parquet, CSV or JSON lines) and the names of its two columns of n-grams.

    These are `first` and `second`, or the table's only two columns. n-grams are texts or lists of
    token ids.

    Raises:
        InputError: for a file that cannot be read, or columns that are not there.
    """
    readers = {
        ".csv": pd.read_csv,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
        ".parquet": pd.read_parquet,
    }
    if path.suffix not in readers:
        raise InputError(f"{path}: pairs must be a .parquet, .csv or .jsonl file")
    try:
        frame = readers[path.suffix](path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (ValueError, pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from error
    names = [str(name) for name in frame.columns]
    chosen = ["first", "second"] if {"first", "second"} <= set(names) else names
    if len(chosen) != 2:
        raise InputError(
            f"{path}: needs the columns first and second (or just two), it has {', '.join(names)}"
        )
    return frame, chosen[0], chosen[1]


def count_table(
    corpus: Corpus,
    firsts: Sequence,
    seconds: Sequence,
    *,
    window: int | None = None,
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
    part: tuple[int, int] = (0, 1),
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Counts of pairs and of their single n-grams: columns `COUNTED`, and what a file of them says
    about itself.

    Args:
        window: the first column then holds occurrences of the first n-gram near the second, see
            `scan`.
        part: (i, k) counts in the shards i, i + k, i + 2 k, ... only.

    Raises:
        InputError: for a part that does not exist or a pair that cannot be read.
    """
    number, parts = part
    if not 0 <= number < parts:
        raise InputError(f"part {number} of {parts} does not exist; parts are numbered from 0")
    wanted = queries(corpus, pairs=zip(firsts, seconds, strict=True), stop_words=stop_words)
    shards = list(range(number, len(corpus.shards), parts))
    found = scan(corpus, wanted, window=window, shards=shards, threads=threads, progress=progress)
    columns = [found.pairs]
    for side in wanted.pairs.T:
        columns += [np.append(found.occurrences, 0)[side], np.append(found.documents, 0)[side]]
    about = {
        "corpus": corpus.digest,
        "queries": wanted.checksum,
        "window": window,
        "shards": shards,
        "of_shards": len(corpus.shards),
        "documents": corpus.documents,
    }
    return pd.DataFrame(dict(zip(COUNTED, columns, strict=True))), about


def write_counts(path: Path, frame: pd.DataFrame, about: dict[str, Any]) -> None:
    """Write a table with counts, whole or not at all."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _ABOUT: json.dumps(about, sort_keys=True)}
    with atomic(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def add_up(paths: Sequence[Path]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Sum of the counts of disjoint parts.

    Raises:
        InputError: for parts of different countings, shards counted twice, or shards that are
            missing.
    """
    total, about = None, {}
    for path in paths:
        try:
            table = pq.read_table(path)
        except (FileNotFoundError, pa.ArrowInvalid) as error:
            raise InputError(f"{path} is not a whole Parquet file ({error})") from error
        own = json.loads((table.schema.metadata or {}).get(_ABOUT, b"{}"))
        if not own:
            raise InputError(f"{path} holds no counts of `rote ngrams count`")
        frame = table.to_pandas()
        if total is None:
            total, about = frame, own
            continue
        for key, what in (
            ("corpus", "another corpus"),
            ("queries", "other pairs"),
            ("window", "another window"),
        ):
            if own[key] != about[key]:
                raise InputError(
                    f"{path} was counted with {what} than {paths[0]}; parts must be of one counting"
                )
        if twice := set(own["shards"]) & set(about["shards"]):
            raise InputError(f"{path} counts shard {min(twice)} once more; give every part once")
        total[COUNTED] += frame[COUNTED]
        about["shards"] = sorted([*about["shards"], *own["shards"]])
    if missing := set(range(about["of_shards"])) - set(about["shards"]):
        raise InputError(
            f"shard {min(missing)} is in none of the parts ({len(missing)} of "
            f"{about['of_shards']} missing)"
        )
    return total, about
