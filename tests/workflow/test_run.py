"""The smoke run: the whole DAG through Snakemake, what it leaves, how it fails, how it resumes."""

import shutil
import time

import pytest
from conftest import AGAIN, run, snakemake
from rote.core import tables
from rote.core.papers import load, names


def test_the_ledger_is_printed_at_the_end(smoke):
    told = (smoke / "first-run.txt").read_text()
    assert "longtail.composes" in told
    assert "Report: reports/smoke/index.html" in told


# made only where the config names a corpus; tests/unit/test_cramless_text.py makes them
NEEDS_CORPUS = {"annotations", "fact_counts", "text_runs"}


def test_every_table_obeys_its_model_and_says_who_made_it(smoke):
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


def test_logs_and_benchmarks_are_written(smoke):
    logs = {path.stem for path in (smoke / "results/smoke/logs").glob("*.log")}
    benchmarks = {path.stem for path in (smoke / "results/smoke/benchmarks").glob("*_*.tsv")}
    assert logs == benchmarks
    assert "done in" in (smoke / "results/smoke/logs/longtail_solve_linear.log").read_text()
    assert not list((smoke / "results").rglob("*.tmp*"))
    assert not list((smoke / "results/smoke").glob("checkpoints/*/*"))


def test_no_legend_is_cut(smoke):
    logs = list((smoke / "results/smoke/logs").glob("*_draw_figures.log"))
    assert len(logs) == len(names())
    assert [path.stem for path in logs if "legend is larger" in path.read_text()] == []


def test_snakemake_report_works(smoke, tmp_path):
    snakemake(smoke, "--report", str(tmp_path / "report.zip"))
    shutil.unpack_archive(tmp_path / "report.zip", tmp_path)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Memorizing long-tail data" in page
    assert "linear risk" in page


def test_same_config_same_data_and_same_report(smoke, again):
    """A second run elsewhere, though it was killed several times: data, figures, notebooks and
    pages byte by byte.
    """
    from rote.report import compare

    found = compare.cells(smoke / "results/smoke", again / "results/smoke")
    found = found[found["paper"].isin(AGAIN)]
    assert set(found["paper"]) == set(AGAIN)
    assert set(found["verdict"]) == {"equal"}
    for paper in AGAIN:
        for pattern in (
            f"results/smoke/{paper}/figures/*.png",
            f"results/smoke/{paper}/figures/*.pdf",
            f"reports/smoke/{paper}.html",
            f"**/{paper}.ipynb",
        ):
            paths = [path for path in smoke.glob(pattern) if "workflow" not in path.parts]
            assert paths, pattern
            for path in paths:
                assert path.read_bytes() == (again / path.relative_to(smoke)).read_bytes(), (
                    path.name
                )


def test_one_figure_alone_is_drawn_from_its_table(smoke):
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


def test_strict_fails_after_the_report_is_written_and_names_the_claims(smoke):
    done = snakemake(smoke, "--config", "strict=true", check=False)
    assert done.returncode
    assert "judged claims are not reproduced" in done.stdout + done.stderr
    assert (smoke / "reports/smoke/index.html").exists()
    assert not (smoke / "results/smoke/strict.txt").exists()


def test_a_missing_dataset_fails_with_one_clear_error_and_keeps_the_rest(project):
    wrong = "longtail={images: {source: mnist, root: /nowhere/mnist}}"
    done = snakemake(
        project, "--config", wrong, "--", "results/smoke/longtail/images.parquet", check=False
    )
    assert done.returncode
    told = done.stdout + done.stderr
    assert (
        "rote: error: MNIST folder /nowhere/mnist does not exist; put the idx files there" in told
    )
    assert "Traceback" not in told
    assert not (project / "results/smoke/longtail/images.parquet").exists()
    # after the cause is gone the same target is made
    snakemake(project, "--", "results/smoke/longtail/images.parquet")


def test_the_network_track_runs_on_mnist_files(project, mnist_folder):
    images = f"images: {{source: mnist, root: {mnist_folder}, held_out: 10}}"
    network = "network: {epochs: 1, n: 64, test_rows: 20}"
    target = "results/smoke/longtail/network.parquet"
    snakemake(project, "--config", f"longtail={{{images}, {network}}}", "--", target)
    assert (
        tables.provenance(project / "results/smoke/longtail/images.parquet")["settings"]["source"]
        == "mnist"
    )
    assert len(tables.read(project / target)) > 20


def test_real_mnist_reaches_the_networks(project, real_mnist):
    images = f"images: {{source: mnist, root: {real_mnist}, held_out: 50}}"
    network = "network: {epochs: 2, n: 256, test_rows: 50, architectures: [sum]}"
    target = "results/smoke/longtail/network.parquet"
    snakemake(project, "--config", f"longtail={{{images}, {network}}}", "--", target)
    losses = tables.read(project / target)
    assert losses["mse"].between(0, 1000).all()


def test_gpu_jobs_share_no_device(project):
    """Two fake devices, no --resources gpu: every training job still gets a device of its own."""
    names = "fake-a,fake-b"
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


@pytest.mark.parametrize("limit", ["gpu=0", "gpu=2"])
def test_gpu_limits_are_accepted(project, limit):
    snakemake(
        project,
        "--resources",
        limit,
        "--config",
        "longtail={network: {epochs: 1, architectures: [sum]}}",
        "--",
        "results/smoke/longtail/network.parquet",
        CUDA_VISIBLE_DEVICES="fake-c",
    )
    log = (project / "results/smoke/logs/longtail_train_network_sum.log").read_text()
    assert ("devices: none" in log) is (limit == "gpu=0")
