"""`--sdm apptainer`: jobs run in the image, with its `rote`, not with the host's environment.

Apptainer is seldom at hand: a program of its name records its arguments and runs the command with
the PATH of an image, where `rote` lies beside the system's programs alone.
"""

import sys
from pathlib import Path

import pytest
from conftest import BIN, snakemake

APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit 0; fi
printf '%s\\n' "$@" >> {calls}
PATH={image}:/usr/bin:/bin exec bash -c "${{!#}}"
"""
ROTE = """#!/bin/bash
echo "$@" >> {calls}
exec {python} -m rote.cli "$@"
"""


@pytest.fixture
def stub(tmp_path) -> Path:
    """A folder with a program `apptainer`; what it was called with comes beside it."""
    for name, text in (("host/apptainer", APPTAINER), ("image/rote", ROTE)):
        path = tmp_path / name
        path.parent.mkdir()
        calls = path.with_suffix(".calls")
        path.write_text(text.format(calls=calls, image=tmp_path / "image", python=sys.executable))
        path.chmod(0o755)
    return tmp_path


def test_jobs_run_with_the_programs_of_the_image(project, stub):
    table = "results/smoke/longtail/images.parquet"
    path = f"{stub / 'host'}:{BIN}:/usr/bin:/bin"
    snakemake(project, "--sdm", "apptainer", "--", table, PATH=path)
    assert (project / table).exists()
    words = (stub / "host/apptainer.calls").read_text()
    assert "exec" in words.split()
    assert str(project) in words  # its home is the folder of the workflow
    assert "envs/rote.sif" in words.split()
    assert str(BIN) not in words
    assert (stub / "image/rote.calls").read_text().startswith("longtail synthesize-images ")
