"""Another workflow imports rote as a module: its own config, its own rule, rote's rules under
another name.
"""

from pathlib import Path

import pytest
from conftest import ROOT, run
from rote.core import tables

STUDY = """
configfile: "study.yaml"


module rote:
    snakefile:
        "{root}/Snakefile"
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


@pytest.fixture
def study(tmp_path) -> Path:
    (tmp_path / "Snakefile").write_text(STUDY.format(root=ROOT))
    (tmp_path / "study.yaml").write_text(
        "rote: {run: study, scale: smoke, papers: [longtail], longtail: {influence: {replicates: "
        "3}}}"
    )
    return tmp_path


def test_a_rule_of_ones_own_builds_on_rotes_tables(study):
    run(study, "snakemake", "--cores", "1")
    assert (study / "rows.txt").read_text().strip() == "results/study/longtail/influence.parquet"
    record = tables.provenance(study / "results/study/longtail/influence.parquet")
    assert record["settings"]["replicates"] == 3  # the importing workflow's config
    assert not (study / "workflow").exists()


def test_the_whole_report_can_be_planned_from_elsewhere(study):
    plan = run(study, "snakemake", "-n", "--cores", "1", "--", "reports/study/index.html").stdout
    for rule in (
        "rote_longtail_train_network",
        "rote_report_evaluate_claims",
        "rote_report_draw_site",
    ):
        assert rule in plan


def test_the_catalog_finds_what_it_looks_for():
    import yaml

    about = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(about["usage"]) >= {"mandatory-flags", "software-stack-deployment", "report"}
    for name in ("README.md", "Snakefile", "config/README.md", "LICENSE"):
        assert (ROOT / name).is_file()
