"""The first minutes: doctor, a new config, and a new paper whose smoke run passes at once."""

import re

import pytest
from conftest import run, snakemake
from rote.core import tables
from rote.core.errors import InputError
from rote.report import start
from rote.run import config


def test_new_paper_passes_its_smoke_run(project):
    output = run(project, "rote", "new-paper", "mine", "--title", "A paper of mine").stdout
    assert "workflow/rote/papers/mine/settings.py" in output
    run(project, "rote", "config", "write")
    assert "mine:" in (project / "config/config.yaml").read_text()
    run(project, "ruff", "check", "workflow/rote/papers/mine")
    run(project, "ruff", "format", "--check", "workflow/rote/papers/mine")
    contracts = run(project, "lint-imports", "--no-cache", check=False)
    assert "papers.mine" not in contracts.stdout
    text = (project / "docs/rulegraph/mine.svg").read_text()
    rules = set(re.findall(r"rule (mine\w*):", (project / "workflow/rules/mine.smk").read_text()))
    assert rules | {"mine", "mine_draw_figures"} == set(re.findall(r">(mine\w*)</text>", text))
    run(project, "snakefmt", "--check", "Snakefile", "workflow/rules/mine.smk")
    snakemake(project, "--config", "papers=[mine]")
    ledger = tables.read(project / "results/smoke/claims.parquet")
    assert set(ledger["claim"]) == {"mine.unbiased"}
    assert set(ledger["verdict"]) == {"not run"}
    command = ["rote", "claims", "run", "mine.unbiased", "--results", "results/smoke"]
    judged = run(project, *command, "--scale", "full")
    assert re.search("reproduced|inconclusive|not run", judged.stdout)
    page = (project / "reports/smoke/mine.html").read_text()
    assert "A paper of mine" in page
    assert "eans of n standard normal draws" in page
    assert (project / "reports/smoke/files/mine/error.png").stat().st_size > 5000
    assert "mine" in (project / "reports/smoke/index.html").read_text()
    done = run(project, "rote", "new-paper", "mine", check=False)
    assert "a paper cannot be called 'mine'" in done.stderr


@pytest.mark.long
def test_new_paper_passes_the_tests_of_the_house(project):
    run(project, "rote", "new-paper", "mine", "--title", "A paper of mine")
    run(project, "rote", "config", "write")
    tests = ["house", "claims", "costs", "config", "domains", "published"]
    files = [f"tests/unit/test_{name}.py" for name in tests]
    pytest_ = ["pytest", "-q", "-p", "no:cacheprovider", "-m", "not dag and not long"]
    run(project, *pytest_, *files, "tests/workflow/test_plan.py")
    run(project, *pytest_, "tests/workflow/test_docs.py", "-k", "graphs or site or reference")


@pytest.mark.parametrize(
    "name", ["Mine", "my-paper", "a", "1st", "longtail", "report", "../x", "x" * 30]
)
def test_new_paper_refuses_unusable_names(tmp_path, name):
    with pytest.raises(InputError, match="a paper cannot be called"):
        start.new_paper(name, "A title", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_new_paper_refuses_unusable_titles(tmp_path):
    for title in ('a "quoted" title', "x", "braces {}", "two\nlines"):
        with pytest.raises(InputError, match="the title"):
            start.new_paper("mine", title, tmp_path)


def test_new_paper_writes_nothing_outside_a_workflow(tmp_path):
    with pytest.raises(InputError, match="no workflow in"):
        start.new_paper("mine", "A title", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_init_writes_the_defaults(tmp_path):
    path = tmp_path / "my-study.yaml"
    start.new_config("my-study", path)
    settings = config.load(path)
    assert settings.run == "my-study"
    assert settings.model_copy(update={"run": "laptop"}) == config.load()
    # every comment that shows a key is true
    shown = [
        line.removeprefix("# ") for line in path.read_text().split("defaults.\n")[1].splitlines()
    ]
    (tmp_path / "all.yaml").write_text("\n".join(shown))
    assert config.load(tmp_path / "all.yaml") == config.load()
    with pytest.raises(InputError, match="exists already"):
        start.new_config("my-study", path)
    with pytest.raises(InputError, match="run: "):
        start.new_config("../x", tmp_path / "x.yaml")


def test_doctor_names_problems_and_remedies(project):
    output = run(project, "rote", "doctor").stdout
    assert "all as envs/lock.txt says" in output
    assert "GB free on the disk" in output
    lock = project / "envs/lock.txt"
    lock.write_text(lock.read_text().replace("numpy==", "numpy==0.") + "no-such-package==1.0\n")
    (project / ".snakemake/locks").mkdir(parents=True, exist_ok=True)
    (project / ".snakemake/locks/0.input.lock").touch()
    done = run(project, "rote", "doctor", check=False)
    assert done.returncode == 1
    assert "PROBLEM  not as the lock says: numpy" in done.stdout
    assert "no-such-package missing instead of 1.0" in done.stdout
    assert "make resume" in done.stdout
    assert "rote: error: 1 of these need something done first" in done.stderr
