"""The chain: our own experiment, which runs every capability in one DAG."""

from rote.core.papers import About

ABOUT = About(
    short="The chain",
    title="The chain: prune what the weights cannot hold, remember the rest",
    authors="rote",
    reference="our own experiment",
    url="",
    question="A network is given more facts than its weights can hold, and rules besides. "
    "Where over load and length of training does it help to prune the training data to what fits, "
    "where does it hurt, and what does an explicit memory of what was pruned give at equal cost?",
    leads=True,
)
