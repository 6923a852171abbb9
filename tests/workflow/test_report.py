"""The report in a reader's browser: nothing from the network, no console error, every image."""

import ast
import json
import math
import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import nbformat
import pytest
from axe_core_python.selenium import Axe
from conftest import ROOT, chromium, needs_browser
from rote.core.papers import figure_names, load, names, table_names
from rote.report import notebook
from rote.run import config


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []
        self.loads = []
        self.images = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "a":
            self.links.append(values.get("href", ""))
        if tag in ("script", "img", "link", "iframe", "source") and (
            values.get("src") or values.get("href")
        ):
            self.loads.append(values.get("src") or values.get("href"))
        if tag == "img":
            self.images.append(values)


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
    assert not re.search(r"(@import|url\()", path.read_text().split("<body")[0])
    assert "cdn" not in path.read_text().split("<main")[0].lower()


def test_site_is_smaller_than_25_mb(smoke):
    assert (
        sum(path.stat().st_size for path in (smoke / "reports/smoke").rglob("*") if path.is_file())
        < 25_000_000
    )


def test_pages_have_no_dead_local_links(smoke):
    folder = smoke / "reports/smoke"
    for name in PAGES:
        for link in parsed(folder / name).links:
            if link.startswith("#"):
                assert f'id="{link[1:]}"' in (folder / name).read_text(), link
            elif not link.startswith("https://"):
                assert (folder / link).is_file(), link


def test_gallery_shows_figures_with_data_rule_code_and_command(smoke):
    text = (smoke / "reports/smoke/figures.html").read_text()
    made = config.load(ROOT / "config/smoke.yaml")
    for paper in names():
        figures = load(paper, "figures").FIGURES
        for key in figure_names(paper, getattr(made, paper)):
            figure = figures[key]
            begin = text.index(f'src="files/{paper}/{key}.png"')
            block = text[begin : text.index("</figure>", begin)]
            target = f"results/smoke/{paper}/figures/{key}.png"
            assert f"--configfile results/smoke/config.yaml --force -- {target}" in block
            assert f"<code>{paper}_draw_figures</code>" in block
            file, line = re.search(
                r"code: <code>(workflow/rote/[\w/]+\.py):(\d+)</code>", block
            ).groups()
            assert re.match(
                r"\s*(def|@)|.*lambda", (smoke / file).read_text().splitlines()[int(line) - 1]
            )
            for table in figure.tables:
                assert f"{paper}/{table}.parquet" in block


def test_table_link_copies_only_small_tables(smoke, monkeypatch):
    from rote.report import html

    folder = smoke / "results/smoke/longtail"
    assert html.table_link("longtail", folder, "scaling") == "files/longtail/scaling.parquet"
    monkeypatch.setattr(html, "COPIED", 10)
    link = html.table_link("longtail", folder, "scaling")
    assert link == "../../results/smoke/longtail/scaling.parquet"
    assert (smoke / "reports/smoke" / link).resolve() == folder / "scaling.parquet"


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
    from rote.report import html

    names = ("value", "low", "high", "criterion", "paper_value")
    text = html.interval(SimpleNamespace(**dict(zip(names, row, strict=True))))
    assert all(part in text for part in parts)
    for at in re.findall(r'(?:c?x[12]?)="([\d.]+)"', text):
        assert 0 <= float(at) <= 160
    assert html.interval(SimpleNamespace(**dict.fromkeys(names, math.nan))) == ""


@pytest.mark.parametrize("paper", names())
def test_formulas_are_mathml(smoke, paper):
    text = (smoke / f"reports/smoke/{paper}.html").read_text()
    assert text.count("<math") >= 5
    assert "$$" not in text
    assert not re.search(r"\\(frac|sum|hat)", text)


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
    world = {"results": str(results)}
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


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_pages_load_in_a_browser_without_errors(smoke, tmp_path, name):
    page = smoke / "reports/smoke" / name
    with chromium(tmp_path) as driver:
        driver.get(page.as_uri())
        driver.execute_script("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        broken = driver.execute_async_script(
            "const done = arguments[0]; Promise.all([...document.images].map(i => "
            "i.decode().then(() => 0, () => 1)))"
            ".then(list => done(list.reduce((a, b) => a + b, 0)))"
        )
        assert broken == 0
        assert [
            entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
        ] == []
        events = [
            json.loads(entry["message"])["message"] for entry in driver.get_log("performance")
        ]
        sent = [
            event["params"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        requested = [
            request["request"]["url"] for request in sent if request["documentURL"] == page.as_uri()
        ]
        assert requested
        local = ("data:", page.as_uri(), (page.parent / "files").as_uri())
        assert [url for url in requested if not url.startswith(local)] == []


@pytest.mark.browser
@needs_browser
def test_ledger_filters_by_origin_and_text(smoke, tmp_path):
    with chromium(tmp_path) as driver:
        driver.get((smoke / "reports/smoke/claims.html").as_uri())

        def shown():
            return driver.execute_script(
                "return [...document.querySelectorAll('#ledger-table tr[data-paper]')].filter(r "
                "=> !r.hidden).length"
            )

        everything = shown()
        assert everything > 40

        def choose(field, value):
            driver.execute_script(
                "document.getElementById(arguments[0]).value = arguments[1]", field, value
            )
            driver.execute_script(
                "document.getElementById(arguments[0]).dispatchEvent(new Event('input'))", field
            )

        choose("f-origin", "paper")
        from_papers = shown()
        assert 0 < from_papers < everything
        choose("f-text", "no claim says this")
        assert shown() == 0
        choose("f-text", "")
        choose("f-origin", "")
        assert shown() == everything


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone(smoke, browser, name):
    metrics = {"width": 375, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get((smoke / "reports/smoke" / name).as_uri())
    assert browser.execute_script("return window.innerWidth") == 375
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 375


@pytest.mark.browser
@needs_browser
def test_dark_mode_keeps_contrast(smoke, browser):
    colours = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    result = {}
    for scheme in ("light", "dark"):
        feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
        browser.get((smoke / "reports/smoke/index.html").as_uri())
        ink, paper = map(_channels, browser.execute_script(colours))
        result[scheme] = sum(ink) < sum(paper)
        assert _contrast(ink, paper) > 7
    assert result == {"light": True, "dark": False}


def _channels(colour: str) -> list[int]:
    """Red, green and blue of "rgb(1, 2, 3)"."""
    return [int(part) for part in re.findall(r"\d+", colour)[:3]]


def _contrast(a: list[int], b: list[int]) -> float:
    """Contrast ratio of two sRGB colours (WCAG 2.1)."""

    def luminance(colour):
        shares = [value / 255 for value in colour]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("name", ["index", "claims", "figures", "methods", "longtail"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_accessibility_violations(smoke, browser, name, scheme):
    """WCAG 2, A and AA: contrast, names of controls and pictures, table headers, unique ids."""
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    browser.set_script_timeout(300)
    browser.get((smoke / f"reports/smoke/{name}.html").as_uri())
    options = {"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"]}
    result = Axe().run(browser, options=options)
    assert result["passes"], "axe has looked at nothing"
    violations = {}
    for violation in result["violations"]:
        places = [node["html"][:200] for node in violation["nodes"]]
        violations[violation["id"]] = (violation["impact"], places)
    assert not violations
