"""Trained priors, diffusion posterior sampling and the time domain, at a size of seconds."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.core.seeds import generator
from rote.invert import distances
from rote.models import diffusion
from rote.papers.inversion import (
    costs,
    guidance,
    library,
    memorization,
    networks,
    schedules,
    schema,
    settings,
    time_domain,
    yardsticks,
)
from rote.papers.inversion.priors import CLEAN, NOISE, PREDICTIONS, PRIORS
from rote.theory import posterior

SMALL = {
    name: field.default_factory.SCALES["smoke"]
    for name, field in settings.InversionWaveform.model_fields.items()
}
TINY = {"width": 16, "blocks": 1, "embedding": 8, "steps": 40, "batch": 8}
OPTIONS = settings.InversionWaveform(
    **SMALL | {"networks": SMALL["networks"] | {"clean": TINY, "noise": TINY}}
)
SCHEDULE = diffusion.schedule("paper", OPTIONS.diffusion.steps)


@pytest.fixture(scope="module")
def models() -> library.Library:
    return library.read(library.synthesize(OPTIONS.models))


def test_library_is_read_as_written_whatever_the_order_of_rows(models):
    frame = library.synthesize(OPTIONS.models)
    shuffled = library.read(frame.sample(frac=1, random_state=0))
    for name in ("train", "held_out", "target", "pool"):
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(models, name))
    assert models.train.shape == (2, 60, 100)
    z = models.standardize(models.pool)
    assert z.std(0, ddof=1) == pytest.approx(1)
    np.testing.assert_allclose(models.scaling(0, 0).restore(z), models.pool)
    draws = np.concatenate([*models.train, *models.held_out, models.target, models.pool])
    # no draw is used twice
    assert len(np.unique(draws, axis=0)) == (2 * 60 + 2 * 100 + 2 + 400)


def test_spread_refuses_a_constant_coordinate():
    flat = np.random.default_rng(0).normal(size=(10, 3))
    flat[:, 1] = 2.0
    with pytest.raises(InputError, match="coordinate 1 is constant over 10 models"):
        library.spread(flat)


def test_read_reports_repeated_training_models(models, caplog):
    frame = library.synthesize(OPTIONS.models)
    rows = frame.index[(frame["set"] == "training") & (frame["replicate"] == 1)]
    frame.at[rows[3], "coordinates"] = frame.at[rows[7], "coordinates"]
    with caplog.at_level(logging.WARNING, "rote"):
        library.read(frame)
    assert "training set 1 holds 1 model more than once" in caplog.text


def test_ratios_need_two_models_and_use_as_many_neighbors_as_there_are():
    with pytest.raises(InputError, match="at least 2"):
        distances.ratios(np.zeros((1, 3)), np.zeros((1, 3)), 50)
    with pytest.raises(InputError, match="at least 2"):
        distances.ratios(np.zeros((2, 3)), np.eye(3)[:2], 50, leave_one_out=True)
    ratios = distances.ratios(np.array([[0.1]]), np.array([[0.0], [1.0]]), 50)
    assert ratios.published[0] == pytest.approx(ratios.pair[0]) == pytest.approx(1 / 9)


def test_distinct_samples_have_different_neighbors_and_may_be_fewer():
    ratio = np.array([0.3, 0.1, 0.2, 0.4])
    assert distances.distinct(ratio, np.array([5, 7, 7, 5])) == [1, 0]
    assert distances.distinct(ratio, np.array([1, 2, 3, 4]), 3) == [1, 2, 0]


@pytest.mark.parametrize(
    ("registry", "option", "allowed"),
    [(PRIORS, "--prior", "memorized, clean, noise"), (PREDICTIONS, "--prediction", "clean, noise")],
)
def test_registered_refuses_unknown_names_with_those_allowed(registry, option, allowed):
    for name, entry in registry.items():
        assert registered(registry, name, option) is entry
    with pytest.raises(InputError, match=f"{option} must be one of {allowed}.*, given 'other'"):
        registered(registry, "other", option)


def test_fit_resumes_to_the_same_weights(models, tmp_path, monkeypatch):
    undisturbed = networks.fit(CLEAN, OPTIONS.networks, models, SCHEDULE, 1)
    placement = networks.Placement(checkpoints=tmp_path, checkpoint_steps=10)
    network = diffusion.network

    def broken(*args):  # dies in the 30th step of the first stack
        forward = network(*args)
        calls = []

        def counted(*inputs):
            calls.append(1)
            if len(calls) == 30:
                raise KeyboardInterrupt
            return forward(*inputs)

        return counted

    monkeypatch.setattr(networks.diffusion, "network", broken)
    with pytest.raises(KeyboardInterrupt):
        networks.fit(CLEAN, OPTIONS.networks, models, SCHEDULE, 1, placement)
    monkeypatch.undo()
    assert list(tmp_path.glob("*.pt"))
    resumed = networks.fit(CLEAN, OPTIONS.networks, models, SCHEDULE, 1, placement)
    for name, value in undisturbed.parameters.items():
        torch.testing.assert_close(resumed.parameters[name], value, rtol=0, atol=0)


def test_denoiser_of_a_stack_is_that_of_its_networks(models):
    trained = networks.fit(NOISE, OPTIONS.networks, models, SCHEDULE, 1)
    generator = torch.Generator().manual_seed(0)
    shape = (len(trained.members), 5, 100)
    z = torch.randn(*shape, generator=generator, dtype=torch.float64)
    step = OPTIONS.diffusion.steps - 2
    stacked = trained.denoiser()(z, step)
    for number in range(len(trained.members)):
        single = trained.denoiser(number)(z[number], step)
        torch.testing.assert_close(single, stacked[number], rtol=1e-5, atol=1e-5)


def test_load_refuses_networks_of_other_data(models, tmp_path):
    path = tmp_path / "clean.safetensors"
    trained = networks.fit(CLEAN, OPTIONS.networks, models, SCHEDULE, 1)
    networks.save(path, trained, models)
    loaded = networks.load(path, models, SCHEDULE)
    assert loaded.prediction is CLEAN
    assert loaded.members == networks.members(CLEAN, OPTIONS.networks)
    assert loaded.members[loaded.number(60, 1)] == (TINY["steps"], 60, 1)
    assert loaded.architecture == (100, TINY["width"], TINY["blocks"], TINY["embedding"])
    for name, value in trained.parameters.items():
        torch.testing.assert_close(loaded.parameters[name], value, rtol=0, atol=0)
    with pytest.raises(InputError, match="another center"):
        networks.load(path, models._replace(pool=models.pool + 1), SCHEDULE)
    pool = models.pool.mean(0) + 2 * (models.pool - models.pool.mean(0))
    with pytest.raises(InputError, match="another scale"):
        networks.load(path, models._replace(pool=pool), SCHEDULE)
    with pytest.raises(
        InputError, match=r"trained on 60 examples of training set 0; there are 2 sets of 30"
    ):
        networks.load(path, models._replace(train=models.train[:, :30]), SCHEDULE)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="holds no networks"):
        networks.load(path, models, SCHEDULE)


def test_evaluate_finds_memorization_in_clean_networks_and_none_in_the_null(models, tmp_path):
    clean = settings.InversionNetwork.SCALES["smoke"] | {"steps": 500}
    options = settings.InversionWaveform(
        **SMALL | {"networks": SMALL["networks"] | {"clean": clean}}
    )
    path = tmp_path / "clean.safetensors"
    networks.save(path, networks.fit(CLEAN, options.networks, models, SCHEDULE, 1), models)
    table, nearest = memorization.evaluate([path], options, models, 1)
    few = table[table["examples"] == 20].set_index(["prior", "steps", "replicate"])
    for replicate in range(2):
        closed = few.loc[("memorized", 0, replicate)]
        free = few.loc[("gaussian", 0, replicate)]
        trained = few.loc[("clean", 500, replicate)]
        assert closed["pair_rate"] == 1
        assert free["pair_rate"] == 0
        assert closed["train_loss"] < 1 < 100 < closed["held_out_loss"]
        assert free["held_out_loss"] == pytest.approx(free["train_loss"], rel=0.25)
        assert free["calibrated_rate"] < trained["calibrated_rate"]
        assert trained["held_out_loss"] > 2 * trained["train_loss"]
    assert nearest.groupby(["prior", "replicate"])["nearest"].nunique().max() <= 3
    assert not nearest.duplicated(["prior", "replicate", "nearest"]).any()


def test_misfit_gradient_matches_differences_and_is_masked_where_models_end(models):
    problem = guidance.WaveformProblem(OPTIONS.acquisition, models, library.OUTSIDE, 0, 1)
    rng = np.random.default_rng(0)
    z = models.standardize(models.train[0, 0])
    misfit = problem.misfit(z)
    assert misfit.clipped == 0
    for _ in range(3):
        direction = rng.normal(size=z.shape)
        ahead, behind = (problem.misfit(z + sign * 1e-5 * direction).value for sign in (1, -1))
        # the misfit is in units of the floor
        slope = (ahead - behind) / 2e-5 * problem.observed.size / 2
        assert misfit.gradient @ direction == pytest.approx(slope, rel=1e-4)
    far = problem.misfit(40 * z)
    assert 0 < far.clipped < 1
    assert np.isfinite(far.value)
    assert np.isfinite(far.gradient).all()
    true = problem.misfit(models.standardize(problem.true))
    assert true.value == pytest.approx(1, abs=0.25)
    assert misfit.value > 2


def test_samples_under_a_memorized_prior_are_examples_and_others_are_not(models):
    pair_ratios = {}
    for name in ("memorized", "gaussian"):
        prior = PRIORS[name]
        samples, descents = guidance.sample(prior, OPTIONS, models, None, 1)
        scores = guidance.scores(samples, OPTIONS, models)
        scores = scores[(scores["reference_examples"] == 20) & (scores["step"] == 0.07)]
        pair_ratios[name] = scores.loc[scores["examples"].isin([0, 20]), "pair_ratio"]
        assert set(descents["t"]) == set(range(SCHEDULE.steps))
        conditions = prior.conditions(OPTIONS.guidance)
        ensembles = sum(prior.spreads and step == 0.07 for _, _, step in conditions)
        assert len(samples) == 2 * (len(conditions) + ensembles)
    assert pair_ratios["memorized"].max() < 1 / 3 < pair_ratios["gaussian"].min()


def brief(**options) -> settings.InversionWaveform:
    """Settings of ten diffusion steps, with these options of guidance."""
    guided = {"sizes": [20, 60], "samples": 1, "ensemble": 2} | options
    steps = {"steps": 10, "samples": 50}
    return settings.InversionWaveform(**SMALL | {"diffusion": steps, "guidance": guided})


def test_samples_do_not_depend_on_threads(models):
    single, double = (
        guidance.sample(PRIORS["broad"], brief(samples=3), models, None, 1, threads)[0]
        for threads in (1, 2)
    )
    pd.testing.assert_frame_equal(single, double)


def test_samples_of_one_training_set_do_not_depend_on_the_others(models):
    options = brief(samples=2)
    samples, descents = guidance.sample(PRIORS["memorized"], options, models, None, 1)
    alone = models._replace(
        train=models.train[1:], held_out=models.held_out[1:], target=models.target[1:]
    )
    problem = guidance.WaveformProblem(options.acquisition, models, library.OUTSIDE, 1, 1, 20)
    start = generator(1, "inversion", "start", library.OUTSIDE, 1).normal(size=(2, 100))
    path = []

    def gradient(z):
        results = [problem.misfit(point) for point in z.numpy()]
        path.append(np.mean([result.value for result in results]))
        slopes = np.array([result.gradient for result in results])
        values = torch.tensor([result.value for result in results], dtype=torch.float64)
        return values, torch.tensor(slopes)

    schedule = diffusion.schedule("paper", options.diffusion.steps)
    train = torch.tensor(models.standardize(alone.train[0, :20]))
    denoiser = diffusion.memorized(train, schedule)
    step = diffusion.DataStep(0.07)
    z = diffusion.guided(denoiser, torch.tensor(start), schedule, gradient, step)
    rows = (samples["truth"] == library.OUTSIDE) & (samples["replicate"] == 1)
    samples_there = np.stack(samples.loc[rows, "coordinates"].to_list())
    np.testing.assert_allclose(
        samples_there, models.scaling(0, 0).restore(z.numpy()), rtol=1e-9, atol=1e-9
    )
    rows = (descents["truth"] == library.OUTSIDE) & (descents["replicate"] == 1)
    np.testing.assert_allclose(descents.loc[rows, "misfit"], path, rtol=1e-9)


def test_priors_are_standardized_by_the_pool_or_by_their_training_set(models, tmp_path):
    scaled = models._replace(standardization="training")
    z = scaled.scaling(20, 1).standardize(models.train[1, :20])
    assert np.abs(z.mean(0)).max() < 1e-12
    np.testing.assert_allclose(z.std(0, ddof=1), 1)
    np.testing.assert_allclose(scaled.scaling(20, 1).restore(z), models.train[1, :20])
    np.testing.assert_array_equal(scaled.scaling(0, 1).scale, models.scale)
    np.testing.assert_array_equal(models.scaling(20, 1).scale, models.scale)
    trained = networks.fit(CLEAN, OPTIONS.networks, scaled, SCHEDULE, 1)
    networks.save(tmp_path / "own.safetensors", trained, scaled)
    networks.load(tmp_path / "own.safetensors", scaled, SCHEDULE)
    with pytest.raises(InputError, match="standardization 'training', the config says 'pool'"):
        networks.load(tmp_path / "own.safetensors", models, SCHEDULE)


def test_tempered_likelihoods_leave_as_many_examples_as_asked(models):
    logs = schedules.log_likelihoods(OPTIONS.acquisition, models, 0, 1, 20)
    assert posterior.effective(posterior.empirical(logs)) < 1.5
    tempered = schedules.temper(logs, 4.0)
    assert posterior.effective(posterior.empirical(tempered)) == pytest.approx(4, rel=1e-3)
    assert (np.argsort(tempered) == np.argsort(logs)).all()


def test_yardsticks_reach_the_maximum_and_fit_the_data(models):
    options = brief(samples=3)
    problem = guidance.WaveformProblem(OPTIONS.acquisition, models, library.OUTSIDE, 0, 1)
    prior = yardsticks.GaussianPrior.of(models)
    np.testing.assert_allclose(
        prior.root @ prior.root.T, np.cov(models.standardize(models.pool).T), atol=1e-6
    )
    w, hessian = yardsticks.fit(problem, prior, np.zeros(prior.root.shape[1]))

    def objective(point: np.ndarray) -> float:
        # independently: twice the misfit by the adjoint, times two for complex noise
        value = problem.misfit(prior.mean + prior.root @ point).value
        return float(point @ point) + 2 * value * problem.observed.size

    rng = np.random.default_rng(0)
    best = objective(w)
    assert best < 0.5 * objective(np.zeros_like(w))
    for _ in range(3):
        direction = rng.normal(size=w.shape)
        direction /= np.sqrt(direction @ hessian @ direction)
        assert objective(w + 3 * direction) > best
    samples = yardsticks.sample(options, models, 1)
    assert len(samples) == 3 * 2 * 2 * 3
    fits = samples.groupby("prior")["misfit"].median()
    assert fits["laplace"] < 1.6
    assert fits["rml"] < 1.6 < fits["lookup"]
    scores = guidance.scores(samples[samples["prior"] == "lookup"], options, models)
    assert scores.loc[scores["reference_examples"] == 20, "pair_ratio"].max() < 1e-6


def test_guidance_follows_its_options(models):
    def samples(**options) -> np.ndarray:
        frame = guidance.sample(PRIORS["gaussian"], brief(**options), models, None, 1)[0]
        return np.stack(frame["coordinates"].to_list())

    plain = samples()
    np.testing.assert_array_equal(plain, samples())
    assert np.abs(samples(full_jacobian=True) - plain).max() > 1e-3
    assert np.abs(samples(scaling="raw", steps=[1e-4, 2e-4]) - plain).max() > 1e-3


def test_lookups_hold_one_example_and_find_the_true_one(models):
    table = guidance.lookups(OPTIONS, models, 1)
    weights = table.groupby(["truth", "replicate"])["weight"]
    assert weights.sum().to_numpy() == pytest.approx(1)
    true = table[(table["truth"] == library.EXAMPLE) & (table["example"] == library.TRUE_EXAMPLE)]
    assert true["weight"].to_numpy() == pytest.approx(1)
    assert true["error"].to_numpy() == pytest.approx(0)
    assert true["misfit"].to_numpy() == pytest.approx(1, abs=0.25)
    background = table["example"] == schema.BACKGROUND_EXAMPLE
    assert (table.loc[background, "weight"] == 0).all()


def test_for_training_warns_of_a_schedule_that_does_not_end_in_noise(caplog):
    with caplog.at_level(logging.WARNING, "rote"):
        schedules.for_training("paper", 200)
    assert "ends at a signal of 0.132" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "rote"):
        schedules.for_training("zero_snr", 200)
    assert not caplog.text
    with pytest.raises(InputError, match="paper, zero_snr"):
        schedules.for_training("cosine", 200)


def test_layered_coordinates_are_whitened():
    frame = time_domain.coordinates(settings.InversionTimeDomain(models=80, components=10))
    assert frame.examples.std(0, ddof=1) == pytest.approx(1)
    np.testing.assert_allclose(frame.examples.mean(0), 0, atol=1e-10)
    model = frame.mean + frame.examples[3] @ frame.axes
    np.testing.assert_allclose(frame.project(model), frame.examples[3], atol=1e-9)
    assert 0.5 < frame.explained < 1
    assert frame.velocity(100 * frame.examples[0]).min() >= time_domain.LIMITS[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": {"sizes": [50, 2000]}}, "largest of models.sizes, 1000"),
        ({"networks": {"replicates": 9}}, "models.replicates, 8"),
        ({"guidance": {"sizes": [50, 300]}}, "among networks.sizes"),
        ({"guidance": {"sizes": [200, 50]}}, "sizes must rise"),
        ({"guidance": {"steps": [0.5, 0.07]}}, "steps must rise"),
        ({"acquisition": {"examples": 5000}}, "examples must not exceed"),
    ],
)
def test_settings_refuse_contradictions(change, message):
    with pytest.raises(ValueError, match=message):
        settings.InversionWaveform(**change)


def test_plan_counts_the_bytes_of_networks_and_the_samples_of_a_prior(models, tmp_path):
    whole = settings.Settings(waveform=OPTIONS)
    where = {"prediction": "clean", "prior": "gaussian"}
    trained = networks.fit(CLEAN, OPTIONS.networks, models, SCHEDULE, 1)
    networks.save(tmp_path / "clean.safetensors", trained, models)
    written = (tmp_path / "clean.safetensors").stat().st_size
    assert costs.DISK["train_networks"](whole, where) == pytest.approx(written, rel=0.05)
    samples, _ = guidance.sample(PRIORS["gaussian"], OPTIONS, models, None, 1)
    cells = (OPTIONS.acquisition.n + 2 * OPTIONS.acquisition.layer) ** 3
    gradient = cells * (1 + OPTIONS.acquisition.sources / 16)
    work = costs.WORK["simulate_posteriors"](whole, where)
    assert work == pytest.approx(len(samples) * OPTIONS.diffusion.steps * gradient)
