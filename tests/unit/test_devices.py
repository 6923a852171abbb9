"""The device table: every workload is measured, none faster than the peak by more than noise."""

import math

from rote.run import devices


def test_devices_measure_the_cpu(monkeypatch):
    monkeypatch.setattr(devices, "SECONDS", 0.02)
    rows = devices.measure("cpu")
    assert [row.workload.split()[0] for row in rows] == ["matrix", "copy", "training", "10"]
    assert all(row.throughput > 0 for row in rows)
    assert math.isnan(rows[1].share)
    assert rows[0].share == 1
    assert all(0 < row.share < 1.5 for row in rows[2:])
