import numpy as np
from rote import knn

vectors = np.random.default_rng(0).normal(size=(1000, 8)).astype("float32")
distances, rows = knn.Datastore(vectors).search(vectors[:2] + 0.01, k=2)
print("nearest rows", rows[:, 0])
print("weights of the neighbors", knn.weights(distances, bandwidth=1.0).round(2).tolist())
# > nearest rows [0 1]
# > weights of the neighbors [[0.77, 0.23], [0.84, 0.16]]
