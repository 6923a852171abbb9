"""Data of the network and kernel tracks: a bank of images, sets of triples to train and test on.

A set of triples is named by the training set that it belongs to and by what is evaluated on it; the
training triples themselves are the evaluation set `train`.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.registry import registered
from rote.core.seeds import generator
from rote.papers.longtail import schema, settings, sources
from rote.papers.longtail.records import stacked
from rote.synth import triples

Stream = Callable[..., np.random.Generator]  # the random stream of a key


class TrainingSet(NamedTuple):
    """A training set of triples, as two columns of the tables name it."""

    name: str
    nines: int = 0  # triples that hold a 9


GLYPHS = {companions: TrainingSet(f"glyphs-{companions.name}") for companions in triples.COMPANIONS}
GLYPHS_HEAD = GLYPHS[triples.HEAD]
WITHOUT_GLYPHS = TrainingSet("no-glyphs")
ANY = TrainingSet("any")  # of a test set that serves every training set
SWEEP = "nines"  # the rare-digit sweep


def nines(count: int) -> TrainingSet:
    """The training set of the rare-digit sweep in which `count` triples hold a 9."""
    return TrainingSet(SWEEP, count)


class TripleSet(NamedTuple):
    """Triples with their targets."""

    ids: np.ndarray  # (n, 3) image ids
    targets: np.ndarray  # (n,) sums of the labels


class SetName(NamedTuple):
    """What identifies a set of triples."""

    replicate: int
    training_set: TrainingSet
    evaluation_set: str


class Track(NamedTuple):
    """What the triples of the network or the kernel track are drawn with."""

    name: str  # network or kernel: each has random streams of its own
    n: int  # training triples
    test_rows: int  # triples per test set
    replicates: int
    zipf: float  # exponent of the base digits
    rare_counts: list[int]  # the rare-digit sweep: training triples that hold a 9
    held_out: int  # images per class for tests alone


def network_track(options: settings.LongtailNetwork, held_out: int) -> Track:
    """The network track: the rare-digit sweep, and glyphs."""
    sizes = options.n, options.test_rows, options.replicates
    return Track("network", *sizes, options.zipf, options.rare_counts, held_out)


def kernel_track(options: settings.LongtailKernel, zipf: float, held_out: int) -> Track:
    """The kernel track: glyphs alone."""
    sizes = options.n, options.test_rows, options.replicates
    return Track("kernel", *sizes, zipf, [], held_out)


def synthesize_images(options: settings.LongtailImages, replicates: int, seed: int) -> pd.DataFrame:
    """The digit images, and ten glyphs per replicate: the table ImageBank.

    Args:
        options: where digits and glyphs come from.
        replicates: sets of ten glyphs.
        seed: of all random streams.

    Raises:
        InputError: as `rote.data.images` says, for files that are missing or damaged.
    """
    source = registered(sources.DIGITS, options.source, "source")
    draw = registered(sources.GLYPHS, options.glyphs, "glyphs").draw
    digits = source.load(options.root, options.download)
    side = digits.pixels.shape[1]
    parts = [_image_rows("digit", -1, digits.labels, digits.pixels)]
    for replicate in range(replicates):
        rng = generator(seed, "longtail", "glyphs", replicate)
        glyphs = draw(options.glyph_root, options.download, side, digits.largest, rng)
        parts.append(_image_rows("glyph", replicate, rng.permutation(triples.GLYPHS), glyphs))
    frame = pd.concat(parts, ignore_index=True)
    return tables.frame(
        schema.ImageBank, {"image": np.arange(len(frame)), "side": side, **frame.to_dict("series")}
    )


def _image_rows(kind: str, replicate: int, labels: np.ndarray, pixels: np.ndarray) -> pd.DataFrame:
    flat = pixels.reshape(len(labels), -1).astype(np.int64)
    return pd.DataFrame(
        {"kind": kind, "replicate": replicate, "label": labels, "pixels": list(flat)}
    )


def synthesize_triples(images: pd.DataFrame, track: Track, seed: int) -> pd.DataFrame:
    """Every training and test set of a track: the table Triples.

    Training sets are the rare-digit sweep, the base without glyphs, and glyphs beside head, zipf
    and tail companions.

    Args:
        images: the table ImageBank.
        track: sizes and frequencies.
        seed: of all random streams.

    Raises:
        InputError: if a class has too few images, or all glyphs draw the same slot.
    """
    labels = images["label"].to_numpy()
    digits = int((images["kind"] == "digit").sum())
    parts = []
    for replicate in range(track.replicates):
        glyphs = images.loc[images["replicate"] == replicate, "image"].to_numpy()

        def stream(*key: str | int, replicate: int = replicate) -> np.random.Generator:
            return generator(seed, "longtail", "triples", track.name, replicate, *key)

        bank = triples.split(labels, digits, glyphs, track.held_out, stream("split"))
        for (training_set, evaluation_set), ids in _replicate(bank, track, stream).items():
            parts.append(
                {
                    "replicate": replicate,
                    "training_set": training_set.name,
                    "nines": training_set.nines,
                    "evaluation_set": evaluation_set,
                    "row": np.arange(len(ids)),
                    **{f"image_{slot}": ids[:, slot] for slot in range(3)},
                    "target": labels[ids].sum(axis=1).astype(float),
                }
            )
    return stacked(schema.Triples, parts)


def triple_sets(rows: pd.DataFrame) -> dict[SetName, TripleSet]:
    """The sets of the table Triples, by name."""
    sets = {}
    columns = ["replicate", "training_set", "nines", "evaluation_set"]
    for (replicate, name, count, evaluation_set), group in rows.groupby(columns):
        ids = group[["image_0", "image_1", "image_2"]].to_numpy()
        set_name = SetName(replicate, TrainingSet(name, count), evaluation_set)
        sets[set_name] = TripleSet(ids, group["target"].to_numpy())
    return sets


def evaluated(sets: Mapping[SetName, TripleSet], name: SetName) -> TripleSet | None:
    """The set that a model is evaluated on.

    Returns:
        The set of this name, else the one that serves any training set, else None.
    """
    return sets.get(name, sets.get(name._replace(training_set=ANY)))


def _replicate(
    bank: triples.Bank, track: Track, stream: Stream
) -> dict[tuple[TrainingSet, str], np.ndarray]:
    """All sets of one replicate, checked for leakage: image ids, (n, 3)."""
    base = triples.base(bank, track.n, track.zipf, stream("base"))
    shared = triples.tests(bank, track.test_rows, track.zipf, stream("tests"))
    sets = {(ANY, name): ids for name, ids in shared.items()}
    train = triples.TRAIN.name
    for count in track.rare_counts:
        rows = triples.with_nines(base, bank, count, stream("nines", count))
        sets[nines(count), train] = rows
        tests = dict(shared)
        pairs_stream = stream("pairs", f"nines-{count}")
        pairs = triples.trained_pairs(rows, bank, track.test_rows, pairs_stream)
        if pairs is not None:
            tests[triples.TWO_TRAINED_NINES.name] = pairs
            sets[nines(count), triples.TWO_TRAINED_NINES.name] = pairs
        triples.check(bank, rows, tests)
    for companions, training_set in GLYPHS.items():
        rows = triples.with_glyphs(
            base, bank, companions, track.zipf, stream("companions", companions.name)
        )
        triples.check(bank, rows, shared)
        sets[training_set, train] = rows
        sets[training_set, triples.GLYPH_ROWS.name] = rows[-triples.GLYPHS :]
    triples.check(bank, base, shared)
    sets[WITHOUT_GLYPHS, train] = base
    # the glyph rows that the base would have had
    glyph_rows = sets[GLYPHS_HEAD, triples.GLYPH_ROWS.name]
    sets[WITHOUT_GLYPHS, triples.GLYPH_ROWS.name] = glyph_rows
    return sets
