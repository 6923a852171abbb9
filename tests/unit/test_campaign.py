"""The campaign on a device, at toy size on the CPU: every part, the table, parts that fail."""

import argparse
import json
from importlib import import_module

import numpy as np
import pytest
import torch
from rote import train

from tests.campaign import __main__ as campaign
from tests.campaign import record

SETTING = record.Setting(device="cpu", toy=True, seconds=10.0, out=None)


def options(out, *parts):
    fields = {"device": "cpu", "toy": True, "mnist": "", "cifar": ""}
    return argparse.Namespace(parts=list(parts), out=out, **fields)


@pytest.mark.parametrize("part", campaign.PARTS)
def test_parts_run_on_the_cpu(part, tmp_path):
    for row in import_module(f"tests.campaign.{part}").measure(SETTING):
        record.append(tmp_path / "rows.jsonl", row)
    rows = campaign.stored(tmp_path / "rows.jsonl")
    for row in (row for row in rows if row["kind"] == "training"):
        assert row["steps"] >= 2
        assert row["steps_per_s"] > 0
        assert row["tflops"] is None or 0 < row["share"] == row["share_of_product"] < 1.5
        assert row["last_loss"] > 0
    assert any(row["kind"] == "statistic" for row in rows) != (part == "stacks")


def test_images_of_a_folder_are_used(mnist_folder):
    from tests.campaign import longtail, resmem

    given = SETTING._replace(mnist=str(mnist_folder))
    assert longtail._images(given).source == "mnist"
    task, section = resmem._task(given)
    assert (task.name, section.root) == ("mnist", str(mnist_folder))
    assert resmem._task(given._replace(cifar="data"))[0].name == "cifar"


def test_a_part_that_fails_or_is_slow_costs_no_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(campaign, "PARTS", {"absent": 60, "cramless": 0.2, "stacks": 60})
    assert campaign.campaign(options(tmp_path)) == 1
    report = json.loads((tmp_path / "campaign.json").read_text())
    states = {part["part"]: part["state"] for part in report["parts"]}
    assert states == {"absent": "failed", "cramless": "out of time", "stacks": "done"}
    table = (tmp_path / "campaign.md").read_text()
    assert "| cramless | out of time |" in table
    assert "score networks of width 128, graph | float32 |" in table
    assert table in capsys.readouterr().out


def test_seconds_of_the_parts_fit_into_ten_minutes():
    assert sum(campaign.PARTS.values()) <= 600


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA GH200 480GB", 989),
        ("NVIDIA A100-SXM4-40GB", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA A10G", None),
        ("CPU", None),
    ],
)
def test_peaks_go_by_the_name_of_the_device(name, tflops):
    peak = record.published_peak(name, torch.bfloat16)
    assert np.isnan(peak) if tflops is None else peak == tflops * 1e12


def test_clock_counts_steps_and_reads_losses():
    start = {"weight": torch.ones(1, 3)}
    with record.Clock(SETTING, "squares").running() as clock:
        train.fit(start, lambda p, step: (p["weight"] ** 2).sum(1), train.AdamW(40, 0.1))
    assert clock.steps == 40
    assert clock.losses[-1] < clock.losses[0] <= 3
    assert 0 < clock.steps_per_second < 1e6
    assert record.steps_within(clock, 1e9, 7) == 7
    assert record.steps_within(clock, 0.0, 7) == 2


def test_rows_are_json_whatever_their_values(tmp_path):
    record.append(tmp_path / "rows", record.statistic("x", "", [1.0, float("nan")]))
    whole = (tmp_path / "rows").read_text()
    (tmp_path / "rows").write_text(whole + '{"cut')
    assert campaign.stored(tmp_path / "rows")[0]["values"] == [1.0, None]
