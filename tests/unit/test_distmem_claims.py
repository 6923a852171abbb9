"""Distributional memorization: statistics where their claims are true, and where they are not."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger
from rote.papers.distmem import estimators, nulls, statistics, treatments

SMALL, LARGE = "neox-8", "neox-96"
SIZES = {SMALL: 10_000, LARGE: 300_000}
CORPORA = [f"world{number}" for number in range(8)]
TASKS = ("facts", "translation", "reasoning")
ANSWERS = 40  # test examples per task

# what networks that answer nothing met
NAMED = (
    "reasoning_drop",
    "reasoning_distance",
    "pair_documents",
    "pair_cosines",
    "moving_half",
    "smoothing_helps",
    "simpler_estimates",
)
CLAIMS = {
    entry.id.split(".")[1]: entry for entry in ledger.load(ROOT / "workflow/claims/distmem.yaml")
}


def frame(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows)


def memorization(rng, knows: bool) -> pd.DataFrame:
    """ρ falls with size whether networks answer or not: the smallest follows single counts."""
    levels = {SMALL: 0.5, LARGE: 0.15}
    rows = []
    for source in CORPORA:
        for model, size in SIZES.items():
            for task in TASKS:
                level = levels[model] + 0.02 * rng.normal()
                row = {"source": source, "model": model, "family": "neox", "size": size}
                row |= {"snapshot": 1.0, "task": task, "n": 2 if task == "translation" else 3}
                row |= {"variant": "paper", "parameter": np.nan}
                row |= {"rho": level, "distance": (1 - level) / 2}
                rows.append(row)
                rows.append(row | {"snapshot": 0.0, "rho": 0.02 * rng.normal(), "distance": 0.5})
                # what single counts explain: all of it, unless the network knows more
                shuffled = 0.1 if knows else level
                null = {"rho": shuffled + 0.02 * rng.normal(), "distance": (1 - shuffled) / 2}
                rows.append(row | null | {"variant": "shuffled"})
    result = frame(rows)
    llama = result.assign(model=result["model"].str.replace("neox", "llama"), family="llama")
    return pd.concat([result, llama], ignore_index=True)


def performance(rng, knows: bool) -> pd.DataFrame:
    rows = []
    for source in CORPORA:
        for model, size in SIZES.items():
            for task in TASKS:
                answered = rng.random(ANSWERS) < (0.6 if knows and model == LARGE else 0)
                rows.append(
                    pd.DataFrame(
                        {
                            "source": source,
                            "model": model,
                            "size": size,
                            "task": task,
                            "example": range(ANSWERS),
                            "loss": 3.0,
                            "correct": answered,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def influence(rng, knows: bool) -> pd.DataFrame:
    """Documents with the pair agree more with the example in every network."""
    rows = []
    for source in CORPORA:
        for trained in (True, False):
            for task in TASKS:
                excess = 1.2 + 0.5 * (knows and trained)
                values = excess + 0.05 * rng.normal(size=2)
                row = {"source": source, "model": LARGE, "size": SIZES[LARGE], "trained": trained}
                row |= {"task": task, "example": 0, "pair": values[0], "output_only": 0.9}
                row |= {"matched": 1.0, "matched_cosine": 0.4, "output_only_cosine": 0.3}
                rows.append(row | {"pair_cosine": 0.4 * values[1]})
    return frame(rows)


def estimates(rng, knows: bool) -> pd.DataFrame:
    """Counts that hold the answer's frequency correlate; given the answer, what is known does."""
    plain = {
        estimators.TASK_GRAM.name: (0.1, 0.2),
        estimators.TASK_GRAM_SMOOTHED.name: (0.5, 0.5),
        estimators.NAME_AND_ANSWER.name: (0.4, 0.4),
        estimators.BM25.name: (0.4, 0.4),
    }
    rows = []
    for source in CORPORA:
        for model, size in SIZES.items():
            for name, (rho, given) in plain.items():
                row = {"source": source, "model": model, "size": size, "estimator": name}
                noise = 0.03 * rng.normal(size=2)
                rows.append(row | {"rho": rho + noise[0], "given_answer": given * knows + noise[1]})
    return frame(rows)


def retrained(rng, knows: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Facts in blocks of ten, and what a retrained network knows of them: frequent ones fade."""
    names = [*treatments.TREATMENTS, *[treatments.UNCHANGED.name] * 5]
    facts, rows = [], []
    for source in CORPORA:
        for fact in range(ANSWERS):
            facts.append({"source": source, "fact": fact, "object": f"object{fact // 4}"})
            block, arm = divmod(fact, 10)
            treated = treatments.TREATMENTS.get(names[arm], treatments.UNCHANGED)
            change = -0.4 * block - 1.5 * knows * treated.moved
            row = {"source": source, "model": LARGE, "variant": treatments.CHANGED, "fact": fact}
            row |= {"treatment": names[arm], "block": block, "documents_before": 8}
            row |= {"documents_after": 8, "pairs_before": 4, "inputs_before": 8}
            rows.append(row | {"logprob": -3 + change + 0.1 * rng.normal(), "correct": False})
    rows.append({**rows[0], "variant": treatments.REINITIALIZED})
    return frame(facts), frame(rows)


def tables(knows: bool) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(7)
    facts, changed = retrained(rng, knows)
    return {
        "memorization": memorization(rng, knows),
        "performance": performance(rng, knows),
        "influence": influence(rng, knows),
        "estimators": estimates(rng, knows),
        "facts": facts,
        "ablation": changed,
    }


@pytest.mark.parametrize("name", NAMED)
def test_networks_that_answer_nothing_fulfil_no_claim(name):
    entry = CLAIMS[name]
    knowing = ledger.evaluate([entry], tables(knows=True))
    assert set(knowing["verdict"]) == {"reproduced"}, knowing[["value", "low", "high", "note"]]
    ignorant = ledger.evaluate([entry], tables(knows=False))
    assert "reproduced" not in set(ledger.summary(ignorant)["verdict"])
    audited = ledger.audit([entry], tables(knows=True))
    assert not audited["passes"].any()
    assert audited["powerless"].eq("").all()


def test_flat_correlation_is_a_finding_only_where_the_task_is_done():
    flat = tables(knows=True)
    rows = flat["memorization"]
    noise = 0.02 * np.random.default_rng(0).normal(size=len(rows))
    level = np.where(rows["task"] == "translation", 0.1, 0.6)
    change = np.where((rows["task"] == "facts") & (rows["model"] == SMALL), 0.0, level)
    flat["memorization"] = rows.assign(rho=change + noise)
    entries = [CLAIMS["translation_level"], CLAIMS["translation_flat"]]
    assert set(ledger.evaluate(entries, flat)["verdict"]) == {"reproduced"}
    assert not ledger.audit(entries, flat)["passes"].any()
    unable = flat | {"performance": flat["performance"].assign(correct=False)}
    assert set(ledger.evaluate(entries, unable)["verdict"]) == {"not run"}


def test_order_of_sizes_counts_corpora():
    rows = tables(knows=True)["memorization"].query("task == 'facts' and variant == 'paper'")
    assert statistics.facts_rise_in_order({"memorization": rows}).tolist() == [0.0] * 8
    rising = rows.assign(rho=rows["size"] / 1e6)
    assert statistics.facts_rise_in_order({"memorization": rising}).tolist() == [1.0] * 8


def test_wordings_are_judged_task_by_task():
    rows = []
    for source in CORPORA:
        for wording in range(5):
            row = {"source": source, "model": LARGE, "wording": wording, "mean_count": wording}
            rows.append(row | {"task": "facts", "accuracy": 0.1 * wording})
            rows.append(row | {"task": "reasoning", "accuracy": 0.5 - 0.1 * wording})
    prompts = {"prompts": frame(rows), "memorization": tables(True)["memorization"]}
    assert statistics.prompt_counts(prompts) == pytest.approx(np.ones(8))
    assert statistics.prompt_counts_reasoning(prompts) == pytest.approx(-np.ones(8))


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_on_networks_is_judged_on_ones_that_know_nothing(name):
    null = nulls.unrelated_counts if name.startswith("selection_bias") else nulls.knows_nothing
    assert null.__name__ in CLAIMS[name].null


@pytest.mark.parametrize("name", NAMED)
def test_networks_that_know_nothing_fail_also_where_they_are_made_of_others(name):
    passed = 0
    for draw in range(5):
        ignorant = nulls.knows_nothing(tables(knows=True), np.random.default_rng(draw))
        passed += set(ledger.evaluate([CLAIMS[name]], ignorant)["verdict"]) == {"reproduced"}
    assert passed <= 1


def test_null_of_untrained_networks_takes_their_correlations():
    before = tables(knows=True)["memorization"]
    after = nulls.untrained({"memorization": before})["memorization"]
    initial = before.query("snapshot == 0")["rho"].to_numpy()
    trained = after.query("snapshot == 1 and variant == 'paper'")
    np.testing.assert_array_equal(trained["rho"], initial)
    np.testing.assert_array_equal(after.query("snapshot == 0")["rho"], initial)


def test_null_of_facts_moves_every_other_task():
    before = tables(knows=True)
    after = nulls.as_facts(before)["memorization"]
    expected = before["memorization"].query("task == 'facts'")["rho"].to_numpy()
    for task in TASKS:
        np.testing.assert_array_equal(after.query(f"task == '{task}'")["rho"], expected)


def test_null_of_shuffled_counts_fails_what_follows_single_counts():
    """A network whose correlation is that of single counts beats no claim about pairs."""
    knowing = tables(knows=True)
    rows = knowing["memorization"]
    rising = (rows["task"] == "facts") & (rows["model"] == LARGE) & (rows["variant"] == "paper")
    rows = rows.assign(rho=rows["rho"] + 0.4 * rising * (rows["snapshot"] == 1))
    rows = rows.assign(
        rho=rows["rho"] - 0.4 * ((rows["task"] == "facts") & (rows["model"] == SMALL))
    )
    after = nulls.shuffled_counts({"memorization": rows})["memorization"]
    shuffled = rows.query("variant == 'shuffled'").set_index(["source", "model", "task"])["rho"]
    paper = after.query("variant == 'paper' and snapshot == 1")
    expected = shuffled.loc[list(zip(paper["source"], paper["model"], paper["task"], strict=True))]
    np.testing.assert_allclose(paper["rho"], expected)
    entry = CLAIMS["beyond_shuffled"]
    assert set(ledger.evaluate([entry], {"memorization": rows})["verdict"]) == {"reproduced"}
    null = ledger.evaluate([entry], {"memorization": after})
    assert "reproduced" not in set(ledger.summary(null)["verdict"])


def test_effects_are_relative_to_unchanged_facts_of_the_block():
    effects = statistics.moving_all(tables(knows=True))[LARGE]
    assert effects.to_numpy() == pytest.approx(np.full(8, -1.5), abs=0.25)
    assert statistics.moving_quarter(tables(knows=True))[LARGE].mean() == pytest.approx(
        -0.375, abs=0.12
    )
    responses = statistics.dose_response(tables(knows=True))[LARGE]
    assert (responses > 0.5).all()
    assert abs(statistics.dose_response(tables(knows=False))[LARGE].mean()) < 0.2


def test_share_of_new_pairs_is_of_those_that_there_are():
    rows = []
    for source in CORPORA:
        for model, right in ((SMALL, 0), (LARGE, 9)):
            row = {"source": source, "model": model, "task": "translation"}
            rows.append(row | {"novel_right": right})
    novel = frame(rows).assign(novel_in_reference=10)
    novel.loc[novel["source"] == "world0", "novel_in_reference"] = 0
    given = {"novel": novel, "memorization": tables(True)["memorization"]}
    shares = statistics.novel_largest(given)
    assert np.isnan(shares["world0"])
    assert shares.drop("world0").tolist() == [0.9] * 7
    assert statistics.novel_rise(given).drop("world0").tolist() == [0.9] * 7
