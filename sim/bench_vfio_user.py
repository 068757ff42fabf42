"""Figures of vfio-user: round trips and jobs, one client and 64 at once, on model and RTL."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from driver.run import run
from driver.vfio.mdev import DOORBELL
from driver.vfio_user import uapi
from driver.vfio_user.uapi import Command
from driver.wd.queue import Queue
from driver.wd.vfio_user import VfioUserChannel
from pymodel.memory import PAGE
from sim.driver_load import CHANNELS, JOB_BYTES
from sim.serve.process import served
from spec.qm import DOORBELL_OFFSET
from spec.sec import ErrorType

TRIPS, JOBS = 4096, 512  # in all
PATIENCE = 60_000  # milliseconds


def vfio_user(preset: str) -> list[dict[str, Any]]:
    """Rows for `substream bench driver`: a server process, and clients here."""
    return [row for dut in ("model", "rtl") for row in on(dut, preset)]


def on(dut: str, preset: str) -> list[dict[str, Any]]:
    """One kind of server."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="substream-") as name, served(
            Path(name), "--dut", dut, "--preset", preset, "--channels", str(CHANNELS)):
        for count in (1, CHANNELS):
            channels = [VfioUserChannel(Path(name) / f"channel{n}.sock") for n in range(count)]
            queues = [Queue(channel, run(channel.info())) for channel in channels]
            for case, unit, measure in (
                    ("vfio-user registers", "round trip", lambda c=channels: trips(c)),
                    ("vfio-user jobs", "job", lambda q=queues: jobs(q))):
                start = time.perf_counter()
                done = measure()
                rows.append({
                    "case": case, "stage": dut, "channels": count, "metric": f"{unit}s per second",
                    "value": done / (time.perf_counter() - start), "unit": "/s", "bar": None,
                    "ok": True} | ({"sim": "verilator"} if dut == "rtl" else {}))
            for queue in queues:
                run(queue.release())
    return rows


def trips(channels: list[VfioUserChannel]) -> int:
    """Reads of a register, one under way in every channel."""
    access = uapi.RegionAccess(DOORBELL_OFFSET, DOORBELL, 8).encode()
    rounds = TRIPS // len(channels)
    for _ in range(rounds):
        for channel in channels:
            channel.client.post(Command.REGION_READ, access)
        for channel in channels:
            channel.client.receive()
    return rounds * len(channels)


def jobs(queues: list[Queue]) -> int:
    """Copies of a few bytes, one under way in every queue, each announced by its eventfd."""
    memories = [run(queue.reserve(PAGE)) for queue in queues]
    rounds = JOBS // len(queues)
    for _ in range(rounds):
        for queue, memory in zip(queues, memories, strict=True):
            run(queue.copy(memory.address, memory.address + PAGE // 2, JOB_BYTES))
        for queue in queues:
            if not run(queue.wait(PATIENCE)):
                raise TimeoutError("a job does not end")
            if [job.error for job in run(queue.receive())] != [ErrorType.OK]:
                raise RuntimeError("a job failed")
    return rounds * len(queues)
