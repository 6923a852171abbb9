"""`rote score` and `rote prune`: losses of texts under a model, and the data set they choose."""

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from rote.core import job
from rote.core.verbs import result

log = logging.getLogger("rote")
app = typer.Typer(add_completion=False)


@app.command()
def prune(
    losses: Annotated[
        Path,
        typer.Option(
            help="Table with columns id and loss (nats), perhaps count (copies), entropy (nats, "
            "of what is to be known in the row) and text: Parquet, CSV, TSV or JSON lines."
        ),
    ],
    out: Annotated[Path, result("Write: the kept rows, copies to use as `count`.")],
    keep: Annotated[
        float | None,
        typer.Option(
            help="Share of the examples to keep, in (0, 1]; default: as many as the losses say "
            "that the model holds."
        ),
    ] = None,
    scheme: Annotated[
        Literal["none", "random", "loss", "loss-flat"],
        typer.Option(help="How they are chosen; loss-flat needs a column count."),
    ] = "loss",
    chance: Annotated[
        float | None,
        typer.Option(
            help="Probability of guessing a whole example right, in (0, 1]: its entropy is "
            "-ln(chance), where the table has no column entropy."
        ),
    ] = None,
    each_once: Annotated[
        bool, typer.Option("--each-once", help="One copy of every kept row.")
    ] = False,
    reasons: Annotated[
        Path | None, result("Write: every row, whether it is kept, and why.")
    ] = None,
    overlap: Annotated[
        float,
        typer.Option(
            help="Share of runs of three words, in (0, 1], from which on two texts nearly repeat.",
            min=0,
            max=1,
        ),
    ] = 0.8,
    seed: Annotated[int, typer.Option(help="Seed for ties and random choices.", min=0)] = 1,
) -> None:
    """Prune any data set by a trained model's losses (LossH); loss-flat also flattens (LossHF)."""
    from rote import prune as pruning
    from rote.core import tables
    from rote.readers import table

    with job.start("prune", seed=seed):
        frame = table.read(losses)
        where = str(losses)
        columns = list(frame.columns)
        if chance is not None:
            frame = pruning.with_chance(frame, chance, where)
        rows = pruning.explained(
            frame, keep, scheme=scheme, seed=seed, where=where, each_once=each_once
        )
        if "text" in frame:
            texts = table.texts(frame["text"], f"{losses}, text")
            first = pruning.near_duplicates(texts, overlap)
            rows["repeats"] = [
                "" if first_row == row else str(frame["id"].iloc[first_row])
                for row, first_row in enumerate(first)
            ]
            repeated = int((rows["repeats"] != "").sum())
            if repeated:
                log.warning(
                    "%d of %d texts nearly repeat an earlier one (column repeats of --reasons); "
                    "they are kept or dropped as any other: give them one row with a count",
                    repeated,
                    len(rows),
                )
        remaining = rows[rows["kept"]]
        names = list(dict.fromkeys([*columns, "count"]))
        tables.export(out, remaining[names].reset_index(drop=True))
        if reasons:
            tables.export(reasons, rows)
        log.info("kept %d of %d examples: %s", len(remaining), len(frame), out)


@app.command()
def score(
    model: Annotated[
        str, typer.Option(help="Causal language model: a folder of save_pretrained, or a hub id.")
    ],
    data: Annotated[
        str,
        typer.Option(
            help="Texts: file, folder or glob of Parquet, JSON lines or plain text, "
            "or hf:/stream:<data set>."
        ),
    ],
    out: Annotated[Path, result("Write: id, loss (nats), tokens, bits, text per example.")],
    column: Annotated[
        str, typer.Option(help="Column (Parquet) or key (JSON lines) that holds a text.")
    ] = "text",
    split: Annotated[
        Literal["file", "line", "blank"],
        typer.Option(help="What an example of a plain text file is."),
    ] = "line",
    batch: Annotated[int, typer.Option(help="Texts at one time.", min=1)] = 16,
    threads: Annotated[int, typer.Option(help="Threads.", min=1)] = 1,
    gpus: Annotated[int, typer.Option(help="Devices to lease.", min=0)] = 0,
) -> None:
    """Score texts by a model: the loss of every example, which `rote prune` reads."""
    import pandas as pd

    from rote.core import tables
    from rote.data import corpora
    from rote.models import scoring

    with job.start("score", threads=threads, gpus=gpus) as run:
        documents = corpora.documents(data, column, split=split)
        frame = pd.DataFrame(scoring.scored(model, documents, batch=batch, device=run.device))
        tables.export(out, frame)
        log.info("%d examples of %s: %s", len(frame), data, out)
