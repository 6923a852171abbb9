"""Domains of `rote.prune`."""

from rote.core.domains import Domain

DOMAINS = [
    Domain(
        "rote.prune.select",
        "finite losses; keep in (0, 1]; whole counts ≥ 0, not all 0, at most 2^53 in sum",
        "exact; among equal losses chance decides",
        "examples by hand; bounds and invariances of random tables",
        "a sort",
    ),
    Domain(
        "rote.prune.automatic",
        "finite losses ≥ 0; whole counts ≥ 0, at least one > 0, at most 2^53 in sum; ignorance "
        "≥ 0 or None",
        "at most what is stored, up to the chance of guesses (2 % of the examples, and those "
        "guessed right); all known ones, and with an ignorance what is stored of all alike",
        "random softmaxes of any confidence beside known examples",
        "a sum",
    ),
    Domain(
        "rote.prune.explained",
        "as `table`",
        "as `select`",
        "`table`; reasons by hand",
        "a sort",
    ),
    Domain(
        "rote.prune.with_chance",
        "a table without entropies; chance in (0, 1]",
        "rounding",
        "a closed form",
        "none",
    ),
    Domain(
        "rote.prune.near_duplicates",
        "texts; overlap in (0, 1]",
        "exact for the pairs that are compared; a pair that overlaps by 0.8 is missed with "
        "probability below 1e-3",
        "brute force over all pairs",
        "60 hashes per text",
    ),
    Domain(
        "rote.prune.table",
        "a table of distinct ids and finite losses; else as `select` and `automatic`",
        "as `select`",
        "`select`; every refusal",
        "a sort",
    ),
]
