"""What the claims measure: functions from tables to replicate values."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.resmem import tasks
from rote.papers.resmem.measures import (
    Tables,
    largest_memory,
    main_risks,
    of_arm,
    of_task,
    risk_slopes,
)
from rote.theory import lookup

LOW_DIMENSIONS = 3  # up to which risks meet their leading term
NOISY_EXAMPLES = 30_000
TAIL_SIZES = (1000, 4000, 16_000)
FINE_WIDTHS = (2, 4, 8)
TEXT_ROWS = (20_000, 80_000)
SCORED_UNITS = (16, 64)
SPURIOUS_SIZES = (4000, 16_000)


# ---- theory


def plateau(tables: Tables) -> dict[str, Sample]:
    """Risk of the base over its limit, largest n."""
    samples = {}
    for dimension, rows in main_risks(tables).groupby("dimension"):
        rows = rows[rows["examples"] == rows["examples"].max()]
        limit = lookup.plateau(dimension, float(rows["norm"].iloc[0]))
        samples[f"d = {dimension}"] = Sample(rows["base"].to_numpy() / limit)
    return samples


def base_slope(tables: Tables) -> dict[str, Sample]:
    """Log-log slope of the base's risk, n ≥ 300."""
    return {
        f"d = {dimension}": Sample(rows["base"].to_numpy())
        for dimension, rows in risk_slopes(tables).groupby("dimension")
    }


def rate(tables: Tables) -> dict[str, Sample]:
    """Log-log slope of ResMem's risk minus −2/d, n ≥ 300."""
    return {
        f"d = {dimension}": Sample(rows["resmem"].to_numpy() + 2 / dimension)
        for dimension, rows in risk_slopes(tables).groupby("dimension")
    }


def leading_low(tables: Tables) -> dict[str, Sample]:
    """ResMem's risk over its leading term, largest n, d ≤ 3."""
    rows = main_risks(tables)
    return _leading(rows[rows["dimension"] <= LOW_DIMENSIONS])


def leading_high(tables: Tables) -> dict[str, Sample]:
    """The same for d > 3."""
    rows = main_risks(tables)
    rows = rows[rows["dimension"] > LOW_DIMENSIONS]
    if rows.empty:
        raise KeyError("dimensions above 3")
    return _leading(rows)


def _leading(risks: pd.DataFrame) -> dict[str, Sample]:
    samples = {}
    for dimension, rows in risks.groupby("dimension"):
        rows = rows[rows["examples"] == rows["examples"].max()]
        norm = float(rows["norm"].iloc[0])
        leading = lookup.leading(rows["examples"].to_numpy(), dimension, norm)
        samples[f"d = {dimension}"] = Sample(rows["resmem"].to_numpy() / leading)
    return samples


def over_nearest(tables: Tables) -> dict[str, Sample]:
    """ResMem's risk over that of the nearest label, over (1 − L)², three dimensions, n ≥ 3000."""
    rows = tables["risks"]
    rows = rows[(rows["dimension"] == 3) & (rows["examples"] >= 3000)]
    if rows.empty:
        raise KeyError("n of at least 3000 in three dimensions")
    varied = rows["norm"] != rows["norm"].mode().iloc[0]
    rows = rows[rows["examples"] == rows.loc[varied, "examples"].max()]
    ratio = rows["resmem"] / rows["nearest"] / (1 - rows["norm"]) ** 2
    return {
        f"L = {norm:g}": Sample(ratio[rows["norm"] == norm].to_numpy())
        for norm in sorted(rows["norm"].unique())
    }


def below_bound(tables: Tables) -> dict[str, Sample]:
    """Largest ratio of ResMem's risk to the published bound without its constant, by dimension."""
    samples = {}
    for dimension, rows in main_risks(tables).groupby("dimension"):
        norm = float(rows["norm"].iloc[0])
        bound = lookup.bound(rows["examples"].to_numpy(), dimension, norm)
        ratio = (rows["resmem"] / bound).groupby(rows["replicate"]).max()
        samples[f"d = {dimension}"] = Sample(ratio.to_numpy())
    return samples


def _noisy(tables: Tables, tau: float, k: int) -> np.ndarray:
    """Risks at n = 30,000, by replicate; k = 0 is the base."""
    rows = tables["noisy"]
    rows = rows[rows["examples"] == NOISY_EXAMPLES]
    rows = rows[np.isclose(rows["noise"], tau) & (rows["k"] == k)]
    if rows.empty:
        raise KeyError(f"n = {NOISY_EXAMPLES}, tau = {tau:g}, k = {k}")
    return rows.sort_values("replicate")["risk"].to_numpy()


def noise_cost(tables: Tables) -> dict[str, Sample]:
    """(Risk at noise τ − risk without) / τ², one neighbor, n = 30,000."""
    return {
        f"tau = {tau:g}": Sample((_noisy(tables, tau, 1) - _noisy(tables, 0, 1)) / tau**2)
        for tau in (0.2, 0.3, 0.5)
    }


def crossover_below(tables: Tables) -> Sample:
    """Risk with one neighbor over the base's, τ = 0.3, n = 30,000."""
    return Sample(_noisy(tables, 0.3, 1) / _noisy(tables, 0.3, 0))


def crossover_above(tables: Tables) -> Sample:
    """The same at τ = 0.5."""
    return Sample(_noisy(tables, 0.5, 1) / _noisy(tables, 0.5, 0))


def averaging(tables: Tables) -> Sample:
    """The same with 100 neighbors."""
    return Sample(_noisy(tables, 0.5, 100) / _noisy(tables, 0.5, 0))


# ---- accuracies


def _arm(tables: Tables, name: str, task: str, features: str, **fields: Any) -> pd.DataFrame:
    """Rows of a table: of the arm with these fields, and memories of these features.

    Raises:
        KeyError: if the run does not have them.
    """
    rows = of_arm(of_task(tables[name], task), **fields)
    rows = rows[rows["features"] == features]
    if rows.empty:
        raise KeyError(f"{task} with {fields}, {features}")
    return rows


def _gain(rows: pd.DataFrame, over: str = "base") -> np.ndarray:
    """Points of accuracy that ResMem gains over another method, by replicate."""
    rows = rows.sort_values("replicate")
    return 100 * (rows["resmem"] - rows[over]).to_numpy()


def _digits(tables: Tables, features: str, units: int, noise: float = 0.0) -> np.ndarray:
    return _gain(_arm(tables, "accuracy", "digits", features, units=units, noise=noise))


def digits_linear(tables: Tables) -> Sample:
    """Gain over a linear base, memory of the pixels."""
    return Sample(_digits(tables, "inputs", 0))


def digits_small(tables: Tables) -> dict[str, Sample]:
    """Gain with 3, 4 and 8 hidden units, memory of the hidden layer."""
    return {f"{units} units": Sample(_digits(tables, "last", units)) for units in (3, 4, 8)}


def digits_large(tables: Tables) -> Sample:
    """Gain with 64 units, memory of the hidden layer, over the linear base's, of the pixels."""
    return Sample(_digits(tables, "last", 64) / _digits(tables, "inputs", 0).mean())


def _digits_noises(tables: Tables) -> list[float]:
    noises = of_task(tables["accuracy"], "digits")["noise"]
    return sorted(noises[noises > 0].unique())


def digits_noise(tables: Tables) -> dict[str, Sample]:
    """Gain under label noise, linear base."""
    return {
        f"noise {noise:g}": Sample(_digits(tables, "inputs", 0, noise))
        for noise in _digits_noises(tables)
    }


def digits_one_neighbor(tables: Tables) -> dict[str, Sample]:
    """Accuracy with one neighbor at T = 1 minus the base's, label noise of at least 0.1."""
    samples = {}
    for noise in _digits_noises(tables):
        base = _arm(tables, "accuracy", "digits", "inputs", units=0, noise=noise)
        rows = _arm(tables, "sweeps", "digits", "inputs", units=0, noise=noise)
        rows = rows[(rows["over"] == "k") & (rows["value"] == 1)].sort_values("replicate")
        difference = rows["accuracy"].to_numpy() - base.sort_values("replicate")["base"].to_numpy()
        samples[f"noise {noise:g}"] = Sample(100 * difference)
    return samples


def _tail(tables: Tables, examples: int) -> np.ndarray:
    return _gain(_arm(tables, "accuracy", "longtail", "last", units=16, examples=examples))


def tail_gain(tables: Tables) -> Sample:
    """Gain on the long tail at 4,000 images, memory of the hidden layer."""
    return Sample(_tail(tables, 4000))


def tail_rises(tables: Tables) -> dict[str, Sample]:
    """Gain at one training size minus that at the next smaller, long tail."""
    return {
        f"n = {small} to {large}": Sample(_tail(tables, large) - _tail(tables, small))
        for small, large in pairwise(TAIL_SIZES)
    }


def tail_is_rare(tables: Tables) -> Sample:
    """Gain on the rarer half minus that on the commoner, 4,000 images, memory of pixels, points."""
    rows = _arm(tables, "parts", "longtail", "inputs", units=16, examples=4000)
    rows = rows[rows["by"] == "half"].set_index(["part", "replicate"])
    gain = 100 * (rows["resmem"] - rows["base"])
    return Sample((gain["0"] - gain["1"]).to_numpy())


def _fine(tables: Tables, width: int, **fields: Any) -> np.ndarray:
    return _gain(_arm(tables, "accuracy", "fine", "last", width=width, **fields))


def fine_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on coarse and fine classes by width, memory of the last layer."""
    return {f"width {width}": Sample(_fine(tables, width)) for width in FINE_WIDTHS}


def fine_falls(tables: Tables) -> dict[str, Sample]:
    """Gain at one width minus that at twice it."""
    return {
        f"width {narrow} to {wide}": Sample(_fine(tables, narrow) - _fine(tables, wide))
        for narrow, wide in pairwise(FINE_WIDTHS)
    }


def fine_rises(tables: Tables) -> Sample:
    """Gain at 8,000 images minus that at 3,000, width 4."""
    return Sample(_fine(tables, 4) - _fine(tables, 4, examples=3000))


def _coarse(tables: Tables, part: str, width: int) -> np.ndarray:
    rows = _arm(tables, "parts", "fine", "last", width=width)
    rows = rows[(rows["by"] == "coarse") & (rows["part"] == part)]
    return rows.sort_values("replicate")["share"].to_numpy()


def fixed_within(tables: Tables) -> dict[str, Sample]:
    """Share of the errors fixed that were in the right coarse class."""
    return {f"width {width}": Sample(_coarse(tables, "fixed", width)) for width in FINE_WIDTHS}


def no_preference(tables: Tables) -> dict[str, Sample]:
    """That share minus the share of all errors."""
    return {
        f"width {width}": Sample(_coarse(tables, "fixed", width) - _coarse(tables, "wrong", width))
        for width in FINE_WIDTHS
    }


def flips(tables: Tables) -> Sample:
    """Errors fixed over answers spoiled, coarse and fine classes, width 2, last layer."""
    rows = _arm(tables, "parts", "fine", "last", width=2)
    shares = rows[rows["by"] == "flips"].pivot(index="replicate", columns="part", values="share")
    return Sample((shares["fixed"] / shares["broken"]).to_numpy())


def _text(tables: Tables, units: int, rows: int) -> np.ndarray:
    arm = _arm(tables, "accuracy", "text", "last", units=units)
    return _gain(_remembering(arm, rows))


def _remembering(arm: pd.DataFrame, rows: int) -> pd.DataFrame:
    arm = arm[arm["rows"] == rows]
    if arm.empty:
        raise KeyError(f"{rows:,} positions")
    return arm


def text_gain(tables: Tables) -> dict[str, Sample]:
    """Gain on next characters, 16 units, by positions remembered."""
    return {f"{rows:,} positions": Sample(_text(tables, 16, rows)) for rows in TEXT_ROWS}


def text_rises(tables: Tables) -> dict[str, Sample]:
    """Gain with 80,000 positions minus that with 20,000."""
    few, many = TEXT_ROWS
    return {
        f"{units} units": Sample(_text(tables, units, many) - _text(tables, units, few))
        for units in (16, 64)
    }


def text_falls(tables: Tables) -> Sample:
    """Gain of 16 units minus that of 64, 80,000 positions."""
    return Sample(_text(tables, 16, max(TEXT_ROWS)) - _text(tables, 64, max(TEXT_ROWS)))


def text_nll(tables: Tables) -> Sample:
    """Negative log-probability of clipped scores minus that of the half-and-half mixture.

    16 units, all positions.
    """
    arm = _arm(tables, "calibration", "text", "last", units=16)
    rows = _remembering(arm, max(TEXT_ROWS))
    nll = rows.pivot(index="replicate", columns="method", values="nll")
    return Sample((nll["ResMem, clipped"] - nll["half and half"]).to_numpy())


# ---- all tasks


def _headlines(tables: Tables, name: str) -> dict[str, pd.DataFrame]:
    """Rows of the smallest base of each task that has a headline, of its largest memory."""
    present = set(tables[name]["task"])
    rows = {}
    for task in tasks.registry().values():
        if task.headline and task.name in present:
            features, fields = task.headline
            rows[task.name] = largest_memory(_arm(tables, name, task.name, features, **fields))
    return rows


def over_knn(tables: Tables) -> dict[str, Sample]:
    """Gain over the memory alone, the same embedding: smallest base of each task."""
    return {
        task: Sample(_gain(rows, over="knn"))
        for task, rows in _headlines(tables, "accuracy").items()
    }


def full_strength(tables: Tables) -> dict[str, Sample]:
    """Accuracy at α = 1 minus the best of α = 0.5 ... 1.5, in points.

    Of the smallest base of each task that has a layer to build a memory on.
    """
    samples = {}
    for task, rows in _headlines(tables, "sweeps").items():
        if tasks.get(task).headline.features != "last":
            continue
        rows = rows[(rows["over"] == "strength") & (rows["value"] >= 0.5)]
        best = rows.groupby("replicate")["accuracy"].max()
        whole = rows[rows["value"] == 1].set_index("replicate")["accuracy"]
        samples[task] = Sample(100 * (whole - best).to_numpy())
    return samples


def _friedman(tables: Tables, other: str) -> np.ndarray:
    rows = tables["regression"]
    rows = rows[rows["data"] == "Friedman"].sort_values("replicate")
    return (rows["resmem"] / rows[other]).to_numpy()


def regression_base(tables: Tables) -> Sample:
    """Friedman's function: ResMem's error over ridge regression's."""
    return Sample(_friedman(tables, "base"))


def regression_knn(tables: Tables) -> Sample:
    """The same over that of the memory alone."""
    return Sample(_friedman(tables, "knn"))


# ---- extensions


def _grown(tables: Tables, kind: str, size: int) -> np.ndarray:
    """Accuracy of a kind of memory of some size, by replicate."""
    rows = tables["growth"]
    rows = rows[(rows["kind"] == kind) & (rows["rows"] == size)]
    if rows.empty:
        raise KeyError(f"{kind}, {size}")
    return rows.sort_values("replicate")["accuracy"].to_numpy()


def growth_rises(tables: Tables) -> dict[str, Sample]:
    """Accuracy at one size of the memory minus that at the next smaller, unseen rows, points."""
    accuracy = {size: _grown(tables, "unseen rows", size) for size in TAIL_SIZES}
    return {
        f"{small} to {large}": Sample(100 * (accuracy[large] - accuracy[small]))
        for small, large in pairwise(TAIL_SIZES)
    }


def unseen_rows(tables: Tables) -> Sample:
    """Unseen rows minus as many of the base's own, points."""
    trained = _grown(tables, "own rows", 1000)
    return Sample(100 * (_grown(tables, "unseen rows", 1000) - trained))


def budget(tables: Tables) -> Sample:
    """Half the rows by largest residual minus half at random, points."""
    random = _grown(tables, "random rows", 500)
    return Sample(100 * (_grown(tables, "largest residuals", 500) - random))


def _crossfit(tables: Tables, tuned: bool) -> np.ndarray:
    rows = tables["crossfit"]
    rows = rows[rows["tuned"] == tuned]
    accuracy = rows.pivot(index="replicate", columns="residuals", values="resmem")
    return 100 * (accuracy["cross-fitted"] - accuracy["in-sample"]).to_numpy()


def crossfit(tables: Tables) -> Sample:
    """Cross-fitted minus in-sample residuals at T = 1, points."""
    return Sample(_crossfit(tables, False))


def crossfit_tuned(tables: Tables) -> Sample:
    """The same with T tuned."""
    return Sample(_crossfit(tables, True))


def _correlations(tables: Tables, column: str, units: int) -> np.ndarray:
    """Rank correlation of a column with the memorization score, by replicate."""
    rows = tables["memorization"]
    rows = rows[rows["units"] == units]
    if rows.empty:
        raise KeyError(f"{units} units")
    return np.array(
        [group[column].corr(group["score"], "spearman") for _, group in rows.groupby("replicate")]
    )


def stored_is_memorized(tables: Tables) -> dict[str, Sample]:
    """Rank correlation of what ResMem stores and the memorization score."""
    return {
        f"{units} units": Sample(_correlations(tables, "weight", units)) for units in SCORED_UNITS
    }


def rare_is_memorized(tables: Tables) -> dict[str, Sample]:
    """Rank correlation of a subpopulation's frequency and the memorization score."""
    return {
        f"{units} units": Sample(_correlations(tables, "frequency", units))
        for units in SCORED_UNITS
    }


def rising_scores(tables: Tables) -> Sample:
    """Rank correlation over images: the score's rise from 4 to 64 units, a memory's gain at 16."""
    correlations = []
    for _, rows in tables["memorization"].groupby("replicate"):
        scores = rows.pivot(index="example", columns="units", values="score")
        if not {4, 64} <= set(scores.columns):
            raise KeyError("4 and 64 units")
        gain = rows[rows["units"] == 16].set_index("example")["gain"]
        pairs = pd.concat([scores[64] - scores[4], gain], axis=1).dropna()
        correlations.append(pairs.iloc[:, 0].corr(pairs.iloc[:, 1], "spearman"))
    return Sample(np.array(correlations))


def _spurious(
    tables: Tables, method: str, examples: int, column: str = "conflicting"
) -> np.ndarray:
    """Accuracy of a method, points, by replicate."""
    rows = tables["spurious"]
    rows = rows[(rows["method"] == method) & (rows["examples"] == examples)]
    if rows.empty:
        raise KeyError(f"{method}, n = {examples}")
    return 100 * rows.sort_values("replicate")[column].to_numpy()


def _spurious_gain(tables: Tables, method: str) -> dict[str, Sample]:
    """Gain of a method over the linear base where the spurious feature conflicts, points."""
    return {
        f"n = {n}": Sample(_spurious(tables, method, n) - _spurious(tables, "base", n))
        for n in SPURIOUS_SIZES
    }


def spurious_memory(tables: Tables) -> dict[str, Sample]:
    """Gain of ResMem over the linear base where the spurious feature conflicts, points."""
    return _spurious_gain(tables, "base, ResMem")


def spurious_aware(tables: Tables) -> dict[str, Sample]:
    """Gain of memorization-aware training over the base where it conflicts, points."""
    return _spurious_gain(tables, "aware")


def spurious_left(tables: Tables) -> dict[str, Sample]:
    """Accuracy of ResMem where it agrees minus where it conflicts, points."""
    method = "base, ResMem"
    return {
        f"n = {n}": Sample(_spurious(tables, method, n, "agreeing") - _spurious(tables, method, n))
        for n in SPURIOUS_SIZES
    }


# ---- tasks that need files


def _mnist(tables: Tables, features: str, over: str = "base", **fields: Any) -> np.ndarray:
    return _gain(_arm(tables, "accuracy", "mnist", features, **fields), over)


def mnist_gain(tables: Tables) -> dict[str, Sample]:
    """Gain by width, memory of the feature map."""
    return {f"width {width}": Sample(_mnist(tables, "map", width=width)) for width in (1, 2)}


def mnist_falls(tables: Tables) -> dict[str, Sample]:
    """Gain at one width, or depth, minus that at the next larger, memory of the feature map."""
    samples = {}
    for field, small, large in (("width", 1, 2), ("width", 2, 4), ("depth", 14, 20)):
        gains = [_mnist(tables, "map", **{field: value}) for value in (small, large)]
        samples[f"{field} {small} to {field} {large}"] = Sample(gains[0] - gains[1])
    return samples


def mnist_rises(tables: Tables) -> Sample:
    """Gain at 7,000 images minus that at 250, width 1, memory of the last layer."""
    return Sample(_mnist(tables, "last", width=1) - _mnist(tables, "last", width=1, examples=250))


def mnist_pixels(tables: Tables) -> dict[str, Sample]:
    """Gain over the memory alone, both of the pixels."""
    return {
        f"width {width}": Sample(_mnist(tables, "inputs", over="knn", width=width))
        for width in (1, 2, 4)
    }


def fashion_control(tables: Tables) -> dict[str, Sample]:
    """Gain by base, memory of the inputs or the last layer: a negative control."""
    linear = _arm(tables, "accuracy", "fashion", "inputs", units=0)
    perceptron = _arm(tables, "accuracy", "fashion", "last", units=32)
    return {"linear": Sample(_gain(linear)), "32 units": Sample(_gain(perceptron))}


def _cifar(tables: Tables, depth: int) -> np.ndarray:
    return _gain(_arm(tables, "accuracy", "cifar", "last", depth=depth))


def cifar_gain(tables: Tables) -> Sample:
    """Gain at depth 8."""
    return Sample(_cifar(tables, 8))


def cifar_falls(tables: Tables) -> Sample:
    """Gain at depth 8 minus that at depth 56."""
    return Sample(_cifar(tables, 8) - _cifar(tables, 56))
