"""Statements without a network: nearest neighbors over words, and a dictionary."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from rote.papers.chain.memory import LineAnswers, line_answers
from rote.papers.chain.plan import DICTIONARY, KNN
from rote.papers.chain.sequences import Sequences

BLOCK = 1024  # questions that are compared at a time
ID_BYTES = 2  # of a token id
WRONG = -np.log(1e-6)  # nats of an answer that is not given

Contexts = list[tuple[int, ...]]  # token ids before each answer token


def bytes_of(statements: Sequences) -> int:
    """Bytes of the statements as token ids: what either method stores.

    Args:
        statements: that are stored, as lines.
    """
    last = (statements.positions * (statements.mask > 0)).max(1, initial=0)
    return int(ID_BYTES * (last + 1).sum())


def knn(statements: Sequences, questions: Sequences) -> np.ndarray:
    """The answer tokens of the statements whose words before the answer are the most alike.

    Contexts are compared by the cosine of their words' counts, each times the log of how rare the
    word is among the statements; of equally near ones the first.

    Args:
        statements: that are stored.
        questions: that are asked.

    Returns:
        Token ids, one per answer token of the questions.
    """
    stored, queries = contexts(statements), contexts(questions)
    targets = statements.targets[statements.mask > 0]
    size = int(max(statements.tokens.max(initial=0), questions.tokens.max(initial=0))) + 1
    bags = _bags(stored, size)
    rarity = np.log(len(bags) / np.maximum((bags > 0).sum(0), 1)).astype(np.float32)
    directions = _directions(bags * rarity)
    answers = []
    for begin in range(0, len(queries), BLOCK):
        bags_of_block = _bags(queries[begin : begin + BLOCK], size)
        cosines = _directions(bags_of_block * rarity) @ directions.T
        answers.append(targets[cosines.argmax(1)])
    return np.concatenate(answers)


def _bags(texts: Contexts, size: int) -> np.ndarray:
    """Counts of words, (texts, size) float32."""
    bags = np.zeros((len(texts), size), np.float32)
    for row, words in enumerate(texts):
        np.add.at(bags[row], list(words), 1)
    return bags


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Rows at length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)


def dictionary(statements: Sequences, questions: Sequences) -> np.ndarray:
    """The answer tokens that the same words had before them in a statement, -1 where none did.

    Args:
        statements: that are stored.
        questions: that are asked.

    Returns:
        Token ids, one per answer token of the questions.
    """
    targets = statements.targets[statements.mask > 0].tolist()
    seen: dict[tuple[int, ...], Counter[int]] = {}
    for words, target in zip(contexts(statements), targets, strict=True):
        seen.setdefault(words, Counter())[target] += 1
    table = {words: counts.most_common(1)[0][0] for words, counts in seen.items()}
    return np.array([table.get(words, -1) for words in contexts(questions)])


def contexts(lines: Sequences) -> Contexts:
    """The token ids before each answer token, line by line.

    Args:
        lines: with the positions of their answers.
    """
    rows, answers = np.nonzero(lines.mask > 0)
    ends = lines.positions[rows, answers] + 1
    return [tuple(lines.tokens[row, 1:end].tolist()) for row, end in zip(rows, ends, strict=True)]


def answer(method: str, statements: Sequences, questions: Sequences) -> LineAnswers:
    """What the statements answer by a method of `METHODS`.

    Args:
        method: its name.
        statements: that are stored.
        questions: that are asked.
    """
    rows = np.nonzero(questions.mask > 0)[0]
    correct = METHODS[method](statements, questions) == questions.targets[questions.mask > 0]
    return line_answers(rows, correct, np.where(correct, 0.0, WRONG), len(questions))


METHODS: dict[str, Callable[[Sequences, Sequences], Sequence[int] | np.ndarray]] = {
    KNN.name: knn,
    DICTIONARY.name: dictionary,
}
