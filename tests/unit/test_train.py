"""The training loop: AdamW, independent models, a killed run that continues bit by bit."""

import math

import numpy as np
import pytest
import torch
from rote import train


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


OPTIONS = {"steps": 60, "learning_rate": 0.05}


def test_fit_is_adamw_with_a_cosine_schedule():
    start, loss, decays = problem()
    ours = train.fit(start, loss, weight_decay=decays, **OPTIONS)
    for model, decay in enumerate(decays.tolist()):
        reference = {
            name: value[model : model + 1].clone().requires_grad_() for name, value in start.items()
        }
        optimizer = torch.optim.AdamW(reference.values(), lr=1.0, weight_decay=decay)
        for step in range(OPTIONS["steps"]):
            rate = (
                OPTIONS["learning_rate"] * 0.5 * (1 + math.cos(math.pi * step / OPTIONS["steps"]))
            )
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
    train.fit(start, loss, **OPTIONS)
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
    undisturbed = train.fit(start, noise, weight_decay=decays, **OPTIONS)
    torch.manual_seed(3)
    options = {
        **OPTIONS,
        "weight_decay": decays,
        "checkpoint": tmp_path / "state.pt",
        "checkpoint_steps": 10,
    }
    if deaths[0] < 10:  # killed before the first checkpoint: the run starts anew, from the seed
        with pytest.raises(Killed):
            train.fit(start, killed_at(noise, deaths[0]), **options)
        torch.manual_seed(3)
        deaths = []
    for when in deaths:
        with pytest.raises(Killed):
            train.fit(start, killed_at(noise, when), **options)
        torch.manual_seed(99)  # a new process
    resumed = train.fit(start, noise, **options)
    for name, value in undisturbed.items():
        assert torch.equal(value, resumed[name])


def test_fit_repeats_at_most_one_checkpoint_interval(tmp_path):
    start, loss, _ = problem()
    options = {**OPTIONS, "checkpoint": tmp_path / "state.pt", "checkpoint_steps": 10}
    with pytest.raises(Killed):
        train.fit(start, killed_at(loss, 37), **options)
    seen = []
    train.fit(
        start, lambda parameters, step: seen.append(step) or loss(parameters, step), **options
    )
    assert seen == list(range(30, 60))


def test_checkpoint_holds_the_buffers(tmp_path):
    start, loss, _ = problem()

    def counting(buffers):
        def inner(parameters, step):
            buffers["count"] += 1
            return loss(parameters, step)

        return inner

    options = {**OPTIONS, "checkpoint": tmp_path / "state.pt", "checkpoint_steps": 10}
    buffers = {"count": torch.zeros(3)}
    with pytest.raises(Killed):
        train.fit(start, killed_at(counting(buffers), 25), buffers=buffers, **options)
    buffers = {"count": torch.zeros(3)}
    train.fit(start, counting(buffers), buffers=buffers, **options)
    assert buffers["count"].tolist() == [60, 60, 60]


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_fit_starts_anew_from_an_unreadable_checkpoint(tmp_path, content, caplog):
    start, loss, _ = problem()
    path = tmp_path / "state.pt"
    options = {**OPTIONS, "checkpoint": path, "checkpoint_steps": 10}
    expected = train.fit(start, loss, **OPTIONS)
    if content is None:  # a real one, cut off
        with pytest.raises(Killed):
            train.fit(start, killed_at(loss, 25), **options)
        content = path.read_bytes()[:-100]
    path.write_bytes(content)
    with caplog.at_level("WARNING", logger="rote"):
        output = train.fit(start, loss, **options)
    assert "unreadable" in caplog.text
    assert all(torch.equal(expected[name], output[name]) for name in expected)


def test_fit_names_a_diverging_model():
    start, loss, _ = problem()
    start["weight"][1] = np.inf
    with pytest.raises(
        FloatingPointError, match=r"my models: loss of model 1 is (inf|nan) at step 0"
    ):
        train.fit(start, loss, label="my models", **OPTIONS)


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
    ours = train.fit(start, loss, **OPTIONS)["w"]
    w = start["w"].clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=1.0, foreach=False, fused=False)
    schedule = train.cosine(OPTIONS["steps"])
    for step in range(OPTIONS["steps"]):
        optimizer.param_groups[0]["lr"] = OPTIONS["learning_rate"] * schedule(step)
        optimizer.zero_grad()
        loss({"w": w}, step).sum().backward()
        optimizer.step()
    torch.testing.assert_close(ours, w.detach(), atol=1e-5, rtol=1e-4)


def test_fit_leaves_arithmetic_ieee():
    start, loss, _ = problem()
    train.fit(start, loss, steps=2, learning_rate=0.1)
    tiny = torch.tensor(1e-40) * 1.0
    assert tiny > 0


def test_fit_uses_whole_single_precision_and_restores_it(monkeypatch):
    """TF32, which torch lets convolutions use on devices, has 10 bits of mantissa."""
    seen = []
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)

    def loss(p, step):
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return p["w"].square().sum(1)

    train.fit({"w": torch.ones(1, 2)}, loss, steps=1, learning_rate=0.1)
    assert seen == [(False, False)]
    assert torch.backends.cudnn.allow_tf32
