"""The function's own concerns: events, asynchronous events, reset."""

from rig import Machine

from driver.accel import jobs
from driver.accel.queue import Completion
from driver.iommu.pagetable import Prot
from driver.run import run
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.qm import SQE_BYTES, AeqeType
from spec.sec import ErrorType

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
    assert run(machine.qm.service()) == [good.number]
    machine.bus.memory.poisoned = set()
    run(machine.qm.restart(bad))
    run(bad.send(jobs.fill(BASE, 16, 1, tag=9)))
    assert run(bad.receive()) == [Completion(9, OK)]


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
