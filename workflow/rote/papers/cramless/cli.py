"""`rote cramless <verb>`: facts, their pruning, and networks trained on them."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rote.core import tables
from rote.core.job import Job
from rote.core.verbs import table, verb
from rote.papers.cramless import schema, settings
from rote.papers.cramless.arms import GROUPS

app = typer.Typer(
    name="cramless",
    no_args_is_help=True,
    add_completion=False,
    help="Cram less to fit more (Ye, Feldman, Talwar; 2026).",
)

Folder = Annotated[Path, typer.Option(help="Folder for the group's tables.", metavar="DIR")]


@verb(app, settings.Facts)
def synthesize_facts(run: Job, out: table("Write: facts of every data set.")):
    """Semi-synthetic facts, uniform and by power law."""
    from rote.papers.cramless import experiment

    frame = experiment.synthesize(run.settings, run.seed)
    present = frame[frame["count"] > 0]
    content = {str(name): float(rows["bits"].sum()) for name, rows in present.groupby("data")}
    replicates = int(frame["replicate"].nunique())
    information = {name: bits / replicates for name, bits in content.items()}
    tables.write(
        out, frame, schema.FactsTable, run.provenance() | {"information_bits": information}
    )


@verb(app, settings.Facts)
def prune_facts(
    run: Job,
    trained: table("Read: networks with standard training."),
    out: table("Write: copies kept."),
):
    """Choose smaller data sets from the losses of networks that were trained on everything."""
    from rote.papers.cramless import experiment

    frame = experiment.prune_offline(run.settings, tables.read(trained), run.seed)
    tables.write(out, frame, schema.Pruned, run.provenance())


@verb(app, settings.Settings)
def train_networks(
    run: Job,
    group: Annotated[str, typer.Option(help=f"Arms to train: {', '.join(GROUPS)}.")],
    facts: table("Read: facts."),
    out: Folder,
    pruned: Annotated[
        Path | None, typer.Option(help="Read: offline selections (group pruned).")
    ] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")
    ] = None,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 500,
):
    """Train one group of arms, replicates stacked, and ask each network for every fact."""
    from rote.core.errors import InputError
    from rote.papers.cramless import arms, experiment

    if group not in GROUPS:
        raise InputError(f"--group must be one of {', '.join(GROUPS)}, given {group!r}")
    if group == "pruned" and pruned is None:
        raise InputError("--group pruned needs --pruned, the table of `rote cramless prune-facts`")
    known, selected = tables.read(facts), tables.read(pruned) if pruned else None
    folder = checkpoints and checkpoints / f"cramless-{group}-{run.code or 'by-hand'}-{run.digest}"
    parts: dict[str, list[pd.DataFrame]] = {"trained": [], "runs": [], "shares": []}
    for arm in arms.arms(run.settings.facts, run.settings.training):
        if arm.group != group:
            continue
        sets = experiment.read(run.settings.facts, known, arm.data)
        counts = (
            [made.counts for made in sets]
            if selected is None
            else experiment.counts_of(selected, arm)
        )
        file = (
            folder and folder / f"{sha256(f'{run.seed} {arm.name}'.encode()).hexdigest()[:16]}.pt"
        )
        done = experiment.train_arm(
            arm,
            sets,
            counts,
            run.settings.training,
            run.seed,
            device=run.device,
            checkpoint=file,
            every=checkpoint_steps,
        )
        for frames, frame in zip(parts.values(), done, strict=True):
            frames.append(frame)
    for name, frames in parts.items():
        frame = pd.concat(frames, ignore_index=True)
        tables.write(out / f"{name}_{group}.parquet", frame, schema.TABLES[name], run.provenance())
    if folder:
        tables.drop(folder, "*.pt")


@verb(app, settings.Text)
def count_facts(
    run: Job,
    annotations: table("Write: every mention of a fact."),
    counts: table("Write: mentions per fact."),
):
    """Find the facts of a table in a corpus: entities that are followed by their value."""
    from rote.core.errors import InputError
    from rote.core.job import track
    from rote.data import corpora, statements

    options = run.settings
    facts = statements.read_facts(options.facts)
    documents = track(corpora.documents(options.corpus, options.column), "documents")
    found = statements.annotate(documents, facts, options.window)
    if found.empty:
        raise InputError(
            f"no fact of {options.facts} is stated in {options.corpus}; raise `window` or check "
            "both"
        )
    mentions = found.groupby("fact")["document"].agg(documents="nunique", mentions="size")
    frame = (
        facts.join(mentions)
        .fillna({"documents": 0, "mentions": 0})
        .astype({"documents": int, "mentions": int})
    )
    tables.write(annotations, found, schema.Annotations, run.provenance())
    frame = frame.reset_index(names="fact")
    tables.write(counts, frame, schema.FactCounts, run.provenance())


@verb(app, settings.Text)
def train_text(
    run: Job,
    size: Annotated[str, typer.Option(help="small or large.")],
    scheme: Annotated[str, typer.Option(help="none or auto.")],
    annotations: table("Read: mentions of facts."),
    out: table("Write: one row per replicate."),
    processes: Annotated[
        int, typer.Option(help="Processes to train with where there is no device.", min=1)
    ] = 1,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints.", metavar="DIR")
    ] = None,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 500,
):
    """Train GPT-2 on an annotated corpus, with or without selection, on all leased devices."""
    from rote.core.errors import InputError
    from rote.data import corpora
    from rote.models import pretrained
    from rote.papers.cramless import text

    if size not in ("small", "large") or scheme not in ("none", "auto"):
        raise InputError(
            f"--size must be small or large, --scheme none or auto; given {size!r}, {scheme!r}"
        )
    options = run.settings
    tokenizer = pretrained.tokenizer(options.tokenizer)
    documents = corpora.documents(options.corpus, options.column)
    data = text.examples(documents, tables.read(annotations), tokenizer, options.context)
    folder = (
        checkpoints
        and checkpoints / f"cramless-text-{size}-{scheme}-{run.code or 'by-hand'}-{run.digest}"
    )
    devices = run.devices if run.device == "cuda" else []
    rows = []
    for replicate in range(options.replicates):
        file = folder and folder / f"{run.seed + replicate}.pt"
        found = text.fit(
            data,
            getattr(options, size),
            scheme,
            len(tokenizer),
            options,
            run.seed + replicate,
            devices=devices,
            processes=processes,
            checkpoint=file,
            every=checkpoint_steps,
        )
        tail = max(1, options.steps // 10)
        loss = sum(found.losses[-tail:]) / len(found.losses[-tail:])
        facts = (len(found.recited), int(found.recited.sum()))
        rows.append(
            (size, scheme, replicate, found.parameters, *facts, loss, found.trained, found.scored)
        )
    frame = pd.DataFrame(rows, columns=list(schema.TextRuns.model_fields))
    tables.write(out, frame, schema.TextRuns, run.provenance())
    if folder:
        tables.drop(folder, "*.pt")


@verb(app)
def evaluate_text(
    run: Job,
    runs: Annotated[list[Path], typer.Option(help="Read: runs.")],
    out: table("Write: all."),
):
    """Put the text runs together."""
    frame = pd.concat([tables.read(path) for path in runs], ignore_index=True)
    tables.write(out, frame, schema.TextRuns, run.provenance())


@verb(app)
def evaluate_networks(
    run: Job,
    groups: Annotated[Path, typer.Option(help="Folder with every group's tables.", metavar="DIR")],
    trained: table("Write: what every network knows."),
    runs: table("Write: one row per network."),
    shares: table("Write: admitted shares."),
):
    """Put the groups together."""
    for name, out in (("trained", trained), ("runs", runs), ("shares", shares)):
        frame = pd.concat(
            [tables.read(groups / f"{name}_{group}.parquet") for group in GROUPS], ignore_index=True
        )
        tables.write(out, frame, schema.TABLES[name], run.provenance())
