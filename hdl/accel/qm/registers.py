"""BAR2, the doorbell pages of BAR4 and the configuration space as one register port."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.qm import abnormal, counters, function, write_back
from hdl.accel.qm.config_space import INDEX_BITS
from hdl.accel.qm.doorbell import Ring
from hdl.accel.streams import Live
from hdl.axi import AXI4Lite
from hdl.regs.slave import WORDS, RegisterSlave
from spec.fields import Access, Register
from spec.qm import (
    AEQ_INT_MASK,
    AEQ_INT_SOURCE,
    BAR4_BASE,
    CONFIG_BASE,
    CONFIG_SIZE,
    DOORBELL_OFFSET,
    DOORBELL_PAGE,
    EQ_AEQ_DEPTH_CAP,
    EQ_INT_MASK,
    EQ_INT_SOURCE,
    IN_IDLE_ST,
    MASTER_GLOBAL_CTRL,
    QUE_NUM_CAP,
    SQ_CQ_DEPTH_CAP,
    TRANS_RETURN,
    Doorbell,
    EventDoorbell,
    Mailbox,
    event_depths,
)
from spec.sec import BAR2, SEC_MEM_INIT_DONE, SEC_MEM_START_INIT

ADDR_WIDTH = (CONFIG_BASE + CONFIG_SIZE - 1).bit_length()
LIVE: list[type[Register]] = [
    AEQ_INT_SOURCE, AEQ_INT_MASK, EQ_INT_SOURCE, EQ_INT_MASK, *function.REGISTERS,
    *abnormal.REGISTERS, *counters.REGISTERS, *write_back.REGISTERS, IN_IDLE_ST,
    MASTER_GLOBAL_CTRL, TRANS_RETURN, SEC_MEM_START_INIT, SEC_MEM_INIT_DONE,
]


class DeviceRegisters(wiring.Component):
    """Every register of `spec.sec.BAR2`: those of `LIVE` belong to a block, read-only ones show
    their reset value, writable ones hold what was written; all else is RAZ/WI (reference 1.2).

    An access is taken only when the doorbell before it has had its effect: a mailbox command or
    a read sees every doorbell rung before it. Doorbells must be 64-bit writes.

    Members
    -------
    bus
        BAR2 at 0, BAR4 behind it (`spec.qm.BAR4_BASE`), then the configuration space
        (`spec.qm.CONFIG_BASE`).
    config_write, config_index, words, data, config_read_index, config_read_data
        The configuration space.
    reset
        Everything kept here takes its reset value; accesses under way are answered.
    live
        One `Live` per name of `LIVE`.
    mailbox_write, half, mailbox_value
        Window of the mailbox (see MailboxWindow; with `words`, `data`) and its value.
    ring
        Doorbells.
    """

    def __init__(self, *, queues: int, depth: int):
        eq, aeq = event_depths(queues)
        self.constants: dict[type[Register], int] = {
            QUE_NUM_CAP: QUE_NUM_CAP.pack(TOTAL=queues, FUNCTION=queues),
            SQ_CQ_DEPTH_CAP: SQ_CQ_DEPTH_CAP.pack(SQ_DEPTH=depth, CQ_DEPTH=depth),
            EQ_AEQ_DEPTH_CAP: EQ_AEQ_DEPTH_CAP.pack(EQ_DEPTH=eq, AEQ_DEPTH=aeq)}
        super().__init__({
            "bus": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "live": Out(wiring.Signature({r.__name__: Out(Live()) for r in LIVE})),
            "mailbox_write": Out(1), "half": Out(1), "words": Out(2), "data": Out(64),
            "config_write": Out(1), "config_index": Out(INDEX_BITS),
            "config_read_index": Out(INDEX_BITS), "config_read_data": In(WORDS), "reset": In(1),
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
        self.connect_config_space(m)
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
            m.d.comb += [
                live.write.eq(write), live.data.eq(word),
                live.read.eq(self.slave.read & (self.slave.read_index == register.OFFSET // 8)),
            ]
            return live.value
        if register.ACCESS is not Access.RW:
            return self.constants.get(register, register.RESET)
        stored = Signal(32, init=register.RESET, name=register.__name__)
        write, word = self.written(register)
        with m.If(self.reset):
            m.d.sync += stored.eq(register.RESET)
        with m.Elif(write):
            m.d.sync += stored.eq(word)
        return stored

    def connect_config_space(self, m) -> None:
        slave, first = self.slave, CONFIG_BASE // 8 >> INDEX_BITS
        m.d.comb += [
            self.config_write.eq(slave.write & (slave.write_index[INDEX_BITS:] == first)),
            self.config_index.eq(slave.write_index),
            self.config_read_index.eq(slave.read_index),
        ]
        with m.If(slave.read_index[INDEX_BITS:] == first):
            m.d.comb += slave.read_data.eq(self.config_read_data)

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
        own = (offset >= BAR4_BASE) & (offset < CONFIG_BASE) & (
            offset % DOORBELL_PAGE == DOORBELL_OFFSET)
        event = offset == EventDoorbell.OFFSET
        m.d.comb += [
            slave.hold.eq(~ring.ready),
            ring.valid.eq(slave.write & slave.write_words.all()
                          & (own | event | (offset == Doorbell.OFFSET))),
            ring.payload.word.eq(slave.write_data), ring.payload.own.eq(own),
            ring.payload.page.eq(page), ring.payload.event.eq(event),
        ]
