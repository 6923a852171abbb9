"""Pictures as 8-bit arrays, the right way up, on white paper.

Turned as their EXIF tag says; where they are transparent, white shows through; values of more than
8 bits are scaled by their depth. Pictures of floating-point numbers are refused: nothing says what
white is in them.
"""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rote.core.errors import InputError
from rote.core.files import one_line, under

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
)
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}  # unsigned numbers of 16 bits
_SCALED_BY_PILLOW = ("PNG", "PPM")  # whose 16 bits older forms of it hold in 32


def files(folder: Path) -> list[Path]:
    """The pictures below a folder in a fixed order, through links, without hidden ones.

    Args:
        folder: to search.

    Raises:
        InputError: as `rote.core.files.under`.
    """
    return [path for path in under(folder) if path.name.lower().endswith(SUFFIXES)]


def read(path: Path, mode: Literal["L", "RGB"], kind: str = "picture") -> Any:
    """A picture in grey or colour, 8 bits per channel, as Pillow's image.

    Args:
        path: of the file.
        mode: L for grey, RGB for colour.
        kind: what errors call it.

    Raises:
        InputError: for a file that is missing, damaged, too large (Pillow's bound on pixels), or
            holds floating-point numbers or whole ones of more than 16 bits.
    """
    from PIL import Image, ImageOps

    with (
        one_line(path, f"is not a readable {kind}", "fetch it again or leave it out"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of odd tags, and of sizes below the bound
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode in _DEEP or (picture.mode == "I" and file.format in _SCALED_BY_PILLOW):
                picture = _scaled(picture)
            if picture.mode in ("I", "F"):
                raise InputError(
                    f"{path} holds {'whole' if picture.mode == 'I' else 'floating-point'} numbers "
                    "of 32 bits, of which nothing says which is white; save it with 8 or 16 bits"
                )
            if picture.has_transparency_data:
                clear = picture.convert("RGBA")
                white = Image.new("RGBA", clear.size, "white")
                picture = Image.alpha_composite(white, clear)
            return picture.convert(mode)


def _scaled(picture: Any) -> Any:
    """Grey of 16 bits as grey of 8."""
    from PIL import Image

    values = np.asarray(picture).astype(np.uint32)
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
