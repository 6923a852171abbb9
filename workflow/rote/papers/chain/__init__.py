"""The chain: our own experiment, which runs every capability in one DAG."""

from rote.core.papers import About

ABOUT = About(
    short="The chain",
    title="The chain: prune what the weights cannot hold, remember the rest",
    authors="rote",
    reference="our own experiment",
    url="",
    question="A network is given more facts than its weights can hold, and rules besides. "
    "If the training data are pruned to what fits, and what was pruned goes "
    "into an explicit memory, is more known in the end, at what cost, and do the rules survive?",
    leads=True,
)
