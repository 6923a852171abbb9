"""Networks: stacks of many small ones, pretrained language models, and their kernels."""

from rote.core import extras

extras.require("rote.models")

__all__ = [
    "attention",
    "classifiers",
    "diffusion",
    "lm",
    "norms",
    "pretrained",
    "products",
    "rotary",
    "slots",
    "stack",
]
