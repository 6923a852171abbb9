from tempfile import mkdtemp

import numpy as np
import pandas as pd
from rote import plotting

n = np.repeat([10, 100, 1000], 20)
errors = np.random.default_rng(0).normal(size=len(n)) ** 2 / n
with plotting.house_style():
    canvas, axes = plotting.panels(1, 1, height=2.5)
    plotting.points(axes[0, 0], pd.DataFrame({"n": n, "error": errors}), "n", "error", label="mean")
    plotting.theory(axes[0, 0], np.unique(n), 1 / np.unique(n), label="1/n")
    axes[0, 0].set(xscale="log", yscale="log", xlabel="draws n", ylabel="squared error")
    canvas.savefig(f"{mkdtemp()}/errors.png")
print(len(axes[0, 0].lines), "lines drawn")
# > 2 lines drawn
