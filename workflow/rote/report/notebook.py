"""Notebooks: what they show (`Chapter`), and their execution: same tables, same bytes."""

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
from IPython.display import HTML

from rote import ledger as ledgers
from rote.core import tables
from rote.core.errors import InputError
from rote.core.papers import Figure, about
from rote.core.papers import load as load_paper
from rote.core.section import first_paragraph
from rote.core.tables import Folder, Table
from rote.ledger.text import number
from rote.report.html import figure_block, groups, render

Rows = Callable[[pd.DataFrame], pd.DataFrame]


def all_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """All rows of a table, as they are."""
    return rows


class Chapter:
    """What a paper's notebook shows of one run: its figures, and its claims with their verdicts.

    Args:
        paper: name of its folder.
        results: results/<run>, with the paper's ledger.

    Raises:
        InputError: for an unknown paper, or one without a whole ledger.
    """

    def __init__(self, paper: str, results: str | Path):
        self.about = about(paper)
        self.tables = Folder(Path(results) / paper)
        self._paper = paper
        self._results = Path(results) / paper
        self._figures: dict[str, Figure] = load_paper(paper, "figures").FIGURES
        self._models: dict[str, type[Table]] = load_paper(paper, "schema").TABLES
        self._ledger = ledgers.read(ledgers.of_paper(Path(results), paper))

    def figure(self, name: str, *quoted: str) -> HTML:
        """A figure as the run drew it, with its caption, the claims `quoted`, and its sources.

        The picture is the file beside the report; `rote draw` makes it anew. A figure that the run
        left out is named, with the scale that has it.

        Args:
            name: of one of the paper's `FIGURES`.
            *quoted: claims, without the paper's prefix, whose values the caption quotes.

        Raises:
            InputError: for claims that the ledger lacks.
            KeyError: for a figure that the paper does not have.
        """
        rows = self._named(quoted).drop_duplicates("claim")
        figure = self._figures[name]
        if not (self._results / "figures" / f"{name}.png").exists():
            return _left_out(figure.title, "drawn")
        return HTML(figure_block(self._paper, self._results, name, figure, rows))

    def claims(self, *names: str) -> HTML:
        """The ledger rows of these claims (without the paper's prefix), all if none is named."""
        rows = self._named(names) if names else self._ledger
        return HTML(render("ledger.html", groups=groups(rows), of_run=self._results.parent.name))

    def table(self, name: str, titles: Mapping[str, str], rows: Rows = all_rows) -> HTML:
        """A table for a reader: titles for column names, no row numbers, three digits.

        A table that the run left out is named, with the scale that has it.

        Args:
            name: of one of the paper's tables.
            titles: heading, with its unit, of each column that is shown, by column, in order.
            rows: from the table to what is shown of it, with a column, or a level of the index,
                for each of `titles`.

        Raises:
            InputError: for columns that the rows lack.
            KeyError: for a table that the paper does not have.
        """
        model = self._models[name]
        if name not in self.tables:
            return _left_out(first_paragraph(model).rstrip("."), "made")
        return HTML(table_html(rows(self.tables[name]), titles))

    def _named(self, names: Sequence[str]) -> pd.DataFrame:
        """Ledger rows of these claims, the worst condition of each first."""
        ids = [f"{self._paper}.{name}" for name in names]
        if not ids:
            return self._ledger.iloc[:0]
        if unknown := set(ids) - set(self._ledger["claim"]):
            raise InputError(f"no such claims in the ledger: {', '.join(sorted(unknown))}")
        claims = ledgers.by_claim(self._ledger[self._ledger["claim"].isin(ids)])
        return pd.concat([rows for _, rows in claims])


def table_html(rows: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Rows as a table for a reader. Arguments and errors as of `Chapter.table`."""
    named = rows if rows.index.names == [None] else rows.reset_index()
    if unknown := [name for name in titles if name not in named]:
        raise InputError(f"no such columns in the table: {', '.join(unknown)}")
    cells = {title: named[name].map(_cell) for name, title in titles.items()}
    return pd.DataFrame(cells).to_html(index=False)


def _left_out(title: str, how: str) -> HTML:
    """In the place of a figure or table: which run has it."""
    return HTML(
        f'<p class="left-out">{title}: {how} at the full scale (<code>make full</code>).</p>'
    )


def _cell(value: Any) -> str:
    """A value for a reader: 12,345 or 0.123 or yes; a dash where there is none."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return number(value)
    return str(value)


def execute(source: Path, out: Path, parameters: dict[str, Any]) -> None:
    """Run a notebook in this process's interpreter and write it without times and random ids.

    Kernels that the user or the machine has installed, and the user's settings of IPython, do not
    matter.

    Args:
        source: the notebook.
        out: file of the executed one.
        parameters: values of the notebook's cell of parameters.

    Raises:
        InputError: naming the cell that failed, with its error.
    """
    import papermill  # here, not above: a notebook's own process imports this module, too

    with tables.atomic(out) as temporary, tempfile.TemporaryDirectory(prefix="rote-") as folder:
        try:
            papermill.execute_notebook(
                str(source),
                str(temporary),
                parameters,
                kernel_name="python3",
                kernel_manager_class=_interpreter(folder),
                progress_bar=False,
                start_timeout=300,
            )
        except papermill.PapermillExecutionError as error:
            raise InputError(
                f"notebook {source}, cell {error.exec_count}: {error.ename}: {error.evalue}"
            ) from error
        content = nbformat.read(temporary, as_version=4)
        nbformat.write(stable(content), temporary)


def _interpreter(folder: str) -> type:
    """This interpreter as a kernel, its settings of IPython in an empty folder."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    environment = {"IPYTHONDIR": folder, "JUPYTER_RUNTIME_DIR": folder, "PYTHONSTARTUP": os.devnull}
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = KernelSpec(
        argv=command, display_name="Python 3", language="python", env=environment
    )

    class Interpreter(AsyncKernelManager):
        kernel_spec = specification

    return Interpreter


def stable(content: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs between two runs: papermill's record, times, ids of injected cells."""
    content.metadata.pop("papermill", None)
    for position, cell in enumerate(content.cells):
        cell["id"] = f"cell-{position}"
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
    return content
