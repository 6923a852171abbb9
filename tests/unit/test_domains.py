"""The domain table: complete, importable, and as the page shows it."""

import inspect
from importlib import import_module
from types import ModuleType

import pytest
from conftest import ROOT
from rote.core import domains
from rote.report import generated

ENTRIES = domains.collect()
NAMES = [entry.function for entry in ENTRIES]


def resolved(name: str) -> tuple[ModuleType, object]:
    """The module that a dotted name begins with, and what it names."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        value: object = module
        for part in parts[end:]:
            value = getattr(value, part)
        return module, value
    raise AssertionError(f"{name} does not exist")


def test_page_is_as_the_code_has_it():
    page = (ROOT / "docs/domains.md").read_text()
    assert page == generated.files()["docs/domains.md"], "run `rote config write`"
    assert "domains.md" in (ROOT / "mkdocs.yml").read_text()


def test_entries_name_functions_once_and_say_everything():
    assert len(set(NAMES)) == len(NAMES)
    assert all(all(entry) for entry in ENTRIES)
    for name in NAMES:
        assert callable(resolved(name)[1]), name


@pytest.mark.parametrize("name", sorted({resolved(name)[0].__name__ for name in NAMES}))
def test_every_public_function_of_a_listed_module_is_listed(name):
    module = import_module(name)
    public = getattr(module, "__all__", None) or vars(module)
    missing = []
    for member in public:
        value = getattr(module, member)
        is_public = inspect.isfunction(value) and not member.startswith("_")
        # what the package exports, or the module defines
        if is_public and (hasattr(module, "__all__") or value.__module__ == name):
            missing += [member] if f"{name}.{member}" not in NAMES else []
    assert missing == []
