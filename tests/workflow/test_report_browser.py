"""The report in a reader's browser: nothing from the network, no console error, every image."""

import json
import re

import pytest
from axe_core_python.selenium import Axe
from conftest import chromium, needs_browser
from rote import ledger as ledgers
from rote.core.papers import names
from rote.report import html

PAGES = [f"{page}.html" for page in ("index", "claims", "figures", "methods", *names())]


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


def emulate(browser, width: int, **media: str) -> None:
    """Show pages as a screen of this width does, or as paper (media="print")."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": media.get("scheme", "light")}]
    values = {"media": media.get("media", "screen"), "features": features}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", values)


SHOWN = (
    "return [...document.querySelectorAll('#ledger-table tr[data-paper]')]"
    ".filter(row => row.checkVisibility()).length"
)


@pytest.mark.browser
@needs_browser
def test_ledger_filters_by_origin_and_text(smoke, browser):
    page = (smoke / "reports/smoke/claims.html").as_uri()
    browser.get(page)
    everything = browser.execute_script(SHOWN)
    assert everything > 40

    def choose(field, value):
        browser.execute_script(
            "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
            "field.dispatchEvent(new Event('input'))",
            field,
            value,
        )
        return browser.execute_script(SHOWN)

    from_papers = choose("f-origin", "paper")
    assert 0 < from_papers < everything
    assert browser.current_url == f"{page}?origin=paper"
    assert choose("f-text", "no claim says this") == 0
    assert choose("f-text", "") == from_papers
    assert choose("f-origin", "") == everything


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize(
    "chosen", [{"origin": "paper"}, {"paper": "raf", "kind": "numerical"}, {"verdict": "not run"}]
)
def test_ledger_is_filtered_by_its_address(smoke, browser, chosen):
    ledger = ledgers.summary(ledgers.read(smoke / "results/smoke/claims.parquet"))
    for column, value in chosen.items():
        ledger = ledger[ledger[column] == value]
    browser.get(f"{(smoke / 'reports/smoke').as_uri()}/{html.filtered(**chosen)}")
    assert browser.execute_script(SHOWN) == len(ledger)


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("width", [400, 1200])
def test_a_claim_is_reached_by_its_id(smoke, browser, width):
    emulate(browser, width)
    browser.get((smoke / "reports/smoke/claims.html").as_uri() + "#resmem.over_knn")
    top = browser.execute_script(
        "return document.getElementById('resmem.over_knn').getBoundingClientRect().top"
    )
    assert 0 <= top < 700


@pytest.mark.browser
@needs_browser
def test_claims_are_cards_on_a_phone_verdict_first(smoke, browser):
    emulate(browser, 400)
    browser.get((smoke / "reports/smoke/claims.html").as_uri())
    height = browser.execute_script("return document.documentElement.scrollHeight")
    assert height < 4000  # papers are folded
    browser.get((smoke / "reports/smoke/claims.html").as_uri() + "?paper=raf")
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('tr[data-paper=raf]')].slice(0, 9)"
        ".map(row => [...row.cells].map(cell => cell.getBoundingClientRect())"
        ".map(box => [box.top, box.left, box.right]))"
    )
    for cells in boxes:
        assert [top for top, _, _ in cells] == sorted(top for top, _, _ in cells)
        assert all(left >= 0 and right <= 400 for _, left, right in cells)


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone(smoke, browser, name):
    emulate(browser, 375)
    browser.get((smoke / "reports/smoke" / name).as_uri())
    assert browser.execute_script("return window.innerWidth") == 375
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 375


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("name", ["index", "claims", "resmem"])
def test_pages_print_whole(smoke, browser, name):
    """A sheet of A4 without its margins is 690 pixels wide: nothing lies beyond, or is folded."""
    emulate(browser, 690, media="print")
    browser.get((smoke / f"reports/smoke/{name}.html").as_uri())
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    cut = browser.execute_script(
        "return [...document.querySelectorAll('td, th, figure, p, pre')]"
        ".filter(part => part.checkVisibility() && part.getBoundingClientRect().right > 691)"
        ".map(part => part.outerHTML.slice(0, 200))"
    )
    assert cut == []
    assert browser.execute_script(
        "return [...document.querySelectorAll('details')].every(part => part.open)"
    )
    verdicts = browser.execute_script(
        "return [...document.querySelectorAll('.ledger td.verdict')]"
        ".every(cell => cell.checkVisibility())"
    )
    assert verdicts


@pytest.mark.browser
@needs_browser
def test_subscripts_are_lower_than_their_base(smoke, browser):
    browser.get((smoke / "reports/smoke/raf.html").as_uri())
    places = browser.execute_script(
        "return [...document.querySelectorAll('msub')]"
        ".map(part => [...part.children].map(child => child.getBoundingClientRect().bottom))"
    )
    assert len(places) >= 5
    assert all(sub > base for base, sub in places)
    assert browser.execute_script("return document.fonts.check('16px \"STIX Two Math\"')")


@pytest.mark.browser
@needs_browser
def test_wide_figures_keep_their_size_on_a_phone(smoke, browser):
    emulate(browser, 400)
    browser.get((smoke / "reports/smoke/raf.html").as_uri())
    widths = browser.execute_script(
        "return [...document.querySelectorAll('.wide img')].map(img => img.clientWidth)"
    )
    assert widths
    assert min(widths) > 600
    links = "return [...document.querySelectorAll('.wide')].every(box => box.querySelector('a'))"
    assert browser.execute_script(links)  # what scrolls can be focused


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
@pytest.mark.parametrize("name", ["index", "claims", "figures", "methods", "longtail", "raf"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_pages_have_no_accessibility_violations(smoke, browser, name, scheme, width):
    """WCAG 2, A and AA: contrast, names of controls and pictures, table headers, unique ids."""
    emulate(browser, width, scheme=scheme)
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
