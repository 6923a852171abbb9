"""The chain's result tables."""

from rote.core.tables import Table, column

ALIKE = "all neighbors weigh alike"


class ChainFacts(Table):
    """One fact of one world, and how often each corpus states it."""

    KEY = ("world", "replicate", "fact")
    world: str = column("world: load-<load>, or own for a text of the user's")
    replicate: int = column("replicate")
    fact: int = column("number of the fact; in a generated world the most frequent first")
    key: str = column("what it is about")
    value: str = column("its value")
    bits: float = column("entropy of its value", "bits")
    frequency: float = column("probability of the fact in the source")
    count: int = column("statements in the unpruned corpus")
    loss: float = column(
        "loss under the scoring network; NaN if the corpus never states it", "nats", "not stated"
    )
    count_random: int = column("statements in the corpus pruned at random")
    count_loss: int = column("statements in the corpus pruned by loss")


class ScoringLosses(Table):
    """One fact under the network whose losses prune the corpus; a part of the table of facts."""

    KEY = ("replicate", "fact")
    replicate: int = column("replicate")
    fact: int = column("number of the fact")
    loss: float = column("mean loss over its questions", "nats")


class MemoryChoices(Table):
    """One memory and the setting that was tuned for it; a part of the table of accuracies."""

    KEY = ("variant", "memory", "replicate")
    variant: str = column("corpus of the network")
    memory: str = column("statements remembered")
    replicate: int = column("replicate")
    k: int = column("neighbors; 0 is no memory")
    bandwidth: float = column("bandwidth", infinite=ALIKE)
    temperature: float = column("temperature")
    entries: int = column("rows of the memory")


class CorpusSizes(Table):
    """One corpus."""

    KEY = ("world", "replicate", "variant")
    world: str = column("world")
    replicate: int = column("replicate")
    variant: str = column("none (unpruned), random, loss or flat")
    documents: int = column("documents")
    facts: int = column("facts that it states")
    statements: int = column("statements of facts")


class NetworkScores(Table):
    """What one network knows after training, without a memory."""

    KEY = ("world", "width", "variant", "replicate")
    world: str = column("world")
    load: float = column(
        "information of its facts over the nominal capacity; NaN for a text of the user's",
        nan="own text",
    )
    width: int = column("width; 0 for a model of the user's")
    variant: str = column("corpus that it was trained on")
    replicate: int = column("replicate")
    parameters: int = column("parameters")
    stored: float = column(
        "information gained on the facts that the unpruned corpus states", "bits"
    )
    facts: float = column("accuracy over them")
    rules: float = column(
        "accuracy on held-out rule items, mean over rules", nan="a text of facts alone"
    )


class CellAccuracy(Table):
    """What a network and a memory know together; facts that settings were tuned on are left out."""

    KEY = ("world", "variant", "memory", "replicate")
    world: str = column("world")
    load: float = column("load; NaN for a text of the user's", nan="own text")
    variant: str = column("corpus that the network was trained on")
    memory: str = column("statements remembered: nothing, kept, pruned, all or random")
    replicate: int = column("replicate")
    k: int = column("neighbors; 0 is no memory, also where tuning chose so")
    bandwidth: float = column("bandwidth", infinite=ALIKE)
    temperature: float = column("temperature")
    entries: int = column("rows of the memory: one per token of a value")
    weights_bytes: int = column("bytes of the weights, in float32", "bytes")
    memory_bytes: int = column("bytes of the memory: float32 features and an id per row", "bytes")
    facts: float = column("accuracy over facts that the unpruned corpus states")
    kept_facts: float = column("over those that pruning by loss keeps", nan="there are none")
    pruned_facts: float = column("over those that it takes away", nan="there are none")
    rules: float = column(
        "accuracy on held-out rule items, mean over rules", nan="a text of facts alone"
    )
    recalled: float = column("information gained on the facts", "bits")


class DecileAccuracy(Table):
    """Fact accuracy by how often the unpruned corpus states a fact."""

    KEY = ("world", "variant", "memory", "replicate", "decile")
    world: str = column("world")
    variant: str = column("corpus of the network")
    memory: str = column("statements remembered")
    replicate: int = column("replicate")
    decile: int = column("tenth of the facts, 1 the rarest")
    accuracy: float = column("accuracy")


class RuleAccuracy(Table):
    """Accuracy on held-out items of one rule."""

    KEY = ("world", "variant", "memory", "replicate", "rule")
    MAY_BE_EMPTY = True  # a text of facts alone
    world: str = column("world")
    variant: str = column("corpus of the network")
    memory: str = column("statements remembered")
    replicate: int = column("replicate")
    rule: str = column("translation, arithmetic; other: tokens of held-out text")
    accuracy: float = column("accuracy")


class ChainPairCounts(Table):
    """Documents that hold both n-grams of a pair."""

    KEY = ("world", "replicate", "corpus", "kind", "item", "pair")
    world: str = column("world")
    replicate: int = column("replicate")
    corpus: str = column("none (unpruned), random or loss")
    kind: str = column("fact, or the rule")
    item: int = column("number of the fact, or of the held-out question")
    pair: int = column("number of the pair within the item")
    documents: int = column("documents with both n-grams", "documents")
    total: int = column("documents of the corpus", "documents")


class CountCorrelations(Table):
    """Whether a network's log-probabilities follow counts of the unpruned corpus."""

    KEY = ("world", "width", "variant", "replicate", "kind")
    MAY_BE_EMPTY = True  # counts that are all alike have no order
    world: str = column("world")
    width: int = column("width")
    variant: str = column("corpus of the network")
    replicate: int = column("replicate")
    kind: str = column("fact, or the rule")
    rho: float = column("Spearman correlation of log-probabilities with log pair counts")
    items: int = column("items")


TABLES: dict[str, type[Table]] = {
    "facts": ChainFacts,
    "corpora": CorpusSizes,
    "networks": NetworkScores,
    "accuracy": CellAccuracy,
    "deciles": DecileAccuracy,
    "rules": RuleAccuracy,
    "counts": ChainPairCounts,
    "spearman": CountCorrelations,
}
