"""n-grams of tokenized corpora, counted exactly.

corpus = ngrams.tokenize("texts/*.jsonl", "corpus")        # or ngrams.Corpus.open("corpus")
corpus = ngrams.tokenize(dataset["train"], "corpus")       # rows with a text, or texts in a list
ngrams.count(corpus, ["red kite", "kite"])                  # occurrences
ngrams.count_pairs(corpus, [("red kite", "bird of prey")])  # documents that hold both
ngrams.InfinityGram(corpus).probability("a red", "kite")    # after the longest context that occurs
"""

from rote.core import extras

extras.require("rote.ngrams")

from rote.ngrams.analyser import Analyser, grams
from rote.ngrams.blocks import Counts
from rote.ngrams.corpus import Corpus, NGram
from rote.ngrams.counting import count, count_pairs, postings, scan
from rote.ngrams.full import NGramTable, table
from rote.ngrams.infinity import Continuation, InfinityGram, bounds, suffix_array
from rote.ngrams.numbering import Queries, queries
from rote.ngrams.options import CorpusOptions, ScanOptions
from rote.ngrams.passes import Passes, scan_windows
from rote.ngrams.places import IndexOptions, index_tokens
from rote.ngrams.tokenizing import tokenize

__all__ = [
    "Analyser",
    "Continuation",
    "Corpus",
    "CorpusOptions",
    "Counts",
    "IndexOptions",
    "InfinityGram",
    "NGram",
    "NGramTable",
    "Passes",
    "Queries",
    "ScanOptions",
    "bounds",
    "count",
    "count_pairs",
    "grams",
    "index_tokens",
    "postings",
    "queries",
    "scan",
    "scan_windows",
    "suffix_array",
    "table",
    "tokenize",
]
