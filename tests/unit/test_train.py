"""The training loop: AdamW, independent models, a killed run that continues bit by bit."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from rote import train
from rote.core.errors import InputError


def problem(models: int = 3, seed: int = 0):
    """Stacked linear regressions: parameters, loss by step, weight decays."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(models, 64, 5, generator=generator)
    y = torch.randn(models, 64, generator=generator)
    start = {
        "weight": torch.randn(models, 5, 1, generator=generator),
        "bias": torch.randn(models, 1, 1, generator=generator),
    }

    def loss(parameters, step):
        rows = slice(step % 4 * 16, step % 4 * 16 + 16)
        output = torch.baddbmm(parameters["bias"], x[:, rows], parameters["weight"]).squeeze(-1)
        return ((output - y[:, rows]) ** 2).mean(1)

    return start, loss, torch.linspace(0, 0.5, models)


STEPS = 60
RATE = 0.05
ADAM = train.AdamW(STEPS, RATE)


def every_ten(path):
    return train.Checkpoint(path, 10)


def test_fit_is_adamw_with_a_cosine_schedule():
    start, loss, decays = problem()
    ours = train.fit(start, loss, replace(ADAM, weight_decay=decays))
    for model, decay in enumerate(decays.tolist()):
        reference = {
            name: value[model : model + 1].clone().requires_grad_() for name, value in start.items()
        }
        optimizer = torch.optim.AdamW(reference.values(), lr=1.0, weight_decay=decay)
        for step in range(STEPS):
            rate = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            padded = {name: value.expand(len(decays), -1, -1) for name, value in reference.items()}
            loss(padded, step)[model].backward()
            optimizer.step()
        for name, value in reference.items():
            torch.testing.assert_close(
                ours[name][model : model + 1], value.detach(), rtol=1e-4, atol=1e-5
            )


def test_fit_leaves_the_given_parameters_unchanged():
    start, loss, _ = problem()
    before = {name: value.clone() for name, value in start.items()}
    train.fit(start, loss, ADAM)
    assert all(torch.equal(before[name], value) for name, value in start.items())


class Killed(Exception):
    pass


def killed_at(loss, when):
    def mortal(parameters, step):
        if step == when:
            raise Killed
        return loss(parameters, step)

    return mortal


@pytest.mark.parametrize("deaths", [[5], [10, 11, 12], [29, 31, 59]])
def test_fit_continues_a_killed_run_bit_by_bit(tmp_path, deaths):
    start, loss, decays = problem()

    def noise(parameters, step):
        return loss(parameters, step) * (1 + 0.01 * torch.rand(3))

    torch.manual_seed(3)
    undisturbed = train.fit(start, noise, replace(ADAM, weight_decay=decays))
    torch.manual_seed(3)
    adam = replace(ADAM, weight_decay=decays)
    options = {"checkpoint": every_ten(tmp_path / "state.pt")}
    if deaths[0] < 10:  # killed before the first checkpoint: the run starts anew, from the seed
        with pytest.raises(Killed):
            train.fit(start, killed_at(noise, deaths[0]), adam, **options)
        torch.manual_seed(3)
        deaths = []
    for when in deaths:
        with pytest.raises(Killed):
            train.fit(start, killed_at(noise, when), adam, **options)
        torch.manual_seed(99)  # a new process
    resumed = train.fit(start, noise, adam, **options)
    for name, value in undisturbed.items():
        assert torch.equal(value, resumed[name])


def test_fit_repeats_at_most_one_checkpoint_interval(tmp_path):
    start, loss, _ = problem()
    options = {"checkpoint": every_ten(tmp_path / "state.pt")}
    with pytest.raises(Killed):
        train.fit(start, killed_at(loss, 37), ADAM, **options)
    seen = []
    train.fit(
        start, lambda parameters, step: seen.append(step) or loss(parameters, step), ADAM, **options
    )
    assert seen == list(range(30, 60))


def test_checkpoint_holds_the_buffers(tmp_path):
    start, loss, _ = problem()

    def counting(buffers):
        def inner(parameters, step):
            buffers["count"] += 1
            return loss(parameters, step)

        return inner

    options = {"checkpoint": every_ten(tmp_path / "state.pt")}
    buffers = {"count": torch.zeros(3)}
    with pytest.raises(Killed):
        train.fit(start, killed_at(counting(buffers), 25), ADAM, buffers=buffers, **options)
    buffers = {"count": torch.zeros(3)}
    train.fit(start, counting(buffers), ADAM, buffers=buffers, **options)
    assert buffers["count"].tolist() == [60, 60, 60]


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_fit_starts_anew_from_an_unreadable_checkpoint(tmp_path, content, caplog):
    start, loss, _ = problem()
    path = tmp_path / "state.pt"
    options = {"checkpoint": every_ten(path)}
    expected = train.fit(start, loss, ADAM)
    if content is None:  # a real one, cut off
        with pytest.raises(Killed):
            train.fit(start, killed_at(loss, 25), ADAM, **options)
        content = path.read_bytes()[:-100]
    path.write_bytes(content)
    with caplog.at_level("WARNING", logger="rote"):
        output = train.fit(start, loss, ADAM, **options)
    assert "unreadable" in caplog.text
    assert all(torch.equal(expected[name], output[name]) for name in expected)


def test_fit_names_a_diverging_model():
    start, loss, _ = problem()
    start["weight"][1] = np.inf
    with pytest.raises(
        FloatingPointError, match=r"my models: loss of model 1 is (inf|nan) at step 0"
    ):
        train.fit(start, loss, ADAM, label="my models")


@pytest.mark.parametrize("when", [5, 59])
def test_fit_names_a_model_that_diverges_at_any_step(when):
    start, loss, _ = problem()

    def breaking(parameters, step):
        factor = torch.ones(3)
        if step == when:
            factor[2] = np.nan
        return loss(parameters, step) * factor

    with pytest.raises(FloatingPointError, match=r"model 2 is nan at step"):
        train.fit(start, breaking, ADAM)


def test_fit_follows_gradients_of_any_memory_order():
    """A product with wᵀ has a gradient transposed in memory; the fused optimizer reads memory."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 7, 3, generator=generator), torch.randn(2, 7, 5, generator=generator)
    start = {"w": torch.randn(2, 5, 3, generator=generator)}

    def loss(parameters, step):
        return ((x @ parameters["w"].mT - y) ** 2).sum((1, 2))

    probe = start["w"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss({"w": probe}, 0).sum(), probe)
    assert not gradient.is_contiguous()  # or this tests nothing
    ours = train.fit(start, loss, ADAM)["w"]
    w = start["w"].clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=1.0, foreach=False, fused=False)
    schedule = train.cosine(STEPS)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * schedule(step)
        optimizer.zero_grad()
        loss({"w": w}, step).sum().backward()
        optimizer.step()
    torch.testing.assert_close(ours, w.detach(), atol=1e-5, rtol=1e-4)


def test_fit_leaves_arithmetic_ieee():
    start, loss, _ = problem()
    train.fit(start, loss, train.AdamW(2, 0.1))
    tiny = torch.tensor(1e-40) * 1.0
    assert tiny > 0


def test_fit_uses_whole_single_precision_and_restores_it(monkeypatch):
    """TF32, which torch lets convolutions use on devices, has 10 bits of mantissa."""
    seen = []
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)

    def loss(p, step):
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return p["w"].square().sum(1)

    train.fit({"w": torch.ones(1, 2)}, loss, train.AdamW(1, 0.1))
    assert seen == [(False, False)]
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (lambda: train.AdamW(-5, 0.1), "steps must be a whole number ≥ 1, given -5"),
        (lambda: train.AdamW(5, float("nan")), "learning_rate must be finite and ≥ 0, given nan"),
        (lambda: train.AdamW(5, -1.0), "learning_rate must be finite and ≥ 0, given -1.0"),
        (lambda: train.AdamW(5, 0.1, clip=0.0), "clip must be finite and > 0, given 0.0"),
        (lambda: train.Checkpoint(steps="x"), "steps must be a whole number ≥ 1, given 'x'"),
    ],
)
def test_specs_of_a_training_refuse_impossible_fields(spec, message):
    with pytest.raises(InputError, match=re.escape(message)):
        spec()


def test_sgd_is_that_of_torch_with_nesterov_and_steps_down():
    start, loss, _ = problem()
    schedule = train.steps_down(STEPS)
    ours = train.fit(start, loss, train.SGD(STEPS, 0.02, schedule, weight_decay=0.01))
    for model in range(3):
        reference = {
            name: value[model : model + 1].clone().requires_grad_() for name, value in start.items()
        }
        options = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
        optimizer = torch.optim.SGD(reference.values(), lr=1.0, **options)
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = 0.02 * (1, 0.1, 0.01)[(step >= 30) + (step >= 45)]
            optimizer.zero_grad()
            padded = {name: value.expand(3, -1, -1) for name, value in reference.items()}
            loss(padded, step)[model].backward()
            optimizer.step()
        for name, value in reference.items():
            torch.testing.assert_close(
                ours[name][model : model + 1], value.detach(), rtol=1e-4, atol=1e-5
            )
    for bad, message in (({"momentum": 1.0}, "momentum"), ({"weight_decay": -1.0}, "weight_decay")):
        with pytest.raises(InputError, match=f"{message} must be"):
            train.SGD(3, 0.1, **bad)
    with pytest.raises(InputError, match="cuts must be shares"):
        train.steps_down(3, (2.0,))


def test_killed_sgd_goes_on_bit_by_bit(tmp_path):
    start, loss, _ = problem()
    optimizer = train.SGD(STEPS, 0.02, weight_decay=0.01)
    whole = train.fit(start, loss, optimizer)
    calls = []

    def killed(parameters, step):
        calls.append(step)
        if step == 37 and len(calls) < 40:
            raise KeyboardInterrupt
        return loss(parameters, step)

    checkpoint = every_ten(tmp_path / "state.pt")
    with pytest.raises(KeyboardInterrupt):
        train.fit(start, killed, optimizer, checkpoint=checkpoint)
    again = train.fit(start, killed, optimizer, checkpoint=checkpoint)
    assert calls[38] == 30
    for name, value in whole.items():
        assert torch.equal(value, again[name])
