"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards, transformer
from rote.papers.chain import plan
from rote.papers.chain.settings import Settings

OTHER_TOKENS = 5  # of a document beside the value: key, template, the first
WORDINGS = 2  # in which a fact is stated, about
USER_FACTS = 1000  # of a text of the user's, whose size is not known
MODEL_WIDTH = 768  # stands for that of a model of the user's
MEMORIES = 16  # of a replicate: a network beside each content, of each of which some are in int8
TOKEN_BYTES = 17  # what a question's answer takes: whether it is right, loss, share of tokens


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


def _questions(s: Settings, facts: int) -> int:
    """Questions to networks with memories."""
    rules = 2 * (s.world.test_items + s.world.tuning_items)
    return 2 * min(facts, s.memory.facts) + rules


def _residuals(s: Settings, where: Wildcards) -> float:
    """One pass over all statements per network, and the neighbors of every question."""
    width = plan.base_width(s)
    work = 0.0
    for spec in plan.worlds(s):
        facts = spec.facts or USER_FACTS
        lines = WORDINGS * facts + _questions(s, facts)
        rows = WORDINGS * facts * s.world.value_tokens
        queries = _questions(s, facts) * s.world.value_tokens
        work += len(plan.WITH_MEMORIES) * 2 * _weights(s, width) * _tokens(s) * lines
        work += MEMORIES * 2 * queries * rows * (width or MODEL_WIDTH)
    return work * s.world.replicates


def _answers(s: Settings, where: Wildcards) -> float:
    """Bytes of the answers: no hidden state is stored."""
    questions = sum(_questions(s, spec.facts or USER_FACTS) for spec in plan.worlds(s))
    cells = len(plan.WITH_MEMORIES) + len(plan.memory_cells())
    return float(TOKEN_BYTES * cells * questions * s.world.replicates)


def _networks(s: Settings, width: int, n_variants: list[int]) -> float:
    """Bytes of weights after the most steps, and of every question's answers.

    Args:
        s: config section of the chain.
        width: of the networks.
        n_variants: corpora that networks are trained on, by number of steps.
    """
    facts = max(spec.facts or USER_FACTS for spec in plan.worlds(s))
    questions = 2 * (facts + s.world.test_items + s.world.tuning_items)
    answers = TOKEN_BYTES * questions * sum(n_variants)
    return s.world.replicates * (4 * _weights(s, width) * n_variants[-1] + answers)


def _unpruned_bytes(s: Settings, where: Wildcards) -> float:
    width = int(where["width"])
    return _networks(s, width, [1] * len(plan.steps_of(s, width)))


def _pruned_bytes(s: Settings, where: Wildcards) -> float:
    width = int(where["width"])
    made = [len(plan.pruned_variants(s, width, steps)) for steps in plan.steps_of(s, width)]
    return _networks(s, width, made)


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
    "train_scorer": _unpruned_bytes,
    "train_model": _pruned_bytes,
    "prune_corpus": lambda s, w: 32 * _all(s) * len(s.network.steps),
    "fit_residuals": _answers,
}
