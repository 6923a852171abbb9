"""Published models and corpora that the studies are about, and how large they are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedModel:
    """A pretrained model.

    Attributes:
        name: Hugging Face id.
        weights: as its authors call them, about.
    """

    name: str
    weights: float


@dataclass(frozen=True)
class PublishedCorpus:
    """A corpus that models were trained on.

    Attributes:
        name: as `corpus` of a study names it.
        words: as its authors give them, in tokens.
    """

    name: str
    words: float


PYTHIA = (
    PublishedModel("EleutherAI/pythia-14m", 14e6),
    PublishedModel("EleutherAI/pythia-31m", 31e6),
    PublishedModel("EleutherAI/pythia-70m", 70e6),
    PublishedModel("EleutherAI/pythia-160m", 160e6),
    PublishedModel("EleutherAI/pythia-410m", 410e6),
    PublishedModel("EleutherAI/pythia-1.4b", 1.4e9),
    PublishedModel("EleutherAI/pythia-2.8b", 2.8e9),
    PublishedModel("EleutherAI/pythia-6.9b", 6.9e9),
    PublishedModel("EleutherAI/pythia-12b", 12e9),
)
OLMO = (
    PublishedModel("allenai/OLMo-1B-hf", 1e9),
    PublishedModel("allenai/OLMo-7B-hf", 7e9),
    PublishedModel("allenai/OLMo-7B-Instruct-hf", 7e9),
)
PILE = PublishedCorpus("hf:monology/pile-uncopyrighted", 250e9)
DOLMA = PublishedCorpus("hf:allenai/dolma", 3e12)
MODELS = {model.name: model for model in (*PYTHIA, *OLMO)}
CORPORA = {corpus.name: corpus for corpus in (PILE, DOLMA)}
# of models and corpora that are not published ones
ASSUMED_WEIGHTS = 1e9
ASSUMED_WORDS = 1e9


def weights(model: str) -> float:
    """Weights of a model, about.

    Args:
        model: of a study's list, perhaps with @<revision>.
    """
    published = MODELS.get(model.partition("@")[0])
    return published.weights if published else ASSUMED_WEIGHTS


def words(corpus: str) -> float:
    """Words of a study's corpus, about."""
    published = CORPORA.get(corpus)
    return published.words if published else ASSUMED_WORDS
