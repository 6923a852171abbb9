"""From text to the units that are counted: one analyser serves a corpus and its queries."""

import logging
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache
from typing import Any, NamedTuple

from rote.core import fields
from rote.core.errors import InputError
from rote.readers.text import encodable

_LETTER = r"[\p{L}\p{M}\p{N}]"
log = logging.getLogger("rote")
VERSION = 2  # raised when the same text would give other units


class Unit(NamedTuple):
    """A kind of unit."""

    pattern: str | None  # of one unit, as a regular expression; None: ids of a tokenizer
    composed: bool = False  # text is put into NFC and case-folded first
    split: Callable[[str], list[str]] | None = None  # faster than the pattern


UNITS = {
    "word": Unit(rf"{_LETTER}+(?:['’]{_LETTER}+)*", composed=True),
    "whitespace": Unit(r"\S+", split=str.split),
    "character": Unit(_LETTER, composed=True),
    "token": Unit(None),
}


class Span(NamedTuple):
    """A unit and its place in a text."""

    unit: str
    begin: int  # its first character
    end: int  # the character after its last


class Analyser(NamedTuple):
    """How a text becomes units.

    * `word`: runs of letters, marks and digits (apostrophes between letters join them), so
      punctuation is stripped.
    * `whitespace`: what white space separates, as it is.
    * `character`: every letter, mark or digit, for scripts without spaces.
    * `token`: a model's own token ids (`tokenizer` names it).

    Words and characters are put into Unicode's composed form (NFC) and, unless `case`, case-folded.
    Half a surrogate pair, which is no character, is read as U+FFFD. The name of a tokenizer's
    special token, as <|endoftext|>, is text like any other where a document holds it.
    """

    unit: str = "word"
    case: bool = False  # keep upper and lower case apart
    stop_words: tuple[str, ...] = ()  # units left out of corpus and queries alike
    tokenizer: str = ""

    def check(self) -> "Analyser":
        """This analyser, its stop words in a tuple.

        Raises:
            InputError: for an unknown unit, a misplaced tokenizer, and fields of another type.
        """
        types = {"unit": str, "case": bool, "tokenizer": str}
        fields.check_types(types, self._asdict())
        fields.check_many({"stop_words": self.stop_words})
        for word in self.stop_words:
            fields.check_types({"stop word": str}, {"stop word": word})
        if self.unit not in UNITS:
            raise InputError(f"unit must be one of {', '.join(UNITS)}, given {self.unit!r}")
        if self.gives_ids != bool(self.tokenizer):
            raise InputError(
                f"unit {self.unit!r} with tokenizer {self.tokenizer!r}: "
                "a tokenizer belongs to unit token, which needs one: a folder or a hub id"
            )
        return self._replace(stop_words=tuple(self.stop_words))

    @property
    def gives_ids(self) -> bool:
        """Whether units are a tokenizer's ids, not strings."""
        return UNITS[self.unit].pattern is None

    def normal(self, text: str) -> str:
        """`text` composed, and case-folded unless `case`; as it is for white space and tokens.

        Args:
            text: any text.
        """
        fields.check_types({"text": str}, {"text": text})
        text = encodable(text)
        if not UNITS[self.unit].composed:
            return text
        text = unicodedata.normalize("NFC", text)
        return text if self.case else unicodedata.normalize("NFC", text.casefold())

    def splitter(self) -> Callable[[str], list]:
        """The function from text to its units: strings, or for `token` ids."""
        self.check()
        if self.gives_ids:
            from rote.models import pretrained

            encode = pretrained.tokenizer(self.tokenizer)
            watch = _SpecialTokens(encode.all_special_tokens)

            def ids(text: str) -> list[int]:
                watch.look(text)
                return encode(encodable(text), add_special_tokens=False)["input_ids"]

            return ids
        find = UNITS[self.unit].split or _pattern(self.unit).findall
        normalize = self.normal
        stop_words = frozenset(map(normalize, self.stop_words))
        if stop_words:
            return lambda text: [unit for unit in find(normalize(text)) if unit not in stop_words]
        return lambda text: find(normalize(text))

    def unknown_id(self) -> int | None:
        """The id by which a tokenizer marks what it has no token for; None if it has no such id.

        A tokenizer whose mark is a token of its own right, as the end of a text, has none.
        """
        if not self.check().gives_ids:
            return None
        from rote.models import pretrained

        encode = pretrained.tokenizer(self.tokenizer)
        others = (encode.eos_token_id, encode.bos_token_id)
        return None if encode.unk_token_id in others else encode.unk_token_id

    def spans(self, text: str) -> list[Span]:
        """Where the units of a text stand, in order; stop words are left out. Not for `token`.

        Args:
            text: any text.

        Returns:
            One span per unit; places are characters of `text` as it was given.

        Raises:
            InputError: for unit token, whose offsets the tokenizer knows, and as `check`.
        """
        if self.check().gives_ids:
            raise InputError("spans of tokens: ask the tokenizer for its offsets")
        fields.check_types({"text": str}, {"text": text})
        stop_words = frozenset(map(self.normal, self.stop_words))
        spans = [
            Span(self.normal(match[0]), match.start(), match.end())
            for match in _pattern(self.unit).finditer(text)
        ]
        return [span for span in spans if span.unit not in stop_words]


class _SpecialTokens:
    """Says once that texts hold the names of a tokenizer's special tokens."""

    def __init__(self, names: Sequence[str]):
        self.pattern = re.compile("|".join(map(re.escape, names))) if names else None

    def look(self, text: str) -> None:
        match = self.pattern.search(text) if self.pattern else None
        if match:
            log.warning(
                "a text holds %r, the name of a special token: it is read as text, not as that",
                match[0],
            )
            self.pattern = None


@cache
def _pattern(unit: str) -> Any:
    import regex

    return regex.compile(UNITS[unit].pattern)


def grams(units: Sequence, n: int) -> list[tuple]:
    """The n-grams of a sequence in order.

    A sequence shorter than n is its own only n-gram; an empty one has none.

    Args:
        units: of a text, words or ids.
        n: length, at least 1.

    Returns:
        One tuple per n-gram, repeated ones included.

    Raises:
        InputError: for n below 1, and units without an order.
    """
    fields.check({"n": fields.SIZE}, {"n": n})
    try:
        if isinstance(units, (Set, Mapping)):
            raise TypeError("a set has no order")
        len(units), units[:1]
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        shown = fields.shown(units)
        raise InputError(f"units must be a sequence, given {shown}: {error}") from error
    if len(units) <= n:
        return [tuple(units)] if len(units) else []
    return [tuple(units[at : at + n]) for at in range(len(units) - n + 1)]
