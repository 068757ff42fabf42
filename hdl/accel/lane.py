"""A lane takes one job at a time from its descriptor to its result."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.check import Check
from hdl.accel.dma.gather import Gather
from hdl.accel.dma.scatter import Scatter
from hdl.accel.dma.share import ReadShare
from hdl.accel.dma.walker import ListWalker
from hdl.accel.engines.bank import EngineBank
from hdl.accel.fetch import Fetch
from hdl.accel.jobs import done_layout, job_layout
from hdl.accel.streams import Failure, ReadPort, WritePort
from spec.sec import AddressType, ErrorType


class Lane(wiring.Component):
    """Checks a BD3, moves its bytes through an engine and says how it ended (reference 3.8).

    A failed access stops the job: nothing more is begun, what is under way is waited for, and the
    error type and address say which access it was. Bytes of the destination before the failure
    may have been written. A job whose reads stall waits, and nobody else does.

    Parameters
    ----------
    probes, write_probes
        See `Gather` and `Scatter`; lists are read only while no page is probed, and the other way
        round.

    Members
    -------
    job, done
        One after the other.
    read, write
        The job's own accesses to memory, in the space of the job.
    """

    def __init__(self, *, queues: int, probes: int, write_probes: int = 1):
        self.queues, self.probes, self.write_probes = queues, probes, write_probes
        self.job_layout = job_layout(queues)
        super().__init__({
            "job": In(stream.Signature(self.job_layout)),
            "done": Out(stream.Signature(done_layout(queues))),
            "read": Out(ReadPort()), "write": Out(WritePort()),
        })

    def elaborate(self, platform):
        m = Module()
        self.clear = Signal()
        self.running = Signal()
        job, done = Signal(self.job_layout), self.done.payload
        m.submodules.check = self.check = Check(queues=self.queues)
        m.submodules.share = self.share = ReadShare(3)
        for name, block in (("gather", Gather(self.probes)),
                            ("scatter", Scatter(self.write_probes)),
                            ("sources", ListWalker(ErrorType.DATA_READ)),
                            ("targets", ListWalker(ErrorType.DATA_WRITE)),
                            ("fetch", Fetch()), ("engines", EngineBank())):
            m.submodules[name] = ResetInserter(self.clear)(block)
            setattr(self, name, block)
        self.connect_data(m)
        self.connect_lists(m)
        self.describe(m, job)
        m.d.comb += [
            self.check.job.eq(job), done.queue.eq(job.queue), done.index.eq(job.index),
            done.sqe_addr.eq(job.sqe_addr),
        ]
        failed, failure = self.first_failure(m)
        check, engine = self.check, self.engines.port
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.job.ready.eq(1), self.clear.eq(1)]
                m.d.sync += job.eq(self.job.payload)
                with m.If(self.job.valid):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += [done.error_type.eq(check.error), done.result.eq(0)]
                m.next = "DONE"
                with m.If(check.error == ErrorType.OK):
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.running.eq(1)
                with m.If(failed):
                    m.d.sync += [done.error_type.eq(failure.error_type),
                                 done.result.eq(failure.addr)]
                    m.next = "SETTLE"
                with m.Elif(Mux(check.writes, self.scatter.finished, engine.finished)):
                    m.d.sync += done.result.eq(Mux(check.writes, 0, engine.value))
                    m.next = "SETTLE"
            with m.State("SETTLE"), m.If(self.share.idle & self.scatter.idle):
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.valid.eq(1)
                with m.If(self.done.ready):
                    m.next = "IDLE"
        return m

    def connect_data(self, m) -> None:
        """Memory to engine to memory."""
        gather, scatter, fetch, engines = self.gather, self.scatter, self.fetch, self.engines
        wiring.connect(m, self.sources.segment, fetch.source)
        wiring.connect(m, fetch.segment, gather.segment)
        wiring.connect(m, gather.chunk, fetch.chunk)
        wiring.connect(m, fetch.data, engines.port.source)
        wiring.connect(m, engines.port.result, scatter.chunk)
        wiring.connect(m, self.targets.segment, scatter.segment)
        wiring.connect(m, scatter.write, wiring.flipped(self.write))
        m.d.comb += [gather.halt.eq(~self.running), scatter.halt.eq(~self.running)]

    def connect_lists(self, m) -> None:
        """All reads of the job share one port, and what it may ask of pages that do not answer."""
        share, gather = self.share, self.gather
        walkers = (self.sources, self.targets)
        listing = Signal()               # a list is being read
        asked, answered = Signal(), Signal()
        for port, reader in zip(share.inputs, (gather, *walkers), strict=True):
            wiring.connect(m, reader.read, port)
        wiring.connect(m, share.read, wiring.flipped(self.read))
        for walker in walkers:
            m.d.comb += walker.hold.eq(~self.running | gather.waiting | listing)
            with m.If(walker.read.req.valid & walker.read.req.ready):
                m.d.comb += asked.eq(1)
            with m.If(walker.read.beat.valid & walker.read.beat.payload.last):
                m.d.comb += answered.eq(1)
        m.d.sync += listing.eq((listing & ~answered) | asked)
        m.d.comb += gather.known_only.eq(listing)

    def describe(self, m, job) -> None:
        """Tell the blocks what the job is."""
        check, bd, fetch, engines = self.check, job.bd, self.fetch, self.engines
        sources, targets = self.sources, self.targets
        in_place = bd.de == 0
        for walker, addr, kind, skip in (
                (sources, bd.data_src_addr, bd.src_addr_type, bd.cipher_src_offset),
                (targets, Mux(in_place, bd.data_src_addr, bd.data_dst_addr),
                 Mux(in_place, bd.src_addr_type, bd.dst_addr_type),
                 Mux(in_place, bd.cipher_src_offset, 0))):
            m.d.comb += [
                walker.place.addr.eq(addr), walker.place.scattered.eq(kind == AddressType.SGL),
                walker.place.skip.eq(skip), walker.place.length.eq(bd.c_len),
                walker.place.space.eq(job.space),
            ]
        m.d.comb += [
            sources.go.eq(self.running & check.reads), targets.go.eq(self.running & check.writes),
            fetch.go.eq(self.running), fetch.bd.eq(bd), fetch.space.eq(job.space),
            fetch.needs_key.eq(check.needs_key), fetch.needs_iv.eq(check.needs_iv),
            engines.port.go.eq(self.running & fetch.complete), engines.port.job.eq(fetch.job),
            engines.is_cipher.eq(check.is_cipher), engines.operation.eq(check.operation),
        ]

    def first_failure(self, m):
        """Whether anything failed, and what."""
        failed, failure = Signal(), Signal(Failure)
        for block in (self.sources, self.targets, self.scatter, self.gather):
            with m.If(block.error):
                m.d.comb += [failed.eq(1), failure.eq(block.failure)]
        return failed, failure
