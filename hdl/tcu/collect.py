"""Collecting the beats of a read into the structure that was read."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import MemReadResponse
from hdl.tcu.context import MEMORY_BITS

BEAT_BITS = MemReadResponse.as_shape()["data"].width
assert MEMORY_BITS == 2 * BEAT_BITS


def structure_layout(index_bits: int) -> data.StructLayout:
    """A structure read for context `id`: its bits from bit 0, whether any beat failed,
    and whether a locked read was exclusive."""
    return data.StructLayout({"id": index_bits, "data": MEMORY_BITS, "error": 1, "exclusive": 1})


class Collector(wiring.Component):
    """Beats in, whole structures out, one beat per cycle. A structure has one beat or two; beats of
    different ids may come in any order between each other.

    Members
    -------
    beats, structures
        Streams; bits of a structure beyond those read are stale.
    """

    def __init__(self, index_bits: int):
        self.index_bits = index_bits
        super().__init__({
            "beats": In(stream.Signature(MemReadResponse)),
            "structures": Out(stream.Signature(structure_layout(index_bits))),
        })

    def elaborate(self, platform):
        m = Module()
        beat, out = self.beats.payload, self.structures
        count = 1 << self.index_bits
        m.submodules.firsts = firsts = memory.Memory(shape=BEAT_BITS, depth=count, init=[])
        keep, kept = firsts.write_port(), firsts.read_port(domain="comb")
        begun, failed = Signal(count), Signal(count)  # by id: the first beat is here, and was bad
        index, second, bad = Signal(self.index_bits), Signal(), Signal()
        m.d.comb += [
            self.beats.ready.eq(~out.valid | out.ready),
            index.eq(beat.id), second.eq(begun.bit_select(index, 1)),
            bad.eq(beat.error | second & failed.bit_select(index, 1)),
            kept.addr.eq(index), keep.addr.eq(index), keep.data.eq(beat.data),
            keep.en.eq(self.beats.valid & self.beats.ready & ~beat.last),
        ]
        with m.If(out.ready):
            m.d.sync += out.valid.eq(0)
        with m.If(self.beats.valid & self.beats.ready):
            m.d.sync += [
                begun.bit_select(index, 1).eq(~beat.last), failed.bit_select(index, 1).eq(bad),
                out.valid.eq(beat.last), out.payload.id.eq(index),
                out.payload.data.eq(Cat(Mux(second, kept.data, beat.data), beat.data)),
                out.payload.error.eq(bad), out.payload.exclusive.eq(beat.exclusive),
            ]
        return m
