"""The first minutes: is this machine ready (`rote doctor`), a config of one's own, the files of a
new paper.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import jinja2

from rote.core import tables
from rote.core.errors import InputError
from rote.core.papers import about
from rote.core.papers import names as paper_names
from rote.run import config

_SCAFFOLD = Path(__file__).with_name("scaffold")
# what `new_paper` writes, by template
PLACES = {
    "package.py": "workflow/rote/papers/{name}/__init__.py",
    "settings.py": "workflow/rote/papers/{name}/settings.py",
    "schema.py": "workflow/rote/papers/{name}/schema.py",
    "cli.py": "workflow/rote/papers/{name}/cli.py",
    "experiment.py": "workflow/rote/papers/{name}/experiment.py",
    "figures.py": "workflow/rote/papers/{name}/figures/__init__.py",
    "plots.py": "workflow/rote/papers/{name}/figures/plots.py",
    "statistics.py": "workflow/rote/papers/{name}/statistics.py",
    "rules.smk": "workflow/rules/{name}.smk",
    "claims.yaml": "workflow/claims/{name}.yaml",
    "caption.rst": "workflow/report/{name}.rst",
    "notebook.ipynb": "workflow/notebooks/{name}.ipynb",
}


class Finding(NamedTuple):
    """One thing that was looked at."""

    state: str  # fine, note or problem
    what: str
    advice: str = ""


def examine(root: Path) -> Iterator[Finding]:
    """Python, versions against the lock, disk, memory, devices, Slurm, and what an earlier run left
    locked.
    """
    yield Finding(
        "fine", f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.platform()}"
    )
    yield _versions(root)
    if not (root / "Snakefile").is_file():
        yield Finding(
            "problem", f"no Snakefile in {root.resolve()}", "go to the folder of the workflow"
        )
    free = shutil.disk_usage(root).free / 1e9
    state = "fine" if free > 5 else "problem"
    yield Finding(
        state,
        f"{free:,.0f} GB free on the disk",
        "" if free > 5 else "the laptop scale needs about 2 GB",
    )
    yield _memory()
    yield from _devices()
    slurm = shutil.which("sinfo")
    if slurm:
        done = subprocess.run(
            [slurm, "--noheader", "--format=%P %D"], capture_output=True, text=True, timeout=30
        )
        if done.returncode:
            yield Finding(
                "note",
                "Slurm is installed but does not answer",
                (done.stderr.strip() or "is it up?").splitlines()[0],
            )
        else:
            yield Finding(
                "fine",
                f"Slurm: {', '.join(done.stdout.split(chr(10))).strip(', ')}: --profile "
                "profiles/slurm",
            )
    else:
        yield Finding("note", "no Slurm here: jobs run on this machine")
    locks = root / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        advice = "if no run is going on: make resume"
        yield Finding("note", "a run holds the folder, or was killed while it did", advice)


def _versions(root: Path) -> Finding:
    lock = root / "envs" / "lock.txt"
    if not lock.is_file():
        return Finding("note", "no envs/lock.txt here: versions are not compared")

    def canonical(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    pins = dict(line.strip().split("==") for line in lock.read_text().splitlines() if "==" in line)
    installed = {
        canonical(d.metadata["Name"]): d.version.partition("+")[0] for d in distributions()
    }
    wrong = [
        f"{name} {installed.get(canonical(name), 'missing')} instead of {version}"
        for name, version in pins.items()
        if installed.get(canonical(name)) != version
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        return Finding(
            "problem",
            f"not as the lock says: {', '.join(wrong[:5])}{more}",
            "make setup (or activate .venv)",
        )
    return Finding("fine", f"{len(pins)} packages, all as envs/lock.txt says")


def _memory() -> Finding:
    try:
        text = Path("/proc/meminfo").read_text()
        free = int(re.search(r"MemAvailable:\s+(\d+)", text)[1]) / 1e6
    except (OSError, TypeError):
        return Finding("note", "available memory unknown")
    if free < 4:
        return Finding(
            "problem",
            f"{free:.1f} GB of memory available",
            "two jobs need up to 4 GB: --cores 1 needs less",
        )
    return Finding("fine", f"{free:,.0f} GB of memory available")


def _devices() -> Iterator[Finding]:
    import torch

    from rote.core.job import visible_devices

    found = visible_devices()
    if not found:
        yield Finding("note", "no GPU: everything runs on the CPU, as the laptop scale is meant to")
    elif torch.version.cuda is None:
        advice = "install a CUDA build of the same torch version to use them"
        yield Finding(
            "problem",
            f"{len(found)} devices, but torch {torch.__version__} is built for the CPU",
            advice,
        )
    elif not torch.cuda.is_available():
        yield Finding(
            "problem",
            f"{len(found)} devices, but torch cannot use them",
            "is the driver new enough?",
        )
    else:
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        yield Finding("fine", f"devices: {names}: --profile profiles/local-gpu")


def new_config(name: str, path: Path) -> None:
    """Write a small config with comments: what a study of one's own changes, everything else by
    default.

    Raises:
        InputError: if the file exists, or `name` cannot be a run's name.
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
        temporary.write_text("\n".join(lines) + "\n")


def _first_number(section) -> tuple[str, str, int]:
    """The first group of a paper with a key `replicates`, or else its first number."""
    groups = {
        n: f.annotation for n, f in section.model_fields.items() if config.is_section(f.annotation)
    }
    for wanted in ("replicates", None):
        for name, group in groups.items():
            for key, field in group.model_fields.items():
                if (
                    isinstance(field.default, int)
                    and not isinstance(field.default, bool)
                    and wanted in (key, None)
                ):
                    return name, key, field.default
    raise KeyError(section)


def new_paper(name: str, title: str, root: Path) -> list[Path]:
    """Write the files of a new paper, whose smoke run passes at once, and include its rules in the
    Snakefile.

    Returns:
        What was written. Config files and schemas are for `rote config write` to make anew.

    Raises:
        InputError: for a name that Python or the report cannot use, or that is taken.
    """
    taken = {
        *paper_names(),
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
    if not re.fullmatch(r"[a-z][a-z0-9]{1,20}", name) or name in taken:
        raise InputError(
            f"a paper cannot be called {name!r}: 2 to 21 letters and digits in lower case, the "
            "first a letter, and not "
            f"one of {', '.join(sorted(taken))}"
        )
    if not re.fullmatch(r"[^\"'{}\\\n]{3,120}", title):
        raise InputError(
            f"the title {title!r} must be 3 to 120 characters, without quotes, braces and "
            "backslashes"
        )
    entry = root / "Snakefile"
    if not entry.is_file() or not (root / "workflow" / "rules").is_dir():
        raise InputError(
            f"no workflow in {root.resolve()}; run this in the folder with the Snakefile"
        )
    places = {template: root / place.format(name=name) for template, place in PLACES.items()}
    if there := [str(path) for path in places.values() if path.exists()]:
        raise InputError(f"{there[0]} exists already; remove it or choose another name")
    text = entry.read_text()
    last = 'include: "workflow/rules/report.smk"'
    if last not in text:
        raise InputError(
            f"{entry} does not include workflow/rules/report.smk, before which the paper's rules "
            "belong"
        )
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_SCAFFOLD),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    for template, path in places.items():
        with tables.atomic(path) as temporary:
            temporary.write_text(
                pages.get_template(f"{template}.j2").render(
                    name=name, title=title, upper=name.upper()
                )
            )
    with tables.atomic(entry) as temporary:
        temporary.write_text(text.replace(last, f'include: "workflow/rules/{name}.smk"\n{last}'))
    return [*places.values(), entry]
