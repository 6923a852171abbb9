"""Config sections: strict types, no unknown keys, a description per key, one line per error."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rote.core.errors import ConfigError

# pydantic's name of a type in a union, where a problem lies
_TYPE = re.compile(r"(function-[a-z]+|dict|list|tuple|literal|constrained-[a-z]+|nullable)\[")
Scale = Literal["smoke", "laptop", "full", "paper"]


class Section(BaseModel):
    """A group of config keys. Defaults are the laptop scale; `SCALES` holds what others change.

    `full` changes the laptop's values, `smoke` and `paper` change those of `full`.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True
    )

    SCALES: ClassVar[dict[str, dict[str, Any]]] = {}


def key(
    default: Any,
    description: str = "",
    *,
    unit: str | None = None,
    source: bool = False,
    **constraints: Any,
) -> Any:
    """A config key.

    Args:
        default: its value at the laptop scale, or a `Section`, whose own defaults then count.
        description: what it is; by default the first paragraph of the section's docstring.
        unit: of the value.
        source: whether it says where data come from: one run's folder holds those of one source.
        **constraints: of pydantic (`ge`, `le`, `min_length`, ...); not used for a `Section`.

    Returns:
        A pydantic field.
    """
    extra: Any = ({"unit": unit} if unit else {}) | ({"source": True} if source else {})
    extra = extra or None
    if isinstance(default, type) and issubclass(default, Section):
        return Field(
            default_factory=default,
            description=description or first_paragraph(default),
            json_schema_extra=extra,
        )
    return Field(default, description=description, json_schema_extra=extra, **constraints)


def left_out(*tables: str) -> Any:
    """The key of a paper's section that names the tables which the laptop scale leaves out."""
    return key(
        list(tables),
        "Tables that this run does not make, nor the figures drawn from them; "
        "what is claimed of them is judged at a larger scale",
    )


class PaperSection(Section):
    """A paper's section of the config."""

    leave_out: list[str] = left_out()

    def parts(self) -> list[str]:
        """What a run has of the parts that a figure may need: tasks, groups of networks."""
        return []

    def asks_user_data(self) -> bool:
        """Whether data of the user's take the place of the paper's own: the run is another one."""
        return False


def first_paragraph(documented: type) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())


def validate(section: type[BaseModel], values: Any, where: str) -> Any:
    """`section(**values)`, with pydantic's errors turned into one readable ConfigError.

    Args:
        section: the model.
        values: a mapping from its keys to values.
        where: what is read (a file, an option), for the message.

    Returns:
        An instance of `section`.

    Raises:
        ConfigError: naming `where` and, on a line each, every problem.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        lines = [_explain(section, problem) for problem in _telling(error.errors())]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ConfigError("\n  ".join([f"{where}: {count}", *lines])) from None


def _telling(problems: Iterable[Any]) -> list[Any]:
    """The problems without those of a union's other branches, where one says more than a type."""
    by_key: dict[tuple, list[Any]] = {}
    for problem in problems:
        by_key.setdefault(tuple(_steps(problem)), []).append(problem)
    chosen: list[Any] = []
    for of_key in by_key.values():
        chosen += [item for item in of_key if item["type"] == "value_error"] or of_key
    return chosen


def _steps(problem: Any) -> list[str | int]:
    """The keys and numbers that lead to a problem, without pydantic's names of a union's types."""
    return [step for step in problem["loc"] if isinstance(step, int) or not _TYPE.match(step)]


def is_section(annotation: Any) -> bool:
    """Whether a field's type is a group of keys."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def key_paths(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted paths of all keys and groups of keys of a section.

    Args:
        section: the model.
        prefix: what every path begins with, e.g. `longtail.`.
    """
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        kind: Any = field.annotation
        if is_section(kind):
            yield from key_paths(kind, f"{prefix}{name}.")


def nearest_keys(section: type[BaseModel], path: str) -> str:
    """A hint at the keys that resemble one that does not exist, wherever they are.

    Args:
        section: the model that the path begins in.
        path: names of keys, joined by dots; the last is looked for.

    Returns:
        `did you mean 'a.b' or 'c.b'? `: paths of at most three keys with a name like that, those
        first whose whole path is most like it; "" if there are none.
    """
    name = path.rpartition(".")[2]
    by_path = {other: other.rpartition(".")[2] for other in key_paths(section)}
    similar = get_close_matches(name, set(by_path.values()), 3)
    candidates = [other for other, last in by_path.items() if last in similar]
    nearest = get_close_matches(path, candidates, 3) or get_close_matches(path, candidates, 1, 0)
    return did_you_mean(nearest)


def did_you_mean(names: Iterable[str]) -> str:
    """`did you mean 'a' or 'b'? ` for an error's line; "" without names."""
    words = " or ".join(map(repr, names))
    return f"did you mean {words}? " if words else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'a'? ` for a name that is not known; "" if none is like it."""
    return did_you_mean(get_close_matches(name, known, 1))


def allowed(prop: Mapping[str, Any]) -> str:
    """What a key accepts, from its JSON Schema: `one of digits, mnist`, `list of number ≥ 0`."""
    if "enum" in prop:
        return "one of " + ", ".join(map(str, prop["enum"]))
    if "const" in prop:
        return f"only {prop['const']}"
    if "anyOf" in prop:
        return " or ".join(allowed(option) for option in prop["anyOf"])
    if prop.get("type") == "array":
        length = f", at least {prop['minItems']}" if prop.get("minItems") else ""
        return f"list of {allowed(prop.get('items', {})) or 'values'}{length}"
    if prop.get("type") == "object" and isinstance(prop.get("additionalProperties"), dict):
        return f"names with {allowed(prop['additionalProperties']) or 'values'}"
    marks = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
        "pattern": "like",
    }
    bounds = [f"{mark} {prop[name]}" for name, mark in marks.items() if name in prop]
    json_type = str(prop.get("type", ""))
    kind = {"boolean": "true or false", "string": "text"}.get(json_type, json_type)
    return " ".join([kind, " and ".join(bounds)]).strip()


def _as_text(keys: list[str], value: Any) -> str:
    """How an option of Snakemake gives a key a text that looks like a number.

    It drops quotes; within braces everything is text.
    """
    if len(keys) == 1:
        return f"{keys[0]}=!!str {value}"
    inner = str(value)
    for name in reversed(keys[1:]):
        inner = f"{{{name}: {inner}}}"
    return f"{keys[0]}={inner}"


def _explain(section: type[BaseModel], problem: Any) -> str:
    """One line for one pydantic error: key, what is wrong, what is allowed, nearest valid key."""
    steps = _steps(problem)
    dotted = ".".join(map(str, steps))
    parent: Any = section
    prop: Mapping[str, Any] = {}
    for step in steps[:-1] if problem["type"] == "extra_forbidden" else steps:
        fields = parent.model_fields if is_section(parent) else {}
        if isinstance(step, str) and step in fields:
            prop = parent.model_json_schema()["properties"][step]
            parent = fields[step].annotation
    if problem["type"] == "extra_forbidden":
        hint = nearest_keys(section, dotted)
        return f"{dotted}: no such key; {hint}keys here: {', '.join(parent.model_fields)}"
    value = problem["input"]
    is_plain = isinstance(value, (str, int, float, bool)) or value is None
    shown = f", given {value!r}" if is_plain else ""
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{dotted}: {message}"
    accepted = allowed(prop)
    if (
        problem["type"] == "string_type"
        and value is not None
        and not isinstance(value, dict | list)
    ):
        name = steps[-1]
        message += f"; to YAML it is no text without quotes: {name}: '{value}'"
        shown += f"; on the command line: --config '{_as_text(dotted.split('.'), value)}'"
    if is_section(parent):
        accepted = "a group of keys: " + ", ".join(parent.model_fields)
    return f"{dotted}: {message[0].lower() + message[1:]}{shown}" + (
        f" (allowed: {accepted})" if accepted else ""
    )
