"""One claim looked at closely: what it says, its statistic on a run, where both are defined."""

import inspect
import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rote import ledger
from rote.core import runs
from rote.core.errors import InputError
from rote.core.papers import about
from rote.core.papers import load as load_paper
from rote.core.papers import names as paper_names
from rote.core.tables import Folder
from rote.ledger import Claim
from rote.ledger.text import measured
from rote.run import config

_PACKAGE = Path(__file__).resolve().parents[1]


class Definition(NamedTuple):
    """A claim and where its entry begins."""

    claim: Claim
    path: Path
    line: int


def load(papers: Iterable[str], folder: Path) -> dict[str, Definition]:
    """The claims of `<folder>/<paper>.yaml` by their ids, in the order of the files.

    Args:
        papers: names of the papers.
        folder: of the claims files.

    Raises:
        InputError: for an unknown paper.
        ConfigError: if a file is missing or malformed.
    """
    definitions = {}
    for paper in papers:
        about(paper)  # or the error that names the papers
        path = folder / f"{paper}.yaml"
        for claim in ledger.load(path):
            definitions[claim.id] = Definition(claim, path, _line(path, claim.id))
    return definitions


def find(name: str, folder: Path) -> Definition:
    """The claim with this id.

    Args:
        name: the id, `<paper>.<claim>`.
        folder: of the claims files.

    Raises:
        InputError: naming the nearest ids if there is none.
        ConfigError: if a claims file is missing or malformed.
    """
    definitions = load(paper_names(), folder)
    if name not in definitions:
        nearest = get_close_matches(name, definitions, 5, cutoff=0.5)
        same_ending = [other for other in definitions if other.split(".")[1] == name]
        similar = ", ".join(dict.fromkeys([*same_ending, *nearest]))
        hint = f"nearest: {similar}" if similar else "`rote claims list` shows all"
        raise InputError(f"no claim {name!r}; {hint}")
    return definitions[name]


def source(claim: Claim, *, in_repository: bool = False) -> str:
    """Where the function that computes a claim's statistic is defined, as `file:line`.

    Args:
        claim: the claim.
        in_repository: name the file as the repository does (workflow/rote/...), wherever it is
            installed, and not from the working directory.
    """
    module, _, name = claim.statistic.rpartition(":")
    owner = import_module(module) if module else load_paper(claim.paper, "statistics")
    function = inspect.unwrap(getattr(owner, name))
    function = getattr(function, "func", function)  # of a partial
    file = Path(inspect.getsourcefile(function) or "").resolve()
    if in_repository and file.is_relative_to(_PACKAGE):
        name = Path("workflow") / _PACKAGE.name / file.relative_to(_PACKAGE)
    else:
        name = _relative(file)
    return f"{name}:{inspect.getsourcelines(function)[1]}"


def show(definition: Definition, results: Path, scale: str | None = None) -> None:
    """Print a claim, what its statistic gives on the tables of a run, and the verdicts.

    Args:
        definition: the claim and where its entry begins.
        results: results/<run>; its `config.yaml`, if there, says the scale.
        scale: whose criterion counts, instead of the run's.

    Raises:
        InputError: if the run does not exist, or nothing says its scale.
    """
    claim = definition.claim
    run = run_of(results, scale)
    if claim.paper not in run.papers:
        raise InputError(
            f"the run in {results} leaves {claim.paper} out; it has {', '.join(run.papers)}"
        )
    if not (results / claim.paper).is_dir():
        raise InputError(
            f"{results} holds no tables of {claim.paper}; "
            f"make them: {runs.again(claim.paper, run=results)}"
        )
    rows = ledger.evaluate(
        [claim],
        Folder(results / claim.paper),
        scale=run.scale,
    )
    _, rows = ledger.by_claim(rows)[0]
    print(f"{claim.id} ({claim.origin}, {claim.source})\n  {claim.says}\n")
    print(f"criterion  {claim.criterion_at(run.scale) or 'none'} at scale {run.scale}")
    if claim.paper_value is not None:
        print(f"paper      {claim.paper_value} {claim.unit}".rstrip())
    print(f"statistic  {source(claim)} ({claim.statistic})")
    print(f"entry      {_relative(definition.path)}:{definition.line}\n")
    _print_rows(rows)


def _print_rows(rows: Any) -> None:
    """The conditions of a claim with value, interval, replicates and verdict; then its notes."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    printed = Table(box=None)
    for name in ("condition", "value [95 % interval]", "replicates", "verdict"):
        printed.add_column(escape(name), overflow="fold")
    for row in rows.itertuples():
        cells = (row.condition or "(only one)", measured(row), str(row.replicates), row.verdict)
        printed.add_row(*map(escape, cells))
    console = Console(width=max(Console().width, 110))
    console.print(printed)
    for note in dict.fromkeys(filter(None, rows["note"])):
        console.print(f"note: {note}", highlight=False, markup=False)


def run_of(results: Path, scale: str | None) -> config.Run:
    """A run's own keys (scale, seed, papers), as its `config.yaml` says.

    Args:
        results: results/<run>.
        scale: instead of the run's.

    Raises:
        InputError: if there is no run, or it has no such file, because it has not ended, and no
            scale is given.
    """
    if not results.is_dir():
        raise InputError(f"there is no run in {results}; make one: snakemake --cores all")
    path = results / "config.yaml"
    if not path.is_file() and scale is None:
        raise InputError(f"{path} does not say the run's scale; give it: --scale smoke (or laptop)")
    values = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else {}
    values = {name: values[name] for name in config.Run.model_fields if name in values}
    return config.parse(values | ({"scale": scale} if scale else {}), where=str(path))


def _line(path: Path, name: str) -> int:
    """The line on which a claim's entry begins."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if re.fullmatch(rf"(- )?\s*id:\s*[\"']?{re.escape(name)}[\"']?\s*(#.*)?", line):
            return number
    return 1


def _relative(path: str | Path | None) -> Path:
    """A path relative to the working directory, where it lies inside."""
    full = Path(path or "").resolve()
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else full
