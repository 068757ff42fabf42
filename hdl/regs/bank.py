"""Storage of the registers: what exists, software's writes, and the view software reads."""

from collections.abc import Iterator

from amaranth import Cat, Const, Module, Signal, Value
from amaranth.lib import data

from hdl.layouts import layout
from hdl.regs.guard import guarded
from hdl.regs.slave import RegisterSlave
from spec import registers as r
from spec.fields import Access, Register
from spec.impl import Implementation

WORD = 32
# Registers that software writes by rules of their own, and those that follow from others.
PROTOCOL = (r.CR0, r.IRQ_CTRL, r.GBPA)
STATUS = (r.CR0ACK, r.IRQ_CTRLACK, r.GERROR)


class RegisterBank:
    """The registers of the SMMU as signals, for the module that owns them.

    `bank[CR0]` is a view of the register by field name; a register that does not exist is a
    constant 0, and so are its RES0 bits. The owner calls `connect` once, adds the hardware's
    updates after it (they win over software's in the same cycle), and then `show`.
    """

    def __init__(self, impl: Implementation, slave: RegisterSlave) -> None:
        self.impl, self.slave = impl, slave
        self._values = {register: self._value(register) for register in r.SMMU}

    def _value(self, register: type[Register]) -> Value:
        mask = self.impl.mask(register)
        reset = getattr(self.impl, register.__name__.lower(), register.RESET)
        if mask and (register.ACCESS is not Access.RO or register in STATUS):
            return Signal(register.BITS, name=register.__name__, init=reset & mask)
        return Const(reset if register.ACCESS is Access.RO else 0, register.BITS)

    def __getitem__(self, register: type[Register]) -> data.View:
        return data.View(layout(register), self._values[register])

    def exists(self, register: type[Register]) -> bool:
        """Whether the register has any bit that can change."""
        return isinstance(self._values[register], Signal)

    def written(self, register: type[Register]) -> Iterator[tuple[slice, Value, Value]]:
        """For each word of a register: its bits, whether software writes it now, and the data."""
        slave = self.slave
        for number in range(register.BITS // WORD):
            index, lane = divmod(register.OFFSET * 8 // WORD + number, 2)
            hit = slave.write & (slave.write_index == index) & slave.write_words[lane]
            yield slice(WORD * number, WORD * (number + 1)), hit, slave.write_data[lane]

    def off(self, name: str) -> Value:
        """Guard: the enable `name` of CR0 or IRQ_CTRL and its acknowledge are both 0."""
        enable, ack = self._enable(name)
        return ~(enable | ack)

    def on(self, name: str) -> Value:
        """The enable `name` is in effect: it and its acknowledge are both 1."""
        enable, ack = self._enable(name)
        return enable & ack

    def _enable(self, name: str) -> tuple[Value, Value]:
        pair = (r.CR0, r.CR0ACK) if name in r.CR0.FIELDS else (r.IRQ_CTRL, r.IRQ_CTRLACK)
        enable, ack = (self[register][name] for register in pair)
        return enable, ack

    def connect(self, m: Module) -> None:
        """Store what software writes to ordinary registers, where it exists and no guard holds."""
        for register in r.SMMU:
            if register.ACCESS is Access.RO or register in PROTOCOL or not self.exists(register):
                continue
            value = self._values[register]
            writable = Signal(register.BITS, name=f"{register.__name__}_writable")
            for group in guarded(register):
                with m.If(Cat(self.off(name) for name in group.enables).all()):
                    m.d.comb += [writable[bit].eq(1) for bit in range(register.BITS)
                                 if group.mask & self.impl.mask(register) & (1 << bit)]
            for bits, hit, word in self.written(register):
                with m.If(hit):
                    m.d.sync += value[bits].eq(
                        (value[bits] & ~writable[bits]) | (word & writable[bits]))

    def show(self, m: Module, shown: dict[type[Register], Value]) -> None:
        """Answer reads; `shown` replaces the stored value of some registers."""
        doublewords: dict[int, list[tuple[int, Value]]] = {}
        for register in r.SMMU:
            value = shown.get(register, self._values[register])
            for number in range(register.BITS // WORD):
                index, lane = divmod(register.OFFSET * 8 // WORD + number, 2)
                doublewords.setdefault(index, []).append(
                    (lane, value[WORD * number:WORD * (number + 1)]))
        with m.Switch(self.slave.read_index):
            for index, words in doublewords.items():
                with m.Case(index):
                    m.d.comb += [self.slave.read_data[lane].eq(word) for lane, word in words]
