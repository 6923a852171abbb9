"""Claims about the stylized problems: the lookup limit, linearized posteriors, components."""

import numpy as np
import pandas as pd

from rote.ledger import Sample
from rote.papers.inversion.statistics.selection import Tables, exactly, select


def _by_width(tables: Tables, problem: str, quantity: str) -> pd.Series:
    """A quantity by width, falling."""
    rows = select(tables, "stylized", problem=problem, quantity=quantity)
    return rows.set_index("sigma")["value"].sort_index(ascending=False)


def lookup_limit(tables: Tables) -> Sample:
    """Wasserstein distance of the exact posterior to the lookup at the smallest width.

    Over σ √(2/π), the mean absolute value of a Gaussian.
    """
    return exactly(_by_width(tables, "cubic", "transport").iloc[-1] / np.sqrt(2 / np.pi))


def limit_weights(tables: Tables) -> dict[str, Sample]:
    """Largest deviation of the lookup weights from (0, ½, ½, 0, 0) and (1, 0, 0, 0, 0)."""
    expected = {"cubic": [0, 0.5, 0.5, 0, 0], "bent": [1, 0, 0, 0, 0]}
    samples = {}
    for problem, limit in expected.items():
        weights = [_by_width(tables, problem, f"weight_{n}").iloc[0] for n in range(5)]
        samples[problem] = exactly(np.abs(np.array(weights) - limit).max())
    return samples


def linear_exact(tables: Tables) -> dict[str, Sample]:
    """Total variation between exact posterior and mixture, linear operator, by width."""
    distances = _by_width(tables, "linear", "distance")
    return {f"σ = {sigma:g}": exactly(value) for sigma, value in distances.items()}


def linearized_converges(tables: Tables) -> dict[str, Sample]:
    """The largest ratio of the distance at one width to that at the next larger one."""
    samples = {}
    for problem in ("cubic", "bent"):
        distances = _by_width(tables, problem, "distance").to_numpy()
        samples[problem] = exactly((distances[1:] / distances[:-1]).max())
    return samples


def linearized_close(tables: Tables) -> dict[str, Sample]:
    """The distance at σ = 0.05."""
    return {
        problem: exactly(_by_width(tables, problem, "distance").loc[0.05])
        for problem in ("cubic", "bent")
    }


def determinant_matters(tables: Tables) -> dict[str, Sample]:
    """Distance without the determinant over that with it, one dimension, σ = 0.5 and 0.3."""
    without = _by_width(tables, "cubic", "distance_without_determinant")
    ratio = without / _by_width(tables, "cubic", "distance")
    return {f"σ = {sigma:g}": exactly(ratio.loc[sigma]) for sigma in (0.5, 0.3)}


def shift_formula(tables: Tables) -> Sample:
    """Relative error of the predicted shift of a component, σ = 0.05."""
    return exactly(_by_width(tables, "cubic", "shift_error").loc[0.05])


def pull_to_example(tables: Tables) -> Sample:
    """Smallest increase of the posterior mean's distance to the truth from width to width."""
    distances = _by_width(tables, "bent", "mean_distance")
    return exactly(np.diff(distances[distances.index >= 0.02].to_numpy()).min())


def sampling_agrees(tables: Tables) -> dict[str, Sample]:
    """Difference of sampled and exact mean in standard errors, by problem, width and method."""
    key = ["problem", "sigma", "replicate", "coordinate"]
    rows = tables["sampling"]
    exact = rows[rows["method"] == "grid"].set_index(key)["mean"]
    sampled = rows[rows["method"] != "grid"]
    samples = {}
    for (problem, sigma, method), group in sampled.groupby(["problem", "sigma", "method"]):
        group = group.set_index(key)
        errors = (group["mean"] - exact).dropna() / group["error"]
        samples[f"{problem}, σ = {sigma:g}, {method}"] = Sample(errors.abs().to_numpy())
    return samples


def chains_mix(tables: Tables) -> dict[str, Sample]:
    """Split R-hat of the chains, by problem and width."""
    rows = select(tables, "sampling", method="chains")
    return {
        f"{problem}, σ = {sigma:g}": Sample(group["split_r"].to_numpy())
        for (problem, sigma), group in rows.groupby(["problem", "sigma"])
    }


def _components(tables: Tables) -> dict[int, pd.DataFrame]:
    """Effective components by N, widths rising."""
    groups = tables["components"].groupby("examples")
    return {int(number): rows.sort_values("sigma") for number, rows in groups}


def all_components(tables: Tables) -> dict[str, Sample]:
    """Effective components over N at the largest width."""
    return {
        f"N = {number}": exactly(rows["effective"].iloc[-1] / number)
        for number, rows in _components(tables).items()
    }


def one_component(tables: Tables) -> Sample:
    """Effective components at the smallest width, N = 5."""
    return exactly(_components(tables)[5]["effective"].iloc[0])


def critical_width(tables: Tables) -> dict[str, Sample]:
    """Effective components at the predicted critical width over those at the smallest."""
    samples = {}
    for number, rows in _components(tables).items():
        critical = np.interp(rows["critical"].iloc[0], rows["sigma"], rows["effective"])
        samples[f"N = {number}"] = exactly(critical / rows["effective"].iloc[0])
    return samples
