"""A device gives what the CPU gives, within the tolerances that docs/determinism.md states.

Skipped where there is no CUDA device. ROTE_TEST_DEVICE=cpu runs the same code on the CPU against
itself.
"""

import os

import numpy as np
import pytest
import torch
from rote import knn, train
from rote.models import diffusion, lm
from rote.run import config

DEVICE = os.environ.get("ROTE_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(
        DEVICE == "cuda" and not torch.cuda.is_available(), reason="no CUDA device here"
    ),
]


@pytest.fixture(scope="module")
def smoke_settings():
    return config.load("config/smoke.yaml")


def agree(cpu, device, columns, rtol):
    """Columns of two frames with equal rows, as a share of the column's largest magnitude."""
    assert len(cpu) == len(device)
    for column in columns:
        x, y = cpu[column].to_numpy(float), device[column].to_numpy(float)
        assert np.abs(x - y).max() <= rtol * np.abs(x).max(), column


@pytest.mark.parametrize("architecture", ["decoder", "gpt_neox", "gpt2"])
def test_fit_follows_the_loss_curve_of_the_cpu(architecture):
    """50 steps of three small networks: to 1e-3 of the loss, while chaos is still small."""
    rng = np.random.default_rng(0)
    tokens = torch.tensor(rng.integers(0, 50, (3, 32, 12)))

    def curve(device):
        rngs = [np.random.default_rng(i) for i in range(3)]
        stack = lm.build(lm.Transformer(architecture, 50, 12, 16, 2, 2), rngs, device)
        batch = tokens.to(device)
        history = []

        def loss(p, step):
            logits = stack.forward(p, batch[:, :, :-1])
            token_losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 2).float(), batch[:, :, 1:].flatten(), reduction="none"
            )
            losses = token_losses.view(3, -1).mean(1)
            history.append(losses.detach().cpu().numpy())
            return losses

        train.fit(
            stack.parameters,
            loss,
            train.AdamW(steps=50, learning_rate=0.01),
        )
        return np.array(history)

    cpu, device = curve("cpu"), curve(DEVICE)
    assert cpu[-1].mean() < 0.9 * cpu[0].mean()
    np.testing.assert_allclose(device, cpu, rtol=1e-3)


@pytest.mark.parametrize("rows", [500, 70_000])
def test_search_finds_the_exact_neighbors(rows):
    """Same rows, distances to 1e-5: candidates are refined by explicit differences on the CPU."""
    rng = np.random.default_rng(rows)
    memory = rng.normal(size=(rows, 24)).astype(np.float32)
    queries = rng.normal(size=(300, 24)).astype(np.float32)
    exact = knn.Datastore(memory).search(queries, 10)
    neighbors = knn.Datastore(memory, engine="torch", device=DEVICE).search(queries, 10)
    np.testing.assert_allclose(neighbors.distances, exact.distances, rtol=1e-5)
    assert (neighbors.rows == exact.rows).mean() > 0.999


def test_raf_sweep_agrees_with_the_cpu(smoke_settings):
    """Full-batch training of two-layer networks in float32: 1e-2 of each column's largest value."""
    from rote.papers.raf import two_layer

    options = smoke_settings.raf.two_layer
    cpu, device = two_layer.sweep(options, 1), two_layer.sweep(options, 1, device=DEVICE)
    agree(cpu, device, cpu.select_dtypes("float").columns, 1e-2)


@pytest.mark.parametrize("task", ["digits", "fine", "longtail", "text"])
def test_resmem_bases_agree_with_the_cpu(task, smoke_settings):
    """A few steps in float32, with crops and batch statistics: 2e-2 of each tensor's largest."""
    from rote.papers.resmem import tasks, training
    from rote.papers.resmem.task import TrainingRun

    options = getattr(smoke_settings.resmem, task)
    selected = tasks.get(task)
    samples = training.samples(selected, options, 1)
    arm = selected.arms(options)[-1]
    (_, cpu), (_, device) = (
        training.fit(selected, arm, options, samples, TrainingRun(1, where))
        for where in ("cpu", DEVICE)
    )
    assert cpu.keys() == device.keys()
    for name, value in cpu.items():
        gap = (device[name].cpu() - value).abs().max()
        assert gap <= 2e-2 * value.abs().max(), name


def test_attention_sweep_agrees_with_the_cpu(smoke_settings):
    """Descent through linear solves in float64: 1e-6."""
    from rote.papers.attention import trained

    options = smoke_settings.attention.trained
    cpu, device = trained.sweep(options, 1), trained.sweep(options, 1, device=DEVICE)
    agree(cpu, device, ["key", "query", "error", "ridge"], 1e-6)


def test_score_networks_agree_with_the_cpu(smoke_settings):
    """50 steps of Adam in float32: averaged weights to 5e-2 of each tensor's largest."""
    from rote.papers.inversion import library, networks
    from rote.papers.inversion.priors import CLEAN

    options = smoke_settings.inversion.waveform
    media = library.read(library.synthesize(options.models))
    noise = diffusion.schedule(options.diffusion.schedule, options.diffusion.steps)
    brief = options.networks.model_copy(
        update={"clean": options.networks.clean.model_copy(update={"steps": 50})}
    )
    cpu = networks.fit(CLEAN, brief, media, noise, 1)
    device = networks.fit(CLEAN, brief, media, noise, 1, networks.Placement(DEVICE))
    for name, value in cpu.parameters.items():
        gap = (device.parameters[name].cpu() - value).abs().max()
        assert gap <= 5e-2 * value.abs().max(), name


def test_longtail_networks_agree_with_the_cpu(smoke_settings):
    """Stacked perceptrons on three images: predictions' losses to 2 %."""
    from rote.papers.longtail import dataset, network

    options = smoke_settings.longtail.network
    held_out = smoke_settings.longtail.images.held_out
    images = dataset.synthesize_images(smoke_settings.longtail.images, options.replicates, 1)
    rows = dataset.synthesize_triples(images, dataset.network_track(options, held_out), 1)
    cpu, device = (
        network.train_networks(options, "sum", images, rows, 1, network.Execution(where))
        for where in ("cpu", DEVICE)
    )
    agree(cpu, device, ["mse"], 2e-2)


def test_graphs_give_what_single_kernels_give():
    """A stack trained through a CUDA graph and without one: to 1e-6 of each tensor's largest."""
    rngs = [np.random.default_rng(i) for i in range(3)]
    sizes = diffusion.DiffusionArchitecture(dimension=6, width=32, blocks=2, embedding=8)
    start = diffusion.initial(sizes, rngs, DEVICE)
    z = torch.tensor(rngs[0].normal(size=(3, 20, 6)), dtype=torch.float32, device=DEVICE)
    t = torch.arange(20, device=DEVICE).expand(3, 20).contiguous()

    def trained(forward):
        def loss(p, step):
            return ((forward(p, z, t) - z.flip(1)) ** 2).sum(-1).mean(-1)

        return train.fit(start, loss, train.AdamW(steps=30, learning_rate=0.01))

    plain, graph = (
        trained(diffusion.network(sizes)),
        trained(train.captured(diffusion.network(sizes))),
    )
    for name, value in plain.items():
        assert (graph[name] - value).abs().max() <= 1e-6 * value.abs().max(), name
