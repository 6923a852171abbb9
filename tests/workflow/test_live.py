"""The live view: what it reads from Snakemake's events and logs, and a run on a terminal."""

import io
import logging
import os
import pty
import re
import subprocess
import time

import pytest
from conftest import BIN, run
from rich.console import Console
from rote.run import live
from snakemake.settings.types import OutputSettings, Quietness
from snakemake_interface_logger_plugins.common import LogEvent


def event(kind, level=logging.INFO, **values) -> logging.LogRecord:
    return logging.makeLogRecord({"levelno": level, "msg": "", "event": kind, **values})


def started(jobid: int, rule: str, log=(), output=(), **wildcards) -> logging.LogRecord:
    files = {"log": list(log), "output": list(output)}
    return event(LogEvent.JOB_INFO, jobid=jobid, rule_name=rule, wildcards=wildcards, **files)


@pytest.fixture
def progress() -> live.Progress:
    """Two short jobs and one of a known length planned."""
    made = live.Progress(usual={"short": 10.0, "long": 100.0})
    made.read(event(LogEvent.RUN_INFO, stats={"short": 2, "long": 1, "total": 3}))
    return made


def test_progress_scales_usual_times_to_the_pace_of_the_run(progress, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    assert progress.left() is None
    progress.read(started(1, "short"))
    now[0] += 20  # twice as long as usual
    progress.read(event(LogEvent.JOB_FINISHED, job_id=1))
    assert progress.left() == pytest.approx(2 * (10 + 100))
    progress.read(started(2, "long"))
    now[0] += 50
    assert progress.left() == pytest.approx(2 * 10 + 2 * 100 - 50)
    progress.read(started(3, "short"))
    assert progress.left() == pytest.approx((2 * 10 + 2 * 100 - 50) / 2)  # two jobs side by side
    now[0] += 1000
    assert progress.left() == 0


def test_progress_counts_a_failed_job_once(progress):
    progress.read(started(1, "short"))
    for _ in range(2):  # Snakemake tells it twice
        progress.read(event(LogEvent.JOB_ERROR, jobid=1))
    assert progress.failed == 1
    assert not progress.running


def test_view_shows_running_jobs_with_their_last_log_line(progress, tmp_path):
    log = tmp_path / "train.log"
    progress.read(started(7, "long", [str(log)], run="laptop", width="4"))
    log.write_text("12:00:01 old\n12:00:02 training: 40 of 100, loss 1.25, 4 s, about 6 s left\n")
    console = Console(record=True, width=120, file=io.StringIO(), force_terminal=True)
    console.print(live.view(progress))
    shown = console.export_text()
    assert "0 of 3 jobs" in shown
    assert re.search(r"long width=4 +\d:\d\d +training: 40 of 100, loss 1.25", shown)
    assert "laptop" not in shown


def test_progress_brings_the_finding_of_a_judged_paper_and_the_report(
    progress, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mine/claims").mkdir(parents=True)
    (tmp_path / "results/mine/claims/raf.txt").write_text("Rules and facts: all 31\n")
    outputs = ["results/mine/claims/raf.parquet", "results/mine/claims/raf.txt"]
    assert progress.read(started(1, "short", output=outputs)) == ""
    assert progress.read(event(LogEvent.JOB_FINISHED, job_id=1)) == "Rules and facts: all 31"
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(live.view(progress))
    progress.read(started(2, "long", output=["reports/mine/raf.ipynb", "reports/mine/raf.html"]))
    assert progress.read(event(LogEvent.JOB_FINISHED, job_id=2)) == ""
    console.print(live.view(progress))
    assert console.export_text().count("The report so far: reports/mine/index.html") == 1


@pytest.mark.parametrize("quiet", [set(), {Quietness.ALL}])
def test_findings_stand_among_plain_lines(quiet, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mine/claims").mkdir(parents=True)
    (tmp_path / "results/mine/claims/raf.txt").write_text("Rules and facts: all 31\n")
    handler = live.LogHandler(OutputSettings(quiet=quiet), None)
    handler.progress.running[1] = live.Running(
        "short", "", None, time.monotonic(), ["results/mine/claims/raf.txt"]
    )
    handler.emit(event(LogEvent.JOB_FINISHED, job_id=1))
    assert ("Rules and facts: all 31\n" in capsys.readouterr().err) == (not quiet)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (b"", ""),
        (b"\n\n", ""),
        (b"10:00:00 one\n", "one"),
        (b"\xff\xfe 9\n", "9"),
        (b"x" * 9000, "x" * 4096),
    ],
)
def test_last_line_reads_any_log(tmp_path, text, last):
    (tmp_path / "log").write_bytes(text)
    assert live.last_line(tmp_path / "log") == last
    assert live.last_line(tmp_path / "absent") == ""


def test_usual_seconds_are_of_existing_rules(project):
    rules = set(run(project, "snakemake", "--list-rules", "--cores", "1").stdout.split())
    assert set(live.usual_seconds()) <= rules
    assert min(live.usual_seconds().values()) > 0


def on_a_terminal(project, *command: str) -> str:
    """What a terminal is sent while `command` runs."""
    screen, terminal = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(project / "workflow"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "TERM": "xterm",
        "COLUMNS": "140",
        "LINES": "40",
    }
    running = subprocess.Popen(
        command, cwd=project, env=environment, stdout=terminal, stderr=terminal, stdin=terminal
    )
    os.close(terminal)
    output = b""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            if not (piece := os.read(screen, 65536)):
                break
        except OSError:  # the other side is closed
            break
        output += piece
    running.wait(30)
    os.close(screen)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.decode(errors="replace"))


def test_live_view_appears_on_a_terminal_only(project):
    command = ("snakemake", "--cores", "2", "--configfile", "config/smoke.yaml", "--")
    target = "results/smoke/longtail/linear_sweep.parquet"
    shown = on_a_terminal(project, *command, target)
    assert (project / target).exists()
    assert "0 of 1 jobs" in shown
    assert "longtail_solve_linear" in shown
    assert "1 of 1 jobs" in shown
    assert "Select jobs to execute" not in shown  # Snakemake's own lines
    (project / target).unlink()
    output = run(project, *command, target).stderr
    assert "rule longtail_solve_linear:" in output
    assert "1 of 1 steps (100%) done" in output


def test_live_view_leaves_errors_on_the_terminal(project):
    command = ("snakemake", "--cores", "1", "--configfile", "config/smoke.yaml", "--config")
    wrong = "longtail={images: {source: mnist, root: /nowhere}}"
    shown = on_a_terminal(project, *command, wrong, "--", "results/smoke/longtail/images.parquet")
    assert "rote: error: MNIST folder /nowhere does not exist" in shown
    assert "1 failed" in shown
