"""The live view of a run: jobs done and running, time left, losses of the trainings, findings.

`profiles/default` turns it on. On a terminal it is one screen that changes in place, above it only
what went wrong, and a line for each paper once its claims are judged. Elsewhere (CI, a pipe, a log
file), and with `--dry-run`, `--verbose` or `--printshellcmds`, Snakemake's own lines are shown, and
the papers' among them.
"""

import re
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from logging import WARNING, LogRecord
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from rote.run import order

# outputs that say what a paper's claims gave, and that the report has grown
_FINDING = re.compile(r"results/[^/]+/claims/\w+\.txt")
_PAGE = re.compile(r"reports/[^/]+/\w+\.html")


def usual_seconds(scale: str = "laptop") -> dict[str, float]:
    """Mean seconds of a job, by rule, as measured once on one core of a server."""
    return {rule: sum(values) / len(values) for rule, values in order.seconds(scale).items()}


def last_line(log: Path, block: int = 4096) -> str:
    """The last line of a job's log, without the time stamp; "" if there is none yet.

    Args:
        log: the file; may be missing.
        block: bytes that are read from its end; a longer line is cut.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - block))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    lines = [line.strip() for line in lines if line.strip()]
    return lines[-1].split(" ", 1)[-1] if lines else ""


def clock(seconds: float) -> str:
    """1:05, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass
class Running:
    """A job that was started."""

    rule: str
    wildcards: str  # "name=value ..."
    log: Path | None
    begun: float
    outputs: list[str]


@dataclass
class Progress:
    """What Snakemake has said about a run so far. Times are seconds of `time.monotonic`."""

    usual: dict[str, float] = field(default_factory=usual_seconds)
    planned: Counter = field(default_factory=Counter)  # jobs by rule
    finished: Counter = field(default_factory=Counter)
    running: dict[int, Running] = field(default_factory=dict)
    spent: float = 0.0  # by finished jobs
    failed: int = 0
    report: str = ""  # the overview, once a paper's page is there
    begun: float = field(default_factory=time.monotonic)

    def read(self, record: LogRecord) -> str:
        """Read one of Snakemake's events; returns the finding of a paper if it brings one."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.planned = Counter({rule: n for rule, n in record.stats.items() if rule != "total"})
        elif event == LogEvent.JOB_INFO:
            wildcards = dict(record.wildcards or {})
            wildcards.pop("run", None)
            label = " ".join(f"{name}={value}" for name, value in wildcards.items())
            log = Path(record.log[0]) if record.log else None
            self.running[record.jobid] = Running(
                record.rule_name, label, log, time.monotonic(), list(record.output or ())
            )
        elif event == LogEvent.JOB_FINISHED:
            if job := self.running.pop(record.job_id, None):
                self.finished[job.rule] += 1
                self.spent += time.monotonic() - job.begun
                return self._brought(job)
        elif event == LogEvent.JOB_ERROR:
            self.failed += self.running.pop(record.jobid, None) is not None
        return ""

    def _brought(self, job: Running) -> str:
        """What a paper's claims gave, if the job judged them; notes that the report has grown."""
        for output in job.outputs:
            if page := _PAGE.match(output):
                self.report = str(Path(page[0]).with_name("index.html"))
            elif finding := _FINDING.match(output):
                with suppress(OSError):  # a file system that lags behind
                    return Path(finding[0]).read_text("utf-8").strip()
        return ""

    def expected(self, rule: str) -> float:
        """Seconds that a job of `rule` usually takes; for unmeasured rules, the mean of all."""
        return self.usual.get(rule) or sum(self.usual.values()) / max(1, len(self.usual))

    def left(self) -> float | None:
        """Seconds until the end if as many jobs run side by side as now; None before one finished.

        Usual times, corrected by how much longer or shorter than usual this run's finished jobs
        took.
        """
        usual = sum(n * self.expected(rule) for rule, n in self.finished.items())
        if not usual:
            return None
        pace = self.spent / usual
        now = time.monotonic()
        waiting = self.planned - self.finished - Counter(job.rule for job in self.running.values())
        ahead = sum(n * self.expected(rule) for rule, n in waiting.items()) * pace
        ahead += sum(
            max(0.0, self.expected(job.rule) * pace - (now - job.begun))
            for job in self.running.values()
        )
        return ahead / max(1, len(self.running))


def view(progress: Progress) -> Group:
    """The screen."""
    done, total = progress.finished.total(), progress.planned.total()
    left = progress.left()
    now = time.monotonic()
    head = Text.assemble(
        ("rote  ", "bold"),
        f"{done} of {total} jobs   {clock(now - progress.begun)} elapsed",
        "" if left is None or done == total else _time_left(left),
        (f"   {progress.failed} failed" if progress.failed else "", "bold red"),
    )
    jobs = Table(box=None, show_header=False, padding=(0, 2, 0, 0), expand=True)
    jobs.add_column(no_wrap=True)
    jobs.add_column(justify="right", no_wrap=True)
    jobs.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
    for job in progress.running.values():
        name = Text.assemble(job.rule, (f" {job.wildcards}", "dim"))
        jobs.add_row(name, clock(now - job.begun), Text(last_line(job.log) if job.log else ""))
    # padded, since a bar alone does not end its line
    bar = Padding(ProgressBar(total=max(1, total), completed=done), 0)
    grows = progress.report and done < total
    where = [Text(f"The report so far: {progress.report}")] if grows else []
    return Group(head, bar, jobs, *where)


def _time_left(seconds: float) -> str:
    return f"   about {clock(seconds)} left" if seconds >= 5 else "   nearly done"


class LogHandler(LogHandlerBase):
    """Snakemake's plugin interface: records are drawn, or passed on to Snakemake's own handler."""

    def __post_init__(self) -> None:
        options = self.common_settings
        self.live = None
        self._lock = threading.Lock()
        stream = sys.stdout if options.stdout else sys.stderr
        details = options.verbose or options.printshellcmds or options.debug_dag
        plain = options.dryrun or options.quiet or details or not stream.isatty()
        self.plain = ColorizingTextHandler(nocolor=options.nocolor, stream=stream)
        self.plain.setFormatter(DefaultFormatter(options.quiet, options.show_failed_logs))
        self.console = None if plain else Console(file=stream)
        self.stream = stream
        self.silent = bool(options.quiet)
        self.progress = Progress()

    def emit(self, record: LogRecord) -> None:
        """Draw what a record changes, print what went wrong; pass it on where nothing is drawn."""
        # not around what follows: the thread that draws holds rich's lock and waits for this one
        with self._lock:
            finding = self.progress.read(record)
            ended = self.progress.finished.total() + self.progress.failed
            over = ended >= self.progress.planned.total()
        if self.console is None:
            self.plain.emit(record)
            if finding and not self.silent:
                print(finding, file=self.stream, flush=True)
            return
        event = getattr(record, "event", None)
        if finding:
            self.console.print(Text(finding))
        if event == LogEvent.RUN_INFO:
            self.live = Live(get_renderable=self._draw, console=self.console, refresh_per_second=2)
            self.live.start()
        words = self.plain.format(record)
        if words and (record.levelno >= WARNING or (event is None and self.live is None)):
            self.console.print(Text(words, style="red" if record.levelno > WARNING else ""))
        if event == LogEvent.PROGRESS and over:
            self.close()

    def _draw(self) -> Group:
        with self._lock:
            return view(self.progress)

    def close(self) -> None:
        """Leave the last screen standing."""
        if self.live is not None:
            self.live.stop()
            self.live = None
        super().close()

    writes_to_stream = property(lambda self: True)
    writes_to_file = property(lambda self: False)
    has_filter = property(lambda self: False)
    has_formatter = property(lambda self: False)
    needs_rulegraph = property(lambda self: False)
