"""`rote distmem <verb>`: corpora, networks, n-gram pairs, counts, scores, and how they relate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rote.core import exports, tables
from rote.core.job import Job, meter
from rote.core.verbs import Checkpoints, CheckpointSteps, result, table, verb
from rote.papers.distmem import schema, settings

app = typer.Typer(
    name="distmem",
    no_args_is_help=True,
    add_completion=False,
    help="Generalization v.s. memorization (Wang et al.; 2025).",
)

Words = Annotated[Path, typer.Option(help="Folder of a corpus in words.", metavar="DIR")]
Name = Annotated[str, typer.Option(help="Name of the corpus: world0, world1, ...")]
Corpora = Annotated[
    list[Path], typer.Option(help="Folders of the generated corpora, in order.", metavar="DIR")
]
Models = Annotated[Path, typer.Option(help="Folder of the networks' folders.", metavar="DIR")]
Measured = Annotated[
    Path,
    typer.Option(
        help="Folder of a corpus: words, examples, pairs, counts; facts and lexicon if generated.",
        metavar="DIR",
    ),
]
Scores = Annotated[list[Path], typer.Option(help="Read: scores of every model.", metavar="PARQUET")]
OutFolder = Annotated[Path, typer.Option(help="Write: a folder.", metavar="DIR")]


@verb(app, settings.DistmemWorld)
def synthesize_corpus(
    run: Job,
    source: Name,
    number: Annotated[int, typer.Option(help="Number of its random stream.", min=0)],
    out: OutFolder,
):
    """A generated corpus: documents, facts, examples of the tasks, and the lexicon."""
    from rote.papers.distmem import corpora, world

    generated = world.synthesize(run.settings, run.seed, number)
    corpora.write(out / "corpus.jsonl", generated.documents)
    frames = {
        "facts": world.facts(generated, source),
        "examples": world.examples(generated, run.seed, number),
        "lexicon": generated.lexicon,
    }
    _write(run, out, frames)


@verb(app, settings.DistmemStudy)
def synthesize_examples(run: Job, out: table("Write: examples.")):
    """The test and mining data of a study."""
    from rote.papers.distmem import task_files

    examples = task_files.study_examples(run.settings)
    tables.write(out, examples, schema.TaskExamples, run.provenance())


@verb(app, settings.DistmemStudy)
def synthesize_tokens(
    run: Job,
    words: Annotated[
        Path, typer.Option(help="Write: the corpus in words, for counting.", metavar="DIR")
    ],
    tokens: Annotated[
        Path, typer.Option(help="Write: the corpus in the models' tokens.", metavar="DIR")
    ],
    corpus: Annotated[
        Path | None, typer.Option(help="Read: a generated corpus.", metavar="JSONL")
    ] = None,
):
    """Tokenize a corpus twice: in words to count, and as the models read it."""
    from rote.papers.distmem import corpora

    if corpus is None:
        corpora.tokenize_study(run.settings, words, tokens)
    else:
        corpora.tokenize_generated(corpus, words, tokens)


@verb(app, settings.DistmemLadder)
def train_ladder(
    run: Job,
    network: Annotated[str, typer.Option(help="neox-<width> or llama-<width>, as in the config.")],
    corpora: Corpora,
    out: Annotated[
        Path, typer.Option(help="Write: <source>/<share>/, each a model folder.", metavar="DIR")
    ],
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train a network of one size on every generated corpus, stacked."""
    from rote.papers.distmem import families, ladder

    rung = families.network(run.settings, network)
    training_corpora = ladder.read(corpora)
    with ladder.saved(run, network, checkpoints, checkpoint_steps) as training:
        trained = ladder.train_rung(rung, training_corpora, run.settings, run.seed, training)
        ladder.save(out, rung, trained, training_corpora, run.settings.length)


@verb(app, settings.DistmemLadder)
def train_ablation(
    run: Job,
    corpora: Corpora,
    network: Annotated[str, typer.Option(help="Name of the ladder's network: neox-<width>, ...")],
    every: Annotated[
        int, typer.Option(help="Facts of a block; each treatment gets one of them.", min=10)
    ],
    out: table("Write: what the networks then know of each fact."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: CheckpointSteps = 500,
):
    """Train one size again, on changed corpora and from another initialization."""
    from rote.papers.distmem import ablation, families, ladder

    rung = families.network(run.settings, network)
    training_corpora = ladder.read(corpora)
    name = f"ablation-{network}"
    with ladder.saved(run, name, checkpoints, checkpoint_steps) as training:
        frame = ablation.retrain(rung, training_corpora, every, run.settings, run.seed, training)
        tables.write(out, frame, schema.RetrainedFacts, run.provenance())


@verb(app, settings.DistmemAnalysis)
def embed_pairs(
    run: Job, words: Words, examples: table("Read: examples."), out: table("Write: pairs.")
):
    """Pair the input and output n-grams of every test example, with their cosines."""
    from rote import ngrams
    from rote.papers.distmem import mining

    corpus = ngrams.Corpus.open(words)
    pairs = mining.mine(tables.read(examples), corpus, run.settings, run.device)
    tables.write(out, pairs, schema.TaskGrams, run.provenance())


@verb(app, settings.DistmemAnalysis)
def count_pairs(
    run: Job,
    words: Words,
    pairs: table("Read: pairs."),
    out: table("Write: counts, row by row."),
    part: Annotated[
        int, typer.Option(help="Count in every `parts`-th shard from this one on.", min=0)
    ] = 0,
    parts: Annotated[int, typer.Option(help="Jobs that count side by side.", min=1)] = 1,
):
    """Count every pair and its n-grams in one part of a corpus."""
    from rote import ngrams
    from rote.papers.distmem import counting

    corpus = ngrams.Corpus.open(words)
    frame = tables.read(pairs)
    with meter("count", "tokens") as progress:
        shards = range(part, len(corpus.shards), parts)
        scan = ngrams.ScanOptions(shards, run.threads, progress.advance)
        counts = counting.count(corpus, frame, run.settings, scan)
    record = run.provenance() | counting.part_record(frame, scan)
    tables.write(out, counts, schema.TaskGramCounts, record)


@verb(app)
def count_total(
    run: Job,
    part: Annotated[
        list[Path], typer.Option(help="Read: counts of every part.", metavar="PARQUET")
    ],
    pairs: table("Read: pairs."),
    out: table("Write: their sum."),
):
    """Add up the counts of all parts of a corpus."""
    from rote.papers.distmem import counting

    tables.write(out, counting.total(part, pairs), schema.TaskGramCounts, run.provenance())


@verb(app, settings.DistmemAnalysis)
def count_infinity(
    run: Job,
    tokens: Annotated[Path, typer.Option(help="Folder of a corpus in tokens.", metavar="DIR")],
    examples: table("Read: examples."),
    out: table("Write: scores of the infinity-gram."),
):
    """Infinity-gram log-probabilities of the test outputs, token by token."""
    from rote import ngrams
    from rote.papers.distmem import infinity

    corpus = ngrams.Corpus.open(tokens)
    scores = infinity.score_tests(corpus, tables.read(examples), run.settings)
    tables.write(out, scores, schema.OutputScores, run.provenance())


@verb(app, settings.DistmemLadder)
def evaluate_networks(
    run: Job,
    family: Annotated[str, typer.Option(help="neox or llama.")],
    models: Models,
    corpora: Corpora,
    out: Annotated[
        Path, typer.Option(help="Write: a folder of <source>/<family>.parquet.", metavar="DIR")
    ],
):
    """Score the examples of every generated corpus with the networks trained on it."""
    from rote.papers.distmem import families, scoring

    of_family = families.family(family)
    for corpus in corpora:
        scores = scoring.score_family(of_family, models, corpus, run.settings, run.device)
        path = out / corpus.name / f"{family}.parquet"
        tables.write(path, scores, schema.OutputScores, run.provenance())


@verb(app, settings.DistmemStudy)
def evaluate_pretrained(
    run: Job,
    number: Annotated[int, typer.Option(help="Number of the model in the study's list.", min=0)],
    examples: table("Read: examples."),
    out: table("Write: scores."),
):
    """Score a study's test examples with one pretrained model."""
    from rote.papers.distmem import corpora, scoring

    study = corpora.with_corpus(run.settings)
    scores = scoring.score_pretrained(study, number, tables.read(examples), run.device)
    tables.write(out, scores, schema.OutputScores, run.provenance())


@verb(app, settings.DistmemAnalysis)
def evaluate_memorization(run: Job, corpus: Measured, scores: Scores, out: OutFolder):
    """Correlate counts and scores of one corpus, in every way."""
    from rote.papers.distmem import evaluation, measured

    measurements = measured.read(corpus, scores)
    _write(run, out, evaluation.evaluate(evaluation.OF_SOURCES, measurements, run.settings))


@verb(app, settings.DistmemAnalysis)
def evaluate_estimators(run: Job, corpus: Measured, scores: Scores, out: OutFolder):
    """What only a generated corpus can tell: estimates of facts, mining quality, wordings."""
    from rote.papers.distmem import evaluation, measured

    measurements = measured.read(corpus, scores)
    _write(run, out, evaluation.evaluate(evaluation.OF_GENERATED, measurements, run.settings))


@verb(app, settings.Settings)
def evaluate_influence(
    run: Job,
    models: Models,
    corpora: Corpora,
    out: table("Write: one row per network and test example."),
):
    """Influence of documents with a pair, and with its output n-gram alone, on test examples."""
    from rote.papers.distmem import influence

    frame = influence.trace(corpora, models, run.settings, run.seed, run.device)
    tables.write(out, frame, schema.ExampleInfluence, run.provenance())


@verb(app)
def evaluate_engines(run: Job, out: table("Write: exactness of every engine.")):
    """Count pairs with every exact engine and compare with brute force."""
    from rote.papers.distmem import engines

    tables.write(out, engines.table(run.seed), schema.Engines, run.provenance())


@verb(app)
def evaluate_sources(
    run: Job,
    part: Annotated[
        list[Path], typer.Option(help="Read: <source>/<table>.parquet.", metavar="TABLE")
    ],
    out: OutFolder,
):
    """Put the tables of all corpora together, each kind in one file."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for path in part:
        parts.setdefault(path.stem, []).append(tables.read(path))
    frames = {name: pd.concat(of_kind, ignore_index=True) for name, of_kind in parts.items()}
    _write(run, out, frames)


@app.command("trace")
def trace_question(
    corpus: Annotated[Path, typer.Option(help="Folder of a tokenized corpus.", metavar="DIR")],
    question: Annotated[str, typer.Option(help="The input, x.")] = "",
    answer: Annotated[str, typer.Option(help="The output, y.")] = "",
    questions: Annotated[
        str, typer.Option(help="Or a file of rows with x and y, perhaps u; see the docs.")
    ] = "",
    instruction: Annotated[str, typer.Option(help="Prompt; {input} stands for x.")] = "{input}",
    model: Annotated[str, typer.Option(help="Hugging Face id or folder of a causal model.")] = "",
    lengths: Annotated[str, typer.Option("--n", help="n-gram lengths, by commas.")] = "3,5",
    documents: Annotated[int, typer.Option(help="Documents shown of a pair.", min=0)] = 3,
    pairs: Annotated[int, typer.Option(help="Pairs shown per n; 0: all.", min=0)] = 10,
    out: Annotated[
        Path | None, result("Write: a page, or a table.", (".html", *exports.FORMATS), "a trace")
    ] = None,
):
    """Which pairs of a question a corpus holds, in which documents, and what a model makes of it.

    Counts are exact: documents that hold an n-gram of the question and one of the answer.
    """
    from rote.papers.distmem import tracing

    given = tracing.Question(question, answer, instruction, questions)
    limits = tracing.TraceLimits(documents, pairs)
    tracing.run(corpus, given, tracing.options(lengths), model, limits, out)


def _write(run: Job, folder: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Write tables by name into a folder."""
    models = schema.TABLES | schema.INNER
    for name, frame in frames.items():
        tables.write(folder / f"{name}.parquet", frame, models[name], run.provenance())
