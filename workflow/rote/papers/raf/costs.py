"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards
from rote.papers.raf.settings import Settings


def _curves(s: Settings, where: Wildcards) -> float:
    t = s.theory
    return 40 * t.curve + t.curve * t.penalties + t.phase**2


def _learners(s: Settings, where: Wildcards) -> float:
    """Solves of systems in d dimensions with a few d samples."""
    simulated = s.simulation.replicates * (1.3 if s.simulation.extensions else 1.0)
    return s.simulation.size**3 * (simulated + 2 * s.simulation.marker_replicates)


def _kernels(s: Settings, where: Wildcards) -> float:
    u = s.universality
    return u.replicates * (u.alpha * u.d) ** 2 * (u.alpha * u.d + u.test_rows)


def _images(s: Settings, where: Wildcards) -> float:
    """Eigendecompositions of kernels of all training images."""
    r = s.real
    return r.replicates * len(r.etas) * (r.rules + r.facts) ** 3


def _two_layer(s: Settings, where: Wildcards) -> float:
    """Full batches: 2 layers, forward and backward."""
    t = s.two_layer
    arms = len(t.scales) * len(t.weight_decays) * t.replicates
    return 6 * t.steps * arms * sum(t.alphas) * t.d * t.d * sum(t.widths)


WORK = {
    "solve_curves": _curves,
    "simulate_learners": _learners,
    "simulate_kernels": _kernels,
    "fit_images": _images,
    "train_two_layer": _two_layer,
}
