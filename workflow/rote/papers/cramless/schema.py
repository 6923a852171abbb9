"""The paper's result tables."""

from rote.core.tables import Table, column
from rote.papers.cramless.settings import Settings


class FactSetRows(Table):
    """One fact of one data set."""

    KEY = ("data", "replicate", "fact")
    data: str = column("data set: uniform N, or power a")
    replicate: int = column("replicate")
    fact: int = column("number of the fact, most frequent first")
    key: str = column("its key, as a name")
    value: str = column("its value, as digits")
    tokens: list[int] = column("key then value, as token ids")
    frequency: float = column("probability of the fact in the source")
    count: int = column("copies in the data set", "copies")
    bits: float = column("entropy of its value", "bits")


class PrunedCounts(Table):
    """How many copies of a fact an offline selection keeps."""

    KEY = ("data", "scheme", "replicate", "fact")
    data: str = column("data set")
    scheme: str = column("selection")
    replicate: int = column("replicate")
    fact: int = column("number of the fact")
    count: int = column("copies that stay", "copies")


class FactOutcomes(Table):
    """What one network knows of one fact after training."""

    KEY = ("arm", "replicate", "fact")
    arm: str = column("data set, selection and network")
    replicate: int = column("replicate")
    fact: int = column("number of the fact")
    count: int = column("copies in the unpruned data set", "copies")
    seen: float = column("gradient steps it took part in", "examples")
    loss: float = column("loss summed over value tokens", "nats")
    recited: bool = column("greedy decoding gives every value token")


class NetworkRuns(Table):
    """One trained network."""

    KEY = ("arm", "replicate")
    arm: str = column("data set, selection and network")
    group: str = column("job that trained it")
    data: str = column("data set")
    exponent: float = column("power-law exponent of the frequencies; 0 is uniform")
    facts: int = column("facts in the source")
    scheme: str = column("selection")
    width: int = column("width of the network")
    steps: int = column("training steps", "steps")
    learning_rate: float = column("peak learning rate")
    replicate: int = column("replicate")
    parameters: int = column("parameters of the network")
    present: int = column("facts that occur in the unpruned data set")
    recited: int = column("of those, facts recited")
    weighted: float = column("accuracy weighted by copies")
    stored: float = column("information stored, sum of max(0, H - loss)", "bits")
    bits: float = column("entropy per fact, H", "bits")
    trained: float = column("examples with a gradient", "examples")
    scored: float = column("candidates that were only scored", "examples")


class AdmittedShares(Table):
    """The admitted share of the candidates during training."""

    KEY = ("arm", "replicate", "step")
    arm: str = column("data set, selection and network")
    replicate: int = column("replicate")
    step: int = column("training step", "steps")
    share: float = column("admitted share")


class Mentions(Table):
    """A value that follows its entity in a document."""

    KEY = ("document", "fact", "start")
    document: str = column("file and number of the document")
    fact: int = column("row of the table of facts")
    start: int = column("first character of the value")
    end: int = column("character after the value")
    first_token: int = column("first token of the value in the corpus", "tokens")
    last_token: int = column("token after the value", "tokens")
    phrasing: int = column("row of the table of phrasings that it is stated in; -1 for none")


class MentionCounts(Table):
    """How often a fact is stated in the corpus."""

    KEY = ("fact",)
    fact: int = column("row of the table of facts")
    mentions: int = column("mentions", "mentions")


class TextRuns(Table):
    """One GPT-2 trained on the corpus."""

    KEY = ("size", "scheme", "replicate", "kind")
    size: str = column("small or large")
    scheme: str = column("none, auto, or none-longer: as much work as auto at least")
    replicate: int = column("replicate")
    kind: str = column("phrasing: stated with the entity, paired with others alone, or new")
    parameters: int = column("parameters of the network")
    steps: int = column("training steps", "steps")
    learning_rate: float = column("peak learning rate")
    facts: int = column("entities and relations that occur in a block")
    recited: float = column("of those, asked for and recited; mean over phrasings")
    loss: float = column("of their values, mean", "nats")
    trained: int = column("blocks with a gradient", "blocks")
    scored: int = column("blocks that were only scored", "blocks")


TABLES: dict[str, type[Table]] = {
    "facts": FactSetRows,
    "pruned": PrunedCounts,
    "trained": FactOutcomes,
    "runs": NetworkRuns,
    "shares": AdmittedShares,
    "annotations": Mentions,
    "fact_counts": MentionCounts,
    "text_runs": TextRuns,
}


NETWORK_TABLES = ("trained", "runs", "shares")  # made per group of arms, then put together
TEXT_TABLES = {"annotations", "fact_counts", "text_runs"}


def made(settings: Settings) -> list[str]:
    """Tables of a run: those of the text track only where a corpus is given."""
    return [name for name in TABLES if settings.text.corpus or name not in TEXT_TABLES]
