"""Queries as users write them: tables of pairs, words that look like numbers, tokens and spaces."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rote import ngrams
from rote.core.errors import InputError
from rote.ngrams import Analyser, files

WORDS = ["2020", "007", "1e5", "null", "NA", "nan", "None", "true", "1/2/2020", "-inf", "kite"]


def corpus_of(folder, texts, **options) -> ngrams.Corpus:
    folder.mkdir()
    source = folder / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return ngrams.tokenize(source, folder / "corpus", Analyser(**options))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_words_that_look_like_numbers_or_missing_are_words(tmp_path, suffix):
    frame = pd.DataFrame({"first": WORDS, "second": WORDS[::-1], "weight": range(len(WORDS))})
    path = tmp_path / f"pairs{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        lines = [json.dumps(row) for row in frame.to_dict("records")]
        path.write_text("\n".join(lines) + "\n")
    else:
        frame.to_parquet(path)
    pairs = files.read_pairs(path)
    assert pairs.frame["first"].tolist() == WORDS
    assert pairs.frame["second"].tolist() == WORDS[::-1]
    assert pairs.frame["weight"].tolist() == list(range(len(WORDS)))
    corpus = corpus_of(tmp_path / "c", [" ".join(WORDS), "kite"], unit="whitespace")
    counts = files.count_beside(corpus, pairs)
    assert (counts.frame["pair_documents"] == 1).all()
    assert (counts.frame["first_occurrences"] == np.where(np.array(WORDS) == "kite", 2, 1)).all()


@pytest.mark.parametrize("index", [[5, 0, 7], [1, 1, 1], list("abc")])
def test_counts_stand_beside_their_pairs_whatever_the_tables_index(tmp_path, index):
    """A Parquet file keeps the index of a frame that was filtered or sorted."""
    corpus = corpus_of(tmp_path / "c", ["a b", "a", "a c", "a"])
    frame = pd.DataFrame({"first": list("abc"), "second": list("cab")}, index=index)
    frame.to_parquet(tmp_path / "pairs.parquet")
    counts = files.count_beside(corpus, files.read_pairs(tmp_path / "pairs.parquet")).frame
    assert counts["first"].tolist() == list("abc")
    assert counts["first_documents"].tolist() == [4, 1, 1]
    assert counts["pair_documents"].tolist() == [1, 1, 0]
    assert counts["first_documents"].dtype.kind == "i"


def test_columns_of_n_grams_that_are_named_as_counts_are_refused(tmp_path):
    corpus = corpus_of(tmp_path / "c", ["a b"])
    (tmp_path / "pairs.csv").write_text("first_documents,second\na,b\n")
    with pytest.raises(InputError, match="first_documents of n-grams has the name of a count"):
        files.count_beside(corpus, files.read_pairs(tmp_path / "pairs.csv"))


def test_tables_that_hold_no_n_grams_are_refused_by_row(tmp_path):
    corpus = corpus_of(tmp_path / "c", ["red kite"])
    (tmp_path / "empty.csv").write_text("first,second\nred,\n")
    with pytest.raises(InputError, match="pair 0: n-gram '': no word in it"):
        files.count_beside(corpus, files.read_pairs(tmp_path / "empty.csv"))
    for text in ('["red", "kite"]\n', "red\n", '{"first": "red"\n'):
        (tmp_path / "bad.jsonl").write_text(text)
        with pytest.raises(InputError, match=r"bad\.jsonl cannot be read as a table"):
            files.read_pairs(tmp_path / "bad.jsonl")


def test_counts_within_a_window_are_named_so(tmp_path):
    corpus = corpus_of(tmp_path / "c", ["a b c a", "b"])
    within = files.count_table(corpus, ["a", "b"], ["c", "a"], window=1)
    assert list(within.frame) == files.COUNTED_WITHIN
    assert within.frame["pair_occurrences"].tolist() == [1, 1]
    assert within.summary == "2 pairs, 2 of them within the window"
    assert list(files.count_table(corpus, ["a"], ["c"]).frame) == files.COUNTED
    # columns of an earlier counting go
    earlier = within.frame.assign(first=["a", "b"], second=["c", "a"])
    again = files.count_beside(corpus, files.Pairs(earlier, "first", "second"))
    assert "pair_occurrences" not in again.frame
    files.write_counts(tmp_path / "w.parquet", within)
    assert list(files.add_up([tmp_path / "w.parquet"]).frame) == files.COUNTED_WITHIN


@pytest.mark.parametrize("unit", ["word", "whitespace", "character"])
def test_halves_of_surrogate_pairs_are_replaced(tmp_path, unit):
    corpus = corpus_of(tmp_path / "c", ["a \ud800 b", "a \U0001f600 b\udfff"], unit=unit)
    assert corpus.documents == 2
    assert ngrams.count(corpus, ["a"]).tolist() == [2]
    if unit == "whitespace":
        assert ngrams.count(corpus, ["\ud800", "\ufffd", "b\udc00"]).tolist() == [1, 1, 1]
    files.write_ngrams(tmp_path / "t.parquet", corpus, ngrams.table(corpus, 1))


PHRASES = ["the red kite", "red kite", "kite", "bird of prey", "prey", "the", "Bern", "x"]
sentences = st.lists(st.sampled_from(PHRASES), min_size=1, max_size=5).map(" ".join)


def tokens_at(text: list[int], gram: tuple[int, ...]) -> set[int]:
    ends = range(len(text) - len(gram) + 1)
    return {at for at in ends if tuple(text[at : at + len(gram)]) == gram}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(sentences, min_size=1, max_size=6),
    st.lists(st.sampled_from(PHRASES), min_size=2, max_size=2),
    st.integers(0, 4),
)
def test_texts_are_matched_with_and_without_a_space(
    tmp_path_factory, small_lm, texts, pair, window
):
    """Against brute force on the tokens: a pair-encoded word has others behind a space."""
    folder = tmp_path_factory.mktemp("tokens") / "c"
    corpus = corpus_of(folder, texts, unit="token", tokenizer=str(small_lm))
    encode = corpus.split
    documents = [encode(text) for text in texts]
    places = []
    for phrase in pair:
        forms = {tuple(encode(phrase)), tuple(encode(f" {phrase}"))}
        of_documents = []
        for document in documents:
            of_documents.append(set().union(*(tokens_at(document, form) for form in forms)))
        places.append(of_documents)
    first, second = places
    counts = files.count_table(corpus, [pair[0]], [pair[1]]).frame.iloc[0]
    assert counts["first_occurrences"] == sum(map(len, first))
    assert counts["second_documents"] == sum(map(bool, second))
    together = [bool(a and b) for a, b in zip(first, second, strict=True)]
    assert counts["pair_documents"] == sum(together)
    expected = 0
    for a, b in zip(first, second, strict=True):
        for at in a:
            expected += min((abs(at - other) for other in b), default=window + 1) <= window
    within = files.count_table(corpus, [pair[0]], [pair[1]], window=window).frame.iloc[0]
    assert within["pair_occurrences"] == expected
    assert within["second_documents"] == sum(map(bool, second))
    occurring_in = ngrams.postings(corpus, [pair[0]])[0].tolist()
    assert occurring_in == [number for number, places in enumerate(first) if places]
    # token ids are taken as they are
    bare = tuple(encode(pair[0]))
    exact = sum(len(tokens_at(document, bare)) for document in documents)
    assert ngrams.count(corpus, [bare, pair[0]]).tolist() == [exact, sum(map(len, first))]
    assert ngrams.InfinityGram(corpus).count(pair[0]) == sum(map(len, first))


def test_a_tokenizers_continuation_may_begin_with_a_space(tmp_path, small_lm):
    corpus = corpus_of(
        tmp_path / "c", ["the red kite", "red kite"], unit="token", tokenizer=str(small_lm)
    )
    model = ngrams.InfinityGram(corpus)
    assert len(corpus.split(" kite")) == 1
    continuation = model.continuation("red", "kite")
    assert continuation.probability == 1


def test_texts_without_tokens_are_reported_and_count_nothing(tmp_path, caplog):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"a": 0, "b": 1, "[U]": 2}, unk_token="[U]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "tokenizer"
    PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[U]").save_pretrained(folder)
    corpus = corpus_of(tmp_path / "c", ["a b zebra", "kite b"], unit="token", tokenizer=str(folder))
    with caplog.at_level(logging.WARNING, "rote"):
        assert ngrams.count(corpus, ["zebra", "b kite", "a b", (2,)]).tolist() == [0, 0, 1, 2]
    assert "2 n-grams count 0" in caplog.text
    assert "'zebra', 'b kite'" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "rote"):
        ngrams.count_pairs(corpus, [("a", "b"), ("b", "yak")])
    assert "'yak'" in caplog.text
    assert ngrams.queries(corpus, singles=["yak", "a"]).untokenized == ["yak"]


def test_grams_and_suffix_arrays_refuse_what_they_cannot_use():
    tokens = np.array([0, 1, 2])
    with pytest.raises(InputError, match="n must be a whole number ≥ 1, given 0"):
        ngrams.grams("abc", 0)
    with pytest.raises(InputError, match=r"token ids must lie in \[0, 2\)"):
        ngrams.suffix_array(tokens, np.array([0, 3]), 2)
    for offsets in ([0, 2], [1, 3], [0, 2, 1, 3], []):
        with pytest.raises(InputError, match="offsets must rise from 0 to the number of tokens, 3"):
            ngrams.suffix_array(tokens, np.array(offsets), 3)
