"""One point of a theory, as the command line prints it."""

from typing import NamedTuple


class TheoryPoint(NamedTuple):
    """The numbers of a theory at one point, and how its iteration ended."""

    numbers: dict[str, float]  # by the names a reader knows
    converged: bool
    steps: int  # of the iteration
    unit: str  # of its steps
    residual: float

    def __str__(self) -> str:
        """A line per number, or one line that says that there is none."""
        if not self.converged:
            ending = f"residual {self.residual:.1e} after {self.steps} {self.unit}"
            return f"did not converge: {ending}"
        lines = [f"{name:22}{float(value):.10g}" for name, value in self.numbers.items()]
        name = f"{self.unit}, residual"
        return "\n".join([*lines, f"{name:22}{self.steps}, {self.residual:.1e}"])
