"""Runs by name or by folder: what commands take, and where a run's ledger and figures lie."""

import shlex
from pathlib import Path

from rote.core.errors import InputError

RESULTS = Path("results")
CONFIG = "config.yaml"  # in a run's folder: all keys that it was made with


def names() -> list[str]:
    """The runs that have results in this folder."""
    return sorted(path.name for path in RESULTS.glob("*") if path.is_dir())


def folder(run: str | Path) -> Path:
    """A run's results.

    Args:
        run: its name, or a path of the folder.

    Raises:
        InputError: if it is neither, with the runs that there are.
    """
    for path in (Path(run), RESULTS / run):
        if path.is_dir():
            return path
    listed = ", ".join(names()) or "none"
    raise InputError(
        f"{run} is neither a folder nor a run in {RESULTS}/; runs in this folder: {listed}"
    )


def again(target: str | Path, *, force: bool = False) -> str:
    """The command that makes a file of a run, to be pasted in the folder of the workflow.

    Args:
        target: the file; what lies in results/<run>/ or reports/<run>/ is made with the config of
            that run.
        force: make it although it is there.
    """
    words = ["snakemake", "--cores", "all"]
    parts = Path(target).parts
    if len(parts) > 2 and parts[0] in (RESULTS.name, "reports"):
        words += ["--configfile", str(RESULTS / parts[1] / CONFIG)]
    words += ["--force"] if force else []
    return shlex.join([*words, "--", str(target)])


def ledger(run: str | Path) -> Path:
    """A run's ledger.

    Args:
        run: its name, the path of its folder, or of a ledger.

    Raises:
        InputError: if it is none of them.
    """
    return Path(run) if Path(run).is_file() else folder(run) / "claims.parquet"


def of_paper(run: str | Path, paper: str) -> Path:
    """The folder of a paper's tables.

    Args:
        run: name or folder of a run; a folder of the paper's tables is taken as it is.
        paper: name of its folder.

    Raises:
        InputError: if there is no such folder.
    """
    path = folder(run)
    return path / paper if (path / paper).is_dir() else path


def figures(run: str | Path, name: str | None = None) -> list[Path]:
    """The figures of a run, as PNG files.

    Args:
        run: name or folder.
        name: of a figure, or a paper's and a figure's joined by a dot; None takes all.

    Raises:
        InputError: if the run has no figure, or none of that name.
    """
    results = folder(run)
    drawn = sorted(results.glob("*/figures/*.png"))
    labels = [f"{path.parts[-3]}.{path.stem}" for path in drawn]
    if not drawn:
        raise InputError(f"{results} has no figures; draw them: snakemake --cores all -- figures")
    if name is None:
        return drawn
    chosen = [
        path
        for path, label in zip(drawn, labels, strict=True)
        if name in (label, path.stem, path.parts[-3])
    ]
    if not chosen:
        raise InputError(f"no figure {name!r} in {results}; there are {', '.join(labels)}")
    return chosen
