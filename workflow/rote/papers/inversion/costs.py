"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Where
from rote.papers.inversion.settings import Settings


def _factor(s: Settings) -> float:
    """A sparse factorization of a square grid in nested dissection: its cells to the power 3/2."""
    a = s.waveform.acquisition
    return (a.n + 2 * a.layer) ** 3


def _network(s: Settings, kind: str) -> float:
    """Weights of a score network: residual blocks of two square matrices, times 6 per example and
    step.
    """
    net = getattr(s.waveform.networks, kind)
    n = s.waveform.networks
    steps = net.steps * (1 + (n.brief if kind == "clean" else 0))
    return 6 * 2 * net.blocks * net.width**2 * net.batch * steps * len(n.sizes) * n.replicates


def _posteriors(s: Settings, where: Where) -> float:
    """A factorization and the solves of all shots for every diffusion step of every sample."""
    w = s.waveform
    chains = (
        len(w.guidance.sizes)
        * len(w.guidance.steps)
        * 2
        * w.guidance.samples
        * w.networks.replicates
    )
    return chains * w.diffusion.steps * _factor(s) * (1 + w.acquisition.sources / 16)


def _linearized(s: Settings) -> float:
    """Jacobians at every example: factorizations, and solves for every receiver."""
    w = s.waveform
    return (
        w.models.replicates
        * w.acquisition.examples
        * _factor(s)
        * (1 + w.acquisition.receivers / 16)
    )


WORK = {
    "solve_stylized": lambda s, w: 1 + s.stylized.side**2 / 1e5,
    "simulate_sampling": lambda s, w: (
        s.stylized.replicates * (s.stylized.draws + s.stylized.chains * s.stylized.steps)
    ),
    "solve_operators": lambda s, w: _factor(s),
    "solve_linearized": lambda s, w: _linearized(s),
    "synthesize_models": lambda s, w: (
        s.waveform.models.replicates * (max(s.waveform.models.sizes) + 1000)
    ),
    "train_networks": lambda s, w: _network(s, w.get("prediction", "clean")),
    "evaluate_networks": lambda s, w: (
        s.waveform.networks.samples
        * s.waveform.diffusion.steps
        * s.waveform.networks.noise.width**2
    ),
    "simulate_posteriors": _posteriors,
    "simulate_time_domain": lambda s, w: (
        s.time_domain.replicates * s.time_domain.samples * s.time_domain.steps
    ),
}
