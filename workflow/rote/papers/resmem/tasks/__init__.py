"""The registry of tasks: every file of this folder is one, and holds `TASK`; nothing else names it.

Listing the tasks imports their files, which import nothing heavy at their top: the config model and
Snakemake do so at each start.
"""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from rote.core.errors import InputError
from rote.papers.resmem.task import ResmemTask


@cache
def registry() -> dict[str, ResmemTask]:
    """All tasks by name, in the order of tables and figures."""
    files = sorted(module.name for module in pkgutil.iter_modules(__path__))
    tasks = [_of_file(file) for file in files]
    return {task.name: task for task in sorted(tasks, key=lambda task: task.rank)}


def _of_file(file: str) -> ResmemTask:
    task = getattr(import_module(f"{__name__}.{file}"), "TASK", None)
    if not isinstance(task, ResmemTask):
        raise InputError(f"{__name__}.{file} must define TASK, a ResmemTask")
    if task.name != file:
        raise InputError(f"{__name__}.{file}: its task must have the file's name, not {task.name}")
    return task


def get(name: str) -> ResmemTask:
    """A task by its name. Raises InputError for an unknown one, naming those there are."""
    if name not in registry():
        raise InputError(f"task must be one of {', '.join(registry())}, given {name!r}")
    return registry()[name]


def of_run(settings: Any) -> list[str]:
    """Names of the tasks of a run: those that are not left out.

    Tasks that need files are there only where the config names them.

    Args:
        settings: the paper's config section.
    """
    names = [name for name in registry() if name not in settings.leave_out_tasks]
    return [name for name in names if registry()[name].runs(getattr(settings, name))]
