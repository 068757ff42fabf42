"""The configuration space that the owner of a function sees: the device's own words, kept apart
from it, because the host has the device's BARs and messages (qm.md 1.1 to 1.3)."""

from __future__ import annotations

from collections.abc import Mapping

from spec.fields import Register
from spec.qm import (
    CONFIG_SIZE,
    CONFIG_WORDS,
    MSI_CONTROL,
    PASID_CAP,
    PASID_CONTROL,
    PCI_BAR2,
    PCI_BAR5,
    PCIE_DEVCTL,
    ConfigWord,
)

BAR_WORDS = range(PCI_BAR2.OFFSET - 2 * PCI_BAR2.size(), PCI_BAR5.OFFSET + PCI_BAR5.size())
WORD = ConfigWord.size()


class ConfigSpace:
    """Bytes, and which bits of them software can change.

    Parameters
    ----------
    bars
        Sizes by BAR number; 64-bit memory, each takes two.
    messages
        MSI messages: a power of two.
    pasid_bits
        Width of the PASIDs that the function sends; 0: no such capability.
    """

    def __init__(self, bars: Mapping[int, int], messages: int, pasid_bits: int) -> None:
        self._data, self._mask = bytearray(CONFIG_SIZE), bytearray(CONFIG_SIZE)
        for word in CONFIG_WORDS:
            if word.OFFSET not in BAR_WORDS:
                self._put(word.OFFSET, self._value(word, messages, pasid_bits), WORD,
                          word.WRITABLE)
        for number, size in bars.items():
            self._put(BAR_WORDS.start + WORD * number, PCI_BAR2.RESET, 2 * WORD, (1 << 64) - size)
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
            word = byte << 8 * (at - PCIE_DEVCTL.OFFSET) if at >= PCIE_DEVCTL.OFFSET else 0
            asked |= at < PCIE_DEVCTL.OFFSET + WORD and bool(PCIE_DEVCTL.FLR.get(word))
        return asked

    def reset(self) -> None:
        """As after power-on."""
        self._data[:] = self._initial

    @staticmethod
    def _value(word: type[Register], messages: int, pasid_bits: int) -> int:
        if word is MSI_CONTROL:
            return MSI_CONTROL.ASKED.replace(word.RESET, messages.bit_length() - 1)
        if word is PASID_CONTROL:
            return PASID_CONTROL.WIDTH.replace(word.RESET, pasid_bits)
        return 0 if word is PASID_CAP and not pasid_bits else word.RESET

    def _put(self, offset: int, value: int, size: int, mask: int) -> None:
        self._data[offset:offset + size] = value.to_bytes(size, "little")
        self._mask[offset:offset + size] = mask.to_bytes(size, "little")
