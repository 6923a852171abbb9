"""What several claims share: rows of the tables, deviations from theory, two arms."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.papers.attention.curves import at_ridge

Tables = Mapping[str, pd.DataFrame]
Values = dict[str, np.ndarray]  # condition -> (replicates,) or, of two arms, (replicates, 2)
POINT = ["figure", "panel", "series", "x", "gamma", "n"]
ARMS = ["error", "ridge"]
# a prediction is judged relative to itself, and to this where it is smaller
FLOOR = 0.1
MIN_EIGENVALUES = 10  # n E below which an error is made of too few eigenvalues to be compared


def rows_of(tables: Tables, figure: str, table: str = "simulations") -> pd.DataFrame:
    """Rows of one figure."""
    frame = tables[table]
    return frame[frame["figure"] == figure]


def deviations(rows: pd.DataFrame) -> Values:
    """(E − theory) / max(theory, 0.1) of every context, per point.

    Points with n E < 10 are left out.
    """
    rows = rows[rows["n"] * rows["theory"] >= MIN_EIGENVALUES]
    deviation = (rows["error"] - rows["theory"]) / rows["theory"].clip(lower=FLOOR)
    conditions = {}
    groups = rows.assign(deviation=deviation).groupby(POINT, sort=False)
    for (_, panel, series, x, gamma, _), group in groups:
        labels = [label for label in dict.fromkeys((panel, series)) if label]
        if x != gamma and group["figure"].iloc[0] == "baseline":
            labels.append(f"x = {x:g}")
        conditions[", ".join([*labels, f"γ = {gamma:.3g}"])] = group["deviation"].to_numpy()
    return conditions


def worse_by(rows: pd.DataFrame) -> np.ndarray:
    """E minus that of ridge regression, and no more than E lies below 1, (replicates,).

    A head that gives nothing has E = 1: it is worse than ridge regression, and memorizes nothing.
    """
    return np.minimum(rows["error"] - rows["ridge"], 1 - rows["error"]).to_numpy()


def arms_of(rows: pd.DataFrame) -> Values:
    """E of attention and of ridge regression, (replicates, 2) per γ."""
    return {at_ridge(gamma): group[ARMS].to_numpy() for gamma, group in rows.groupby("gamma")}
