"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Where
from rote.papers.attention.settings import Settings


def _contexts(s: Settings) -> float:
    """Reductions of n x n matrices: the sweep over p/n goes to 4 n, the one over the signal has
    n/4.
    """
    a = s.simulation
    sizes = (
        40 * a.tokens**3 + 20 * a.sweep_tokens**3 + 10 * a.snr_tokens**3 + 10 * a.limit_tokens**3
    )
    return a.replicates * sizes


def _heads(s: Settings, where: Where) -> float:
    """Gradients through solves with n x n matrices and their products with (n, p): about 10 n² (n +
    2 p) each.
    """
    t = s.trained
    return (
        20
        * len(t.gammas)
        * t.replicates
        * t.contexts
        * t.steps
        * t.tokens**2
        * (t.tokens + 2 * t.p)
    )


WORK = {
    "solve_curves": lambda s, w: 60 * s.theory.curve + s.theory.phase**2,
    "simulate_contexts": lambda s, w: _contexts(s),
    "simulate_variants": lambda s, w: s.simulation.replicates * s.simulation.tokens**3,
    "train_heads": _heads,
    "fit_embeddings": lambda s, w: (
        s.embeddings.replicates * len(s.embeddings.functions) * s.embeddings.tokens**3
    ),
}
