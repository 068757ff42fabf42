"""The function's own concerns: events, asynchronous events, reset."""

import pytest

from driver.accel import jobs
from driver.accel.queue import Completion
from driver.bus import DriverError
from driver.iommu.pagetable import Prot
from driver.model_bus import ModelBus
from driver.run import run
from driver.vfio.host import Host
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.qm import ABNORMAL_INT_SOURCE, AEQ_IRQ_CAP, EQ_IRQ_CAP, SQE_BYTES, AeqeType
from spec.sec import ErrorType
from tests.driver.rig import QUEUES, SID, Machine

BASE = 0x4000_0000
OK = ErrorType.OK


def opened(machine, count):
    """Queues with an address space and a page each."""
    queues = []
    for _ in range(count):
        domain = machine.iommu.domain()
        domain.map(BASE, machine.bus.pages.scatter(), PAGE, Prot.READ | Prot.WRITE)
        queues.append(run(machine.qm.open(domain)))
    return queues


def test_event_ring_wraps():
    machine = Machine(PRESETS["base"])
    queue, = opened(machine, 1)
    for turn in range(3 * machine.qm.eq.depth):
        run(queue.send(jobs.fill(BASE, 16, turn, tag=turn)))
        assert run(machine.qm.service()) == [queue.number]
        assert run(queue.receive()) == [Completion(turn, OK)]
    assert run(machine.qm.service()) == []


def test_a_completion_that_cannot_be_written_is_an_asynchronous_event():
    machine = Machine(PRESETS["base"])
    bad, good = opened(machine, 2)
    machine.bus.memory.poisoned = {(bad.ring + SQE_BYTES * bad.depth) // PAGE}
    run(bad.send(jobs.fill(BASE, 16, 1)))
    run(good.send(jobs.fill(BASE, 16, 1)))
    event, = run(machine.qm.service_async())
    assert (event.queue, event.type) == (bad.number, AeqeType.CQE_ERROR)
    assert run(machine.qm.service_async()) == []
    assert run(machine.qm.take_errors()) == ABNORMAL_INT_SOURCE.make(axi_bresp=1)
    assert not run(machine.qm.take_errors()).value
    assert run(machine.qm.service()) == [good.number]
    machine.bus.memory.poisoned = set()
    run(machine.qm.restart(bad))
    run(bad.send(jobs.fill(BASE, 16, 1, tag=9)))
    assert run(bad.receive()) == [Completion(9, OK)]


def test_host_takes_asynchronous_events():
    """More of them than the ring holds; the last one is still heard of."""
    host = run(Host.start(ModelBus(PRESETS["base"], sid=SID, queues=QUEUES), SID))
    queue = run(host.qm.open(host.iommu.domain()))
    for _ in range(host.qm.aeq.depth + 1):
        host.bus.memory.poisoned = {(queue.ring + SQE_BYTES * queue.depth) // PAGE}
        run(queue.send(jobs.fill(BASE, 16, 1)))
        run(host.service(0))
        assert host.qm.aeq.take() == [], "it was taken"
        host.bus.memory.poisoned = set()
        run(host.qm.restart(queue))
    run(host.qm.close(queue))


def test_reset_forgets_what_was_sent_and_starts_every_queue():
    machine = Machine(PRESETS["base"])
    queues = opened(machine, 3)
    for queue in queues:
        run(queue.send(jobs.fill(BASE, 16, 1)))
    run(machine.qm.reset())
    assert run(machine.qm.service()) == []
    for queue in queues:
        assert run(queue.receive()) == []
        run(queue.send(jobs.fill(BASE, 16, 2, tag=queue.number)))
        assert run(queue.receive()) == [Completion(queue.number, OK)]
    assert sorted(run(machine.qm.service())) == [queue.number for queue in queues]
    machine.check()


def test_messages_survive_a_reset():
    machine = Machine(PRESETS["base"])
    queue, = opened(machine, 1)
    iova, physical = machine.qm.allocate(PAGE)
    run(machine.qm.function.enable_messages(iova, 0x40, 4))
    for turn in range(2):
        machine.bus.memory.write(physical, bytes(4))
        run(queue.send(jobs.fill(BASE, 16, turn)))
        vector = EQ_IRQ_CAP(EQ_IRQ_CAP.RESET).VECTOR
        assert machine.bus.memory.read(physical, 4) == (0x40 + vector).to_bytes(4, "little")
        run(machine.qm.reset())
    machine.bus.memory.poisoned = {(queue.ring + SQE_BYTES * queue.depth) // PAGE}
    run(queue.send(jobs.fill(BASE, 16, 1)))
    vector = AEQ_IRQ_CAP(AEQ_IRQ_CAP.RESET).VECTOR
    assert machine.bus.memory.read(physical, 4) == (0x40 + vector).to_bytes(4, "little")


@pytest.mark.parametrize(("data", "vectors"), [(0x40, 3), (0x40, 8), (0x42, 4)])
def test_messages_that_the_device_cannot_send(data, vectors):
    machine = Machine(PRESETS["base"])
    with pytest.raises(DriverError, match="messages"):
        run(machine.qm.function.enable_messages(0x1000, data, vectors))
