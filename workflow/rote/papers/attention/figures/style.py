"""What the paper's figures share: how functions, structures and ridge regression are drawn."""

from collections.abc import Mapping

import pandas as pd

from rote.papers.attention import curves
from rote.plotting import INK, PALETTE, Look

Tables = Mapping[str, pd.DataFrame]
GAMMA, ERROR = "ridge γ", "memorization\nerror E"
GAP = "E(attention)\n− E(ridge)"
FUNCTIONS = {
    "linear": Look("linear", PALETTE[2], "s"),
    "tanh": Look("tanh", PALETTE[0], "o"),
    "relu_c": Look("ReLU, centred", PALETTE[4], "D"),
    "sign": Look("sign", PALETTE[9], "v"),
    "cubic": Look("cubic", PALETTE[5], "p"),
    "exp_clip": Look("exp, clipped", PALETTE[1], "^"),
    "exp_c": Look("exp, centred", PALETTE[6], "h"),
    "cos_c": Look("cos, centred", PALETTE[3], "X"),
    "quad": Look("quadratic", PALETTE[8], "P"),
}
RIDGE = Look("ridge on tokens", INK, "s", "--")
SERIES = {
    curves.RIDGE: RIDGE,
    "tanh": FUNCTIONS["tanh"],
    "tanh, aligned": Look("tanh, aligned", PALETTE[0], "^", "-."),
    "exp_clip, aligned": Look("exp, clipped, aligned", PALETTE[1], "^", "-."),
    "linear, aligned": Look("linear, aligned", PALETTE[2], "^", "-."),
}
STRUCTURES = {
    "no signal": Look("no signal", INK, "o", ":"),
    "signal": Look("signal", INK, "s", "-"),
    "aligned": Look("aligned weights", INK, "^", "-."),
}


def look_of(f: str) -> Look:
    """How a nonlinearity is drawn, also one of a user."""
    return FUNCTIONS.get(f, Look(f.replace("_", " "), PALETTE[7]))
