"""Widths and lengths of training: is composition a matter of size?

The reference and the cross-channel network on one-off symbols, without weight decay, at several
widths and numbers of epochs, one varied at a time. Ours, not the paper's.
"""

from typing import NamedTuple

import pandas as pd

from rote.papers.longtail import schema, settings
from rote.papers.longtail.architectures import MIXING, REFERENCE
from rote.papers.longtail.dataset import GLYPHS_HEAD
from rote.papers.longtail.network import Execution, NetworkUnit, study_of, train_units


class Size(NamedTuple):
    """Hidden width of the sum network, and passes over the training triples."""

    width: int
    epochs: int


def sizes(options: settings.LongtailNetwork) -> list[Size]:
    """What is trained: every width at the usual number of epochs, every number at the usual width.

    ResNets have one width.

    Args:
        options: widths and epochs.
    """
    widths = options.widths if options.backbone == "mlp" else options.widths[:1]
    grid = [Size(width, options.epochs) for width in widths]
    grid += [Size(options.widths[0], epochs) for epochs in options.lengths]
    return list(dict.fromkeys(grid))


def train(
    options: settings.LongtailNetwork,
    images: pd.DataFrame,
    rows: pd.DataFrame,
    seed: int,
    execution: Execution = Execution(),
) -> pd.DataFrame:
    """Networks of all sizes, on one-off symbols without decay: the table SizeLosses.

    Args:
        options: widths, epochs, and the rest of the schedule.
        images: the table ImageBank.
        rows: the table Triples.
        seed: of all random streams.
        execution: device, checkpoints, networks per program.
    """
    parts = []
    networks = [NetworkUnit(GLYPHS_HEAD, 0.0, r) for r in range(options.replicates)]
    for architecture in (REFERENCE, MIXING):
        study = study_of(options, architecture, images, rows, seed, execution.device)
        for size in sizes(options):
            changed = options.model_copy(update={"epochs": size.epochs})
            sized = study._replace(options=changed, width=size.width)
            losses = train_units(sized, networks, execution)
            parts.append(losses.assign(**size._asdict()))
    frame = pd.concat(parts, ignore_index=True)
    return frame[list(schema.SizeLosses.model_fields)]
