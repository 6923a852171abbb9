"""Nulls: what they do to tables, and the audit that finds a claim that cannot fail."""

import numpy as np
import pandas as pd
import pytest
from rote.core.errors import ConfigError, InputError
from rote.ledger import audit, nulls

N = 10
NOISE = np.linspace(-0.2, 0.2, N)


def arms(effect=1.0):
    frames = [
        pd.DataFrame({"replicate": range(N), "arm": "a", "score": effect + NOISE}),
        pd.DataFrame({"replicate": range(N), "arm": "b", "score": NOISE[::-1]}),
    ]
    return {"scores": pd.concat(frames, ignore_index=True)}


def difference(tables):
    scores = tables["scores"].pivot(index="replicate", columns="arm", values="score")
    return scores["a"] - scores["b"]


def spread(tables):
    """A statistic that cannot fail."""
    return (difference(tables) + 0.1).abs()


def related(tables):
    return [np.corrcoef(part["x"], part["y"])[0, 1] for _, part in tables["t"].groupby("replicate")]


exchange = nulls.exchanged("scores", "arm", "a", "b")
nothing = nulls.moved("scores", "replicate", by=100)
shuffle = nulls.shuffled("t", "y", within=["replicate"])


def claim(statistic, null, **changes) -> dict:
    names = [null] if isinstance(null, str) else null
    return {
        "id": f"longtail.{statistic}",
        "says": "x",
        "source": "s",
        "origin": "extension",
        "kind": "statistical",
        "interval": "mean",
        "replicates": ["data"],
        "statistic": f"{__name__}:{statistic}",
        "null": [f"{__name__}:{name}" for name in names],
        "passes": "> 0",
    } | changes


def test_audit_tells_a_claim_that_can_fail_from_one_that_cannot():
    audited = audit([claim("difference", "exchange"), claim("spread", "exchange")], arms())
    assert audited["verdict"].tolist() == ["reproduced", "reproduced"]
    assert audited["passes"].tolist() == [False, True]
    assert audited["null_verdict"].tolist() == ["inconclusive", "reproduced"]
    assert "a and b are exchanged" in audited["null"][0]


def test_audit_names_a_null_that_changes_nothing_or_does_not_exist():
    audited = audit([claim("difference", "nothing", passes=p) for p in ("> 0", "> 5")], arms())
    assert audited["null_verdict"].tolist() == ["no change", "no change"]
    assert audited["passes"].tolist() == [True, False]
    with pytest.raises(ConfigError, match="no null"):
        audit([claim("difference", "no_such")], arms())


def test_audit_leaves_what_was_not_run_open():
    row = audit([claim("difference", "exchange")], {}).iloc[0]
    assert (row["verdict"], row["null_verdict"], row["passes"]) == ("not run", "not run", False)


def test_audit_judges_a_random_null_by_most_of_its_draws():
    rng = np.random.default_rng(0)
    frames = []
    for replicate in range(8):
        x = rng.normal(size=30)
        frames.append(pd.DataFrame({"replicate": replicate, "x": x, "y": x + rng.normal(size=30)}))
    audited = audit([claim("related", "shuffle")], {"t": pd.concat(frames)})
    assert audited["verdict"].item() == "reproduced"
    assert not audited["passes"].item()


def test_exchanged_swaps_both_arms_in_every_second_replicate():
    before = arms()["scores"].set_index(["replicate", "arm"])["score"]
    after = exchange(arms())["scores"].set_index(["replicate", "arm"])["score"]
    for replicate in range(N):
        a, b = ("a", "b") if replicate % 2 == 0 else ("b", "a")
        assert after[replicate, "a"] == before[replicate, a]
        assert after[replicate, "b"] == before[replicate, b]


def test_exchanged_columns_swaps_values_in_every_second_replicate():
    frame = pd.DataFrame({"replicate": [3, 3, 7], "a": [1, 2, 3], "b": [10, 20, 30]})
    after = nulls.exchanged_columns("t", "a", "b")({"t": frame})["t"]
    assert after["a"].tolist() == [1, 2, 30]
    assert after["b"].tolist() == [10, 20, 3]


def test_shuffled_keeps_the_values_of_each_group():
    frame = pd.DataFrame({"g": [0] * 50 + [1] * 50, "x": np.arange(100), "y": np.arange(100)})
    after = nulls.shuffled("t", ["x"], within=["g"])({"t": frame}, np.random.default_rng(0))["t"]
    assert set(after["x"][:50]) == set(range(50))
    assert (after["x"] != frame["x"]).mean() > 0.9
    assert after["y"].equals(frame["y"])


def test_moved_multiplies_and_adds_and_refuses_to_do_nothing():
    after = nulls.moved("t", "x", by=1, times=2)({"t": pd.DataFrame({"x": [1.0, 2.0]})})
    assert after["t"]["x"].tolist() == [3, 5]
    with pytest.raises(InputError, match="by, times"):
        nulls.moved("t", "x")


def test_copied_gives_arms_the_values_of_one():
    null = nulls.copied("scores", "arm", "a", ["b"], ["replicate"])
    assert (difference(null(arms())) == 0).all()


def test_chained_applies_all_and_leaves_other_tables_alone():
    null = nulls.chained(exchange, nulls.moved("other", "x", by=1))
    tables = arms() | {"other": pd.DataFrame({"x": [0.0]}), "third": pd.DataFrame({"x": [5.0]})}
    after = nulls.apply(null, tables, np.random.default_rng(0))
    assert after["other"]["x"].item() == 1
    assert after["third"] is tables["third"]
    assert tables["other"]["x"].item() == 0


off = nulls.off("scores", "score", relative=False)
half_the_effect = nulls.moved("scores", "score", times=0.5)


def test_audit_judges_every_null_of_a_claim():
    row = claim("difference", ["exchange", "half_the_effect"])
    audited = audit([row], arms())
    assert audited["passes"].tolist() == [False, True]
    assert audited["claim"].tolist() == ["longtail.difference"] * 2


def of_a(tables):
    scores = tables["scores"]
    values = scores[scores["arm"] == "a"].set_index("replicate")["score"]
    return {"as it is": values, "never below three": values.clip(lower=3.0) + NOISE}


def test_audit_lists_conditions_that_a_null_fulfils():
    row = claim("of_a", "half_the_effect", passes="> 0.8")
    audited = audit([row], arms())
    assert not audited["passes"].item()
    assert audited["powerless"].item() == "never below three"


@pytest.mark.parametrize(("passes", "tolerance"), [("in [0.9, 1.1]", 0.1), ("< 0.02", 0.02)])
def test_off_moves_by_one_and_a_half_tolerances(passes, tolerance):
    moved = []

    def spy(tables):
        moved.append(tables["scores"]["score"])
        return difference(tables)

    globals()["spy"] = spy
    audit([claim("spy", "off", passes=passes)], arms())
    assert np.allclose(moved[1] - moved[0], 1.5 * tolerance)


def test_off_multiplies_where_the_tolerance_is_relative():
    after = nulls.apply(nulls.off("t", "x"), {"t": pd.DataFrame({"x": [2.0]})}, None, 0.1)
    assert after["t"]["x"].item() == pytest.approx(2.3)
