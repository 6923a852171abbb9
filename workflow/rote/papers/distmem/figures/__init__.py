"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

_PAPER = ("memorization", "performance", "novel")

FIGURES: dict[str, Figure] = {
    "performance": Figure(
        "memorization",
        ("memorization", "performance"),
        "Performance against pair counts",
        "Share of test examples right, by the documents of the corpus "
        "that hold the example's n-gram pairs (fifths of the examples). One line per network; "
        "mean and 95 % interval over corpora.",
        "Fig. 3: performance rises with the count, above some size only, "
        "and more steeply for larger models.",
        "paper",
    ),
    "memorization": Figure(
        "memorization",
        _PAPER,
        "Distributional memorization by size",
        "Spearman correlation of the corpus's log-probability of an output n-gram given an input "
        "n-gram with the network's. c: pairs in the network's own translations that no document "
        "holds. f: the Kendall distance; 0.5 is no relation.",
        "Fig. 4: TriviaQA above 0.35 (n = 3) and rising; infinity-gram below and falling; "
        "translation not significant, its new pairs rising; GSM8K's distance rising.",
        "paper",
    ),
    "influence": Figure(
        "evidence",
        ("influence",),
        "Influence of documents on test examples",
        "Dot products of the full gradients of a test example and of documents, mean over "
        "documents and summed over snapshots of the training; below, the cosine of the gradients.",
        "Fig. 5: documents with the pair influence more than documents "
        "with its output only, everywhere.",
        "paper",
    ),
    "thresholds": Figure(
        "memorization",
        ("memorization", "mining"),
        "The threshold of mining",
        "Memorization with only the pairs of highest cosine kept; "
        "c: how many of the kept pairs are true translations.",
        "Fig. 6: the trend on TriviaQA is the same at thresholds 0.70, 0.75 and 0.80.",
        "paper",
    ),
    "prompts": Figure(
        "evidence",
        ("memorization", "prompts"),
        "Other wordings of the tasks",
        "Each point is one wording of the prompt: "
        "accuracy of the two largest networks, mean over corpora.",
        "Table 1: prompts optimised for frequent 3-grams do better on TriviaQA and worse on GSM8K.",
        "paper",
    ),
    "bias": Figure(
        "counts",
        ("memorization", "bias"),
        "The selection that dropping empty pairs makes",
        "Pairs in no document have no logarithm and are dropped; "
        "among the others rare inputs must have high ratios. Smoothing keeps all pairs.",
        "Not in the paper, which drops them.",
        "extension",
    ),
    "ablation": Figure(
        "evidence",
        ("ablation", "performance"),
        "Evidence removed and added",
        "One network trained again on corpora in which the documents of some facts were replaced "
        "by filler, in place, or true statements added. "
        "a: mean over facts, 95 % interval over corpora.",
        "Not in the paper: retraining was out of its reach.",
        "extension",
    ),
    "estimators": Figure(
        "evidence",
        ("memorization", "estimators"),
        "Simpler estimates of a fact",
        "Spearman correlation of different estimates from the corpus "
        "with the networks' log-probabilities of the facts' objects; mean over corpora. "
        "The last two rows are known only because the corpus was made.",
        "Not in the paper.",
        "extension",
    ),
    "engines": Figure(
        "counts",
        ("engines",),
        "Counting pairs of n-grams",
        "A stream of tokens with repeated phrases, pairs that stand near each other. "
        "a: counts equal to brute force. b: count over brute force, pairs that share a document. "
        "Blue engines are meant to be exact; `make bench` measures their speed.",
        "Its counts are those of another engine, whose AND counts positions rather than documents.",
        "extension",
    ),
    "options": Figure(
        "memorization",
        ("memorization",),
        "What the definition's choices change",
        "Memorization of the largest network under the paper's definition, under what its released "
        "code does, and under other choices, one at a time. Mean and 95 % interval over corpora.",
        "The paper's text and its code differ in unit and span; "
        "see the specification of the options.",
        "extension",
    ),
    "dynamics": Figure(
        "memorization",
        ("memorization",),
        "During training, and in another family",
        "Memorization at snapshots of the training; c: the same measure for LLaMA-type networks.",
        "Not in the paper.",
        "extension",
    ),
}
