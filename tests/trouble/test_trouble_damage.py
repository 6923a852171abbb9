"""Damage at random bytes ends in a value, or in one line that names the file."""

import logging
import os
import random

import pytest
from rote.core.errors import ConfigError, InputError

from tests.trouble.formats import FORMATS

TRIES = int(os.environ.get("ROTE_TEST_DAMAGE", "20"))  # of each format
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A file cut short, with bytes changed, put in or left out."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20))):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(4)
        if how == 0:
            del changed[at:]
        elif how == 1:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif how == 2:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
        else:
            del changed[at : at + rng.randrange(1, 9)]
    return bytes(changed)


def error_of(name: str, path) -> str:
    """What the reader says of a file; any exception but its own fails the test."""
    try:
        FORMATS[name].read(path)
        return ""
    except InputError as caught:
        error = caught
    assert path.name in str(error), f"it does not name the file: {error}"
    # a config's error has a line for every wrong key
    assert isinstance(error, ConfigError) or "\n" not in str(error), error
    return str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_damage_ends_in_a_value_or_one_line(tmp_path, name, caplog):
    caplog.set_level(logging.CRITICAL)
    form, rng = FORMATS[name], random.Random(name)
    whole = form.whole()
    for number in range(TRIES):
        path = tmp_path / f"{number}{form.suffix}"
        path.write_bytes(damaged(whole, rng))
        message = error_of(name, path)
        assert not (form.lenient and message), message
        path.unlink()


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file_is_read_and_a_pointer_is_called_one(tmp_path, name, caplog):
    form = FORMATS[name]
    path = tmp_path / f"whole{form.suffix}"
    path.write_bytes(form.whole())
    if name != "claims":  # which needs all of its keys
        assert error_of(name, path) == ""
    path.write_bytes(POINTER)
    message = error_of(name, path)
    if form.lenient:
        assert message == ""
    elif form.suffix != ".yaml":
        assert "pointer of Git LFS" in message
        assert "git lfs pull" in message


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if not form.lenient])
def test_a_missing_file_and_a_folder_are_called_so(tmp_path, name):
    form = FORMATS[name]
    assert error_of(name, tmp_path / f"none{form.suffix}")
    folder = tmp_path / f"folder{form.suffix}"
    folder.mkdir()
    assert error_of(name, folder)
