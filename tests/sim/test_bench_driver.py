"""`substream bench driver`: the workloads run to their end; on the RTL cycles are counted."""

from sim.bench_driver import on_model
from sim.driver_load import CHANNELS, PAGES


def test_on_the_model():
    rows = on_model("tiny")
    assert [row.get("pages") or row["channels"] for row in rows] == [
        *map(str, PAGES), 1, CHANNELS]
    for row in rows:
        assert row["value"] > 0
        assert {"case", "stage", "metric", "value", "unit", "bar", "ok"} <= set(row)
