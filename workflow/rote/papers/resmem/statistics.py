"""What the claims measure: functions from tables to replicate values."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem.figures.linear import slope
from rote.theory import lookup

Tables = Mapping[str, pd.DataFrame]


# ---- theory
# ----------------------------------------------------------------------------------------------------------


def _risks(tables: Tables) -> pd.DataFrame:
    rows = tables["risks"]
    return rows[rows["norm"] == rows["norm"].mode().iloc[0]]


def plateau(tables: Tables) -> dict[str, Sample]:
    """Risk of the base over its limit, largest n."""
    rows, found = _risks(tables), {}
    for d, some in rows.groupby("dimension"):
        some = some[some["examples"] == some["examples"].max()]
        found[f"d = {d}"] = Sample(
            some["base"].to_numpy() / lookup.plateau(d, float(some["norm"].iloc[0]))
        )
    return found


def base_slope(tables: Tables) -> dict[str, Sample]:
    """Log-log slope of the base's risk, n ≥ 300."""
    return {
        f"d = {d}": Sample(some["base"].to_numpy())
        for d, some in slope(tables).groupby("dimension")
    }


def rate(tables: Tables) -> dict[str, Sample]:
    """Log-log slope of ResMem's risk minus −2/d, n ≥ 300."""
    return {
        f"d = {d}": Sample(some["resmem"].to_numpy() + 2 / d)
        for d, some in slope(tables).groupby("dimension")
    }


def leading_low(tables: Tables) -> dict[str, Sample]:
    """ResMem's risk over its leading term, largest n, d ≤ 3."""
    return {name: sample for name, sample in _leading(tables).items() if int(name.split()[-1]) <= 3}


def leading_high(tables: Tables) -> dict[str, Sample]:
    """The same for d > 3."""
    found = {name: sample for name, sample in _leading(tables).items() if int(name.split()[-1]) > 3}
    if not found:
        raise KeyError("dimensions above 3")
    return found


def _leading(tables: Tables) -> dict[str, Sample]:
    rows, found = _risks(tables), {}
    for d, some in rows.groupby("dimension"):
        some = some[some["examples"] == some["examples"].max()]
        first = lookup.leading(some["examples"].to_numpy(), d, float(some["norm"].iloc[0]))
        found[f"d = {d}"] = Sample(some["resmem"].to_numpy() / first)
    return found


def over_nearest(tables: Tables) -> dict[str, Sample]:
    """ResMem's risk over that of the nearest label, over (1 − L)², three dimensions, n ≥ 3000."""
    rows = tables["risks"]
    rows = rows[(rows["dimension"] == 3) & (rows["examples"] >= 3000)]
    if rows.empty:
        raise KeyError("n of at least 3000 in three dimensions")
    rows = rows[
        rows["examples"] == rows["examples"][rows["norm"] != rows["norm"].mode().iloc[0]].max()
    ]
    ratio = rows["resmem"] / rows["nearest"] / (1 - rows["norm"]) ** 2
    return {
        f"L = {norm:g}": Sample(ratio[rows["norm"] == norm].to_numpy())
        for norm in sorted(rows["norm"].unique())
    }


def below_bound(tables: Tables) -> dict[str, Sample]:
    """Largest ratio of ResMem's risk to the published bound without its constant, by dimension."""
    rows, found = _risks(tables), {}
    for d, some in rows.groupby("dimension"):
        bound = lookup.bound(some["examples"].to_numpy(), d, float(some["norm"].iloc[0]))
        found[f"d = {d}"] = Sample(
            (some["resmem"] / bound).groupby(some["replicate"]).max().to_numpy()
        )
    return found


def _noisy(tables: Tables, n: int, tau: float, k: int) -> np.ndarray:
    rows = tables["noisy"]
    rows = rows[(rows["examples"] == n) & np.isclose(rows["noise"], tau) & (rows["k"] == k)]
    if rows.empty:
        raise KeyError(f"n = {n}, tau = {tau:g}, k = {k}")
    return rows.sort_values("replicate")["risk"].to_numpy()


def noise_cost(tables: Tables) -> dict[str, Sample]:
    """(Risk at noise τ − risk without) / τ², one neighbor, n = 30,000."""
    return {
        f"tau = {tau:g}": Sample(
            (_noisy(tables, 30_000, tau, 1) - _noisy(tables, 30_000, 0, 1)) / tau**2
        )
        for tau in (0.2, 0.3, 0.5)
    }


def crossover_below(tables: Tables) -> Sample:
    """Risk with one neighbor over the base's, τ = 0.3, n = 30,000."""
    return Sample(_noisy(tables, 30_000, 0.3, 1) / _noisy(tables, 30_000, 0.3, 0))


def crossover_above(tables: Tables) -> Sample:
    """The same at τ = 0.5."""
    return Sample(_noisy(tables, 30_000, 0.5, 1) / _noisy(tables, 30_000, 0.5, 0))


def averaging(tables: Tables) -> Sample:
    """The same with 100 neighbors."""
    return Sample(_noisy(tables, 30_000, 0.5, 100) / _noisy(tables, 30_000, 0.5, 0))


# ---- accuracies
# ------------------------------------------------------------------------------------------------------


def _gain(
    tables: Tables, task: str, arm: str, features: str, rows: int | None = None, over: str = "base"
) -> np.ndarray:
    """Points of accuracy that ResMem gains over another method, by replicate."""
    some = tables["accuracy"]
    some = some[(some["task"] == task) & (some["arm"] == arm) & (some["features"] == features)]
    if rows is not None:
        some = some[some["rows"] == rows]
    if some.empty:
        raise KeyError(f"{task}, {arm}, {features}")
    some = some.sort_values("replicate")
    return 100 * (some["resmem"] - some[over]).to_numpy()


def digits_linear(tables: Tables) -> Sample:
    """Gain over a linear base, memory of the pixels."""
    return Sample(_gain(tables, "digits", "linear", "inputs"))


def digits_small(tables: Tables) -> dict[str, Sample]:
    """Gain with 3, 4 and 8 hidden units, memory of the hidden layer."""
    return {f"{n} units": Sample(_gain(tables, "digits", f"{n} units", "last")) for n in (3, 4, 8)}


def digits_large(tables: Tables) -> Sample:
    """Gain with 64 units over that of the linear base, both memories of the pixels' or the only
    layer.
    """
    return Sample(
        _gain(tables, "digits", "64 units", "last")
        / _gain(tables, "digits", "linear", "inputs").mean()
    )


def digits_noise(tables: Tables) -> dict[str, Sample]:
    """Gain under label noise, linear base."""
    rows = tables["accuracy"]
    noises = sorted(rows.loc[(rows["task"] == "digits") & (rows["noise"] > 0), "noise"].unique())
    return {
        f"noise {p:g}": Sample(_gain(tables, "digits", f"linear, noise {p:g}", "inputs"))
        for p in noises
    }


def digits_one_neighbor(tables: Tables) -> dict[str, Sample]:
    """Accuracy with one neighbor at T = 1 minus the base's, label noise of at least 0.1."""
    sweeps, found = tables["sweeps"], {}
    sweeps = sweeps[(sweeps["task"] == "digits") & (sweeps["over"] == "k") & (sweeps["value"] == 1)]
    for arm, some in tables["accuracy"][
        lambda r: (r["task"] == "digits") & (r["noise"] > 0)
    ].groupby("arm", sort=False):
        one = sweeps[sweeps["arm"] == arm].sort_values("replicate")["accuracy"].to_numpy()
        found[arm.removeprefix("linear, ")] = Sample(
            100 * (one - some.sort_values("replicate")["base"].to_numpy())
        )
    return found


def tail_gain(tables: Tables) -> Sample:
    """Gain on the long tail at 4,000 images, memory of the hidden layer."""
    return Sample(_gain(tables, "longtail", "16 units, n = 4000", "last"))


def tail_rises(tables: Tables) -> dict[str, Sample]:
    """Gain at one training size minus that at the next smaller, long tail."""
    gains = {
        n: _gain(tables, "longtail", f"16 units, n = {n}", "last") for n in (1000, 4000, 16_000)
    }
    return {f"n = {a} to {b}": Sample(gains[b] - gains[a]) for a, b in pairwise(gains)}


def tail_is_rare(tables: Tables) -> Sample:
    """Gain on the rarer half minus that on the commoner, 4,000 images, memory of the pixels,
    points.
    """
    rows = tables["parts"]
    rows = rows[
        (rows["task"] == "longtail") & (rows["by"] == "half") & (rows["features"] == "inputs")
    ]
    rows = rows[rows["arm"] == "16 units, n = 4000"]
    if rows.empty:
        raise KeyError("4,000 images of the long tail")
    gain = 100 * (rows["resmem"] - rows["base"]).groupby([rows["part"], rows["replicate"]]).first()
    return Sample((gain["0"] - gain["1"]).to_numpy())


def fine_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on coarse and fine classes by width, memory of the last layer."""
    return {f"width {w}": Sample(_gain(tables, "fine", f"width {w}", "last")) for w in (2, 4, 8)}


def fine_falls(tables: Tables) -> dict[str, Sample]:
    """Gain at one width minus that at twice it."""
    gains = {w: _gain(tables, "fine", f"width {w}", "last") for w in (2, 4, 8)}
    return {f"width {a} to {b}": Sample(gains[a] - gains[b]) for a, b in pairwise(gains)}


def fine_rises(tables: Tables) -> Sample:
    """Gain at 8,000 images minus that at 3,000, width 4."""
    return Sample(
        _gain(tables, "fine", "width 4", "last")
        - _gain(tables, "fine", "width 4, n = 3000", "last")
    )


def _coarse(tables: Tables, part: str, width: int) -> np.ndarray:
    rows = tables["parts"]
    rows = rows[(rows["task"] == "fine") & (rows["by"] == "coarse") & (rows["part"] == part)]
    rows = rows[(rows["features"] == "last") & (rows["arm"] == f"width {width}")]
    if rows.empty:
        raise KeyError(f"width {width}")
    return rows.sort_values("replicate")["share"].to_numpy()


def fixed_within(tables: Tables) -> dict[str, Sample]:
    """Share of the errors fixed that were in the right coarse class."""
    return {f"width {w}": Sample(_coarse(tables, "fixed", w)) for w in (2, 4, 8)}


def no_preference(tables: Tables) -> dict[str, Sample]:
    """That share minus the share of all errors."""
    return {
        f"width {w}": Sample(_coarse(tables, "fixed", w) - _coarse(tables, "wrong", w))
        for w in (2, 4, 8)
    }


def flips(tables: Tables) -> Sample:
    """Errors fixed over answers spoiled, coarse and fine classes, width 2, last layer."""
    rows = tables["parts"]
    rows = rows[(rows["task"] == "fine") & (rows["by"] == "flips") & (rows["features"] == "last")]
    rows = rows[rows["arm"] == "width 2"].pivot(index="replicate", columns="part", values="share")
    if rows.empty:
        raise KeyError("width 2")
    return Sample((rows["fixed"] / rows["broken"]).to_numpy())


def text_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on next characters, 16 units, by positions remembered."""
    return {
        f"{n:,} positions": Sample(_gain(tables, "text", "16 units", "last", n))
        for n in (20_000, 80_000)
    }


def text_rises(tables: Tables) -> dict[str, Sample]:
    """Gain with 80,000 positions minus that with 20,000."""
    return {
        f"{h} units": Sample(
            _gain(tables, "text", f"{h} units", "last", 80_000)
            - _gain(tables, "text", f"{h} units", "last", 20_000)
        )
        for h in (16, 64)
    }


def text_falls(tables: Tables) -> Sample:
    """Gain of 16 units minus that of 64, 80,000 positions."""
    return Sample(
        _gain(tables, "text", "16 units", "last", 80_000)
        - _gain(tables, "text", "64 units", "last", 80_000)
    )


def text_nll(tables: Tables) -> Sample:
    """Negative log-probability of clipped scores minus that of the half-and-half mixture, 16 units,
    all positions.
    """
    rows = tables["calibration"]
    rows = rows[(rows["task"] == "text") & (rows["arm"] == "16 units") & (rows["rows"] == 80_000)]
    if rows.empty:
        raise KeyError("80,000 positions")
    by = rows.pivot(index="replicate", columns="method", values="nll")
    return Sample((by["ResMem, clipped"] - by["half and half"]).to_numpy())


def over_knn(tables: Tables) -> dict[str, Sample]:
    """Gain over the memory alone, the same embedding: one row per task, smallest base."""
    found = {}
    for task, arm, kind in (
        ("digits", "linear", "inputs"),
        ("longtail", "16 units, n = 4000", "last"),
        ("fine", "width 2", "last"),
        ("text", "16 units", "last"),
    ):
        rows = tables["accuracy"]
        some = rows[(rows["task"] == task) & (rows["arm"] == arm)]
        if some.empty:
            raise KeyError(f"{task}, {arm}")
        found[task] = Sample(_gain(tables, task, arm, kind, int(some["rows"].max()), "knn"))
    return found


def _regression(tables: Tables, other: str) -> Sample:
    rows = tables["regression"]
    rows = rows[rows["data"] == "Friedman"].sort_values("replicate")
    return Sample((rows["resmem"] / rows[other]).to_numpy())


def regression_base(tables: Tables) -> Sample:
    """Friedman's function: ResMem's error over ridge regression's."""
    return _regression(tables, "base")


def regression_knn(tables: Tables) -> Sample:
    """The same over that of the memory alone."""
    return _regression(tables, "knn")


# ---- extensions
# ------------------------------------------------------------------------------------------------------


def full_strength(tables: Tables) -> dict[str, Sample]:
    """Accuracy at α = 1 minus the best of α = 0.5 ... 1.5, points, smallest base of each task."""
    rows, found = tables["sweeps"], {}
    rows = rows[(rows["over"] == "strength") & (rows["value"] >= 0.5)]
    for task, arm, kind in (
        ("longtail", "16 units, n = 4000", "last"),
        ("fine", "width 2", "last"),
        ("text", "16 units", "last"),
    ):
        some = rows[(rows["task"] == task) & (rows["arm"] == arm) & (rows["features"] == kind)]
        if some.empty:
            raise KeyError(f"{task}, {arm}")
        some = some[some["rows"] == some["rows"].max()]
        best = some.groupby("replicate")["accuracy"].max()
        found[task] = Sample(
            100 * (some[some["value"] == 1].set_index("replicate")["accuracy"] - best).to_numpy()
        )
    return found


def _grown(tables: Tables, kind: str, rows: int) -> np.ndarray:
    some = tables["growth"]
    some = some[(some["kind"] == kind) & (some["rows"] == rows)]
    if some.empty:
        raise KeyError(f"{kind}, {rows}")
    return some.sort_values("replicate")["accuracy"].to_numpy()


def growth_rises(tables: Tables) -> dict[str, Sample]:
    """Accuracy at one size of the memory minus that at the next smaller, unseen rows, points."""
    sizes = (1000, 4000, 16_000)
    return {
        f"{a} to {b}": Sample(
            100 * (_grown(tables, "unseen rows", b) - _grown(tables, "unseen rows", a))
        )
        for a, b in pairwise(sizes)
    }


def unseen_rows(tables: Tables) -> Sample:
    """Unseen rows minus as many of the base's own, points."""
    return Sample(100 * (_grown(tables, "unseen rows", 1000) - _grown(tables, "own rows", 1000)))


def budget(tables: Tables) -> Sample:
    """Half the rows by largest residual minus half at random, points."""
    return Sample(
        100 * (_grown(tables, "largest residuals", 500) - _grown(tables, "random rows", 500))
    )


def _crossfit(tables: Tables, tuned: bool) -> np.ndarray:
    rows = tables["crossfit"]
    by = rows[rows["tuned"] == tuned].pivot(index="replicate", columns="residuals", values="resmem")
    return 100 * (by["cross-fitted"] - by["in-sample"]).to_numpy()


def crossfit(tables: Tables) -> Sample:
    """Cross-fitted minus in-sample residuals at T = 1, points."""
    return Sample(_crossfit(tables, False))


def crossfit_tuned(tables: Tables) -> Sample:
    """The same with T tuned."""
    return Sample(_crossfit(tables, True))


def _correlations(tables: Tables, a: str, b: str, units: int) -> np.ndarray:
    rows = tables["memorization"]
    rows = rows[rows["units"] == units]
    if rows.empty:
        raise KeyError(f"{units} units")
    return np.array([some[a].corr(some[b], "spearman") for _, some in rows.groupby("replicate")])


def stored_is_memorized(tables: Tables) -> dict[str, Sample]:
    """Rank correlation of what ResMem stores and the memorization score."""
    return {
        f"{units} units": Sample(_correlations(tables, "weight", "score", units))
        for units in (16, 64)
    }


def rare_is_memorized(tables: Tables) -> dict[str, Sample]:
    """Rank correlation of a subpopulation's frequency and the memorization score."""
    return {
        f"{units} units": Sample(_correlations(tables, "frequency", "score", units))
        for units in (16, 64)
    }


def rising_scores(tables: Tables) -> Sample:
    """Rank correlation, over images, of the score's rise from 4 to 64 units with a memory's gain at
    16.
    """
    rows, found = tables["memorization"], []
    for _, some in rows.groupby("replicate"):
        wide = some.pivot(index="example", columns="units", values="score")
        if not {4, 64} <= set(wide.columns):
            raise KeyError("4 and 64 units")
        gain = some[some["units"] == 16].set_index("example")["gain"]
        both = pd.concat([wide[64] - wide[4], gain], axis=1).dropna()
        found.append(both.iloc[:, 0].corr(both.iloc[:, 1], "spearman"))
    return Sample(np.array(found))


def _conflicting(tables: Tables, method: str, n: int, column: str = "conflicting") -> np.ndarray:
    rows = tables["spurious"]
    rows = rows[(rows["method"] == method) & (rows["examples"] == n)]
    if rows.empty:
        raise KeyError(f"{method}, n = {n}")
    return 100 * rows.sort_values("replicate")[column].to_numpy()


def spurious_memory(tables: Tables) -> dict[str, Sample]:
    """Gain of ResMem over the linear base where the spurious feature conflicts, points."""
    return {
        f"n = {n}": Sample(
            _conflicting(tables, "base, ResMem", n) - _conflicting(tables, "base", n)
        )
        for n in (4000, 16_000)
    }


def spurious_left(tables: Tables) -> dict[str, Sample]:
    """Accuracy of ResMem where it agrees minus where it conflicts, points."""
    method = "base, ResMem"
    return {
        f"n = {n}": Sample(
            _conflicting(tables, method, n, "agreeing") - _conflicting(tables, method, n)
        )
        for n in (4000, 16_000)
    }


def spurious_aware(tables: Tables) -> dict[str, Sample]:
    """Gain of memorization-aware training over the base where it conflicts, points."""
    return {
        f"n = {n}": Sample(_conflicting(tables, "aware", n) - _conflicting(tables, "base", n))
        for n in (4000, 16_000)
    }


# ---- MNIST, where its files are given
# --------------------------------------------------------------------------------


def mnist_gain(tables: Tables) -> dict[str, Sample]:
    """Gain by width, memory of the feature map."""
    return {f"width {w}": Sample(_gain(tables, "mnist", f"width {w}", "map")) for w in (1, 2)}


def mnist_falls(tables: Tables) -> dict[str, Sample]:
    """Gain at one width, or depth, minus that at the next larger, memory of the feature map."""
    names = {"width 1": "width 2", "width 2": "width 4", "depth 14": "depth 20"}
    return {
        f"{a} to {b}": Sample(_gain(tables, "mnist", a, "map") - _gain(tables, "mnist", b, "map"))
        for a, b in names.items()
    }


def mnist_rises(tables: Tables) -> Sample:
    """Gain at 7,000 images minus that at 250, width 1, memory of the last layer."""
    return Sample(
        _gain(tables, "mnist", "width 1", "last") - _gain(tables, "mnist", "n = 250", "last")
    )


def mnist_pixels(tables: Tables) -> dict[str, Sample]:
    """Gain over the memory alone, both of the pixels."""
    return {
        f"width {w}": Sample(_gain(tables, "mnist", f"width {w}", "inputs", over="knn"))
        for w in (1, 2, 4)
    }


# ---- Fashion-MNIST, a negative control
# -------------------------------------------------------------------------------


def fashion_control(tables: Tables) -> dict[str, Sample]:
    """Gain by base, memory of the inputs or the last layer."""
    shown = {"linear": "inputs", "32 units": "last"}
    return {arm: Sample(_gain(tables, "fashion", arm, kind)) for arm, kind in shown.items()}


# ---- CIFAR-100, the paper's own setting
# ------------------------------------------------------------------------------


def cifar_gain(tables: Tables) -> Sample:
    """Gain at depth 8."""
    return Sample(_gain(tables, "cifar", "depth 8", "last"))


def cifar_falls(tables: Tables) -> Sample:
    """Gain at depth 8 minus that at depth 56."""
    return Sample(
        _gain(tables, "cifar", "depth 8", "last") - _gain(tables, "cifar", "depth 56", "last")
    )
