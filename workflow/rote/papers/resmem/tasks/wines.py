"""Thirteen measurements of each of 178 wines of three growers."""

from rote.core.section import key
from rote.papers.resmem.measurements import Measurements, task


class ResmemWines(Measurements):
    """Thirteen measurements of each of 178 wines of three growers."""

    train: int = key(100, "Training rows", ge=20)
    valid: int = key(30, "Validation rows", ge=20)


TASK = task("wines", "Wines", "wine_data.csv", ResmemWines, rank=11)
