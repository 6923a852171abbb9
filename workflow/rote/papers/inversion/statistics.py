"""What the claims measure: functions from tables to replicate values. What has no randomness counts twice."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.claims import Sample

Tables = Mapping[str, pd.DataFrame]


def _exactly(value: float) -> Sample:
    return Sample(np.full(2, float(value)))


def stylized(tables: Tables, problem: str, quantity: str) -> pd.Series:
    """A quantity by width, falling. Raises KeyError if the run does not hold it."""
    rows = tables["stylized"]
    rows = rows[(rows["problem"] == problem) & (rows["quantity"] == quantity)]
    if rows.empty:
        raise KeyError(f"{quantity} of the {problem} problem")
    return rows.set_index("sigma")["value"].sort_index(ascending=False)


def lookup_limit(tables: Tables) -> Sample:
    """Wasserstein distance of the exact posterior to the lookup at the smallest width, over σ √(2/π)."""
    return _exactly(stylized(tables, "cubic", "transport").iloc[-1] / np.sqrt(2 / np.pi))


def limit_weights(tables: Tables) -> dict[str, Sample]:
    """Largest deviation of the lookup weights from (0, ½, ½, 0, 0) and (1, 0, 0, 0, 0)."""
    found = {}
    for problem, wanted in (("cubic", [0, 0.5, 0.5, 0, 0]), ("bent", [1, 0, 0, 0, 0])):
        weights = [stylized(tables, problem, f"weight {n}").iloc[0] for n in range(5)]
        found[problem] = _exactly(np.abs(np.array(weights) - wanted).max())
    return found


def linear_exact(tables: Tables) -> dict[str, Sample]:
    """Total variation between exact posterior and mixture, linear operator, by width."""
    return {f"σ = {sigma:g}": _exactly(value) for sigma, value in stylized(tables, "linear", "distance").items()}


def linearized_converges(tables: Tables) -> dict[str, Sample]:
    """The largest ratio of the distance at one width to that at the next larger one."""
    found = {}
    for problem in ("cubic", "bent"):
        values = stylized(tables, problem, "distance").to_numpy()
        found[problem] = _exactly((values[1:] / values[:-1]).max())
    return found


def linearized_close(tables: Tables) -> dict[str, Sample]:
    """The distance at σ = 0.05."""
    return {problem: _exactly(stylized(tables, problem, "distance").loc[0.05]) for problem in ("cubic", "bent")}


def determinant_matters(tables: Tables) -> dict[str, Sample]:
    """Distance without the determinant over that with it, one dimension, σ = 0.5 and 0.3."""
    without, with_it = (stylized(tables, "cubic", name) for name in ("distance_without", "distance"))
    return {f"σ = {sigma:g}": _exactly(without.loc[sigma] / with_it.loc[sigma]) for sigma in (0.5, 0.3)}


def shift_formula(tables: Tables) -> Sample:
    """Relative error of the predicted shift of a component, σ = 0.05."""
    return _exactly(stylized(tables, "cubic", "shift_error").loc[0.05])


def sampling_agrees(tables: Tables) -> dict[str, Sample]:
    """Difference of sampled and exact mean in standard errors, by problem, width and method; both coordinates."""
    rows = tables["sampling"]
    exact = rows[rows["method"] == "grid"].set_index(["problem", "sigma", "replicate", "coordinate"])["mean"]
    found = {}
    for (problem, sigma, method), some in rows[rows["method"] != "grid"].groupby(["problem", "sigma", "method"]):
        keyed = some.set_index(["problem", "sigma", "replicate", "coordinate"])
        found[f"{problem}, σ = {sigma:g}, {method}"] = Sample(
            ((keyed["mean"] - exact).dropna() / keyed["error"]).abs().to_numpy()
        )
    return found


def chains_mix(tables: Tables) -> dict[str, Sample]:
    """Split R-hat of the chains."""
    rows = tables["sampling"]
    rows = rows[rows["method"] == "chains"]
    return {
        f"{problem}, σ = {sigma:g}": Sample(some["split_r"].to_numpy())
        for (problem, sigma), some in rows.groupby(["problem", "sigma"])
    }


def pull_to_example(tables: Tables) -> Sample:
    """Smallest increase of the posterior mean's distance to the truth from one width to the next smaller."""
    values = stylized(tables, "bent", "mean_distance")
    values = values[values.index >= 0.02]
    return _exactly(np.diff(values.to_numpy()).min())


def _components(tables: Tables) -> dict[int, pd.DataFrame]:
    return {int(number): some.sort_values("sigma") for number, some in tables["components"].groupby("examples")}


def all_components(tables: Tables) -> dict[str, Sample]:
    """Effective components over N at the largest width."""
    return {f"N = {n}": _exactly(some["effective"].iloc[-1] / n) for n, some in _components(tables).items()}


def one_component(tables: Tables) -> Sample:
    """Effective components at the smallest width, N = 5."""
    return _exactly(_components(tables)[5]["effective"].iloc[0])


def critical_width(tables: Tables) -> dict[str, Sample]:
    """Effective components at the predicted critical width over those at the smallest."""
    found = {}
    for n, some in _components(tables).items():
        there = np.interp(some["critical"].iloc[0], some["sigma"], some["effective"])
        found[f"N = {n}"] = _exactly(there / some["effective"].iloc[0])
    return found


def _check(tables: Tables, name: str) -> dict[str, Sample]:
    rows = tables["operators"]
    return {row.condition: _exactly(row.value) for row in rows[rows["check"] == name].itertuples()}


def helmholtz_order(tables: Tables) -> dict[str, Sample]:
    """Ratio of the errors at one grid and at one twice as fine."""
    return _check(tables, "order")


def adjoint(tables: Tables) -> dict[str, Sample]:
    """Relative error of the gradient."""
    return _check(tables, "adjoint")


def jacobian(tables: Tables) -> dict[str, Sample]:
    """Relative error of the Jacobian."""
    return _check(tables, "jacobian")


def layers(tables: Tables) -> dict[str, Sample]:
    """Relative difference of traces to those of a larger domain."""
    return _check(tables, "layers")


def propagators(tables: Tables) -> dict[str, Sample]:
    """Relative difference of deepwave's and our own traces."""
    return _check(tables, "propagators")


def data_regenerated(tables: Tables) -> dict[str, Sample]:
    """Difference of regenerated and published coefficients."""
    return _check(tables, "published")


def _rates(tables: Tables, kind: str, column: str, number: int) -> np.ndarray:
    rows = tables["rates"]
    rows = rows[(rows["set"] == kind) & (rows["examples"] == number)]
    if rows.empty:
        raise KeyError(f"{kind}, N = {number}")
    return rows.sort_values("replicate")[column].to_numpy()


def rate_null_small(tables: Tables) -> Sample:
    """Share of fresh draws below the published threshold, N = 50."""
    return Sample(_rates(tables, "fresh draws", "ratio_rate", 50))


def rate_null_large(tables: Tables) -> Sample:
    """The same, N = 1000."""
    return Sample(_rates(tables, "fresh draws", "ratio_rate", 1000))


def rate_null_trend(tables: Tables) -> Sample:
    """The first minus the second."""
    return Sample(_rates(tables, "fresh draws", "ratio_rate", 50) - _rates(tables, "fresh draws", "ratio_rate", 1000))


def pair_null(tables: Tables) -> dict[str, Sample]:
    """Share of fresh draws with d₁/d₂ below 1/3, by N."""
    sizes = sorted(tables["rates"]["examples"].unique())
    return {f"N = {n}": Sample(_rates(tables, "fresh draws", "pair_rate", n)) for n in sizes}


def _linearized(tables: Tables, sigma: float, column: str) -> np.ndarray:
    rows = tables["linearized"]
    rows = rows[np.isclose(rows["sigma"], sigma)]
    if rows.empty:
        raise KeyError(f"width {sigma}")
    return rows.sort_values("replicate")[column].to_numpy()


def one_atom(tables: Tables) -> Sample:
    """Largest lookup weight."""
    return Sample(_linearized(tables, 0.0, "weight"))


def atom_misfit(tables: Tables) -> Sample:
    """Misfit of the example that the lookup chooses, over the noise floor."""
    return Sample(_linearized(tables, 0.0, "misfit"))


def tight_proposal(tables: Tables) -> Sample:
    """Effective sample size of the best component as a proposal, σ = 0.01."""
    return Sample(_linearized(tables, 0.01, "effective"))


def tight_shift(tables: Tables) -> Sample:
    """Its shift over the spacing of the examples."""
    return Sample(_linearized(tables, 0.01, "shift") / _linearized(tables, 0.01, "spacing"))


def released_misfit(tables: Tables) -> Sample:
    """Misfit over the noise floor at σ = 0.1 over that at 0.01."""
    return Sample(_linearized(tables, 0.1, "misfit") / _linearized(tables, 0.01, "misfit"))


def released_proposal(tables: Tables) -> Sample:
    """Effective sample size at σ = 0.1."""
    return Sample(_linearized(tables, 0.1, "effective"))


def _schedule(tables: Tables, schedule: str, quantity: str) -> Sample:
    rows = tables["schedules"]
    rows = rows[(rows["schedule"] == schedule) & (rows["quantity"] == quantity)]
    return Sample(rows.sort_values("replicate")["value"].to_numpy())


def terminal_paper(tables: Tables) -> Sample:
    """Variance along the leading direction, published schedule, exact Gaussian denoiser."""
    return _schedule(tables, "paper", "variance")


def terminal_zero(tables: Tables) -> Sample:
    """The same with a schedule that ends in noise."""
    return _schedule(tables, "zero_snr", "variance")


def closed_form_prior(tables: Tables) -> dict[str, Sample]:
    """Largest distance of a sample of the memorized prior to its examples."""
    return {name: _schedule(tables, name, "collapse") for name in ("paper", "zero_snr")}


def exact_sampler(tables: Tables) -> Sample:
    """Total variation of sample frequencies and lookup weights, schedule that ends in noise."""
    return _schedule(tables, "zero_snr", "exact")


def exact_sampler_paper(tables: Tables) -> Sample:
    """The same, published schedule."""
    return _schedule(tables, "paper", "exact")
