"""Which statements stay in the corpus: those of facts that fit into the weights, by the losses of a
network.
"""

import numpy as np
import pandas as pd

from rote import prune
from rote.core.seeds import generator
from rote.papers.chain.world import Line

VARIANTS = ("none", "random", "loss")
ABLATION = "flat"  # a further corpus, at one load


def choose(
    losses: np.ndarray,
    facts: pd.DataFrame,
    documents: list[Line],
    flat: int,
    seed: int,
    *key: str | int,
) -> dict[str, list[Line]]:
    """The corpora of all selections.

    * loss: as many facts as fit (`rote.prune.automatic`), those with the lowest loss, each with at
      most `flat` statements.
    * random: facts in random order with all their statements, until the corpus is as large.
    * flat: the same, but flattened: what flattening alone does.

    Documents that state no fact stay in all.

    Args:
        losses: (facts,) nats; those of facts that the corpus does not state are not looked at.
        facts: with columns fact, bits and count.
    """
    counts = facts["count"].to_numpy()
    present = counts > 0
    known = np.where(present, losses, 0.0)
    bits = float(facts["bits"].iloc[0])
    fits = prune.automatic(known, counts=counts, ignorance=bits * np.log(2))
    rng = generator(seed, "chain", "prune", *key)
    kept = prune.select(known, fits / present.sum(), scheme="loss", counts=counts, rng=rng) > 0
    if fits == present.sum():  # all facts fit: nothing is pruned, and frequencies stay
        return dict.fromkeys(("random", "loss", "flat"), documents)
    order = rng.permutation(len(documents))
    chosen = _flattened(documents, order, set(np.flatnonzero(kept).tolist()), flat)
    size = len(chosen)
    others = rng.permutation(np.flatnonzero(present)).tolist()
    return {
        "random": _random(documents, others, size, None),
        "loss": chosen,
        "flat": _random(documents, others, size, flat),
    }


def _random(documents: list[Line], facts: list[int], size: int, flat: int | None) -> list[Line]:
    """Documents without facts, and facts in this order with all (or `flat`) statements, `size`
    documents in all.
    """
    by_fact = _lines_by_fact(documents)
    stay = {at for at, line in enumerate(documents) if not line["statements"]}
    for fact in facts:
        room = size - len(stay)
        if room <= 0:
            break
        new = [at for at in by_fact[fact][:flat] if at not in stay]
        stay.update(new[:room])
    return [line for at, line in enumerate(documents) if at in stay]


def _lines_by_fact(documents: list[Line]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for at, line in enumerate(documents):
        for fact, *_ in line["statements"]:
            found.setdefault(fact, []).append(at)
    return found


def _flattened(documents: list[Line], order: np.ndarray, kept: set[int], flat: int) -> list[Line]:
    """Documents without facts, and those that the kept facts need to be stated `flat` times each,
    in their order.
    """
    left, stay = dict.fromkeys(kept, flat), set()
    for at in order.tolist():
        stated = {fact for fact, *_ in documents[at]["statements"]}
        wanted = [fact for fact in stated if left.get(fact, 0) > 0]
        if wanted or not stated:
            stay.add(at)
        for fact in wanted:
            left[fact] -= 1
    return [line for at, line in enumerate(documents) if at in stay]


def kept_facts(documents: list[Line]) -> dict[int, int]:
    """How often each fact is stated."""
    found: dict[int, int] = {}
    for line in documents:
        for fact, *_ in line["statements"]:
            found[fact] = found.get(fact, 0) + 1
    return found
