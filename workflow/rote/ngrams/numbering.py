"""Queries of a corpus: distinct n-grams numbered, and pairs of them by number."""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import numpy as np

from rote.core import fields
from rote.core.errors import InputError
from rote.ngrams.corpus import Corpus, NGram, read_ngram

log = logging.getLogger("rote")
MAX_LISTED = 5  # n-grams that a warning names
Gram = tuple[int, tuple[int, ...]]  # stop-word set, token ids


class Queries(NamedTuple):
    """Distinct n-grams, and pairs of them by number.

    The number −1 stands for an n-gram with a word that the corpus lacks. Numbers from G on, that of
    `grams`, are those of `unions`: texts that are two n-grams, with and without a space before.
    """

    grams: list[Gram]
    stop_words: list[np.ndarray]  # marks by token id, per stop-word set; the first is empty
    pairs: np.ndarray  # (P, 2) int64
    singles: np.ndarray  # (S,) int64, numbers of the n-grams that are no part of a pair
    unions: np.ndarray  # (U, 2) int64 numbers in `grams`; either occurs where the text does
    untokenized: list[str]  # texts of which the corpus's tokenizer has no tokens; they count 0
    corpus: str  # digest of the corpus whose token ids these are

    @property
    def checksum(self) -> str:
        """Names the list of queries: partial counts of different lists must never be added up."""
        digest = hashlib.sha256(repr(self.grams).encode())
        for part in (*self.stop_words, self.pairs, self.singles, self.unions):
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
    """Number n-grams and pairs; warn of texts of which the corpus's tokenizer has no tokens.

    In a corpus of a tokenizer's tokens, a text is matched with and without a space before it.

    Args:
        corpus: whose analyser splits text, and whose words have the ids.
        pairs, singles: n-grams as text or token ids, see `Corpus.ids`.
        stop_words: left out of the corpus and of the n-grams: for the first of each pair, and for
            its second. Single n-grams go with the first.

    Returns:
        The queries.

    Raises:
        InputError: naming the pair or n-gram that cannot be read, and for one text in place of
            several.
    """
    fields.check_types({"corpus": Corpus}, {"corpus": corpus})
    fields.check_many({"pairs": pairs, "singles": singles, "stop_words": stop_words})
    both_stop_words = list(stop_words)
    if len(both_stop_words) != 2:
        raise InputError("stop_words must be two collections of words, for first and second ones")
    marks = [np.empty(0, bool)]
    forms: dict[frozenset[Gram], int] = {}
    first, second = (_Side(corpus, words, marks, forms) for words in both_stop_words)

    def number_pair(pair: tuple[NGram, NGram]) -> tuple[int, int]:
        a, b = pair
        return first.number(a), second.number(b)

    pair_numbers = np.array(_read_all(pairs, "pair", number_pair), np.int64).reshape(-1, 2)
    single_numbers = np.array(_read_all(singles, "n-gram", first.number), np.int64)
    untokenized = list(dict.fromkeys(first.untokenized + second.untokenized))
    if untokenized:
        log.warning(
            "%d n-grams count 0, as the tokenizer of the corpus has no tokens for them: %s%s",
            len(untokenized),
            ", ".join(map(repr, untokenized[:MAX_LISTED])),
            ", ..." if len(untokenized) > MAX_LISTED else "",
        )
    grams, unions, final = _numbered(forms)
    return Queries(
        grams,
        marks,
        final[pair_numbers],
        final[single_numbers],
        unions,
        untokenized,
        corpus.digest,
    )


def _numbered(
    forms: dict[frozenset[Gram], int],
) -> tuple[list[Gram], np.ndarray, np.ndarray]:
    """N-grams, unions of two, and final numbers (..., −1 at the end) by preliminary ones."""
    grams: dict[Gram, int] = {}
    for form in forms:
        for gram in sorted(form):
            grams.setdefault(gram, len(grams))
    unions: list[list[int]] = []
    final = np.full(len(forms) + 1, -1, np.int64)
    for form, number in forms.items():
        numbers = [grams[gram] for gram in sorted(form)]
        final[number] = numbers[0]
        if len(numbers) > 1:
            final[number] = len(grams) + len(unions)
            unions.append(numbers)
    return list(grams), np.array(unions, np.int64).reshape(-1, 2), final


class _Side:
    """Numbers the n-grams of one side of the pairs, whose stop words they lack.

    Args:
        marks: of the stop-word sets so far, see `Queries`; a new set is appended.
        forms: numbers of the n-grams, or pairs of them, of both sides so far; new ones are added.
    """

    def __init__(
        self,
        corpus: Corpus,
        stop_words: Collection[str],
        marks: list[np.ndarray],
        forms: dict[frozenset[Gram], int],
    ):
        self.corpus = corpus
        self.stop_words = _stop_units(corpus, stop_words)
        self.stream = _stream_of(self.stop_words, corpus.types, marks)
        self.forms = forms
        self.cache: dict[Any, int] = {}
        self.untokenized: list[str] = []

    def number(self, ngram: NGram) -> int:
        """Number of an n-gram. Raises InputError if it cannot be read."""
        key = ngram if isinstance(ngram, (str, bytes, tuple)) else read_ngram(ngram)
        if key not in self.cache:
            forms = self._forms(key)
            tokenized = [ids for ids in forms if min(ids) >= 0]
            if self.corpus.analyser.gives_ids and not tokenized:
                self.untokenized.append(str(ngram))
            known = frozenset(
                (self.stream, ids) for ids in tokenized if max(ids) < self.corpus.types
            )
            self.cache[key] = self.forms.setdefault(known, len(self.forms)) if known else -1
        return self.cache[key]

    def _forms(self, ngram: str | bytes | tuple) -> list[tuple[int, ...]]:
        if isinstance(ngram, tuple) and not self.stop_words and _are_ids(ngram):
            return [tuple(ngram)]
        return self.corpus.forms(ngram, self.stop_words)


def _are_ids(values: tuple) -> bool:
    """Whether these are token ids already, as whole numbers of Python's own."""
    return set(map(type, values)) == {int} and min(values) >= 0


def _stop_units(corpus: Corpus, words: Collection[NGram]) -> set[str | int]:
    """Stop words as the units that they are, and as token ids."""
    fields.check_many({"stop_words": words})
    units: set[str | int] = set()
    for word in words:
        single = [ids for ids in corpus.forms(word) if len(ids) == 1]
        if not single:
            raise InputError(f"stop word {word!r}: must be one {corpus.analyser.unit}")
        for ids in single:
            units.update(ids)
        if isinstance(word, str) and not corpus.analyser.gives_ids:
            units.update(corpus.split(word))
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
