"""The chain's memories: neighbors, settings, contents, and correlations with counts."""

import numpy as np
import pandas as pd
import pytest
from rote.papers.chain import evaluation, memory, plan, settings
from rote.papers.chain.embeddings import AnswerTokens
from rote.papers.chain.memory import TuningRows
from rote.resmem import Setting

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
    both = memory.answer(rows, 40, head, retrieval, Setting(1, np.inf, 1.0))
    assert alone.exact.mean() < 0.5
    assert both.exact.all()
    assert (both.losses < 1e-4).all()


def test_memory_works_with_fewer_entries_than_neighbors_and_with_none():
    rng = np.random.default_rng(1)
    few, head = toy(rng, 3)
    queries, _ = toy(rng, 20)
    retrieval = memory.retrieve(MEMORY, few, queries)
    assert retrieval.neighbors.rows.shape == (20, 3)
    both = memory.answer(queries, 20, head, retrieval, Setting(20, 1.0, 1.0))
    assert np.isfinite(both.losses).all()
    assert memory.tune(MEMORY, retrieval, head, queries, fact_rows(20)).k in (0, 1, 3)
    empty = memory.retrieve(MEMORY, few.pick(np.arange(0)), queries)
    assert memory.tune(MEMORY, empty, head, queries, fact_rows(20)).k == 0


def test_memory_lets_identical_hidden_states_share_the_vote():
    head = np.zeros((4, 2), np.float32)
    rows = AnswerTokens(np.ones((4, 2), np.float32), np.array([1, 1, 1, 2]), np.arange(4))
    query = AnswerTokens(np.ones((1, 2), np.float32), np.array([1]), np.zeros(1, int))
    retrieval = memory.retrieve(MEMORY, rows, query)
    answers = memory.answer(query, 1, head, retrieval, Setting(4, 0.0, 1.0))
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


def test_memory_contents_select_the_statements_they_name():
    facts = np.array([0, 0, 1, 2, 3, 3])
    stated = {"none": {0, 1, 2, 3}, "random": {0, 3}, "loss": {0, 1}}

    def holds(content: str, variant: str) -> list[int]:
        statements = plan.Statements(facts, stated, variant, np.random.default_rng(0))
        return plan.CONTENTS[content].select(statements).astype(int).tolist()

    assert holds("kept", "loss") == [1, 1, 1, 0, 0, 0]
    assert holds("pruned", "loss") == [0, 0, 0, 1, 1, 1]
    assert holds("pruned", "random") == [0, 0, 1, 1, 0, 0]
    assert sum(holds("random", "none")) == 3
    assert all(holds("all", "none"))
    assert not any(holds("nothing", "none"))


def test_count_correlations_agree_with_those_by_hand():
    columns = {"fact": [0, 0, 1, 2, 3, -1], "losses": [1.0, 3.0, 1.0, 4.0, 0.0, 1.0]}
    columns |= {"kind": ["fact"] * 5 + ["translation"], "part": ["probe"] * 5 + ["test"]}
    counts = pd.DataFrame(
        {"kind": "fact", "item": [0, 1, 2, 3], "documents": [5, 9, 1, 0], "total": 20}
    )
    answered = pd.DataFrame(columns)
    correlations = list(evaluation.count_correlations(answered, counts, {0, 1, 2, 3}))
    # fact 3 is never stated; one translation is no correlation
    assert correlations == [{"kind": "fact", "rho": pytest.approx(1.0), "items": 3}]
