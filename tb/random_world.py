"""A random SMMU configuration: streams, contexts, tables, and the accesses to try on them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from driver.dma import PageAllocator
from pymodel.memory import PAGE, Memory
from pymodel.transaction import Transaction
from spec.codes import TG0_CODE, TG1_CODE
from spec.commands import (
    CFGI_CD,
    CFGI_CD_ALL,
    CFGI_STE,
    CFGI_STE_RANGE,
    STE_RANGE_ALL,
    TLBI_NH_ALL,
    TLBI_NH_ASID,
    TLBI_NH_VA,
    TLBI_NH_VAA,
    TLBI_NSNH_ALL,
    Command,
)
from spec.context import CD, CD_BYTES
from spec.impl import Implementation
from spec.registers import STRTAB_BASE, STRTAB_BASE_CFG
from spec.stream_table import (
    L1STD,
    L1STD_BYTES,
    SPLITS,
    STE,
    STE_BYTES,
    SteConfig,
    SteS1DSS,
    StrtabFmt,
    effective_split,
)
from spec.vmsa import LAST_LEVEL, DescriptorType, shift, start_level
from tb.random_tables import Leaf, StageTable

STREAMS = 8
LOG2_STREAMS = 9
MAPPINGS = 10


@dataclass(frozen=True)
class Layout:
    """Where things are: structures below `data`, what clients may overwrite from there to `end`;
    nothing outside [base, end)."""

    base: int = 0x8000_0000
    data: int = 0xC000_0000
    end: int = 0x1_8000_0000


@dataclass
class Context:
    """One context descriptor and its tables (TTB0, and TTB1 if enabled)."""

    ssid: int
    address: int
    cd: CD
    halves: list[StageTable]


@dataclass
class Stream:
    """One stream table entry."""

    sid: int
    address: int
    ste: STE
    contexts: list[Context] = field(default_factory=list)


class World:
    """Random structures in `memory`, reproducible from `rng`.

    `build` writes them; `registers` says where the stream table is; `access` draws a transaction;
    `change` alters something and returns the commands that must be completed (with a CMD_SYNC)
    before the change is certain to be seen.
    """

    def __init__(self, rng: Random, impl: Implementation, memory: Memory,
                 layout: Layout = Layout()) -> None:
        self.rng, self.impl, self.memory, self.layout = rng, impl, memory, layout
        self.pages = PageAllocator(memory, layout.base, 2 * (layout.data - layout.base))
        self.streams: list[Stream] = []
        self._asid = 0
        self.recent: deque[tuple[Stream, Context, StageTable, Leaf]] = deque(maxlen=12)

    # ---- structures ----

    def build(self) -> None:
        """Write the stream table and everything below it."""
        rng = self.rng
        self._two_level = bool(self.impl.ST_LEVEL) and rng.random() < 0.7
        self._split = rng.choice(SPLITS) if rng.random() < 0.9 else rng.randrange(32)
        self._strtab = self.pages.contiguous(STE_BYTES << LOG2_STREAMS, STE_BYTES << LOG2_STREAMS)
        self._l2: dict[int, tuple[int, int]] = {}
        sids = rng.sample(range(1 << LOG2_STREAMS), STREAMS)
        for sid in sids:
            self._stream(sid)

    def registers(self) -> list[tuple[type, int]]:
        """(register, value) to program while the SMMU is disabled."""
        fmt = StrtabFmt.TWO_LEVEL if self._two_level else StrtabFmt.LINEAR
        return [(STRTAB_BASE, STRTAB_BASE.pack(ADDR=self._strtab)),
                (STRTAB_BASE_CFG, STRTAB_BASE_CFG.pack(
                    FMT=fmt, SPLIT=self._split if self._two_level else 0,
                    LOG2SIZE=LOG2_STREAMS))]

    def _stream(self, sid: int) -> None:
        rng = self.rng
        address = self._ste_address(sid)
        stream = Stream(sid, address, STE(0))
        role = rng.choices(("s1", "ss", "bypass", "abort", "bad"), (6, 8, 1, 1, 1))[0]
        if role in ("s1", "ss") or not self.impl.S1P:
            log2 = rng.randrange(1, min(5, self.impl.SSIDSIZE) + 1) \
                if role == "ss" and self.impl.SSIDSIZE else 0
            stream.ste = self._stage1_ste(stream, log2)
        elif role == "bypass":
            stream.ste = self._overrides(STE.make(V=1, Config=SteConfig.BYPASS))
        elif role == "abort":
            stream.ste = STE.make(V=1, Config=rng.randrange(4))
        else:
            stream.ste = self._bad_ste()
        self.memory.write(address, stream.ste.to_bytes())
        self.streams.append(stream)

    def _ste_address(self, sid: int) -> int:
        if not self._two_level:
            return self._strtab + STE_BYTES * sid
        split = effective_split(self._split)
        number, low = sid >> split, sid & ((1 << split) - 1)
        if number not in self._l2:
            span = split + 1 if self.rng.random() < 0.9 else self.rng.randrange(16)
            table = self.pages.contiguous(STE_BYTES << split, STE_BYTES << split)
            pointer = table if self.rng.random() < 0.97 else self.layout.base - table % (1 << 20)
            self.memory.write(self._strtab + L1STD_BYTES * number,
                              L1STD.make(Span=span, L2Ptr=pointer & -STE_BYTES).to_bytes())
            self._l2[number] = (table, span)
        return self._l2[number][0] + STE_BYTES * low

    def _stage1_ste(self, stream: Stream, log2: int) -> STE:
        rng = self.rng
        table = self.pages.contiguous(CD_BYTES << log2, CD_BYTES << log2)
        for ssid in range(1 << log2):
            if rng.random() < 0.7:
                self._context(stream, ssid, table + CD_BYTES * ssid)
        return self._overrides(STE.make(
            V=1, Config=SteConfig.S1, S1ContextPtr=table, S1CDMax=log2,
            S1DSS=rng.choice((SteS1DSS.TERMINATE, SteS1DSS.BYPASS, SteS1DSS.SSID0, 3))))

    def _overrides(self, ste: STE) -> STE:
        """PRIVCFG and INSTCFG, often left alone."""
        rng = self.rng
        if rng.random() < 0.6:
            return ste
        return ste.replace(PRIVCFG=rng.randrange(4), INSTCFG=rng.randrange(4),
                           SHCFG=rng.randrange(4))

    def _bad_ste(self) -> STE:
        rng = self.rng
        return rng.choice((
            STE(rng.getrandbits(512) & ~STE.V.mask),
            STE.make(V=1, Config=SteConfig.S1, S1CDMax=31),
            STE.make(V=1, Config=SteConfig.S1,
                     S1ContextPtr=STE.S1ContextPtr.mask & ~0xFFF & ~(2**self.impl.oas_bits - 1)),
            STE.make(V=1, Config=SteConfig.S2) if not self.impl.S2P else STE(0),
        ))

    def _context(self, stream: Stream, ssid: int, address: int) -> None:
        rng = self.rng
        self._asid = self._asid % ((1 << self.impl.asid_bits) - 1) + 1
        halves = [self._half(upper=False)]
        fields = {"EPD1": 1}
        if rng.random() < 0.4:
            halves.append(self._half(upper=True))
            fields = {"EPD1": 0, "T1SZ": 64 - halves[1].ia, "TG1": TG1_CODE[halves[1].g],
                      "TTB1": halves[1].root, "TBI1": rng.randrange(2), "HAD1": rng.randrange(2)}
        cd = CD.make(
            T0SZ=64 - halves[0].ia, TG0=TG0_CODE[halves[0].g], TTB0=halves[0].root, V=1,
            IPS=self.impl.OAS if rng.random() < 0.8 else rng.randrange(8), AA64=1,
            AFFD=rng.randrange(2), R=rng.random() < 0.8, A=rng.random() < 0.7 or
            self.impl.TERM_MODEL, WXN=rng.random() < 0.2, PAN=rng.random() < 0.2,
            TBI0=rng.randrange(2), HAD0=rng.randrange(2), EPD0=rng.random() < 0.05,
            ASID=self._asid, ASET=1, MAIR0=rng.getrandbits(32), MAIR1=rng.getrandbits(32),
            **fields)
        if rng.random() < 0.05:
            cd = rng.choice((cd.replace(V=0), cd.replace(T0SZ=15), cd.replace(T0SZ=40),
                             cd.replace(TG0=3), cd.replace(AA64=0)))
        self.memory.write(address, cd.to_bytes())
        stream.contexts.append(Context(ssid, address, cd, halves))

    def _half(self, *, upper: bool) -> StageTable:
        rng = self.rng
        g = rng.choice(sorted(self.impl.granules))
        ia = 64 - rng.randrange(16, 40)
        oas = self.impl.oas_bits
        table = StageTable(self.memory, self._allocate, rng, 1, g, ia, start_level(g, ia), oas,
                           prefix=((1 << 64) - (1 << ia)) if upper else 0)
        outside = self.layout.base - (rng.randrange(1, 64) << 16)
        for _ in range(MAPPINGS):
            table.map(table.random_iova(), table.random_level(), self._output())
        for _ in range(3):
            table.spoil(table.random_iova(), rng.randrange(table.start, 4), outside)
        return table

    def _allocate(self, size: int) -> tuple[int, int]:
        block = self.pages.contiguous(size, size)
        return block, block

    def _output(self) -> int:
        """An output address that a client may overwrite, seldom one without memory."""
        rng, layout = self.rng, self.layout
        if rng.random() < 0.05:
            return (1 << self.impl.oas_bits) - (rng.randrange(1, 1 << 10) << 30)
        return rng.randrange(layout.data, layout.end, PAGE) & ~((1 << 30) - 1) \
            | rng.randrange(0, 1 << 30, PAGE)

    # ---- traffic ----

    def access(self) -> Transaction:
        """One access of 1 to 16 aligned bytes, more often than not to something mapped, and now
        and then to what was accessed lately (so that caches matter)."""
        rng = self.rng
        useful = [s for s in self.streams if s.contexts and s.ste.V]
        stream = rng.choice(useful if useful and rng.random() < 0.8 else self.streams)
        context = rng.choice(stream.contexts) if stream.contexts else None
        address = self._address(stream, context)
        if self.recent and rng.random() < 0.3:
            stream, context, half, leaf = rng.choice(self.recent)
            address = self._inside(half, leaf)
        sid = stream.sid if rng.random() < 0.97 else rng.getrandbits(LOG2_STREAMS + 1)
        ssid = context.ssid if stream.ste.S1CDMax and context is not None else None
        draw = rng.random()
        if draw < 0.1:
            ssid = None
        elif draw < 0.15:
            ssid = rng.getrandbits(rng.choice((3, 6, 20)))
        size = rng.choice((1, 2, 4, 8, 8, 16, 16))
        write = rng.random() < 0.4
        return Transaction(sid=sid, ssid=ssid, addr=address & ~(size - 1) & (1 << 64) - 1,
                           write=write, size=size, pnu=rng.random() < 0.4,
                           ind=not write and rng.random() < 0.25)

    def _address(self, stream: Stream, context: Context | None) -> int:
        rng = self.rng
        if context is None or rng.random() < 0.03:
            return rng.getrandbits(rng.choice((32, 48, 64)))
        half = rng.choice(context.halves)
        draw = rng.random()
        if half.leaves and draw < 0.6:
            leaf = rng.choice(half.leaves)
            self.recent.append((stream, context, half, leaf))
            address = self._inside(half, leaf)
        elif half.interesting and draw < 0.85:
            address = rng.choice(half.interesting) | rng.randrange(16)
        else:
            address = half.prefix | half.random_iova()
        if rng.random() < 0.1:  # a tag in the top byte
            address = address & (1 << 56) - 1 | rng.getrandbits(8) << 56
        return address

    def _inside(self, half: StageTable, leaf: Leaf) -> int:
        """An address that `leaf` maps, most often in its first page."""
        room = shift(half.g, leaf.level) if self.rng.random() < 0.2 else 12
        return leaf.iova + self.rng.getrandbits(room)

    # ---- changes ----

    def focus(self, accesses: list[Transaction]) -> None:
        """Let changes concern what `accesses` use."""
        found = [(stream, context, half, leaf)
                 for stream in self.streams for context in stream.contexts
                 for half in context.halves for leaf in half.leaves
                 if any(txn.sid == stream.sid and (txn.ssid or 0) == context.ssid
                        and not (txn.addr ^ leaf.iova) >> shift(half.g, leaf.level)
                        for txn in accesses)]
        if found:
            self.recent = deque(found, self.recent.maxlen)

    def change(self) -> list[Command]:
        """Change one thing in memory; the commands that make it certain."""
        rng = self.rng
        if self.recent and rng.random() < 0.6:
            stream, context, half, leaf = rng.choice(self.recent)
            return self.change_leaf(stream, context, half, leaf)
        translating = [s for s in self.streams if s.contexts]
        stream = rng.choice(translating or self.streams)
        kind = rng.choices(("leaf", "cd", "ste"), (6, 2, 1))[0]
        if kind == "ste" or not stream.contexts:
            return self.change_ste(stream)
        context = rng.choice(stream.contexts)
        if kind == "cd":
            return self.change_cd(stream, context)
        half = rng.choice(context.halves)
        return self.change_leaf(stream, context, half, rng.choice(half.leaves)) \
            if half.leaves else []

    def change_leaf(self, stream: Stream, context: Context, half: StageTable,
                     leaf: Leaf) -> list[Command]:
        rng = self.rng
        if leaf.level != LAST_LEVEL or rng.random() < 0.5:
            leaf.present = not leaf.present
        else:
            leaf.value = half.random_leaf().value | DescriptorType.TABLE_OR_PAGE \
                | self._output() & -(1 << half.g)
            leaf.present = True
        half.put(leaf.slot, leaf.value if leaf.present else 0)
        va, asid, vmid = leaf.iova, context.cd.ASID, self.vmid(stream)
        return [rng.choice((
            TLBI_NH_VA.make(VMID=vmid, ASID=asid, VA=va, Leaf=rng.randrange(2)),
            TLBI_NH_VAA.make(VMID=vmid, VA=va, Leaf=rng.randrange(2)),
            TLBI_NH_ASID.make(VMID=vmid, ASID=asid), TLBI_NH_ALL.make(VMID=vmid),
            TLBI_NSNH_ALL.make()))]

    def change_cd(self, stream: Stream, context: Context) -> list[Command]:
        rng = self.rng
        cd = context.cd
        context.cd = rng.choice((
            cd.replace(V=1 - cd.V), cd.replace(EPD0=1 - cd.EPD0), cd.replace(WXN=1 - cd.WXN),
            cd.replace(TBI0=1 - cd.TBI0), cd.replace(R=1 - cd.R), cd.replace(PAN=1 - cd.PAN)))
        self.memory.write(context.address, context.cd.to_bytes())
        flush: Command = TLBI_NH_ASID.make(VMID=self.vmid(stream), ASID=cd.ASID)
        one = CFGI_CD.make(StreamID=stream.sid, SSV=1, SubstreamID=context.ssid, Leaf=1)
        return [rng.choice((one, CFGI_CD_ALL.make(StreamID=stream.sid))), flush]

    def change_ste(self, stream: Stream) -> list[Command]:
        rng = self.rng
        ste = stream.ste
        stream.ste = rng.choice((
            ste.replace(V=1 - ste.V), ste.replace(S1DSS=rng.randrange(4)),
            ste.replace(PRIVCFG=rng.randrange(4)), ste.replace(INSTCFG=rng.randrange(4))))
        self.memory.write(stream.address, stream.ste.to_bytes())
        if rng.random() < 0.3:
            return [CFGI_STE_RANGE.make(Range=STE_RANGE_ALL), TLBI_NSNH_ALL.make()]
        return [CFGI_STE.make(StreamID=stream.sid, Leaf=rng.randrange(2)), TLBI_NSNH_ALL.make()]

    def vmid(self, stream: Stream) -> int:
        return stream.ste.S2VMID if self.impl.S2P else 0
