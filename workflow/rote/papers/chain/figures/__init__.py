"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

OURS = "Our own experiment: no paper shows it."

FIGURES: dict[str, Figure] = {
    "helps": Figure(
        module="grid",
        tables=("networks",),
        title="Where pruning helps, and where it hurts",
        caption="C1: what pruning by loss adds to the accuracy over all facts, paraphrased, by the "
        "length of training and the load; above by losses of networks trained for the fewest "
        "steps, below by those of networks trained as long. Left: filled where the 95 % interval "
        "excludes 0; crosses: where the sign changes, with the interval; right: the same gains "
        "with their intervals. The load is the information of the facts over the most bits that "
        "unpruned networks of this width store.",
        paper_shows=OURS,
        origin="extension",
    ),
    "plateau": Figure(
        module="grid",
        tables=("networks",),
        title="What the weights hold",
        caption="C2: information gained on statements of the facts per parameter of unpruned "
        "networks, by the length of training. Dashed: the most that networks of this width store, "
        "over which the load is measured; where they still learn, loads are upper bounds.",
        paper_shows=OURS,
        origin="extension",
    ),
    "arms": Figure(
        module="plots",
        tables=("accuracy", "networks", "lookups"),
        title="Every network beside every memory",
        caption="C3: accuracy over facts, paraphrased, after the most steps. Random and flattened "
        "corpora state as many facts as the one pruned by loss; memories of random statements and "
        "of those that the network knows worst are as large as that of the pruned ones, which the "
        "unpruned network knows worst. "
        "Lines: statements without any network.",
        paper_shows=OURS,
        origin="extension",
    ),
    "frontiers": Figure(
        module="plots",
        tables=("accuracy", "networks", "lookups"),
        title="What bytes buy, and what training buys",
        caption="C4: accuracy over facts, paraphrased, in the world of the most facts. a: against "
        "bytes of float32 weights and of memories; open: int8 memories. b: against operations of "
        "training; pruning pays for the network whose losses prune, too; diamonds: with the memory "
        "of what was pruned.",
        paper_shows=OURS,
        origin="extension",
    ),
    "deciles": Figure(
        module="plots",
        tables=("deciles", "networks"),
        title="Frequent facts and rare ones",
        caption="C5: accuracy over facts, paraphrased, by how often the unpruned corpus states "
        "them, after the most steps.",
        paper_shows=OURS,
        origin="extension",
    ),
    "rules": Figure(
        module="plots",
        tables=("rules", "accuracy", "networks"),
        title="What becomes of everything else",
        caption="C6: held-out phrases to translate and sums, all parts of which were shown in "
        "other items; of a text of one's own, tokens of held-out pieces without facts. Right: "
        "loss of that held-out text with a memory over that without.",
        paper_shows=OURS,
        origin="extension",
    ),
    "counts": Figure(
        module="plots",
        tables=("spearman", "networks"),
        title="Do networks follow counts?",
        caption="C7: Spearman correlation of the log-probabilities of answers "
        "with the log share of documents that hold key and value (or a word and its translation) "
        "in the unpruned corpus, over facts and phrases whose log counts spread alike.",
        paper_shows=OURS,
        origin="extension",
    ),
}
