"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

OURS = "Our own experiment: no paper shows it."

FIGURES: dict[str, Figure] = {
    "load": Figure(
        module="plots",
        tables=("accuracy", "networks", "facts"),
        title="What is known, against what there is to know",
        caption="C1: accuracy over the facts that the unpruned corpus states, asked in every "
        "wording; "
        "mean and 95 % interval over replicates. The limit is the largest information gain "
        "that any of these networks reached, over the information of the facts.",
        paper_shows=OURS,
        origin="extension",
    ),
    "deciles": Figure(
        module="plots",
        tables=("deciles", "accuracy"),
        title="Frequent facts and rare ones",
        caption="C2: the same by how often the unpruned corpus states a fact.",
        paper_shows=OURS,
        origin="extension",
    ),
    "rules": Figure(
        module="plots",
        tables=("rules", "accuracy"),
        title="What becomes of the rules",
        caption="C3: held-out phrases to translate and sums, all parts of which were shown in "
        "other items; "
        "of a text of one's own, tokens of held-out pieces without facts. "
        "Open markers: with a memory.",
        paper_shows=OURS,
        origin="extension",
    ),
    "counts": Figure(
        module="plots",
        tables=("spearman",),
        title="Do networks follow counts?",
        caption="C4: Spearman correlation of the log-probabilities of answers "
        "with the log share of documents that hold key and value "
        "(or a word and its translation, an operand and the sum) in the unpruned corpus.",
        paper_shows=OURS,
        origin="extension",
    ),
    "pareto": Figure(
        module="plots",
        tables=("accuracy",),
        title="What bytes buy",
        caption="C5: weights in float32; a memory takes a hidden state and an id per token of a "
        "value.",
        paper_shows=OURS,
        origin="extension",
    ),
    "flattening": Figure(
        module="plots",
        tables=("networks", "corpora"),
        title="Which half of the pruning does it",
        caption="An ablation at the load of the size ladder: facts chosen by loss and flattened, "
        "chosen "
        "at random with all their statements, and chosen at random and flattened, all as large.",
        paper_shows=OURS,
        origin="extension",
    ),
}
