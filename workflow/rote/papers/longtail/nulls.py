"""How the paper's tables look if a claim is false."""

import numpy as np
import pandas as pd

from rote.ledger.nulls import Tables, copied, exchanged, exchanged_columns, moved, replaced
from rote.papers.longtail import interpolators, kernel
from rote.papers.longtail.architectures import ARCHITECTURES, MIXING, REFERENCE
from rote.papers.longtail.dataset import GLYPHS, GLYPHS_HEAD, SWEEP, WITHOUT_GLYPHS
from rote.synth import triples

# ---- linear track

decay_slow = copied("linear_sets", "alpha", 1.0, [1.5, 2.0], ["replicate"])
decay_fast = copied("linear_sets", "alpha", 2.0, [1.0], ["replicate"])
decays_exchanged = exchanged("linear_sweep", "alpha", 1.0, 2.0)
noise_large = copied("linear_sweep", "sigma", 1.0, [0.05], ["alpha", "replicate", "lam"])
noise_same = copied("linear_sweep", "sigma", 0.05, [0.2], ["alpha", "replicate", "lam"])
unseen_theory_moved = moved("linear_sets", "unseen_expected", times=1.1)
unseen_and_unrecovered = exchanged_columns("linear_sweep", "ind_unseen", "ind_unrecovered")
ridge_exchanged = exchanged("linear_sweep", "lam", 0.0, 1.0)
coefficients_smaller = moved("linear_sets", "once_beta2", times=0.1)
frequency_theory_moved = moved("linear_ranks", "expected", times=1.1)
losses_exchanged = exchanged_columns("interpolators", "ind", "ood2")


def noise_in_labels(tables: Tables) -> Tables:
    """Isolated rare features have the error that label noise of 0.05 gives them."""
    sweep = tables["linear_sweep"]
    noisy = sweep[(sweep["lam"] == 0) & (sweep["sigma"] == 0.05)]
    keys = ["alpha", "replicate"]
    sets = tables["linear_sets"]
    errors = sets[keys].merge(noisy[[*keys, "error_alone"]], on=keys, how="left")["error_alone"]
    return replaced(tables, linear_sets=sets.assign(max_error_alone=errors.to_numpy()))


def isolation_decides(tables: Tables) -> Tables:
    """Rare features count as identifiable only if they are alone in some row."""
    sets = tables["linear_sets"]
    return replaced(tables, linear_sets=sets.assign(disagree=sets["recovered"] - sets["alone"]))


def isolation_ignored(tables: Tables) -> Tables:
    """Isolated rare features err as all features seen once do, isolated or not."""
    sweep = tables["linear_sweep"]
    once = sweep["forced_once"]
    return replaced(tables, linear_sweep=sweep.assign(once_alone_mse=once, forced_alone=once))


def exponent_moved(tables: Tables) -> Tables:
    """The loss falls with the rows by an exponent that is larger by 0.16."""
    table = tables["scaling"]
    return replaced(tables, scaling=table.assign(ind=table["ind"] * table["rows"] ** -0.16))


def no_shrinkage(tables: Tables) -> Tables:
    """Theory has ridge leave coefficients as they are."""
    table = tables["linear_shrinkage"]
    return replaced(tables, linear_shrinkage=table.assign(deviation=(1 - table["ratio"]).abs()))


def memorization_exchanged(tables: Tables) -> Tables:
    """Min-norm and the largest penalty are exchanged in every second replicate."""
    largest = tables["linear_sweep"]["lam"].max()
    return exchanged("linear_sweep", "lam", 0.0, largest)(tables)


def recovered_as_seen(tables: Tables) -> Tables:
    """The share of recovered features falls with rank as fast as the share of seen ones."""
    table = tables["linear_ranks"]
    return replaced(tables, linear_ranks=table.assign(recovered=table["seen"] ** 2))


def structure_reversed(tables: Tables) -> Tables:
    """In every second replicate the shares ρ of the RBF kernel run backwards."""
    table = tables["interpolators"]
    mixtures = table["estimator"] == interpolators.MIXTURE
    parameter = table["parameter"].where(~mixtures, _reversed(table[mixtures], "parameter"))
    return replaced(tables, interpolators=table.assign(parameter=parameter))


def one_off_twice(tables: Tables) -> Tables:
    """Rows with a one-off feature are followed as if it had occurred twice."""
    table = tables["influence"]
    lam = table["lam"]
    hat = table["hat_once"] + 2 / (2 + lam) - 1 / (1 + lam)
    return replaced(tables, influence=table.assign(hat_once=hat))


def residual_of_training(tables: Tables) -> Tables:
    """The leave-one-out residual is the training residual."""
    table = tables["leave_one_out"]
    return replaced(tables, leave_one_out=table.assign(residual=table["train_error"]))


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
damage_exchanged = exchanged(
    "network", "evaluation_set", triples.TWO_GLYPHS.name, triples.IN_DISTRIBUTION.name
)


def decay_exchanged(tables: Tables) -> Tables:
    """Networks with and without weight decay are exchanged in every second replicate."""
    table = tables["network"]
    decay = table.loc[table["training_set"] == SWEEP, "weight_decay"].max()
    return exchanged("network", "weight_decay", 0.0, decay)(tables)


def counts_reversed(tables: Tables) -> Tables:
    """In every second replicate the numbers of training triples with a 9 run backwards."""
    table = tables["network"]
    sweep = table["training_set"] == SWEEP
    counts = table["nines"].where(~sweep, _reversed(table[sweep], "nines"))
    return replaced(tables, network=table.assign(nines=counts))


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
kernel_damage_exchanged = exchanged(
    "kernel", "evaluation_set", triples.TWO_GLYPHS.name, triples.IN_DISTRIBUTION.name
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
    table = tables["kernel"]
    penalties = table.loc[table["kernel"] == kernel.MONOLITHIC.name, "lam"]
    return exchanged("kernel", "lam", penalties.min(), penalties.max())(tables)


def kernel_structure_reversed(tables: Tables) -> Tables:
    """In every second replicate the shares ρ of the monolithic kernel run backwards."""
    table = tables["kernel"]
    mixtures = table["kernel"] == kernel.MIXTURE
    rho = table["rho"].where(~mixtures, _reversed(table[mixtures], "rho"))
    return replaced(tables, kernel=table.assign(rho=rho))


def _reversed(rows: pd.DataFrame, column: str) -> pd.Series:
    """A grid, backwards in every second replicate: by the index of `rows`."""
    grid = np.sort(rows[column].unique())
    backwards = rows[column].map(dict(zip(grid, grid[::-1], strict=True)))
    alternate = np.unique(rows["replicate"], return_inverse=True)[1] % 2 == 1
    return rows[column].where(~alternate, backwards)
