"""What a public function was checked for: the rows of the table of domains."""

from typing import NamedTuple


class Domain(NamedTuple):
    """Where a public function is right, and how that is known."""

    function: str
    arguments: str
    accuracy: str
    checked: str
    cost: str
