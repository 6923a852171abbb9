"""Networks: stacks of many small ones, pretrained language models, and their kernels."""

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
