"""A corpus as tokens on the disk, packed into blocks, with the facts that they state.

Tokenized once: documents follow one another, a token for their end between them, and a block is
`context` tokens in a row. Every process maps the file into its memory; nothing is copied.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import track
from rote.core.seeds import generator
from rote.data import corpora, triples
from rote.data.corpora import Document
from rote.data.images import torchvision
from rote.models import pretrained
from rote.papers.cramless import probes, schema
from rote.papers.cramless.settings import GENERATED, CramlessText
from rote.synth import biographies

ROUNDS = 4  # of the network that permutes blocks
READ_AT_ONCE = 1000  # documents that are tokenized together


class TokenFile(NamedTuple):
    """What is written of a corpus."""

    mentions: pd.DataFrame  # table Mentions
    counts: pd.DataFrame  # table MentionCounts
    tokens: int


class TextCorpus(NamedTuple):
    """A tokenized corpus, cut into blocks."""

    tokens: np.ndarray  # (tokens,) on the disk
    starts: np.ndarray  # (mentions,) first token of a value, ascending
    ends: np.ndarray  # (mentions,) token after it
    facts: np.ndarray  # (mentions,) rows of the table of facts
    context: int
    first: np.ndarray  # (blocks + 1,) where each block's mentions begin

    @property
    def blocks(self) -> int:
        """Whole blocks."""
        return len(self.tokens) // self.context

    @property
    def states_facts(self) -> np.ndarray:
        """Whether a block holds a whole value that has a token before it, (blocks,)."""
        return np.diff(self.first) > 0

    def rows(self, blocks: np.ndarray) -> np.ndarray:
        """Tokens of blocks, (blocks, context) int64."""
        places = blocks[:, None] * self.context + np.arange(self.context)
        return self.tokens[places].astype(np.int64)

    def marks(self, blocks: np.ndarray) -> np.ndarray:
        """Number of the value + 1 at its tokens, else 0, (blocks, context); numbers per block."""
        marks = np.zeros((len(blocks), self.context), np.int64)
        for row, block in enumerate(blocks):
            mentions = range(self.first[block], self.first[block + 1])
            for number, mention in enumerate(mentions):
                begin = self.starts[mention] - block * self.context
                marks[row, begin : begin + self.ends[mention] - self.starts[mention]] = number + 1
        return marks


class TextSource(NamedTuple):
    """A corpus to tokenize, what it is searched for, and how facts are asked for."""

    documents: Iterable[Document]
    facts: pd.DataFrame  # of `rote.data.triples.read`
    phrasings: pd.DataFrame  # of `probes.read_phrasings`
    tokenizer: Any  # of transformers' fast kind


def source(options: CramlessText, seed: int) -> TextSource:
    """The corpus of the settings: that of a user, or the generated one.

    Args:
        options: names of files, or sizes of the generated corpus.
        seed: of the generated corpus.
    """
    if options.corpus != GENERATED:
        return TextSource(
            track(corpora.documents(options.corpus, options.column), "documents"),
            triples.read(options.facts),
            probes.read_phrasings(options.phrasings),
            pretrained.tokenizer(options.tokenizer),
        )
    form = biographies.BiographyForm(
        people=options.people,
        values=options.values,
        documents=options.documents,
        exponent=options.exponent,
    )
    made = biographies.write(generator(seed, "cramless", "biographies"), form)
    documents = [Document(f"generated:{row}", text) for row, text in enumerate(made.documents)]
    facts = made.triples.assign(**dict.fromkeys(triples.ALIASES, ""))
    phrasing = [probes.prompt(text, "") for text in made.phrasings["text"]]
    tokenizer = words([*made.documents, *made.triples["entity"], *made.triples["value"], *phrasing])
    return TextSource(documents, facts, made.phrasings, tokenizer)


def words(texts: Iterable[str]) -> Any:
    """A tokenizer with a token for every word of texts.

    Args:
        texts: all that it has to know.
    """
    torchvision()
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Whitespace()
    known: set[str] = set()
    for text in texts:
        known.update(word for word, _ in split.pre_tokenize_str(text))
    numbers = {word: number for number, word in enumerate(["[UNK]", "[END]", *sorted(known)])}
    raw = Tokenizer(models.WordLevel(numbers, "[UNK]"))
    raw.pre_tokenizer = split
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]", eos_token="[END]")


def tokenize(given: TextSource, window: int, out: Path) -> TokenFile:
    """Find the facts of a corpus and write its tokens; documents are read once.

    Args:
        given: corpus, facts, phrasings and tokenizer.
        window: characters after an entity within which its value must follow.
        out: file of the tokens.

    Raises:
        InputError: for a corpus that states none of the facts.
    """
    documents, facts, phrasings, tokenizer = given
    prompts = probes.prompts_of(facts, phrasings)
    kind = dtype(len(tokenizer))
    end = tokenizer.eos_token_id
    separator = [] if end is None else [end]
    mentions = []
    written = 0
    with tables.atomic(out) as temporary, temporary.open("wb") as file:
        for part in _parts(triples.annotate(documents, facts, window)):
            texts = [document.text for document, _ in part]
            coded = tokenizer(texts, return_offsets_mapping=True, add_special_tokens=False)
            pairs = zip(coded["input_ids"], coded["offset_mapping"], strict=True)
            for (document, spans), (token_ids, offsets) in zip(part, pairs, strict=True):
                if not token_ids:
                    continue
                places = np.array(offsets).reshape(-1, 2)
                for fact, start, stop in spans:
                    inside = np.flatnonzero((places[:, 1] > start) & (places[:, 0] < stop))
                    if len(inside):
                        first, last = int(inside[0]) + written, int(inside[-1]) + written
                        phrasing = probes.phrasing_of(document.text[:start], prompts[fact])
                        mentions.append((document.id, fact, start, stop, first, last + 1, phrasing))
                file.write(np.array([*token_ids, *separator], kind).tobytes())
                written += len(token_ids) + len(separator)
    if not mentions:
        raise InputError("the corpus states no fact of the table; raise `window` or check both")
    columns = ["document", "fact", "start", "end", "first_token", "last_token", "phrasing"]
    frame = pd.DataFrame(mentions, columns=columns).drop_duplicates(["document", "fact", "start"])
    counts = frame.groupby("fact").size().reindex(range(len(facts)), fill_value=0)
    counted = {"fact": counts.index, "mentions": counts.to_numpy()}
    return TokenFile(
        tables.frame(schema.Mentions, frame.to_dict("list")),
        tables.frame(schema.MentionCounts, counted),
        written,
    )


def _parts(annotated: Iterable[Any]) -> Iterator[list[Any]]:
    part = []
    for one in annotated:
        part.append(one)
        if len(part) == READ_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def dtype(vocabulary: int) -> type[np.unsignedinteger]:
    """The smallest type that holds every token: 2 bytes for GPT-2's."""
    return np.uint16 if vocabulary <= 2**16 else np.uint32


def opened(path: Path, mentions: pd.DataFrame, vocabulary: int, context: int) -> TextCorpus:
    """The blocks of a tokenized corpus, mapped from the disk.

    A value that a block's end cuts, or that begins a block, is not counted there.

    Args:
        path: of the tokens.
        mentions: table Mentions.
        vocabulary: of the tokenizer that wrote them.
        context: tokens of a block.

    Raises:
        InputError: for a corpus of less than one block.
    """
    tokens = np.memmap(path, dtype(vocabulary), mode="r")
    blocks = len(tokens) // context
    if not blocks:
        raise InputError(f"the corpus has {len(tokens)} tokens, less than one block of {context}")
    rows = mentions.sort_values(["first_token", "last_token", "fact"])
    starts, ends = rows["first_token"].to_numpy(), rows["last_token"].to_numpy()
    whole = (starts // context == (ends - 1) // context) & (starts % context > 0)
    whole &= ends <= blocks * context
    starts, ends = starts[whole], ends[whole]
    first = np.searchsorted(starts // context, np.arange(blocks + 1))
    return TextCorpus(tokens, starts, ends, rows["fact"].to_numpy()[whole], context, first)


def draw(n_blocks: int, seed: int, start: int, size: int) -> np.ndarray:
    """Blocks at positions start ... start + size − 1 of the endless sequence, (size,).

    Every epoch is a permutation of its own. It is computed where it is asked for, by a Feistel
    network (Black and Rogaway 2002), so that a draw takes time and memory of its size alone.

    Args:
        n_blocks: ≥ 1.
        seed: of the sequence.
        start: first position.
        size: number of blocks.
    """
    epochs, places = np.divmod(np.arange(start, start + size), n_blocks)
    result = np.empty(size, np.int64)
    for epoch in np.unique(epochs):
        of_epoch = epochs == epoch
        result[of_epoch] = _permuted(places[of_epoch], n_blocks, seed, int(epoch))
    return result


def _permuted(places: np.ndarray, n: int, seed: int, epoch: int) -> np.ndarray:
    """Images of places under a permutation of 0 ... n − 1."""
    half = max(1, (int(n - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    rng = generator(seed, "cramless", "text order", epoch)
    keys = rng.integers(1, 2**31, size=(ROUNDS, 2)).astype(np.uint64)
    result = places.astype(np.uint64)
    outside = np.ones(len(result), bool)
    while outside.any():  # walk on until inside: the network permutes a power of four
        left, right = result[outside] >> np.uint64(half), result[outside] & np.uint64(mask)
        for factor, shift in keys:
            mixed = (right + shift) * (factor | np.uint64(1))
            mixed ^= mixed >> np.uint64(15)
            mixed = (mixed * np.uint64(0x9E3779B1)) >> np.uint64(7)
            left, right = right, left ^ (mixed & np.uint64(mask))
        result[outside] = (left << np.uint64(half)) | right
        outside = result >= n
    return result.astype(np.int64)


# in the folder of a tokenized corpus
FACTS, PHRASINGS = "facts.parquet", "phrasings.parquet"
TOKENS, TOKENIZER = "tokens.bin", "tokenizer"


def prepare(options: CramlessText, seed: int, folder: Path) -> TokenFile:
    """Tokenize the corpus of the settings into a folder, with all that training reads beside it.

    Args:
        options: of the corpus.
        seed: of a generated one.
        folder: for tokens, facts, phrasings and the tokenizer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = source(options, seed)
    written = tokenize(given, options.window, folder / TOKENS)
    tables.export(folder / FACTS, given.facts)
    tables.export(folder / PHRASINGS, given.phrasings)
    given.tokenizer.save_pretrained(folder / TOKENIZER)
    return written
