"""`rote ngrams <verb>`: for anyone with a corpus."""

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rote.core import job
from rote.core.errors import InputError
from rote.core.verbs import result

app = typer.Typer(
    name="ngrams",
    no_args_is_help=True,
    add_completion=False,
    help="Tokenize a corpus once, then count n-grams, "
    "and documents in which two of them occur, exactly.",
)
log = logging.getLogger("rote")

Folder = Annotated[
    Path, typer.Option("--corpus", help="Folder of a tokenized corpus.", metavar="DIR")
]
Threads = Annotated[int, typer.Option(help="Blocks counted side by side.", min=1)]


def _words(text: str) -> list[str]:
    """Words separated by commas or spaces."""
    return text.replace(",", " ").split()


def _part(text: str) -> tuple[int, int]:
    """(i, k) of "i/k". Raises InputError."""
    try:
        number, parts = map(int, text.split("/"))
    except ValueError as error:
        raise InputError(f"--part must be i/k, e.g. 0/4, given {text!r}") from error
    return number, parts


@app.command()
def tokenize(
    texts: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, hf: or stream:<data set>.")
    ],
    out: Annotated[Path, typer.Option(help="Write: the corpus, a new folder.", metavar="DIR")],
    unit: Annotated[
        Literal["word", "whitespace", "character", "token"], typer.Option(help="What is counted.")
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
        Literal["file", "line", "blank"],
        typer.Option(help="A document of a .txt: the file, a line, or what blank lines separate."),
    ] = "file",
    strict: Annotated[bool, typer.Option("--strict", help="Fail on what cannot be read.")] = False,
    errors: Annotated[
        Literal["strict", "replace"] | None, typer.Option(help="Bytes that are not UTF-8.")
    ] = None,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Count a repeated document once.")
    ] = False,
    shard_tokens: Annotated[int, typer.Option(help="Tokens of a shard.", min=1)] = 2**30,
):
    """Tokenize texts into a corpus folder."""
    from rote import ngrams

    options = ngrams.CorpusOptions(column, split, strict, errors, distinct, shard_tokens)
    analyser = ngrams.Analyser(unit, case, tuple(_words(stop_words)), tokenizer)
    with job.start("ngrams tokenize"), job.meter("tokenize", "tokens") as meter:
        corpus = ngrams.tokenize(map(Path, texts), out, analyser, options, meter.reached)
    log.info("%s: %s", out, corpus.summary)
    for irregularity, number in corpus.irregular.items():
        log.warning("%d documents: %s", number, irregularity)


@app.command()
def index(
    tokens: Annotated[
        str,
        typer.Argument(help=".bin with .idx, a memmap, .npy, infini-gram or saved data set."),
    ],
    out: Annotated[Path, typer.Option(help="Write: the corpus, a new folder.", metavar="DIR")],
    tokenizer: Annotated[
        str, typer.Option(help="Hugging Face id or folder; without, n-grams are token ids.")
    ] = "",
    end: Annotated[int, typer.Option(help="Id of the token that ends a document; -1: none.")] = -1,
    dtype: Annotated[
        Literal["uint16", "uint32"], typer.Option(help="Of a token in a flat file.")
    ] = "uint16",
    column: Annotated[str, typer.Option(help="Token column of a data set.")] = "input_ids",
):
    """Make a corpus of tokens that lie elsewhere, without copying them."""
    from rote import ngrams

    options = ngrams.IndexOptions(tokenizer, end, dtype, column)
    with job.start("ngrams index"):
        corpus = ngrams.index_tokens(tokens, out, options)
    log.info("%s: %s", out, corpus.summary)


@app.command()
def count(
    corpus: Folder,
    pairs: Annotated[
        Path, typer.Option(help="Columns first and second: texts or token ids.", metavar="TABLE")
    ],
    out: Annotated[Path, result("Write: the table with counts.")],
    window: Annotated[
        int | None,
        typer.Option(
            help="Count occurrences of the first within so many tokens of the second.", min=0
        ),
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
    """Count, for each pair, the documents that contain both n-grams, and each n-gram alone."""
    from rote import ngrams
    from rote.ngrams import files

    opened = ngrams.Corpus.open(corpus)
    stop_words = _words(first_stop_words), _words(second_stop_words)
    keywords: Any = {"window": window, "stop_words": stop_words}
    shards, total = files.shards_of(opened, _part(part)), files.tokens_of(opened, _part(part))
    with job.start("ngrams count", threads=threads), job.meter("count", "tokens", total) as meter:
        keywords["options"] = ngrams.ScanOptions(shards, threads, meter.advance)
        counts = files.count_beside(opened, files.read_pairs(pairs), **keywords)
        files.write_counts(out, counts)
    log.info("%s: %s", out, counts.summary)


@app.command("sum")
def add_up(
    parts: Annotated[list[Path], typer.Argument(help="Counts of every part of one counting.")],
    out: Annotated[Path, result("Write: their sum.")],
):
    """Add up the counts of disjoint parts of a corpus, all parts of one counting."""
    from rote.ngrams import files

    files.write_counts(out, files.add_up(parts))
    log.info("%s: the sum of %d parts", out, len(parts))


@app.command()
def table(
    corpus: Folder,
    n: Annotated[int, typer.Option(help="Length of the n-grams.", min=1)],
    out: Annotated[
        Path,
        result("Write: n-grams and counts, most frequent first."),
    ],
    min_count: Annotated[int, typer.Option(help="Leave out what occurs less often.", min=1)] = 1,
):
    """Count every n-gram of a corpus."""
    from rote import ngrams
    from rote.ngrams import files

    with job.start("ngrams table"):
        opened = ngrams.Corpus.open(corpus)
        counted = ngrams.table(opened, n, min_count=min_count)
        files.write_ngrams(out, opened, counted)
    log.info("%s: %d distinct %d-grams", out, len(counted.counts), n)


@app.command()
def probability(
    corpus: Folder,
    context: Annotated[str, typer.Argument(help="What precedes.")],
    token: Annotated[str, typer.Argument(help="The next token.")],
):
    """∞-gram probability of a token after the longest suffix of a context that occurs."""
    from rote import ngrams

    result = ngrams.InfinityGram(ngrams.Corpus.open(corpus)).continuation(context, token)
    typer.echo(
        f"{result.probability:.6g} ({result.followed} of {result.occurrences}, "
        f"context of {result.context})"
    )
