"""Pictures as 8-bit arrays, the right way up, on white paper.

Turned as their EXIF tag says; where they are transparent, white shows through; values of more than
8 bits are scaled by their depth; of several frames or pages the first is taken. Pictures of
floating-point numbers are refused: nothing says what white is in them.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rote.core.errors import InputError
from rote.core.files import of_formats, one_line

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
_BITS, _PHOTOMETRIC = 258, 262  # tags of TIFF
_SCALED_BY_PILLOW = ("PNG", "PPM")  # whose 16 bits older forms of it hold in 32


def files(folder: Path) -> list[Path]:
    """The pictures below a folder in a fixed order, through links, without hidden ones.

    Files of other formats are named in the log.

    Args:
        folder: to search.

    Raises:
        InputError: as `rote.core.files.under`.
    """
    return of_formats(folder, SUFFIXES)


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
                picture = _scaled(picture, getattr(file, "tag_v2", {}))
            if picture.mode in ("I", "F"):
                kind = "signed or long whole" if picture.mode == "I" else "floating-point"
                raise InputError(
                    f"{path} holds {kind} numbers, of which nothing says which is white; "
                    "save it with 8 or 16 bits, unsigned"
                )
            if picture.has_transparency_data:
                clear = picture.convert("RGBA")
                white = Image.new("RGBA", clear.size, "white")
                picture = Image.alpha_composite(white, clear)
            return picture.convert(mode)


def _scaled(picture: Any, tags: Mapping[int, Any]) -> Any:
    """Grey of more than 8 bits as grey of 8.

    Args:
        picture: of up to 16 bits.
        tags: of TIFF, which say how many bits, and whether the largest number is black.
    """
    from PIL import Image

    bits = tags.get(_BITS, 16)
    largest = 2 ** (bits[0] if isinstance(bits, tuple) else bits) - 1
    values = np.asarray(picture).astype(np.uint32)
    grey = ((values * 255 + largest // 2) // largest).astype(np.uint8)
    if "transparency" in picture.info:
        grey[values == picture.info["transparency"]] = 255
    return Image.fromarray(255 - grey if tags.get(_PHOTOMETRIC) == 0 else grey)
