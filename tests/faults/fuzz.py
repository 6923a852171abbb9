"""Coverage-guided fuzzing of the readers by atheris: `make fuzz`.

Any exception but InputError is a finding.

python tests/faults/fuzz.py -max_total_time=60
"""

import logging
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["rote"]):
    from rote.core.errors import InputError

    from tests.trouble.formats import FORMATS

FOLDER = Path(tempfile.mkdtemp(prefix="rote-fuzz-"))
NAMES = list(FORMATS)


def one(content: bytes) -> None:
    """The first byte chooses the format, the rest is the file."""
    if not content:
        return
    form = FORMATS[NAMES[content[0] % len(NAMES)]]
    path = FOLDER / f"input{form.suffix}"
    path.write_bytes(content[1:])
    try:
        form.read(path)
    except InputError as error:
        if form.lenient or path.name not in str(error):
            raise AssertionError(f"lenient, or does not name the file: {error}") from error


def seeds() -> Path:
    """A folder with one whole file per format to begin with."""
    folder = FOLDER / "seeds"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / str(number)).write_bytes(bytes([number]) + FORMATS[name].whole())
    return folder


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # what is skipped leniently is told in the log
    atheris.Setup([*sys.argv, str(seeds())], one)
    atheris.Fuzz()
