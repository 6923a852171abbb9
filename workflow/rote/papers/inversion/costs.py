"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards
from rote.papers.inversion.priors import PREDICTIONS
from rote.papers.inversion.settings import Settings


def _sampling(settings: Settings, where: Wildcards) -> float:
    options = settings.stylized
    return options.replicates * (options.draws + options.chains * options.steps)


def _factorization(settings: Settings) -> float:
    """Of the sparse matrix of a square grid by nested dissection: its cells to the power 3/2."""
    options = settings.waveform.acquisition
    return (options.n + 2 * options.layer) ** 3


def _models(settings: Settings, where: Wildcards) -> float:
    options = settings.waveform.models
    return options.replicates * (max(options.sizes) + 1000)


def _training(settings: Settings, where: Wildcards) -> float:
    """Weights of score networks, two square matrices a block, times 6 per example and step."""
    networks = settings.waveform.networks
    prediction = PREDICTIONS[where.get("prediction", "clean")]
    options = prediction.options(networks)
    weights = 2 * options.blocks * options.width**2
    examples = options.batch * sum(prediction.durations(networks))
    return 6 * weights * examples * len(networks.sizes) * networks.replicates


def _networks(settings: Settings, where: Wildcards) -> float:
    options = settings.waveform
    samples = options.networks.samples * options.diffusion.steps
    return samples * options.networks.noise.width**2


def _posteriors(settings: Settings, where: Wildcards) -> float:
    """A factorization and the solves of all shots for every diffusion step of every sample."""
    options = settings.waveform
    guidance = options.guidance
    conditions = len(guidance.sizes) * len(guidance.steps) * 2
    samples = conditions * guidance.samples * options.networks.replicates
    gradient = _factorization(settings) * (1 + options.acquisition.sources / 16)
    return samples * options.diffusion.steps * gradient


def _linearized(settings: Settings, where: Wildcards) -> float:
    """Jacobians at every example: factorizations, and solves for every receiver."""
    options = settings.waveform
    examples = options.models.replicates * options.acquisition.examples
    return examples * _factorization(settings) * (1 + options.acquisition.receivers / 16)


def _time_domain(settings: Settings, where: Wildcards) -> float:
    options = settings.time_domain
    return options.replicates * options.samples * options.steps


WORK = {
    "solve_stylized": _sampling,
    "solve_operators": _linearized,
    "synthesize_models": _models,
    "train_networks": _training,
    "evaluate_networks": _networks,
    "simulate_posteriors": _posteriors,
    "simulate_time_domain": _time_domain,
}
