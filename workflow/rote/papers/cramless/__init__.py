"""Cram less to fit more (Ye, Feldman, Talwar; ICML 2026)."""

from rote.core.papers import About

ABOUT = About(
    short="Cram less",
    title="Cram less to fit more: training data pruning improves memorization of facts",
    authors="J. Ye, V. Feldman, K. Talwar",
    reference="ICML 2026, PMLR 306 (ye26e), arXiv 2604.08519",
    url="https://arxiv.org/abs/2604.08519",
    question="A model that is given more facts than it can hold recites fewer than would fit. "
    "Does pruning the training data, by loss alone, bring it back to its capacity?",
    finding="cramless.selection_reaches_limit",
)
