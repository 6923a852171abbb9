"""What a run of the chain consists of: its worlds, corpora, networks and memories."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from rote.core.registry import registered
from rote.papers.chain.settings import Settings

USER_WORLD = "own"  # name of the world that is a text of the user's, in files and random streams
USER_MODEL_WIDTH = 0  # stands for the width of a model of the user's
EVALUATION_TABLES = ("networks", "accuracy", "deciles", "rules", "spearman")  # of the last step

# ---- worlds


class WorldSpec(NamedTuple):
    """A world: facts, and documents that state them."""

    name: str
    load: float  # information of its facts over the nominal capacity; NaN for the user's text


def worlds(options: Settings) -> list[WorldSpec]:
    """One world per load, or the user's text alone."""
    if options.corpus:
        return [WorldSpec(USER_WORLD, np.nan)]
    return [WorldSpec(_load_name(load), load) for load in options.world.loads]


def _load_name(load: float) -> str:
    return f"load-{load:g}"


def ladder_world(options: Settings) -> str:
    """Name of the world of the size ladder."""
    return USER_WORLD if options.corpus else _load_name(options.network.ladder_load)


def world_title(load: float) -> str:
    """What figures and the ledger call a world."""
    return "own text" if np.isnan(load) else f"load {load:g}"


# ---- corpora


@dataclass(frozen=True)
class CorpusVariant:
    """A way to prune a world's corpus."""

    name: str
    label: str  # in figures
    pruned: bool = True  # False: the world's own corpus, as it was synthesized
    on_ladder: bool = False  # networks of the other widths are trained on it, too
    ablation: bool = False  # made for the ladder's world alone


UNPRUNED = CorpusVariant("none", "unpruned", pruned=False, on_ladder=True)
RANDOM = CorpusVariant("random", "random")
BY_LOSS = CorpusVariant("loss", "pruned by loss", on_ladder=True)
FLAT = CorpusVariant("flat", "random, flattened", ablation=True)
VARIANTS = {variant.name: variant for variant in (UNPRUNED, RANDOM, BY_LOSS, FLAT)}


def variants_of(options: Settings, world: str, width: int) -> list[str]:
    """Corpora of a world that networks of a width are trained on."""
    if width != base_width(options):
        return [name for name, variant in VARIANTS.items() if variant.on_ladder]
    ablations = world == ladder_world(options)
    return [name for name, variant in VARIANTS.items() if ablations or not variant.ablation]


# ---- networks


class StackSpec(NamedTuple):
    """Networks of one width, trained on the corpora of one world as one stack."""

    world: str
    width: int

    @property
    def name(self) -> str:
        """How its files are called."""
        return f"{self.world}-{self.width}"


def base_width(options: Settings) -> int:
    """The width at which every corpus has networks."""
    return USER_MODEL_WIDTH if options.model else options.network.width


def stacks(options: Settings) -> list[StackSpec]:
    """Every training: all worlds at the base width, then the ladder of widths."""
    base = base_width(options)
    specs = [StackSpec(world.name, base) for world in worlds(options)]
    if options.model:
        return specs
    ladder = [width for width in options.network.ladder if width != base]
    return specs + [StackSpec(ladder_world(options), width) for width in ladder]


def members(options: Settings, world: str, width: int) -> list[tuple[str, int]]:
    """(variant, replicate) of every network of a stack, in its order."""
    replicates = range(options.world.replicates)
    return list(product(variants_of(options, world, width), replicates))


# ---- memories


class Statements(NamedTuple):
    """Statements that a memory may hold, and the corpora they are chosen by."""

    facts: np.ndarray  # (statements,) fact of each
    stated: dict[str, set[int]]  # facts that the corpus of each variant states
    variant: str  # corpus of the network
    rng: np.random.Generator

    def left_out(self, variant: str) -> np.ndarray:
        """Whether the corpus of a variant states the fact no more, (statements,) bool."""
        return ~np.isin(self.facts, list(self.stated[variant]))


@dataclass(frozen=True)
class MemoryContent:
    """Which statements a memory holds."""

    name: str
    label: str  # in figures
    select: Callable[[Statements], np.ndarray]  # (statements,) bool
    empty: bool = False  # holds no statement: the network answers alone


def _as_many_as_pruned(statements: Statements) -> np.ndarray:
    number = int(statements.left_out(BY_LOSS.name).sum())
    chosen = np.zeros(len(statements.facts), bool)
    chosen[statements.rng.choice(len(chosen), number, replace=False)] = True
    return chosen


NOTHING = MemoryContent("nothing", "no memory", lambda s: np.zeros(len(s.facts), bool), empty=True)
RETAINED = MemoryContent("kept", "memory of kept statements", lambda s: ~s.left_out(BY_LOSS.name))
PRUNED = MemoryContent("pruned", "of pruned ones", lambda s: s.left_out(s.variant))
ALL = MemoryContent("all", "of all", lambda s: np.ones(len(s.facts), bool))
AS_MANY = MemoryContent("random", "of random ones, as many as pruned", _as_many_as_pruned)
CONTENTS = {content.name: content for content in (NOTHING, RETAINED, PRUNED, ALL, AS_MANY)}


class MemoryCell(NamedTuple):
    """A network's corpus and what its memory holds."""

    variant: str  # of VARIANTS
    content: str  # of CONTENTS

    @property
    def has_memory(self) -> bool:
        """Whether the memory holds statements at all."""
        return not registered(CONTENTS, self.content, "memory").empty


CELLS = (
    MemoryCell("loss", "kept"),
    MemoryCell("loss", "pruned"),
    MemoryCell("loss", "all"),
    MemoryCell("random", "pruned"),
    MemoryCell("none", "all"),
    MemoryCell("none", "random"),
)
