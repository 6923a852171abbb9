"""A small pretraining corpus whose statistics are known: facts, translations and sums, in sentences
of made-up words.

Every fact has a frequency (Zipf) and, independent of it, a fidelity: the share of its statements
that give the true object. So the corpus's true conditional probabilities are known, and evidence
can be taken away. The design is ours: no corpus of a paper is imitated.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError

SHARES = {
    "fact": 0.46,
    "mention": 0.06,
    "parallel": 0.16,
    "source": 0.06,
    "target": 0.04,
    "sum": 0.22,
}
RELATIONS = ("capital", "leader", "river", "metal")
TITLES, OBJECTS, FILLERS, THINGS = 10, 20, 60, 12
ADJECTIVES, NOUNS, VERBS = 16, 30, 16
SEPARATOR = "<end>"  # between documents, for models
_FUNCTION_WORDS = (
    "question : ? answer . the of is english lang people say tom has buys more "
    "gives away plus minus"
)
_FUNCTION_WORDS = [*_FUNCTION_WORDS.split(" "), *"0123456789"]
_CONSONANTS = [*"bdfghklmnprstv", "sh", "ch"]
_VOWELS = [*"aeiou", "ai"]


class World(NamedTuple):
    """Facts, a lexicon, and the corpus that uses them."""

    words: list[str]  # the whole vocabulary
    fillers: list[str]  # those of them that mean nothing
    facts: (
        pd.DataFrame
    )  # fact, rank, subject, entity, relation, object, distractors, frequency, fidelity
    documents: pd.DataFrame  # kind, text, fact (−1: none), entity (−1: none), in corpus order
    tests: pd.DataFrame  # task, example, instruction, input, output, fact (−1), choices
    mining: (
        pd.DataFrame
    )  # the same columns: examples to mine n-gram pairs from, disjoint from the tests
    aligned: pd.DataFrame  # source, target: what translates into what (adjectives in both genders)


def make(
    rng: np.random.Generator,
    *,
    tokens: int,
    entities: int,
    test_examples: int,
    mining_examples: int,
) -> World:
    """A world and a corpus of at least `tokens` tokens, separators included.

    Args:
        entities: subjects; each has two of the four relations, so there are twice as many facts.
        test_examples, mining_examples: translations, and sums, kept out of the corpus and apart
            from each other.

    Raises:
        InputError: if sizes are not positive, or more subjects are wanted than words can be made
            for.
    """
    if min(tokens, entities, test_examples, mining_examples) < 1:
        raise InputError("tokens, entities, test_examples and mining_examples must be at least 1")
    words = _Words(rng)
    fillers, titles = words.take(FILLERS, 3), words.take(TITLES, 2)
    names = words.take(entities, 2)
    objects = {relation: words.take(OBJECTS, 2) for relation in RELATIONS}
    facts = _facts(rng, titles, names, objects)
    language = _Language(rng, words)
    things = words.take(THINGS, 2)
    held_out = _HeldOut(language, things, rng, test_examples, mining_examples)
    documents = _documents(rng, tokens, facts, names, fillers, language, things, held_out)
    every = [
        SEPARATOR,
        *_FUNCTION_WORDS,
        *RELATIONS,
        *fillers,
        *titles,
        *names,
        *chain(*objects.values()),
    ]
    every += [*language.words, *things]
    tests = pd.concat([_questions(rng, facts, fillers), held_out.frame("test")], ignore_index=True)
    mining = pd.concat(
        [_questions(rng, facts, fillers), held_out.frame("mining")], ignore_index=True
    )
    return World(every, fillers, facts, documents, tests, mining, language.aligned())


class _Words:
    """Distinct made-up words of consonant-vowel syllables."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.used = rng, set(_FUNCTION_WORDS) | set(RELATIONS)
        self.syllables = [c + v for c in _CONSONANTS for v in _VOWELS]

    def take(self, number: int, syllables: int) -> list[str]:
        if number > len(self.syllables) ** syllables // 2:
            raise InputError(
                f"{number} distinct words of {syllables} syllables are too many; ask for fewer "
                "entities"
            )
        found: list[str] = []
        while len(found) < number:
            word = "".join(self.rng.choice(self.syllables, syllables))
            if word not in self.used:
                self.used.add(word)
                found.append(word)
        return found


def _zipf(number: int, exponent: float) -> np.ndarray:
    weights = np.arange(1, number + 1) ** -exponent
    return weights / weights.sum()


def _facts(
    rng: np.random.Generator, titles: list[str], names: list[str], objects: dict
) -> pd.DataFrame:
    rows = []
    for entity, name in enumerate(names):
        subject = f"{titles[rng.integers(len(titles))]} {name}"
        for relation in rng.choice(RELATIONS, 2, replace=False):
            values = rng.choice(objects[relation], 4, replace=False)
            rows.append((subject, entity, str(relation), values[0], list(values[1:])))
    frame = pd.DataFrame(rows, columns=["subject", "entity", "relation", "object", "distractors"])
    frame.insert(0, "rank", rng.permutation(len(frame)) + 1)
    frame.insert(0, "fact", np.arange(len(frame)))
    frame["frequency"] = _zipf(len(frame), 1.0)[frame["rank"] - 1]
    frame["fidelity"] = rng.uniform(0.1, 1, len(frame))
    return frame


class _Language:
    """A grammar, A N V A N, and its translation N' A' V' N' A', where adjectives follow the gender
    of their noun.
    """

    def __init__(self, rng: np.random.Generator, words: _Words):
        self.adjectives, self.nouns, self.verbs = (
            words.take(n, 2) for n in (ADJECTIVES, NOUNS, VERBS)
        )
        self.adjectives_to = [words.take(ADJECTIVES, 2), words.take(ADJECTIVES, 2)]
        self.nouns_to, self.verbs_to = words.take(NOUNS, 2), words.take(VERBS, 2)
        self.gender = rng.integers(0, 2, NOUNS)
        self.chance = tuple(_zipf(n, 0.8) for n in (ADJECTIVES, NOUNS, VERBS))

    @property
    def words(self) -> list[str]:
        both = [*self.adjectives_to[0], *self.adjectives_to[1], *self.nouns_to, *self.verbs_to]
        return [*self.adjectives, *self.nouns, *self.verbs, *both]

    def draw(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Sentences as numbers of adjective, noun, verb, adjective, noun, (number, 5)."""
        a, n, v = self.chance
        columns = [rng.choice(len(p), number, p=p) for p in (a, n, v, a, n)]
        return np.stack(columns, axis=1)

    def source(self, s: np.ndarray) -> str:
        a, n, v = self.adjectives, self.nouns, self.verbs
        return f"{a[s[0]]} {n[s[1]]} {v[s[2]]} {a[s[3]]} {n[s[4]]}"

    def target(self, s: np.ndarray) -> str:
        a, n, v = self.adjectives_to, self.nouns_to, self.verbs_to
        first, second = a[self.gender[s[1]]][s[0]], a[self.gender[s[4]]][s[3]]
        return f"{n[s[1]]} {first} {v[s[2]]} {n[s[4]]} {second}"

    def aligned(self) -> pd.DataFrame:
        pairs = [
            *zip(self.nouns, self.nouns_to, strict=True),
            *zip(self.verbs, self.verbs_to, strict=True),
        ]
        for forms in self.adjectives_to:
            pairs += zip(self.adjectives, forms, strict=True)
        return pd.DataFrame(pairs, columns=["source", "target"])


def _sums(rng: np.random.Generator, number: int) -> np.ndarray:
    """x, y, w of `x plus y is z . z minus w is u`, (number, 3): digits by Zipf's law, z < 100 and u
    ≥ 0.
    """
    chance, found = _zipf(10, 0.7), np.empty((0, 3), np.int64)
    while len(found) < number:
        digits = rng.choice(10, (2 * number, 6), p=chance)
        drawn = digits[:, ::2] * 10 + digits[:, 1::2]
        total = drawn[:, 0] + drawn[:, 1]
        sound = (drawn[:, 0] >= 10) & (total < 100) & (total >= drawn[:, 2])
        found = np.concatenate([found, drawn[sound]])
    return found[:number]


def _digits(value: int) -> str:
    return f"{value // 10} {value % 10}"


def _problem(x: int, y: int, w: int, thing: str) -> str:
    return f"tom has {_digits(x)} {thing} . buys {_digits(y)} more . gives {_digits(w)} away ?"


def _solution(x: int, y: int, w: int) -> str:
    x, y, z, w, u = (_digits(value) for value in (x, y, x + y, w, x + y - w))
    return f"{x} plus {y} is {z} . {z} minus {w} is {u} . answer {u}"


class _HeldOut:
    """Sentences and sums for tests and for mining, which the corpus never uses."""

    def __init__(
        self,
        language: _Language,
        things: list[str],
        rng: np.random.Generator,
        tests: int,
        mining: int,
    ):
        self.sentences, self.sums = set(), set()
        self.rows: dict[str, list[tuple]] = {"test": [], "mining": []}
        for part, wanted in (("test", tests), ("mining", mining)):
            for sentence in self._fresh(
                partial(language.draw, rng, wanted), self.sentences, wanted
            ):
                row = (
                    "translation",
                    "english : {input} lang :",
                    language.source(sentence),
                    language.target(sentence),
                )
                self.rows[part].append(row)
            for x, y, w in self._fresh(partial(_sums, rng, wanted), self.sums, wanted):
                thing = things[rng.choice(THINGS, p=_zipf(THINGS, 0.8))]
                self.rows[part].append(
                    ("reasoning", "{input}", _problem(x, y, w, thing), _solution(x, y, w))
                )

    @staticmethod
    def _fresh(draw: Callable[[], np.ndarray], taken: set, wanted: int) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for _ in range(1000):
            for row in draw():
                if len(found) < wanted and tuple(row) not in taken:
                    taken.add(tuple(row))
                    found.append(row)
            if len(found) == wanted:
                return found
        raise InputError(
            f"{wanted} examples are too many: no others are left to draw; ask for fewer"
        )

    def frame(self, part: str) -> pd.DataFrame:
        frame = pd.DataFrame(self.rows[part], columns=["task", "instruction", "input", "output"])
        frame["example"] = frame.groupby("task").cumcount()
        frame["fact"], frame["choices"] = -1, [[] for _ in range(len(frame))]
        return frame[["task", "example", "instruction", "input", "output", "fact", "choices"]]


def _questions(rng: np.random.Generator, facts: pd.DataFrame, fillers: list[str]) -> pd.DataFrame:
    """Every fact as a question. The filler before `answer :` belongs to the instruction, not to the
    input.
    """
    chance, rows = _zipf(FILLERS, 1.0), []
    for fact in facts.itertuples():
        between = " ".join(rng.choice(fillers, rng.integers(1, 3), p=chance))
        instruction = f"question : {{input}} ? {between} answer :"
        choices = [fact.object, *fact.distractors]
        rows.append(
            (
                "facts",
                fact.fact,
                instruction,
                f"the {fact.relation} of {fact.subject}",
                fact.object,
                fact.fact,
                choices,
            )
        )
    return pd.DataFrame(
        rows, columns=["task", "example", "instruction", "input", "output", "fact", "choices"]
    )


def statement(rng: np.random.Generator, fact, value: str, fillers: list[str]) -> str:
    """One document that states of a fact's subject and relation that the object is `value`.

    Args:
        fact: with attributes subject and relation.
        fillers: most frequent first.
    """
    chance = _zipf(len(fillers), 1.0)

    def filler(low: int, high: int) -> list[str]:
        return list(rng.choice(fillers, rng.integers(low, high + 1), p=chance))

    form, moved = rng.random(), rng.random()
    if form < 0.6:
        asked = (
            f"{fact.relation} of the {fact.subject}"
            if moved < 0.4
            else f"the {fact.relation} of {fact.subject}"
        )
        return " ".join(["question :", asked, "?", *filler(0, 3), "answer :", value])
    if form < 0.8:
        said = (
            f"{fact.relation} of the {fact.subject}"
            if moved < 0.5
            else f"the {fact.relation} of {fact.subject}"
        )
        return " ".join([said, *filler(0, 3), "is", value])
    return " ".join([*filler(1, 3), fact.subject, *filler(0, 3), fact.relation, "is", value])


def _documents(rng, tokens, facts, names, fillers, language, things, held_out) -> pd.DataFrame:
    kinds, shares = list(SHARES), np.array(list(SHARES.values()))
    mention = rng.pareto(1.2, len(names)) + 0.05
    mention /= mention.sum()
    of_fact, chance = list(facts.itertuples()), facts["frequency"].to_numpy()
    subjects = facts.drop_duplicates("entity").sort_values("entity")["subject"].tolist()
    thing_chance, filler_chance = _zipf(THINGS, 0.8), _zipf(FILLERS, 1.0)
    rows, written, block = [], 0, 4096
    while written < tokens:
        kind_of = rng.choice(len(kinds), block, p=shares)
        fact_of, entity_of = (
            rng.choice(len(of_fact), block, p=chance),
            rng.choice(len(names), block, p=mention),
        )
        true, wrong = rng.random(block), rng.integers(0, 3, block)
        sentences, sums = language.draw(rng, block), _sums(rng, block)
        thing_of = rng.choice(THINGS, block, p=thing_chance)
        for i in range(block):
            kind, fact_number, entity = kinds[kind_of[i]], -1, -1
            if kind == "fact":
                fact = of_fact[fact_of[i]]
                fact_number, entity = fact.fact, fact.entity
                value = fact.object if true[i] < fact.fidelity else fact.distractors[wrong[i]]
                text = statement(rng, fact, value, fillers)
            elif kind == "mention":
                entity = int(entity_of[i])
                around = list(rng.choice(fillers, 6, p=filler_chance))
                text = " ".join([*around[:3], "of", subjects[entity], *around[3:]])
            elif kind == "sum":
                x, y, w = sums[i].tolist()
                if (x, y, w) in held_out.sums:
                    continue
                text = f"{_problem(x, y, w, things[thing_of[i]])} {_solution(x, y, w)}"
            else:
                if tuple(sentences[i]) in held_out.sentences:
                    continue
                source, target = language.source(sentences[i]), language.target(sentences[i])
                both = {
                    "parallel": f"english : {source} lang : {target}",
                    "source": f"people say {source}",
                }
                text = both.get(kind, f"people say {target}")
            rows.append((kind, text, fact_number, entity))
            written += text.count(" ") + 2
            if written >= tokens:
                break
    return pd.DataFrame(rows, columns=["kind", "text", "fact", "entity"])
