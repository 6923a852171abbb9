"""What tests of machines share: the real command in another environment, as another user."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from conftest import BIN, ROOT
from rote.core import tables

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
NOBODY = 65534
PROGRAM = """
import sys
from rote.cli import main
sys.argv = ["rote", *sys.argv[1:]]
main()
"""


BROKEN = {
    "a sentence": "echo 'No devices were found'",
    "a failure": "echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9",
    "nothing": "exit 3",
    "letters of no encoding": "printf 'GPU\\377\\376\\n'",
    "a warning before the list": "echo 'WARNING: infoROM is corrupted'; echo GPU-12345678",
    "a signal": "kill -9 $$",
}


def variables(**environment: str | None) -> dict[str, str]:
    """The environment of a command, changed; None takes a variable away."""
    changed = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "workflow"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    return {name: value for name, value in changed.items() if value is not None}


def rote(
    folder: Path, *words: str, user: int = 0, umask: int = -1, **environment: str | None
) -> subprocess.CompletedProcess:
    """Run `rote` in a folder, as a user, with a umask and changed variables."""
    return subprocess.run(
        [*becoming(user), sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env=variables(**environment),
        capture_output=True,
        umask=umask,
        timeout=300,
    )


@cache
def becoming(user: int) -> tuple[str, ...]:
    """What a command begins with to run as a user: who may read what is root's, but write nothing.

    The interpreter may lie in root's home, which another user cannot enter without that.
    """
    if not user:
        return ()
    may_read = "+dac_read_search"
    return (
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        *(f"--inh-caps={may_read}", f"--ambient-caps={may_read}"),
    )


def printed(done: subprocess.CompletedProcess) -> str:
    """Everything it printed, which must hold no traceback."""
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert "Traceback" not in text, text
    return text


def count(folder: Path, name: str = "texts", **keywords) -> subprocess.CompletedProcess:
    """Tokenize a text and count pairs in it: kernels, tables, files and the terminal."""
    (folder / f"{name}.txt").write_text("the red kite – a bird of prey\n" * 50, "utf-8")
    (folder / f"{name}.csv").write_text("first,second\nred kite,bird\n", "utf-8")
    words = [
        *("ngrams", "tokenize", f"{name}.txt", "--out", f"{name}.corpus"),
        *("+", "ngrams", "count", "--corpus", f"{name}.corpus", "--pairs", f"{name}.csv"),
        *("--window", "5", "--out", f"{name}.parquet", "+", "config", "show", "seed"),
    ]
    done = rote(folder, *words, **keywords)
    assert done.returncode == 0, printed(done)
    assert 50 in tables.read(folder / f"{name}.parquet").to_numpy()
    return done


def programs(folder: Path, *, without: tuple[str, ...] = (), **scripts: str) -> str:
    """A PATH that lacks some programs and has some others, as shell scripts."""
    shadow = folder / "bin"
    shadow.mkdir()
    for name, script in scripts.items():
        path = shadow / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    others = []
    for part in os.environ["PATH"].split(":"):
        if part and not any((Path(part) / name).exists() for name in without):
            others.append(part)
    return ":".join([str(shadow), str(BIN), *others])
