"""The corpus of the chain: documents that state facts or exercise rules, what is asked of a
network, and files of both.

A document is one line of JSON: `id, kind, fact_id, template, text`, where its answer lies
(`answer`, characters) and every fact that it states (`statements`: fact, start and end of the
value). What is asked later has the same form.
"""

import json
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.core.tables import atomic
from rote.papers.chain import settings
from rote.synth import facts as synth

TEMPLATES = ("{key} is {value}", "the {key} : {value}", "say {key} , {value}", "{key} ? {value}")
MARKS = ("<end>", "<unknown>", "is", "the", ":", "say", ",", "?", "translate", "add", ">")
RULES = ("translation", "arithmetic")
OWN = "own"  # the world of a text of the user's
ONSETS, VOWELS = "bdfgklmnprstvz", "aeiou"
Line = dict[str, Any]


class Made(NamedTuple):
    """One replicate of a world."""

    documents: list[Line]  # what a network may be trained on
    probes: list[
        Line
    ]  # what is asked: facts in every template, and held-out rule items (part: valid or test)
    facts: pd.DataFrame  # fact, key, value, bits, frequency, count


def names(count: int, ending: str = "", capital: bool = False) -> list[str]:
    """Distinct words of equal length: as many syllables as are needed."""
    syllables, size = [onset + vowel for onset, vowel in product(ONSETS, VOWELS)], 2
    while len(syllables) ** size < count:
        size += 1
    # every syllable but the first is shifted by the number, so that neighbors do not look alike
    found = [
        "".join(
            syllables[(n // len(syllables) ** p + (p > 0) * n) % len(syllables)]
            for p in range(size)
        )
        for n in range(count)
    ]
    return [(word.capitalize() if capital else word) + ending for word in found]


class Words(NamedTuple):
    """The vocabulary of a generated world."""

    subjects: list[str]
    relations: list[str]
    symbols: list[str]  # of values
    source: list[str]
    target: list[str]
    numbers: list[str]

    @property
    def all(self) -> list[str]:
        """Every word, in the order of token ids; word 0 begins and pads documents."""
        return [*MARKS, *(word for some in self for word in some)]


def words(options: settings.World) -> Words:
    """The words of a world's size."""
    digits = len(str(options.value_symbols - 1))
    return Words(
        names(options.subjects, capital=True),
        names(options.relations, "ity"),
        [f"{symbol:0{digits}d}" for symbol in range(options.value_symbols)],
        names(options.lexicon, "n"),
        names(options.lexicon, "sk"),
        [f"n{number}" for number in range(options.modulus)],
    )


def size(options: settings.World, load: float, parameters: int) -> int:
    """Facts of a world: N = load · c · P / H.

    Raises:
        InputError: if so many keys do not exist.
    """
    bits = options.value_tokens * np.log2(options.value_symbols)
    count = max(1, round(load * options.bits_per_parameter * parameters / bits))
    if count > options.subjects * options.relations:
        raise InputError(
            f"chain.world: load {load:g} of networks with {parameters:,} parameters needs "
            f"{count:,} facts, but "
            f"{options.subjects} subjects and {options.relations} relations make "
            f"{options.subjects * options.relations:,} keys; raise them, or lower the load"
        )
    return count


def make(options: settings.World, load: float, parameters: int, seed: int, replicate: int) -> Made:
    """A generated world of one load."""
    rng, vocabulary = generator(seed, "chain", "world", f"{load:g}", replicate), words(options)
    count = size(options, load, parameters)
    drawn = synth.make(
        count,
        rng,
        exponent=options.exponent,
        copies=options.copies * count,
        key_symbols=options.subjects * options.relations,
        key_tokens=1,
        value_symbols=options.value_symbols,
        value_tokens=options.value_tokens,
    )
    subjects, relations = np.divmod(drawn.keys[:, 0], options.relations)
    keys = [
        f"{vocabulary.subjects[s]} {vocabulary.relations[r]}"
        for s, r in zip(subjects, relations, strict=True)
    ]
    symbols = drawn.values - drawn.key_symbols
    values = [" ".join(vocabulary.symbols[symbol] for symbol in row) for row in symbols]
    facts = pd.DataFrame(
        {
            "fact": np.arange(count),
            "key": keys,
            "value": values,
            "bits": drawn.bits,
            "frequency": drawn.frequencies,
            "count": drawn.counts,
        }
    )
    stated = np.repeat(np.arange(count), drawn.counts)
    forms = rng.integers(len(TEMPLATES), size=len(stated))
    documents = [
        _statement(keys[fact], values[fact], fact, form)
        for fact, form in zip(stated, forms, strict=True)
    ]
    known, held = _rules(options, vocabulary, rng)
    number = round(len(documents) * (1 - options.share) / options.share)
    for rule, part in zip(RULES, np.array_split(np.arange(number), len(RULES)), strict=True):
        documents += [
            dict(known[rule][at]) for at in rng.integers(len(known[rule]), size=len(part))
        ]
    documents = [documents[at] for at in rng.permutation(len(documents))]
    said = set(zip(stated.tolist(), forms.tolist(), strict=True))
    probes = [
        _statement(keys[fact], values[fact], fact, form)
        | {"part": "probe", "stated": (fact, form) in said}
        for fact in range(count)
        for form in range(len(TEMPLATES))
    ]
    for rule in RULES:
        items = held[rule][: options.tests]
        half = len(items) // 2
        probes += [
            item | {"part": "valid" if at < half else "test"} for at, item in enumerate(items)
        ]
    return Made(numbered(documents), numbered(probes), facts)


def _statement(key: str, value: str, fact: int, form: int) -> Line:
    text = TEMPLATES[form].format(key=key, value=value)
    span = [len(text) - len(value), len(text)]
    return {
        "kind": "fact",
        "fact_id": int(fact),
        "template": int(form),
        "text": text,
        "answer": span,
        "statements": [[int(fact), *span]],
    }


def _rules(
    options: settings.World, vocabulary: Words, rng: np.random.Generator
) -> tuple[dict, dict]:
    """Items of every rule, those that training may show and those that it may not, each in random
    order.
    """
    meaning = rng.permutation(options.lexicon)
    known: dict[str, list[Line]] = {}
    held: dict[str, list[Line]] = {}
    most = 100_000  # of large lexica only so many phrases are drawn
    total = options.lexicon**options.phrase
    picked = rng.permutation(total) if total <= most else rng.choice(total, most, replace=False)
    phrases = np.stack(np.unravel_index(picked, (options.lexicon,) * options.phrase), axis=1)
    items = []
    for phrase in phrases:
        source, target = (
            [vocabulary.source[w] for w in phrase],
            [vocabulary.target[meaning[w]] for w in phrase],
        )
        pairs = [list(pair) for pair in zip(source, target, strict=True)]
        items.append(
            _item("translation", f"translate {' '.join(source)} >", " ".join(target[::-1]), pairs)
        )
    known["translation"], held["translation"] = _held_out(items, phrases, options)
    sums = np.stack(
        np.unravel_index(rng.permutation(options.modulus**2), (options.modulus,) * 2), axis=1
    )
    items = []
    for a, b in sums:
        x, y, z = (vocabulary.numbers[n] for n in (a, b, (a + b) % options.modulus))
        items.append(_item("arithmetic", f"add {x} {y} >", z, [[x, z], [y, z]]))
    known["arithmetic"], held["arithmetic"] = _held_out(items, sums, options)
    return known, held


def _held_out(
    items: list[Line], parts: np.ndarray, options: settings.World
) -> tuple[list[Line], list[Line]]:
    """Items to show, and items to hold out: only such whose every part is shown at its place in
    some other item.
    """
    cut = len(items) - round(options.held_out * len(items))
    shown = [set(parts[:cut, place].tolist()) for place in range(parts.shape[1])]
    fits = [
        all(part in shown[place] for place, part in enumerate(row)) for row in parts[cut:].tolist()
    ]
    return items[:cut], [item for item, fit in zip(items[cut:], fits, strict=True) if fit]


def _item(kind: str, question: str, answer: str, pairs: list[list[str]]) -> Line:
    text = f"{question} {answer}"
    span = [len(text) - len(answer), len(text)]
    return {
        "kind": kind,
        "fact_id": -1,
        "template": -1,
        "text": text,
        "answer": span,
        "statements": [],
        "pairs": pairs,
    }


def numbered(lines: list[Line]) -> list[Line]:
    """Lines with their numbers as ids."""
    return [{"id": number} | line for number, line in enumerate(lines)]


# ---- files
# -----------------------------------------------------------------------------------------------------------


def write(path: Path, lines: Iterable[Line]) -> None:
    """One JSON object per line."""
    with atomic(path) as temporary, temporary.open("w") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def read(path: Path) -> list[Line]:
    """What `write` wrote. Raises InputError naming the line that is damaged."""
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise InputError(
                f"{path}, line {number} is damaged ({error}); delete the file and run again"
            ) from error
    return found


def statements(documents: Iterable[Line]) -> list[Line]:
    """Every distinct statement of a fact, once, in the order of the documents: what a memory may
    hold.
    """
    found: dict[tuple[int, str, int], Line] = {}
    for document in documents:
        for fact, start, end in document["statements"]:
            name = (fact, document["text"][:end], start)
            found.setdefault(
                name,
                document
                | {"fact_id": fact, "text": document["text"][:end], "answer": [start, end]},
            )
    return list(found.values())
