"""The registry of priors, and of what score networks predict.

Verbs, rules, costs and figures iterate over `PREDICTIONS` and `PRIORS`. torch is loaded where a
denoiser is built, so that listing them costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rote.papers.inversion.library import EXAMPLE, INSIDE, OUTSIDE, Library
from rote.papers.inversion.settings import InversionGuidance, InversionNetwork, InversionNetworks

# ---- what networks predict


@dataclass(frozen=True)
class Prediction:
    """What a score network predicts from a noisy point, and what follows from it."""

    name: str  # of its config section `networks.<name>`, its file, and its prior
    target: Callable  # (clean points x, noise ε) -> what the network is to predict
    loss: Callable  # (‖x̂ − x‖², ᾱ_t) -> the squared error of the target
    denoiser: Callable  # (network, schedule) -> denoiser
    brief: bool = False  # whether further networks are trained for a fraction of the steps

    def options(self, networks: InversionNetworks) -> InversionNetwork:
        """The network's config section."""
        return getattr(networks, self.name)

    def durations(self, networks: InversionNetworks) -> list[int]:
        """Training steps of its networks: all, then (where there are brief ones) fewer."""
        steps = self.options(networks).steps
        return [steps, max(1, round(networks.brief * steps))] if self.brief else [steps]


def _noise_to_clean(predict: Callable, schedule: Any) -> Callable:
    from rote.models import diffusion

    return diffusion.noise_to_clean(predict, schedule)


CLEAN = Prediction(
    "clean",
    target=lambda clean, noise: clean,
    loss=lambda square, alpha_bar: square,
    denoiser=lambda predict, schedule: predict,
    brief=True,
)
NOISE = Prediction(
    "noise",
    target=lambda clean, noise: noise,
    loss=lambda square, alpha_bar: square * alpha_bar / (1 - alpha_bar),
    denoiser=_noise_to_clean,
)
PREDICTIONS = {prediction.name: prediction for prediction in (CLEAN, NOISE)}


# ---- priors


class Condition(NamedTuple):
    """What a posterior is sampled under."""

    examples: int  # of the prior; 0 for those that saw none
    truth: str  # name of the true model, see `library.TRUTHS`
    step: float  # length of a data step, standard deviations


class PriorInputs(NamedTuple):
    """What denoisers are built from."""

    library: Library
    schedule: Any  # diffusion.Schedule
    trained: Any = None  # networks.TrainedNetworks, for priors with networks


@dataclass(frozen=True)
class Prior:
    """A prior of diffusion posterior sampling."""

    name: str  # in tables, file names and on the command line
    label: str  # in figures
    conditions: Callable[[InversionGuidance], list[Condition]]
    denoiser: Callable[[PriorInputs, int, int], Callable]  # from inputs, examples N, replicate
    prediction: Prediction | None = None  # of its networks
    spreads: bool = True  # whether samples differ, so that many show spread and calibration


def _memorized_conditions(options: InversionGuidance) -> list[Condition]:
    first = options.steps[0]
    small = options.sizes[0]
    return [
        Condition(small, INSIDE, first),
        Condition(options.sizes[-1], INSIDE, first),
        Condition(small, OUTSIDE, first),
        Condition(small, INSIDE, options.steps[-1]),
        *(Condition(small, EXAMPLE, step) for step in options.steps),
    ]


def _trained_conditions(options: InversionGuidance) -> list[Condition]:
    first = options.steps[0]
    outside = [Condition(options.sizes[end], OUTSIDE, first) for end in (0, -1)]
    return [*(Condition(size, INSIDE, first) for size in options.sizes), *outside]


def _broad_conditions(options: InversionGuidance) -> list[Condition]:
    return [Condition(0, truth, options.steps[0]) for truth in (INSIDE, OUTSIDE)]


def _gaussian_conditions(options: InversionGuidance) -> list[Condition]:
    return [*_broad_conditions(options), Condition(0, INSIDE, options.steps[-1])]


def memorized(inputs: PriorInputs, examples: int, replicate: int) -> Callable:
    """The closed form of the first N models of a training set, as a denoiser."""
    import torch

    from rote.models import diffusion

    library = inputs.library
    scaling = library.scaling(examples, replicate)
    train = scaling.standardize(library.train[replicate, :examples])
    return diffusion.memorized(torch.tensor(train), inputs.schedule)


def gaussian(inputs: PriorInputs, examples: int, replicate: int) -> Callable:
    """The Gaussian with the pool's mean and covariance, as a denoiser; it saw no example."""
    import torch

    from rote.models import diffusion

    z = torch.tensor(inputs.library.standardize(inputs.library.pool))
    return diffusion.gaussian(z.mean(0), torch.cov(z.T), inputs.schedule)


def broad(inputs: PriorInputs, examples: int, replicate: int) -> Callable:
    """N(0, I) in standardized coordinates, as a denoiser."""
    import torch

    from rote.models import diffusion

    variances = torch.ones(inputs.library.pool.shape[1], dtype=torch.float64)
    return diffusion.gaussian(torch.zeros_like(variances), torch.diag(variances), inputs.schedule)


def _trained(inputs: PriorInputs, examples: int, replicate: int) -> Callable:
    return inputs.trained.denoiser(inputs.trained.number(examples, replicate))


MEMORIZED = Prior("memorized", "memorized", _memorized_conditions, memorized, spreads=False)
GAUSSIAN = Prior("gaussian", "Gaussian", _gaussian_conditions, gaussian)
BROAD = Prior("broad", "broad", _broad_conditions, broad)
CLEAN_NETWORK = Prior(
    name="clean",
    label="network, clean",
    conditions=_trained_conditions,
    denoiser=_trained,
    prediction=CLEAN,
)
NOISE_NETWORK = Prior(
    name="noise",
    label="network, noise",
    conditions=_trained_conditions,
    denoiser=_trained,
    prediction=NOISE,
)
PRIORS = {prior.name: prior for prior in (MEMORIZED, CLEAN_NETWORK, NOISE_NETWORK, GAUSSIAN, BROAD)}
# names of what samples are compared with, see `yardsticks`
LOOKUP = "lookup"
LAPLACE = "laplace"
RML = "rml"
LABELS = {name: prior.label for name, prior in PRIORS.items()} | {
    LOOKUP: "exact lookup, memorized",
    LAPLACE: "Laplace, Gaussian",
    RML: "randomized max. likelihood, Gaussian",
}
