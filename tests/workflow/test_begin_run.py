"""A run keeps its config in its folder from the start; other data stop it before any job."""

from conftest import run, snakemake
from rote.core import runs

TABLE = "results/mine/longtail/images.parquet"


def test_other_data_stop_a_run_and_its_own_config_makes_it_again(project):
    snakemake(project, "--config", "run=mine", "--", TABLE)
    written = (project / TABLE).stat().st_mtime_ns
    other = "longtail={images: {source: mnist, root: /data/mnist}}"
    done = snakemake(project, "--config", "run=mine", other, "--", TABLE, check=False)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "was made with" in line]
    assert len(lines) == 1
    assert "results/mine was made with" in lines[0]
    assert "longtail.images.source = 'mnist-sample', not 'mnist'" in lines[0]
    assert "give this run a name of its own: --config run=<name>" in lines[0]
    assert "rule longtail_synthesize_images" not in done.stderr
    # another name is fine, and so is the command that is printed under figures
    snakemake(
        project, "--dry-run", "--config", "run=other", other, "--", TABLE.replace("mine", "other")
    )
    again = run(project, "bash", "-c", runs.again(TABLE))
    assert "Nothing to be done" in again.stdout + again.stderr
    assert (project / TABLE).stat().st_mtime_ns == written
