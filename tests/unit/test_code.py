"""Code digests: what changes them and what does not."""

import shutil

import pytest
from rote.run import code

MODULES = {
    "__init__.py": "",
    "low.py": '"""Docs."""\nX = 1  # a comment\n\n\ndef f():\n    """Docs."""\n    return X\n',
    "other.py": "Y = 2\n",
    "unused.py": "Z = 3\n",
    "cli.py": (
        "app = object()\n"
        "def shared():\n    return 1\n"
        "@app\ndef first():\n    from rote import low\n    return low.f() + shared()\n"
        "@app\ndef second():\n    import rote.other\n    return rote.other.Y\n"
    ),
}


def clear_caches():
    for cached in (code._path, code._tree, code._hash, code._imported, code._cached_digests):
        cached.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in place of rote; calling it edits a module and gives all digests."""
    root = tmp_path / "rote"
    root.mkdir()
    for name, text in MODULES.items():
        (root / name).write_text(text)
    monkeypatch.setattr(code, "ROOT", root)

    def digests(name: str | None = None, old: str = "", new: str = "") -> dict[str, str]:
        if name:
            assert old in (root / name).read_text()
            (root / name).write_text((root / name).read_text().replace(old, new))
        clear_caches()
        return {
            target: code.digest(f"rote.{target}")
            for target in ("low", "cli", "cli:first", "cli:second")
        }

    yield digests
    clear_caches()
    shutil.rmtree(root)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("low.py", "# a comment", "# another one"),
        ("low.py", "\n\n\ndef f", "\n\ndef f"),
        ("low.py", '    """Docs."""\n', ""),
        ("low.py", '"""Docs."""\nX', '"""More."""\nX'),
        ("low.py", "return X", "return (\n        X\n    )"),
        ("unused.py", "Z = 3", "Z = 4"),
    ],
)
def test_digest_ignores_comments_layout_and_docstrings(package, name, old, new):
    assert package() == package(name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        # through an import inside a function
        ("low.py", "X = 1", "X = 2", {"low", "cli", "cli:first"}),
        ("other.py", "Y = 2", "Y = 3", {"cli", "cli:second"}),
        ("cli.py", "return 1", "return 2", {"cli", "cli:first", "cli:second"}),  # a shared helper
        ("cli.py", "low.f() +", "low.f() -", {"cli", "cli:first"}),  # one command alone
        ("__init__.py", "", "V = 1\n", {"low", "cli", "cli:first", "cli:second"}),
    ],
)
def test_digest_changes_where_edited_code_is_reached(package, name, old, new, changed):
    before, after = package(), package(name, old, new)
    if name == "__init__.py":
        changed = changed - {"low"}  # a module does not import its own package by itself
    assert {target for target in before if before[target] != after[target]} == changed


def test_digest_refuses_unknown_targets():
    with pytest.raises(ModuleNotFoundError):
        code.digest("rote.nothing")
    with pytest.raises(AttributeError):
        code.digest("rote.cli:nothing")


def test_digests_are_cached_while_the_sources_are_the_same(package, tmp_path, monkeypatch):
    (tmp_path / ".snakemake").mkdir()
    monkeypatch.setattr(code, "CACHE", tmp_path / ".snakemake" / "rote-code.json")
    ends = []
    monkeypatch.setattr(code.atexit, "register", lambda *call: ends.append(call))

    def end():
        save, *arguments = ends.pop()
        save(*arguments)

    first = package()
    end()
    assert [path.name for path in (tmp_path / ".snakemake").iterdir()] == ["rote-code.json"]
    monkeypatch.setattr(code, "_digest", lambda target: pytest.fail("computed again"))
    assert package() == first
    end()
    monkeypatch.undo()
    monkeypatch.setattr(code, "CACHE", tmp_path / ".snakemake" / "rote-code.json")
    monkeypatch.setattr(code, "ROOT", tmp_path / "rote")
    assert package("low.py", "X = 1", "X = 2") != first


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"sources": 1}', '{"sources": "x", "digests": 3}']
)
def test_digest_ignores_a_damaged_cache(package, tmp_path, monkeypatch, text):
    first = package()
    (tmp_path / "digests.json").write_text(text)
    monkeypatch.setattr(code, "CACHE", tmp_path / "digests.json")
    assert package() == first
