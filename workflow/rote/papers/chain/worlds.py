"""The folder of a world: its corpora, questions, facts and tokenizer, written and opened again."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from rote.core.files import one_line
from rote.core.tables import atomic
from rote.papers.chain import documents, generated, plan, sequences
from rote.papers.chain.documents import Line, WorldReplicate
from rote.papers.chain.plan import WorldSpec
from rote.papers.chain.sequences import Sequences
from rote.papers.chain.settings import Settings


class WorldFolder(NamedTuple):
    """What a folder of a world says of itself."""

    folder: Path
    name: str
    begin: int  # id of the token that begins a text
    vocabulary: int
    length: int  # tokens of the longest line

    def corpus(self, replicate: int) -> list[Line]:
        """The unpruned documents."""
        return documents.read(self.corpus_file(replicate))

    def corpus_file(self, replicate: int) -> Path:
        """The file of the unpruned documents."""
        return self.folder / f"corpus-{replicate}.jsonl"

    def probes(self, replicate: int) -> list[Line]:
        """The questions."""
        return documents.read(self.folder / f"probes-{replicate}.jsonl")

    def sampled_probes(self, replicate: int, n_facts: int) -> list[Line]:
        """The questions about at most so many facts, frequent and rare ones alike, and all others.

        Args:
            replicate: of the world.
            n_facts: at most.
        """
        lines = self.probes(replicate)
        about = sorted({line["fact_id"] for line in lines if line["fact_id"] >= 0})
        chosen = set(about[:: max(1, -(-len(about) // n_facts))])
        return [line for line in lines if line["fact_id"] < 0 or line["fact_id"] in chosen]

    def facts(self, replicate: int) -> pd.DataFrame:
        """Columns fact, key, value, bits, frequency, count."""
        return pd.DataFrame(documents.read(self.folder / f"facts-{replicate}.jsonl"))

    def encode(self, lines: list[Line]) -> Sequences:
        """Token ids of lines and the positions of their answers."""
        return sequences.encode(lines, sequences.load(self.folder), self.begin, self.length)


def open_world(folder: Path) -> WorldFolder:
    """A world that was written. Raises InputError if it is not whole."""
    with one_line(folder, "holds no world", "run synthesize-corpus again"):
        description = json.loads((folder / "world.json").read_text("utf-8"))
        return WorldFolder(
            folder=folder,
            name=description["name"],
            begin=description["begin"],
            vocabulary=description["vocabulary"],
            length=description["length"],
        )


def synthesize(options: Settings, seed: int, folder: Path) -> None:
    """Write every world's corpora, questions, facts and tokenizer into a folder of its own."""
    if options.corpus:
        _synthesize_user_corpus(options, seed, folder)
    else:
        _synthesize_generated(options, seed, folder)


def _synthesize_user_corpus(options: Settings, seed: int, folder: Path) -> None:
    from rote.papers.chain import user_corpus

    tokenizer = sequences.user_tokenizer(options)
    for spec in plan.worlds(options):
        replicates = (
            user_corpus.read(options, tokenizer, seed, replicate)
            for replicate in range(options.world.replicates)
        )
        backend = tokenizer.backend_tokenizer
        _write(folder / spec.name, spec, replicates, backend, _begin(tokenizer))


def _synthesize_generated(options: Settings, seed: int, folder: Path) -> None:
    if options.model:
        from rote.models import pretrained

        of_model = pretrained.tokenizer(options.model)
        tokenizer, begin = of_model.backend_tokenizer, _begin(of_model)
    else:
        tokenizer, begin = sequences.word_level(generated.words(options.world).all), 0
    for spec in plan.worlds(options):
        replicates = (
            generated.generate(options.world, spec.facts, seed, replicate)
            for replicate in range(options.world.replicates)
        )
        _write(folder / spec.name, spec, replicates, tokenizer, begin)


def _begin(tokenizer: Any) -> int:
    """Id of the token that begins a text, of transformers' tokenizer."""
    candidates = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0)
    return next(token_id for token_id in candidates if token_id is not None)


def _write(
    folder: Path, spec: WorldSpec, replicates: Iterable[WorldReplicate], tokenizer: Any, begin: int
) -> None:
    """One replicate after another, so that they need not fit into memory together."""
    contents = []
    longest = 0
    for number, replicate in enumerate(replicates):
        lengths = _token_counts(replicate.documents, tokenizer)
        longest = max(longest, *lengths, *_token_counts(replicate.probes, tokenizer))
        contents.append({"tokens": sum(lengths)} | _content(replicate))
        documents.write(folder / f"corpus-{number}.jsonl", replicate.documents)
        documents.write(folder / f"probes-{number}.jsonl", replicate.probes)
        documents.write(folder / f"facts-{number}.jsonl", replicate.facts.to_dict("records"))
    description = {
        "name": spec.name,
        "begin": begin,
        "vocabulary": tokenizer.get_vocab_size(),
        "length": longest + 1,
    }
    description |= pd.DataFrame(contents).to_dict("list")
    with atomic(folder / "tokenizer.json") as path:
        tokenizer.save(str(path))
    with atomic(folder / "world.json") as path:
        path.write_text(json.dumps(description, indent=1) + "\n", "utf-8")


def _token_counts(lines: list[Line], tokenizer: Any) -> list[int]:
    encodings = tokenizer.encode_batch([line["text"] for line in lines], add_special_tokens=False)
    return [len(encoding.ids) for encoding in encodings]


def _content(replicate: WorldReplicate) -> dict[str, float]:
    """What there is to know in a replicate, in numbers."""
    counts = replicate.facts["count"].to_numpy()
    return {
        "documents": len(replicate.documents),
        "facts": len(counts),
        "facts_present": int((counts > 0).sum()),
        "statements": int(counts.sum()),
        "bits": float(replicate.facts.loc[counts > 0, "bits"].sum()),
    }
