"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards, transformer
from rote.papers.chain import plan
from rote.papers.chain.settings import Settings

OTHER_TOKENS = 5  # of a document beside the value: key, template, the first
WORDINGS = 2  # in which a fact is stated, about
USER_FACTS = 1000  # of a text of the user's, whose size is not known
MODEL_WIDTH = 768  # stands for that of a model of the user's
MEMORIES = 20  # of a replicate: every network beside every content, and some in int8


def _vocabulary(s: Settings) -> int:
    w = s.world
    return w.subjects + w.relations + w.value_symbols + 2 * w.lexicon + w.numbers + w.modulus


def _weights(s: Settings, width: int) -> float:
    return transformer(s.network.layers, width or MODEL_WIDTH, _vocabulary(s))


def documents(s: Settings, world: str) -> float:
    """Documents of a replicate of a world: copies of its facts, and the rules' share."""
    facts = {spec.name: spec.facts or USER_FACTS for spec in plan.worlds(s)}
    return facts[world] * s.world.copies / s.world.fact_share


def _tokens(s: Settings) -> int:
    """Of the longest document."""
    return max(s.world.value_tokens + OTHER_TOKENS, 2 * s.world.phrase + 3)


def _train(s: Settings, width: int, steps: int) -> float:
    return 6 * _weights(s, width) * steps * s.network.batch * _tokens(s) * s.world.replicates


def _unpruned(s: Settings, where: Wildcards) -> float:
    width = int(where["width"])
    return sum(_train(s, width, steps) for steps in plan.steps_of(s, width))


def _pruned(s: Settings, where: Wildcards) -> float:
    width = int(where["width"])
    return sum(
        len(plan.pruned_variants(s, width, steps)) * _train(s, width, steps)
        for steps in plan.steps_of(s, width)
    )


def _all(s: Settings) -> float:
    return s.world.replicates * sum(documents(s, spec.name) for spec in plan.worlds(s))


def _residuals(s: Settings, where: Wildcards) -> float:
    """The states of every network with memories, and the neighbors of every question."""
    width = plan.base_width(s)
    work = 0.0
    for spec in plan.worlds(s):
        facts = spec.facts or USER_FACTS
        statements = WORDINGS * facts * s.world.value_tokens
        asked_for = min(facts, s.memory.facts)
        questions = 2 * asked_for * s.world.value_tokens
        questions += s.world.test_items + s.world.tuning_items
        states = WORDINGS * facts + 2 * asked_for + 2 * s.world.test_items
        work += len(plan.WITH_MEMORIES) * 2 * _weights(s, width) * _tokens(s) * states
        work += MEMORIES * 2 * questions * statements * (width or MODEL_WIDTH)
    return work * s.world.replicates


def _states(s: Settings, where: Wildcards) -> float:
    """Bytes of the hidden states."""
    width = plan.base_width(s) or MODEL_WIDTH
    return 4.0 * len(plan.WITH_MEMORIES) * width * _all(s) * s.world.value_tokens


WORK = {
    "synthesize_corpus": lambda s, w: _all(s),
    "train_scorer": _unpruned,
    "prune_corpus": lambda s, w: _all(s) * len(s.network.steps) * len(plan.grid_widths(s)),
    "train_model": _pruned,
    "fit_residuals": _residuals,
    "evaluate": lambda s, w: _all(s),
}
DISK = {
    "synthesize_corpus": lambda s, w: 250 * _all(s),
    "prune_corpus": lambda s, w: 32 * _all(s) * len(s.network.steps),
    "fit_residuals": _states,
}
