"""Run every compiled kernel on small fixed inputs, of the types that a run gives them.

`python -m rote.run.kernels [NAME ...]` prints a digest of what each leaves (all of them, or some).
`make setup` does so once: from then on every job loads compiled kernels. A group imports what it
runs and nothing else.
"""

import atexit
import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numba.core.dispatcher import Dispatcher

if TYPE_CHECKING:
    from scipy import sparse

    from rote import ngrams

MODULES = (
    "rote.models.attention",
    "rote.models.norms",
    "rote.neighbors.cells",
    "rote.neighbors.distances",
    "rote.ngrams.full",
    "rote.ngrams.infinity",
    "rote.ngrams.kernels",
    "rote.waves.multifrontal",
)
WIDTH, HEIGHT = 37, 29  # of the grid whose matrix is factored


def _rng() -> np.random.Generator:
    return np.random.default_rng(28)


def _single(*shape: int) -> np.ndarray:
    return _rng().normal(size=shape).astype(np.float32)


# ---- waves


def _operator() -> "sparse.csr_array":
    """Random symmetric couplings of a grid's neighbors, and a random complex diagonal."""
    from scipy import sparse

    numbers = np.arange(WIDTH * HEIGHT).reshape(WIDTH, HEIGHT)
    along = np.stack([numbers[1:], numbers[:-1]]).reshape(2, -1)
    across = np.stack([numbers[:, 1:], numbers[:, :-1]]).reshape(2, -1)
    ends = np.concatenate([along, across], axis=1)
    values = _rng().normal(size=(2, ends.shape[1]))
    diagonal = 4 * _rng().normal(size=(2, numbers.size))
    below = sparse.coo_array((values[0] + 1j * values[1], ends), shape=(numbers.size,) * 2)
    return (below + below.T + sparse.diags_array(diagonal[0] + 1j * diagonal[1])).tocsr()


def _eliminate():
    from rote.waves import multifrontal

    matrix = _operator()
    plan = multifrontal.plan(WIDTH, HEIGHT, matrix)
    rows = np.zeros(plan.factor_start[-1])
    inverse = multifrontal._eliminate(plan, matrix.diagonal()[plan.order], rows)
    return rows, inverse


def _solve():
    from rote.waves import multifrontal

    matrix = _operator()
    factor = multifrontal.Factor(
        multifrontal.plan(WIDTH, HEIGHT, matrix), matrix, matrix.diagonal()
    )
    right = _rng().normal(size=(2, 100, 21))
    return (factor.solve(np.arange(100), right[0] + 1j * right[1]),)


# ---- networks


def _attended(gradients: bool):
    import torch

    from rote.models import attention

    q, k, v = (torch.from_numpy(_single(7, 11, 3, 8) * scale) for scale in (1, 2, 3))
    angles = torch.from_numpy(_single(11, 4))
    for one in (q, k, v):
        one.requires_grad_(gradients)
    output = attention.causal(q, k, v, (angles.cos(), angles.sin()))
    if not gradients:
        return (output.numpy(),)
    (output * torch.from_numpy(_single(7, 11, 3, 8))).sum().backward()
    return tuple(one.grad.numpy() for one in (q, k, v))


def _normalized():
    from rote.models import norms

    x = _single(50, 24)
    normed, scales = np.empty_like(x), np.empty(50, np.float32)
    norms._normalize(x, normed, scales)
    return normed, scales


def _normalized_backward():
    from rote.models import norms

    x = _single(50, 24)
    of_x = np.empty_like(x)
    norms._gradient(x[::-1].copy(), x, np.abs(x[:, 0]), of_x)
    return (of_x,)


# ---- neighbors


def _measured():
    from rote.neighbors import distances

    q, x = _rng().normal(size=(9, 17)), _single(300, 17)
    rows = np.tile(np.arange(-1, 299), (9, 1))
    values = [np.empty(rows.shape) for _ in range(2)]
    distances._measure(q, x, rows, values[0])
    distances._measure(q, x.astype(float), rows, values[1])
    return values


def _ordered():
    from rote.neighbors import distances

    values, rows = _rng().normal(size=(5, 40)), np.tile(np.arange(40), (5, 1))
    distances._sort(values, rows)
    return values, rows


def _heaped(order: bool):
    from rote.neighbors import distances

    values, rows = _rng().normal(size=(5, 400)), np.tile(np.arange(400), (5, 1))
    nearest, numbers = np.full((5, 7), np.inf), np.full((5, 7), -1)
    distances._take(values, rows, nearest, numbers)
    if order:
        distances._order(nearest, numbers)
    return nearest, numbers


def _centers():
    vectors = _single(200, 11)
    return vectors, vectors[:9].copy()


def _radii():
    from rote.neighbors import cells

    vectors, of_cells = _centers()
    return (cells._radii(vectors, of_cells, np.arange(200) % 9),)


def _spread():
    from rote.neighbors import cells

    return (cells._spread(_centers()[0], 20),)


def _pushed():
    from rote.neighbors import cells

    heaps = np.full((6, 5), np.inf, np.float32), np.full((6, 5), -1), np.zeros(6, np.int64)
    members = _single(90, 13)
    squares = np.einsum("nd,nd->n", members, members)
    cells._push(members[:6] @ members.T, squares, np.arange(90), np.arange(6), *heaps)
    return heaps


# ---- n-grams

TOKENS = np.random.default_rng(7).integers(0, 9, 3000)
OFFSETS = np.array([0, 700, 1500, 3000])
GRAMS = ["w0", "w1 w2", "w3 w4", "w5 w6 w7", "w8"]


@cache
def _corpus() -> "ngrams.Corpus":
    from rote import ngrams

    folder = Path(tempfile.mkdtemp(prefix="rote-kernels-"))
    atexit.register(shutil.rmtree, folder)
    documents = np.split(TOKENS, OFFSETS[1:-1])
    lines = [" ".join(np.char.add("w", document.astype(str))) for document in documents]
    (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    return ngrams.tokenize(folder / "text.txt", folder / "corpus")


def _counted(stop_words: bool):
    from rote import ngrams

    pairs = list(itertools.combinations(GRAMS, 2))
    words = (("w2", "w4"), ("w6",)) if stop_words else ((), ())
    return (
        ngrams.count(_corpus(), GRAMS, stop_words=words[0]),
        ngrams.count_pairs(_corpus(), pairs, stop_words=words),
        ngrams.count_pairs(_corpus(), pairs, window=3, stop_words=words),
        *ngrams.postings(_corpus(), GRAMS, stop_words=words[0]),
    )


def _tables():
    from rote.ngrams import full

    parts = []
    for n in (3, 24):  # packed, and by suffixes
        table = full.table(_corpus(), n)
        parts += [table.ngrams, table.counts]
    return parts


def _suffixes():
    from rote.ngrams import infinity

    tokens = TOKENS.astype(np.uint32)
    order = infinity.suffix_array(tokens, OFFSETS, 9)
    bounds = infinity._bounds(tokens, OFFSETS, order, TOKENS[40:43])
    engine = infinity.InfinityGram(_corpus())
    return order, np.array([*bounds, *map(engine.count, GRAMS)])


GROUPS: dict[str, Callable[[], Sequence[np.ndarray]]] = {
    "elimination": _eliminate,
    "solution": _solve,
    "attention": partial(_attended, False),
    "attention backward": partial(_attended, True),
    "layer norm": _normalized,
    "layer norm backward": _normalized_backward,
    "distances": _measured,
    "sorting": _ordered,
    "heaps": partial(_heaped, False),
    "heaps in order": partial(_heaped, True),
    "cells": _pushed,
    "radii": _radii,
    "spread": _spread,
    "counts": partial(_counted, False),
    "counts without stop words": partial(_counted, True),
    "tables": _tables,
    "suffixes": _suffixes,
}


def compiled() -> dict[str, Dispatcher]:
    """The kernels of the project that are decorated at import, by module and name."""
    dispatchers = {}
    for module in map(import_module, MODULES):
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__:
                dispatchers[f"{module.__name__}.{name}"] = value
    return dispatchers


def is_part(value: Dispatcher) -> bool:
    """Whether a function is written into what calls it."""
    return value.targetoptions.get("inline") == "always"


def _digest(arrays: Sequence[np.ndarray]) -> str:
    return sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in arrays)).hexdigest()


if __name__ == "__main__":
    for group in sys.argv[1:] or GROUPS:
        print(f"{group}: {_digest(GROUPS[group]())}")
    if not sys.argv[1:]:
        kernels_only = {k: v for k, v in compiled().items() if not is_part(v)}
        idle = [name for name, value in kernels_only.items() if not value.signatures]
        assert not idle, f"kernels that no group ran: {idle}"
