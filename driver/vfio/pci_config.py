"""A PCI configuration space: header, PCI Express with FLR, MSI, PASID (qm.md 1.1 and 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from driver.vfio import pci_uapi as p
from driver.vfio.pci_uapi import Config
from spec.qm import REVISION


@dataclass(frozen=True)
class Identity:
    """What the header says."""

    vendor: int
    device: int
    revision: int
    code: int  # class


SEC = Identity(vendor=0x19E5, device=0xA255, revision=REVISION, code=0x10_0000)  # qm.md 1.1


class ConfigSpace:
    """Bytes, and which bits of them software can change.

    Parameters
    ----------
    bars
        Sizes by BAR number; 64-bit memory, each takes two.
    messages
        MSI messages: a power of two, 0 for none.
    pasid_bits
        Width of the PASIDs that the function sends; 0 for none.
    """

    def __init__(self, identity: Identity, bars: Mapping[int, int], messages: int,
                 pasid_bits: int) -> None:
        self._data, self._mask = bytearray(p.CONFIG_SIZE), bytearray(p.CONFIG_SIZE)
        self._put(Config.VENDOR, identity.vendor, 2)
        self._put(Config.DEVICE, identity.device, 2)
        self._put(Config.STATUS, p.STATUS_CAPABILITIES, 2)
        self._put(Config.COMMAND, 0, 2, p.COMMAND_BITS)
        self._put(Config.REVISION, identity.revision, 1)
        self._put(Config.CLASS, identity.code, 3)
        for number, size in bars.items():
            self._put(Config.BARS + 4 * number, p.BAR_64BIT, 8, (1 << 64) - size)
        self._flr = self._capabilities(messages)
        if pasid_bits:
            self._put(Config.EXTENDED, p.PASID | 1 << 16, 4)
            self._put(Config.EXTENDED + p.PASID_CAP, pasid_bits << p.PASID_WIDTH_SHIFT, 2)
            self._put(Config.EXTENDED + p.PASID_CONTROL, 0, 2, 1)
        self._initial = bytes(self._data)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes inside the space."""
        return bytes(self._data[offset:offset + size])

    def write(self, offset: int, data: bytes) -> bool:
        """Change what can be changed; whether a function level reset was asked for."""
        asked = False
        for at, byte in enumerate(data, offset):
            keep = self._data[at] & ~self._mask[at]
            self._data[at] = keep | byte & self._mask[at]
            asked |= at == self._flr + 1 and bool(byte << 8 & p.DEVCTL_FLR)
        return asked

    def reset(self) -> None:
        """As after power-on."""
        self._data[:] = self._initial

    def _capabilities(self, messages: int) -> int:
        """PCI Express, then MSI; where the device control register lies."""
        at = self._data[Config.CAPABILITIES] = 0x40
        self._put(at, p.PCIE | (at + p.PCIE_BYTES) * bool(messages) << 8 | p.PCIE_ENDPOINT << 16, 4)
        self._put(at + p.PCIE_DEVCAP, p.DEVCAP_FLR, 4)
        self._put(at + p.PCIE_DEVCTL, 0, 2, p.DEVCTL_BITS)
        if messages:
            msi = at + p.PCIE_BYTES
            asked = messages.bit_length() - 1 << p.MSI_LOG2_ASKED_SHIFT
            self._put(msi, p.MSI, 2)
            self._put(msi + p.MSI_CONTROL, p.MSI_64BIT | p.MSI_MASKING | asked, 2,
                      p.MSI_ENABLE | p.MSI_LOG2_GIVEN)
            self._put(msi + p.MSI_ADDRESS, 0, 8, (1 << 64) - 4)
            self._put(msi + p.MSI_DATA, 0, 2, 0xFFFF)
            self._put(msi + p.MSI_MASK, 0, 4, (1 << messages) - 1)
        return at + p.PCIE_DEVCTL

    def _put(self, offset: int, value: int, size: int, mask: int = 0) -> None:
        self._data[offset:offset + size] = value.to_bytes(size, "little")
        self._mask[offset:offset + size] = mask.to_bytes(size, "little")
