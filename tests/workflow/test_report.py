"""The report as files: its links, sources, sentences, formulas, notebooks."""

import ast
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import nbformat
import pandas as pd
import pytest
from rote import ledger as ledgers
from rote.core.papers import figure_names, load, names, table_names
from rote.report import html, notebook, pictures
from rote.run import config


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []
        self.loads = []
        self.images = []
        self.ids = set()
        self.texts = {}  # of links
        self._inside = ""

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if "id" in values:
            assert values["id"] not in self.ids, "two elements of one id"
            self.ids.add(values["id"])
        if tag == "a":
            self.links.append(values.get("href", ""))
            self._inside = self.links[-1]
        if tag in ("script", "img", "link", "iframe", "source") and (
            values.get("src") or values.get("href")
        ):
            self.loads.append(values.get("src") or values.get("href"))
        if tag == "img":
            self.images.append(values)

    def handle_data(self, data):
        if self._inside:
            self.texts.setdefault(self._inside, data.strip())

    def handle_endtag(self, tag):
        if tag == "a":
            self._inside = ""


def parsed(path) -> _Links:
    page = _Links()
    page.feed(path.read_text())
    return page


PAGES = [f"{page}.html" for page in ("index", "claims", "figures", "methods", *names())]


@pytest.mark.parametrize("name", PAGES)
def test_pages_load_nothing_from_elsewhere(smoke, name):
    path = smoke / "reports/smoke" / name
    page = parsed(path)
    assert page.images or name in ("claims.html", "methods.html")
    assert all(
        source.startswith("data:") or (path.parent / source).is_file() for source in page.loads
    )
    assert all(len(image["alt"]) > 20 for image in page.images)
    text = re.sub(r"data:[\w/;,+=-]+", "data:", path.read_text())
    assert not re.search(r"(@import|url\((?!data:))", text.split("<body")[0])
    assert "cdn" not in text.split("<main")[0].lower()


def test_site_is_smaller_than_25_mb(smoke):
    assert (
        sum(path.stat().st_size for path in (smoke / "reports/smoke").rglob("*") if path.is_file())
        < 25_000_000
    )


@pytest.fixture(scope="module")
def moved(smoke, tmp_path_factory):
    """The report alone, in another place."""
    folder = tmp_path_factory.mktemp("moved") / "report"
    return shutil.copytree(smoke / "reports/smoke", folder)


def test_moved_report_has_no_dead_links(moved):
    pages = {name: parsed(moved / name) for name in PAGES}
    for name, page in pages.items():
        for link in set(page.links):
            parts = urlsplit(link)
            if parts.scheme in ("https", "data"):
                continue
            target = (moved / (parts.path or name)).resolve()
            assert target.is_file(), f"{name}: {link}"
            assert target.is_relative_to(moved), f"{name}: {link} leads out of the report"
            if parts.fragment and target.suffix == ".html":
                assert parts.fragment in pages[target.name].ids, f"{name}: {link}"


def test_moved_report_names_the_size_of_what_it_lacks(smoke, monkeypatch):
    folder = smoke / "results/smoke/longtail"
    figure = load("longtail", "figures").FIGURES["scaling"]
    block = html.figure_block("smoke", folder, "scaling", figure)
    assert 'href="files/longtail/scaling.parquet"' in block
    monkeypatch.setattr(html, "COPIED", 10)
    block = html.figure_block("smoke", folder, "scaling", figure)
    assert "href" not in block.split("data:")[1].split("<br>")[0]
    assert "results/smoke/longtail/scaling.parquet</code> (4 kB, not copied)" in block


def test_notebook_runs_beside_a_moved_report(moved, monkeypatch):
    """A copy of the report brings ledgers and small tables along."""
    monkeypatch.chdir(moved)
    paper = notebook.Chapter("longtail", "results/smoke", live=True)
    block = paper.figure("scaling", "scaling_exponent").data
    assert 'src="data:image/png;base64,' in block
    assert "results/smoke/longtail/figures/scaling.png" in block
    assert "exact_recovery" in paper.claims().data


def test_counts_of_the_overview_link_to_as_many_claims(smoke):
    ledger = ledgers.summary(ledgers.read(smoke / "results/smoke/claims.parquet"))
    page = parsed(smoke / "reports/smoke/index.html")
    counted = 0
    for link, label in page.texts.items():
        if link.startswith("claims.html?"):
            chosen = dict(parse_qsl(urlsplit(link).query))
            assert set(chosen) <= {"paper", "verdict", "origin", "kind"}
            rows = ledger
            for column, value in chosen.items():
                rows = rows[rows[column] == value]
            assert label.split()[0] == str(len(rows)), link
            counted += 1
    assert counted > 10
    assert {f"claims.html?origin={origin}" for origin in ledgers.ORIGINS} <= set(page.links)
    assert {f"claims.html?kind={kind}" for kind in ledgers.KINDS} <= set(page.links)


def test_overview_has_a_finding_and_a_figure_of_every_paper(smoke):
    text = (smoke / "reports/smoke/index.html").read_text()
    for paper in names():
        card = text.split(f'<li id="{paper}">')[1].split("</li>")[0]
        assert re.search(rf'<img [^>]*src="files/{paper}/\w+\.png"', card)
        assert "Not judged in this run: whether" in card
        assert re.search(rf'href="claims.html#{paper}\.\w+"', card)


def test_rows_of_claims_have_statistic_line_and_tables(smoke):
    text = (smoke / "reports/smoke/claims.html").read_text()
    for paper in names():
        for claim in ledgers.load(smoke / f"workflow/claims/{paper}.yaml"):
            row = text.split(f'<tr id="{claim.id}"')[1].split("\n<tr id")[0]
            file, line = re.search(r"<code>(workflow/rote/[\w/]+\.py):(\d+)</code>", row).groups()
            code = (smoke / file).read_text().splitlines()[int(line) - 1]
            assert re.match(r"\s*(def|@|class)|.*(lambda|=)", code), f"{claim.id}: {code}"
            file, line = re.search(r"<code>(workflow/claims/\w+\.yaml):(\d+)</code>", row).groups()
            assert claim.id in (smoke / file).read_text().splitlines()[int(line) - 1]


def test_ledger_can_be_downloaded(smoke):
    files = smoke / "reports/smoke/files"
    ledger = ledgers.read(smoke / "results/smoke/claims.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(files / "claims.parquet"), ledger)
    assert list(pd.read_csv(files / "claims.csv")["claim"]) == list(ledger["claim"])


@pytest.mark.parametrize("paper", names())
def test_paper_pages_begin_with_the_finding(smoke, paper):
    text = (smoke / f"reports/smoke/{paper}.html").read_text()
    order = ['aria-label="Pages"', "Run <b>smoke</b>", "<h1", 'class="finding"']
    order += ["Three things to know", 'class="statements"', 'id="setting"', "what is ours"]
    order += ["<figure", 'id="ledger"']
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    for other in names():
        assert f'<a href="{other}.html"' in text
    contents = text.split('aria-label="Contents"')[1].split("</nav>")[0]
    assert contents.count("<li>") == text.count("<h2 id=") >= 4
    assert text.count("<li>", places[5], places[6]) == 3
    # claims are folded, and so are the sources of figures
    assert 'class="ledger"' not in text.split('<details class="ledger-fold"')[0]
    for figure in re.findall(r"<figure.*?</figure>", text, flags=re.S):
        assert "snakemake" not in figure.split("<details")[0]
        assert "--force -- results/smoke/" in figure.split("<details")[1]


def test_captions_quote_claims(smoke):
    text = (smoke / "reports/smoke/longtail.html").read_text()
    block = text[text.index('<figure id="longtail-isolation">') :]
    block = block[: block.index("</figure>")]
    assert "not run" in block  # at the smoke scale no claim is judged


def test_pages_name_claims_methods_and_the_scale(smoke):
    folder = smoke / "reports/smoke"
    assert "longtail.exact_recovery" in (folder / "claims.html").read_text()
    methods = (folder / "methods.html").read_text()
    for expected in ("longtail_train_network_sum", "rote longtail solve-linear", "torch 2.13.0"):
        assert expected in methods
    front = (folder / "index.html").read_text()
    assert "no claim is judged" in " ".join(front.split())


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        (
            (0.5, 0.4, 0.6, "> 0", "0.3"),
            ["0.5, interval 0.4 to 0.6; criterion &gt; 0; the paper: 0.3", "<rect", "<path"],
        ),
        ((0.5, math.nan, math.nan, "", "about 3"), ['aria-label="0.5"']),
        ((0.5, -math.inf, math.inf, "> 0", ""), ["0.5, interval −∞ to ∞"]),
        ((1e-9, 1e-10, 2e-9, "< 1e-8", ""), ["<rect"]),
        ((2.0, 2.0, 2.0, "in [1, 3]", ""), ["<rect", "<circle"]),
    ],
)
def test_interval_is_drawn_inside_its_frame(row, parts):
    names = ("value", "low", "high", "criterion", "paper_value")
    given = SimpleNamespace(condition="", **dict(zip(names, row, strict=True)))
    text = pictures.interval(given, [0.1, 0.4, 1e9])
    assert all(part in text for part in parts)
    for at in re.findall(r'(?:c?x[12]?)="([\d.]+)"|M([\d.]+) ', text):
        assert 0 <= float("".join(at)) <= 168
    assert pictures.interval(SimpleNamespace(**dict.fromkeys(names, math.nan))) == ""


@pytest.mark.parametrize("paper", names())
def test_formulas_are_mathml(smoke, paper):
    text = (smoke / f"reports/smoke/{paper}.html").read_text()
    assert text.count("<math") >= 5
    assert "$" not in re.sub(r"<(script|style|pre)>.*?</\1>", "", text, flags=re.S)
    assert not re.search(r"\\(frac|sum|hat|mathrm|,)", text)


def test_formulas_of_several_lines_are_mathml():
    from rote.report.pages import with_mathml

    text = with_mathml("as\n\n$$a_1 +\nb^2\n= c$$\n\nand $x_i +\n y$.")
    assert text.count("<math") == 2
    assert text.count('display="block"') == 1
    assert "$" not in text


def test_font_of_formulas_has_their_letters():
    from fontTools.ttLib import TTFont

    path = Path(html.__file__).parent / "templates/math.woff"
    font = TTFont(path)
    assert "MATH" in font
    drawn = font.getBestCmap()
    needed = set("()[]+−=<>≤≥∑∏∫√∈∞→αβγδεκλμνξπρσφϕψωΔΣθ…⋅×") | set("abcxyzABC0123456789")
    italic = {chr(0x1D44E + i) for i in range(26) if i != 7} | {chr(0x1D434 + i) for i in range(26)}
    missing = {letter for letter in needed | italic if ord(letter) not in drawn}
    assert missing == set()
    assert path.stat().st_size < 60_000


@pytest.mark.parametrize("paper", names())
def test_notebooks_name_what_the_laptop_run_leaves_out(smoke, tmp_path, paper):
    section = getattr(config.load(), paper)
    made = smoke / "results/smoke"
    results = tmp_path / "results/laptop"
    (results / "claims").mkdir(parents=True)
    shutil.copyfile(made / f"claims/{paper}.parquet", results / f"claims/{paper}.parquet")
    drawn = figure_names(paper, section)
    (results / paper / "figures").mkdir(parents=True)
    for name in table_names(paper, section):
        shutil.copyfile(made / paper / f"{name}.parquet", results / paper / f"{name}.parquet")
    for name in drawn:
        picture = f"{paper}/figures/{name}.png"
        shutil.copyfile(made / picture, results / picture)
    cells = nbformat.read(smoke / f"workflow/notebooks/{paper}.ipynb", as_version=4).cells
    world = {"results": str(results), "live": False}
    page = ""
    for cell in cells:
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
            *statements, last = ast.parse(cell.source).body
            exec(ast.unparse(ast.Module(statements, [])), world)
            if isinstance(last, ast.Expr):
                page += str(eval(ast.unparse(last), world).data)
            else:
                exec(ast.unparse(last), world)
    figures = load(paper, "figures").FIGURES
    for name, figure in figures.items():
        assert (f'<p class="left-out">{figure.title}' in page) == (name not in drawn), name


@pytest.mark.parametrize("paper", names())
def test_notebooks_hold_no_times(smoke, paper):
    content = nbformat.read(smoke / f"reports/smoke/{paper}.ipynb", as_version=4)
    assert "papermill" not in content.metadata
    assert all(
        "papermill" not in cell.metadata and "execution" not in cell.metadata
        for cell in content.cells
    )
    assert any("injected-parameters" in cell.metadata.get("tags", []) for cell in content.cells)


def test_execute_names_the_failing_cell_and_leaves_nothing(tmp_path):
    from rote.core.errors import InputError

    source = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("1 / 0")]
    )
    source.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(source, tmp_path / "source.ipynb")
    with pytest.raises(InputError, match=r"cell \d+: ZeroDivisionError"):
        notebook.execute(tmp_path / "source.ipynb", tmp_path / "out.ipynb", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.ipynb"]
