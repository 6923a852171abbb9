"""Dataset synthesis."""

__all__ = [
    "facts",
    "features",
    "images",
    "pretraining",
    "rules_facts",
    "tokens",
    "triples",
    "velocity",
]
