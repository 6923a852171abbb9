"""BM25, LSA and a sentence encoder as estimates of pairs, beside the task-gram ratio."""

import numpy as np
import pandas as pd
import pytest
from rote import ngrams
from rote.papers.distmem import alternatives, counting, mining, settings

TOPICS = {"sea": ["fish", "wave", "salt"], "sky": ["bird", "cloud", "wind"]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> ngrams.Corpus:
    """Documents of two topics; the words of one never meet those of the other."""
    rng = np.random.default_rng(0)
    texts = []
    for number in range(600):
        name = ("sea", "sky")[number % 2]
        texts.append(" ".join([name, *rng.choice(TOPICS[name], 4)]))
    return ngrams.tokenize(texts, tmp_path_factory.mktemp("topics") / "corpus")


def sample(corpus, **options) -> alternatives.PairSample:
    analysis = settings.DistmemAnalysis(dimensions=2, grams={"t": [1]}, windows=[], **options)
    pairs = pd.DataFrame(
        {"input_gram": ["fish", "bird", "fish"], "output_gram": ["sea", "sky", "wave"], "n": 1}
    )
    pairs = pairs.join(counting.count(corpus, pairs, analysis))
    with_output = ngrams.postings(corpus, pairs["output_gram"])
    return alternatives.PairSample(corpus, analysis, pairs, with_output)


def test_trained_encoder_puts_words_of_a_topic_together(corpus):
    embed = alternatives.train_encoder(corpus, np.random.default_rng(0))
    fish, wave, bird = embed(["fish", "wave salt", "bird cloud"])
    np.testing.assert_allclose(np.linalg.norm([fish, wave, bird], axis=1), 1, atol=1e-5)
    assert fish @ wave > fish @ bird + 0.5
    again = alternatives.train_encoder(corpus, np.random.default_rng(0))
    np.testing.assert_array_equal(again(["fish"]), embed(["fish"]))
    assert not embed([""]).any()


def test_density_is_that_of_the_documents_with_the_output(corpus):
    of_corpus = sample(corpus)

    def embed(texts):
        rows = np.array([[("fish" in text), ("bird" in text)] for text in texts], float)
        return mining._unit(rows)

    values = alternatives.density(of_corpus, embed)
    for row, shown in enumerate(of_corpus.embedded):
        gram = of_corpus.pairs["input_gram"][row]
        texts = [alternatives.text_of(corpus, int(number)) for number in shown]
        holds = np.array([gram in text.split() for text in texts])
        expected = np.log(np.exp((holds - 1.0) / 0.05).sum())
        assert values[row] == pytest.approx(expected)


def test_bm25_of_pairs_agrees_with_the_score_by_hand(corpus):
    of_corpus = sample(corpus)
    texts = [alternatives.text_of(corpus, number).split() for number in range(corpus.documents)]
    mean = np.mean([len(text) for text in texts])
    gram, output = of_corpus.pairs.loc[0, ["input_gram", "output_gram"]]
    df = sum(gram in text for text in texts)
    idf = np.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
    scores = []
    for text in texts:
        if output in text:
            norm = 1.5 * (0.25 + 0.75 * len(text) / mean)
            scores.append(idf * text.count(gram) * 2.5 / (text.count(gram) + norm))
    expected = np.log(sum(sorted(scores)[-50:]))
    assert alternatives.bm25(of_corpus)[0] == pytest.approx(expected)


def test_every_estimate_has_a_value_for_every_pair(corpus):
    of_corpus = sample(corpus)
    for one in (alternatives.TASK_GRAM, *alternatives.OTHERS):
        assert np.isfinite(one.estimate(of_corpus)).all(), one.name
