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
    heads,
    real_heads,
    schema,
    settings,
    statistics,
    theory_claims,
    trained,
)
from rote.papers.attention.theory_claims import RIDGES
from rote.run import config
from rote.theory.attention import variants


def test_verbs_make_their_tables_and_no_claim_passes_on_its_null():
    small = config.load(ROOT / "config/smoke.yaml").attention
    frames = {
        "curves": curves.curves(small.theory, 1e-5),
        "phase": curves.phase(small.theory),
        "checks": theory_claims.checks(),
        "simulations": experiments.contexts(small.simulation, 1),
        "variants": beyond.contexts(small.simulation, 1),
        "spectrum": experiments.spectrum(small.simulation, 1),
        "trained": trained.sweep(small.trained, 1),
        "embeddings": embeddings.sweep(small.embeddings, 1),
        "heads": real_heads.sweep(small.heads, 1),
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


CLAIMS = {claim.id: claim for claim in ledger.load(ROOT / "workflow/claims/attention.yaml")}


def judged(name, frames):
    """The claim's verdict."""
    rows = ledger.evaluate([CLAIMS[f"attention.{name}"]], frames)
    return ledger.summary(rows)["verdict"].item()


def has_power(name, frames):
    """Whether no condition of the claim is reproduced on any of its nulls."""
    audited = ledger.audit([CLAIMS[f"attention.{name}"]], frames)
    return not (audited["passes"].any() or audited["powerless"].any())


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


def crossings(bias=0.0):
    """Contexts whose gap closes at γ = 7, by theory and up to a bias."""
    gammas = 7.0 * experiments.AROUND
    gap = -0.1 * np.log(gammas / 7.0)
    rows = []
    for panel, replicate in product(experiments.CROSSINGS, range(12)):
        moved = -0.1 * np.log(gammas / (7.0 * (1 + bias + SPREAD[replicate])))
        columns = {"figure": "crossing", "panel": panel, "gamma": gammas, "replicate": replicate}
        columns |= {"error": 0.4 + moved, "ridge": 0.4, "theory": 0.4 + gap, "ridge_theory": 0.4}
        rows.append(pd.DataFrame(columns))
    return {"simulations": pd.concat(rows)}


def test_crossings_are_those_of_theory_within_two_per_cent():
    assert judged("crossing_simulated", crossings()) == "reproduced"
    assert judged("crossing_simulated", crossings(0.05)) == "contradicted"
    assert has_power("crossing_simulated", crossings())


def test_structure_alone_reverses_only_below_ridge_regression():
    columns = {"figure": "structure", "gamma": 31.6, "replicate": np.arange(12), "n": 512}
    frame = pd.DataFrame(columns | {"ridge": 0.6, "error": 0.47 + SPREAD})
    assert judged("structure_reverses_simulated", {"simulations": frame}) == "reproduced"
    assert has_power("structure_reverses_simulated", {"simulations": frame})
    worse = frame.assign(error=frame["error"] + 0.2)
    assert judged("structure_reverses_simulated", {"simulations": worse}) == "contradicted"


def test_figures_1_and_2_are_judged_where_theory_is_meant():
    columns = {"figure": "baseline", "panel": "signal", "series": "tanh", "x": 1.0, "gamma": 1e-5}
    columns |= {"n": 1000, "p": 250, "replicate": np.arange(12), "mu2": 1.0}
    columns |= {"theory": 0.38, "error": 0.38 + SPREAD}
    columns |= {"ridge_theory": 0.375, "ridge": 0.375 + SPREAD}
    weak = pd.DataFrame(columns)
    strong = weak.assign(mu2=16.0, x=16.0, error=0.1)
    tables_ = {"simulations": pd.concat([weak, strong])}
    assert judged("attention_theory", tables_) == "reproduced"
    assert judged("ridge_theory", tables_) == "reproduced"
    off = {"simulations": weak.assign(ridge=0.45 + SPREAD, error=0.45 + SPREAD)}
    assert judged("attention_theory", off) == "contradicted"
    assert judged("ridge_theory", off) == "contradicted"
    assert has_power("ridge_theory", tables_)


def test_typical_is_the_share_of_cells_in_which_attention_is_worse():
    frame = pd.DataFrame({"setting": "no signal", "f": "tanh", "attention": [0.5, 0.4, 0.3]})
    frame = frame.assign(ridge=0.35)
    assert statistics.typical({"phase": frame}) == {"tanh": pytest.approx(2 / 3)}
    assert judged("typical", {"phase": frame}) == "reproduced"


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


def test_predictions_have_power_also_where_theory_is_small():
    for theory in (0.4, 0.03):
        assert has_power("signal", deviating(theory + SPREAD / 10, theory=theory))
    heavy = deviating(0.42 + SPREAD / 10, f="cubic")
    assert judged("signal_heavy", heavy) == "reproduced"
    assert has_power("signal_heavy", heavy)


def test_limit_leaves_errors_out_that_lie_below_its_tolerance():
    tables_ = deviating(np.r_[0.4 + SPREAD / 10], figure="limit", panel="c = 2")
    assert judged("limit", tables_) == "reproduced"
    assert has_power("limit", tables_)
    assert statistics.limit(deviating(1e-6 + SPREAD / 1e5, figure="limit", theory=1e-6)) == {}


def on_contexts(errors, figure, gamma, table="simulations", column="panel", **columns):
    """Contexts in which each arm has an error, and ridge regression 0.4."""
    rows = []
    for arm, error in errors.items():
        noise = 0.001 * np.sin(np.arange(12) + len(arm))
        frame = pd.DataFrame({"replicate": range(12), "error": error + noise})
        rows.append(frame.assign(**{column: arm}))
    frame = pd.concat(rows).assign(figure=figure, gamma=gamma, n=1000, ridge=0.4, f="tanh")
    return {table: frame.assign(**columns)}


def test_heads_that_give_nothing_are_not_worse_than_ridge_regression():
    errors = {"none": 0.5, "orthogonal": 0.5, "anti": 0.7, "aligned": 0.2}
    assert judged("gap_sign", on_contexts(errors, "spikes", 31.6)) == "reproduced"
    assert has_power("gap_sign", on_contexts(errors, "spikes", 31.6))
    worse = heads_of(error=lambda rows: 0.6)
    assert judged("untrained_gap", worse) == "reproduced"
    assert has_power("untrained_gap", worse)
    silent = heads_of(error=lambda rows: 1.05)
    assert judged("untrained_gap", silent) == "contradicted"


def test_order_of_spikes_is_lost_where_they_are_permuted():
    names = ("aligned", "query only", "none", "key only", "anti")
    errors = dict(zip(names, (0.2, 0.3, 0.4, 0.5, 0.9), strict=True))
    tables_ = on_contexts(errors, "paired", 1.0)
    assert judged("alignment_order_simulated", tables_) == "reproduced"
    assert has_power("alignment_order_simulated", tables_)


def test_falls_are_lost_where_strengths_are_permuted():
    errors = {0.12: 0.4, 0.5: 0.3, 1.0: 0.2}
    rows = []
    for strength, error in errors.items():
        frames = on_contexts({"none": error}, "strong", 1e-5, "variants", x=strength)
        rows.append(frames["variants"])
    strong = {"variants": pd.concat(rows)}
    assert judged("strong_falls", strong) == "reproduced"
    assert has_power("strong_falls", strong)


# ---- true by construction, or computed twice


@pytest.mark.parametrize(("c", "gamma"), list(product((0.25, 0.5, 1.0, 2.0, 4.0), (1e-3, 1.0))))
def test_linear_attention_on_noise_is_an_integral_over_the_marchenko_pastur_law(c, gamma):
    solved = float(heads.error(gamma, c, "linear").error)
    assert abs(solved - _linear_attention(gamma, c, diagonal=1.0)) < 1e-10
    assert abs(solved - _linear_attention(gamma, c, diagonal=0.0)) > 1e-6


def _linear_attention(gamma: float, c: float, diagonal: float) -> float:
    """E of f(t) = t on noise, straight from the Marchenko–Pastur law."""
    count = 20_000
    a, b = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    # x = middle − half cos(angle): periodic, so midpoints converge fast
    angle = np.pi * (np.arange(count) + 0.5) / count
    half = (b - a) / 2
    x = (a + b) / 2 - half * np.cos(angle)
    density = half * np.sin(angle) / (2 * np.pi * x) * half * np.sin(angle) * np.pi / count
    residual = gamma / (gamma + (x / c - diagonal) ** 2 * x)
    return max(0.0, 1 - c) + float((residual**2 * density).sum())


def test_derivative_in_the_ridge_is_that_of_a_complex_step():
    u = heads.U
    step = variants.heads_error(RIDGES, 4.0, ["tanh"], mu=2 * u, w_keys=[u], w_queries=[u]).error
    solved = heads.error(RIDGES, 4.0, "tanh", heads.STRUCTURES["aligned"]).error
    np.testing.assert_allclose(step, solved, atol=1e-11)


def test_every_point_of_curves_and_phase_map_converges():
    small = settings.AttentionTheory(**settings.AttentionTheory.SCALES["smoke"])
    assert curves.curves(small, 1e-5)["converged"].all()
    assert curves.phase(small)["attention"].notna().all()
