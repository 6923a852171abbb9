"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards
from rote.papers.attention.settings import Settings


def _curves(s: Settings, where: Wildcards) -> float:
    return 60 * s.theory.curve + s.theory.phase**2


def _contexts(s: Settings, where: Wildcards) -> float:
    """Reductions of n x n matrices: 4 n in the sweep over p/n, n/4 in that over the signal."""
    a = s.simulation
    rows = 81 if a.crossings else 41
    sizes = rows * a.tokens**3 + 20 * a.sweep_tokens**3
    sizes += 10 * a.snr_tokens**3 + 10 * a.limit_tokens**3
    return a.replicates * sizes


def _variants(s: Settings, where: Wildcards) -> float:
    return s.simulation.replicates * s.simulation.tokens**3


def _heads(s: Settings, where: Wildcards) -> float:
    """Gradients through solves with n x n matrices and products with (n, p): 10 n² (n + 2 p)."""
    t = s.trained
    heads = len(t.gammas) * t.replicates
    return 20 * heads * t.contexts * t.steps * t.tokens**2 * (t.tokens + 2 * t.p)


def _language_models(s: Settings, where: Wildcards) -> float:
    """Training, 6 operations per weight and token; solves of about 8 steps, 10 n³ each."""
    h = s.heads
    training = 6 * 12 * h.width**2 * h.layers * h.steps * 8 * h.length
    points = h.layers * h.heads * len(h.functions) * len(h.orders) * len(h.gammas)
    return h.replicates * (training + 80 * points * h.tokens**3)


WORK = {
    "solve_curves": _curves,
    "simulate_contexts": _contexts,
    "simulate_variants": _variants,
    "train_heads": _heads,
    "evaluate_heads": _language_models,
}
