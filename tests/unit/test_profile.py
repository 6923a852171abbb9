"""`rote profile`: critical path, lanes and names, by hand and on the smoke run."""

import json
import shutil
from itertools import pairwise

import pandas as pd
import pytest
from rote.cli import app
from rote.core.errors import InputError
from rote.run import manifest, profile
from typer.testing import CliRunner


def table(*rows):
    frame = pd.DataFrame(rows, columns=["rule", "begin", "end", "inputs", "outputs"])
    return frame.assign(job=frame["rule"], paper=frame["rule"].str.split("_").str[0])


def test_critical_path_is_the_longest_chain_of_jobs():
    jobs = table(
        ("a_one", 0.0, 4.0, (), ["x"]),
        ("a_two", 0.0, 1.0, (), ["y"]),
        ("a_three", 4.0, 5.0, ("x",), ["z"]),
        ("a_four", 1.0, 9.0, ("y",), ["w/1", "w/2"]),
        ("a_five", 9.0, 10.0, ("z", "w"), ["v"]),
    )
    assert profile.critical_path(jobs) == ["a_two", "a_four", "a_five"]
    jobs.loc[3, "end"] = 3.0
    assert profile.critical_path(jobs) == ["a_one", "a_three", "a_five"]


def test_lanes_separate_overlapping_jobs():
    jobs = table(
        ("a_1", 0, 4, (), []), ("a_2", 0, 2, (), []), ("a_3", 2, 3, (), []), ("a_4", 2.5, 6, (), [])
    )
    assert profile._lanes(jobs) == [0, 1, 1, 2]


def test_read_joins_outputs_of_one_job(tmp_path):
    def entry(path, begin, end):
        times = {
            "started": f"2026-01-01T00:00:{begin}+00:00",
            "ended": f"2026-01-01T00:00:{end}+00:00",
        }
        return {
            "path": path,
            "sha256": "",
            "size": 1,
            "rule": "a_make",
            "inputs": ["results/r/in"],
            **times,
        }

    files = [
        entry("x", "01.000", "03.777"),
        entry("y", "01.001", "03.778"),
        entry("z", "03.790", "05.000"),
    ]
    (tmp_path / manifest.NAME).write_text(
        json.dumps({"format": manifest.FORMAT, "run": "r", "files": files})
    )
    run_profile = profile.read(tmp_path)
    assert run_profile.jobs["outputs"].to_list() == [
        ["results/r/x", "results/r/y"],
        ["results/r/z"],
    ]
    assert run_profile.span_s == pytest.approx(4.0)
    assert run_profile.lanes == 1
    # on a busy machine the times of one job's outputs lie further apart: its log tells
    files = [
        entry("x", "01.000", "07.000") | {"log": "a.log"},
        entry("y", "02.500", "07.100") | {"log": "a.log"},
        entry("z", "02.500", "07.100") | {"log": "b.log"},
    ]
    (tmp_path / manifest.NAME).write_text(
        json.dumps({"format": manifest.FORMAT, "run": "r", "files": files})
    )
    assert [len(outputs) for outputs in profile.read(tmp_path).jobs["outputs"]] == [2, 1]


def test_profile_of_the_smoke_run(smoke, tmp_path):
    run_profile = profile.read(smoke / "results/smoke")
    assert len(run_profile.jobs) > 80
    assert run_profile.lanes <= 3  # two cores, and rounding
    assert run_profile.jobs["job"].is_unique
    seconds = (run_profile.jobs["end"] - run_profile.jobs["begin"]).set_axis(
        run_profile.jobs["job"]
    )
    assert (
        seconds.max()
        <= seconds[run_profile.path].sum()
        <= run_profile.span_s + len(run_profile.path)
    )
    inside = run_profile.jobs.set_index("job").loc[run_profile.path]
    for made, needed in pairwise(inside.itertuples()):
        assert profile._files(needed.inputs, dict.fromkeys(made.outputs, 0))
    assert (inside["begin"].to_numpy()[1:] >= inside["end"].to_numpy()[:-1] - 1).all()
    done = CliRunner().invoke(
        app,
        ["profile", str(smoke / "results/smoke"), "--cores", "2", "--out", str(tmp_path / "g.png")],
    )
    assert done.exit_code == 0, done.exception
    assert "Critical path:" in done.stdout
    elsewhere = tmp_path / "moved"
    elsewhere.mkdir()
    shutil.copy(smoke / "results/smoke" / manifest.NAME, elsewhere)
    assert profile.read(elsewhere).path == run_profile.path
    assert "idle" in done.stdout
    assert (tmp_path / "g.png").stat().st_size > 10_000


def test_read_refuses_a_manifest_without_times(tmp_path):
    (tmp_path / manifest.NAME).write_text(f'{{"format": "{manifest.FORMAT}", "files": []}}')
    with pytest.raises(InputError, match="knows no times of jobs"):
        profile.read(tmp_path)
