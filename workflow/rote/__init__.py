"""rote: what seven papers claim about memorization and generalization, re-derived and
machine-checked.
"""

from importlib.metadata import version

__version__ = version("rote")
