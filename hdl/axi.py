"""AXI4 and AXI4-Lite as Amaranth interfaces, with the user fields this design carries.

Members are flat (`araddr`, not `ar.addr`) so that the Verilog ports of a top-level interface
`client0` are `client0__araddr` and cocotbext-axi binds to the prefix `client0_` directly.
"""

from amaranth import Cat, Mux, Value, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from spec.vmsa import NORMAL_NC_NIBBLE


class Resp(enum.Enum, shape=2):
    """xRESP of AXI4."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class Burst(enum.Enum, shape=2):
    """AxBURST of AXI4."""

    FIXED = 0
    INCR = 1
    WRAP = 2


class Prot(data.Struct):
    """AxPROT of AXI4: PnU and InD of the transaction; `ns` is always 1 here."""

    pnu: unsigned(1)
    ns: unsigned(1)
    ind: unsigned(1)


class StreamUser(data.Struct):
    """AxUSER of a client port: who is asking.

    The SubstreamID is meaningful only with `ssv` = 1.
    """

    ssid: unsigned(20)
    ssv: unsigned(1)
    sid: unsigned(32)


class AXI4(wiring.Signature):
    """An AXI4 port seen from the master.

    Parameters
    ----------
    addr_width, data_width, id_width : int
        Bits of AxADDR, xDATA and AxID.
    user : shape-castable
        Shape of AxUSER (`StreamUser` on client ports); None: there is no such member.
    """

    def __init__(self, *, addr_width: int, data_width: int, id_width: int, user=None):
        self.addr_width, self.data_width, self.id_width = addr_width, data_width, id_width
        self.user = user
        members: dict = {}
        for c in ("aw", "ar"):
            members |= {
                f"{c}id": Out(id_width), f"{c}addr": Out(addr_width), f"{c}len": Out(8),
                f"{c}size": Out(3), f"{c}burst": Out(Burst), f"{c}lock": Out(1),
                f"{c}cache": Out(4), f"{c}prot": Out(Prot),
                f"{c}valid": Out(1), f"{c}ready": In(1),
            }
            if user is not None:
                members[f"{c}user"] = Out(user)
        super().__init__(members | {
            "wdata": Out(data_width), "wstrb": Out(data_width // 8), "wlast": Out(1),
            "wvalid": Out(1), "wready": In(1),
            "bid": In(id_width), "bresp": In(Resp), "bvalid": In(1), "bready": Out(1),
            "rid": In(id_width), "rdata": In(data_width), "rresp": In(Resp), "rlast": In(1),
            "rvalid": In(1), "rready": Out(1),
        })


class AXI4Lite(wiring.Signature):
    """An AXI4-Lite port seen from the master, 64 data bits; 32-bit accesses use byte strobes."""

    def __init__(self, *, addr_width: int, data_width: int = 64):
        self.addr_width, self.data_width = addr_width, data_width
        super().__init__({
            "awaddr": Out(addr_width), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(data_width), "wstrb": Out(data_width // 8),
            "wvalid": Out(1), "wready": In(1),
            "bresp": In(Resp), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(addr_width), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rdata": In(data_width), "rresp": In(Resp), "rvalid": In(1), "rready": Out(1),
        })


def axi_cache(mair, *, write: bool) -> Value:
    """AxCACHE of a MAIR-format byte, from its outer attributes.

    Device-nGnRnE is non-bufferable, the other Device types bufferable; a cacheable type without
    an allocation hint for this direction keeps the other hint set, as AXI4 requires.
    """
    outer = mair[4:]
    bufferable_device = mair[:4] != 0
    read_allocate, write_allocate, write_back = outer[1], outer[0], outer[2]
    if write:
        read_allocate = read_allocate | ~write_allocate
    else:
        write_allocate = write_allocate | ~read_allocate
    cacheable = Cat(write_back, 1, read_allocate, write_allocate)
    return Mux(outer == 0, Cat(bufferable_device, 0, 0, 0),
               Mux(outer == NORMAL_NC_NIBBLE, 0b0011, cacheable))
