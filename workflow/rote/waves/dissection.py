"""Nested dissection of a rectangle of cells: what is eliminated together, and in which order.

George, 1973: a rectangle is cut by its middle line, its halves likewise, down to a few cells; a
line is eliminated after both sides of it.
"""

from dataclasses import dataclass

import numpy as np

LEAF_CELLS = 12  # cells that are eliminated together without a further cut


@dataclass
class Front:
    """What is eliminated together, while the grid is cut."""

    first: int  # position of its first pivot
    pivots: int
    around: list[tuple]  # indices of the cells around its rectangle
    depth: int  # number of cuts above it
    parent: int = -1


class Dissection:
    """Nested dissection of a (width, height) grid: fronts in the order of their elimination."""

    def __init__(self, width: int, height: int):
        self.cells = np.arange(width * height).reshape(width, height)
        self.position = np.full((width, height), -1)
        self.order: list[np.ndarray] = []
        self.fronts: list[Front] = []
        self._cut(0, width, 0, height, 0)

    def _cut(self, x0: int, x1: int, z0: int, z1: int, depth: int) -> int:
        """Eliminate a rectangle, its halves before the line between them; the front's number."""
        columns = np.arange(x0, x1)
        rows = np.arange(z0, z1)
        halves: list[tuple[int, int, int, int]] = []
        eliminated = np.ix_(columns, rows)
        if len(columns) * len(rows) > LEAF_CELLS and len(columns) >= len(rows):
            middle = (x0 + x1) // 2
            halves = [(x0, middle, z0, z1), (middle + 1, x1, z0, z1)]
            eliminated = np.ix_(np.array([middle]), rows)
        elif len(columns) * len(rows) > LEAF_CELLS:
            middle = (z0 + z1) // 2
            halves = [(x0, x1, z0, middle), (x0, x1, middle + 1, z1)]
            eliminated = np.ix_(columns, np.array([middle]))
        children = [
            self._cut(*half, depth + 1)
            for half in halves
            if half[0] < half[1] and half[2] < half[3]
        ]
        first = sum(map(len, self.order))
        pivots = self.cells[eliminated]
        self.order.append(pivots.ravel())
        self.position[eliminated] = first + np.arange(pivots.size).reshape(pivots.shape)
        width, height = self.cells.shape
        around: list[tuple] = [(x, rows) for x in (x0 - 1, x1) if 0 <= x < width]
        around += [(columns, z) for z in (z0 - 1, z1) if 0 <= z < height]
        self.fronts.append(Front(first, pivots.size, around, depth))
        for child in children:
            self.fronts[child].parent = len(self.fronts) - 1
        return len(self.fronts) - 1

    def boundary(self, front: Front) -> np.ndarray:
        """Positions of the cells around a front's rectangle, ascending."""
        parts = [self.position[cells] for cells in front.around] or [np.empty(0, int)]
        return np.sort(np.concatenate(parts))
