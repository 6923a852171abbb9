"""Figures of a user with a style of their own, waves, configs, manifests, encodings of files."""

import ast
import re

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from rote.core.errors import ConfigError, InputError
from rote.run import config, manifest
from rote.waves import acoustic, helmholtz
from snakemake.cli import parse_config

from tests.trouble.machines import printed, rote

SURVEY = acoustic.Survey(
    spacing=0.02,
    step=0.002,
    samples=50,
    frequency=8.0,
    sources=np.array([[4, 1]]),
    receivers=np.array([[6, 1], [8, 1]]),
)
WAVES = {
    "between cells": {"sources": np.array([[10.5, 1]])},
    "whole numbers as fractions": {"receivers": np.array([[6.0, 1.0]])},
    "lists between cells": {"sources": [[3.25, 1]]},
    "too coarse in time": {"frequency": 60.0, "step": 0.02},
    "just too coarse": {"frequency": 25.0, "step": 0.0081},
    "half a sample": {"samples": 50.5},
    "milliseconds": {"delay": 150.0},
    "before the wavelet begins": {"delay": 0.5},
}


@pytest.mark.parametrize("case", WAVES)
@pytest.mark.parametrize("propagate", [acoustic.shots, acoustic.leapfrog])
def test_waves_that_cannot_be_sampled_are_refused(case, propagate):
    with pytest.raises(InputError):
        propagate(torch.full((20, 20), 2.0), SURVEY._replace(**WAVES[case]))


@pytest.mark.parametrize("change", [{"sources": 10.5}, {"receivers": 2.5}, {"margin": 0.5}])
def test_grids_have_whole_numbers(change):
    options = {"n": 40, "spacing": 0.02, "layer": 10, "damping": 90.0, "frequency": 5.0}
    options |= {"sources": 3, "receivers": 4, "margin": 2}
    with pytest.raises(InputError, match="must be a whole number"):
        helmholtz.Helmholtz(**options | change)


STYLES = {
    "resolution": {"savefig.dpi": 40, "figure.dpi": 40},
    "fonts": {"pdf.fonttype": 3, "font.family": "serif", "font.size": 20},
    "look": {"lines.linewidth": 9, "axes.facecolor": "red", "savefig.bbox": "tight"},
}


def drawn(folder) -> dict[str, bytes]:
    from rote.plotting import draw

    rows = pd.DataFrame({"x": [1.0, 2.0], "replicate": [0, 0]})
    rows.to_parquet(folder / "rows.parquet")
    return {path.name: path.read_bytes() for path in draw("styled", folder, folder / "figures")}


@pytest.fixture
def styled(monkeypatch):
    """A paper with one small figure."""
    import matplotlib.pyplot as plt
    from rote.plotting import figures

    def curve(tables):
        canvas, ax = plt.subplots(figsize=(2, 1))
        ax.plot(tables["rows"]["x"], label="x")
        ax.set_title("figure")
        return canvas

    monkeypatch.setattr(figures, "drawing", lambda paper, name: curve)
    listed = type("Listed", (), {"tables": ("rows",)})
    monkeypatch.setattr(
        figures, "load_paper", lambda *_: type("Module", (), {"FIGURES": {"curve": listed}})
    )


@pytest.mark.parametrize("case", STYLES)
def test_figures_are_the_same_whatever_style_a_user_has(tmp_path, styled, case):
    import matplotlib as mpl

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = drawn(tmp_path / "a")
    with mpl.rc_context(STYLES[case]):
        other = drawn(tmp_path / "b")
        assert mpl.rcParams["figure.dpi"] == STYLES[case].get("figure.dpi", 100)
    assert other == plain
    assert b"/Type3" not in plain["curve.pdf"]
    assert int.from_bytes(plain["curve.png"][16:20], "big") == 400  # 2 inches at 200 dpi


DRAW = ["draw", "--paper", "raf", "--results", ".", "--out", "x"]


def test_settings_of_matplotlib_that_are_broken_end_in_one_line(tmp_path):
    """Of the shell and the home they do not matter; those of this folder are named."""
    home = tmp_path / "home"
    (home / ".config/matplotlib").mkdir(parents=True)
    broken = "font.family: Gr\u00fcn".encode("latin-1")
    (home / ".config/matplotlib/matplotlibrc").write_bytes(broken)
    done = rote(tmp_path, *DRAW, HOME=str(home), MPLBACKEND="nonsense", XDG_CONFIG_HOME=None)
    assert re.search(r"figure .* needs .*parquet; make it", printed(done))
    (tmp_path / "matplotlibrc").write_bytes(broken)
    last = printed(rote(tmp_path, *DRAW)).splitlines()[-1]
    assert last.startswith("rote: error: matplotlib does not start ('utf-8' codec")
    assert "mend or remove the file matplotlibrc" in last


TEXTS = {
    "run": [2024, 1.5, True],
    "longtail.images.root": [7, False],
    "chain.model": [3],
}


@pytest.mark.parametrize("name", TEXTS)
def test_numbers_in_place_of_a_text_are_told_their_quotes(name):
    for value in TEXTS[name]:
        with pytest.raises(ConfigError) as raised:
            config.parse({name: value})
        assert f"{name.rpartition('.')[2]}: '{value}'" in str(raised.value)
        cure = re.search(r"--config '(.*?)'", str(raised.value))[1]
        read = parse_config([cure])  # of Snakemake, which has ideas of its own about quotes
        for part in name.split("."):
            read = read[part]
        assert read == str(value)


def test_names_of_runs_fit_into_paths():
    with pytest.raises(ConfigError, match="run: string should match pattern"):
        config.parse({"run": "a" * 101})


def test_dates_that_are_none_are_no_traceback(tmp_path):
    (tmp_path / "c.yaml").write_text("run: 2024-99-99\n")
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        config.load(tmp_path / "c.yaml")


def test_results_behind_links_are_in_the_manifest(tmp_path):
    (tmp_path / "scratch" / "deep").mkdir(parents=True)
    (tmp_path / "scratch" / "deep" / "t.parquet").write_bytes(b"x")
    run = tmp_path / "results" / "r"
    run.mkdir(parents=True)
    (run / "raf").symlink_to(tmp_path / "scratch")
    (run / "one.csv").symlink_to(tmp_path / "scratch" / "deep" / "t.parquet")
    listed = [str(path.relative_to(run)) for path in manifest._files(run)]
    assert listed == ["one.csv", "raf/deep/t.parquet"]


def without_encoding(tree: ast.Module) -> list[int]:
    """Lines that open a text file in whatever encoding the machine has."""
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        words = {keyword.arg for keyword in node.keywords}
        values = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        named = "encoding" in words or "utf-8" in values
        if name in ("read_text", "write_text") and not named:
            lines.append(node.lineno)
        of_path = isinstance(node.func, ast.Name) or not node.args or values == node.args
        is_text = not any(isinstance(value, str) and "b" in value for value in values)
        if name == "open" and of_path and is_text and not named and "fileno" not in words:
            lines.append(node.lineno)
    return lines


def test_every_text_file_is_opened_as_utf8():
    paths = sorted((ROOT / "workflow" / "rote").rglob("*.py"))
    bare = {}
    for path in paths:
        if lines := without_encoding(ast.parse(path.read_text("utf-8"))):
            bare[str(path.relative_to(ROOT))] = lines
    assert bare == {}
