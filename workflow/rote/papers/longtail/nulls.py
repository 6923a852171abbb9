"""How the paper's tables look if a claim is false."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from rote.ledger.nulls import (
    BEYOND,
    Tables,
    copied,
    exchanged,
    exchanged_columns,
    moved,
    off,
    replaced,
)
from rote.papers.longtail import interpolators, kernel
from rote.papers.longtail.architectures import ARCHITECTURES, LEAKY, MIXING, REFERENCE, WIDE
from rote.papers.longtail.dataset import GLYPHS, GLYPHS_HEAD, SWEEP, WITHOUT_GLYPHS, WRONG
from rote.papers.longtail.statistics.network import chosen_decay
from rote.synth import scenes, triples

# ---- linear track

decay_slow = copied("linear_sets", "alpha", 1.0, [1.5, 2.0], ["replicate"])
decay_fast = copied("linear_sets", "alpha", 2.0, [1.0], ["replicate"])
decays_exchanged = exchanged("linear_sweep", "alpha", 1.0, 2.0)
ranks_slow = copied("linear_ranks", "alpha", 1.0, [1.5], ["replicate", "rank_low"])
nothing_recovered = moved("linear_sets", "recovered", times=0.0)
once_error_off = off("linear_sweep", "once_alone_mse")
pool_error_off = off("linear_sweep", "forced_alone")
influence_off = off("influence", "hat_once", relative=False)
recovery_of_descent_off = off("descent", "recovery", relative=False)
noise_same = copied("linear_sweep", "sigma", 0.05, [0.2], ["alpha", "replicate", "lam"])
unseen_and_unrecovered = exchanged_columns("linear_sweep", "ind_unseen", "ind_unrecovered")
ridge_exchanged = exchanged("linear_sweep", "lam", 0.0, 1.0)
# by which the predicted penalty is off: one and a half times the tolerance, on the log
coefficients_smaller = moved("linear_sets", "once_beta2", times=3**-BEYOND)
losses_exchanged = exchanged_columns("interpolators", "ind", "ood2")
interpolators_compose = copied(
    "interpolators",
    "estimator",
    "min-l2",
    interpolators.OTHER_INTERPOLATORS,
    ["replicate"],
)


def recovery_slow(tables: Tables) -> Tables:
    """Recovery is at every decay that of the slowest (linear_sets)."""
    alphas = sorted(tables["linear_sets"]["alpha"].unique())
    return copied("linear_sets", "alpha", alphas[0], alphas[1:], ["replicate"])(tables)


def nothing_learnt(tables: Tables) -> Tables:
    """Min-norm shrinks coefficients as the largest penalty does (linear_sweep)."""
    largest = tables["linear_sweep"]["lam"].max()
    keys = ["alpha", "replicate", "sigma"]
    return copied("linear_sweep", "lam", largest, [0.0], keys)(tables)


def noise_adds(tables: Tables, tolerance: float) -> Tables:
    """Label noise of 0.05 adds 1.5 times the tolerance to the loss (linear_sweep)."""
    sweep = tables["linear_sweep"]
    noisy = sweep["ind"] * (1 + BEYOND * tolerance * (sweep["sigma"] == 0.05))
    return replaced(tables, linear_sweep=sweep.assign(ind=noisy))


def noise_matters_less(tables: Tables, tolerance: float) -> Tables:
    """Four times the noise multiplies errors by a factor lower by 1.5 times the tolerance."""
    sweep = tables["linear_sweep"]
    factor = 1 - BEYOND * tolerance / 4 * (sweep["sigma"] == 0.2)
    return replaced(tables, linear_sweep=sweep.assign(error_rare=sweep["error_rare"] * factor))


def exponent_off(tables: Tables, tolerance: float) -> Tables:
    """The loss falls with the rows by an exponent off by 1.5 times the tolerance (scaling)."""
    table = tables["scaling"]
    loss = table["ind"] * table["rows"] ** (-BEYOND * tolerance)
    return replaced(tables, scaling=table.assign(ind=loss))


def no_shrinkage(tables: Tables) -> Tables:
    """Theory has ridge leave coefficients as they are."""
    table = tables["linear_shrinkage"]
    return replaced(tables, linear_shrinkage=table.assign(deviation=(1 - table["ratio"]).abs()))


def all_shrunk(tables: Tables) -> Tables:
    """Ridge leaves nothing of any coefficient, and features occur once."""
    table = tables["linear_shrinkage"]
    missing = 1 / (1 + table["lam"])
    scattered = missing * (1 + 0.01 * (table["replicate"] % 2))
    return replaced(tables, linear_shrinkage=table.assign(deviation=scattered))


def memorization_exchanged(tables: Tables) -> Tables:
    """Min-norm and the largest penalty are exchanged in every second replicate."""
    largest = tables["linear_sweep"]["lam"].max()
    return exchanged("linear_sweep", "lam", 0.0, largest)(tables)


def structure_undone(tables: Tables) -> Tables:
    """In every second replicate the loss on pairs falls where it rises in the others."""
    table = tables["interpolators"]
    mixtures = table["estimator"] == interpolators.MIXTURE
    undone = _undone(table, "ood2")
    return replaced(tables, interpolators=table.assign(ood2=table["ood2"].mask(mixtures, undone)))


def zero_predicted(tables: Tables) -> Tables:
    """Interpolators predict zero: each forced feature adds its coefficient to the loss."""
    table = tables["interpolators"]
    fits = tables["linear_sweep"]
    ridge = fits[(fits["alpha"] == 2) & (fits["sigma"] == 0) & (fits["lam"] == fits["lam"].max())]
    ridge = ridge.set_index("replicate").reindex(table["replicate"])
    fresh, forced = (ridge[name].to_numpy() for name in ("ind", "forced_once_alone"))
    others = table["estimator"].isin(interpolators.OTHER_INTERPOLATORS)
    losses = {"ind": fresh, "ood2": fresh + 2 * forced}
    changed = {name: table[name].mask(others, values) for name, values in losses.items()}
    return replaced(tables, interpolators=table.assign(**changed))


def one_off_twice(tables: Tables) -> Tables:
    """Rows with a one-off feature are followed as if it had occurred twice."""
    table = tables["influence"]
    lam = table["lam"]
    hat = table["hat_once"] + 2 / (2 + lam) - 1 / (1 + lam)
    return replaced(tables, influence=table.assign(hat_once=hat))


def descent_twice_as_fast(tables: Tables) -> Tables:
    """The theory of gradient descent has twice its rate."""
    table = tables["descent"]
    expected = 1 - (1 - table["expected"]) ** 2
    return replaced(tables, descent=table.assign(expected=expected))


# ---- network track

_FIT = ["training_set", "nines", "weight_decay", "replicate", "evaluation_set"]
_COMPOSITIONAL = [name for name, network in ARCHITECTURES.items() if network.compositional]
_MIXING = [name for name, network in ARCHITECTURES.items() if not network.compositional]

composition_absent = copied("network", "architecture", MIXING, _COMPOSITIONAL, _FIT)
mixing_composes = copied("network", "architecture", REFERENCE, _MIXING, _FIT)
architectures_exchanged = exchanged("network", "architecture", MIXING, REFERENCE)
glyphs_left_out = exchanged("network", "training_set", WITHOUT_GLYPHS.name, GLYPHS_HEAD.name)
slots_of_networks_exchanged = exchanged(
    "network",
    "evaluation_set",
    triples.TWO_GLYPHS.name,
    triples.TWO_GLYPHS_TRAINED_SLOTS.name,
)
wide_exchanged = exchanged("network", "architecture", WIDE, REFERENCE)
trained_exchanged = exchanged(
    "network", "evaluation_set", triples.ROWS_TRAINED.name, triples.ROWS_LEFT_OUT.name
)
few_wrong_exchanged = exchanged("network", "training_set", WRONG[2].name, WITHOUT_GLYPHS.name)
many_wrong_exchanged = exchanged("network", "training_set", WRONG[8].name, WITHOUT_GLYPHS.name)
sizes_exchanged = exchanged("sizes", "architecture", MIXING, REFERENCE)
scene_networks_exchanged = exchanged("scenes", "architecture", MIXING, REFERENCE)
scene_sets_exchanged = exchanged("scenes", "evaluation_set", scenes.JOINS, scenes.PAIRS)
companions_exchanged = exchanged(
    "network", "training_set", GLYPHS[triples.TAIL].name, GLYPHS_HEAD.name
)
tail_not_memorized = copied(
    "network",
    "training_set",
    WITHOUT_GLYPHS.name,
    [GLYPHS[triples.TAIL].name],
    ["architecture", "nines", "weight_decay", "replicate", "evaluation_set"],
)


Which = Callable[[pd.DataFrame], pd.Series]  # rows of a table
# losses of the mean label, in label²: where digits are as common as in training, and elsewhere
_CONSTANT = {triples.IN_DISTRIBUTION.name: 7.0, triples.TRAIN.name: 8.0}
_CONSTANT_ELSEWHERE = 90.0


def _constant(table: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Losses of fits that answer with one number, each with 10 % scatter."""
    losses = table["evaluation_set"].map(_CONSTANT).fillna(_CONSTANT_ELSEWHERE)
    return losses * np.exp(0.1 * rng.normal(size=len(table)))


def _with_constant(tables: Tables, name: str, which: Which, rng: np.random.Generator) -> Tables:
    """Tables in which some fits of one table answer with the mean label."""
    table = tables[name]
    losses = table["mse"].mask(which(table), _constant(table, rng))
    return replaced(tables, **{name: table.assign(mse=losses)})


def mixing_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks that mix the images answer with the mean label (network)."""
    return _with_constant(tables, "network", lambda t: t["architecture"].isin(_MIXING), rng)


def decayed_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks with weight decay answer with the mean label (network)."""
    return _with_constant(tables, "network", lambda t: t["weight_decay"] > 0, rng)


def without_glyphs_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks without the triples of one-off symbols answer with the mean label (network)."""
    without = WITHOUT_GLYPHS.name
    return _with_constant(tables, "network", lambda t: t["training_set"] == without, rng)


def tail_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks on symbols beside rare digits answer with the mean label (network)."""
    tail = GLYPHS[triples.TAIL].name
    return _with_constant(tables, "network", lambda t: t["training_set"] == tail, rng)


def networks_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """All networks answer with the mean label (network)."""
    return _with_constant(tables, "network", lambda t: t["mse"].notna(), rng)


def damage_even(tables: Tables) -> Tables:
    """Weight decay multiplies the sum network's loss on pairs as that in distribution (network)."""
    decay = chosen_decay(tables, REFERENCE)
    if decay is None:
        return tables
    table = tables["network"]
    fits = (table["architecture"] == REFERENCE) & (table["training_set"] == GLYPHS_HEAD.name)
    return replaced(tables, network=_even(table, fits, "weight_decay", (0.0, decay)))


def damage_everywhere(tables: Tables) -> Tables:
    """Weight decay adds to the loss on pairs what it adds to the training loss (network)."""
    table = tables["network"]
    key = ["architecture", "training_set", "nines", "replicate"]
    without = table[(table["weight_decay"] == 0)].set_index([*key, "evaluation_set"])["mse"]
    names = {"pairs": triples.TWO_GLYPHS.name, "train": triples.TRAIN.name}
    before = {name: without.xs(value, level=-1) for name, value in names.items()}
    training = table[table["evaluation_set"] == names["train"]]
    training = training.set_index([*key, "weight_decay"])["mse"]
    rows = (table["evaluation_set"] == names["pairs"]) & (table["weight_decay"] > 0)
    index = pd.MultiIndex.from_frame(table.loc[rows, key])
    with_decay = pd.MultiIndex.from_frame(table.loc[rows, [*key, "weight_decay"]])
    added = training.reindex(with_decay).to_numpy() - before["train"].reindex(index).to_numpy()
    scatter = 1 + 0.01 * (table.loc[rows, "replicate"].to_numpy() % 2)
    losses = table["mse"].copy()
    losses[rows] = before["pairs"].reindex(index).to_numpy() + added * scatter
    return replaced(tables, network=table.assign(mse=losses))


def half_memorize(tables: Tables) -> Tables:
    """Half of the networks fit the one-off triples whatever their weight decay (network)."""
    return _half(tables, triples.GLYPH_ROWS.name, 1e-3)


def half_unfitted(tables: Tables) -> Tables:
    """Half of the networks with weight decay do not fit their training triples (network)."""
    return _half(tables, triples.TRAIN.name, _CONSTANT[triples.TRAIN.name])


def _half(tables: Tables, evaluation_set: str, loss: float) -> Tables:
    table = tables["network"]
    rows = (table["evaluation_set"] == evaluation_set) & (table["weight_decay"] > 0)
    rows &= table["replicate"] % 4 >= 2
    return replaced(tables, network=table.assign(mse=table["mse"].mask(rows, loss)))


def _even(
    table: pd.DataFrame, fits: pd.Series, column: str, levels: tuple[float, float]
) -> pd.DataFrame:
    """Losses of which those on pairs grow from one level to the next as those in distribution.

    Args:
        table: losses.
        fits: rows that count.
        column: of the levels.
        levels: the one that others are compared with, and the one whose losses change.
    """
    rows = table[fits]
    wide = rows.pivot_table(values="mse", index="replicate", columns=[column, "evaluation_set"])
    low, high = levels
    pairs, fresh = triples.TWO_GLYPHS.name, triples.IN_DISTRIBUTION.name
    even = wide[low, pairs] * wide[high, fresh] / wide[low, fresh]
    even = even * (1 + 0.01 * (even.index.to_numpy() % 2))
    changed = fits & (table[column] == high) & (table["evaluation_set"] == pairs)
    return table.assign(mse=table["mse"].mask(changed, table["replicate"].map(even)))


def decay_exchanged(tables: Tables) -> Tables:
    """Networks with and without weight decay are exchanged in every second replicate."""
    table = tables["network"]
    decays = table["weight_decay"].copy()
    for name in table["architecture"].unique():
        decay = chosen_decay(tables, name)
        if decay is None:
            continue
        rows = (table["architecture"] == name) & (table["training_set"] == GLYPHS_HEAD.name)
        rows &= table["replicate"] % 2 == 1
        decays[rows] = table.loc[rows, "weight_decay"].replace({0.0: decay, decay: 0.0})
    return replaced(tables, network=table.assign(weight_decay=decays))


def counts_reversed(tables: Tables) -> Tables:
    """In every second replicate the numbers of training triples with a 9 run backwards."""
    table = tables["network"]
    sweep = table["training_set"] == SWEEP
    counts = table["nines"].where(~sweep, _reversed(table[sweep], "nines"))
    return replaced(tables, network=table.assign(nines=counts))


def leaks_undone(tables: Tables) -> Tables:
    """In every second replicate the loss on pairs falls with the leak where it rises in others."""
    table = tables["network"]
    leaky = table["architecture"].isin(list(LEAKY.values()))
    return replaced(
        tables, network=table.assign(mse=table["mse"].mask(leaky, _undone(table, "mse")))
    )


# ---- kernel track

_KERNEL_FIT = ["lam", "training_set", "replicate", "evaluation_set"]
kernel_without_structure = copied(
    "kernel", "kernel", kernel.MONOLITHIC.name, [kernel.SHARED.name], _KERNEL_FIT
)
slots_exchanged = exchanged(
    "kernel",
    "evaluation_set",
    triples.TWO_GLYPHS.name,
    triples.TWO_GLYPHS_TRAINED_SLOTS.name,
)
kernel_companions_exchanged = exchanged(
    "kernel", "training_set", GLYPHS[triples.TAIL].name, GLYPHS_HEAD.name
)


def kernels_exchanged(tables: Tables) -> Tables:
    """The monolithic and the shared kernel are exchanged in every second replicate."""
    table = tables["kernel"]
    monolithic = table[table["kernel"] == kernel.MONOLITHIC.name]
    # what both are fitted to and with
    fitted = table["lam"].isin(monolithic["lam"]) & (table["training_set"] == GLYPHS_HEAD.name)
    common = replaced(tables, kernel=table[fitted])
    return exchanged("kernel", "kernel", kernel.MONOLITHIC.name, kernel.SHARED.name)(common)


def penalties_exchanged(tables: Tables) -> Tables:
    """Kernel fits with and without ridge are exchanged in every second replicate."""
    return exchanged("kernel", "lam", *_penalties(tables["kernel"]))(tables)


def kernel_structure_undone(tables: Tables) -> Tables:
    """In every second replicate the loss falls with ρ where it rises in the others."""
    table = tables["kernel"]
    mixtures = table["kernel"] == kernel.MIXTURE
    losses = table["mse"].mask(mixtures, _undone(table, "mse"))
    return replaced(tables, kernel=table.assign(mse=losses))


def monolithic_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """The monolithic kernel answers with the mean label (kernel)."""
    return _with_constant(tables, "kernel", lambda t: t["kernel"] == kernel.MONOLITHIC.name, rng)


def kernel_ridge_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """With the larger penalty kernels answer with the mean label (kernel)."""
    largest = _penalties(tables["kernel"])[1]
    return _with_constant(tables, "kernel", lambda t: t["lam"] == largest, rng)


def kernel_tail_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """Kernels on symbols beside rare digits answer with the mean label (kernel)."""
    tail = GLYPHS[triples.TAIL].name
    return _with_constant(tables, "kernel", lambda t: t["training_set"] == tail, rng)


def kernels_constant(tables: Tables, rng: np.random.Generator) -> Tables:
    """All kernels answer with the mean label (kernel)."""
    return _with_constant(tables, "kernel", lambda t: t["mse"].notna(), rng)


def kernel_damage_even(tables: Tables) -> Tables:
    """Ridge multiplies the shared kernel's loss on pairs as that in distribution (kernel)."""
    table = tables["kernel"]
    fits = (table["kernel"] == kernel.SHARED.name) & (table["training_set"] == GLYPHS_HEAD.name)
    return replaced(tables, kernel=_even(table, fits, "lam", _penalties(table)))


def _penalties(table: pd.DataFrame) -> tuple[float, float]:
    """The smallest and the largest penalty of the monolithic kernel."""
    lam = table.loc[table["kernel"] == kernel.MONOLITHIC.name, "lam"]
    return lam.min(), lam.max()


def _undone(table: pd.DataFrame, column: str) -> pd.Series:
    """A positive quantity, of which every second replicate has the inverse."""
    return table[column].mask(table["replicate"] % 2 == 1, 1 / table[column])


def _reversed(rows: pd.DataFrame, column: str) -> pd.Series:
    """A grid, backwards in every second replicate: by the index of `rows`."""
    grid = np.sort(rows[column].unique())
    backwards = rows[column].map(dict(zip(grid, grid[::-1], strict=True)))
    alternate = np.unique(rows["replicate"], return_inverse=True)[1] % 2 == 1
    return rows[column].where(~alternate, backwards)
