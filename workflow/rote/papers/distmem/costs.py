"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

from rote.core.work import Wildcards, transformer
from rote.papers.distmem import published
from rote.papers.distmem.families import Rung, network
from rote.papers.distmem.settings import Settings
from rote.papers.distmem.sources import SourceCorpus, sources

VOCABULARY = 600  # words of a generated corpus
TOKENS_PER_EXAMPLE = 400  # a prompt and its answer read, and as much generated
OUTPUT_GRAMS = 7  # of a test example, on average over tasks
ENGINES_WORDS = 1.3e6  # that are counted in the time of comparing all ways to count
ENCODER_EXAMPLES = 1400  # of a network that are measured in the time of training the encoders
QUESTION_WORDS = 1e7  # of a study, that its n-grams are embedded from


def _source(s: Settings, where: Wildcards) -> SourceCorpus:
    return sources(s)[where["source"]]


def _training(s: Settings, rung: Rung) -> float:
    """One epoch, all corpora stacked: six operations per weight and token."""
    weights = transformer(rung.layers, rung.width, VOCABULARY)
    return 6 * weights * s.world.tokens * s.world.replicates


def _ablation(s: Settings, where: Wildcards) -> float:
    return 2 * _training(s, network(s.ladder, where["network"]))


def _pretrained(s: Settings, where: Wildcards) -> float:
    study = _source(s, where).study
    weights = published.weights(study.models[int(where["number"])])
    return 2 * weights * study.examples * len(study.tasks) * TOKENS_PER_EXAMPLE


def _infinity(s: Settings, where: Wildcards) -> float:
    """Tokens whose suffixes are sorted."""
    source = _source(s, where)
    shards = s.analysis.infinity_shards
    if source.study is None or not shards:
        return source.words
    return min(source.words, shards * source.study.shard_tokens)


def _infinity_disk(s: Settings, where: Wildcards) -> float:
    return 0 if _source(s, where).is_generated else 8 * _infinity(s, where)


def _words(s: Settings, where: Wildcards) -> float:
    """Of all generated corpora."""
    return s.world.tokens * s.world.replicates


def _counting(s: Settings, where: Wildcards) -> float:
    return ENGINES_WORDS + _words(s, where)


def _evaluation(s: Settings, where: Wildcards) -> float:
    """Examples of all networks, and encoders beside them, of every generated corpus."""
    networks = len(s.ladder.neox.sizes) + len(s.ladder.llama.sizes)
    return s.world.replicates * (ENCODER_EXAMPLES + networks * s.world.test_examples)


def _influence(s: Settings, where: Wildcards) -> float:
    gradients = s.influence.items * s.influence.documents * len(s.influence.networks)
    return OUTPUT_GRAMS * s.world.replicates * gradients


# seconds per word, measured at size by `make bench`: a small corpus takes the time of its start
RATES = {"synthesize_tokens": 1e-6, "count_pairs": 1e-7, "count_infinity": 1 / 3e6}
WORK = {
    "synthesize_worlds": _words,
    "count_worlds": _counting,
    "evaluate_sources": _evaluation,
    "synthesize_tokens": lambda s, w: _source(s, w).words,
    "train_ladder": lambda s, w: _training(s, network(s.ladder, w["network"])),
    "train_ablation": _ablation,
    "embed_pairs": lambda s, w: QUESTION_WORDS,
    "count_pairs": lambda s, w: _source(s, w).words / _source(s, w).n_parts,
    "count_infinity": _infinity,
    "evaluate_influence": _influence,
    "evaluate_pretrained": _pretrained,
}
# bytes that a job streams from the disk: tokens
READS = {
    "count_pairs": lambda s, w: 4 * _source(s, w).words / _source(s, w).n_parts,
    "count_infinity": lambda s, w: 4 * _infinity(s, w),
}
SPARED = {
    "synthesize_tokens": "a corpus that is tokenized already is counted where it lies, and shares "
    "of one need not lie anywhere: docs/scaling.md",
}
DISK = {
    "synthesize_tokens": lambda s, w: 4 * _source(s, w).words,
    "count_infinity": _infinity_disk,
}
