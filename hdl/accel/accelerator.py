"""The accelerator: wiring of queue manager, lanes and memory."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import Slot, StreamArbiter, number_of
from hdl.accel.dma.gather import BUFFER_BEATS
from hdl.accel.dma.master import ID_BITS, MemoryMaster
from hdl.accel.jobs import done_layout, job_layout
from hdl.accel.lane import Lane
from hdl.accel.qm import abnormal, counters, function, write_back
from hdl.accel.qm.abnormal import Abnormal
from hdl.accel.qm.completion import Completion
from hdl.accel.qm.config_space import ConfigSpace
from hdl.accel.qm.contexts import ContextTable
from hdl.accel.qm.counters import Counters
from hdl.accel.qm.doorbell import DoorbellUnit
from hdl.accel.qm.events import EventQueue
from hdl.accel.qm.function import FunctionState
from hdl.accel.qm.mailbox import MailboxUnit
from hdl.accel.qm.msi import MsiUnit
from hdl.accel.qm.places import Places
from hdl.accel.qm.registers import ADDR_WIDTH, DeviceRegisters
from hdl.accel.qm.scheduler import Scheduler
from hdl.accel.qm.write_back import WriteBack
from hdl.accel.streams import BURST_BEATS, DATA_BITS, AcceleratorInterrupts
from hdl.axi import AXI4, AXI4Lite, StreamUser
from hdl.layouts import layout
from hdl.onehot import any_of, first_one
from hdl.streams import ADDR_BITS
from spec.qm import (
    ABNORMAL_IRQ_CAP,
    AEQ_IRQ_CAP,
    AEQE,
    CQC,
    EQ_IRQ_CAP,
    EQE,
    SQC,
    AeqeType,
)

AEQ_KINDS = (AeqeType.EQ_OVERFLOW, AeqeType.CQE_ERROR, AeqeType.CQ_OVERFLOW)   # urgency
MAX_PROBES = BUFFER_BEATS // BURST_BEATS


def has_work(row):
    """SQC: an SQE was rung that was not fetched yet."""
    return row.head != row.tail


def has_room(row):
    """CQC: one more CQE may be written; one place always stays free, so that equal indices mean
    empty."""
    return row.head != after(row, row.tail)


def has_more_room(row):
    """CQC: two more CQEs may be written."""
    return has_room(row) & (row.head != after(row, after(row, row.tail)))


def after(row, index):
    """The place behind `index` in the ring of a context."""
    return Mux(index == row.depth_minus_1, 0, index + 1)


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
        Registers: BAR2 at 0, doorbell pages of BAR4 behind it, then the configuration space;
        answers every access.
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
        config = self.config
        queues = config.queues
        self.reset = Signal()

        def part(name, component):
            """A submodule that a function level reset reaches."""
            m.submodules[name] = component = ResetInserter(self.reset)(component)
            return component

        m.submodules.registers = self.registers = DeviceRegisters(queues=queues,
                                                                  depth=config.depth)
        self.config_space = part("config_space", ConfigSpace(queues=queues))
        self.counters = part("counters", Counters(queues=queues, lanes=config.lanes,
                                                  completions=config.completions))
        self.function = part("function", FunctionState(queues=queues))
        self.abnormal = part("abnormal", Abnormal(queues=queues))
        self.mailbox = part("mailbox", MailboxUnit(queues=queues))
        self.doorbell = part("doorbell", DoorbellUnit(queues=queues))
        self.sq = part("sq", ContextTable(layout(SQC), [has_work], queues=queues, ports=4))
        self.cq = part("cq", ContextTable(layout(CQC), [has_room, has_more_room], queues=queues,
                                          ports=3 + config.completions))
        self.places = part("places", Places(queues=queues, lanes=config.lanes))
        self.scheduler = part("scheduler", Scheduler(queues=queues, lanes=config.lanes))
        self.eq = part("eq", EventQueue(queues=queues, number=EQE.cq_num, guarded=True))
        self.aeq = part("aeq", EventQueue(
            queues=queues, number=AEQE.queue, kinds=AEQ_KINDS))
        self.msi = part("msi", MsiUnit())
        self.write_back = part("write_back", WriteBack(queues=queues))
        # The TBU keeps slots for rings and contexts even if all lanes wait for translations, and
        # room beside for the data of all writes that wait.
        slots = (config.tbu_slots - 2) // config.lanes
        probes = max(1, min(MAX_PROBES, slots))
        write_probes = max(1, min(MAX_PROBES, slots, config.write_blocks // config.lanes))
        self.lanes = [part(f"lane{n}", Lane(queues=queues, probes=probes,
                                            write_probes=write_probes))
                      for n in range(config.lanes)]
        self.slots = [part(f"slot{n}", Slot(job_layout(queues))) for n in range(config.lanes)]
        self.completions = [part(f"completion{n}", Completion(queues=queues))
                            for n in range(config.completions)]
        wiring.connect(m, wiring.flipped(self.dev), self.registers.bus)
        self.connect_memory(m)
        self.connect_config_space(m)
        self.connect_registers(m)
        self.connect_tables(m)
        self.connect_choice(m)
        self.connect_jobs(m)
        self.connect_events(m)
        self.connect_counters(m)
        return m

    def connect_memory(self, m) -> None:
        reads = [self.mailbox.read, self.scheduler.read, *(lane.read for lane in self.lanes)]
        writes = [self.mailbox.write, self.eq.write, self.aeq.write, self.msi.write,
                  self.write_back.write, *(completion.write for completion in self.completions),
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
        with m.If(self.reset):
            m.d.sync += stop.eq(0)
        m.d.comb += [
            master.reset.eq(self.reset), master.stop.eq(stop | ~self.config_space.master),
            self.config_space.transactions.eq(~(master.read_idle & master.write_idle)),
            live.MASTER_GLOBAL_CTRL.value.eq(stop),
            live.TRANS_RETURN.value[0].eq(stop & master.read_idle),
            live.TRANS_RETURN.value[1].eq(stop & master.write_idle),
        ]

    def connect_config_space(self, m) -> None:
        config, registers, msi = self.config_space, self.registers, self.msi
        m.d.comb += [
            config.write.eq(registers.config_write), config.write_index.eq(registers.config_index),
            config.write_words.eq(registers.words), config.write_data.eq(registers.data),
            config.read_index.eq(registers.config_read_index),
            registers.config_read_data.eq(config.read_data),
            self.reset.eq(config.reset), registers.reset.eq(config.reset),
            msi.settings.eq(config.msi), config.msi_pending.eq(msi.pending),
        ]
        for pulse, capability in ((self.irq.eq, EQ_IRQ_CAP), (self.irq.aeq, AEQ_IRQ_CAP),
                                  (self.irq.abnormal, ABNORMAL_IRQ_CAP)):
            m.d.comb += msi.irq[capability(capability.RESET).VECTOR].eq(pulse)

    def connect_registers(self, m) -> None:
        registers, mailbox = self.registers, self.mailbox
        for block, names in ((self.function, function.REGISTERS),
                             (self.abnormal, abnormal.REGISTERS),
                             (self.counters, counters.REGISTERS),
                             (self.write_back, write_back.REGISTERS)):
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
        with m.If(self.reset):
            m.d.sync += live.SEC_MEM_INIT_DONE.value.eq(0)
        m.d.comb += [
            live.IN_IDLE_ST.value.eq(~self.places.busy.any()),
            mailbox.window_write.eq(registers.mailbox_write), mailbox.half.eq(registers.half),
            mailbox.words.eq(registers.words), mailbox.data.eq(registers.data),
            registers.mailbox_value.eq(mailbox.value),
            mailbox.queue_count.eq(self.function.queue_count),
            mailbox.sqc_vft.eq(self.function.sqc_vft),
            mailbox.forget_sq.eq(self.function.forget_sq),
            mailbox.forget_cq.eq(self.function.forget_cq),
        ]
        wiring.connect(m, registers.ring, self.doorbell.ring)

    def connect_tables(self, m) -> None:
        sq, cq, mailbox, completions = self.sq, self.cq, self.mailbox, self.completions
        back, lost = self.write_back, self.of_completions(m, "lost")
        m.d.comb += self.aeq.want[AEQ_KINDS.index(AeqeType.CQE_ERROR)].eq(lost)
        for table, ports in (
                (sq, (self.scheduler.context, self.doorbell.sq, mailbox.sq, back.sq)),
                (cq, (self.doorbell.cq, mailbox.cq, back.cq, *(c.context for c in completions)))):
            for port, inner in zip(ports, table.ports, strict=True):
                wiring.connect(m, port, inner)
            m.d.comb += [table.number.eq(mailbox.number), table.close.eq(mailbox.close | lost)]
        m.d.comb += [
            sq.load.eq(mailbox.load_sq), sq.unload.eq(mailbox.unload_sq),
            cq.load.eq(mailbox.load_cq), cq.unload.eq(mailbox.unload_cq),
            sq.forget.eq(self.function.forget_sq), cq.forget.eq(self.function.forget_cq),
            mailbox.sq_loaded.eq(sq.loaded), mailbox.cq_loaded.eq(cq.loaded),
            back.sq_loaded.eq(sq.loaded), back.cq_loaded.eq(cq.loaded),
            back.sq_table.eq(mailbox.tables[0]), back.cq_table.eq(mailbox.tables[1]),
            Cat(back.has_sq_table, back.has_cq_table).eq(mailbox.has_tables),
            self.doorbell.sq_open.eq(sq.open), self.doorbell.cq_open.eq(cq.open),
            self.doorbell.draining.eq(mailbox.draining),
            self.doorbell.writing.eq(any_of(c.writing for c in completions)),
        ]
        for completion in completions:
            m.d.comb += [completion.sq_open.eq(sq.open), completion.cq_open.eq(cq.open)]

    def of_completions(self, m, name: str):
        """Bit per queue: what member `name` of a completion says of its queue."""
        bits = []
        for n, completion in enumerate(self.completions):
            bit = Signal(self.config.queues, name=f"{name}{n}")
            m.d.comb += bit.bit_select(completion.number, 1).eq(getattr(completion, name))
            bits.append(bit)
        return any_of(bits)

    def connect_choice(self, m) -> None:
        """Which queues can have a job started, and which would if their CQ had room."""
        sq, cq, places, scheduler = self.sq, self.cq, self.places, self.scheduler
        doorbell, mailbox, queues = self.doorbell, self.mailbox, self.config.queues
        work, one, begin, ready = (Signal(queues, name=name) for name in (
            "work", "one", "begin", "ready"))
        urgent, full, first, reported, loaded = (Signal(queues, name=name) for name in (
            "urgent", "full", "first", "reported", "loaded"))
        room, more_room = cq.flags
        m.d.comb += [
            work.eq(sq.open & cq.open & sq.flags[0]), one.eq(work & room),
            begin.eq(one & places.may_begin),
            ready.eq(Mux(begin.any(), begin, work & more_room & places.may_follow)),
            scheduler.normal.eq(ready & ~urgent), scheduler.urgent.eq(ready & urgent),
            mailbox.pending.eq(one), mailbox.busy.eq(places.busy),
            # Until a CQE is in the tail, software that was quick to acknowledge it is ahead of it.
            full.eq(work & ~room & ~reported & ~doorbell.writing),
            loaded.bit_select(mailbox.number, 1).eq(mailbox.load_sq | mailbox.load_cq),
            self.aeq.want[AEQ_KINDS.index(AeqeType.CQ_OVERFLOW)].eq(full),
            self.abnormal.cq_overflow.eq(full.any()),
            self.abnormal.cq_number.eq(number_of(first)), first.eq(first_one(full)),
        ]
        m.d.sync += reported.eq((reported | full) & ~loaded)
        with m.If(doorbell.submitted):
            m.d.sync += urgent.bit_select(doorbell.number, 1).eq(doorbell.urgent)
        with m.If(self.reset):
            m.d.sync += [reported.eq(0), urgent.eq(0)]

    def connect_jobs(self, m) -> None:
        """A fetched job goes to the slot of its lane; finished ones to the lane's completion."""
        job, scheduler, places = self.scheduler.job, self.scheduler, self.places
        m.d.comb += [
            places.start.eq(scheduler.start), places.queue.eq(scheduler.queue),
            scheduler.follows.eq(places.follows), scheduler.lane.eq(places.lane),
            places.put.eq(job.valid & job.ready & ~scheduler.job_follows),
            places.put_queue.eq(job.payload.queue),
            places.retire.eq(self.of_completions(m, "retire")),
        ]
        for n, (slot, lane) in enumerate(zip(self.slots, self.lanes, strict=True)):
            here = Mux(scheduler.job_follows, scheduler.job_lane == n,
                       places.has_free & (places.free_lane == n))
            m.d.comb += [
                slot.input.payload.eq(job.payload), slot.input.valid.eq(job.valid & here),
                places.left[n].eq(lane.done.valid & lane.done.ready),
                places.active[n].eq(lane.read.beat.valid | lane.write.done
                                    | (lane.job.valid & lane.job.ready)),
            ]
            with m.If(here):
                m.d.comb += job.ready.eq(slot.input.ready)
            wiring.connect(m, slot.output, lane.job)
        for n, completion in enumerate(self.completions):
            lanes = self.lanes[n::len(self.completions)]
            turn = ResetInserter(self.reset)(
                StreamArbiter(done_layout(self.config.queues), len(lanes)))
            m.submodules[f"done_turn{n}"] = turn
            for lane, inner in zip(lanes, turn.inputs, strict=True):
                wiring.connect(m, lane.done, inner)
            wiring.connect(m, turn.output, completion.done)

    def connect_counters(self, m) -> None:
        counters_, job, ring = self.counters, self.scheduler.job, self.doorbell.ring
        start = job.valid & job.ready
        m.d.comb += [
            counters_.command.eq(self.mailbox.started),
            counters_.doorbell.eq(ring.valid & ring.ready),
            counters_.sqe.eq(start), counters_.sqe_queue.eq(job.payload.queue),
            counters_.sent.eq(start), counters_.finished.eq(self.places.left),
        ]
        for n, completion in enumerate(self.completions):
            m.d.comb += [
                counters_.written_back[n].eq(completion.written_back),
                counters_.cqe[n].eq(completion.completed),
                counters_.cqe_queue[n].eq(completion.number),
                counters_.cqe_error[n].eq(completion.lost),
            ]

    def connect_events(self, m) -> None:
        eq, aeq, mailbox = self.eq, self.aeq, self.mailbox
        doorbell, abnormal_ = self.doorbell, self.abnormal
        wiring.connect(m, doorbell.eq, eq.doorbell)
        wiring.connect(m, doorbell.aeq, aeq.doorbell)
        asked, eq_overflow = Signal(self.config.queues), Signal(self.config.queues)
        m.d.comb += [
            asked.bit_select(doorbell.number, 1).eq(doorbell.want_event),
            eq.want[0].eq(self.of_completions(m, "want_event") | asked),
            eq.new_context.eq(mailbox.event_context), eq.load.eq(mailbox.load_eq),
            aeq.new_context.eq(mailbox.event_context), aeq.load.eq(mailbox.load_aeq),
            mailbox.eq_context.eq(eq.context), mailbox.aeq_context.eq(aeq.context),
            eq.forget.eq(self.function.forget_events), aeq.forget.eq(self.function.forget_events),
            abnormal_.raise_read.eq(mailbox.read_error | self.scheduler.bus_error),
            abnormal_.raise_write.eq(any_of([
                mailbox.write_error, eq.bus_error, aeq.bus_error, self.msi.bus_error,
                self.write_back.bus_error,
                *(completion.bus_error for completion in self.completions)])),
            abnormal_.raise_random.eq(doorbell.random_invalid),
            eq_overflow.bit_select(eq.overflow_queue, 1).eq(eq.overflow),
            aeq.want[AEQ_KINDS.index(AeqeType.EQ_OVERFLOW)].eq(eq_overflow),
            abnormal_.eq_overflow.eq(eq.overflow), abnormal_.eq_number.eq(eq.overflow_queue),
            abnormal_.aeq_overflow.eq(aeq.overflow), abnormal_.aeq_number.eq(aeq.overflow_queue),
            self.irq.eq.eq(eq.irq), self.irq.aeq.eq(aeq.irq), self.irq.abnormal.eq(abnormal_.irq),
        ]
