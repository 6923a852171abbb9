"""From text to the units that are counted. One analyser serves a corpus and what is looked for in
it.
"""

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from rote.core.errors import InputError

UNITS = ("word", "whitespace", "character", "token")
VERSION = 1  # raised when the same text would give other units


class Analyser(NamedTuple):
    """How a text becomes units.

    * `word`: runs of letters, marks and digits (apostrophes between letters join them), so
      punctuation is stripped.
    * `whitespace`: what white space separates, as it is.
    * `character`: every letter, mark or digit, for scripts without spaces.
    * `token`: a model's own token ids (`tokenizer` names it).

    Words and characters are put into Unicode's composed form (NFC) and, unless `case` is kept,
    case-folded.
    """

    unit: str = "word"
    case: bool = False  # keep upper and lower case apart
    stop_words: tuple[str, ...] = ()  # units left out of corpus and queries alike
    tokenizer: str = ""

    def check(self) -> "Analyser":
        """Itself. Raises InputError for an unknown unit, or a tokenizer where none belongs."""
        if self.unit not in UNITS:
            raise InputError(f"unit must be one of {', '.join(UNITS)}, given {self.unit!r}")
        if (self.unit == "token") != bool(self.tokenizer):
            raise InputError(
                f"unit {self.unit!r} with tokenizer {self.tokenizer!r}: a tokenizer belongs to "
                "unit token"
            )
        return self

    def normal(self, text: str) -> str:
        """`text` in composed form, case-folded unless case is kept; white space and token units
        keep it as it is.
        """
        if self.unit in ("whitespace", "token"):
            return text
        text = unicodedata.normalize("NFC", text)
        return text if self.case else unicodedata.normalize("NFC", text.casefold())

    def splitter(self) -> Callable[[str], list]:
        """A function from text to its units: strings, or for `token` ids."""
        self.check()
        if self.unit == "token":
            from rote.models import pretrained

            encode = pretrained.tokenizer(self.tokenizer)
            return lambda text: encode(text, add_special_tokens=False)["input_ids"]
        find = str.split if self.unit == "whitespace" else _pattern(self.unit).findall
        normal, stop = self.normal, frozenset(map(self.normal, self.stop_words))
        if stop:
            return lambda text: [unit for unit in find(normal(text)) if unit not in stop]
        return lambda text: find(normal(text))

    def spans(self, text: str) -> list[tuple[str, int, int]]:
        """Each unit of a text with its first character and the one after its last; not for `token`.

        Raises:
            InputError: for unit token, whose offsets the tokenizer knows.
        """
        if self.check().unit == "token":
            raise InputError("spans of tokens: ask the tokenizer for its offsets")
        stop = frozenset(map(self.normal, self.stop_words))
        found = [
            (self.normal(match[0]), match.start(), match.end())
            for match in _pattern(self.unit).finditer(text)
        ]
        return [span for span in found if span[0] not in stop]


@cache
def _pattern(unit: str):
    import regex

    one = r"[\p{L}\p{M}\p{N}]"
    return regex.compile(
        {"whitespace": r"\S+", "character": one}.get(unit, rf"{one}+(?:['’]{one}+)*")
    )


def grams(units: Sequence, n: int) -> list[tuple]:
    """The n-grams of a sequence in order; a shorter one is its own only n-gram, an empty one has
    none.
    """
    if len(units) <= n:
        return [tuple(units)] if units else []
    return [tuple(units[at : at + n]) for at in range(len(units) - n + 1)]
