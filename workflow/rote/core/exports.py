"""The formats in which a table is written for a user, by the suffix of its file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rote.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FORMATS: dict[str, Callable[["pd.DataFrame", Path], object]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".json": lambda frame, path: frame.to_json(
        path, orient="records", indent=1, double_precision=15
    ),
}


def of(path: Path) -> str:
    """The suffix of a file, if it is that of a format.

    Args:
        path: of the file to write.

    Raises:
        InputError: for any other suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"{path}: a table is written as {', '.join(FORMATS)}; end its name so")
    return suffix
