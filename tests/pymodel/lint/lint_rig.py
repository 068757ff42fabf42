"""A running machine under the lint: streams of every kind, and a driver that can do things wrong.

StreamID 1: stage 1 with four CDs, CD 1 in use. 2: stage 2. 3: nested, its stage 1 mapped flat by
its stage 2. 4: two-level CD table. Each maps `VA` and the block `BLOCK`.
"""

from __future__ import annotations

from dataclasses import replace

from pymodel.lint import Lint
from pymodel.memory import SparseMemory
from pymodel.smmu import Smmu
from pymodel.transaction import Transaction
from spec import commands as c
from spec import registers as r
from spec.codes import SizeCode
from spec.commands import COMMAND_BYTES, Command
from spec.context import CD, CD_BYTES, L1CD
from spec.impl import PRESETS, Implementation
from spec.stream_table import L1STD, STE, SteConfig, SteS1DSS, SteS1Fmt, StrtabFmt
from spec.vmsa import AP, S2AP, DescriptorType, Mair, MemAttr, S1Leaf, S1Table, S2Leaf, S2Table

PAGE = 0x1000
CMDQ, EVENTQ, STRTAB, L2TAB = 0x1_0000, 0x2_0000, 0x4_0000, 0x5_0000
CDTAB, L1CDS, LEAFCDS, NCDTAB = 0x8_0000, 0x9_0000, 0xA_0000, 0xB_0000
POOL, DATA = 0x10_0000, 0x8000_0000
VA, BLOCK = 0x40_1000, 0x80_0000
SLOTS = 5  # log2 of the Command queue

TABLE = DescriptorType.TABLE_OR_PAGE


class Desk:
    """The machine, and the software that drives it."""

    def __init__(self, *, two_level: bool = False, enable: bool = True, **fields: int) -> None:
        self.impl: Implementation = replace(PRESETS["base"], **fields)
        self.memory = SparseMemory(0, 1 << 33)
        self.smmu = Smmu(self.impl, self.memory)
        self.lint = Lint(self.smmu, self.memory)
        self.two_level, self.pool, self.prod = two_level, POOL, 0
        self.where: dict[tuple[int, int], int] = {}  # (root, address) to the leaf's address
        self.roots = {sid: self.page() for sid in (1, 2, 3, 4)}
        self.flat = self.page()  # stage 2 of stream 3
        self._tables()
        self._structures()
        if enable:
            self.start()

    # Building

    def page(self) -> int:
        self.pool += PAGE
        return self.pool - PAGE

    def _tables(self) -> None:
        for sid, root in self.roots.items():
            stage = 2 if sid == 2 else 1
            self.map(root, VA, DATA, stage=stage)
            self.map(root, VA + PAGE, DATA + PAGE, stage=stage)
            self.map(root, BLOCK, DATA + 0x20_0000, stage=stage, level=2)
        for low in range(NCDTAB, POOL + 0x8_0000, PAGE):
            self.map(self.flat, low, low, stage=2)
        self.map(self.flat, DATA, DATA, stage=2, level=2)
        self.map(self.flat, DATA + 0x20_0000, DATA + 0x20_0000, stage=2, level=2)

    def map(self, root: int, address: int, pa: int, *, stage: int = 1, level: int = 3) -> int:
        """Map a page or 2 MB block in a 39-bit space; where its descriptor is."""
        table = root
        for above in range(1, level):
            at = table + 8 * (address >> (39 - 9 * above) & 511)
            if not self.memory.read64(at) & 1:
                self.put(at, (S1Table if stage == 1 else S2Table).pack(
                    Type=TABLE, Address=self.page()))
            table = S1Table.Address.get(self.memory.read64(at))
        at = table + 8 * (address >> (39 - 9 * level) & 511)
        self.put(at, leaf(pa, stage, level))
        self.where[root, address] = at
        return at

    def ste(self, sid: int) -> int:
        """Where an STE is."""
        return (L2TAB if self.two_level else STRTAB) + 64 * sid

    def _structures(self) -> None:
        for n in range(64):
            self.write(self.ste(n), STE.make(V=1, Config=SteConfig.ABORT).to_bytes())
        if self.two_level:
            self.put(STRTAB, L1STD.pack(Span=7, L2Ptr=L2TAB))
        self.write(self.ste(1), ste1().to_bytes())
        self.write(self.ste(2), ste2(self.roots[2], 2).to_bytes())
        self.write(self.ste(3), ste2(self.flat, 3, Config=SteConfig.NESTED,
                                     S1ContextPtr=NCDTAB).to_bytes())
        self.write(self.ste(4), ste1(S1ContextPtr=L1CDS, S1Fmt=SteS1Fmt.L2_4K,
                                     S1CDMax=8).to_bytes())
        self.put(L1CDS, L1CD.pack(V=1, L2Ptr=LEAFCDS))
        self.write(self.cd(1), self.context(1).to_bytes())
        self.write(NCDTAB, self.context(3).to_bytes())
        self.write(LEAFCDS + CD_BYTES, self.context(4).to_bytes())

    def cd(self, ssid: int) -> int:
        """Where a CD of stream 1 is."""
        return CDTAB + CD_BYTES * ssid

    def context(self, sid: int, **fields: int) -> CD:
        """A CD for the tables of stream `sid`; its ASID is 0x10 + sid."""
        return CD.make(**{
            "T0SZ": 25, "EPD1": 1, "V": 1, "IPS": SizeCode.B40, "AA64": 1, "R": 1, "A": 1,
            "ASID": 0x10 + sid, "TTB0": self.roots[sid], "MAIR0": Mair.WB, **fields})

    # Software

    def start(self) -> None:
        """The order of reference 9.2."""
        self.wr(r.STRTAB_BASE, r.STRTAB_BASE.pack(ADDR=STRTAB))
        self.wr(r.STRTAB_BASE_CFG, r.STRTAB_BASE_CFG.pack(
            LOG2SIZE=8 if self.two_level else 6, SPLIT=6 if self.two_level else 0,
            FMT=StrtabFmt.TWO_LEVEL if self.two_level else StrtabFmt.LINEAR))
        self.queues()
        self.wr(r.CR0, r.CR0.pack(CMDQEN=1))
        self.issue(c.CFGI_STE_RANGE.make(Range=31), c.TLBI_NSNH_ALL.make())
        self.wr(r.CR0, r.CR0.pack(CMDQEN=1, EVENTQEN=1))
        self.wr(r.CR0, r.CR0.pack(CMDQEN=1, EVENTQEN=1, SMMUEN=1))

    def queues(self) -> None:
        self.wr(r.CMDQ_BASE, r.CMDQ_BASE.pack(ADDR=CMDQ, LOG2SIZE=SLOTS))
        self.wr(r.CMDQ_PROD, 0)
        self.wr(r.CMDQ_CONS, 0)
        self.wr(r.EVENTQ_BASE, r.EVENTQ_BASE.pack(ADDR=EVENTQ, LOG2SIZE=2))
        self.wr(r.EVENTQ_PROD, 0)
        self.wr(r.EVENTQ_CONS, 0)

    def wr(self, register: type, value: int) -> None:
        self.smmu.write(register.OFFSET, register.size(), value)

    def rd(self, register: type) -> int:
        return self.smmu.read(register.OFFSET, register.size())

    def write(self, address: int, data: bytes) -> None:
        self.memory.write(address, data)

    def put(self, address: int, value: int) -> None:
        self.memory.write(address, value.to_bytes(8, "little"))

    def flip(self, address: int, mask: int) -> None:
        self.put(address, self.memory.read64(address) ^ mask)

    def post(self, *values: Command | int) -> None:
        """Put commands into the queue and ring the doorbell."""
        for value in values:
            raw = value if isinstance(value, int) else value.value
            self.write(CMDQ + COMMAND_BYTES * (self.prod % (1 << SLOTS)),
                       raw.to_bytes(COMMAND_BYTES, "little"))
            self.prod = (self.prod + 1) % (2 << SLOTS)
        self.wr(r.CMDQ_PROD, self.prod)

    def issue(self, *commands: Command | int) -> None:
        """Commands and a SYNC."""
        self.post(*commands, c.SYNC.make())

    def access(self, sid: int = 1, addr: int = VA, **fields):
        """A transaction of a stream, under the SubstreamID that it uses."""
        ssid = fields.pop("ssid", {1: 1, 4: 1}.get(sid))
        return self.smmu.access(Transaction(sid=sid, ssid=ssid, addr=addr, **fields))

    def use(self) -> None:
        """One transaction of each stream to each mapping, so that all of it may be cached."""
        for sid in (1, 2, 3, 4):
            for addr in (VA, VA + PAGE, BLOCK):
                assert self.access(sid, addr).pa is not None, (sid, hex(addr))

    def leaf(self, sid: int = 1, addr: int = VA) -> int:
        """Where a stream's leaf descriptor is."""
        return self.where[self.roots[sid], addr]

    def table(self, sid: int = 1, addr: int = VA, level: int = 2) -> int:
        """Where the table descriptor above is."""
        table = self.roots[sid]
        for above in range(1, level):
            at = table + 8 * (addr >> (39 - 9 * above) & 511)
            table = S1Table.Address.get(self.memory.read64(at))
        return table + 8 * (addr >> (39 - 9 * level) & 511)

    def rules(self) -> set[str]:
        """What was found by the end."""
        self.lint.finish()
        return {finding.rule for finding in self.lint.findings}


def leaf(pa: int, stage: int, level: int, **fields: int) -> int:
    kind = TABLE if level == 3 else DescriptorType.BLOCK
    if stage == 1:
        return S1Leaf.pack(**{"Type": kind, "Address": pa, "AP": AP.RW, "AF": 1, "nG": 1,
                              **fields})
    return S2Leaf.pack(**{"Type": kind, "Address": pa, "S2AP": S2AP.RW, "AF": 1,
                          "MemAttr": MemAttr.WB, **fields})


def ste1(**fields: int) -> STE:
    return STE.make(**{"V": 1, "Config": SteConfig.S1, "S1ContextPtr": CDTAB, "S1CDMax": 2,
                       "S1DSS": SteS1DSS.SSID0, **fields})


def ste2(table: int, vmid: int, **fields: int) -> STE:
    return STE.make(**{"V": 1, "Config": SteConfig.S2, "S2VMID": vmid, "S2T0SZ": 25, "S2SL0": 1,
                       "S2PS": SizeCode.B40, "S2AA64": 1, "S2R": 1, "S2TTB": table, **fields})
