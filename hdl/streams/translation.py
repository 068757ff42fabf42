"""Between the TBUs and the TCU: a miss of the micro TLB and its answer."""

from amaranth import unsigned
from amaranth.lib import data, enum

from hdl.streams.widths import ADDR_BITS, PA_BITS, SID_BITS, SSID_BITS


class Outcome(enum.Enum, shape=2):
    """How a transaction ends at the TBU (reference 0 and 4.9).

    RETRY is no end: this attempt has stalled. From the translator it means that the stall buffer
    has the transaction; to a TBU, that it asks again.
    """

    TRANSLATED = 0   # goes on with the translated (or, bypassing, the same) address
    ABORT = 1        # SLVERR to the client, nothing reaches memory
    RAZWI = 2        # OKAY; reads return 0, writes are dropped
    RETRY = 3


class Permissions(data.Struct):
    """What a translation allows, both stages combined: privileged and unprivileged R, W, X.

    `w` is clear for a writable-clean page: the write must go to the TCU, which makes it dirty.
    """

    pr: unsigned(1)
    pw: unsigned(1)
    px: unsigned(1)
    ur: unsigned(1)
    uw: unsigned(1)
    ux: unsigned(1)


class Attributes(data.Struct):
    """Output memory attributes: MAIR-format byte, shareability, output privilege and instruction
    overrides (PRIVCFG, INSTCFG encodings, applied by the TBU to AxPROT)."""

    mair: unsigned(8)
    sh: unsigned(2)
    privcfg: unsigned(2)
    instcfg: unsigned(2)


class TranslationRequest(data.Struct):
    """TBU to TCU: one uTLB miss.

    Members
    -------
    tbu, tag
        Who asks; returned unchanged. A tag is not reused before its response; after RETRY the same
        request comes again.
    sid, ssv, ssid, addr, rnw, pnu, ind
        The transaction as the client drives it (`ind` is 0 for writes).
    """

    tbu: unsigned(4)
    tag: unsigned(8)
    sid: unsigned(SID_BITS)
    ssv: unsigned(1)
    ssid: unsigned(SSID_BITS)
    addr: unsigned(ADDR_BITS)
    rnw: unsigned(1)
    pnu: unsigned(1)
    ind: unsigned(1)


class TranslationResponse(data.Struct):
    """TCU to TBU: the answer, in any order between tags.

    Members
    -------
    outcome
        ABORT and RAZWI end the transaction; its event, if any, is already with the EVTQ. A
        transaction that stalls has no response before software has answered.
    bypass
        TRANSLATED without any stage (for the trace).
    cacheable
        The TBU may keep the entry until an invalidation.
    pa, size
        Output address of the page of 2^size bytes (12 <= size <= 52); pa bits below are 0.
        The answer holds for every address of the same 2^size-aligned input block.
    """

    tbu: unsigned(4)
    tag: unsigned(8)
    outcome: Outcome
    bypass: unsigned(1)
    cacheable: unsigned(1)
    pa: unsigned(PA_BITS)
    size: unsigned(6)
    perms: Permissions
    attrs: Attributes
