"""The accelerator: wiring of queue manager, lanes and memory."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import StreamArbiter
from hdl.accel.dma.gather import BUFFER_BEATS
from hdl.accel.dma.master import ID_BITS, MemoryMaster
from hdl.accel.jobs import done_layout
from hdl.accel.lane import Lane
from hdl.accel.qm import abnormal, function
from hdl.accel.qm.abnormal import Abnormal
from hdl.accel.qm.completion import Completion
from hdl.accel.qm.contexts import ContextTable
from hdl.accel.qm.doorbell import DoorbellUnit
from hdl.accel.qm.events import EventQueue
from hdl.accel.qm.function import FunctionState
from hdl.accel.qm.mailbox import MailboxUnit
from hdl.accel.qm.registers import ADDR_WIDTH, DeviceRegisters
from hdl.accel.qm.scheduler import Scheduler
from hdl.accel.streams import BURST_BEATS, DATA_BITS, AcceleratorInterrupts
from hdl.axi import AXI4, AXI4Lite, StreamUser
from hdl.layouts import layout
from hdl.streams import ADDR_BITS
from spec.qm import AEQE, CQC, EQE, SQC, AeqeType

MAX_PROBES = BUFFER_BEATS // BURST_BEATS


def has_work(row):
    """SQC: an SQE was rung that was not fetched yet."""
    return row.head != row.tail


def has_room(row):
    """CQC: one more CQE may be written; one place always stays free, so that equal indices mean
    empty."""
    after = row.tail + 1
    return (row.head != after) & ~((row.head == 0) & (row.tail == row.depth_minus_1))


class Accelerator(wiring.Component):
    """A queue manager v3 device that works in its applications' address spaces.

    Parameters
    ----------
    config : hdl.config.Config
        `queues`, `lanes` (jobs under way at once) and `accel_sid` count here. The data bus is
        always 128 bits: give its TBU that width.

    Members
    -------
    dev
        Registers: BAR2 at 0, doorbell pages of BAR4 behind it; answers every access.
    axi
        Everything it reads and writes in memory, to its TBU. AxUSER: StreamID `accel_sid`; rings
        and contexts with SSV 0, what an SQE points to in the queue's space (reference 3.10).
    irq
        Interrupts.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "dev": In(AXI4Lite(addr_width=ADDR_WIDTH)),
            "axi": Out(AXI4(addr_width=ADDR_BITS, data_width=DATA_BITS, id_width=ID_BITS,
                            user=StreamUser)),
            "irq": Out(AcceleratorInterrupts()),
        })

    def elaborate(self, platform):
        m = Module()
        queues = self.config.queues
        m.submodules.registers = self.registers = DeviceRegisters(queues=queues)
        m.submodules.function = self.function = FunctionState(queues=queues)
        m.submodules.abnormal = self.abnormal = Abnormal()
        m.submodules.mailbox = self.mailbox = MailboxUnit(queues=queues)
        m.submodules.doorbell = self.doorbell = DoorbellUnit(queues=queues)
        m.submodules.sq = self.sq = ContextTable(layout(SQC), has_work, queues=queues, ports=3)
        m.submodules.cq = self.cq = ContextTable(layout(CQC), has_room, queues=queues, ports=3)
        m.submodules.scheduler = self.scheduler = Scheduler(queues=queues)
        m.submodules.completion = self.completion = Completion(queues=queues)
        m.submodules.eq = self.eq = EventQueue(queues=queues, number=EQE.cq_num)
        m.submodules.aeq = self.aeq = EventQueue(
            queues=queues, number=AEQE.queue, fixed=AEQE.pack(type=AeqeType.CQE_ERROR))
        # The TBU keeps slots for mailbox and scheduler even if all lanes wait for translations.
        probes = max(1, min(MAX_PROBES, (self.config.tbu_slots - 2) // self.config.lanes))
        self.lanes = [Lane(queues=queues, probes=probes) for _ in range(self.config.lanes)]
        for n, lane in enumerate(self.lanes):
            m.submodules[f"lane{n}"] = lane
        wiring.connect(m, wiring.flipped(self.dev), self.registers.bus)
        self.connect_memory(m)
        self.connect_registers(m)
        self.connect_tables(m)
        self.connect_jobs(m)
        self.connect_events(m)
        return m

    def connect_memory(self, m) -> None:
        reads = [self.mailbox.read, self.scheduler.read, *(lane.read for lane in self.lanes)]
        writes = [self.mailbox.write, self.completion.write, self.eq.write, self.aeq.write,
                  *(lane.write for lane in self.lanes)]
        m.submodules.master = master = MemoryMaster(
            sid=self.config.accel_sid, reads=len(reads), writes=len(writes))
        for port, inner in zip([*reads, *writes], [*master.reads, *master.writes], strict=True):
            wiring.connect(m, port, inner)
        wiring.connect(m, master.axi, wiring.flipped(self.axi))
        live = self.registers.live
        stop = Signal()
        with m.If(live.MASTER_GLOBAL_CTRL.write):
            m.d.sync += stop.eq(live.MASTER_GLOBAL_CTRL.data[0])
        m.d.comb += [
            master.stop.eq(stop), live.MASTER_GLOBAL_CTRL.value.eq(stop),
            live.TRANS_RETURN.value[0].eq(stop & master.read_idle),
            live.TRANS_RETURN.value[1].eq(stop & master.write_idle),
        ]

    def connect_registers(self, m) -> None:
        registers, mailbox = self.registers, self.mailbox
        for block, names in ((self.function, function.REGISTERS),
                             (self.abnormal, abnormal.REGISTERS)):
            for register in names:
                wiring.connect(m, getattr(registers.live, register.__name__),
                               getattr(block.registers, register.__name__))
        live = registers.live
        for queue, source, mask in ((self.eq, live.EQ_INT_SOURCE, live.EQ_INT_MASK),
                                    (self.aeq, live.AEQ_INT_SOURCE, live.AEQ_INT_MASK)):
            wiring.connect(m, source, queue.source)
            wiring.connect(m, mask, queue.mask)
        with m.If(live.SEC_MEM_START_INIT.write & live.SEC_MEM_START_INIT.data[0]):
            m.d.sync += live.SEC_MEM_INIT_DONE.value.eq(1)
        m.d.comb += [
            live.IN_IDLE_ST.value.eq(~self.scheduler.busy.any()),
            mailbox.window_write.eq(registers.mailbox_write), mailbox.half.eq(registers.half),
            mailbox.words.eq(registers.words), mailbox.data.eq(registers.data),
            registers.mailbox_value.eq(mailbox.value),
            mailbox.queue_count.eq(self.function.queue_count),
            mailbox.sqc_vft.eq(self.function.sqc_vft),
        ]
        wiring.connect(m, registers.ring, self.doorbell.ring)

    def connect_tables(self, m) -> None:
        sq, cq, mailbox, completion = self.sq, self.cq, self.mailbox, self.completion
        lost = Signal(self.config.queues)
        m.d.comb += [
            lost.bit_select(completion.number, 1).eq(completion.lost), self.aeq.want.eq(lost),
        ]
        for table, ports in ((sq, (self.scheduler.context, self.doorbell.sq, mailbox.sq)),
                             (cq, (completion.context, self.doorbell.cq, mailbox.cq))):
            for port, inner in zip(ports, table.ports, strict=True):
                wiring.connect(m, port, inner)
            m.d.comb += [table.number.eq(mailbox.number), table.close.eq(mailbox.close | lost)]
        m.d.comb += [
            sq.load.eq(mailbox.load_sq), sq.unload.eq(mailbox.unload_sq),
            cq.load.eq(mailbox.load_cq), cq.unload.eq(mailbox.unload_cq),
            sq.forget.eq(self.function.forget_sq), cq.forget.eq(self.function.forget_cq),
            mailbox.sq_loaded.eq(sq.loaded), mailbox.cq_loaded.eq(cq.loaded),
            mailbox.pending.eq(self.scheduler.eligible), mailbox.busy.eq(self.scheduler.busy),
            self.doorbell.sq_open.eq(sq.open), self.doorbell.cq_open.eq(cq.open),
            self.doorbell.draining.eq(mailbox.draining),
            self.doorbell.writing.eq(completion.writing),
            completion.sq_open.eq(sq.open), completion.cq_open.eq(cq.open),
            self.scheduler.eligible.eq(sq.open & sq.flag & cq.open & cq.flag),
        ]

    def connect_jobs(self, m) -> None:
        """A fetched job goes to the first free lane; finished ones to completion in turn."""
        job, completion = self.scheduler.job, self.completion
        m.submodules.done_turn = turn = StreamArbiter(done_layout(self.config.queues),
                                                      len(self.lanes))
        free = job.valid
        for n, lane in enumerate(self.lanes):
            m.d.comb += [lane.job.payload.eq(job.payload), lane.job.valid.eq(free)]
            with m.If(free & lane.job.ready):
                m.d.comb += job.ready.eq(1)
            free = free & ~lane.job.ready
            wiring.connect(m, lane.done, turn.inputs[n])
        wiring.connect(m, turn.output, completion.done)
        m.d.comb += [
            self.scheduler.retire.eq(completion.retire),
            self.scheduler.retired.eq(completion.number),
        ]

    def connect_events(self, m) -> None:
        eq, aeq, mailbox = self.eq, self.aeq, self.mailbox
        completion, doorbell, abnormal_ = self.completion, self.doorbell, self.abnormal
        wiring.connect(m, doorbell.eq, eq.doorbell)
        wiring.connect(m, doorbell.aeq, aeq.doorbell)
        completed, asked = Signal(self.config.queues), Signal(self.config.queues)
        m.d.comb += [
            completed.bit_select(completion.number, 1).eq(completion.want_event),
            asked.bit_select(doorbell.number, 1).eq(doorbell.want_event),
            eq.want.eq(completed | asked),
            eq.new_context.eq(mailbox.event_context), eq.load.eq(mailbox.load_eq),
            aeq.new_context.eq(mailbox.event_context), aeq.load.eq(mailbox.load_aeq),
            mailbox.eq_context.eq(eq.context), mailbox.aeq_context.eq(aeq.context),
            eq.forget.eq(self.function.forget_events), aeq.forget.eq(self.function.forget_events),
            abnormal_.raise_read.eq(mailbox.read_error | self.scheduler.bus_error),
            abnormal_.raise_write.eq(mailbox.write_error | completion.bus_error | eq.bus_error
                                     | aeq.bus_error),
            abnormal_.raise_random.eq(doorbell.random_invalid),
            self.irq.eq.eq(eq.irq), self.irq.aeq.eq(aeq.irq), self.irq.abnormal.eq(abnormal_.irq),
        ]
