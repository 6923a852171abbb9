"""Task-gram tables: pairs of an input and an output n-gram of one example, and their cosines."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import svds

from rote import ngrams
from rote.core import tables
from rote.papers.distmem import schema
from rote.papers.distmem.settings import DistmemAnalysis
from rote.papers.distmem.tasks import MINING, TEST

WORDS = ngrams.Analyser()
MIN_NORM = 1e-12  # shorter vectors have no direction
PAIR = ["task", "n", "input_gram", "output_gram"]
Embedding = Callable[[Sequence[str]], np.ndarray]  # texts to unit vectors, (texts, dimensions)


def lengths(options: DistmemAnalysis, task: str) -> list[int]:
    """n-gram lengths of a task."""
    return options.grams.get(task, options.default_grams)


def stop_words(options: DistmemAnalysis, n: int) -> list[str]:
    """Left out of input n-grams of this length (never of output n-grams)."""
    return options.stop_words if n <= options.stop_words_up_to else []


def candidates(examples: pd.DataFrame, options: DistmemAnalysis) -> pd.DataFrame:
    """A_n: every pair of an input and an output n-gram of an example, for every length of its task.

    A text shorter than n is its only n-gram. Pairs of equal n-grams are left out. A repeated
    n-gram counts once; start and end are the characters of its first occurrence in the output.

    Args:
        examples: columns task, example, input, output; perhaps whole: then the whole output is its
            only n-gram, as TriviaQA's answers are in the paper.

    Returns:
        The table TaskGrams without any knowledge of meaning: cosine 0, mined false.
    """
    rows = []
    for example in examples.itertuples():
        for n in lengths(options, example.task):
            inputs = _input_grams(example.input, n, stop_words(options, n))
            outputs = _output_grams(example.output, n, getattr(example, "whole", False))
            if options.drop_example_on_shared_gram and inputs.keys() & outputs.keys():
                continue
            for x in inputs:
                for y, (start, end) in outputs.items():
                    if x == y:
                        continue
                    rows.append(
                        {
                            "task": example.task,
                            "n": n,
                            "example": example.example,
                            "input_gram": " ".join(x),
                            "output_gram": " ".join(y),
                            "start": start,
                            "end": end,
                            "cosine": 0.0,
                            "mined": False,
                        }
                    )
    return tables.frame(schema.TaskGrams, rows)


def _input_grams(text: str, n: int, stop: Iterable[str]) -> dict[tuple[str, ...], None]:
    left_out = set(map(WORDS.normal, stop))
    units = [unit for unit, _, _ in WORDS.spans(text) if unit not in left_out]
    return dict.fromkeys(ngrams.grams(units, n))


def _output_grams(text: str, n: int, whole: bool = False) -> dict[tuple[str, ...], tuple[int, int]]:
    """The characters of the first occurrence of each n-gram."""
    spans = WORDS.spans(text)
    n = max(len(spans), 1) if whole else n
    outputs: dict[tuple[str, ...], tuple[int, int]] = {}
    for first, gram in enumerate(ngrams.grams([unit for unit, _, _ in spans], n)):
        outputs.setdefault(gram, (spans[first][1], spans[first + len(gram) - 1][2]))
    return outputs


def mine(
    examples: pd.DataFrame, corpus: ngrams.Corpus, options: DistmemAnalysis, device: str = "cpu"
) -> pd.DataFrame:
    """The table TaskGrams: candidates of the test examples, embedded by `options.embedding` or LSA.

    Args:
        examples: tests and mining data, see TaskExamples.
        corpus: in words.
        options: n-gram lengths, stop words, and what embeds.
        device: that an encoder computes on.
    """
    pairs = candidates(examples[examples["part"] == TEST], options)
    if pairs.empty:
        return pairs
    grams = pd.unique(pairs[["input_gram", "output_gram"]].to_numpy().ravel()).tolist()
    if options.embedding:
        embed = encoder(options.embedding, device=device)
    else:
        embed = lsa(corpus, grams, options.dimensions)
    vectors = embed(grams)
    number = pd.Series(np.arange(len(grams)), grams)
    inputs = vectors[number[pairs["input_gram"]].to_numpy()]
    outputs = vectors[number[pairs["output_gram"]].to_numpy()]
    mining_pairs = candidates(examples[examples["part"] == MINING], options)[PAIR]
    mined = pd.MultiIndex.from_frame(pairs[PAIR]).isin(pd.MultiIndex.from_frame(mining_pairs))
    return pairs.assign(cosine=np.einsum("ij,ij->i", inputs, outputs), mined=mined)


def highest_cosine(pairs: pd.DataFrame, share: float) -> np.ndarray:
    """Mask of the pairs of highest cosine, (pairs,).

    Args:
        pairs: columns task, n, cosine.
        share: of the pairs of each task and n.
    """
    cosines = pairs["cosine"].to_numpy()
    mask = np.zeros(len(pairs), bool)
    for rows in pairs.groupby(["task", "n"]).indices.values():
        mask[rows] = cosines[rows] >= np.quantile(cosines[rows], 1 - share, method="higher")
    return mask


def belonging(
    pairs: pd.DataFrame, lexicon: Mapping[str, set[str]] | None, gamma: float | None
) -> np.ndarray:
    """Mask of pairs whose n-grams belong together: H_n as far as it can be known, (pairs,).

    Args:
        pairs: columns input_gram, output_gram, cosine.
        lexicon: translations of each word; where there is one it says what belongs together.
        gamma: otherwise the cosine must be above it; None: every pair does.
    """
    if lexicon is not None:
        return aligned(pairs, lexicon)
    if gamma is None:
        return np.ones(len(pairs), bool)
    return pairs["cosine"].to_numpy() > gamma


# ---- embeddings


def lsa(corpus: ngrams.Corpus, grams: Iterable[str], dimensions: int) -> Embedding:
    """Latent semantic analysis of a corpus.

    Words' co-occurrence in documents, positive pointwise mutual information, truncated SVD with
    √singular values, rows of length idf; a text is the sum of its words. (Ours: it stands in for
    the paper's sentence embedding.)

    Args:
        grams: texts whose words are embedded.
    """
    words: set[str] = set()
    for gram in grams:
        words.update(corpus.split(gram))
    number = {word: column for column, word in enumerate(sorted(words))}
    cooccurrence = _document_cooccurrence(corpus, list(number))
    frequency = cooccurrence.diagonal()
    vectors = _information_vectors(cooccurrence, corpus.documents, dimensions)
    idf = np.log(corpus.documents / np.maximum(frequency, 1))[:, None]
    vectors = _unit(vectors) * idf

    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), vectors.shape[1]))
        for row, text in enumerate(texts):
            columns = [number[unit] for unit in corpus.split(text) if unit in number]
            rows[row] = vectors[columns].sum(axis=0)
        return _unit(rows)

    return embed


def columns_of(corpus: ngrams.Corpus, words: Sequence[str | int]) -> np.ndarray:
    """Number of the word by token id, −1 for tokens that are none of `words`, (types + 1,).

    Args:
        corpus: in words, or in a tokenizer's tokens.
        words: units of the corpus: words, or token ids.
    """
    is_token = corpus.analyser.gives_ids
    ids = np.array([word if is_token else corpus.ids(word)[0] for word in words], np.int64)
    columns = np.full(corpus.types + 1, -1)
    is_known = (ids >= 0) & (ids < corpus.types)
    columns[ids[is_known]] = np.flatnonzero(is_known)
    return columns


def _document_cooccurrence(corpus: ngrams.Corpus, words: Sequence[str]) -> sparse.csr_matrix:
    """Documents that hold both words, (words, words)."""
    columns = columns_of(corpus, words)
    cooccurrence = sparse.csr_matrix((len(words), len(words)))
    for shard in corpus.shards:
        column = columns[shard.tokens]
        documents = np.repeat(np.arange(shard.documents), np.diff(shard.offsets))
        cells = np.unique(np.stack([documents[column >= 0], column[column >= 0]]), axis=1)
        shape = (shard.documents, len(words))
        incidence = sparse.csr_matrix((np.ones(cells.shape[1]), cells), shape)
        cooccurrence = cooccurrence + incidence.T @ incidence
    return cooccurrence


def _information_vectors(
    cooccurrence: sparse.csr_matrix, n_documents: int, dimensions: int
) -> np.ndarray:
    """Truncated SVD of the positive pointwise mutual information, (words, dimensions)."""
    size = cooccurrence.shape[0]
    rank = min(dimensions, max(size - 1, 1))
    if size <= 2 or not cooccurrence.nnz:
        return np.zeros((size, rank))
    frequency = cooccurrence.diagonal()
    cells = sparse.coo_matrix(cooccurrence)
    a, b = cells.coords
    ratio = cells.data * n_documents / (frequency[a] * frequency[b])
    positive = np.where(a == b, 0, np.maximum(np.log(ratio), 0))
    if not positive.any():  # no two words together more often than by chance
        return np.zeros((size, rank))
    matrix = sparse.csr_matrix((positive, (a, b)), cooccurrence.shape)
    start = np.full(size, size**-0.5)  # a fixed start: the same vectors every time
    vectors, singular, _ = svds(matrix, k=rank, v0=start)
    return vectors * np.sqrt(singular)


def _mean_pooled(states: Any, mask: Any) -> Any:
    """Mean over the tokens of a text; of tensors (texts, tokens, d) and (texts, tokens, 1)."""
    return (states * mask).sum(1) / mask.sum(1)


class EncoderFamily(NamedTuple):
    """Sentence encoders that were trained to take their texts in one way."""

    prefix: str = ""  # of every text
    pool: Callable[[Any, Any], Any] = _mean_pooled  # states, mask -> (texts, d)


PLAIN_ENCODER = EncoderFamily()
ENCODERS = {"e5": EncoderFamily(prefix="query: ")}  # by what their names hold, in lower case


def encoder_family(model: str) -> EncoderFamily:
    """The family of `ENCODERS` that a model's name says; without one, texts as they are.

    Args:
        model: Hugging Face id or folder.
    """
    families = (family for part, family in ENCODERS.items() if part in model.lower())
    return next(families, PLAIN_ENCODER)


def encoder(model: str, *, batch: int = 64, device: str = "cpu") -> Embedding:
    """A sentence encoder, with the prefix and the pooling of its family.

    Args:
        model: Hugging Face id or folder.
        batch: texts at a time.
    """
    import torch

    from rote.models import pretrained

    tokenizer = pretrained.tokenizer(model)
    body = pretrained.encoder(model).to(device)
    family = encoder_family(model)
    longest = min(tokenizer.model_max_length, pretrained.context(body))

    def embed(texts: Sequence[str]) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for first in range(0, len(texts), batch):
                prefixed = [family.prefix + text for text in texts[first : first + batch]]
                tokens = tokenizer(
                    prefixed,
                    padding=True,
                    truncation=True,
                    max_length=longest,
                    return_tensors="pt",
                )
                tokens = tokens.to(device)
                states = body(**tokens).last_hidden_state.float()
                mask = tokens["attention_mask"][..., None]
                parts.append(family.pool(states, mask).cpu().numpy())
        return _unit(np.concatenate(parts).astype(float))

    return embed


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > MIN_NORM)


# ---- the generator's truth


def aligned(pairs: pd.DataFrame, lexicon: Mapping[str, set[str]]) -> np.ndarray:
    """Mask of pairs whose output words are translations of their input words, one for one.

    Args:
        pairs: columns input_gram, output_gram.
        lexicon: translations of each word.

    Returns:
        (pairs,) bool.
    """
    mask = []
    for x, y in zip(pairs["input_gram"], pairs["output_gram"], strict=True):
        words, translation = x.split(), y.split()
        unmatched = set(range(len(translation)))
        is_aligned = len(words) == len(translation)
        mask.append(is_aligned and _matches(words, translation, unmatched, lexicon))
    return np.array(mask, bool)


def _matches(
    words: list[str], translation: list[str], unmatched: set[int], lexicon: Mapping[str, set[str]]
) -> bool:
    """Whether every word has a translation of its own at one of the unmatched positions."""
    if not words:
        return True
    candidates = [i for i in unmatched if translation[i] in lexicon.get(words[0], ())]
    return any(_matches(words[1:], translation, unmatched - {i}, lexicon) for i in candidates)
