"""Names of the search engines, apart from the engines: settings import them at every start."""

from typing import Literal, get_args

Engine = Literal["exact", "torch", "ivf", "hnsw"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
