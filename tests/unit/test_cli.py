"""The CLI: help everywhere, one-line errors, exit codes."""

import sys

import pytest
import typer
from conftest import BIN, ROOT, run
from rote import cli

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


def call(capsys, monkeypatch, *words) -> tuple[int, str, str]:
    """Run `rote <words>` in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["rote", *words])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = stop.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    captured = capsys.readouterr()
    return code or 0, captured.out, captured.err


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_have_help(capsys, monkeypatch, words):
    code, out, _ = call(capsys, monkeypatch, *words, "--help")
    assert code == 0
    assert "Usage" in out
    described = out.split("Options")[0].split("\n", 3)[-1].strip()
    assert len(described) > 10


def test_commands_of_groups_and_papers_exist():
    assert ("longtail", "train-network") in COMMANDS
    assert ("claims",) in COMMANDS


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
        in call(capsys, monkeypatch, "config", "show", "--config", str(ROOT / "config/paper.yaml"))[
            1
        ]
    )
    bad = tmp_path / "bad.yaml"
    bad.write_text("sead: 3\n")
    code, _, err = call(capsys, monkeypatch, "config", "check", str(bad))
    assert code == 1
    assert f"{bad}: 1 problem" in err


def test_cli_imports_nothing_heavy():
    heavy = ("torch", "seaborn", "matplotlib", "sklearn", "pandas")
    program = f"import sys, rote.cli; print([name for name in {heavy} if name in sys.modules])"
    assert run(ROOT, str(BIN / "python"), "-c", program).stdout.strip() == "[]"
