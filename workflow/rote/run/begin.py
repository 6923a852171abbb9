"""What a run's folder is made from: its config is there before the first job, and is looked at.

Other numbers in the same run are computed anew, in place. Another corpus, other pictures or another
model in the same folder would overwrite results that nobody wants to lose: that stops the run.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from rote.core import tables
from rote.core.errors import ConfigError
from rote.core.papers import names as paper_names
from rote.core.runs import CONFIG, RESULTS
from rote.core.section import is_section
from rote.run.config import Run


def sources(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a section that say where data come from, and their values.

    Args:
        section: of the config.
        prefix: what the keys are joined to by dots.
    """
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        path = f"{prefix}.{name}" if prefix else name
        if is_section(field.annotation):
            yield from sources(value, path)
        elif isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("source"):
            yield path, value


def refuse_other_data(config: Run, root: Path = Path(".")) -> None:
    """Stop a run whose folder has results that were made from other data.

    Args:
        config: the whole config.
        root: folder with `results`.

    Raises:
        ConfigError: naming the key, both values, and what to do.
    """
    folder = root / RESULTS / config.run
    made_with = _recorded(folder)
    for paper in paper_names():
        if paper not in made_with or not any((folder / paper).glob("*.parquet")):
            continue
        for name, value in sources(getattr(config, paper)):
            old = _lookup(made_with[paper], name, default=value)
            if old != value:
                raise ConfigError(
                    f"{RESULTS / config.run} was made with {paper}.{name} = {old!r}, not {value!r};"
                    " to keep both, give this run a name of its own: --config run=<name>"
                )


def record(config: Run, root: Path = Path(".")) -> None:
    """Write the config of a run into its folder, unless it is there already.

    Args:
        config: the whole config.
        root: folder with `results`.
    """
    path = root / RESULTS / config.run / CONFIG
    text = as_yaml(config.model_dump(mode="json"))
    if not path.is_file() or path.read_text("utf-8") != text:
        with tables.atomic(path) as temporary:
            temporary.write_text(text, "utf-8")


def as_yaml(values: dict[str, Any]) -> str:
    """A whole config as its run's folder keeps it.

    Args:
        values: the config as JSON has it.
    """
    return yaml.safe_dump(values, sort_keys=False, width=110)


def _recorded(folder: Path) -> dict[str, Any]:
    """The config that a folder was made with, as far as it can be read."""
    with suppress(OSError, ValueError, yaml.YAMLError):
        values = yaml.safe_load((folder / CONFIG).read_text("utf-8"))
        if isinstance(values, dict):
            return values
    return {}


def _lookup(values: Any, path: str, default: Any) -> Any:
    """The value at a dotted path; the default where an earlier version had no such key."""
    for name in path.split("."):
        if not isinstance(values, dict) or name not in values:
            return default
        values = values[name]
    return values
