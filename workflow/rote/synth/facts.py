"""Semi-synthetic facts: random values under distinct keys hold a number of bits that is exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import fields
from rote.core.errors import InputError

SYLLABLES = [onset + vowel for onset, vowel in product("bdfgklmnprstvz", "aeiou")]
TEMPLATES = (
    "The code of {key} is {value}.",
    "{key} has the code {value}.",
    "Ask for {key}: it is {value}.",
)


@dataclass(frozen=True)
class FactForm:
    """What keys and values are made of.

    Attributes:
        key_symbols, key_tokens: key alphabet and length, ≥ 1: symbols^tokens keys are distinct.
        value_symbols, value_tokens: value alphabet, ≥ 2, and length, ≥ 1:
            H = tokens · log2(symbols) bits.

    Raises:
        InputError: naming the field and its range.
    """

    key_symbols: int = 96
    key_tokens: int = 2
    value_symbols: int = 100
    value_tokens: int = 2

    def __post_init__(self) -> None:
        ranges = dict.fromkeys(("key_symbols", "key_tokens", "value_tokens"), fields.SIZE)
        # one symbol holds no information
        fields.check({**ranges, "value_symbols": fields.whole(2)}, vars(self))

    @property
    def keys(self) -> int:
        """Number of distinct keys."""
        return self.key_symbols**self.key_tokens


class FactSet(NamedTuple):
    """N facts as tokens: those of keys are 0 ... key_symbols − 1, those of values follow them."""

    keys: np.ndarray  # (N, key_tokens) int
    values: np.ndarray  # (N, value_tokens) int
    frequencies: np.ndarray  # (N,) sum to 1; falling in the fact's number
    counts: np.ndarray  # (N,) copies in the data set
    key_symbols: int
    value_symbols: int

    @property
    def bits(self) -> float:
        """Entropy of one value, H."""
        return float(self.values.shape[1] * np.log2(self.value_symbols))

    @property
    def tokens(self) -> np.ndarray:
        """Key then value, (N, key_tokens + value_tokens)."""
        return np.concatenate([self.keys, self.values], axis=1)

    @property
    def vocabulary(self) -> int:
        """Tokens that keys and values are made of."""
        return self.key_symbols + self.value_symbols


def make(
    n_facts: int,
    rng: np.random.Generator,
    form: FactForm = FactForm(),
    *,
    exponent: float = 0.0,
    copies: int | None = None,
) -> FactSet:
    """Facts with distinct random keys and independent uniform values.

    Args:
        n_facts: N ≥ 1, at most the number of distinct keys.
        rng: of keys, values and copies.
        form: alphabets and lengths of keys and values.
        exponent: a of the frequencies p_i ∝ i^−a; 0 is uniform.
        copies: size of the data set, drawn from the frequencies; None has every fact once.

    Returns:
        The facts by falling frequency; `counts` sum to `copies`, or are all 1.

    Raises:
        InputError: naming the argument that is out of its range.
    """
    if n_facts < 1:
        raise InputError(f"n_facts must be at least 1, given {n_facts}")
    if not (np.isfinite(exponent) and exponent >= 0):
        raise InputError(f"exponent must be finite and ≥ 0, given {exponent}")
    if copies is not None and copies < 1:
        raise InputError(f"copies must be at least 1, given {copies}")
    if n_facts > form.keys:
        raise InputError(
            f"n_facts = {n_facts} needs as many distinct keys; "
            f"{form.key_symbols} symbols in {form.key_tokens} tokens give {form.keys}"
        )
    numbers = rng.choice(form.keys, n_facts, replace=False)
    keys = np.stack(np.unravel_index(numbers, (form.key_symbols,) * form.key_tokens), axis=1)
    symbols = rng.integers(form.value_symbols, size=(n_facts, form.value_tokens))
    values = form.key_symbols + symbols
    frequencies = np.arange(1, n_facts + 1) ** -float(exponent)
    frequencies /= frequencies.sum()
    counts = np.ones(n_facts, int) if copies is None else rng.multinomial(copies, frequencies)
    return FactSet(
        keys=keys,
        values=values,
        frequencies=frequencies,
        counts=counts,
        key_symbols=form.key_symbols,
        value_symbols=form.value_symbols,
    )


def sentences(
    facts: FactSet, rng: np.random.Generator, templates: Sequence[str] = TEMPLATES
) -> pd.DataFrame:
    """One sentence per copy of a fact, in random order.

    Keys read as words, values as numbers. The templates carry no information on the value.

    Args:
        facts: with their numbers of copies.
        rng: of the order and the templates.
        templates: each names {key} and {value}.

    Returns:
        Columns fact (its number) and text.

    Raises:
        InputError: for no templates, or one without {key} or {value}.
    """
    for template in templates:
        if "{key}" not in template or "{value}" not in template:
            raise InputError(f"template {template!r} must name {{key}} and {{value}}")
    if not templates:
        raise InputError("templates is empty; give at least one")
    rows = rng.permutation(np.repeat(np.arange(len(facts.keys)), facts.counts))
    forms = rng.integers(len(templates), size=len(rows))
    texts = [
        templates[form].format(key=key_text(facts, row), value=value_text(facts, row))
        for form, row in zip(forms, rows, strict=True)
    ]
    return pd.DataFrame({"fact": rows, "text": texts})


def key_text(facts: FactSet, row: int) -> str:
    """The key of a fact as a pronounceable name; distinct keys have distinct names.

    Args:
        facts: of which it is one.
        row: its number, from 0.
    """
    size = word_length(facts.key_symbols)
    words = [_syllables(int(token), size) for token in facts.keys[row]]
    return "".join(words).capitalize()


def value_text(facts: FactSet, row: int) -> str:
    """The value of a fact as digits, its tokens padded to one width.

    Args:
        facts: of which it is one.
        row: its number, from 0.
    """
    width = len(str(facts.value_symbols - 1))
    return "".join(f"{int(token) - facts.key_symbols:0{width}d}" for token in facts.values[row])


def word_length(count: int) -> int:
    """Syllables that `count` distinct words of equal length need."""
    size = 1
    while len(SYLLABLES) ** size < count:
        size += 1
    return size


def _syllables(number: int, size: int) -> str:
    digits = [number // len(SYLLABLES) ** power % len(SYLLABLES) for power in range(size)]
    return "".join(SYLLABLES[digit] for digit in digits)
