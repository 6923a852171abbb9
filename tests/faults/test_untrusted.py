"""Untrusted files: nothing in them is executed, on disk or in browsers, or written outside."""

import ast
import json
import pickle

import nbformat
import pandas as pd
import pytest
import torch
from conftest import ROOT
from rote import resmem, train
from rote.core.errors import ConfigError, InputError
from rote.papers.resmem.tasks import pictures
from rote.report import pages
from rote.run import config

SOURCES = sorted((ROOT / "workflow").rglob("*.py"))


def calls(tree: ast.Module):
    """(dotted name, keyword names) of every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


@pytest.mark.parametrize(
    "path", SOURCES, ids=[str(path.relative_to(ROOT / "workflow")) for path in SOURCES]
)
def test_sources_use_no_unsafe_loader(path):
    for name, given in calls(ast.parse(path.read_text())):
        assert name not in (
            "pickle.load",
            "pickle.loads",
            "joblib.load",
            "eval",
            "exec",
            "os.system",
        ), name
        assert name not in (
            "yaml.load",
            "yaml.unsafe_load",
            "pd.read_pickle",
            "pandas.read_pickle",
        ), name
        if name == "torch.load":
            assert given.get("weights_only") == "True"
        if name in ("np.load", "numpy.load"):
            assert given.get("allow_pickle", "False") == "False"
        if name.startswith("subprocess."):
            assert given.get("shell", "False") == "False"


class Bomb:
    def __reduce__(self):
        return (open, ("hacked.txt", "w"))


def test_loaders_refuse_pickles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "mobilenet_v2.pth").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match=r"mobilenet_v2\.pth"):
        pictures._weights(pictures.ResmemPictures(weights=str(weights)), "mobilenet_v2")
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "resmem.json").write_text("{}")
    (folder / "targets.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="holds no whole model"):
        resmem.ResMemClassifier.load(folder, base=None)
    torch.save(Bomb(), tmp_path / "checkpoint.pt")
    start = {"w": torch.zeros(1, 1)}
    # unreadable: it starts from step 0
    train.fit(
        start,
        lambda p, step: p["w"].sum(1) ** 2,
        train.AdamW(steps=1, learning_rate=0.1),
        checkpoint=train.Checkpoint(tmp_path / "checkpoint.pt"),
    )
    assert not (tmp_path / "hacked.txt").exists()


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/etc/x", "a b", "a\nb", "x;touch y", "$(x)", "-x", ".x"]
)
def test_run_name_cannot_leave_the_results_folder(name):
    with pytest.raises(ConfigError, match="run: "):
        config.parse({"run": name})


def test_page_shows_text_of_tables_without_running_it(tmp_path, browser):
    """A corpus with a script in it: its words appear in a notebook and in the page as text."""
    from selenium.webdriver.common.by import By

    evil = (
        "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\">"
    )
    frame = pd.DataFrame({"text": [evil], "count": [3]})
    output = nbformat.v4.new_output(
        "execute_result", {"text/html": frame.to_html(), "text/plain": repr(frame)}
    )
    output["execution_count"] = 1
    cell = nbformat.v4.new_code_cell("frame", outputs=[output], execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Results"), cell])
    nbformat.write(notebook, tmp_path / "longtail.ipynb")
    run = {"run": "mine", "scale": "laptop", "seed": 1, "papers": ["longtail"]}
    pages.paper("longtail", tmp_path / "longtail.ipynb", run, tmp_path / "longtail.html")
    browser.get(f"file://{tmp_path}/longtail.html")
    assert "hacked" not in browser.title
    assert "document.title = 'hacked'" in browser.find_element(By.TAG_NAME, "body").text
    assert browser.find_elements(By.TAG_NAME, "img") == []


def test_site_shows_claims_and_settings_without_running_them(smoke, tmp_path, browser):
    """The front page of a run whose claims and settings hold markup."""
    from rote.core import tables
    from selenium.webdriver.common.by import By

    evil = "</td><script>document.title = 'hacked'</script>"
    ledger = tables.read(smoke / "results/smoke/claims.parquet").query("paper == 'longtail'").copy()
    for column in ("says", "note", "condition", "paper_value", "unit", "source"):
        ledger[column] = ledger[column].astype(object)
        ledger.iloc[0, ledger.columns.get_loc(column)] = evil
    results = tmp_path / "results/smoke"
    (results / "benchmarks").mkdir(parents=True)
    (results / "longtail").symlink_to(smoke / "results/smoke/longtail")
    (results / "claims").mkdir()
    ledger.to_parquet(results / "claims/longtail.parquet")
    (results / "benchmarks/devices.tsv").write_text(
        "device\tworkload\tdtype\tthroughput\tunit\ttflops\tshare\n" + evil + "\tx\tx\t1\tx\t1\t1\n"
    )
    run = json.loads(config.shared(config.load(ROOT / "config/smoke.yaml"))) | {
        "papers": ["longtail"]
    }
    pages.site(run, results, tmp_path / "reports")
    browser.get(f"file://{tmp_path}/reports/claims.html")
    assert "hacked" not in browser.title
    assert "document.title = 'hacked'" in browser.find_element(By.ID, "ledger-table").text
