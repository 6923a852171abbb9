"""Domains of `rote.knn`."""

from rote.core.domains import Domain

_ROWS = "matrices of numbers of at most 1e150 in size; k ≥ 1"
_BRUTE = "brute force in NumPy, scales to 1e15 in long double; ties, outliers, repeated rows"
DOMAINS = [
    Domain(
        "rote.knn.Datastore.search",
        f"{_ROWS}; embeddings and queries of one dimension; differences below 1e-154 count as none",
        "engines exact and torch: the neighbors of brute force in float64, equal distances by row "
        "number; distances to 1e-12 relative. ivf and hnsw: approximate, see `recall`; distances "
        "of what they return to 1e-12. A value coded as 1e6 stands far from all others, as in "
        "brute force: of Friedman's function with 5 % such rows k = 10 leaves 0.32 of the variance "
        "(0.27 of queries that are not coded)",
        f"{_BRUTE}; coded missing values",
        "1,000 queries of 50,000 × 64 rows: 0.33 s, clustered 0.03 s; 1 s where neighbors are so "
        "close against the distance to most rows, or so many equally far, that float32 cannot tell",
    ),
    Domain(
        "rote.knn.Datastore.recall",
        _ROWS,
        "exact: the true neighbors are those of brute force in float64",
        _BRUTE,
        "one difference per query, row and coordinate: 1,000 queries of 50,000 × 64 take 1 s",
    ),
    Domain(
        "rote.knn.Datastore.add",
        f"{_ROWS}; of the datastore's dimension",
        "as if built anew",
        "building anew",
        "a copy of the rows",
    ),
    Domain(
        "rote.knn.search",
        f"{_ROWS}; any number of parts",
        "as `Datastore.search`, the same for all parts, batches and engines",
        "one part, and brute force",
        "as `Datastore.search`, once per part",
    ),
    Domain(
        "rote.knn.merged",
        "neighbors of the same queries, rows numbered through; k ≥ 1",
        "exact; equal distances by row number",
        "one search of all rows",
        "a sort per query",
    ),
    Domain(
        "rote.knn.weights",
        "any distances, of which only differences count, NaN or infinite where there is none; "
        "bandwidth in [0, ∞]",
        "1e-15 absolute",
        "sums to 1, invariance to shifts, limits at 0 and ∞",
        "an exponential per neighbor",
    ),
    Domain(
        "rote.knn.scale",
        "any distances, nearest first; 0, NaN and infinite ones are left out",
        "exact: a median; 1 where all are 0",
        "examples by hand",
        "a median of the first column",
    ),
]
