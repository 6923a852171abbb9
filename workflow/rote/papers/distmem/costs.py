"""What the rules' work grows with, for `rote plan`: leading orders, see `rote.run.costs`."""

import re

from rote.core.work import Where, transformer
from rote.papers.distmem.settings import Settings

# words of the published corpora, as their authors give them in tokens; a corpus of one's own:
# unknown, taken as 1e9
CORPORA = {"hf:monology/pile-uncopyrighted": 250e9, "hf:allenai/dolma": 3e12}
OWN = 1e9
VOCABULARY = 600  # of a generated corpus


def _words(s: Settings, where: Where) -> float:
    study = getattr(s, where.get("source", ""), None)
    return CORPORA.get(study.corpus, OWN) if study is not None else s.world.tokens


def _parts(s: Settings, where: Where) -> int:
    study = getattr(s, where.get("source", ""), None)
    return study.parts if study is not None else 1


def _ladder(s: Settings, where: Where) -> float:
    """One epoch, all corpora stacked."""
    family, _, width = where.get("network", "neox-0").partition("-")
    shapes = s.ladder.second if family == "llama" else s.ladder.sizes
    shape = next((shape for shape in shapes if shape[0] == int(width or 0)), shapes[-1])
    return 6 * transformer(shape[1], shape[0], VOCABULARY) * s.world.tokens * s.world.replicates


def _ablation(s: Settings, where: Where) -> float:
    width, layers, _ = s.ladder.sizes[s.ablation.network]
    return 2 * 6 * transformer(layers, width, VOCABULARY) * s.world.tokens * s.world.replicates


def weights(model: str) -> float:
    """Weights of a pretrained model, from the size that its name states (70m, 1.4b, 7B); 1e9 if it
    states none.
    """
    found = re.search(r"(\d+(?:\.\d+)?)([mMbB])\b", model.replace("-hf", ""))
    return float(found[1]) * (1e6 if found[2] in "mM" else 1e9) if found else 1e9


def _pretrained(s: Settings, where: Where) -> float:
    """Every example's prompt and answer (about 200 tokens) forward, and as much written."""
    study = getattr(s, where["source"])
    model = study.models[int(where["number"])]
    return 2 * weights(model) * study.examples * len(study.tasks) * 400


def _infinity(s: Settings, where: Where) -> float:
    """Tokens whose suffixes are sorted."""
    study = getattr(s, where.get("source", ""), None)
    most = (
        s.analysis.infinity_shards * study.shard_tokens
        if study is not None and s.analysis.infinity_shards
        else 1e99
    )
    return min(_words(s, where), most)


# seconds per word, measured at size by `make bench`: a small corpus takes the time of its start
RATES = {"synthesize_tokens": 1e-6, "count_pairs": 1e-7, "count_infinity": 1 / 3e6}
WORK = {
    "synthesize_corpus": lambda s, w: s.world.tokens,
    "synthesize_tokens": _words,
    "train_ladder": _ladder,
    "train_ablation": _ablation,
    "embed_pairs": lambda s, w: s.world.tokens if w["source"].startswith("world") else 1e7,
    "count_pairs": lambda s, w: _words(s, w) / _parts(s, w),
    "count_infinity": _infinity,
    "evaluate_networks": lambda s, w: sum(
        transformer(d, h, VOCABULARY) for h, d, _ in s.ladder.sizes
    ),
    "evaluate_pretrained": _pretrained,
    "evaluate_influence": lambda s, w: (
        s.world.replicates * s.influence.items * s.influence.documents * len(s.influence.networks)
    ),
}
DISK = {
    "synthesize_tokens": lambda s, w: 4 * _words(s, w),
    "count_infinity": lambda s, w: 0 if w["source"].startswith("world") else 8 * _infinity(s, w),
}
