"""The contexts of all queues of one kind, and who may touch them when."""

from collections.abc import Callable, Sequence

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hdl.accel.arbiter import RoundRobin
from hdl.accel.streams import ContextPort


class ContextTable(wiring.Component):
    """One row per queue, given to one block at a time.

    Parameters
    ----------
    row : layout
        SQC or CQC, as software loads and dumps it.
    flags : sequence of callables
        Conditions of a row (a view), one for each of the `flags` vectors.

    Members
    -------
    ports
        Blocks that want rows, served in turn.
    loaded
        Queues that have a context.
    open
        Those of them that work: neither stopped nor being loaded.
    flags
        Per condition one bit per queue, of the row as last written.
    load, unload
        Pulses for the queue `number`: set loaded and open; clear both.
    close
        Pulses, one bit per queue: clear open.
    forget
        Pulse: clear both for all.
    """

    def __init__(self, row, flags: Sequence[Callable], *, queues: int, ports: int):
        self.row, self.conditions, self.queues = row, flags, queues
        super().__init__({
            "ports": In(ContextPort(row, queues)).array(ports),
            "loaded": Out(queues), "open": Out(queues),
            "flags": Out(queues).array(len(flags)),
            "number": In(range(queues)), "load": In(1), "unload": In(1),
            "close": In(queues), "forget": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(
            shape=self.row, depth=self.queues, init=[])
        read, write = rows.read_port(), rows.write_port()
        self.give_rows(m, read, write)
        self.keep_state(m)
        with m.If(write.en):
            for flag, condition in zip(self.flags, self.conditions, strict=True):
                m.d.sync += flag.bit_select(write.addr, 1).eq(condition(write.data))
        return m

    def give_rows(self, m, read, write) -> None:
        m.submodules.turn = turn = RoundRobin(len(self.ports))
        owner, owned = Signal.like(turn.index), Signal()
        held = Signal()
        m.d.comb += [
            turn.asking.eq(Cat(port.req for port in self.ports)),
            turn.take.eq(~owned),
            read.en.eq(~owned),
        ]
        for n, port in enumerate(self.ports):
            mine = owned & (owner == n)
            m.d.comb += [port.row.eq(read.data), port.ready.eq(mine)]
            with m.If(turn.index == n):
                m.d.comb += read.addr.eq(port.queue)
            with m.If(mine):
                m.d.comb += [
                    held.eq(port.req), write.en.eq(port.write), write.addr.eq(port.queue),
                    write.data.eq(port.new_row),
                ]
        with m.If(~owned & turn.valid):
            m.d.sync += [owned.eq(1), owner.eq(turn.index)]
        with m.Elif(~held):
            m.d.sync += owned.eq(0)

    def keep_state(self, m) -> None:
        """All pulses of a cycle count, those of different queues at least."""
        one, come, gone = Signal(self.queues), Signal(self.queues), Signal(self.queues)
        m.d.comb += [
            one.bit_select(self.number, 1).eq(1),
            come.eq(Mux(self.load, one, 0)), gone.eq(Mux(self.unload, one, 0)),
        ]
        m.d.sync += [
            self.loaded.eq((self.loaded | come) & ~gone),
            self.open.eq((self.open | come) & ~(gone | self.close)),
        ]
        with m.If(self.forget):
            m.d.sync += [self.loaded.eq(0), self.open.eq(0)]
