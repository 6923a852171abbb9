"""The Rules-and-Facts model (Farné, Boncoraglio, Zdeborová; arXiv 2603.25579)."""

from rote.core.papers import About

ABOUT = About(
    short="Rules and facts",
    title="The Rules-and-Facts model for simultaneous generalization "
    "and memorization in neural networks",
    authors="G. Farné, F. Boncoraglio, L. Zdeborová",
    reference="arXiv 2603.25579",
    url="https://arxiv.org/abs/2603.25579",
    question="Can one learner extract a rule and store arbitrary exceptions to it, and what "
    "decides how its capacity is split?",
    finding="raf.linear_tradeoff_at_best",
)


def simulate(*args, **options):
    """One learner on one random training set: see `rote.papers.raf.simulation.simulate`."""
    from rote.papers.raf import simulation

    return simulation.simulate(*args, **options)
