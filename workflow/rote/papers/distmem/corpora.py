"""Corpora as files: generated documents, and every corpus as two streams of tokens."""

import json
from pathlib import Path

import pandas as pd

from rote import ngrams
from rote.core.errors import InputError
from rote.core.job import meter
from rote.core.tables import atomic
from rote.papers.distmem.settings import DistmemStudy
from rote.readers import text


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
    return pd.DataFrame([row for _, row in text.objects(path)])


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
    options = ngrams.CorpusOptions(strict=True, filled=True)
    _tokenize(words, corpus, ngrams.Analyser(), options)
    _tokenize(tokens, corpus, ngrams.Analyser("whitespace"), options)


def tokenize_study(study: DistmemStudy, words: Path, tokens: Path) -> None:
    """Tokenize the corpus of a study: in words to count, and as its first model reads it.

    Args:
        words, tokens: folders to write.

    Raises:
        InputError: if the study names no corpus.
    """
    texts = with_corpus(study).corpus
    model = study.models[0].partition("@")[0]
    options = ngrams.CorpusOptions(
        column=study.column, split="blank", shard_tokens=study.shard_tokens, filled=True
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
