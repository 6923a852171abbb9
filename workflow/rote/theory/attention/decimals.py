"""Small matrices of decimal numbers, where double precision would cancel.

Arrays hold `decimal.Decimal` objects; products, sums and `@` are NumPy's, at the precision of the
context that is set around them. What factors a matrix takes one of floats, too.
"""

import math
from decimal import Decimal, getcontext

import numpy as np
from numpy.typing import ArrayLike

ZERO, ONE = Decimal(0), Decimal(1)


def exact(values: ArrayLike) -> np.ndarray:
    """The decimal values of double-precision numbers, of the same shape, without rounding.

    Args:
        values: any shape.
    """
    array = np.asarray(values, float)
    out = np.empty(array.size, object)
    out[:] = [Decimal(float(value)) for value in array.ravel()]
    return out.reshape(array.shape)


def short(values: np.ndarray) -> np.ndarray:
    """Decimals of at most 17 digits, the nearest to double-precision numbers: fast to multiply.

    Args:
        values: any shape.
    """
    out = np.empty(values.size, object)
    out[:] = [Decimal(repr(value)) for value in values.ravel().tolist()]
    return out.reshape(values.shape)


def eye(size: int) -> np.ndarray:
    """The identity, (size, size).

    Args:
        size: rows.
    """
    out = np.full((size, size), ZERO, object)
    np.fill_diagonal(out, ONE)
    return out


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """matrix⁻¹ right by elimination with pivots.

    Args:
        matrix: (k, k) of decimals, or floats.
        right: (k, m), likewise.

    Raises:
        ZeroDivisionError: where a matrix of decimals is singular.
        LinAlgError: where one of floats is.
    """
    if matrix.dtype != object:
        return np.linalg.solve(matrix, right)
    size = len(matrix)
    rows = np.concatenate([matrix, right], axis=1).tolist()
    for column in range(size):
        # in lists: small matrices of objects are slower in arrays
        best = max(range(column, size), key=lambda i: abs(rows[i][0]))
        rows[column], rows[best] = rows[best], rows[column]
        first, *rest = rows[column]
        if first == 0:
            raise ZeroDivisionError("the matrix is singular")
        pivot = [value / first for value in rest]
        rows = [_without(row, pivot) for row in rows]
        rows[column] = pivot
    out = np.empty((size, right.shape[1]), object)
    out[:] = rows
    return out


def _without(row: list, pivot: list) -> list:
    """A row less its first entry, which a multiple of the pivot removes."""
    factor, *rest = row
    return [value - factor * other for value, other in zip(rest, pivot, strict=True)]


def inverse(matrix: np.ndarray) -> np.ndarray:
    """matrix⁻¹, (k, k).

    Args:
        matrix: (k, k) of decimals, or floats.

    Raises:
        ZeroDivisionError, LinAlgError: as `solve`.
    """
    return solve(matrix, eye(len(matrix))) if matrix.dtype == object else np.linalg.inv(matrix)


def cholesky(matrix: np.ndarray) -> np.ndarray:
    """L of L Lᵀ in double precision; where the matrix is zero but for rounding L keeps its scale.

    Args:
        matrix: (k, k) of decimals, or floats, symmetric.

    Raises:
        ArithmeticError, LinAlgError: where it is not positive.
    """
    if matrix.dtype != object:
        return np.linalg.cholesky(matrix)
    size = len(matrix)
    left = matrix.copy()
    out = np.zeros((size, size))
    rounding = Decimal(10) ** (-getcontext().prec // 2)
    for i in range(size):
        if not (left[i, i] > -rounding * matrix[i, i] and matrix[i, i] > 0):
            raise ArithmeticError("the matrix is not positive")
        if left[i, i] <= rounding * matrix[i, i]:
            out[i, i] = math.sqrt(matrix[i, i])
            continue
        column = left[i:, i] / left[i, i]
        out[i:, i] = column.astype(float) * math.sqrt(left[i, i])
        left[i + 1 :, i + 1 :] -= np.outer(column[1:], left[i, i + 1 :])
    return out
