"""The evidence behind the verdicts of a whole run: nulls, scatter, power, and other seeds."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, run
from rote import ledger as ledgers
from rote.core.errors import InputError
from rote.core.papers import names
from rote.core.tables import Folder
from rote.ledger import Sample, criterion, interval, verdicts
from rote.report import evidence, published

CLAIMS = ROOT / "workflow/claims"


def test_no_claim_is_reproduced_on_its_null(smoke):
    audited = evidence.audit(smoke / "results/smoke", CLAIMS, scale="full", min_replicates=2)
    passing = audited[audited["passes"]]
    assert passing.empty, passing.to_string()
    # the nulls were tried, not passed over
    assert (audited["verdict"] != "not run").mean() > 0.5


def test_audit_says_so_on_the_command_line(smoke):
    done = run(
        smoke, "rote", "claims", "audit", "results/smoke", "--scale=full", "--min-replicates=2"
    )
    assert "0 of " in done.stdout
    assert "are reproduced on a null of theirs" in done.stdout


def scattered(sample, method: str) -> Sample:
    """A sample whose replicates lie ten times as far from their center."""
    sample = sample if isinstance(sample, Sample) else Sample(sample)
    values = np.asarray(sample.values, float)
    values = values[~np.isnan(values.reshape(len(values), -1)).any(axis=1)]
    if method == "geometric":
        logs = np.log(values)
        return Sample(np.exp(logs.mean() + 10 * (logs - logs.mean())))
    center = np.median(values) if method == "median" else values.mean(axis=0)
    shared = sample.shared_variance
    return Sample(center + 10 * (values - center), None if shared is None else 100 * shared)


@pytest.mark.parametrize("paper", names())
def test_scatter_never_helps_a_claim(smoke, paper):
    tables = Folder(smoke / "results/smoke" / paper)
    for claim in ledgers.load(CLAIMS / f"{paper}.yaml"):
        if claim.kind != "statistical" or claim.interval == "proportion":
            continue
        try:
            conditions = verdicts.samples(claim, tables)
        except KeyError:
            continue
        rule = criterion(claim.criterion_at("full") or claim.criterion_at("paper"))
        for condition, sample in conditions.items():
            try:
                before = interval(sample, claim.interval)
                after = interval(scattered(sample, claim.interval), claim.interval)
            except ledgers.NoValueError:
                continue
            if after.reason or rule.verdict(after.low, after.high) != "reproduced":
                continue
            assert rule.verdict(before.low, before.high) == "reproduced", (claim.id, condition)
            if claim.interval in ("mean", "paired"):
                margin = rule.margin(before.value, before.low, before.high)
                assert margin > 9.9, (claim.id, condition, margin)


@pytest.fixture(scope="module")
def judged(smoke, tmp_path_factory):
    """The smoke run with a ledger as if it were a full one that needs two replicates."""
    home = tmp_path_factory.mktemp("judged") / "results/smoke"
    home.mkdir(parents=True)
    for path in (smoke / "results/smoke").iterdir():
        if path.name != "claims.parquet":
            (home / path.name).symlink_to(path)
    ledger = [
        verdicts.evaluate(
            CLAIMS / f"{paper}.yaml", Folder(home / paper), scale="full", min_replicates=2
        )
        for paper in names()
    ]
    pd.concat(ledger, ignore_index=True).to_parquet(home / "claims.parquet")
    return home


def test_power_prints_replicates_and_time(judged, tmp_path):
    frame = evidence.power(judged, CLAIMS)
    assert len(frame) > 50
    assert (frame["needed"] >= 5).all()
    assert frame["job_s"].gt(0).all()
    assert frame["tables"].ne("").all()
    done = run(ROOT, "rote", "power", str(judged), "--out", str(tmp_path / "power.csv"))
    assert "statistical claims have replicates enough" in done.stdout
    assert len(pd.read_csv(tmp_path / "power.csv")) == len(frame)


def test_stability_compares_ledgers_of_runs(judged, tmp_path):
    ledger, other = judged / "claims.parquet", tmp_path / "seed-2.csv"
    frame = pd.read_parquet(ledger)
    frame[["value", "low", "high"]] *= 1.01
    frame.to_csv(other, index=False)
    done = run(ROOT, "rote", "claims", "stability", str(ledger), str(other))
    assert "0 move between reproduced and contradicted" in done.stdout


def test_published_ledger_is_kept_and_quoted(smoke, tmp_path):
    (tmp_path / "docs/published").mkdir(parents=True)
    (tmp_path / "README.md").write_text("<!--rote counts kind--><!--/-->")
    run(smoke, "rote", "claims", "publish", "results/smoke", "--root", str(tmp_path))
    assert "| numerical | " in (tmp_path / "README.md").read_text()
    copy = tmp_path / "docs/published/ledger.csv"
    with pytest.raises(InputError, match="hold the same values"):
        evidence.stability([published.read(copy), published.read(smoke / "results/smoke")])
