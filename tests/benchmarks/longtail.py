"""Long-tail composition: the linear sweep against lstsq per fit, the stack against a loop.

A comparison returns (ours, theirs, scale, repeats): two functions, the factor by which the second one's work was cut to
keep the run short, and how often the pair is measured.
"""

import numpy as np
from rote.papers.longtail import dataset, linear, network, settings
from rote.seeds import generator
from rote.synth import features


def linear_sweep():
    """Linear track at paper size, 9 exponents x 6 noise levels x 12 penalties: one eigh per data set / lstsq per fit"""
    options = settings.Linear(replicates=2)
    found = linear.sweep(options, 1)[1].set_index(["alpha", "replicate", "sigma", "lam"])["ind"]
    checked = (0, 3, 7)  # penalties by number; the loop's time is scaled up from these three of twelve
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
            for number in checked:
                lam = options.lams[number]
                if lam:
                    padded = np.vstack([X, np.sqrt(lam) * np.eye(len(seen))])
                    fit = np.linalg.lstsq(padded, np.r_[y, np.zeros(len(seen))], rcond=None)[0]
                else:
                    fit = np.linalg.lstsq(X, y, rcond=1e-10)[0]
                delta = -beta
                delta[seen] += fit
                losses[alpha, 0, sigma, lam] = p @ delta**2
        return losses

    for key, loss in loop().items():
        assert abs(found[key] - loss) < 1e-8, key
    fits = len(options.lams) * len(options.sigmas) * options.replicates
    return lambda: linear.sweep(options, 1), loop, fits / len(checked), 3


def stacked_training():
    """Network track, sum network, 6 replicates x 6 weight decays, 3000 steps: one stack / one network after another"""
    options = settings.Network()
    images = dataset.synthesize_images(settings.Images(), options.replicates, 1)
    rows = dataset.synthesize_triples(images, options, "network", options.zipf, [], 50, 1)
    name = dataset.GLYPHS_IN["head"]
    units = [(name, decay, r) for decay in options.weight_decays for r in range(options.replicates)]
    part = units[:: len(units) // 4]  # the loop trains four of them; its time is scaled up

    def run(units: list, stack: int | None):
        real, network.units = network.units, lambda options, architecture: units
        try:
            return network.train_networks(options, "sum", images, rows, 1, stack=stack)
        finally:
            network.units = real

    key = ["weight_decay", "replicate", "evaluated"]
    quick = options.model_copy(update={"epochs": 2})
    options, kept = quick, options
    both = run(units, None).merge(run(part, 1), on=key)
    np.testing.assert_allclose(both["mse_x"], both["mse_y"], rtol=1e-3)
    options = kept
    return lambda: run(units, None), lambda: run(part, 1), len(units) / len(part), 2


COMPARISONS = [linear_sweep, stacked_training]
