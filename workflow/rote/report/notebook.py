"""Notebooks: what they show (`Chapter`), and their execution: same tables, same bytes."""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
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
from rote.report import replicates
from rote.report.html import drawn, embedded, figure_block, ledger_rows, render
from rote.report.sentences import FINDING, Statement, of_claims, on_claims

_SCREEN = 110  # dots per inch of a figure that is drawn in a notebook
Rows = Callable[[pd.DataFrame], pd.DataFrame]


def all_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """All rows of a table, as they are."""
    return rows


class Chapter:
    """What a paper's notebook shows of one run: sentences, figures, claims with their verdicts.

    Args:
        paper: name of its folder.
        results: results/<run>, with the paper's ledger. Where there is no such folder, the copies
            that lie beside a report (files/) are taken.
        live: draw figures anew from the tables; else show the files that the run drew.

    Raises:
        InputError: for an unknown paper, results that are not there, or no whole ledger.
    """

    def __init__(self, paper: str, results: str | Path, *, live: bool = True):
        self.about = about(paper)
        self.run = Path(results).name
        folder = _results(Path(results), paper)
        self.tables = Folder(folder / paper)
        self._live = live
        self._paper = paper
        self._results = folder / paper
        self._figures: dict[str, Figure] = load_paper(paper, "figures").FIGURES
        self._models: dict[str, type[Table]] = load_paper(paper, "schema").TABLES
        self._ledger = ledgers.read(ledgers.of_paper(folder, paper))
        self._bases = replicates.read(folder, paper)

    def finding(self, figure: str, sentence: str, *claims: str) -> HTML:
        """The paper's finding in one sentence, which changes with the verdicts of its claims.

        The report's overview shows it, too, beside the figure.

        Args:
            figure: name of the paper's key figure.
            sentence: declarative, in the present tense, without its full stop.
            *claims: those that it stands on, without the paper's prefix.

        Raises:
            InputError: for a sentence without claims, or claims that the ledger lacks.
            KeyError: for a figure that the paper does not have.
        """
        statement = (sentence, *claims)
        body = render("finding.html", sentence=on_claims(self._ledger, statement, self._paper))
        opening = {"figure": figure, "title": self._figures[figure].title}
        return HTML(body, metadata={FINDING: opening | {"statement": statement}})

    def says(self, *statements: Statement) -> HTML:
        """Sentences that change with the verdicts of the claims that they stand on.

        Args:
            *statements: each a declarative sentence in the present tense, without its full stop,
                then the claims that it stands on, without the paper's prefix.

        Raises:
            InputError: for a sentence without claims, or claims that the ledger lacks.
        """
        sentences = [on_claims(self._ledger, statement, self._paper) for statement in statements]
        return HTML(render("statements.html", sentences=sentences))

    def figure(self, name: str, *quoted: str) -> HTML:
        """A figure with its caption, the claims `quoted`, and its sources.

        It is drawn from the tables, or is the file beside the report (`live`). A figure that the
        run left out is named, with the scale that has it.

        Args:
            name: of one of the paper's `FIGURES`.
            *quoted: claims, without the paper's prefix, whose values the caption quotes.

        Raises:
            InputError: for claims that the ledger lacks.
            KeyError: for a figure that the paper does not have.
        """
        ids = [f"{self._paper}.{claim}" for claim in quoted]
        rows = of_claims(self._ledger, ids)
        figure = self._figures[name]
        live = self._live and self._has(figure)
        if not live and not drawn(self._results, name):
            return _left_out(figure.title, "drawn")
        picture = self._drawn(name, self.tables) if live else b""
        return HTML(figure_block(self.run, self._results, name, figure, rows, picture))

    def redraw(self, name: str, **rows: str) -> HTML:
        """A figure drawn of some rows only, to be changed by the reader.

        Rows that it cannot be drawn of, none at all for example, are named instead.

        Args:
            name: of one of the paper's `FIGURES`.
            **rows: by table, which of its rows to draw, as `pandas.DataFrame.query` takes it.

        Raises:
            InputError: for a table that the figure does not draw.
            KeyError: for a figure that the paper does not have.
        """
        figure = self._figures[name]
        if not self._has(figure):
            return _left_out(figure.title, "drawn")
        if unknown := set(rows) - set(figure.tables):
            raise InputError(
                f"redraw: {name} draws {', '.join(figure.tables)}, not {', '.join(sorted(unknown))}"
            )
        chosen = {table: self.tables[table] for table in figure.tables}
        try:
            for table, query in rows.items():
                chosen[table] = chosen[table].query(query)
            picture = self._drawn(name, chosen)
        except Exception as error:
            message = f"{figure.title}: cannot be drawn of these rows ({error}); choose others."
            return HTML(render("message.html", message=message))
        return HTML(f'<img alt="{figure.title}, of chosen rows" src="{embedded(picture)}">')

    def claims(self, *names: str) -> HTML:
        """The ledger rows of these claims (without the paper's prefix), folded; else all."""
        ids = [f"{self._paper}.{name}" for name in names]
        of_claims(self._ledger, ids)
        chosen = self._ledger["claim"].isin(ids) if names else self._ledger["claim"].notna()
        shown = self._ledger[chosen]
        tally = ledgers.summary(shown)["verdict"].value_counts().items()
        rows = ledger_rows(shown, self._bases)
        # the whole ledger of a page is what links to a claim lead to
        ids = {"ids": not names, "id": "" if names else "ledger"}
        return HTML(render("fold.html", rows=rows, tally=tally, of_run=self.run, **ids))

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

    def _has(self, figure: Figure) -> bool:
        """Whether the tables of a figure are there."""
        return all(table in self.tables for table in figure.tables)

    def _drawn(self, name: str, given: Mapping[str, pd.DataFrame]) -> bytes:
        """A figure as PNG, drawn from these tables."""
        from matplotlib import pyplot  # here, not above: it takes a second

        from rote.plotting.figures import render as draw
        from rote.plotting.style import house_style

        content = io.BytesIO()
        with house_style():
            canvas = draw(self._paper, name, given)
            canvas.savefig(content, format="png", dpi=_SCREEN, metadata={"Software": None})
        pyplot.close(canvas)
        return content.getvalue()


def _results(results: Path, paper: str) -> Path:
    """The folder of a run's results, or of the copies beside a report."""
    for folder in (results, Path("files")):
        if ledgers.of_paper(folder, paper).is_file():
            return folder
    raise InputError(
        f"{results.resolve()} holds no ledger of {paper}; set `results` to the folder of a run, "
        f"or open the notebook of one: rote notebook {paper} --run <name>"
    )


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
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else number(value)
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
