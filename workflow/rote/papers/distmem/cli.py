"""`rote distmem <verb>`: corpora, networks, n-gram pairs, counts, scores, and how they go together."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import Job, meter
from rote.core.seeds import generator
from rote.core.verbs import table, verb
from rote.papers.distmem import schema, settings

app = typer.Typer(
    name="distmem",
    no_args_is_help=True,
    add_completion=False,
    help="Generalization v.s. memorization (Wang et al.; 2025).",
)

Folder = Annotated[Path, typer.Option(help="Folder of a tokenized corpus.", metavar="DIR")]
Source = Annotated[str, typer.Option(help="world0, world1, ...; or a study: pythia or olmo.")]
Folders = Annotated[
    list[Path], typer.Option(help="Folders of the generated corpora, in order.", metavar="DIR")
]
Checkpoints = Annotated[Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")]
Steps = Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)]


@verb(app, settings.World)
def synthesize_corpus(
    run: Job,
    source: Source,
    out: Annotated[Path, typer.Option(help="Write: a folder.", metavar="DIR")],
):
    """A generated corpus: documents, facts, examples of the tasks, and the lexicon."""
    from rote.papers.distmem import world

    number = int(source.removeprefix("world"))
    made = world.make(run.settings, run.seed, number)
    world.write_corpus(out / "corpus.jsonl", made.documents)
    rng = generator(run.seed, "distmem", "prompts", number)
    frames = {
        "facts": world.facts(made, source),
        "examples": world.examples(made, rng),
        "lexicon": made.aligned,
    }
    for name, frame in frames.items():
        model = schema.TABLES.get(name) or schema.INNER[name]
        tables.write(out / f"{name}.parquet", frame, model, run.provenance())


@verb(app, settings.Study)
def synthesize_examples(run: Job, out: table("Write: examples.")):
    """The test and mining data of a study."""
    from rote.papers.distmem import tasks

    study, parts = _study(run), []
    for task, where in study.tasks.items():
        parts.append(tasks.read(task, where, "test", study.examples))
        mined = study.mining.get(task)
        parts.append(
            tasks.read(task, mined, "mining") if mined else parts[-1].assign(part="mining")
        )
    tables.write(out, pd.concat(parts, ignore_index=True), schema.Examples, run.provenance())


@verb(app, settings.Study)
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
    from rote import ngrams

    if corpus is None:
        study = _study(run)
        model = study.models[0].partition("@")[0]
        reading = {"column": study.column, "split": "blank", "shard_tokens": study.shard_tokens}
        own, texts = ngrams.Analyser("token", tokenizer=model), study.corpus
    else:
        reading, own, texts = {"strict": True}, ngrams.Analyser("whitespace"), corpus
    for out, analyser in ((words, ngrams.Analyser()), (tokens, own)):
        if out.exists() and not any(out.iterdir()):
            out.rmdir()
        with meter(out.name, "tokens") as shown:
            ngrams.tokenize(texts, out, analyser=analyser, progress=shown.reached, **reading)


@verb(app, settings.Ladder)
def train_ladder(
    run: Job,
    network: Annotated[str, typer.Option(help="neox-<width> or llama-<width>, as in the config.")],
    corpora: Folders,
    out: Annotated[
        Path, typer.Option(help="Write: <source>/<share>/, each a model folder.", metavar="DIR")
    ],
    checkpoints: Checkpoints = None,
    checkpoint_steps: Steps = 500,
):
    """Train a network of one size on every generated corpus, stacked."""
    from rote.papers.distmem import ladder

    options = run.settings
    rung = ladder.network(options, network)
    streams, words, sources = _streams(corpora)
    rngs = [ladder.weights(run.seed, rung, number) for number in range(len(corpora))]
    file, folder = _checkpoint(run, checkpoints, network)
    _, snapshots = ladder.fit(
        rung,
        streams,
        len(words[0]),
        options,
        rngs,
        device=run.device,
        checkpoint=file,
        every=checkpoint_steps,
    )
    for share, parameters in snapshots.items():
        for model, source in enumerate(sources):
            ladder.save(
                out / source / f"{share:g}", rung, parameters, model, words[model], options.length
            )
    if folder:
        tables.drop(folder, "*.pt")


@verb(app, settings.Ladder)
def train_ablation(
    run: Job,
    corpora: Folders,
    network: Annotated[
        int, typer.Option(help="Number of the ladder's network that is trained again.", min=0)
    ],
    every: Annotated[int, typer.Option(help="Every so many-th fact by rank is changed.", min=2)],
    out: table("Write: what the networks then know of each fact."),
    checkpoints: Checkpoints = None,
    checkpoint_steps: Steps = 500,
):
    """Train one size again: with another initialization, and on corpora with some facts' documents
    changed.
    """
    import numpy as np

    from rote.papers.distmem import ablation, ladder, world

    options = run.settings
    rung = ladder.networks(options)[network]
    streams, words, sources = _streams(corpora)
    facts = [tables.read(folder / "facts.parquet") for folder in corpora]
    treated = [ablation.treatments(frame, every) for frame in facts]
    changed, after = [], []
    for number, folder in enumerate(corpora):
        rng = generator(run.seed, "distmem", "ablation", number)
        texts, left = ablation.change(
            world.read_corpus(folder / "corpus.jsonl"), facts[number], treated[number], rng
        )
        ids = {word: place for place, word in enumerate(words[number])}
        stream = [ids[word] for text in texts for word in (*text.split(), words[number][0])]
        if len(stream) != len(streams[number]):
            raise InputError(
                f"the changed corpus has {len(stream)} tokens instead of {len(streams[number])}"
            )
        changed.append(np.array(stream))
        after.append(left)
    numbers = range(len(corpora))
    rngs = [ladder.weights(run.seed, rung, number) for number in numbers]
    rngs.append(
        ladder.weights(run.seed, rung, 0, "again")
    )  # noise of the initialization alone: one corpus tells
    file, folder = _checkpoint(run, checkpoints, "ablation")
    stack, snapshots = ladder.fit(
        rung,
        [*changed, streams[0]],
        len(words[0]),
        options,
        rngs,
        device=run.device,
        checkpoint=file,
        every=checkpoint_steps,
    )
    asked = [_questions(folder, frame) for folder, frame in zip(corpora, facts, strict=True)]
    logprobs, correct = ablation.recall(
        stack, snapshots[1.0], [*asked, asked[0]], [*words, words[0]], run.device
    )
    parts = []
    for model in range(len(corpora) + 1):
        number, again = model % len(corpora), model >= len(corpora)
        frame = facts[number]
        columns = {
            "source": sources[number],
            "model": rung.name,
            "variant": "again" if again else "changed",
            "fact": frame["fact"],
            "treatment": "kept" if again else treated[number].to_numpy(),
            "before": frame["documents"],
            "after": frame["documents"] if again else after[number].to_numpy(),
            "logprob": logprobs[model],
            "correct": correct[model],
        }
        parts.append(pd.DataFrame(columns))
    tables.write(out, pd.concat(parts, ignore_index=True), schema.Ablation, run.provenance())
    if folder:
        tables.drop(folder, "*.pt")


@verb(app, settings.Analysis)
def embed_pairs(
    run: Job, words: Folder, examples: table("Read: examples."), out: table("Write: pairs.")
):
    """Pair the input and output n-grams of every test example, with the cosine of their embeddings."""
    from rote import ngrams
    from rote.papers.distmem import mining

    options, frame = run.settings, tables.read(examples)
    tests, mined = (frame[frame["part"] == part] for part in ("test", "mining"))
    if options.embedding:
        embed = mining.encoder(options.embedding, device=run.device)
    else:
        found = mining.candidates(tests, options)
        grams = {*found["input_gram"], *found["output_gram"]}
        embed = mining.lsa(ngrams.Corpus.open(words), grams, options.dimensions)
    tables.write(out, mining.mine(tests, mined, options, embed), schema.Pairs, run.provenance())


@verb(app, settings.Analysis)
def count_pairs(
    run: Job,
    words: Folder,
    pairs: table("Read: pairs."),
    out: table("Write: counts, row by row."),
    part: Annotated[
        int, typer.Option(help="Count in every `parts`-th shard from this one on.", min=0)
    ] = 0,
    parts: Annotated[int, typer.Option(help="Jobs that count side by side.", min=1)] = 1,
):
    """Count every pair and its n-grams in one part of a corpus."""
    from rote import ngrams
    from rote.papers.distmem import evaluation

    corpus, frame = ngrams.Corpus.open(words), tables.read(pairs)
    shards = range(part, len(corpus.shards), parts)
    with meter("count", "tokens") as shown:
        counts = evaluation.count(
            corpus, frame, run.settings, shards=shards, threads=run.threads, progress=shown.advance
        )
    tables.write(
        out,
        counts,
        schema.Counts,
        run.provenance() | {"queries": _checksum(frame), "shards": list(shards)},
    )


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
    import numpy as np

    total, seen = None, set()
    wanted = _checksum(tables.read(pairs))
    for path in part:
        about, frame = tables.provenance(path), tables.read(path)
        if about["queries"] != wanted:
            raise InputError(f"{path} counted other pairs than {pairs} holds; count again")
        if seen & set(about["shards"]):
            raise InputError(f"{path} counts shard {min(seen & set(about['shards']))} once more")
        seen |= set(about["shards"])
        near = np.array(frame["near"].tolist(), dtype=np.int64)
        values = (frame.drop(columns="near").to_numpy(), near)
        total = (
            values if total is None else tuple(a + b for a, b in zip(total, values, strict=True))
        )
        columns = frame.columns[:-1]
    result = pd.DataFrame(total[0], columns=columns).assign(near=list(total[1]))
    tables.write(out, result, schema.Counts, run.provenance())


@verb(app, settings.Analysis)
def count_infinity(
    run: Job,
    tokens: Folder,
    examples: table("Read: examples."),
    out: table("Write: scores of the infinity-gram."),
):
    """Infinity-gram log-probabilities of the test outputs, token by token."""
    from rote import ngrams
    from rote.papers.distmem import evaluation

    frame = tables.read(examples)
    tests = frame[frame["part"] == "test"]
    scores = evaluation.infinity_scores(
        ngrams.Corpus.open(tokens), tests, run.settings.context, run.settings.infinity_shards
    )
    tables.write(out, scores, schema.Scores, run.provenance())


@verb(app, settings.Ladder)
def evaluate_networks(
    run: Job,
    family: Annotated[str, typer.Option(help="neox or llama.")],
    models: Annotated[Path, typer.Option(help="Folder of the networks' folders.", metavar="DIR")],
    corpora: Folders,
    out: Annotated[
        Path, typer.Option(help="Write: a folder of <source>/<family>.parquet.", metavar="DIR")
    ],
):
    """Score the test examples of every generated corpus with the networks trained on it, at every
    snapshot.
    """
    from rote.models import pretrained
    from rote.papers.distmem import ladder, scoring

    written = run.settings.written.__contains__
    names = [rung.name for rung in ladder.networks(run.settings) if rung.name.startswith(family)]
    for folder in corpora:
        examples, parts = tables.read(folder / "examples.parquet"), []
        for network in names:
            for share in run.settings.snapshots:
                where = str(models / network / folder.name / f"{share:g}")
                model, tokenizer = (
                    pretrained.causal(where).to(run.device),
                    pretrained.tokenizer(where),
                )
                whole = share == 1.0
                asked = examples[examples["part"].isin(["test", "prompts"] if whole else ["test"])]
                found = scoring.score(
                    model,
                    tokenizer,
                    asked,
                    device=run.device,
                    generate=written if whole else _nothing,
                    what=f"{network}, {folder.name}, {share:g}",
                )
                about = {"model": network, "size": model.num_parameters(), "step": share}
                parts.append(pd.DataFrame(about, index=found.index).join(found))
        frame = pd.concat(parts, ignore_index=True)
        tables.write(
            out / folder.name / f"{family}.parquet", frame, schema.Scores, run.provenance()
        )


@verb(app, settings.Study)
def evaluate_pretrained(
    run: Job,
    number: Annotated[int, typer.Option(help="Number of the model in the study's list.", min=0)],
    examples: table("Read: examples."),
    out: table("Write: scores."),
):
    """Score a study's test examples with one pretrained model."""
    from rote.models import pretrained
    from rote.papers.distmem import scoring

    name, _, revision = _study(run).models[number].partition("@")
    model = pretrained.causal(name, revision=revision or "main").to(run.device)
    tokenizer = pretrained.tokenizer(name, fast=False)
    frame = tables.read(examples)
    found = scoring.score(
        model, tokenizer, frame[frame["part"] == "test"], device=run.device, what=name
    )
    label = Path(name).name + (f"@{revision}" if revision else "")
    about = {"model": label, "size": model.num_parameters(), "step": 1.0}
    tables.write(
        out, pd.DataFrame(about, index=found.index).join(found), schema.Scores, run.provenance()
    )


Scores = Annotated[list[Path], typer.Option(help="Read: scores of every model.", metavar="PARQUET")]
Tables = Annotated[Path, typer.Option(help="Write: a folder of tables.", metavar="DIR")]


@verb(app, settings.Analysis)
def evaluate_memorization(
    run: Job,
    source: Source,
    words: Folder,
    examples: table("Read: examples."),
    pairs: table("Read: pairs."),
    counts: table("Read: their counts."),
    scores: Scores,
    out: Tables,
    facts: Annotated[Path | None, typer.Option(help="Read: facts of a generated corpus.")] = None,
    lexicon: Annotated[Path | None, typer.Option(help="Read: its lexicon.")] = None,
):
    """Correlate counts and scores of one corpus, in every way."""
    from rote.papers.distmem import evaluation

    held, options = (
        _source(source, words, examples, pairs, counts, scores, facts, lexicon),
        run.settings,
    )
    found = {
        "memorization": evaluation.correlations(held, options),
        "performance": evaluation.performance(held),
        "novel": evaluation.novel(held, options),
        "bias": evaluation.bias(held, options),
        "audit": evaluation.audit(held),
    }
    for name, frame in found.items():
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())


@verb(app, settings.Analysis)
def evaluate_estimators(
    run: Job,
    source: Source,
    words: Folder,
    examples: table("Read: examples."),
    pairs: table("Read: pairs."),
    counts: table("Read: their counts."),
    scores: Scores,
    facts: table("Read: facts."),
    lexicon: table("Read: lexicon."),
    out: Tables,
):
    """What only a generated corpus can tell: other estimates of facts, mining against its lexicon,
    wordings.
    """
    from rote.papers.distmem import estimators, evaluation

    held, options = (
        _source(source, words, examples, pairs, counts, scores, facts, lexicon),
        run.settings,
    )
    found = {
        "mining": evaluation.mining_quality(held, options),
        "prompts": evaluation.prompts(held),
        "estimators": estimators.table(held, options),
    }
    for name, frame in found.items():
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())


@verb(app, settings.Settings)
def evaluate_influence(
    run: Job,
    models: Annotated[Path, typer.Option(help="Folder of the networks' folders.", metavar="DIR")],
    corpora: Folders,
    out: table("Write: one row per network and test example."),
):
    """Influence of documents with a pair, and with its output n-gram alone, on test examples."""
    import numpy as np

    from rote import ngrams
    from rote.models import pretrained
    from rote.papers.distmem import influence, ladder, world

    options, frames = run.settings, []
    every = ladder.networks(options.ladder)
    for folder in corpora:
        paired = tables.read(folder / "pairs.parquet").join(
            tables.read(folder / "counts/0.parquet")
        )
        texts = world.read_corpus(folder / "corpus.jsonl")["text"].tolist()
        rng = generator(run.seed, "distmem", "influence", folder.name)
        items = influence.choose(
            ngrams.Corpus.open(folder / "words"),
            texts,
            tables.read(folder / "examples.parquet"),
            paired,
            options.analysis,
            options.influence,
            rng,
        )
        for name in (every[number].name for number in options.influence.networks):
            total, size = np.zeros((len(items), 4)), 0
            for share in options.ladder.snapshots:
                where = str(models / name / folder.name / f"{share:g}")
                model, tokenizer = (
                    pretrained.causal(where).to(run.device),
                    pretrained.tokenizer(where),
                )
                total = total + influence.measure(model, tokenizer, items, device=run.device)
                size = model.num_parameters()
            total[:, 2:] /= len(options.ladder.snapshots)
            about = [(folder.name, name, size, item.task, item.example) for item in items]
            frame = pd.DataFrame(about, columns=["source", "model", "size", "task", "example"])
            columns = ["pair", "output_only", "pair_cosine", "output_only_cosine"]
            counts = [len(item.with_pair) for item in items]
            frames.append(frame.join(pd.DataFrame(total, columns=columns)).assign(documents=counts))
    tables.write(out, pd.concat(frames, ignore_index=True), schema.Influence, run.provenance())


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
    out: Tables,
):
    """Put the tables of all corpora together, each kind in one file."""
    by_name: dict[str, list[Path]] = {}
    for path in part:
        by_name.setdefault(path.stem, []).append(path)
    for name, paths in by_name.items():
        frame = pd.concat([tables.read(path) for path in paths], ignore_index=True)
        tables.write(out / f"{name}.parquet", frame, schema.TABLES[name], run.provenance())


def _nothing(_: str) -> bool:
    return False


def _source(source, words, examples, pairs, counts, scores, facts, lexicon):
    """What was counted and scored of one corpus, read from its tables."""
    from rote import ngrams
    from rote.papers.distmem.evaluation import Source

    paired = tables.read(pairs).join(tables.read(counts))
    every = pd.concat([tables.read(path) for path in scores], ignore_index=True)
    known = tables.read(facts) if facts else None
    truth = tables.read(lexicon).groupby("source")["target"].agg(set).to_dict() if lexicon else None
    return Source(
        source, ngrams.Corpus.open(words), tables.read(examples), paired, every, known, truth
    )


def _study(run: Job) -> settings.Study:
    if not run.settings.corpus:
        raise InputError(
            "--settings has no corpus: name the one that the study's models were trained on"
        )
    return run.settings


def _streams(corpora: list[Path]):
    """Token streams, vocabularies and names of generated corpora."""
    from rote import ngrams
    from rote.papers.distmem import ladder

    opened = [ngrams.Corpus.open(folder / "tokens") for folder in corpora]
    examples = [tables.read(folder / "examples.parquet") for folder in corpora]
    words = [
        ladder.vocabulary(corpus, frame) for corpus, frame in zip(opened, examples, strict=True)
    ]
    return (
        [ladder.stream(corpus) for corpus in opened],
        ladder.padded(words),
        [folder.name for folder in corpora],
    )


def _questions(folder: Path, facts: pd.DataFrame) -> pd.DataFrame:
    examples = tables.read(folder / "examples.parquet")
    asked = examples[(examples["task"] == "facts") & (examples["part"] == "test")]
    return asked.set_index("fact", drop=False).loc[facts["fact"]]


def _checkpoint(run: Job, checkpoints: Path | None, what: str) -> tuple[Path | None, Path | None]:
    folder = checkpoints and checkpoints / f"distmem-{what}-{run.code or 'by-hand'}-{run.digest}"
    return folder and folder / f"{run.seed}.pt", folder


def _checksum(pairs: pd.DataFrame) -> str:
    """Names a list of pairs: counts of another list must never be put beside it."""
    from hashlib import sha256

    columns = ["n", "input_gram", "output_gram"]
    return sha256(pairs[columns].to_csv(index=False).encode()).hexdigest()[:32]
