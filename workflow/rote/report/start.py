"""The first minutes: is this machine ready (`rote doctor`), a new config, a new paper."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import jinja2
from pydantic import BaseModel

from rote.core import tables
from rote.core.errors import InputError
from rote.core.papers import about
from rote.core.papers import names as paper_names
from rote.report import generated
from rote.report.surroundings import Finding, findings
from rote.run import config, costs, planned

_SCAFFOLD = Path(__file__).with_name("scaffold")
# what `new_paper` writes, by template
PATHS = {
    "package.py": "workflow/rote/papers/{name}/__init__.py",
    "settings.py": "workflow/rote/papers/{name}/settings.py",
    "schema.py": "workflow/rote/papers/{name}/schema.py",
    "cli.py": "workflow/rote/papers/{name}/cli.py",
    "experiment.py": "workflow/rote/papers/{name}/experiment.py",
    "costs.py": "workflow/rote/papers/{name}/costs.py",
    "figures.py": "workflow/rote/papers/{name}/figures/__init__.py",
    "plots.py": "workflow/rote/papers/{name}/figures/plots.py",
    "statistics.py": "workflow/rote/papers/{name}/statistics.py",
    "nulls.py": "workflow/rote/papers/{name}/nulls.py",
    "rules.smk": "workflow/rules/{name}.smk",
    "claims.yaml": "workflow/claims/{name}.yaml",
    "caption.rst": "workflow/report/{name}.rst",
    "notebook.ipynb": "workflow/notebooks/{name}.ipynb",
    "rulegraph.svg": "docs/rulegraph/{name}.svg",
}


def examine(root: Path) -> Iterator[Finding]:
    """The installation, the machine, the user's surroundings, a lock of a killed run, the speed.

    Args:
        root: the folder of the workflow.
    """
    cores = len(os.sched_getaffinity(0))  # of the allocation, if there is one
    machine = f"Python {platform.python_version()}, {cores} cores, {platform.platform()}"
    yield Finding("fine", machine)
    yield _versions(root)
    if not (root / "Snakefile").is_file():
        advice = "go to the folder of the workflow"
        yield Finding("problem", f"no Snakefile in {root.resolve()}", advice)
    yield _disk(root)
    yield _memory()
    yield _devices()
    yield _slurm()
    yield from findings(root)
    locks = root / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        advice = "if no run is going on: make resume"
        yield Finding("note", "a run holds the folder, or was killed while it did", advice)
    if (root / "Snakefile").is_file():
        yield _speed(root)


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    message = f"{free:,.0f} GB free on the disk"
    if free > 5:
        return Finding("fine", message)
    return Finding("problem", message, "the laptop scale needs about 2 GB")


def _speed(root: Path) -> Finding:
    """How fast the machine is, and what the default run takes on it."""
    jobs = planned.plan(None, root)
    cores = len(os.sched_getaffinity(0))
    return Finding("fine", f"the laptop run: {costs.forecast(jobs, config.load(), cores)}")


def _slurm() -> Finding:
    command = shutil.which("sinfo")
    if not command:
        return Finding("note", "no Slurm on this machine: jobs run here")
    options: Any = {"capture_output": True, "text": True, "errors": "replace", "timeout": 30}
    try:
        done = subprocess.run([command, "--noheader", "--format=%P %D"], **options)
        fault = (done.stderr.strip() or "is it up?") if done.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        fault = str(error)
    if fault:
        message = "Slurm is installed but does not answer"
        return Finding("note", message, fault.splitlines()[0][:200])
    partitions = ", ".join(done.stdout.split("\n")).strip(", ")
    return Finding("fine", f"Slurm: {partitions}: --profile profiles/slurm")


def _versions(root: Path) -> Finding:
    lock = root / "envs" / "lock.txt"
    if not lock.is_file():
        return Finding("note", "no envs/lock.txt here: versions are not compared")

    installed = {}
    for distribution in distributions():
        name = _canonical(distribution.metadata["Name"])
        installed[name] = distribution.version.partition("+")[0]
    pins = dict(
        line.strip().split("==") for line in lock.read_text("utf-8").splitlines() if "==" in line
    )
    wrong = []
    for name, version in pins.items():
        present = installed.get(_canonical(name), "missing")
        if present != version:
            wrong.append(f"{name} {present} instead of {version}")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        message = f"not as the lock says: {', '.join(wrong[:5])}{more}"
        return Finding("problem", message, "make setup (or activate .venv)")
    return Finding("fine", f"{len(pins)} packages, all as envs/lock.txt says")


def _canonical(name: str) -> str:
    """A package's name as PEP 503 normalizes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _memory() -> Finding:
    try:
        text = Path("/proc/meminfo").read_text("utf-8")
        free = int(re.search(r"MemAvailable:\s+(\d+)", text)[1]) / 1e6
    except (OSError, TypeError):
        return Finding("note", "available memory unknown")
    if free < 4:
        advice = "two jobs need up to 4 GB: --cores 1 needs less"
        return Finding("problem", f"{free:.1f} GB of memory available", advice)
    return Finding("fine", f"{free:,.0f} GB of memory available")


def _devices() -> Finding:
    import torch

    from rote.core.job import visible_devices

    count = len(visible_devices())
    if not count:
        return Finding(
            "note", "no GPU: everything runs on the CPU, as the laptop scale is meant to"
        )
    if torch.version.cuda is None:
        message = f"{count} devices, but torch {torch.__version__} is built for the CPU"
        advice = "install a CUDA build of the same torch version to use them"
        return Finding("problem", message, advice)
    if not torch.cuda.is_available():
        message = f"{count} devices, but torch cannot use them"
        return Finding("problem", message, "is the driver new enough?")
    names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    return Finding("fine", f"devices: {names}: --profile profiles/local-gpu")


def new_config(name: str, path: Path) -> None:
    """Write a small config with comments: what a study of one's own changes, the rest by default.

    Args:
        name: of the run.
        path: file that does not exist yet.

    Raises:
        InputError: if the file exists.
        ConfigError: if `name` cannot be a run's name.
    """
    if path.exists():
        raise InputError(f"{path} exists already; choose another name or remove it")
    config.parse({"run": name}, where="rote init")
    lines = [
        f"# A study of your own. Run it: snakemake --cores all --configfile {path}",
        "# Keys that are left out keep their defaults; all of them: config/README.md",
        f"# Check it: rote config check {path}",
        f"run: {name}  # results/{name}/ and reports/{name}/",
        "seed: 1  # of every random stream",
        "papers:  # drop what you do not need",
        *(f"- {paper}  # {about(paper).short}" for paper in paper_names()),
        "",
        "# Change a number: take away the mark of a comment. These are defaults.",
    ]
    for paper in paper_names():
        section, key, value = _first_number(config.model().model_fields[paper].annotation)
        lines += [f"# {paper}:", f"#   {section}:", f"#     {key}: {value}"]
    with tables.atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")


def _first_number(section: type[BaseModel]) -> tuple[str, str, int]:
    """The first group of a paper with a key `replicates`, or else its first number.

    Returns:
        Names of the group and the key, and its default.
    """
    numbers = []
    for name, field in section.model_fields.items():
        if config.is_section(field.annotation):
            for key, inner in field.annotation.model_fields.items():
                if type(inner.default) is int:
                    numbers.append((name, key, inner.default))
    replicates = [number for number in numbers if number[1] == "replicates"]
    return (replicates or numbers)[0]


def new_paper(name: str, title: str, root: Path) -> list[Path]:
    """Write the files of a new paper, whose smoke run passes at once.

    Args:
        name: of its folder: 2 to 21 letters and digits in lower case, the first a letter.
        title: 3 to 80 characters, without quotes, braces and backslashes.
        root: folder with the Snakefile.

    Returns:
        What was written. Config files and schemas are for `rote config write` to make anew.

    Raises:
        InputError: for a name that Python or the report cannot use, or that is reserved; for such a
            title; without a workflow in `root`, or where files exist.
    """
    reserved = {
        "report",
        "ngrams",
        "config",
        "index",
        "claims",
        "figures",
        "methods",
        "all",
        "rote",
    }
    reserved |= set(paper_names())
    if not re.fullmatch(r"[a-z][a-z0-9]{1,20}", name) or name in reserved:
        raise InputError(
            f"a paper cannot be called {name!r}: 2 to 21 letters and digits in lower case, "
            f"the first a letter, and not one of {', '.join(sorted(reserved))}"
        )
    if not re.fullmatch(r"[^\"'{}\\\n]{3,80}", title):
        raise InputError(
            f"the title {title!r} must be 3 to 80 characters, "
            "without quotes, braces and backslashes"
        )
    generated.require_repository(root)
    paths = {template: root / path.format(name=name) for template, path in PATHS.items()}
    if existing := [str(path) for path in paths.values() if path.exists()]:
        raise InputError(f"{existing[0]} exists already; remove it or choose another name")
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_SCAFFOLD),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    for template, path in paths.items():
        page = pages.get_template(f"{template}.j2")
        with tables.atomic(path) as temporary:
            words = {"upper": name.upper(), "prefix": name.capitalize()}
            temporary.write_text(page.render(name=name, title=title, **words), "utf-8")
    return list(paths.values())
