"""Compiled kernels: the same bytes from an empty cache and from a full one, and no dead ends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from numba.core.dispatcher import Dispatcher
from rote.run import kernels

FEW = ("elimination", "sorting")


def digests(cache: Path, *groups: str, **environment: str) -> str:
    """What the kernels leave, in a process with this cache."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "workflow"),
        "NUMBA_CACHE_DIR": str(cache),
        **environment,
    }
    command = [sys.executable, "-m", "rote.run.kernels", *groups]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """A cache that one process filled, and what its kernels left: `digests.txt` in it."""
    cache = tmp_path_factory.mktemp("cache")
    (cache / "digests.txt").write_text(digests(cache, *FEW))
    assert list(cache.rglob("*.nbc"))
    return cache


def test_a_kernel_of_waves_leaves_the_same_bytes_just_compiled_and_loaded(compiled):
    """The one whose last bits once depended on the cache; all others take a minute to compile."""
    assert digests(compiled, *FEW) == (compiled / "digests.txt").read_text()


@pytest.mark.long
def test_all_kernels_leave_the_same_bytes_just_compiled_and_loaded(tmp_path):
    """The module fails for a kernel that none of its groups runs."""
    compiled = digests(tmp_path)
    assert len(compiled.splitlines()) == len(kernels.GROUPS)
    assert len(list(tmp_path.rglob("*.nbc"))) >= 20
    assert digests(tmp_path) == compiled


def test_no_kernel_calls_another():
    """A call has two compiled forms, and which one runs depends on the cache."""
    dispatchers = kernels.compiled()
    called = []
    for name, value in dispatchers.items():
        function = value.py_func
        for used in function.__code__.co_names:
            other = function.__globals__.get(used)
            if isinstance(other, Dispatcher) and not kernels.is_part(other):
                called.append(f"{name} calls {used}")
    assert called == []
    assert len(dispatchers) > 30


@pytest.mark.fault("damaged file")
@pytest.mark.parametrize(
    "damage", [None, *(pytest.param(content, marks=pytest.mark.long) for content in (b"", b"half"))]
)
def test_damaged_caches_are_compiled_anew(compiled, tmp_path, damage):
    """Cut short by a power failure, or unreadable; the next process loads again."""
    cache = tmp_path / "cache"
    shutil.copytree(compiled, cache)
    whole = (cache / "digests.txt").read_text().splitlines()[-1:]
    files = list(cache.rglob("distances.*.nb?"))
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:40] if damage is None else damage)
    assert digests(cache, "sorting").splitlines() == whole
    assert all(path.stat().st_size > 40 for path in files)
