"""Invalidations and CMD_SYNC, first to the TCU's caches, then to the TBUs."""

from amaranth import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hdl.streams import Invalidation, Sync


class Maintenance(wiring.Component):
    """Order that loses no invalidation.

    The Translator drops before the TBUs: what a TBU asks for after its own drop cannot be answered
    from what the Translator dropped. A sync waits for the Translator's answers first: a TBU
    then counts every transaction that they let go.

    Members
    -------
    inv, sync
        From the command queue.
    translator_inv, translator_sync, tbu_inv, tbu_sync
        To the consumers. A TBU takes an invalidation in the cycle it is offered.
    """

    def __init__(self, *, tbus: int):
        self.tbus = tbus
        inv = stream.Signature(Invalidation)
        super().__init__({
            "inv": In(inv), "sync": In(Sync()),
            "translator_inv": Out(inv), "translator_sync": Out(Sync()),
            "tbu_inv": Out(inv).array(tbus), "tbu_sync": Out(Sync()).array(tbus),
        })

    def elaborate(self, platform):
        m = Module()
        connect(m, flipped(self.inv), flipped(self.translator_inv))
        accepted = self.inv.valid & self.inv.ready
        for port in self.tbu_inv:
            m.d.sync += port.valid.eq(accepted)
            with m.If(accepted):
                m.d.sync += port.payload.eq(self.inv.payload)

        m.d.comb += self.translator_sync.req.eq(self.sync.req)
        for port in self.tbu_sync:
            m.d.comb += port.req.eq(self.sync.req & self.translator_sync.ack)
        acks = Cat(port.ack for port in self.tbu_sync)
        m.d.comb += self.sync.ack.eq(self.translator_sync.ack
                                     & (acks.all() | ~self.sync.req & acks.any()))
        return m
