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


def test_the_critical_path_is_the_longest_chain_of_makers():
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


def test_jobs_that_overlap_get_lanes_of_their_own():
    jobs = table(
        ("a_1", 0, 4, (), []), ("a_2", 0, 2, (), []), ("a_3", 2, 3, (), []), ("a_4", 2.5, 6, (), [])
    )
    assert profile._lanes(jobs) == [0, 1, 1, 2]


def test_outputs_of_one_job_are_one_job_though_their_times_are_noted_apart(tmp_path):
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
    found = profile.read(tmp_path)
    assert found.jobs["outputs"].to_list() == [["results/r/x", "results/r/y"], ["results/r/z"]]
    assert found.span_s == pytest.approx(4.0)
    assert found.lanes == 1


def test_the_smoke_run(smoke, tmp_path):
    found = profile.read(smoke / "results/smoke")
    assert len(found.jobs) > 100
    assert found.lanes <= 3  # two cores, and rounding
    assert found.jobs["job"].is_unique
    seconds = (found.jobs["end"] - found.jobs["begin"]).set_axis(found.jobs["job"])
    assert seconds.max() <= seconds[found.path].sum() <= found.span_s + len(found.path)
    inside = found.jobs.set_index("job").loc[found.path]
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
    assert profile.read(elsewhere).path == found.path
    assert "idle" in done.stdout
    assert (tmp_path / "g.png").stat().st_size > 10_000


def test_a_manifest_without_times_is_one_error(tmp_path):
    (tmp_path / manifest.NAME).write_text(f'{{"format": "{manifest.FORMAT}", "files": []}}')
    with pytest.raises(InputError, match="knows no times of jobs"):
        profile.read(tmp_path)
