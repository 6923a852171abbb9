"""Inversion of one's own model under a prior, and whether samples are memorized.

`memorized` judges samples of any kind beside their training set; `inversion` samples the posterior
of waves through a velocity model.
"""

from rote.core import extras

extras.require("rote.invert")

__all__ = ["distances", "inversion", "memorized", "priors", "waveform"]
