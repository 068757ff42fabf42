"""Round-robin choice that stays while its payload is offered."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.onehot import round_robin


class Grant(wiring.Component):
    """Chooses among `count` requesters.

    Members
    -------
    request
        Bit per requester; stays up until served.
    taken
        The chosen one is served in this cycle; the next choice starts behind it.
    valid, chosen
        Somebody is chosen, one-hot. Does not change until `taken`.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({"request": In(count), "taken": In(1),
                          "valid": Out(1), "chosen": Out(count)})

    def elaborate(self, platform):
        m = Module()
        previous, held = Signal(self.count), Signal(self.count)
        m.d.comb += [
            self.valid.eq(self.request.any()),
            self.chosen.eq(Mux(held.any(), held, round_robin(self.request, previous))),
        ]
        m.d.sync += held.eq(Mux(self.taken, 0, self.chosen))
        with m.If(self.taken):
            m.d.sync += previous.eq(self.chosen)
        return m
