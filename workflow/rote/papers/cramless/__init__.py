"""Cram less to fit more (Ye, Feldman, Talwar; 2026)."""

from rote.core.papers import About

ABOUT = About(
    short="Cram less",
    title="Cram less to fit more: training data pruning improves memorization of facts",
    authors="J. Ye, V. Feldman, K. Talwar",
    reference="2026",
    url="",  # no stable address known to us
    question="A model that is given more facts than it can hold recites fewer than would fit. "
    "Does pruning the training data, by loss alone, bring it back to its capacity?",
    finding="cramless.selection_reaches_limit",
)
