"""From lines of text to token ids, and where in them the answers lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.papers.chain import settings
from rote.papers.chain.world import MARKS, Line, Words


class Sequences(NamedTuple):
    """Tokenized lines. The token at position t + 1 is predicted at position t."""

    tokens: (
        np.ndarray
    )  # (n, length) int32; 0-th is the token that begins a text, the end is padded with it
    places: np.ndarray  # (n, answers) int32: positions that predict the answer's tokens
    targets: np.ndarray  # (n, answers) int32: those tokens
    mask: np.ndarray  # (n, answers) float32: 1 where there is one

    def __len__(self) -> int:
        return len(self.tokens)

    def pick(self, rows: np.ndarray) -> "Sequences":
        """Some rows."""
        return Sequences(*(part[rows] for part in self))


def word_level(vocabulary: Words | Sequence[str]):
    """A tokenizer whose tokens are words: of a generated world, or of a list; the first two begin
    texts and stand for unknown words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = vocabulary.all if isinstance(vocabulary, Words) else list(vocabulary)
    ids = {word: number for number, word in enumerate(known)}
    found = Tokenizer(models.WordLevel(ids, unk_token=MARKS[1]))
    found.pre_tokenizer = (
        pre_tokenizers.WhitespaceSplit()
        if isinstance(vocabulary, Words)
        else pre_tokenizers.Whitespace()
    )
    return found


def wrapped(tokenizer: Any):
    """A tokenizer of the `tokenizers` library as transformers' fast kind."""
    from rote.data.images import torchvision

    torchvision()  # beside a CPU build of torch, parts of transformers fail to import without it
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=MARKS[0], eos_token=MARKS[0], unk_token=MARKS[1]
    )


def load(folder: Path):
    """The tokenizer saved beside a corpus. Raises InputError."""
    from tokenizers import Tokenizer

    path = Path(folder) / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exceptions
        raise InputError(
            f"{path} holds no tokenizer ({error}); run synthesize-corpus again"
        ) from error


def encode(lines: Sequence[Line], tokenizer: Any, begin: int, length: int = 0) -> Sequences:
    """Token ids of lines and the places of their answers; a line without a named answer is an
    answer as a whole.

    Args:
        tokenizer: of the `tokenizers` library.
        begin: id of the token that every text begins with.
        length: longest sequence; 0 is that of the longest line.

    Raises:
        InputError: for lines of which no token is an answer.
    """
    coded = tokenizer.encode_batch([line["text"] for line in lines], add_special_tokens=False)
    most = max((len(one.ids) for one in coded), default=0) + 1
    length = min(most, length) if length else most
    found = []
    for line, one in zip(lines, coded, strict=True):
        ids = np.array(one.ids[: length - 1], np.int32)
        if line["answer"] is None:
            inside = np.arange(len(ids))
        else:
            start, end = line["answer"]
            inside = np.array(
                [at for at, (a, b) in enumerate(one.offsets[: len(ids)]) if b > start and a < end],
                int,
            )
        found.append((ids, inside))
    answers = max((len(inside) for _, inside in found), default=0)
    if not answers:
        raise InputError("no token of these lines is an answer; check the corpus and chain.context")
    n = len(found)
    tokens = np.full((n, length), begin, np.int32)
    places, targets = np.zeros((2, n, answers), np.int32)
    mask = np.zeros((n, answers), np.float32)
    for row, (ids, inside) in enumerate(found):
        tokens[row, 1 : len(ids) + 1] = ids
        places[row, : len(inside)], targets[row, : len(inside)] = inside, ids[inside]
        mask[row, : len(inside)] = 1
    return Sequences(tokens, places, targets, mask)


def tokenizer_of(options: settings.Settings):
    """The tokenizer that a text of the user's is read with: the model's, or words of the text
    itself.
    """
    from rote.data import corpora
    from rote.models import pretrained

    if options.model:
        return pretrained.tokenizer(options.model)
    from collections import Counter

    from tokenizers import pre_tokenizers

    counts, split = Counter(), pre_tokenizers.Whitespace()
    for document in corpora.documents(options.corpus, options.column, split=options.split):
        counts.update(word for word, _ in split.pre_tokenize_str(document.text))
    common = [word for word, _ in counts.most_common(options.words) if word not in MARKS[:2]]
    return wrapped(word_level([*MARKS[:2], *common]))
