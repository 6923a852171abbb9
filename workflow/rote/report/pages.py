"""The report as a site: pages and files in one folder, which ask nothing of the network."""

import base64
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
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor

from rote import __version__
from rote import ledger as ledgers
from rote.core import exports, runs, tables
from rote.core.papers import Figure, about
from rote.core.papers import load as load_paper
from rote.ledger import text
from rote.report import replicates
from rote.report.html import COPIED, drawn, figure_block, ledger_rows, render
from rote.report.sentences import FINDING, Sentence, of_claims, on_claims

log = logging.getLogger("rote")
_BEFORE = 946684800.0  # seconds of 2000-01-01: the date of a report that still grows
_FONT = Path(__file__).parent / "templates" / "math.woff"  # for formulas, embedded in the pages
_LISTED = 5  # contradicted claims that the overview shows; the others are linked


class _Page(Preprocessor):
    """A notebook's cells as a page has them.

    TeX is MathML, which browsers render by themselves; what the reader can change is shown as code.
    """

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
        elif "interactive" in cell.metadata.get("tags", []):
            code = Markup("<pre>{}</pre>").format(cell.source)
            cell.outputs.insert(0, nbformat.v4.new_output("display_data", {"text/html": code}))
        return cell, resources


def with_mathml(source: str) -> str:
    """Markdown with its TeX as MathML: displays between $$, perhaps of several lines, and $...$."""
    source = re.sub(r"\$\$(.+?)\$\$", _display, source, flags=re.S)
    return re.sub(r"\$((?:[^$\n]|\n(?!\n))+?)\$", _inline, source)


def _display(match: re.Match) -> str:
    formula = mathml(_one_line(match[1]), display="block")
    return formula.replace("<math ", '<math tabindex="0" ', 1)


def _inline(match: re.Match) -> str:
    return mathml(_one_line(match[1]))


def _one_line(formula: str) -> str:
    return " ".join(formula.split())


def _anchored(match: re.Match) -> str:
    """A section's title with an id, which the page's contents lead to."""
    words = re.findall(r"\w+", Markup(match[1]).striptags().lower())
    return f'<h2 id="{"-".join(words)}">{match[1]}</h2>'


def _scrolling(match: re.Match) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{match[0]}</div>'


def paper(name: str, notebook: Path, run: dict[str, Any], out: Path) -> None:
    """A paper's page: its executed notebook without code cells (the notebook lies beside it).

    Args:
        name: of the paper's folder.
        notebook: the executed notebook.
        run: the keys run, scale, seed, papers.
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
    exporter.register_preprocessor(_Page, enabled=True)
    body, _ = exporter.from_notebook_node(nbformat.read(notebook, as_version=4))
    # tables are wider than a phone: they scroll in themselves
    tables_of_values = r'<table(?: border="1" class="dataframe")?>(?:(?!<table).)*?</table>'
    body = re.sub(tables_of_values, _scrolling, body, flags=re.S)
    body = re.sub(r"<h2>(.*?)</h2>", _anchored, body, flags=re.S)
    page = render(
        "paper.html",
        name=name,
        about=about(name),
        run=run,
        menu=_menu(run["papers"]),
        body=body,
        contents=_contents(body),
        notebook=notebook.name,
        font=base64.b64encode(_FONT.read_bytes()).decode(),
    )
    with tables.atomic(out) as temporary:
        temporary.write_text(page, "utf-8")


def _menu(papers: list[str]) -> list[tuple[str, str]]:
    """Name and short title of each paper, for the links on every page."""
    return [(name, about(name).short) for name in papers]


def _contents(body: str) -> list[tuple[str, Markup]]:
    """The sections of a page, by their anchors."""
    sections = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body, flags=re.S)
    return [(anchor, Markup(title).striptags()) for anchor, title in sections]


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
    _copy_ledgers(frame, results, out / "files")
    summary = ledgers.summary(frame)
    provenance = _provenance(results, judged)
    failed = summary[summary["verdict"] == "contradicted"]
    order = failed["origin"].map(ledgers.ORIGINS.index).sort_values(kind="stable").index
    values = {
        "run": run,
        "of_run": run["run"],
        "menu": _menu(judged),
        "again": runs.again(Path("reports", run["run"], "index.html")),
        "judge": runs.again(runs.RESULTS / run["run"] / "claims.parquet"),
        "version": __version__,
        "papers": [_paper(name, frame[frame["paper"] == name], results, out) for name in judged],
        "waiting": [about(name).short for name in run["papers"] if name not in judged],
        "verdicts": ledgers.VERDICTS,
        "origins": _tally(frame, "origin"),
        "kinds": _tally(frame, "kind"),
        "by_paper": _tally(frame, "paper"),
        "methods": ledgers.METHODS,
        "headline": text.headline(frame).replace("*", ""),
        "elsewhere": text.elsewhere(frame),
        "chance": text.chance(frame).replace("*", ""),
        "revised": list(summary[summary["revised"] != ""].itertuples()),
        # the papers' own first
        "failed": list(failed.loc[order].itertuples()),
        "listed": _LISTED,
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


def _paper(name: str, ledger: pd.DataFrame, results: Path, out: Path) -> dict[str, Any]:
    """What the pages say of a paper: finding, key figure, figures, claims, counts."""
    figures = _figures_of(name, results)
    key, finding = _opening(name, ledger, out / f"{name}.ipynb")
    claims = ledgers.summary(ledger)
    theirs = claims[claims["origin"] == "paper"]
    return {
        "name": name,
        "about": about(name),
        "finding": finding,
        "key": {"name": key, "figure": figures[key]} if key in figures else None,
        "figures": _figures(name, results / name, out / "files" / name),
        "rows": ledger_rows(ledger, replicates.read(results, name)),
        "counts": claims["verdict"].value_counts().to_dict(),
        "theirs": theirs["verdict"].value_counts().to_dict(),
    }


def _opening(paper: str, ledger: pd.DataFrame, notebook: Path) -> tuple[str, Sentence]:
    """A paper's key figure, and its finding as the ledger has it, both as its notebook says.

    Of a notebook that says neither: the paper's first figure, and the claim that README quotes.
    """
    for output in _outputs(notebook):
        opening = output.get("metadata", {}).get("text/html", {}).get(FINDING)
        if opening:
            return opening["figure"], on_claims(ledger, opening["statement"], paper)
    claim = about(paper).finding or ledger["claim"].iloc[0]
    (row,) = of_claims(ledger, [claim])
    statement = (row.says, claim.split(".")[1])
    first = next(iter(load_paper(paper, "figures").FIGURES))
    return first, on_claims(ledger, statement, paper)


def _outputs(notebook: Path) -> Iterator[dict[str, Any]]:
    """The outputs of a notebook's cells; none if there is no notebook."""
    if notebook.is_file():
        for cell in nbformat.read(notebook, as_version=4).cells:
            yield from cell.get("outputs", [])


def _copy_ledgers(frame: pd.DataFrame, results: Path, files: Path) -> None:
    """The ledger for readers, as CSV and Parquet, and those of the papers for their notebooks."""
    (files / "claims").mkdir(parents=True, exist_ok=True)
    for name in ("claims.csv", "claims.parquet"):
        with tables.atomic(files / name) as temporary:
            exports.FORMATS[Path(name).suffix](frame, temporary)
    for paper in frame["paper"].unique():
        sources = (ledgers.of_paper(results, paper), replicates.of_paper(results, paper))
        for path in filter(Path.is_file, sources):
            with tables.atomic(files / "claims" / path.name) as temporary:
                shutil.copyfile(path, temporary)


def _tally(ledger: pd.DataFrame, by: str) -> list[tuple[str, dict[str, Any]]]:
    """Claims by verdict for each value of a column, with its title."""
    rows = []
    for name, row in ledgers.counts(ledger, by).iterrows():
        title = about(str(name)).short if by == "paper" else str(name)
        rows.append((str(name), {"title": title, **row.to_dict()}))
    return rows


def _devices(path: Path) -> list[Any]:
    """Rows of the measured devices, none while they are not measured."""
    return list(pd.read_csv(path, sep="\t").itertuples()) if path.is_file() else []


def _versions(record: dict[str, Any]) -> str:
    """The libraries behind a table, from its provenance."""
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items())


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
        gallery.append(figure_block(results.parent.name, results, key, figure))
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
