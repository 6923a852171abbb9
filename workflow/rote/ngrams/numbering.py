"""Queries of a corpus: distinct n-grams numbered, and pairs of them by number."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.ngrams.corpus import Corpus, NGram

Gram = tuple[int, tuple[int, ...]]  # stop-word set, token ids


class Queries(NamedTuple):
    """Distinct n-grams, and pairs of them by number.

    The number −1 stands for an n-gram with a word that the corpus lacks.
    """

    grams: list[Gram]
    stop_words: list[np.ndarray]  # marks by token id, per stop-word set; the first is empty
    pairs: np.ndarray  # (P, 2) int64
    singles: np.ndarray  # (S,) int64, numbers of the n-grams that are no part of a pair

    @property
    def checksum(self) -> str:
        """Names the list of queries: partial counts of different lists must never be added up."""
        digest = hashlib.sha256(repr(self.grams).encode())
        for part in (*self.stop_words, self.pairs, self.singles):
            digest.update(len(part).to_bytes(8, "little") + part.tobytes())
        return digest.hexdigest()[:32]


def by_number(counts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Counts of n-grams, taken by their numbers; the number −1 occurs 0 times.

    Args:
        counts: (G,) int64, see `Counts`.
        numbers: of n-grams in `Queries`, any shape, int64.

    Returns:
        int64, of the shape of `numbers`.
    """
    return np.append(counts, 0)[numbers]


def queries(
    corpus: Corpus,
    *,
    pairs: Iterable[tuple[NGram, NGram]] = (),
    singles: Iterable[NGram] = (),
    stop_words: tuple[Collection[str], Collection[str]] = ((), ()),
) -> Queries:
    """Number n-grams and pairs.

    Args:
        corpus: whose analyser splits text, and whose words have the ids.
        pairs, singles: n-grams as text or token ids, see `Corpus.ids`.
        stop_words: left out of the corpus and of the n-grams: for the first of each pair, and for
            its second. Single n-grams go with the first.

    Returns:
        The queries.

    Raises:
        InputError: naming the pair or n-gram that cannot be read.
    """
    marks = [np.empty(0, bool)]
    numbers: dict[Gram, int] = {}
    first, second = (_Side(corpus, words, marks, numbers) for words in stop_words)

    def number_pair(pair: tuple[NGram, NGram]) -> tuple[int, int]:
        a, b = pair
        return first.number(a), second.number(b)

    pair_numbers = np.array(_read_all(pairs, "pair", number_pair), np.int64).reshape(-1, 2)
    single_numbers = np.array(_read_all(singles, "n-gram", first.number), np.int64)
    return Queries(list(numbers), marks, pair_numbers, single_numbers)


class _Side:
    """Numbers the n-grams of one side of the pairs, whose stop words they lack.

    Args:
        marks: of the stop-word sets so far, see `Queries`; a new set is appended.
        numbers: of the n-grams of both sides so far; new ones are added.
    """

    def __init__(
        self,
        corpus: Corpus,
        stop_words: Collection[str],
        marks: list[np.ndarray],
        numbers: dict[Gram, int],
    ):
        self.corpus = corpus
        self.stop_words = _stop_units(corpus, stop_words)
        self.stream = _stream_of(self.stop_words, corpus.types, marks)
        self.numbers = numbers
        self.cache: dict[Any, int] = {}

    def number(self, ngram: NGram) -> int:
        """Number of an n-gram. Raises InputError if it cannot be read."""
        key = ngram if isinstance(ngram, (str, bytes, tuple)) else tuple(ngram)
        if key not in self.cache:
            ids = self._ids(key)
            unknown = min(ids) < 0 or max(ids) >= self.corpus.types
            self.cache[key] = (
                -1 if unknown else self.numbers.setdefault((self.stream, ids), len(self.numbers))
            )
        return self.cache[key]

    def _ids(self, ngram: str | bytes | tuple) -> tuple[int, ...]:
        if isinstance(ngram, tuple) and not self.stop_words and _are_ids(ngram):
            return tuple(ngram)
        return self.corpus.ids(ngram, self.stop_words)


def _are_ids(values: tuple) -> bool:
    """Whether these are token ids already, as whole numbers of Python's own."""
    return set(map(type, values)) == {int} and min(values) >= 0


def _stop_units(corpus: Corpus, words: Collection[NGram]) -> set[str | int]:
    """Stop words as the units that they are, and as token ids."""
    units: set[str | int] = set()
    for word in words:
        ids = corpus.ids(word)
        if len(ids) != 1:
            raise InputError(f"stop word {word!r}: must be one {corpus.analyser.unit}")
        units |= {*ids, *(corpus.split(word) if isinstance(word, str) else ())}
    return units - {-1}


def _stream_of(stop_units: Collection[str | int], types: int, marks: list[np.ndarray]) -> int:
    """Number of a stop-word set among `marks`, appended if it is new; a set without ids is 0."""
    mark = np.zeros(types, bool)
    mark[[unit for unit in stop_units if not isinstance(unit, str) and 0 <= unit < types]] = True
    if not mark.any():
        return 0
    for number, other in enumerate(marks):
        if np.array_equal(mark, other):
            return number
    marks.append(mark)
    return len(marks) - 1


def _read_all(items: Iterable, kind: str, read: Callable[[Any], Any]) -> list:
    """Every item read. Raises InputError naming kind and position of one that cannot be."""
    results = []
    for position, item in enumerate(items):
        try:
            results.append(read(item))
        except InputError as error:
            raise InputError(f"{kind} {position}: {error}") from error
        except (TypeError, ValueError) as error:
            raise InputError(f"{kind} {position}: {item!r} is not two n-grams") from error
    return results
