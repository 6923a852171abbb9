"""Claims of "Cram less to fit more" on tables made by hand: worlds in which they hold, and not."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger, prune
from rote.ledger import evaluate, summary
from rote.papers.cramless import arms, nulls, runs, statistics
from rote.run import config

REPLICATES = 8
FULL = config.load(ROOT / "config/full.yaml").cramless
FACTS, TRAINING = FULL.facts, FULL.training
BITS = 2 * np.log2(100)
PARAMETERS = {12: 4116, 16: 6256, 24: 11_688, 32: 18_656, 48: 37_200, 64: 61_952, 96: 129_696}
CAPACITY = 1.3  # bits per parameter
CLAIMS = {
    claim.id: claim
    for claim in ledger.load(ROOT / "workflow/claims/cramless.yaml")
    if not claim.id.startswith("cramless.text")
}

# facts recited by data set and scheme, where the claims hold
RECITED = {
    ("uniform 800", "none"): 795,
    ("uniform 800", "auto"): 797,
    ("uniform 1000", "none"): 980,
    ("uniform 1200", "none"): 1100,
    ("uniform 1600", "none"): 1150,
    ("uniform 2400", "none"): 600,
    ("uniform 3200", "none"): 320,
    ("uniform 3200", "auto"): 1350,
    ("uniform 6400", "none"): 60,
    ("uniform 6400", "auto"): 1480,
    ("power 0.5", "none"): 120,
    ("power 0.5", "auto"): 420,
    ("power 1", "none"): 420,
    ("power 1", "auto"): 720,
    ("power 1", "auto-flat"): 730,
    ("power 1", "low"): 650,
    ("power 1", "low-flat"): 650,
    ("power 1", "offline automatic"): 820,
    ("power 1", "offline random"): 600,
    ("power 1.5", "none"): 330,
    ("power 1.5", "auto"): 400,
    ("power 1 of 2300", "none"): 800,
    ("power 1 of 3100", "none"): 700,
}
# of the ladder, standard training: recited by width
LADDER = {
    "uniform 6400": {12: 5, 16: 10, 24: 60, 32: 70, 48: 90, 64: 1485},
    "power 1": {12: 300, 16: 350, 24: 420, 32: 450, 48: 460, 64: 722},
}
LONGER = 1.3  # times as many with longer training
WEIGHTED = {"auto": 0.95, "none": 0.68, "offline automatic": 0.74}
PRESENT = {"power 1": 3200, "power 1 of 2300": 1220, "power 1 of 3100": 1620}
SEEN_EXPONENT = {"auto-flat": 0.8, "low-flat": 0.8}


def run_rows(learns: bool) -> pd.DataFrame:
    """The table NetworkRuns of a full run; untrained networks recite nothing."""
    rng = np.random.default_rng(0)
    rows = []
    for group in arms.GROUPS:
        for arm in arms.arms_of(group, FACTS, TRAINING):
            for replicate in range(REPLICATES):
                rows.append(run_row(arm, replicate, learns, rng))
    return pd.DataFrame(rows)


def run_row(arm: arms.FactArm, replicate: int, learns: bool, rng: np.random.Generator) -> dict:
    recited = RECITED.get((arm.data.name, arm.scheme.name), 500)
    if arm.group == "ladder" and arm.scheme.name == "none":
        recited = LADDER[arm.data.name][arm.width]
    if arm.steps > TRAINING.steps:
        recited *= LONGER
    fits = arm.data.name == "uniform 800"
    noise = 1 + (0.001 if fits else 0.01) * rng.normal()
    present = PRESENT.get(arm.data.name, arm.data.facts)
    stored = min(CAPACITY * PARAMETERS[arm.width], present * BITS) * noise
    return {
        "arm": arm.name,
        "group": arm.group,
        "data": arm.data.name,
        "exponent": arm.data.exponent,
        "facts": arm.data.facts,
        "scheme": arm.scheme.name,
        "width": arm.width,
        "steps": arm.steps,
        "replicate": replicate,
        "parameters": PARAMETERS[arm.width],
        "present": present,
        "recited": round(recited * noise) if learns else 0,
        "weighted": WEIGHTED.get(arm.scheme.name, 0.3) * noise if learns else 0.0,
        "stored": stored if learns else 30 * noise,
        "bits": BITS,
        "trained": arm.steps * 512 * (0.88 * noise if arm.scheme.online else 1.0),
        "scored": 1024.0 * arm.steps,
    }


def outcome_rows(learns: bool) -> pd.DataFrame:
    """The table FactOutcomes of the arms whose slopes are measured."""
    rng = np.random.default_rng(1)
    counts = np.repeat([1, 2, 5, 20, 100], 10)
    frames = []
    for group in ("standard", "schemes"):
        for arm in arms.arms_of(group, FACTS, TRAINING):
            for replicate in range(REPLICATES):
                power = SEEN_EXPONENT.get(arm.scheme.name, 1.0)
                frame = {
                    "arm": arm.name,
                    "replicate": replicate,
                    "fact": np.arange(len(counts)),
                    "count": counts,
                    "seen": 80.0 * counts**power * (1 + 0.01 * rng.normal(size=len(counts))),
                    "recited": np.full(len(counts), learns),
                }
                frames.append(pd.DataFrame(frame))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {"runs": run_rows(True), "trained": outcome_rows(True)}


def verdicts_of(tables) -> dict[str, str]:
    rows = summary(evaluate(CLAIMS.values(), tables))
    return dict(zip(rows["claim"], rows["verdict"], strict=True))


def test_every_claim_holds_where_selection_makes_facts_whole(tables):
    verdicts = verdicts_of(tables)
    assert {name for name, verdict in verdicts.items() if verdict != "reproduced"} == set()


def test_no_claim_holds_on_its_null(tables):
    audited = ledger.audit(CLAIMS.values(), tables)
    assert audited.loc[audited["passes"], "claim"].tolist() == []
    assert audited["powerless"].eq("").all()
    assert set(audited["null_verdict"]) <= {"inconclusive", "contradicted", "not run"}


def test_untrained_networks_meet_no_claim(tables):
    untrained = {"runs": run_rows(False), "trained": outcome_rows(False)}
    for world in (untrained, nulls.untrained(tables, np.random.default_rng(0))):
        verdicts = verdicts_of(world)
        assert {name for name, verdict in verdicts.items() if verdict == "reproduced"} == set()


def test_selection_saves_examples_only_if_it_recites_more(tables):
    claim = CLAIMS["cramless.fewer_tokens"]
    assert evaluate([claim], tables)["verdict"].eq("reproduced").all()
    silent = tables | {"runs": tables["runs"].assign(recited=10)}
    assert evaluate([claim], silent)["verdict"].eq("contradicted").all()
    more = nulls.selection_trains_on_more(tables)
    assert evaluate([claim], more)["verdict"].eq("contradicted").all()


def test_bits_are_compared_where_standard_training_stores_some(tables):
    claim = CLAIMS["cramless.same_bits"]
    assert evaluate([claim], tables)["verdict"].eq("reproduced").all()
    little = tables | {"runs": tables["runs"].assign(stored=100.0)}
    assert evaluate([claim], little)["verdict"].eq("not run").all()


def test_claims_on_crowded_data_are_judged_on_both_data_sets(tables):
    for name in ("cramming_hurts", "gain_uniform", "selection_reaches_limit"):
        assert list(getattr(statistics, name)(tables)) == ["3200 facts", "6400 facts"]


def test_skew_is_compared_at_equal_numbers_of_distinct_facts(tables):
    assert runs.matched(tables) == {
        "power 1 of 2300": "uniform 1200",
        "power 1 of 3100": "uniform 1600",
        "power 1": "uniform 3200",
    }
    # the best of power laws, about 800, against the best of uniform data sets, about 1150
    gaps = statistics.skew_hurts(tables).mean(axis=0)
    fits = CAPACITY * PARAMETERS[24] / BITS
    assert gaps == pytest.approx([1 - 800 / fits, 1 - 1150 / fits], abs=0.02)
    assert list(statistics.skew_near_capacity(tables)) == ["1220 facts"]


def test_gains_are_read_off_the_curve_of_standard_training(tables):
    curve = runs.compute_curve(tables, "power 1")
    assert curve.columns.tolist() == [512e3, 1024e3, 1536e3]
    spent = curve.index.to_series().map(lambda replicate: 512e3 * np.sqrt(2))
    between = runs.interpolated(curve, spent)
    np.testing.assert_allclose(between, curve.iloc[:, :2].mean(axis=1))  # half way in logarithms
    assert list(statistics.gain_equal_work(tables)) == [
        "6400 facts",
        "exponent 1",
    ]
    longer = tables["runs"].copy()
    of_longer = (longer["group"] == "longer") & (longer["data"] == "power 1")
    longer.loc[of_longer, "recited"] = 2000
    few, much = longer.copy(), longer.copy()
    few.loc[few["scheme"] == "auto", "trained"] = 100e3
    few["scored"] = 0.0
    much.loc[much["scheme"] == "auto", "trained"] = 1500e3
    gains = [statistics.gain_equal_work({"runs": of})["exponent 1"] for of in (few, much)]
    ratios = [pair[:, 0].mean() / pair[:, 1].mean() for pair in gains]
    assert ratios[0] == pytest.approx(720 / 420, rel=0.05)
    assert ratios[1] == pytest.approx(720 / 2000, rel=0.05)


def test_equivalent_size_inverts_the_curve_over_sizes():
    curve = pd.DataFrame([[10, 20, 20, 80], [10, 20, 20, 80]], columns=[1e3, 1e4, 1e5, 1e6])
    target = pd.Series([15.0, 50.0])
    sizes = runs.inverted(curve, target)
    np.testing.assert_allclose(sizes, [10**3.5, 10**5.5])
    ends = runs.inverted(curve, pd.Series([3.0, 99.0]))
    np.testing.assert_allclose(ends, [1e3, 1e6])
    # what is read off the curve again is what was looked for
    np.testing.assert_allclose(runs.interpolated(curve, pd.Series(sizes)), target)


def test_equivalent_size_is_given_by_data_and_network(tables):
    conditions = statistics.equivalent_size(tables)
    assert [name for name in conditions if name.startswith("6400")] == [
        "6400 facts, 4116 parameters",
    ]
    ratio = conditions["6400 facts, 4116 parameters"]
    assert ratio.mean() == pytest.approx(61_952 / 4116, rel=0.05)


def test_limits_are_those_of_the_measured_capacity(tables):
    fits = runs.capacity_in_facts(tables)
    whole = runs.limit_in_facts(tables, "uniform 800")
    np.testing.assert_allclose(whole, 800)  # all fit
    assert (runs.limit_in_facts(tables, "uniform 6400") > fits).all()
    np.testing.assert_allclose(runs.weighted_limits(tables, "power 1"), 1.0)


def test_skew_does_not_hurt_where_a_power_law_of_another_size_is_recited_as_well(tables):
    better = tables["runs"].copy()
    of_best = better["data"] == "power 1 of 2300"
    better.loc[of_best, "recited"] = (better.loc[of_best, "recited"] * 1.5).round()
    verdict = evaluate([CLAIMS["cramless.skew_hurts"]], tables | {"runs": better})["verdict"]
    assert verdict.item() == "contradicted"


def test_larger_network_is_the_next_one_and_named_by_its_ratio(tables):
    assert list(statistics.beats_larger(tables)) == ["1.6 times the parameters"]
    larger = tables["runs"].copy()
    of_larger = (larger["width"] == 32) & (larger["data"] == "power 1")
    larger.loc[of_larger, "recited"] += 400
    verdict = evaluate([CLAIMS["cramless.beats_larger"]], tables | {"runs": larger})["verdict"]
    assert verdict.item() == "contradicted"
    assert CLAIMS["cramless.beats_larger"].paper_value is None


def test_selection_is_less_work_than_three_times_the_steps_whatever_it_admits():
    steps = TRAINING.steps
    unselected = TRAINING.unselected_share * steps
    work = unselected * TRAINING.batch
    scoring = TRAINING.candidates * arms.SCORING_WORK
    work += (steps - unselected) * (TRAINING.trained + scoring)
    assert work < max(TRAINING.longer) * steps * TRAINING.batch


def test_offline_flattening_lowers_the_slope_by_construction():
    counts = np.array([1, 2, 3, 8, 40, 200])
    copies = prune.select(-counts.astype(float), 0.8, scheme="loss-flat", counts=counts)
    trained = copies > 0
    assert np.polyfit(np.log(counts[trained]), np.log(copies[trained]), 1)[0] < 1


def test_small_text_network_must_match_the_large_one():
    rows = []
    rng = np.random.default_rng(0)
    for (size, scheme), recited in {
        ("small", "none"): 1000,
        ("small", "none-longer"): 1100,
        ("small", "auto"): 1350,
        ("large", "none"): 1310,
    }.items():
        for replicate in range(REPLICATES):
            facts = recited + round(5 * rng.normal())
            rows.append((size, scheme, replicate, "new", facts))
    columns = ["size", "scheme", "replicate", "kind", "recited"]
    text_runs = pd.DataFrame(rows, columns=columns)
    claims = [
        claim
        for claim in ledger.load(ROOT / "workflow/claims/cramless.yaml")
        if claim.id.startswith("cramless.text")
    ]
    audited = ledger.audit(claims, {"text_runs": text_runs})
    assert audited["verdict"].eq("reproduced").all()
    assert not audited["passes"].any()
