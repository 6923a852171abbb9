"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.papers.raf.settings import Settings


def _learners(s: Settings) -> float:
    """Solves of systems in d dimensions with a few d samples."""
    return s.simulation.size**3 * (s.simulation.replicates + 2 * s.simulation.marker_replicates)


def _kernels(s: Settings) -> float:
    u = s.universality
    return u.replicates * (u.alpha * u.d) ** 2 * (u.alpha * u.d + u.test_rows)


def _two_layer(s: Settings) -> float:
    """Full batches: 2 layers, forward and backward."""
    t = s.two_layer
    arms = len(t.scales) * len(t.weight_decays) * t.replicates
    return 6 * t.steps * arms * sum(t.alphas) * t.d * t.d * sum(t.widths)


WORK = {
    "solve_curves": lambda s, w: (
        40 * s.theory.curve + s.theory.curve * s.theory.penalties + s.theory.phase**2
    ),
    "simulate_learners": lambda s, w: _learners(s),
    "simulate_kernels": lambda s, w: _kernels(s),
    "simulate_separability": lambda s, w: (
        s.separability.replicates * len(s.separability.alphas) * s.separability.d**3
    ),
    "fit_images": lambda s, w: (
        s.real.replicates * len(s.real.etas) * (s.real.rules + s.real.facts) ** 3
    ),
    "train_two_layer": lambda s, w: _two_layer(s),
}
