"""A run on a cluster, simulated: chains, queues, devices, what is read at once."""

import math

import numpy as np
import pandas as pd
import pytest
from rote.core.errors import InputError
from rote.run import nodes
from rote.run.nodes import Cluster, Node
from rote.run.planned import PlannedJob, read_plan


def job(rule, inputs=(), gpus=0, threads=1):
    return PlannedJob(rule, {}, [rule], "b", "l", gpus, 1000, 60, list(inputs), threads)


def costs(jobs, hours, read_gb=0.0, memory_gb=1.0):
    columns = {"rule": [one.rule for one in jobs], "hours": hours, "disk_gb": 2.0}
    return pd.DataFrame(columns | {"read_gb": read_gb, "memory_gb": memory_gb})


def test_independent_jobs_share_cores_and_wait_for_them():
    jobs = [job(f"raf_{number}") for number in range(8)]
    run = nodes.simulate(jobs, costs(jobs, 1.0, read_gb=36.0), Cluster(1, Node(2, 0, 100)))
    assert run.hours == pytest.approx(4)
    assert (run.most_running, run.most_waiting, run.chain_hours) == (2, 6, 1)
    assert run.cores == pytest.approx(1)
    assert math.isnan(run.gpus)
    assert run.read_gb_s == pytest.approx(2 * 36 / 3600)
    assert run.disk_gb == 16
    four = nodes.simulate(jobs, costs(jobs, 1.0), Cluster(4, Node(2, 0, 100)))
    assert (four.hours, four.most_waiting, four.starts) == (pytest.approx(1), 0, 8)


def test_a_chain_is_no_faster_on_more_nodes():
    jobs = [job("raf_a"), job("raf_b", ["raf_a"]), job("raf_c", ["raf_b"]), job("raf_d")]
    table = costs(jobs, [1.0, 2.0, 3.0, 0.5])
    runs = [nodes.simulate(jobs, table, Cluster(n, Node(1, 0, 100))) for n in (1, 10)]
    assert [run.hours for run in runs] == pytest.approx([6.5, 6])
    assert runs[1].chain == ["raf_a", "raf_b", "raf_c"]
    assert runs[1].cores == pytest.approx(6.5 / 60)


@pytest.mark.parametrize(
    ("node", "hours"), [(Node(8, 1, 100), 4), (Node(8, 4, 100), 1), (Node(8, 4, 2), 2)]
)
def test_devices_and_memory_limit_what_runs(node, hours):
    jobs = [job(f"raf_{number}", gpus=1) for number in range(4)]
    run = nodes.simulate(jobs, costs(jobs, 1.0), Cluster(1, node))
    assert run.hours == pytest.approx(hours)
    assert run.gpus == pytest.approx(4 / (hours * node.gpus))


def test_a_job_that_asks_for_more_than_a_node_gets_a_whole_one():
    jobs = [job("raf_a", gpus=8, threads=99), job("raf_b")]
    run = nodes.simulate(jobs, costs(jobs, 1.0, memory_gb=500), Cluster(1, Node(4, 2, 100)))
    assert run.hours == pytest.approx(2)


def test_random_runs_keep_the_bounds_of_list_scheduling():
    rng = np.random.default_rng(0)
    for _ in range(20):
        jobs = []
        for number in range(30):
            earlier = rng.choice(number, min(number, 2), replace=False) if number else []
            jobs.append(job(f"raf_{number}", [f"raf_{one}" for one in earlier]))
        hours = rng.exponential(size=30)
        run = nodes.simulate(jobs, costs(jobs, hours), Cluster(3, Node(1, 0, 100)))
        lower = max(run.chain_hours, hours.sum() / 3)
        assert lower - 1e-9 <= run.hours <= run.chain_hours + hours.sum() / 3


@pytest.mark.parametrize("text", ["0", "x", "10:32", "10:0,4,256", "-1", "10:32,4"])
def test_clusters_are_numbers(text):
    with pytest.raises(InputError, match="--nodes must be N, or N:cores,devices,GB"):
        nodes.read(text)


def test_clusters_are_read_and_runs_are_told():
    assert nodes.read("10") == Cluster(10)
    cluster = nodes.read("2:64,8,512.5")
    assert cluster == Cluster(2, Node(64, 8, 512.5))
    jobs = [job("raf_a"), job("raf_b", ["raf_a"])]
    lines = list(nodes.sentences(nodes.simulate(jobs, costs(jobs, 1.0), cluster)))
    assert lines[0] == "2 nodes of 64 cores, 8 devices and 512.5 GB each: 2.0 hours"
    assert lines[1] == "  longest chain: 2.0 hours (raf_a → raf_b)"


def test_dry_runs_say_what_jobs_read():
    text = """
rule raf_b:
    input: raf_a, other
    output: raf_b
    benchmark: b.tsv
    threads: 3
    resources: mem_mb=10, runtime=5, gpu=0
"""
    (planned,) = read_plan(text)
    assert (planned.inputs, planned.threads) == (["raf_a", "other"], 3)
    assert nodes.needed([job("raf_a"), planned]) == [set(), {0}]
