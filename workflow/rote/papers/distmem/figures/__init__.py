"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

_PAPER = ("memorization", "performance", "novel")

FIGURES: dict[str, Figure] = {
    "performance": Figure(
        module="memorization",
        tables=("memorization", "performance"),
        title="Performance against pair counts",
        caption="Share of test examples right, by the documents of the corpus "
        "that hold the example's n-gram pairs (fifths of the examples). One line per network; "
        "mean and 95 % interval over corpora.",
        paper_shows="Fig. 3: performance rises with the count, above some size only, "
        "and more steeply for larger models.",
        origin="paper",
    ),
    "memorization": Figure(
        module="memorization",
        tables=_PAPER,
        title="Distributional memorization by size",
        caption="Spearman correlation of the corpus's log-probability of an output n-gram given "
        "an input "
        "n-gram with the network's. c: pairs in the network's own translations that no document "
        "holds. f: the Kendall distance; 0.5 is no relation.",
        paper_shows="Fig. 4: TriviaQA above 0.35 (n = 3) and rising; infinity-gram below and "
        "falling; "
        "translation not significant, its new pairs rising; GSM8K's distance rising.",
        origin="paper",
    ),
    "overlap": Figure(
        module="memorization",
        tables=("memorization", "performance"),
        title="Test examples apart from the corpus, and overlapping ones",
        caption="Sums whose two steps stand in the corpus, though never together, and sums no "
        "eight words of whose solution do. Dotted: pair counts shuffled among equally frequent "
        "n-grams. Mean and 95 % interval over corpora.",
        paper_shows="Not in the paper, which decontaminates its tests of 8- and 14-grams.",
        origin="extension",
    ),
    "influence": Figure(
        module="evidence",
        tables=("influence",),
        title="Influence of documents on test examples",
        caption="Dot products of the full gradients of a test example and of documents, mean over "
        "documents, summed over all pairs of an example and over snapshots of the training; below, "
        "the cosine of the gradients. Matched: documents without the input n-gram that hold as "
        "nearly the same words of the prompt as those with the pair. Dotted: as if every snapshot "
        "were the network before training.",
        paper_shows="Fig. 5: documents with the pair influence more than documents "
        "with its output only, everywhere.",
        origin="paper",
    ),
    "thresholds": Figure(
        module="memorization",
        tables=("memorization", "mining"),
        title="The threshold of mining",
        caption="Memorization with only the pairs of highest cosine kept; "
        "c: how many of the kept pairs are true translations.",
        paper_shows="Fig. 6: the trend on TriviaQA is the same at thresholds 0.70, 0.75 and 0.80.",
        origin="paper",
    ),
    "prompts": Figure(
        module="evidence",
        tables=("memorization", "prompts"),
        title="Other wordings of the tasks",
        caption="Each point is one wording of the prompt: "
        "accuracy of the two largest networks, mean over corpora.",
        paper_shows="Table 1: prompts optimised for frequent 3-grams do better on TriviaQA and "
        "worse on GSM8K.",
        origin="paper",
    ),
    "bias": Figure(
        module="counts",
        tables=("memorization", "bias"),
        title="The selection that dropping empty pairs makes",
        caption="Pairs in no document have no logarithm and are dropped; "
        "among the others rare inputs must have high ratios. Smoothing keeps all pairs.",
        paper_shows="Not in the paper, which drops them.",
        origin="extension",
    ),
    "ablation": Figure(
        module="evidence",
        tables=("ablation", "performance"),
        title="Evidence moved, removed and added",
        caption="Networks trained again on corpora in which a share of a fact's documents was "
        "moved to other subjects, in place, so that answers stay as frequent; removed: with their "
        "answers. Arms are drawn within blocks of similarly frequent facts and compared with the "
        "unchanged facts of their block. b: correlation within each arm with the ratios of the "
        "unchanged corpus. Mean and 95 % interval over corpora; c: over facts of all corpora.",
        paper_shows="Not in the paper: retraining was out of its reach.",
        origin="extension",
    ),
    "estimators": Figure(
        module="evidence",
        tables=("memorization", "estimators"),
        title="Simpler estimates of a fact",
        caption="Spearman correlation of different estimates from the corpus "
        "with the networks' log-probabilities of the facts' objects; mean over corpora. "
        "The last two rows are known only because the corpus was made.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "alternatives": Figure(
        module="evidence",
        tables=("memorization", "alternatives"),
        title="Other models of the corpus, on every task",
        caption="Spearman correlation with the networks' log-probabilities of the same pairs: the "
        "task-gram ratio, BM25, and densities of embeddings (LSA; a sentence encoder) of documents "
        "that hold the output n-gram around the input n-gram. Mean and 95 % interval over corpora. "
        "Empty where `analysis.alternative_pairs` is 0.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "engines": Figure(
        module="counts",
        tables=("engines",),
        title="Counting pairs of n-grams",
        caption="A stream of tokens with repeated phrases, pairs that stand near each other. "
        "a: counts equal to brute force. b: count over brute force, pairs that share a document. "
        "Blue engines are meant to be exact; `make bench` measures their speed.",
        paper_shows="Its counts are those of another engine, whose AND counts positions rather "
        "than documents.",
        origin="extension",
    ),
    "options": Figure(
        module="memorization",
        tables=("memorization",),
        title="What the definition's choices change",
        caption="Memorization of the largest network under the paper's definition, under what its "
        "released "
        "code does, and under other choices, one at a time. Mean and 95 % interval over corpora.",
        paper_shows="The paper's text and its code differ in unit and span; "
        "see the specification of the options.",
        origin="extension",
    ),
    "pretrained": Figure(
        module="memorization",
        tables=("memorization",),
        title="Pretrained models on their corpora",
        caption="Studies that the config names; without one, a generated corpus by itself, in the "
        "same way. Solid: the task-gram model; dashed: the "
        "infinity-gram; dotted: pair counts shuffled among equally frequent n-grams. Intervals "
        "over test examples; filled where they do not hold 0.",
        paper_shows="Fig. 4: TriviaQA above 0.35 (n = 3) and rising; MMLU falling with size; "
        "translation and GSM8K not significant.",
        origin="paper",
    ),
    "dynamics": Figure(
        module="memorization",
        tables=("memorization",),
        title="During training, and in another family",
        caption="Memorization at snapshots of the training; c: the same measure for LLaMA-type "
        "networks.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
}
