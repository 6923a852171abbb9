import numpy as np
from rote.invert import memorized

rng = np.random.default_rng(0)
training, fresh = rng.normal(size=(2, 100, 12, 12))
copies = training[:40] + 0.1 * fresh[:40]  # what a generator that memorized would give
for name, samples in (("copies", copies), ("fresh", fresh[:40])):
    summary = memorized.measure(samples, training).summary.set_index("measure")
    rate = summary.loc["share with d1/d2 < 1/3"]
    print(f"{name}: {rate['value']:.2f} memorized, {rate['null_high']:.2f} by chance")
# > copies: 1.00 memorized, 0.00 by chance
# > fresh: 0.00 memorized, 0.00 by chance
