"""What the tracks share: how far an experiment is, and tables from the parts of many data sets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rote.core import tables

Progress = Callable[[Iterable], Iterable]  # passes items on and shows how many are done
Columns = Mapping[str, Any]  # column -> array, all of one length, or a value for all rows


def stacked(model: type[tables.Table], parts: Sequence[Columns]) -> pd.DataFrame:
    """One table of the rows of all parts; a frame per part would cost more than what it holds.

    Args:
        model: of the table.
        parts: mappings from every column of the model to an array, or to a value for all rows.
    """
    sizes = [np.broadcast(*part.values()).size for part in parts]
    columns = {}
    for name in parts[0]:
        arrays = [
            np.broadcast_to(part[name], size) for part, size in zip(parts, sizes, strict=True)
        ]
        columns[name] = np.concatenate(arrays)
    return tables.frame(model, columns)
