"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards
from rote.papers.inversion.priors import PREDICTIONS, PRIORS
from rote.papers.inversion.settings import Settings

COORDINATES = 100  # of a velocity model


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


def _conditions(settings: Settings, where: Wildcards) -> tuple[int, int]:
    """Samples of one training set under a prior, over all conditions, and how many conditions."""
    guidance = settings.waveform.guidance
    prior = PRIORS[where.get("prior", "noise")]
    conditions = prior.conditions(guidance)
    many = sum(prior.spreads and step == guidance.steps[0] for _, _, step in conditions)
    ensemble = max(guidance.samples, guidance.ensemble)
    return many * ensemble + (len(conditions) - many) * guidance.samples, len(conditions)


def _posteriors(settings: Settings, where: Wildcards) -> float:
    """A factorization and the solves of all shots for every diffusion step of every sample."""
    options = settings.waveform
    samples, _ = _conditions(settings, where)
    gradient = _factorization(settings) * (1 + options.acquisition.sources / 16)
    return samples * options.networks.replicates * options.diffusion.steps * gradient


def _numbers(settings: Settings, where: Wildcards) -> int:
    """Numbers that a network of the prediction learns."""
    options = PREDICTIONS[where.get("prediction", "clean")].options(settings.waveform.networks)
    width = options.width
    blocks = options.blocks * (width * width + 3 * width)
    return (COORDINATES + options.embedding + 1) * width + blocks + (width + 1) * COORDINATES


def _network_bytes(settings: Settings, where: Wildcards) -> float:
    """Of all networks of the prediction, in single precision."""
    networks = settings.waveform.networks
    durations = PREDICTIONS[where.get("prediction", "clean")].durations(networks)
    count = len(durations) * len(networks.sizes) * networks.replicates
    return 4.0 * _numbers(settings, where) * count


def _sample_bytes(settings: Settings, where: Wildcards) -> float:
    """Of the samples' coordinates, and of the misfits on the way."""
    samples, conditions = _conditions(settings, where)
    replicates = settings.waveform.networks.replicates
    steps = settings.waveform.diffusion.steps
    return replicates * (8.0 * COORDINATES * samples + 16.0 * conditions * steps)


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

DISK = {"train_networks": _network_bytes, "simulate_posteriors": _sample_bytes}
