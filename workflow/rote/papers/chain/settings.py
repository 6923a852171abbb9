"""Config section of the chain."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key
from rote.knn import Engine

Count = Annotated[int, Field(ge=1)]


class ChainWorld(Section):
    """The generated world: facts that cannot be guessed, and rules that can be learnt."""

    subjects: int = key(32, "Subjects of facts", ge=1)
    relations: int = key(32, "Relations; a key is a subject and a relation", ge=1)
    value_symbols: int = key(64, "Symbols of a value's token", ge=2)
    value_tokens: int = key(
        2, "Tokens of a value; entropy per fact = tokens x log2(symbols) bits", ge=1
    )
    exponent: float = key(1.0, "Power-law exponent a of the facts' frequencies; 0 is uniform", ge=0)
    copies: int = key(6, "Statements per fact, on average", ge=1)
    facts: list[Count] = key(
        [150, 600], "Facts of the worlds; their load is measured", min_length=1
    )
    fact_share: float = key(
        0.75, "Share of the documents that state facts; the others exercise rules", gt=0, lt=1
    )
    lexicon: int = key(13, "Words of the language that is translated", ge=2)
    phrase: int = key(3, "Words of a phrase; its translation is word by word, in reverse", ge=2)
    word_exponent: float = key(
        0.85, "Power-law exponent of the frequencies of words in phrases; 0 is uniform", ge=0
    )
    numbers: int = key(45, "Numbers that are added in pairs", ge=3)
    modulus: int = key(3, "Modulus of their sums", ge=2)
    held_out: float = key(0.6, "Share of phrases and sums that training never shows", gt=0, lt=1)
    tuning_items: int = key(200, "Held-out items of each rule that memories are tuned on", ge=1)
    test_items: int = key(1000, "Held-out items of each rule that are tested, at most", ge=1)
    replicates: int = key(8, "Worlds and networks", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "subjects": 20,
            "relations": 20,
            "value_symbols": 16,
            "copies": 4,
            "facts": [40, 160],
            "lexicon": 5,
            "numbers": 12,
            "tuning_items": 10,
            "test_items": 20,
            "replicates": 2,
        },
        "paper": {
            "subjects": 20_000,
            "relations": 200,
            "value_symbols": 1000,
            "value_tokens": 32,
            "facts": [250_000, 500_000, 1_000_000, 2_000_000],
            "lexicon": 200,
            "numbers": 97,
            "modulus": 7,
            "replicates": 5,
        },
    }

    @model_validator(mode="after")
    def _usable(self):
        if self.facts != sorted(set(self.facts)):
            raise ValueError("facts must be ascending, without repetition")
        if self.modulus >= self.numbers:
            raise ValueError(f"modulus must be below numbers, given {self.modulus}")
        keys = self.subjects * self.relations
        if self.facts[-1] > keys:
            raise ValueError(
                f"facts: {self.subjects} subjects and {self.relations} relations make {keys:,} "
                f"keys, given {self.facts[-1]:,} facts"
            )
        return self


class ChainNetwork(Section):
    """The networks and how they are trained; every corpus is trained on for as many steps."""

    architecture: Literal["gpt_neox", "llama", "gpt2", "decoder"] = key("decoder", "Architecture")
    widths: list[Count] = key(
        [8], "Widths at which every corpus has networks; the first has the memories", min_length=1
    )
    larger: list[Count] = key(
        [16],
        "Widths of further networks, on the unpruned corpus of the most facts for the most steps",
    )
    layers: int = key(1, "Layers", ge=1)
    heads: int = key(2, "Attention heads", ge=1)
    steps: list[Annotated[int, Field(ge=2)]] = key(
        [750, 1500, 3000],
        "Steps of AdamW (0.9, 0.98) that networks are trained for; after the last they are at "
        "their plateau",
        min_length=1,
    )
    batch: int = key(64, "Documents per step", ge=1)
    learning_rate: float = key(0.02, "Peak of networks trained from scratch; cosine to 2 %", gt=0)
    tuning_rate: float = key(5e-4, "Peak where chain.model names a model", gt=0)
    warmup: int = key(50, "Steps of linear warm-up", ge=0)
    stacked: int = key(
        64, "Networks that are trained together, at most; results do not depend on it", ge=1
    )
    precision: Literal["float32", "bf16"] = key("float32", "bf16: autocast, on devices")

    SCALES: ClassVar = {
        "smoke": {
            "larger": [12],
            "layers": 1,
            "heads": 1,
            "steps": [20, 40],
            "batch": 64,
            "warmup": 10,
        },
        "full": {
            "widths": [8, 16],
            "larger": [24],
            "steps": [250, 1000, 4000, 8000],
        },
        "paper": {
            "architecture": "gpt2",
            "widths": [768],
            "larger": [1152],
            "layers": 12,
            "heads": 12,
            "steps": [10_000, 20_000, 40_000],
            "batch": 256,
            "learning_rate": 1e-3,
            "warmup": 1000,
            "stacked": 1,
            "precision": "bf16",
        },
    }

    @model_validator(mode="after")
    def _ascending(self):
        for name, values in (("widths", self.widths), ("steps", self.steps)):
            if values != sorted(set(values)):
                raise ValueError(f"{name} must be ascending, without repetition")
        for width in (*self.widths, *self.larger):
            if width % self.heads:
                raise ValueError(
                    f"heads must divide every width, given {self.heads} heads and width {width}"
                )
        return self


class ChainMemory(Section):
    """The residual memory of statements."""

    engine: Engine = key(
        "exact", "exact (FAISS), torch (the same on a device), ivf or hnsw (approximate)"
    )
    probes: int = key(64, "ivf: lists searched; hnsw: candidates considered", ge=1)
    neighbors: list[Count] = key([1, 4, 16], "Neighbors k tried", min_length=1)
    tuning_share: float = key(
        0.2, "Share of the facts that k, bandwidth and reach are tuned on", gt=0, lt=1
    )
    facts: int = key(10_000, "Facts that networks with memories are asked for, at most", ge=2)
    part: int = key(100_000, "Statements whose hidden states are in memory at a time", ge=1)
    silence: float = key(
        0.005,
        "Share of its log-probability that text without facts may lose to a memory where its "
        "reach is tuned",
        gt=0,
    )

    SCALES: ClassVar = {"paper": {"engine": "torch", "facts": 1000, "part": 20_000}}


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

    def asks_user_data(self) -> bool:
        """A text of the user's takes the place of the generated worlds."""
        return bool(self.corpus)

    @model_validator(mode="after")
    def _usable(self):
        if self.corpus and not self.facts:
            raise ValueError(
                "corpus is given, so `facts` must name the table of facts "
                "(columns key and value) in it"
            )
        return self
