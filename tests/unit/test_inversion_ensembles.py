"""Spread, fit and calibration of many posterior samples, on worlds where they are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rote import ledger
from rote.papers.inversion.library import INSIDE, OUTSIDE, mean_of_three
from rote.papers.inversion.statistics import ensembles

CLAIMS = {
    claim.id.removeprefix("inversion."): claim
    for claim in ledger.load(Path(__file__).parents[2] / "workflow/claims/inversion.yaml")
}
REPLICATES = range(8)
SAMPLES = 9
OF_ENSEMBLES = (
    *("spread_falls", "misfit_falls", "error_falls", "overdispersed"),
    *("coverage_held_out", "ranks_narrow"),
    *("guidance_fits", "guidance_spreads"),
)


def world() -> dict[str, pd.DataFrame]:
    """Samples as the claims describe them, and the models behind the truths."""
    rng = np.random.default_rng(0)
    models = []
    samples = []
    for replicate in REPLICATES:
        train = rng.normal(size=(30, 100))
        center = rng.normal(size=100)
        target = center + rng.normal(size=100)
        for name, rows in (("training", train), ("target", target[None])):
            for number, coordinates in enumerate(rows):
                key = {"set": name, "replicate": replicate, "model": number}
                models.append(key | {"coordinates": coordinates})
        center_of_three = mean_of_three(train)
        noise = rng.normal(size=(SAMPLES, 100))
        arms = {}
        for size, spread in ((50, 1.0), (200, 0.6), (1000, 0.3)):
            middle = center_of_three + 0.3 * spread * rng.normal(size=100)
            arms["noise", size, INSIDE] = middle + spread * noise
        for prior, size in (("noise", 1000), ("gaussian", 0), ("rml", 0)):
            arms[prior, size, OUTSIDE] = center + rng.normal(size=(SAMPLES, 100))
        arms["gaussian", 0, INSIDE] = center + rng.normal(size=(SAMPLES, 100))
        arms["rml", 0, INSIDE] = center + rng.normal(size=(SAMPLES, 100))
        for truth in (INSIDE, OUTSIDE):
            arms["memorized", 50, truth] = train[rng.integers(3, 6, SAMPLES)]
            arms["clean", 50, truth] = train[rng.integers(3, 6, SAMPLES)]
        for (prior, size, truth), coordinates in arms.items():
            key = {"prior": prior, "examples": size, "truth": truth, "step": 0.07}
            for number, row in enumerate(coordinates):
                fit = (
                    (1 + 100 / size if size else 1.1)
                    * (10 if prior == "memorized" else 1)
                    * rng.uniform(0.95, 1.05)
                )
                more = {"replicate": replicate, "sample": number, "misfit": fit, "error": 0.03}
                samples.append(key | more | {"coordinates": row})
    return {"library": pd.DataFrame(models), "samples": pd.DataFrame(samples)}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return world()


@pytest.mark.parametrize("name", OF_ENSEMBLES)
def test_claims_on_ensembles_hold_where_they_should_and_not_on_their_nulls(name, tables):
    claims = [CLAIMS[name]]
    assert ledger.summary(ledger.evaluate(claims, tables))["verdict"].item() == "reproduced"
    audited = ledger.audit(claims, tables, scale="full")
    assert not audited["passes"].any()
    assert not audited["powerless"].any()


@pytest.mark.parametrize("samples", [4, 9, 19, 256])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_of_a_calibrated_posterior_is_its_level(samples, level):
    ranks = np.arange(samples + 1)
    assert ensembles.covered(ranks, samples, level).mean() == pytest.approx(level)
    # independently: the probability that a uniform point of the rank's cell is central
    draws = (ranks[:, None] + np.random.default_rng(0).random((samples + 1, 20_000))) / (
        samples + 1
    )
    central = (np.abs(draws - 0.5) < level / 2).mean(1)
    np.testing.assert_allclose(ensembles.covered(ranks, samples, level), central, atol=0.02)


def test_rank_histograms_are_flat_for_calibrated_samples_and_not_for_examples(tables):
    shares = ensembles.histograms(tables, OUTSIDE)
    assert {("noise", 1000), ("gaussian", 0), ("clean", 50)} < set(shares)
    for of_prior in shares.values():
        assert of_prior.sum() == pytest.approx(1)
    # 800 ranks: a standard deviation of 0.011 in each of ten bins
    assert np.abs(shares["gaussian", 0] - 0.1).max() < 0.05
    assert shares["clean", 50][[0, -1]].sum() > 0.3
