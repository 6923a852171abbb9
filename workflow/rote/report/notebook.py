"""Notebooks: what they show (`Chapter`), and executing them so that the same tables give the same bytes."""

import base64
import io
from html import escape
from pathlib import Path
from typing import Any

import nbformat
import papermill
from IPython.display import HTML
from papermill.exceptions import PapermillExecutionError

from rote import tables
from rote.errors import InputError
from rote.figures import Figure, render
from rote.ledger import Folder
from rote.papers import about
from rote.papers import load as load_paper
from rote.report.html import groups
from rote.report.html import render as render_page


class Chapter:
    """What a paper's notebook shows of one run: figures drawn from its tables, and its claims with their verdicts."""

    def __init__(self, paper: str, results: str | Path):
        self.about, self.tables = about(paper), Folder(Path(results) / paper)
        self._figures: dict[str, Figure] = load_paper(paper, "figures").FIGURES
        self._ledger = tables.read(Path(results) / "claims.parquet").query("paper == @paper")

    def figure(self, name: str) -> HTML:
        """Draw a figure, with its caption and what the paper shows."""
        figure = self._figures[name]
        png = png_base64(render(figure, self.tables))
        return HTML(
            f'<figure id="{name}"><img alt="{escape(figure.title)}. {escape(figure.caption)}" '
            f'src="data:image/png;base64,{png}"><figcaption><b>{escape(figure.title)}.</b> {escape(figure.caption)} '
            f"<i>The paper: {escape(figure.paper_shows)}</i></figcaption></figure>"
        )

    def claims(self, *names: str) -> HTML:
        """The ledger rows of these claims (without the paper's prefix), all if none is named."""
        rows = self._ledger
        if names:
            wanted = [f"{self._ledger['paper'].iloc[0]}.{name}" for name in names]
            if unknown := set(wanted) - set(rows["claim"]):
                raise InputError(f"no such claims in the ledger: {', '.join(sorted(unknown))}")
            rows = rows[rows["claim"].isin(wanted)]
        return HTML(render_page("ledger.html", groups=groups(rows)))


def png_base64(canvas: Any) -> str:
    """A figure as base64 PNG without time stamps."""
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()


def execute(source: Path, out: Path, parameters: dict[str, Any]) -> None:
    """Run a notebook with papermill and write it without times and random ids: same tables, same bytes.

    Raises:
        InputError: naming the cell that failed, with its error.
    """
    with tables.atomic(out) as temporary:
        try:
            papermill.execute_notebook(
                str(source), str(temporary), parameters, kernel_name="python3", progress_bar=False, start_timeout=300
            )
        except PapermillExecutionError as error:
            raise InputError(f"notebook {source}, cell {error.exec_count}: {error.ename}: {error.evalue}") from error
        content = nbformat.read(temporary, as_version=4)
        nbformat.write(stable(content), temporary)


def stable(content: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs between two runs: papermill's record, execution times, ids of injected cells."""
    content.metadata.pop("papermill", None)
    for number, cell in enumerate(content.cells):
        cell["id"] = f"cell-{number}"
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
    return content
