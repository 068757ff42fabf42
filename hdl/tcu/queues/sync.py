"""Synchronisation of every block that uses translations (reference 6.4)."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import Sync


class SyncUnit(wiring.Component):
    """Makes sure that nothing which uses dropped translations is left, for one client at a time.

    First every consumer acknowledges: its transactions have been answered, so their records are
    with the event queue. Then the event queue acknowledges: those records are visible or discarded.

    Members
    -------
    command, drain
        Clients: CMD_SYNC, and the fall of SMMUEN.
    consumers, events
        Every consumer of the Invalidation stream, and the event queue.
    """

    def __init__(self, *, consumers: int):
        super().__init__({
            "command": In(Sync()), "drain": In(Sync()),
            "consumers": Out(Sync()).array(consumers), "events": Out(Sync()),
        })

    def elaborate(self, platform):
        m = Module()
        clients = (self.command, self.drain)
        served = Signal()                          # which client
        acks = Cat(consumer.ack for consumer in self.consumers)
        done = Signal(len(self.consumers))
        m.d.sync += done.eq(done | acks)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [served.eq(~self.command.req), done.eq(0)]
                with m.If((self.command.req | self.drain.req) & ~acks.any() & ~self.events.ack):
                    m.next = "CONSUMERS"
            with m.State("CONSUMERS"):
                m.d.comb += [c.req.eq(~done[n]) for n, c in enumerate(self.consumers)]
                with m.If((done | acks).all()):
                    m.next = "EVENTS"
            with m.State("EVENTS"):
                m.d.comb += self.events.req.eq(1)
                with m.If(self.events.ack):
                    m.next = "DONE"
            with m.State("DONE"):
                for n, client in enumerate(clients):
                    with m.If(served == n):
                        m.d.comb += client.ack.eq(1)
                        with m.If(~client.req):
                            m.next = "IDLE"
        return m
