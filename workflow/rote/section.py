"""The base of every config section: unknown keys are errors, types are strict, every key is described."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A group of config keys. Defaults are the laptop scale; `SCALES` holds what other scales change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True)

    SCALES: ClassVar[dict[str, dict[str, Any]]] = {}


def key(default: Any, description: str, *, unit: str | None = None, **constraints: Any) -> FieldInfo:
    """A config key: its default, what it is, its unit, and pydantic's constraints (`ge`, `le`, `min_length`, ...)."""
    extra = {"unit": unit} if unit else None
    if isinstance(default, type) and issubclass(default, Section):
        return Field(default_factory=default, description=description, json_schema_extra=extra)
    return Field(default, description=description, json_schema_extra=extra, **constraints)
