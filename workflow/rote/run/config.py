"""The whole configuration: one pydantic model, assembled from one section per paper.

A paper brings its own section as `rote.papers.<paper>.settings.Settings`; nothing here names a
paper. From the model come the JSON Schema, the commented `config/config.yaml` and the overlays of
the other scales (`rote config write`), so they cannot disagree with the code.
"""

from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import AfterValidator, BaseModel, create_model

from rote.core.errors import ConfigError
from rote.core.papers import load as load_paper
from rote.core.papers import names as paper_names
from rote.core.section import Scale, Section, is_section, key, validate


def _known(papers: list[str]) -> list[str]:
    for name in papers:
        if name not in paper_names():
            near = get_close_matches(name, paper_names(), 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"unknown paper {name!r}; {hint}known papers: {', '.join(paper_names())}"
            )
    if len(set(papers)) != len(papers):
        raise ValueError("a paper is listed twice")
    return papers


class Run(Section):
    """The keys that belong to no paper."""

    run: str = key(
        "laptop",
        "Name of the run: results go to results/<run>/, reports to reports/<run>/",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    scale: Scale = key(
        "laptop", "Which criteria of the claims apply; the sizes themselves are the keys below"
    )
    seed: int = key(1, "Seed of every random stream", ge=0)
    strict: bool = key(False, "Fail the run unless every claim is reproduced")
    papers: Annotated[list[str], AfterValidator(_known)] = key(
        paper_names(), "Papers to run (all that are installed, unless you drop some)", min_length=1
    )
    bootstrap_resamples: int = key(9999, "Bootstrap resamples behind each 95 % interval", ge=99)
    checkpoint_steps: int = key(
        500, "Training steps between two checkpoints: the most a kill can cost", ge=1
    )


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

    Keys that the file leaves out take their laptop defaults. `overrides` is nested like the file;
    dotted keys (`{"longtail.linear.n": 500}`) work too.

    Raises:
        ConfigError: naming every wrong key with what is allowed and the nearest valid key.
    """
    values: dict[str, Any] = {}
    if path is not None:
        path = Path(path)
        try:
            values = yaml.safe_load(path.read_text())
        except OSError as error:
            raise ConfigError(
                f"config file {path}: {error.strerror}; give the path of a YAML file"
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"config file {path} is not valid YAML: {error}") from error
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise ConfigError(
                f"config file {path}: expected keys and values, found {type(values).__name__}"
            )
    return parse(_merge(values, _nested(overrides or {})), where=str(path) if path else "config")


def parse(values: Mapping[str, Any], where: str = "config") -> Run:
    """Check already merged values, as Snakemake hands them over. Raises ConfigError as `load` does.

    `snakemake --config a=true b='{c: 3}'` hands over words for booleans and nested numbers; they
    are read as YAML.
    """
    return validate(model(), _typed(model().model_json_schema(), values), where)


def shared(config: Run) -> str:
    """The keys that belong to no paper, as JSON; without those that change no result: saving,
    failing at the end.
    """
    return config.model_dump_json(include=set(Run.model_fields) - {"checkpoint_steps", "strict"})


def scales(section: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """What each scale changes against the laptop defaults, nested: `{"paper": {"linear": {"n":
    ...}}}`.
    """
    merged: dict[str, dict[str, Any]] = {name: {} for name in get_args(Scale) if name != "laptop"}
    for name in merged:
        merged[name].update(getattr(section, "SCALES", {}).get(name, {}))
        for child, field in section.model_fields.items():
            if is_section(field.annotation) and (inner := scales(field.annotation)[name]):
                merged[name][child] = inner
    return merged


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


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for dotted, value in overrides.items():
        value = _nested(value) if isinstance(value, Mapping) else value
        for part in reversed(str(dotted).split(".")):
            value = {part: value}
        result = _merge(result, value)
    return result


def _merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in top.items():
        old = merged.get(name)
        merged[name] = (
            _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return merged
