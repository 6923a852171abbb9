"""Every figure of every paper, as the smoke run draws it, obeys the rules of the house."""

import matplotlib.pyplot as plt
import pytest
from figure_rules import colours, problems
from rote import plotting
from rote.core.papers import load, names
from rote.core.tables import Folder


@pytest.fixture(scope="module", params=names())
def drawn(request, smoke):
    """A paper's figures by name."""
    tables = Folder(smoke / "results/smoke" / request.param)
    figures = load(request.param, "figures").FIGURES
    yield {name: plotting.render(request.param, name, tables) for name in figures}
    plt.close("all")


def test_figures_obey_the_rules(drawn):
    with plotting.house_style():
        broken = {name: problems(canvas) for name, canvas in drawn.items()}
    assert not {name: listed for name, listed in broken.items() if listed}


def test_a_label_has_one_colour_in_all_figures_of_a_paper(drawn):
    seen: dict[str, set[str]] = {}
    for canvas in drawn.values():
        for label, colour in colours(canvas):
            seen.setdefault(label, set()).add(colour)
    ordered = ("N = ", "λ = ", "k = ", "σ = ", "γ = ", "α = ", "τ = ")  # shades of what is drawn
    several = {label for label, shown in seen.items() if len(shown) > 1}
    assert not {label for label in several if not label.startswith(ordered)}
