"""Trained priors, diffusion posterior sampling and the time domain, at a size of seconds."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from rote.core.errors import InputError
from rote.models import diffusion
from rote.papers.inversion import fwi, guidance, library, nearness, networks, settings, time_domain

SMALL = {
    name: section.SCALES["smoke"]
    for name, section in (
        ("models", settings.Models),
        ("acquisition", settings.Acquisition),
        ("diffusion", settings.Diffusion),
        ("networks", settings.Networks),
        ("guidance", settings.Guidance),
    )
}
TINY = {"width": 16, "blocks": 1, "embedding": 8, "steps": 40, "batch": 8}
OPTIONS = settings.Waveform(
    **SMALL | {"networks": SMALL["networks"] | {"clean": TINY, "noise": TINY}}
)
NOISE = fwi.schedule("paper", OPTIONS.diffusion.steps)


@pytest.fixture(scope="module")
def models() -> library.Library:
    return library.read(library.synthesize(OPTIONS.models))


def test_the_library_is_read_as_written_whatever_the_order_of_rows(models):
    frame = library.synthesize(OPTIONS.models)
    shuffled = library.read(frame.sample(frac=1, random_state=0))
    for name in ("train", "held_out", "target", "pool"):
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(models, name))
    assert models.train.shape == (2, 60, 100)
    assert models.standard(models.pool).std(0, ddof=1) == pytest.approx(1)
    assert len(
        np.unique(
            np.concatenate([*models.train, *models.held_out, models.target, models.pool]), axis=0
        )
    ) == (2 * 60 + 2 * 100 + 2 + 400)  # no draw is used twice


def test_a_constant_coordinate_is_refused():
    flat = np.random.default_rng(0).normal(size=(10, 3))
    flat[:, 1] = 2.0
    with pytest.raises(InputError, match="coordinate 1 is constant over 10 models"):
        library.spread(flat)


def test_repeated_training_models_are_reported(models, caplog):
    frame = library.synthesize(OPTIONS.models)
    rows = frame.index[(frame["set"] == "training") & (frame["replicate"] == 1)]
    frame.at[rows[3], "coordinates"] = frame.at[rows[7], "coordinates"]
    with caplog.at_level(logging.WARNING, "rote"):
        library.read(frame)
    assert "training set 1 holds 1 model more than once" in caplog.text


def test_ratios_need_two_models_and_neighbors_may_be_fewer_than_asked():
    with pytest.raises(InputError, match="at least 2"):
        nearness.ratios(np.zeros((1, 3)), np.zeros((1, 3)), 50)
    with pytest.raises(InputError, match="at least 2"):
        nearness.ratios(np.zeros((2, 3)), np.eye(3)[:2], 50, leave_out=True)
    published, pair = nearness.ratios(np.array([[0.1]]), np.array([[0.0], [1.0]]), 50)
    assert published[0] == pytest.approx(pair[0]) == pytest.approx(1 / 9)


def test_samples_apart_have_different_neighbors_and_may_be_fewer():
    ratio, nearest = np.array([0.3, 0.1, 0.2, 0.4]), np.array([5, 7, 7, 5])
    assert nearness.apart(ratio, nearest) == [1, 0]
    assert nearness.apart(ratio, np.array([1, 2, 3, 4]), 3) == [1, 2, 0]


def test_networks_resume_to_the_same_weights(models, tmp_path, monkeypatch):
    whole = networks.fit("clean", OPTIONS.networks, models, NOISE, 1)

    def stop(*args, **options):
        raise KeyboardInterrupt

    average = diffusion.network

    def broken(*args):  # dies in the 30th step of the first stack
        forward, calls = average(*args), []

        def counted(*inputs):
            calls.append(1)
            return stop() if len(calls) == 30 else forward(*inputs)

        return counted

    monkeypatch.setattr(networks.diffusion, "network", broken)
    with pytest.raises(KeyboardInterrupt):
        networks.fit("clean", OPTIONS.networks, models, NOISE, 1, checkpoints=tmp_path, every=10)
    monkeypatch.undo()
    assert list(tmp_path.glob("*.pt"))
    again = networks.fit(
        "clean", OPTIONS.networks, models, NOISE, 1, checkpoints=tmp_path, every=10
    )
    for name, value in whole.parameters.items():
        torch.testing.assert_close(again.parameters[name], value, rtol=0, atol=0)


def test_a_stack_is_its_networks_one_by_one(models):
    trained = networks.fit("noise", OPTIONS.networks, models, NOISE, 1)
    z = torch.randn(
        len(trained.members),
        5,
        100,
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
    )
    whole = trained.denoiser(OPTIONS.networks.noise)(z, 20)
    for member in range(len(trained.members)):
        one = trained.denoiser(OPTIONS.networks.noise, member)(z[member], 20)
        torch.testing.assert_close(one, whole[member], rtol=1e-5, atol=1e-5)


def test_networks_of_other_data_are_refused(models, tmp_path):
    trained, path = (
        networks.fit("clean", OPTIONS.networks, models, NOISE, 1),
        tmp_path / "clean.safetensors",
    )
    networks.save(path, trained, models)
    found = networks.load(path, models, NOISE)
    assert found.members == networks.members("clean", OPTIONS.networks)
    for name, value in trained.parameters.items():
        torch.testing.assert_close(found.parameters[name], value, rtol=0, atol=0)
    with pytest.raises(InputError, match="another center"):
        networks.load(path, models._replace(pool=models.pool + 1), NOISE)
    pool = models.pool.mean(0) + 2 * (models.pool - models.pool.mean(0))
    with pytest.raises(InputError, match="another scale"):
        networks.load(path, models._replace(pool=pool), NOISE)
    with pytest.raises(
        InputError, match=r"trained on 60 examples of training set 0; there are 2 sets of 30"
    ):
        networks.load(path, models._replace(train=models.train[:, :30]), NOISE)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="holds no networks"):
        networks.load(path, models, NOISE)


def test_a_network_that_predicts_clean_points_memorizes_a_few_and_the_null_stays_low(
    models, tmp_path
):
    options = settings.Waveform(
        **SMALL | {"networks": SMALL["networks"] | {"clean": settings.Network.SCALES["smoke"]}}
    )
    path = tmp_path / "clean.safetensors"
    networks.save(path, networks.fit("clean", options.networks, models, NOISE, 1), models)
    table, shown = networks.evaluate([path], options, models, NOISE, 1)
    few = table[table["examples"] == 20].set_index(["prediction", "steps", "replicate"])
    for replicate in range(2):
        closed, free = few.loc[("closed form", 0, replicate)], few.loc[("gaussian", 0, replicate)]
        trained = few.loc[("clean", 500, replicate)]
        assert closed["pair_rate"] == 1
        assert free["pair_rate"] == 0
        assert closed["train_loss"] < 1 < 100 < closed["held_out_loss"]
        assert free["held_out_loss"] == pytest.approx(free["train_loss"], rel=0.25)
        assert free["ratio"] > trained["ratio"]
        assert trained["held_out_loss"] > 2 * trained["train_loss"]
    assert shown.groupby(["prediction", "replicate"])["nearest"].nunique().max() <= 3
    assert not shown.duplicated(["prediction", "replicate", "nearest"]).any()


def test_the_gradient_of_a_problem_is_that_of_its_misfit_and_masked_where_models_end(models):
    problem = guidance.Problem(OPTIONS.acquisition, models, guidance.OUTSIDE, 0, 1)
    rng, z = np.random.default_rng(0), models.standard(models.train[0, 0])
    value, gradient, clipped = problem.misfit(z)
    assert clipped == 0
    for _ in range(3):
        direction = rng.normal(size=z.shape)
        ends = [problem.misfit(z + sign * 1e-5 * direction)[0] for sign in (1, -1)]
        slope = (
            (ends[0] - ends[1]) / 2e-5 * problem.observed.size / 2
        )  # the misfit is given over the floor
        assert gradient @ direction == pytest.approx(slope, rel=1e-4)
    far = problem.misfit(40 * z)
    assert 0 < far[2] < 1
    assert np.isfinite(far[0])
    assert np.isfinite(far[1]).all()
    assert problem.misfit(models.standard(problem.truth))[0] == pytest.approx(1, abs=0.25)
    assert value > 2


def test_posterior_samples_under_a_memorized_prior_are_examples_and_others_are_not(models):
    found = {}
    for prior in ("memorized", "gaussian"):
        samples, descents = guidance.sample(prior, OPTIONS, models, NOISE, None, 1)
        scores = guidance.scores(samples, OPTIONS, models)
        own = scores[
            (scores["against"] == 20) & (scores["step"] == 0.07) & scores["examples"].isin([0, 20])
        ]
        found[prior] = own["pair"]
        assert set(descents["t"]) == set(range(NOISE.steps))
        assert len(samples) == 2 * len(guidance.conditions(prior, OPTIONS.guidance))
    assert found["memorized"].max() < 1 / 3 < found["gaussian"].min()


def test_threads_do_not_change_samples(models):
    options = settings.Waveform(
        **SMALL
        | {"diffusion": {"steps": 10, "samples": 50}, "guidance": {"sizes": [20, 60], "samples": 3}}
    )
    noise = fwi.schedule("paper", 10)
    one, two = (
        guidance.sample("broad", options, models, noise, None, 1, threads)[0] for threads in (1, 2)
    )
    pd.testing.assert_frame_equal(one, two)


def test_switches_change_what_guidance_does(models):
    def samples(**switches) -> np.ndarray:
        options = settings.Waveform(
            **SMALL
            | {
                "diffusion": {"steps": 10, "samples": 50},
                "guidance": {"sizes": [20, 60], "samples": 1, **switches},
            }
        )
        frame = guidance.sample("gaussian", options, models, fwi.schedule("paper", 10), None, 1)[0]
        return np.stack(frame["coordinates"].to_list())

    plain = samples()
    np.testing.assert_array_equal(plain, samples())
    assert np.abs(samples(full_jacobian=True) - plain).max() > 1e-3
    assert np.abs(samples(normalized=False, steps=[1e-4, 2e-4]) - plain).max() > 1e-3


def test_the_exact_lookup_holds_one_example_and_finds_the_true_one(models):
    table = guidance.lookups(OPTIONS, models, 1)
    weights = table.groupby(["truth", "replicate"])["weight"]
    assert weights.sum().to_numpy() == pytest.approx(1)
    own = table[(table["truth"] == "example") & (table["example"] == library.TRAINED)]
    assert own["weight"].to_numpy() == pytest.approx(1)
    assert own["error"].to_numpy() == pytest.approx(0)
    assert own["misfit"].to_numpy() == pytest.approx(1, abs=0.25)
    assert (table.loc[table["example"] == -1, "weight"] == 0).all()


def test_a_schedule_that_does_not_end_in_noise_is_said_so(caplog):
    with caplog.at_level(logging.WARNING, "rote"):
        fwi.schedule("paper", 200, warn=True)
    assert "ends at a signal of 0.132" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "rote"):
        fwi.schedule("zero_snr", 200, warn=True)
    assert not caplog.text
    with pytest.raises(InputError, match="paper, zero_snr"):
        fwi.schedule("cosine", 200)


def test_layered_models_in_whitened_coordinates():
    frame = time_domain.coordinates(settings.TimeDomain(models=80, components=10))
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
        ({"networks": {"replicates": 9}}, "models.replicates, 4"),
        ({"guidance": {"sizes": [50, 300]}}, "among networks.sizes"),
        ({"guidance": {"sizes": [200, 50]}}, "sizes must rise"),
        ({"guidance": {"steps": [0.5, 0.07]}}, "steps must rise"),
        ({"acquisition": {"examples": 5000}}, "examples must not exceed"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        settings.Waveform(**change)
