"""Processes that share their address space with the device; ASIDs fewer than address spaces."""

import dataclasses
import errno

import pytest

from driver.iommu.pagetable import Prot
from driver.iommu.process import Process
from driver.run import run
from pymodel.memory import PAGE
from spec.impl import PRESETS
from spec.sec import ErrorType
from tests.driver.rig import SMALL_ASIDS, Machine, fails

TEXT = b"what the program wrote" * 300
SIZE = len(TEXT)


@pytest.fixture(params=["tiny", "base"])
def machine(request):
    machine = Machine(PRESETS[request.param])
    yield machine
    machine.check()


def program(machine):
    """A bound process with a source and a target, and its queue."""
    process = Process(machine.iommu)
    source, target = process.mmap(len(TEXT)), process.mmap(len(TEXT))
    process.write(source, TEXT)
    binding = run(process.bind(machine.stream))
    return process, binding, source, target, run(machine.qm.open(binding))


def job(machine, queue, source, target, size=SIZE):
    """Copy to the end; the completions."""
    run(queue.copy(source, target, size, 1))
    run(machine.iommu.faults.service())
    return run(queue.receive())


def test_device_works_at_program_addresses(machine):
    process, _, source, target, queue = program(machine)
    assert job(machine, queue, source, target)[0].error is ErrorType.OK
    assert process.read(target, len(TEXT)) == TEXT


def test_two_processes_same_addresses(machine):
    first, _, source, target, queue = program(machine)
    second, _, source2, target2, queue2 = program(machine)
    assert (source, target) == (source2, target2)
    second.write(source, TEXT[::-1])
    job(machine, queue, source, target)
    job(machine, queue2, source2, target2)
    assert first.read(target, len(TEXT)) == TEXT
    assert second.read(target, len(TEXT)) == TEXT[::-1]


def test_one_pasid_for_each_process(machine):
    process, binding, *_ = program(machine)
    again = run(process.bind(machine.stream))
    assert again is binding
    run(process.unbind(again))
    assert machine.stream.domain(binding.pasid) is process.domain


def test_exit_frees_pasid_and_memory(machine):
    free = len(machine.bus.pages._scattered)
    process, binding, *_ = program(machine)
    pasid = binding.pasid
    run(process.exit())
    assert machine.stream.domain(pasid) is None
    assert len(machine.bus.pages._scattered) == free
    assert not machine.qm.queues
    assert program(machine)[1].pasid == pasid


def test_exit_in_the_middle_of_a_job():
    machine = Machine(PRESETS["base"])
    process, binding, source, target, queue = program(machine)
    pasid = binding.pasid
    run(queue.copy(source, target, len(TEXT), 7))
    assert len(machine.bus.smmu.stalls)  # the job waits for the program's page
    run(process.exit())
    assert not len(machine.bus.smmu.stalls)
    heir, binding, source, target, queue = program(machine)
    assert binding.pasid == pasid
    assert job(machine, queue, source, target)[0].error is ErrorType.OK
    assert heir.read(target, len(TEXT)) == TEXT
    machine.check()


def test_munmap_takes_the_page_from_the_device(machine):
    process, _, source, target, queue = program(machine)
    job(machine, queue, source, target)
    run(process.munmap(source, PAGE))
    assert job(machine, queue, source, target)[0].error is not ErrorType.OK
    assert job(machine, queue, source + PAGE, target, 100)[0].error is ErrorType.OK


def test_two_jobs_wait_for_the_same_page():
    """Both stall before anybody looks; the page comes once, and both go on."""
    machine = Machine(PRESETS["base"])
    process, binding, source, target, queue = program(machine)
    other = run(machine.qm.open(binding))
    for n, one in enumerate((queue, other)):
        run(one.copy(source, target + PAGE * n, 64, 1))
    assert len(machine.bus.smmu.stalls) == 2
    run(machine.iommu.faults.service())
    for one in (queue, other):
        assert run(one.receive())[0].error is ErrorType.OK
    constant = process.mmap(PAGE, Prot.READ)
    run(queue.copy(constant, target, 16, 1))
    run(other.copy(source, constant, 16, 1))
    run(machine.iommu.faults.service())
    assert run(queue.receive())[0].error is ErrorType.OK
    assert run(other.receive())[0].error is ErrorType.DATA_WRITE
    machine.check()


def test_no_page_left_for_a_fault(monkeypatch):
    """The device's access is aborted, the program's fails, everything else goes on."""
    machine = Machine(PRESETS["base"])
    process, _, source, target, queue = program(machine)

    def nothing():
        raise MemoryError("no scattered pages left")

    with monkeypatch.context() as patch:
        patch.setattr(machine.bus.pages, "scatter", nothing)
        assert job(machine, queue, source, target, 64)[0].error is ErrorType.DATA_WRITE
        with fails(errno.ENOMEM):
            process.write(target, b"x")
    assert job(machine, queue, source, target, 64)[0].error is ErrorType.OK
    machine.check()


def test_read_only_memory_is_not_written(machine):
    process, _, source, _, queue = program(machine)
    constant = process.mmap(PAGE, Prot.READ)
    assert job(machine, queue, source, constant, 16)[0].error is not ErrorType.OK
    assert process.read(constant, 16) == bytes(16)


def test_more_address_spaces_than_asids():
    """300 domains on 255 ASIDs: whoever is parked works again when it faults."""
    machine = Machine(SMALL_ASIDS, log2_pasids=9)
    programs = [Process(machine.iommu) for _ in range(300)]
    for number, process in enumerate(programs):
        process.mmap(PAGE)
        process.write(process.mm.areas()[0].start, bytes([number & 255]) * 64)
        queue = run(machine.qm.open(run(process.bind(machine.stream))))
        job(machine, queue, process.mm.areas()[0].start, process.mm.areas()[0].start, 1)
        run(machine.qm.close(queue))
    assert sum(p.domain.asid == 0 for p in programs) == 300 - 254
    for number in (0, 299, 1, 45, 0, 200):
        process = programs[number]
        at = process.mm.areas()[0].start
        queue = run(machine.qm.open(run(process.bind(machine.stream))))
        assert job(machine, queue, at, at + 64, 64)[0].error is ErrorType.OK
        assert process.read(at + 64, 64) == bytes([number & 255]) * 64
        run(machine.qm.close(queue))
    machine.check()


def test_asids_run_out_without_stalls():
    impl = dataclasses.replace(PRESETS["tiny"], SSIDSIZE=9)
    machine = Machine(impl, log2_pasids=9)
    processes = [Process(machine.iommu) for _ in range(255)]
    for process in processes[:254]:
        run(process.bind(machine.stream))
    with pytest.raises(LookupError, match="no ASID left"):
        run(processes[254].bind(machine.stream))
    run(processes[7].exit())
    run(processes[254].bind(machine.stream))
    machine.check()


def test_no_asid_for_a_parked_domain():
    """All ASIDs are with domains that cannot be parked: what stalls is aborted, not forgotten."""
    machine = Machine(SMALL_ASIDS, log2_pasids=9)
    process, _, source, target, queue = program(machine)
    for _ in range(254):  # and the kernel's
        run(machine.stream.attach(machine.iommu.domain()))
    assert not process.domain.asid
    run(queue.copy(source, target, 64, 1))
    assert machine.bus.smmu.stalls
    assert run(machine.iommu.faults.service()) == 1
    assert not machine.bus.smmu.stalls
    assert run(queue.receive())[0].error is ErrorType.DATA_READ
    machine.check()


def test_two_pasids_share_one_asid(machine):
    domain = machine.iommu.domain()
    pages = [machine.bus.pages.scatter() for _ in range(2)]
    domain.map(0x10000, pages[0], PAGE, Prot.READ | Prot.WRITE)
    first, second = run(machine.qm.open(domain)), run(machine.qm.open(domain))
    asid = domain.asid
    assert first.pasid != second.pasid
    run(machine.qm.close(first))
    assert domain.asid == asid
    assert job(machine, second, 0x10000, 0x10800, 64)[0].error is ErrorType.OK
    run(machine.qm.close(second))
    assert domain.asid == 0


def test_asid_of_a_closed_queue_is_clean(machine):
    """The same ASID and PASID, the same IOVA, another page."""
    seen = set()
    for n in range(3):
        domain, page = machine.iommu.domain(), machine.bus.pages.scatter()
        domain.map(0x10000, page, PAGE, Prot.READ | Prot.WRITE)
        machine.bus.memory.write(page, bytes([n]) * 16)
        queue = run(machine.qm.open(domain))
        seen.add((queue.pasid, domain.asid))
        assert job(machine, queue, 0x10000, 0x10800, 16)[0].error is ErrorType.OK
        assert machine.bus.memory.read(page + 0x800, 16) == bytes([n]) * 16
        run(machine.qm.close(queue))
    assert len(seen) == 1
