"""Pair counts: documents that hold a key and its value, or a word and its translation."""

import tempfile
from pathlib import Path

import pandas as pd

from rote import ngrams
from rote.core import tables
from rote.papers.chain import plan, schema
from rote.papers.chain.documents import TEST
from rote.papers.chain.settings import Settings
from rote.papers.chain.worlds import WorldFolder, open_world


def count_pairs(options: Settings, worlds: Path) -> pd.DataFrame:
    """Documents with both n-grams of every pair, in the unpruned corpora: ChainPairCounts.

    Args:
        worlds: folder with a folder per world.
    """
    parts = []
    for spec in plan.worlds(options):
        world = open_world(worlds / spec.name)
        for replicate in range(options.world.replicates):
            pairs = _pairs(world, replicate)
            columns = {"world": world.name, "replicate": replicate}
            columns |= {name: pairs[name] for name in ("kind", "item", "pair")}
            columns |= _count(world.corpus_file(replicate), pairs)
            parts.append(tables.frame(schema.ChainPairCounts, columns))
    return pd.concat(parts, ignore_index=True)


def _pairs(world: WorldFolder, replicate: int) -> pd.DataFrame:
    """Each key with its value, each test item's pairs: columns kind, item, pair, first, second."""
    rows = [
        {"kind": "fact", "item": int(row.fact), "pair": 0, "first": row.key, "second": row.value}
        for row in world.facts(replicate).itertuples()
    ]
    for line in world.probes(replicate):
        if line["part"] == TEST:
            for number, (first, second) in enumerate(line["pairs"]):
                names = {"kind": line["kind"], "item": line["id"], "pair": number}
                rows.append(names | {"first": first, "second": second})
    return pd.DataFrame(rows)


def _count(corpus: Path, pairs: pd.DataFrame) -> dict:
    """Columns documents (that hold both n-grams of each pair) and total (documents in all)."""
    with tempfile.TemporaryDirectory(prefix="rote-chain-") as scratch:
        tokenized = ngrams.tokenize(
            corpus, Path(scratch) / "corpus", options=ngrams.CorpusOptions(strict=True)
        )
        ngram_pairs = list(pairs[["first", "second"]].itertuples(index=False, name=None))
        counts = ngrams.scan(tokenized, ngrams.queries(tokenized, pairs=ngram_pairs))
        return {"documents": counts.pairs, "total": tokenized.documents}
