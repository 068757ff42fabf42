"""BAR2 and the doorbell pages of BAR4 as one register port."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.qm import abnormal, function
from hdl.accel.qm.doorbell import Ring
from hdl.accel.streams import Live
from hdl.axi import AXI4Lite
from hdl.regs.slave import RegisterSlave
from spec.fields import Access, Register
from spec.qm import (
    AEQ_INT_MASK,
    AEQ_INT_SOURCE,
    BAR2_SIZE,
    BAR4_BASE,
    DOORBELL_OFFSET,
    DOORBELL_PAGE,
    EQ_INT_MASK,
    EQ_INT_SOURCE,
    IN_IDLE_ST,
    MASTER_GLOBAL_CTRL,
    QUE_NUM_CAP,
    TRANS_RETURN,
    Doorbell,
    EventDoorbell,
    Mailbox,
)
from spec.sec import BAR2, SEC_MEM_INIT_DONE, SEC_MEM_START_INIT

ADDR_WIDTH = 24
LIVE: list[type[Register]] = [
    AEQ_INT_SOURCE, AEQ_INT_MASK, EQ_INT_SOURCE, EQ_INT_MASK, *function.REGISTERS,
    *abnormal.REGISTERS, IN_IDLE_ST, MASTER_GLOBAL_CTRL, TRANS_RETURN, SEC_MEM_START_INIT,
    SEC_MEM_INIT_DONE,
]


class DeviceRegisters(wiring.Component):
    """Every register of `spec.sec.BAR2`: those of `LIVE` belong to a block, read-only ones show
    their reset value, writable ones hold what was written; all else is RAZ/WI (reference 1.2).

    An access is taken only when the doorbell before it has had its effect: a mailbox command or
    a read sees every doorbell rung before it. Doorbells must be 64-bit writes.

    Members
    -------
    bus
        BAR2 at 0, BAR4 behind it (`spec.qm.BAR4_BASE`).
    live
        One `Live` per name of `LIVE`.
    mailbox_write, half, words, data, mailbox_value
        Window of the mailbox (see MailboxWindow) and its value.
    ring
        Doorbells.
    """

    def __init__(self, *, queues: int):
        self.constants: dict[type[Register], int] = {
            QUE_NUM_CAP: QUE_NUM_CAP.pack(TOTAL=queues, FUNCTION=queues)}
        super().__init__({
            "bus": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "live": Out(wiring.Signature({r.__name__: Out(Live()) for r in LIVE})),
            "mailbox_write": Out(1), "half": Out(1), "words": Out(2), "data": Out(64),
            "mailbox_value": In(128), "ring": Out(stream.Signature(Ring)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.slave = self.slave = slave = RegisterSlave(addr_width=ADDR_WIDTH)
        wiring.connect(m, wiring.flipped(self.bus), slave.bus)
        m.d.comb += [self.words.eq(slave.write_words), self.data.eq(slave.write_data)]
        values = {register.OFFSET: self.value(m, register)
                  for register in BAR2 if register.BITS == 32}
        self.connect_mailbox(m, values)
        with m.Switch(slave.read_index):
            for index in sorted({offset // 8 for offset in values}):
                with m.Case(index):
                    for half in range(2):
                        if 8 * index + 4 * half in values:
                            m.d.comb += slave.read_data[half].eq(values[8 * index + 4 * half])
        self.take_doorbells(m)
        return m

    def written(self, register: type[Register]):
        """1 in the cycle in which software writes the 32-bit register, and the word."""
        index, half = divmod(register.OFFSET // 4, 2)
        slave = self.slave
        return (slave.write & (slave.write_index == index) & slave.write_words[half],
                slave.write_data[half])

    def value(self, m, register: type[Register]):
        """What the register reads as; connects or makes whatever is behind it."""
        if register in LIVE:
            live = getattr(self.live, register.__name__)
            write, word = self.written(register)
            m.d.comb += [live.write.eq(write), live.data.eq(word)]
            return live.value
        if register.ACCESS is not Access.RW:
            return self.constants.get(register, register.RESET)
        stored = Signal(32, init=register.RESET, name=register.__name__)
        write, word = self.written(register)
        with m.If(write):
            m.d.sync += stored.eq(word)
        return stored

    def connect_mailbox(self, m, values) -> None:
        first = Mailbox.OFFSET // 8
        slave = self.slave
        m.d.comb += [
            self.mailbox_write.eq(slave.write & (slave.write_index[1:] == first // 2)),
            self.half.eq(slave.write_index[0]),
        ]
        for n in range(Mailbox.size() // 4):
            values[Mailbox.OFFSET + 4 * n] = self.mailbox_value.word_select(n, 32)

    def take_doorbells(self, m) -> None:
        slave, ring = self.slave, self.ring
        offset = slave.write_index << 3
        page = (offset - BAR4_BASE) // DOORBELL_PAGE
        own = (offset >= BAR2_SIZE) & (offset % DOORBELL_PAGE == DOORBELL_OFFSET)
        event = offset == EventDoorbell.OFFSET
        m.d.comb += [
            slave.hold.eq(~ring.ready),
            ring.valid.eq(slave.write & slave.write_words.all()
                          & (own | event | (offset == Doorbell.OFFSET))),
            ring.payload.word.eq(slave.write_data), ring.payload.own.eq(own),
            ring.payload.page.eq(page), ring.payload.event.eq(event),
        ]
