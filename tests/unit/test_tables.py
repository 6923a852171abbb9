"""Tables: the model is enforced on write, files appear whole, the data digest sees data alone."""

import os

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rote.core import tables
from rote.core.errors import InputError
from rote.core.tables import Table, column


class Measurement(Table):
    """One measurement."""

    KEY = ("name", "step")
    name: str = column("what")
    step: int = column("when", "steps")
    value: float = column("how much", "m")
    rest: float = column("the rest", "m", nan="nothing was left")
    pixels: list[int] = column("image")


def frame(**changes) -> pd.DataFrame:
    base = {
        "name": ["a", "b"],
        "step": [1, 2],
        "value": [0.5, 1.5],
        "rest": [np.nan, 1.0],
        "pixels": [[1, 2], [3]],
    }
    return pd.DataFrame(base | changes)


def test_table_keeps_values_units_and_nan(tmp_path):
    path = tmp_path / "deep" / "table.parquet"
    tables.write(path, frame(), Measurement, {"seed": 3})
    back = tables.read(path)
    pd.testing.assert_frame_equal(back.drop(columns="pixels"), frame().drop(columns="pixels"))
    assert [list(row) for row in back["pixels"]] == [[1, 2], [3]]
    schema = pq.read_schema(path)
    assert schema.field("value").metadata[b"unit"] == b"m"
    assert schema.field("rest").metadata[b"nan"] == b"nothing was left"
    assert tables.provenance(path)["seed"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": [np.nan, 1.0]}, r"'value' holds 1 NaN"),
        ({"value": [np.inf, 1.0]}, r"'value' holds 1 infinite"),
        ({"rest": [-np.inf, 1.0]}, r"'rest' holds 1 infinite"),
        ({"step": [1.5, 2.0]}, "Measurement"),
        ({"step": ["x", "y"]}, "Measurement"),
        ({"value": ["x", "y"]}, "'value' must hold numbers"),
        ({"name": [None, "b"]}, "'name' holds missing values"),
        ({"name": ["a", "a"], "step": [1, 1]}, r"1 rows repeat their key, first .*'a'"),
        ({"extra": [1, 2]}, r"unexpected \['extra'\]"),
    ],
)
def test_write_refuses_what_the_model_does_not_allow_and_leaves_nothing(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        tables.write(tmp_path / "table.parquet", frame(**changes), Measurement, {})
    assert list(tmp_path.iterdir()) == []


class Bandwidth(Table):
    """A bandwidth, of which infinity is one."""

    replicate: int = column("replicate")
    bandwidth: float = column("bandwidth", "units", infinite="all neighbors weigh the same")


def test_table_keeps_infinity_where_it_means_something(tmp_path):
    path = tmp_path / "table.parquet"
    rows = [{"bandwidth": np.inf, "replicate": 0}, {"bandwidth": 2.0, "replicate": 1}]
    tables.write(path, tables.frame(Bandwidth, rows), Bandwidth, {})
    assert tables.read(path)["bandwidth"].tolist() == [np.inf, 2.0]
    meaning = pq.read_schema(path).field("bandwidth").metadata[b"infinite"]
    assert meaning == b"all neighbors weigh the same"
    with pytest.raises(InputError, match="'bandwidth' holds 1 NaN"):
        tables.check(tables.frame(Bandwidth, {"bandwidth": [np.nan], "replicate": [0]}), Bandwidth)


def test_frame_orders_columns_as_the_model_does():
    by_row = tables.frame(Bandwidth, [{"bandwidth": 1.0, "replicate": 0}])
    by_column = tables.frame(Bandwidth, {"bandwidth": np.ones(1), "replicate": 0})
    assert by_row.columns.tolist() == by_column.columns.tolist() == ["replicate", "bandwidth"]
    assert tables.frame(Bandwidth, []).empty


@pytest.mark.parametrize(
    "row", [{"bandwidth": 1.0}, {"bandwidth": 1.0, "replicate": 0, "bandwith": 1.0}]
)
def test_frame_names_missing_and_unknown_columns(row):
    wrong = "replicate" if "replicate" not in row else "bandwith"
    for rows in ([row], {name: [value] for name, value in row.items()}):
        with pytest.raises(InputError, match=f"Bandwidth: .*{wrong}"):
            tables.frame(Bandwidth, rows)


def test_write_refuses_missing_columns_and_empty_tables(tmp_path):
    with pytest.raises(InputError, match=r"missing \['rest'\]"):
        tables.check(frame().drop(columns="rest"), Measurement)
    with pytest.raises(InputError, match="no rows"):
        tables.check(frame().iloc[:0], Measurement)


def test_digest_depends_on_the_data_alone(tmp_path):
    digests = []
    for number, content in enumerate(
        [frame(), frame(), frame().iloc[::-1].iloc[::-1], frame(value=[0.5, 1.6])]
    ):
        path = tmp_path / f"{number}.parquet"
        tables.write(path, content, Measurement, {"wall_s": number})
        digests.append(tables.provenance(path)["data_sha256"])
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_write_that_fails_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_halfway():
        with tables.atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("read", [tables.read, tables.provenance])
def test_read_names_a_truncated_or_missing_table(tmp_path, read):
    path = tmp_path / "table.parquet"
    tables.write(path, frame(), Measurement, {})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"table\.parquet is not a whole Parquet file"):
        read(path)
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "other.parquet")
