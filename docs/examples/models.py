import numpy as np
from rote.models import lm

transformer = lm.Transformer("gpt_neox", 64, 16, 16, 1, 2)
stack = lm.build(transformer, [np.random.default_rng(seed) for seed in range(3)])
print("networks in one stack", len(next(iter(stack.parameters.values()))))
# > networks in one stack 3
