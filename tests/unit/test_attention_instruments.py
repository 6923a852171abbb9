"""Nonlinear attention as an instrument: grids, standards of comparison, simulated contexts."""

import numpy as np
import pytest
from rote.core.errors import InputError
from rote.papers.attention import instruments, point
from rote.papers.attention.heads import SPIKES, Structure
from rote.papers.attention.instruments import ContextSize, HeadAxes
from rote.plotting import maps
from rote.theory import attention


def test_one_fixed_point_serves_all_spikes():
    gamma, c = np.geomspace(1e-3, 10, 4), 2.0
    structures = [Structure(2.0, spike) for spike in SPIKES.values()]
    vectors = [structure.vectors for structure in structures]
    together = attention.memorization_errors(gamma, c, "tanh", vectors)
    for setting, solution in zip(vectors, together, strict=True):
        alone = attention.memorization_error(gamma, c, "tanh", setting)
        np.testing.assert_array_equal(solution.error, alone.error)


@pytest.mark.parametrize("c", [0.25, 1.1, 4.0])
@pytest.mark.parametrize("f", ["tanh", "linear", "cos_c"])
def test_equal_freedom_is_equal(c, f):
    gamma = np.geomspace(1e-4, 100, 7)
    matched = attention.matched_ridge(gamma, c, f, "freedom")
    attended = 1 - matched * attention.memorization_error(matched, c, f).h_uu
    # of ridge regression: mean of x/(x + γ) over the spectrum, by the derivative of its error
    b = gamma + c - 1
    g = (np.sqrt(b**2 + 4 * gamma) - b) / (2 * gamma)
    np.testing.assert_allclose(attended, 1 - gamma * g, rtol=1e-7)


def test_standards_are_named():
    assert attention.matched_ridge(2.0, 4.0, "tanh", "ridge") == 2.0
    power = attention.matched_ridge(2.0, 4.0, "tanh", "power")
    assert power == pytest.approx(2 * float(attention.equal_power(4.0, "tanh")))
    with pytest.raises(InputError, match="standard must be one of ridge, power, freedom"):
        attention.matched_ridge(1.0, 4.0, "tanh", "gamma")


def test_structure_alone_reverses_the_gap_by_every_standard():
    for standard in attention.STANDARDS:
        heads = HeadAxes(signal="8")
        frame = instruments.grid("tanh", {"gamma": "1e-3:1e3:13:log", "c": "4"}, heads, standard)
        assert frame["gap"].min() < -0.1
        noise = instruments.grid("tanh", {"gamma": "0.1:10:5:log", "c": "4"}, HeadAxes(), standard)
        assert noise["gap"].min() > 0.01


def test_grid_is_the_point_of_the_command_line():
    heads = HeadAxes(signal="4", spike="none,aligned", omega="1,2")
    frame = instruments.grid("tanh", {"gamma": "1", "c": "4"}, heads)
    assert len(frame) == 4
    row = frame[(frame["spike"] == "aligned") & (frame["omega"] == 1)].iloc[0]
    single = point.solve("tanh", 4.0, 1.0, point.PointHead(4.0, 0.0, 0.0))
    assert row["error"] == pytest.approx(single.numbers["memorization error"], rel=1e-9)
    assert row["error"] == pytest.approx(0.15692846, abs=1e-8)
    given = HeadAxes(signal="4", w_key="1", w_query="1,0,0,0")
    same = instruments.grid("tanh", {"gamma": "1", "c": "4"}, given)
    assert same["error"].item() == pytest.approx(row["error"], rel=1e-9)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (HeadAxes(spike="straight"), "--spike must be of"),
        (HeadAxes(w_key="1"), "--w-key and --w-query belong together"),
        (HeadAxes(spike="aligned", w_key="1", w_query="1"), "not both"),
        (HeadAxes(signal="-1"), "--signal must be finite and ≥ 0"),
    ],
)
def test_heads_that_are_none_are_refused(heads, message):
    with pytest.raises(InputError, match=message):
        instruments.grid("tanh", {"gamma": "1", "c": "4"}, heads)


def test_function_of_a_module_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "functions_of_mine.py").write_text(
        "import numpy as np\n\n\ndef f(t):\n    return np.tanh(t)\n"
    )
    monkeypatch.chdir(tmp_path)
    frame = instruments.grid(
        "tanh,functions_of_mine:f", {"gamma": "1", "c": "4"}, HeadAxes(signal="4")
    )
    assert frame["error"].iloc[0] == pytest.approx(frame["error"].iloc[1], rel=1e-9)
    maps.save(tmp_path / "a.png", *_drawn())


def _drawn():
    fixed = {"gamma": "1e-2:10:6:log", "c": "0.5,4"}
    frame = instruments.grid("tanh", fixed, HeadAxes(signal="1"))
    return frame, instruments.varying(frame), instruments.ERRORS, instruments.SERIES


def test_simulated_contexts_have_their_theory_beside_them():
    heads, size = HeadAxes(signal="0.5", spike="aligned"), ContextSize(96, 192, 6)
    frame = instruments.simulated("tanh", "1,10", heads, size, 1)
    assert len(frame) == 12
    for name, theory in (("error", "theory"), ("ridge", "ridge_theory")):
        groups = frame.groupby("gamma")
        distance = (groups[name].mean() - groups[theory].first()).abs()
        assert (distance < 5 * groups[name].sem() + 0.02).all()
    assert instruments.compared(frame).count("\n") == 2
    with pytest.raises(InputError, match="one signal and one head"):
        instruments.simulated("tanh", "1", HeadAxes(signal="0,1"), size, 1)
