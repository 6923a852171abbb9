"""The tasks of the generated corpora, and how a model is prompted."""

from dataclasses import dataclass

# in the column `part` of TaskExamples
TEST = "test"
MINING = "mining"
REWORDED = "prompts"  # tests in other wordings


@dataclass(frozen=True)
class GeneratedTask:
    """A task of the generated corpora.

    Attributes:
        name: in configs and tables.
        lengths: of the n-grams, words; the first is that of the headline figures.
        wordings: other ways to ask, with {input} and {filler} to fill in. What they mean to a model
            differs as much as how common they are.
        is_held_out: the corpus holds none of the test outputs, by construction.
        has_known_parts: it may hold n-grams of theirs; of other held-out tasks it holds none of
            `evaluation.GATED_LENGTHS`.
        is_ranked: each example asks for one fact, which has a frequency rank.
        has_lexicon: the generator knows which input words translate into which output words.
    """

    name: str
    lengths: tuple[int, int]
    wordings: tuple[str, ...] = ()
    is_held_out: bool = False
    is_ranked: bool = False
    has_lexicon: bool = False
    has_known_parts: bool = False

    @property
    def n(self) -> int:
        """Length of the n-grams of the headline figures."""
        return self.lengths[0]

    @property
    def label(self) -> str:
        """In figures."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class RankGroup:
    """Facts of similar frequency rank.

    Attributes:
        end: share of the facts, by rank, at which the group ends (ours).
    """

    name: str
    label: str
    end: float


FACTS = GeneratedTask(
    "facts",
    (3, 5),
    wordings=(
        "question : {input} ? answer :",
        "question : {input} ? {filler} {filler} {filler} answer :",
        "{input} is",
        "{input} {filler} is",
        "people say {input} is",
        "answer : {input} ?",
        "{input}",
        "{filler} of {input} answer :",
    ),
    is_ranked=True,
)
TRANSLATION = GeneratedTask("translation", (2, 3), is_held_out=True, has_lexicon=True)
REASONING = GeneratedTask(
    "reasoning",
    (3, 5),
    wordings=(
        "question : {input} answer :",
        "people say {input}",
        "{filler} {filler} . {input}",
        "{input} question :",
        "english : {input} lang :",
        "answer : {input}",
    ),
    is_held_out=True,
)
# sums whose steps stand in the corpus, though never both in one document: a control for REASONING
KNOWN_STEPS = GeneratedTask("known_steps", (3, 5), is_held_out=True, has_known_parts=True)
PRINCIPAL = (FACTS, TRANSLATION, REASONING)
TASKS: dict[str, GeneratedTask] = {task.name: task for task in (*PRINCIPAL, KNOWN_STEPS)}

HEAD = RankGroup("head", "frequent", 0.25)
MIDDLE = RankGroup("mid", "middling", 0.6)
TAIL = RankGroup("tail", "rare", 1.0)
RANK_GROUPS = (HEAD, MIDDLE, TAIL)


def prompt(instruction: str, text: str) -> str:
    """What the model reads before the output.

    Args:
        instruction: with {input} where the text belongs; without, the text follows it.
        text: the input.
    """
    if "{input}" in instruction:
        return instruction.replace("{input}", text)
    return f"{instruction} {text}".strip()
