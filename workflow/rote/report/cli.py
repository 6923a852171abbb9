"""`rote report <verb>`: what the rules of the report call."""

from pathlib import Path
from typing import Annotated

import typer

from rote.core import job

app = typer.Typer(
    name="report",
    no_args_is_help=True,
    add_completion=False,
    help="Pages of the report. It grows while a run goes on: reports/<run>/index.html.",
)


@app.command("manifest")
def record_run(
    settings: Annotated[str, typer.Option(help="The complete configuration as JSON.")],
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
        values = verbs.parse(configuration.model(), settings).model_dump(mode="json")
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


@app.command("paper")
def draw_paper(
    paper: Annotated[str, typer.Option(help="Paper.")],
    papers: Annotated[str, typer.Option(help="All papers of the run, joined by commas.")],
    scale: Annotated[str, typer.Option(help="Of the run.")],
    seed: Annotated[int, typer.Option(help="Of the run.")],
    source: Annotated[Path, typer.Option(help="The parameterized notebook.")],
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")],
    executed: Annotated[Path, typer.Option("--notebook", help="Write: the executed notebook.")],
    out: Annotated[Path, typer.Option(help="Write: the HTML page.")],
) -> None:
    """Write a paper's notebook and page, and the report of what is judged so far."""
    from rote.report import notebook, pages

    run = {"run": results.name, "scale": scale, "seed": seed, "papers": papers.split(",")}
    with job.start(f"report {paper}"):
        parameters = {"run": results.name, "results": str(results), "live": False}
        notebook.execute(source, executed, parameters)
        pages.paper(paper, executed, run, out)
        pages.so_far(run, results, out.parent)


@app.command("site")
def draw_site(
    about: Annotated[
        str,
        typer.Option("--run", help="The run's own keys as JSON (run, scale, seed, papers, ...)."),
    ],
    results: Annotated[Path, typer.Option(help="results/<run>", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="The report's folder, reports/<run>.", metavar="DIR")],
) -> None:
    """Write the pages that span the papers (overview, claims, figures, methods) and their files."""
    from rote.core import verbs
    from rote.report import pages
    from rote.run import config

    with job.start("report site"):
        pages.site(verbs.parse(config.Run, about).model_dump(), results, out)
