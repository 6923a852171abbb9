"""Every format that a user may give: its reader, and a whole file to damage.

The tests damage it at random bytes, `make fuzz` goes on from it.
"""

import gzip
import io
import json
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rote.core import arrays, tables
from rote.data import corpora, statements
from rote.ledger import claims
from rote.ngrams import files
from rote.papers.chain import documents
from rote.papers.distmem import task_files
from rote.readers import array, image, model, table, text, tokens, weights
from rote.run import config


class Format(NamedTuple):
    """A kind of file: the end of its name, who reads it, and a whole one."""

    suffix: str
    read: Callable[[Path], Any]
    whole: Callable[[], bytes]
    lenient: bool = False  # whether damage is left out instead of refused


def texts(path: Path, **options: Any) -> list[str]:
    """Of all documents, each read to its end."""
    return [document.text for document in corpora.documents(path, **options)]


LINES = b"".join(
    json.dumps({"text": f"the {n} red kites of Bern, gr\u00fcn und \ud83d\ude00"}).encode() + b"\n"
    for n in range(40)
)
ROWS = b"id,first,second,entity,value,loss\n" + b"".join(
    b"%05d,kite %d,bird,Bern%d,NA,0.5\n" % (n, n, n) for n in range(40)
)
TASK = b"".join(b'{"x": "a %d", "y": "b", "choices": ["b", "c"]}\n' % n for n in range(40))
PAIRS = b"".join(b'{"first": "kite %d", "second": [1, 2]}\n' % n for n in range(40))


def packed(content: bytes) -> bytes:
    from zstandard import ZstdCompressor

    return ZstdCompressor().compress(content)


def parquet() -> bytes:
    import pandas as pd

    stream = io.BytesIO()
    words = [f"kite {n}" for n in range(40)]
    columns = {"text": words, "x": words, "y": words, "first": words, "second": words}
    pd.DataFrame(columns | {"loss": 0.5}).to_parquet(stream)
    return stream.getvalue()


def idx() -> bytes:
    return b"\0\0\x08\x03\0\0\0\x0a\0\0\0\2\0\0\0\2" + bytes(range(40))


def picture(form: str, mode: str = "RGB") -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    image_of = Image.fromarray(pixels) if mode == "RGB" else Image.fromarray(pixels[..., 0])
    image_of.save(stream, form)
    return stream.getvalue()


def safetensors() -> bytes:
    from safetensors.numpy import save

    return save({"a": np.arange(20.0), "b": np.ones((3, 4), np.float32)})


def torch_weights() -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save({"a": torch.arange(20.0), "b": torch.ones(3, 4)}, stream)
    return stream.getvalue()


def numbers(values: np.ndarray) -> bytes:
    """A .npy file."""
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, v=np.arange(20.0))
    return stream.getvalue()


def matlab() -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    savemat(stream, {"v": np.arange(20.0).reshape(4, 5)}, do_compression=True)
    return stream.getvalue()


def segy() -> bytes:
    """Four traces of five samples."""
    header = bytearray(400)
    header[20:26] = struct.pack(">HHH", 5, 0, 5)
    traces = (bytes(240) + np.arange(5, dtype=">f4").tobytes() for _ in range(4))
    return bytes(3200) + bytes(header) + b"".join(traces)


def arrow(ids: np.ndarray, compression: str | None = None) -> bytes:
    """A file of a saved data set."""
    import pyarrow as pa

    stream = io.BytesIO()
    table = pa.table({"input_ids": pa.array(ids.tolist(), pa.list_(pa.int32()))})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(stream, table.schema, options=options) as writer:
        writer.write_table(table)
    return stream.getvalue()


def adopt(checkpoint: dict[str, Any]) -> None:
    checkpoint["a"].add_(checkpoint["b"].sum())


def colour(path: Path) -> Any:
    return image.read(path, "RGB")


def grey(path: Path) -> Any:
    return image.read(path, "L")


def task(path: Path) -> Any:
    return task_files.read("t", str(path), "test")


def tokens_of(form: str) -> Callable[[Path], Any]:
    return lambda path: tokens.read(form, path, tokens.Layout())


FORMATS = {
    "jsonl": Format(".jsonl", texts, lambda: LINES),
    "jsonl.gz": Format(".jsonl.gz", texts, lambda: gzip.compress(LINES)),
    "jsonl.zst": Format(".jsonl.zst", texts, lambda: packed(LINES)),
    "txt": Format(".txt", partial(texts, split="line"), lambda: LINES),
    "utf-16": Format(".txt", texts, lambda: LINES.decode().encode("utf-16")),
    "txt.gz": Format(".txt.gz", texts, lambda: gzip.compress(LINES)),
    "txt.zst": Format(".TXT.ZST", partial(texts, split="blank"), lambda: packed(LINES)),
    "corpus.parquet": Format(".parquet", texts, parquet),
    "jsonl, lenient": Format(".jsonl", partial(texts, strict=False), lambda: LINES, True),
    "jsonl.gz, lenient": Format(
        ".jsonl.gz", partial(texts, strict=False), lambda: gzip.compress(LINES), True
    ),
    "jsonl.zst, lenient": Format(
        ".jsonl.zst", partial(texts, strict=False), lambda: packed(LINES), True
    ),
    "utf-16, lenient": Format(
        ".txt", partial(texts, strict=False), lambda: LINES.decode().encode("utf-16"), True
    ),
    "parquet, lenient": Format(".parquet", partial(texts, strict=False), parquet, True),
    "csv": Format(".csv", table.read, lambda: ROWS),
    "csv.gz": Format(".csv.gz", table.read, lambda: gzip.compress(ROWS)),
    "facts": Format(".csv", statements.read_facts, lambda: ROWS),
    "pairs": Format(".jsonl", files.read_pairs, lambda: PAIRS),
    "table.parquet": Format(".parquet", table.read, parquet),
    "own.parquet": Format(".parquet", tables.read, parquet),
    "task": Format(".jsonl", task, lambda: TASK),
    "task.parquet": Format(".parquet", task, parquet),
    "lines": Format(".jsonl", lambda path: list(text.objects(path)), lambda: TASK),
    "documents": Format(".jsonl", documents.read, lambda: TASK),
    "idx": Format("-idx3-ubyte", array.read_idx, idx),
    "idx.gz": Format("-idx3-ubyte.gz", array.read_idx, lambda: gzip.compress(idx())),
    "rows": Format(".bin", partial(array.read_rows, size=5), lambda: bytes(range(100))),
    "npy": Format(".npy", model.read, lambda: numbers(np.ones((4, 5)))),
    "npz": Format(".npz", model.read, archive),
    "mat": Format(".mat", model.read, matlab),
    "segy": Format(".sgy", model.read, segy),
    "tokens": Format(".npy", tokens_of("memmap"), lambda: numbers(np.arange(50))),
    "data set": Format(".arrow", tokens_of("datasets"), lambda: arrow(np.arange(40).reshape(8, 5))),
    "png": Format(".png", colour, lambda: picture("PNG")),
    "jpeg": Format(".jpg", colour, lambda: picture("JPEG")),
    "tiff": Format(".tif", colour, lambda: picture("TIFF")),
    "webp": Format(".webp", colour, lambda: picture("WEBP")),
    "bmp": Format(".bmp", grey, lambda: picture("BMP", "L")),
    "arrays": Format(".safetensors", arrays.load, safetensors),
    "weights": Format(".safetensors", weights.read, safetensors),
    "weights.pth": Format(".pth", weights.read, torch_weights),
    "checkpoint": Format(".pt", lambda path: weights.resume(path, adopt), torch_weights, True),
    "config": Format(
        ".yaml", config.load, lambda: b"run: x\nseed: 2\nlongtail: {linear: {n: 9}}\n"
    ),
    "claims": Format(".yaml", claims.load, lambda: b"- id: raf.x\n  says: x\n  passes: '> 0'\n"),
}
