"""Random stream table entries and context descriptors, legal and not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from driver.dma import PageAllocator
from pymodel.memory import Memory
from spec.codes import TG0_CODE, TG1_CODE
from spec.context import CD, CD_BYTES, CD_LEAF_BITS, L1CD, L1CD_BYTES
from spec.impl import Implementation
from spec.registers import HTTU
from spec.stream_table import STE, SteConfig, SteS1DSS, SteS1Fmt, SteSTRW
from spec.vmsa import start_level
from tb.random_spaces import Layout, Vm, big_endian, output_code
from tb.random_tables import StageTable

VMS = 2
CONTEXTS = 5       # per stream, at most
MAPPINGS = 10      # per half
SHARED = 0.15      # contexts that use another one's address space
FLIPPED = 0.04     # structures with one wrong bit

# Bits whose change alters who may write what, that stall, or that lend the tags of other tables to
# these: never flipped.
_FIXED_STE = (STE.S2S.mask | STE.S2HA.mask | STE.S2HD.mask | STE.S1STALLD.mask
              | STE.S2VMID.mask)
_FIXED_CD = CD.S.mask | CD.HA.mask | CD.HD.mask | CD.ASID.mask


@dataclass
class Context:
    """One context descriptor and its tables (TTB0, and TTB1 if enabled)."""

    ssid: int
    address: int
    cd: CD
    halves: list[StageTable]


@dataclass
class Stream:
    """One stream table entry.

    Members
    -------
    vm
        Whose stage 2 it has, if any.
    table
        (physical address, L1CD) of each first-level context descriptor.
    garbage
        Nobody knows what it maps: only reads are safe.
    """

    sid: int
    address: int
    ste: STE
    vm: Vm | None = None
    contexts: list[Context] = field(default_factory=list)
    table: list[tuple[int, int, L1CD]] = field(default_factory=list)
    garbage: bool = False

    @property
    def stage1(self) -> bool:
        return self.ste.Config in (SteConfig.S1, SteConfig.NESTED)

    @property
    def el2(self) -> bool:
        """In an EL2 world, if there are any."""
        return self.ste.Config == SteConfig.S1 and self.ste.STRW == SteSTRW.NS_EL2


class Streams:
    """Makes streams of every kind that `impl` has, and some that it has not."""

    def __init__(self, rng: Random, impl: Implementation, memory: Memory, pages: PageAllocator,
                 layout: Layout, e2h: bool) -> None:
        self._rng, self._impl, self._memory = rng, impl, memory
        self._pages, self._layout, self._e2h = pages, layout, e2h
        self._asid, self._vmid = 0, VMS
        self.vms = [Vm(rng, impl, memory, pages, layout, vmid + 1) for vmid in range(VMS)] \
            if impl.S2P else []
        self._spaces: list[tuple[object, CD, list[StageTable]]] = []

    def make(self, sid: int, address: int) -> Stream:
        """A stream whose STE is for `address`; its CDs and tables are written."""
        rng, impl = self._rng, self._impl
        stream = Stream(sid, address, STE(0))
        stage1, stage2 = 6 * impl.S1P, 6 * impl.S2P
        role = rng.choices(("s1", "substreams", "s2", "nested", "bypass", "abort", "bad"),
                           (stage1, stage1, stage2, min(stage1, stage2) * 1.5, 1, 1, 2))[0]
        if role in ("s1", "substreams", "nested"):
            self._stage1(stream, role)
        elif role == "s2":
            stream.vm = rng.choice(self.vms)
            stream.ste = STE.make(V=1, Config=SteConfig.S2, **stream.vm.fields)
        elif role == "bypass":
            stream.ste = STE.make(V=1, Config=SteConfig.BYPASS)
        elif role == "abort":
            stream.ste = STE.make(V=1, Config=rng.randrange(4))
        else:
            stream.ste, stream.garbage = self._bad_ste(), True
        stream.ste = self._overrides(stream.ste)
        # Without S2HA beside streams of its VM with it, what it finds would depend on how far their
        # accesses have come.
        updates = stream.vm is not None and stream.ste.S2HA
        if not stream.garbage and not updates and rng.random() < FLIPPED:
            stream.garbage = True
            # STEs of one VMID agree about its tables.
            fixed = sum(getattr(STE, name).mask for name in ("Config", *stream.vm.fields)) \
                if stream.vm else 0
            stream.ste = STE(stream.ste.replace(S2HA=0, S2HD=0).value
                             ^ _bit(rng, 256, _FIXED_STE | fixed))
        return stream

    def _overrides(self, ste: STE) -> STE:
        """Privilege, instruction and type overrides, often left alone."""
        rng = self._rng
        if rng.random() < 0.5:
            return ste.replace(SHCFG=1)
        return ste.replace(
            PRIVCFG=rng.randrange(4), INSTCFG=rng.randrange(4), SHCFG=rng.randrange(4),
            MTCFG=rng.randrange(2), MemAttr=rng.randrange(16), ALLOCCFG=rng.randrange(16))

    def _bad_ste(self) -> STE:
        rng, impl = self._rng, self._impl
        above = ~0xFFF & ~((1 << impl.oas_bits) - 1)
        s1 = {"V": 1, "Config": SteConfig.S1}
        s2 = {"V": 1, "Config": SteConfig.S2, "S2AA64": 1, "S2T0SZ": 25, "S2SL0": 1,
              "S2PS": impl.OAS}
        choices = [
            STE(rng.getrandbits(512) & ~STE.V.mask),
            STE(rng.getrandbits(512) & ~_FIXED_STE | STE.V.mask),
            STE.make(**s1, S1CDMax=31),
            STE.make(**s1, S1ContextPtr=STE.S1ContextPtr.mask & above),
            STE.make(**s1, STRW=rng.choice((1, 3))),
            STE.make(**s1, S1STALLD=1, S1ContextPtr=self._layout.outside(rng)),
            STE.make(**s1, S1CDMax=1, S1Fmt=rng.choice((1, 2)),
                     S1ContextPtr=self._layout.outside(rng)),
            STE.make(**s2 | {"S2T0SZ": rng.choice((0, 15, 40, 63))}),
            STE.make(**s2 | {"S2SL0": rng.choice((0, 3))}),
            STE.make(**s2, S2TG=3),
            STE.make(**s2 | {"S2PS": 0}, S2TTB=1 << 40),
            STE.make(**s2 | {"S2AA64": 0}),
            STE.make(**s2, S2ENDI=1, S2TTB=self._layout.outside(rng)),
            STE.make(**s2, S2TTB=self._layout.outside(rng), S2VMID=rng.getrandbits(16)),
        ]
        return rng.choice(choices)

    # ---- stage 1 ----

    def _stage1(self, stream: Stream, role: str) -> None:
        rng, impl = self._rng, self._impl
        if role == "nested":
            stream.vm = rng.choice(self.vms)
        el2 = bool(impl.HYP and role != "nested" and rng.random() < 0.25)
        fields: dict[str, int] = dict(stream.vm.fields) if stream.vm else {
            "STRW": SteSTRW.NS_EL2 if el2 else SteSTRW.NS_EL1, "S2VMID": self._own_vmid()}
        # With stage 2 the VMID says which streams' global entries are whose.
        alone = stream.vm is None and bool(impl.S2P) and not el2
        log2 = 0
        if impl.SSIDSIZE and (role == "substreams" or rng.random() < 0.5):
            log2, alone = rng.randrange(1, min(impl.SSIDSIZE, 12) + 1), False
        allocate = stream.vm.allocate if stream.vm else self._physical
        fmt = rng.choice(list(SteS1Fmt)) if impl.CD2L else 3 * (rng.random() < 0.1)
        pointer, places = self._cd_table(stream, log2, fmt, allocate)
        stream.ste = STE.make(
            V=1, Config=SteConfig.NESTED if stream.vm else SteConfig.S1, S1Fmt=fmt,
            S1ContextPtr=pointer, S1CDMax=log2,
            S1DSS=rng.choice((*list(SteS1DSS), 3)), S1CIR=rng.randrange(4),
            S1COR=rng.randrange(4), S1CSH=rng.randrange(4), **fields)
        for ssid, place in places.items():
            self._context(stream, ssid, place, el2, alone)

    def _own_vmid(self) -> int:
        if not self._impl.S2P:
            return 0
        self._vmid += 1
        return self._vmid

    def _cd_table(self, stream: Stream, log2: int, fmt: int,
                  allocate: Callable[[int], tuple[int, int]]) -> tuple[int, dict[int, int]]:
        """S1ContextPtr, and {SSID: physical address of its CD}."""
        rng = self._rng
        some = {0} | {rng.randrange(1 << log2) for _ in range(CONTEXTS - 1)}
        leaf_bits = CD_LEAF_BITS.get(fmt, 0) if log2 else 0
        if not leaf_bits:
            pointer, base = allocate(CD_BYTES << log2)
            return pointer, {ssid: base + CD_BYTES * ssid for ssid in some}
        pointer, base = allocate(max(64, L1CD_BYTES << max(0, log2 - leaf_bits)))
        leaves: dict[int, int] = {}
        for number in {ssid >> leaf_bits for ssid in some}:
            visible, leaves[number] = allocate(CD_BYTES << leaf_bits)
            good = rng.random() < 0.93
            l1cd = L1CD.make(V=good or rng.randrange(2),
                             L2Ptr=visible if good else self._layout.outside(rng))
            place = base + L1CD_BYTES * number
            self._memory.write(place, l1cd.to_bytes())
            stream.table.append((place, number << leaf_bits, l1cd))
        low = (1 << leaf_bits) - 1
        return pointer, {ssid: leaves[ssid >> leaf_bits] + CD_BYTES * (ssid & low)
                         for ssid in some}

    def _physical(self, size: int) -> tuple[int, int]:
        size = max(size, 64)
        block = self._pages.contiguous(size, size)
        return block, block

    def _context(self, stream: Stream, ssid: int, address: int, el2: bool, alone: bool) -> None:
        rng = self._rng
        single = el2 and not self._e2h  # one address space for all of EL2
        owner: object = stream.vm or (el2, stream.ste.S2VMID if not el2 else 0)
        found = [(cd, halves) for other, cd, halves in self._spaces if other == owner]
        if found and (single or rng.random() < SHARED):
            cd, halves = rng.choice(found)
        else:
            good, halves = self._space(stream, single, alone)
            cd = good if single else self._bad_cd(stream, good)
            if cd == good:  # CDs of one ASID agree about its tables
                self._spaces.append((owner, cd, halves))
        self._memory.write(address, cd.to_bytes())
        stream.contexts.append(Context(ssid, address, cd, halves))

    def _space(self, stream: Stream, single: bool, alone: bool) -> tuple[CD, list[StageTable]]:
        """A new address space."""
        rng, impl = self._rng, self._impl
        self._asid = self._asid % ((1 << impl.asid_bits) - 1) + 1
        ha = int(impl.HTTU >= HTTU.ACCESS and rng.random() < 0.4)
        big = big_endian(rng, impl)
        halves = [self._half(stream, False, big, ha, alone)]
        fields = {"EPD1": 1}
        if not single and rng.random() < 0.4:
            halves.append(self._half(stream, True, big, ha, alone))
            fields = {"EPD1": int(rng.random() < 0.05), "T1SZ": 64 - halves[1].ia,
                      "TG1": TG1_CODE[halves[1].g], "TTB1": halves[1].root >> 4 << 4,
                      "TBI1": rng.randrange(2), "HAD1": rng.randrange(2),
                      "E0PD1": int(rng.random() < 0.2)}
        cd = CD.make(
            T0SZ=64 - halves[0].ia, TG0=TG0_CODE[halves[0].g], TTB0=halves[0].root >> 4 << 4, V=1,
            IPS=output_code(rng, impl, stream.vm.table.ia if stream.vm else None), AA64=1,
            AFFD=rng.randrange(2), HA=ha,
            HD=int(impl.HTTU >= HTTU.DIRTY and rng.random() < 0.6), ENDI=big,
            R=int(rng.random() < 0.8), A=int(rng.random() < 0.7 or bool(impl.TERM_MODEL)),
            WXN=int(rng.random() < 0.2), UWXN=rng.randrange(2), PAN=int(rng.random() < 0.2),
            TBI0=rng.randrange(2), HAD0=rng.randrange(2), EPD0=int(rng.random() < 0.05),
            E0PD0=int(rng.random() < 0.2), EPAN=impl.EPAN & self._asid, ASID=self._asid, ASET=1,
            MAIR0=rng.getrandbits(32),
            MAIR1=rng.getrandbits(32), IR0=rng.randrange(4), OR0=rng.randrange(4),
            SH0=rng.randrange(4), **fields)
        return cd, halves

    def _bad_cd(self, stream: Stream, cd: CD) -> CD:
        """Now and then one that is ILLEGAL, or that has a wrong bit."""
        rng, draw = self._rng, self._rng.random()
        if draw < 0.05:
            return rng.choice((
                cd.replace(V=0), cd.replace(T0SZ=15), cd.replace(T0SZ=40), cd.replace(TG0=3),
                cd.replace(AA64=0), cd.replace(A=0), cd.replace(HA=1), cd.replace(EPD1=0, T1SZ=9),
                cd.replace(IPS=0, TTB0=1 << 40)))
        if draw < 0.05 + FLIPPED:
            stream.garbage = True
            return CD(cd.replace(HA=0, HD=0).value ^ _bit(rng, 256, _FIXED_CD))
        return cd

    def _half(self, stream: Stream, upper: bool, big: int, ha: int, alone: bool) -> StageTable:
        rng, impl, vm = self._rng, self._impl, stream.vm
        g = rng.choice(sorted(impl.granules))
        ia = 64 - rng.randrange(impl.tsz_min(g), impl.tsz_max(g) + 1)
        oas = impl.oas_bits
        table = StageTable(
            self._memory, vm.allocate if vm else self._physical, rng, 1, g, ia,
            start_level(g, ia), oas, prefix=((1 << 64) - (1 << ia)) if upper else 0,
            big_endian=bool(big), updates=bool(ha), shared=alone)
        for _ in range(MAPPINGS):
            output = vm.output() if vm else self._layout.output(rng, oas)
            table.map(table.random_iova(), table.random_level(), output)
        for _ in range(3):
            table.spoil(table.random_iova(), rng.randrange(table.start, 4),
                        self._layout.outside(rng))
        return table


def _bit(rng: Random, below: int, fixed: int) -> int:
    """One bit of the first `below`, none of `fixed`."""
    while (bit := 1 << rng.randrange(below)) & fixed:
        pass
    return bit
