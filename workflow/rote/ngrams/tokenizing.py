"""From texts to a corpus folder: documents are split into units, numbered, written in shards."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from rote.core import fields
from rote.core.errors import InputError
from rote.data import corpora
from rote.ngrams.analyser import Analyser
from rote.ngrams.corpus import Corpus
from rote.ngrams.options import CorpusOptions, Progress
from rote.ngrams.writing import ShardWriter, Vocabulary, new_folder, write_manifest, write_words


def tokenize(
    texts: corpora.Source | Iterable[Path],
    out: str | Path,
    analyser: Analyser = Analyser(),
    options: CorpusOptions = CorpusOptions(),
    progress: Progress | None = None,
) -> Corpus:
    """Tokenize texts into a corpus folder; nothing is left there if it fails.

    Documents keep their number in the source: what cannot be read, and with `distinct` every
    repetition, becomes a document without tokens.

    Args:
        texts: a string or a path names a file, folder, glob, hf: or stream:<data set>, see
            `rote.data.corpora`; several paths name several. An iterable of strings holds the texts
            themselves; one of rows, as a `datasets.Dataset`, holds them under `options.column`.
        out: folder that does not exist yet.
        analyser: from text to its units.
        options: which documents the corpus holds, and in what pieces.
        progress: called with the tokens written so far, now and then.

    Returns:
        The corpus.

    Raises:
        InputError: as `rote.data.corpora.documents`; for an analyser that `Analyser.check` refuses,
            no document with a unit, or an `out` that exists and is not an empty folder.
    """
    if not isinstance(texts, fields.PATH):
        fields.check_many({"texts": texts})
    fields.check_types(
        {"out": fields.PATH, "analyser": Analyser, "options": CorpusOptions},
        {"out": out, "analyser": analyser, "options": options},
    )
    if progress is not None:
        fields.check_types({"progress": Callable}, {"progress": progress})
    sources = corpora.sources(texts)
    analyser = analyser.check()
    split_units = analyser.splitter()
    words = Vocabulary()
    problems: Counter[str] = Counter()
    seen: set[bytes] = set()
    digest = hashlib.sha256()
    total = 0
    duplicates = 0
    with new_folder(out) as folder, ShardWriter(folder, options.shard_tokens) as writer:
        for source in sources:
            for document in corpora.documents(
                source,
                options.column,
                split=options.split,
                strict=options.strict,
                errors=options.errors,
                problems=problems,
            ):
                content = document.text.encode("utf-8", "surrogatepass")
                digest.update(len(content).to_bytes(8, "little") + content)
                units = split_units(document.text)
                if options.distinct and content:
                    key = hashlib.blake2b(content, digest_size=16).digest()
                    if key in seen:
                        duplicates += 1
                        units = []
                    seen.add(key)
                writer.add(units if analyser.gives_ids else [words[unit] for unit in units])
                total += len(units)
                if progress:
                    progress(total)
        if not total:
            raise InputError(
                f"no {analyser.unit} in {', '.join(map(corpora.name_of, sources))} "
                f"({_irregular(problems)}); check the corpus, its column and the tokenizer"
            )
        shards = writer.close()
        if not analyser.gives_ids:
            write_words(folder, list(words))
        totals = {
            "empty": writer.empty,
            "types": writer.max_id + 1 if analyser.gives_ids else len(words),
            "problems": dict(sorted(problems.items())),
            "duplicates": duplicates,
            "text_sha256": digest.hexdigest(),
        }
        write_manifest(folder, analyser, totals, shards)
    return Corpus.open(out)


def _irregular(problems: Counter[str]) -> str:
    """What could not be read, in words: `3 not JSON`; `nothing was skipped`."""
    return ", ".join(f"{n} {kind}" for kind, n in sorted(problems.items())) or "nothing was skipped"
