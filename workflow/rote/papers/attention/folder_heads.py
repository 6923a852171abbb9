"""Heads of a user's language model: what theory predicts of each, and what is measured."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from rote.core import exports
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.core.tables import atomic
from rote.data import corpora
from rote.models import pretrained
from rote.papers.attention import real_heads
from rote.papers.attention.instruments import nonlinearity
from rote.plotting import render
from rote.theory import axes

MAX_TOKENS = 100_000  # of the text that are read


class FolderHeads(NamedTuple):
    """Model, text and measurement as a command line states them."""

    model: str
    text: str
    functions: str = "tanh,softmax"
    gamma: str = "0.01,0.1,1"
    order: str = "1,3"
    tokens: int = 128

    def grid(self) -> real_heads.HeadGrid:
        """What is measured. Raises InputError naming the option."""
        functions = {}
        for name in self.functions.split(","):
            functions[name] = None if name == real_heads.SOFTMAX else nonlinearity(name)
        gammas, orders = axes.parse("--gamma", self.gamma), axes.parse("--order", self.order)
        if not (gammas > 0).all():
            raise InputError(f"--gamma must be > 0, given {gammas.min():g}")
        if not (np.isin(orders, np.arange(1, 10))).all():
            raise InputError(f"--order must be of 1 ... 9, given {self.order}")
        if self.tokens < max(orders) + 3:
            raise InputError(f"--n must be at least the order + 3, given {self.tokens}")
        return real_heads.HeadGrid(gammas, functions, [int(k) for k in orders], self.tokens)


def read(options: FolderHeads, contexts: int, window: int, seed: int) -> pd.DataFrame:
    """Every head on contexts of a text: the columns of the table HeadsTable.

    Args:
        options: model, text and measurement.
        contexts: number of them.
        window: tokens that the model reads at once.
        seed: of all streams.

    Raises:
        InputError: naming the option, or what is missing of the model.
    """
    grid = options.grid()
    tokenizer = pretrained.tokenizer(options.model, fast=False)
    body = pretrained.causal(options.model, dtype="float32")
    ids = np.fromiter(_ids(tokenizer, options.text), int)
    length = min(window, pretrained.context(body))
    count = len(ids) // length
    if not count:
        raise InputError(f"--text has {len(ids)} tokens, fewer than one --window of {length}")
    windows = ids[: count * length].reshape(count, length)
    return real_heads.of_model(
        body, windows, grid, contexts, lambda number: generator(seed, "heads", number)
    )


def _ids(tokenizer, source: str) -> Iterator[int]:
    """Token ids of a text, up to a number."""
    taken = 0
    for document in corpora.documents(source):
        for token in tokenizer(document.text, add_special_tokens=False)["input_ids"]:
            if taken == MAX_TOKENS:
                return
            taken += 1
            yield token


def summary(frame: pd.DataFrame) -> str:
    """A line per nonlinearity, order and ridge: errors over all heads, predicted and measured."""
    distance = (frame["error"] - frame["theory"]).abs()
    plain = (frame["error"] - frame["isotropic"]).abs()
    columns = ["error", "ridge", "theory", "distance", "isotropic"]
    table = frame.drop(columns="isotropic").assign(distance=distance, isotropic=plain)
    means = table.groupby(["f", "order", "gamma"], sort=False)[columns].mean()
    names = {"distance": "|E - theory|", "isotropic": "|E - isotropic theory|"}
    return means.rename(columns=names).to_string(float_format=lambda value: f"{value:.4f}")


def draw(path: Path, frame: pd.DataFrame) -> None:
    """Measured against predicted error of every head, as an image file.

    Args:
        path: ends in .png, .pdf or .svg.
        frame: from `read`.

    Raises:
        InputError: for another ending.
    """
    exports.of(path, exports.PICTURES, "a figure")
    canvas = render("attention", "heads", {"heads": frame})
    with atomic(path) as temporary:
        canvas.savefig(temporary, format=path.suffix[1:].lower())
    plt.close(canvas)
