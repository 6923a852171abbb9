"""The documentation: it builds, links hold, graphs are the workflow's, every code block runs."""

import os
import re
import shutil
import subprocess
import time
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml
from conftest import BIN, ROOT, copy_project, run
from rote.core import tables

PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]


class Block(NamedTuple):
    """A fenced block: its language, the file it is said to be, its text."""

    language: str
    title: str
    text: str


def blocks(page: str) -> list[Block]:
    fenced = re.findall(
        r'^```(\w*)(?: title="([^"]*)")?\n(.*?)^```$', (ROOT / page).read_text(), re.M | re.S
    )
    return [Block(*block) for block in fenced]


def languages(page: str) -> set[str]:
    """Of the blocks of a page, those that are marked and no plain text."""
    return {block.language for block in blocks(page)} - {"", "text"}


def at_smoke_scale(command: str) -> str:
    """The same command for a test: Snakemake at the smoke scale, make only as a plan.

    Plans of the paper scale are left as they are.
    """
    command = re.sub(r"^make ", "make --dry-run ", command, flags=re.M)
    lines = []
    for line in command.replace("results/laptop", "results/smoke").split("\n"):
        if line.startswith("rote "):
            line = re.sub(r"\blaptop\b", "smoke", line)
        if line.startswith("snakemake ") and "config/" not in line and "--snakefile" not in line:
            if "--configfile" in line:
                line = line.replace("--configfile", "--configfile config/smoke.yaml")
            else:
                line = line.replace("snakemake", "snakemake --configfile config/smoke.yaml", 1)
        lines.append(line)
    return "\n".join(lines)


@pytest.fixture
def folder(tmp_path, small_lm, mnist_folder) -> Path:
    """A project with its environment as `make setup` leaves it, and the data that pages name."""
    project = copy_project(tmp_path / "project")
    (project / ".venv").symlink_to(BIN.parent)  # newer than the lock: nothing is set up again
    data = project / "data"
    (data / "texts").mkdir(parents=True)
    lines = [
        "The capital of France is Paris .",
        "A red kite is a bird of prey .",
        "The capital of Italy is Rome .",
    ] * 20
    (data / "texts/one.txt").write_text("\n".join(lines))
    (data / "notes.jsonl").write_text("".join(f'{{"text": "{line}"}}\n' for line in lines))
    (data / "facts.csv").write_text("key,value\ncapital of France,Paris\ncapital of Italy,Rome\n")
    (data / "entities.csv").write_text("entity,value\nFrance,Paris\nItaly,Rome\n")
    pairs = pd.DataFrame(
        [("capital of", "France"), ("red kite", "bird")], columns=["first", "second"]
    )
    pairs.to_parquet(data / "pairs.parquet")
    (data / "qa.jsonl").write_text('{"x": "The capital of France is", "y": "Paris"}\n')
    shutil.copytree(mnist_folder, data / "mnist")
    shutil.copytree(small_lm, project / "models/mine")
    return project


def paste(page: str, project: Path) -> int:
    """Run a page's blocks in order, as one pastes them, until one fails; returns how many ran."""
    ran = 0
    for block in blocks(page):
        if block.title:
            (project / block.title).write_text(block.text)
        elif block.language == "bash":
            run(project, "bash", "-euo", "pipefail", "-c", at_smoke_scale(block.text))
            ran += 1
        elif block.language == "python":
            run(project, "python", "-c", block.text)
            ran += 1
        else:
            assert block.language in ("", "text", "yaml"), (
                f"a block of {page} is marked {block.language!r}"
            )
    return ran


AFTER_A_RUN = ("README.md", "docs/own-task.md")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if languages(page) and page not in AFTER_A_RUN]
)
def test_page_blocks_run_in_order(page, folder):
    assert paste(page, folder)


def test_readme_runs_as_pasted(smoke, tmp_path):
    """After `make reproduce`, which the fixture stands for."""
    project = shutil.copytree(smoke, tmp_path / "project", symlinks=True)
    (project / ".venv").symlink_to(BIN.parent)
    assert paste("README.md", project) >= 2


def test_a_task_of_ones_own_runs_as_pasted(smoke, tmp_path):
    """After a run, as the page says: the jobs of other tasks do not run again."""
    project = shutil.copytree(smoke, tmp_path / "project", symlinks=True)
    logs = project / "results/smoke/logs"
    tasks = {path.stem for path in (project / "results/smoke/resmem/bases").iterdir()}
    of_tasks = [logs / f"resmem_train_base_{task}.log" for task in tasks]
    of_tasks += [logs / f"resmem_evaluate_{task}.log" for task in tasks]
    before = {path: path.read_text() for path in of_tasks}
    assert paste("docs/own-task.md", project) == 1
    assert {path: path.read_text() for path in of_tasks} == before
    accuracy = tables.read(project / "results/smoke/resmem/accuracy.parquet")
    assert "cancer" in set(accuracy["task"])


EXAMPLES = sorted((ROOT / "docs/examples").glob("*.py"))
OUTPUT = "# > "


def parts(example: Path) -> tuple[str, str]:
    """The code of an example, and what it says that it prints."""
    lines = example.read_text().splitlines()
    code = [line for line in lines if not line.startswith(OUTPUT)]
    printed = [line.removeprefix(OUTPUT) for line in lines if line.startswith(OUTPUT)]
    return "\n".join(code) + "\n", "\n".join(printed) + "\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_print_what_they_say(example, tmp_path):
    code, printed = parts(example)
    assert run(tmp_path, "python", "-c", code, PYTHONPATH=str(ROOT / "workflow")).stdout == printed


def test_every_public_module_has_an_example():
    import rote

    assert {path.stem for path in EXAMPLES} == set(rote.__all__)


def test_readme_is_short_and_shows_the_examples():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
    code = [block.text for block in blocks("README.md") if block.language == "python"]
    outputs = [block.text for block in blocks("README.md") if block.language == "text"]
    examples = [ROOT / f"docs/examples/{name}.py" for name in ("resmem", "ngrams", "prune")]
    assert list(zip(code, outputs, strict=True)) == list(map(parts, examples))


def test_readme_findings_are_short_sentences():
    """One of seven papers' claims a line, each of at most 25 words."""
    text = (ROOT / "README.md").read_text()
    rows = text.split("<!--rote findings-->")[1].split("<!--/-->")[0].strip().splitlines()[2:]
    assert len(rows) == 7
    for row in rows:
        sentence = row.split(" | ")[1].rpartition(" (")[0]
        assert len(re.sub(r"\([^)]*\)", "", sentence).split()) <= 25, sentence


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("paper-*.md")), ids=lambda p: p.stem)
def test_pages_of_papers_tell_ours_and_theirs_apart(page):
    text = re.sub(r"<!--rote.*?<!--/-->", "", page.read_text(), flags=re.S)
    assert 200 <= len(text.split()) <= 320
    assert "**Theirs:**" in text
    assert "**Ours:**" in text


def test_every_judged_paper_has_a_page_that_the_docs_list():
    """The chain, too: its claims are ours."""
    papers = set(pd.read_csv(ROOT / "docs/published/ledger.csv")["paper"])
    assert "chain" in papers
    listed = (ROOT / "mkdocs.yml").read_text()
    for paper in papers:
        assert f": paper-{paper}.md" in listed
        page = (ROOT / f"docs/paper-{paper}.md").read_text()
        assert f"<!--rote verdicts {paper}-->\n`" in page
        assert f"snakemake --cores all -- {paper}`" in page


def test_citation_lists_all_papers():
    from rote.core.papers import about, names

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    titles = {re.sub(r"\W+", " ", entry["title"].lower()) for entry in cited}
    theirs = [about(name).title for name in names() if not about(name).leads]
    assert titles == {re.sub(r"\W+", " ", title.lower()) for title in theirs}


def test_page_blocks_with_commands_have_a_language():
    """Blocks without a language are not run: only listings and other languages may go without."""
    for page in PAGES:
        for block in blocks(page):
            if not block.language:
                assert not re.search(r"^(snakemake|rote|make|python|pip) ", block.text, re.M), (
                    f"{page}: {block.text}"
                )


def test_page_make_targets_exist(project):
    """Only planned above: `make --dry-run` fails for a target that is not there."""
    named = set()
    for block in chain.from_iterable(map(blocks, PAGES)):
        named.update(re.findall(r"^make ([\w-]+)", block.text, re.M))
    assert {"reproduce", "test"} <= named
    for target in named:
        run(project, "make", "--dry-run", target)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built documentation; a warning is an error."""
    out = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "NO_MKDOCS_2_WARNING": "1"}
    command = [BIN / "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_reference_names_every_key_and_verb(site):
    from rote.core.papers import names
    from rote.run import config

    keys = (site / "reference/config.html").read_text()
    for paper in names():
        for section in config.model().model_fields[paper].annotation.model_fields:
            assert f"{paper}.{section}" in keys
    commands = (site / "reference/cli.html").read_text()
    for text in (path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")):
        for verb in re.findall(rf'"rote ((?:{"|".join(names())}) [a-z-]+) ', text):
            assert f"rote {verb}" in commands, verb


def test_site_loads_nothing_from_the_network(site):
    for page in site.rglob("*.html"):
        fetched = re.findall(
            r'<(?:script|img|link|iframe)[^>]* (?:src|href)="(https?:[^"]*)', page.read_text()
        )
        assert [url for url in fetched if "canonical" not in url] == [], page


# tags that Markdown and the theme write: any other was text like <run>
TAGS = (
    "a article aside body br button code dd details div dl dt em figcaption figure footer form h1"
)
TAGS += " h2 h3 h4 h5 h6 head header hr html i img input label li link main meta nav ol p path pre"
TAGS += " script small span strong style sub summary sup svg table tbody td th thead title tr ul b"


def test_site_loses_no_text(site):
    for page in site.rglob("*.html"):
        text = re.sub(r"<(script|style|svg).*?</\1>", "", page.read_text(), flags=re.S)
        assert set(re.findall(r"<([a-z][\w-]*)", text)) <= set(TAGS.split()), page
    config = (site / "reference/config.html").read_text()
    assert "results go to results/&lt;run&gt;/" in config.replace("/&lt;run>/", "/&lt;run&gt;/")


def test_site_is_searched_from_the_disk(site, browser):
    browser.get(f"file://{site}/index.html")
    browser.execute_script("document.querySelector('[data-md-toggle=search]').click()")
    browser.find_element("css selector", "input.md-search__input").send_keys("Holm")
    for _ in range(60):
        if browser.find_elements("css selector", ".md-search-result__link"):
            return
        time.sleep(0.5)
    raise AssertionError(browser.get_log("browser"))


def test_rule_graphs_match_the_workflow(project):
    dot = run(
        project, "snakemake", "--rulegraph", "--configfile", "config/smoke.yaml", "--", "all"
    ).stdout
    rules = set(re.findall(r'label = "(\w+)"', dot))
    drawn = set()
    for path in (ROOT / "docs/rulegraph").glob("*.svg"):
        drawn.update(re.findall(r"<text [^>]*>(\w+)</text>", path.read_text()))
    apart = {"all"} | {rule for rule in rules if rule.startswith("report")}
    papers = {path.stem for path in (ROOT / "docs/rulegraph").glob("*.svg")}
    assert drawn - papers == rules - apart - papers, "make rulegraphs"
