"""What can be tokenized: texts, data sets, files."""

import pandas as pd
import pytest
from rote import ngrams
from rote.core.errors import InputError
from rote.ngrams import CorpusOptions

DOCUMENTS = ["a red kite", "the red kite is a bird", "no bird"]


def _dataset():
    import datasets

    return datasets.Dataset.from_dict({"text": DOCUMENTS, "id": [1, 2, 3]})


@pytest.mark.parametrize(
    "texts",
    [
        DOCUMENTS,
        tuple(DOCUMENTS),
        pd.Series(DOCUMENTS),
        lambda: iter(DOCUMENTS),
        lambda: ({"text": text} for text in DOCUMENTS),
        _dataset,
        lambda: _dataset().to_iterable_dataset(),
    ],
    ids=["list", "tuple", "series", "iterator", "rows", "dataset", "iterable dataset"],
)
def test_tokenize_takes_texts_and_data_sets(tmp_path, texts):
    corpus = ngrams.tokenize(texts() if callable(texts) else texts, tmp_path / "c")
    assert corpus.documents == 3
    assert ngrams.count(corpus, ["red kite", "bird"]).tolist() == [2, 2]
    (tmp_path / "a.txt").write_text("\n".join(DOCUMENTS))
    options = CorpusOptions(split="line")
    of_file = ngrams.tokenize(tmp_path / "a.txt", tmp_path / "d", options=options)
    assert of_file.digest == corpus.digest


def test_tokenize_takes_several_paths(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("red kite")
    corpus = ngrams.tokenize([tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / "c")
    assert corpus.documents == 2


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a.txt"], r"text 0 is 'a\.txt': strings in a list are texts; for files give one string"),
        (["red", "hf:org/set"], "text 1 is 'hf:org/set'"),
        ([], "no word in the texts given"),
        ([3], r"text 0: no text under the key 'text' \(it has int\)"),
        ([{"body": "red"}], r"text 0: no text under the key 'text' \(it has body\)"),
    ],
)
def test_tokenize_refuses_what_are_no_texts(tmp_path, texts, message):
    with pytest.raises(InputError, match=message):
        ngrams.tokenize(texts, tmp_path / "c", options=CorpusOptions(strict=True))
    assert not (tmp_path / "c").exists()
