"""The n-gram engine against brute force, for any corpus, n-grams, blocks, shards and threads."""

import json
import tempfile
from collections import Counter
from itertools import chain, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rote import ngrams
from rote.core.errors import InputError
from rote.ngrams import counting, kernels

documents = st.lists(st.lists(st.integers(0, 4), max_size=12), min_size=1, max_size=12).filter(any)
gram = st.lists(st.integers(0, 5), min_size=1, max_size=5).map(tuple)


def corpus_of(texts: list[list[int]], folder: str) -> ngrams.Corpus:
    tokens = np.array(list(chain.from_iterable(texts)), np.int64)
    return ngrams.Corpus.from_tokens(
        Path(folder) / "corpus", tokens, np.cumsum([0, *map(len, texts)])
    )


def positions(text: list[int], gram: tuple[int, ...]) -> list[int]:
    return [
        at for at in range(len(text) - len(gram) + 1) if tuple(text[at : at + len(gram)]) == gram
    ]


@given(
    documents, st.lists(gram, min_size=1, max_size=6), st.sampled_from([1, 2]), st.integers(1, 9)
)
def test_count_agrees_with_brute_force(texts, grams, threads, block):
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpus_of(texts, folder)
        before = counting.BLOCK
        counting.BLOCK = block
        try:
            occurrences = ngrams.count(corpus, grams, threads=threads)
            document_counts = ngrams.count(corpus, grams, statistic="documents", threads=threads)
        finally:
            counting.BLOCK = before
    assert occurrences.dtype == np.int64
    for gram, n_occurrences, n_documents in zip(grams, occurrences, document_counts, strict=True):
        by_document = [len(positions(text, gram)) for text in texts]
        assert n_occurrences == sum(by_document)
        assert n_documents == np.count_nonzero(by_document)


@given(
    documents,
    st.lists(st.tuples(gram, gram), max_size=6),
    st.sampled_from([None, 0, 1, 3, 100, np.int8(127), 2**62, 2**63 - 1]),
    st.integers(1, 30),
)
def test_count_pairs_agrees_with_brute_force(texts, pairs, window, block):
    def brute(first, second):
        number = 0
        for text in texts:
            others = positions(text, second)
            if window is None:
                number += bool(positions(text, first)) and bool(others)
                continue
            for at in positions(text, first):
                number += any(abs(at - other) <= window for other in others)
        return number

    with tempfile.TemporaryDirectory() as folder:
        corpus = corpus_of(texts, folder)
        before = counting.BLOCK
        counting.BLOCK = block
        try:
            counts = ngrams.count_pairs(corpus, pairs, window=window)
        finally:
            counting.BLOCK = before
    assert counts.tolist() == [brute(*pair) for pair in pairs]


@given(documents, st.lists(st.tuples(gram, gram), min_size=1, max_size=4), st.sampled_from([0, 1]))
def test_count_withstands_colliding_hashes(texts, pairs, base):
    """With base 1 all permutations collide, with base 0 all n-grams with the same last token."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpus_of(texts, folder)
        queries = ngrams.queries(corpus, pairs=pairs)
        usual = ngrams.scan(corpus, queries)
        colliding = ngrams.scan(corpus, queries, _base=np.uint64(base))
    for count, colliding_count in zip(usual, colliding, strict=True):
        np.testing.assert_array_equal(count, colliding_count)


@given(
    documents,
    st.lists(st.tuples(gram, gram), min_size=1, max_size=4),
    st.sets(st.integers(0, 4), max_size=3),
)
def test_count_pairs_takes_stop_words_from_one_side(texts, pairs, stop):
    """First n-grams are counted in the stream without stop words, second ones in the full one."""

    def without_stop_words(tokens):
        return tuple(token for token in tokens if token not in stop)

    filtered = [list(without_stop_words(text)) for text in texts]
    pairs = [(without_stop_words(first), first, second) for first, second in pairs]
    pairs = [pair for pair in pairs if pair[0]]
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpus_of(texts, folder)
        words = [(token,) for token in stop]
        document_counts = ngrams.count_pairs(
            corpus, [pair[1:] for pair in pairs], stop_words=(words, ())
        )
        window_counts = ngrams.count_pairs(
            corpus, [pair[1:] for pair in pairs], stop_words=(words, ()), window=10**6
        )
    for (first, _, second), n_documents, n_occurrences in zip(
        pairs, document_counts, window_counts, strict=True
    ):
        both = [
            bool(positions(a, first)) and bool(positions(b, second))
            for a, b in zip(filtered, texts, strict=True)
        ]
        assert n_documents == sum(both)
        assert n_occurrences == sum(
            len(positions(text, first))
            for text, contained in zip(filtered, both, strict=True)
            if contained
        )


def test_count_pairs_counts_frequent_ngrams_by_bitmaps():
    """So many documents that lists, bitmaps and their mixtures all occur; galloping too."""
    rng = np.random.default_rng(3)
    texts = [
        (rng.random(8) < [0.9, 0.5, 0.2, 0.02, 0.004, 0.6, 0.05, 0.001]).nonzero()[0].tolist()
        for _ in range(9000)
    ]
    sets = [set(text) for text in texts]
    pairs = [((a,), (b,)) for a, b in product(range(8), range(8))]
    with tempfile.TemporaryDirectory() as folder:
        counts = ngrams.count_pairs(corpus_of(texts, folder), pairs)
    for pair, number in zip(pairs, counts, strict=True):
        both = {pair[0][0], pair[1][0]}
        assert number == sum(both <= text for text in sets)


@given(st.lists(st.integers(0, 500), unique=True, max_size=60), st.integers(0, 501), st.data())
def test_galloping_gives_the_first_position_that_is_not_below(values, target, data):
    values = np.sort(np.array(values, np.int64))
    begin = data.draw(st.integers(0, len(values)))
    expected = begin + int(np.searchsorted(values[begin:], target))
    assert kernels._gallop(values, begin, len(values), target) == expected


@given(documents, st.lists(st.integers(0, 5), max_size=6), st.integers(0, 5))
def test_infinity_gram_agrees_with_brute_force(texts, context, token):
    def count(ids):
        return (
            sum(len(positions(text, tuple(ids))) for text in texts) if ids else sum(map(len, texts))
        )

    suffix = next(
        context[at:] for at in range(len(context) + 1) if count(context[at:]) or at == len(context)
    )
    with tempfile.TemporaryDirectory() as folder:
        continuation = ngrams.InfinityGram(corpus_of(texts, folder)).continuation(context, [token])
    assert continuation == (count([*suffix, token]), count(suffix), len(suffix))
    assert continuation.probability == (
        count([*suffix, token]) / count(suffix) if count(suffix) else 0.0
    )


@given(documents)
def test_suffix_array_is_in_order_and_suffixes_end_with_their_document(texts):
    tokens = np.array(list(chain.from_iterable(texts)), np.uint16)
    offsets = np.cumsum([0, *map(len, texts)])
    order = ngrams.suffix_array(tokens, offsets, 5)
    assert sorted(order.tolist()) == list(range(len(tokens)))
    ends = np.repeat(offsets[1:], np.diff(offsets))
    suffixes = [tokens[at : ends[at]].tolist() for at in order]
    assert suffixes == sorted(suffixes)


@given(documents, st.integers(1, 30), st.integers(1, 3), st.sampled_from([1, 10**6]))
@settings(max_examples=60)
def test_table_counts_every_ngram(texts, n, min_count, shift):
    """Short n-grams are packed; long ones, or of many types, come from the suffix array."""
    texts = [(np.array(text, int) * shift).tolist() for text in texts]
    expected = Counter()
    for text in texts:
        expected.update(tuple(text[at : at + n]) for at in range(len(text) - n + 1))
    with tempfile.TemporaryDirectory() as folder:
        table = ngrams.table(corpus_of(texts, folder), n, min_count=min_count)
    assert len(table.counts) == len({tuple(row) for row in table.ngrams.tolist()})
    counted = dict(zip(map(tuple, table.ngrams.tolist()), table.counts.tolist(), strict=True))
    assert counted == {gram: number for gram, number in expected.items() if number >= min_count}
    assert table.top(2).counts.tolist() == sorted(counted.values(), reverse=True)[:2]


@given(
    st.lists(st.text(max_size=40), min_size=1, max_size=8),
    st.sampled_from(["word", "character", "whitespace"]),
)
def test_ngrams_of_a_text_occur_in_its_corpus(texts, unit):
    """Any n-gram of any text, Unicode or not, occurs in the corpus of that text."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        analyser = ngrams.Analyser(unit)
        split = analyser.splitter()
        assume(any(map(split, texts)))  # a corpus of nothing is refused
        corpus = ngrams.tokenize(file, Path(folder) / "corpus", analyser=analyser)
        joint = "" if unit == "character" else " "
        pieces = []
        for text, n in product(texts, (1, 2, 3)):
            pieces += [joint.join(gram) for gram in ngrams.grams(split(text), n)]
        if pieces:
            assert ngrams.count(corpus, pieces).min() >= 1
        whole = [text for text in texts if split(text)]
        if whole:
            assert ngrams.count(corpus, whole).min() >= 1


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_count_agrees_at_any_vocabulary_size(tmp_path, kind):
    top = np.iinfo(kind).max
    tokens = np.array([top, 0, top, top, 0, top], np.uint64)
    corpus = ngrams.Corpus.from_tokens(tmp_path / "c", tokens, np.array([0, 3, 6]))
    assert corpus.shards[0].tokens.dtype == kind
    assert ngrams.count(corpus, [(top, 0), (0, top), (top, top), (top,)]).tolist() == [2, 2, 0, 4]
    assert ngrams.count_pairs(corpus, [((top,), (0,)), ((0,), (top, top))]).tolist() == [2, 0]
    assert ngrams.InfinityGram(corpus).probability([0], [top]) == 1.0


@given(documents, st.lists(gram, min_size=1, max_size=6), st.sampled_from([list, iter, np.array]))
def test_shards_may_be_given_in_any_way(texts, grams, kind):
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpus_of(texts, folder)
        queries = ngrams.queries(corpus, singles=grams)
        every = ngrams.scan(corpus, queries)
        chosen = ngrams.scan(corpus, queries, options=ngrams.ScanOptions(kind([0])))
    np.testing.assert_array_equal(every.occurrences, chosen.occurrences)


def test_queries_of_another_corpus_are_refused(tmp_path):
    """Its ids mean other words, and hashes of its n-grams may be those of others."""
    one = ngrams.tokenize(["a b c d e f g h"], tmp_path / "one")
    other = ngrams.tokenize(["h g"], tmp_path / "other")
    with pytest.raises(InputError, match="they are of another corpus"):
        ngrams.scan(other, ngrams.queries(one, singles=["h"]))


def test_one_text_in_place_of_several_is_refused(tmp_path):
    """Its characters would be counted."""
    corpus = ngrams.tokenize(["red kite"], tmp_path / "corpus")
    for call in (
        lambda: ngrams.count(corpus, "red kite"),
        lambda: ngrams.postings(corpus, "red kite"),
        lambda: ngrams.count_pairs(corpus, "rk"),
        lambda: ngrams.count(corpus, ["kite"], stop_words="red"),
        lambda: ngrams.Analyser(stop_words="red").check(),
        lambda: corpus.ids("red kite", leave_out="red"),
    ):
        with pytest.raises(InputError, match="must be several values"):
            call()


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=20),
    st.lists(st.integers(-1, 2**62), max_size=3),
)
def test_ids_that_a_corpus_lacks_do_not_occur(tokens, ids):
    with tempfile.TemporaryDirectory() as folder:
        model = ngrams.InfinityGram(corpus_of([tokens], folder))
        known = [number for number in ids if 0 <= number <= 3]
        for token in (-1, 4, 2**62):
            assert model.continuation_ids(ids, token).followed == 0
        if len(known) < len(ids):
            assert model.count([4, *known]) == 0
