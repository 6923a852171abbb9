"""The CLI: help everywhere, one-line errors, exit codes."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from conftest import BIN, ROOT, call, run
from rote import cli
from rote.run import config

COMMANDS = []


def _walk(group, words=()):
    context = typer.Context(group, info_name="rote")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            _walk(command, (*words, name))
        else:
            COMMANDS.append((*words, name))


_walk(typer.main.get_command(cli.app))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_have_help(capsys, monkeypatch, words):
    code, out, _ = call(capsys, monkeypatch, *words, "--help")
    assert code == 0
    assert "Usage" in out
    described = out.split("Options")[0].split("\n", 3)[-1].strip()
    assert len(described) > 10


def test_commands_of_groups_and_papers_exist():
    assert ("longtail", "train-network") in COMMANDS
    assert {("claims", "evaluate"), ("claims", "run"), ("claims", "list")} <= set(COMMANDS)
    assert {("config", "show"), ("report", "site"), ("ledger",), ("compare",)} <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command_summaries_are_one_line(words):
    """The list of commands in a terminal breaks lines itself."""
    command = typer.main.get_command(cli.app)
    for word in words:
        command = command.get_command(typer.Context(command), word)
    summary = (command.help or "").split("\n\n")[0]
    assert "\n" not in summary.strip()


def test_cli_names_the_nearest_command(capsys, monkeypatch):
    code, _, err = call(capsys, monkeypatch, "longtial", "solve-linear")
    assert code == 2
    assert "'longtial'. Did you mean 'longtail'?" in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--settings", '{"row": [3]}'],
            "--settings: 1 problem\n  row: no such key; did you mean 'rows'?",
        ),
        (["--settings", "{rows}"], "--settings is not JSON"),
        (["--settings", '{"rows": [1, 2]}'], "rows.0: "),
        (
            ["--settings", '{"rows": [20, 40], "d": 50, "replicates": 2}', "--gpus", "-1"],
            "'--gpus'",
        ),
    ],
)
def test_verb_refuses_bad_options_in_one_line(tmp_path, capsys, monkeypatch, words, expected):
    out = tmp_path / "scaling.parquet"
    code, _, err = call(capsys, monkeypatch, "longtail", "solve-scaling", "--out", str(out), *words)
    assert code in (1, 2)
    assert expected in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_verb_runs_without_snakemake(tmp_path, capsys, monkeypatch):
    out = tmp_path / "scaling.parquet"
    words = ["--settings", '{"rows": [20, 40], "d": 50, "replicates": 2}', "--seed", "3"]
    assert call(capsys, monkeypatch, "longtail", "solve-scaling", "--out", str(out), *words)[0] == 0
    assert out.exists()


def test_verb_names_missing_inputs(tmp_path, capsys, monkeypatch):
    missing = tmp_path / "images.parquet"
    words = [
        "longtail",
        "synthesize-triples",
        "--images",
        str(missing),
        "--out",
        str(tmp_path / "out.parquet"),
    ]
    code, _, err = call(capsys, monkeypatch, *words)
    assert code == 1
    assert f"table {missing} does not exist; run the rule that makes it" in err


def test_verb_reports_an_unusable_path_in_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "scaling.parquet"  # a file where a folder should be
    words = ["--settings", '{"rows": [20, 40], "d": 50, "replicates": 2}']
    code, _, err = call(capsys, monkeypatch, "longtail", "solve-scaling", "--out", str(out), *words)
    assert code == 1
    assert "rote: error: " in err
    assert str(tmp_path / "file") in err


def test_config_check_and_show_read_a_scale(tmp_path, capsys, monkeypatch):
    assert (
        "fine" in call(capsys, monkeypatch, "config", "check", str(ROOT / "config/paper.yaml"))[1]
    )
    assert (
        "resnet18"
        in call(
            capsys, monkeypatch, "config", "show", "--configfile", str(ROOT / "config/paper.yaml")
        )[1]
    )
    code, out, _ = call(capsys, monkeypatch, "config", "show", "longtail.network.replicates")
    assert code == 0
    assert "# Independent data sets and initializations (integer ≥ 2)\nreplicates: 8" in out
    assert "--config longtail='{network: {replicates: 8}}'" in out
    code, _, err = call(capsys, monkeypatch, "config", "show", "longtail.network.replicate")
    assert code == 1
    assert (
        "longtail.network.replicate: no such key; did you mean 'longtail.network.replicates'" in err
    )
    bad = tmp_path / "bad.yaml"
    bad.write_text("sead: 3\n")
    code, _, err = call(capsys, monkeypatch, "config", "check", str(bad))
    assert code == 1
    assert f"{bad}: 1 problem" in err


def test_config_show_prints_sections_that_load_again(tmp_path, capsys, monkeypatch):
    _, out, _ = call(capsys, monkeypatch, "config", "show", "longtail.linear")
    section = yaml.safe_load(out)["linear"]
    assert section == config.load().longtail.linear.model_dump()
    path = tmp_path / "mine.yaml"
    path.write_text("longtail.linear.n: 7\n")
    _, out, _ = call(
        capsys, monkeypatch, "config", "show", "longtail.linear.n", "--configfile", str(path)
    )
    assert yaml.safe_load(out) == {"n": 7}


def test_claims_list_and_run_name_the_nearest_id(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, out, _ = call(capsys, monkeypatch, "claims", "list", "longtail")
    assert "longtail.exact_recovery  " in out
    assert "raf." not in out
    code, _, err = call(capsys, monkeypatch, "claims", "run", "longtail.exact_recover")
    assert code == 1
    assert "no claim 'longtail.exact_recover'; nearest: longtail.exact_recovery" in err
    code, _, err = call(
        capsys, monkeypatch, "claims", "run", "raf.gen_theory", "--results", "/nowhere"
    )
    assert code == 1
    assert "/nowhere is neither a folder nor a run in results/" in err


def test_claims_run_judges_one_claim_and_says_where_it_is_defined(tmp_path, capsys, monkeypatch):
    """On a table of ten scores, with the claim and its statistic in files of the test."""
    (tmp_path / "toy.py").write_text(
        "\n\ndef gain(tables):\n    return {'all': tables['scores']['score']}\n"
        "\n\ndef lost(tables):\n    'No gain.'\n    return {'scores': -tables['scores']}\n"
    )
    entry = {"id": "raf.toy", "says": "Scores are positive", "source": "Table 1"}
    entry |= {"origin": "extension", "statistic": "toy:gain", "passes": "> 0", "scales": ["laptop"]}
    entry |= {"kind": "statistical", "interval": "mean", "replicates": ["data"], "null": "toy:lost"}
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rote.report.claim.paper_names", lambda: ["raf"])
    Path("claims").mkdir()
    Path("claims/raf.yaml").write_text("# a comment\n" + yaml.safe_dump([entry], sort_keys=False))
    Path("results/laptop/raf").mkdir(parents=True)
    scores = pd.DataFrame({"score": np.linspace(1, 2, 10)})
    scores.to_parquet("results/laptop/raf/scores.parquet")
    words = ["claims", "run", "raf.toy", "--claims", "claims"]
    code, _, err = call(capsys, monkeypatch, *words)
    assert code != 0
    assert "does not say the run's scale" in err
    Path("results/laptop/config.yaml").write_text("scale: laptop\n")
    code, out, err = call(capsys, monkeypatch, *words)
    assert code == 0, err
    for part in ("Scores are positive", "> 0 at scale laptop", "toy.py:3", "claims/raf.yaml:2"):
        assert part in out
    assert re.search(r"all +1\.5 \[1\.\d+, 1\.\d+\] +10 +reproduced", out)
    Path("results/laptop/config.yaml").write_text("scale: smoke\nseed: 3\n")
    _, out, _ = call(capsys, monkeypatch, *words)
    assert "none at scale smoke" in out
    assert "not run" in out
    assert "reproduced" in call(capsys, monkeypatch, *words, "--scale", "laptop")[1]


def test_cli_imports_nothing_heavy():
    heavy = ("torch", "seaborn", "matplotlib", "sklearn", "pandas")
    program = f"import sys, rote.cli; print([name for name in {heavy} if name in sys.modules])"
    assert run(ROOT, str(BIN / "python"), "-c", program).stdout.strip() == "[]"


def test_version_is_printed(capsys, monkeypatch):
    from rote import __version__

    code, out, _ = call(capsys, monkeypatch, "--version")
    assert (code, out) == (0, f"rote {__version__}\n")


def test_help_says_what_exit_codes_mean(capsys, monkeypatch):
    _, out, _ = call(capsys, monkeypatch, "--help")
    words = " ".join(out.split())
    assert "Exit codes: 0 done; 1 " in words
    assert "2 a wrong option; 130 interrupted" in words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rote ver", {"verify"}),
        ("rote longtail synthesize-im", {"synthesize-images"}),
        ("rote prune --scheme ", {"none", "random", "loss", "loss-flat"}),
        ("rote verify ", {"one", "two"}),
        ("rote figures one ph", {"phases"}),
        ("rote figures one raf", {"raf", "raf.phases"}),
        ("rote draw --paper raf --figure phases", {"phases"}),
        ("rote draw --results o", {"one"}),
        ("rote claims run raf.r", {"raf.rate"}),
        ("rote claims list ra", {"raf"}),
        ("rote notebook ra", {"raf"}),
    ],
)
def test_shell_completion_names_commands_choices_runs_and_what_they_hold(tmp_path, line, expected):
    for name in ("one", "two"):
        (tmp_path / "results" / name / "raf/figures").mkdir(parents=True)
    (tmp_path / "results/one/raf/figures/phases.png").touch()
    (tmp_path / "workflow/claims").mkdir(parents=True)
    (tmp_path / "workflow/claims/raf.yaml").write_text("- id: raf.rate\n  says: x\n- id: raf.gap\n")
    words = line.split(" ")
    variables = {"_ROTE_COMPLETE": "complete_bash", "COMP_WORDS": line}
    variables["COMP_CWORD"] = str(len(words) - 1)
    done = run(tmp_path, str(BIN / "rote"), **variables, PYTHONPATH=str(ROOT / "workflow"))
    assert set(done.stdout.split()) == expected


def test_choices_are_those_of_the_registries():
    from rote.data.corpora import SPLITS
    from rote.ngrams import cli as ngrams_cli
    from rote.ngrams.analyser import UNITS
    from rote.prune import OFFLINE
    from rote.report import tools_cli

    choices = {}
    for command in (tools_cli.prune, ngrams_cli.tokenize):
        for name, annotation in get_type_hints(command).items():
            choices[name] = set(get_args(annotation))
    assert choices["scheme"] == set(OFFLINE)
    assert choices["unit"] == set(UNITS)
    assert choices["split"] == set(SPLITS)


@pytest.mark.parametrize("command", ["ledger", "power", "profile", "verify"])
def test_commands_take_names_of_runs_and_list_those_there_are(
    tmp_path, capsys, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mine").mkdir(parents=True)
    code, _, err = call(capsys, monkeypatch, command, "other")
    assert code == 1
    assert "other is neither a folder nor a run in results/; runs in this folder: mine" in err
    _, _, err = call(capsys, monkeypatch, command, "mnie")
    assert "did you mean 'mine'? runs in this folder: mine" in err
    code, _, err = call(capsys, monkeypatch, command, "mine")
    assert code == 1
    assert "results/mine" in err
    assert "Traceback" not in err


def test_ledger_refuses_other_tables_in_one_line(tmp_path, capsys, monkeypatch):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    code, _, err = call(capsys, monkeypatch, "ledger", str(tmp_path / "other.parquet"))
    assert code == 1
    assert re.fullmatch(r"rote: error: .*other\.parquet is no ledger .*\n", err)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_tables_are_written_in_the_format_of_their_suffix(tmp_path, capsys, monkeypatch, suffix):
    losses = tmp_path / "losses.csv"
    pd.DataFrame({"id": range(10), "loss": np.arange(10.0)}).to_csv(losses, index=False)
    out = tmp_path / f"chosen.{suffix}"
    words = ["prune", "--losses", str(losses), "--keep", "0.4", "--out"]
    assert call(capsys, monkeypatch, *words, str(out))[0] == 0
    read = getattr(pd, f"read_{suffix}")(out)
    assert read["id"].astype(int).tolist() == [0, 1, 2, 3]
    code, _, err = call(capsys, monkeypatch, *words, str(tmp_path / "chosen.xlsx"))
    assert code == 1
    assert "chosen.xlsx: a table is written as .parquet, .csv, .json; end its name so" in err


def test_users_files_are_never_to_be_deleted(tmp_path, capsys, monkeypatch):
    notes = tmp_path / "notes.md"
    notes.write_text("text")
    out = str(tmp_path / "out.csv")
    for words in (["prune", "--losses", str(notes), "--out", out], ["ledger", str(notes)]):
        code, _, err = call(capsys, monkeypatch, *words)
        assert code == 1
        assert not re.search("delete|remove", err)
    assert notes.read_text() == "text"


def test_figures_prints_where_they_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("raf/figures/phases.png", "longtail/figures/isolation.png"):
        (tmp_path / "results/mine" / path).parent.mkdir(parents=True)
        (tmp_path / "results/mine" / path).touch()
    assert len(call(capsys, monkeypatch, "figures", "mine")[1].split()) == 2
    for name in ("isolation", "longtail.isolation", "longtail"):
        _, out, _ = call(capsys, monkeypatch, "figures", "mine", name)
        assert out == "results/mine/longtail/figures/isolation.png\n"
    code, _, err = call(capsys, monkeypatch, "figures", "mine", "isolatoin")
    assert code == 1
    assert "no figure 'isolatoin' in results/mine; did you mean 'isolation'? there are " in err
    assert "longtail.isolation, raf.phases" in err


def test_config_write_and_new_paper_write_nothing_outside_a_checkout(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["config", "write"], ["new-paper", "mine"]):
        code, _, err = call(capsys, monkeypatch, *words)
        assert code == 1
        assert f"no workflow in {tmp_path}; run this in the folder with the Snakefile" in err
    assert list(tmp_path.iterdir()) == []


def test_again_commands_name_cores_and_the_runs_config():
    from rote.core import runs

    figure = runs.again("results/mine/raf/figures/phases.png", force=True)
    assert figure == (
        "snakemake --cores all --configfile results/mine/config.yaml --force "
        "-- results/mine/raf/figures/phases.png"
    )
    assert "--configfile results/mine/config.yaml" in runs.again("reports/mine/index.html")
    assert runs.again("figures") == "snakemake --cores all -- figures"
