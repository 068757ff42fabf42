"""The function's PCI configuration space."""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import view
from hdl.regs.slave import WORDS
from spec.qm import (
    CONFIG,
    CONFIG_SIZE,
    MSI_ADDRESS,
    MSI_ADDRESS_HIGH,
    MSI_CONTROL,
    MSI_DATA,
    MSI_MASK,
    MSI_PENDING,
    PCI_BAR4,
    PCI_COMMAND,
    PCIE_DEVCTL,
    VECTORS,
    bar4_writable,
)

INDEX_BITS = (CONFIG_SIZE // 8 - 1).bit_length()


class MsiSettings(data.Struct):
    """The MSI capability as software has set it."""

    enable: unsigned(1)
    given: unsigned(MSI_CONTROL.GIVEN.width)
    address: unsigned(64)
    data: unsigned(MSI_DATA.DATA.width)
    mask: unsigned(VECTORS)


class ConfigSpace(wiring.Component):
    """Registers of `spec.qm.CONFIG`; all else is RAZ/WI (reference 1.1 to 1.3).

    Members
    -------
    write, write_index, write_words, write_data, read_index, read_data
        As in RegisterSlave, inside the space.
    msi, msi_pending
        For the MSI unit; what it holds back.
    master
        The function may begin bus transactions.
    transactions
        Some are under way.
    reset
        Pulse: function level reset. It must reset this block too.
    """

    def __init__(self, *, queues: int):
        self.queues = queues
        super().__init__({
            "write": In(1), "write_index": In(INDEX_BITS), "write_words": In(2),
            "write_data": In(WORDS), "read_index": In(INDEX_BITS), "read_data": Out(WORDS),
            "msi": Out(MsiSettings), "msi_pending": In(VECTORS), "master": Out(1),
            "transactions": In(1), "reset": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        values = {register: self.value(m, register) for register in CONFIG}
        with m.Switch(self.read_index):
            for index in sorted({register.OFFSET // 8 for register in CONFIG}):
                with m.Case(index):
                    for register in CONFIG:
                        if register.OFFSET // 8 == index:
                            m.d.comb += self.read_data[register.OFFSET // 4 % 2].eq(
                                values[register])
        control, msi = view(MSI_CONTROL, values[MSI_CONTROL]), self.msi
        asked, word = self.written(PCIE_DEVCTL)
        m.d.comb += [
            self.master.eq(view(PCI_COMMAND, values[PCI_COMMAND]).MASTER),
            self.reset.eq(asked & view(PCIE_DEVCTL, word).FLR),
            msi.enable.eq(control.ENABLE), msi.given.eq(control.GIVEN),
            msi.address.eq(Cat(values[MSI_ADDRESS], values[MSI_ADDRESS_HIGH])),
            msi.data.eq(values[MSI_DATA]), msi.mask.eq(values[MSI_MASK]),
        ]
        return m

    def written(self, register):
        """1 in the cycle in which software writes the register, and the word."""
        index, half = divmod(register.OFFSET // 4, 2)
        return (self.write & (self.write_index == index) & self.write_words[half],
                self.write_data[half])

    def value(self, m, register):
        """What the register reads as; its writable bits are kept here."""
        writable = register.WRITABLE
        if register is PCI_BAR4:
            writable = bar4_writable(self.queues)
        stored = Signal(32, init=register.RESET, name=register.__name__)
        write, word = self.written(register)
        with m.If(write):
            m.d.sync += stored.eq((stored & ~writable & 0xFFFF_FFFF) | (word & writable))
        if register is MSI_PENDING:
            return self.msi_pending
        if register is PCIE_DEVCTL:
            return stored | (self.transactions << PCIE_DEVCTL.PENDING.lsb)
        return stored
