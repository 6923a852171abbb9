"""What `rote doctor` looks at beside the installation: user, files, programs and terminal."""

import json
import locale
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rote.core import environment, job, nvidia
from rote.core.errors import InputError
from rote.core.files import first_line


class Finding(NamedTuple):
    """One thing that was looked at."""

    state: str  # fine, note or problem
    message: str
    advice: str = ""

    def __str__(self) -> str:
        mark = "PROBLEM" if self.state == "problem" else "ok" if self.state == "fine" else "note"
        advice = f"\n         {self.advice}" if self.advice else ""
        return f"{mark:<7}  {self.message}{advice}"


def findings(root: Path) -> Iterator[Finding]:
    """Home, temporary files, caches, results, umask, git, devices, styles, kernels, terminal.

    Args:
        root: the folder of the workflow.
    """
    yield _home()
    yield _temporary()
    yield _caches()
    yield from _results(root)
    yield _umask()
    yield _git(root)
    yield from _devices()
    yield from _styles()
    yield from _kernels()
    yield _terminal()


def _home() -> Finding:
    folder = environment.home()
    if folder is not None and not folder.name.startswith("rote-"):  # not that of `prepare`
        return Finding("fine", f"home {folder}")
    if os.environ.get("XDG_CACHE_HOME"):
        return Finding("fine", f"caches in {os.environ['XDG_CACHE_HOME']}: no home is needed")
    advice = (
        "caches go to .snakemake/cache and a folder for temporary files; to put them elsewhere: "
        "export XDG_CACHE_HOME=/your/folder"
    )
    shown = os.environ.get("HOME", "not set")
    return Finding("note", f"no home that can be written (HOME: {shown})", advice)


def _temporary() -> Finding:
    advice = "set TMPDIR to a folder with 1 GB free that you may write to, or unset it"
    named = os.environ.get("TMPDIR")
    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        return Finding("problem", f"no temporary file can be written: {error.strerror}", advice)
    if named and os.path.abspath(named) != os.path.abspath(folder):
        message = f"TMPDIR is {named}, where no file can be written: {folder} is taken instead"
        return Finding("problem", message, advice)
    free = shutil.disk_usage(folder).free / 1e9
    message = f"temporary files in {folder}, {free:,.1f} GB free"
    return Finding("fine", message) if free > 0.5 else Finding("problem", message, advice)


def _caches() -> Finding:
    from rote.neighbors import distances

    cache_path = distances._sort.stats.cache_path
    if cache_path:
        return Finding("fine", f"compiled kernels are kept in {cache_path}")
    advice = "set NUMBA_CACHE_DIR to a folder that you may write to"
    return Finding("problem", "every process compiles its kernels anew: no cache", advice)


def _results(root: Path) -> Iterator[Finding]:
    for name in ("results", "reports", ".snakemake"):
        folder = root / name
        if folder.is_dir() and not environment.writable(folder):
            advice = f"free space, or give yourself the right to write: chmod -R u+w {name}"
            yield Finding("problem", f"no file can be written in {folder}", advice)


def _umask() -> Finding:
    mask = os.umask(0o022)
    os.umask(mask)
    if mask & 0o044:
        advice = "if others are to read results: umask 022"
        return Finding("note", f"umask {mask:03o}: others cannot read what you write", advice)
    return Finding("fine", f"umask {mask:03o}: others can read results")


def _git(root: Path) -> Finding:
    if not shutil.which("git"):
        advice = "install git if tables are to name it; nothing else needs it"
        return Finding("note", "no git: tables will not name the commit", advice)
    commit = job.git_commit()
    if commit == "unknown":
        advice = f"another user's clone: git config --global --add safe.directory {root.resolve()}"
        return Finding("note", "git names no commit of this folder: nor will tables", advice)
    return Finding("fine", f"git: commit {commit}")


def _devices() -> Iterator[Finding]:
    devices, problem = nvidia.list_devices()
    if unknown := job.named_devices()[1]:
        shown = ", ".join(job.visible_devices()) or "none"
        advice = f"name one of {', '.join(devices) or 'its devices'}, or unset CUDA_VISIBLE_DEVICES"
        message = f"CUDA_VISIBLE_DEVICES names {unknown!r}, which this machine lacks: shown {shown}"
        yield Finding("problem", message, advice)
    if problem:
        advice = "have the driver mended, or export CUDA_VISIBLE_DEVICES=0 (or empty: the CPU)"
        yield Finding("note", problem, advice)
    if devices or os.environ.get("CUDA_VISIBLE_DEVICES"):
        try:
            os.close(job._open_lock("doctor"))
            yield Finding("fine", f"devices are leased in {job._LOCKS}, by all users")
        except InputError as error:
            yield Finding("problem", "devices cannot be leased", str(error))


def _styles() -> Iterator[Finding]:
    """Settings of matplotlib that are not ours: only those of this folder can stop a figure."""
    home = os.path.expanduser("~")  # as it is for who has none
    settings = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    folders = (".", f"{settings}/matplotlib", f"{home}/.matplotlib", environment.STYLE)
    places = [Path(folder, "matplotlibrc") for folder in filter(None, folders)]
    if os.path.isfile(environment.STYLE):
        places[-1] = Path(environment.STYLE)
    for path in places:
        if not os.path.isfile(path):
            continue
        try:
            from matplotlib import rc_params_from_file

            rc_params_from_file(path, fail_on_error=True, use_default_template=False)
        except Exception as error:  # of encodings, values, names, or a file that cannot be read
            state = "problem" if path == places[0] else "note"
            advice = f"mend or remove it: {path.absolute()}"
            yield Finding(state, f"{path} cannot be read: {first_line(error)}", advice)
            continue
        advice = "to draw in it, draw from the tables yourself"
        yield Finding("note", f"{path}: figures of rote leave your style aside", advice)


def _kernels() -> Iterator[Finding]:
    """Kernelspecs that other notebooks would take; those of the report take this interpreter."""
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("kernels"):
        path = Path(folder) / "python3" / "kernel.json"
        try:
            (program, *_) = json.loads(path.read_text("utf-8"))["argv"]
        except OSError:
            continue
        except (ValueError, LookupError, TypeError):
            program = None
        if not isinstance(program, str):
            program = "nothing, for it is damaged"
        # Jupyter takes python without a folder for the interpreter that it runs in
        if not re.fullmatch(r"python[\d.]*", program) and Path(program) != Path(sys.executable):
            message = f"{path} starts {program}: the report's notebooks run in {sys.executable}"
            advice = "to open them by hand, take this environment's kernel"
            yield Finding("note", message, advice)


def _terminal() -> Finding:
    names = {sys.stdout.encoding, locale.getpreferredencoding(False)}
    others = sorted(name for name in names if name.lower().replace("-", "") != "utf8")
    if others:
        advice = "export LC_ALL=C.UTF-8 PYTHONUTF8=1"
        message = (
            f"the terminal's encoding is {', '.join(others)}: letters that it lacks are escaped"
        )
        return Finding("note", message, advice)
    return Finding("fine", "the terminal's encoding is UTF-8")
