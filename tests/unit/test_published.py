"""The published ledger: kept as CSV, quoted by README and docs, compared between seeds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger as ledgers
from rote.core.errors import InputError
from rote.report import evidence, published
from test_nulls import arms, claim


def judged(effect=1.0, **changes) -> pd.DataFrame:
    return ledgers.evaluate([claim("difference", "exchange", **changes)], arms(effect))


@pytest.fixture
def root(tmp_path):
    (tmp_path / published.FOLDER).mkdir(parents=True)
    judged().to_csv(tmp_path / published.FOLDER / "ledger.csv", index=False)
    return tmp_path


def test_filled_writes_what_markers_ask_for(root):
    text = "It gains <!--rote longtail.difference value-->x<!--/--> (<!--rote longtail.difference "
    text += "verdict-->?<!--/-->).\n<!--rote counts origin--><!--/-->\n"
    new = published.filled(text, root, "README.md")
    assert "<!--rote longtail.difference value-->1<!--/-->" in new
    assert "verdict-->reproduced<!--/-->" in new
    assert "| extension | 1 | 1 | 0 | 0 | 0 |" in new
    assert published.filled(new, root, "README.md") == new


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("longtail.differense value", "README.md: marker .*no claim 'longtail.differense'"),
        ("longtail.difference valu", "no field 'valu'; there are value, percent"),
        ("longtail.difference [load 9] value", "no condition 'load 9'"),
        ("counts", "write '<claim> .* or one of headline"),
    ],
)
def test_filled_names_a_marker_that_cannot_be_answered(root, marker, message):
    with pytest.raises(InputError, match=message):
        published.filled(f"<!--rote {marker}-->x<!--/-->", root, "README.md")


def test_filled_refuses_a_marker_that_is_not_closed(root):
    with pytest.raises(InputError, match="not closed"):
        published.filled("<!--rote headline--> text", root, "README.md")


def test_readme_and_docs_say_what_the_published_ledger_says():
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text()
        assert published.filled(text, ROOT, path.name) == text, f"run: rote claims fill ({path})"


def kept_ledger(root: Path, rows: list[dict]) -> str:
    """What a repository with the claims of this one says of a ledger with these rows."""
    (root / "workflow").mkdir()
    (root / "workflow/claims").symlink_to(ROOT / "workflow/claims")
    (root / published.FOLDER).mkdir(parents=True)
    columns = dict.fromkeys(ledgers.Ledger.model_fields, "")
    frame = pd.DataFrame([columns | row for row in rows])
    frame.to_csv(root / published.FOLDER / "ledger.csv", index=False)
    return published.filled("<!--rote changed--><!--/-->", root, "README.md")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows, "the claims and criteria that the repository has"),
        (lambda rows: [row | {"criterion": "> 12345"} for row in rows], ": 5 judged"),
        (lambda rows: [rows[0] | {"says": "Other words."}, *rows[1:]], "1 worded anew"),
        (lambda rows: rows[2:], "2 added."),
        (lambda rows: [*rows, rows[0] | {"claim": "raf_former"}], "1 withdrawn."),
    ],
)
def test_text_says_how_claims_differ_from_those_of_the_published_ledger(tmp_path, change, says):
    entries = ledgers.load(ROOT / "workflow/claims/raf.yaml")
    rows = [
        {"claim": c.id, "paper": c.paper, "says": c.says, "criterion": c.criterion_at("full")}
        for c in entries
    ]
    text = kept_ledger(tmp_path, change(rows))
    assert says.replace("5 judged", f"{len(entries)} judged") in text


def test_published_coverage_is_what_the_intervals_have():
    table = pd.read_csv(ROOT / published.FOLDER / "coverage.csv")
    declared = table[table["declared"]]
    assert (declared["coverage"] >= 0.93).all()
    assert (declared["false_reproduced"] <= 0.035).all()
    cells = [("mean", "Gaussian"), ("mean", "lognormal"), ("proportion", "Bernoulli, 0.1")]
    measured = ledgers.coverage.measure(cells, sizes=(5, 10), draws=1000, seed=9)
    keys = ["method", "distribution", "replicates"]
    both = measured.merge(table, on=keys, suffixes=("", "_kept"))
    assert len(both) == 6
    assert np.allclose(both["coverage"], both["coverage_kept"], atol=0.03)


def test_stability_tells_grave_moves_from_harmless_ones():
    ledgers_ = [judged(1.0), judged(0.05), judged(-1.0)]
    moves = evidence.stability(ledgers_[:2])
    assert moves["move"].item() == "to or from inconclusive"
    assert evidence.stability([ledgers_[0], ledgers_[2]])["move"].item() == evidence.MOVES[2]
    assert evidence.stability([ledgers_[0], judged(1.1)])["move"].item() == "none"
    assert "0 move between" in evidence.stability_sentence(moves)
    with pytest.raises(InputError, match="two runs"):
        evidence.stability(ledgers_[:1])


def test_stability_names_ledgers_that_are_the_same(tmp_path):
    frame = judged()
    frame.to_csv(tmp_path / "published_rows.csv", index=False, float_format="%.6g")
    published_rows = published.read(tmp_path / "published_rows.csv")
    with pytest.raises(InputError, match="ledger 1 and ledger 3 hold the same values"):
        evidence.stability([frame, judged(0.5), frame])
    with pytest.raises(InputError, match=r"results/a and published_rows\.csv hold the same values"):
        evidence.stability([frame, published_rows], ["results/a", "published_rows.csv"])


@pytest.mark.parametrize("there", ["nothing", "README.md"])
def test_fill_and_keep_refuse_a_folder_that_is_no_repository(tmp_path, there):
    if there == "README.md":
        (tmp_path / there).write_text("")
    for write in (published.fill, lambda root: published.keep(tmp_path, "ledger", root)):
        with pytest.raises(InputError, match=f"root {tmp_path}: no README.md and docs/"):
            write(tmp_path)
    assert not (tmp_path / "docs").exists()
