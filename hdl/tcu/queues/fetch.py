"""Command prefetch: reads the command queue ahead of the executor."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.streams import MemRead
from hdl.tcu.queues.index import aligned, distance, entries, index, position
from spec.commands import COMMAND_BYTES

LOG2BYTES = COMMAND_BYTES.bit_length() - 1
LOG2BURST = 2   # most commands of one read: 64 bytes


class FetchedCommand(data.Struct):
    """A command as read. `error`: the read was aborted; `burst`: it read several commands."""

    words: unsigned(8 * COMMAND_BYTES)
    error: unsigned(1)
    burst: unsigned(1)


class CommandFetch(wiring.Component):
    """Reads commands from CONS up to PROD, never past it, and hands them on in order.

    Reads are of 1, 2 or 4 commands, aligned, several outstanding, answered in any order. What was
    read is used at most once: when `run` falls, everything is dropped, and when it rises again
    (and the last read has been answered, the last command consumed) reading starts over at CONS.
    While PROD and CONS are further apart than the queue is long, nothing is read (reference 7.1,
    7.2).

    Parameters
    ----------
    log2depth
        Log2 of the commands that may be ahead of the executor, read or asked for.

    Members
    -------
    run, base, log2size, mair, prod, cons
        As in CommandQueueControl.
    executing
        The last command handed on is not consumed yet.
    retry
        Pulse: drop everything, read again from CONS one command at a time until the queue has
        been empty, so that an abort is the fault of one command.
    read
        Memory port; ids are below 2^log2depth.
    commands
        Valid only while `run`.
    busy
        A read is unanswered or its data unused.
    """

    def __init__(self, *, log2depth: int):
        self.log2depth = log2depth
        super().__init__({
            "run": In(1), "base": In(52), "log2size": In(5), "mair": In(8), "prod": In(20),
            "cons": In(20), "executing": In(1), "retry": In(1), "read": Out(MemRead()),
            "commands": Out(stream.Signature(FetchedCommand)), "busy": Out(1),
        })
        depth, slot = 1 << log2depth, unsigned(log2depth)
        self._active = Signal(name="active")      # what is read now will be used
        self._single = Signal(name="single")      # after `retry`
        self._ahead = Signal(20, name="ahead")    # queue index of the next command to read
        self._head = Signal(slot, name="head")
        self._tail = Signal(slot, name="tail")
        self._used = Signal(log2depth + 1, name="used")   # slots from head to tail
        self._waiting = Signal(20, name="waiting")        # commands not yet asked for
        self._valid, self._error = Signal(depth, name="valid"), Signal(depth, name="error")
        self._burst = Signal(depth, name="burst")
        self._outstanding = Signal(log2depth + 1, name="outstanding")
        self._open = Signal(depth, name="open")           # ids of reads not answered in full
        self._ask, self._count = Signal(name="ask"), Signal(LOG2BURST + 1, name="count")
        self._taken = Signal(name="taken")

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = Memory(
            shape=8 * COMMAND_BYTES, depth=1 << self.log2depth, init=[])
        self._request(m)
        self._fill(m, words.write_port())
        self._hand_on(m, words.read_port(domain="comb"))
        self._account(m)
        return m

    def _request(self, m: Module) -> None:
        """Ask for the largest aligned read that fits below PROD and into the free slots."""
        request = self.read.req
        room = Signal(self.log2depth + 1)
        size = Signal(range(LOG2BURST + 1))    # log2 of the commands to ask for
        consistent = Signal()
        m.d.comb += [
            self._waiting.eq(distance(self.prod, self._ahead, self.log2size)),
            consistent.eq(distance(self.prod, self.cons, self.log2size)
                          <= entries(self.log2size)),
            room.eq((1 << self.log2depth) - self._used),
            self._ask.eq(self._active & self.run & consistent & self._waiting.any()
                         & room.any() & (~request.valid | request.ready)
                         & ~self._open.bit_select(self._tail, 1)),
            self._count.eq(1 << size),
        ]
        for log2 in range(1, LOG2BURST + 1):
            with m.If(~self._single & (self._waiting >= 1 << log2) & (room >= 1 << log2)
                      & ~self._ahead[:log2].any()):
                m.d.comb += size.eq(log2)
        with m.If(request.ready):
            m.d.sync += request.valid.eq(0)
        # The first command of a read may have been used, and its slot be free, before its last.
        with m.If(self._ask):
            m.d.sync += self._open.bit_select(self._tail, 1).eq(1)
            entry = position(self._ahead, self.log2size) << LOG2BYTES
            m.d.sync += [
                request.valid.eq(1),
                request.payload.addr.eq(aligned(self.base, self.log2size, LOG2BYTES) | entry),
                request.payload.size.eq(LOG2BYTES + size),
                request.payload.id.eq(self._tail), request.payload.mair.eq(self.mair),
                self._ahead.eq(index(self._ahead + self._count, self.log2size)),
                self._tail.eq(self._tail + self._count),
            ]
            for n in range(1 << self.log2depth):
                with m.If((n - self._tail)[:self.log2depth] < self._count):
                    m.d.sync += self._burst[n].eq(size != 0)

    def _fill(self, m: Module, port) -> None:
        """Take answers; the beats of different reads may be interleaved."""
        response = self.read.resp
        beats = Signal(data.ArrayLayout(LOG2BURST, 1 << self.log2depth))  # taken, by id
        beat, place = beats[response.payload.id[:self.log2depth]], Signal(self.log2depth)
        m.d.comb += [
            response.ready.eq(1),
            place.eq(response.payload.id + beat),
            port.addr.eq(place), port.data.eq(response.payload.data), port.en.eq(response.valid),
        ]
        with m.If(response.valid):
            m.d.sync += [
                beat.eq(Mux(response.payload.last, 0, beat + 1)),
                self._valid.bit_select(place, 1).eq(self._active),
                self._error.bit_select(place, 1).eq(response.payload.error),
            ]
            with m.If(response.payload.last):
                m.d.sync += self._open.bit_select(response.payload.id[:self.log2depth], 1).eq(0)

    def _hand_on(self, m: Module, port) -> None:
        """Offer the command at the head."""
        head, commands = self._head, self.commands
        m.d.comb += [
            port.addr.eq(head),
            commands.valid.eq(self._active & self.run & self._valid.bit_select(head, 1)),
            commands.payload.words.eq(port.data),
            commands.payload.error.eq(self._error.bit_select(head, 1)),
            commands.payload.burst.eq(self._burst.bit_select(head, 1)),
            self._taken.eq(commands.valid & commands.ready),
        ]
        with m.If(self._taken):
            m.d.sync += [head.eq(head + 1), self._valid.bit_select(head, 1).eq(0)]

    def _account(self, m: Module) -> None:
        """Count; drop everything, and start over when nothing is on its way any more."""
        answered = Signal()
        m.d.comb += [
            answered.eq(self.read.resp.valid & self.read.resp.payload.last),
            self.busy.eq(self._active | self._outstanding.any()),
        ]
        m.d.sync += [
            self._used.eq(self._used + Mux(self._ask, self._count, 0) - self._taken),
            self._outstanding.eq(self._outstanding + self._ask - answered),
        ]
        with m.If(~self.run | self.retry):
            m.d.sync += [self._active.eq(0), self._valid.eq(0), self._used.eq(0),
                         self._single.eq(self.run & self.retry)]
        with m.Elif(~self._active & ~self._outstanding.any() & ~self.executing):
            m.d.sync += [self._active.eq(1), self._ahead.eq(self.cons),
                         self._head.eq(0), self._tail.eq(0)]
        with m.Elif(self._active & ~self._waiting.any() & ~self._used.any()):
            m.d.sync += self._single.eq(0)
