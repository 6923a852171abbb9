"""Data of the network and kernel tracks: a bank of images, and named training and test sets of
triples.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from rote.core.seeds import generator
from rote.data import images as data
from rote.papers.longtail import settings
from rote.synth import triples

GLYPHS_IN = {companions: f"glyphs-{companions}" for companions in triples.COMPANIONS}
WITHOUT_GLYPHS = "no-glyphs"


def nines(count: int) -> str:
    """Name of the training set with `count` 9s."""
    return f"nines-{count}"


def synthesize_images(options: settings.Images, replicates: int, seed: int) -> pd.DataFrame:
    """The digit images, and ten glyphs per replicate: the table ImageBank."""
    source = (
        data.digits()
        if options.source == "digits"
        else data.mnist(options.root, download=options.download)
    )
    side = source.pixels.shape[1]
    pixels, labels = [source.pixels], [source.labels]
    kinds, owners = ["digit"] * len(source.labels), [-1] * len(source.labels)
    for replicate in range(replicates):
        rng = generator(seed, "longtail", "glyphs", replicate)
        if options.glyphs == "drawn":
            drawn = triples.draw_glyphs(side, source.largest, rng)
        else:
            drawn = data.omniglot(
                options.glyph_root, triples.GLYPHS, side, rng, download=options.download
            )
            drawn = (drawn.astype(float) * source.largest / 255).round().astype(np.uint8)
        pixels.append(drawn)
        labels.append(rng.permutation(triples.GLYPHS))
        kinds += ["glyph"] * triples.GLYPHS
        owners += [replicate] * triples.GLYPHS
    flat = np.concatenate(pixels).reshape(len(kinds), -1)
    return pd.DataFrame(
        {
            "image": np.arange(len(kinds)),
            "kind": kinds,
            "replicate": owners,
            "label": np.concatenate(labels),
            "side": side,
            "pixels": list(flat.astype(np.int64)),
        }
    )


def synthesize_triples(
    images: pd.DataFrame,
    options: settings.Network | settings.Kernel,
    track: str,
    zipf: float,
    rare_counts: Iterable[int],
    held_out: int,
    seed: int,
) -> pd.DataFrame:
    """Training sets (rare-digit sweep, glyphs beside head, zipf and tail companions, none) and test
    sets: Triples.

    Args:
        options: gives the sizes n, test_rows, replicates.
        track: `network` or `kernel`; each has its own random streams.
    """
    labels, digits = images["label"].to_numpy(), int((images["kind"] == "digit").sum())
    frames = []
    for replicate in range(options.replicates):

        def rng(*key, r=replicate):
            return generator(seed, "longtail", "triples", track, r, *key)

        glyphs = images.loc[images["replicate"] == replicate, "image"].to_numpy()
        bank = triples.split(labels, digits, glyphs, held_out, rng("split"))
        base = triples.base(bank, options.n, zipf, rng("base"))
        train_sets = {
            nines(count): triples.with_nines(base, bank, count, rng("nines", count))
            for count in rare_counts
        }
        train_sets[WITHOUT_GLYPHS] = base
        for companions, name in GLYPHS_IN.items():
            train_sets[name] = triples.with_glyphs(
                base, bank, companions, zipf, rng("companions", companions)
            )
        tests = triples.tests(bank, options.test_rows, zipf, rng("tests"))
        for name, rows in train_sets.items():
            own = {}  # test sets that belong to this training set
            if name.startswith("nines-"):
                pairs = triples.seen_pairs(rows, bank, options.test_rows, rng("pairs", name))
                own = {} if pairs is None else {"seen9x2": pairs}
            triples.check(bank, rows, tests | own)
            if not name.startswith(
                "nines-"
            ):  # the glyph rows themselves; without them, those it would have had
                own["gl_train"] = train_sets[
                    name if name in GLYPHS_IN.values() else GLYPHS_IN["head"]
                ][-triples.GLYPHS :]
            frames += [
                _frame(replicate, f"test:{test}:{name}", ids, labels) for test, ids in own.items()
            ]
            frames.append(_frame(replicate, f"train:{name}", rows, labels))
        frames += [_frame(replicate, f"test:{name}", rows, labels) for name, rows in tests.items()]
    return pd.concat(frames, ignore_index=True)


def _frame(replicate: int, dataset: str, ids: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "replicate": replicate,
            "dataset": dataset,
            "row": np.arange(len(ids)),
            "image_0": ids[:, 0],
            "image_1": ids[:, 1],
            "image_2": ids[:, 2],
            "target": labels[ids].sum(axis=1).astype(float),
        }
    )
