"""Records and interfaces inside a TBU."""

from amaranth import Cat, Mux, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import Burst, Prot
from hdl.onehot import BLOCK_BITS, PAGE_BITS, page_mask
from hdl.streams import (
    ADDR_BITS,
    PA_BITS,
    SID_BITS,
    SSID_BITS,
    Attributes,
    Outcome,
    Permissions,
)

SLOT_BITS = 6        # number of a slot
ID_BITS = 8          # AxID of client and memory ports
BURST_COUNT_BITS = 8  # outstanding transactions of one AXI id


class PageKey(data.Struct):
    """What the micro TLB compares: the stream and the address without its page offset.

    `ssid` is 0 when `ssv` is 0.
    """

    sid: unsigned(SID_BITS)
    ssv: unsigned(1)
    ssid: unsigned(SSID_BITS)
    page: unsigned(ADDR_BITS - PAGE_BITS)


class Address(data.Struct):
    """One AR or AW of the client. `ssid` is 0 when `ssv` is 0; `ind` is 0 for writes."""

    id: unsigned(ID_BITS)
    addr: unsigned(ADDR_BITS)
    len: unsigned(8)
    size: unsigned(3)
    burst: Burst
    lock: unsigned(1)
    pnu: unsigned(1)
    ind: unsigned(1)
    sid: unsigned(SID_BITS)
    ssv: unsigned(1)
    ssid: unsigned(SSID_BITS)


class Verdict(data.Struct):
    """How a transaction goes on: the address, AxCACHE and AxPROT for memory, or termination."""

    outcome: Outcome
    bypass: unsigned(1)
    hit: unsigned(1)
    pa: unsigned(PA_BITS)
    cache: unsigned(4)
    prot: Prot


class MemoryAddress(data.Struct):
    """One AR or AW towards memory."""

    id: unsigned(ID_BITS)
    addr: unsigned(PA_BITS)
    len: unsigned(8)
    size: unsigned(3)
    burst: Burst
    lock: unsigned(1)
    cache: unsigned(4)
    prot: Prot


class Termination(data.Struct):
    """A transaction that the TBU answers itself."""

    id: unsigned(ID_BITS)
    len: unsigned(8)
    outcome: Outcome


class Step(data.Struct):
    """A write that is set aside: its slot, its AxLEN."""

    slot: unsigned(SLOT_BITS)
    len: unsigned(8)


class Translation(data.Struct):
    """What a micro TLB entry says about a page; `mask` are the address bits 51:12 inside it."""

    bypass: unsigned(1)
    pa: unsigned(PA_BITS - PAGE_BITS)
    mask: unsigned(BLOCK_BITS - PAGE_BITS)
    perms: Permissions
    attrs: Attributes


class Lookup(wiring.Signature):
    """Micro TLB lookup, seen from the asker; the answer is combinational.

    `used` marks the entry as recently used (for replacement).
    """

    def __init__(self):
        super().__init__({"key": Out(PageKey), "used": Out(1),
                          "hit": In(1), "translation": In(Translation)})


class Finish(wiring.Signature):
    """Last response of a transaction handed to the client, seen from the return path.

    `memory`: the response came from memory, not from the TBU itself.
    """

    def __init__(self):
        super().__init__({"valid": Out(1), "id": Out(ID_BITS), "memory": Out(1)})


def page_key(address) -> Value:
    """The `PageKey` of an `Address`, as a value of the same bits."""
    return Cat(address.sid, address.ssv, address.ssid, address.addr[PAGE_BITS:])


def translate_address(addr, pa_page, mask) -> Value:
    """Output address: `pa_page` (bits 51:12) with the offset bits of `addr` under `mask`."""
    page = pa_page | (addr[PAGE_BITS:BLOCK_BITS] & mask)
    return Cat(addr[:PAGE_BITS], page[:PA_BITS - PAGE_BITS])


def response_address(addr, response) -> Value:
    """Output address of a client address answered by a `TranslationResponse`."""
    return translate_address(addr, response.pa[PAGE_BITS:], page_mask(response.size))


def override(config, bit) -> Value:
    """PRIVCFG or INSTCFG: 0 and 1 keep the incoming bit, 2 clears it, 3 sets it (reference 1.6)."""
    return Mux(config[1], config[0], bit)


def allowed(perms, attrs, *, write: bool, pnu, ind) -> Value:
    """Does `perms` let the access through, after the overrides (reference 4.1, 4.10)?"""
    privileged = override(attrs.privcfg, pnu)
    if write:
        return Mux(privileged, perms.pw, perms.uw)
    fetch = override(attrs.instcfg, ind)
    return Mux(fetch, Mux(privileged, perms.px, perms.ux), Mux(privileged, perms.pr, perms.ur))


def verdict_prot(address, attrs, *, write: bool) -> Value:
    """AxPROT for memory: PnU and InD after the overrides; always Non-secure."""
    ind = 0 if write else override(attrs.instcfg, address.ind)
    return Cat(override(attrs.privcfg, address.pnu), 1, ind)
