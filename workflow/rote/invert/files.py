"""What an inversion reads and writes: models with their units, positions, results, the figure."""

from pathlib import Path

import numpy as np

from rote.core import reals, tables
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.invert.inversion import Inversion
from rote.readers import model as models
from rote.readers import table

UNITS = {"km/s": 1.0, "m/s": 1e-3}
AXES = {"x,depth": (0, 1), "depth,x": (1, 0)}
FASTEST = 20.0  # km/s; faster than any rock: the unit is wrong


def velocities(values: np.ndarray, axes: str, unit: str, name: str) -> np.ndarray:
    """Velocity models of a file as this package has them.

    Args:
        values: one model of two axes, or several along a first axis.
        axes: of `AXES`, of each model.
        unit: of `UNITS`.
        name: of the file, for errors.

    Returns:
        (..., cells in x, cells in depth), km/s.

    Raises:
        InputError: for unknown axes or units, another number of axes, and velocities that are not
            positive, or faster than any rock.
    """
    order = registered(AXES, axes, "--axes")
    scale = registered(UNITS, unit, "--unit")
    if values.ndim not in (2, 3):
        raise InputError(f"{name} must hold models of two axes, its shape is {values.shape}")
    v = scale * (values if order == (0, 1) else values.swapaxes(-1, -2))
    if not (np.isfinite(v) & (v > 0)).all():
        raise InputError(f"{name}: velocities must be positive and finite in every cell")
    if v.max() > FASTEST:
        raise InputError(f"{name} reaches {v.max():g} km/s in --unit {unit}; is it another unit?")
    return v


def positions(path: Path, spacing: float) -> np.ndarray:
    """Cells of sources or receivers.

    Args:
        path: table with columns x and depth, in m from the first cell's center.
        spacing: km.

    Returns:
        (points, 2) whole numbers, the nearest cells.

    Raises:
        InputError: for a table without these columns, or with values that are no numbers.
    """
    frame = table.read(path)
    if not {"x", "depth"} <= set(frame.columns):
        raise InputError(f"{path} needs the columns x and depth, in m")
    try:
        meters = frame[["x", "depth"]].to_numpy(float)
    except ValueError as error:
        raise InputError(f"{path}: x and depth must be numbers ({error})") from error
    return np.rint(reals.finite(f"{path}: x and depth", meters) / (1000 * spacing)).astype(int)


def training_set(path: Path, axes: str, unit: str, key: str) -> tuple[np.ndarray, list[str]]:
    """Training models of a folder or a file, and their names.

    Args:
        path: as `rote.readers.model.read_set`.
        axes: of each model.
        unit: of velocities.
        key: name of the array in .npz and .mat files.
    """
    values, names = models.read_set(path, key)
    return velocities(values, axes, unit, str(path)), names


def write(folder: Path, inversion: Inversion, axes: str) -> list[Path]:
    """Write samples, mean and spread (.npy, km/s), and tables (Parquet).

    Args:
        folder: made if it is missing.
        inversion: what to write.
        axes: of the arrays, as those that were read.

    Returns:
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = registered(AXES, axes, "--axes")
    written = []
    for name in ("samples", "mean", "spread"):
        values = getattr(inversion, name)
        path = folder / f"{name}.npy"
        with tables.atomic(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, values if order == (0, 1) else values.swapaxes(-1, -2))
        written.append(path)
    for name, frame in (("samples", inversion.table), ("lookup", inversion.lookup)):
        if len(frame):
            path = folder / f"{name}.parquet"
            tables.export(path, frame)
            written.append(path)
    return written


def report(inversion: Inversion) -> str:
    """What an inversion found, in a few lines."""
    rows = inversion.table
    lines = [
        f"misfit {rows['misfit'].median():.3g} noise floors, velocity error "
        f"{rows['error'].median():.3g} km/s (medians of {len(rows)} samples)"
    ]
    if "ratio" in rows:
        lines.append(
            f"r {rows['ratio'].median():.3g}; {100 * rows['memorized'].mean():.0f} % of samples "
            "are training models (d1/d2 < 1/3), of training models beside the others "
            f"{100 * rows['null_rate'].iloc[0]:.0f} %"
        )
        top = inversion.lookup.sort_values("weight").iloc[-1]
        lines.append(
            f"exact posterior over the training set: weight {top['weight']:.3g} on model "
            f"{int(top['model'])}, misfit {top['misfit']:.3g}"
        )
    return "\n".join(lines)


def figure(path: Path, true: np.ndarray, inversion: Inversion, spacing: float) -> None:
    """Draw the true model, posterior mean, spread, error, and two samples.

    Args:
        path: ends in .png, .pdf or .svg.
        true: (cells in x, cells in depth), km/s.
        inversion: what to draw.
        spacing: km.
    """
    from rote.plotting import house_style, panels

    with house_style():
        width, depth = (1000 * spacing * cells for cells in true.shape)
        canvas, axes = panels(2, 3, height=0.7 + 1.7 * depth / width, sharex=True)
        shown = np.stack([true, inversion.mean])
        limits = (float(shown.min()), float(shown.max()))
        top = max(float(np.nanquantile(np.abs(inversion.mean - true), 0.98)), 1e-9)
        samples = inversion.samples
        pictures = (
            ("a  true model", true, limits, "viridis"),
            ("b  posterior mean", inversion.mean, limits, "viridis"),
            ("c  spread", inversion.spread, (0, top), "magma"),
            ("d  a sample", samples[0], limits, "viridis"),
            ("e  another", samples[-1], limits, "viridis"),
            ("f  error of the mean", np.abs(inversion.mean - true), (0, top), "magma"),
        )
        for ax, (title, values, (low, high), colors) in zip(axes.flat, pictures, strict=True):
            picture = ax.imshow(
                values.T, extent=(0, width, depth, 0), vmin=low, vmax=high, cmap=colors
            )
            ax.set_title(title, loc="left")
            ax.grid(False)
            canvas.colorbar(picture, ax=ax, label="km/s", extend="both", shrink=0.7)
        for ax in axes[1]:
            ax.set_xlabel("x (m)")
        for ax in axes[:, 0]:
            ax.set_ylabel("depth (m)")
        with tables.atomic(path) as temporary:
            canvas.savefig(temporary, format=path.suffix[1:])
