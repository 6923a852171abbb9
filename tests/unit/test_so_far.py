"""The report while a run goes on: what it shows, what it leaves out, what it says of itself."""

import shutil
import threading
import time

import pandas as pd
import pyarrow as pa
import pytest
from conftest import ROOT
from rote import ledger as ledgers
from rote.core import job, tables
from rote.core.papers import load
from rote.report import pages
from rote.run import ending, order

RUN = {"run": "laptop", "scale": "laptop", "seed": 1, "papers": ["raf", "longtail"]}


@pytest.fixture
def folders(tmp_path):
    """results/laptop and reports/laptop, both empty."""
    made = (tmp_path / "results/laptop", tmp_path / "reports/laptop")
    for folder in made:
        folder.mkdir(parents=True)
    return made


def make(paper, results, out):
    """What the jobs of a paper leave, down to its page; its claims are all not run."""
    names = set()
    for key, figure in load(paper, "figures").FIGURES.items():
        names |= set(figure.tables)
        for suffix in (".png", ".pdf"):
            path = results / paper / "figures" / f"{key}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"drawn")
    for name in names:
        write_table(results / paper / f"{name}.parquet")
    with job.start("claims") as work:
        record = work.provenance() | {"tables": dict.fromkeys(names, "first")}
    claims = ROOT / f"workflow/claims/{paper}.yaml"
    frame = ledgers.evaluate(claims, {}, scale="full")
    tables.write(ledgers.of_paper(results, paper), frame, ledgers.Ledger, record)
    (out / f"{paper}.html").write_text("a page")


def write_table(path, digest="first"):
    with job.start("raf solve") as work:
        record = work.provenance() | {"data_sha256": digest, "rows": 1}
    tables.write_with_metadata(path, pa.table({"value": [1.0]}), {b"rote": record})


def front(out) -> str:
    return " ".join((out / "index.html").read_text().split())


def test_report_grows_with_every_paper(folders):
    results, out = folders
    pages.so_far(RUN, results, out)
    assert list(out.iterdir()) == []
    make("raf", results, out)
    pages.so_far(RUN, results, out)
    assert "Partial: 1 of 2 papers are judged.</b> Not yet: Long-tail composition." in front(out)
    assert 'http-equiv="refresh"' in front(out)
    assert 'href="raf.html"' in front(out)
    assert 'href="longtail.html"' not in front(out)
    for page in ("claims", "figures", "methods"):
        assert "Partial: 1 of 2 papers" in " ".join((out / f"{page}.html").read_text().split())
    make("longtail", results, out)
    pages.so_far(RUN, results, out)
    assert "Partial" not in front(out)
    assert "refresh" not in front(out)
    assert 'href="longtail.html"' in front(out)


def test_growing_report_is_older_than_what_it_shows(folders):
    """Snakemake must never take it for the report of the whole run, whoever is killed when."""
    results, out = folders
    make("raf", results, out)
    pages.so_far(RUN | {"papers": ["raf"]}, results, out)
    inputs = min(path.stat().st_mtime for path in results.rglob("*.parquet"))
    for page in ("index", "claims", "figures", "methods"):
        assert (out / f"{page}.html").stat().st_mtime < inputs - 1e6


@pytest.mark.parametrize(
    "change",
    [
        lambda results, out: (results / "raf/curves.parquet").unlink(),
        lambda results, out: write_table(results / "raf/curves.parquet", "second"),
        lambda results, out: (results / "raf/figures/linear.png").unlink(),
        lambda results, out: (out / "raf.html").unlink(),
        lambda results, out: (results / "claims/raf.parquet").unlink(),
    ],
)
def test_report_leaves_out_a_paper_that_is_computed_anew(folders, change):
    """As in a run with --forceall, or after a failure: the old ledger is not that of the tables."""
    results, out = folders
    for paper in RUN["papers"]:
        make(paper, results, out)
    change(results, out)
    pages.so_far(RUN, results, out)
    assert "Partial: 1 of 2 papers are judged.</b> Not yet: Rules and facts." in front(out)


def test_report_of_some_papers_is_whole_without_the_others(folders):
    results, out = folders
    for paper in RUN["papers"]:
        make(paper, results, out)
    pages.so_far(RUN | {"papers": ["raf"]}, results, out)
    assert "Partial" not in front(out)
    assert 'href="longtail.html"' not in front(out)


def test_report_stays_as_it_was_if_a_ledger_cannot_be_read(folders, monkeypatch):
    """A paper must not fail for what another left."""
    results, out = folders
    make("raf", results, out)
    pages.so_far(RUN, results, out)
    before = front(out)
    make("longtail", results, out)
    monkeypatch.delitem(ledgers.Ledger.model_fields, "scales")
    path = ledgers.of_paper(results, "longtail")
    frame = tables.read(path).drop(columns="scales")
    record = {**tables.provenance(path)}
    tables.write_with_metadata(path, pa.Table.from_pandas(frame), {b"rote": record})
    monkeypatch.undo()
    pages.so_far(RUN, results, out)
    assert front(out) == before


def test_report_leaves_out_timings_that_are_not_written_yet(folders):
    """Snakemake writes the benchmarks of other jobs at any time."""
    results, out = folders
    make("raf", results, out)
    (results / "benchmarks").mkdir()
    (results / "benchmarks/raf_begun.tsv").touch()
    row = "s\tcpu_time\tmax_rss\n1.5\tNA\t-\n"
    (results / "benchmarks/raf_done.tsv").write_text(row)
    pages.so_far(RUN, results, out)
    methods = (out / "methods.html").read_text()
    assert "raf_done" in methods
    assert "raf_begun" not in methods


def test_jobs_that_end_at_once_take_turns(folders, monkeypatch):
    results, out = folders
    for paper in RUN["papers"]:
        make(paper, results, out)
    inside, at_once = [], []

    def slow(*arguments, **options):
        inside.append(1)
        at_once.append(len(inside))
        time.sleep(0.05)
        inside.pop()

    monkeypatch.setattr(pages, "_draw", slow)
    jobs = [threading.Thread(target=pages.so_far, args=(RUN, results, out)) for _ in range(3)]
    for started in jobs:
        started.start()
    for started in jobs:
        started.join()
    assert at_once == [1, 1, 1]
    assert not [path for path in out.iterdir() if path.suffix != ".html"]


def test_finding_names_own_claims_first_and_where_others_are_judged():
    claims = ROOT / "workflow/claims/raf.yaml"
    frame = ledgers.evaluate(claims, {}, scale="full")
    frame.loc[frame["origin"] == "paper", "verdict"] = "reproduced"
    first = frame.index[frame["origin"] == "extension"][0]
    frame.loc[first, ["criterion", "scales"]] = ["", "paper"]
    n_claims = int((frame["origin"] == "paper").sum())
    line = ledgers.text.finding(frame)
    assert line.startswith(
        f"Rules and facts:              own claims {n_claims}: {n_claims} reproduced; all "
    )
    assert line.endswith("not run (1 judged at paper)")
    expected = "1 claim is not judged at this scale. Judged at: paper (1)."
    assert ledgers.text.elsewhere(frame) == expected
    assert ledgers.text.elsewhere(frame.drop(index=first)) == ""
    assert ledgers.text.finding(frame[frame["origin"] != "paper"]).count("no own claims; all") == 1


def test_unjudged_claims_say_where_they_are_judged():
    first = ledgers.load(ROOT / "workflow/claims/raf.yaml")[0]
    claim = first.model_copy(update={"scales": ["paper"], "passes": "> 0"})
    row = ledgers.evaluate([claim], {}, scale="smoke").iloc[0]
    assert row["scales"] == "paper"
    assert row["note"].endswith("Not judged at scale smoke, but at paper.")


def test_joined_ledgers_are_those_of_the_papers(folders):
    results, out = folders
    for paper in RUN["papers"]:
        make(paper, results, out)
    joined = ledgers.join(results, ["longtail", "raf"])
    parts = [tables.read(ledgers.of_paper(results, paper)) for paper in ("longtail", "raf")]
    pd.testing.assert_frame_equal(joined, pd.concat(parts, ignore_index=True))


def test_end_of_a_run_has_a_line_per_paper(folders, tmp_path):
    results, out = folders
    assert ending.lines("laptop", "laptop", ["raf", "longtail"], tmp_path) == []
    (results / "claims").mkdir()
    (results / "claims/raf.txt").write_text("Rules and facts: all 31: 31 reproduced\n")
    (out / "index.html").touch()
    printed = ending.lines("laptop", "laptop", ["raf", "longtail"], tmp_path)
    assert printed == [
        "Rules and facts: all 31: 31 reproduced",
        "Report: reports/laptop/index.html (partial: 1 of 2 papers are not judged)",
    ]
    (results / "claims.parquet").touch()
    assert ending.lines("laptop", "smoke", ["raf"], tmp_path) == [
        "Rules and facts: all 31: 31 reproduced",
        "At scale smoke no claim is judged.",
        "Report: reports/laptop/index.html",
        "Every claim: rote ledger laptop",
    ]
    shutil.rmtree(results / "claims")
    assert ending.lines("laptop", "laptop", ["raf"], tmp_path) == [
        "Report: reports/laptop/index.html (partial: 1 of 1 papers are not judged)"
    ]


def test_papers_that_cost_least_come_first(monkeypatch):
    measured = {"raf_a": [5.0], "raf_b": [1.0, 1.0], "chain_a": [3.0], "report_site": [99.0]}
    monkeypatch.setattr(order, "seconds", lambda scale: measured)
    assert order.turns(["raf", "chain", "mine"], "smoke") == {"mine": 300, "chain": 200, "raf": 100}
    monkeypatch.undo()
    assert order.seconds("paper") == order.seconds("laptop") != order.seconds("smoke")


def test_order_needs_no_smoke_run_among_the_measured(monkeypatch, tmp_path):
    path = tmp_path / "costs.tsv"
    path.write_text("scale\trule\tseconds\nlaptop\traf_solve_curves\t7\n")
    monkeypatch.setattr(order, "MEASURED", path)
    assert order.seconds("smoke") == {"raf_solve_curves": [7.0]}


def test_paper_is_judged_without_the_figures_of_left_out_tables(folders):
    results, out = folders
    make("raf", results, out)
    (results / "raf/two_layer.parquet").unlink()
    for path in (results / "raf/figures").glob("two_layer*"):
        path.unlink()
    with job.start("claims") as work:
        digests = {path.stem: "first" for path in (results / "raf").glob("*.parquet")}
        record = work.provenance() | {"tables": digests}
    frame = tables.read(ledgers.of_paper(results, "raf"))
    tables.write(ledgers.of_paper(results, "raf"), frame, ledgers.Ledger, record)
    assert pages.judged(["raf"], results, out) == ["raf"]
    pages.so_far(RUN, results, out)
    assert "two_layer" not in (out / "raf.html").read_text()
