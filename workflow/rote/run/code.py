"""Digest of the code that a rule runs, so that editing it re-runs the rule and reformatting it does
not.

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
from pathlib import Path

ROOT = Path(__file__).parents[1]  # the package
KEPT = (
    Path(".snakemake") / "rote-code.json"
)  # digests of the sources as they are, for Snakemake's next start


def digest(target: str) -> str:
    """Digest of `package.module`, `package.module:function` or `package.*` (every module in it).

    Imports are followed transitively.

    For a function, the module's other commands (its other decorated functions) and what only they
    import are left
    out: one CLI module can hold many verbs, each with a digest of its own.

    Raises:
        ModuleNotFoundError, AttributeError: if the target does not exist.
    """
    known = _known()
    if target not in known:
        known[target] = _digest(target)
    return known[target]


@cache
def _known() -> dict[str, str]:
    """Digests that an earlier process made of exactly these sources: parsing them anew takes
    seconds at every start.

    On a cluster Snakemake starts once per job. What this process adds is written at its end.
    """
    sources = hashlib.sha256(sys.version.encode())
    for path in sorted(ROOT.rglob("*.py")):
        content = path.read_bytes()
        sources.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    state, digests = sources.hexdigest(), {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        saved = json.loads(KEPT.read_text())
        if saved["sources"] == state:
            digests = dict(saved["digests"])
    kept = KEPT.absolute()
    atexit.register(_keep, kept, state, digests, len(digests))
    return digests


def _keep(kept: Path, state: str, digests: dict[str, str], before: int) -> None:
    if len(digests) > before and kept.parent.is_dir():
        temporary = kept.with_name(f"{kept.name}.{os.getpid()}")
        with suppress(OSError):
            temporary.write_text(json.dumps({"sources": state, "digests": digests}))
            temporary.replace(kept)


def _digest(target: str) -> str:
    if target.endswith(".*"):
        return _of_package(target.removesuffix(".*"))
    module, _, function = target.partition(":")
    trees, found = [_tree(module)], set()
    if function:
        trees[0] = _only(trees[0], function, target)
    elif not _path(module):
        raise ModuleNotFoundError(f"no module {module!r} in rote")
    pending = _imports(trees[0], module)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending |= _reached(name) - found
    parts = [ast.dump(trees[0])] + [f"{name} {_hash(name)}" for name in sorted(found - {module})]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _of_package(package: str) -> str:
    folder = ROOT.joinpath(*package.split(".")[1:])
    inside = [f"{package}.{path.stem}" for path in sorted(folder.glob("[!_]*.py"))]
    digests = [_digest(module) for module in [package, *inside]]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def modules(target: str) -> list[str]:
    """The rote modules that `target` (a module) reaches, itself included."""
    found, pending = set(), {target}
    while pending:
        name = pending.pop()
        found.add(name)
        pending |= _reached(name) - found
    return sorted(found)


@cache
def _reached(module: str) -> frozenset[str]:
    """What a module imports. Cached: a hundred rules walk through the same modules."""
    return frozenset(_imports(_tree(module), module))


@cache
def _path(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != ROOT.name:
        return None
    base = ROOT.joinpath(*parts[1:])
    return next(
        (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None
    )


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module!r} under {ROOT}")
    tree = ast.parse(path.read_text(), filename=str(path))
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
    keep = [
        node
        for node in tree.body
        if not (isinstance(node, ast.FunctionDef) and node.decorator_list and node.name != function)
    ]
    return ast.Module(body=keep, type_ignores=[])


def _imports(tree: ast.Module, module: str) -> set[str]:
    """Names of rote modules that the tree imports, with the packages on the way to them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            found |= {
                prefix
                for i in range(1, len(parts) + 1)
                if _path(prefix := ".".join(parts[:i])) and prefix != module
            }
    return found
