"""What a run of the chain consists of: its worlds, corpora, networks and memories."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from rote.papers.chain.settings import Settings

USER_WORLD = "own"  # name of the world that is a text of the user's, in files and random streams
USER_MODEL_WIDTH = 0  # stands for the width of a model of the user's
# tables of the last step
EVALUATION_TABLES = ("networks", "accuracy", "lookups", "deciles", "rules", "spearman")
FACT = "fact"  # kind of a question about a fact
COMPARED = "translation"  # the rule whose items have frequencies of a power law, as facts have

# ---- worlds


class WorldSpec(NamedTuple):
    """A world: facts, and documents that state them."""

    name: str
    facts: int  # 0 for a text of the user's, which is not generated


def worlds(options: Settings) -> list[WorldSpec]:
    """One world per number of facts, or the user's text alone."""
    if options.corpus:
        return [WorldSpec(USER_WORLD, 0)]
    return [WorldSpec(f"facts-{facts}", facts) for facts in options.world.facts]


# ---- corpora


@dataclass(frozen=True)
class CorpusVariant:
    """A way to prune a world's corpus."""

    name: str
    label: str  # in figures
    control: bool = False  # made for the first width and the most steps alone
    has_memories: bool = True  # of the first width, after the most steps


UNPRUNED = CorpusVariant("none", "unpruned")
BY_LOSS = CorpusVariant("loss", "pruned by loss")
EARLY = CorpusVariant("early", "pruned by early losses", has_memories=False)
RANDOM = CorpusVariant("random", "as many random facts", control=True)
FLAT = CorpusVariant("flat", "the same, flattened", control=True)
VARIANTS = {variant.name: variant for variant in (UNPRUNED, BY_LOSS, EARLY, RANDOM, FLAT)}
WITH_MEMORIES = [name for name, variant in VARIANTS.items() if variant.has_memories]


def pruned_variants(options: Settings, width: int, steps: int) -> list[str]:
    """The pruned corpora that networks of a width are trained on for so many steps.

    Losses after the fewest steps are early ones for longer trainings only.
    """
    made = {BY_LOSS.name: True, EARLY.name: steps > options.network.steps[0]}
    controls = width == base_width(options) and steps == plateau_steps(options)
    made |= {name: controls for name, variant in VARIANTS.items() if variant.control}
    return [name for name, is_made in made.items() if is_made]


# ---- networks


class StackSpec(NamedTuple):
    """Networks of one width, trained on the corpora of one world."""

    world: str
    width: int

    @property
    def name(self) -> str:
        """How its files are called."""
        return f"{self.world}-{self.width}"


class NetworkMember(NamedTuple):
    """A network of a stack: its corpus and replicate."""

    variant: str  # of VARIANTS
    replicate: int


def base_width(options: Settings) -> int:
    """The width whose networks have memories."""
    return grid_widths(options)[0]


def grid_widths(options: Settings) -> list[int]:
    """Widths of networks on unpruned and pruned corpora, for every number of steps."""
    return [USER_MODEL_WIDTH] if options.model else options.network.widths


def plateau_steps(options: Settings) -> int:
    """The most steps: after them networks are at their plateau."""
    return options.network.steps[-1]


def steps_of(options: Settings, width: int) -> list[int]:
    """Numbers of steps that networks of a width are trained for, ascending."""
    of_grid = width in grid_widths(options)
    return list(options.network.steps) if of_grid else [plateau_steps(options)]


def pruned_stacks(options: Settings) -> list[StackSpec]:
    """Stacks that are trained on pruned corpora, too."""
    widths = grid_widths(options)
    return [StackSpec(world.name, width) for width, world in product(widths, worlds(options))]


def stacks(options: Settings) -> list[StackSpec]:
    """Every stack; those of larger widths see the unpruned corpus of the most facts alone."""
    larger = [] if options.model else options.network.larger
    widths = [width for width in larger if width not in grid_widths(options)]
    largest = worlds(options)[-1]
    return pruned_stacks(options) + [StackSpec(largest.name, width) for width in widths]


def members(options: Settings, variants: list[str]) -> list[NetworkMember]:
    """The networks of a stack, one per corpus and replicate, in their order."""
    replicates = range(options.world.replicates)
    return [NetworkMember(*names) for names in product(variants, replicates)]


# ---- memories


class Statements(NamedTuple):
    """Statements that a memory may hold, and what it is chosen by."""

    pruned: np.ndarray  # (statements,) bool: the corpus pruned by loss states the fact no more
    losses: np.ndarray  # (statements,) nats of the fact under the network beside the memory
    rng: np.random.Generator


@dataclass(frozen=True)
class MemoryContent:
    """Which statements a memory holds."""

    name: str
    label: str  # in figures
    select: Callable[[Statements], np.ndarray]  # (statements,) bool
    empty: bool = False  # holds no statement: the network answers alone


def _at_random(statements: Statements) -> np.ndarray:
    """As many as were pruned, at random."""
    return _first(statements, statements.rng.permutation(len(statements.pruned)))


def _unknown(statements: Statements) -> np.ndarray:
    """As many as were pruned, those of the largest loss."""
    return _first(statements, np.argsort(-statements.losses, kind="stable"))


def _first(statements: Statements, order: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(order), bool)
    chosen[order[: int(statements.pruned.sum())]] = True
    return chosen


NOTHING = MemoryContent("nothing", "alone", lambda s: np.zeros(len(s.pruned), bool), empty=True)
PRUNED = MemoryContent("pruned", "memory of what was pruned", lambda s: s.pruned)
AT_RANDOM = MemoryContent("random", "memory of random statements, as large", _at_random)
UNKNOWN = MemoryContent("unknown", "memory of what it knows worst, as large", _unknown)
ALL = MemoryContent("all", "memory of everything", lambda s: np.ones(len(s.pruned), bool))
CONTENTS = {content.name: content for content in (NOTHING, PRUNED, AT_RANDOM, UNKNOWN, ALL)}


class MemoryCell(NamedTuple):
    """A network's corpus, what its memory holds, and in how many bits a number."""

    variant: str  # of VARIANTS
    content: str  # of CONTENTS
    bits: int = 32  # 32: float32; 8: int8

    @property
    def has_memory(self) -> bool:
        """Whether the memory holds statements at all."""
        return not CONTENTS[self.content].empty

    @property
    def key(self) -> str:
        """How its arrays are called."""
        return f"{self.variant}/{self.content}/{self.bits}"


NETWORKS_ALONE = [MemoryCell(variant, NOTHING.name) for variant in WITH_MEMORIES]


def memory_cells() -> list[MemoryCell]:
    """Every network beside every memory, and some memories in int8."""
    filled = [content.name for content in CONTENTS.values() if not content.empty]
    cells = [MemoryCell(*names) for names in product(WITH_MEMORIES, filled)]
    compact = [MemoryCell(BY_LOSS.name, PRUNED.name, 8), MemoryCell(UNPRUNED.name, PRUNED.name, 8)]
    return [*cells, *compact, MemoryCell(UNPRUNED.name, ALL.name, 8)]


# ---- no network


class Lookup(NamedTuple):
    """Statements without a network: how they answer a question."""

    name: str
    label: str  # in figures


KNN = Lookup("knn", "kNN over words")
DICTIONARY = Lookup("dictionary", "dictionary of the statements")
LOOKUPS = {lookup.name: lookup for lookup in (KNN, DICTIONARY)}
