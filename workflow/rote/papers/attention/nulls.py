"""Nulls of the claims: how the tables look if a claim is false."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from rote.ledger.nulls import (
    Null,
    chained,
    copied,
    exchanged,
    exchanged_columns,
    moved,
    replaced,
)
from rote.papers.attention import theory_claims
from rote.papers.attention.beyond import MU2
from rote.papers.attention.heads import HEAVY, SPIKES, STRUCTURES, Structure, error
from rote.papers.attention.theory_claims import Numbers

Tables = Mapping[str, pd.DataFrame]
CONTEXT = ("figure", "gamma", "n", "replicate")  # one context at one ridge


# ---- theory: the claim's numbers from another formula


def _instead(check: str, says: str, numbers: Callable[[], Numbers]) -> Null:
    """A null in which a claim's numbers are computed with another formula.

    Args:
        check: name of the claim.
        says: the null as a sentence.
        numbers: computes its numbers, by the claim's conditions.
    """

    def null(tables: Tables) -> Tables:
        table = tables["checks"]
        others = table["condition"].map(numbers())
        values = others.where(table["check"] == check, table["value"])
        return replaced(tables, checks=table.assign(value=values))

    null.__doc__ = says
    return null


prefactor = _instead(
    "reference",
    "E has the prefactor γ/2 of a public summary instead of γ².",
    lambda: theory_claims.golden_distances(lambda gamma: gamma / 2),
)
diagonal = _instead(
    "linear_limit",
    "The integral leaves the kernel's diagonal as it is.",
    lambda: theory_claims.linear_distances(0.0),
)
derivative = _instead(
    "complex_step",
    "The linear solve leaves out the spike.",
    lambda: theory_claims.derivative_distances(STRUCTURES["signal"]),
)
no_flip = _instead(
    "flip_count",
    "p/n is 4 in place of 1/4.",
    lambda: {"c = 0.25": len(theory_claims.flips(4.0))},
)
flip_elsewhere = _instead(
    "flip_at",
    "p/n is 1/2 in place of 1/4.",
    lambda: {"c = 0.25": float(theory_claims.flips(0.5)[0])},
)
other_crossings = _instead(
    "gap_crossing",
    "The nonlinearity is sign in place of tanh.",
    lambda: theory_claims.crossing_distances("sign"),
)
orthogonal_shares = _instead(
    "ridgeless_gap_shrinks",
    "The spike is orthogonal to the signal in place of aligned.",
    lambda: theory_claims.gap_shares("orthogonal"),
)
opposite = moved("checks", "value", times=-1)
opposite.__doc__ = "The two sides of every difference are exchanged (checks)."


def exponents(tables: Tables) -> Tables:
    """Attention has the exponent of ridge regression, and ridge regression that of attention."""
    table = tables["checks"]
    values = table["value"].copy()
    names = ("ridgeless_exponent", "ridgeless_exponent_ridge")
    for name, other in zip(names, names[::-1], strict=True):
        values[table["check"] == name] = table.loc[table["check"] == other, "value"].mean()
    return replaced(tables, checks=table.assign(value=values))


def lost_points(tables: Tables) -> Tables:
    """Every hundredth point of curves and phase map does not converge."""
    curves, phase = tables["curves"], tables["phase"]
    converged = curves["converged"] & (np.arange(len(curves)) % 100 != 0)
    attention = phase["attention"].where(np.arange(len(phase)) % 100 != 0)
    return replaced(
        tables, curves=curves.assign(converged=converged), phase=phase.assign(attention=attention)
    )


phase_exchanged = exchanged_columns("phase", "attention", "ridge", replicate="gamma")
phase_exchanged.__doc__ = "Attention and ridge regression are exchanged at every second ridge."


# ---- simulation


theory_off = moved("simulations", "theory", times=1.25)
theory_off.__doc__ = "Theory is a quarter too large (simulations)."
noise_theory_off = moved("variants", "theory", times=1.25)
noise_theory_off.__doc__ = "Theory is a quarter too large (variants)."
contexts_exchanged = exchanged_columns("simulations", "error", "ridge")
strong_exchanged = exchanged_columns("variants", "error", "ridge")
spikes_exchanged = chained(
    exchanged("simulations", "panel", "aligned", "anti"),
    exchanged("simulations", "panel", "query only", "key only"),
)
spikes_exchanged.__doc__ = "The order of the spikes is reversed in every second replicate."
orthogonal_aligned = copied("simulations", "panel", "aligned", ["orthogonal"], CONTEXT)
orthogonal_aligned.__doc__ = "An orthogonal spike has the errors of an aligned one."
cosine_sees = copied("simulations", "f", "tanh", ["cos_c"], ["panel", *CONTEXT])
cosine_sees.__doc__ = "cos has the errors of tanh."
linear_saturates = copied("variants", "f", "tanh", ["linear"], ["panel", "x", *CONTEXT])
linear_saturates.__doc__ = "Linear attention has the errors of tanh."
plain_is_mild = copied("variants", "panel", "power law 0.5", ["power law 1"], CONTEXT)
plain_is_mild.__doc__ = "Tokens with exponent 1 behave as those with exponent 0.5."


def no_decay(tables: Tables) -> Tables:
    """The distance of heavy functions from theory is at every n that of the smallest n."""
    table = tables["simulations"]
    heavy = (table["figure"] == "limit") & table["f"].isin(HEAVY)
    rows = table[heavy].assign(distance=table["error"] - table["theory"])
    smallest = rows[rows["n"] == rows["n"].min()].set_index(["f", "replicate"])["distance"]
    distance = smallest.loc[pd.MultiIndex.from_frame(rows[["f", "replicate"]])].to_numpy()
    errors = table["error"].copy()
    errors[heavy] = rows["theory"].to_numpy() + distance
    return replaced(tables, simulations=table.assign(error=errors))


def lookalikes_apart(tables: Tables) -> Tables:
    """Functions that share a1 and ν with tanh have errors 20 % above those of tanh."""
    table = tables["simulations"]
    apart = (table["figure"] == "lookalikes") & (table["panel"] != "tanh")
    errors = table["error"].where(~apart, 1.2 * table["error"])
    return replaced(tables, simulations=table.assign(error=errors))


# ---- beyond the model


def strengths_reversed(tables: Tables) -> Tables:
    """The strengths of the signal are in reverse order in every second replicate."""
    table = tables["variants"]
    reverse = (table["figure"] == "strong") & (table["replicate"] % 2 == 1)
    strengths = np.sort(table.loc[reverse, "x"].unique())
    turned = table["x"].map(dict(zip(strengths, strengths[::-1], strict=True)))
    return replaced(tables, variants=table.assign(x=turned.where(reverse, table["x"])))


def uncorrected(tables: Tables) -> Tables:
    """The corrected theory of strong signals is that of ridge regression: it explains nothing."""
    table = tables["variants"]
    theory = table["ridge_theory"].where(table["figure"] == "strong", table["theory"])
    return replaced(tables, variants=table.assign(theory=theory))


PLAIN = {  # panel -> nonlinearity and structure of the model that a variant departs from
    "unbalanced labels": ("exp_clip", Structure()),
    "masked softmax": ("linear", Structure()),
    "masked softmax, aligned": ("linear", Structure(MU2, SPIKES["aligned"])),
    "two heads": ("tanh", Structure(MU2, SPIKES["aligned"])),
    "random dense head, tanh": ("tanh", Structure()),
    "random dense head, linear": ("linear", Structure()),
    "power law 0.5": ("tanh", Structure()),
}


def plain_model(tables: Tables) -> Tables:
    """Each variant has the theory of one plain head: balanced labels, W = I, isotropic tokens."""
    table = tables["variants"]
    theory = table["theory"].copy()
    for panel, (f, structure) in PLAIN.items():
        rows = table["panel"] == panel
        c = (table.loc[rows, "p"] / table.loc[rows, "n"]).iloc[0]
        gammas = np.sort(table.loc[rows, "gamma"].unique())
        solved = dict(zip(gammas, error(gammas, float(c), f, structure).error, strict=True))
        theory[rows] = table.loc[rows, "gamma"].map(solved)
    return replaced(tables, variants=table.assign(theory=theory))


# ---- trained heads


def untrained(tables: Tables) -> Tables:
    """Training changes nothing: heads are at every step as at step 0."""
    table = tables["trained"]
    head = ["objective", "gamma", "replicate"]
    measured = ["key", "query", "error"]
    first = table[table["step"] == 0].set_index(head)[measured]
    start = first.loc[pd.MultiIndex.from_frame(table[head])]
    values = {name: start[name].to_numpy() for name in measured}
    return replaced(tables, trained=table.assign(**values))


def steps_reversed(tables: Tables) -> Tables:
    """The steps of training are in reverse order in every second replicate."""
    table = tables["trained"]
    steps = np.sort(table["step"].unique())
    turned = table["step"].map(dict(zip(steps, steps[::-1], strict=True)))
    return replaced(
        tables, trained=table.assign(step=turned.where(table["replicate"] % 2 == 1, table["step"]))
    )


weights_exchanged = exchanged_columns("trained", "key", "query")
heads_exchanged = exchanged_columns("trained", "error", "ridge")


# ---- real inputs


theories_exchanged = exchanged_columns("embeddings", "isotropic", "anisotropic")
inputs_exchanged = exchanged_columns("embeddings", "error", "ridge")
labels_exchanged = exchanged("embeddings", "labels", "real", "random")
