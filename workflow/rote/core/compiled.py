"""Kernels that numba compiles: the same arithmetic whether just compiled or loaded from a cache.

A compiled function that calls another one has two of it: its own, which may have been inlined and
contracted into other instructions, and the other's. Which one runs depends on whether the process
compiled both or loaded one, and the last bits with it. So no kernel calls a kernel: what kernels
share are parts, which are written into each before it is compiled.
"""

import logging
import os
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

from numba import njit
from numba.core import caching

from rote.core import environment
from rote.core.errors import InputError

log = logging.getLogger("rote")
part = njit(inline="always")


def kernel(signature: Any = None, **options: Any) -> Callable[[Callable], Any]:
    """Compile a function, or load it from the cache of compiled ones.

    The cache lies beside the source, else below the user's home, else in a folder for temporary
    files; without any of them every process compiles. What is damaged there is compiled anew.

    Args:
        signature: types of arguments to compile for at once; None compiles on the first call.
        **options: of `numba.njit`.

    Returns:
        A decorator, from the function to the compiled one.
    """

    def decorate(function: Callable) -> Any:
        compiled = njit(**options)(function)
        try:
            compiled._cache = _Cache(function)
        except (RuntimeError, InputError) as error:
            log.debug("compiled kernels are not kept: %s", error)
        if signature is not None:
            compiled.compile(signature)
            compiled.disable_compile()
        return compiled

    return decorate


class _Temporary(caching.UserWideCacheLocator):
    """A cache for who has no home to write to."""

    def __init__(self, py_func: Callable, py_file: str):
        super().__init__(py_func, py_file)
        folder = self.get_suitable_cache_subpath(py_file)
        self._cache_path = os.path.join(environment.private(), "numba", folder)


class _Places(caching.CompileResultCacheImpl):
    _locator_classes: ClassVar = [*caching.CompileResultCacheImpl._locator_classes, _Temporary]


class _Cache(caching.FunctionCache):
    """A cache whose failures cost time only: a full disk, a damaged or unreadable file."""

    _impl_class = _Places

    def load_overload(self, sig, target_context):
        """The compiled function for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError, ValueError, TypeError, KeyError, pickle.PickleError) as error:
            log.debug("a compiled kernel cannot be read: %s", error)
            return None

    def save_overload(self, sig, data):
        """Keep a compiled function, if the disk lets it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            log.debug("a compiled kernel cannot be kept: %s", error)
        except (EOFError, ValueError, TypeError, KeyError, pickle.PickleError):
            self._anew(sig, data)

    def _anew(self, sig, data):
        """Keep it in place of a damaged index."""
        try:
            self.flush()
            super().save_overload(sig, data)
        except OSError as error:
            log.debug("a compiled kernel cannot be kept: %s", error)
