"""Memorization in learned priors for geophysical inverse problems (Siahkoohi, Sabeddu; 2026)."""

from rote.core.papers import About

ABOUT = About(
    short="Memorized priors",
    title="On the role of memorization in learned priors for geophysical inverse problems",
    authors="A. Siahkoohi, D. Sabeddu",
    reference="arXiv 2603.19629, 2026",
    url="https://arxiv.org/abs/2603.19629",
    question="An inversion uses a generative model trained on a few subsurface models "
    "as its prior. What does the posterior look like if that model has memorized them?",
    finding="inversion.lookup_limit",
)


def __getattr__(name: str):
    # `simulate_shots` without loading torch for everyone who only lists the papers
    if name == "simulate_shots":
        from rote.waves.acoustic import shots

        return shots
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
