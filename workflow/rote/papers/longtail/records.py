"""Tables from parts: columns of many data sets, put into one frame at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rote.core import tables

Columns = Mapping[str, Any]  # column -> array, all of one length, or a value for all rows


def stacked(model: type[tables.Table], parts: Sequence[Columns]) -> pd.DataFrame:
    """One table of the rows of all parts; a frame per part would cost more than what it holds."""
    sizes = [np.broadcast(*part.values()).size for part in parts]
    columns = {}
    for name in parts[0]:
        arrays = [
            np.broadcast_to(part[name], size) for part, size in zip(parts, sizes, strict=True)
        ]
        columns[name] = np.concatenate(arrays)
    return tables.frame(model, columns)
