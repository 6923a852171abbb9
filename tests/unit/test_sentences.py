"""Sentences of notebooks stand on claims, and change with their verdicts."""

import ast
import json
import re

import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger as ledgers
from rote.core import job, tables
from rote.core.errors import InputError
from rote.core.papers import load, names
from rote.report.notebook import Chapter
from rote.report.sentences import on_claims, worded


def cells(paper: str, kind: str) -> list[str]:
    notebook = json.loads((ROOT / f"workflow/notebooks/{paper}.ipynb").read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def calls(paper: str, *methods: str) -> list[ast.Call]:
    """Calls of a chapter's methods in a paper's notebook."""
    matching = []
    for source in cells(paper, "code"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in methods:
                matching.append(node)
    return matching


def ledger(paper: str) -> pd.DataFrame:
    """A paper's ledger in which every claim is reproduced."""
    frame = ledgers.evaluate(ROOT / f"workflow/claims/{paper}.yaml", {}, scale="full")
    return frame.assign(verdict="reproduced", value=1.0)


def chapter(paper: str, frame: pd.DataFrame, folder) -> Chapter:
    path = ledgers.of_paper(folder, paper)
    path.parent.mkdir(parents=True, exist_ok=True)
    with job.start("claims") as work:
        tables.write(path, frame, ledgers.Ledger, work.provenance())
    return Chapter(paper, folder)


def rendered(paper: Chapter, source: ast.Call) -> str:
    """What a call shows, without the values of the claims."""
    html = eval(ast.unparse(source), {"paper": paper}).data
    return " ".join(re.sub(r"<small>.*?</small>", "", html, flags=re.S).split())


@pytest.mark.parametrize("paper", names())
def test_sentences_of_notebooks_change_with_every_verdict(paper, tmp_path):
    """Each claim is flipped alone: the sentences that stand on it change, and no other."""
    reproduced = ledger(paper)
    sources = calls(paper, "finding", "says")
    assert len(sources) >= 2
    before = chapter(paper, reproduced, tmp_path)
    texts = [rendered(before, source) for source in sources]
    assert not any("In this run it does not hold" in text for text in texts)
    for claim in reproduced["claim"].unique():
        stands = [repr(claim.split(".")[1]) in ast.dump(source) for source in sources]
        if not any(stands):
            continue
        for verdict in ledgers.VERDICTS[1:]:
            flipped = reproduced.copy()
            flipped.loc[flipped["claim"] == claim, "verdict"] = verdict
            after = chapter(paper, flipped, tmp_path)
            changed = [rendered(after, source) for source in sources]
            assert [a != b for a, b in zip(texts, changed, strict=True)] == stands
            assert sum(f'">{verdict}</span>' in text for text in changed) == sum(stands)


@pytest.mark.parametrize("paper", names())
def test_notebooks_open_with_a_finding_three_sentences_and_the_setting(paper):
    (finding,) = calls(paper, "finding")
    figure, sentence, *claims = map(ast.literal_eval, finding.args)
    assert figure in load(paper, "figures").FIGURES
    assert claims
    statements = [ast.literal_eval(statement) for statement in calls(paper, "says")[0].args]
    assert len(statements) == 3
    for text in (sentence, *(statement[0] for statement in statements)):
        assert len(text.split()) <= 25, text
        assert not text.endswith(".")
    prose = "\n".join(cells(paper, "markdown"))
    assert re.search(r"\*\*What is the papers?'s? and what is ours\.\*\*", prose)
    assert prose.index("**The question.**") < prose.index("## Setting")


@pytest.mark.parametrize("paper", names())
def test_prose_of_notebooks_leaves_verdicts_to_the_claims(paper):
    """Headings name a topic or ask; verdicts and values of a run stand in bound sentences only."""
    for text in cells(paper, "markdown"):
        assert not re.search(r"\b(reproduced|contradicted|inconclusive)\b", text)
        for heading in re.findall(r"^##+ (.*)$", text, flags=re.M):
            asserting = r"\b(helps|hurts|fails|composes|wins|beats|works|needs|knows)\b"
            assert heading.endswith("?") or not re.search(asserting, heading), heading


@pytest.mark.parametrize("paper", names())
def test_every_notebook_has_one_cell_to_change(paper):
    notebook = json.loads((ROOT / f"workflow/notebooks/{paper}.ipynb").read_text())
    tagged = [c for c in notebook["cells"] if "interactive" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert "paper.redraw(" in "".join(tagged[0]["source"])


def test_worded_by_verdict():
    sentence = "Weights that are pruned know less"
    texts = {verdict: worded(sentence, verdict) for verdict in ledgers.VERDICTS}
    assert texts == {
        "reproduced": "Weights that are pruned know less.",
        "contradicted": "In this run it does not hold that weights that are pruned know less.",
        "inconclusive": "This run leaves open whether weights that are pruned know less.",
        "not run": "Not judged in this run: whether weights that are pruned know less.",
    }
    assert worded("ResMem is better", "contradicted").endswith("that ResMem is better.")


def test_gravest_verdict_decides_a_sentence():
    frame = ledger("raf")
    statement = ("Both errors follow theory", "gen_theory", "mem_theory")
    assert on_claims(frame, statement, "raf").verdict == "reproduced"
    frame.loc[frame["claim"] == "raf.mem_theory", "verdict"] = "not run"
    assert on_claims(frame, statement, "raf").verdict == "not run"
    frame.loc[frame["claim"] == "raf.gen_theory", "verdict"] = "contradicted"
    assert on_claims(frame, statement, "raf").verdict == "contradicted"


def test_sentences_without_claims_are_refused():
    with pytest.raises(InputError, match="stands on no claim"):
        on_claims(ledger("raf"), ("The moon is round",), "raf")
    with pytest.raises(InputError, match=r"no such claims in the ledger: raf\.moon"):
        on_claims(ledger("raf"), ("The moon is round", "moon"), "raf")
