"""Long-tail composition: the linear sweep against fit after fit, the stack against a loop."""

from itertools import product

import numpy as np
from rote.core.seeds import generator
from rote.papers.longtail import dataset, linear, network, settings
from rote.synth import features
from sklearn.linear_model import Ridge

from tests.benchmarks.case import Case, Growth, Work, matrix_flops


def _sweep_against(fit, solved: tuple[int, ...]) -> Case:
    """The linear track at the paper's size against `fit(X, y, penalty)`, one after another.

    Args:
        solved: the penalties that the loop solves, by number; its time is scaled up from them.
    """
    options = settings.LongtailLinear(replicates=2)
    sweep = linear.sweep(options, 1).sweep
    result = sweep.set_index(["alpha", "replicate", "sigma", "lam"])["ind"]
    datasets = []
    for a, alpha in enumerate(options.alphas):
        rng = generator(1, "longtail", "linear", a, 0)
        p = features.frequencies(options.d, options.s, alpha)
        X = features.draw(p, options.n, rng)
        seen = np.flatnonzero(np.bincount(X.indices, minlength=options.d))
        datasets.append((alpha, p, X[:, seen].toarray(), seen, rng.normal(size=options.n)))
    beta = np.arange(1, options.d + 1) ** -options.decay

    def loop() -> dict:
        losses = {}
        for alpha, p, X, seen, noise in datasets:
            sigma = options.sigmas[2]
            y = X @ beta[seen] + sigma * noise
            for number in solved:
                lam = options.lams[number]
                delta = -beta
                delta[seen] += fit(X, y, lam)
                losses[alpha, 0, sigma, lam] = p @ delta**2
        return losses

    for key, loss in loop().items():
        assert abs(result[key] - loss) < 1e-8, key
    fits = len(options.lams) * len(options.sigmas) * options.replicates
    sets = len(options.alphas) * options.replicates
    n = options.n
    return Case(
        lambda: linear.sweep(options, 1),
        loop,
        scale=fits / len(solved),
        repeats=3,
        bar=20.0,
        threads=True,
        flops=sets * 4 / 3 * n**3,
        dtype="f8",
        note="counted as the reduction to tridiagonal form alone; "
        "half of it are products of a matrix and a vector",
    )


def _lstsq(X: np.ndarray, y: np.ndarray, lam: float) -> np.ndarray:
    if not lam:
        return np.linalg.lstsq(X, y, rcond=1e-10)[0]
    padded = np.vstack([X, np.sqrt(lam) * np.eye(X.shape[1])])
    return np.linalg.lstsq(padded, np.r_[y, np.zeros(X.shape[1])], rcond=None)[0]


def linear_sweep():
    """Linear track at paper size, 9 exponents x 6 noise levels x 12 penalties:
    one eigh per data set / lstsq per fit
    """
    return _sweep_against(_lstsq, (0, 3, 7))


def linear_sweep_ridge():
    """The same, penalties above 0: one eigh per data set / scikit-learn's Ridge per fit"""
    return _sweep_against(lambda X, y, lam: Ridge(lam, fit_intercept=False).fit(X, y).coef_, (3, 7))


def stacked_training():
    """Network track, sum network, 6 replicates x 6 weight decays, 3000 steps:
    one stack / one network after another
    """
    options = settings.LongtailNetwork(
        replicates=6, rare_counts=[0], weight_decays=[0.0, 1.0, 2.0, 3.0, 5.0, 10.0], epochs=120
    )
    images = dataset.synthesize_images(
        settings.LongtailImages(source="digits"), options.replicates, 1
    )
    rows = dataset.synthesize_triples(images, dataset.network_track(options, 50), 1)
    units = [
        network.NetworkUnit(dataset.GLYPHS_HEAD, decay, replicate)
        for decay, replicate in product(options.weight_decays, range(options.replicates))
    ]
    part = units[:: len(units) // 4]  # the loop trains four of them; its time is scaled up

    def run(options: settings.LongtailNetwork, units: list, stack: int | None):
        real = network.units
        network.units = lambda options, architecture: units
        execution = network.Execution(stack=stack)
        try:
            return network.train_networks(options, "sum", images, rows, 1, execution)
        finally:
            network.units = real

    quick = options.model_copy(update={"epochs": 2})
    key = ["weight_decay", "replicate", "evaluation_set"]
    both = run(quick, units, None).merge(run(quick, part, 1), on=key)
    np.testing.assert_allclose(both["mse_x"], both["mse_y"], rtol=1e-3)
    quick_flops = matrix_flops(lambda: run(quick, units, None))
    return Case(
        lambda: run(options, units, None),
        lambda: run(options, part, 1),
        scale=len(units) / len(part),
        repeats=3,
        bar=3.0,
        flops=quick_flops * options.epochs / quick.epochs,
        note="networks of a few thousand weights: "
        "batched products of small matrices, and Adam's moments",
    )


def _sweep(n: int) -> Work:
    options = settings.LongtailLinear(replicates=2, n=n, d=10 * n, alphas=[1.5])
    return lambda: linear.sweep(options, 1)


COMPARISONS = [linear_sweep, linear_sweep_ridge, stacked_training]
GROWTH = [
    Growth("min-norm sweep, 2 data sets, 72 settings", "rows", (250, 500, 1000, 2000), _sweep)
]
