"""Rows of the tables, as statistics and figures ask for them, and the loads that were measured."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.papers.chain.plan import BY_LOSS, RANDOM, UNPRUNED, USER_MODEL_WIDTH, USER_WORLD

Tables = Mapping[str, pd.DataFrame]


def base_width(tables: Tables) -> int:
    """The width whose networks have memories: others do without the control corpora."""
    rows = tables["networks"]
    return int(rows.loc[rows["variant"] == RANDOM.name, "width"].iloc[0])


def plateau(tables: Tables) -> pd.Series:
    """Bits that networks of a width store at most, by width.

    The mean over replicates of unpruned networks, at the world and number of steps where it is
    largest.
    """
    rows = tables["networks"]
    rows = rows[rows["variant"] == UNPRUNED.name]
    means = rows.groupby(["width", "world", "steps"])["stored"].mean()
    return means.groupby("width").max()


def loads(tables: Tables) -> pd.DataFrame:
    """Information of the stated facts over the plateau: columns world, width, load, ascending."""
    rows = tables["networks"]
    information = rows.groupby(["world", "width"])["information"].mean()
    load = (information / plateau(tables)).rename("load").reset_index()
    return load.sort_values("load", ignore_index=True)


def base_loads(tables: Tables) -> pd.Series:
    """The same of the networks with memories: load by world, ascending."""
    rows = loads(tables)
    return rows[rows["width"] == base_width(tables)].set_index("world")["load"]


def gains(tables: Tables, variant: str, value: str = "facts") -> pd.DataFrame:
    """What pruning adds, by world, width, steps and replicate, with the load.

    Columns none and pruned (accuracies), gain (their difference) and load. After the fewest steps
    no losses are earlier than those of a network trained as long.

    Args:
        tables: of a run, by name.
        variant: corpus, pruned by losses of a network trained as long or by early ones.
        value: column of the accuracy.
    """
    rows = tables["networks"]
    first = rows["steps"] == rows["steps"].min()
    is_pruned = rows["variant"] == first.map({True: BY_LOSS.name, False: variant})
    rows = rows.assign(variant=rows["variant"].mask(is_pruned, "pruned"))
    rows = rows[rows["variant"].isin([UNPRUNED.name, "pruned"])]
    keys = ["world", "width", "steps", "replicate"]
    arms = rows.pivot(index=keys, columns="variant", values=value).dropna().reset_index()
    arms["gain"] = arms["pruned"] - arms[UNPRUNED.name]
    return arms.merge(loads(tables), on=["world", "width"])


def sign_change(steps: np.ndarray, values: np.ndarray) -> float:
    """Steps at which a line through points, straight in log steps, first falls to 0.

    Args:
        steps: (points,) ascending.
        values: (points,).

    Returns:
        Steps; the first of them where all is at most 0 already, infinite where it never is.
    """
    below = np.flatnonzero(values <= 0)
    if not len(below):
        return np.inf
    at = below[0]
    if not at:
        return float(steps[0])
    share = values[at - 1] / (values[at - 1] - values[at])
    return float(np.exp(np.log(steps[at - 1]) + share * np.log(steps[at] / steps[at - 1])))


def cell(rows: pd.DataFrame, variant: str, memory: str, bits: int = 32) -> pd.DataFrame:
    """Rows about the networks of a corpus with a memory of a content."""
    rows = rows[(rows["variant"] == variant) & (rows["memory"] == memory)]
    return rows[rows["bits"] == bits] if "bits" in rows else rows


def width_title(width: int) -> str:
    """What figures and the ledger call the networks of a width."""
    return f"width {width}" if width != USER_MODEL_WIDTH else "own model"


def world_title(world: str) -> str:
    """What figures and the ledger call a world."""
    return "own text" if world == USER_WORLD else f"{world.removeprefix('facts-')} facts"
