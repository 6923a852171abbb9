"""Full disk, read-only folder, no memory, device or input: one error, nothing half-written."""

import os
import resource
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import BIN, ROOT, run
from rote import plotting, train
from rote.core import arrays, job, tables
from rote.core.errors import InputError
from rote.ngrams import tokenizing
from rote.papers.longtail import schema

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")


@pytest.fixture
def disk(tmp_path):
    """mount(options) -> a folder that is a small disk of its own."""
    mounted = []

    def mount(options: str):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "rote-test", folder], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


def scaling(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=rows) for name in schema.Scaling.model_fields}
    frame = pd.DataFrame(values)
    integers = [
        name for name, field in schema.Scaling.model_fields.items() if field.annotation is int
    ]
    return frame.assign(**{name: np.arange(rows) for name in integers})


def write_table(folder):
    tables.write(folder / "scaling.parquet", scaling(50_000), schema.Scaling, {})
    return folder / "scaling.parquet"


def write_arrays(folder):
    arrays.save(folder / "a.safetensors", {"x": np.zeros(300_000)})
    return folder / "a.safetensors"


def write_checkpoint(folder):
    start = {"w": torch.zeros(2, 200_000)}

    def loss(p, step):
        return ((p["w"] - step) ** 2).mean(1)

    train.fit(
        start,
        loss,
        train.AdamW(steps=3, learning_rate=0.1),
        checkpoint=train.Checkpoint(folder / "c.pt", 1),
    )
    return folder / "c.pt"


def write_figure(folder):
    with tables.atomic(folder / "f.png") as temporary:
        canvas, axes = plotting.panels(1, 1)
        axes.flat[0].imshow(np.random.default_rng(0).random((900, 900)))
        canvas.savefig(temporary, dpi=900)
    return folder / "f.png"


def write_corpus(folder):
    (folder.parent / "text.txt").write_text("some words that are many " * 40_000)
    tokenizing.tokenize([folder.parent / "text.txt"], folder / "corpus")
    return folder / "corpus"


WRITERS = [write_table, write_arrays, write_checkpoint, write_figure, write_corpus]


@pytest.mark.fault("full disk")
@needs_root
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_writers_leave_nothing_on_a_full_disk_and_work_after(disk, writer):
    folder = disk("size=128k")
    with pytest.raises(OSError, match="No space left on device") as caught:
        writer(folder)
    assert str(folder) in caught.value.filename
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)
    assert writer(folder).exists()


@pytest.mark.fault("read-only folder")
@needs_root
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_writers_name_a_read_only_folder(disk, writer):
    folder = disk("size=1m,ro")
    with pytest.raises((OSError, InputError)) as caught:
        writer(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.fault("full disk")
@needs_root
def test_command_reports_a_full_disk_in_one_line(disk, smoke):
    """A verb on a full disk: what, where, what to do; exit 1; the old table stays whole."""
    folder = disk("size=8k")
    command = [
        "longtail",
        "solve-scaling",
        "--settings",
        '{"rows": [100, 200], "d": 300, "replicates": 400}',
    ]
    done = run(smoke, "rote", *command, "--out", str(folder / "scaling.parquet"), check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("rote: error: No space left on device")
    assert str(folder) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=10m", folder], check=True)
    run(smoke, "rote", *command, "--out", str(folder / "scaling.parquet"))
    before = (folder / "scaling.parquet").read_bytes()
    subprocess.run(
        ["mount", "-o", f"remount,size={-(-len(before) // 4096) * 4 + 8}k", folder], check=True
    )
    done = run(
        smoke,
        "rote",
        *command,
        "--seed",
        "2",
        "--out",
        str(folder / "scaling.parquet"),
        check=False,
    )
    assert "rote: error: No space left on device" in done.stderr
    assert (folder / "scaling.parquet").read_bytes() == before


@pytest.mark.fault("too little memory")
def test_command_reports_too_little_memory_in_one_line(smoke, tmp_path):
    """A limit on the address space, as batch systems set one."""
    command = [
        BIN / "rote",
        "longtail",
        "solve-linear",
        "--settings",
        '{"n": 20000, "d": 60000, "replicates": 2}',
    ]
    command += [
        f"--{name}={tmp_path / name}.parquet" for name in ("sets", "sweep", "ranks", "shrinkage")
    ]
    done = subprocess.run(
        list(map(str, command)),
        cwd=smoke,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(smoke / "workflow"), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30)),
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("rote: error: out of memory")
    assert "lower the sizes in the config" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_lease_refuses_more_devices_than_exist(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-fake-a,MIG-fake-b")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with (
        pytest.raises(
            InputError,
            match=r"wants 3 devices, this machine shows 2 \(MIG-fake-a, MIG-fake-b\)",
        ),
        job.start("x", gpus=3),
    ):
        pass


def test_command_names_a_vanished_input(smoke, tmp_path):
    out = tmp_path / "out.parquet"
    done = run(
        smoke,
        "rote",
        "longtail",
        "synthesize-triples",
        f"--images={tmp_path}/gone.parquet",
        f"--out={out}",
        check=False,
    )
    assert done.returncode == 1
    assert (
        f"table {tmp_path}/gone.parquet does not exist; run the rule that makes it" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert not out.exists()


@pytest.mark.fault("damaged file")
@pytest.mark.parametrize(
    ("writer", "reader", "expected"),
    [
        (
            write_table,
            tables.read,
            r"scaling\.parquet is not a whole Parquet file .*make it anew: snakemake ",
        ),
        (write_arrays, arrays.load, r"a\.safetensors is not a whole safetensors file"),
    ],
)
def test_readers_refuse_truncated_files(tmp_path, writer, reader, expected):
    path = writer(tmp_path)
    content = path.read_bytes()
    for size in (0, 4, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=expected):
            reader(path)


@pytest.mark.fault("damaged file")
def test_fit_starts_over_from_a_truncated_checkpoint(tmp_path, caplog):
    path = write_checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    write_checkpoint(tmp_path)
    assert "is unreadable" in caplog.text
    assert "starting from step 0" in caplog.text


@pytest.mark.fault("kill -9 of a writer")
def test_atomic_removes_leftovers_of_killed_writers(tmp_path):
    """Killed between write and rename; the living writer of the same file is left alone."""
    program = (
        "import os, signal, sys; from pathlib import Path; from rote.core import tables\n"
        "with tables.atomic(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(3):
        subprocess.run(
            [sys.executable, "-c", program, tmp_path / "t.txt"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        )
    assert len(list(tmp_path.iterdir())) == 1  # each call swept its predecessor's
    with tables.atomic(tmp_path / "t.txt") as mine:
        mine.write_text("mine")
        assert tables.sweep(tmp_path) == []
        assert list(tmp_path.iterdir()) == [mine]
    assert (tmp_path / "t.txt").read_text() == "mine"
    (tmp_path / ".t.other_machine-1-abc.tmp.txt").write_text("not ours to judge")
    (tmp_path / f".u.{tables._HOST}-999999999-abc.tmp.txt").write_text("its process is gone")
    assert [path.name for path in tables.sweep(tmp_path)] == [
        f".u.{tables._HOST}-999999999-abc.tmp.txt"
    ]
