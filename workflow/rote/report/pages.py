"""HTML pages: self-contained files that ask nothing of the network."""

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor

from rote import __version__, claims, tables
from rote.papers import about
from rote.papers import load as load_paper
from rote.report.html import groups, render


class _Math(Preprocessor):
    """TeX in Markdown cells as MathML, which browsers render by themselves."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\$\$(.+?)\$\$", lambda m: mathml(m[1], display="block"), cell.source, flags=re.S)
            cell.source = re.sub(r"\$([^$\n]+?)\$", lambda m: mathml(m[1]), cell.source)
        return cell, resources


def paper(name: str, notebook: Path, out: Path) -> None:
    """A paper's page: its executed notebook without code cells (the notebook lies beside it)."""
    exporter = HTMLExporter(
        template_name="basic", exclude_input=True, exclude_output_prompt=True, exclude_anchor_links=True
    )
    exporter.register_preprocessor(_Math, enabled=True)
    body, _ = exporter.from_notebook_node(nbformat.read(notebook, as_version=4))
    page = render("paper.html", about=about(name), body=body, notebook=notebook.name)
    with tables.atomic(out) as temporary:
        temporary.write_text(page)


def index(run: dict[str, Any], results: Path, out: Path) -> None:
    """The front page, and beside it `files/<paper>/`: every figure (PNG, PDF) and the tables behind it (Parquet).

    Args:
        run: the keys run, scale, seed, papers.
        results: results/<run>, with claims.parquet, <paper>/*.parquet, <paper>/figures/, benchmarks/.
    """
    frame = tables.read(results / "claims.parquet")
    papers = [
        {
            "name": name,
            "about": about(name),
            "figures": _figures(name, results / name, out.parent / "files" / name),
            "counts": claims.summary(frame[frame["paper"] == name])["verdict"].value_counts().to_dict(),
        }
        for name in run["papers"]
    ]
    page = render(
        "index.html",
        run=run,
        version=__version__,
        papers=papers,
        verdicts=claims.VERDICTS,
        groups=groups(frame),
        timings=_timings(results / "benchmarks"),
        provenance=_provenance(results, run["papers"]),
    )
    with tables.atomic(out) as temporary:
        temporary.write_text(page)


def _figures(name: str, results: Path, files: Path) -> list[dict[str, Any]]:
    """A paper's figures for the gallery; copies the files that the page links to."""
    files.mkdir(parents=True, exist_ok=True)
    gallery = []
    for key, figure in load_paper(name, "figures").FIGURES.items():
        png = results / "figures" / f"{key}.png"
        for path in (png, png.with_suffix(".pdf"), *(results / f"{table}.parquet" for table in figure.tables)):
            shutil.copyfile(path, files / path.name)
        gallery.append({"key": key, "figure": figure, "png": base64.b64encode(png.read_bytes()).decode()})
    return gallery


def _timings(folder: Path) -> list[dict[str, Any]]:
    """Seconds, CPU seconds and peak memory per job, from Snakemake's benchmark files, longest first."""
    rows = []
    for path in sorted(folder.glob("*.tsv")):
        record = pd.read_csv(path, sep="\t").iloc[0]
        memory = pd.to_numeric(record["max_rss"], errors="coerce")
        cpu = pd.to_numeric(record["cpu_time"], errors="coerce")
        rows.append({"job": path.stem, "wall_s": float(record["s"]), "cpu_s": float(cpu), "memory_mb": float(memory)})
    return sorted(rows, key=lambda row: -row["wall_s"])


def _provenance(results: Path, papers: list[str]) -> list[dict[str, Any]]:
    """What each table says about its making."""
    rows = []
    tables_of_papers = [path for name in papers for path in sorted((results / name).glob("*.parquet"))]
    for path in [results / "claims.parquet", *tables_of_papers]:
        if record := tables.provenance(path):
            record["table"] = str(path.relative_to(results))
            record["settings"] = json.dumps(record["settings"])
            rows.append(record)
    return rows
