"""Another workflow imports rote as a module: its config, its rule, rote's rules under new names."""

from pathlib import Path

import pytest
import yaml
from conftest import ROOT, run
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


def test_workflow_catalog_entry_is_complete():
    about = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(about["usage"]) >= {"mandatory-flags", "software-stack-deployment", "report"}
    for name in ("README.md", "workflow/Snakefile", "config/README.md", "LICENSE"):
        assert (ROOT / name).is_file()
