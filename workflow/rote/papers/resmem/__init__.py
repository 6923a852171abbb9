"""ResMem: a small model, and a memory of its training residuals."""

from rote.core.papers import About

ABOUT = About(
    short="ResMem",
    title="ResMem: Learn what you can and memorize the rest",
    authors="Z. Yang, M. Lukasik, V. Nagarajan, Z. Li, A. S. Rawat, "
    "M. Zaheer, A. K. Menon, S. Kumar",
    reference="NeurIPS 2023, arXiv:2302.01576",
    url="https://arxiv.org/abs/2302.01576",
    question="Does a model that stores its training residuals generalize better?",
    finding="resmem.tail_gain",
)
