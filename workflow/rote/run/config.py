"""The whole configuration: one pydantic model, assembled from one section per paper.

A paper brings its own section as `rote.papers.<paper>.settings.Settings`; nothing here names a
paper. From the model come the JSON Schema, the commented `config/config.yaml` and the overlays of
the other scales (`rote config write`), so they cannot disagree with the code.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, get_args

import yaml
from pydantic import AfterValidator, BaseModel, create_model

from rote.core.errors import ConfigError
from rote.core.papers import load as load_paper
from rote.core.papers import names as paper_names
from rote.core.section import (
    Scale,
    Section,
    is_section,
    key,
    nearest,
    nearest_keys,
    validate,
)


def _installed(papers: list[str]) -> list[str]:
    installed = paper_names()
    for name in papers:
        if name not in installed:
            hint = nearest(name, installed)
            raise ValueError(f"unknown paper {name!r}; {hint}known papers: {', '.join(installed)}")
    if len(set(papers)) != len(papers):
        raise ValueError("a paper is listed twice")
    return papers


class Run(Section):
    """The keys that belong to no paper."""

    run: str = key(
        "laptop",
        "Name of the run: results go to results/<run>/, reports to reports/<run>/",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
    )
    scale: Scale = key(
        "laptop", "Which criteria of the claims apply; the sizes themselves are the keys below"
    )
    seed: int = key(1, "Seed of every random stream", ge=0)
    strict: bool = key(False, "Fail the run unless every claim is reproduced")
    papers: Annotated[list[str], AfterValidator(_installed)] = key(
        paper_names(), "Papers to run (all that are installed, unless you drop some)", min_length=1
    )
    checkpoint_steps: int = key(
        500, "Training steps between two checkpoints: the most a kill can cost", ge=1
    )
    pdf: bool = key(True, "Draw each figure as PDF, too, to be printed")

    SCALES: ClassVar = {"smoke": {"pdf": False}}


@cache
def model() -> type[Run]:
    """The pydantic model of the whole config: the keys of `Run` and one section per paper."""
    sections = {}
    for name in paper_names():
        settings = load_paper(name, "settings").Settings
        sections[name] = (settings, key(settings))
    return create_model("Config", __base__=Run, __doc__="Configuration of a rote run.", **sections)


def load(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None) -> Run:
    """Read a config file (or overlay), apply `overrides`, and check the result.

    Keys that the file leaves out take their laptop defaults. The file and `overrides` may nest keys
    (`{"longtail": {"linear": {"n": 500}}}`) or join them by dots (`{"longtail.linear.n": 500}`).

    Args:
        path: YAML file; None takes the defaults.
        overrides: values that take the place of the file's.

    Returns:
        The whole config: `Run` with one section per paper.

    Raises:
        ConfigError: naming every wrong key with what is allowed and the nearest valid key.
    """
    where = "config" if path is None else str(path)
    values = {} if path is None else _read(Path(path))
    _refuse_two_values(values, where)
    return parse(_merge(_nested(values), _nested(overrides or {})), where)


def parse(values: Mapping[str, Any], where: str = "config") -> Run:
    """Check already merged values, as Snakemake hands them over.

    `snakemake --config a=true b='{c: 3}'` hands over words for booleans and nested numbers; they
    are read as YAML. Keys joined by dots are nested. A run that is called after its scale, but
    takes data of the user's in place of a paper's own, is called `<scale>-own`.

    Args:
        values: keys, nested or joined by dots, with their values.
        where: what is read, for the message.

    Returns:
        The whole config: `Run` with one section per paper.

    Raises:
        ConfigError: as `load`.
    """
    _refuse_two_values(values, where)
    config = validate(model(), _typed(model().model_json_schema(), _nested(values)), where)
    for paper in config.papers:
        _refuse_unknown_tables(paper, getattr(config, paper).leave_out, where)
    if config.run == config.scale and any(
        getattr(config, paper).asks_user_data() for paper in config.papers
    ):
        return config.model_copy(update={"run": f"{config.run}-own"})
    return config


def _refuse_unknown_tables(paper: str, tables: list[str], where: str) -> None:
    known = list(load_paper(paper, "schema").TABLES)
    for name in tables:
        if name not in known:
            hint = nearest(name, known)
            raise ConfigError(
                f"{where}: {paper}.leave_out: no table {name!r}; {hint}"
                f"tables of {paper}: {', '.join(known)}"
            )


def at(settings: BaseModel, path: str) -> Any:
    """The value or section of a config at a dotted path, e.g. `longtail.network.replicates`.

    Args:
        settings: the whole config, or a section that the path begins in.
        path: names of keys, joined by dots.

    Raises:
        ConfigError: naming the first part that does not exist, with the keys beside it.
    """
    value: Any = settings
    for depth, name in enumerate(parts := path.split(".")):
        names = list(type(value).model_fields) if isinstance(value, BaseModel) else []
        if name not in names:
            hint = nearest_keys(type(settings), path)
            parent = ".".join(parts[:depth]) or "config"
            keys = f"keys of {parent}: {', '.join(names)}" if names else f"{parent} is no section"
            raise ConfigError(f"{path}: no such key; {hint}{keys}")
        value = getattr(value, name)
    return value


def shared(config: Run) -> str:
    """The keys that belong to no paper, as JSON, without those that change no result."""
    return config.model_dump_json(
        include=set(Run.model_fields) - {"checkpoint_steps", "pdf", "strict"}
    )


def scales(section: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """What each scale changes of the laptop defaults, e.g. `{"paper": {"linear": {"n": 500}}}`.

    `smoke` and `paper` start from `full`: they leave out nothing that it makes.
    """
    changes = {name: _changes(section, name) for name in get_args(Scale) if name != "laptop"}
    full = changes["full"]
    return {
        name: values if name == "full" else _merge(full, values) for name, values in changes.items()
    }


def _changes(section: type[BaseModel], scale: str) -> dict[str, Any]:
    """What a section and those inside it say of a scale themselves."""
    changes = dict(getattr(section, "SCALES", {}).get(scale, {}))
    for name, field in section.model_fields.items():
        if is_section(field.annotation) and (inner := _changes(field.annotation, scale)):
            changes[name] = inner
    return changes


def _typed(schema: Mapping[str, Any], values: Any, root: Mapping[str, Any] | None = None) -> Any:
    """`values` with words read as YAML wherever the JSON Schema wants something else than text."""
    root = root or schema
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if isinstance(values, Mapping):
        properties = schema.get("properties", {})
        return {
            name: _typed(properties.get(name, {}), value, root) for name, value in values.items()
        }
    if isinstance(values, list):
        return [_typed(schema.get("items", {}), value, root) for value in values]
    if isinstance(values, str) and schema.get("type") in ("boolean", "integer", "number", "array"):
        with suppress(yaml.YAMLError):
            read = yaml.safe_load(values)
            return values if read is None or isinstance(read, str) else _typed(schema, read, root)
    return values


def _read(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file."""
    try:
        values = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"config file {path}: {error.strerror}; give the path of a YAML file"
        ) from error
    except Exception as error:  # of YAML, or of a value: 2024-99-99 is no date
        fault = " ".join(str(error).split())
        raise ConfigError(f"config file {path} is not valid YAML: {fault}") from error
    if values is None:  # Snakemake refuses such a file
        raise ConfigError(
            f"config file {path} holds no key; write one, e.g. run: mine, or leave the file out"
        )
    if not isinstance(values, dict):
        raise ConfigError(
            f"config file {path}: expected keys and values, found {type(values).__name__}"
        )
    return values


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with keys that are joined by dots (`a.b: 1`) nested (`a: {b: 1}`).

    Joined keys are set last: what they may replace are defaults, see `_refuse_two_values`.
    """
    result: dict[str, Any] = {}
    for name, value in sorted(values.items(), key=lambda item: "." in str(item[0])):
        value = _nested(value) if isinstance(value, Mapping) else value
        for part in reversed(str(name).split(".")):
            value = {part: value}
        result = _merge(result, value)
    return result


def _merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in top.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = _merge(old, value) if both else value
    return merged


class _Leaf(NamedTuple):
    """A value that is no mapping, and the keys that it stands under as they are written."""

    keys: tuple[str, ...]
    value: Any

    @property
    def path(self) -> tuple[str, ...]:
        """Its keys one by one, without dots."""
        return tuple(".".join(self.keys).split("."))

    @property
    def is_joined(self) -> bool:
        """Whether some of its keys are joined by dots."""
        return len(self.path) > len(self.keys)

    def __str__(self) -> str:
        return f"`{': '.join(self.keys)}: {self.value!r}`"


def _leaves(values: Mapping[str, Any], keys: tuple[str, ...] = ()) -> Iterator[_Leaf]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*keys, str(name)))
        else:
            yield _Leaf((*keys, str(name)), value)


def _refuse_two_values(values: Mapping[str, Any], where: str) -> None:
    """Refuse a key given both nested and joined by dots, with two values, neither the default.

    Snakemake has merged files and options, so which came last cannot be known. Defaults are those
    of config.yaml and of the scale's own overlay.
    """
    leaves = list(_leaves(values))
    joined = [leaf for leaf in leaves if leaf.is_joined]
    if not joined:
        return
    of_scale = scales(model()).get(str(values.get("scale")), {})
    defaults = [model()().model_dump(), of_scale]
    for first, last in product(leaves, joined):
        if not _contradict(first, last):
            continue
        if first.is_joined or first.value not in [_lookup(group, first.path) for group in defaults]:
            path = ".".join(min(first.path, last.path, key=len))
            raise ConfigError(
                f"{where}: {path} is given twice, {first} and {last}; keep one of both"
            )


def _contradict(first: _Leaf, last: _Leaf) -> bool:
    """Whether two leaves give one key two values, or a value to a key and to one inside it."""
    if first.path == last.path:
        return first.value != last.value
    depth = min(len(first.path), len(last.path))
    return first is not last and first.path[:depth] == last.path[:depth]


def _lookup(values: Any, path: tuple[str, ...]) -> Any:
    """The value at a path, None if there is none."""
    for name in path:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values
