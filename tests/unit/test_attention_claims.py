"""Claims on nonlinear attention: what their statistics judge, on tables made by hand."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote import ledger
from rote.core import tables
from rote.papers.attention import (
    beyond,
    curves,
    embeddings,
    experiments,
    schema,
    settings,
    statistics,
    theory_claims,
    trained,
)


def test_verbs_make_their_tables_and_no_claim_passes_on_its_null():
    small = settings.Settings(
        **{
            part: getattr(settings.Settings(), part).SCALES["smoke"]
            for part in settings.Settings.model_fields
        }
    )
    frames = {
        "curves": curves.curves(small.theory, 1e-5),
        "phase": curves.phase(small.theory),
        "checks": theory_claims.checks(),
        "simulations": experiments.contexts(small.simulation, 1),
        "variants": beyond.contexts(small.simulation, 1),
        "spectrum": experiments.spectrum(small.simulation, 1),
        "trained": trained.sweep(small.trained, 1),
        "embeddings": embeddings.sweep(small.embeddings, 1),
    }
    for name, frame in frames.items():
        tables.check(frame, schema.TABLES[name])
    claims = ledger.load(ROOT / "workflow/claims/attention.yaml")
    audited = ledger.audit(claims, frames, scale="smoke", min_replicates=2)
    assert audited.loc[audited["passes"], "claim"].tolist() == []


def deviating(errors, **changes):
    """Contexts of one point whose theory is 0.4."""
    columns = {
        "figure": "signal",
        "panel": "a",
        "series": "tanh",
        "f": "tanh",
        "x": 1.0,
        "gamma": 1.0,
        "n": 1000,
        "theory": 0.4,
        "error": errors,
    }
    return {"simulations": pd.DataFrame(columns | changes)}


def judged(name, frames):
    """The claim's verdict."""
    claims = {claim.id: claim for claim in ledger.load(ROOT / "workflow/claims/attention.yaml")}
    rows = ledger.evaluate([claims[f"attention.{name}"]], frames)
    return ledger.summary(rows)["verdict"].item()


SPREAD = np.linspace(-0.01, 0.01, 12)


def test_agreement_with_theory_is_equivalence():
    """Scatter makes it less certain, a bias contradicts it; E of few eigenvalues is left out."""
    assert judged("signal", deviating(0.4 + SPREAD)) == "reproduced"
    assert judged("signal", deviating(0.4 + 10 * SPREAD)) == "inconclusive"
    assert judged("signal", deviating(0.5 + SPREAD)) == "contradicted"
    assert judged("signal_heavy", deviating(0.5 + SPREAD, f="cubic")) == "contradicted"
    (values,) = statistics.signal(deviating([0.38, 0.44])).values()
    np.testing.assert_allclose(values, [-0.05, 0.1])
    (values,) = statistics.signal(deviating([0.03], theory=0.02)).values()
    np.testing.assert_allclose(values, [0.1])  # relative to 0.1
    assert statistics.signal(deviating([0.4], theory=1e-3)) == {}  # n E < 10


@pytest.mark.parametrize(("above", "verdict"), [(0.1, "reproduced"), (-0.1, "contradicted")])
def test_gap_never_closes_is_judged_on_the_whole_phase_map(above, verdict):
    """Also where p/n is little above 1 and the ridge is large; p < n and spikes do not count."""
    frame = pd.DataFrame(
        {
            "setting": ["signal", "signal", "signal", "aligned"],
            "f": "tanh",
            "c": [4.0, 1.1, 0.5, 4.0],
            "gamma": [1.0, 100.0, 1.0, 1.0],
            "attention": [0.3, 0.5 + above, 0.1, 0.1],
            "ridge": [0.1, 0.5, 0.5, 0.5],
        }
    )
    assert judged("gap_never_closes", {"phase": frame}) == verdict


def heads_of(**columns):
    """Eight heads at two ridges and two steps, on fresh contexts."""
    frame = pd.DataFrame(
        list(product([1.0, 4.0], range(8), [0, 10])), columns=["gamma", "replicate", "step"]
    )
    noise = 0.01 * np.sin(np.arange(len(frame)))
    frame = frame.assign(objective="fresh", key=0.5, query=0.5, error=0.5, ridge=0.4)
    frame = frame.assign(**{name: change(frame) for name, change in columns.items()})
    return {"trained": frame.assign(error=frame["error"] + noise, query=frame["query"] + noise)}


def test_trained_heads_are_judged_at_every_ridge():
    better = heads_of(error=lambda rows: np.where(rows["step"] > 0, 0.3, 0.5))
    assert judged("trained_gap", better) == "reproduced"
    at_one = heads_of(error=lambda rows: np.where(rows["gamma"] > 1, 0.3, 0.5))
    assert judged("trained_gap", at_one) == "contradicted"
    assert judged("untrained_gap", at_one) == "contradicted"


def test_query_first_counts_contexts_where_the_key_turns_first():
    query = heads_of(query=lambda rows: 0.8)
    assert judged("query_first", query) == "reproduced"
    key = heads_of(query=lambda rows: np.where(rows["gamma"] > 1, 0.8, 0.2))
    assert judged("query_first", key) == "contradicted"


@pytest.mark.parametrize(("worst", "verdict"), [(0.1, "reproduced"), (-0.1, "contradicted")])
def test_embeddings_gap_is_judged_for_every_nonlinearity_and_small_ridge(worst, verdict):
    frame = pd.DataFrame(
        list(product(["tanh", "exp_clip"], [0.01, 0.1, 10.0], range(10))),
        columns=["f", "gamma", "replicate"],
    )
    gap = np.full(len(frame), 0.1)
    gap[(frame["f"] == "exp_clip") & (frame["gamma"] == 0.01)] = worst
    gap[frame["gamma"] == 10] = -0.3  # not claimed
    error = 0.5 + gap + 0.01 * np.sin(np.arange(len(frame)))
    frame = frame.assign(labels="random", ridge=0.5, error=error)
    assert judged("embeddings_gap", {"embeddings": frame}) == verdict


def test_real_labels_are_compared_with_random_ones():
    frame = pd.DataFrame(
        list(product(["tanh", "cos_c"], ["real", "random"], range(10))),
        columns=["f", "labels", "replicate"],
    )
    cosine = frame["f"] == "cos_c"
    noise = 0.01 * np.sin(np.arange(len(frame)))
    worse = frame.assign(gamma=1.0, error=0.3 + 0.2 * cosine + noise)
    assert judged("embeddings_structure", {"embeddings": worse}) == "inconclusive"
    real = cosine & (frame["labels"] == "real")
    structured = worse.assign(error=worse["error"] + 0.2 * real)
    assert judged("embeddings_structure", {"embeddings": structured}) == "reproduced"
    with pytest.raises(KeyError, match="real"):
        statistics.embeddings_structure({"embeddings": worse[worse["labels"] == "random"]})
