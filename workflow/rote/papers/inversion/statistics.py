"""What the claims measure: functions from tables to replicate values. What has no randomness counts
twice.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from rote.ledger import Sample

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
    """Wasserstein distance of the exact posterior to the lookup at the smallest width, over σ
    √(2/π).
    """
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
    return {
        f"σ = {sigma:g}": _exactly(value)
        for sigma, value in stylized(tables, "linear", "distance").items()
    }


def linearized_converges(tables: Tables) -> dict[str, Sample]:
    """The largest ratio of the distance at one width to that at the next larger one."""
    found = {}
    for problem in ("cubic", "bent"):
        values = stylized(tables, problem, "distance").to_numpy()
        found[problem] = _exactly((values[1:] / values[:-1]).max())
    return found


def linearized_close(tables: Tables) -> dict[str, Sample]:
    """The distance at σ = 0.05."""
    return {
        problem: _exactly(stylized(tables, problem, "distance").loc[0.05])
        for problem in ("cubic", "bent")
    }


def determinant_matters(tables: Tables) -> dict[str, Sample]:
    """Distance without the determinant over that with it, one dimension, σ = 0.5 and 0.3."""
    without, with_it = (
        stylized(tables, "cubic", name) for name in ("distance_without", "distance")
    )
    return {
        f"σ = {sigma:g}": _exactly(without.loc[sigma] / with_it.loc[sigma]) for sigma in (0.5, 0.3)
    }


def shift_formula(tables: Tables) -> Sample:
    """Relative error of the predicted shift of a component, σ = 0.05."""
    return _exactly(stylized(tables, "cubic", "shift_error").loc[0.05])


def sampling_agrees(tables: Tables) -> dict[str, Sample]:
    """Difference of sampled and exact mean in standard errors, by problem, width and method; both
    coordinates.
    """
    rows = tables["sampling"]
    exact = rows[rows["method"] == "grid"].set_index(
        ["problem", "sigma", "replicate", "coordinate"]
    )["mean"]
    found = {}
    for (problem, sigma, method), some in rows[rows["method"] != "grid"].groupby(
        ["problem", "sigma", "method"]
    ):
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
    """Smallest increase of the posterior mean's distance to the truth from one width to the next
    smaller.
    """
    values = stylized(tables, "bent", "mean_distance")
    values = values[values.index >= 0.02]
    return _exactly(np.diff(values.to_numpy()).min())


def _components(tables: Tables) -> dict[int, pd.DataFrame]:
    return {
        int(number): some.sort_values("sigma")
        for number, some in tables["components"].groupby("examples")
    }


def all_components(tables: Tables) -> dict[str, Sample]:
    """Effective components over N at the largest width."""
    return {
        f"N = {n}": _exactly(some["effective"].iloc[-1] / n)
        for n, some in _components(tables).items()
    }


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


def layers(tables: Tables) -> Sample:
    """Relative difference of traces to those of a larger domain, deepwave with 10 cells."""
    return _check(tables, "layers")["deepwave, 10 cells"]


def own_layers(tables: Tables) -> Sample:
    """The same of our own propagator with 20 cells."""
    return _check(tables, "layers")["own, 20 cells"]


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
    return Sample(
        _rates(tables, "fresh draws", "ratio_rate", 50)
        - _rates(tables, "fresh draws", "ratio_rate", 1000)
    )


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


# ---- trained priors
# --------------------------------------------------------------------------------------------------


def _networks(
    tables: Tables, prediction: str, number: int, column: str, brief: bool = False
) -> np.ndarray:
    """A column of the networks trained in full (or briefly) on one number of examples, by
    replicate.
    """
    rows = tables["networks"]
    rows = rows[rows["prediction"] == prediction]
    durations = rows["steps"].unique()
    rows = rows[
        (rows["steps"] == (durations.min() if brief else durations.max()))
        & (rows["examples"] == number)
    ]
    if rows.empty or (brief and len(durations) < 2):
        raise KeyError(f"{prediction}, N = {number}")
    return rows.sort_values("replicate")[column].to_numpy()


def transition_small(tables: Tables) -> Sample:
    """Share of samples with d₁/d₂ < 1/3, N = 50, networks that predict the clean point."""
    return Sample(_networks(tables, "clean", 50, "pair_rate"))


def transition_large(tables: Tables) -> dict[str, Sample]:
    """The same for N = 500 and 1000."""
    return {f"N = {n}": Sample(_networks(tables, "clean", n, "pair_rate")) for n in (500, 1000)}


def transition_noise(tables: Tables) -> dict[str, Sample]:
    """The same for networks that predict the noise, every N."""
    sizes = sorted(tables["networks"]["examples"].unique())
    return {f"N = {n}": Sample(_networks(tables, "noise", n, "pair_rate")) for n in sizes}


def transition_falls(tables: Tables) -> dict[str, Sample]:
    """Share at one N minus that at the next larger, clean networks."""
    sizes = sorted(tables["networks"]["examples"].unique())
    rates = {n: _networks(tables, "clean", n, "pair_rate") for n in sizes}
    return {f"N = {a} to {b}": Sample(rates[a] - rates[b]) for a, b in pairwise(sizes)}


def transition_moves(tables: Tables) -> Sample:
    """Share at N = 100 after all steps minus that after a quarter of them, clean networks."""
    full, brief = (_networks(tables, "clean", 100, "pair_rate", brief) for brief in (False, True))
    return Sample(full - brief)


def calibrated_null(tables: Tables) -> dict[str, Sample]:
    """Share of the Gaussian prior's samples below the 1 % quantile of held-out draws, by N."""
    sizes = sorted(tables["networks"]["examples"].unique())
    return {f"N = {n}": Sample(_networks(tables, "gaussian", n, "calibrated_rate")) for n in sizes}


def calibrated_clean(tables: Tables) -> Sample:
    """The same of clean networks at N = 200, where the strict ratio sees little."""
    return Sample(_networks(tables, "clean", 200, "calibrated_rate"))


def published_noise(tables: Tables) -> dict[str, Sample]:
    """Published rate of networks that predict the noise minus that of held-out draws, by N."""
    sizes = sorted(tables["networks"]["examples"].unique())
    pairs = {
        n: [_networks(tables, "noise", n, column) for column in ("ratio_rate", "null_rate")]
        for n in sizes
    }
    return {f"N = {n}": Sample(rate - null) for n, (rate, null) in pairs.items()}


def _gap(tables: Tables, prediction: str, number: int) -> np.ndarray:
    held_out, train = (
        _networks(tables, prediction, number, f"{of}_loss") for of in ("held_out", "train")
    )
    return held_out / train


def loss_gap_small(tables: Tables) -> dict[str, Sample]:
    """Held-out over training loss, N = 50."""
    return {
        f"{prediction} prediction": Sample(_gap(tables, prediction, 50))
        for prediction in ("clean", "noise")
    }


def loss_gap_large(tables: Tables) -> dict[str, Sample]:
    """The same, N = 1000."""
    return {
        f"{prediction} prediction": Sample(_gap(tables, prediction, 1000))
        for prediction in ("clean", "noise")
    }


def loss_gap_closed(tables: Tables) -> Sample:
    """The same of the closed form of 50 examples."""
    return Sample(_gap(tables, "closed form", 50))


# ---- posterior sampling
# ----------------------------------------------------------------------------------------------

INSIDE, OUTSIDE = "mean of three", "held-out"


def _drawn(
    tables: Tables, table: str, prior: str, number: int, truth: str, step: float = 0.07
) -> pd.DataFrame:
    """Rows of a table of posterior samples. Raises KeyError if there are none."""
    rows = tables[table]
    rows = rows[(rows["prior"] == prior) & (rows["examples"] == number) & (rows["truth"] == truth)]
    rows = rows[np.isclose(rows["step"], step)]
    if rows.empty:
        raise KeyError(f"{prior}, N = {number}, {truth}, step {step:g}")
    return rows


def _by_set(rows: pd.DataFrame, values: pd.Series, how: str = "median") -> np.ndarray:
    """One value per training set: the median, or mean, over its samples."""
    return values.astype(float).groupby(rows["replicate"]).agg(how).to_numpy()


def _middle(
    tables: Tables, prior: str, number: int, truth: str, column: str, step: float = 0.07
) -> np.ndarray:
    rows = _drawn(tables, "samples", prior, number, truth, step)
    return _by_set(rows, rows[column])


def sampling_collapse(tables: Tables) -> dict[str, Sample]:
    """Share of posterior samples with d₁/d₂ < 1/3, priors that memorize 50 models."""
    found = {}
    for prior in ("memorized", "clean"):
        for truth in (INSIDE, OUTSIDE):
            rows = _drawn(tables, "scores", prior, 50, truth)
            rows = rows[rows["against"] == 50]
            found[f"{prior}, {truth}"] = Sample(_by_set(rows, rows["pair"] < 1 / 3, "mean"))
    return found


def sampling_free(tables: Tables) -> dict[str, Sample]:
    """The same for priors that do not memorize, against all models."""
    found = {}
    for prior, number in (
        ("clean", 1000),
        ("noise", 50),
        ("noise", 1000),
        ("gaussian", 0),
        ("broad", 0),
    ):
        rows = _drawn(tables, "scores", prior, number, INSIDE)
        rows = rows[rows["against"] == (number or 1000)]
        found[f"{prior}, N = {number}" if number else prior] = Sample(
            _by_set(rows, rows["pair"] < 1 / 3, "mean")
        )
    return found


def sampling_misfit(tables: Tables) -> Sample:
    """Misfit over the floor, held-out truth: network of 50 models minus that of 1000."""
    return Sample(
        _middle(tables, "clean", 50, OUTSIDE, "misfit")
        - _middle(tables, "clean", 1000, OUTSIDE, "misfit")
    )


def sampling_error(tables: Tables) -> Sample:
    """Velocity error, held-out truth: network of 50 models over that of 1000."""
    return Sample(
        _middle(tables, "clean", 50, OUTSIDE, "error")
        / _middle(tables, "clean", 1000, OUTSIDE, "error")
    )


def broad_fits(tables: Tables) -> dict[str, Sample]:
    """Misfit over the floor under priors that saw no example, truth within the hull."""
    return {
        prior: Sample(_middle(tables, prior, 0, INSIDE, "misfit"))
        for prior in ("gaussian", "broad")
    }


def _nearest(tables: Tables, truth: str, step: float) -> pd.DataFrame:
    rows = _drawn(tables, "scores", "memorized", 50, truth, step)
    return rows[rows["against"] == 50]


def not_bayes(tables: Tables) -> dict[str, Sample]:
    """Share of samples under the memorized prior on the example that holds the exact posterior's
    weight.
    """
    lookups = tables["lookups"]
    lookups = lookups[lookups["truth"] == INSIDE]
    top = lookups.loc[lookups.groupby("replicate")["weight"].idxmax()].set_index("replicate")[
        "example"
    ]
    found = {}
    for step in (0.07, 0.5):
        rows = _nearest(tables, INSIDE, step)
        found[f"step {step:g}"] = Sample(
            _by_set(rows, rows["nearest"] == rows["replicate"].map(top), "mean")
        )
    return found


def step_small(tables: Tables) -> Sample:
    """Share of samples on the example that is the truth, step 0.07."""
    rows = _nearest(tables, "example", 0.07)
    return Sample(_by_set(rows, rows["nearest"] == 9, "mean"))


def step_large(tables: Tables) -> Sample:
    """The same, step 0.5."""
    rows = _nearest(tables, "example", 0.5)
    return Sample(_by_set(rows, rows["nearest"] == 9, "mean"))


def sampled_rate_trend(tables: Tables) -> Sample:
    """Published rate of posterior samples under the Gaussian prior, against 50 models minus against
    1000.
    """
    rows = _drawn(tables, "scores", "gaussian", 0, INSIDE)
    few, many = (rows[rows["against"] == number] for number in (50, 1000))
    return Sample(
        _by_set(few, few["ratio"] < 0.7, "mean") - _by_set(many, many["ratio"] < 0.7, "mean")
    )


def published_rate(tables: Tables) -> dict[str, Sample]:
    """Published rate of posterior samples under networks that predict the noise, over the published
    value.
    """
    found = {}
    for number, value in ((50, 256), (200, 146), (1000, 13)):
        rows = _drawn(tables, "scores", "noise", number, INSIDE)
        rows = rows[rows["against"] == number]
        found[f"N = {number}"] = Sample(_by_set(rows, rows["ratio"] < 0.7, "mean") - value / 256)
    return found


# ---- time domain
# -----------------------------------------------------------------------------------------------------


def _layered(tables: Tables, prior: str, column: str) -> np.ndarray:
    rows = tables["time_domain"]
    return rows[rows["prior"] == prior].groupby("replicate")[column].median().to_numpy()


def layered_collapse(tables: Tables) -> Sample:
    """Largest d₁/d₂ of a replicate's samples under the memorized prior."""
    rows = tables["time_domain"]
    return Sample(rows[rows["prior"] == "memorized"].groupby("replicate")["pair"].max().to_numpy())


def layered_free(tables: Tables) -> Sample:
    """Smallest d₁/d₂ of a replicate's samples under the broad prior."""
    rows = tables["time_domain"]
    return Sample(rows[rows["prior"] == "broad"].groupby("replicate")["pair"].min().to_numpy())


def layered_misfit(tables: Tables) -> Sample:
    """Misfit, memorized over broad."""
    return Sample(_layered(tables, "memorized", "misfit") / _layered(tables, "broad", "misfit"))


def layered_error(tables: Tables) -> Sample:
    """Velocity error, memorized over broad."""
    return Sample(_layered(tables, "memorized", "error") / _layered(tables, "broad", "error"))
