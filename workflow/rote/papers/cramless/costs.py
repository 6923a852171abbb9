"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards, transformer
from rote.papers.cramless.arms import SCORING_WORK, arms_of, text_arm
from rote.papers.cramless.settings import Settings
from rote.prune.schemes import SCORED


def _networks(s: Settings, where: Wildcards) -> float:
    """All arms of a group over the positions of their batches; those that select also score."""
    facts, training = s.facts, s.training
    tokens = facts.key_tokens + facts.value_tokens
    vocabulary = facts.key_symbols + facts.value_symbols
    total = 0.0
    for arm in arms_of(where["group"], facts, training):
        scores = arm.scheme.online in SCORED
        scored = training.candidates * SCORING_WORK if scores else 0
        seen = arm.steps * (training.batch + scored) * tokens
        total += 6 * transformer(training.layers, arm.width, vocabulary) * seen * facts.replicates
    return total


def _text(s: Settings, where: Wildcards) -> float:
    """GPT-2 over tokens; selection adds a forward pass over the candidates."""
    text = s.text
    arm = text_arm(where["size"], where["scheme"])
    layers, _, width = arm.shape(text)
    scored = 2 * text.candidates if arm.scheme.online else 0
    blocks = arm.steps(text) * (6 * text.batch + scored) * text.replicates
    return transformer(layers, width, 50_257) * text.context * blocks


WORK = {"train_networks": _networks, "train_text": _text}
