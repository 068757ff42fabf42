"""From the CMDQ to whatever caches: what to drop, and the wait until that is done."""

from amaranth import unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from hdl.streams.widths import ADDR_BITS, SID_BITS, SSID_BITS


class InvOp(enum.Enum, shape=4):
    """What an Invalidation drops (reference 6.3). CFGI drop configuration, TLBI translations."""

    CFGI_STE = 0        # by sid, `mask` low bits ignored (CFGI_STE, CFGI_STE_RANGE, CFGI_ALL)
    CFGI_CD = 1         # by sid, ssid
    CFGI_CD_ALL = 2     # by sid
    TLBI_NSNH_ALL = 3   # all NS-EL1
    TLBI_EL2_ALL = 4    # all EL2 and EL2-E2H
    TLBI_VMALL = 5      # NS-EL1 stage 1 and combined of vmid (NH_ALL)
    TLBI_S12_VMALL = 6  # NS-EL1 stage 1, 2 and combined of vmid
    TLBI_ASID = 7       # not globals; `el2` chooses the world
    TLBI_VA = 8         # by asid or global
    TLBI_VAA = 9        # any asid
    TLBI_S2_IPA = 10


class Invalidation(data.Struct):
    """CMDQ to every cache: one decoded command. Dropping more than asked is always legal.

    Consumers accept it (ready) when no lookup that starts later can use what it drops, and
    walks in flight that used it will not be cached.
    """

    op: InvOp
    el2: unsigned(1)
    leaf: unsigned(1)
    sid: unsigned(SID_BITS)
    mask: unsigned(6)      # number of low sid bits to ignore, 0..32
    ssid: unsigned(SSID_BITS)
    vmid: unsigned(16)
    vmw: unsigned(3)       # number of low vmid bits to ignore, 0..4
    asid: unsigned(16)
    addr: unsigned(ADDR_BITS)
    tg: unsigned(2)        # 0: one address; else the range form of reference 6.3
    num: unsigned(5)
    scale: unsigned(6)
    ttl: unsigned(2)


class Sync(wiring.Signature):
    """CMD_SYNC towards one block, seen from the CMDQ: four-phase.

    The CMDQ raises `req`; the block raises `ack` when everything that may still use what earlier
    Invalidations dropped has been answered (reference 6.4); `req` falls, then `ack` falls.
    """

    def __init__(self):
        super().__init__({"req": Out(1), "ack": In(1)})
