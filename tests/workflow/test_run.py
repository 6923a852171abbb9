"""The smoke run: the whole DAG through Snakemake, what it leaves, how it fails, how it resumes."""

import re
import shutil
import time
from pathlib import Path

import pytest
from conftest import RESUMED_PAPERS, run, snakemake
from rote.core import tables
from rote.core.papers import about, load, names


def test_run_tells_findings_as_papers_are_judged_and_at_its_end(smoke):
    output = (smoke / "first-run.txt").read_text()
    for paper in names():
        finding = (smoke / f"results/smoke/claims/{paper}.txt").read_text()
        assert finding.startswith(about(paper).short)
        assert output.count(finding) == 2
    assert "Report: reports/smoke/index.html\n" in output
    assert "longtail.composes" not in output  # hundreds of rows: `rote ledger`


def test_report_grows_with_every_paper_of_a_run(smoke):
    for paper in names():
        log = (smoke / f"results/smoke/logs/report_draw_paper_{paper}.log").read_text()
        assert re.search(rf"reports/smoke/index.html: \d+ of {len(names())} papers", log)
    assert "Partial" not in (smoke / "reports/smoke/index.html").read_text()


def test_failed_paper_leaves_a_partial_report_of_the_others(smoke, project):
    """With --keep-going, and where the papers are computed already but one."""
    for name in ("results", "reports", ".snakemake"):
        shutil.copytree(smoke / name, project / name, dirs_exist_ok=True)
    (project / "reports/smoke/index.html").unlink()
    (project / "results/smoke/config.yaml").unlink()  # else it refuses other data in this folder
    wrong = "longtail={images: {source: mnist, root: /nowhere}}"
    papers = "papers=[raf, longtail]"
    notebook = project / "workflow/notebooks/raf.ipynb"
    notebook.write_text(notebook.read_text() + " ")
    done = snakemake(project, "--keep-going", "--config", wrong, papers, check=False)
    assert done.returncode
    front = " ".join((project / "reports/smoke/index.html").read_text().split())
    assert "Partial: 1 of 2 papers are judged.</b> Not yet: Long-tail composition." in front
    assert "Rules and facts:" in done.stdout


# made only where the config names a corpus; tests/unit/test_cramless_text.py makes them
NEEDS_CORPUS = {"annotations", "fact_counts", "text_runs"}


def test_run_tables_obey_their_models_and_have_provenance(smoke):
    for paper in names():
        for name, model in load(paper, "schema").TABLES.items():
            path = smoke / f"results/smoke/{paper}/{name}.parquet"
            if name in NEEDS_CORPUS:
                assert not path.exists()
                continue
            tables.check(tables.read(path)[list(model.model_fields)], model)
            record = tables.provenance(path)
            assert record["verb"].startswith(paper)
            assert len(record["code_digest"]) == 16
            assert record["device"] == "cpu"


def test_run_writes_logs_and_benchmarks(smoke):
    logs = {path.stem for path in (smoke / "results/smoke/logs").glob("*.log")}
    benchmarks = {path.stem for path in (smoke / "results/smoke/benchmarks").glob("*_*.tsv")}
    assert logs == benchmarks
    assert "done in" in (smoke / "results/smoke/logs/longtail_solve_linear.log").read_text()
    assert not list((smoke / "results").rglob("*.tmp*"))
    assert not list((smoke / "results/smoke").glob("checkpoints/*/*"))


def test_figures_have_no_cut_legend(smoke):
    logs = list((smoke / "results/smoke/logs").glob("*_draw_figures.log"))
    assert len(logs) == len(names())
    assert [path.stem for path in logs if "legend is larger" in path.read_text()] == []


def test_snakemake_report_holds_results(smoke, tmp_path):
    snakemake(smoke, "--report", str(tmp_path / "report.zip"))
    shutil.unpack_archive(tmp_path / "report.zip", tmp_path)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Memorizing long-tail data" in page
    assert "linear risk" in page


def without_links(path: Path) -> bytes:
    """A file without the links to the pages of all papers of its run."""
    return re.sub(rb'<nav class="site".*?</nav>', b"", path.read_bytes(), flags=re.DOTALL)


def test_run_is_reproducible_byte_by_byte(smoke, resumed):
    """A second run elsewhere, killed several times: data, figures, notebooks, pages to the byte."""
    from rote.report import compare

    result = compare.cells(smoke / "results/smoke", resumed / "results/smoke")
    result = result[result["paper"].isin(RESUMED_PAPERS)]
    assert set(result["paper"]) == set(RESUMED_PAPERS)
    assert set(result["verdict"]) == {"equal"}
    for paper in RESUMED_PAPERS:
        for pattern in (
            f"results/smoke/{paper}/figures/*.png",
            f"reports/smoke/{paper}.html",
            f"**/{paper}.ipynb",
        ):
            paths = [path for path in smoke.glob(pattern) if "workflow" not in path.parts]
            assert paths, pattern
            for path in paths:
                other = resumed / path.relative_to(smoke)
                assert without_links(path) == without_links(other), path.name


def test_draw_makes_one_figure_from_its_table(smoke):
    path = smoke / "results/smoke/longtail/figures/ridge.png"
    before = path.read_bytes()
    path.unlink()
    start = time.monotonic()
    run(
        smoke,
        "rote",
        "draw",
        "--paper=longtail",
        "--results=results/smoke/longtail",
        f"--out={path.parent}",
        "--figure=ridge",
    )
    assert path.read_bytes() == before
    assert time.monotonic() - start < 60
    done = run(
        smoke,
        "rote",
        "draw",
        "--paper=longtail",
        "--results=.",
        "--out=x",
        "--figure=rigde",
        check=False,
    )
    assert "has no figure 'rigde'" in done.stderr
    assert not (smoke / "x").exists()


def test_strict_run_fails_after_the_report_where_no_claim_is_judged(smoke):
    done = snakemake(smoke, "--config", "strict=true", check=False)
    assert done.returncode
    assert "no claim is judged at this scale" in done.stdout + done.stderr
    assert (smoke / "reports/smoke/index.html").exists()
    assert not (smoke / "results/smoke/strict.txt").exists()
    (smoke / "results/smoke/logs/report_require_claims.log").unlink()  # the copy may be used again


def test_missing_dataset_is_one_error_and_the_run_resumes(project):
    wrong = "longtail={images: {source: mnist, root: /nowhere/mnist}}"
    done = snakemake(
        project, "--config", wrong, "--", "results/smoke/longtail/images.parquet", check=False
    )
    assert done.returncode
    output = done.stdout + done.stderr
    assert (
        "rote: error: MNIST folder /nowhere/mnist does not exist; put the idx files there" in output
    )
    assert "Traceback" not in output
    assert not (project / "results/smoke/longtail/images.parquet").exists()
    # after the cause is gone the same target is made
    snakemake(project, "--", "results/smoke/longtail/images.parquet")


def test_longtail_network_runs_on_mnist_files(project, mnist_folder):
    images = f"images: {{source: mnist, root: {mnist_folder}, held_out: 10}}"
    network = "network: {epochs: 1, n: 64, test_rows: 20, architectures: [sum]}"
    target = "results/smoke/longtail/network.parquet"
    snakemake(project, "--config", f"longtail={{{images}, {network}}}", "--", target)
    assert (
        tables.provenance(project / "results/smoke/longtail/images.parquet")["settings"]["source"]
        == "mnist"
    )
    assert len(tables.read(project / target)) > 20


def test_longtail_network_runs_on_real_mnist(project, real_mnist):
    images = f"images: {{source: mnist, root: {real_mnist}, held_out: 50}}"
    network = "network: {epochs: 2, n: 256, test_rows: 50, architectures: [sum]}"
    target = "results/smoke/longtail/network.parquet"
    snakemake(project, "--config", f"longtail={{{images}, {network}}}", "--", target)
    losses = tables.read(project / target)
    assert losses["mse"].between(0, 1000).all()


def test_snakemake_looks_for_jobs_to_start_once_per_job(project):
    """Its limit of starts per second makes it look every second, too, ever more often."""
    targets = ["cramless/facts.parquet", "inversion/library.parquet", "longtail/images.parquet"]
    paths = [f"results/smoke/{target}" for target in targets]
    done = snakemake(project, "--cores", "1", "--verbose", "--", *paths)
    looks = done.stderr.count("Ready jobs: ")
    assert 1 < looks <= len(paths)


def test_gpu_jobs_share_no_device(project):
    """Two fake devices, no --resources gpu: every training job still gets a device of its own."""
    names = "MIG-fake-a,MIG-fake-b"
    arguments = (
        "--config",
        "longtail={network: {epochs: 1}}",
        "--",
        "results/smoke/longtail/network.parquet",
    )
    snakemake(project, *arguments, CUDA_VISIBLE_DEVICES=names)
    logs = [
        path.read_text()
        for path in (project / "results/smoke/logs").glob("longtail_train_network_*.log")
    ]
    assert len(logs) == 2
    for text in logs:
        leased = text.split("devices: ")[1].split(")")[0]
        assert leased in names.split(",")
    images = (project / "results/smoke/logs/longtail_synthesize_images.log").read_text()
    assert "devices: none" in images


# the smoke run of all papers has gpu=2
@pytest.mark.parametrize("limit", ["gpu=0", pytest.param("gpu=2", marks=pytest.mark.long)])
def test_gpu_limits_are_accepted(project, limit):
    snakemake(
        project,
        "--resources",
        limit,
        "--config",
        "longtail={network: {epochs: 1, architectures: [sum]}}",
        "--",
        "results/smoke/longtail/network.parquet",
        CUDA_VISIBLE_DEVICES="MIG-fake-c",
    )
    log = (project / "results/smoke/logs/longtail_train_network_sum.log").read_text()
    assert ("devices: none" in log) is (limit == "gpu=0")
