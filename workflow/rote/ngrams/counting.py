"""Exact counts by a query-driven scan: the queries are hashed, the corpus streams past them once.

Memory is that of the queries and of one block of the corpus; no index is built and no other n-gram
is stored.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rote.core import fields
from rote.core.errors import InputError
from rote.ngrams import blocks, hashing
from rote.ngrams.blocks import Counts, DocumentBlock
from rote.ngrams.corpus import Corpus, NGram
from rote.ngrams.numbering import Queries, by_number, queries
from rote.ngrams.options import Progress, ScanOptions

BLOCK = 2**20  # tokens, at least
STATISTICS = ("occurrences", "documents")


def shards_to_read(corpus: Corpus, queries: Queries, options: ScanOptions) -> list[int]:
    """Numbers of the shards that a pass reads.

    Args:
        corpus: the queries' corpus.
        queries: what is counted.
        options: the shards that are read.

    Raises:
        InputError: for a shard that does not exist, queries of another corpus, or what is none of
            these.
    """
    fields.check_types(
        {"corpus": Corpus, "queries": Queries, "options": ScanOptions},
        {"corpus": corpus, "queries": queries, "options": options},
    )
    if queries.corpus != corpus.digest:
        raise InputError(f"queries must be those of {corpus.folder}, they are of another corpus")
    chosen = sorted(set(range(len(corpus.shards)) if options.shards is None else options.shards))
    if wrong := [number for number in chosen if number >= len(corpus.shards)]:
        raise InputError(
            f"shard {wrong[0]} does not exist: {corpus.folder} has {len(corpus.shards)}"
        )
    return chosen


def scan(
    corpus: Corpus,
    queries: Queries,
    *,
    window: int | None = None,
    options: ScanOptions = ScanOptions(),
    _base: np.uint64 | None = None,
) -> Counts:
    """Count all queries in one pass.

    Args:
        corpus: the queries' corpus.
        queries: what is counted.
        window: None counts documents that contain both n-grams of a pair; a number counts
            occurrences of the first whose start lies at most so many tokens from a start of the
            second in the same document.
        options: the shards that are read, threads and progress.
        _base: of every n-gram's hash; by default n-grams that fit into 64 bits are their own hash.

    Returns:
        The counts.

    Raises:
        InputError: for a negative window, a shard that does not exist, or queries of another
            corpus.
    """
    chosen = shards_to_read(corpus, queries, options)
    if window is not None:
        window = fields.check({"window": fields.COUNT}, {"window": window})["window"]
    tables = hashing.build_tables(queries, corpus.types, _base)
    n_grams = len(tables.rows)
    total = Counts(
        np.zeros(len(queries.pairs), np.int64),
        np.zeros(n_grams, np.int64),
        np.zeros(n_grams, np.int64),
    )

    def count(tokens: np.ndarray, offsets: np.ndarray, longest: int) -> Counts:
        limited = None if window is None else min(window, longest)
        return blocks.count(tokens, offsets, queries, tables, limited)

    add_blocks(total, count, blocks.split(corpus, chosen, block_size(queries)), options)
    return Counts(total.pairs, total.occurrences[tables.rows], total.documents[tables.rows])


def count(
    corpus: Corpus,
    ngrams: Iterable[NGram],
    *,
    statistic: str = "occurrences",
    stop_words: Collection[str] = (),
    threads: int = 1,
    progress: Progress | None = None,
) -> np.ndarray:
    """Occurrences of each n-gram, overlapping ones included, never across documents.

    Args:
        corpus: to count in.
        ngrams: as text, which the corpus's own analyser splits, or as token ids; of any lengths.
        statistic: `occurrences`, or `documents` that contain the n-gram.
        stop_words: units left out of corpus and n-grams first.
        threads, progress: see `ScanOptions`.

    Returns:
        (n-grams,) int64.

    Raises:
        InputError: naming the n-gram that cannot be read.
    """
    fields.check_types({"statistic": str}, {"statistic": statistic})
    fields.check_many({"ngrams": ngrams})
    if statistic not in STATISTICS:
        raise InputError(f"statistic must be occurrences or documents, given {statistic!r}")
    numbered = queries(corpus, singles=ngrams, stop_words=(stop_words, ()))
    options = ScanOptions(threads=threads, progress=progress)
    counts = scan(corpus, numbered, options=options)
    return by_number(getattr(counts, statistic), numbered.singles)


def count_pairs(
    corpus: Corpus,
    pairs: Iterable[tuple[NGram, NGram]],
    *,
    window: int | None = None,
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
    threads: int = 1,
    progress: Progress | None = None,
) -> np.ndarray:
    """Documents that contain both n-grams of each pair, anywhere and in any order.

    Args:
        corpus: to count in.
        pairs: two n-grams each, as text or token ids.
        window: occurrences of the first n-gram within so many tokens of the second are counted
            instead, see `scan`.
        stop_words: units left out first, for the first n-grams and for the second ones.
        threads, progress: see `ScanOptions`.

    Returns:
        (pairs,) int64.

    Raises:
        InputError: naming the pair that cannot be read.
    """
    numbered = queries(corpus, pairs=pairs, stop_words=stop_words)
    options = ScanOptions(threads=threads, progress=progress)
    return scan(corpus, numbered, window=window, options=options).pairs


def postings(
    corpus: Corpus,
    ngrams: Iterable[NGram],
    *,
    stop_words: Collection[str] = (),
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """Numbers of the documents that contain each n-gram, from one pass over the corpus.

    Args:
        corpus, ngrams, stop_words, progress: see `count`.

    Returns:
        For each n-gram ascending document numbers, int64.

    Raises:
        InputError: naming the n-gram that cannot be read.
    """
    fields.check_many({"ngrams": ngrams})
    progress = ScanOptions(progress=progress).progress
    numbered = queries(corpus, singles=ngrams, stop_words=(stop_words, ()))
    tables = hashing.build_tables(numbered, corpus.types)
    # number −1, a word that the corpus lacks, reads the last list, which stays empty
    parts: list[list[np.ndarray]] = [[np.empty(0, np.int64)] for _ in range(len(tables.rows) + 1)]
    first_document = 0
    for block in blocks.split(corpus, range(len(corpus.shards)), BLOCK):
        tokens, offsets = block.read()
        hits = blocks.find_hits(tokens, offsets, numbered, tables, None)
        block.shard.release()
        for number, row in enumerate(tables.rows):
            if hits.documents[row]:
                documents = hits.positions[hits.starts[row] : hits.starts[row + 1]]
                parts[number].append(first_document + documents.astype(np.int64))
        first_document += block.end - block.first
        if progress:
            progress(len(tokens))
    documents_of = [np.concatenate(pieces) for pieces in parts]
    return [documents_of[number] for number in numbered.singles]


def block_size(queries: Queries) -> int:
    """Tokens of a block, at least: more for many pairs, as each block visits every pair once.

    Args:
        queries: what is counted.
    """
    return int(min(max(BLOCK, 16 * len(queries.pairs)), 16 * BLOCK))


def add_blocks(
    sums: Sequence[np.ndarray],
    count: Callable[[np.ndarray, np.ndarray, int], Sequence[np.ndarray]],
    parts: Iterable[DocumentBlock],
    options: ScanOptions,
) -> None:
    """Add the counts of all blocks to the sums, in the order of the blocks.

    Args:
        sums: integers of any shapes; changed in place.
        count: (tokens, offsets, longest document) -> counts of a block, of the shapes of `sums`.
            Beyond the longest document a window changes nothing, and positions could overflow.
        parts: the blocks.
        options: threads and progress.
    """

    def count_block(block: DocumentBlock) -> tuple[Sequence[np.ndarray], int]:
        tokens, offsets = block.read()
        counts = count(tokens, offsets, int(np.diff(offsets).max(initial=0)))
        block.shard.release()
        return counts, len(tokens)

    with ThreadPoolExecutor(options.threads) as pool:
        for counts, n_tokens in in_turn(pool, count_block, parts, options.threads):
            for total, counted in zip(sums, counts, strict=True):
                total += counted
            if options.progress:
                options.progress(n_tokens)


def in_turn(pool: ThreadPoolExecutor, work: Callable, items: Iterable, threads: int) -> Iterator:
    """Results in order, with only a few items under way.

    Args:
        pool: of threads.
        work: done on every item.
        items: in order.
        threads: items under way at once.
    """
    waiting: list = []
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > threads:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()
