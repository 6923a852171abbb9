"""Config section of "Cram less to fit more"."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key

Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Longer = Annotated[int, Field(ge=2)]
Factor = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


ArmGroupName = Literal[
    "standard",
    "uniform",
    "skewed",
    "schemes",
    "longer",
    "tuning",
    "ladder",
    "smaller",
    "pruned",
]
GENERATED = "generated"  # a corpus of the package
ARM_GROUPS = get_args(ArmGroupName)


class CramlessFacts(Section):
    """Semi-synthetic facts: distinct keys, uniform random values."""

    key_symbols: int = key(96, "Symbols of a key token", ge=2)
    key_tokens: int = key(2, "Tokens of a key", ge=1)
    value_symbols: int = key(100, "Symbols of a value token", ge=2)
    value_tokens: int = key(
        2, "Tokens of a value; entropy per fact = tokens x log2(symbols) bits", ge=1
    )
    uniform: list[Count] = key(
        [800, 1600, 6400], "Numbers of facts, each once, ascending", min_length=3
    )
    skewed: int = key(6400, "Facts of the power-law data sets", ge=2)
    exponents: list[NonNegative] = key(
        [1.0], "Power-law exponents a; 1 must be among them", min_length=1
    )
    copies: int = key(16000, "Draws from a power law that make its data set", ge=1)
    smaller: list[Count] = key(
        [2300, 3100],
        "Facts of smaller power-law data sets of exponent 1, with copies in proportion",
        min_length=1,
    )
    replicates: int = key(8, "Fact sets and initializations", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "uniform": [100, 200, 400],
            "skewed": 400,
            "copies": 1000,
            "smaller": [160],
            "exponents": [1.0],
            "replicates": 2,
        },
        "full": {
            "uniform": [800, 1000, 1200, 1600, 2400, 3200, 6400],
            "exponents": [0.5, 1.0, 1.5],
        },
        "paper": {"replicates": 10},
    }

    @model_validator(mode="after")
    def _usable(self):
        if 1.0 not in self.exponents:
            raise ValueError("exponents must hold 1.0: most claims are about it")
        if self.uniform != sorted(set(self.uniform)):
            raise ValueError("uniform must be ascending, without repetition")
        return self


class CramlessTraining(Section):
    """The networks and how they are trained."""

    architecture: Literal["decoder", "gpt2", "gpt_neox"] = key(
        "decoder", "decoder: our fast one; gpt2, gpt_neox: by transformers"
    )
    groups: list[ArmGroupName] = key(
        ["standard", "uniform", "skewed"], "Groups of networks to train", min_length=1
    )
    width: int = key(24, "Width of the base network", ge=4)
    ladder: list[Count] = key([16, 32], "Other widths, for the size ladder", min_length=1)
    pruned_ladder: list[Count] = key(
        [], "Those of them that are also trained with automatic selection"
    )
    layers: int = key(1, "Layers", ge=1)
    heads: int = key(1, "Attention heads", ge=1)
    steps: int = key(1000, "Steps of AdamW (0.9, 0.98)", ge=10)
    longer: list[Longer] = key(
        [2, 3], "How many times longer standard training is compared with, too", min_length=1
    )
    rate_factors: list[Factor] = key(
        [0.5, 1.0],
        "Learning rates tried at every width of the ladder, in units of learning_rate",
        min_length=1,
    )
    batch: int = key(512, "Examples per step", ge=1)
    candidates: int = key(2048, "Candidates per step that selection scores", ge=1)
    trained: int = key(
        960, "Examples per step that selection trains on at most, of those it admits", ge=1
    )
    learning_rate: float = key(0.02, "Peak; cosine to 2 %", gt=0)
    warmup: int = key(50, "Steps of linear warm-up", ge=0)
    unselected_share: float = key(
        0.1, "Share of the steps before online selection begins", ge=0, lt=1
    )
    known: float = key(
        1.5, "Loss of a value, nats, below which the controller counts a fact as known", gt=0
    )
    pace: float = key(
        1.0, "Known share of the admitted candidates that it asks for, per share of the steps", gt=0
    )
    ceiling: Share = key(0.97, "Largest known share that it asks for")
    speed: float = key(
        3.0, "What the admitted share can move by over a whole training, whatever its steps", gt=0
    )
    least_share: Share = key(0.06, "Smallest admitted share of the candidates")
    flat_below: NonNegative = key(
        0.3, "Loss of a value, nats, below which flattening does not train on a fact"
    )
    refresh: int = key(
        5, "Steps between two selections without scoring (auto-epoch), from losses seen last", ge=1
    )
    fixed_share: Share = key(0.75, "Share of candidates that selection without controller keeps")
    precision: Literal["float32", "bf16"] = key("float32", "bf16: autocast, on devices")

    SCALES: ClassVar = {
        "smoke": {
            "width": 8,
            "ladder": [12],
            "pruned_ladder": [12],
            "steps": 30,
            "batch": 64,
            "candidates": 128,
            "trained": 64,
            "longer": [2],
            "rate_factors": [1.0],
        },
        "full": {
            "groups": list(ARM_GROUPS),
            "ladder": [12, 16, 32, 48, 64],
            "pruned_ladder": [12],
        },
        "paper": {
            "width": 32,
            "ladder": [16, 24, 48, 64, 96, 128],
            "pruned_ladder": [16, 24],
            "steps": 4000,
        },
    }

    @model_validator(mode="after")
    def _tuned(self):
        if "ladder" in self.groups and "tuning" not in self.groups:
            raise ValueError("groups holds ladder, so it must hold tuning, which it takes rates of")
        return self


class CramlessText(Section):
    """Facts in natural text: GPT-2 on an annotated corpus, as in the paper; without one not run."""

    corpus: str = key(
        "",
        "File, folder or glob of documents, hf: or stream:<data set>, or `generated`: sentences "
        "about made-up people; empty: not run",
        source=True,
    )
    column: str = key("text", "Column (Parquet) or key (JSON lines) that holds a document's text")
    facts: str = key(
        "",
        "Table of facts to look for: columns entity and value, perhaps relation, entity_aliases "
        "and value_aliases (names separated by |)",
        source=True,
    )
    phrasings: str = key(
        "",
        "Table of ways to ask for facts: columns relation and text, which names {entity} and "
        "ends where the value begins",
        source=True,
    )
    people: int = key(400, "People of the generated corpus, four facts each", ge=1)
    values: int = key(200, "Values of a relation there; log2 of it are the bits of a fact", ge=2)
    documents: int = key(20_000, "Documents there", ge=1)
    exponent: NonNegative = key(0.0, "Power-law exponent of the people's frequencies there")
    window: int = key(200, "Characters after an entity within which its value must follow", ge=1)
    tokenizer: str = key("gpt2", "Hugging Face id, or folder, of a fast tokenizer")
    context: int = key(512, "Tokens of a block", ge=4)
    small: list[Count] = key(
        [12, 12, 768], "Layers, heads and width of the network", min_length=3, max_length=3
    )
    large: list[Count] = key(
        [24, 32, 2048], "The same of the larger one", min_length=3, max_length=3
    )
    steps: int = key(100_000, "Steps of AdamW (0.9, 0.98)", ge=10)
    batch: int = key(256, "Blocks per step, over all devices", ge=1)
    candidates: int = key(512, "Blocks per step that selection chooses from", ge=1)
    device_batch: int = key(16, "Blocks per device at one time", ge=1)
    small_rate: float = key(6e-4, "Peak learning rate; cosine to 2 %", gt=0)
    large_rate: float = key(2e-4, "That of the larger network", gt=0)
    warmup: int = key(2000, "Steps of linear warm-up", ge=0)
    clip: float = key(1.0, "Longest gradient", gt=0)
    weight_decay: NonNegative = key(0.1, "Of matrices, decoupled")
    unselected_share: float = key(0.1, "Share of the steps before selection begins", ge=0, lt=1)
    known: float = key(
        1.5, "Loss of a value, nats, below which the controller counts it as known", gt=0
    )
    pace: float = key(
        1.0, "Known share of the admitted blocks that it asks for, per share of the steps", gt=0
    )
    speed: float = key(
        3.0, "What the admitted share can move by over a whole training, whatever its steps", gt=0
    )
    least_share: Share = key(0.06, "Smallest admitted share of the candidates that state facts")
    plain: Literal["keep", "score"] = key(
        "keep", "Blocks without a fact: keep a share of them, or the share of lowest loss"
    )
    plain_share: Share = key(0.5, "That share")
    precision: Literal["float32", "bf16"] = key("bf16", "bf16: autocast")
    compile: bool = key(False, "Compile the network with torch.compile before training")
    devices: int = key(8, "Devices of one training", ge=1)
    replicates: int = key(8, "Initializations and orders", ge=1)

    @model_validator(mode="after")
    def _facts(self):
        given = self.corpus not in ("", GENERATED)
        if given and not (self.facts and self.phrasings):
            raise ValueError(
                "corpus is given, so `facts` must name the table of facts to look for in it, and "
                "`phrasings` that of ways to ask for them"
            )
        return self


class Settings(PaperSection):
    """Cram less to fit more: training data pruning improves memorization of facts"""

    facts: CramlessFacts = key(CramlessFacts)
    training: CramlessTraining = key(CramlessTraining)
    text: CramlessText = key(CramlessText)

    def parts(self) -> list[str]:
        """Groups of networks that a run trains."""
        return list(self.training.groups)
