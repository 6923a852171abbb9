"""From lines of text to token ids, and where in them the answers lie."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.core.files import one_line
from rote.papers.chain.documents import Line
from rote.papers.chain.generated import MARKS
from rote.papers.chain.settings import Settings

BEGIN, UNKNOWN = MARKS[:2]  # words that begin texts, and stand for words outside the vocabulary


class Sequences(NamedTuple):
    """Tokenized lines. The token at position t + 1 is predicted at position t."""

    tokens: np.ndarray  # (n, length) int32; the first begins the text, its end is padded with it
    positions: np.ndarray  # (n, answers) int32: positions that predict the answer's tokens
    targets: np.ndarray  # (n, answers) int32: those tokens
    mask: np.ndarray  # (n, answers) float32: 1 where there is one

    def __len__(self) -> int:
        return len(self.tokens)

    def pick(self, rows: np.ndarray | slice) -> "Sequences":
        """Some rows."""
        return Sequences(*(part[rows] for part in self))


def word_level(words: Sequence[str], *, split_punctuation: bool = False):
    """A tokenizer of the `tokenizers` library whose tokens are words.

    Args:
        words: in the order of token ids, `BEGIN` and `UNKNOWN` among them.
        split_punctuation: whether punctuation makes tokens of its own, besides white space.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers

    token_ids = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(token_ids, unk_token=UNKNOWN))
    if split_punctuation:
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def load(folder: Path):
    """The tokenizer saved beside a corpus. Raises InputError if there is none."""
    from tokenizers import Tokenizer

    path = Path(folder) / "tokenizer.json"
    with one_line(path, "holds no tokenizer", "run synthesize-corpus again"):
        tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True  # the name of one in a text is text
    return tokenizer


def encode(lines: Sequence[Line], tokenizer: Any, begin: int, length: int = 0) -> Sequences:
    """Token ids of lines and the positions of their answers.

    A line without a named answer is an answer as a whole.

    Args:
        lines: texts with the spans of their answers.
        tokenizer: of the `tokenizers` library.
        begin: id of the token that every text begins with.
        length: longest sequence; 0 is that of the longest line.

    Raises:
        InputError: for lines of which no token is an answer.
    """
    encodings = tokenizer.encode_batch([line["text"] for line in lines], add_special_tokens=False)
    longest = max((len(encoding.ids) for encoding in encodings), default=0) + 1
    length = min(longest, length) if length else longest
    token_ids = [np.array(encoding.ids[: length - 1], np.int32) for encoding in encodings]
    answers = [
        _answer_tokens(line["answer"], encoding.offsets[: length - 1])
        for line, encoding in zip(lines, encodings, strict=True)
    ]
    n_answers = max(map(len, answers), default=0)
    if not n_answers:
        raise InputError("no token of these lines is an answer; check the corpus and chain.context")
    tokens = np.full((len(lines), length), begin, np.int32)
    positions = np.zeros((len(lines), n_answers), np.int32)
    targets = np.zeros((len(lines), n_answers), np.int32)
    mask = np.zeros((len(lines), n_answers), np.float32)
    for row, (ids, answer) in enumerate(zip(token_ids, answers, strict=True)):
        tokens[row, 1 : len(ids) + 1] = ids
        positions[row, : len(answer)] = answer
        targets[row, : len(answer)] = ids[answer]
        mask[row, : len(answer)] = 1
    return Sequences(tokens, positions, targets, mask)


def _answer_tokens(span: list[int] | None, offsets: list[tuple[int, int]]) -> np.ndarray:
    """Numbers of the tokens that overlap a span of characters; None is the whole text."""
    if span is None:
        return np.arange(len(offsets))
    start, end = span
    inside = [number for number, (a, b) in enumerate(offsets) if b > start and a < end]
    return np.array(inside, int)


def user_tokenizer(options: Settings):
    """The tokenizer, of transformers' fast kind, that a text of the user's is read with.

    That of the user's model, or else the text's own most frequent words.
    """
    from rote.models import pretrained

    if options.model:
        return pretrained.tokenizer(options.model)
    words = word_level([BEGIN, UNKNOWN, *_frequent_words(options)], split_punctuation=True)
    return _as_fast_tokenizer(words)


def _frequent_words(options: Settings) -> list[str]:
    from tokenizers import pre_tokenizers

    from rote.data import corpora

    counts: Counter[str] = Counter()
    splitter = pre_tokenizers.Whitespace()
    for document in corpora.documents(options.corpus, options.column, split=options.split):
        counts.update(word for word, _ in splitter.pre_tokenize_str(document.text))
    frequent = [word for word, _ in counts.most_common(options.words)]
    return [word for word in frequent if word not in (BEGIN, UNKNOWN)]


def _as_fast_tokenizer(tokenizer: Any):
    from rote.data.images import torchvision

    torchvision()  # beside a CPU build of torch, parts of transformers fail to import without it
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=BEGIN,
        unk_token=UNKNOWN,
        split_special_tokens=True,
    )
