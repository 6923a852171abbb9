"""Another workflow imports rote as a module: its config, its rule, rote's rules under new names."""

import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, copy_project, run
from rote.core import tables

ROTE = {"PYTHONPATH": str(ROOT / "workflow")}  # this checkout's package, whatever is installed
STUDY = """
configfile: "study.yaml"


module rote:
    snakefile:
        "{entry}"
    config:
        config["rote"]


use rule * from rote as rote_*


rule all:
    default_target: True
    input:
        "rows.txt",


rule count_rows:
    input:
        "results/study/longtail/influence.parquet",
    output:
        "rows.txt",
    shell:
        "ls {{input}} > {{output}}"
"""


@pytest.fixture(params=[pytest.param("Snakefile", marks=pytest.mark.long), "workflow/Snakefile"])
def study(tmp_path, request) -> Path:
    """A workflow that imports rote by either of its entries."""
    (tmp_path / "Snakefile").write_text(STUDY.format(entry=ROOT / request.param))
    settings = "papers: [longtail], longtail: {influence: {replicates: 3}}"
    (tmp_path / "study.yaml").write_text(f"rote: {{run: study, scale: smoke, {settings}}}")
    return tmp_path


def test_module_lets_another_rule_build_on_its_tables(study):
    run(study, "snakemake", "--cores", "1", **ROTE)
    assert (study / "rows.txt").read_text().strip() == "results/study/longtail/influence.parquet"
    record = tables.provenance(study / "results/study/longtail/influence.parquet")
    assert record["settings"]["replicates"] == 3  # the importing workflow's config
    assert not (study / "workflow").exists()


def test_module_plans_the_report_in_another_folder(study):
    target = "reports/study/index.html"
    plan = run(study, "snakemake", "-n", "--cores", "1", "--", target, **ROTE).stdout
    for rule in (
        "rote_longtail_train_network",
        "rote_report_evaluate_paper",
        "rote_report_draw_site",
    ):
        assert rule in plan


HOSTED = "https://github.com/rote-authors/rote"
TAG = "v0.1.0"
# as `snakedeploy deploy-workflow` writes it
DEPLOYED = """
from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


module rote:
    snakefile:
        github("rote-authors/rote", path="workflow/Snakefile", tag="v0.1.0")
    config:
        config


use rule * from rote
"""
CHEAP = {"run": "study", "scale": "smoke", "papers": ["longtail"]}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    """A git repository of the project, with a tag."""
    folder = copy_project(tmp_path_factory.mktemp("mirror") / "rote")
    author = ("-c", "user.name=rote", "-c", "user.email=rote@example.org")
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "rote"], ["tag", TAG]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def hosted(mirror, tmp_path) -> dict[str, str]:
    """Variables with which git takes the mirror for the repository on the host."""
    return {
        **ROTE,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{mirror}.insteadOf",
        "GIT_CONFIG_VALUE_0": HOSTED,
    }


def left_out() -> list[str]:
    """All tables of the paper but those of its linear track."""
    from rote.papers.longtail import schema

    return [name for name in schema.TABLES if "network" in name or "kernel" in name]


def test_module_runs_from_a_tag_on_a_host(tmp_path, hosted):
    """Claims and rules come out of the repository; a second run finds everything done."""
    source = f'github("rote-authors/rote", path="workflow/Snakefile", tag="{TAG}")'
    text = STUDY.format(entry="...").replace('"..."', source).replace("influence.parquet", "x")
    (tmp_path / "Snakefile").write_text(text)
    sizes = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())["longtail"]
    study = CHEAP | {"longtail": sizes | {"leave_out": left_out()}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"rote": study}))
    command = ("snakemake", "--cores", "1")
    target = ("--", "results/study/claims/longtail.parquet")
    run(tmp_path, *command, *target, **hosted)
    ledger = tables.read(tmp_path / "results/study/claims/longtail.parquet")
    assert set(ledger["paper"]) == {"longtail"}
    again = run(tmp_path, *command, "--dry-run", *target, **hosted)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_module_plans_from_a_repository_on_this_machine(tmp_path, mirror):
    source = f'gitfile("{mirror}", path="workflow/Snakefile", tag="{TAG}")'
    (tmp_path / "Snakefile").write_text(STUDY.format(entry="...").replace('"..."', source))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"rote": CHEAP}))
    target = "reports/study/index.html"
    plan = run(tmp_path, "snakemake", "-n", "--cores", "1", "--", target, **ROTE).stdout
    assert "rote_report_draw_site" in plan


def test_deployed_workflow_plans_its_default_target(tmp_path, mirror, hosted):
    """Its own copy of config/, rote's rules under their own names."""
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(DEPLOYED)
    config = yaml.safe_load((mirror / "config/config.yaml").read_text())
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(config | CHEAP))
    plan = run(tmp_path, "snakemake", "-n", "--cores", "1", **hosted).stdout
    assert "report_record_run" in plan
    assert not (tmp_path / "workflow/rules").exists()


def test_workflow_catalog_entry_is_complete():
    about = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(about["usage"]) >= {"mandatory-flags", "software-stack-deployment", "report"}
    for name in ("README.md", "workflow/Snakefile", "config/README.md", "LICENSE"):
        assert (ROOT / name).is_file()
