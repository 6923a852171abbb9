"""In which order papers are computed: one after another, those that cost least first.

So that the first result comes early and the report grows. Snakemake starts the job of the highest
priority among those that could run; a rule's own priority orders the jobs of its paper, and every
hundred in it lets them begin one paper earlier: a long chain of jobs of a late paper then fills
the cores that earlier papers leave idle, and does not end alone.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

MEASURED = Path(__file__).with_name("costs.tsv")  # seconds of earlier jobs, see `rote.run.costs`
STEP = 100


def seconds(scale: str) -> dict[str, list[float]]:
    """What the jobs of each rule took, as measured once on one core of a server.

    Args:
        scale: smoke or laptop; of others nothing is measured, and the laptop's stand in. So does
            the other scale for a rule that was measured there alone.
    """
    measured: dict[str, dict[str, list[float]]] = {}
    with MEASURED.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            rules = measured.setdefault(row["scale"], {})
            rules.setdefault(row["rule"], []).append(float(row["seconds"]))
    return measured.get("smoke", {}) | measured.get("laptop", {}) | measured.get(scale, {})


def turns(papers: Sequence[str], scale: str) -> dict[str, int]:
    """What is added to the priorities of each paper's jobs: more for a paper that costs less.

    Args:
        papers: names; one that was never measured costs nothing.
        scale: of the run.

    Returns:
        By paper, multiples of `STEP`, at least one.
    """
    costs = dict.fromkeys(papers, 0.0)
    for rule, values in seconds(scale).items():
        paper = rule.split("_")[0]
        if paper in costs:
            costs[paper] += sum(values)
    first = sorted(papers, key=costs.__getitem__)
    return {paper: STEP * (len(first) - turn) for turn, paper in enumerate(first)}
