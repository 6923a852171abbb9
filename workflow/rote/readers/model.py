"""Models and sets of arrays that users give: .npy, .npz, .mat and SEG-Y."""

import struct
from pathlib import Path

import numpy as np

from rote.core.errors import InputError
from rote.core.files import has_suffix, of_formats, one_line, refuse_pointer

SUFFIXES = (".npy", ".npz", ".mat", ".segy", ".sgy")
_TEXT_HEADER = 3200  # bytes of SEG-Y before its binary header
_BINARY_HEADER = 400
_TRACE_HEADER = 240
_IBM, _IEEE = 1, 5  # codes of SEG-Y's sample formats
_SAMPLES = {_IBM: ">u4", 2: ">i4", 3: ">i2", _IEEE: ">f4", 6: ">f8", 8: "i1"}


def read(path: str | Path, key: str = "") -> np.ndarray:
    """An array of numbers of a file.

    Args:
        path: .npy, .npz, .mat (up to version 7) or SEG-Y (.segy, .sgy; traces, then samples).
        key: name of the array in a .npz or .mat file; needed where it holds several.

    Returns:
        Of the shape that the file says, float64 (numbers only, no complex ones).

    Raises:
        InputError: if the file cannot be read, is damaged, is of another format, or holds no array
            of real numbers of that name.
    """
    path = Path(path)
    refuse_pointer(path)
    if not has_suffix(path, SUFFIXES):
        raise InputError(f"{path}: an array is read from {', '.join(SUFFIXES)}")
    with one_line(path, "is no whole file of its format", "write it again"):
        if has_suffix(path, (".segy", ".sgy")):
            return _segy(path)
        if has_suffix(path, (".npy",)):
            values = np.load(path, allow_pickle=False)
        else:
            values = _named(path, key)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iufb":
        raise InputError(f"{path} holds no array of real numbers")
    return values.astype(float)


def _named(path: Path, key: str) -> np.ndarray:
    """The array of a name in a .npz or .mat file, or its only one."""
    if has_suffix(path, (".npz",)):
        # opened here: of a damaged file neither library closes what it opened
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    else:
        from scipy.io import loadmat

        try:
            with path.open("rb") as file:
                content = loadmat(file)
        except NotImplementedError as error:
            raise InputError(
                f"{path} is a .mat file of version 7.3; save it again with -v7, or as .npy"
            ) from error
        arrays = {name: value for name, value in content.items() if not name.startswith("__")}
    if not key and len(arrays) == 1:
        return next(iter(arrays.values()))
    if key not in arrays:
        raise InputError(f"{path} holds {', '.join(arrays) or 'no array'}; name one of them")
    return arrays[key]


def _segy(path: Path) -> np.ndarray:
    """Traces of a SEG-Y file, (traces, samples); all of one length."""
    content = path.read_bytes()
    header = content[_TEXT_HEADER : _TEXT_HEADER + _BINARY_HEADER]
    if len(header) < _BINARY_HEADER:
        raise InputError(f"{path} is truncated: {len(content)} bytes, its headers alone need 3600")
    (samples,) = struct.unpack(">H", header[20:22])
    (code,) = struct.unpack(">H", header[24:26])
    (more,) = struct.unpack(">h", header[304:306])
    if code not in _SAMPLES or not samples or more < 0:
        raise InputError(
            f"{path} is no SEG-Y file of a known kind: format {code}, {samples} samples a trace; "
            f"formats {', '.join(map(str, _SAMPLES))} are read, big-endian"
        )
    kind = np.dtype(_SAMPLES[code])
    start = _TEXT_HEADER + _BINARY_HEADER + _TEXT_HEADER * more
    size = _TRACE_HEADER + samples * kind.itemsize
    body = len(content) - start
    if body <= 0 or body % size:
        raise InputError(
            f"{path} is truncated, or its traces differ in length: {body} bytes of traces, "
            f"{size} each"
        )
    rows = np.frombuffer(content, np.uint8, offset=start).reshape(-1, size)
    values = np.ascontiguousarray(rows[:, _TRACE_HEADER:]).view(kind)
    return _from_ibm(values) if code == _IBM else values.astype(float)


def _from_ibm(words: np.ndarray) -> np.ndarray:
    """IBM's floating-point numbers: sign, 7 bits of 64 plus a power of 16, 24 of a fraction."""
    words = words.astype(np.int64)
    sign = np.where(words >> 31, -1.0, 1.0)
    return sign * (words & 0xFFFFFF) / 2.0**24 * 16.0 ** ((words >> 24 & 0x7F) - 64)


def read_set(path: str | Path, key: str = "") -> tuple[np.ndarray, list[str]]:
    """Arrays of one shape.

    Args:
        path: a file whose first axis counts arrays, or a folder with a file per array (arrays, or
            pictures, which are read in grey).
        key: as in `read`.

    Returns:
        (arrays, ...) float64, and their names.

    Raises:
        InputError: as `read`; also for a folder without such files, and for different shapes.
    """
    path = Path(path)
    if not path.is_dir():
        values = read(path, key)
        if values.ndim < 2:
            raise InputError(f"{path}: a set has an axis of arrays before theirs, it has one axis")
        return values, [f"{path.name}[{number}]" for number in range(len(values))]
    from rote.readers import image

    files = of_formats(path, (*SUFFIXES, *image.SUFFIXES))
    if not files:
        raise InputError(f"folder {path} holds no array ({', '.join(SUFFIXES)}) and no picture")
    arrays = [
        np.asarray(image.read(file, "L"), float)
        if has_suffix(file, image.SUFFIXES)
        else read(file, key)
        for file in files
    ]
    for file, values in zip(files, arrays, strict=True):
        if values.shape != arrays[0].shape:
            raise InputError(
                f"{file} has shape {values.shape}, {files[0].name} {arrays[0].shape}: the arrays "
                "of a set have one shape"
            )
    return np.stack(arrays), [file.name for file in files]
