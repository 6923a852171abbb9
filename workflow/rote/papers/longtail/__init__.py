"""Memorizing long-tail data can help generalization through composition (arXiv 2510.16322)."""

from rote.core.papers import About

ABOUT = About(
    short="Long-tail composition",
    title="Memorizing long-tail data can help generalization through composition",
    authors="Mo Zhou, Haoyang Ma, Rong Ge",
    reference="ICLR 2026, arXiv 2510.16322",
    url="https://arxiv.org/abs/2510.16322",
    question="Does memorizing rare examples help on inputs that combine several rare parts, "
    "each seen once, never together?",
)
