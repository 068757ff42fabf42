"""The function as PCI sees it: function level reset and messages (qm.md 1.3)."""

from __future__ import annotations

from driver.bus import Bus, DriverError, Region
from spec.fields import Register
from spec.qm import (
    MSI_ADDRESS,
    MSI_ADDRESS_HIGH,
    MSI_CONTROL,
    MSI_DATA,
    MSI_MASK,
    PCI_CAPABILITIES,
    PCI_COMMAND,
    PCIE_CAP,
    PCIE_DEVCAP,
    PCIE_DEVCTL,
)

PCIE, MSI = PCIE_CAP(PCIE_CAP.RESET).ID, MSI_CONTROL(MSI_CONTROL.RESET).ID


class PciFunction:
    """Configuration space of the accelerator; finds capabilities wherever they are."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._message: tuple[int, int, int] | None = None

    async def enable_messages(self, address: int, data: int, vectors: int) -> None:
        """Send interrupts as writes of `data` + vector to `address`, as the device names it, from
        now on, after a reset too. `vectors` is a power of two, not above what the device asks
        for; `data` a multiple of it."""
        self._message = address, data, vectors
        at = await self._capability(MSI) - MSI_CONTROL.OFFSET
        control = MSI_CONTROL(await self._read(at, MSI_CONTROL))
        given = vectors.bit_length() - 1
        if vectors != 1 << given or given > control.ASKED or data % vectors:
            raise DriverError(f"{vectors} messages: the device asks for {1 << control.ASKED}")
        await self._write(at, MSI_ADDRESS, address & 0xFFFF_FFFF)
        await self._write(at, MSI_ADDRESS_HIGH, address >> 32)
        await self._write(at, MSI_DATA, data)
        await self._write(at, MSI_MASK, 0)
        await self._write(at, MSI_CONTROL, control.replace(ENABLE=1, GIVEN=given).value)

    async def reset(self) -> None:
        """Function level reset: all registers and contexts are as at power-on, no transaction of
        before is under way; command and messages are restored."""
        at = await self._capability(PCIE) - PCIE_CAP.OFFSET
        if not PCIE_DEVCAP(await self._read(at, PCIE_DEVCAP)).FLR:
            raise DriverError("the device has no function level reset")
        command = await self._read(0, PCI_COMMAND)
        await self._write(at, PCIE_DEVCTL, PCIE_DEVCTL.pack(FLR=1))

        async def quiet() -> bool:
            return not PCIE_DEVCTL(await self._read(at, PCIE_DEVCTL)).PENDING

        await self._bus.poll(quiet, "the transactions of before the reset to end")
        await self._write(0, PCI_COMMAND, command)
        if self._message:
            await self.enable_messages(*self._message)

    async def _capability(self, kind: int) -> int:
        """Offset of a capability."""
        at = PCI_CAPABILITIES(await self._read(0, PCI_CAPABILITIES)).POINTER
        while at:
            head = PCIE_CAP(await self._bus.read(Region.CONFIG, at))
            if head.ID == kind:
                return at
            at = head.NEXT
        raise DriverError(f"no PCI capability {kind:#x}")

    async def _read(self, at: int, register: type[Register]) -> int:
        return await self._bus.read(Region.CONFIG, at + register.OFFSET)

    async def _write(self, at: int, register: type[Register], value: int) -> None:
        await self._bus.write(Region.CONFIG, at + register.OFFSET, value)
