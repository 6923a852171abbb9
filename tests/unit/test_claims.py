"""Claims: criteria, kinds, verdicts, margins, Holm's correction, and readable errors."""

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from rote import ledger as ledgers
from rote.core.errors import ConfigError, InputError
from rote.core.papers import load as load_paper
from rote.core.papers import names
from rote.core.tables import Folder
from rote.ledger import Sample, criterion, evaluate, verdicts
from scipy import stats

CLAIM = {
    "id": "longtail.x",
    "says": "x",
    "source": "s",
    "origin": "extension",
    "kind": "statistical",
    "interval": "mean",
    "replicates": ["data"],
    "passes": "> 0",
}
TABLES = {"t": pd.DataFrame({"value": [1.0, 2.0, 2.5, 3.0, 4.0]})}


def plain(tables):
    return tables["t"]["value"]


def per_condition(tables):
    return {"low": tables["t"]["value"] - 10, "high": tables["t"]["value"]}


def errors(tables):
    return {"one": 3e-10, "many": [1e-12, 2e-9, 5e-11], "none": np.nan}


def negated(tables):
    """All values have the other sign."""
    return {"t": tables["t"].assign(value=-tables["t"]["value"])}


def misspelled(tables):
    return tables["t"]["valeu"]


def not_measured(tables):
    raise KeyError("n = 4000")


def broken(tables):
    return tables["t"]["value"].to_numpy().no_such


def claim(**changes) -> dict:
    functions = {"statistic": f"{__name__}:plain", "null": f"{__name__}:negated"}
    return CLAIM | functions | changes


def numerical(**changes) -> dict:
    entry = claim(kind="numerical", statistic=f"{__name__}:errors") | changes
    return {name: value for name, value in entry.items() if name not in ("interval", "replicates")}


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("> 0", [1e-9], [0, -1]),
        (">= -0.01", [-0.01, 0], [-0.02]),
        ("< 1e-9", [0, -3], [1e-9]),
        ("<= 3", [3], [3.1]),
        ("in [0.8, 1.3]", [0.8, 1.3], [0.79, 1.31]),
        ("in [0, 0]", [0], [1, -1]),
    ],
)
def test_criterion_holds_inside_its_bounds(text, inside, outside):
    assert all(criterion(text).holds(value) for value in inside)
    assert not any(criterion(text).holds(value) for value in outside)


@pytest.mark.parametrize("text", ["", "0", "> x", "in [2, 1]", "in (0, 1)", "> 0 and < 1", "!= 3"])
def test_criterion_refuses_text_it_cannot_read(text):
    with pytest.raises(ValueError, match="cannot read criterion"):
        criterion(text)


@given(
    st.sampled_from(["> 0", ">= 0", "< 1", "<= 1", "in [0, 1]"]),
    st.floats(-3, 3, allow_nan=False),
    st.floats(0, 3, allow_nan=False),
)
def test_verdict_agrees_with_every_point_of_the_interval(text, low, width):
    rule = criterion(text)
    points = np.linspace(low, low + width, 101)
    inside = [rule.holds(point) for point in points]
    verdict = rule.verdict(low, low + width)
    if verdict == "reproduced":
        assert all(inside)
    if verdict == "contradicted":
        assert not any(inside)
    if inside[0] != inside[-1]:
        assert verdict == "inconclusive"


@pytest.mark.parametrize(
    ("passes", "verdict"),
    [("> 0", "reproduced"), ("< 0", "contradicted"), ("> 2.5", "inconclusive")],
)
def test_verdict_compares_the_interval_with_the_criterion(passes, verdict):
    row = evaluate([claim(passes=passes)], TABLES).iloc[0]
    assert row["verdict"] == verdict
    assert row["value"] == 2.5
    assert row["low"] < 2.5 < row["high"]
    assert row["replicates"] == 5


def failed(tables):
    return {
        "diverged": [0.2, np.nan],
        "overflowed": np.inf,
        "diverged, and too small": [np.nan, -1.0],
        "not computed": [np.nan],
        "finite": [0.2, 0.3],
    }


def test_numerical_claim_is_not_reproduced_by_a_computation_that_failed():
    entry = numerical(statistic=f"{__name__}:failed")
    rows = evaluate([entry], TABLES).set_index("condition")
    assert rows["verdict"].to_dict() == {
        "diverged": "inconclusive",
        "overflowed": "contradicted",
        "diverged, and too small": "contradicted",
        "not computed": "not run",
        "finite": "reproduced",
    }
    assert "1 of 2 values are no numbers" in rows.loc["diverged", "note"]


def test_numerical_claim_is_judged_by_its_worst_value_and_has_no_interval():
    rows = evaluate([numerical(passes="< 1e-9")], TABLES).set_index("condition")
    assert rows["verdict"].to_dict() == {
        "one": "reproduced",
        "many": "contradicted",
        "none": "not run",
    }
    assert rows.loc["many", "value"] == 2e-9
    assert rows[["low", "high", "p"]].isna().all().all()
    assert ledgers.summary(rows.reset_index())["condition"].item() == "many"


@pytest.mark.parametrize(
    ("differ", "n", "judged"),
    [(["data"], 5, True), (["data"], 4, False), (["initialization"], 7, False)],
)
def test_verdict_needs_replicates_enough(differ, n, judged):
    tables = {"t": pd.DataFrame({"value": 5 + np.arange(n) / 10})}
    row = evaluate([claim(replicates=differ)], tables).iloc[0]
    assert row["verdict"] == ("reproduced" if judged else "not run")
    assert row["value"] > 5
    if not judged:
        assert (
            f"{n} replicates; a verdict needs {8 if 'initialization' in differ else 5}"
            in (row["note"])
        )
    assert (
        evaluate([claim(replicates=differ)], tables, min_replicates=2)["verdict"].item()
        == "reproduced"
    )


def test_verdict_by_a_median_needs_the_replicates_that_its_interval_needs():
    row = evaluate([claim(interval="median")], TABLES).iloc[0]
    assert row["verdict"] == "not run"
    assert "5 replicates; a verdict needs 6." in row["note"]


def test_row_says_how_many_replicates_have_no_value():
    values = [1.0, np.nan, 2.0, 2.5, np.nan, 3.0, 4.0]
    row = evaluate([claim()], {"t": pd.DataFrame({"value": values})}).iloc[0]
    assert (row["verdict"], row["replicates"]) == ("reproduced", 5)
    assert row["note"] == "2 other replicates have no value."


def test_verdict_without_scatter_is_inconclusive():
    row = evaluate([claim()], {"t": pd.DataFrame({"value": [5.0] * 8})}).iloc[0]
    assert row["verdict"] == "inconclusive"
    assert "same number" in row["note"]
    assert np.isnan(row["low"])


def test_values_that_a_method_cannot_take_leave_a_claim_inconclusive_or_are_a_fault_of_the_claim():
    row = evaluate([claim(interval="geometric")], {"t": TABLES["t"] - 3}).iloc[0]
    assert row["verdict"] == "inconclusive"
    assert "above 0" in row["note"]
    with pytest.raises(ConfigError, match=r"longtail\.x: values: paired takes \(replicates, 2\)"):
        evaluate([claim(interval="paired")], TABLES)


def test_verdict_on_networks_that_share_a_test_set_needs_its_variance():
    shared = claim(shares=["test set"])
    with pytest.raises(ConfigError, match=r"longtail\.x: its replicates share a test set"):
        evaluate([shared], TABLES)
    wide = shared | {"statistic": f"{__name__}:with_variance"}
    assert evaluate([wide], TABLES)["verdict"].item() == "inconclusive"


def with_variance(tables):
    return Sample(tables["t"]["value"], shared_variance=4.0)


@given(
    st.lists(st.floats(-3, 3), min_size=5, max_size=9),
    st.sampled_from(["> 0", "in [-1, 1]", "< 2"]),
    st.sampled_from(["mean", "median"]),
)
def test_more_scatter_only_makes_a_verdict_less_certain(values, passes, method):
    values = np.array(values)
    center = np.mean(values) if method == "mean" else np.median(values)
    frames = [values, center + 10 * (values - center)]
    verdict, scattered = [
        evaluate([claim(passes=passes, interval=method)], {"t": pd.DataFrame({"value": v})})
        for v in frames
    ]
    if scattered["verdict"].item() == "reproduced":
        assert verdict["verdict"].item() == "reproduced"
        # in half-widths: decided by a wide margin before
        assert verdict["margin"].item() > 9.9


def test_margin_counts_half_widths_towards_the_bound():
    rule = criterion("in [0, 10]")
    assert rule.margin(4, 2, 5) == pytest.approx(2)  # 4 above 0, arm 2
    assert rule.margin(9, 8, 9.5) == pytest.approx(2)  # 1 below 10, arm 0.5
    assert rule.margin(12, 11, 20) == pytest.approx(-2)  # 2 beyond, arm 1 towards it
    assert criterion("> 0").margin(-4, -9, -2) == pytest.approx(-2)
    assert criterion("> 0").margin(1, -np.inf, np.inf) == 0


@given(st.floats(-2, 2), st.floats(1e-3, 2), st.floats(1e-3, 2))
def test_margin_agrees_with_the_verdict(value, below, above):
    rule = criterion("in [-1, 1]")
    low, high = value - below, value + above
    margin = rule.margin(value, low, high)
    verdict = rule.verdict(low, high)
    if abs(abs(margin) - 1) > 1e-9:
        assert (verdict == "reproduced") == (margin > 1)
        assert (verdict == "contradicted") == (margin < -1)


def test_holm_marks_the_claims_that_survive_among_all_of_a_paper():
    rng = np.random.default_rng(0)
    shifts = [5.0, 1.15, 0.0, 0.0, 0.0, 0.0]
    noise = stats.zscore(rng.normal(size=8), ddof=1)
    tables = {f"t{i}": pd.DataFrame({"value": s + noise}) for i, s in enumerate(shifts)}
    entries = [
        claim(id=f"longtail.c{i}", statistic=f"{__name__}:table{i}") for i in range(len(shifts))
    ]
    ledger = evaluate(entries, tables)
    assert ledger["verdict"].tolist()[:2] == ["reproduced", "reproduced"]
    assert ledger["holm"].tolist() == [True, False, False, False, False, False]
    assert ledgers.expected_by_chance(ledger) == pytest.approx(6 * 0.025)
    counts = ledgers.counts(ledger, "kind").loc["statistical"]
    assert (counts["reproduced"], counts["claims"]) == (2, 6)


def _read(name):
    return lambda tables: tables[name]["value"]


table0, table1, table2, table3, table4, table5 = map(_read, [f"t{i}" for i in range(6)])


def test_summary_keeps_the_worst_condition_of_a_claim():
    ledger = evaluate([claim(statistic=f"{__name__}:per_condition")], TABLES)
    assert ledger[["condition", "verdict"]].to_numpy().tolist() == [
        ["low", "contradicted"],
        ["high", "reproduced"],
    ]
    summary = ledgers.summary(ledger)
    assert summary[["condition", "verdict"]].to_numpy().tolist() == [["low", "contradicted"]]


def test_summary_takes_the_worst_condition_by_its_distance_to_the_bound():
    ledger = evaluate([claim(statistic=f"{__name__}:near_and_far", passes="< 1.25")], TABLES)
    assert set(ledger["verdict"]) == {"reproduced"}
    assert ledgers.summary(ledger)["condition"].item() == "N = 20"


def near_and_far(tables):
    noise = (tables["t"]["value"] - 2.5) / 1000
    return {"N = 3": 1.0 + noise, "N = 20": 1.164 + noise}


@pytest.mark.parametrize(
    ("changes", "tables", "note"),
    [
        ({}, {}, "'t'"),
        ({"statistic": f"{__name__}:not_measured"}, TABLES, "'n = 4000'"),
        ({"scales": ["paper"]}, TABLES, "Not judged at scale full, but at paper"),
        ({"passes": {"paper": "> 0"}}, TABLES, "Not judged at scale full, but at paper"),
        ({}, {"t": pd.DataFrame({"value": [np.nan]})}, "No replicate has a value"),
    ],
)
def test_verdict_not_run_says_why(changes, tables, note):
    row = evaluate([claim(**changes)], tables).iloc[0]
    assert row["verdict"] == "not run"
    assert note in row["note"]


@pytest.mark.parametrize(
    ("paper", "name", "table", "column"),
    [
        ("inversion", "propagators", "operators", "condition"),
        ("distmem", "selection_bias", "bias", "filtered"),
    ],
)
def test_verdict_on_a_table_of_another_version_names_file_and_column(
    tmp_path, paper, name, table, column
):
    columns = load_paper(paper, "schema").TABLES[table].model_fields
    frame = pd.DataFrame([dict.fromkeys(columns, 1)]).rename(columns={column: "renamed"})
    known = {"check": "propagators", "source": "world0", "task": "translation", "n": 3}
    frame = frame.assign(**{name: known[name] for name in known.keys() & columns.keys()})
    frame.to_parquet(tmp_path / f"{table}.parquet")
    entry = claim(id=f"{paper}.{name}", statistic=name)
    message = (
        rf"claim {paper}\.{name}: statistic {name} looks up '{column}': "
        rf"table {tmp_path}/{table}\.parquet lacks {column}; it has .*renamed"
    )
    with pytest.raises(InputError, match=message):
        evaluate([entry], Folder(tmp_path))


def test_verdict_of_a_misspelled_column_names_the_columns_there_are():
    entry = claim(statistic=f"{__name__}:misspelled")
    with pytest.raises(InputError, match=r"looks up 'valeu': no table .* t has value"):
        evaluate([entry], TABLES)


def test_verdict_lets_the_faults_of_a_statistic_pass():
    with pytest.raises(AttributeError, match="no_such"):
        evaluate([claim(statistic=f"{__name__}:broken")], TABLES)


def test_criterion_depends_on_the_scale():
    both = claim(passes={"full": "< 0", "paper": "> 0"})
    assert evaluate([both], TABLES, scale="full")["verdict"].item() == "contradicted"
    assert evaluate([both], TABLES, scale="paper")["verdict"].item() == "reproduced"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"statistic": "no_such"}, "no statistic 'no_such'"),
        (
            {"id": "nopaper.x", "statistic": "y"},
            "unknown paper 'nopaper'; known papers: .*longtail",
        ),
        ({"passes": "about 3"}, r"1 problem\n  passes: cannot read criterion 'about 3'"),
        ({"pases": "> 0"}, "pases: no such key; did you mean 'passes'"),
        ({"origin": "paper!"}, "origin: .*one of paper, reconstruction, extension"),
        ({"id": "Bad Id"}, "id: "),
        ({"scales": ["huge"]}, "scales.0: "),
        ({"kind": "identity"}, "kind: .*one of statistical, numerical"),
        ({"interval": None}, "a statistical claim needs 'interval'"),
        ({"replicates": []}, "a statistical claim needs 'replicates'"),
        ({"replicates": ["seeds"]}, "replicates.0: .*one of data, initialization, draws"),
        ({"kind": "numerical"}, "a numerical claim has no 'interval'"),
        ({"null": "no_such"}, "no null 'no_such'"),
    ],
)
def test_claims_that_are_malformed_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        evaluate([claim(**changes)], TABLES)


def test_claims_file_is_read_or_its_fault_is_named(tmp_path):
    path = tmp_path / "longtail.yaml"
    path.write_text(yaml.safe_dump([claim(), claim()]))
    with pytest.raises(ConfigError, match=r"ids used twice: longtail\.x"):
        ledgers.load(path)
    path.write_text("a: 1")
    with pytest.raises(ConfigError, match="expected a list"):
        ledgers.load(path)
    path.write_text(yaml.safe_dump([claim()]))
    assert evaluate(path, TABLES)["verdict"].item() == "reproduced"
    path.write_text(yaml.safe_dump([claim()]).replace("'null':", "null:"))
    assert "\n  null:" in path.read_text()
    assert evaluate(path, TABLES)["verdict"].item() == "reproduced"


@pytest.mark.parametrize("paper", names())
def test_claims_file_of_each_paper_names_functions_that_exist(paper):
    entries = ledgers.load(ROOT / f"workflow/claims/{paper}.yaml")
    assert entries
    for entry in entries:
        assert entry.paper == paper
        assert callable(verdicts.statistic(entry))
        assert all(callable(null) for null in verdicts.nulls(entry))


@pytest.mark.parametrize("paper", names())
def test_claims_of_each_paper_are_whole_sentences_with_nulls(paper):
    for entry in ledgers.load(ROOT / f"workflow/claims/{paper}.yaml"):
        assert all(verdicts.sentence(null) for null in verdicts.nulls(entry)), entry.id
        words = entry.says.split()
        assert 5 <= len(words) <= 25, f"{entry.id}: {len(words)} words"
        assert words[0] not in DANGLING, f"{entry.id}: {entry.says}"
        assert not entry.says.endswith("."), entry.id


# words that lean on a sentence before
DANGLING = {"And", "But", "So", "Nor", "It", "They", "That", "This", "Also", "Both", "Which"}


@pytest.mark.parametrize("paper", names())
def test_theory_claims_have_the_names_of_their_claims(paper):
    claims = {entry.id: entry for entry in ledgers.load(ROOT / f"workflow/claims/{paper}.yaml")}
    theory = getattr(load_paper(paper, "statistics"), "THEORY", ledgers.TheoryClaims())
    for name in theory.names():
        entry = claims[f"{paper}.{name}"]
        assert entry.statistic == name
        assert verdicts.statistic(entry).__name__ == name


def test_theory_claims_are_computed_into_rows_and_read_from_them():
    theory = ledgers.TheoryClaims()

    @theory.claim
    def half():
        return {"": 0.5}

    @theory.claim_at
    def twice(options):
        return {"low": 2 * options, "high": 4 * options}

    checks = pd.DataFrame(theory.rows(3))
    assert checks.to_numpy().tolist() == [
        ["half", "", 0.5],
        ["twice", "low", 6.0],
        ["twice", "high", 12.0],
    ]
    samples = theory.statistic("twice")({"checks": checks})
    assert {name: list(sample.values) for name, sample in samples.items()} == {
        "low": [6.0],
        "high": [12.0],
    }
    with pytest.raises(AttributeError, match="theory decides no claim 'thrice'"):
        theory.statistic("thrice")


def test_claims_file_with_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "longtail.yaml"
    path.write_text(yaml.safe_dump([claim()]) + "  passes: '> 7'\n")
    with pytest.raises(ConfigError, match="key 'passes' is given twice"):
        ledgers.load(path)
