"""Claims about the stylized problems: the lookup limit, linearized posteriors, components.

All but the two on sampling are single computations: their statistics return numbers, not
replicates.
"""

import numpy as np
import pandas as pd

from rote.papers.inversion.statistics.selection import Tables, Values, select

NONLINEAR = ("cubic", "bent")


def _by_width(tables: Tables, problem: str, quantity: str) -> pd.Series:
    """A quantity by width, falling."""
    rows = select(tables, "stylized", problem=problem, quantity=quantity)
    return rows.set_index("sigma")["value"].sort_index(ascending=False)


def lookup_limit(tables: Tables) -> np.ndarray:
    """Wasserstein distance of the exact posterior to the lookup at the smallest width.

    Over σ √(2/π), σ times the mean absolute value of a standard Gaussian.
    """
    return _by_width(tables, "cubic", "transport").to_numpy()[-1:] / np.sqrt(2 / np.pi)


def limit_weights(tables: Tables) -> Values:
    """Deviations of the lookup weights from (0, ½, ½, 0, 0) and (1, 0, 0, 0, 0)."""
    expected = {"cubic": [0, 0.5, 0.5, 0, 0], "bent": [1, 0, 0, 0, 0]}
    deviations = {}
    for problem, limit in expected.items():
        weights = [_by_width(tables, problem, f"weight_{n}").iloc[0] for n in range(5)]
        deviations[problem] = np.abs(np.array(weights) - limit)
    return deviations


def linearized_converges(tables: Tables) -> Values:
    """Ratios of the distance at one width to that at the next larger one, every width."""
    ratios = {}
    for problem in NONLINEAR:
        distances = _by_width(tables, problem, "distance").to_numpy()
        ratios[problem] = distances[1:] / distances[:-1]
    return ratios


def linearized_close(tables: Tables) -> Values:
    """The distance at σ = 0.05."""
    return {
        problem: np.array([_by_width(tables, problem, "distance").loc[0.05]])
        for problem in NONLINEAR
    }


def determinant_matters(tables: Tables) -> Values:
    """Distance without the determinant over that with it, one dimension, σ = 0.5 and 0.3."""
    without = _by_width(tables, "cubic", "distance_without_determinant")
    ratio = without / _by_width(tables, "cubic", "distance")
    return {f"σ = {sigma:g}": np.array([ratio.loc[sigma]]) for sigma in (0.5, 0.3)}


def shift_formula(tables: Tables) -> np.ndarray:
    """Relative error of the predicted shift of a component, σ = 0.05."""
    return np.array([_by_width(tables, "cubic", "shift_error").loc[0.05]])


def pull_to_example(tables: Tables) -> np.ndarray:
    """Increases of the posterior mean's distance to the truth from width to width."""
    return np.diff(_by_width(tables, "bent", "mean_distance").to_numpy())


def sampling_agrees(tables: Tables) -> Values:
    """Sampled minus exact mean and variance by problem, width, method and coordinate."""
    key = ["problem", "sigma", "replicate", "coordinate"]
    moments = ["mean", "variance"]
    rows = tables["sampling"]
    exact = rows[rows["method"] == "grid"].set_index(key)[moments]
    sampled = rows[rows["method"] != "grid"]
    differences = {}
    for names, group in sampled.groupby(["problem", "sigma", "method", "coordinate"]):
        problem, sigma, method, coordinate = names
        label = f"{problem}, σ = {sigma:g}, {method}, x{coordinate + 1}"
        off = (group.set_index(key)[moments] - exact).dropna()
        differences |= {f"{label}, {moment}": off[moment].to_numpy() for moment in moments}
    return differences


def chains_mix(tables: Tables) -> Values:
    """Split R-hat of the chains, by problem, width and coordinate."""
    rows = select(tables, "sampling", method="chains")
    return {
        f"{problem}, σ = {sigma:g}, x{coordinate + 1}": group["split_r"].to_numpy()
        for (problem, sigma, coordinate), group in rows.groupby(["problem", "sigma", "coordinate"])
    }


def _components(tables: Tables) -> dict[int, pd.DataFrame]:
    """Effective components by N, widths rising."""
    groups = tables["components"].groupby("examples")
    return {int(number): rows.sort_values("sigma") for number, rows in groups}


def all_components(tables: Tables) -> Values:
    """Effective components over N at the largest width."""
    return {
        f"N = {number}": rows["effective"].to_numpy()[-1:] / number
        for number, rows in _components(tables).items()
    }


def one_component(tables: Tables) -> np.ndarray:
    """Effective components at the smallest width, N = 5."""
    return _components(tables)[5]["effective"].to_numpy()[:1]


def critical_width(tables: Tables) -> Values:
    """Effective components at the predicted critical width over those at the smallest."""
    ratios = {}
    for number, rows in _components(tables).items():
        critical = np.interp(rows["critical"].iloc[0], rows["sigma"], rows["effective"])
        ratios[f"N = {number}"] = np.array([critical / rows["effective"].iloc[0]])
    return ratios
