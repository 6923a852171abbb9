"""Corpora as files: generated documents, and every corpus as two streams of tokens."""

import json
import re
from itertools import islice
from pathlib import Path

import pandas as pd

from rote import ngrams
from rote.core.errors import InputError
from rote.core.job import meter
from rote.core.tables import atomic
from rote.data import corpora as data
from rote.papers.distmem.settings import DistmemStudy
from rote.readers import table, text

LINK = re.compile(r"https?://\S+$|s3://\S+$")
LOOKED_AT = 20  # documents, before a corpus is tokenized


def write(path: Path, documents: pd.DataFrame) -> None:
    """Write documents as JSON lines: id, kind, fact, entity, text.

    Args:
        documents: of `rote.synth.pretraining.PretrainingWorld`.
    """
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for number, row in enumerate(documents.itertuples()):
            record = {
                "id": number,
                "kind": row.kind,
                "fact": row.fact,
                "entity": row.entity,
                "text": row.text,
            }
            file.write(json.dumps(record) + "\n")


def read(path: Path) -> pd.DataFrame:
    """What `write` wrote. Raises InputError naming the line that is damaged."""
    return pd.DataFrame([row for _, row in text.objects(path, table.MAX_BYTES)])


def with_corpus(study: DistmemStudy) -> DistmemStudy:
    """The study. Raises InputError if it names no corpus."""
    if not study.corpus:
        raise InputError(
            "--settings has no corpus: name the one that the study's models were trained on"
        )
    return study


def tokenize_generated(corpus: Path, words: Path, tokens: Path) -> None:
    """Tokenize a generated corpus: in words to count, and as its networks read it.

    Args:
        corpus: of `write`.
        words, tokens: folders to write.
    """
    options = ngrams.CorpusOptions(strict=True)
    _tokenize(words, corpus, ngrams.Analyser(), options)
    _tokenize(tokens, corpus, ngrams.Analyser("whitespace"), options)


def refuse_links(texts: str, column: str) -> None:
    """Refuse a corpus whose documents are lists of links to what was meant.

    The listing of Dolma on the hub is one: its files name the shards, which are to be downloaded.

    Args:
        texts: the corpus, as `rote.data.corpora.documents` takes it.
        column: that holds the text.

    Raises:
        InputError: if the first documents hold links and nothing else.
    """
    documents = data.documents(texts, column, split="blank", strict=False)
    words = []
    for document in islice(documents, LOOKED_AT):
        words += document.text.split()
    if words and all(LINK.match(word) for word in words):
        raise InputError(
            f"corpus {texts}: its documents are lists of links, as {words[0]!r}, not text; "
            "download the files that they name, and give their folder"
        )


def tokenize_study(study: DistmemStudy, words: Path, tokens: Path) -> None:
    """Tokenize the corpus of a study: in words to count, and as its first model reads it.

    Args:
        words, tokens: folders to write.

    Raises:
        InputError: if the study names no corpus.
    """
    texts = with_corpus(study).corpus
    model = study.models[0].partition("@")[0]
    if study.tokens:
        # counted in the tokens of those who tokenized it, which stay where they are
        options = ngrams.IndexOptions(tokenizer=model, end=study.end_token)
        for out in (words, tokens):
            ngrams.index_tokens(study.tokens, out, options)
        return
    refuse_links(texts, study.column)
    options = ngrams.CorpusOptions(
        column=study.column, split="blank", shard_tokens=study.shard_tokens
    )
    _tokenize(words, texts, ngrams.Analyser(), options)
    _tokenize(tokens, texts, ngrams.Analyser("token", tokenizer=model), options)


def _tokenize(
    out: Path, texts: Path | str, analyser: ngrams.Analyser, options: ngrams.CorpusOptions
) -> None:
    if out.exists() and not any(out.iterdir()):
        out.rmdir()
    with meter(out.name, "tokens") as progress:
        ngrams.tokenize(texts, out, analyser, options, progress.reached)
