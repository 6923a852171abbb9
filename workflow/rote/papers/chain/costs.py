"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from math import isnan, log2

from rote.core.work import Wildcards, transformer
from rote.papers.chain import plan
from rote.papers.chain.settings import Settings

TOKENS = 8  # of a document: key, value, template
NETWORKS = 4  # corpora per world, about


def _vocabulary(s: Settings) -> int:
    w = s.world
    return w.subjects + w.relations + w.value_symbols + 2 * w.lexicon + w.modulus


def _load(s: Settings, world: str) -> float:
    """The load of a world; 1 for a text of the user's, whose size is not known."""
    loads = {spec.name: spec.load for spec in plan.worlds(s)}
    return 1.0 if isnan(loads[world]) else loads[world]


def documents(s: Settings, load: float) -> float:
    """Documents of a replicate's world: copies of its facts, and the rules' share."""
    bits = s.world.value_tokens * log2(s.world.value_symbols)
    weights = transformer(s.network.layers, s.network.width, _vocabulary(s))
    facts = load * s.world.bits_per_parameter * weights / bits
    return facts * s.world.copies / s.world.fact_share


def _train(s: Settings, width: int, steps: int) -> float:
    weights = transformer(s.network.layers, width, _vocabulary(s))
    return 6 * weights * steps * s.network.batch * TOKENS * s.world.replicates


def _all(s: Settings) -> float:
    return s.world.replicates * sum(documents(s, load) for load in s.world.loads)


def _embed(s: Settings, world: str, width: int) -> float:
    weights = transformer(s.network.layers, width, _vocabulary(s))
    return 2 * weights * TOKENS * documents(s, _load(s, world)) * s.world.replicates


def _neighbors(s: Settings, world: str) -> float:
    """Every fact's probes against every remembered document."""
    count = documents(s, _load(s, world))
    return 2 * s.world.replicates * count * count / s.world.copies * s.network.width


def _residuals(s: Settings, where: Wildcards) -> float:
    """The states of every network, and the neighbors in every world."""
    embedded = sum(_embed(s, stack.world, stack.width) for stack in plan.stacks(s))
    return embedded + sum(_neighbors(s, world.name) for world in plan.worlds(s))


def _states(s: Settings, where: Wildcards) -> float:
    """Bytes of the hidden states."""
    floats = sum(stack.width * documents(s, _load(s, stack.world)) for stack in plan.stacks(s))
    return 4 * floats * s.world.replicates


WORK = {
    "synthesize_corpus": lambda s, w: _all(s),
    "train_scorer": lambda s, w: _train(s, s.network.width, s.network.scoring_steps),
    "prune_corpus": lambda s, w: _all(s),
    "train_model": lambda s, w: NETWORKS * _train(s, int(w["width"]), s.network.steps),
    "fit_residuals": _residuals,
    "evaluate": lambda s, w: _all(s),
}
DISK = {
    "synthesize_corpus": lambda s, w: 250 * _all(s),
    "prune_corpus": lambda s, w: 150 * _all(s),
    "fit_residuals": _states,
}
