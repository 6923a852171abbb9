"""The environment is what the lock says, and the code imports nothing else."""

import ast
import re
import sys
from importlib.metadata import distributions, packages_distributions

import pytest
from conftest import ROOT
from packaging.specifiers import SpecifierSet


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


LINES = []
for lock in ("lock.txt", "lock-dev.txt"):
    LINES += (ROOT / "envs" / lock).read_text().splitlines()


def locked() -> dict[str, str]:
    """Version by distribution of both locks."""
    versions = {}
    for line in LINES:
        name, pinned, version = line.partition("==")
        if pinned:
            versions[canonical(name)] = version
    return versions


LOCK = locked()
OURS = {"rote", "pip"}
# only imported where a benchmark compares with them; envs/peers.txt pins them apart
PEERS = {
    re.split(r"[=<>@ ]", line)[0].lower().replace("_", "-")
    for line in (ROOT / "envs/peers.txt").read_text().splitlines()
    if line and not line.startswith("#")
}


def test_lock_pins_exact_versions():
    for line in LINES:
        if line != "--requirement lock.txt" and not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.!\-]+", line), line


def test_environment_holds_only_locked_versions():
    inside = [d for d in distributions() if str(d.locate_file("")).startswith(sys.prefix)]
    assert len(inside) > 50
    for distribution in inside:
        name = canonical(distribution.metadata["Name"])
        if name not in OURS | PEERS:
            assert name in LOCK, f"{name} is installed but not locked"
            assert distribution.version.partition("+")[0] == LOCK[name].partition("+")[0], name


def test_lock_installs_on_the_oldest_supported_python():
    """pip picks the newest version for its Python: some that require 3.11.5 were locked once."""
    project = (ROOT / "pyproject.toml").read_text()
    oldest = re.search(r'requires-python = ">=(.+)"', project).group(1) + ".0"
    required = {d.metadata["Name"]: d.metadata["Requires-Python"] for d in distributions()}
    assert len(required) > 50
    refused = [
        name for name, range in required.items() if range and oldest not in SpecifierSet(range)
    ]
    assert refused == []


@pytest.mark.parametrize("folder", ["workflow", "tests"])
def test_imports_are_locked(folder):
    providers = packages_distributions()
    modules = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"rote", "tests"}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in (
                {name.split(".")[0] for name in names} - modules - set(sys.stdlib_module_names)
            ):
                packages = {canonical(part) for part in providers.get(name, [])}
                compared = canonical(name) in PEERS or "benchmarks" in path.parts
                assert packages & set(LOCK) or compared, f"{path}: {name}"
