"""The methods that tables compare: keys, by which rows are selected, and labels for display."""

BASE = "base"
KNN = "knn"
RESMEM = "resmem"
INTERPOLATION = "interpolation"
NEAREST = "nearest"
# probabilities made of ResMem's scores, and a mixture that does not subtract the base's own vote
CLIPPED = "resmem_clipped"
PROJECTED = "resmem_projected"
FLOORED = "resmem_floored"
HALF_AND_HALF = "half_and_half"
# a spurious feature
BASE_RESMEM = "base_resmem"
AWARE = "aware"
AWARE_RESMEM = "aware_resmem"

# for figures alone: no row is selected by a label
LABELS = {
    BASE: "base",
    KNN: "kNN alone",
    RESMEM: "ResMem",
    INTERPOLATION: "kNN-LM interpolation",
    NEAREST: "nearest neighbor",
    CLIPPED: "ResMem, clipped",
    PROJECTED: "ResMem, projected",
    FLOORED: "ResMem, 5 % base",
    HALF_AND_HALF: "half and half",
    BASE_RESMEM: "base, ResMem",
    AWARE: "memorization-aware",
    AWARE_RESMEM: "memorization-aware, ResMem",
}
