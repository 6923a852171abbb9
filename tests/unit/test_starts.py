"""What a process starts with: heavy modules by kind of verb, and several verbs in one process."""

import subprocess
import sys

import pytest
from conftest import BIN, ROOT, run
from rote.cli import in_turn
from rote.core import job, papers

HEAVY = {
    "torch",
    "torch._dynamo",
    "matplotlib",
    "seaborn",
    "sklearn",
    "scipy.stats",
    "scipy.optimize",
    "transformers",
    "numba",
    "pandas",
    "papermill",
    "snakemake",
}
# what each kind of verb imports before it works, and the heavy modules that it may bring
KINDS = {
    "list of commands": ("rote.cli", set()),
    "synthesis": ("rote.papers.cramless.cli, rote.papers.cramless.data", {"pandas"}),
    "digits": ("rote.data.images as images; images.digits()", set()),
    "linear algebra": ("rote.papers.longtail.cli, rote.papers.longtail.linear", {"pandas"}),
    "counts": ("rote.papers.distmem.cli, rote.papers.distmem.counting", {"pandas", "numba"}),
    "training": (
        "rote.papers.cramless.cli, rote.papers.cramless.training",
        {"pandas", "torch", "numba"},
    ),
    "figures": (
        "rote.plotting",
        {"pandas", "matplotlib"},
    ),
    "notebooks": ("rote.report.notebook", {"pandas"}),
    "claims": ("rote.report.claims_cli, rote.ledger.ledger", {"pandas"}),
}
# of all papers: what judges their claims, and what draws their figures
STATISTICS, DRAWN = [], set()
for paper in papers.names():
    STATISTICS += [f"rote.papers.{paper}.statistics", f"rote.papers.{paper}.nulls"]
    modules = {figure.module for figure in papers.load(paper, "figures").FIGURES.values()}
    DRAWN |= {f"rote.papers.{paper}.figures.{module}" for module in modules}
KINDS["statistics"] = (", ".join(STATISTICS), {"pandas", "numba", "scipy.optimize"})
KINDS["all figures"] = (
    ", ".join(sorted(DRAWN)),
    {"pandas", "numba", "scipy.optimize", "matplotlib"},
)


@pytest.mark.parametrize("kind", KINDS)
def test_verbs_import_what_they_compute_with(kind):
    modules, allowed = KINDS[kind]
    program = f"import sys; import {modules}; print(*({HEAVY} & set(sys.modules)))"
    loaded = set(run(ROOT, str(BIN / "python"), "-c", program).stdout.split())
    assert loaded <= allowed


def test_commands_stand_between_plus_signs():
    assert in_turn(["a", "--b", "1", "+", "c"]) == [["a", "--b", "1"], ["c"]]
    assert in_turn([]) == [[]]


def test_commands_run_in_turn_until_one_fails(tmp_path):
    def rote(*words):
        command = [str(BIN / "rote"), *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    done = rote("init", "one", "+", "init", "two")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("*.yaml")} == {"one.yaml", "two.yaml"}
    done = rote("init", "one", "+", "init", "three")
    assert done.returncode == 1
    assert "one.yaml" in done.stderr
    assert not (tmp_path / "three.yaml").exists()


class _Cuda:
    """torch, as far as a lease looks at it."""

    class cuda:
        @staticmethod
        def is_initialized():
            return True


def test_a_process_whose_cuda_runs_leases_the_same_device_again(monkeypatch):
    """CUDA takes no other device once it runs, whatever the environment then says."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "start-a,start-b")
    monkeypatch.setattr(job, "_SEEN", ["start-b"])
    monkeypatch.setitem(sys.modules, "torch", _Cuda)
    with job.lease(1) as devices:
        assert devices == ["start-b"]
    with job.lease(2) as devices:
        assert devices == ["start-a", "start-b"]
