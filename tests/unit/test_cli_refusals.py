"""What commands refuse before they begin: to write over what they read, endings, wrong names."""

import re
from pathlib import Path

import pytest
from conftest import ROOT, call

OUTPUTS = [
    ["prune", "--losses", "{old}", "--keep", "0.5", "--out", "{old}"],
    ["prune", "--losses", "{link}", "--keep", "0.5", "--out", "{old}"],
    ["prune", "--losses", "{old}", "--keep", "0.5", "--out", "x.csv", "--reasons", "{old}"],
    ["score", "--model", "m", "--data", "{folder}", "--out", "{old}"],
    ["score", "--model", "m", "--data", "{folder}/*.csv", "--out", "{old}"],
    ["ngrams", "sum", "{other}", "{old}", "--out", "{old}"],
    ["ngrams", "count", "--corpus", "c", "--pairs", "{old}", "--out", "{old}"],
    ["memorized", "{other}", "{old}", "--out", "{old}"],
    ["invert", "m.npy", "--spacing", "1", "--training", "{folder}", "--out", "{folder}"],
]


@pytest.mark.parametrize("words", OUTPUTS, ids=" ".join)
def test_nothing_that_is_read_is_written_over(tmp_path, capsys, monkeypatch, words):
    """Under its own name, by a link, or in a folder or pattern that is read as a whole."""
    folder = tmp_path / "data"
    folder.mkdir()
    names = {"folder": folder, "old": folder / "old.csv", "other": folder / "other.csv"}
    names["link"] = tmp_path / "link.csv"
    for name in ("old", "other"):
        names[name].write_text("id,loss\na,1\nb,2\n")
    names["link"].symlink_to(names["old"])
    before = names["old"].read_bytes()
    code, _, err = call(capsys, monkeypatch, *(word.format(**names) for word in words))
    assert code == 1
    assert re.fullmatch(r"rote: error: .* would write over what .* reads; give another name\n", err)
    assert names["old"].read_bytes() == before
    assert sorted(folder.iterdir()) == [names["old"], names["other"]]


def test_two_outputs_have_two_names(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("losses.csv").write_text("id,loss\na,1\nb,2\n")
    words = ["prune", "--losses", "losses.csv", "--keep", "0.5", "--out", "x.csv"]
    code, _, err = call(capsys, monkeypatch, *words, "--reasons", "./x.csv")
    assert code == 1
    assert "--out and --reasons both name x.csv; give each its own" in err
    assert not Path("x.csv").exists()


WRONG_SUFFIXES = [
    (["profile", "one", "--out", "x.txt"], ".png, .pdf, .svg"),
    (["compare", "one", "one", "--out", "x.txt"], ".html"),
    (["power", "one", "--out", "x.xlsx"], ".parquet, .csv, .json"),
    (["raf", "grid", "--alpha", "1", "--eps", "0.1", "--lam", "1", "--figure", "x.md"], ".png"),
    (["distmem", "trace", "--corpus", "c", "--out", "x.pdf"], ".html, .parquet"),
    (["longtail", "solve-scaling", "--out", "x.csv"], ".parquet"),
]


@pytest.mark.parametrize(("words", "endings"), WRONG_SUFFIXES, ids=lambda item: str(item)[:40])
def test_endings_are_refused_before_anything_is_computed(
    tmp_path, capsys, monkeypatch, words, endings
):
    """One line, no start of a job, and nothing written."""
    monkeypatch.chdir(tmp_path)
    Path("results/one").mkdir(parents=True)
    Path("results/one/config.yaml").write_text("scale: smoke\n")
    code, out, err = call(capsys, monkeypatch, *words)
    assert (code, out) == (1, "")
    assert re.fullmatch(
        rf"rote: error: x\.\w+: .* is written as {endings}.*; end its name so\n", err
    )
    assert not list(Path().glob("x.*"))


@pytest.mark.parametrize(("word", "hint"), [("los", " Did you mean 'loss'?"), ("zzz", "")])
def test_enumerations_name_the_nearest_word(capsys, monkeypatch, word, hint):
    words = ["prune", "--losses", "x.csv", "--out", "y.csv", "--scheme", word]
    code, _, err = call(capsys, monkeypatch, *words)
    assert code == 2
    line = " ".join(err.replace("│", " ").split())
    assert (
        f"'--scheme': '{word}' is not one of 'none', 'random', 'loss', 'loss-flat'.{hint}" in line
    )
    assert "Value error" not in line
    assert hint or "Did you mean" not in line


NEAR_MISSES = [
    (["claims", "list", "longtial"], "unknown paper 'longtial'; did you mean 'longtail'? known "),
    (["notebook", "longtial"], "unknown paper 'longtial'; did you mean 'longtail'? known papers: "),
    (["draw", "--paper", "rfa", "--results", ".", "--out", "x"], "did you mean 'raf'? known pap"),
    (
        ["draw", "--paper", "raf", "--results", "one", "--out", "x", "--figure", "phase"],
        "raf has no figure 'phase'; did you mean 'phases'? its figures are ",
    ),
]


@pytest.mark.parametrize(("words", "expected"), NEAR_MISSES, ids=lambda item: str(item)[:40])
def test_misspelt_papers_and_figures_are_answered_with_the_nearest(
    tmp_path, capsys, monkeypatch, words, expected
):
    monkeypatch.chdir(tmp_path)
    Path("results/one").mkdir(parents=True)
    Path("results/one/config.yaml").write_text("scale: smoke\n")
    code, _, err = call(capsys, monkeypatch, *words)
    assert code == 1
    assert expected in err


def test_folders_that_are_no_runs_are_refused(tmp_path, capsys, monkeypatch):
    """Other folders, that of all runs, and a part of a run."""
    monkeypatch.chdir(tmp_path)
    Path("results/one/raf").mkdir(parents=True)
    Path("results/one/config.yaml").write_text("scale: smoke\n")
    Path("results/one/raf/rates.parquet").touch()
    Path("docs").mkdir()
    for command in (["compare", "one"], ["ledger"], ["verify"], ["figures"]):
        for folder in ("docs", "results"):
            code, _, err = call(capsys, monkeypatch, *command, folder)
            assert code == 1
            assert f"{folder} is not the folder of a run; runs in this folder: one" in err
    _, _, err = call(capsys, monkeypatch, "ledger", "results/one/raf")
    assert "results/one/raf is a part of a run; give the run: one" in err
    Path("one").mkdir()  # a folder of the run's name beside results/
    assert "results/one has no figures" in call(capsys, monkeypatch, "figures", "one")[2]


def test_names_of_runs_may_hold_dots(tmp_path, capsys, monkeypatch):
    """They are no endings of files."""
    monkeypatch.chdir(tmp_path)
    Path("results/v1.5").mkdir(parents=True)
    Path("results/v1.5/config.yaml").write_text("scale: smoke\n")
    for words in (["ledger"], ["power"], ["claims", "stability"]):
        code, _, err = call(capsys, monkeypatch, *words, "v1.5")
        assert code == 1
        assert "table results/v1.5/claims.parquet does not exist" in err


def test_hints_name_the_config_of_the_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results/one").mkdir(parents=True)
    Path("results/one/config.yaml").write_text("run: one\nscale: smoke\npapers: [raf]\n")
    again = "snakemake --cores all --configfile results/one/config.yaml"
    claims = ["--results", "one", "--claims", str(ROOT / "workflow/claims")]
    for words, hint in (
        (["figures", "one"], f"{again} -- figures"),
        (["ledger", "one"], f"{again} -- results/one/claims.parquet"),
        (["verify", "one"], f"{again} -- results/one/MANIFEST.json"),
        (["claims", "run", "raf.gen_theory", *claims], f"{again} -- raf"),
        (["notebook", "raf", "--run", "one"], f"{again} -- reports/one/raf.html"),
        (
            ["draw", "--paper", "raf", "--results", "one", "--out", "x", "--figure", "phases"],
            f"{again} -- results/one/raf/",
        ),
    ):
        code, _, err = call(capsys, monkeypatch, *words)
        assert code == 1
        assert hint in err
    _, _, err = call(capsys, monkeypatch, "claims", "run", "longtail.exact_recovery", *claims)
    assert "the run in results/one leaves longtail out; it has raf" in err
