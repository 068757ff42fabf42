"""`substream bench driver`: the workloads run to their end; on the RTL cycles are counted."""

from sim import bench_vfio_user
from sim.bench_driver import on_model
from sim.driver_load import CHANNELS, PAGES


def test_on_the_model():
    rows = on_model("tiny")
    assert [row.get("pages") or row["channels"] for row in rows] == [
        *map(str, PAGES), 1, CHANNELS]
    for row in rows:
        assert row["value"] > 0
        assert {"case", "stage", "metric", "value", "unit", "bar", "ok"} <= set(row)


def test_through_sockets(monkeypatch):
    monkeypatch.setattr(bench_vfio_user, "TRIPS", 2 * CHANNELS)
    monkeypatch.setattr(bench_vfio_user, "JOBS", CHANNELS)
    rows = bench_vfio_user.on("model", "tiny")
    assert [(row["case"], row["channels"]) for row in rows] == [
        (case, count) for count in (1, CHANNELS)
        for case in ("vfio-user registers", "vfio-user jobs")]
    assert all(row["value"] > 0 for row in rows)
