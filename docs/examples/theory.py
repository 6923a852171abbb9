import numpy as np
from rote.theory import capacity, raf

# facts of 4 bits that a network of 1,000 bits can know at best, frequent ones first
frequencies = 1 / np.arange(1, 513)
best = capacity.water_filling(frequencies, bits=4, capacity=1000)
print(f"accuracy of the most frequent fact {best[0]:.3f}, of the rarest {best[-1]:.3f}")
# rules and facts, a tenth of the labels random: the ridge that generalizes best
print("best ridge of a linear learner", raf.optimal_ridge(eps=0.1, mu1=1.0, mustar=0.0).round(3))
# > accuracy of the most frequent fact 1.000, of the rarest 0.243
# > best ridge of a linear learner 0.939
