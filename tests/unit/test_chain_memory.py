"""The chain's memories: neighbors, settings, contents, and correlations with counts."""

import numpy as np
import pandas as pd
import pytest
from rote.papers.chain import evaluation, lookups, memory, plan, sequences, settings
from rote.papers.chain.embeddings import AnswerTokens
from rote.papers.chain.memory import MemorySetting, TuningRows

MEMORY = settings.ChainMemory()


def toy(
    rng: np.random.Generator, n: int, d: int = 5, tokens: int = 7
) -> tuple[AnswerTokens, np.ndarray]:
    features = rng.normal(size=(n, d)).astype(np.float32)
    rows = AnswerTokens(features, rng.integers(tokens, size=n), np.arange(n))
    return rows, (0.1 * rng.normal(size=(tokens, d))).astype(np.float32)


def fact_rows(count: int) -> TuningRows:
    return TuningRows(np.arange(count), np.arange(0))


def test_memory_of_one_neighbor_gives_back_what_was_stored():
    rows, head = toy(np.random.default_rng(0), 40)
    retrieval = memory.retrieve(MEMORY, rows, rows)
    alone = memory.answer(rows, 40, head)
    both = memory.answer(rows, 40, head, retrieval, MemorySetting(1, np.inf, 1.0))
    assert alone.exact.mean() < 0.5
    assert both.exact.all()
    assert (both.losses < 1e-4).all()


def test_memory_is_silent_far_from_its_statements():
    rows, head = toy(np.random.default_rng(0), 40)
    far = rows._replace(features=rows.features + 100)
    retrieval = memory.retrieve(MEMORY, rows, far)
    setting = MemorySetting(4, 1.0, 1.0)
    alone = memory.probabilities(far, head)
    assert np.array_equal(memory.probabilities(far, head, retrieval, setting), alone)


def test_no_answer_loses_more_than_the_weight_of_the_memory():
    rng = np.random.default_rng(3)
    rows, head = toy(rng, 40)
    queries, _ = toy(rng, 60)
    retrieval = memory.retrieve(MEMORY, rows, queries)
    alone = memory.answer(queries, 60, head).losses
    for reach in (0.3, 1.0, 3.0):
        both = memory.answer(queries, 60, head, retrieval, MemorySetting(4, 1.0, reach)).losses
        weight = np.exp(-((retrieval.neighbors.distances[:, 0] / reach) ** 2))
        assert (both - alone <= -np.log1p(-weight) + 1e-9).all()


def test_memory_works_with_fewer_entries_than_neighbors_and_with_none():
    rng = np.random.default_rng(1)
    few, head = toy(rng, 3)
    queries, _ = toy(rng, 20)
    retrieval = memory.retrieve(MEMORY, few, queries)
    assert retrieval.neighbors.rows.shape == (20, 3)
    both = memory.answer(queries, 20, head, retrieval, MemorySetting(20, 1.0, 1.0))
    assert np.isfinite(both.losses).all()
    assert memory.tune(MEMORY, retrieval, head, queries, fact_rows(20)).k in (0, 1, 3)
    empty = memory.retrieve(MEMORY, few.pick(np.arange(0)), queries)
    assert memory.tune(MEMORY, empty, head, queries, fact_rows(20)).k == 0


def test_memory_lets_identical_hidden_states_share_the_vote():
    head = np.zeros((4, 2), np.float32)
    rows = AnswerTokens(np.ones((4, 2), np.float32), np.array([1, 1, 1, 2]), np.arange(4))
    query = AnswerTokens(np.ones((1, 2), np.float32), np.array([1]), np.zeros(1, int))
    retrieval = memory.retrieve(MEMORY, rows, query)
    answers = memory.answer(query, 1, head, retrieval, MemorySetting(4, 0.0, 1.0))
    assert answers.exact.all()
    # uniform base, three of four
    assert answers.losses[0] == pytest.approx(-np.log(0.75), abs=1e-4)


def test_tune_chooses_no_memory_where_a_memory_only_harms():
    head = np.eye(7, 5, dtype=np.float32) * 30
    features = np.eye(5, dtype=np.float32)[np.arange(50) % 5]
    queries = AnswerTokens(features, np.arange(50) % 5, np.arange(50))
    wrong = AnswerTokens(features[np.arange(60) % 50], np.full(60, 6), np.arange(60))
    retrieval = memory.retrieve(MEMORY, wrong, queries)
    assert memory.tune(MEMORY, retrieval, head, queries, fact_rows(50)).k == 0


def test_tune_takes_the_largest_reach_that_leaves_other_text_alone():
    """Facts lie next to what is stored, other text, which the network knows, a little further."""
    rng = np.random.default_rng(4)
    head = np.eye(6, 6, dtype=np.float32) * 12
    stored = AnswerTokens(rng.normal(size=(30, 6)).astype("f4"), np.full(30, 5), np.arange(30))
    close = stored.features + 0.01 * rng.normal(size=(30, 6)).astype("f4")
    known = np.eye(6, dtype=np.float32)[np.arange(30) % 5]
    queries = AnswerTokens(
        np.concatenate([close, known]),
        np.concatenate([np.full(30, 5), np.arange(30) % 5]),
        np.arange(60),
    )
    retrieval = memory.retrieve(MEMORY, stored, queries)
    tuning = TuningRows(np.arange(30), np.arange(30, 60))
    setting = memory.tune(MEMORY, retrieval, head, queries, tuning)
    alone = memory.answer(queries, 60, head)
    both = memory.answer(queries, 60, head, retrieval, setting)
    assert setting.reach > 0
    assert both.exact[:30].all()
    assert both.losses[30:].sum() <= (1 + MEMORY.silence) * alone.losses[30:].sum()


def test_compact_entries_are_within_half_a_step_of_int8():
    rows, _ = toy(np.random.default_rng(5), 50)
    rounded = memory.compact(rows)
    step = np.abs(rows.features).max(0) / 127
    assert (np.abs(rounded.features - rows.features) <= 0.51 * step).all()
    assert len(np.unique(rounded.features[:, 0])) <= 255


def test_memory_contents_select_the_statements_they_name():
    pruned = np.array([False, False, False, True, True, True])
    losses = np.array([5.0, 0.0, 4.0, 3.0, 1.0, 2.0])

    def holds(content: str) -> list[int]:
        statements = plan.Statements(pruned, losses, np.random.default_rng(0))
        return plan.CONTENTS[content].select(statements).astype(int).tolist()

    assert holds("pruned") == [0, 0, 0, 1, 1, 1]
    assert holds("unknown") == [1, 0, 1, 1, 0, 0]
    assert sum(holds("random")) == 3
    assert all(holds("all"))
    assert not any(holds("nothing"))


def test_statements_alone_answer_by_words_and_word_by_word():
    texts = ["Ba ty is 01 02", "the Ge ty : 03 04"]
    questions_put = ["Ba ty is 01 02", "say Ba ty , 01 02"]
    words = sorted(set(" ".join(texts + questions_put).split()))
    tokenizer = sequences.word_level(["<end>", "<unknown>", *words])

    def coded(lines: list[str]) -> sequences.Sequences:
        spans = [{"text": text, "answer": [len(text) - 5, len(text)]} for text in lines]
        return sequences.encode(spans, tokenizer, 0)

    statements, questions = coded(texts), coded(questions_put)
    assert lookups.answer("dictionary", statements, questions).exact.tolist() == [True, False]
    assert lookups.answer("knn", statements, questions).exact.tolist() == [True, True]
    assert lookups.bytes_of(statements) == 2 * (5 + 6)


def test_count_correlations_agree_with_those_by_hand():
    n = 12
    facts = pd.DataFrame({"fact": np.arange(n), "losses": -np.arange(n, dtype=float)})
    facts = facts.assign(kind="fact", part="paraphrase")
    counts = pd.DataFrame(
        {"kind": "fact", "item": np.arange(n + 1), "documents": [*range(1, n + 1), 0], "total": 20}
    )
    rng = np.random.default_rng(0)
    correlations = list(evaluation.count_correlations(facts, counts, rng))
    assert [(row["kind"], row["items"]) for row in correlations] == [("fact", n)]
    assert correlations[0]["rho"] == pytest.approx(1.0)


def test_facts_and_phrases_are_matched_in_their_spread_of_counts():
    rng = np.random.default_rng(0)
    wide = pd.DataFrame({"model": rng.normal(size=400), "counts": 3 * rng.normal(size=400)})
    narrow = pd.DataFrame({"model": rng.normal(size=300), "counts": rng.normal(size=300)})
    matched = evaluation._matched({"fact": wide, "translation": narrow}, rng)
    spreads = [rows["counts"].std() for rows in matched.values()]
    assert len(matched["fact"]) == len(matched["translation"]) > 50
    assert spreads[0] == pytest.approx(spreads[1], rel=0.1)


@pytest.mark.parametrize("bits", [32, 8])
def test_memory_in_parts_finds_the_neighbors_of_the_whole(bits):
    rng = np.random.default_rng(6)
    rows, head = toy(rng, 70)
    queries, _ = toy(rng, 25)
    stored = rows if bits == 32 else memory.compact(rows)
    retrieval = memory.no_retrieval(queries)
    for numbers in np.split(np.arange(70), [3, 20, 21]):
        retrieval = memory.extended(retrieval, MEMORY, stored.pick(numbers), queries)
    # an independent method: all distances, sorted
    distances = np.linalg.norm(queries.features[:, None] - stored.features[None], axis=2)
    order = np.argsort(distances, axis=1)[:, : max(MEMORY.neighbors)]
    assert retrieval.size == 70
    neighbors = retrieval.neighbors
    assert np.array_equal(retrieval.entries.items[neighbors.rows], stored.items[order])
    assert np.allclose(neighbors.distances, np.take_along_axis(distances, order, 1), atol=1e-5)
    assert len(retrieval.entries.targets) == len(np.unique(order))
    setting = MemorySetting(4, 1.0, 2.0)
    whole = memory.answer(queries, 25, head, memory.retrieve(MEMORY, stored, queries), setting)
    parts = memory.answer(queries, 25, head, retrieval, setting)
    assert np.allclose(whole.losses, parts.losses)
