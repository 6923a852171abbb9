"""A paper's notebook opened on a run, for a reader who changes it."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat

from rote import ledger as ledgers
from rote.core import runs, tables
from rote.core.errors import InputError
from rote.core.papers import about

SOURCES = Path("workflow/notebooks")
_PARAMETERS = """run = {run!r}
results = {results!r}  # the folder of the run
live = True  # draw figures from the tables"""


def prepare(paper: str, results: Path, folder: Path) -> Path:
    """Write a paper's notebook with a run as its parameters: yours to change.

    Args:
        paper: name of its folder.
        results: results/<run>, with the paper's ledger.
        folder: where to write it.

    Returns:
        `<paper>-<run>.ipynb`; one that is there already stays as it is.

    Raises:
        InputError: for an unknown paper, a run that has not judged it, or no notebook.
    """
    about(paper)
    run = results.resolve().name
    page = Path("reports", run, f"{paper}.html")
    if not ledgers.of_paper(results, paper).is_file():
        raise InputError(f"run {run} has not judged {paper}; do it: {runs.again(page)}")
    sources = (page.with_suffix(".ipynb"), SOURCES / f"{paper}.ipynb")
    source = next(filter(Path.is_file, sources), None)
    if source is None:
        raise InputError(
            f"no notebook of {paper} in {page.parent} or {SOURCES}; make it: {runs.again(page)}"
        )
    out = folder / f"{paper}-{run}.ipynb"
    if not out.exists():
        content = with_parameters(nbformat.read(source, as_version=4), results.resolve())
        with tables.atomic(out) as temporary:
            nbformat.write(content, temporary)
    return out


def with_parameters(content: nbformat.NotebookNode, results: Path) -> nbformat.NotebookNode:
    """A notebook without outputs, whose cell of parameters names a run.

    Args:
        content: a notebook with a cell tagged `parameters`, perhaps executed by papermill.
        results: results/<run>, absolute.
    """
    cells = []
    for cell in content.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            continue
        if "parameters" in tags:
            cell.source = _PARAMETERS.format(run=results.name, results=str(results))
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
        cells.append(cell)
    content.cells = cells
    return content


def launch(notebook: Path) -> None:
    """Open a notebook in JupyterLab, which takes the place of this process.

    Args:
        notebook: the file.

    Raises:
        InputError: if JupyterLab is not installed in this environment.
    """
    if find_spec("jupyterlab") is None:
        raise InputError(
            f"JupyterLab is not installed beside rote: pip install jupyterlab, "
            f"then jupyter lab {notebook}; or open the file in any editor of notebooks"
        )
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(notebook)])
