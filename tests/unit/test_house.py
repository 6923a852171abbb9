"""The house itself: imports, names, the form of the code, its types."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from conftest import ROOT
from rote.core import papers

PACKAGE = ROOT / "workflow" / "rote"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
RULES = [ROOT / "workflow" / "Snakefile", *sorted((ROOT / "workflow").rglob("*.smk"))]
VERB_LINES = 12
MAX_ARGUMENTS = 6
RULE_LINES = 30
# words that name nothing: a reader cannot tell a frame from a token id by them
DIALECT = {"found", "asked", "held", "near", "said", "told", "own", "wanted", "here", "rights"}
DIALECT |= {"place", "mix", "kept", "most", "least"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def functions_of_rules(path: Path) -> ast.Module:
    """The functions of a file of rules, at their lines: as a whole it is no Python."""
    text = path.read_text()
    module = ast.Module(body=[], type_ignores=[])
    for match in re.finditer(r"^def .*?(?=^[^\s)]|\Z)", text, re.M | re.S):
        before = "\n" * text[: match.start()].count("\n")
        module.body += ast.parse(before + match[0]).body
    return module


def location(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def test_imports_obey_the_contracts():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_classes_have_names_of_their_own():
    names: Counter[str] = Counter()
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                names[node.name] += 1
    # each paper's whole config section is called Settings
    assert {name: n for name, n in names.items() if n > 1 and name != "Settings"} == {}


def bound_name(node: ast.AST) -> str:
    """What a node names: a function, a class, a parameter, a variable or a field; else nothing."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return node.attr
    return ""


def test_names_are_words_of_the_field():
    """Names that the code binds, whatever words its prose uses."""
    strange = []
    for path in [*MODULES, *TESTS]:
        for node in ast.walk(tree(path)):
            if bound_name(node).strip("_").lower() in DIALECT:
                strange.append(f"{location(path, node)} {bound_name(node)}")
    assert strange == []


def test_comprehensions_are_one_deep():
    deep = []
    parsed = {path: tree(path) for path in [*MODULES, *TESTS]}
    parsed |= {path: functions_of_rules(path) for path in RULES}
    for path, module in parsed.items():
        for node in ast.walk(module):
            if not isinstance(node, COMPREHENSIONS):
                continue
            inside = [inner for inner in ast.walk(node) if isinstance(inner, COMPREHENSIONS)]
            if len(inside) > 1 or len(node.generators) > 1:
                deep.append(location(path, node))
    assert deep == []


def test_assignments_bind_at_most_a_pair():
    crowded = []
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
                continue
            for target in node.targets:
                if isinstance(target, ast.Tuple) and len(target.elts) > 2:
                    crowded.append(location(path, node))
    assert crowded == []


def test_code_is_as_the_formatter_leaves_it():
    exempt = re.compile(r"#\s*fmt:\s*(skip|off)")
    for path in [*MODULES, *TESTS]:
        assert path == Path(__file__) or not exempt.search(path.read_text()), path
    ruff = str(Path(sys.executable).with_name("ruff"))
    for command in ([ruff, "format", "--check", "."], [ruff, "check", "."]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def decorators(node: ast.FunctionDef) -> set[str]:
    """Names of a function's decorators, without their arguments and what they are attributes of."""
    calls = [item.func if isinstance(item, ast.Call) else item for item in node.decorator_list]
    return {ast.unparse(call).rpartition(".")[2] for call in calls}


def estimator_constructors(module: ast.Module) -> set[ast.FunctionDef]:
    """The protocol of scikit-learn's estimators needs each parameter as a keyword of __init__."""
    constructors = set()
    for owner in ast.walk(module):
        if isinstance(owner, ast.ClassDef) and "BaseEstimator" in map(ast.unparse, owner.bases):
            constructors |= {node for node in owner.body if getattr(node, "name", "") == "__init__"}
    return constructors


def test_functions_take_at_most_six_arguments():
    """More travel together as a typed spec.

    Exempt are commands, whose arguments are the options of a command line, kernels, to which numba
    gives arrays and numbers only, and constructors of scikit-learn's estimators.
    """
    exempt = {"command", "verb", "kernel", "part", "_compiled"}
    crowded = []
    for path in MODULES:
        constructors = estimator_constructors(tree(path))
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.FunctionDef) or node in constructors:
                continue
            if decorators(node) & exempt:
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
            if len(names) > MAX_ARGUMENTS:
                crowded.append(f"{location(path, node)} {node.name}: {len(names)}")
    assert crowded == []


def test_verbs_read_call_and_write():
    """More than a few lines below the docstring are work that belongs into a module."""
    long = []
    for path in MODULES:
        for node in tree(path).body if path.name == "cli.py" else []:
            if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
                continue
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if lines > VERB_LINES:
                long.append(f"{location(path, node)} {node.name}: {lines}")
    assert long == []


def rule_lines(path: Path) -> dict[str, int]:
    """Lines of every rule of a file, by its name; by its line if it has none there."""
    lengths = {}
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if not (match := re.match(r"( *)(?:rule|checkpoint)\b *(\w*):", line)):
            continue
        end = number + 1
        for at in range(end, len(lines)):
            indent = len(lines[at]) - len(lines[at].lstrip())
            if lines[at].strip() and indent <= len(match[1]):
                break
            if lines[at].strip():
                end = at + 1
        lengths[match[2] or f"line {number + 1}"] = end - number
    return lengths


def test_rules_are_short():
    long = []
    for path in RULES:
        for name, lines in rule_lines(path).items():
            if lines > RULE_LINES:
                long.append(f"{path.name} {name}: {lines}")
    assert long == []


def test_public_functions_are_documented():
    bare = []
    for path in MODULES:
        for node in tree(path).body:
            named = isinstance(node, (ast.FunctionDef, ast.ClassDef))
            if named and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{location(path, node)} {node.name}")
    assert bare == []


def public_methods(path: Path) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    for owner in tree(path).body:
        if isinstance(owner, ast.ClassDef) and not owner.name.startswith("_"):
            for node in owner.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    yield owner, node


def is_property(method: ast.FunctionDef) -> bool:
    names = {ast.unparse(decorator) for decorator in method.decorator_list}
    return bool(names & {"property", "cached_property"})


def overrides_a_documented_method(path: Path, owner: str, name: str) -> bool:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    bases = getattr(import_module(".".join(parts)), owner).__mro__[1:]
    return any(getattr(vars(base).get(name), "__doc__", None) for base in bases)


def test_public_methods_are_documented():
    """Outside the papers. Properties are exempt: they are read as fields are."""
    bare = []
    for path in MODULES:
        if "papers" in path.relative_to(PACKAGE).parts:
            continue
        for owner, node in public_methods(path):
            if ast.get_docstring(node) or is_property(node):
                continue
            # only the modules of bare methods are imported, the others are read
            if not overrides_a_documented_method(path, owner.name, node.name):
                bare.append(f"{location(path, node)} {owner.name}.{node.name}")
    assert bare == []


def test_types_are_sound():
    command = [sys.executable, "-m", "mypy", "--cache-dir", "/dev/null"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_rules_have_short_lines():
    long = []
    for path in RULES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > 100:
                long.append(f"{path.name}:{number}")
    assert long == []


def words_read(path: Path) -> set[str]:
    """Attributes and strings by which a module of a paper looks columns up.

    Figures and statistics look them up by keys, too; elsewhere keys of a dict build rows.
    """
    module = tree(path)
    written = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            written.add(id(node.slice))
        if isinstance(node, ast.Dict) and not {"figures", "statistics"} & {*path.parts, path.stem}:
            written |= set(map(id, node.keys))
    words = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            words.add(node.attr)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words |= set() if id(node) in written else {node.value}
    return words


def notebook_words(paper: str) -> set[str]:
    """Words of the code of a paper's notebook."""
    notebook = json.loads((ROOT / f"workflow/notebooks/{paper}.ipynb").read_text())
    words = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            words |= set(re.findall(r"\w+", "".join(cell["source"])))
    return words


# columns whose readers do not name them, or are not of the paper
READ_OTHERWISE = {
    r"raf\.universality\.e_mem_true": 'as f"{error}_true"',
    r"longtail\.linear_sweep\.forced_once": 'as f"forced_{pool}"',
}


def test_columns_of_tables_are_read():
    """What nothing shows or judges is not stored; columns that name the rows are exempt."""
    unread = []
    for paper in papers.names():
        modules = sorted((PACKAGE / "papers" / paper).rglob("*.py"))
        words = notebook_words(paper)
        for path in modules:
            words |= words_read(path) if path.stem != "schema" else set()
        for name, table in papers.load(paper, "schema").TABLES.items():
            for column in set(table.model_fields) - set(table.KEY) - words:
                unread.append(f"{paper}.{name}.{column}")
    exempt = re.compile("|".join(READ_OTHERWISE))
    assert [name for name in unread if not exempt.fullmatch(name)] == []
    # an exemption that nothing needs goes
    listed = "\n".join(unread)
    assert [p for p in READ_OTHERWISE if not re.search(rf"(?m)^{p}$", listed)] == []
