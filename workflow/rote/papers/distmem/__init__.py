"""Generalization v.s. memorization (Wang et al.; ICLR 2025)."""

from rote.core.papers import About

ABOUT = About(
    short="Distributional memorization",
    title="Generalization v.s. memorization: tracing language models' "
    "capabilities back to pretraining data",
    authors="X. Wang, A. Antoniades, Y. Elazar, A. Amayuelas, A. Albalak, K. Zhang, W. Y. Wang",
    reference="ICLR 2025",
    url="https://arxiv.org/abs/2407.14985",
    question="When a language model does a task well, "
    "do its probabilities follow how often the task's phrases occur together "
    "in its pretraining corpus, or does it depart from those frequencies?",
    finding="distmem.facts_rise",
)


def __getattr__(name: str):
    # `rote.papers.distmem.memorization`, without loading scipy for everyone who lists the papers
    if name == "memorization":
        from rote.papers.distmem.correlation import memorization

        return memorization
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
