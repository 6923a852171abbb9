"""In-context memorization of nonlinear attention (Liao, Liu, Hou, Zou, Ling; arXiv 2506.18656)."""

from rote.core.papers import About

ABOUT = About(
    short="Nonlinear attention",
    title="A random matrix analysis of in-context memorization for nonlinear attention",
    authors="Z. Liao, J. Liu, T. Hou, D. Zou, Z. Ling",
    reference="arXiv 2506.18656",
    url="https://arxiv.org/abs/2506.18656",
    question="How well does a linear readout of one attention head fit its own context, compared "
    "with ridge regression on the raw tokens?",
    finding="attention.worse_on_noise",
)


def simulate(*args, **options):
    """One context at finite size: see `rote.papers.attention.simulation.simulate`."""
    from rote.papers.attention import simulation

    return simulation.simulate(*args, **options)
