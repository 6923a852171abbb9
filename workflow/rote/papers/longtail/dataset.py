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
from rote.data.images import Images, averaged
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
HALVES = tuple(TrainingSet(f"glyphs-half-{half}") for half in (1, 2))  # five glyphs each
WRONG = {count: TrainingSet(f"glyphs-wrong-{count}") for count in (2, 8)}  # wrong labels of ten
TEN_DIGITS = TrainingSet("ten-digits")  # Zipf over all ten digits, as the paper's counts suggest
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


Sets = Mapping[tuple[TrainingSet, str], np.ndarray]  # image ids, (n, 3)


class Track(NamedTuple):
    """What the triples of the network or the kernel track are drawn with."""

    name: str  # network or kernel: each has random streams of its own
    n: int  # training triples
    test_rows: int  # triples per test set
    replicates: int
    zipf: float  # exponent of the base digits
    rare_counts: list[int]  # the rare-digit sweep: training triples that hold a 9
    held_out: int  # images per class for tests alone
    extensions: bool = False  # whether there are halves, wrong labels and the ten-digit law


def network_track(options: settings.LongtailNetwork, held_out: int) -> Track:
    """The network track: the rare-digit sweep, and glyphs."""
    sizes = options.n, options.test_rows, options.replicates
    rare_counts = options.rare_counts
    return Track("network", *sizes, options.zipf, rare_counts, held_out, options.extensions)


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
    digits = _at_most(source.load(options.root, options.download), options.max_side)
    side = digits.pixels.shape[1]
    sheet = triples.Sheet(side, digits.largest, source.margin)
    parts = [_image_rows("digit", -1, digits.labels, digits.pixels)]
    for replicate in range(replicates):
        rng = generator(seed, "longtail", "glyphs", replicate)
        glyphs = draw(options.glyph_root, options.download, sheet, rng)
        parts.append(_image_rows("glyph", replicate, rng.permutation(triples.GLYPHS), glyphs))
    frame = pd.concat(parts, ignore_index=True)
    return tables.frame(
        schema.ImageBank, {"image": np.arange(len(frame)), "side": side, **frame.to_dict("series")}
    )


def _at_most(digits: Images, max_side: int) -> Images:
    """Images averaged over the smallest squares that leave at most `max_side` pixels a side."""
    side = digits.pixels.shape[1]
    blocks = [block for block in range(1, side + 1) if side % block == 0]
    return averaged(digits, next(block for block in blocks if side // block <= max_side))


def _image_rows(kind: str, replicate: int, labels: np.ndarray, pixels: np.ndarray) -> pd.DataFrame:
    rows = [image.tobytes() for image in pixels.astype(np.uint8)]
    return pd.DataFrame({"kind": kind, "replicate": replicate, "label": labels, "pixels": rows})


def pixels(images: pd.DataFrame) -> np.ndarray:
    """Gray values of the table ImageBank, (images, side²) uint8."""
    flat = np.frombuffer(b"".join(images["pixels"]), np.uint8)
    return flat.reshape(len(images), -1)


def synthesize_triples(images: pd.DataFrame, track: Track, seed: int) -> pd.DataFrame:
    """Every training and test set of a track: the table Triples.

    Training sets are the rare-digit sweep, the base without glyphs, and glyphs beside head, zipf
    and tail companions; with extensions also halves of the glyphs, glyphs with wrong labels, and
    a base of ten digits.

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
        wrong = _wrong_labels(bank, stream)
        for (training_set, evaluation_set), ids in _replicate(bank, track, stream).items():
            given = wrong.get(training_set, labels)
            parts.append(
                {
                    "replicate": replicate,
                    "training_set": training_set.name,
                    "nines": training_set.nines,
                    "evaluation_set": evaluation_set,
                    "row": np.arange(len(ids)),
                    **{f"image_{slot}": ids[:, slot] for slot in range(3)},
                    "target": given[ids].sum(axis=1).astype(float),
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
    if track.extensions:
        sets |= _extensions(bank, track, sets, stream)
    return sets


def _extensions(
    bank: triples.Bank, track: Track, sets: Sets, stream: Stream
) -> dict[tuple[TrainingSet, str], np.ndarray]:
    """Training sets beyond the paper's: image ids, (n, 3)."""
    train, rows = triples.TRAIN.name, triples.GLYPH_ROWS.name
    glyphs, base = sets[GLYPHS_HEAD, train], sets[WITHOUT_GLYPHS, train]
    glyph_rows = sets[GLYPHS_HEAD, rows]
    more: dict[tuple[TrainingSet, str], np.ndarray] = {}
    for wrong in WRONG.values():  # the same images; the labels are wrong
        more[wrong, train] = glyphs
        more[wrong, rows] = glyph_rows
    order = stream("halves").permutation(triples.GLYPHS)
    halves = np.split(order, len(HALVES))
    for half, trained, left_out in zip(HALVES, halves, halves[::-1], strict=True):
        positions = len(glyphs) - triples.GLYPHS + left_out
        ids = glyphs.copy()
        ids[positions] = base[positions]
        more[half, train] = ids
        more[half, triples.ROWS_TRAINED.name] = glyph_rows[trained]
        more[half, triples.ROWS_LEFT_OUT.name] = glyph_rows[left_out]
    ten = triples.base(bank, track.n, track.zipf, stream("ten-digits"), 10)
    shared = {name: ids for (owner, name), ids in sets.items() if owner == ANY}
    triples.check(bank, ten, shared)
    more[TEN_DIGITS, train] = ten
    return more


def _wrong_labels(bank: triples.Bank, stream: Stream) -> dict[TrainingSet, np.ndarray]:
    """Labels of all images where some of the glyphs have wrong ones, by training set."""
    labels = {}
    for count, training_set in WRONG.items():
        given = bank.labels.copy()
        shift = triples.mislabelled(given[bank.glyphs], count, stream("wrong", count))
        given[bank.glyphs] += shift
        labels[training_set] = given
    return labels
