"""Config section of the chain."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key
from rote.knn import Engine

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class ChainWorld(Section):
    """The generated world: facts that cannot be guessed, and rules that can be learnt."""

    subjects: int = key(64, "Subjects of facts", ge=1)
    relations: int = key(64, "Relations; a key is a subject and a relation", ge=1)
    value_symbols: int = key(64, "Symbols of a value's token", ge=2)
    value_tokens: int = key(
        2, "Tokens of a value; entropy per fact = tokens x log2(symbols) bits", ge=1
    )
    exponent: float = key(1.0, "Power-law exponent a of the facts' frequencies; 0 is uniform", ge=0)
    copies: int = key(6, "Statements per fact, on average", ge=1)
    fact_share: float = key(
        0.75, "Share of the documents that state facts; the others exercise rules", gt=0, lt=1
    )
    lexicon: int = key(12, "Words of the language that is translated", ge=2)
    phrase: int = key(3, "Words of a phrase; its translation is word by word, in reverse", ge=2)
    modulus: int = key(11, "Modulus of the arithmetic", ge=3)
    held_out: float = key(0.3, "Share of phrases and sums that training never shows", gt=0, lt=1)
    max_test_items: int = key(
        200, "Held-out items of each rule, at most: half to tune on, half to test on", ge=4
    )
    loads: list[Positive] = key(
        [2.0],
        "Information of all facts over what the weights can hold",
        min_length=1,
    )
    bits_per_parameter: float = key(
        0.4,
        "What the weights can hold, to size the worlds: measured on these networks as by cram less",
        gt=0,
    )
    replicates: int = key(8, "Worlds and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "subjects": 20,
            "relations": 20,
            "value_symbols": 16,
            "copies": 4,
            "lexicon": 5,
            "modulus": 5,
            "max_test_items": 20,
            "loads": [0.5, 2.0],
            "replicates": 2,
        },
        "full": {"loads": [0.25, 2.0, 4.0]},
        "paper": {
            "subjects": 20_000,
            "relations": 200,
            "value_symbols": 1000,
            "lexicon": 200,
            "modulus": 97,
            "max_test_items": 2000,
            "loads": [0.5, 1.0, 2.0, 4.0],
            "bits_per_parameter": 1.5,
        },
    }

    @model_validator(mode="after")
    def _ascending(self):
        if self.loads != sorted(set(self.loads)):
            raise ValueError("loads must be ascending, without repetition")
        return self


class ChainNetwork(Section):
    """The networks and how they are trained; every variant sees as many examples."""

    architecture: Literal["gpt_neox", "llama", "gpt2", "decoder"] = key("gpt_neox", "Architecture")
    width: int = key(16, "Width", ge=4)
    ladder: list[Count] = key([], "Other widths, trained at one load")
    ladder_load: float = key(2.0, "That load; it must be among the loads", gt=0)
    layers: int = key(2, "Layers", ge=1)
    heads: int = key(2, "Attention heads", ge=1)
    steps: int = key(500, "Steps of AdamW (0.9, 0.98)", ge=2)
    scoring_steps: int = key(500, "Steps of the network whose losses prune the corpus", ge=2)
    batch: int = key(256, "Documents per step", ge=1)
    learning_rate: float = key(0.02, "Peak of networks trained from scratch; cosine to 2 %", gt=0)
    tuning_rate: float = key(5e-4, "Peak where chain.model names a model", gt=0)
    warmup: int = key(50, "Steps of linear warm-up", ge=0)
    precision: Literal["float32", "bf16"] = key("float32", "bf16: autocast, on devices")

    SCALES: ClassVar = {
        "smoke": {
            "width": 8,
            "ladder": [4],
            "layers": 1,
            "heads": 1,
            "steps": 40,
            "scoring_steps": 20,
            "batch": 64,
            "warmup": 10,
        },
        "full": {"ladder": [8, 24]},
        "paper": {
            "architecture": "gpt2",
            "width": 256,
            "ladder": [128],
            "layers": 6,
            "heads": 8,
            "steps": 40_000,
            "scoring_steps": 40_000,
            "batch": 1024,
            "learning_rate": 1e-3,
            "warmup": 1000,
            "precision": "bf16",
        },
    }


class ChainMemory(Section):
    """The residual memory of statements."""

    engine: Engine = key(
        "exact", "exact (FAISS), torch (the same on a device), ivf or hnsw (approximate)"
    )
    probes: int = key(64, "ivf: lists searched; hnsw: candidates considered", ge=1)
    neighbors: list[Count] = key([1, 3, 5, 10, 20], "Neighbors k tried", min_length=1)
    tuning_share: float = key(
        0.2, "Share of the facts that k, bandwidth and temperature are tuned on", gt=0, lt=1
    )

    SCALES: ClassVar = {"paper": {"engine": "torch"}}


class Settings(PaperSection):
    """The chain: prune what the weights cannot hold, remember the rest"""

    corpus: str = key(
        "",
        "A text of your own instead of the world: JSON lines, text or Parquet (file, folder, glob)",
        source=True,
    )
    column: str = key("text", "Column or key that holds a document's text")
    split: Literal["file", "line", "blank"] = key(
        "line", "What a document of a text file is: the file, a line, or what blank lines separate"
    )
    facts: str = key(
        "", "Table of the facts in it: columns key and value (Parquet or CSV)", source=True
    )
    model: str = key(
        "",
        "A causal language model to train on: Hugging Face id or folder; default: a new network",
        source=True,
    )
    context: int = key(128, "Tokens of a piece of your own text", ge=8)
    window: int = key(200, "Characters after a key within which its value must follow", ge=1)
    words: int = key(
        20_000,
        "Words that a new network tells apart in your own text, the most frequent ones",
        ge=10,
    )
    max_statements: int = key(
        6, "Statements that a kept fact keeps, at most: flattens frequencies", ge=1
    )
    world: ChainWorld = key(ChainWorld)
    network: ChainNetwork = key(ChainNetwork)
    memory: ChainMemory = key(ChainMemory)

    @model_validator(mode="after")
    def _usable(self):
        if self.corpus and not self.facts:
            raise ValueError(
                "corpus is given, so `facts` must name the table of facts "
                "(columns key and value) in it"
            )
        if (
            self.network.ladder
            and not self.corpus
            and self.network.ladder_load not in self.world.loads
        ):
            raise ValueError(
                f"network.ladder_load must be among world.loads, given {self.network.ladder_load:g}"
            )
        return self
