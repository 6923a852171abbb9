"""Published models and corpora that the studies are about, and how large they are."""

from dataclasses import dataclass

ENGLISH = "<english>"  # among stop words
_ENGLISH_WORDS = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her
hers herself it its itself they them their theirs themselves what which who whom this that these
those am is are was were be been being have has had having do does did doing a an the and but if or
because as until while of at by for with about against between into through during before after
above below to from up down in out on off over under again further then once here there when where
why how all any both each few more most other some such no nor not only own same so than too very s
t can will just don should now
"""


def expanded(stop_words: list[str]) -> list[str]:
    """Stop words with those of NLTK in the place of `ENGLISH`.

    Args:
        stop_words: of a study.
    """
    words: list[str] = []
    for word in stop_words:
        words += _ENGLISH_WORDS.split() if word == ENGLISH else [word]
    return words


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
