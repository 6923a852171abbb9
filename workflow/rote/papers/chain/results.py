"""Rows of the tables, as statistics and figures ask for them."""

from collections.abc import Mapping

import pandas as pd

from rote.papers.chain.plan import RANDOM

Tables = Mapping[str, pd.DataFrame]


def base_networks(tables: Tables) -> pd.DataFrame:
    """Rows of `networks` at the width at which every corpus has networks."""
    rows = tables["networks"]
    return rows[rows["width"] == base_width(tables)]


def base_width(tables: Tables) -> int:
    """The width at which every corpus has networks: the ladder does without the random one."""
    rows = tables["networks"]
    return int(rows.loc[rows["variant"] == RANDOM.name, "width"].iloc[0])


def loads(tables: Tables) -> pd.Series:
    """Load by world, ascending; NaN, of a text of the user's, is last."""
    return tables["accuracy"].groupby("world")["load"].first().sort_values()


def cell(rows: pd.DataFrame, variant: str, memory: str) -> pd.DataFrame:
    """Rows about the networks of a corpus with a memory of a content."""
    return rows[(rows["variant"] == variant) & (rows["memory"] == memory)]
