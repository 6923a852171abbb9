import numpy as np
from rote.synth import facts

made = facts.make(1000, np.random.default_rng(0), exponent=1.0, copies=5000)
print("facts", len(made.counts), "copies", made.counts.sum(), "of the commonest", made.counts[0])
# > facts 1000 copies 5000 of the commonest 751
