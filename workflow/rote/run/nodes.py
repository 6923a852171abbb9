"""A run on the nodes of a cluster, simulated: how long it takes, what waits, what is read at once.

Jobs start as soon as what they read is there and a node has room for them: cores, devices and
memory; of several that could start the one with the longest chain behind it, as lists are scheduled
(Graham 1969: never more than twice the best). Their seconds are those of `rote.run.costs`.
"""

import heapq
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import pandas as pd

from rote.core.errors import InputError
from rote.run.planned import PlannedJob

HOUR = 3600.0


class Node(NamedTuple):
    """What one node offers."""

    cores: int = 32
    gpus: int = 4
    memory_gb: float = 256.0


class Cluster(NamedTuple):
    """Nodes of one kind."""

    nodes: int
    node: Node = Node()


def read(text: str) -> Cluster:
    """A cluster out of `N`, or `N:cores,devices,GB`.

    Args:
        text: as on the command line.

    Raises:
        InputError: for anything else.
    """
    match = re.fullmatch(r"([1-9]\d*)(?::([1-9]\d*),(\d+),(\d+(?:\.\d+)?))?", text.strip())
    if not match:
        raise InputError(
            f"--nodes must be N, or N:cores,devices,GB of memory, as 10:32,4,256; given {text!r}"
        )
    if match[2] is None:
        return Cluster(int(match[1]))
    return Cluster(int(match[1]), Node(int(match[2]), int(match[3]), float(match[4])))


class ClusterRun(NamedTuple):
    """A simulated run."""

    cluster: Cluster
    hours: float  # from the first start to the last end
    chain_hours: float  # of the longest chain of jobs: no cluster is faster
    chain: list[str]  # its rules, first to last, each once
    most_running: int  # jobs at a time
    most_waiting: int  # jobs that could start and have no room
    starts: int  # jobs in the busiest hour
    cores: float  # share of core hours in use until the end
    gpus: float  # the same of devices; NaN without
    read_gb_s: float  # of the busiest moment, all nodes together
    disk_gb: float  # written in all
    largest: str  # rule that writes most
    largest_gb: float


class _Job(NamedTuple):
    number: int
    seconds: float
    cores: int
    gpus: int
    memory_gb: float
    read_gb: float


def simulate(jobs: Sequence[PlannedJob], costs: pd.DataFrame, cluster: Cluster) -> ClusterRun:
    """Run jobs on the nodes of a cluster.

    Args:
        jobs: of a run, see `planned.plan`.
        costs: one row per job, of `rote.run.costs.table`.
        cluster: how many nodes, and what each offers; a job that asks for more gets a whole one.
    """
    node = cluster.node
    work = [
        _Job(
            number,
            row.hours * HOUR,
            min(job.threads, node.cores),
            min(job.gpus, node.gpus),
            min(row.memory_gb, node.memory_gb),
            row.read_gb,
        )
        for number, (job, row) in enumerate(zip(jobs, costs.itertuples(), strict=True))
    ]
    before = needed(jobs)
    ranks, following = _ranks(work, before)
    events = list(_events(work, before, ranks, cluster))
    total = max((end for _, end, _, _ in events), default=0.0)
    written = costs.groupby("rule")["disk_gb"].sum()
    chain = _chain(ranks, following)
    offered = total * cluster.nodes
    return ClusterRun(
        cluster=cluster,
        hours=total / HOUR,
        chain_hours=max(ranks, default=0.0) / HOUR,
        chain=list(dict.fromkeys(jobs[number].rule for number in chain)),
        most_running=_largest_sum([(begin, end, 1) for begin, end, _, _ in events]),
        most_waiting=_largest_sum([(ready, begin, 1) for begin, _, ready, _ in events]),
        starts=_busiest_hour([begin for begin, _, _, _ in events]),
        cores=sum(job.cores * job.seconds for job in work) / max(offered * node.cores, 1e-9),
        gpus=sum(job.gpus * job.seconds for job in work) / offered / node.gpus
        if node.gpus and offered
        else float("nan"),
        read_gb_s=_largest_sum(
            [(begin, end, job.read_gb / max(end - begin, 1e-9)) for begin, end, _, job in events]
        ),
        disk_gb=float(written.sum()),
        largest=str(written.idxmax()) if len(written) else "",
        largest_gb=float(written.max()) if len(written) else 0.0,
    )


def needed(jobs: Sequence[PlannedJob]) -> list[set[int]]:
    """Numbers of the jobs whose outputs each job reads."""
    makers = {}
    for number, job in enumerate(jobs):
        for output in job.outputs:
            makers[output] = number
    result = []
    for number, job in enumerate(jobs):
        result.append({makers[name] for name in job.inputs if name in makers} - {number})
    return result


def _ranks(work: list[_Job], before: list[set[int]]) -> tuple[list[float], list[set[int]]]:
    """Seconds of the longest chain that begins with each job, and the jobs after each."""
    following: list[set[int]] = [set() for _ in work]
    for number, earlier in enumerate(before):
        for one in earlier:
            following[one].add(number)

    @cache
    def rank(number: int) -> float:
        return work[number].seconds + max(map(rank, following[number]), default=0.0)

    return [rank(number) for number in range(len(work))], following


def _chain(ranks: list[float], following: list[set[int]]) -> Iterator[int]:
    """Jobs of the longest chain."""
    numbers: Any = range(len(ranks))
    while numbers:
        number = max(numbers, key=ranks.__getitem__)
        yield number
        numbers = following[number]


def _events(
    work: list[_Job], before: list[set[int]], ranks: list[float], cluster: Cluster
) -> Iterator[tuple[float, float, float, _Job]]:
    """Start, end, when it could have started, and the job itself, in the order of starts."""
    free = [list(cluster.node) for _ in range(cluster.nodes)]
    missing = [len(earlier) for earlier in before]
    ready = [(-ranks[job.number], job.number, 0.0) for job in work if not missing[job.number]]
    heapq.heapify(ready)
    running: list[tuple[float, int, int]] = []  # end, job, node
    now = 0.0
    while ready or running:
        blocked = []
        while ready:
            item = heapq.heappop(ready)
            job = work[item[1]]
            wants = (job.cores, job.gpus, job.memory_gb)
            where = next((i for i, room in enumerate(free) if _fits(wants, room)), None)
            if where is None:
                blocked.append(item)
                continue
            free[where] = [room - want for room, want in zip(free[where], wants, strict=True)]
            heapq.heappush(running, (now + job.seconds, job.number, where))
            yield now, now + job.seconds, item[2], job
        now, number, where = heapq.heappop(running)
        done = work[number]
        wants = (done.cores, done.gpus, done.memory_gb)
        free[where] = [room + want for room, want in zip(free[where], wants, strict=True)]
        for later in range(len(work)):
            if number in before[later]:
                missing[later] -= 1
                if not missing[later]:
                    blocked.append((-ranks[later], later, now))
        ready = blocked
        heapq.heapify(ready)


def _fits(wants: tuple[float, ...], room: list[float]) -> bool:
    return all(want <= offered + 1e-9 for want, offered in zip(wants, room, strict=True))


def _largest_sum(spans: list[tuple[float, float, float]]) -> Any:
    """Largest sum of amounts over spans (begin, end, amount) that are open at one time."""
    changes = []
    for begin, end, amount in spans:
        if end > begin:
            changes += [(begin, 1, amount), (end, 0, -amount)]
    total = largest = 0
    for _, _, amount in sorted(changes):
        total += amount
        largest = max(largest, total)
    return largest


def _busiest_hour(begins: list[float]) -> int:
    """Most starts within an hour."""
    ordered = sorted(begins)
    counts = [bisect_left(ordered, t + HOUR) - at for at, t in enumerate(ordered)]
    return max(counts, default=0)


def sentences(run: ClusterRun) -> Iterator[str]:
    """A simulated run in words.

    Args:
        run: of `simulate`.
    """
    number, node = run.cluster
    devices = f", {node.gpus} devices" if node.gpus else ""
    offer = f"{node.cores} cores{devices} and {node.memory_gb:g} GB each"
    nodes = f"{number} nodes" if number > 1 else "1 node"
    yield f"{nodes} of {offer}: {run.hours:,.1f} hours"
    rules = " → ".join(run.chain)
    yield f"  longest chain: {run.chain_hours:,.1f} hours ({rules})"
    used = f"{run.cores:.0%} of the cores"
    used += f" and {run.gpus:.0%} of the devices" if node.gpus else ""
    yield f"  in use: {used}"
    yield (
        f"  queue: at most {run.most_running} jobs run and {run.most_waiting} wait; "
        f"{run.starts} start in the busiest hour"
    )
    yield (
        f"  file system: {run.disk_gb / 1000:,.1f} TB written, {run.largest_gb / 1000:,.1f} of "
        f"them by {run.largest}; at most {run.read_gb_s:,.1f} GB/s read at once"
    )
