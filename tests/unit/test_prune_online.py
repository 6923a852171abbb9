"""Pruning inside training: the controller, admission, training in turn."""

import pytest
import torch
from rote.core.errors import InputError
from rote.prune import online


def candidates(*values: float) -> torch.Tensor:
    return torch.tensor([values])


def test_online_selection_agrees_with_an_example_by_hand():
    losses = candidates(3.0, 0.01, 2.0, 0.3)
    share = torch.tensor([0.75])
    choice = online.choose(
        losses, share, 0.5, scheme="low", controller=online.Controller(steps=1000)
    )
    assert choice.chosen.tolist() == [[1, 3, 2]]
    assert choice.weights.tolist() == [[1, 1, 1]]
    assert choice.share.tolist() == [0.75]
    flat = online.choose(
        losses, share, 0.5, scheme="low-flat", controller=online.Controller(steps=1000)
    )
    assert flat.chosen.tolist() == [[3, 2]]  # the first is known already
    high = online.choose(
        losses, torch.tensor([0.5]), 0.5, scheme="high", controller=online.Controller(steps=1000)
    )
    assert high.chosen.tolist() == [[0, 2]]


def test_controller_follows_what_is_known():
    share = torch.tensor([0.5])
    low, high = torch.full((1, 100), 0.1), torch.full((1, 100), 5.0)
    for steps in (100, 1000):  # as much over a whole training, whatever its steps
        change = online.Controller().speed / steps
        grown = online.choose(
            low, share, 0.5, scheme="auto", controller=online.Controller(steps=steps)
        ).share
        shrunk = online.choose(
            high, share, 0.5, scheme="auto", controller=online.Controller(steps=steps)
        ).share
        assert grown.item() == pytest.approx(0.5 + change)
        assert shrunk.item() == pytest.approx(0.5 - change)
    for _ in range(1000):
        share = online.choose(
            high, share, 0.9, scheme="auto", controller=online.Controller(steps=1000)
        ).share
    assert share.item() == pytest.approx(online.Controller().min_share)
    for _ in range(1000):  # capacity far above the data: back to everything
        share = online.choose(
            low, share, 0.9, scheme="auto", controller=online.Controller(steps=1000)
        ).share
    assert share.item() == 1.0


def test_controller_asks_for_what_its_pace_and_threshold_say():
    losses = torch.cat([torch.full((1, 40), 1.4), torch.full((1, 60), 1.6)], 1)
    share = torch.tensor([1.0])
    few = online.Controller(
        known=1.5, pace=0.5, speed=1.0, steps=100
    )  # asks for 0.25 at half the steps
    many = online.Controller(known=1.5, pace=1.0, speed=1.0, steps=100)  # for 0.5
    strict = online.Controller(known=1.3, pace=0.5, speed=1.0, steps=100)
    shares = [
        online.choose(losses, share, 0.5, scheme="auto", controller=one).share.item()
        for one in (few, many, strict)
    ]
    assert shares == pytest.approx([1.0, 0.99, 0.99])


@pytest.mark.parametrize("name", ["known", "pace", "speed", "min_share", "ceiling"])
def test_controller_refuses_what_is_out_of_range(name):
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match=f"{name} must be"):
            online.Controller(**{name: value})


def test_whole_examples_are_admitted_by_their_last_losses():
    losses = torch.tensor([[5.0, 0.1, float("inf"), 2.0, 0.2]])
    copies = torch.tensor([[2, 7, 3, 1, 0]])
    share = torch.tensor([0.5])
    admitted, grown = online.admit(
        losses, copies, share, 0.2, controller=online.Controller(steps=100)
    )
    assert admitted.tolist() == [[0, 7, 0, 1, 0]]  # two of the four that occur
    assert grown.item() > 0.5  # one of two is known, and 0.2 asked for
    everything, _ = online.admit(
        losses, copies, torch.tensor([1.0]), 0.2, controller=online.Controller(steps=100)
    )
    assert everything.tolist() == [[2, 7, 3, 1, 0]]
    with pytest.raises(InputError, match="copies must be a tensor of shape"):
        online.admit(losses, copies[:, :2], share, 0.2, controller=online.Controller(steps=100))


def test_online_selection_is_each_stacked_models_own():
    losses = torch.stack([torch.arange(200.0), torch.arange(200.0).flip(0)])
    choice = online.choose(
        losses,
        torch.tensor([0.5, 1.0]),
        0.5,
        scheme="auto",
        controller=online.Controller(steps=1000),
    )
    assert choice.weights.sum(1).tolist() == [100, 200]
    assert choice.chosen[0, :100].tolist() == list(range(100))
    assert choice.chosen[1].tolist() == list(range(199, -1, -1))


def test_shares_are_of_distinct_examples_where_candidates_repeat():
    losses = candidates(0.1, 0.1, 0.1, 4.0, 5.0, 6.0)
    ids = torch.tensor([[7, 7, 7, 1, 2, 3]])
    half = torch.tensor([0.5])
    assert online.choose(
        losses, half, 0.4, scheme="low", controller=online.Controller(steps=10)
    ).chosen.tolist() == [[0, 1, 2]]
    choice = online.choose(
        losses, half, 0.4, scheme="auto", controller=online.Controller(steps=10), ids=ids
    )
    assert choice.chosen.tolist() == [[0, 1, 2, 3]]  # two of four distinct ones
    assert choice.share.item() == pytest.approx(0.5 + online.Controller().speed / 10)  # 1/2 > 0.4
    choice = online.choose(
        losses, half, 0.6, scheme="auto", controller=online.Controller(steps=10), ids=ids
    )
    assert choice.share.item() == pytest.approx(0.5 - online.Controller().speed / 10)
    with pytest.raises(InputError, match="ids must be a tensor of shape"):
        online.choose(
            losses, half, 0.4, scheme="auto", controller=online.Controller(steps=10), ids=ids[:, :2]
        )


def test_of_many_admitted_candidates_the_first_in_turn_are_trained_on():
    losses = candidates(3.0, 0.01, 9.0, 2.0, 0.3)
    share = torch.tensor([0.8])
    choice = online.choose(
        losses, share, 0.5, scheme="low", controller=online.Controller(steps=10, max_trained=2)
    )
    assert choice.chosen.tolist() == [[1, 0]]  # of 1, 4, 3, 0, by their losses
    with pytest.raises(InputError, match="max_trained must be a whole number"):
        online.choose(
            losses, share, 0.5, scheme="low", controller=online.Controller(steps=10, max_trained=0)
        )


def test_online_selection_admits_one_candidate_at_least():
    choice = online.choose(
        torch.rand(2, 10),
        torch.tensor([0.01, 0.2]),
        0.5,
        scheme="auto",
        controller=online.Controller(steps=1000),
    )
    assert choice.weights.sum(1).tolist() == [1, 2]


def test_online_selection_stops_at_a_loss_that_is_not_finite():
    with pytest.raises(FloatingPointError, match="loss of candidate 1 of model 0 is nan"):
        online.choose(
            candidates(1.0, float("nan")),
            torch.tensor([1.0]),
            0.5,
            scheme="auto",
            controller=online.Controller(steps=10),
        )


def test_online_selection_refuses_an_unknown_scheme_and_names_all():
    with pytest.raises(InputError, match="scheme must be one of low, high, low-flat, auto"):
        online.choose(
            candidates(1.0),
            torch.tensor([1.0]),
            0.5,
            scheme="loss",
            controller=online.Controller(steps=10),
        )
