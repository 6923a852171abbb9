"""A process that only runs a verb starts torch without the half that its compiler alone needs.

`import torch` registers, in Python, the shapes of all operations on tensors without data
(`torch._meta_registrations`, with the references of every operation that it imports). Compilers and
transformers ask for them, no other computation does: they are imported when one of these is.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SHAPES = "torch._meta_registrations"
USERS = {"torch._dynamo", "torch._inductor", "transformers"}


class _Deferred(ModuleType):
    """Stands for `SHAPES` until someone looks into it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(complete(), name)


class _Finder(MetaPathFinder, Loader):
    """Finds the stand-in when torch starts, and the module itself before its users start."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in USERS and SHAPES in sys.modules:
            complete()
        return ModuleSpec(name, self) if name == SHAPES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


_FINDER = _Finder()


def install() -> None:
    """From now on `import torch` leaves the shapes out. Nothing happens if torch is there."""
    if "torch" not in sys.modules and _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def complete() -> ModuleType:
    """Import the shapes now.

    Returns:
        `torch._meta_registrations`.
    """
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
        sys.modules.pop(SHAPES, None)
    return import_module(SHAPES)
