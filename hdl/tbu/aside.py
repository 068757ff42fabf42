"""Data of writes that others pass: the side buffer of a TBU."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.onehot import decode, encode, first_one, index_shape

BLOCK_BEATS = 16
BLOCK_LOG2 = ceil_log2(BLOCK_BEATS)


def write_beat(data_width: int) -> data.StructLayout:
    """One W beat."""
    return data.StructLayout({"data": data_width, "strb": data_width // 8, "last": 1})


class SideBuffer(wiring.Component):
    """`blocks` blocks of 16 beats; a burst has a chain of them, as long as it needs.

    Members
    -------
    reserve
        Room for a burst of AxLEN + 1 beats; not ready while there is none. Never for a burst that
        needs more blocks than there are.
    write, write_slot
        Beats of the reserved bursts, one burst after the other, each for a slot. Always ready.
    stored, stored_slot
        Pulse with the last beat of a burst.
    find_slot, found
        Combinational: the first block of the burst last stored for a slot.
    read, read_block
        The burst that begins in block `read_block`, which gives its blocks back.
    """

    def __init__(self, *, blocks: int, slots: int, data_width: int):
        self.blocks, self.slots = blocks, slots
        self.beat = write_beat(data_width)
        slot, block = index_shape(slots), index_shape(blocks)
        super().__init__({
            "reserve": In(stream.Signature(unsigned(8))),
            "write": In(stream.Signature(self.beat)), "write_slot": In(slot),
            "stored": Out(1), "stored_slot": Out(slot),
            "find_slot": In(slot), "found": Out(block),
            "read": Out(stream.Signature(self.beat)), "read_block": In(block),
        })

    def elaborate(self, platform):
        m = Module()
        block = index_shape(self.blocks)
        depth = BLOCK_BEATS << ceil_log2(max(self.blocks, 2))
        m.submodules.beats = beats = memory.Memory(shape=self.beat, depth=depth, init=[])
        m.submodules.next = following = memory.Memory(shape=block, depth=self.blocks, init=[])
        m.submodules.first = first = memory.Memory(shape=block, depth=self.slots, init=[])
        used, taken, freed = (Signal(self.blocks, name=name) for name in ("used", "taken", "freed"))
        m.d.sync += used.eq((used | taken) & ~freed)
        self._reserve(m, freed)
        self._write(m, beats.write_port(), following.write_port(), first.write_port(),
                    used, taken)
        self._read(m, beats.read_port(domain="comb"), following.read_port(domain="comb"), freed)
        find = first.read_port(domain="comb")
        m.d.comb += [find.addr.eq(self.find_slot), self.found.eq(find.data)]
        return m

    def _reserve(self, m: Module, freed) -> None:
        """Count the blocks that nobody has been promised."""
        room = Signal(range(self.blocks + 1), init=self.blocks)
        need = (self.reserve.payload >> BLOCK_LOG2) + 1
        m.d.comb += self.reserve.ready.eq(room >= need)
        m.d.sync += room.eq(room + freed.any()
                            - Mux(self.reserve.valid & self.reserve.ready, need, 0))

    def _write(self, m: Module, beats, following, first, used, taken) -> None:
        """Take a block for the first beat and after every 16."""
        source = self.write
        block, chosen = Signal(index_shape(self.blocks)), Signal(index_shape(self.blocks))
        offset, begun, opens = Signal(BLOCK_LOG2), Signal(), Signal()
        m.d.comb += [
            source.ready.eq(1), opens.eq(source.valid & (offset == 0)),
            chosen.eq(Mux(offset == 0, encode(first_one(~used)), block)),
            taken.eq(Mux(opens, decode(chosen, self.blocks), 0)),
            beats.addr.eq(chosen << BLOCK_LOG2 | offset), beats.data.eq(source.payload),
            beats.en.eq(source.valid),
            following.addr.eq(block), following.data.eq(chosen), following.en.eq(opens & begun),
            first.addr.eq(self.write_slot), first.data.eq(chosen), first.en.eq(opens & ~begun),
            self.stored.eq(source.valid & source.payload.last),
            self.stored_slot.eq(self.write_slot),
        ]
        with m.If(source.valid):
            m.d.sync += [block.eq(chosen), begun.eq(~source.payload.last),
                         offset.eq(Mux(source.payload.last, 0, offset + 1))]

    def _read(self, m: Module, beats, following, freed) -> None:
        """Follow the chain; the reader says where it begins."""
        sink = self.read
        block, here = Signal(index_shape(self.blocks)), Signal(index_shape(self.blocks))
        offset, begun = Signal(BLOCK_LOG2), Signal()
        left = Signal()
        m.d.comb += [
            sink.valid.eq(1), here.eq(Mux(begun, block, self.read_block)),
            beats.addr.eq(here << BLOCK_LOG2 | offset), sink.payload.eq(beats.data),
            following.addr.eq(here),
            left.eq(sink.ready & (sink.payload.last | offset.all())),
            freed.eq(Mux(left, decode(here, self.blocks), 0)),
        ]
        with m.If(sink.ready):
            m.d.sync += [
                begun.eq(~sink.payload.last), offset.eq(Mux(sink.payload.last, 0, offset + 1)),
                block.eq(Mux(offset.all(), following.data, here)),
            ]
