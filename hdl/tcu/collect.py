"""Collecting the beats of a read into the structure that was read."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import MemReadResponse
from hdl.tcu.context import MEMORY_BITS

BEAT_BITS = MemReadResponse.as_shape()["data"].width
BEATS = MEMORY_BITS // BEAT_BITS


def structure_layout(index_bits: int) -> data.StructLayout:
    """A structure read for context `id`: its bits from bit 0, whether any beat failed,
    and whether a locked read was exclusive."""
    return data.StructLayout({"id": index_bits, "data": MEMORY_BITS, "error": 1, "exclusive": 1})


class Collector(wiring.Component):
    """Beats in, whole structures out, one beat per cycle.

    Members
    -------
    beats, structures
        Streams; bits of a structure beyond those read are stale.
    """

    def __init__(self, index_bits: int):
        super().__init__({
            "beats": In(stream.Signature(MemReadResponse)),
            "structures": Out(stream.Signature(structure_layout(index_bits))),
        })

    def elaborate(self, platform):
        m = Module()
        beat, out = self.beats.payload, self.structures
        count, failed = Signal(range(BEATS)), Signal()
        m.d.comb += self.beats.ready.eq(~out.valid | out.ready)
        with m.If(out.ready):
            m.d.sync += out.valid.eq(0)
        with m.If(self.beats.valid & self.beats.ready):
            with m.Switch(count):
                for n in range(BEATS):
                    with m.Case(n):
                        m.d.sync += out.payload.data[n * BEAT_BITS:(n + 1) * BEAT_BITS].eq(
                            beat.data)
            m.d.sync += [count.eq(count + 1), failed.eq(failed | beat.error)]
            with m.If(beat.last):
                m.d.sync += [
                    out.valid.eq(1), out.payload.id.eq(beat.id),
                    out.payload.error.eq(failed | beat.error),
                    out.payload.exclusive.eq(beat.exclusive), count.eq(0), failed.eq(0),
                ]
        return m
