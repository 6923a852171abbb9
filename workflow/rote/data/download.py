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
from typing import Any, NamedTuple

from rote.core.errors import InputError
from rote.core.job import meter

log = logging.getLogger("rote")
ATTEMPTS = 3
BLOCK_BYTES = 2**20


class Archive(NamedTuple):
    """A file of a data set: where it comes from, and what it unpacks to."""

    addresses: list[str]  # mirrors, tried in order
    path: Path
    md5: str
    unpacked: Path


def fetch(url: str, path: str | Path, digest: str, kind: str = "md5") -> Path:
    """Fetch a file to `path` and check its digest; what is there and whole is not fetched again.

    What was received is kept as `<path>.part`: a later call, or the next of three attempts, asks
    the server for the rest only (HTTP ranges; a server that has none sends everything again).

    Args:
        url: of the file.
        path: where to put it; missing folders are made.
        digest: the expected digest, in hex.
        kind: its name in hashlib, e.g. md5 or sha256.

    Returns:
        `path`.

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
                    f"{url} cannot be fetched ({error}); "
                    f"run the same again to go on, or put the file at {path}"
                ) from error
    if (received := _digest(part, kind)) != digest:
        part.unlink()
        raise InputError(
            f"{url} sent another file than expected ({kind} {received}, not {digest}); "
            f"if that persists, put it at {path}"
        )
    os.replace(part, path)
    return path


def torchvision_set(datasets: ModuleType, name: str, root: str | Path) -> None:
    """Fetch one of torchvision's data sets to where torchvision finds it, and unpack it there.

    Addresses and digests are torchvision's own. Mirrors are tried in order.

    Args:
        datasets: the module `torchvision.datasets`.
        name: a key of `ARCHIVES`.
        root: the folder that torchvision calls root.

    Raises:
        InputError: for an unknown name; as `fetch`, of the last mirror; if an archive cannot be
            unpacked.
    """
    if name not in ARCHIVES:
        raise InputError(f"data set {name!r} is not one of {', '.join(ARCHIVES)}")
    for archive in ARCHIVES[name](getattr(datasets, name), Path(root)):
        if not archive.unpacked.exists():
            _fetch_from_any(archive)
            _unpack(datasets, archive)


def _idx_archives(dataset: Any, root: Path) -> list[Archive]:
    """Four gzipped files of MNIST's format."""
    raw = root / dataset.__name__ / "raw"
    archives = []
    for file, md5 in dataset.resources:
        addresses = [mirror + file for mirror in dataset.mirrors]
        archives.append(Archive(addresses, raw / file, md5, raw / file.removesuffix(".gz")))
    return archives


def _cifar_archive(dataset: Any, root: Path) -> list[Archive]:
    path = root / dataset.filename
    return [Archive([dataset.url], path, dataset.tgz_md5, root / dataset.base_folder)]


def _omniglot_background(dataset: Any, root: Path) -> list[Archive]:
    file = "images_background"
    unpacked = root / "omniglot-py" / file
    addresses = [f"{dataset.download_url_prefix}/{file}.zip"]
    return [Archive(addresses, unpacked.with_suffix(".zip"), dataset.zips_md5[file], unpacked)]


ARCHIVES = {  # by torchvision's name: its data set class, root -> archives
    "MNIST": _idx_archives,
    "FashionMNIST": _idx_archives,
    "CIFAR10": _cifar_archive,
    "CIFAR100": _cifar_archive,
    "Omniglot": _omniglot_background,
}


def _fetch_from_any(archive: Archive) -> None:
    """Fetch an archive from the first mirror that has it."""
    for address in archive.addresses:
        try:
            fetch(address, archive.path, archive.md5)
            return
        except InputError as error:
            if address == archive.addresses[-1]:
                raise
            log.info("%s; trying the next mirror", error)


def _unpack(datasets: ModuleType, archive: Archive) -> None:
    """Unpack beside the archive and rename: what is there is whole."""
    try:
        with tempfile.TemporaryDirectory(dir=archive.path.parent) as folder:
            datasets.utils.extract_archive(str(archive.path), folder)
            os.replace(Path(folder) / archive.unpacked.name, archive.unpacked)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{archive.path} cannot be unpacked ({error}); remove it and run the same again"
        ) from error


def _receive(url: str, part: Path) -> None:
    """Append what is missing of `url` to `part`, or all of it where the server has no ranges."""
    received = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(
        url, headers={"Range": f"bytes={received}-"} if received else {}
    )
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and received:  # nothing is missing
            return
        raise
    with response:
        resumed = response.status == 206
        length = int(response.headers.get("Content-Length") or 0)
        start = received if resumed else 0
        total = start + length if length else None
        with (
            part.open("ab" if resumed else "wb") as stream,
            meter(f"fetching {url.rsplit('/', 1)[-1]}", "bytes", total) as progress,
        ):
            progress.reached(start)
            while block := response.read(BLOCK_BYTES):
                stream.write(block)
                progress.advance(len(block))
        if total is not None and part.stat().st_size < total:
            raise ConnectionError(
                f"the connection ended at {part.stat().st_size:,} of {total:,} bytes"
            )


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()
