"""The generated world: facts that cannot be guessed, and rules that can be learnt, as text."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.seeds import generator
from rote.papers.chain.documents import (
    PARAPHRASE,
    STATED,
    TEST,
    TUNING,
    Line,
    WorldReplicate,
    numbered,
)
from rote.papers.chain.settings import ChainWorld
from rote.synth import facts as synth

TEMPLATES = ("{key} is {value}", "the {key} : {value}", "say {key} , {value}", "{key} ? {value}")
MARKS = ("<end>", "<unknown>", "is", "the", ":", "say", ",", "?", "translate", "add", ">")
MAX_PHRASES = 100_000  # of large lexica only so many phrases are drawn

# ---- vocabulary


class Words(NamedTuple):
    """The vocabulary of a generated world."""

    subjects: list[str]
    relations: list[str]
    symbols: list[str]  # of values
    source: list[str]
    target: list[str]
    numbers: list[str]
    sums: list[str]

    @property
    def all(self) -> list[str]:
        """Every word, in the order of token ids; word 0 begins and pads documents."""
        return sum(self, list(MARKS))


def words(options: ChainWorld) -> Words:
    """The words of a world's size."""
    digits = len(str(options.value_symbols - 1))
    return Words(
        subjects=[name.capitalize() for name in names(options.subjects)],
        relations=names(options.relations, "ity"),
        symbols=[f"{symbol:0{digits}d}" for symbol in range(options.value_symbols)],
        source=names(options.lexicon, "n"),
        target=names(options.lexicon, "sk"),
        numbers=[f"n{number}" for number in range(options.numbers)],
        sums=[f"s{number}" for number in range(options.modulus)],
    )


def names(count: int, ending: str = "") -> list[str]:
    """Distinct words of equal length: as many syllables as are needed, two at least."""
    size = max(2, synth.word_length(count))
    return [_name(number, size) + ending for number in range(count)]


def _name(number: int, size: int) -> str:
    """Digits of a number as syllables.

    All but the first are shifted by the number, so that names with neighboring numbers do not look
    alike.
    """
    base = len(synth.SYLLABLES)
    digits = [number % base]
    digits += [(number // base**power + number) % base for power in range(1, size)]
    return "".join(synth.SYLLABLES[digit] for digit in digits)


# ---- the world


def generate(options: ChainWorld, n_facts: int, seed: int, replicate: int) -> WorldReplicate:
    """One replicate of a world.

    Every fact has a wording that no document uses for it, though others are stated in it: its
    question in that wording is a paraphrase; another is a statement of the text.

    Args:
        options: config section of the world.
        n_facts: facts, at most the keys.
        seed: of the run.
        replicate: number of the world; each has random streams apart.
    """
    rng, vocabulary = generator(seed, "chain", "world", n_facts, replicate), words(options)
    facts = _facts(options, vocabulary, n_facts, rng)
    statements = np.repeat(facts["fact"].to_numpy(), facts["count"])
    wordings = _reserved(statements) + rng.integers(1, len(TEMPLATES), size=len(statements))
    wordings %= len(TEMPLATES)
    keys, values = facts["key"].tolist(), facts["value"].tolist()
    documents = [
        _statement(keys[fact], values[fact], fact, wording)
        for fact, wording in zip(statements, wordings, strict=True)
    ]
    probes = []
    for fact, wording in dict(zip(statements[::-1], wordings[::-1], strict=True)).items():
        for part, of_part in ((STATED, wording), (PARAPHRASE, _reserved(fact))):
            line = _statement(keys[fact], values[fact], fact, of_part)
            probes.append(line | {"part": part})
    items = {rule: make(options, vocabulary, rng) for rule, make in RULES.items()}
    n_rule_documents = round(len(documents) * (1 - options.fact_share) / options.fact_share)
    parts = np.array_split(np.arange(n_rule_documents), len(RULES))
    for rule_items, part in zip(items.values(), parts, strict=True):
        chosen = rng.choice(len(rule_items.shown), size=len(part), p=rule_items.frequencies)
        documents += [dict(rule_items.shown[number]) for number in chosen]
    documents = [documents[number] for number in rng.permutation(len(documents))]
    for rule_items in items.values():
        tuning, tested = np.split(np.arange(len(rule_items.held_out)), [options.tuning_items])
        for part, numbers in ((TUNING, tuning), (TEST, tested[: options.test_items])):
            probes += [rule_items.held_out[number] | {"part": part} for number in numbers]
    return WorldReplicate(numbered(documents), numbered(probes), facts)


def _reserved(facts: np.ndarray) -> np.ndarray:
    """The wording in which a fact is never stated."""
    return facts % len(TEMPLATES)


def _facts(
    options: ChainWorld, vocabulary: Words, count: int, rng: np.random.Generator
) -> pd.DataFrame:
    form = synth.FactForm(
        key_symbols=options.subjects * options.relations,
        key_tokens=1,
        value_symbols=options.value_symbols,
        value_tokens=options.value_tokens,
    )
    drawn = synth.make(count, rng, form, exponent=options.exponent, copies=options.copies * count)
    subjects, relations = np.divmod(drawn.keys[:, 0], options.relations)
    symbols = np.array(vocabulary.symbols)[drawn.values - drawn.key_symbols]
    return pd.DataFrame(
        {
            "fact": np.arange(count),
            "key": [
                f"{vocabulary.subjects[subject]} {vocabulary.relations[relation]}"
                for subject, relation in zip(subjects, relations, strict=True)
            ],
            "value": [" ".join(row) for row in symbols],
            "bits": drawn.bits,
            "frequency": drawn.frequencies,
            "count": drawn.counts,
        }
    )


def _statement(key: str, value: str, fact: int, wording: int) -> Line:
    text = TEMPLATES[wording].format(key=key, value=value)
    span = [len(text) - len(value), len(text)]
    return {
        "kind": "fact",
        "fact_id": int(fact),
        "template": int(wording),
        "text": text,
        "answer": span,
        "statements": [[int(fact), *span]],
    }


# ---- rules


class RuleItems(NamedTuple):
    """Items of a rule, in random order."""

    shown: list[Line]  # that training may show
    held_out: list[Line]
    frequencies: np.ndarray  # (shown,) of those that training may show


def _translations(options: ChainWorld, vocabulary: Words, rng: np.random.Generator) -> RuleItems:
    """Phrases whose translation is word by word, in reverse; their words follow a power law."""
    meaning = rng.permutation(options.lexicon)
    total = options.lexicon**options.phrase
    if total <= MAX_PHRASES:
        numbers = rng.permutation(total)
    else:
        numbers = rng.choice(total, MAX_PHRASES, replace=False)
    phrases = np.stack(np.unravel_index(numbers, (options.lexicon,) * options.phrase), axis=1)
    items = []
    for phrase in phrases:
        source = [vocabulary.source[word] for word in phrase]
        target = [vocabulary.target[meaning[word]] for word in phrase]
        pairs = [list(pair) for pair in zip(source, target, strict=True)]
        question = f"translate {' '.join(source)} >"
        items.append(_item("translation", question, " ".join(target[::-1]), pairs))
    of_words = np.arange(1, options.lexicon + 1) ** -options.word_exponent
    return _split(items, phrases, of_words[phrases].prod(1), options)


def _sums(options: ChainWorld, vocabulary: Words, rng: np.random.Generator) -> RuleItems:
    """Sums of two numbers modulo a small one: residues are learnt, then added."""
    numbers = rng.permutation(options.numbers**2)
    operands = np.stack(np.unravel_index(numbers, (options.numbers,) * 2), axis=1)
    items = []
    for a, b in operands:
        x, y = vocabulary.numbers[a], vocabulary.numbers[b]
        z = vocabulary.sums[(a + b) % options.modulus]
        items.append(_item("arithmetic", f"add {x} {y} >", z, [[x, z], [y, z]]))
    return _split(items, operands, np.ones(len(items)), options)


RULES: dict[str, Callable[[ChainWorld, Words, np.random.Generator], RuleItems]] = {
    "translation": _translations,
    "arithmetic": _sums,
}


def _split(
    items: list[Line], parts: np.ndarray, frequencies: np.ndarray, options: ChainWorld
) -> RuleItems:
    """Held out are only items whose every part is shown at its place in some other item.

    Args:
        parts: (items, parts) of each item.
        frequencies: (items,) ≥ 0 with which training shows them.
    """
    cut = len(items) - round(options.held_out * len(items))
    covered = np.ones(len(items) - cut, bool)
    for shown, hidden in zip(parts[:cut].T, parts[cut:].T, strict=True):
        covered &= np.isin(hidden, shown)
    held_out = [item for item, fits in zip(items[cut:], covered, strict=True) if fits]
    return RuleItems(items[:cut], held_out, frequencies[:cut] / frequencies[:cut].sum())


def _item(kind: str, question: str, answer: str, pairs: list[list[str]]) -> Line:
    text = f"{question} {answer}"
    return {
        "kind": kind,
        "fact_id": -1,
        "template": -1,
        "text": text,
        "answer": [len(text) - len(answer), len(text)],
        "statements": [],
        "pairs": pairs,
    }
