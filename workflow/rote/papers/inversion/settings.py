"""Config section of "On the role of memorization in learned priors for geophysical inverse problems"."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from rote.section import Section, key

Positive = Annotated[float, Field(gt=0)]
Size = Annotated[int, Field(ge=3)]


class Stylized(Section):
    """Problems in one and two dimensions, where the true posterior is known."""

    noise: float = key(0.3, "Standard deviation of the data noise, gamma", gt=0)
    widths: list[Positive] = key(
        [0.5, 0.3, 0.1, 0.05, 0.02, 0.01], "Widths sigma of the components, falling", min_length=4
    )
    shown: list[Positive] = key([0.5, 0.3, 0.05], "Those of them in the paper's Figure 1", min_length=1)
    points: int = key(20_001, "Quadrature points in one dimension", ge=501)
    side: int = key(801, "Quadrature points along each axis in two", ge=101)
    draws: int = key(200_000, "Prior draws of importance sampling", ge=1000)
    chains: int = key(2000, "Chains of independence Metropolis-Hastings", ge=4)
    steps: int = key(400, "Steps of each chain", ge=10)
    replicates: int = key(4, "Repetitions of the sampling", ge=2)

    SCALES: ClassVar = {
        "smoke": {"points": 2001, "side": 201, "draws": 5000, "chains": 100, "steps": 50, "replicates": 2},
        "paper": {"replicates": 10},
    }

    @model_validator(mode="after")
    def _usable(self):
        if self.widths != sorted(set(self.widths), reverse=True):
            raise ValueError("widths must fall, without repetition")
        if not set(self.shown) <= set(self.widths):
            raise ValueError("shown must be among the widths")
        return self


class Models(Section):
    """Velocity models: training sets of the published generator, and draws of it that no model saw."""

    sizes: list[Size] = key(
        [50, 200, 1000], "Sizes N of the training sets; each is the beginning of the next", min_length=2
    )
    held_out: int = key(1000, "Further draws of the generator", ge=20)
    neighbours: int = key(50, "Neighbours k in the published ratio", ge=2)
    threshold: float = key(0.7, "A sample is called memorized below this ratio", gt=0)
    replicates: int = key(4, "Training sets; the first is the published one (seed 42)", ge=2)

    SCALES: ClassVar = {
        "smoke": {"sizes": [20, 60], "held_out": 100, "replicates": 2},
        "paper": {"replicates": 10},
    }


class Acquisition(Section):
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
        "smoke": {"n": 20, "frequency": 2.0, "receivers": 18, "examples": 10, "draws": 20},
        "paper": {
            "n": 200, "layer": 30, "damping": 200.0, "frequency": 6.0, "sources": 15, "receivers": 196, "margin": 2,
        },
    }  # fmt: skip


class Diffusion(Section):
    """Sampling with closed-form denoisers: what a schedule does, and the exact sampler of a memorized posterior."""

    steps: int = key(200, "Diffusion steps", ge=10)
    samples: int = key(2000, "Samples", ge=50)
    examples: int = key(50, "Training examples of the memorized prior", ge=5)

    SCALES: ClassVar = {"smoke": {"steps": 50, "samples": 100, "examples": 10}}


class Settings(Section):
    """On the role of memorization in learned priors for geophysical inverse problems"""

    stylized: Stylized = key(Stylized, Stylized.__doc__)
    models: Models = key(Models, Models.__doc__)
    acquisition: Acquisition = key(Acquisition, Acquisition.__doc__)
    diffusion: Diffusion = key(Diffusion, Diffusion.__doc__)
