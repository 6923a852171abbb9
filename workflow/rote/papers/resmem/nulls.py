"""How the tables look if the paper's claims are false."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from rote.ledger.nulls import (
    BEYOND,
    Tables,
    copied,
    exchanged,
    exchanged_columns,
    off,
    replaced,
    shuffled,
)
from rote.papers.resmem.measures import FLIPS
from rote.papers.resmem.methods import AWARE, BASE, BASE_RESMEM, CLIPPED, HALF_AND_HALF
from rote.papers.resmem.schema import MEMORY
from rote.theory import lookup

CHANCE = 0.1  # share of right answers of one that answers at random among ten
_TWO_CLASSES = 0.5  # the same among two
_SCATTER = 0.01  # of such shares, between replicates
_BOTH = ["base", "knn"]  # what ResMem is made of

# ---- the linear model


def base_learns_all(tables: Tables) -> Tables:
    """The base's risk falls to zero as ResMem's does (risks)."""
    risks = tables["risks"]
    return replaced(tables, risks=risks.assign(base=risks["resmem"]))


def memory_adds_nothing(tables: Tables) -> Tables:
    """ResMem's risk is its base's (risks)."""
    risks = tables["risks"]
    return replaced(tables, risks=risks.assign(resmem=risks["base"]))


def slower_rate(tables: Tables) -> Tables:
    """ResMem's risk falls with the power 1/d, as the published bound does (risks)."""
    risks = tables["risks"]
    slower = risks["resmem"] * risks["examples"] ** (1 / risks["dimension"])
    return replaced(tables, risks=risks.assign(resmem=slower))


def base_falls(tables: Tables, tolerance: float) -> Tables:
    """The base's risk falls with a power of n that is off by 1.5 times the tolerance (risks)."""
    return _steeper(tables, "base", tolerance)


def rate_off(tables: Tables, tolerance: float) -> Tables:
    """ResMem's risk falls with a power of n that is off by 1.5 times the tolerance (risks)."""
    return _steeper(tables, "resmem", tolerance)


def _steeper(tables: Tables, column: str, tolerance: float) -> Tables:
    risks = tables["risks"]
    factor = risks["examples"] ** (-BEYOND * tolerance)
    return replaced(tables, risks=risks.assign(**{column: risks[column] * factor}))


def cost_off(tables: Tables, tolerance: float) -> Tables:
    """One neighbor adds label noise times one plus 1.5 times the tolerance (noisy)."""
    noisy = tables["noisy"]
    added = BEYOND * tolerance * noisy["noise"] ** 2 * (noisy["k"] == 1)
    return replaced(tables, noisy=noisy.assign(risk=noisy["risk"] + added))


def base_predicts_zero(tables: Tables) -> Tables:
    """The base predicts zero, in three dimensions (noisy)."""
    noisy = tables["noisy"]
    zero = lookup.plateau(3, 0.0) * (1 + _SCATTER * _sign(noisy, 1))
    return replaced(tables, noisy=noisy.assign(risk=noisy["risk"].mask(noisy["k"] == 0, zero)))


plateau_off = off("risks", "base")
risk_off = off("risks", "resmem")
noise_averaged = copied("noisy", "k", 3, [1], ["examples", "noise", "replicate"])
one_neighbor = exchanged("noisy", "k", 0, 1)
hundred_neighbors = exchanged("noisy", "k", 0, 100)

# ---- tasks: bases, memories or both know nothing


def base_at_chance(tables: Tables) -> Tables:
    """Bases answer at random, and ResMem as the memory alone does."""
    return _answering(tables, base=_at_chance(1), resmem=_as("knn"))


def memory_ignored(tables: Tables) -> Tables:
    """ResMem answers as its base does, with any memory."""
    return _answering(tables, resmem=_as("base"))


def resmem_at_chance(tables: Tables) -> Tables:
    """ResMem answers at random, with any memory."""
    return _answering(tables, resmem=_at_chance(4))


def all_at_chance(tables: Tables) -> Tables:
    """Bases, memories and ResMem answer at random."""
    return _answering(tables, base=_at_chance(1), knn=_at_chance(2), resmem=_at_chance(4))


Answers = Callable[[pd.DataFrame], pd.Series]


def _at_chance(phase: int, share: float = CHANCE) -> Answers:
    """Shares of right answers that are random, and scatter between replicates by a pattern."""

    return lambda rows: share + _SCATTER * _sign(rows, phase)


def _sign(rows: pd.DataFrame, phase: int | np.ndarray | pd.Series) -> pd.Series:
    """1 or -1, as often in every 2 x `phase` replicates."""
    return 1 - 2 * (rows["replicate"] // phase % 2)


def _as(column: str) -> Answers:
    return lambda rows: rows[column]


def _answering(tables: Tables, **answers: Answers) -> Tables:
    """Tables of tasks in which some methods answer otherwise than in the run.

    Args:
        tables: of a run.
        **answers: by method (base, knn, resmem) its accuracies.
    """
    accuracy = tables["accuracy"].assign(**answers)
    frames = {"accuracy": accuracy}
    if "parts" in tables:
        frames["parts"] = _flips(tables["parts"].assign(**answers), accuracy)
    if "sweeps" in tables:
        frames["sweeps"] = _sweeps(tables["sweeps"], accuracy)
    if "calibration" in tables and "base" not in answers:
        frames["calibration"] = _uncalibrated(tables["calibration"], accuracy)
    return replaced(tables, **frames)


def _of_memories(rows: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """The accuracies of each row's memory, with the index of `rows`."""
    methods = ["base", "knn", "resmem"]
    merged = rows[list(MEMORY)].merge(accuracy[[*MEMORY, *methods]], on=list(MEMORY), how="left")
    return merged[methods].set_axis(rows.index)


def _flips(parts: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Parts whose shares of answers fixed and spoiled are those of independent answers."""
    of_memory = _of_memories(parts, accuracy)
    share = parts["share"].copy()
    for reference, partition in FLIPS.items():
        before, after = of_memory[reference], of_memory["resmem"]
        fixed = (parts["partition"] == partition) & (parts["part"] == "fixed")
        spoiled = (parts["partition"] == partition) & (parts["part"] == "broken")
        same = before == after
        share = share.mask(fixed, ((1 - before) * after).mask(same, 0.0))
        share = share.mask(spoiled, (before * (1 - after)).mask(same, 0.0))
    return parts.assign(share=share)


def _sweeps(sweeps: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Sweeps in which every memory of any strength is as accurate as the tuned one."""
    of_memory = _of_memories(sweeps, accuracy)
    none = (sweeps["setting"] == "strength") & (sweeps["value"] == 0)
    return sweeps.assign(accuracy=of_memory["resmem"].mask(none, of_memory["base"]))


def _uncalibrated(rows: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of ResMem are the worse the fewer of its answers are right."""
    of_memory = _of_memories(rows, accuracy)
    clipped = rows["method"] == CLIPPED
    nll = rows["nll"].mask(clipped, -np.log(of_memory["resmem"].clip(lower=1e-3)))
    return rows.assign(nll=nll)


# ---- tasks: arms without a difference

no_gain = exchanged_columns("accuracy", "base", "resmem")
tail_sizes = exchanged("accuracy", "examples", 1000, 16_000)
tail_halves = exchanged("parts", "part", "0", "1")
fine_widths = exchanged("accuracy", "width", 2, 8)
fine_sizes = exchanged("accuracy", "examples", 3000, 8000)
flips = exchanged("parts", "part", "fixed", "broken")
text_units = exchanged("accuracy", "units", 16, 64)
text_scores = exchanged("calibration", "method", CLIPPED, HALF_AND_HALF)
cifar_depths = exchanged("accuracy", "depth", 8, 56)


def mnist_sizes(tables: Tables) -> Tables:
    """In every second replicate all training images and 250 are exchanged (accuracy)."""
    rows = tables["accuracy"]
    largest = int(rows.loc[rows["task"] == "mnist", "examples"].max())
    return exchanged("accuracy", "examples", 250, largest)(tables)


def text_sizes(tables: Tables) -> Tables:
    """In every second replicate the sizes of memories run backwards (accuracy)."""
    accuracy = tables["accuracy"]
    text = accuracy["task"] == "text"
    grid = np.sort(accuracy.loc[text, "rows"].unique())
    backwards = accuracy["rows"].map(dict(zip(grid, grid[::-1], strict=True)))
    rows = accuracy["rows"].mask(text & (accuracy["replicate"] % 2 == 1), backwards)
    return replaced(tables, accuracy=accuracy.assign(rows=rows.astype(int)))


def mnist_networks(tables: Tables) -> Tables:
    """In every second replicate widths, or depths, answer in reverse order (accuracy)."""
    accuracy = tables["accuracy"]
    rows = accuracy[(accuracy["task"] == "mnist") & (accuracy["replicate"] % 2 == 1)]
    first = accuracy[accuracy["task"] == "mnist"].iloc[0]
    changed = accuracy.copy()
    for axis, other in (("width", "depth"), ("depth", "width")):
        arms = rows[(rows[other] == first[other]) & (rows["examples"] == first["examples"])]
        changed.loc[arms.index, "resmem"] = arms["base"] + _reversed_gains(arms, axis)
    return replaced(tables, accuracy=changed)


def _reversed_gains(arms: pd.DataFrame, axis: str) -> pd.Series:
    """The gain of the arm at the other end of an axis, with the index of `arms`."""
    grid = np.sort(arms[axis].unique())
    backwards = arms[axis].map(dict(zip(grid, grid[::-1], strict=True)))
    keys = [axis, "features", "replicate"]
    gains = arms.assign(gain=arms["resmem"] - arms["base"])[[*keys, "gain"]]
    mirrored = arms.assign(**{axis: backwards})[keys]
    return mirrored.merge(gains, on=keys, how="left")["gain"].set_axis(arms.index)


def better_of_both(tables: Tables) -> Tables:
    """ResMem and the better of base and kNN are exchanged in every second replicate (accuracy)."""
    rows = tables["accuracy"]
    return replaced(tables, accuracy=_exchanged_with(rows, rows[_BOTH].max(axis=1)))


def memory_alone_at_chance(tables: Tables) -> Tables:
    """The memory alone answers at random, and ResMem as its base does."""
    return _answering(tables, knn=_at_chance(2), resmem=_as("base"))


def large_base_gains(tables: Tables) -> Tables:
    """Bases of 64 units have 5 points less, which ResMem gains (accuracy)."""
    accuracy = tables["accuracy"]
    lower = accuracy["base"].where(accuracy["units"] != 64, accuracy["base"] - 0.05)
    return replaced(tables, accuracy=accuracy.assign(base=lower))


def one_neighbor_tuned(tables: Tables) -> Tables:
    """One neighbor at T = 1 is as accurate as the tuned memory (sweeps)."""
    sweeps = tables["sweeps"]
    tuned = _of_memories(sweeps, tables["accuracy"])["resmem"]
    return replaced(tables, sweeps=sweeps.assign(accuracy=_with_one_neighbor(sweeps, tuned)))


def one_neighbor_at_chance(tables: Tables) -> Tables:
    """One neighbor at T = 1 answers at random, with label noise and without (sweeps)."""
    sweeps = tables["sweeps"]
    random = _at_chance(1)(sweeps)
    return replaced(tables, sweeps=sweeps.assign(accuracy=_with_one_neighbor(sweeps, random)))


def _with_one_neighbor(sweeps: pd.DataFrame, accuracies: pd.Series) -> pd.Series:
    plain = (sweeps["setting"] == "k") & (sweeps["value"] == 1)
    return sweeps["accuracy"].mask(plain, accuracies)


# accuracies are shares, and tolerances points
def resmem_worse(tables: Tables, tolerance: float) -> Tables:
    """ResMem is worse than base, memory alone and best by 1.5 times the tolerance or more."""
    lost = BEYOND * tolerance / 100
    accuracy, errors = tables["accuracy"], tables["regression"]
    highest = accuracy[["base", "knn", "best"]].min(axis=1)
    lowest = errors[["base", "knn", "best"]].max(axis=1)
    return replaced(
        tables,
        accuracy=accuracy.assign(resmem=highest - lost),
        regression=errors.assign(resmem=lowest + lost),
    )


def knn_exchanged(tables: Tables) -> Tables:
    """ResMem and the memory alone are exchanged in every second replicate (both tables)."""
    frames = {}
    for name in ("accuracy", "regression"):
        rows = tables[name]
        odd = rows["replicate"] % 2 == 1
        frames[name] = rows.assign(
            resmem=rows["resmem"].mask(odd, rows["knn"]),
            knn=rows["knn"].mask(odd, rows["resmem"]),
        )
    return replaced(tables, **frames)


def resmem_off(tables: Tables, tolerance: float) -> Tables:
    """ResMem is better by 1.5 times the tolerance (accuracy)."""
    accuracy = tables["accuracy"]
    better = accuracy["resmem"] + BEYOND * tolerance / 100
    return replaced(tables, accuracy=accuracy.assign(resmem=better))


def whole_residuals_worse(tables: Tables, tolerance: float) -> Tables:
    """Residuals added whole are less accurate by 1.5 times the tolerance (sweeps)."""
    sweeps = tables["sweeps"]
    whole = (sweeps["setting"] == "strength") & (sweeps["value"] == 1)
    worse = sweeps["accuracy"] - BEYOND * tolerance / 100 * whole
    return replaced(tables, sweeps=sweeps.assign(accuracy=worse))


def coarse_at_random(tables: Tables) -> Tables:
    """Wrong answers fall evenly on all other classes: 4 of 99 share the coarse one (parts)."""
    parts = tables["parts"]
    meant = (parts["partition"] == "coarse") & parts["part"].isin(["fixed", "wrong"])
    # scattered a little by replicate
    scattered = 4 / 99 - 1e-3 * (parts["replicate"] % 2)
    return replaced(tables, parts=parts.assign(share=parts["share"].where(~meant, scattered)))


def fine_confusions_preferred(tables: Tables, tolerance: float) -> Tables:
    """More of the errors fixed were in the right coarse class, by 1.5 times the tolerance."""
    parts = tables["parts"]
    fixed = (parts["partition"] == "coarse") & (parts["part"] == "fixed")
    more = parts["share"] + BEYOND * tolerance * fixed
    return replaced(tables, parts=parts.assign(share=more))


# ---- regression


def regression_no_gain(tables: Tables) -> Tables:
    """ResMem and the better of ridge and kNN are exchanged in every second replicate."""
    rows = tables["regression"]
    return replaced(tables, regression=_exchanged_with(rows, rows[_BOTH].min(axis=1)))


def _exchanged_with(rows: pd.DataFrame, better: pd.Series) -> pd.DataFrame:
    """Rows in which every second replicate exchanges ResMem and the better of base and kNN."""
    odd = rows["replicate"] % 2 == 1
    changed = {"resmem": rows["resmem"].mask(odd, better)}
    for name in _BOTH:
        changed[name] = rows[name].mask(odd & (rows[name] == better), rows["resmem"])
    return rows.assign(**changed)


def ridge_predicts_the_mean(tables: Tables) -> Tables:
    """Ridge regression predicts the mean, and ResMem as kNN does (regression)."""
    rows = tables["regression"]
    return replaced(tables, regression=rows.assign(base=1.0, resmem=rows["knn"]))


def knn_predicts_the_mean(tables: Tables) -> Tables:
    """KNN predicts the mean, and ResMem as ridge regression does (regression)."""
    rows = tables["regression"]
    return replaced(tables, regression=rows.assign(knn=1.0, resmem=rows["base"]))


# ---- beyond the paper

grown_sizes = exchanged("growth", "rows", 1000, 16_000)
unseen_rows = exchanged("growth", "kind", "unseen rows", "training rows")
budget_rows = exchanged("growth", "kind", "largest residuals", "random rows")
crossfit = copied("crossfit", "residuals", "in-sample", ["cross-fitted"], ["tuned", "replicate"])
scores_shuffled = shuffled("memorization", "score", ["units", "replicate"])
gains_shuffled = shuffled("memorization", "gain", ["units", "replicate"])
spurious_memory = exchanged("spurious", "method", BASE, BASE_RESMEM)
spurious_aware = exchanged("spurious", "method", BASE, AWARE)
spurious_ignored = copied("spurious", "method", BASE, [BASE_RESMEM], ["examples", "replicate"])


def gap_closed(tables: Tables) -> Tables:
    """ResMem is as accurate where the spurious feature conflicts as where it agrees (spurious)."""
    rows = tables["spurious"]
    remembered = rows["method"] == BASE_RESMEM
    closed = rows["conflicting"].mask(remembered, rows["agreeing"] + _SCATTER * _sign(rows, 1))
    return replaced(tables, spurious=rows.assign(conflicting=closed))


def frozen_base_at_chance(tables: Tables) -> Tables:
    """The frozen base answers at random (growth)."""
    growth = tables["growth"]
    none = growth["kind"] == "none"
    accuracy = growth["accuracy"].mask(none, _at_chance(1)(growth))
    return replaced(tables, growth=growth.assign(accuracy=accuracy))


def growth_at_chance(tables: Tables) -> Tables:
    """Base and memories of any size answer at random (growth)."""
    growth = tables["growth"]
    phase = 1 + growth["rows"].rank(method="dense").astype(int) % 2
    random = CHANCE + _SCATTER * _sign(growth, phase)
    return replaced(tables, growth=growth.assign(accuracy=random))


def temperature_mends_less(tables: Tables, tolerance: float) -> Tables:
    """With T tuned, in-sample residuals lose 1.5 times the tolerance (crossfit)."""
    rows = tables["crossfit"]
    worse = rows["tuned"] & (rows["residuals"] == "in-sample")
    lower = rows["resmem"] - BEYOND * tolerance / 100 * worse
    return replaced(tables, crossfit=rows.assign(resmem=lower))


def crossfit_ignored(tables: Tables) -> Tables:
    """Residuals of both kinds change no answer of the base (crossfit)."""
    rows = tables["crossfit"]
    return replaced(tables, crossfit=rows.assign(resmem=rows["base"]))


def crossfit_at_chance(tables: Tables) -> Tables:
    """Base and ResMem answer at random, with residuals of either kind (crossfit)."""
    rows = tables["crossfit"]
    phase = np.where(rows["residuals"] == "in-sample", 1, 2)
    random = CHANCE + _SCATTER * _sign(rows, phase)
    return replaced(tables, crossfit=rows.assign(base=CHANCE, resmem=random))


def answers_at_chance(tables: Tables) -> Tables:
    """ResMem and the base trained with awareness answer at random (spurious)."""
    rows = tables["spurious"]
    random = rows["method"].isin([BASE_RESMEM, AWARE])
    shares = {
        "agreeing": rows["agreeing"].mask(random, _at_chance(1, _TWO_CLASSES)(rows)),
        "conflicting": rows["conflicting"].mask(random, _at_chance(2, _TWO_CLASSES)(rows)),
    }
    return replaced(tables, spurious=rows.assign(**shares))
