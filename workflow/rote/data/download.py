"""Downloads that go on where they stopped and are checked before anything uses them."""

import hashlib
import http.client
import logging
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path
from types import ModuleType

from rote.core.errors import InputError
from rote.core.job import meter

log = logging.getLogger("rote")
ATTEMPTS = 3
BLOCK = 2**20


def fetch(url: str, path: str | Path, digest: str, kind: str = "md5") -> Path:
    """A file of the network at `path`, its digest checked; what is there and whole is not fetched
    again.

    What was received is kept as `<path>.part`: a later call, or the next of three attempts, asks
    the server for the rest only (HTTP ranges; a server that has none sends everything again).

    Args:
        digest: the expected digest, in hex.
        kind: its name in hashlib, e.g. md5 or sha256.

    Raises:
        InputError: if the server cannot be reached (what came is kept), or sends something else
            (nothing is kept).
    """
    path = Path(path)
    if path.is_file() and _digest(path, kind) == digest:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(url, part)
            break
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            ConnectionError,
            TimeoutError,
        ) as error:
            log.info("%s: %s (attempt %d of %d)", url, error, attempt, ATTEMPTS)
            if attempt == ATTEMPTS:
                raise InputError(
                    f"{url} cannot be fetched ({error}); run the same again to go on, or put the "
                    f"file at {path}"
                ) from error
    if (found := _digest(part, kind)) != digest:
        part.unlink()
        raise InputError(
            f"{url} sent another file than expected ({kind} {found}, not {digest}); if that "
            f"persists, put it at {path}"
        )
    os.replace(part, path)
    return path


def torchvision_set(datasets: ModuleType, name: str, root: str | Path) -> None:
    """Fetch the archives of one of torchvision's data sets to where torchvision finds them, and
    unpack them there.

    Addresses and digests are torchvision's own. Mirrors are tried in order.

    Args:
        name: MNIST, FashionMNIST, CIFAR10, CIFAR100 or Omniglot (its background set).

    Raises:
        InputError: as `fetch`, of the last mirror.
    """
    kind, root = getattr(datasets, name), Path(root)
    if name == "Omniglot":
        file = "images_background"
        found = root / "omniglot-py" / file
        wanted = [
            (
                [f"{kind.download_url_prefix}/{file}.zip"],
                found.with_suffix(".zip"),
                kind.zips_md5[file],
                found,
            )
        ]
    elif hasattr(kind, "tgz_md5"):
        wanted = [([kind.url], root / kind.filename, kind.tgz_md5, root / kind.base_folder)]
    else:
        raw = root / name / "raw"
        wanted = [
            (
                [mirror + file for mirror in kind.mirrors],
                raw / file,
                digest,
                raw / file.removesuffix(".gz"),
            )
            for file, digest in kind.resources
        ]
    for addresses, path, digest, unpacked in wanted:
        if not unpacked.exists():
            _any(addresses, path, digest)
            _unpack(datasets, path, unpacked)


def _any(addresses: list[str], path: Path, digest: str) -> None:
    for address in addresses:
        try:
            fetch(address, path, digest)
            return
        except InputError as error:
            if address == addresses[-1]:
                raise
            log.info("%s; trying the next mirror", error)


def _unpack(datasets: ModuleType, archive: Path, unpacked: Path) -> None:
    """Unpack beside the archive and rename: what is there is whole."""
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            datasets.utils.extract_archive(str(archive), folder)
            os.replace(Path(folder) / unpacked.name, unpacked)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{archive} cannot be unpacked ({error}); remove it and run the same again"
        ) from error


def _receive(url: str, part: Path) -> None:
    """Append what is missing of `url` to `part`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is missing
            return
        raise
    with answer:
        resumed = answer.status == 206
        length = int(answer.headers.get("Content-Length") or 0)
        total = (have if resumed else 0) + length if length else None
        with (
            part.open("ab" if resumed else "wb") as stream,
            meter(f"fetching {url.rsplit('/', 1)[-1]}", "bytes", total) as shown,
        ):
            shown.reached(have if resumed else 0)
            while block := answer.read(BLOCK):
                stream.write(block)
                shown.advance(len(block))
        if total is not None and part.stat().st_size < total:
            raise ConnectionError(
                f"the connection ended at {part.stat().st_size:,} of {total:,} bytes"
            )


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()
