"""Task-gram tables: pairs of an input and an output n-gram of one example, and how alike their
meanings are.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import svds

from rote import ngrams
from rote.papers.distmem import settings

COLUMNS = ["task", "n", "example", "input_gram", "output_gram", "start", "end", "cosine", "mined"]
WORDS = ngrams.Analyser()


def lengths(options: settings.Analysis, task: str) -> list[int]:
    """n-gram lengths of a task."""
    return options.grams.get(task, options.default_grams)


def stop_words(options: settings.Analysis, n: int) -> list[str]:
    """Left out of input n-grams of this length (never of output n-grams)."""
    return options.stop_words if n <= options.stop_words_up_to else []


def candidates(examples: pd.DataFrame, options: settings.Analysis) -> pd.DataFrame:
    """A_n: every pair of an input and an output n-gram of an example, once, for every length of its
    task.

    A text shorter than n is its only n-gram. Pairs of equal n-grams are left out. The first
    occurrence in the output counts; start and end are its characters there.
    """
    rows = []
    for row in examples.itertuples():
        spans = WORDS.spans(row.output)
        units = [unit for unit, _, _ in WORDS.spans(row.input)]
        for n in lengths(options, row.task):
            stop = set(map(WORDS.normal, stop_words(options, n)))
            inputs = dict.fromkeys(ngrams.grams([unit for unit in units if unit not in stop], n))
            outputs: dict[tuple[str, ...], tuple[int, int]] = {}
            for at, gram in enumerate(ngrams.grams([unit for unit, _, _ in spans], n)):
                outputs.setdefault(gram, (spans[at][1], spans[at + len(gram) - 1][2]))
            if options.drop_example_on_shared_gram and inputs.keys() & outputs.keys():
                continue
            rows += [
                (row.task, n, row.example, " ".join(x), " ".join(y), *place)
                for x in inputs
                for y, place in outputs.items()
                if x != y
            ]
    return pd.DataFrame(rows, columns=COLUMNS[:7])


def mine(
    tests: pd.DataFrame, mining: pd.DataFrame, options: settings.Analysis, embed
) -> pd.DataFrame:
    """The candidates of the test examples with their cosines, and whether the mining data hold the
    pair too.

    Args:
        embed: from texts to unit vectors, (texts, dimensions).
    """
    frame = candidates(tests, options)
    if frame.empty:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS}).astype(
            {"n": int, "example": int, "start": int, "end": int, "cosine": float, "mined": bool}
        )
    grams = pd.unique(frame[["input_gram", "output_gram"]].to_numpy().ravel())
    vectors, number = embed(grams.tolist()), pd.Series(np.arange(len(grams)), grams)
    first, second = (
        vectors[number[frame[side]].to_numpy()] for side in ("input_gram", "output_gram")
    )
    pair = ["task", "n", "input_gram", "output_gram"]
    known = pd.MultiIndex.from_frame(candidates(mining, options)[pair].drop_duplicates())
    mined = pd.MultiIndex.from_frame(frame[pair]).isin(known)
    return frame.assign(cosine=np.einsum("ij,ij->i", first, second), mined=mined)


def keep(pairs: pd.DataFrame, share: float) -> np.ndarray:
    """Marks the pairs of highest cosine, a share of those of each task and n."""
    marks = np.zeros(len(pairs), bool)
    for rows in pairs.groupby(["task", "n"]).indices.values():
        cosines = pairs["cosine"].to_numpy()[rows]
        marks[rows] = cosines >= np.quantile(cosines, 1 - share, method="higher")
    return marks


# ---- embeddings
# ----------------------------------------------------------------------------------------------------


def lsa(corpus: ngrams.Corpus, grams: Iterable[str], dimensions: int):
    """Latent semantic analysis of a corpus: a function from texts to unit vectors.

    Words' co-occurrence in documents, positive pointwise mutual information, truncated SVD with
    √singular values, rows of length idf; a text is the sum of its words. (Ours: it stands in for
    the paper's sentence embedding.)
    """
    words = sorted({unit for gram in grams for unit in corpus.split(gram)})
    ids = np.array([corpus.ids(word)[0] for word in words], np.int64)
    column = np.full(corpus.types + 1, -1)
    column[ids[ids >= 0]] = np.flatnonzero(ids >= 0)
    together = sparse.csr_matrix((len(words), len(words)))
    for shard in corpus.shards:
        used = column[shard.tokens]
        documents = np.repeat(np.arange(shard.documents), np.diff(shard.offsets))
        cells = np.unique(np.stack([documents[used >= 0], used[used >= 0]]), axis=1)
        held = sparse.csr_matrix((np.ones(cells.shape[1]), cells), (shard.documents, len(words)))
        together = together + held.T @ held
    frequency = together.diagonal()
    vectors = np.zeros((len(words), min(dimensions, max(len(words) - 1, 1))))
    if len(words) > 2 and together.nnz:
        information = sparse.coo_matrix(together)
        a, b = information.coords
        ratio = information.data * corpus.documents / (frequency[a] * frequency[b])
        positive = np.where(a == b, 0, np.maximum(np.log(ratio), 0))
        matrix = sparse.csr_matrix((positive, (a, b)), together.shape)
        start = np.full(
            len(words), len(words) ** -0.5
        )  # a fixed start: the same vectors every time
        left, singular, _ = svds(matrix, k=vectors.shape[1], v0=start)
        vectors = left * np.sqrt(singular)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    idf = np.log(corpus.documents / np.maximum(frequency, 1))[:, None]
    vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-12) * idf
    place = {word: number for number, word in enumerate(words)}

    def embed(texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), vectors.shape[1]))
        for row, text in enumerate(texts):
            known = [place[unit] for unit in corpus.split(text) if unit in place]
            rows[row] = vectors[known].sum(axis=0)
        return _unit(rows)

    return embed


def encoder(model: str, *, batch: int = 64, device: str = "cpu"):
    """A sentence encoder by Hugging Face id or folder, mean-pooled: a function from texts to unit
    vectors.

    E5 models get the prefix they were trained with.
    """
    import torch

    from rote.models import pretrained

    body, tokenizer = pretrained.encoder(model), pretrained.tokenizer(model)
    body, prefix = body.to(device), "query: " if "e5" in model.lower() else ""

    def embed(texts: Sequence[str]) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for at in range(0, len(texts), batch):
                given = tokenizer(
                    [prefix + text for text in texts[at : at + batch]],
                    padding=True,
                    truncation=True,
                    return_tensors="pt",
                ).to(device)
                states, mask = (
                    body(**given).last_hidden_state.float(),
                    given["attention_mask"][..., None],
                )
                parts.append(((states * mask).sum(1) / mask.sum(1)).cpu().numpy())
        return _unit(np.concatenate(parts).astype(float))

    return embed


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 1e-12)


def aligned(pairs: pd.DataFrame, lexicon: Mapping[str, set[str]]) -> np.ndarray:
    """Marks pairs whose output words are, one for one, translations of their input words (the
    generator's truth).
    """
    marks = []
    for x, y in zip(pairs["input_gram"], pairs["output_gram"], strict=True):
        left, right = x.split(), y.split()
        marks.append(
            len(left) == len(right) and _matches(left, set(range(len(right))), right, lexicon)
        )
    return np.array(marks, bool)


def _matches(
    left: list[str], free: set[int], right: list[str], lexicon: Mapping[str, set[str]]
) -> bool:
    if not left:
        return True
    options = [at for at in free if right[at] in lexicon.get(left[0], ())]
    return any(_matches(left[1:], free - {at}, right, lexicon) for at in options)
