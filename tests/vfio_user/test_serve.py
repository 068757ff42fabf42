"""`substream serve` as a process."""

import subprocess
import sys

import pytest

from driver.run import run
from driver.wd.queue import copy_job
from driver.wd.request import request
from driver.wd.vfio_user import VfioUserProvider
from pymodel.memory import PAGE
from sim.serve.process import served
from spec.sec import ErrorType


def use(directory):
    """Two programs with the same addresses; the second one leaves without a word."""
    queues = [run(request([VfioUserProvider(directory)])) for _ in range(2)]
    memories = [run(queue.reserve(16 * PAGE)) for queue in queues]
    for n, memory in enumerate(memories):
        memory.write(0, bytes([n + 1]) * 8 * PAGE)
    for queue, memory in zip(queues, memories, strict=True):
        run(queue.copy(memory.address, memory.address + 8 * PAGE, 8 * PAGE))
    for n, (queue, memory) in enumerate(zip(queues, memories, strict=True)):
        assert run(queue.wait())
        assert run(queue.receive())[0].error is ErrorType.OK
        assert memory.read(8 * PAGE, 8 * PAGE) == bytes([n + 1]) * 8 * PAGE
    leaver, stayer = queues
    for n in range(4):
        run(leaver.copy(memories[0].address, memories[0].address + 8 * PAGE, 8 * PAGE, tag=n))
    run(leaver.release())
    memory = memories[1]
    done = run(stayer.run(copy_job(memory.address + 4 * PAGE, 0x1000, 16)))
    assert done.error is ErrorType.DATA_WRITE
    assert run(stayer.run(copy_job(memory.address, memory.address + 64, 16))).error == 0
    heir = run(request([VfioUserProvider(directory)]))
    memory = run(heir.reserve(PAGE))
    assert run(heir.run(copy_job(memory.address, memory.address + 64, 16))).error == 0
    return heir, stayer


@pytest.mark.parametrize("args", [
    ("--dut", "model"),
    pytest.param(("--dut", "rtl", "--sim", "verilator"), marks=pytest.mark.verilator),
    pytest.param(("--dut", "rtl", "--sim", "icarus"), marks=pytest.mark.icarus)],
    ids=["model", "verilator", "icarus"])
def test_clients_of_a_process(tmp_path, args):
    with served(tmp_path, *args):
        for queue in use(tmp_path):
            run(queue.release())


def test_ends_while_clients_are_connected(tmp_path):
    with served(tmp_path):
        queues = use(tmp_path)
    for queue in queues:
        run(queue.release())


def test_two_servers_of_one_directory(tmp_path):
    with served(tmp_path, "--channels", "2") as line:
        assert "2 channels" in line
        second = subprocess.run([sys.executable, "-m", "sim", "serve", str(tmp_path)],
                                capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert "is being served" in second.stderr
