"""The paper's tables. `source` names a corpus: a generated one (world0, ...) or that of a study."""

from typing import ClassVar

from rote.core.tables import Table, column

WHOLE_OUTPUT = 0  # in the column `n` of the table Audit


class CorpusFacts(Table):
    """One fact of a generated corpus."""

    KEY = ("source", "fact")
    source: str = column("corpus")
    fact: int = column("number of the fact")
    rank: int = column("frequency rank, 1 the most frequent")
    subject: str = column("title and name")
    relation: str = column("relation")
    object: str = column("true object")
    frequency: float = column("probability among the statements of facts")
    fidelity: float = column("share of the statements that give the true object")
    documents: int = column("documents that state it, truly or not", "documents")


class TaskExamples(Table):
    """One example of a task."""

    KEY = ("task", "part", "wording", "example")
    task: str = column("task")
    part: str = column("test, mining, or prompts: tests in other wordings")
    wording: int = column("number of the wording, 0 for the task's own")
    example: int = column("number within task and part")
    instruction: str = column("prompt, {input} stands for the input")
    input: str = column("x")
    output: str = column("y")
    fact: int = column("fact that is asked for, -1 if none")
    choices: list[str] = column("possible outputs, if the task gives any")
    group: str = column("subject or language, of data sets that have several; empty elsewhere")
    aliases: list[str] = column("other outputs that are right, if the task gives any")
    whole: bool = column("the whole output is its only n-gram, of every length")


class Lexicon(Table):
    """One word and a translation of it."""

    source: str = column("word")
    target: str = column("translation")


class TaskGrams(Table):
    """An input and an output n-gram of one test example."""

    KEY = ("task", "n", "example", "input_gram", "output_gram")
    MAY_BE_EMPTY: ClassVar = True
    task: str = column("task")
    n: int = column("length of the n-grams", "words")
    example: int = column("test example")
    input_gram: str = column("n-gram of the input, s_x")
    output_gram: str = column("n-gram of the output, s_y")
    start: int = column("first character of s_y in the output")
    end: int = column("character after it")
    cosine: float = column("cosine of the two embeddings")
    mined: bool = column("the mining data hold the pair too")


class TaskGramCounts(Table):
    """How often the n-grams of a pair occur in the corpus; rows as in the table of pairs."""

    MAY_BE_EMPTY: ClassVar = True
    pair_documents: int = column("documents that hold both", "documents")
    first_occurrences: int = column("occurrences of s_x", "occurrences")
    first_documents: int = column("documents that hold s_x", "documents")
    second_occurrences: int = column("occurrences of s_y", "occurrences")
    second_documents: int = column("documents that hold s_y", "documents")
    window_occurrences: list[int] = column(
        "occurrences of s_x within so many words of s_y, by window", "occurrences"
    )


class OutputScores(Table):
    """What a model makes of one test example's output, or of one of its choices."""

    KEY = ("model", "snapshot", "task", "wording", "example", "choice")
    model: str = column("model")
    family: str = column("family of the ladder's networks; empty for other models")
    size: int = column("parameters; 0 for the infinity-gram", "parameters")
    snapshot: float = column("share of its training")
    task: str = column("task")
    wording: int = column("number of the wording, 0 for the task's own")
    example: int = column("test example")
    choice: int = column("number of the choice, -1 for the true output")
    logprobs: list[float] = column("log-probability of each token", "nats", nan="probability 0")
    starts: list[int] = column("first character that it covers")
    ends: list[int] = column("character after it")
    correct: bool = column("greedy decoding gives every token")
    truncated: int = column("tokens cut from the prompt", "tokens")
    generated: str = column("what the model writes by itself, empty where it was not asked to")


_CORRELATION = "why, see reason"


class MemorizationByVariant(Table):
    """Distributional memorization of one model under one way of measuring it."""

    KEY = ("source", "model", "snapshot", "task", "n", "variant", "parameter")
    MAY_BE_EMPTY: ClassVar = True
    source: str = column("corpus")
    model: str = column("model")
    family: str = column("family of the ladder's networks; empty for other models")
    size: int = column("parameters", "parameters")
    snapshot: float = column("share of its training")
    task: str = column("task")
    n: int = column("length of the n-grams", "words")
    variant: str = column("paper: Def. 3; others change one thing, see `variants.VARIANTS`")
    parameter: float = column(
        "share of the pairs (cosine) or words (window)", nan="the variant has none"
    )
    rho: float = column("Spearman's rho of corpus and model log-probabilities", nan=_CORRELATION)
    low: float = column("lower end of its 95 % interval over examples", nan=_CORRELATION)
    high: float = column("upper end", nan=_CORRELATION)
    distance: float = column(
        "normalised Kendall distance", nan=f"{_CORRELATION}; or not computed for this variant"
    )
    points: int = column("points correlated")
    examples: int = column("test examples that they come from")
    dropped_zero_input: int = column("pairs left out because C(s_x) = 0", "pairs")
    dropped_zero_pair: int = column("pairs left out because C(s_x, s_y) = 0", "pairs")
    dropped_logprob: int = column(
        "pairs left out because the model gives no finite log-probability", "pairs"
    )
    above_one: float = column("share of the ratios above 1")
    uncovered: float = column("share of the pairs whose output n-gram no token covers")
    outside: float = column(
        "share of the outputs' characters in no n-gram that Def. 3 correlates", nan="no output"
    )
    reason: str = column("why there is no rho, empty if there is one")


class Performance(Table):
    """One test example: what the corpus holds of it, and what a model makes of it."""

    KEY = ("source", "model", "task", "example")
    source: str = column("corpus")
    model: str = column("model")
    size: int = column("parameters", "parameters")
    task: str = column("task")
    example: int = column("test example")
    group: str = column("facts: head, mid or tail by frequency rank; empty elsewhere")
    pair_documents: int = column("summed documents of its pairs, shortest n-grams", "documents")
    loss: float = column(
        "loss of the output, summed over its tokens", "nats", nan="a token has probability 0"
    )
    correct: bool = column("greedy decoding gives the output")
    matched: float = column(
        "what the model writes begins with the output or an alias", nan="it was not asked to write"
    )
    bleu: float = column("BLEU of what the model writes, 0 to 100", nan="the same")
    choice_correct: float = column(
        "the true choice is the likeliest", nan="the task gives no choices"
    )
    overlapping: float = column(
        "the corpus holds 8 words of the output in a row", nan="the output is shorter"
    )


class Novel(Table):
    """n-gram pairs in what a model wrote that no document of the corpus holds."""

    KEY = ("source", "model", "task", "n")
    MAY_BE_EMPTY: ClassVar = True
    source: str = column("corpus")
    model: str = column("model")
    size: int = column("parameters", "parameters")
    task: str = column("task")
    n: int = column("length of the n-grams", "words")
    pairs: int = column("pairs written", "pairs")
    novel: int = column("of those, in no document", "pairs")
    right: int = column("pairs written that belong together, and stand in the reference", "pairs")
    novel_right: int = column("of those, in no document", "pairs")
    novel_in_reference: int = column(
        "pairs of the reference that belong together, in no document: the most there can be",
        "pairs",
    )


class Bias(Table):
    """What dropping pairs in no document does to the task-gram probability of rare inputs."""

    KEY = ("source", "task", "n")
    MAY_BE_EMPTY: ClassVar = True
    source: str = column("corpus")
    task: str = column("task")
    n: int = column("length of the n-grams", "words")
    dropped: float = column("share of the pairs in no document")
    filtered: float = column(
        "Spearman(log P, log C(s_x)) of the others", nan="too few pairs, or constant"
    )
    smoothed: float = column("the same, smoothed, over all pairs", nan="too few pairs, or constant")


class Mining(Table):
    """How well cosines select true translations among the pairs."""

    KEY = ("source", "n", "share")
    source: str = column("corpus")
    n: int = column("length of the n-grams", "words")
    share: float = column("share of the pairs selected, those of highest cosine")
    precision: float = column("share of true translations among the selected")
    recall: float = column("share of the true translations selected", nan="there are none")


class Audit(Table):
    """Do outputs of test examples occur in the corpus?"""

    KEY = ("source", "task", "n")
    source: str = column("corpus")
    task: str = column("task")
    n: int = column("length of the n-grams; 0: whole outputs", "words")
    examples: int = column("test examples")
    long_enough: int = column("of those, with an output of n words or more")
    overlapping: int = column("of those, with an n-gram of the output in the corpus")


class Prompts(Table):
    """A task asked in other words."""

    KEY = ("source", "model", "task", "wording")
    source: str = column("corpus")
    model: str = column("model")
    size: int = column("parameters", "parameters")
    task: str = column("task")
    wording: int = column("number of the wording")
    instruction: str = column("the wording")
    mean_count: float = column("mean occurrences of the prompt's 3-grams", "occurrences")
    accuracy: float = column("share of outputs that greedy decoding gives")


class Estimators(Table):
    """How well one estimate from the corpus ranks a model's log-probabilities of the facts."""

    KEY = ("source", "model", "estimator")
    source: str = column("corpus")
    model: str = column("model")
    size: int = column("parameters", "parameters")
    estimator: str = column("estimate, see `estimators.ESTIMATORS`")
    rho: float = column("Spearman's rho", nan="too few facts, or constant")
    given_answer: float = column(
        "partial Spearman's rho given the answer: within facts of one object", nan="the same"
    )


class ExampleInfluence(Table):
    """Influence of documents on one test example.

    Mean over the documents of a pair, summed over pairs and snapshots.
    """

    KEY = ("source", "model", "trained", "task", "example")
    MAY_BE_EMPTY: ClassVar = True
    source: str = column("corpus")
    model: str = column("model")
    size: int = column("parameters", "parameters")
    trained: bool = column("false: as if every snapshot were the network before training")
    task: str = column("task")
    example: int = column("test example")
    pair: float = column("of documents that hold s_x and s_y")
    output_only: float = column("of documents that hold s_y but not s_x")
    matched: float = column("of those of them that are most like the first in the prompt's words")
    pair_cosine: float = column("cosine with the mean gradient of the first, mean over snapshots")
    output_only_cosine: float = column("the same for the second")
    matched_cosine: float = column("the same for the third")
    pairs: int = column("pairs that the sum of Eq. 9 is over", "pairs")
    documents: int = column("documents per kind, all pairs together", "documents")


class RetrainedFacts(Table):
    """One fact in a network that was trained again."""

    KEY = ("source", "model", "variant", "fact")
    source: str = column("corpus")
    model: str = column("network of the ladder")
    variant: str = column(
        "changed: other corpus, same initialization; reinitialized: the other way round"
    )
    fact: int = column("fact")
    treatment: str = column("unchanged, quarter, half or all of its documents moved, ...")
    block: int = column("number of the block of similarly frequent facts that arms are drawn in")
    documents_before: int = column("documents that state it, unchanged corpus", "documents")
    documents_after: int = column("documents that state it, changed corpus", "documents")
    inputs_before: int = column("of those, with the question's 3-gram, before", "documents")
    inputs_after: int = column("the same after", "documents")
    pairs_before: int = column("of those, with the true object as well, before", "documents")
    pairs_after: int = column("the same after", "documents")
    logprob: float = column("log-probability of the true object", "nats")
    correct: bool = column("it is the likeliest token")


class Alternatives(Table):
    """How well one model of the corpus ranks a network's log-probabilities of a task's pairs."""

    KEY = ("source", "model", "task", "estimator")
    MAY_BE_EMPTY: ClassVar = True
    source: str = column("corpus")
    model: str = column("model")
    size: int = column("parameters", "parameters")
    task: str = column("task")
    n: int = column("length of the n-grams", "words")
    estimator: str = column("task_gram, bm25, lsa or encoder, see `alternatives`")
    rho: float = column("Spearman's rho, the same pairs for all", nan="too few pairs, or constant")
    points: int = column("pairs correlated", "pairs")


class Traces(Table):
    """A pair of a question, and one document that holds it."""

    KEY = ("source", "model", "task", "example", "n", "input_gram", "output_gram", "document")
    source: str = column("corpus; empty for one of a user's own")
    model: str = column("model whose log-probability it is; empty where it is the user's")
    task: str = column("task")
    example: int = column("test example")
    n: int = column("length of the n-grams", "words")
    input_gram: str = column("n-gram of the input, s_x")
    output_gram: str = column("n-gram of the output, s_y")
    pair_documents: int = column("documents that hold both", "documents")
    first_occurrences: int = column("occurrences of s_x", "occurrences")
    ratio: float = column("log P of the task-gram model", "nats", nan="in no document")
    logprob: float = column("log P of the model", "nats", nan="no model, or none finite")
    document: int = column("number of a document that holds both, -1 if there is none")
    snippet: str = column("its words around the n-grams, which stand in brackets")


class Engines(Table):
    """Document counts of n-gram pairs by one engine, against brute force."""

    KEY = ("engine",)
    engine: str = column("engine")
    exact: bool = column("whether it is meant to be exact")
    tokens: int = column("tokens of the corpus", "tokens")
    pairs: int = column("pairs counted", "pairs")
    equal_share: float = column("share of the counts that equal brute force")
    low: float = column("10 % quantile of count over brute force, pairs that share a document")
    median: float = column("median of it")
    high: float = column("90 % quantile of it")


# by what they are made of: each corpus, each generated corpus (also `facts`), all corpora at once
SOURCE_TABLES: dict[str, type[Table]] = {
    "memorization": MemorizationByVariant,
    "performance": Performance,
    "novel": Novel,
    "bias": Bias,
    "audit": Audit,
}
GENERATED_TABLES: dict[str, type[Table]] = {
    "mining": Mining,
    "prompts": Prompts,
    "estimators": Estimators,
    "alternatives": Alternatives,
    "traces": Traces,
}
RUN_TABLES: dict[str, type[Table]] = {
    "influence": ExampleInfluence,
    "ablation": RetrainedFacts,
    "engines": Engines,
}
TABLES = {"facts": CorpusFacts} | SOURCE_TABLES | GENERATED_TABLES | RUN_TABLES
INNER: dict[str, type[Table]] = {
    "examples": TaskExamples,
    "lexicon": Lexicon,
    "pairs": TaskGrams,
    "counts": TaskGramCounts,
    "scores": OutputScores,
}
