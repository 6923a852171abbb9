"""Config sections that are no task's: linear theory, memories, and what goes beyond the paper."""

from typing import Annotated, ClassVar

from pydantic import Field

from rote.core.section import Section, key
from rote.knn import Engine
from rote.papers.resmem.task import Size, Width


class ResmemTheory(Section):
    """The linear model: a base of limited norm, and the residual of the nearest training point."""

    dimensions: list[Annotated[int, Field(ge=1)]] = key(
        [1, 2, 3, 5, 8], "Dimensions d", min_length=2
    )
    norm: float = key(0.5, "Largest norm L of the base; the target has norm 1", gt=0, lt=1)
    norms: list[Annotated[float, Field(ge=0, lt=1)]] = key(
        [0.0, 0.3, 0.5, 0.7, 0.9], "Norms at the largest size, in three dimensions", min_length=2
    )
    sizes: list[Size] = key(
        [30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000], "Training sizes n", min_length=4
    )
    noises: list[Annotated[float, Field(ge=0)]] = key(
        [0, 0.1, 0.2, 0.3, 0.5, 1.0], "Label noise tau"
    )
    neighbors: list[Annotated[int, Field(ge=1)]] = key(
        [1, 3, 10, 30, 100], "Neighbors averaged under noise"
    )
    test: int = key(4000, "Test points", ge=100)
    replicates: int = key(13, "Data sets", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "dimensions": [1, 3],
            "sizes": [30, 100, 300, 1000],
            "test": 500,
            "replicates": 5,
        },
        "paper": {"replicates": 20},
    }


class ResmemMemory(Section):
    """How memories are searched."""

    engine: Engine = key(
        "exact", "exact (FAISS), torch (the same on a device), ivf or hnsw (approximate)"
    )
    probes: int = key(64, "ivf: lists searched; hnsw: candidates held", ge=1)
    rows_at_a_time: int = key(
        1_000_000,
        "exact, torch: rows held at a time; larger memories are searched part by part",
        ge=1,
    )
    recall_queries: int = key(200, "Validation queries that recall is measured on", ge=10)

    @property
    def on_device(self) -> bool:
        """Whether the engine searches on a device, where there is one."""
        return self.engine == "torch"

    @property
    def approximate(self) -> bool:
        """Whether the engine may miss neighbors."""
        return self.engine not in ("exact", "torch")


class ResmemSpurious(Section):
    """A linear base with a spurious feature that agrees with the label in most training rows."""

    agreement: float = key(0.95, "Share of training rows in which it agrees", gt=0.5, lt=1)
    sizes: list[Size] = key([500, 4000, 16_000], "Training rows", min_length=2)
    core: int = key(20, "Features that carry the label", ge=1)
    modes: int = key(
        10, "Modes of a class in them, so that a linear base cannot read them all", ge=1
    )
    signal: float = key(
        0.7, "Spread of the modes in each feature, in standard deviations of the noise", gt=0
    )
    spurious: float = key(
        3.0, "Distance of the classes along the spurious feature, in the same unit", gt=0
    )
    test: int = key(2000, "Test rows, half of them conflicting", ge=100)
    steps: int = key(300, "Training steps, on all rows", ge=10)
    replicates: int = key(8, "Data sets", ge=2)

    SCALES: ClassVar = {"smoke": {"sizes": [300, 600], "test": 600, "steps": 60, "replicates": 2}}


class ResmemScores(Section):
    """Memorization scores by training on random parts: a base's, and what its memory adds."""

    units: list[Width] = key([4, 16, 64], "Hidden units", min_length=2)
    networks: int = key(20, "Networks per width", ge=4)
    share: float = key(0.7, "Share of the rows that each is trained on", gt=0.1, lt=0.95)
    train: int = key(1000, "Training images, of the long tail", ge=50)
    replicates: int = key(8, "Data sets", ge=2)

    SCALES: ClassVar = {"smoke": {"units": [4, 16], "networks": 4, "train": 200, "replicates": 2}}
