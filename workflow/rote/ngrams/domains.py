"""Domains of `rote.ngrams`."""

from rote.core.domains import Domain

_TEXT = "text that holds a unit of the corpus, or token ids ≥ 0"
_BRUTE = "brute force on random corpora, over blocks, shards, threads and hash collisions"
_SCAN = "85 million tokens/s"
DOMAINS = [
    Domain(
        "rote.ngrams.tokenize",
        "text of any kind; what cannot be read is counted, or refused if strict",
        "exact: every unit of every document; halves of surrogate pairs as U+FFFD",
        "units by hand",
        "about 2 million words/s",
    ),
    Domain(
        "rote.ngrams.grams",
        "any sequence; n ≥ 1",
        "exact",
        "examples by hand",
        "a slice per n-gram",
    ),
    Domain(
        "rote.ngrams.count",
        f"{_TEXT}; texts in corpora of tokens count with and without a space before them",
        "exact",
        _BRUTE,
        _SCAN,
    ),
    Domain(
        "rote.ngrams.count_pairs",
        f"pairs of n-grams: {_TEXT}; window None or ≥ 0",
        "exact",
        _BRUTE,
        f"{_SCAN} with 20,000 pairs",
    ),
    Domain("rote.ngrams.postings", _TEXT, "exact", _BRUTE, _SCAN),
    Domain(
        "rote.ngrams.queries",
        f"{_TEXT}; what the tokenizer has no tokens for is listed and counts 0",
        "exact",
        "tokenizers with and without marks of the unknown",
        "the analyser, once per distinct text",
    ),
    Domain(
        "rote.ngrams.scan", "queries of this corpus; window None or ≥ 0", "exact", _BRUTE, _SCAN
    ),
    Domain(
        "rote.ngrams.table",
        "n from 1 to 2^20; min_count ≥ 1",
        "exact",
        _BRUTE,
        "a sort of the corpus",
    ),
    Domain(
        "rote.ngrams.scan_windows",
        "queries of the corpus; windows ≥ 0, perhaps none",
        "exact",
        "one scan per window",
        "one pass for all windows",
    ),
    Domain(
        "rote.ngrams.index_tokens",
        "tokens of Megatron, flat files, infini-gram, datasets; whole numbers in [0, 2^32)",
        "exact: the files themselves are read",
        "the same documents as a corpus of our own",
        "one look through the tokens",
    ),
    Domain(
        "rote.ngrams.suffix_array",
        "token ids in [0, types), types ≤ 2^32; offsets that rise from 0 to the tokens",
        "exact",
        "brute force over all suffixes",
        "sorts of the corpus, as often as the longest repetition doubles",
    ),
    Domain(
        "rote.ngrams.bounds",
        "the suffix array of these tokens, which is not checked; any ids",
        "exact",
        "counting",
        "two bisections",
    ),
    Domain(
        "rote.ngrams.InfinityGram.continuation",
        f"context {_TEXT}, or empty; token of one unit",
        "exact counts; the probability is their quotient",
        "brute force over all suffixes of the context",
        "two bisections per halving of the context",
    ),
]
