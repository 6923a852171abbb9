import numpy as np
from rote import ledger

gains = np.random.default_rng(0).normal(0.5, 0.2, size=10)  # one value per replicate
estimate = ledger.interval(gains, "mean")
print(f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}] of {estimate.replicates}")
# > 0.52 [0.41, 0.63] of 10
