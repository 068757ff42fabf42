"""The host: brings the device up, makes mediated devices of it, passes interrupts on."""

from __future__ import annotations

from driver.accel.qm import QmDriver
from driver.bus import Bus
from driver.iommu.domain import Iommu, Stream
from driver.iommu.mm import Mm
from driver.smmu.device import SmmuDriver
from driver.vfio.container import Container
from driver.vfio.kernel import Kernel
from driver.vfio.mdev import MdevType, Parent
from driver.vfio.sysfs import Sysfs
from driver.vfio.uacce import Uacce

DRIVER = "substream"
SEC = MdevType("sec", "one queue of the accelerator")
UACCE, ALGORITHMS = "hisi_sec2-0", "cipher"
LOG2_PASIDS = 6


class Host:
    """A machine that offers its accelerator's queues as mediated devices.

    Members
    -------
    bus, smmu, iommu, stream, qm
        The layers, from the bottom.
    parent, sysfs
        The mediated devices, and the administrator's view of them.
    uacce
        The same queues as a character device, for processes that share their addresses.
    """

    def __init__(self, bus: Bus, smmu: SmmuDriver, stream: Stream, qm: QmDriver,
                 kernel: Kernel) -> None:
        self.bus, self.smmu, self.stream, self.qm, self.kernel = bus, smmu, stream, qm, kernel
        self.iommu = qm.iommu
        self.parent = Parent(qm, DRIVER, (SEC,), kernel)
        self.sysfs = Sysfs(self.parent)
        self.uacce = Uacce(qm, UACCE, ALGORITHMS)

    @classmethod
    async def start(cls, bus: Bus, sid: int, *, log2_pasids: int = LOG2_PASIDS,
                    kernel: Kernel | None = None) -> Host:
        """Probe everything; the accelerator's StreamID is `sid`."""
        smmu = await SmmuDriver.probe(bus)
        iommu = Iommu(smmu)
        stream = await Stream.open(iommu, sid, log2_pasids)
        qm = await QmDriver.probe(bus, iommu, stream)
        return cls(bus, smmu, stream, qm, kernel or Kernel())

    def container(self, mm: Mm | None = None) -> Container:
        """An open /dev/vfio/vfio of a program (with memory `mm`)."""
        return Container(self.iommu, mm or Mm(self.bus), self.kernel)

    async def service(self, cycles: int) -> None:
        """Let at most `cycles` pass until a job is done, then do what is due on interrupts:
        completions to their owners, faults to their handlers, global errors of the SMMU. A queue
        that lost a completion does not work until its owner resets it."""
        await self.bus.interrupt("eq", cycles)
        done = await self.qm.service()
        self.parent.completed(done)
        self.uacce.completed(done)
        if await self.bus.interrupt("aeq", 0):
            await self.qm.service_async()
        if await self.bus.interrupt("gerror", 0):
            await self.smmu.errors.service()
        await self.iommu.faults.service()
