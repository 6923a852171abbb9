"""Inputs of a covariance, as a command line or a simulated row states them."""

from pathlib import Path

import numpy as np

from rote.core.errors import InputError
from rote.readers import table
from rote.theory import raf

COLUMN = "eigenvalue"
NUMBER = 400  # of directions, where nothing states it
_FORM = f"power:EXPONENT, power:EXPONENT:NUMBER or a table with a column {COLUMN!r}"


def eigenvalues(text: str, number: int | None = None) -> np.ndarray | None:
    """Eigenvalues of the inputs' covariance, (k,) of mean 1; None for an empty text: isotropic.

    Args:
        text: power:EXPONENT (λ_i ∝ i^−EXPONENT), power:EXPONENT:NUMBER, or a table (.parquet, .csv,
            .tsv) with a column `eigenvalue`.
        number: of directions that there must be; None: what `text` states, or 400.

    Raises:
        InputError: for another form, a file without the column, another number of directions, or
            as `raf.power_law`.
    """
    if not text:
        return None
    if text.startswith("power:"):
        exponent, stated = _power(text)
        if stated is None:
            stated = NUMBER if number is None else number
        values = raf.power_law(exponent, stated)
    else:
        values = _of_file(Path(text))
    if number is not None and len(values) != number:
        raise InputError(f"--inputs has {len(values):,} directions, but d is {number:,}")
    return values


def _power(text: str) -> tuple[float, int | None]:
    words = text.split(":")[1:]
    try:
        if len(words) <= 2:
            return float(words[0]), int(words[1]) if len(words) == 2 else None
    except ValueError:
        pass
    raise InputError(f"--inputs must be {_FORM}, given {text!r}")


def _of_file(path: Path) -> np.ndarray:
    if not path.suffix:
        raise InputError(f"--inputs must be {_FORM}, given {str(path)!r}")
    frame = table.read(path)
    if COLUMN not in frame:
        raise InputError(f"{path}: no column {COLUMN!r}; it has {', '.join(frame.columns)}")
    try:
        values = frame[COLUMN].astype(float).to_numpy()
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: column {COLUMN!r} must hold numbers: {error}") from error
    return raf.eigenvalues(values)
