"""`rote compare`: what two runs share, what they may differ by, and what they must not."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rote.cli import app
from rote.core import tables
from rote.core.errors import InputError
from rote.core.runs import folder
from rote.papers.longtail import schema
from rote.report import compare
from typer.testing import CliRunner

TABLE = "longtail/scaling.parquet"


@pytest.fixture
def runs(smoke, tmp_path):
    """Two folders with the same tables of one paper, and ledgers."""
    for name in ("one", "two"):
        (tmp_path / name / "longtail").mkdir(parents=True)
        for path in (smoke / "results/smoke/longtail").glob("*.parquet"):
            shutil.copyfile(path, tmp_path / name / "longtail" / path.name)
        shutil.copyfile(smoke / "results/smoke/claims.parquet", tmp_path / name / "claims.parquet")
    return tmp_path / "one", tmp_path / "two"


def rewrite(run, change, provenance=lambda record: record, table=TABLE):
    """Change a table and keep its provenance."""
    path = run / table
    model = schema.Scaling
    record = {k: v for k, v in tables.provenance(path).items() if k not in ("data_sha256", "rows")}
    tables.write(path, change(tables.read(path)), model, provenance(record))


def verdicts(runs) -> dict[str, str]:
    return compare.summary(compare.cells(*runs)).set_index("table")["verdict"].to_dict()


def test_cells_of_a_run_equal_themselves(smoke):
    result = compare.cells(smoke / "results/smoke", smoke / "results/smoke")
    assert set(result["verdict"]) == {"equal"}
    assert result["cells"].sum() > 10_000
    assert compare.ledgers(smoke / "results/smoke", smoke / "results/smoke")["agree"].all()


@pytest.mark.parametrize(
    ("change", "expected", "differing"),
    [
        (lambda f: f.assign(ind=f["ind"] * (1 + 1e-9)), "within tolerance", "all"),
        (lambda f: f.assign(ind=f["ind"] * (1 + 1e-3)), "beyond tolerance", "all"),
        (
            lambda f: f.assign(ind=f["ind"].where(f.index > 0, f["ind"] * 1.5)),
            "beyond tolerance",
            1,
        ),
        (lambda f: f.sample(frac=1, random_state=0), "equal", 0),
        (lambda f: f.iloc[1:], "other rows", 0),
        (lambda f: f.assign(replicate=f["replicate"] + 1), "other rows", 0),
    ],
)
def test_cells_name_every_kind_of_difference(runs, change, expected, differing):
    rewrite(runs[1], change)
    result = compare.summary(compare.cells(*runs)).set_index("table").loc["scaling"]
    assert result["verdict"] == expected
    assert result["differing"] == (
        len(tables.read(runs[0] / TABLE)) if differing == "all" else differing
    )
    assert {v for t, v in verdicts(runs).items() if t != "scaling"} == {"equal"}


def test_cells_name_missing_tables_and_other_settings(runs):
    (runs[1] / "longtail/kernel.parquet").unlink()
    rewrite(runs[1], lambda f: f * 2, lambda record: record | {"seed": 2})
    result = verdicts(runs)
    assert result["kernel"] == "only in one"
    assert result["scaling"] == "other settings"


def test_cells_name_columns_of_one_run_alone(runs):
    path = runs[1] / TABLE
    record = tables.provenance(path) | {"data_sha256": "another"}
    narrow = pq.read_table(path).drop_columns(["ind"])
    metadata = {**narrow.schema.metadata, b"rote": json.dumps(record).encode()}
    pq.write_table(narrow.replace_schema_metadata(metadata), path)
    columns = compare.cells(*runs).query("table == 'scaling'").set_index("column")["verdict"]
    assert columns.to_dict() == {"ind": "only in one"}
    keyless = narrow.drop_columns(["replicate"]).replace_schema_metadata(metadata)
    pq.write_table(keyless, path)
    assert verdicts(runs)["scaling"] == "only in one"


def test_difference_measures_what_is_finite():
    x = pd.Series([1.0, np.inf, -2.0])
    assert compare._difference(x, x.copy(), 0.0)["verdict"] == "equal"
    close = compare._difference(x, pd.Series([1.0 + 1e-9, np.inf, -2.0]), 1e-6)
    assert close["verdict"] == "within tolerance"
    assert close["largest"] == pytest.approx(5e-10)
    apart = compare._difference(x, pd.Series([1.0, 7.0, -2.0]), 0.5)
    assert (apart["verdict"], apart["largest"]) == ("beyond tolerance", 1.0)


def test_difference_treats_nan_as_equal_to_nan_only():
    x = pd.Series([1.0, np.nan, 3.0])
    assert compare._difference(x, x.copy(), 0.0)["verdict"] == "equal"
    output = compare._difference(x, pd.Series([1.0, 2.0, 3.0]), 0.5)
    assert (output["verdict"], output["differing"], output["largest"]) == (
        "beyond tolerance",
        1,
        1.0,
    )


LISTS = [[1.0, -4.0], [], [3.0]]


@pytest.mark.parametrize(
    ("other", "verdict", "differing", "largest"),
    [
        (LISTS, "equal", 0, 0.0),
        ([[1.0 + 4e-13, -4.0], [], [3.0]], "within tolerance", 1, 1e-13),
        ([[1.5, -4.5], [], [3.0]], "beyond tolerance", 1, 0.5 / 4.5),
        ([[1.0], [], [3.0]], "beyond tolerance", 1, 1.0),
        ([[1.0, -4.0], [2.0], [3.0]], "beyond tolerance", 1, 1.0),
        ([[1.0, np.nan], [], [3.0]], "beyond tolerance", 1, 1.0),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_difference_compares_lists_element_by_element(other, verdict, differing, largest, nested):
    """As they come from a table: arrays; and arrays of arrays."""
    columns = []
    for rows in (LISTS, other):
        cells = [np.array(row, float) for row in rows]
        if nested:
            cells = [[cell, np.array([2.0])] for cell in cells]
        columns.append(pd.Series(cells, dtype=object))
    difference = compare._difference(*columns, 1e-6)
    assert difference["verdict"] == verdict
    assert difference.get("differing", 0) == differing
    assert difference.get("largest", 0.0) == pytest.approx(largest)


def test_difference_needs_equal_counts_and_texts_in_lists():
    for cells in ([np.array([1, 2])], [np.array(["a", "b"], object)], [None], ["text"]):
        x = pd.Series(cells, dtype=object)
        assert compare._difference(x, x.copy(), 1.0)["verdict"] == "equal"
    x, y = (pd.Series([np.array([1, last])], dtype=object) for last in (2, 3))
    assert compare._difference(x, y, 1.0)["verdict"] == "beyond tolerance"


def test_compare_prints_differences_and_fails_if_strict(runs, tmp_path):
    rewrite(runs[1], lambda f: f.assign(ind=f["ind"] * 1.1))
    for run, verdict in zip(runs, ("reproduced", "contradicted"), strict=True):
        ledger = tables.read(run / "claims.parquet")
        row = ledger.index[-1]
        ledger.loc[row, "verdict"] = verdict
        ledger.to_parquet(run / "claims.parquet")
    page = tmp_path / "compare.html"
    done = CliRunner().invoke(app, ["compare", *map(str, runs), "--out", str(page), "--strict"])
    assert done.exit_code == 1
    assert isinstance(done.exception, InputError)
    assert "longtail/scaling" in done.stdout
    assert "1 beyond tolerance" in done.stdout
    assert f"  {ledger.loc[row, 'claim']} " in done.stdout
    text = page.read_text()
    assert text.count('class="differs"') == 1
    assert text.index('class="differs"') < text.index(ledger.loc[0, "claim"])


def test_compare_folder_resolves_names_and_lists_runs_in_errors(runs, monkeypatch):
    (runs[0].parent / "results").mkdir()
    runs[0].rename(runs[0].parent / "results" / "one")
    monkeypatch.chdir(runs[0].parent)
    assert folder("one").name == "one"
    with pytest.raises(
        InputError, match="neither a folder nor a run in results/; runs in this folder: one"
    ):
        folder("three")
