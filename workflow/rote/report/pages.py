"""The report as a site: pages and files in one folder, which ask nothing of the network."""

import csv
import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor

from rote import __version__
from rote import ledger as ledgers
from rote.core import runs, tables
from rote.core.papers import Figure, about
from rote.core.papers import load as load_paper
from rote.ledger import text
from rote.report.html import COPIED, drawn, figure_block, groups, render

log = logging.getLogger("rote")
_BEFORE = 946684800.0  # seconds of 2000-01-01: the date of a report that still grows


class _Math(Preprocessor):
    """TeX in Markdown cells as MathML, which browsers render by themselves."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\$\$(.+?)\$\$", _block, cell.source, flags=re.S)
            cell.source = re.sub(r"\$([^$\n]+?)\$", lambda match: mathml(match[1]), cell.source)
        return cell, resources


def _block(match: re.Match) -> str:
    return mathml(match[1], display="block")


def _scrolling(match: re.Match) -> str:
    return f'<div class="scroll">{match[0]}</div>'


def paper(name: str, notebook: Path, out: Path) -> None:
    """A paper's page: its executed notebook without code cells (the notebook lies beside it).

    Args:
        name: of the paper's folder.
        notebook: the executed notebook.
        out: file of the page.

    Raises:
        InputError: for an unknown paper.
    """
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    exporter.register_preprocessor(_Math, enabled=True)
    body, _ = exporter.from_notebook_node(nbformat.read(notebook, as_version=4))
    # tables of frames are wider than a phone: they scroll in themselves
    body = re.sub(r'<table border="1" class="dataframe">.*?</table>', _scrolling, body, flags=re.S)
    page = render("paper.html", about=about(name), body=body, notebook=notebook.name)
    with tables.atomic(out) as temporary:
        temporary.write_text(page, "utf-8")


def so_far(run: dict[str, Any], results: Path, out: Path) -> None:
    """The report of the papers that are judged so far; jobs that end at once take turns.

    Its pages are dated before everything, so that Snakemake never takes them for those of `site`.
    Nothing here fails a paper: where another job removes a file meanwhile, or a paper's ledger is
    of another version, the report stays as it was, and the next paper's job draws it.

    Args:
        run: as `site`.
        results: as `site`.
        out: reports/<run>.
    """
    with _turn(out):
        try:
            if papers := judged(run["papers"], results, out):
                _draw(run, papers, results, out, dated=_BEFORE)
                log.info("%s: %d of %d papers", out / "index.html", len(papers), len(run["papers"]))
        except (OSError, ValueError) as error:  # an InputError, too
            log.info("the report stays as it was: %s", error)


def judged(papers: list[str], results: Path, out: Path) -> list[str]:
    """Those of the papers whose ledger, figures and page are there and belong to their tables.

    Args:
        papers: names.
        results: results/<run>.
        out: reports/<run>.
    """
    names = []
    for name in papers:
        needed = [out / f"{name}.html"]
        for key in _figures_of(name, results):
            needed.append(results / name / "figures" / f"{key}.png")
        if ledgers.is_current(results, name) and all(path.is_file() for path in needed):
            names.append(name)
    return names


def _figures_of(paper: str, results: Path) -> dict[str, Figure]:
    """A paper's figures in this run: those that nothing is left out of."""
    figures: dict[str, Figure] = load_paper(paper, "figures").FIGURES
    made = set(tables.Folder(results / paper))
    chosen = {}
    for key, figure in figures.items():
        # whether the run has a figure's parts is seen from the figure alone
        drawn = not figure.parts or (results / paper / "figures" / f"{key}.png").is_file()
        if made >= set(figure.tables) and drawn:
            chosen[key] = figure
    return chosen


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the folder; a kill frees it, and it leaves no file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # file systems without locks: at worst the report grows later
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def site(run: dict[str, Any], results: Path, out: Path) -> None:
    """The pages that span the papers (index, claims, figures, methods), and `files/<paper>/`.

    Args:
        run: the keys run, scale, seed, papers.
        results: results/<run>, with claims/<paper>.parquet, <paper>/*.parquet, <paper>/figures/,
            benchmarks/.
        out: reports/<run>, with <paper>.html.
    """
    _draw(run, run["papers"], results, out)


def _draw(
    run: dict[str, Any], judged: list[str], results: Path, out: Path, dated: float | None = None
) -> None:
    """The site of the papers that are judged, with the date that its pages are given."""
    frame = ledgers.join(results, judged)
    summary = ledgers.summary(frame)
    provenance = _provenance(results, judged)
    papers = [
        {
            "name": name,
            "about": about(name),
            "figures": _figures(name, results / name, out / "files" / name),
            "counts": summary[summary["paper"] == name]["verdict"].value_counts().to_dict(),
        }
        for name in judged
    ]
    values = {
        "run": run,
        "of_run": run["run"],
        "again": runs.again(Path("reports", run["run"], "index.html")),
        "judge": runs.again(runs.RESULTS / run["run"] / "claims.parquet"),
        "version": __version__,
        "papers": papers,
        "waiting": [about(name).short for name in run["papers"] if name not in judged],
        "verdicts": ledgers.VERDICTS,
        "methods": ledgers.METHODS,
        "headline": text.headline(frame).replace("*", ""),
        "elsewhere": text.elsewhere(frame),
        "chance": text.chance(frame).replace("*", ""),
        "tallies": _tallies(frame),
        "revised": list(summary[summary["revised"] != ""].itertuples()),
        "total": summary["verdict"].value_counts().to_dict(),
        "groups": groups(frame),
        "lead": _lead(papers[0], summary),
        "failed": list(summary[summary["verdict"] == "contradicted"].itertuples()),
        "published": list(
            summary[(summary["paper_value"] != "") & summary["value"].notna()].itertuples()
        ),
        "devices": _devices(results / "benchmarks" / "devices.tsv"),
        "timings": _timings(results / "benchmarks"),
        "provenance": provenance,
        # one line, unless tables were made by several environments
        "versions": sorted({_versions(record) for record in provenance}),
    }
    for page in ("claims", "figures", "methods", "index"):
        with tables.atomic(out / f"{page}.html") as temporary:
            temporary.write_text(render(f"{page}.html", **values), "utf-8")
            if dated is not None:
                os.utime(temporary, (dated, dated))


def _devices(path: Path) -> list[Any]:
    """Rows of the measured devices, none while they are not measured."""
    return list(pd.read_csv(path, sep="\t").itertuples()) if path.is_file() else []


def _tallies(frame: pd.DataFrame) -> list[tuple[str, Any]]:
    """Claims by verdict, for each origin and each kind."""
    origins = ledgers.counts(frame, "origin")
    kinds = ledgers.counts(frame, "kind")
    return [*origins.iterrows(), *kinds.iterrows()]


def _versions(record: dict[str, Any]) -> str:
    """The libraries behind a table, from its provenance."""
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items())


def _lead(first: dict[str, Any], summary: pd.DataFrame) -> dict[str, Any] | None:
    """What the front page opens with: the paper that leads, its claims and its first figure."""
    if not first["about"].leads:
        return None
    key, figure = next(iter(load_paper(first["name"], "figures").FIGURES.items()))
    rows = list(summary[summary["paper"] == first["name"]].itertuples())
    return {
        "name": first["name"],
        "about": first["about"],
        "rows": rows[:6],
        "key": key,
        "figure": figure,
    }


def _figures(name: str, results: Path, files: Path) -> list[Any]:
    """A paper's figures for the gallery; copies them and their smaller tables beside the pages."""
    files.mkdir(parents=True, exist_ok=True)
    gallery = []
    for key, figure in _figures_of(name, results.parent).items():
        paths = [results / f"{table}.parquet" for table in figure.tables]
        paths = [path for path in paths if path.stat().st_size <= COPIED]
        paths += drawn(results, key)
        for path in paths:
            with tables.atomic(files / path.name) as temporary:
                shutil.copyfile(path, temporary)
        gallery.append(figure_block(name, results, key, figure))
    return gallery


def _timings(folder: Path) -> list[dict[str, Any]]:
    """Seconds, CPU seconds and peak memory per job, from Snakemake's benchmarks, longest first.

    Those of jobs that are ending, which Snakemake has not written yet, are left out.
    """
    rows = []
    for path in sorted(set(folder.glob("*.tsv")) - {folder / "devices.tsv"}):
        lines = path.read_text("utf-8").splitlines()
        if len(lines) < 2:
            continue
        record = next(csv.DictReader(lines, delimiter="\t"))
        rows.append(
            {
                "job": path.stem,
                "wall_s": float(record["s"]),
                "cpu_s": float(pd.to_numeric(record["cpu_time"], errors="coerce")),
                "memory_mb": float(pd.to_numeric(record["max_rss"], errors="coerce")),
            }
        )
    return sorted(rows, key=lambda row: -row["wall_s"])


def _provenance(results: Path, papers: list[str]) -> list[dict[str, Any]]:
    """What each table says about its making."""
    paths = []
    for name in papers:
        paths += [ledgers.of_paper(results, name), *sorted((results / name).glob("*.parquet"))]
    rows = []
    for path in paths:
        if record := tables.provenance(path):
            record["table"] = str(path.relative_to(results))
            record["settings"] = json.dumps(record["settings"])
            rows.append(record)
    return rows
