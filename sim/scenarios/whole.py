"""Scenario 7: the whole function in one program's hands."""

from __future__ import annotations

from typing import Any

from driver.accel.qm import QmDriver
from driver.accel.queue import Completion, Queue
from driver.iommu.mm import Mm
from driver.iommu.pagetable import Prot
from driver.vfio.cdev import CdevFile
from driver.vfio.iommufd import Iommufd
from driver.vfio.owner import FunctionBus, OwnedDomain, OwnedStream
from driver.vfio.pci import ACCEL_WIRES, PciFunction, accelerator_bars
from pymodel.memory import PAGE
from sim.scenarios.world import FUNCTION, RW, SOURCE, TARGET, World, names
from spec.sec import ErrorType

IOMMUFD = 7  # the program's descriptor of its /dev/iommu


async def whole_function(world: World) -> None:
    """7. The whole function to one owner: own PASIDs, own partitioning, each PASID programmed
    through the device's own registers."""
    await world.stream.detach(0)  # the host lets go of the accelerator
    function = PciFunction(world.bus, FUNCTION, 3, accelerator_bars(world.qm.queue_count),
                           ACCEL_WIRES, world.stream)
    mm = Mm(world.bus)
    iommufd = Iommufd(world.iommu, mm)
    file = CdevFile(function, {IOMMUFD: iommufd})
    owned: Any = OwnedStream(file, iommufd, IOMMUFD, world.stream.pasid_limit)
    device = FunctionBus(file, mm, ACCEL_WIRES)
    qm = await QmDriver.probe(device, owned, owned)  # the program's own driver

    def memory(domain: OwnedDomain, iova: int, data: bytes, prot: Prot = RW) -> int:
        at = mm.mmap(PAGE)
        mm.write(at, data)
        domain.map(iova, at, PAGE, prot)
        return at

    async def signalled() -> bool:
        await function.service()
        return await device.interrupt("eq", 0)

    async def copy(queue: Queue) -> ErrorType:
        """One job, its end announced by an MSI."""
        await queue.copy(SOURCE, TARGET, 64, tag=1)
        await world.bus.poll(signalled, "its MSI")
        assert await qm.service() == [queue.number]
        done: list[Completion] = await queue.receive()
        world.watcher.counts["jobs"] += len(done)
        return done[0].error

    spaces = [owned.domain() for _ in range(2)]
    queues, targets = [], []
    for n, space in enumerate(spaces):
        memory(space, SOURCE, bytes([n + 1]) * 64, Prot.READ)
        targets.append(memory(space, TARGET, bytes(64)))
        queues.append(await qm.open(space))
    assert [queue.pasid for queue in queues] == [1, 2], "PASIDs of the owner's choice"
    for queue in queues:
        assert await copy(queue) is ErrorType.OK
    assert [mm.read(at, 64) for at in targets] == [b"\1" * 64, b"\2" * 64]
    for n in range(2):
        assert (await world.explain(n + 1, SOURCE)).pa is not None
    assert not await world.settle()
    # A PASID that the owner takes back reaches nothing, and the other one goes on.
    await owned.silence(1)
    assert await copy(queues[0]) is not ErrorType.OK
    assert set(names(await world.settle())) <= {"C_BAD_SUBSTREAMID", "C_BAD_CD"}
    await owned.restore(1)
    for queue in queues:
        assert await copy(queue) is ErrorType.OK
    assert not await world.settle()
    device.close()
    await file.close()
    await iommufd.close()
    assert not await world.skip()
    assert (await world.explain(1, SOURCE)).pa is None
