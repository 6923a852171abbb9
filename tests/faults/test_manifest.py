"""The manifest of a run: complete, true, and any later change, gap or addition is reported."""

import base64
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import run
from rote.cli import app
from rote.core.errors import InputError
from rote.run import manifest
from typer.testing import CliRunner


@pytest.fixture
def results(smoke, tmp_path):
    """A run's folder with a few of its files, and its manifest."""
    folder = tmp_path / "results" / "smoke"
    copied = {"benchmarks", "longtail", "claims.parquet"}
    shutil.copytree(
        smoke / "results/smoke",
        folder,
        ignore=lambda where, names: {
            n for n in names if where.endswith("smoke") and n not in copied
        },
    )
    config = json.loads(run(smoke, sys.executable, "-c", PRINT_CONFIG).stdout)
    manifest.write(folder, config, smoke / "workflow/Snakefile", smoke / ".snakemake/metadata")
    return folder


PRINT_CONFIG = (
    "from rote.run import config; print(config.load('config/smoke.yaml').model_dump_json())"
)


def test_manifest_lists_every_file_of_a_run(smoke):
    folder = smoke / "results/smoke"
    record = manifest.read(folder)
    listed = {entry["path"]: entry for entry in record["files"]}
    ours = {manifest.NAME, manifest.CRATE}
    on_disk = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    # marks of folders, and the job that writes the list
    snakemakes = re.compile(r"\.snakemake_timestamp|report_record_run")
    assert {path for path in on_disk - set(listed) if not snakemakes.search(path)} == ours
    assert record["run"] == "smoke"
    assert record["packages"]["torch"].startswith("2.13.0")
    table = listed["longtail/linear_sweep.parquet"]
    assert table["rule"] == "longtail_solve_linear"
    assert table["settings"]["d"] == 3000
    assert table["device"] == "cpu"
    assert table["started"] <= table["ended"]
    assert len(table["code_digest"]) == 16
    claims = listed["claims/longtail.parquet"]
    assert "results/smoke/longtail/linear_sweep.parquet" in claims["inputs"]
    figure = listed["longtail/figures/ridge.png"]
    assert figure["rule"] == "longtail_draw_figures"
    products = [
        entry
        for path, entry in listed.items()
        if path.endswith((".parquet", ".png", ".safetensors"))
    ]
    assert all("rule" in entry and "ended" in entry for entry in products)


def test_manifest_ignores_records_of_earlier_jobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = Path(".snakemake/metadata")
    folder = Path("results/again")
    for path in (records, folder):
        path.mkdir(parents=True)
    for name in ("now", "before"):
        made = folder / f"{name}.txt"
        made.write_text(name)
        ended = made.stat().st_mtime - (3600 if name == "before" else 0)
        record = {"rule": "some_rule", "starttime": ended - 5, "endtime": ended}
        (records / base64.b64encode(str(made).encode()).decode()).write_text(json.dumps(record))
    Path("Snakefile").touch()
    manifest.write(
        folder,
        {"run": "again", "scale": "smoke", "seed": 1, "papers": []},
        Path("Snakefile"),
        records,
    )
    output = {entry["path"]: entry.get("rule") for entry in manifest.read(folder)["files"]}
    assert output == {
        "now.txt": "some_rule",
        "before.txt": None,
        "config.yaml": None,
        "Snakefile": None,
    }


def test_verify_accepts_a_fresh_run_without_snakemake(smoke):
    program = (
        "import sys; from rote.run import manifest; from pathlib import Path\n"
        "assert manifest.verify(Path('results/smoke')) == []\n"
        "assert not [name for name in sys.modules if name.startswith('snakemake')]"
    )
    run(smoke, sys.executable, "-c", program)


def test_verify_distinguishes_changed_missing_and_extra_files(results):
    assert manifest.verify(results) == []
    path = results / "longtail/kernel.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    (results / "longtail/linear_sets.parquet").write_bytes(b"short")
    (results / "longtail/network.parquet").unlink()
    (results / "longtail/added.parquet").write_bytes(b"x")
    result = {change.path: change.kind for change in manifest.verify(results, threads=2)}
    assert result == {
        "longtail/kernel.parquet": "changed",
        "longtail/linear_sets.parquet": "changed",
        "longtail/network.parquet": "missing",
        "longtail/added.parquet": "extra",
    }
    done = CliRunner().invoke(app, ["verify", str(results)])
    assert done.exit_code == 1
    assert isinstance(done.exception, InputError)
    assert "changed: longtail/linear_sets.parquet: 5 bytes, the manifest says" in done.stdout


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda path: path.unlink(), "does not exist; it is made at the end of a run"),
        (lambda path: path.write_text(path.read_text()[:-20]), "is not a manifest"),
        (lambda path: path.write_text("[]"), "is not a manifest"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not a manifest"),
        (
            lambda path: path.write_text(path.read_text().replace("manifest 1", "manifest 9")),
            "format 'rote manifest 9'",
        ),
        (
            lambda path: path.write_text(path.read_text().replace("claims.parquet", "../x", 1)),
            "'../x' leaves the folder",
        ),
        (
            lambda path: path.write_text(path.read_text().replace("claims.parquet", "/etc/x", 1)),
            "leaves the folder",
        ),
    ],
)
def test_verify_refuses_a_damaged_manifest(results, edit, expected):
    edit(results / manifest.NAME)
    with pytest.raises(InputError, match=expected):
        manifest.verify(results)


def test_manifest_leaves_out_missing_records(results, tmp_path):
    config = json.loads((results / manifest.NAME).read_text()) | {"papers": ["longtail"]}
    manifest.write(results, config, results / "Snakefile", tmp_path / "none")
    entry = next(e for e in manifest.read(results)["files"] if e["path"].endswith("ridge.png"))
    assert set(entry) == {"path", "sha256", "size"}


def test_crate_follows_the_workflow_run_profile(smoke):
    """What Workflow Run RO-Crate 0.5 requires; the public validator checks the same, but asks the
    network.
    """
    folder = smoke / "results/smoke"
    crate = json.loads((folder / manifest.CRATE).read_text())
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    root = entities["./"]
    workflow = entities["Snakefile"]
    action = entities["#run"]
    assert entities[manifest.CRATE]["about"] == {"@id": "./"}
    assert {"@id": "https://w3id.org/ro/wfrun/workflow/0.5"} in root["conformsTo"]
    assert {"name", "description", "datePublished", "license"} <= set(root)
    assert root["mainEntity"] == {"@id": "Snakefile"}
    assert workflow["@type"] == ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
    assert entities[workflow["programmingLanguage"]["@id"]]["name"] == "Snakemake"
    assert action["@type"] == "CreateAction"
    assert action["instrument"] == {"@id": "Snakefile"}
    assert action["startTime"] <= action["endTime"]

    def references(value):
        if isinstance(value, dict):
            if set(value) == {"@id"}:
                yield value["@id"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    outside = set(references(crate["@graph"])) - set(entities)
    assert all(name.startswith("https://") for name in outside)
    assert all((folder / part["@id"]).is_file() for part in root["hasPart"])
