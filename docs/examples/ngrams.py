from tempfile import mkdtemp

from rote import ngrams

texts = [
    "a red kite is a bird of prey",
    "the red kite of Bern",
    "a red bird",
]
corpus = ngrams.tokenize(texts, mkdtemp())
print("occurrences", ngrams.count(corpus, ["red kite", "a bird"]))
print("documents with both", ngrams.count_pairs(corpus, [("red kite", "bird"), ("red", "bird")]))
print("P(kite | a red) =", ngrams.InfinityGram(corpus).probability("a red", "kite"))
# > occurrences [2 1]
# > documents with both [1 2]
# > P(kite | a red) = 0.5
