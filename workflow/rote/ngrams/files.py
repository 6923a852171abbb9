"""Counts as Parquet files: of a table of pairs, whole or per part of the corpus, and of n-grams.

Counts of disjoint shards add up. A file of pairs names its corpus, its list of queries and the
shards that it counted, so parts of different countings are never added, and none twice.
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rote.core import fields
from rote.core.errors import InputError
from rote.core.files import one_line
from rote.core.tables import export, write_with_metadata
from rote.ngrams.corpus import Corpus
from rote.ngrams.counting import scan
from rote.ngrams.full import NGramTable
from rote.ngrams.numbering import by_number, queries
from rote.ngrams.options import ScanOptions
from rote.readers import table

_ORIGIN = b"rote.ngrams"  # key of the origin in a file's metadata
_SINGLES = [
    "first_occurrences",
    "first_documents",
    "second_occurrences",
    "second_documents",
]
COUNTED = ["pair_documents", *_SINGLES]
COUNTED_WITHIN = ["pair_occurrences", *_SINGLES]  # with a window
_DIFFERENCES = {"corpus": "another corpus", "queries": "other pairs", "window": "another window"}


class Pairs(NamedTuple):
    """A table of pairs of n-grams."""

    frame: pd.DataFrame
    first: str  # column of the first n-grams: texts, or lists of token ids
    second: str  # column of the second ones


class PairCounts(NamedTuple):
    """Counts of pairs and where they come from."""

    # the columns `COUNTED` or `COUNTED_WITHIN`, and in a file those of the pairs
    frame: pd.DataFrame
    origin: dict[str, Any]  # corpus, queries, window, shards, number of all shards and documents

    @property
    def summary(self) -> str:
        """Its size in words: `3 pairs, 2 of them in a document`, or within the window."""
        together = int((self.frame[counted(self.origin["window"])[0]] > 0).sum())
        where = "in a document" if self.origin["window"] is None else "within the window"
        return f"{len(self.frame)} pairs, {together} of them {where}"


def counted(window: int | None) -> list[str]:
    """Columns of counts, see `count_table`; the first is named for what it counts.

    Args:
        window: of the counting; None counts documents of pairs.
    """
    return COUNTED if window is None else COUNTED_WITHIN


def read_pairs(path: Path) -> Pairs:
    """A table of pairs from Parquet, CSV or JSON lines.

    The columns of n-grams are `first` and `second`, or the table's only two. Nothing is taken for a
    number or for missing in them: 2020, 007, null, NA and nan are words. Other columns of a CSV
    file stay text, too, unless every value is written as a whole number is.

    Args:
        path: of a table, see `rote.readers.table`.

    Returns:
        The whole table, and the names of its columns of n-grams.

    Raises:
        InputError: for a file that cannot be read, or columns that are not there.
    """
    frame = table.read(path)
    chosen = _columns(frame)
    if len(chosen) != 2:
        names = ", ".join(map(str, frame.columns))
        raise InputError(
            f"{path}: needs the columns first and second (or just two), it has {names}"
        )
    columns: dict[str, Any] = {}
    for name in chosen:
        values = enumerate(frame[name].tolist())
        columns[name] = [_ngram(one, f"{path}, {name}, row {row}") for row, one in values]
    for name in set(frame.columns) - set(chosen):
        columns[name] = table.whole_numbers(frame[name])
    return Pairs(frame.assign(**columns), chosen[0], chosen[1])


def _ngram(one: Any, where: str) -> Any:
    """Token ids as they are, anything else as the text that it must be."""
    return one if isinstance(one, list | tuple | np.ndarray) else table.as_text(one, where)


def _columns(frame: pd.DataFrame) -> list[str]:
    names = [str(name) for name in frame.columns]
    return ["first", "second"] if {"first", "second"} <= set(names) else names


def shards_of(corpus: Corpus, part: tuple[int, int]) -> list[int]:
    """Numbers of the shards of a part.

    Args:
        corpus: whose shards they are.
        part: (i, k): the shards i, i + k, i + 2 k, ...

    Raises:
        InputError: unless 0 ≤ i < k.
    """
    number, parts = part
    if not 0 <= number < parts:
        raise InputError(f"part {number} of {parts} does not exist; parts are numbered from 0")
    return list(range(number, len(corpus.shards), parts))


def tokens_of(corpus: Corpus, part: tuple[int, int]) -> int:
    """Number of tokens in a part of a corpus, see `shards_of`."""
    return sum(len(corpus.shards[number].tokens) for number in shards_of(corpus, part))


def count_table(
    corpus: Corpus,
    firsts: Sequence,
    seconds: Sequence,
    *,
    window: int | None = None,
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
    options: ScanOptions = ScanOptions(),
) -> PairCounts:
    """Counts of pairs and of their single n-grams.

    Args:
        corpus: to count in.
        firsts, seconds: the n-grams of the pairs, as text or token ids.
        window: the first column, `pair_occurrences`, then counts occurrences of the first n-gram
            within so many tokens of the second, see `scan`; without, `pair_documents`, documents.
        stop_words: left out for the first n-grams and for the second ones.
        options: the shards that are read (of a part: `shards_of`), threads and progress.

    Returns:
        One row per pair, the columns `counted(window)`.

    Raises:
        InputError: for a shard that does not exist, a negative window, more firsts than seconds, or
            fewer, and as `queries`.
    """
    fields.check_many({"firsts": firsts, "seconds": seconds})
    firsts, seconds = list(firsts), list(seconds)
    if len(firsts) != len(seconds):
        raise InputError(f"{len(firsts)} firsts do not pair with {len(seconds)} seconds")
    numbered = queries(corpus, pairs=zip(firsts, seconds, strict=True), stop_words=stop_words)
    counts = scan(corpus, numbered, window=window, options=options)
    shards = range(len(corpus.shards)) if options.shards is None else options.shards
    columns = [counts.pairs]
    for side in numbered.pairs.T:
        columns += [by_number(counts.occurrences, side), by_number(counts.documents, side)]
    origin = {
        "corpus": corpus.digest,
        "queries": numbered.checksum,
        "window": window,
        "shards": sorted(set(shards)),
        "of_shards": len(corpus.shards),
        "documents": corpus.documents,
    }
    return PairCounts(pd.DataFrame(dict(zip(counted(window), columns, strict=True))), origin)


def count_beside(corpus: Corpus, pairs: Pairs, **keywords: Any) -> PairCounts:
    """The whole table of pairs with their counts beside it, in place of those it may have.

    Args:
        corpus: to count in.
        pairs: of n-grams.
        **keywords: of `count_table`.

    Raises:
        InputError: as `count_table`, and for columns of n-grams that have the name of a count.
    """
    earlier = [*COUNTED, *COUNTED_WITHIN]
    for name in (pairs.first, pairs.second):
        if name in earlier:
            raise InputError(f"the column {name} of n-grams has the name of a count; call it first")
    firsts, seconds = pairs.frame[pairs.first], pairs.frame[pairs.second]
    counts, origin = count_table(corpus, firsts, seconds, **keywords)
    columns = {name: values.to_numpy() for name, values in counts.items()}  # row by row
    frame = pairs.frame.drop(columns=earlier, errors="ignore").assign(**columns)
    return PairCounts(frame, origin)


def write_ngrams(path: Path, corpus: Corpus, table: NGramTable) -> None:
    """Write n-grams as text (without words, as ids) with their counts, most frequent first.

    Args:
        path: of a .parquet, .csv or .json file; its columns are ngram and count.
        corpus: whose words the ids stand for.
        table: n-grams and counts.
    """
    ranked = table.top(len(table.counts))
    word = corpus.words.__getitem__ if corpus.words else str
    grams = [" ".join(map(word, ids)) for ids in ranked.ngrams.tolist()]
    frame = pd.DataFrame({"ngram": grams, "count": ranked.counts})
    export(path, frame)


def write_counts(path: Path, counts: PairCounts) -> None:
    """Write a table with counts, whole or not at all; with their origin if it is a Parquet file.

    Args:
        path: of a .parquet, .csv or .json file; only what Parquet holds can be added up.
        counts: of pairs, and where they come from.
    """
    if path.suffix.lower() != ".parquet":
        export(path, counts.frame)
        return
    table = pa.Table.from_pandas(counts.frame, preserve_index=False)
    write_with_metadata(path, table, {_ORIGIN: counts.origin})


def read_counts(path: Path) -> PairCounts:
    """A table that `write_counts` wrote, with its origin.

    Args:
        path: of the Parquet file.

    Raises:
        InputError: for any other file.
    """
    with one_line(path, "is not a whole Parquet file", "count again"):
        stored = pq.ParquetFile(path).read()
        frame = stored.to_pandas()
        origin = json.loads((stored.schema.metadata or {}).get(_ORIGIN, b"{}"))
    if not origin:
        raise InputError(f"{path} holds no counts of `rote ngrams count`")
    return PairCounts(frame, origin)


def add_up(paths: Sequence[Path]) -> PairCounts:
    """Sum of the counts of disjoint parts.

    Args:
        paths: one file or more, which `write_counts` wrote.

    Raises:
        InputError: for parts of different countings, shards counted twice, or shards that are
            missing.
    """
    total, origin = read_counts(paths[0])
    for path in paths[1:]:
        part = read_counts(path)
        for key, difference in _DIFFERENCES.items():
            if part.origin[key] != origin[key]:
                raise InputError(
                    f"{path} was counted with {difference} than {paths[0]}; "
                    "parts must be of one counting"
                )
        if twice := set(part.origin["shards"]) & set(origin["shards"]):
            raise InputError(f"{path} counts shard {min(twice)} once more; give every part once")
        columns = counted(origin["window"])
        total[columns] += part.frame[columns]
        origin["shards"] = sorted([*origin["shards"], *part.origin["shards"]])
    if missing := set(range(origin["of_shards"])) - set(origin["shards"]):
        raise InputError(
            f"shard {min(missing)} is in none of the parts "
            f"({len(missing)} of {origin['of_shards']} missing)"
        )
    return PairCounts(total, origin)
