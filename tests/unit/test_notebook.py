"""Notebooks: what they show beside figures and claims, and how a reader opens one."""

import re
import shutil
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger as ledgers
from rote.core import job, tables
from rote.core.errors import InputError
from rote.report import lab
from rote.report.notebook import Chapter, table_html

ROWS = pd.DataFrame(
    {
        "engine": ["scan", "a < b"],
        "exact": [True, False],
        "tokens": [300_000, 7],
        "median": [0.123456, np.nan],
    }
)


def test_table_has_titles_and_digits_for_a_reader():
    titles = {"engine": "engine", "exact": "exact", "tokens": "tokens", "median": "median (nats)"}
    html = table_html(ROWS, titles)
    first, second = [re.findall(r"<t[hd]>(.*?)</t", row) for row in html.split("<tr")[2:]]
    assert first == ["scan", "yes", "300,000", "0.123"]
    assert second == ["a &lt; b", "no", "7", "–"]
    assert re.findall(r"<th>(.*?)</th>", html) == list(titles.values())


def test_table_shows_levels_of_the_index():
    html = table_html(ROWS.groupby("engine")[["tokens"]].sum(), {"engine": "engine"})
    assert "scan" in html
    assert "300,000" not in html


def test_table_names_columns_that_the_rows_lack():
    with pytest.raises(InputError, match="no such columns in the table: speed"):
        table_html(ROWS, {"engine": "engine", "speed": "tokens/s"})


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a run that has judged one paper, and the notebooks."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "workflow/notebooks", tmp_path / "workflow/notebooks")
    frame = ledgers.evaluate(ROOT / "workflow/claims/raf.yaml", {}, scale="full")
    path = ledgers.of_paper(tmp_path / "results/mine", "raf")
    path.parent.mkdir(parents=True)
    with job.start("claims") as work:
        tables.write(path, frame, ledgers.Ledger, work.provenance())
    return tmp_path


def test_notebook_is_written_with_the_run_as_its_parameters(project):
    path = lab.prepare("raf", project / "results/mine", project)
    assert path.name == "raf-mine.ipynb"
    world = {}
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == ([], None)
        if "parameters" in cell.metadata.get("tags", []):
            exec(cell.source, world)
    assert world["run"] == "mine"
    assert world["results"] == str(project / "results/mine")
    assert world["live"] is True


def test_notebook_of_a_reader_stays_as_it_is(project):
    path = lab.prepare("raf", project / "results/mine", project)
    path.write_text("changed")
    lab.prepare("raf", project / "results/mine", project)
    assert path.read_text() == "changed"


def test_executed_notebook_loses_what_papermill_added():
    cells = [nbformat.v4.new_code_cell(f"x = {n}") for n in range(3)]
    cells[0].metadata["tags"] = ["parameters"]
    cells[1].metadata["tags"] = ["injected-parameters"]
    cells[2].update(execution_count=7, outputs=[nbformat.v4.new_output("stream", text="7")])
    content = lab.with_parameters(nbformat.v4.new_notebook(cells=cells), ROOT / "results/other")
    assert len(content.cells) == 2
    assert "run = 'other'" in content.cells[0].source
    assert (content.cells[1].outputs, content.cells[1].execution_count) == ([], None)


def test_notebook_of_a_paper_that_is_not_judged_is_refused(project):
    with pytest.raises(InputError, match=r"run mine has not judged longtail; do it: snakemake "):
        lab.prepare("longtail", project / "results/mine", project)
    with pytest.raises(InputError, match="unknown paper 'moon'"):
        lab.prepare("moon", project / "results/mine", project)


def test_launch_without_jupyterlab_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"JupyterLab is not installed .*pip install jupyterlab"):
        lab.launch(tmp_path / "raf-mine.ipynb")


def test_launch_opens_the_notebook_in_jupyterlab(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(lab, "find_spec", lambda name: object())
    monkeypatch.setattr(lab.os, "execv", lambda path, words: started.append((path, words)))
    lab.launch(tmp_path / "raf-mine.ipynb")
    path = str(tmp_path / "raf-mine.ipynb")
    assert started == [(sys.executable, [sys.executable, "-m", "jupyterlab", path])]


def test_chapter_without_results_names_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"results/other holds no ledger of raf; set `results`"):
        Chapter("raf", "results/other")


def test_redraw_names_what_the_figure_draws(project):
    chapter = Chapter("raf", project / "results/mine")
    chapter._has = lambda figure: True
    with pytest.raises(InputError, match="redraw: real draws real, real_svm, not moon"):
        chapter.redraw("real", moon="eta < 1")
    rows = pd.DataFrame({"eta": [1.0, 2.0]})
    chapter.tables = {"real": rows, "real_svm": rows}
    for query in ("mass < 1", "eta < 0", "eta <"):
        assert "cannot be drawn of these rows" in chapter.redraw("real", real=query).data


def test_redraw_of_a_left_out_figure_names_the_scale(project):
    assert (
        "left-out" in Chapter("raf", project / "results/mine").redraw("real", real="eta < 1").data
    )
