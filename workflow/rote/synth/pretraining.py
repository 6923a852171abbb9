"""A small pretraining corpus of known statistics: facts, translations, sums, in made-up words.

Every fact has a frequency (Zipf) and, independent of it, a fidelity: the share of its statements
that give the true object. So the corpus's true conditional probabilities are known, and evidence
can be taken away. The design is ours: no corpus of a paper is imitated.
"""

from collections.abc import Callable
from functools import partial
from itertools import chain, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.synth import sums

SHARES = {
    "fact": 0.46,
    "mention": 0.06,
    "parallel": 0.16,
    "source": 0.06,
    "target": 0.04,
    "sum": 0.22,
}
RELATIONS = ("capital", "leader", "river", "metal")
TITLES = 10
OBJECTS = 20  # of each relation
FILLERS = 60
ITEMS = 12
ADJECTIVES = 16
NOUNS = 30
VERBS = 16
SEPARATOR = "<end>"  # between documents, for models
MAX_DRAWS = 1000  # until examples that were not drawn before are taken to have run out
BLOCK = 4096  # documents whose random numbers are drawn together
NO_ENTITY = -1  # and no fact
_QUESTION_WORDS = "question : ? answer . the of is english lang people say"
_SUM_WORDS = "tom has buys more gives away plus minus"
_FUNCTION_WORDS = [*_QUESTION_WORDS.split(), *_SUM_WORDS.split(), *"0123456789"]
_CONSONANTS = [*"bdfghklmnprstv", "sh", "ch"]
_VOWELS = [*"aeiou", "ai"]


class PretrainingWorld(NamedTuple):
    """Facts, a lexicon, and the corpus that uses them.

    Attributes:
        words: the whole vocabulary.
        fillers: those of them that mean nothing.
        facts: fact, rank, subject, entity, relation, object, distractors, frequency, fidelity.
        documents: kind, text, fact (−1: none), entity (−1: none), in corpus order.
        tests: task, wording (0), example, instruction, input, output, fact (−1: none), choices.
        mining: the same columns: examples to mine n-gram pairs from, disjoint from the tests.
        lexicon: source, target: what translates into what (adjectives in both genders).
    """

    words: list[str]
    fillers: list[str]
    facts: pd.DataFrame
    documents: pd.DataFrame
    tests: pd.DataFrame
    mining: pd.DataFrame
    lexicon: pd.DataFrame


def make(
    rng: np.random.Generator,
    *,
    tokens: int,
    entities: int,
    test_examples: int,
    mining_examples: int,
) -> PretrainingWorld:
    """A world and a corpus of at least `tokens` tokens, separators included.

    Args:
        rng: source of all draws.
        tokens: least length of the corpus.
        entities: subjects; each has two of the four relations, so there are twice as many facts.
        test_examples, mining_examples: translations, and sums, left out of the corpus and apart
            from each other; both steps of half of the sums are left out, too.

    Returns:
        The world; `tests` and `mining` each also contain a question for every fact.

    Raises:
        InputError: if sizes are not positive, there are more subjects than words can be made for,
            or more examples than can be drawn without a repetition.
    """
    if min(tokens, entities, test_examples, mining_examples) < 1:
        raise InputError("tokens, entities, test_examples and mining_examples must be at least 1")
    words = _Words(rng)
    fillers = words.draw(FILLERS, 3)
    titles = words.draw(TITLES, 2)
    names = words.draw(entities, 2)
    objects = {relation: words.draw(OBJECTS, 2) for relation in RELATIONS}
    facts = _facts(rng, titles, names, objects)
    language = _Language(rng, words)
    items = words.draw(ITEMS, 2)
    held_out = _HeldOut(rng, language, items)
    held_out.draw(rng, "test", test_examples)
    held_out.draw(rng, "mining", mining_examples)
    documents = _documents(
        rng,
        tokens,
        _Topics(facts=facts, fillers=fillers, language=language, items=items, held_out=held_out),
    )
    vocabulary = [
        SEPARATOR,
        *_FUNCTION_WORDS,
        *RELATIONS,
        *fillers,
        *titles,
        *names,
        *chain(*objects.values()),
        *language.words,
        *items,
    ]
    tests, mining = (
        pd.concat([_questions(rng, facts, fillers), held_out.examples(part)], ignore_index=True)
        for part in ("test", "mining")
    )
    return PretrainingWorld(
        words=vocabulary,
        fillers=fillers,
        facts=facts,
        documents=documents,
        tests=tests,
        mining=mining,
        lexicon=language.lexicon(),
    )


class _Words:
    """Distinct made-up words of consonant-vowel syllables."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.used = {*_FUNCTION_WORDS, *RELATIONS}
        self.syllables = [c + v for c, v in product(_CONSONANTS, _VOWELS)]

    def draw(self, number: int, syllables: int) -> list[str]:
        """So many new words. Raises InputError if there are too few."""
        if number > len(self.syllables) ** syllables // 2:
            raise InputError(
                f"{number} distinct words of {syllables} syllables are too many; "
                "ask for fewer entities"
            )
        drawn: list[str] = []
        while len(drawn) < number:
            word = "".join(self.rng.choice(self.syllables, syllables))
            if word not in self.used:
                self.used.add(word)
                drawn.append(word)
        return drawn


def _zipf(number: int, exponent: float) -> np.ndarray:
    weights = np.arange(1, number + 1) ** -exponent
    return weights / weights.sum()


def _facts(
    rng: np.random.Generator, titles: list[str], names: list[str], objects: dict[str, list[str]]
) -> pd.DataFrame:
    rows = []
    for entity, name in enumerate(names):
        subject = f"{titles[rng.integers(len(titles))]} {name}"
        for relation in rng.choice(RELATIONS, 2, replace=False):
            values = rng.choice(objects[relation], 4, replace=False)
            rows.append(
                {
                    "subject": subject,
                    "entity": entity,
                    "relation": str(relation),
                    "object": values[0],
                    "distractors": list(values[1:]),
                }
            )
    frame = pd.DataFrame(rows)
    frame.insert(0, "rank", rng.permutation(len(frame)) + 1)
    frame.insert(0, "fact", np.arange(len(frame)))
    frame["frequency"] = _zipf(len(frame), 1.0)[frame["rank"] - 1]
    frame["fidelity"] = rng.uniform(0.1, 1, len(frame))
    return frame


class _Language:
    """A grammar, A N V A N, and its translation N' A' V' N' A'.

    Adjectives follow the gender of their noun in the translation.
    """

    def __init__(self, rng: np.random.Generator, words: _Words):
        self.adjectives = words.draw(ADJECTIVES, 2)
        self.nouns = words.draw(NOUNS, 2)
        self.verbs = words.draw(VERBS, 2)
        self.adjectives_to = [words.draw(ADJECTIVES, 2), words.draw(ADJECTIVES, 2)]
        self.nouns_to = words.draw(NOUNS, 2)
        self.verbs_to = words.draw(VERBS, 2)
        self.gender = rng.integers(0, 2, NOUNS)

    @property
    def words(self) -> list[str]:
        """Of both languages."""
        both = [*self.adjectives_to[0], *self.adjectives_to[1], *self.nouns_to, *self.verbs_to]
        return [*self.adjectives, *self.nouns, *self.verbs, *both]

    def draw(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Sentences as numbers of adjective, noun, verb, adjective, noun, (number, 5)."""
        sizes = (ADJECTIVES, NOUNS, VERBS, ADJECTIVES, NOUNS)
        columns = [rng.choice(size, number, p=_zipf(size, 0.8)) for size in sizes]
        return np.stack(columns, axis=1)

    def source(self, s: np.ndarray) -> str:
        """The sentence."""
        subject = f"{self.adjectives[s[0]]} {self.nouns[s[1]]}"
        return f"{subject} {self.verbs[s[2]]} {self.adjectives[s[3]]} {self.nouns[s[4]]}"

    def target(self, s: np.ndarray) -> str:
        """Its translation."""
        subject = self._noun_phrase(s[1], s[0])
        return f"{subject} {self.verbs_to[s[2]]} {self._noun_phrase(s[4], s[3])}"

    def _noun_phrase(self, noun: int, adjective: int) -> str:
        return f"{self.nouns_to[noun]} {self.adjectives_to[self.gender[noun]][adjective]}"

    def lexicon(self) -> pd.DataFrame:
        """Translations of every word: source, target."""
        sources = [*self.nouns, *self.verbs, *self.adjectives, *self.adjectives]
        targets = [*self.nouns_to, *self.verbs_to, *chain(*self.adjectives_to)]
        return pd.DataFrame({"source": sources, "target": targets})


class _HeldOut:
    """Sentences and sums for tests and for mining, and steps of sums, which the corpus never uses.

    Half of the sums have both steps held out (task `reasoning`); the steps of the others
    (`known_steps`) may stand in the corpus, though never together.
    """

    def __init__(self, rng: np.random.Generator, language: _Language, items: list[str]):
        self.language = language
        self.items = items
        self.steps = sums.steps(rng)
        self.sentences: set[tuple] = set()
        self.sums: set[tuple] = set()
        self.rows: dict[str, list[dict]] = {}

    def draw(self, rng: np.random.Generator, part: str, number: int) -> None:
        """Draw so many sentences and sums that were not drawn before."""
        rows: list[dict] = []
        self.rows[part] = rows
        sentences = _fresh(partial(self.language.draw, rng, number), self.sentences, number)
        for example, sentence in enumerate(sentences):
            rows.append(
                {
                    "task": "translation",
                    "example": example,
                    "instruction": "english : {input} lang :",
                    "input": self.language.source(sentence),
                    "output": self.language.target(sentence),
                }
            )
        half = (number + 1) // 2
        # to mine from, any steps will do
        first = self.steps.closed if part == "test" else self.steps.open
        parts = (("reasoning", first, half), ("known_steps", self.steps.open, number - half))
        for task, draw, size in parts:
            for example, (x, y, w) in enumerate(_fresh(partial(draw, rng, size), self.sums, size)):
                item = self.items[rng.choice(ITEMS, p=_zipf(ITEMS, 0.8))]
                rows.append(
                    {
                        "task": task,
                        "example": example,
                        "instruction": "{input}",
                        "input": sums.problem(x, y, w, item),
                        "output": sums.solution(x, y, w),
                    }
                )

    def examples(self, part: str) -> pd.DataFrame:
        """The examples of a part, see `PretrainingWorld.tests`."""
        constants = {"wording": 0, "fact": -1, "choices": []}
        return pd.DataFrame([row | constants for row in self.rows[part]])


def _fresh(draw: Callable[[], np.ndarray], used: set[tuple], number: int) -> list[np.ndarray]:
    """So many drawn rows that are not yet used; they are, afterwards."""
    rows: list[np.ndarray] = []
    for _ in range(MAX_DRAWS):
        for row in draw():
            if len(rows) < number and tuple(row) not in used:
                used.add(tuple(row))
                rows.append(row)
        if len(rows) == number:
            return rows
    raise InputError(f"{number} examples are too many: no others are left to draw; ask for fewer")


def _questions(rng: np.random.Generator, facts: pd.DataFrame, fillers: list[str]) -> pd.DataFrame:
    """Every fact as a question.

    The filler before `answer :` belongs to the instruction, not to the input.
    """
    weights = _zipf(FILLERS, 1.0)
    rows = []
    for fact in facts.itertuples():
        between = " ".join(rng.choice(fillers, rng.integers(1, 3), p=weights))
        rows.append(
            {
                "task": "facts",
                "example": fact.fact,
                "instruction": f"question : {{input}} ? {between} answer :",
                "input": f"the {fact.relation} of {fact.subject}",
                "output": fact.object,
                "wording": 0,
                "fact": fact.fact,
                "choices": [fact.object, *fact.distractors],
            }
        )
    return pd.DataFrame(rows)


def statement(rng: np.random.Generator, fact: Any, value: str, fillers: list[str]) -> str:
    """One document that states of a fact's subject and relation that the object is `value`.

    Args:
        rng: of the wording and the fillers.
        fact: with attributes subject and relation.
        value: the object that is stated, true or not.
        fillers: most frequent first.
    """
    weights = _zipf(len(fillers), 1.0)

    def filler(low: int, high: int) -> list[str]:
        return list(rng.choice(fillers, rng.integers(low, high + 1), p=weights))

    form, article = rng.random(), rng.random()
    inner = f"{fact.relation} of the {fact.subject}"
    outer = f"the {fact.relation} of {fact.subject}"
    if form < 0.6:
        question = inner if article < 0.4 else outer
        return " ".join(["question :", question, "?", *filler(0, 3), "answer :", value])
    if form < 0.8:
        return " ".join([inner if article < 0.5 else outer, *filler(0, 3), "is", value])
    return " ".join([*filler(1, 3), fact.subject, *filler(0, 3), fact.relation, "is", value])


# ---- documents


class _Topics(NamedTuple):
    """What documents are about."""

    facts: pd.DataFrame
    fillers: list[str]
    language: _Language
    items: list[str]
    held_out: _HeldOut


class _Draws(NamedTuple):
    """Random numbers for a block of documents, one row each."""

    kind: np.ndarray  # number of the kind
    fact: np.ndarray
    entity: np.ndarray
    uniform: np.ndarray  # below the fidelity: the true object is stated
    distractor: np.ndarray  # which of three is stated otherwise
    sentence: np.ndarray  # (block, 5), see `_Language.draw`
    sum: np.ndarray  # (block, 3), see `sums.draw`
    item: np.ndarray


class _Document(NamedTuple):
    kind: str
    text: str
    fact: int = NO_ENTITY
    entity: int = NO_ENTITY


class _DocumentWriter:
    """Writes documents of each kind from random numbers; None where an example is held out."""

    def __init__(self, rng: np.random.Generator, topics: _Topics):
        self.rng = rng
        self.topics = topics
        self.facts = list(topics.facts.itertuples())
        subjects = topics.facts.drop_duplicates("entity").sort_values("entity")["subject"]
        self.subjects = subjects.tolist()
        self.filler_weights = _zipf(FILLERS, 1.0)
        self.kinds: dict[str, Callable[[_Draws, int], _Document | None]] = {
            "fact": self.fact,
            "mention": self.mention,
            "parallel": partial(self.sentence, "parallel", "english : {source} lang : {target}"),
            "source": partial(self.sentence, "source", "people say {source}"),
            "target": partial(self.sentence, "target", "people say {target}"),
            "sum": self.sum,
        }

    def fact(self, draws: _Draws, i: int) -> _Document:
        """A statement of a fact."""
        fact = self.facts[draws.fact[i]]
        is_true = draws.uniform[i] < fact.fidelity
        value = fact.object if is_true else fact.distractors[draws.distractor[i]]
        text = statement(self.rng, fact, value, self.topics.fillers)
        return _Document("fact", text, fact.fact, fact.entity)

    def mention(self, draws: _Draws, i: int) -> _Document:
        """A subject among fillers."""
        entity = int(draws.entity[i])
        fillers = list(self.rng.choice(self.topics.fillers, 6, p=self.filler_weights))
        text = " ".join([*fillers[:3], "of", self.subjects[entity], *fillers[3:]])
        return _Document("mention", text, entity=entity)

    def sentence(self, kind: str, form: str, draws: _Draws, i: int) -> _Document | None:
        """A sentence, its translation, or both."""
        language = self.topics.language
        sentence = draws.sentence[i]
        if tuple(sentence) in self.topics.held_out.sentences:
            return None
        source, target = language.source(sentence), language.target(sentence)
        return _Document(kind, form.format(source=source, target=target))

    def sum(self, draws: _Draws, i: int) -> _Document | None:
        """A word problem and its solution."""
        x, y, w = draws.sum[i].tolist()
        if (x, y, w) in self.topics.held_out.sums:
            return None
        item = self.topics.items[draws.item[i]]
        return _Document("sum", f"{sums.problem(x, y, w, item)} {sums.solution(x, y, w)}")


def _documents(rng: np.random.Generator, tokens: int, topics: _Topics) -> pd.DataFrame:
    """Documents until there are so many tokens, separators included."""
    n_entities = topics.facts["entity"].nunique()
    mentions = rng.pareto(1.2, n_entities) + 0.05
    mentions /= mentions.sum()
    writer = _DocumentWriter(rng, topics)
    kinds = [writer.kinds[kind] for kind in SHARES]
    shares = np.array(list(SHARES.values()))
    frequency = topics.facts["frequency"].to_numpy()
    documents: list[_Document] = []
    n_tokens = 0
    while n_tokens < tokens:
        draws = _Draws(
            kind=rng.choice(len(kinds), BLOCK, p=shares),
            fact=rng.choice(len(frequency), BLOCK, p=frequency),
            entity=rng.choice(n_entities, BLOCK, p=mentions),
            uniform=rng.random(BLOCK),
            distractor=rng.integers(0, 3, BLOCK),
            sentence=topics.language.draw(rng, BLOCK),
            sum=topics.held_out.steps.open(rng, BLOCK),
            item=rng.choice(ITEMS, BLOCK, p=_zipf(ITEMS, 0.8)),
        )
        for i in range(BLOCK):
            document = kinds[draws.kind[i]](draws, i)
            if document is None:
                continue
            documents.append(document)
            n_tokens += document.text.count(" ") + 2
            if n_tokens >= tokens:
                break
    return pd.DataFrame(documents)
