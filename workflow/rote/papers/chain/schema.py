"""The chain's result tables."""

from rote.core.tables import Table, column

ALIKE = "all neighbors weigh alike"


class ChainFacts(Table):
    """One fact of one world, and how often each corpus of the networks with memories states it."""

    KEY = ("world", "replicate", "fact")
    world: str = column("world: facts-<number>, or own for a text of the user's")
    replicate: int = column("replicate")
    fact: int = column("number of the fact; in a generated world the most frequent first")
    key: str = column("what it is about")
    value: str = column("its value")
    bits: float = column("entropy of its value", "bits")
    frequency: float = column("probability of the fact in the source")
    count: int = column("statements in the unpruned corpus")
    loss: float = column(
        "loss of a statement under the unpruned network; NaN if the corpus never states the fact",
        "nats",
        "not stated",
    )
    count_loss: int = column("statements in the corpus pruned by loss")


class MemoryChoices(Table):
    """One memory and the setting that was tuned for it; a part of the table of accuracies."""

    KEY = ("variant", "memory", "bits", "replicate")
    variant: str = column("corpus of the network")
    memory: str = column("statements remembered")
    bits: int = column("bits of a stored number: 32 or 8", "bits")
    replicate: int = column("replicate")
    k: int = column("neighbors; 0 is no memory")
    bandwidth: float = column("bandwidth", infinite=ALIKE)
    reach: float = column("distance at which a memory weighs 1/e")
    entries: int = column("rows of the memory")
    weights_bytes: int = column("bytes of the weights, in float32", "bytes")
    memory_bytes: int = column("bytes of the memory: features and an id per row", "bytes")


class CorpusSizes(Table):
    """One corpus."""

    KEY = ("world", "width", "steps", "replicate", "variant")
    world: str = column("world")
    width: int = column("width of the networks whose losses pruned it")
    steps: int = column("steps that they were trained for", "steps")
    replicate: int = column("replicate")
    variant: str = column("none (unpruned), loss, early, random or flat")
    facts: int = column("facts that it states")
    statements: int = column("statements of facts")


class NetworkScores(Table):
    """What one network knows after training, without a memory."""

    KEY = ("world", "width", "steps", "variant", "replicate")
    world: str = column("world")
    width: int = column("width; 0 for a model of the user's")
    steps: int = column("steps of its training", "steps")
    variant: str = column("corpus that it was trained on")
    replicate: int = column("replicate")
    parameters: int = column("parameters")
    operations: float = column(
        "floating-point operations of the training, with that of the network whose losses pruned "
        "the corpus, 6 per parameter and token"
    )
    information: float = column("information of the facts that the unpruned corpus states", "bits")
    stored: float = column("information gained on statements of these facts", "bits")
    facts: float = column("accuracy over these facts, paraphrased", nan="no paraphrase is known")
    verbatim: float = column("accuracy over statements of these facts")
    phrases: float = column(
        "accuracy on held-out phrases to translate", nan="a text of the user's has none"
    )


class CellAccuracy(Table):
    """What a network and a memory know together; facts that settings were tuned on are left out."""

    KEY = ("world", "variant", "memory", "bits", "replicate")
    world: str = column("world")
    variant: str = column("corpus that the network was trained on")
    memory: str = column("statements remembered: nothing, pruned, random, unknown or all")
    bits: int = column("bits of a stored number: 32 or 8", "bits")
    replicate: int = column("replicate")
    k: int = column("neighbors; 0 is no memory, also where tuning chose so")
    bandwidth: float = column("bandwidth", infinite=ALIKE)
    reach: float = column("distance at which a memory weighs 1/e")
    entries: int = column("rows of the memory: one per token of a value")
    weights_bytes: int = column("bytes of the weights, in float32", "bytes")
    memory_bytes: int = column("bytes of the memory: features and an id per row", "bytes")
    facts: float = column(
        "accuracy over facts that the unpruned corpus states, paraphrased",
        nan="no paraphrase is known",
    )
    verbatim: float = column("accuracy over statements of these facts")
    kept_facts: float = column("as facts, over those that pruning by loss keeps", nan="none")
    pruned_facts: float = column("as facts, over those that it takes away", nan="none")
    rules: float = column(
        "accuracy on held-out rule items, mean over rules", nan="a text of facts alone"
    )
    other_loss: float = column(
        "loss of an item of held-out text without facts", "nats", nan="a text of facts alone"
    )


class LookupAccuracy(Table):
    """What statements answer without a network; the same facts as in the table of accuracies."""

    KEY = ("world", "method", "memory", "replicate")
    world: str = column("world")
    method: str = column("knn (nearest neighbors over words) or dictionary (of the statements)")
    memory: str = column("statements stored: pruned or all")
    replicate: int = column("replicate")
    memory_bytes: int = column("bytes of the statements as token ids", "bytes")
    facts: float = column("accuracy over facts, paraphrased", nan="no paraphrase is known")
    verbatim: float = column("accuracy over statements of these facts")
    rules: float = column(
        "accuracy on held-out rule items, mean over rules", nan="a text of facts alone"
    )


class DecileAccuracy(Table):
    """Fact accuracy by how often the unpruned corpus states a fact."""

    KEY = ("world", "variant", "memory", "replicate", "decile")
    world: str = column("world")
    variant: str = column("corpus of the network")
    memory: str = column("statements remembered")
    replicate: int = column("replicate")
    decile: int = column("tenth of the facts, 1 the rarest")
    accuracy: float = column("accuracy over paraphrased facts")


class RuleAccuracy(Table):
    """Accuracy on held-out items of one rule."""

    KEY = ("world", "variant", "memory", "replicate", "rule")
    MAY_BE_EMPTY = True  # a text of facts alone
    world: str = column("world")
    variant: str = column("corpus of the network")
    memory: str = column("statements remembered")
    replicate: int = column("replicate")
    rule: str = column("translation, arithmetic; other: tokens of held-out text")
    items: int = column("held-out items")
    accuracy: float = column("accuracy")


class ChainPairCounts(Table):
    """Documents of the unpruned corpus that hold both n-grams of a pair."""

    KEY = ("world", "replicate", "kind", "item", "pair")
    world: str = column("world")
    replicate: int = column("replicate")
    kind: str = column("fact, or the rule")
    item: int = column("number of the fact, or of the held-out question")
    pair: int = column("number of the pair within the item")
    documents: int = column("documents with both n-grams", "documents")
    total: int = column("documents of the corpus", "documents")


class CountCorrelations(Table):
    """Whether a network's log-probabilities follow the unpruned corpus's counts, at the plateau."""

    KEY = ("world", "width", "variant", "replicate", "kind")
    MAY_BE_EMPTY = True  # counts that are all alike have no order
    world: str = column("world")
    width: int = column("width")
    variant: str = column("corpus of the network")
    replicate: int = column("replicate")
    kind: str = column("fact, or the rule")
    rho: float = column("Spearman correlation of log-probabilities with log pair counts")
    spread: float = column(
        "standard deviation of the log pair counts, after items were left out until facts and "
        "phrases spread alike"
    )
    items: int = column("items")


TABLES: dict[str, type[Table]] = {
    "facts": ChainFacts,
    "corpora": CorpusSizes,
    "networks": NetworkScores,
    "accuracy": CellAccuracy,
    "lookups": LookupAccuracy,
    "deciles": DecileAccuracy,
    "rules": RuleAccuracy,
    "counts": ChainPairCounts,
    "spearman": CountCorrelations,
}
