"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

OURS = "Our own experiment: no paper shows it."

FIGURES: dict[str, Figure] = {
    "load": Figure(
        "plots",
        ("accuracy", "networks", "facts"),
        "What is known, against what there is to know",
        "C1: accuracy over the facts that the unpruned corpus states, asked in every wording; "
        "mean and 95 % interval over replicates. The limit is the largest information gain "
        "that any of these networks reached, over the information of the facts.",
        OURS,
        "extension",
    ),
    "deciles": Figure(
        "plots",
        ("deciles", "accuracy"),
        "Frequent facts and rare ones",
        "C2: the same by how often the unpruned corpus states a fact.",
        OURS,
        "extension",
    ),
    "rules": Figure(
        "plots",
        ("rules", "accuracy"),
        "What becomes of the rules",
        "C3: held-out phrases to translate and sums, all parts of which were shown in other items; "
        "of a text of one's own, tokens of held-out pieces without facts. "
        "Open markers: with a memory.",
        OURS,
        "extension",
    ),
    "counts": Figure(
        "plots",
        ("spearman",),
        "Do networks follow counts?",
        "C4: Spearman correlation of the log-probabilities of answers "
        "with the log share of documents that hold key and value "
        "(or a word and its translation, an operand and the sum) in the unpruned corpus.",
        OURS,
        "extension",
    ),
    "pareto": Figure(
        "plots",
        ("accuracy",),
        "What bytes buy",
        "C5: weights in float32; a memory takes a hidden state and an id per token of a value.",
        OURS,
        "extension",
    ),
    "flattening": Figure(
        "plots",
        ("networks", "corpora"),
        "Which half of the pruning does it",
        "An ablation at the load of the size ladder: facts chosen by loss and flattened, chosen "
        "at random with all their statements, and chosen at random and flattened, all as large.",
        OURS,
        "extension",
    ),
}
