"""`rote invert MODEL`: invert a velocity model of one's own under a prior of one's own."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rote.core import job

app = typer.Typer(name="invert", add_completion=False)
Model = Annotated[
    Path,
    typer.Argument(help="True velocity model: .npy, .npz, .mat or SEG-Y (traces along x)."),
]
Spacing = Annotated[float, typer.Option(help="Cell size, m.", min=1e-6)]
Out = Annotated[Path, typer.Option(help="Write: a folder of results.", metavar="DIR")]
Training = Annotated[
    Path | None,
    typer.Option(help="Models of the prior: a folder with a file each, or one file of several."),
]
PriorName = Annotated[
    Literal["memorized", "gaussian", "network", "broad"],
    typer.Option(
        help="memorized: the training set itself; gaussian: its mean and covariance; network: "
        "trained on it; broad: smooth models, no training set."
    ),
]
Frequencies = Annotated[
    str, typer.Option(help="Hz, by commas; default: traces in the time domain.")
]
Layout = Annotated[
    Literal["transmission", "reflection"],
    typer.Option(help="Sources at the top; receivers at the bottom, or also at the top."),
]
Positions = Annotated[
    Path | None, typer.Option(help="Table with columns x, depth in m; replaces the geometry's.")
]


@app.command()
def invert(
    model: Model,
    spacing: Spacing,
    out: Out,
    training: Training = None,
    prior: PriorName = "broad",
    frequencies: Frequencies = "",
    geometry: Layout = "transmission",
    sources: Annotated[int, typer.Option(help="Sources.", min=1)] = 6,
    receivers: Annotated[int, typer.Option(help="Receivers.", min=1)] = 24,
    source_table: Positions = None,
    receiver_table: Positions = None,
    axes: Annotated[
        Literal["x,depth", "depth,x"], typer.Option(help="Axes of the arrays.")
    ] = "x,depth",
    unit: Annotated[Literal["km/s", "m/s"], typer.Option(help="Of velocities.")] = "km/s",
    key: Annotated[str, typer.Option(help="Name of the array in .npz and .mat files.")] = "",
    peak: Annotated[float, typer.Option(help="Peak of the Ricker wavelet, Hz.", min=1e-3)] = 5.0,
    wavelet: Annotated[
        Path | None, typer.Option(help="Samples of a wavelet instead (frequency domain).")
    ] = None,
    wavelet_step: Annotated[float, typer.Option(help="Time between its samples, s.", min=0)] = 0.0,
    step: Annotated[float, typer.Option(help="Time between trace samples, s.", min=1e-6)] = 0.002,
    duration: Annotated[float, typer.Option(help="Of traces, s.", min=1e-3)] = 1.0,
    layer: Annotated[int, typer.Option(help="Cells of the absorbing layer.", min=1)] = 10,
    free_surface: Annotated[
        bool, typer.Option("--free-surface", help="No layer at the top (frequency domain).")
    ] = False,
    noise: Annotated[
        float, typer.Option(help="Noise as a share of the largest datum.", min=1e-9)
    ] = 0.05,
    same_grid: Annotated[
        bool, typer.Option("--same-grid", help="Data from the grid of the inversion.")
    ] = False,
    samples: Annotated[int, typer.Option(help="Posterior samples.", min=1)] = 8,
    diffusion_steps: Annotated[int, typer.Option(help="Diffusion steps.", min=10)] = 200,
    data_step: Annotated[
        float, typer.Option(help="Length of a data step of 100 coordinates.", min=1e-9)
    ] = 0.07,
    components: Annotated[int, typer.Option(help="Principal components, at most.", min=1)] = 40,
    training_steps: Annotated[int, typer.Option(help="Of --prior network.", min=10)] = 3000,
    background: Annotated[
        float, typer.Option(help="Of --prior broad, km/s; 0: the true model's mean.", min=0)
    ] = 0.0,
    spread: Annotated[float, typer.Option(help="Of --prior broad, km/s.", min=1e-9)] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of noise and start noise.", min=0)] = 1,
    threads: Annotated[int, typer.Option(help="Threads to compute with.", min=1)] = 1,
) -> None:
    """Invert a velocity model of your own: posterior samples, their fit, and what they copy.

    Noisy data of the model are made on a grid three times as fine, then inverted by diffusion
    posterior sampling under the prior. The folder holds samples, mean and spread (.npy, km/s),
    a table of samples with misfit, error and ratio r with its null, the exact posterior over the
    training set, and a figure.
    """
    options = dict(locals())
    from rote.invert import request

    with job.start("invert", seed=seed, threads=threads):
        request.run(request.Request(**options))
