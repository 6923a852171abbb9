"""Statistics of the inversion paper's claims on small worlds where they are true or false."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rote import ledger
from rote.models import diffusion
from rote.papers.inversion import nulls, schema, settings, statistics, stylized
from rote.papers.inversion.library import EXAMPLE, INSIDE, OUTSIDE, TRUE_EXAMPLE

CLAIMS = {
    claim.id.removeprefix("inversion."): claim
    for claim in ledger.load(Path(__file__).parents[2] / "workflow/claims/inversion.yaml")
}
REPLICATES = range(8)
SIZES = (50, 100, 200, 500, 1000)
STEPS = {"clean": (4000, 1000), "noise": (4000,), "memorized": (0,), "gaussian": (0,)}
# shares of memorized samples by N, of networks that predict the clean point
PAIRS = {50: 1.0, 100: 0.94, 200: 0.1, 500: 0.0, 1000: 0.0}
RATES = {50: 0.98, 100: 0.7, 200: 0.35, 500: 0.15, 1000: 0.08}


def network(prior: str, steps: int, size: int, replicate: int, jitter: float) -> dict:
    """A row of PriorScores as the claims describe it, with some scatter."""
    level = 0.01 * (1 + 0.5 * jitter) if prior == "memorized" else 1.0
    memorizing = prior == "memorized" or (prior == "clean" and steps == 4000)
    pair = PAIRS[size] + jitter * (0.05 < PAIRS[size] < 1)
    gap = {50: 20.0, 1000: 1.05}.get(size, 3.0) * (2000 if prior == "memorized" else 1)
    return {
        "prior": prior,
        "steps": steps,
        "examples": size,
        "replicate": replicate,
        "pair_rate": pair if memorizing else 0.0,
        "calibrated_rate": 0.6 + jitter if memorizing else 0.01 + 0.1 * abs(jitter),
        "ratio_rate": RATES[size] + jitter,
        "null_rate": RATES[size] - 0.5 * jitter,
        "train_loss": level,
        "held_out_loss": level * gap * (1 + jitter),
    }


def networks() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    rows = []
    for prior, size, replicate in product(STEPS, SIZES, REPLICATES):
        for steps in STEPS[prior]:
            rows.append(network(prior, steps, size, replicate, rng.uniform(-0.01, 0.01)))
    return {"networks": pd.DataFrame(rows)}


def verdict(name: str, tables) -> str:
    return ledger.summary(ledger.evaluate([CLAIMS[name]], tables))["verdict"].item()


def has_power(name: str, tables, scale: str = "laptop") -> bool:
    """Whether no condition of the claim is reproduced on any of its nulls."""
    audited = ledger.audit([CLAIMS[name]], tables, scale=scale)
    return not (audited["passes"].any() or audited["powerless"].any())


OF_NETWORKS = [
    name
    for name in CLAIMS
    if name.startswith(("transition", "calibrated", "loss_", "published_noise"))
]


@pytest.mark.parametrize("name", OF_NETWORKS)
def test_claims_on_networks_hold_where_they_should_and_not_on_their_nulls(name):
    assert verdict(name, networks()) == "reproduced"
    assert has_power(name, networks())


def test_claims_on_trained_networks_are_judged_on_untrained_ones():
    for name in OF_NETWORKS:
        # what untrained networks do not meet: a training loss far above the optimum, they do
        if "initialization" in CLAIMS[name].replicates and name != "loss_unmemorized":
            assert "untrained" in CLAIMS[name].null
            untrained = nulls.untrained(networks(), np.random.default_rng(0))
            assert verdict(name, untrained) != "reproduced"


# ---- posterior samples

CONDITIONS = [
    ("memorized", 50, INSIDE, 0.07),
    ("memorized", 50, OUTSIDE, 0.07),
    ("memorized", 50, INSIDE, 0.5),
    ("memorized", 50, EXAMPLE, 0.07),
    ("memorized", 50, EXAMPLE, 0.5),
    ("clean", 50, INSIDE, 0.07),
    ("clean", 50, OUTSIDE, 0.07),
    ("clean", 1000, INSIDE, 0.07),
    ("clean", 1000, OUTSIDE, 0.07),
    *product(["noise"], [50, 1000], [INSIDE, OUTSIDE], [0.07]),
    *product(["gaussian", "broad"], [0], [INSIDE, OUTSIDE], [0.07]),
]
LOOKUP = 4  # the example with the exact posterior's weight


def posteriors() -> dict[str, pd.DataFrame]:
    """Samples and their scores as the claims describe them."""
    rng = np.random.default_rng(0)
    samples = []
    scores = []
    for (prior, size, truth, step), replicate in product(CONDITIONS, REPLICATES):
        memorizing = prior in ("memorized", "clean") and size == 50
        key = {"prior": prior, "examples": size, "truth": truth, "step": step}
        key |= {"replicate": replicate, "sample": 0}
        scatter = rng.uniform(0.95, 1.05)
        fit = {"misfit": 30.0, "error": 0.09} if memorizing else {"misfit": 1.05, "error": 0.03}
        samples.append(key | {column: value * scatter for column, value in fit.items()})
        for reference in (50, 1000):
            scores.append(
                key
                | {
                    "reference_examples": reference,
                    "ratio": 0.02 if memorizing else {50: 0.5, 1000: 0.8}[reference],
                    "pair_ratio": 0.02 if memorizing else 0.9,
                    "nearest": TRUE_EXAMPLE if (truth, step) == (EXAMPLE, 0.5) else replicate + 10,
                }
            )
    lookups = [
        {"truth": INSIDE, "replicate": replicate, "example": example, "weight": example == LOOKUP}
        for replicate, example in product(REPLICATES, range(-1, 50))
    ]
    frames = {"samples": samples, "scores": scores, "lookups": lookups}
    tables = {name: pd.DataFrame(rows) for name, rows in frames.items()}
    tables["lookups"] = tables["lookups"].astype({"weight": float})
    tables["lookups"] = pd.concat([tables["lookups"], _lookups_of_example()], ignore_index=True)
    return tables


def _lookups_of_example() -> pd.DataFrame:
    """Where the truth is an example, or outside the hull: all weight on one example."""
    rows = product((EXAMPLE, OUTSIDE), REPLICATES)
    frame = pd.DataFrame(rows, columns=["truth", "replicate"])
    return frame.assign(example=TRUE_EXAMPLE, weight=1.0)


OF_POSTERIORS = [
    name
    for name in CLAIMS
    if name.startswith(("sampling_", "sampled_", "broad_", "not_bayes", "step_"))
    and name != "sampling_agrees"
]


@pytest.mark.parametrize("name", OF_POSTERIORS)
def test_claims_on_posterior_samples_hold_where_they_should_and_not_on_their_nulls(name):
    assert verdict(name, posteriors()) == "reproduced"
    assert has_power(name, posteriors())


def test_claims_on_posterior_samples_are_judged_on_a_sampler_of_noise():
    assert all("sampler_of_noise" in CLAIMS[name].null for name in OF_POSTERIORS)


def test_claims_on_layered_models_fail_for_a_sampler_of_noise():
    rows = []
    rng = np.random.default_rng(0)
    for (prior, level), replicate in product((("memorized", 1.0), ("broad", 0.5)), REPLICATES):
        scatter = rng.uniform(0.97, 1.03)
        row = {"prior": prior, "replicate": replicate, "misfit": 3 * level * scatter}
        pair = 0.02 if prior == "memorized" else 0.8
        rows.append(row | {"error": 0.1 * level * scatter, "pair_ratio": pair * scatter})
    tables = {"time_domain": pd.DataFrame(rows)}
    for name in ("layered_collapse", "layered_free", "layered_misfit", "layered_error"):
        assert verdict(name, tables) == "reproduced"
        assert has_power(name, tables)


def test_published_rate_is_judged_against_the_published_numbers():
    rng = np.random.default_rng(0)
    rows = []
    for (size, share), replicate in product({50: 0.97, 200: 0.6, 1000: 0.06}.items(), REPLICATES):
        memorized = rng.random(256) < share
        columns = {"prior": "noise", "examples": size, "truth": INSIDE, "step": 0.07}
        columns |= {"replicate": replicate, "sample": range(256), "reference_examples": size}
        columns |= {"ratio": np.where(memorized, 0.5, 0.8), "pair_ratio": 0.9, "nearest": 0}
        rows.append(pd.DataFrame(columns))
    tables = {"scores": pd.concat(rows, ignore_index=True)}
    entry = CLAIMS["published_rate"]
    assert set(ledger.evaluate([entry], tables, scale="paper")["verdict"]) == {"reproduced"}
    assert has_power("published_rate", tables, scale="paper")
    values = statistics.published_rate(tables)["N = 200"]
    assert values.mean() == pytest.approx((0.6 - 146 / 256) / 0.2, abs=0.25)
    high = tables["scores"]
    few = high["reference_examples"] == 50
    high = high.assign(ratio=high["ratio"].where(~few | (high["sample"] % 5 > 0), 0.8))
    verdicts = ledger.evaluate([entry], {"scores": high}, scale="paper")
    assert verdicts.set_index("condition")["verdict"]["N = 50"] == "contradicted"


# ---- without networks


def linearized() -> dict[str, pd.DataFrame]:
    """Posteriors linearized at every example, as the claims describe them."""
    at = {0.0: (1.0, 8.0, 0.0, 1.0), 0.01: (1.0, 7.0, 0.2, 0.9)}
    at |= {0.1: (1.0, 1.5, 5.0, 0.02), 1.0: (0.5, 1.1, 9.0, 0.02)}
    rng = np.random.default_rng(0)
    rows = []
    for (sigma, values), replicate in product(at.items(), REPLICATES):
        scatter = rng.uniform(0.97, 1.03)
        row = dict(zip(("weight", "misfit", "shift", "effective"), values, strict=True))
        row = {name: value * scatter for name, value in row.items()} | {"weight": values[0]}
        rows.append(row | {"sigma": sigma, "replicate": replicate, "spacing": 9.0})
    return {"linearized": pd.DataFrame(rows)}


OF_LINEARIZED = ["one_atom", "atom_misfit", "tight_proposal", "tight_shift", "released_misfit"]


@pytest.mark.parametrize("name", [*OF_LINEARIZED, "released_proposal"])
def test_claims_on_linearized_posteriors_hold_where_they_should_and_not_on_their_nulls(name):
    assert verdict(name, linearized()) == "reproduced"
    assert has_power(name, linearized())


def test_sampled_means_are_judged_by_a_tolerance_that_scatter_cannot_widen():
    def sampled(scatter: float) -> dict[str, pd.DataFrame]:
        rows = []
        for method, replicate in product(("grid", "importance", "chains"), REPLICATES):
            off = scatter * (replicate - 3.5) * (method != "grid")
            moments = {"mean": 1.7 + off, "variance": 0.1 + off}
            rows.append({"method": method, "replicate": replicate, **moments})
        common = {"problem": "cubic", "sigma": 0.3, "coordinate": 0, "error": scatter}
        return {"sampling": pd.DataFrame(rows).assign(**common)}

    assert verdict("sampling_agrees", sampled(0.001)) == "reproduced"
    assert verdict("sampling_agrees", sampled(0.02)) == "inconclusive"
    assert has_power("sampling_agrees", sampled(0.001))


def test_worst_width_of_a_numerical_claim_is_the_one_nearest_to_its_bound():
    frame = pd.DataFrame(
        {"examples": np.repeat([3, 20], 3), "sigma": [0.01, 0.4, 5.0] * 2}
        | {"effective": [1.0, 1.0, 3.0, 1.0, 1.16, 20.0], "critical": 0.4}
    )
    row = ledger.summary(ledger.evaluate([CLAIMS["critical_width"]], {"components": frame}))
    assert row["condition"].item() == "N = 20"
    assert (row["kind"].item(), row["verdict"].item()) == ("numerical", "reproduced")
    assert row["low"].isna().item()
    frame = frame.assign(effective=[1.0, 1.0, 3.0, 1.0, 1.16, 20.0])
    assert has_power("critical_width", {"components": frame})


def test_errors_of_operators_are_told_from_ones_beyond_the_tolerance():
    values = {("order", "48 to 96 cells"): 4.3, ("layers", "deepwave"): 5e-4}
    values |= {("layers", "leapfrog"): 4e-3, ("propagators", "leapfrog and deepwave"): 2e-6}
    rows = [(*key, value) for key, value in values.items()]
    tables = {"operators": pd.DataFrame(rows, columns=["check", "condition", "value"])}
    for name in ("helmholtz_order", "deepwave_layers", "leapfrog_layers", "propagators"):
        assert verdict(name, tables) == "reproduced"
        assert has_power(name, tables)


def test_stylized_problems_are_told_from_ones_beyond_the_tolerance():
    small = settings.InversionStylized(widths=[0.5, 0.3, 0.1, 0.05])
    tables = {"stylized": stylized.measures(small)}
    for name in ("limit_weights", "linearized_close", "shift_formula"):
        assert verdict(name, tables) == "reproduced"
        assert has_power(name, tables)


def test_fresh_draws_are_told_from_a_rate_without_trend():
    rng = np.random.default_rng(0)
    rows = []
    for (size, rate), replicate in product({50: 0.98, 200: 0.35, 1000: 0.08}.items(), REPLICATES):
        key = {"replicate": replicate, "examples": size, "set": schema.FRESH}
        rows.append(key | {"ratio_rate": rate + rng.uniform(-0.01, 0.01), "pair_rate": 0.0})
    tables = {"rates": pd.DataFrame(rows)}
    for name in ("rate_null_small", "rate_null_large", "rate_null_trend", "pair_null"):
        assert verdict(name, tables) == "reproduced"
        assert has_power(name, tables)
    flat = nulls.rates_without_trend(tables)["rates"]
    assert flat.groupby("examples")["ratio_rate"].mean().nunique() == 1


def test_superiority_is_a_half_for_arms_that_are_alike():
    rates = np.array([0.0, 0.3, 1.0])
    assert statistics.selection.superiority(rates, rates).tolist() == [0.5] * 3
    assert statistics.selection.superiority([1, 0], [0, 1]).tolist() == [1, 0]


@pytest.mark.parametrize("name", diffusion.SCHEDULES)
def test_samples_of_a_memorized_prior_are_its_examples_by_construction(name):
    generator = torch.Generator().manual_seed(0)
    examples = torch.randn(20, 30, generator=generator, dtype=torch.float64)
    start = torch.randn(50, 30, generator=generator, dtype=torch.float64)
    schedule = diffusion.schedule(name, 50)
    samples = diffusion.ddim(diffusion.memorized(examples, schedule), start, schedule)
    assert torch.cdist(samples, examples).min(1).values.max() < 1e-5
