"""The mailbox register as software sees it: when a command starts and what it shows."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import layout
from spec.qm import Mailbox


class MailboxWindow(wiring.Component):
    """Collects the 16 bytes in any order of words and starts when all have been written since the
    last start and busy is set (reference 2.4). Writes while a command runs are ignored; reads have
    no side effect.

    Members
    -------
    write, half, words, data
        A bus write: which doubleword, which of its words, and the words.
    value
        The register, with the live busy and status.
    command
        What was written.
    running
        A command is being executed: from the cycle after its last write until `finish`.
    finish, status, result_valid, result
        Pulse: the command ends with this status and, if `result_valid`, this data.
    """

    def __init__(self):
        super().__init__({
            "write": In(1), "half": In(1), "words": In(2), "data": In(64),
            "value": Out(layout(Mailbox)), "command": Out(layout(Mailbox)), "running": Out(1),
            "finish": In(1), "status": In(Mailbox.status.width), "result_valid": In(1),
            "result": In(64),
        })

    def elaborate(self, platform):
        m = Module()
        words = Signal(data.ArrayLayout(32, 4))
        written, now = Signal(4), Signal(4)
        status = Signal.like(self.status)
        after = Signal(layout(Mailbox))              # the window with this write in it
        halves = Cat(self.data, self.data)
        m.d.comb += [
            self.command.eq(words), self.value.eq(words),
            self.value.busy.eq(self.running), self.value.status.eq(status),
            now.eq(Mux(self.write & ~self.running, self.words << (self.half << 1), 0)),
        ]
        for n in range(4):
            word = halves.word_select(n, 32)
            m.d.comb += after.as_value().word_select(n, 32).eq(Mux(now[n], word, words[n]))
        m.d.sync += [words.eq(after), written.eq(written | now)]
        with m.If(now.any() & (written | now).all() & after.busy):
            m.d.sync += [self.running.eq(1), written.eq(0)]
        with m.If(self.finish):
            m.d.sync += [self.running.eq(0), status.eq(self.status)]
            with m.If(self.result_valid):
                m.d.sync += Cat(words[1], words[2]).eq(self.result)
        return m
