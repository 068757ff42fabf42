"""A lane takes one job at a time from its descriptor to its result."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.dma.gather import Gather
from hdl.accel.dma.scatter import Scatter
from hdl.accel.engines.copy import CopyEngine
from hdl.accel.jobs import done_layout, job_layout
from hdl.accel.streams import ReadPort, WritePort
from spec.sec import BD3_TYPE, CIPHER_LENGTH_MAX, AddressType, Auth, Cipher, ErrorType, Scene


class Lane(wiring.Component):
    """Checks a BD3, moves its bytes through the engine and says how it ended (reference 3.8).

    A failed access stops the job: nothing more is begun, what is under way is waited for, and the
    error type says whether the source or the destination failed. Bytes of the destination before
    the failure may have been written. A job whose reads stall waits, and nobody else does.

    Parameters
    ----------
    probes
        See `Gather`.

    Members
    -------
    job, done
        One after the other.
    read, write
        The job's own accesses to memory, in the space of the job.
    """

    def __init__(self, *, queues: int, probes: int):
        self.probes = probes
        self.job_layout = job_layout(queues)
        super().__init__({
            "job": In(stream.Signature(self.job_layout)),
            "done": Out(stream.Signature(done_layout(queues))),
            "read": Out(ReadPort()), "write": Out(WritePort()),
        })

    def elaborate(self, platform):
        m = Module()
        clear, halt, sent = Signal(), Signal(), Signal(2)
        m.submodules.gather = gather = ResetInserter(clear)(Gather(self.probes))
        m.submodules.scatter = scatter = ResetInserter(clear)(Scatter())
        m.submodules.engine = engine = ResetInserter(clear)(CopyEngine())
        wiring.connect(m, gather.read, wiring.flipped(self.read))
        wiring.connect(m, scatter.write, wiring.flipped(self.write))
        wiring.connect(m, gather.chunk, engine.port.source)
        wiring.connect(m, engine.port.result, scatter.chunk)
        job, done = Signal(self.job_layout), self.done
        running, failed = Signal(), gather.error | scatter.error
        self.offer_segments(m, job, running, (gather.segment, scatter.segment), sent)
        m.d.comb += [
            gather.halt.eq(halt), scatter.halt.eq(halt),
            halt.eq(failed), done.payload.queue.eq(job.queue), done.payload.index.eq(job.index),
            done.payload.sqe_addr.eq(job.sqe_addr),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.job.ready.eq(1), clear.eq(1)]
                m.d.sync += [job.eq(self.job.payload), sent.eq(0)]
                with m.If(self.job.valid):
                    m.next = "CHECK"
            with m.State("CHECK"):
                error = self.check(m, job)
                m.d.sync += done.payload.error_type.eq(error)
                m.next = "DONE"
                with m.If(error == ErrorType.OK):
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += running.eq(1)
                with m.If(failed):
                    m.d.sync += done.payload.error_type.eq(
                        Mux(gather.error, ErrorType.DATA_READ, ErrorType.DATA_WRITE))
                    m.next = "SETTLE"
                with m.Elif(scatter.finished):
                    m.next = "DONE"
            with m.State("SETTLE"), m.If(gather.idle & scatter.idle):
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += done.valid.eq(1)
                with m.If(done.ready):
                    m.next = "IDLE"
        return m

    def offer_segments(self, m, job, running, ports, sent) -> None:
        """Source and destination of a flat job, one segment each."""
        bd = job.bd
        source = bd.data_src_addr + bd.cipher_src_offset
        for n, (port, addr) in enumerate(zip(
                ports, (source, Mux(bd.de == 0, source, bd.data_dst_addr)), strict=True)):
            m.d.comb += [
                port.payload.addr.eq(addr), port.payload.length.eq(bd.c_len),
                port.payload.space.eq(job.space), port.payload.last.eq(1),
                port.valid.eq(running & ~sent[n]),
            ]
            with m.If(port.valid & port.ready):
                m.d.sync += sent[n].eq(1)

    def check(self, m, job):
        """The first reason, in the order of the codes, why the BD cannot be done."""
        bd = job.bd
        copies = (bd.cipher == Cipher.COPY) & (bd.auth == Auth.NONE)
        flat = (bd.src_addr_type == AddressType.FLAT) & (
            (bd.de == 0) | (bd.dst_addr_type == AddressType.FLAT))
        error = Signal(ErrorType)
        with m.If(job.fetch_error):
            m.d.comb += error.eq(ErrorType.BD_FETCH)
        with m.Elif((bd.type != BD3_TYPE) | bd.invalid | bd.de[1]):
            m.d.comb += error.eq(ErrorType.BD_TYPE)
        with m.Elif((bd.scene != Scene.NONE) & (bd.scene != Scene.IPSEC)):
            m.d.comb += error.eq(ErrorType.SCENE)
        with m.Elif(~copies):
            m.d.comb += error.eq(ErrorType.CIPHER)
        with m.Elif((bd.c_len == 0) | (bd.c_len > CIPHER_LENGTH_MAX)):
            m.d.comb += error.eq(ErrorType.LENGTH)
        with m.Elif(~flat):
            m.d.comb += error.eq(ErrorType.ADDRESS_TYPE)
        return error
