"""Config section of the paper on memorization in learned priors for inverse problems."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key, left_out

Positive = Annotated[float, Field(gt=0)]
Size = Annotated[int, Field(ge=3)]


class InversionStylized(Section):
    """Problems in one and two dimensions, where the true posterior is known."""

    noise: float = key(0.3, "Standard deviation of the data noise, gamma", gt=0)
    widths: list[Positive] = key(
        [0.5, 0.3, 0.1, 0.05, 0.02, 0.01], "Widths sigma of the components, falling", min_length=4
    )
    figure_widths: list[Positive] = key(
        [0.5, 0.3, 0.05], "Those of the widths in the paper's Figure 1", min_length=1
    )
    points: int = key(20_001, "Quadrature points in one dimension", ge=501)
    side: int = key(801, "Quadrature points along each axis in two", ge=101)
    draws: int = key(200_000, "Prior draws of importance sampling", ge=1000)
    chains: int = key(500, "Chains of independence Metropolis-Hastings", ge=4)
    steps: int = key(400, "Steps of each chain", ge=10)
    replicates: int = key(5, "Repetitions of the sampling", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "points": 2001,
            "side": 201,
            "draws": 5000,
            "chains": 100,
            "steps": 50,
            "replicates": 2,
        },
        "full": {"chains": 2000},
        "paper": {"replicates": 10},
    }

    @model_validator(mode="after")
    def _usable(self):
        if self.widths != sorted(set(self.widths), reverse=True):
            raise ValueError("widths must fall, without repetition")
        if not set(self.figure_widths) <= set(self.widths):
            raise ValueError("figure_widths must be among the widths")
        return self


class InversionModels(Section):
    """Velocity models: training sets of the published generator, held-out draws, and a pool."""

    sizes: list[Size] = key(
        [50, 200, 1000],
        "Sizes N of the training sets; each is the beginning of the next",
        min_length=2,
    )
    held_out: int = key(1000, "Further draws of the generator", ge=20)
    pool: int = key(
        4000, "Further draws, which give coordinates their mean, scale and covariance", ge=200
    )
    neighbors: int = key(50, "Neighbors k in the published ratio", ge=2)
    threshold: float = key(0.7, "A sample is called memorized below this ratio", gt=0)
    replicates: int = key(8, "Training sets; the first is the published one (seed 42)", ge=2)

    SCALES: ClassVar = {
        "smoke": {"sizes": [20, 60], "held_out": 100, "pool": 400, "replicates": 2},
        "paper": {"replicates": 10},
    }


class InversionAcquisition(Section):
    """The Helmholtz operator: transmission through a square of 2 km."""

    n: int = key(40, "Cells along each axis", ge=12)
    side: float = key(2.0, "Length of the square", unit="km", gt=0)
    layer: int = key(8, "Cells of the absorbing layer", ge=4)
    damping: float = key(100.0, "Largest damping in it", unit="1/s", gt=0)
    frequency: float = key(4.0, "Frequency", unit="Hz", gt=0)
    sources: int = key(8, "Sources, below the top", ge=1)
    receivers: int = key(38, "Receivers, above the bottom", ge=1)
    margin: int = key(1, "Cells between them and the rim", ge=0)
    noise: float = key(0.055, "Noise as a share of the largest datum", gt=0)
    widths: list[Positive] = key(
        [0.003, 0.01, 0.03, 0.1, 0.3, 1.0], "Widths sigma of the linearized posterior", min_length=3
    )
    examples: int = key(50, "Training examples that the operator is linearized at", ge=5)
    draws: int = key(100, "Draws of its best component, to tell how good a proposal it is", ge=10)

    SCALES: ClassVar = {
        "smoke": {"n": 20, "frequency": 2.0, "receivers": 18, "examples": 6, "draws": 10},
        "paper": {
            "n": 200,
            "layer": 30,
            "damping": 200.0,
            "frequency": 6.0,
            "sources": 15,
            "receivers": 196,
            "margin": 2,
        },
    }


class InversionDiffusion(Section):
    """Sampling with closed-form denoisers: noise schedules, the exact sampler of a posterior."""

    steps: int = key(200, "Diffusion steps", ge=10)
    schedule: Literal["paper", "zero_snr"] = key(
        "paper",
        "Noise schedule of networks and posterior sampling: "
        "the published, or one that ends in noise",
    )
    samples: int = key(2000, "Samples", ge=50)
    examples: int = key(50, "Training examples of the memorized prior", ge=5)

    SCALES: ClassVar = {"smoke": {"steps": 10, "samples": 50, "examples": 5}}


class InversionNetwork(Section):
    """A score network that predicts the clean point, and its training."""

    width: int = key(128, "Width of its residual blocks", ge=4)
    blocks: int = key(3, "Residual blocks", ge=1)
    embedding: int = key(64, "Size of the time embedding", ge=4, multiple_of=2)
    steps: int = key(4000, "Training steps", ge=10)
    batch: int = key(64, "Batch size", ge=1)
    learning_rate: float = key(1e-3, "Learning rate at the start", gt=0)
    last_rate: float = key(1e-4, "Learning rate at the end of the cosine", gt=0)
    clip: float = key(1.0, "Longest gradient", gt=0)
    average: float = key(0.999, "Decay of the averaged weights", gt=0, lt=1)

    SCALES: ClassVar = {"smoke": {"width": 64, "blocks": 2, "embedding": 16, "steps": 150}}


class InversionNoiseNetwork(InversionNetwork):
    """The same, predicting the noise as the paper does."""

    SCALES: ClassVar = {
        "smoke": InversionNetwork.SCALES["smoke"],
        "paper": {
            "width": 2048,
            "blocks": 12,
            "embedding": 256,
            "steps": 50_000,
            "batch": 50,
            "learning_rate": 5e-4,
            "last_rate": 5e-5,
            "average": 0.9999,
        },
    }


class InversionNetworks(Section):
    """Trained priors: from how many examples on does a network no longer memorize?"""

    sizes: list[Size] = key([50, 1000], "Sizes N of the training sets", min_length=2)
    replicates: int = key(8, "Training sets; at most as many as there are", ge=2)
    samples: int = key(256, "Samples of each network", ge=10)
    standardization: Literal["pool", "training"] = key(
        "pool",
        "Whose mean and scale standardize the coordinates of networks and priors: the pool's, "
        "which pairs all sizes, or those of each training set, as published",
    )
    brief: float = key(
        0.25,
        "Further networks that predict the clean point are trained for this share of the steps",
        gt=0,
        lt=1,
    )
    clean: InversionNetwork = key(InversionNetwork)
    noise: InversionNoiseNetwork = key(InversionNoiseNetwork)

    SCALES: ClassVar = {
        "smoke": {"sizes": [20, 60], "replicates": 2, "samples": 16},
        "full": {"sizes": [50, 100, 200, 500, 1000]},
        "paper": {"standardization": "training"},
    }


class InversionGuidance(Section):
    """Diffusion posterior sampling of full waveform inversion."""

    steps: list[Positive] = key(
        [0.07, 0.2, 0.5], "Lengths of a data step, rising; the first is the paper's", min_length=2
    )
    sizes: list[Annotated[int, Field(ge=10)]] = key(
        [50, 1000],
        "Training examples of the priors, rising; some of networks.sizes",
        min_length=2,
    )
    samples: int = key(4, "Samples per prior, truth, step and training set", ge=1)
    ensemble: int = key(
        9,
        "The same at the first step under priors whose samples differ: those behind spread and "
        "calibration",
        ge=2,
    )
    scaling: Literal["unit", "raw", "residual"] = key(
        "unit",
        "Data step along the gradient scaled to length 1 (unit, as the published code does), the "
        "gradient (raw), or that of ||r||^2 over ||r|| (residual)",
    )
    full_jacobian: bool = key(
        False, "Differentiate through the denoiser; the published code takes it as constant"
    )

    SCALES: ClassVar = {
        "smoke": {"sizes": [20, 60], "samples": 1, "ensemble": 2},
        "full": {"sizes": [50, 200, 1000]},
        "paper": {"samples": 256, "ensemble": 256},
    }

    @model_validator(mode="after")
    def _rising(self):
        for name in ("steps", "sizes"):
            if getattr(self, name) != sorted(set(getattr(self, name))):
                raise ValueError(f"{name} must rise, without repetition")
        return self


class InversionTimeDomain(Section):
    """The same with acoustic shots in the time domain and layered models."""

    models: int = key(1500, "Layered models that give the coordinates", ge=50)
    components: int = key(40, "Principal components", ge=2)
    examples: int = key(20, "Examples of the memorized prior", ge=3)
    steps: int = key(100, "Diffusion steps", ge=10)
    step: float = key(0.02, "Length of a data step over the square root of the components", gt=0)
    noise: float = key(0.005, "Noise as a share of the largest datum", gt=0)
    replicates: int = key(8, "Truths, noises and start noises", ge=2)
    samples: int = key(1, "Samples per prior and replicate", ge=1)

    SCALES: ClassVar = {
        "smoke": {"models": 60, "components": 10, "examples": 3, "steps": 10, "replicates": 2},
        "paper": {"replicates": 10, "samples": 8},
    }


class InversionWaveform(Section):
    """Full waveform inversion of random velocity models."""

    models: InversionModels = key(InversionModels)
    acquisition: InversionAcquisition = key(InversionAcquisition)
    diffusion: InversionDiffusion = key(InversionDiffusion)
    networks: InversionNetworks = key(InversionNetworks)
    guidance: InversionGuidance = key(InversionGuidance)

    @model_validator(mode="after")
    def _usable(self):
        largest = max(self.models.sizes)
        networks = self.networks
        if max(networks.sizes) > largest:
            raise ValueError(
                f"networks.sizes must not exceed the largest of models.sizes, {largest}"
            )
        if networks.replicates > self.models.replicates:
            raise ValueError(
                f"networks.replicates must not exceed models.replicates, {self.models.replicates}"
            )
        if not set(self.guidance.sizes) <= set(networks.sizes):
            raise ValueError("guidance.sizes must be among networks.sizes")
        if max(self.diffusion.examples, self.acquisition.examples) > largest:
            raise ValueError(f"examples must not exceed the largest of models.sizes, {largest}")
        return self


class Settings(PaperSection):
    """On the role of memorization in learned priors for geophysical inverse problems"""

    leave_out: list[str] = left_out(
        *("networks", "prior_samples", "samples", "scores", "descents", "lookups"),
        *("schedules", "time_domain"),
    )
    stylized: InversionStylized = key(InversionStylized)
    waveform: InversionWaveform = key(InversionWaveform)
    time_domain: InversionTimeDomain = key(InversionTimeDomain)

    SCALES: ClassVar = {"full": {"leave_out": []}}
