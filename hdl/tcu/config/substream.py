"""Which CD a transaction uses, if any: the table of reference 3.1."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import SSID_BITS
from hdl.tcu.bits import below
from hdl.tcu.context import KeptSTE
from spec.stream_table import SteS1DSS


class Substream(wiring.Component):
    """The decision by Config, S1CDMax, S1DSS and the SubstreamID.

    Members
    -------
    ssv, ssid, ste
        The transaction's SubstreamID and the STE.
    bad, disabled
        C_BAD_SUBSTREAMID, F_STREAM_DISABLED.
    stage1
        Stage 1 translates with the CD of index `index`; else it is off or bypassed.
    """

    ssv: In(1)
    ssid: In(SSID_BITS)
    ste: In(KeptSTE.layout)
    bad: Out(1)
    disabled: Out(1)
    stage1: Out(1)
    index: Out(SSID_BITS)

    def __init__(self, impl):
        self.impl = impl
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        ste = self.ste
        many = Signal()
        if self.impl.SSIDSIZE:
            m.d.comb += many.eq(ste.S1CDMax != 0)
        m.d.comb += self.stage1.eq(ste.Config[0])
        with m.If(~ste.Config[0] | ~many):
            # Stage 1 off, or one CD: no SubstreamID is acceptable, not even 0.
            m.d.comb += self.bad.eq(self.ssv)
        with m.Elif(self.ssv):
            m.d.comb += [
                self.index.eq(self.ssid),
                self.bad.eq((self.ssid & ~below(m, ste.S1CDMax, SSID_BITS)).any()),
                self.disabled.eq((ste.S1DSS == SteS1DSS.SSID0) & (self.ssid == 0)),
            ]
        with m.Else(), m.Switch(ste.S1DSS):
            with m.Case(SteS1DSS.BYPASS):
                m.d.comb += self.stage1.eq(0)
            with m.Case(SteS1DSS.SSID0):
                pass
            with m.Default():
                m.d.comb += self.disabled.eq(1)
        return m
