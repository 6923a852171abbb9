"""Thirty measurements of cell nuclei in each of 569 biopsies, benign or not."""

from rote.core.section import key
from rote.papers.resmem.measurements import Measurements, task


class ResmemBreast(Measurements):
    """Thirty measurements of cell nuclei in each of 569 biopsies, benign or not."""

    train: int = key(300, "Training rows", ge=20)
    valid: int = key(100, "Validation rows", ge=20)


TASK = task("breast", "Breast cancer", "breast_cancer.csv", ResmemBreast, rank=10)
