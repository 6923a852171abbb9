"""Nulls of the claims: how the tables look if a claim is false."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from rote.ledger.nulls import (
    BEYOND,
    Null,
    copied,
    exchanged,
    exchanged_columns,
    moved,
    off,
    replaced,
    shuffled,
)
from rote.papers.attention import theory_claims
from rote.papers.attention.beyond import FOUR, MU2, WEAK
from rote.papers.attention.heads import HEAVY, SPIKES, Structure, error
from rote.papers.attention.statistics.samples import FLOOR
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
without_signal = _instead(
    "structure_reverses",
    "There is no signal.",
    lambda: theory_claims.structure_reverses(Structure()),
)
opened_by_noise = _instead(
    "structure_opens",
    "There is no signal.",
    lambda: theory_claims.structure_opens(0.0),
)
SOLVER = 1e-8  # what the solvers' errors stay below
as_ridge = moved("checks", "value", times=0, by=SOLVER)
as_ridge.__doc__ = "The two sides are the same up to the solvers' error (checks)."
check_off = off("checks", "value", relative=False)
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


def phase_as_ridge(tables: Tables) -> Tables:
    """Attention has the error of ridge regression, up to the solvers' error (phase)."""
    phase = tables["phase"]
    return replaced(tables, phase=phase.assign(attention=phase["ridge"] + SOLVER))


phase_exchanged = exchanged_columns("phase", "attention", "ridge", replicate="gamma")
phase_exchanged.__doc__ = "Attention and ridge regression are exchanged at every second ridge."


def phase_exchanged_all(tables: Tables) -> Tables:
    """Attention and ridge regression are exchanged everywhere (phase)."""
    phase = tables["phase"]
    swapped = {"attention": phase["ridge"], "ridge": phase["attention"]}
    return replaced(tables, phase=phase.assign(**swapped))


# ---- simulation


ridge_theory_off = off("simulations", "ridge_theory", relative=True)
crossing_off = moved("simulations", "ridge", by=0.01)
crossing_off.__doc__ = "Ridge regression has an error that is larger by 0.01 (simulations)."
limit_off = off("simulations", "theory", relative=False)


def heavy_limit_off(tables: Tables, tolerance: float) -> Tables:
    """theory, which lies below heavy functions' errors, is 1.5 tolerances lower (simulations)."""
    table = tables["simulations"]
    return replaced(tables, simulations=table.assign(theory=table["theory"] - BEYOND * tolerance))


def _relatively_off(table: str, sign: int = 1) -> Null:
    """A null in which theory is off by so much of itself, or of what deviations are relative to.

    Args:
        table: name of the table.
        sign: 1 for a theory that is too large, -1 for one that is too small.
    """

    def null(tables: Tables, tolerance: float) -> Tables:
        rows = tables[table]
        step = sign * BEYOND * tolerance * rows["theory"].clip(lower=FLOOR)
        return replaced(tables, **{table: rows.assign(theory=rows["theory"] + step)})

    size = "large" if sign > 0 else "small"
    null.__doc__ = f"theory is too {size} by {BEYOND:g} times the tolerance ({table})."
    return null


prediction_off = _relatively_off("simulations")
heavy_prediction_off = _relatively_off("simulations", -1)
variant_off = _relatively_off("variants")
contexts_exchanged = exchanged_columns("simulations", "error", "ridge")
strong_exchanged = exchanged_columns("variants", "error", "ridge")
spikes_shuffled = shuffled("simulations", ["error", "ridge"], CONTEXT)
spikes_shuffled.__doc__ = "Spikes are permuted within each context (simulations)."


def silent_contexts(tables: Tables) -> Tables:
    """Heads give nothing: their error is 1 (simulations)."""
    return replaced(tables, simulations=tables["simulations"].assign(error=1.0))


def orthogonal_off(tables: Tables, tolerance: float) -> Tables:
    """An orthogonal spike adds one and a half times the tolerance to the errors (simulations)."""
    table = tables["simulations"]
    added = BEYOND * tolerance * (table["panel"] == "orthogonal")
    return replaced(tables, simulations=table.assign(error=table["error"] + added))


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


def lookalikes_apart(tables: Tables, tolerance: float) -> Tables:
    """Functions that share a1 and ν with tanh are off by one and a half times the tolerance."""
    table = tables["simulations"]
    apart = (table["figure"] == "lookalikes") & (table["panel"] != "tanh")
    added = BEYOND * tolerance * apart
    return replaced(tables, simulations=table.assign(error=table["error"] + added))


# ---- beyond the model


STRENGTH = ["figure", "panel", "f", "gamma", "n", "replicate"]
strengths_shuffled = shuffled("variants", ["error", "ridge"], STRENGTH)
strengths_shuffled.__doc__ = "The signal's strengths are permuted within each context (variants)."


def uncorrected(tables: Tables) -> Tables:
    """The corrected theory of strong signals is that of ridge regression: it explains nothing."""
    table = tables["variants"]
    theory = table["ridge_theory"].where(table["figure"] == "strong", table["theory"])
    return replaced(tables, variants=table.assign(theory=theory))


def weak_signals(tables: Tables) -> Tables:
    """Strong signals have the theory of weak ones (variants)."""
    table = tables["variants"]
    theory = table["theory"].copy()
    strong = table["figure"] == "strong"
    for (f, spike, mu2), rows in table[strong].groupby(["f", "panel", "mu2"]):
        gammas = np.sort(rows["gamma"].unique())
        c = float((rows["p"] / rows["n"]).iloc[0])
        solved = error(gammas, c, f, Structure(mu2, SPIKES[spike])).error
        values = dict(zip(gammas, solved, strict=True))
        theory[rows.index] = rows["gamma"].map(values)
    return replaced(tables, variants=table.assign(theory=theory))


CLASS_MU2 = float((np.asarray(FOUR.means) ** 2).sum(axis=1).mean())
PLAIN = {  # panel -> nonlinearity and structure of the model that a variant departs from
    "unbalanced labels": ("exp_clip", Structure()),
    "masked softmax": ("linear", Structure()),
    "masked softmax, aligned": ("linear", Structure(MU2, SPIKES["aligned"])),
    "two heads": ("tanh", Structure(MU2, SPIKES["aligned"])),
    "two heads, p/n = 1/4": ("tanh", Structure(WEAK, SPIKES["aligned"])),
    "four classes": ("tanh", Structure(CLASS_MU2)),
    "four classes, spike": ("tanh", Structure(CLASS_MU2)),
    "random dense head, tanh": ("tanh", Structure()),
    "random dense head, linear": ("linear", Structure()),
    "power law 0.5": ("tanh", Structure()),
    "power law 0.5, common mean": ("tanh", Structure()),
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


def silent_heads(tables: Tables) -> Tables:
    """Heads give nothing, trained or not: their error is 1 (trained)."""
    return replaced(tables, trained=tables["trained"].assign(error=1.0))


# ---- real inputs


theories_exchanged = exchanged_columns("embeddings", "isotropic", "anisotropic")
inputs_exchanged = exchanged_columns("embeddings", "error", "ridge")
labels_exchanged = exchanged("embeddings", "labels", "real", "random")
labels_alike = copied("embeddings", "labels", "random", ["real"], ["f", "gamma", "replicate"])
labels_alike.__doc__ = "Real labels have the errors of random ones (embeddings)."


def silent_inputs(tables: Tables) -> Tables:
    """Heads give nothing on real inputs: their error is 1 (embeddings)."""
    return replaced(tables, embeddings=tables["embeddings"].assign(error=1.0))


# ---- heads of language models


equivalent_off = off("heads", "theory", relative=False)
head_theories_exchanged = exchanged_columns("heads", "theory", "isotropic")
orders_alike = copied("heads", "order", 1, [3], ["f", "layer", "head", "gamma", "replicate"])
orders_alike.__doc__ = "Higher components of the scores predict no better than the linear one."


def heads_of_noise(tables: Tables) -> Tables:
    """The nonlinear part of heads is noise, drawn anew (heads)."""
    table = tables["heads"]
    return replaced(tables, heads=table.assign(error=table["noise"]))
