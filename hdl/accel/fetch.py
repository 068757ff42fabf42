"""Reads what a job needs beside its data: key and IV."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.streams import DATA_BITS, KEY_BYTES_MAX, Chunk, EngineJob, Segment, Space
from hdl.layouts import layout
from spec.sec import AES_KEY_BYTES, BD3, IV_BYTES, Cipher, ErrorType, KeyLength


class Fetch(wiring.Component):
    """Puts the segments of key and IV before those of the source, takes their chunks out of what
    comes back, and makes the engine's job of them. Reset between jobs.

    A mover's pattern or seed is in the BD itself.

    Members
    -------
    go, bd, space, needs_key, needs_iv
        Work; stable meanwhile.
    source, segment
        The job's segments, and all of them, to the gather.
    chunk, data
        Everything that was gathered, and the job's data.
    complete, job
        Key and IV are there.
    """

    def __init__(self):
        super().__init__({
            "go": In(1), "bd": In(layout(BD3)), "space": In(Space), "needs_key": In(1),
            "needs_iv": In(1), "source": In(stream.Signature(Segment)),
            "segment": Out(stream.Signature(Segment)), "chunk": In(stream.Signature(Chunk)),
            "data": Out(stream.Signature(Chunk)), "complete": Out(1), "job": Out(EngineJob),
        })

    def elaborate(self, platform):
        m = Module()
        asked, come = Signal(2), Signal(2)        # key, IV
        needs = Signal(2)
        m.d.comb += [
            needs.eq(Cat(self.needs_key, self.needs_iv)),
            self.complete.eq(self.go & ~(needs & ~come).any()),
        ]
        self.ask(m, needs & ~asked, asked)
        self.take(m, needs & ~come, come)
        return m

    def ask(self, m, missing, asked) -> None:
        bd, segment, source = self.bd, self.segment, self.source
        with m.If(missing.any()):
            m.d.comb += [
                segment.valid.eq(self.go), segment.payload.space.eq(self.space),
                segment.payload.last.eq(1),
            ]
            with m.If(missing[0]):
                m.d.comb += [
                    segment.payload.addr.eq(bd.c_key_addr),
                    segment.payload.length.eq(self.key_bytes()),
                    segment.payload.error_type.eq(ErrorType.KEY_READ),
                ]
            with m.Else():
                m.d.comb += [
                    segment.payload.addr.eq(bd.c_ivin_addr), segment.payload.length.eq(IV_BYTES),
                    segment.payload.error_type.eq(ErrorType.IV_READ),
                ]
            with m.If(segment.valid & segment.ready):
                m.d.sync += asked.eq(asked | Mux(missing[0], 0b01, 0b10))
        with m.Else():
            m.d.comb += [
                segment.payload.eq(source.payload), segment.valid.eq(source.valid),
                source.ready.eq(segment.ready),
            ]

    def key_bytes(self):
        length, codes = self.bd.c_key_len, KeyLength
        return Mux(length == codes.AES128, AES_KEY_BYTES[codes.AES128],
                   Mux(length == codes.AES192, AES_KEY_BYTES[codes.AES192],
                       AES_KEY_BYTES[codes.AES256]))

    def take(self, m, missing, come) -> None:
        bd, chunk, data, job = self.bd, self.chunk, self.data, self.job
        key, iv = Signal(8 * KEY_BYTES_MAX), Signal(8 * IV_BYTES)
        second = Signal()                         # chunk of the key
        m.d.comb += [
            data.payload.eq(chunk.payload), data.valid.eq(chunk.valid & ~missing.any()),
            chunk.ready.eq(data.ready | missing.any()),
            job.mode.eq(bd.c_mode), job.decrypt.eq(bd.cipher == Cipher.DECRYPT),
            job.key_length.eq(bd.c_key_len), job.length.eq(bd.c_len),
            job.key.eq(key), job.iv.eq(Mux(self.needs_iv, iv, bd.c_ivin_addr)),
        ]
        with m.If(chunk.valid & missing[0]):
            m.d.sync += [
                key.word_select(second, DATA_BITS).eq(chunk.payload.data), second.eq(1),
                come[0].eq(chunk.payload.last),
            ]
        with m.Elif(chunk.valid & missing[1]):
            m.d.sync += [iv.eq(chunk.payload.data), come[1].eq(1)]
