"""Dataset synthesis."""

from rote.core import extras

extras.require("rote.synth")

__all__ = [
    "facts",
    "features",
    "images",
    "pretraining",
    "rules_facts",
    "scenes",
    "sums",
    "tokens",
    "triples",
    "velocity",
]
