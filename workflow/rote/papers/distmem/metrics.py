"""What a task counts as right: an output or one of its aliases, and BLEU of translations."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

ORDERS = 4  # of the n-grams of BLEU
_ARTICLES = re.compile(r"\b(a|an|the)\b")
# the tokenization 13a of mteval and sacrebleu: punctuation apart, but not within numbers
_SYMBOLS = re.compile(r"([{-~[-` -&(-+:-@/])")
_BEFORE = re.compile(r"([^0-9])([.,])")
_BEHIND = re.compile(r"([.,])([^0-9])")
_DASH = re.compile(r"([0-9])(-)")


def normal_answer(text: str) -> str:
    """An answer without case, punctuation, articles and double spaces, as TriviaQA compares them.

    Args:
        text: any text.
    """
    text = unicodedata.normalize("NFC", text).casefold()
    text = "".join(" " if unicodedata.category(c).startswith("P") else c for c in text)
    return " ".join(_ARTICLES.sub(" ", text).split())


def answers(written: str, right: Iterable[str]) -> bool:
    """Whether what a model writes begins with one of the right answers.

    Args:
        written: by the model, perhaps more than the answer; only its first line counts.
        right: the answer and its aliases.
    """
    line = written.strip().partition("\n")[0]
    words = normal_answer(line).split()
    candidates = [normal_answer(text).split() for text in right]
    return any(one and words[: len(one)] == one for one in candidates)


def tokens(text: str) -> list[str]:
    """Tokens of BLEU, by the rules 13a.

    Args:
        text: one sentence.
    """
    text = f" {' '.join(text.split())} "
    text = _SYMBOLS.sub(r" \1 ", text)
    text = _BEFORE.sub(r"\1 \2 ", text)
    text = _BEHIND.sub(r" \1 \2", text)
    return _DASH.sub(r"\1 \2 ", text).split()


def bleu(written: Sequence[str], references: Sequence[str]) -> float:
    """BLEU of sentences together, 0 to 100 (Papineni et al. 2002), as sacrebleu gives it.

    Orders of n-grams without a match count half, a quarter, ... of one (smoothing `exp`). A single
    sentence is judged by the orders that it has.

    Args:
        written: by the model.
        references: one for each.
    """
    matches, totals = [0] * ORDERS, [0] * ORDERS
    lengths = [0, 0]
    for candidate, reference in zip(written, references, strict=True):
        given, true = tokens(candidate), tokens(reference)
        lengths[0] += len(given)
        lengths[1] += len(true)
        for order in range(ORDERS):
            counts, allowed = _grams(given, order + 1), _grams(true, order + 1)
            matches[order] += (counts & allowed).total()
            totals[order] += counts.total()
    if not any(matches):
        return 0.0
    orders = ORDERS if len(written) > 1 else sum(total > 0 for total in totals)
    if not all(totals[:orders]):
        return 0.0
    smooth, logs = 1.0, []
    for match, total in zip(matches[:orders], totals[:orders], strict=True):
        smooth *= 1 if match else 2
        logs.append(math.log(100 * match / total if match else 100 / (smooth * total)))
    brevity = min(1 - lengths[1] / lengths[0], 0.0)
    return math.exp(brevity + sum(logs) / orders)


def _grams(units: Sequence[str], n: int) -> Counter:
    return Counter(tuple(units[at : at + n]) for at in range(len(units) - n + 1))
