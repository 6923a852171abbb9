"""Distributional memorization: the measure and its edge cases, and mining pairs of n-grams."""

from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import examples_of
from hypothesis import given
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.papers.distmem import correlation, memorization, mining, settings, variants
from rote.papers.distmem.correlation import Measure
from scipy import stats


def counted(pair, first, **others) -> dict:
    size = len(pair)
    base = {"pair_documents": pair, "first_occurrences": first, "first_documents": first}
    return {
        name: np.asarray(column)
        for name, column in (base | {"second_documents": [5] * size} | others).items()
    }


# ---- the measure


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(4, 9), st.integers(-5, 0)),
        min_size=10,
        max_size=60,
    )
)
def test_memorization_is_spearmans_rho_with_average_ranks_and_tau_b(rows):
    pair, first, logprobs = map(np.array, zip(*rows, strict=True))
    result = memorization(counted(pair, first), logprobs, Measure(resamples=99))
    ratios = [Fraction(int(a), int(b)) for a, b in zip(pair, first, strict=True)]
    # equal ratios, 1/4 and 2/8, are ties
    x = stats.rankdata([sorted(set(ratios)).index(ratio) for ratio in ratios])
    if np.ptp(x) == 0 or np.ptp(logprobs) == 0:
        assert np.isnan(result.rho)
        assert result.reason in ("constant_counts", "constant_logprobs")
        return
    assert result.rho == pytest.approx(stats.spearmanr(x, logprobs).statistic)
    assert result.distance == pytest.approx((1 - stats.kendalltau(x, logprobs).statistic) / 2)
    assert result.points == len(rows)


def test_memorization_counts_what_is_dropped():
    pair = [0, 3, 2, 1, 4, 5, 6, 1, 2, 3, 1, 2, 3]
    first = [0, 9, 9, 9, 4, 5, 3, 8, 8, 8, 7, 7, 0]
    logprobs = np.log(np.arange(1, 14) / 20)
    logprobs[1] = np.nan
    logprobs[2] = -np.inf
    pair[3] = 0
    result = memorization(counted(pair, first), logprobs)
    assert (result.dropped_zero_input, result.dropped_zero_pair, result.dropped_logprob) == (
        2,
        1,
        2,
    )
    assert result.points == result.examples == 8
    # 6 documents for 3 occurrences: not clipped
    assert result.above_one == pytest.approx(1 / 8)
    assert result.reason == "too_few_pairs"
    smoothed = memorization(counted(pair, first), logprobs, Measure(smoothing=10.0, documents=100))
    assert (smoothed.dropped_zero_input, smoothed.dropped_zero_pair, smoothed.points) == (0, 0, 11)
    assert np.isfinite(smoothed.rho)


@pytest.mark.parametrize(
    ("pair", "logprobs", "reason"),
    [
        ([1] * 9, range(9), "too_few_pairs"),
        ([], [], "too_few_pairs"),
        ([2] * 12, range(12), "constant_counts"),
        (range(1, 13), [-1.0] * 12, "constant_logprobs"),
    ],
)
def test_memorization_gives_a_reason_where_there_is_no_number(pair, logprobs, reason):
    result = memorization(counted(list(pair), [7] * len(pair)), np.array(logprobs, float))
    assert np.isnan([result.rho, result.low, result.high, result.distance]).all()
    assert result.reason == reason


def test_memorization_by_key_averages_over_inputs():
    """One point per (example, s_y), as in the released code: the mean of log ratios."""
    rng = np.random.default_rng(0)
    pair = rng.integers(1, 9, 60)
    first = rng.integers(9, 20, 60)
    examples = np.repeat(np.arange(15), 4)
    keys = np.tile([0, 0, 1, 1], 15)
    logprobs = np.repeat(rng.normal(size=30), 2)
    result = memorization(
        counted(pair, first), logprobs, Measure(unit="key"), examples=examples, keys=keys
    )
    x = np.log(pair / first).reshape(30, 2).mean(1)
    assert result.rho == pytest.approx(stats.spearmanr(x, logprobs[::2]).statistic)
    assert (result.points, result.examples) == (30, 15)


def test_smoothing_is_shrinkage_to_the_base_rate():
    counts = counted([0, 4, 4], [0, 0, 4], second_documents=[30, 60, 60])
    smoothed = correlation.ratio_log(counts, Measure(smoothing=10.0, documents=100))
    np.testing.assert_allclose(np.exp(smoothed), [3 / 10, 10 / 10, 10 / 14])
    by_documents = correlation.ratio_log(counts, Measure(denominator="documents"))
    np.testing.assert_allclose(np.exp(by_documents[2]), 1.0)


def test_memorization_interval_is_over_examples():
    """Copies of one pair are no further evidence: the interval must not shrink with them."""
    rng = np.random.default_rng(1)
    pair = rng.integers(1, 50, 40)
    first = np.full(40, 60)
    logprobs = rng.normal(size=40)
    logprobs += 0.02 * pair
    measure = Measure(resamples=4999)
    once = memorization(counted(pair, first), logprobs, measure)
    copies = counted(np.repeat(pair, 9), np.repeat(first, 9))
    copied = np.repeat(logprobs, 9)
    of_copies = memorization(copies, copied, measure, examples=np.repeat(np.arange(40), 9))
    naive = memorization(copies, copied, measure)
    assert of_copies.high - of_copies.low == pytest.approx(once.high - once.low, rel=0.1)
    assert naive.high - naive.low < 0.5 * (once.high - once.low)
    resampled = [
        stats.spearmanr(pair[rows], logprobs[rows]).statistic
        for rows in rng.integers(0, 40, size=(2000, 40))
    ]
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert once.low == pytest.approx(low, abs=0.08)
    assert once.high == pytest.approx(high, abs=0.08)


def test_partial_correlation_is_the_textbook_formula_for_one_control():
    rng = np.random.default_rng(2)
    z = rng.normal(size=300)
    x = z + rng.normal(size=300)
    y = 2 * z + rng.normal(size=300)
    xy = stats.spearmanr(x, y).statistic
    xz = stats.spearmanr(x, z).statistic
    yz = stats.spearmanr(y, z).statistic
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    assert correlation.partial(x, y, z[:, None]) == pytest.approx(expected)
    assert np.isnan(correlation.partial(x[:9], y[:9], z[:9, None]))
    assert np.isnan(correlation.partial(z, y, z[:, None]))


@pytest.mark.parametrize(
    ("measure", "arrays", "message"),
    [
        ({"unit": "line"}, {}, "unit must be one of pair, key"),
        ({"unit": "key"}, {}, "needs `keys`"),
        ({"denominator": "lines"}, {}, "denominator must be one of occurrences, documents"),
        ({"smoothing": 10.0}, {}, "number of documents"),
        ({}, {"examples": [1]}, "must agree"),
    ],
)
def test_memorization_names_wrong_options(measure, arrays, message):
    with pytest.raises(InputError, match=message):
        memorization(counted([1, 2], [3, 4]), [0.0, 1.0], Measure(**measure), **arrays)


# ---- mining


def test_candidates_pair_every_input_gram_with_every_output_gram():
    options = settings.DistmemAnalysis(grams={"t": [2]}, stop_words=["the"])
    result = mining.candidates(examples_of(("The red kite, the red kite!", "a b. a b c")), options)
    expected = product(("red kite", "kite red"), ("a b", "b a", "b c"))
    assert set(zip(result["input_gram"], result["output_gram"], strict=True)) == set(expected)
    first = result[result["output_gram"] == "a b"].iloc[0]
    assert (first["start"], first["end"]) == (0, 3)
    assert (result[result["output_gram"] == "b a"].iloc[0][["start", "end"]] == [2, 6]).all()


def test_candidates_of_short_equal_or_empty_texts_are_few_or_none():
    options = settings.DistmemAnalysis(grams={"t": [3]}, stop_words=["the"])
    result = mining.candidates(
        examples_of(("the red kite", "Bern"), ("same", "same"), ("?!", "x"), ("x", "")), options
    )
    assert result[["example", "input_gram", "output_gram"]].values.tolist() == [
        [0, "red kite", "Bern".lower()]
    ]
    shared = examples_of(("a b c d", "a b c e"))
    assert len(mining.candidates(shared, options)) == 3
    dropping = options.model_copy(update={"drop_example_on_shared_gram": True})
    assert len(mining.candidates(shared, dropping)) == 0


def test_stop_words_apply_to_short_input_ngrams_only():
    options = settings.DistmemAnalysis(
        grams={"t": [2, 5]}, stop_words=["of", "the"], stop_words_up_to=3
    )
    result = mining.candidates(examples_of(("king of the hill now", "of the valley")), options)
    assert set(result.loc[result["n"] == 2, "input_gram"]) == {"king hill", "hill now"}
    assert set(result.loc[result["n"] == 5, "input_gram"]) == {"king of the hill now"}
    assert "of the" in set(result["output_gram"])


def test_highest_cosine_keeps_the_stated_share_of_each_task():
    pairs = pd.DataFrame(
        {"task": ["a"] * 4 + ["b"] * 4, "n": 2, "cosine": [0.1, 0.2, 0.3, 0.4, 9, 8, 7, 6]}
    )
    assert mining.highest_cosine(pairs, 0.5).tolist() == [
        False,
        False,
        True,
        True,
        True,
        True,
        False,
        False,
    ]
    assert mining.highest_cosine(pairs, 1.0).all()


def test_alignment_is_one_for_one():
    lexicon = {"red": {"rouge", "roux"}, "kite": {"milan"}}
    pairs = pd.DataFrame(
        {
            "input_gram": ["red kite", "red kite", "red kite", "red red"],
            "output_gram": ["milan roux", "rouge roux", "milan", "rouge roux"],
        }
    )
    assert mining.aligned(pairs, lexicon).tolist() == [True, False, False, True]


# ---- nulls


def pair_counts(rng, size=600) -> pd.DataFrame:
    first = np.exp(rng.uniform(1, 6, size)).astype(int) + 1
    second = np.exp(rng.uniform(2, 7, size)).astype(int) + 1
    pair = np.minimum(first, np.maximum((first * rng.uniform(0.1, 1, size)).astype(int), 1))
    return pd.DataFrame(
        {"pair_documents": pair, "first_occurrences": first, "second_occurrences": second}
    )


def scored_pairs(pairs, logprobs) -> variants.ScoredPairs:
    pairs = pairs.assign(example=np.arange(len(pairs)), start=0, end=2)
    return variants.ScoredPairs(
        pairs=pairs,
        outputs=np.arange(len(pairs)),
        in_windows=pairs[["pair_documents"]].to_numpy(),
        n_documents=1000,
        infinity_logprobs=np.full(len(pairs), np.nan),
        rank_groups=np.array([""] * len(pairs)),
        belonging=np.ones(len(pairs), bool),
        overlapping=np.arange(len(pairs)) % 2.0,
        output_lengths=np.full(len(pairs), 4),
        logprobs=np.asarray(logprobs, float),
        logprobs_to_end=np.asarray(logprobs, float),
        is_described=True,
    )


def measured(variant, scored, **options) -> correlation.TaskGramMemorization:
    ((_, result),) = variant.measure(scored, settings.DistmemAnalysis(**options))
    return result


def test_shuffled_counts_stay_within_bins_and_keep_what_single_counts_explain():
    rng = np.random.default_rng(0)
    pairs = pair_counts(rng)
    permuted = variants.permuted_counts(pairs, np.random.default_rng(1))
    bins = np.floor(np.log2(pairs[["first_occurrences", "second_occurrences"]])).astype(int)
    for rows in bins.groupby(["first_occurrences", "second_occurrences"]).indices.values():
        assert sorted(permuted[rows]) == sorted(pairs["pair_documents"].to_numpy()[rows])
    ratio = np.log(pairs["pair_documents"] / pairs["first_occurrences"])
    single = np.log(pairs["first_occurrences"])
    follows_ratio = scored_pairs(pairs, ratio)
    follows_single = scored_pairs(pairs, -single + 0.3 * rng.normal(size=len(pairs)))
    paper = measured(variants.PAPER, follows_ratio, resamples=99)
    assert paper.rho == pytest.approx(1)
    assert measured(variants.SHUFFLED, follows_ratio, shuffles=9).rho < 0.35
    alone = measured(variants.PAPER, follows_single, resamples=99).rho
    null = measured(variants.SHUFFLED, follows_single, shuffles=9)
    assert alone - null.rho < 0.1
    assert null.low <= null.rho <= null.high


def test_partial_correlation_is_none_of_a_model_that_follows_the_pair_count():
    rng = np.random.default_rng(2)
    pairs = pair_counts(rng)
    noise = 0.3 * rng.normal(size=len(pairs))
    by_pair = scored_pairs(pairs, np.log(pairs["pair_documents"]) + noise)
    ratio = np.log(pairs["pair_documents"] / pairs["first_occurrences"])
    by_ratio = scored_pairs(pairs, ratio + noise)
    assert abs(measured(variants.PARTIAL, by_pair).rho) < 0.1
    assert measured(variants.PARTIAL, by_ratio).rho > 0.5


def test_clean_examples_are_those_without_overlap_and_outside_is_what_no_pair_covers():
    rng = np.random.default_rng(3)
    pairs = pair_counts(rng, 100)
    scored = scored_pairs(pairs, rng.normal(size=100))
    clean = measured(variants.CLEAN, scored)
    assert (clean.points, clean.examples) == (50, 50)
    without = scored._replace(overlapping=np.full(100, np.nan))
    assert list(variants.CLEAN.measure(without, settings.DistmemAnalysis())) == []
    assert variants.outside(scored) == pytest.approx(0.5)
    spans = scored.pairs.assign(example=0, start=[0, 1] * 50, end=[2, 4] * 50)
    assert variants.outside(scored._replace(pairs=spans)) == 0.0
    uncounted = scored._replace(pairs=scored.pairs.assign(pair_documents=0))
    assert variants.outside(uncounted) == 1.0


def test_absolute_thresholds_keep_pairs_above_them():
    rng = np.random.default_rng(4)
    scored = scored_pairs(pair_counts(rng, 60), rng.normal(size=60))
    scored = scored._replace(pairs=scored.pairs.assign(cosine=np.linspace(0, 1, 60)))
    options = settings.DistmemAnalysis(gammas=[0.5, 0.9])
    results = dict(variants.GAMMA.measure(scored, options))
    assert [results[gamma].points for gamma in (0.5, 0.9)] == [30, 6]
    assert mining.belonging(scored.pairs, None, 0.5).sum() == 30
    assert mining.belonging(scored.pairs, None, None).all()
