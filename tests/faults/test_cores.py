"""`--cores` decides how many jobs run at a time, never what they give."""

from pathlib import Path

import pytest
from conftest import snakemake, start
from rote.core import tables


def compared(one: Path, other: Path) -> int:
    """How many tables and figures of two results folders there are; all must be the same."""
    paths = [*sorted(one.rglob("*.parquet")), *sorted(one.rglob("*.png"))]
    for path in paths:
        twin = other / path.relative_to(one)
        if path.suffix == ".parquet":
            assert (
                tables.provenance(path)["data_sha256"] == tables.provenance(twin)["data_sha256"]
            ), path
        else:
            assert path.read_bytes() == twin.read_bytes(), path
    return len(paths)


def test_cores_do_not_change_results(smoke, project):
    snakemake(project, "--cores", "1", "--config", "papers=[raf]")
    assert compared(smoke / "results/smoke/raf", project / "results/smoke/raf") > 10


@pytest.mark.long
def test_cores_do_not_change_the_laptop_run(project):
    for cores in "12":
        output = f"snakemake --cores {cores} failed: see output.txt in {project}"
        assert start(project, "snakemake", "--cores", cores).wait() == 0, output
        (project / "results/laptop").rename(project / f"results/on-{cores}")
    assert compared(project / "results/on-1", project / "results/on-2") > 250
