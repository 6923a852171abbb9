"""`rote report <verb>`: what the rules of the report call."""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import job

app = typer.Typer(
    name="report",
    no_args_is_help=True,
    add_completion=False,
    help="The pages of the report.",
)


@app.command("manifest")
def record_run(
    config: Annotated[str, typer.Option(help="The complete configuration as JSON.")],
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")],
    snakefile: Annotated[
        Path, typer.Option(help="The workflow's entry file, copied beside the results.")
    ],
    records: Annotated[Path, typer.Option(help="Snakemake's records of outputs.")] = Path(
        ".snakemake/metadata"
    ),
    threads: Annotated[int, typer.Option(help="Files hashed at a time.", min=1)] = 1,
) -> None:
    """Write MANIFEST.json and an RO-Crate: every file of a run with digest, rule and inputs."""
    from rote.core import verbs
    from rote.run import config as configuration
    from rote.run import manifest

    with job.start("report manifest", threads=threads):
        values = verbs.parse(configuration.model(), config).model_dump(mode="json")
        manifest.write(results, values, snakefile, records, threads)


@app.command("devices")
def measure_devices(
    out: Annotated[Path, typer.Option(help="Write: the measurements.", metavar="TSV")],
    threads: Annotated[int, typer.Option(help="Threads to compute with.", min=1)] = 1,
    gpus: Annotated[int, typer.Option(help="Devices to lease; 0 measures the CPU.", min=0)] = 0,
) -> None:
    """Measure the device of a run, and which share of its peak training and search reach."""
    import pandas as pd

    from rote.core import tables
    from rote.run import devices

    with (
        job.start("report devices", threads=threads, gpus=gpus) as work,
        tables.atomic(out) as temporary,
    ):
        frame = pd.DataFrame(devices.measure(work.device))
        frame.to_csv(temporary, sep="\t", index=False, float_format="%.4g")


@app.command("site")
def draw_site(
    about: Annotated[
        str,
        typer.Option("--run", help="The run's own keys as JSON (run, scale, seed, papers, ...)."),
    ],
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")],
    notebooks: Annotated[
        Path, typer.Option(help="Folder with the parameterized <paper>.ipynb.", metavar="DIR")
    ],
    out: Annotated[Path, typer.Option(help="The report's folder, reports/<run>.", metavar="DIR")],
    threads: Annotated[int, typer.Option(help="Notebooks executed at a time.", min=1)] = 1,
) -> None:
    """Execute the papers' notebooks; write their pages, those that span the papers, and files."""
    from rote.core import verbs
    from rote.report import notebook, pages
    from rote.run import config

    with job.start("report site"):
        run = verbs.parse(config.Run, about).model_dump()
        executed = notebook.execute_all(run["papers"], notebooks, out, results, threads)
        for paper, path in executed.items():
            pages.paper(paper, path, out / f"{paper}.html")
        pages.site(run, results, out)
