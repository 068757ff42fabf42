"""The STE cache and the CD cache: structures that passed their checks (reference 6.3)."""

from amaranth import Cat, Module, Mux, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams import SID_BITS, SSID_BITS, InvOp
from hdl.tcu.bits import bind
from hdl.tcu.cache import Cache
from hdl.tcu.context import KeptCD, KeptSTE


class SteKey(data.Struct):
    """What an STE is found by."""

    sid: unsigned(SID_BITS)


class CdKey(data.Struct):
    """What a CD is found by; `index` is its place in the table. `nested`: stage 2 translated its
    address."""

    sid: unsigned(SID_BITS)
    index: unsigned(SSID_BITS)
    nested: unsigned(1)


class SteLookup(wiring.Signature):
    """STE cache, seen from the asker; combinational."""

    def __init__(self):
        super().__init__({"sid": Out(SID_BITS), "hit": In(1), "found": In(KeptSTE.layout)})


class CdLookup(wiring.Signature):
    """CD cache, seen from the asker; combinational."""

    def __init__(self):
        super().__init__({"key": Out(CdKey), "hit": In(1), "found": In(KeptCD.layout)})


def _streams(m: Module, inv):
    """Does CFGI_STE name the StreamID of a key?"""
    differ = bind(m, "differ", Cat(inv.mask <= b for b in range(SID_BITS)))
    return lambda key: ((key.sid ^ inv.sid) & differ) == 0


def drops_ste(m: Module, inv):
    """CFGI_STE drops the StreamIDs it names."""
    named = _streams(m, inv)
    return lambda key: (inv.op == InvOp.CFGI_STE) & named(key)


def drops_cd(m: Module, inv):
    """Commands on a STE drop the CDs found through it, commands on CDs those they name. A CD
    behind stage 2 also goes with the stage-2 entries of any VMID."""
    named = _streams(m, inv)
    stage2 = bind(m, "stage2", (inv.op == InvOp.TLBI_S2_IPA) | (inv.op == InvOp.TLBI_S12_VMALL)
                  | (inv.op == InvOp.TLBI_NSNH_ALL))

    def goes(key):
        one = (inv.op == InvOp.CFGI_CD_ALL) | (
            (inv.op == InvOp.CFGI_CD) & (key.index == inv.ssid))
        return Mux(inv.op == InvOp.CFGI_STE, named(key),
                   (key.sid == inv.sid) & one) | (key.nested & stage2)
    return goes


def ste_cache(entries: int) -> Cache:
    """STEs as a context keeps them."""
    return Cache(key=SteKey, value=KeptSTE.layout, entries=entries, drops=drops_ste)


def cd_cache(entries: int) -> Cache:
    """CDs as a context keeps them."""
    return Cache(key=CdKey, value=KeptCD.layout, entries=entries, drops=drops_cd)
