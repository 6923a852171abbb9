"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Where, transformer
from rote.papers.cramless import arms
from rote.papers.cramless.settings import Settings
from rote.prune import online


def _networks(s: Settings, where: Where) -> float:
    """All arms of a group over the positions of their batches; those that select also score
    candidates (a third).
    """
    t, f = s.training, s.facts
    tokens = f.key_tokens + f.value_tokens
    total = 0.0
    for arm in arms.arms(f, t):
        if arm.group == where.get("group"):
            seen = (
                arm.steps
                * (t.batch + (t.candidates / 3 if arm.scheme in online.SCHEMES else 0))
                * tokens
            )
            total += (
                6
                * transformer(t.layers, arm.width, f.key_symbols + f.value_symbols)
                * seen
                * f.replicates
            )
    return total


def _text(s: Settings, where: Where) -> float:
    """GPT-2 over tokens; selection adds a forward pass over the candidates."""
    t = s.text
    layers, _, width = t.large if "large" in str(where) else t.small
    weights = transformer(layers, width, 50_257)
    return weights * t.steps * t.context * (6 * t.batch + 2 * t.candidates)


WORK = {"train_networks": _networks, "train_text": _text}
