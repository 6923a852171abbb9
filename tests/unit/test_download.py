"""Downloads from a local server that drops connections: resumed, checked, never half-trusted."""

import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from conftest import write_idx
from rote.core.errors import InputError
from rote.data import download
from rote.data import images as data


class _Server(BaseHTTPRequestHandler):
    """Serves `files`, at most `cut` bytes an answer while `cuts` last, ranges if `knows_ranges`."""

    files: dict[str, bytes]
    cut = 0
    cuts = 0
    knows_ranges = True
    requests: list[tuple[str, str | None]]

    def do_GET(self):
        cls = type(self)
        cls.requests.append((self.path, self.headers.get("Range")))
        content = cls.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if cls.knows_ranges and (requested := self.headers.get("Range")):
            start = int(requested.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if cls.cuts:
            cls.cuts -= 1
            rest = rest[: cls.cut]
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    kind = type("Server", (_Server,), {"files": {}, "requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        kind.address = f"http://127.0.0.1:{running.server_address[1]}"
        yield kind
        running.shutdown()


CONTENT = np.random.default_rng(0).bytes(100_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_fetch_goes_on_where_it_stopped(server, tmp_path, knows_ranges):
    server.files = {"/a": CONTENT}
    server.cut = 30_000
    server.cuts = 2
    server.knows_ranges = knows_ranges
    path = download.fetch(f"{server.address}/a", tmp_path / "deep" / "a", MD5)
    assert path.read_bytes() == CONTENT
    assert [requested for _, requested in server.requests] == (
        [None, "bytes=30000-", "bytes=60000-"]
        if knows_ranges
        else [None, "bytes=30000-", "bytes=30000-"]
    )
    assert [file.name for file in path.parent.iterdir()] == ["a"]
    download.fetch(f"{server.address}/a", path, MD5)
    assert len(server.requests) == 3  # whole: not asked for again


def test_fetch_keeps_what_came_for_the_next_call(server, tmp_path):
    server.files = {"/a": CONTENT}
    server.cut = 10_000
    server.cuts = 3
    with pytest.raises(
        InputError,
        match=r"/a cannot be fetched \(the connection ended at 30,000 of 100,000 bytes\)",
    ):
        download.fetch(f"{server.address}/a", tmp_path / "a", MD5)
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "a.part").stat().st_size == 30_000
    assert download.fetch(f"{server.address}/a", tmp_path / "a", MD5).read_bytes() == CONTENT
    assert server.requests[-1] == ("/a", "bytes=30000-")


def test_fetch_takes_a_part_that_is_whole_already(server, tmp_path):
    server.files = {"/a": CONTENT}
    (tmp_path / "a.part").write_bytes(CONTENT)
    assert download.fetch(f"{server.address}/a", tmp_path / "a", MD5).read_bytes() == CONTENT


def test_fetch_refuses_another_content_and_keeps_none_of_it(server, tmp_path):
    server.files = {"/a": CONTENT[:-1] + b"x"}
    with pytest.raises(
        InputError, match=rf"sent another file than expected \(md5 \w+, not {MD5}\)"
    ):
        download.fetch(f"{server.address}/a", tmp_path / "a", MD5)
    assert list(tmp_path.iterdir()) == []


def test_fetch_replaces_a_file_that_was_damaged_on_the_disk(server, tmp_path):
    server.files = {"/a": CONTENT}
    (tmp_path / "a").write_bytes(b"damaged")
    assert download.fetch(f"{server.address}/a", tmp_path / "a", MD5).read_bytes() == CONTENT


def test_mnist_comes_from_the_second_mirror_if_the_first_has_nothing(server, tmp_path, monkeypatch):
    kind = data.torchvision().datasets.MNIST
    resources = []
    for name, _ in kind.resources:
        content = np.full((6, 28, 28), 7) if "images" in name else np.arange(6)
        write_idx(tmp_path / name, content)
        content = (tmp_path / name).read_bytes()
        server.files[f"/second/{name}"] = content
        resources.append((name, hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(kind, "resources", resources)
    monkeypatch.setattr(kind, "mirrors", [f"{server.address}/first/", f"{server.address}/second/"])
    images = data.mnist(tmp_path / "root", download=True)
    assert images.pixels.shape == (12, 28, 28)
    count = len(server.requests)
    assert len(data.mnist(tmp_path / "root", download=True).labels) == 12
    assert len(server.requests) == count


def test_omniglot_is_fetched_and_unpacked(server, tmp_path, monkeypatch):
    from PIL import Image

    kind = data.torchvision().datasets.Omniglot
    archive = tmp_path / "images_background.zip"
    Image.new("1", (105, 105), 1).save(tmp_path / "0001_01.png")
    with zipfile.ZipFile(archive, "w") as files:
        for number in (1, 2):
            files.write(
                tmp_path / "0001_01.png",
                f"images_background/Greek/character0{number}/000{number}_01.png",
            )
    server.files["/images_background.zip"] = archive.read_bytes()
    monkeypatch.setattr(kind, "download_url_prefix", server.address)
    monkeypatch.setattr(
        kind, "zips_md5", {"images_background": hashlib.md5(archive.read_bytes()).hexdigest()}
    )
    images = data.omniglot(tmp_path / "root", 2, 28, np.random.default_rng(0), download=True)
    assert images.shape == (2, 28, 28)


def test_mnist_without_a_server_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(data.torchvision().datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(
        InputError,
        match=r"train-images-idx3-ubyte\.gz cannot be fetched.*or put the file at .*/MNIST/raw",
    ):
        data.mnist(tmp_path, download=True)


def test_torchvision_set_refuses_an_unknown_data_set(tmp_path):
    with pytest.raises(InputError, match="'SVHN' is not one of MNIST, FashionMNIST, CIFAR10"):
        download.torchvision_set(data.torchvision().datasets, "SVHN", tmp_path)
