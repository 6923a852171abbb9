"""`rote ngrams <verb>`: for anyone with a corpus."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from rote.core import job
from rote.core.errors import InputError

app = typer.Typer(
    name="ngrams",
    no_args_is_help=True,
    add_completion=False,
    help="Tokenize a corpus once, then count n-grams, and documents in which two of them occur, "
    "exactly.",
)
log = logging.getLogger("rote")

Folder = Annotated[
    Path, typer.Option("--corpus", help="Folder of a tokenized corpus.", metavar="DIR")
]
Threads = Annotated[int, typer.Option(help="Blocks counted side by side.", min=1)]


@app.command()
def tokenize(
    texts: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, hf: or stream:<data set>.")
    ],
    out: Annotated[Path, typer.Option(help="Write: the corpus, a new folder.", metavar="DIR")],
    unit: Annotated[
        str, typer.Option(help="What is counted: word, whitespace, character or token.")
    ] = "word",
    tokenizer: Annotated[
        str, typer.Option(help="With --unit token: a Hugging Face id or folder.")
    ] = "",
    case: Annotated[bool, typer.Option("--case", help="Keep upper and lower case apart.")] = False,
    stop_words: Annotated[
        str, typer.Option(help="Words left out of corpus and queries, by commas.")
    ] = "",
    column: Annotated[str, typer.Option(help="Column or key that holds the text.")] = "text",
    split: Annotated[
        str, typer.Option(help="A document of a .txt: the file, a line, or a blank-line block.")
    ] = "file",
    strict: Annotated[bool, typer.Option("--strict", help="Fail on what cannot be read.")] = False,
    errors: Annotated[
        str | None, typer.Option(help="Bytes that are not UTF-8: strict or replace.")
    ] = None,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Count a repeated document once.")
    ] = False,
    shard_tokens: Annotated[int, typer.Option(help="Tokens of a shard.", min=1)] = 2**30,
):
    """Tokenize texts into a corpus folder."""
    from rote import ngrams

    words = tuple(word for word in stop_words.replace(",", " ").split() if word)
    analyser = ngrams.Analyser(unit, case, words, tokenizer)
    with job.start("ngrams tokenize"), job.meter("tokenize", "tokens") as meter:
        corpus = ngrams.tokenize(
            texts,
            out,
            analyser=analyser,
            column=column,
            split=split,
            strict=strict,
            errors=errors,
            distinct=distinct,
            shard_tokens=shard_tokens,
            progress=meter.reached,
        )
    about = corpus.about
    log.info(
        "%s: %d documents, %d tokens, %d types, %d shards",
        out,
        corpus.documents,
        corpus.tokens,
        corpus.types,
        len(corpus.shards),
    )
    odd = {**about["problems"], "without tokens": about["empty"], "repeated": about["duplicates"]}
    for kind, number in odd.items():
        if number:
            log.warning("%d documents: %s", number, kind)


@app.command()
def count(
    corpus: Folder,
    pairs: Annotated[
        Path, typer.Option(help="Columns first and second: texts or token ids.", metavar="TABLE")
    ],
    out: Annotated[Path, typer.Option(help="Write: the table with counts.", metavar="PARQUET")],
    window: Annotated[
        int | None, typer.Option(help="Count near occurrences, within so many tokens.", min=0)
    ] = None,
    first_stop_words: Annotated[
        str, typer.Option(help="Words left out for the first n-grams, by commas.")
    ] = "",
    second_stop_words: Annotated[str, typer.Option(help="The same for the second ones.")] = "",
    part: Annotated[
        str, typer.Option(help="i/k: count in every k-th shard from the i-th on (from 0).")
    ] = "0/1",
    threads: Threads = 1,
):
    """Count, for each pair, the documents that hold both n-grams, and each n-gram alone."""
    from rote import ngrams
    from rote.ngrams import files

    try:
        number, parts = (int(piece) for piece in part.split("/"))
    except ValueError as error:
        raise InputError(f"--part must be i/k, e.g. 0/4, given {part!r}") from error
    frame, first, second = files.read_pairs(pairs)
    opened = ngrams.Corpus.open(corpus)
    stop_words = tuple(
        words.replace(",", " ").split() for words in (first_stop_words, second_stop_words)
    )
    total = sum(len(shard.tokens) for shard in opened.shards[number::parts]) if parts > 0 else 0
    with job.start("ngrams count", threads=threads), job.meter("count", "tokens", total) as meter:
        counts, about = files.count_table(
            opened,
            frame[first],
            frame[second],
            window=window,
            stop_words=stop_words,
            part=(number, parts),
            threads=threads,
            progress=meter.advance,
        )
        files.write_counts(
            out, frame.drop(columns=files.COUNTED, errors="ignore").join(counts), about
        )
    log.info(
        "%s: %d pairs, %d of them in a document",
        out,
        len(frame),
        int((counts["pair_documents"] > 0).sum()),
    )


@app.command("sum")
def add_up(
    parts: Annotated[list[Path], typer.Argument(help="Counts of every part of one counting.")],
    out: Annotated[Path, typer.Option(help="Write: their sum.", metavar="PARQUET")],
):
    """Add up the counts of disjoint parts of a corpus, all parts of one counting."""
    from rote.ngrams import files

    files.write_counts(out, *files.add_up(parts))
    log.info("%s: the sum of %d parts", out, len(parts))


@app.command()
def table(
    corpus: Folder,
    n: Annotated[int, typer.Option(help="Length of the n-grams.", min=1)],
    out: Annotated[
        Path,
        typer.Option(help="Write: n-grams and counts, most frequent first.", metavar="PARQUET"),
    ],
    least: Annotated[int, typer.Option(help="Leave out what occurs less often.", min=1)] = 1,
):
    """Count every n-gram of a corpus."""
    import pandas as pd

    from rote import ngrams
    from rote.core import tables

    with job.start("ngrams table"):
        opened = ngrams.Corpus.open(corpus)
        found = ngrams.table(opened, n, least=least)
        found = found.top(len(found.counts))
        words = opened.words
        grams = [
            " ".join(words[i] for i in row) if words else " ".join(map(str, row))
            for row in found.ngrams.tolist()
        ]
        with tables.atomic(out) as temporary:
            pd.DataFrame({"ngram": grams, "count": found.counts}).to_parquet(temporary, index=False)
    log.info("%s: %d distinct %d-grams", out, len(found.counts), n)


@app.command()
def probability(
    corpus: Folder,
    context: Annotated[str, typer.Argument(help="What precedes.")],
    token: Annotated[str, typer.Argument(help="The next token.")],
):
    """∞-gram probability of a token after the longest part of a context that occurs in the corpus."""
    from rote import ngrams

    found = ngrams.InfinityGram(ngrams.Corpus.open(corpus)).after(context, token)
    typer.echo(
        f"{found.probability:.6g} ({found.followed} of {found.occurrences}, context of "
        f"{found.context})"
    )
