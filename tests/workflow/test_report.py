"""The report as a reader's browser sees it: nothing asked of the network, no console error, every image there."""

import json
import re
from html.parser import HTMLParser

import nbformat
import pytest
from conftest import chromium, needs_browser
from rote.papers import load, names
from rote.report import notebook


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.loads, self.images = [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "a":
            self.links.append(values.get("href", ""))
        if tag in ("script", "img", "link", "iframe", "source") and (values.get("src") or values.get("href")):
            self.loads.append(values.get("src") or values.get("href"))
        if tag == "img":
            self.images.append(values)


def parsed(path) -> _Links:
    page = _Links()
    page.feed(path.read_text())
    return page


PAGES = ["index.html", *(f"{paper}.html" for paper in names())]


@pytest.mark.parametrize("name", PAGES)
def test_pages_load_nothing_from_elsewhere(smoke, name):
    path = smoke / "reports/smoke" / name
    page = parsed(path)
    assert page.images
    assert all(source.startswith("data:") for source in page.loads)
    assert all(len(image["alt"]) > 20 for image in page.images)
    assert not re.search(r"(@import|url\()", path.read_text().split("<body")[0])
    assert "cdn" not in path.read_text().split("<main")[0].lower()
    assert path.stat().st_size < 25_000_000


def test_every_local_link_leads_somewhere(smoke):
    folder = smoke / "reports/smoke"
    for name in PAGES:
        for link in parsed(folder / name).links:
            if link.startswith("#"):
                assert f'id="{link[1:]}"' in (folder / name).read_text(), link
            elif not link.startswith("https://"):
                assert (folder / link).is_file(), link


def test_the_gallery_has_every_figure_with_its_tables(smoke):
    text = (smoke / "reports/smoke/index.html").read_text()
    for paper in names():
        for key, figure in load(paper, "figures").FIGURES.items():
            assert f'id="{paper}-{key}"' in text
            assert f"snakemake results/smoke/{paper}/figures/{key}.png" in text
            for table in figure.tables:
                assert f'href="files/{paper}/{table}.parquet"' in text


def test_the_front_page_has_the_ledger_timings_and_provenance(smoke):
    text = (smoke / "reports/smoke/index.html").read_text()
    for wanted in (
        "longtail.exact_recovery",
        "longtail_train_network_sum",
        "rote longtail solve-linear",
        "torch 2.13.0",
    ):
        assert wanted in text
    assert "verdicts mean" in text  # a smoke run says that its verdicts mean nothing


@pytest.mark.parametrize("paper", names())
def test_formulas_are_mathml(smoke, paper):
    text = (smoke / f"reports/smoke/{paper}.html").read_text()
    assert text.count("<math") >= 5
    assert "$$" not in text
    assert not re.search(r"\\(frac|sum|hat)", text)


@pytest.mark.parametrize("paper", names())
def test_executed_notebooks_are_stripped_of_times(smoke, paper):
    content = nbformat.read(smoke / f"reports/smoke/{paper}.ipynb", as_version=4)
    assert "papermill" not in content.metadata
    assert all("papermill" not in cell.metadata and "execution" not in cell.metadata for cell in content.cells)
    assert any("injected-parameters" in cell.metadata.get("tags", []) for cell in content.cells)


def test_a_failing_notebook_names_its_cell_and_leaves_nothing(tmp_path):
    from rote.errors import InputError

    source = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("1 / 0")])
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
def test_in_a_browser(smoke, tmp_path, name):
    page = smoke / "reports/smoke" / name
    with chromium(tmp_path) as driver:
        driver.get(page.as_uri())
        driver.execute_script("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        broken = driver.execute_async_script(
            "const done = arguments[0]; Promise.all([...document.images].map(i => i.decode().then(() => 0, () => 1)))"
            ".then(list => done(list.reduce((a, b) => a + b, 0)))"
        )
        assert broken == 0
        assert [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
        events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        asked = [request["request"]["url"] for request in sent if request["documentURL"] == page.as_uri()]
        assert asked
        assert [url for url in asked if not url.startswith(("data:", page.as_uri()))] == []


@pytest.mark.browser
@needs_browser
def test_ledger_filters(smoke, tmp_path):
    with chromium(tmp_path) as driver:
        driver.get((smoke / "reports/smoke/index.html").as_uri())
        shown = lambda: driver.execute_script(  # noqa: E731
            "return [...document.querySelectorAll('#ledger-table tr[data-paper]')].filter(r => !r.hidden).length"
        )
        everything = shown()
        assert everything > 40

        def choose(field, value):
            driver.execute_script("document.getElementById(arguments[0]).value = arguments[1]", field, value)
            driver.execute_script("document.getElementById(arguments[0]).dispatchEvent(new Event('input'))", field)

        choose("f-origin", "paper")
        some = shown()
        assert 0 < some < everything
        choose("f-text", "no claim says this")
        assert shown() == 0
        choose("f-text", "")
        choose("f-origin", "")
        assert shown() == everything


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_the_page_does_not_scroll_sideways(smoke, tmp_path, name):
    with chromium(tmp_path, width=500) as driver:  # as narrow as a desktop window gets
        driver.get((smoke / "reports/smoke" / name).as_uri())
        assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
