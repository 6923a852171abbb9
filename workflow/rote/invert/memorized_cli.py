"""`rote memorized SAMPLES TRAINING`: is a set of samples memorized?"""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import job
from rote.core.verbs import result

app = typer.Typer(name="memorized", add_completion=False)
Samples = Annotated[
    Path, typer.Argument(help="Samples: an array (.npy, .npz, .mat, SEG-Y), or a folder of them.")
]
Training = Annotated[Path, typer.Argument(help="The training set, likewise.")]
HeldOut = Annotated[
    Path | None,
    typer.Option(help="Unseen examples for the null; default: training examples, each left out."),
]


@app.command()
def memorized(
    samples: Samples,
    training: Training,
    held_out: HeldOut = None,
    key: Annotated[str, typer.Option(help="Name of the array in .npz and .mat files.")] = "",
    neighbors: Annotated[int, typer.Option(help="k of d1 / mean(d2 ... dk).", min=2)] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the nulls' draws.", min=0)] = 1,
    out: Annotated[Path | None, result("Write: one row per sample.")] = None,
) -> None:
    """Is a set of samples memorized? Ratios of distances with their nulls, spread, coverage.

    Arrays of any kind and folders of pictures; one set has one shape.
    """
    from rote.core import tables
    from rote.invert import memorized as measures
    from rote.readers import model

    with job.start("memorized", seed=seed):
        paths = [path for path in (samples, training, held_out) if path is not None]
        sets = [model.read_set(path, key)[0] for path in paths]
        measured = measures.measure(*sets, neighbors=neighbors, seed=seed)
        typer.echo(measured.summary.to_string(index=False, float_format="%.3g"))
        if out is not None:
            tables.export(out, measured.samples)
