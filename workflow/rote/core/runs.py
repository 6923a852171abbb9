"""Runs by name or by folder: what commands take, and where a run's ledger and figures lie."""

import re
import shlex
from pathlib import Path
from typing import Any

from rote.core import papers
from rote.core.errors import InputError
from rote.core.section import nearest

RESULTS = Path("results")
CLAIMS = Path("workflow/claims")
CONFIG = "config.yaml"  # in a run's folder: all keys that it was made with
# what a run's folder holds, from its first job on: one of these
_MARKS = (CONFIG, "claims.parquet", "logs", "*.parquet", "*/*.parquet", "*/figures/*.png")


def names() -> list[str]:
    """The runs that have results in this folder."""
    return sorted(path.name for path in RESULTS.glob("*") if path.is_dir())


def folder(run: str | Path) -> Path:
    """A run's results.

    Args:
        run: its name, or a path of the folder.

    Raises:
        InputError: if it is neither, with the nearest and all runs that there are.
    """
    folders = [path for path in (Path(run), RESULTS / run) if path.is_dir()]
    for path in folders:
        if holds_run(path):
            return path
    listed = f"{nearest(str(run), names())}runs in this folder: {', '.join(names()) or 'none'}"
    if folders:
        raise InputError(f"{folders[0]} is not the folder of a run; {listed}")
    raise InputError(f"{run} is neither a folder nor a run in {RESULTS}/; {listed}")


def holds_run(path: Path) -> bool:
    """Whether a folder is that of a run, or of a paper's tables: not one that holds runs."""
    if any(path.glob(f"*/{CONFIG}")):
        return False
    return any(any(path.glob(mark)) for mark in _MARKS)


def again(target: str | Path, *, force: bool = False, run: Path | None = None) -> str:
    """The command that makes a file of a run, to be pasted in the folder of the workflow.

    Args:
        target: the file; what lies in results/<run>/ or reports/<run>/ is made with the config of
            that run.
        force: make it although it is there.
        run: results/<run>, whose config counts where the target is a rule or a paper.
    """
    words = ["snakemake", "--cores", "all"]
    parts = Path(target).parts
    if len(parts) > 2 and parts[0] in (RESULTS.name, "reports"):
        run = RESULTS / parts[1]
    words += ["--configfile", str(run / CONFIG)] if run else []
    words += ["--force"] if force else []
    return shlex.join([*words, "--", str(target)])


def ledger(run: str | Path) -> Path:
    """A run's ledger.

    Args:
        run: its name, the path of its folder, or of a ledger.

    Raises:
        InputError: if it is none of them.
    """
    if Path(run).is_file():
        return Path(run)
    path = folder(run)
    if (path.parent / CONFIG).is_file():
        raise InputError(f"{path} is a part of a run; give the run: {path.parent.name}")
    return path / "claims.parquet"


def of_paper(run: str | Path, paper: str) -> Path:
    """The folder of a paper's tables.

    Args:
        run: name or folder of a run; a folder of the paper's tables is taken as it is.
        paper: name of its folder.

    Raises:
        InputError: if there is no such folder.
    """
    if Path(run).is_dir() and not any(map(holds_run, (Path(run), RESULTS / run))):
        return Path(run)
    path = folder(run)
    return path / paper if (path / paper).is_dir() or (path / CONFIG).is_file() else path


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
        raise InputError(f"{results} has no figures; draw them: {again('figures', run=results)}")
    if name is None:
        return drawn
    chosen = [
        path
        for path, label in zip(drawn, labels, strict=True)
        if name in (label, path.stem, path.parts[-3])
    ]
    if not chosen:
        hint = nearest(name, [*labels, *" ".join(labels).replace(".", " ").split()])
        raise InputError(f"no figure {name!r} in {results}; {hint}there are {', '.join(labels)}")
    return chosen


# ---- what the shell completes


def complete_figures(ctx: Any) -> list[str]:
    """Figures of the run that a command line names already, with their papers' names, and papers.

    Args:
        ctx: what is read of the command line so far.
    """
    run = ctx.params.get("results")
    try:
        drawn = figures(run) if run else []
    except InputError:
        return []
    labels = [f"{path.parts[-3]}.{path.stem}" for path in drawn]
    return [*dict.fromkeys(path.parts[-3] for path in drawn), *labels, *(p.stem for p in drawn)]


def complete_drawings(ctx: Any) -> list[str]:
    """Figures of the paper that a command line names already.

    Args:
        ctx: what is read of the command line so far.
    """
    paper = ctx.params.get("paper")
    return list(papers.load(paper, "figures").FIGURES) if paper in papers.names() else []


def complete_claims() -> list[str]:
    """Ids of all claims, as their files in this folder have them."""
    entry = re.compile(r"^(?:- )?\s*id:\s*[\"']?([\w.]+)", re.MULTILINE)
    texts = [path.read_text("utf-8") for path in sorted(CLAIMS.glob("*.yaml"))]
    return entry.findall("\n".join(texts))
