"""Executes mailbox commands: loads and dumps contexts, drains queues."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.dma.single import BeatWriter
from hdl.accel.qm.window import MailboxWindow
from hdl.accel.streams import BEAT_BYTES, DATA_BITS, ContextPort, ReadPort, WritePort
from hdl.layouts import layout, view
from spec.qm import (
    CONTEXT_SLOT,
    CQC,
    CQE_BYTES,
    EQC,
    EQE,
    SQC,
    SQE_BYTES,
    MailboxCommand,
    MailboxOp,
    MailboxStatus,
)

TABLES = (MailboxCommand.SQC_BT, MailboxCommand.CQC_BT)
SLOT_BITS = 8 * CONTEXT_SLOT


class MailboxUnit(wiring.Component):
    """One command at a time (reference 2.4); the status says why one was refused, and then nothing
    has changed, except that an SQC or CQC load that fails after its checks leaves the queue
    without that context. So does one whose queue is taken from the function meanwhile.

    A load first waits for the queue's job under way; STOP_QP and FLUSH_QM wait for all rung SQEs
    that have room for their completion, and take no new ones meanwhile.

    Members
    -------
    window
        Driven by the bus (see MailboxWindow).
    read, write
        Memory, function's own space.
    sq, cq
        The tables; `number` with the pulses `load_*`, `unload_*` and `close` as there.
    sq_loaded, cq_loaded
        Queues with a context.
    pending, busy
        Queues with SQEs that could be started; with a job under way.
    draining
        Queues that take no doorbells for new SQEs.
    event_context, load_eq, load_aeq, eq_context, aeq_context
        New context for an event queue; the present ones.
    queue_count, sqc_vft, forget_sq, forget_cq
        From FunctionState.
    tables, has_tables
        Where the SQC and the CQC table begin; which of them are known.
    started
        Pulse: a command begins.
    read_error, write_error
        Pulses: an access failed.
    """

    def __init__(self, *, queues: int):
        self.queues = queues
        event = layout(EQC)
        super().__init__({
            "window_write": In(1), "half": In(1), "words": In(2), "data": In(64),
            "value": Out(128),
            "read": Out(ReadPort()), "write": Out(WritePort()),
            "sq": Out(ContextPort(layout(SQC), queues)),
            "cq": Out(ContextPort(layout(CQC), queues)),
            "number": Out(range(queues)), "load_sq": Out(1), "load_cq": Out(1),
            "unload_sq": Out(1), "unload_cq": Out(1), "close": Out(queues),
            "sq_loaded": In(queues), "cq_loaded": In(queues), "pending": In(queues),
            "busy": In(queues), "draining": Out(queues),
            "event_context": Out(event), "load_eq": Out(1), "load_aeq": Out(1),
            "eq_context": In(event), "aeq_context": In(event),
            "queue_count": In(range(queues + 1)), "sqc_vft": In(64),
            "forget_sq": In(1), "forget_cq": In(1),
            "tables": Out(64).array(len(TABLES)), "has_tables": Out(len(TABLES)),
            "started": Out(1), "read_error": Out(1), "write_error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.window = self.window = window = MailboxWindow()
        m.submodules.writer = self.writer = BeatWriter()
        wiring.connect(m, self.writer.write, wiring.flipped(self.write))
        self.command = command = window.command
        self.slot = Signal(SLOT_BITS)                    # the context on its way
        self.forgotten = Signal()                        # all of its kind, since the command began
        base = Cat(command.base_l, command.base_h)
        m.d.comb += [
            window.write.eq(self.window_write), window.half.eq(self.half),
            window.words.eq(self.words), window.data.eq(self.data),
            self.value.eq(window.value), self.number.eq(command.queue),
            self.sq.queue.eq(self.number), self.cq.queue.eq(self.number),
            self.read.req.payload.addr.eq(base),
            self.read.req.payload.len.eq(CONTEXT_SLOT // BEAT_BYTES - 1),
            self.read.beat.ready.eq(1), self.event_context.eq(self.slot),
            self.read_error.eq(self.read.beat.valid & self.read.beat.payload.error),
            self.write_error.eq(self.writer.done & self.writer.error),
        ]
        forget = ((self.is_command(MailboxCommand.SQC) & self.forget_sq)
                  | (self.is_command(MailboxCommand.CQC) & self.forget_cq))
        m.d.sync += self.forgotten.eq(window.running & (self.forgotten | forget))
        with m.FSM():
            with m.State("IDLE"), m.If(window.running):
                m.d.comb += self.started.eq(1)
                self.decode(m, base)
            self.load_states(m)
            self.dump_states(m, base)
            self.drain_states(m)
        return m

    def finish(self, m, status: MailboxStatus = MailboxStatus.OK) -> None:
        m.d.comb += [self.window.finish.eq(1), self.window.status.eq(status)]
        m.next = "IDLE"

    def is_command(self, *commands: MailboxCommand):
        return Cat(self.command.command == code for code in commands).any()

    def decode(self, m, base) -> None:
        """Refuse what cannot be done; start the rest."""
        command, window = self.command, self.window
        sets = command.op == MailboxOp.SET
        mine = command.queue < self.queue_count
        has_sq = mine & self.sq_loaded.bit_select(self.number, 1)
        has_cq = mine & self.cq_loaded.bit_select(self.number, 1)
        known = Signal()
        queue_ok = Signal(init=1)
        for_events = self.is_command(MailboxCommand.EQC, MailboxCommand.AEQC)
        contexts = self.is_command(MailboxCommand.SQC, MailboxCommand.CQC) | for_events
        tables = self.is_command(*TABLES)
        stop = self.is_command(MailboxCommand.STOP_QP)
        flush = self.is_command(MailboxCommand.FLUSH_QM)
        vft = self.is_command(MailboxCommand.SQC_VFT_V2)
        sq = self.is_command(MailboxCommand.SQC)
        m.d.comb += [
            known.eq(contexts | tables | (sets & (stop | flush)) | (~sets & vft)),
            queue_ok.eq(Mux(contexts & ~for_events, Mux(sets, mine, Mux(sq, has_sq, has_cq)),
                            ~stop | has_sq)),
        ]
        with m.If(~known):
            self.finish(m, MailboxStatus.BAD_COMMAND)
        with m.Elif(~queue_ok):
            self.finish(m, MailboxStatus.BAD_QUEUE)
        with m.Elif(contexts & base[:CONTEXT_SLOT.bit_length() - 1].any()):
            self.finish(m, MailboxStatus.BAD_CONTEXT)
        with m.Elif(contexts):
            m.next = "QUIESCE"
            with m.If(~sets):
                m.next = "TAKE"
        with m.Elif(stop | flush):
            m.next = "DRAIN"
        with m.Else():
            self.finish(m)
            m.d.comb += window.result_valid.eq(~sets)
            with m.If(vft):
                m.d.comb += window.result.eq(self.sqc_vft)
            for n, kind in enumerate(TABLES):
                with m.If(self.is_command(kind)):
                    m.d.comb += window.result.eq(self.tables[n])
                    with m.If(sets):
                        m.d.sync += [self.tables[n].eq(base), self.has_tables[n].eq(1)]

    def load_states(self, m) -> None:
        """Close the queue, wait for its job, read the context, check it, store it."""
        beat, slot = self.read.beat, self.slot
        failed = Signal()
        sq, cq = self.is_command(MailboxCommand.SQC), self.is_command(MailboxCommand.CQC)
        queue_busy = (sq | cq) & self.busy.bit_select(self.number, 1)
        with m.State("QUIESCE"):
            m.d.comb += [self.unload_sq.eq(sq), self.unload_cq.eq(cq)]
            m.d.sync += failed.eq(0)
            m.next = "IDLE WAIT"
        with m.State("IDLE WAIT"), m.If(~queue_busy):
            m.next = "READ"
        with m.State("READ"):
            m.d.comb += self.read.req.valid.eq(1)
            with m.If(self.read.req.ready):
                m.next = "RECEIVE"
        with m.State("RECEIVE"), m.If(beat.valid):
            m.d.sync += [
                slot.eq(Cat(slot[DATA_BITS:], beat.payload.data)),
                failed.eq(failed | beat.payload.error),
            ]
            with m.If(beat.payload.last):
                m.next = "CHECK"
        with m.State("CHECK"):
            acceptable = self.acceptable(m)
            with m.If(failed):
                self.finish(m, MailboxStatus.BUS_ERROR)
            with m.Elif(~acceptable):
                self.finish(m, MailboxStatus.BAD_CONTEXT)
            with m.Else():
                m.next = "STORE"
        with m.State("STORE"):
            with m.If(self.forgotten):
                self.finish(m, MailboxStatus.BAD_QUEUE)
            with m.Else():
                self.store(m, sq, cq)

    def store(self, m, sq, cq) -> None:
        """The context in `slot` is good: it counts from now on."""
        m.d.comb += [
            self.sq.req.eq(sq), self.cq.req.eq(cq),
            self.sq.new_row.eq(self.slot), self.cq.new_row.eq(self.slot),
            self.sq.write.eq(self.sq.ready), self.cq.write.eq(self.cq.ready),
        ]
        with m.If(Mux(sq, self.sq.ready, self.cq.ready | ~cq)):
            m.d.comb += [
                self.load_sq.eq(sq), self.load_cq.eq(cq),
                self.load_eq.eq(self.is_command(MailboxCommand.EQC)),
                self.load_aeq.eq(self.is_command(MailboxCommand.AEQC)),
            ]
            self.finish(m)

    def acceptable(self, m):
        """Whether the context in `slot` describes a ring this device can use."""
        row, event = view(SQC, self.slot), view(EQC, self.slot[:EQC.BITS])
        acceptable = Signal()

        def ring(row, entry_bytes: int):
            log2 = entry_bytes.bit_length() - 1
            return ((row.depth_minus_1 != 0) & (row.head <= row.depth_minus_1)
                    & (row.tail <= row.depth_minus_1) & (row.base_l[:log2] == 0))

        with m.Switch(self.command.command):
            with m.Case(MailboxCommand.SQC):
                m.d.comb += acceptable.eq(
                    ring(row, SQE_BYTES) & (row.log2_size == SQE_BYTES.bit_length() - 1)
                    & (row.cq_num == self.number))
            with m.Case(MailboxCommand.CQC):
                m.d.comb += acceptable.eq(
                    ring(row, CQE_BYTES) & (row.log2_size == CQE_BYTES.bit_length() - 1))
            with m.Default():
                m.d.comb += acceptable.eq(ring(event, EQE.size()))
        return acceptable

    def dump_states(self, m, base) -> None:
        """Write the context, beat by beat; an EQC or AEQC is shorter than its slot."""
        writer, slot = self.writer, self.slot
        second, failed = Signal(), Signal()
        sq, cq = self.is_command(MailboxCommand.SQC), self.is_command(MailboxCommand.CQC)
        size = Mux(sq | cq, CONTEXT_SLOT, EQC.size())
        strobes = Cat(n < size for n in range(CONTEXT_SLOT))
        with m.State("TAKE"):
            m.d.comb += [self.sq.req.eq(sq), self.cq.req.eq(cq)]
            m.d.sync += [second.eq(0), failed.eq(0)]
            with m.If(self.sq.ready):
                m.d.sync += slot.eq(self.sq.row)
            with m.Elif(self.cq.ready):
                m.d.sync += slot.eq(self.cq.row)
            with m.Else():
                m.d.sync += slot.eq(Mux(self.is_command(MailboxCommand.EQC), self.eq_context,
                                        self.aeq_context))
            with m.If(self.sq.ready | self.cq.ready | ~(sq | cq)):
                m.next = "DUMP"
        with m.State("DUMP"):
            m.d.comb += [
                writer.request.valid.eq(1),
                writer.request.payload.addr.eq(base + (second << BEAT_BYTES.bit_length() - 1)),
                writer.request.payload.data.eq(slot.word_select(second, DATA_BITS)),
                writer.request.payload.strb.eq(strobes.word_select(second, BEAT_BYTES)),
            ]
            with m.If(writer.request.ready):
                m.next = "DUMP WAIT"
        with m.State("DUMP WAIT"), m.If(writer.done):
            m.d.sync += [second.eq(1), failed.eq(failed | writer.error)]
            m.next = "DUMP"
            with m.If(second & (failed | writer.error)):
                self.finish(m, MailboxStatus.BUS_ERROR)
            with m.Elif(second):
                self.finish(m)

    def drain_states(self, m) -> None:
        """Let what was rung come to its end, then close."""
        stop = self.is_command(MailboxCommand.STOP_QP)
        scope = Signal(self.queues)
        with m.State("DRAIN"):
            with m.If(stop):
                m.d.comb += scope.bit_select(self.number, 1).eq(1)
            with m.Else():
                m.d.comb += scope.eq(~0)
            m.d.comb += self.draining.eq(scope)
            with m.If(~(scope & (self.pending | self.busy)).any()):
                m.d.comb += self.close.eq(scope)
                self.finish(m)
