"""Config section of "Generalization v.s. memorization"."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key, left_out
from rote.papers.distmem.published import DOLMA, ENGLISH, OLMO, PILE, PYTHIA, expanded
from rote.papers.distmem.tasks import TASKS

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
Snapshot = Annotated[float, Field(ge=0, le=1)]
Shape = Annotated[list[Count], Field(min_length=3, max_length=3)]


class DistmemWorld(Section):
    """The generated corpora: facts, a lexicon, documents and test sets are drawn anew for each."""

    replicates: int = key(8, "Corpora", ge=1)
    tokens: int = key(620_000, "Words of a corpus, one separator per document included", ge=1000)
    entities: int = key(105, "Subjects; each has two facts", ge=10)
    test_examples: int = key(300, "Translations, and sums, to test with", ge=10)
    mining_examples: int = key(1000, "Further ones to mine n-gram pairs from", ge=10)

    SCALES: ClassVar = {
        "smoke": {
            "replicates": 2,
            "tokens": 30_000,
            "entities": 30,
            "test_examples": 30,
            "mining_examples": 100,
        },
        "paper": {"tokens": 1_500_000, "entities": 250, "mining_examples": 2000},
    }


class DistmemFamily(Section):
    """Networks of one family, ascending in size."""

    sizes: list[Shape] = key([], "Width, layers and heads of each, ascending")
    rates: list[Rate] = key([], "Peak learning rate of each; cosine to 10 %")

    @model_validator(mode="after")
    def _usable(self):
        if len(self.sizes) != len(self.rates):
            raise ValueError("rates must hold one learning rate for each of sizes")
        for width, _, heads in self.sizes:
            if width % heads or (width // heads) % 2:
                raise ValueError(f"width {width} must be a multiple of 2 x heads ({heads})")
        return self


class NeoxNetworks(DistmemFamily):
    """GPT-NeoX networks."""

    sizes: list[Shape] = key(
        [[8, 1, 1], [16, 1, 1], [64, 2, 4]],
        "Width, layers and heads of each, ascending",
        min_length=3,
    )
    rates: list[Rate] = key([0.01, 0.01, 0.006], "Peak learning rate of each; cosine to 10 %")

    SCALES: ClassVar = {
        "smoke": {"sizes": [[8, 1, 1], [12, 1, 1], [16, 1, 2]], "rates": [0.01, 0.01, 0.01]},
        "full": {
            "sizes": [[8, 1, 1], [16, 1, 1], [32, 2, 2], [96, 2, 6]],
            "rates": [0.01, 0.01, 0.008, 0.005],
        },
        "paper": {
            "sizes": [[8, 1, 1], [16, 1, 1], [32, 2, 2], [64, 2, 4], [128, 3, 8]],
            "rates": [0.01, 0.008, 0.004, 0.003, 0.0015],
        },
    }


class LlamaNetworks(DistmemFamily):
    """LLaMA-type networks."""

    sizes: list[Shape] = key([], "Width, layers and heads of each, ascending; none: not trained")
    rates: list[Rate] = key([], "Peak learning rate of each; cosine to 10 %")

    SCALES: ClassVar = {
        "smoke": {"sizes": [[8, 1, 1], [16, 1, 2]], "rates": [0.01, 0.01]},
        "full": {"sizes": [[16, 1, 1], [32, 2, 2]], "rates": [0.01, 0.008]},
        "paper": {"sizes": [[16, 1, 1], [64, 2, 4]], "rates": [0.008, 0.003]},
    }


class DistmemLadder(Section):
    """The networks trained on the generated corpora: one epoch each, all corpora stacked."""

    neox: NeoxNetworks = key(NeoxNetworks)
    llama: LlamaNetworks = key(LlamaNetworks)
    length: int = key(64, "Tokens of a packed sequence", ge=8)
    batch: int = key(8, "Sequences per step", ge=1)
    warmup: int = key(50, "Steps of linear warm-up", ge=0)
    generated_tasks: list[Literal[*TASKS]] = key(
        ["translation"], "Tasks whose outputs the networks also generate, greedily"
    )
    snapshots: list[Snapshot] = key(
        [0.0, 0.1, 0.3, 1.0],
        "Shares of the training after which a network is saved, from 0, untrained",
        min_length=2,
    )

    SCALES: ClassVar = {"smoke": {"warmup": 5, "snapshots": [0.0, 0.3, 1.0]}}

    @model_validator(mode="after")
    def _rising(self):
        ends = (self.snapshots[0], self.snapshots[-1])
        if self.snapshots != sorted(set(self.snapshots)) or ends != (0.0, 1.0):
            raise ValueError("snapshots must rise from 0.0 to 1.0, without repetition")
        return self


class DistmemAnalysis(Section):
    """Which n-grams are paired, counted and correlated."""

    grams: dict[str, list[Count]] = key(
        {task.name: list(task.lengths) for task in TASKS.values()},
        "n-gram lengths by task; others: default_grams",
    )
    default_grams: list[Count] = key(
        [3, 5], "n-gram lengths of tasks that `grams` does not name", min_length=1
    )
    stop_words: list[str] = key(
        ["the", "of", "is"], "Left out of input n-grams up to `stop_words_up_to`"
    )
    stop_words_up_to: int = key(3, "Longest n-grams that stop words are left out of", ge=0)
    cosine_shares: list[Share] = key(
        [0.75, 0.5, 0.25], "Shares of the pairs, those of highest cosine, beside all of them"
    )
    gamma: float | None = key(
        None,
        "Cosine above which the n-grams of a pair belong together; null: all pairs do. Where a "
        "lexicon is known, that says it",
    )
    gammas: list[float] = key(
        [], "Absolute thresholds of the cosine (Fig. 6), for encoders whose scale is known"
    )
    shuffles: int = key(3, "Draws of the null whose counts are shuffled within bins", ge=1)
    alternative_pairs: int = key(
        0, "Pairs of each task that BM25, LSA and a sentence encoder rank, too; 0: none", ge=0
    )
    drop_example_on_shared_gram: bool = key(
        False, "Drop an example whose input and output share an n-gram, as the released code does"
    )
    embedding: str = key(
        "", "Hugging Face id or folder of an encoder for the cosines; empty: our LSA of the corpus"
    )
    dimensions: int = key(48, "Dimensions of the LSA", ge=2)
    smoothing: float = key(10.0, "kappa of the smoothed task-gram model", gt=0)
    windows: list[Count] = key([5, 10, 15], "Windows in words, beside the whole document")
    context: int = key(24, "Longest context of the infinity-gram, in tokens", ge=1)
    infinity_shards: int = key(
        0, "Shards of a corpus that the infinity-gram reads, from the first; 0: all", ge=0
    )
    resamples: int = key(499, "Bootstrap resamples over examples", ge=99)

    SCALES: ClassVar = {
        "smoke": {"resamples": 99, "shuffles": 2, "alternative_pairs": 30},
        "full": {"resamples": 999, "shuffles": 5, "alternative_pairs": 200},
        "paper": {"infinity_shards": 16, "shuffles": 19, "alternative_pairs": 500},
    }


class DistmemInfluence(Section):
    """Influence of documents on test examples: dot products of gradients, summed over snapshots."""

    networks: list[Count] = key([2], "Numbers of the ladder's networks, from 0", min_length=1)
    items: int = key(6, "Test examples per task; all their pairs are summed over", ge=1)
    documents: int = key(
        8, "Documents per output n-gram and kind (R in the paper: 50), one per pair or more", ge=1
    )

    SCALES: ClassVar = {
        "smoke": {"networks": [2], "items": 2, "documents": 3},
        "full": {"networks": [2, 3]},
        "paper": {"networks": [2, 4], "items": 100, "documents": 50},
    }


class DistmemAblation(Section):
    """Networks trained again on corpora in which the documents of some facts were changed."""

    networks: list[str] = key(
        ["neox-64"], "Names of the ladder's networks that are trained again", min_length=1
    )
    every: int = key(
        10, "Facts of a block of similar frequency; each treatment gets one of them", ge=10
    )

    SCALES: ClassVar = {
        "smoke": {"networks": ["neox-16"]},
        "full": {"networks": ["neox-16", "neox-32", "llama-16", "llama-32"]},
        "paper": {"networks": ["neox-16", "neox-64", "llama-16", "llama-64"]},
    }


class DistmemStudy(Section):
    """Pretrained models and the corpus they saw. Off while `corpus` is empty."""

    corpus: str = key(
        "",
        "File, folder or glob of documents, hf: or stream:<data set>; empty: not run",
        source=True,
    )
    column: str = key("text", "Column (Parquet) or key (JSON lines) that holds a document's text")
    models: list[str] = key(
        [],
        "Hugging Face ids or folders of causal models; @<revision> names a checkpoint",
        source=True,
    )
    tasks: dict[str, str] = key(
        {},
        "Test data by task: a file or hf:<data set> with input and output (x, y), "
        "or of a known data set's form",
        source=True,
    )
    mining: dict[str, str] = key(
        {}, "The same to mine n-gram pairs from; a task that is left out is mined itself"
    )
    tokens: str = key(
        "",
        "Tokens of the corpus where others left them (.bin and .idx, memmaps, infini-gram, a saved "
        "data set): counted in place, in the first model's tokens; empty: `corpus` is tokenized",
    )
    end_token: int = key(-1, "Id that ends a document in `tokens`, where no index says; -1: none")
    stop_words: list[str] = key(
        [ENGLISH],
        f"In place of analysis.stop_words; {ENGLISH}: those of the released code (NLTK's)",
    )
    windows: list[Count] = key([10, 50, 100, 1000], "In place of analysis.windows")
    gamma: float | None = key(0.75, "In place of analysis.gamma: the paper's, of E5")
    gammas: list[float] = key([0.7, 0.75, 0.8], "In place of analysis.gammas (Fig. 6)")
    examples: int = key(
        1000, "Most test examples per task, as many of each subject or language", ge=1
    )
    parts: int = key(64, "Jobs that count side by side", ge=1)
    shard_tokens: int = key(2**30, "Tokens of a shard of the tokenized corpus", ge=1)

    def analysis(self, options: DistmemAnalysis) -> DistmemAnalysis:
        """The analysis of this study, its own keys in the place of those of the generated corpora.

        Args:
            options: `distmem.analysis`.
        """
        changed = {name: getattr(self, name) for name in ("windows", "gamma", "gammas")}
        changed["stop_words"] = expanded(self.stop_words)
        if self.tokens:  # of tokens, not of words, nothing can be left out
            changed["stop_words_up_to"] = 0
        return options.model_copy(update=changed)

    @model_validator(mode="after")
    def _complete(self):
        if self.corpus and not (self.models and self.tasks):
            raise ValueError("corpus is given, so `models` and `tasks` must be given too")
        return self


_PILE_TASKS = {
    "trivia_qa": "hf:mandarjoshi/trivia_qa#rc.nocontext/validation",
    "mmlu": "hf:cais/mmlu#all/test",
    "gsm8k": "hf:openai/gsm8k#main/test",
    "wmt09": "hf:wmt/wmt09",
}


class DistmemPythia(DistmemStudy):
    """Pythia on the Pile; or your models and your corpus, in the same way."""

    SCALES: ClassVar = {
        "paper": {
            "corpus": PILE.name,
            "models": [model.name for model in PYTHIA],
            "tasks": _PILE_TASKS,
            "mining": {"trivia_qa": "hf:mandarjoshi/trivia_qa#rc.nocontext/train"},
        }
    }


class DistmemOLMo(DistmemStudy):
    """OLMo on Dolma."""

    SCALES: ClassVar = {
        "paper": {
            "corpus": DOLMA.name,
            "models": [model.name for model in OLMO],
            "tasks": {"gsm8k": _PILE_TASKS["gsm8k"]},
        }
    }


class Settings(PaperSection):
    """Generalization v.s. memorization:
    tracing language models' capabilities back to pretraining data
    """

    leave_out: list[str] = left_out("influence", "ablation")
    world: DistmemWorld = key(DistmemWorld)
    ladder: DistmemLadder = key(DistmemLadder)
    analysis: DistmemAnalysis = key(DistmemAnalysis)
    influence: DistmemInfluence = key(DistmemInfluence)
    ablation: DistmemAblation = key(DistmemAblation)
    pythia: DistmemPythia = key(DistmemPythia)
    olmo: DistmemOLMo = key(DistmemOLMo)

    SCALES: ClassVar = {"full": {"leave_out": []}}

    @model_validator(mode="after")
    def _networks(self):
        last = len(self.ladder.neox.sizes) - 1
        if max(self.influence.networks) > last:
            raise ValueError(
                f"influence.networks must be at most {last}: the ladder has {last + 1} networks"
            )
        names = []
        for family in ("neox", "llama"):
            names += [f"{family}-{width}" for width, _, _ in getattr(self.ladder, family).sizes]
        if unknown := [name for name in self.ablation.networks if name not in names]:
            raise ValueError(
                f"ablation.networks must be of {', '.join(names)}, given {unknown[0]!r}"
            )
        return self


STUDIES: tuple[str, ...] = tuple(
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, DistmemStudy)
)
