"""The paper's result tables."""

from rote.core.tables import Table, column

# sets of the published rate
FRESH = "fresh draws"
LEAVE_ONE_OUT = "leave-one-out"
MEANS_OF_THREE = "means of three"
TRUE_MODEL = "the true model"
BACKGROUND_EXAMPLE = -1  # stands for the constant background in the table LookupWeights


class StylizedMeasures(Table):
    """One measurement on a stylized problem."""

    KEY = ("problem", "sigma", "quantity")
    problem: str = column("cubic (1-D), bent (2-D) or linear (2-D)")
    sigma: float = column("width of the components; 0 is the lookup limit")
    quantity: str = column("what is measured, see `stylized.measures`")
    value: float = column("its value")


class StylizedDensities(Table):
    """The cubic problem's densities at one point."""

    KEY = ("sigma", "x")
    sigma: float = column("width of the components")
    x: float = column("point")
    exact: float = column("exact posterior density")
    linearized: float = column("density of the linearized mixture")
    prior: float = column("prior density")
    likelihood: float = column("likelihood over its maximum")


class StylizedPlanes(Table):
    """The bent problem's densities at one point."""

    KEY = ("sigma", "x1", "x2")
    sigma: float = column("width of the components")
    x1: float = column("first coordinate")
    x2: float = column("second coordinate")
    exact: float = column("exact posterior density over its maximum")
    linearized: float = column("density of the linearized mixture over its maximum")
    prior: float = column("prior density over its maximum")
    likelihood: float = column("likelihood over its maximum")


class StylizedMeans(Table):
    """One coordinate's posterior mean and variance by one method."""

    KEY = ("problem", "sigma", "replicate", "method", "coordinate")
    problem: str = column("problem")
    sigma: float = column("width of the components")
    replicate: int = column("replicate")
    method: str = column("grid, importance or chains")
    coordinate: int = column("coordinate")
    mean: float = column("posterior mean")
    variance: float = column("posterior variance")
    error: float = column("standard error of the mean; 0 by quadrature")
    split_r: float = column("split R-hat of the chains; 1 without them")


class EffectiveComponents(Table):
    """How many examples share the cubic problem's posterior."""

    KEY = ("examples", "sigma")
    examples: int = column("training examples, N")
    sigma: float = column("width of the components")
    effective: float = column("effective number of components, exp of the entropy of their masses")
    critical: float = column("predicted width below which components are stuck on their examples")


class OperatorChecks(Table):
    """One check of a forward operator."""

    KEY = ("check", "condition")
    check: str = column("what was checked, see `operators.checks`")
    condition: str = column("grid or propagator")
    value: float = column("relative error, unless the check says otherwise")


class PublishedRates(Table):
    """The share of models called memorized in a set that nothing memorized."""

    KEY = ("replicate", "examples", "set")
    replicate: int = column("training set")
    examples: int = column("training examples scored against, N")
    set: str = column("fresh draws, leave-one-out, means of three, or the true model")
    ratio_rate: float = column("share below the published threshold of d1 / mean(d2 ... dk)")
    pair_rate: float = column("share with d1 / d2 below 1/3")


class PublishedRatios(Table):
    """The published ratio of one model of a set."""

    KEY = ("replicate", "examples", "set", "model")
    replicate: int = column("training set")
    examples: int = column("training examples, N")
    set: str = column("set of models")
    model: int = column("number of the model")
    ratio: float = column("d1 / mean(d2 ... dk)")


class LinearizedPosteriors(Table):
    """Full waveform inversion: the posterior linearized at every training example, at one width."""

    KEY = ("replicate", "sigma")
    replicate: int = column("training set and data noise")
    sigma: float = column(
        "width of the components, in standard deviations of the training set; 0 is the lookup limit"
    )
    weight: float = column("largest weight")
    example: int = column("its example")
    misfit: float = column("misfit at that component's mean over the noise floor")
    error: float = column("velocity error of that mean, root mean square", "km/s")
    shift: float = column("its distance from the example", "standard deviations")
    effective: float = column(
        "effective sample size of the component as a proposal, as a share of the draws"
    )
    spacing: float = column(
        "mean distance of an example to its nearest neighbor", "standard deviations"
    )


class ScheduleEffects(Table):
    """What a noise schedule does to samples of a closed-form denoiser."""

    KEY = ("replicate", "schedule", "quantity")
    replicate: int = column("replicate")
    schedule: str = column("paper (ends before pure noise) or zero_snr")
    quantity: str = column("variance, exact or lookup, see `schedules.effects`")
    value: float = column("its value")


class VelocityModels(Table):
    """One velocity model."""

    KEY = ("set", "replicate", "model")
    set: str = column("training, held-out, target (a truth outside the training set) or pool")
    replicate: int = column("replicate; the pool has one")
    model: int = column(
        "number of the model; the first N training models are the training set of size N"
    )
    coordinates: list[float] = column("Karhunen-Loeve coordinates of the squared slowness")


class PriorScores(Table):
    """One prior, scored against one training set: what its samples are, and what it denoises."""

    KEY = ("prior", "steps", "examples", "replicate")
    prior: str = column(
        "clean or noise (networks), memorized (closed form of the set), gaussian (saw no example)"
    )
    steps: int = column("training steps; 0 without training")
    examples: int = column("training examples N")
    replicate: int = column("training set")
    pair_rate: float = column("share of samples with d1/d2 < 1/3")
    calibrated_rate: float = column(
        "share of samples with a ratio below the 1 % quantile of held-out draws"
    )
    ratio_rate: float = column("share of samples with the published ratio below its threshold")
    null_rate: float = column("share of held-out draws below the threshold")
    train_loss: float = column(
        "denoising loss on the training set, of the clean point or else of the noise"
    )
    held_out_loss: float = column("the same on held-out draws")


class PriorSamples(Table):
    """One of a network's samples with the smallest ratios and different nearest training models."""

    KEY = ("prior", "examples", "replicate", "rank")
    prior: str = column("clean or noise")
    examples: int = column("training examples N")
    replicate: int = column("training set")
    rank: int = column("0 for the smallest ratio")
    ratio: float = column("d1 / mean(d2 ... dk)")
    nearest: int = column("nearest training model")
    coordinates: list[float] = column("Karhunen-Loeve coordinates")


class PosteriorSamples(Table):
    """One posterior sample of full waveform inversion."""

    KEY = ("prior", "examples", "truth", "step", "replicate", "sample")
    prior: str = column(
        "memorized (closed form), clean or noise (networks), gaussian or broad; without diffusion: "
        "lookup, laplace or rml"
    )
    examples: int = column("training examples of the prior; 0 if it saw none")
    truth: str = column("mean of three, held-out or example")
    step: float = column(
        "length of a data step; without diffusion the first one", "standard deviations"
    )
    replicate: int = column("training set, noise and start noise")
    sample: int = column("number of the sample")
    misfit: float = column("misfit over the noise floor")
    error: float = column("velocity error, root mean square", "km/s")
    coordinates: list[float] = column("Karhunen-Loeve coordinates")


class PosteriorScores(Table):
    """How near one posterior sample is to a training set."""

    KEY = ("prior", "examples", "truth", "step", "replicate", "sample", "reference_examples")
    prior: str = column("prior")
    examples: int = column("training examples of the prior; 0 if it saw none")
    truth: str = column("true model")
    step: float = column("length of a data step", "standard deviations")
    replicate: int = column("training set, noise and start noise")
    sample: int = column("number of the sample")
    reference_examples: int = column("training examples that it is compared with")
    ratio: float = column("d1 / mean(d2 ... dk)")
    pair_ratio: float = column("d1/d2")
    nearest: int = column("nearest training model")


class MisfitDescents(Table):
    """Misfit on the way to a posterior sample, before the data step at time t."""

    KEY = ("prior", "examples", "truth", "step", "replicate", "t")
    prior: str = column("prior")
    examples: int = column("training examples of the prior; 0 if it saw none")
    truth: str = column("true model")
    step: float = column("length of a data step", "standard deviations")
    replicate: int = column("training set, noise and start noise")
    t: int = column("diffusion time, falling to 0")
    misfit: float = column("mean misfit of the predicted clean models over the noise floor")


class LookupWeights(Table):
    """The exact posterior under the smallest memorized prior: one example."""

    KEY = ("truth", "replicate", "example")
    truth: str = column("true model")
    replicate: int = column("training set and noise")
    example: int = column("training example; -1 is the constant background")
    weight: float = column("posterior weight")
    misfit: float = column("misfit over the noise floor")
    error: float = column("velocity error, root mean square", "km/s")


class LayeredModels(Table):
    """One model of the time-domain inversion."""

    KEY = ("prior", "replicate", "sample")
    prior: str = column("memorized or broad (posterior samples); lookup, mean model or truth")
    replicate: int = column("truth, training set, noise and start noise")
    sample: int = column("number of the sample")
    misfit: float = column("misfit over the noise floor")
    error: float = column("velocity error, root mean square", "m/s")
    pair_ratio: float = column("d1/d2 to the memorized prior's examples")
    velocity: list[float] = column("the model, depth slow", "m/s")


TABLES: dict[str, type[Table]] = {
    "stylized": StylizedMeasures,
    "densities": StylizedDensities,
    "planes": StylizedPlanes,
    "sampling": StylizedMeans,
    "components": EffectiveComponents,
    "operators": OperatorChecks,
    "rates": PublishedRates,
    "ratios": PublishedRatios,
    "linearized": LinearizedPosteriors,
    "schedules": ScheduleEffects,
    "library": VelocityModels,
    "networks": PriorScores,
    "prior_samples": PriorSamples,
    "samples": PosteriorSamples,
    "scores": PosteriorScores,
    "descents": MisfitDescents,
    "lookups": LookupWeights,
    "time_domain": LayeredModels,
}
