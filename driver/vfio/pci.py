"""The whole function given to one owner, as vfio-pci gives it (vfio.md 3)."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from driver.bus import Bus
from driver.bus import Region as Window
from driver.iommu.domain import Domain, Stream
from driver.iommu.faults import Fault
from driver.iommu.stage2 import StageTwo
from driver.vfio.container import Group
from driver.vfio.device import Device, Region, irqs
from driver.vfio.packed import fail
from driver.vfio.pci_config import ConfigSpace
from driver.vfio.pci_uapi import PciIrq, PciRegion
from driver.vfio.uapi import DeviceFlag, IrqFlag, RegionFlag
from spec.qm import (
    ABNORMAL_IRQ_CAP,
    AEQ_IRQ_CAP,
    BAR2_SIZE,
    CONFIG_SIZE,
    DOORBELL_PAGE,
    EQ_IRQ_CAP,
    PCIE_DEVCTL,
    VECTOR_NUM_CAP,
)
from spec.registers import SMMU
from spec.stream_table import STE

RW = RegionFlag.READ | RegionFlag.WRITE


@dataclass(frozen=True)
class Bar:
    """What a BAR shows."""

    window: Window
    size: int


def accelerator_bars(queues: int) -> dict[int, Bar]:
    """BAR2 and BAR4 of the accelerator (qm.md 1.2)."""
    pages = 1 << (queues - 1).bit_length()
    return {PciRegion.BAR2: Bar(Window.ACCEL, BAR2_SIZE),
            PciRegion.BAR4: Bar(Window.DOORBELL, DOORBELL_PAGE * pages)}


def smmu_bars() -> dict[int, Bar]:
    """BAR0: both pages of the SMMU."""
    return {PciRegion.BAR0: Bar(Window.SMMU, SMMU.size)}


# Wires of the accelerator by MSI vector (qm.md 1.5), and those of the SMMU behind them.
ACCEL_WIRES = {EQ_IRQ_CAP(EQ_IRQ_CAP.RESET).VECTOR: "eq",
               AEQ_IRQ_CAP(AEQ_IRQ_CAP.RESET).VECTOR: "aeq",
               ABNORMAL_IRQ_CAP(ABNORMAL_IRQ_CAP.RESET).VECTOR: "abnormal"}
VECTORS = VECTOR_NUM_CAP(VECTOR_NUM_CAP.RESET).PF
SMMU_WIRES = {VECTORS + n: name for n, name in enumerate(("evtq", "gerror", "cmdq_sync"))}


class PciFunction(Device):
    """A PCI function whose owner has all its registers.

    With a `stream` it is behind the host's SMMU: its owner's memory is reached without PASID
    through the domain it is started with, and under PASIDs that the owner chooses, attaches and
    programs into the device himself. Without a stream there is no IOMMU in front of it.

    Parameters
    ----------
    wires
        Interrupt wires by MSI vector.
    """

    flags = DeviceFlag.RESET | DeviceFlag.PCI
    needs_domain = False

    def __init__(self, bus: Bus, name: str, group: int, bars: Mapping[int, Bar],
                 wires: Mapping[int, str], stream: Stream | None = None) -> None:
        self.name = name
        self.group = Group(group, self)
        self._bus, self._bars, self._wires, self._stream = bus, bars, wires, stream
        self.protected = stream is not None
        self.sid = stream.sid if stream else None
        self.pasid_limit = stream.pasid_limit if stream else 0
        messages = 1 << max(wires).bit_length() if wires else 0
        self.config = ConfigSpace({n: bar.size for n, bar in bars.items()}, messages,
                                  max(0, self.pasid_limit.bit_length() - 1))
        self.regions = [Region(0, RegionFlag(0)) for _ in PciRegion]
        for number, bar in bars.items():
            self.regions[number] = Region(bar.size, RW | RegionFlag.MMAP, ((0, bar.size),))
        self.regions[PciRegion.CONFIG] = Region(CONFIG_SIZE, RW)
        event = IrqFlag.EVENTFD | IrqFlag.NORESIZE
        self.irqs = irqs((IrqFlag.EVENTFD, 0), (event, messages), (event, 0), (event, 1),
                         (event, 1))
        self._pasids: set[int] = set()
        self._nested = False

    async def start(self, domain: Domain | None) -> None:
        if (domain is None) is not (self._stream is None):
            raise fail(errno.EINVAL, "an address space exactly when there is an IOMMU")
        if domain is not None and self._stream is not None:
            await self._attach(0, domain)
        self.started = True

    async def move(self, domain: Domain) -> None:
        await self._behind().replace(0, domain)

    async def nest(self, space: StageTwo, ste: STE) -> None:
        await self._behind().nest(space, ste)
        self.started = self._nested = True

    async def stop(self) -> None:
        if self._nested:
            await self._behind().unnest()
        elif self._stream is not None:
            await self._detach(0)
        self.started = self._nested = False

    async def release(self) -> None:
        """Nothing of the device is in flight when its address spaces go."""
        if self._nested:
            await self.stop()
        elif self._stream is not None:
            for pasid in (*self._pasids, *((0,) if self.started else ())):
                await self._stream.silence(pasid)
        await self.reset()
        for pasid in sorted(self._pasids):
            await self.detach_pasid(pasid)
        await super().release()

    def pasid_of(self, fault: Fault) -> int | None:
        mine = self._stream is not None and fault.sid == self._stream.sid
        return fault.pasid if mine else None

    async def attach_pasid(self, pasid: int, domain: Domain) -> None:
        await self._attach(pasid, domain)
        self._pasids.add(pasid)

    async def replace_pasid(self, pasid: int, domain: Domain) -> None:
        await self._behind().replace(pasid, domain)

    async def detach_pasid(self, pasid: int) -> None:
        await self._detach(pasid)
        self._pasids.remove(pasid)

    async def reset(self) -> None:
        """Queues, contexts and interrupts as after power-on; nothing is in flight any more."""
        self.config.reset()
        if any(bar.window is Window.ACCEL for bar in self._bars.values()):
            await reset_accelerator(self._bus)

    async def read(self, region: int, offset: int, size: int) -> bytes:
        if region == PciRegion.CONFIG:
            return self.config.read(offset, size)
        self._check(offset, size)
        value = await self._bus.read(self._bars[region].window, offset, size)
        return value.to_bytes(size, "little")

    async def write(self, region: int, offset: int, data: bytes) -> None:
        if region == PciRegion.CONFIG:
            if self.config.write(offset, data):
                await self.reset()
            return
        self._check(offset, len(data))
        await self._bus.write(self._bars[region].window, offset, int.from_bytes(data, "little"),
                              len(data))

    async def service(self, cycles: int = 0) -> None:
        """Pass interrupts on to the owner; wait at most `cycles` for that of the first wire."""
        for vector, wire in self._wires.items():
            if await self._bus.interrupt(wire, cycles):
                self.irqs.fire(PciIrq.MSI, vector)
            cycles = 0

    def request(self) -> None:
        """Ask the owner to give the device back."""
        self.irqs.fire(PciIrq.REQ)

    def _behind(self) -> Stream:
        if self._stream is None:
            raise fail(errno.EINVAL, f"{self.name} is behind no IOMMU")
        return self._stream

    async def _attach(self, pasid: int, domain: Domain) -> None:
        try:
            await self._behind().attach(domain, pasid)
        except LookupError as error:
            raise fail(errno.ENOSPC, str(error)) from None

    async def _detach(self, pasid: int) -> None:
        """End transactions that wait, too."""
        await self._behind().silence(pasid)
        await self._behind().detach(pasid)

    @staticmethod
    def _check(offset: int, size: int) -> None:
        if size not in (4, 8) or offset % size:
            raise fail(errno.EINVAL, f"{size} bytes at {offset:#x} of registers")


async def reset_accelerator(bus: Bus) -> None:
    """Function level reset; nothing of the function is in flight any more (qm.md 4.8)."""
    await bus.write(Window.CONFIG, PCIE_DEVCTL.OFFSET, PCIE_DEVCTL.FLR.mask)

    async def idle() -> bool:
        return not PCIE_DEVCTL(await bus.read(Window.CONFIG, PCIE_DEVCTL.OFFSET)).PENDING

    await bus.poll(idle, "all transactions to return")
