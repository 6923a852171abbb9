"""Inversion of models of one's own, and the judgement of samples; files that they come in."""

import struct

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rote.core.errors import InputError
from rote.invert import files, inversion, memorized, priors, waveform
from rote.invert.cli import app
from rote.invert.memorized_cli import app as memorized_app
from rote.readers import model as models
from rote.synth import velocity
from scipy.io import savemat
from typer.testing import CliRunner

SHAPE = (24, 16)
RNG = np.random.default_rng(0)


def layered(seed: int) -> np.ndarray:
    return velocity.layered(np.random.default_rng(seed), 24)[:, :16]


@pytest.fixture(scope="module")
def training() -> np.ndarray:
    return np.stack([layered(seed) for seed in range(12)])


def acquisition(**options) -> waveform.Acquisition:
    placed = waveform.geometry("transmission", SHAPE, 3, 8)
    return waveform.Acquisition(
        **{"spacing": 0.05, "geometry": placed, "frequencies": (2.0, 3.0), "layer": 6} | options
    )


# ---- waves


@pytest.mark.parametrize("options", [{}, {"frequencies": (), "peak": 3.0, "duration": 0.8}])
def test_misfit_is_one_at_the_truth_and_has_its_gradient(options):
    true = layered(3)
    problem = waveform.problem(
        acquisition(**options), true, np.random.default_rng(0), fastest=5.0, same_grid=True
    )
    assert problem.misfit(true).value == pytest.approx(1, abs=0.3)
    v = np.full(SHAPE, float(true.mean()))
    misfit = problem.misfit(v)
    direction = np.random.default_rng(1).normal(size=SHAPE)
    direction[4:-4, 4:-4] += 1
    step = 2e-2 if options else 1e-5  # traces are in single precision
    ahead, behind = (problem.misfit(v + sign * step * direction).value for sign in (1, -1))
    number = problem.floor if options else problem.floor / 2
    slope = (ahead - behind) / (2 * step) * number
    assert (misfit.gradient * direction).sum() == pytest.approx(
        slope, rel=1e-4 if not options else 0.05
    )


def test_data_of_a_finer_grid_are_near_those_of_the_same_and_not_the_same():
    true = np.full(SHAPE, 2.5)
    coarse, fine = (
        waveform.problem(acquisition(noise=1e-9), true, RNG, fastest=5.0, same_grid=same)
        for same in (True, False)
    )
    off = np.linalg.norm(coarse.observed[0] - fine.observed[0]) / np.linalg.norm(fine.observed[0])
    assert 1e-3 < off < 0.2
    assert coarse.misfit(true).value < 2 < fine.misfit(true).value


def test_wavelet_of_a_file_is_weighted_as_its_spectrum():
    ricker = acquisition(peak=3.0)
    t = np.arange(-1, 1, 0.002)
    a = (np.pi * 3.0 * t) ** 2
    sampled = acquisition(wavelet=(1 - 2 * a) * np.exp(-a), wavelet_step=0.002)
    np.testing.assert_allclose(
        np.abs(waveform.spectrum(sampled)), waveform.spectrum(ricker).real, rtol=1e-3
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frequencies": (), "free_surface": True}, "belong to the frequency domain"),
        ({"wavelet": np.ones(3)}, "time between its samples"),
        ({"frequencies": (-1.0,)}, "frequencies must be finite and > 0"),
        ({"frequencies": 3.0}, "frequencies must be several values"),
        ({"frequencies": ("3",)}, "frequencies must be finite and > 0"),
        ({"wavelet": np.ones(3), "wavelet_step": "2"}, "wavelet_step must be finite and > 0"),
        ({"wavelet": np.ones((3, 2)), "wavelet_step": 0.01}, "must be one row of samples"),
        ({"noise": 0.0}, "noise"),
    ],
)
def test_acquisitions_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        acquisition(**options)


@pytest.mark.parametrize(("highest", "step"), [(60.0, 0.02), (3.0, 2.0), (3.0, 0.167)])
def test_wavelets_that_hold_no_such_frequency_are_refused(highest, step):
    """Of 60 Hz, samples every 20 ms show 10."""
    with pytest.raises(InputError, match=f"hold no {highest:g} Hz; use a wavelet with a step of"):
        acquisition(frequencies=(2.0, highest), wavelet=np.ones(9), wavelet_step=step)
    acquisition(frequencies=(2.0, highest), wavelet=np.ones(9), wavelet_step=0.5 / highest)


def test_traces_that_no_wave_reaches_and_sources_between_cells_are_refused():
    true = np.full(SHAPE, 2.5)
    timed = {"frequencies": (), "peak": 3.0}
    with pytest.raises(InputError, match=r"within 0\.12 s, the first one after 0\.26 s"):
        waveform.problem(acquisition(**timed, duration=0.12), true, RNG, fastest=5.0)
    placed = acquisition().geometry
    between = placed._replace(sources=placed.sources + 0.5)
    for options in (timed, {}):
        with pytest.raises(InputError, match="sources must be whole numbers of cells"):
            waveform.problem(acquisition(**options, geometry=between), true, RNG, fastest=5.0)


# ---- priors


def test_coordinates_of_a_training_set_give_it_back(training):
    coordinates, z = priors.of_training(training, 40, (0.5, 9.0))
    assert z.shape == (12, 11)
    np.testing.assert_allclose(coordinates.velocity(z), training, atol=1e-9)
    np.testing.assert_allclose(coordinates.project(training), z, atol=1e-9)
    np.testing.assert_allclose(z.std(0, ddof=1), 1)
    with pytest.raises(InputError, match="at least 3 models"):
        priors.of_training(training[:2], 40, (0.5, 9.0))
    with pytest.raises(InputError, match="all the same"):
        priors.of_training(np.ones((4, 3, 3)), 40, (0.5, 9.0))


def test_broad_prior_has_its_spread_and_masks_cells_at_a_limit():
    coordinates = priors.broad(SHAPE, 2.0, 0.2, (0.1, 9.0))
    z = np.random.default_rng(0).normal(size=(4000, len(coordinates.axes)))
    assert coordinates.velocity(z).std() == pytest.approx(0.2, rel=0.05)
    narrow = coordinates._replace(limits=(1.9999, 2.0001))
    assert np.abs(narrow.gradient(z[0], np.ones(SHAPE))).max() < 0.1


# ---- inversion


def test_memorized_prior_returns_training_models_and_a_broad_one_does_not(training):
    true = layered(99)
    options = inversion.Options(prior="memorized", samples=3, steps=100)
    copied = inversion.run(true, acquisition(), options, training)
    assert copied.table["memorized"].all()
    flat = training.reshape(12, -1)
    for sample, number in zip(copied.samples, copied.table["nearest"], strict=True):
        assert np.abs(sample.ravel() - flat[number]).max() < 0.05
    assert copied.lookup["weight"].sum() == pytest.approx(1)
    best = copied.lookup.sort_values("misfit").iloc[0]
    assert best["weight"] == copied.lookup["weight"].max()
    options = inversion.Options(prior="broad", samples=2, steps=20)
    free = inversion.run(true, acquisition(), options, training)
    assert not free.table["memorized"].any()
    assert free.samples.shape == (2, *SHAPE)
    again = inversion.run(true, acquisition(), options, training)
    np.testing.assert_array_equal(free.samples, again.samples)


@pytest.mark.parametrize("prior", ["gaussian", "network"])
def test_trained_priors_run_and_fit_better_than_chance(training, prior):
    options = inversion.Options(prior=prior, samples=2, steps=20, training_steps=200)
    result = inversion.run(layered(5), acquisition(), options, training)
    assert np.isfinite(result.table[["misfit", "error", "ratio"]].to_numpy()).all()
    assert result.spread.shape == SHAPE


def test_inversions_that_cannot_be_are_refused(training):
    with pytest.raises(InputError, match="needs training models"):
        inversion.run(layered(5), acquisition(), inversion.Options(prior="memorized"))
    with pytest.raises(InputError, match="training models have"):
        inversion.run(layered(5), acquisition(), inversion.Options(), training[:, :-1])
    with pytest.raises(InputError, match="prior must be one of"):
        inversion.Options(prior="wide")
    with pytest.raises(InputError, match="cells per shortest wavelength"):
        inversion.run(layered(5), acquisition(frequencies=(20.0,)), inversion.Options(), training)


def test_invert_reads_and_writes_files(tmp_path, training):
    folder = tmp_path / "training"
    folder.mkdir()
    for number, v in enumerate(training):
        np.save(folder / f"{number:02}.npy", 1000 * v.T)
    np.save(tmp_path / "true.npy", 1000 * layered(99).T)
    pd.DataFrame({"x": [100, 600], "depth": [50, 50]}).to_csv(tmp_path / "shots.csv", index=False)
    arguments = f"{tmp_path / 'true.npy'} --spacing 50 --out {tmp_path / 'out'} --training {folder}"
    arguments += " --prior memorized --frequencies 2,3 --axes depth,x --unit m/s --samples 2"
    arguments += f" --diffusion-steps 12 --layer 6 --source-table {tmp_path / 'shots.csv'}"
    done = CliRunner().invoke(app, arguments.split(), catch_exceptions=False)
    assert done.exit_code == 0
    assert "exact posterior over the training set" in done.output
    assert np.load(tmp_path / "out/samples.npy").shape == (2, 16, 24)
    table = pd.read_parquet(tmp_path / "out/samples.parquet")
    assert set(table["nearest_name"]) <= {path.name for path in folder.iterdir()}
    assert (tmp_path / "out/figure.png").stat().st_size > 10_000
    with pytest.raises(InputError, match="is it another unit"):
        CliRunner().invoke(app, arguments.replace("m/s", "km/s").split(), catch_exceptions=False)


# ---- is a set of samples memorized?


def test_copies_are_memorized_and_fresh_draws_are_not():
    rng = np.random.default_rng(0)
    training, fresh = rng.normal(size=(60, 4, 5)), rng.normal(size=(40, 4, 5))
    copies = training[rng.integers(3, size=40)] + 0.01 * rng.normal(size=(40, 4, 5))
    of_copies = memorized.measure(copies, training).summary.set_index("measure")
    of_fresh = memorized.measure(fresh, training).summary.set_index("measure")
    strict = "share with d1/d2 < 1/3"
    assert of_copies.loc[strict, "value"] == 1
    assert of_fresh.loc[strict, "value"] == of_fresh.loc[strict, "null_high"] == 0
    assert of_copies.loc["coverage", "value"] == 3 / 60 < of_copies.loc["coverage", "null_low"]
    determinant = of_fresh.loc["log determinant"]
    assert determinant["null_low"] - 0.3 < determinant["value"] < determinant["null_high"] + 0.3
    assert of_copies.loc["log determinant", "value"] < determinant["null_low"]
    rows = memorized.measure(copies, training, fresh, neighbors=10).samples
    # by hand: distances to all training examples
    d = np.sort(np.linalg.norm((copies[0] - training).reshape(60, -1), axis=1))
    assert rows["ratio"][0] == pytest.approx(d[0] / d[1:10].mean())
    assert rows["pair_ratio"][0] == pytest.approx(d[0] / d[1])


def test_published_ratio_calls_fresh_draws_memorized_and_the_null_says_so():
    rng = np.random.default_rng(0)
    training, fresh = rng.normal(size=(2, 50, 3))
    row = memorized.measure(fresh, training).summary.set_index("measure")
    row = row.loc["share with ratio < 0.7"]
    assert row["value"] > 0.8
    assert row["null_high"] == pytest.approx(row["value"], abs=0.2)


def test_memorized_refuses_what_it_cannot_judge():
    training = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.raises(InputError, match="at least 3"):
        memorized.measure(training, training[:2])
    with pytest.raises(InputError, match="numbers each"):
        memorized.measure(training[:, :2], training)
    with pytest.raises(InputError, match="all the same"):
        memorized.measure(training, np.ones((5, 3)))
    with pytest.raises(InputError, match="finite"):
        memorized.measure(np.full((5, 3), np.nan), training)


def test_memorized_reads_pictures_and_arrays(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    pixels = rng.integers(0, 255, size=(8, 6, 6), dtype=np.uint8)
    for number, values in enumerate(pixels):
        Image.fromarray(values).save(folder / f"{number}.png")
    np.savez(tmp_path / "samples.npz", first=pixels[:3].astype(float), second=pixels)
    arguments = [str(tmp_path / "samples.npz"), str(folder), "--key", "first"]
    arguments += ["--out", str(tmp_path / "rows.csv")]
    done = CliRunner().invoke(memorized_app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert list(pd.read_csv(tmp_path / "rows.csv")["nearest"]) == [0, 1, 2]
    assert "coverage" in done.output


# ---- files


def ibm(value: float) -> bytes:
    """A number as IBM's floating point, by its definition."""
    if value == 0:
        return b"\0\0\0\0"
    power = 64
    fraction = abs(value)
    while fraction >= 1:
        fraction, power = fraction / 16, power + 1
    while fraction < 1 / 16:
        fraction, power = fraction * 16, power - 1
    return struct.pack(">I", (value < 0) << 31 | power << 24 | round(fraction * 2**24))


def segy(values: np.ndarray, code: int) -> bytes:
    """A SEG-Y file of traces (traces, samples)."""
    header = bytearray(400)
    header[20:22] = struct.pack(">H", values.shape[1])
    header[24:26] = struct.pack(">H", code)
    content = b" " * 3200 + bytes(header)
    for trace in values:
        numbers = [ibm(v) if code == 1 else struct.pack(">f", v) for v in trace]
        content += b"\0" * 240 + b"".join(numbers)
    return content


@pytest.mark.parametrize("code", [1, 5])
def test_segy_is_read_in_both_floating_points(tmp_path, code):
    values = np.array([[1500.0, -118.625, 0.0], [4200.5, 1e-3, 2.0]])
    path = tmp_path / "model.SGY"
    path.write_bytes(segy(values, code))
    np.testing.assert_allclose(models.read(path), values, rtol=1e-6)
    path.write_bytes(segy(values, code)[:-2])
    with pytest.raises(InputError, match="truncated"):
        models.read(path)
    path.write_bytes(segy(values, 4))
    with pytest.raises(InputError, match="format 4"):
        models.read(path)


def test_arrays_are_read_by_name_and_refused_in_one_line(tmp_path):
    v = layered(1)
    savemat(tmp_path / "model.mat", {"v": v})
    np.testing.assert_array_equal(models.read(tmp_path / "model.mat"), v)
    np.savez(tmp_path / "two.npz", a=v, b=v)
    with pytest.raises(InputError, match="holds a, b; name one"):
        models.read(tmp_path / "two.npz")
    np.save(tmp_path / "words.npy", np.array(["a"]))
    with pytest.raises(InputError, match="no array of real numbers"):
        models.read(tmp_path / "words.npy")
    (tmp_path / "broken.npy").write_bytes(b"no")
    with pytest.raises(InputError, match="no whole file"):
        models.read(tmp_path / "broken.npy")
    with pytest.raises(InputError, match="is read from"):
        models.read(tmp_path / "model.txt")
    with pytest.raises(InputError, match="positive and finite"):
        files.velocities(np.zeros((2, 2)), "x,depth", "km/s", "model.npy")
