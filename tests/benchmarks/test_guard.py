"""A guard: kernels that are to be several times faster than a peer still are, in one process.

Ratios of CPU seconds, measured alternately, hold on slow and busy machines; half of a kernel's bar
is asked for, which is several times less than what was measured. Absolute times are asserted
nowhere.
"""

import numpy as np
import pytest
from rote.core.job import limit_threads

from tests.benchmarks import attention, case, inversion, page, raf, resmem

CHECKED = [
    raf.hinge_simulation,
    raf.square_simulation,
    attention.attention_simulation,
    inversion.solve_per_shot,
    resmem.search,
]


@pytest.mark.parametrize("prepare", CHECKED, ids=lambda prepare: prepare.__name__)
def test_kernels_meet_half_of_their_bar(prepare):
    with limit_threads(1):
        made = prepare()
        ratios = [peer / ours for ours, peer in case.paired(made._replace(repeats=3))]
    assert np.median(ratios) >= made.bar / 2


@pytest.mark.parametrize(
    ("n", "first", "last"), [(1, 0, 0), (3, 0, 2), (5, 0, 4), (6, 0, 5), (9, 1, 7), (15, 3, 11)]
)
def test_median_interval_has_its_coverage(n, first, last):
    median, low, high, covered = case.median_interval(list(range(n)))
    assert (low, high) == (first, last)
    assert median == (n - 1) / 2
    draws = np.sort(np.random.default_rng(n).normal(size=(20_000, n)), axis=1)
    enclosed = (draws[:, first] < 0) & (draws[:, last] > 0)
    assert enclosed.mean() == pytest.approx(covered, abs=0.02)
    assert covered >= 0.95 or first == 0


def test_exponent_recovers_known_growth():
    sizes = np.array([10, 20, 40, 80])
    slope, low, high = case.exponent(sizes, 3e-6 * sizes**1.5)
    assert slope == pytest.approx(1.5)
    assert low <= slope <= high
    noisy = 3e-6 * sizes**2 * np.array([1.1, 0.9, 1.05, 0.95])
    slope, low, high = case.exponent(sizes, noisy)
    assert low < 2 < high
    assert all(np.isnan(case.exponent(sizes[:2], sizes[:2])))
    assert all(np.isnan(case.exponent(sizes, sizes * 0)))


def test_extrapolated_recovers_known_growth():
    sizes = np.array([10, 20, 40, 80, 160])
    rng = np.random.default_rng(0)
    assert case.extrapolated(sizes, 3e-6 * sizes**1.5, 1000) == pytest.approx(
        [3e-6 * 1000**1.5] * 3
    )
    inside = 0
    for _ in range(400):
        value, low, high = case.extrapolated(sizes, sizes * np.exp(0.1 * rng.normal(size=5)), 1000)
        assert low < value < high
        inside += low < 1000 < high
    assert inside / 400 == pytest.approx(0.95, abs=0.035)


def test_added_memory_measures_what_work_adds():
    mib = 2**20
    added = case.added_memory(lambda: np.ones(64 * mib // 8).sum())
    if np.isnan(added):
        pytest.skip("the kernel does not let a process reset its peak")
    assert 60 < added < 80
    assert case.added_memory(lambda: None) < 5


def test_picture_keeps_a_ratio_inside():
    row = {"ratio": 3.0, "ratio_low": 2.0, "ratio_high": 5.0, "bar": float("nan")}
    text = page.picture(row, 0.5, 100.0)
    assert 'class="bar"' not in text
    text = page.picture(row | {"bar": 20.0}, 0.5, 100.0)
    assert 'class="bar"' in text
    places = [float(part.split('"')[1]) for part in text.split("cx=")[1:]]
    assert 0 < places[0] < 160
