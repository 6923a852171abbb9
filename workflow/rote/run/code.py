"""Digest of the code that a rule runs: editing it re-runs the rule, reformatting it does not.

Snakemake does not notice an edited imported module. Each rule therefore carries, as a parameter, a
digest over the syntax trees of every rote module that its command can reach. Comments, layout and
docstrings are not part of it.
"""

import ast
import atexit
import hashlib
import json
import os
import sys
from contextlib import suppress
from functools import cache
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).parents[1]  # the package
# digests of the sources as they are, for Snakemake's next start
CACHE = Path(".snakemake") / "rote-code.json"


def digest(target: str) -> str:
    """Digest of `package.module`, `package.module:function` or `package.*` (every module in it).

    Imports are followed transitively.

    For a function, the module's other commands (its other decorated functions) and what only they
    import are left out: one CLI module can hold many verbs, each with a digest of its own.

    Raises:
        ModuleNotFoundError, AttributeError: if the target does not exist.
    """
    digests = _cached_digests()
    if target not in digests:
        digests[target] = _digest(target)
    return digests[target]


@cache
def _cached_digests() -> dict[str, str]:
    """Digests that an earlier process made of exactly these sources.

    Parsing them anew takes seconds at every start, and on a cluster Snakemake starts once per job.
    What this process adds is written at its end.
    """
    sources = hashlib.sha256(sys.version.encode())
    for path in sorted(ROOT.rglob("*.py")):
        content = path.read_bytes()
        sources.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    state = sources.hexdigest()
    digests: dict[str, str] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        saved = json.loads(CACHE.read_text("utf-8"))
        if saved["sources"] == state:
            digests = dict(saved["digests"])
    atexit.register(_save, CACHE.absolute(), state, digests, len(digests))
    return digests


def _save(cache: Path, state: str, digests: dict[str, str], n_before: int) -> None:
    if len(digests) > n_before and cache.parent.is_dir():
        temporary = cache.with_name(f"{cache.name}.{os.getpid()}")
        with suppress(OSError):
            temporary.write_text(json.dumps({"sources": state, "digests": digests}), "utf-8")
            temporary.replace(cache)


def _digest(target: str) -> str:
    if target.endswith(".*"):
        return _of_package(target.removesuffix(".*"))
    module, _, function = target.partition(":")
    tree = _tree(module)
    if function:
        tree = _only(tree, function, target)
    reached = _closure(_imports(tree, module)) - {module}
    parts = [ast.dump(tree), *(f"{name} {_hash(name)}" for name in sorted(reached))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _of_package(package: str) -> str:
    folder = ROOT.joinpath(*package.split(".")[1:])
    inside = [f"{package}.{path.stem}" for path in sorted(folder.glob("[!_]*.py"))]
    digests = [_digest(module) for module in [package, *inside]]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def modules(target: str) -> list[str]:
    """The rote modules that `target` (a module) reaches, itself included."""
    return sorted(_closure({target}))


def _closure(names: set[str]) -> set[str]:
    """These modules and all that they import, directly or not."""
    reached: set[str] = set()
    pending = set(names)
    while pending:
        name = pending.pop()
        reached.add(name)
        pending |= _imported(name) - reached
    return reached


@cache
def _imported(module: str) -> frozenset[str]:
    """What a module imports. Cached: a hundred rules walk through the same modules."""
    return frozenset(_imports(_tree(module), module))


@cache
def _path(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != ROOT.name:
        return None
    base = ROOT.joinpath(*parts[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module!r} under {ROOT}")
    tree = ast.parse(path.read_text("utf-8"), filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def _hash(module: str) -> str:
    return hashlib.sha256(ast.dump(_tree(module)).encode()).hexdigest()


def _only(tree: ast.Module, function: str, target: str) -> ast.Module:
    """The module without its other commands."""
    if not any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body):
        raise AttributeError(f"no function {function!r} for {target!r}")
    body = [node for node in tree.body if not _is_command(node) or node.name == function]
    return ast.Module(body=body, type_ignores=[])


def _is_command(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and bool(node.decorator_list)


def _imports(tree: ast.Module, module: str) -> set[str]:
    """Names of rote modules that the tree imports, with the packages on the way to them."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            prefixes = accumulate(name.split("."), "{}.{}".format)
            modules |= {prefix for prefix in prefixes if prefix != module and _path(prefix)}
    return modules
