"""Statements without a network: nearest neighbors over words, and a dictionary."""

from collections import Counter
from collections.abc import Callable
from itertools import chain

import numpy as np
from scipy import sparse

from rote.papers.chain.memory import LineAnswers, line_answers
from rote.papers.chain.plan import DICTIONARY, KNN
from rote.papers.chain.sequences import Sequences

BLOCK = 256  # questions that are compared at a time
ID_BYTES = 2  # of a token id
WRONG = -np.log(1e-6)  # nats of an answer that is not given

Contexts = list[tuple[int, ...]]  # token ids before the first answer token of each line


def bytes_of(statements: Sequences) -> int:
    """Bytes of the statements as token ids: what either method stores.

    Args:
        statements: that are stored, as lines.
    """
    last = (statements.positions * (statements.mask > 0)).max(1, initial=0)
    return int(ID_BYTES * (last + 1).sum())


def knn(statements: Sequences, questions: Sequences) -> np.ndarray:
    """The statements whose words before the answer are the most like those of each question.

    Contexts are compared by the cosine of their words' counts, each times the log of how rare the
    word is among the statements; of equally near ones the first.

    Args:
        statements: that are stored.
        questions: that are asked.

    Returns:
        Numbers of statements, one per question.
    """
    size = int(max(statements.tokens.max(initial=0), questions.tokens.max(initial=0))) + 1
    stored, queries = _bags(contexts(statements), size), _bags(contexts(questions), size)
    rarity = np.log(len(statements) / np.maximum((stored > 0).sum(0), 1))
    transposed = _directions(stored, rarity).T.tocsr()
    queries = _directions(queries, rarity)
    nearest = []
    for begin in range(0, len(questions), BLOCK):
        cosines = queries[begin : begin + BLOCK] @ transposed
        nearest.append(np.asarray(cosines.tocsr().argmax(axis=1)).ravel())
    return np.concatenate(nearest)


def _bags(texts: Contexts, size: int) -> sparse.csr_array:
    """Counts of words, (texts, size)."""
    words = np.array(list(chain.from_iterable(texts)), int)
    rows = np.repeat(np.arange(len(texts)), list(map(len, texts)))
    ones = np.ones(len(words), np.float32)
    return sparse.coo_array((ones, (rows, words)), shape=(len(texts), size)).tocsr()


def _directions(bags: sparse.csr_array, rarity: np.ndarray) -> sparse.csr_array:
    """Counts times the words' rarity, at length 1."""
    vectors = bags.multiply(rarity[None]).tocsr()
    lengths = np.sqrt(vectors.multiply(vectors).sum(1)).clip(1e-12)
    return vectors.multiply((1 / lengths)[:, None]).tocsr()


def dictionary(statements: Sequences, questions: Sequences) -> np.ndarray:
    """The statements with the same words before the answer, of several values the most common.

    Args:
        statements: that are stored.
        questions: that are asked.

    Returns:
        Numbers of statements, one per question, -1 where none has these words.
    """
    values = [tuple(row) for row in _values(statements).tolist()]
    counts: dict[tuple[int, ...], Counter[tuple[int, ...]]] = {}
    first: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for row, (words, value) in enumerate(zip(contexts(statements), values, strict=True)):
        counts.setdefault(words, Counter())[value] += 1
        first.setdefault((words, value), row)
    table = {words: first[words, of.most_common(1)[0][0]] for words, of in counts.items()}
    return np.array([table.get(words, -1) for words in contexts(questions)])


def contexts(lines: Sequences) -> Contexts:
    """The token ids before the first answer token of each line.

    Args:
        lines: with the positions of their answers.
    """
    ends = np.where(lines.mask > 0, lines.positions, lines.tokens.shape[1]).min(1) + 1
    return [tuple(row[1:end].tolist()) for row, end in zip(lines.tokens, ends, strict=True)]


def _values(lines: Sequences) -> np.ndarray:
    """Answer tokens, -1 behind the last, (lines, answers)."""
    return np.where(lines.mask > 0, lines.targets, -1)


def answer(method: str, statements: Sequences, questions: Sequences) -> LineAnswers:
    """What the statements answer by a method of `METHODS`: the value of a statement, as a whole.

    Args:
        method: its name.
        statements: that are stored.
        questions: that are asked.
    """
    rows, columns = np.nonzero(questions.mask > 0)
    chosen = METHODS[method](statements, questions)[rows]
    stored = _values(statements)
    width = max(stored.shape[1], questions.mask.shape[1])
    stored = np.pad(stored, ((0, 0), (0, width - stored.shape[1])), constant_values=-1)
    correct = (chosen >= 0) & (stored[chosen, columns] == questions.targets[rows, columns])
    return line_answers(rows, correct, np.where(correct, 0.0, WRONG), len(questions))


METHODS: dict[str, Callable[[Sequences, Sequences], np.ndarray]] = {
    KNN.name: knn,
    DICTIONARY.name: dictionary,
}
