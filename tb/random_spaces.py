"""Random address spaces: what lies where in memory, and the stage-2 tables of virtual machines."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from driver.dma import PageAllocator
from pymodel.memory import PAGE, Memory
from spec.codes import SIZE_CODE, TG0_CODE
from spec.impl import Implementation
from spec.registers import HTTU, TTENDIAN
from spec.vmsa import (
    S2_START_LEVEL,
    S2_START_OAS,
    S2AP,
    S1Leaf,
    S2Leaf,
    s2_start_fits,
    shift,
    stride,
)
from tb.random_tables import Leaf, StageTable

MAPPINGS = 16
REACH = S1Leaf.Address.hi + 1  # address bits that every descriptor can name
SPOILED = 3


@dataclass(frozen=True)
class Layout:
    """Where things are: structures below `data`, what clients may overwrite from there to `end`;
    nothing outside [base, end)."""

    base: int = 0x8000_0000
    data: int = 0xC000_0000
    end: int = 0x1_8000_0000

    def output(self, rng: Random, oas: int) -> int:
        """An output address that a client may overwrite, seldom one without memory."""
        if rng.random() < 0.05:
            return self.far(rng, oas)
        return rng.randrange(self.data, self.end, PAGE) & ~((1 << 30) - 1) \
            | rng.randrange(0, 1 << 30, PAGE)

    def far(self, rng: Random, oas: int) -> int:
        """An address without memory, beyond every output size below OAS."""
        return (1 << oas) - (rng.randrange(1, 1 << min(10, oas - 31)) << 30)

    def outside(self, rng: Random) -> int:
        """An address without memory."""
        return self.base - (rng.randrange(1, 64) << 16)


def big_endian(rng: Random, impl: Implementation) -> int:
    """CD.ENDI or STE.S2ENDI, now and then one that is not permitted."""
    legal = {TTENDIAN.MIXED: rng.randrange(2), TTENDIAN.BIG: 1}.get(TTENDIAN(impl.TTENDIAN), 0)
    return legal if rng.random() < 0.98 else 1 - legal


class Vm:
    """A virtual machine: a VMID and stage-2 tables.

    Structures that are found by an IPA (CDs, stage-1 tables) lie in the upper half of the IPA
    space, or of its first 48 bits, which is all that most descriptors can name; what clients may
    overwrite, outside.

    Members
    -------
    table
        The stage-2 tables.
    fields
        Of an STE that uses them.
    """

    def __init__(self, rng: Random, impl: Implementation, memory: Memory, pages: PageAllocator,
                 layout: Layout, vmid: int) -> None:
        self._rng, self._impl, self._pages, self._layout = rng, impl, pages, layout
        self.vmid = vmid
        g, sl0, start, ia = self._geometry()
        big = big_endian(rng, impl)
        ha = int(impl.HTTU >= HTTU.ACCESS and rng.random() < 0.4)
        self.table = StageTable(
            memory, self._physical, rng, 2, g, ia, start, impl.oas_bits, big_endian=bool(big),
            updates=bool(ha))
        self.fields = {
            "S2VMID": vmid, "S2T0SZ": 64 - ia, "S2SL0": sl0, "S2TG": TG0_CODE[g],
            "S2PS": output_code(rng, impl, 0), "S2AA64": 1,
            "S2TTB": self.table.root >> 4 << 4, "S2ENDI": big, "S2AFFD": rng.randrange(2),
            "S2PTW": int(rng.random() < 0.2), "S2HA": ha,
            "S2HD": int(impl.HTTU >= HTTU.DIRTY and rng.random() < 0.5),
            "S2R": int(rng.random() < 0.8), "S2FWB": int(impl.FWB and rng.random() < 0.3),
            "S2IR0": rng.randrange(4), "S2OR0": rng.randrange(4), "S2SH0": rng.randrange(4)}
        self._half = min(ia, REACH) - 1
        self._outside = (1 << ia) - 1 & ~(1 << self._half)
        self._pool = (0, 0, 0)  # next IPA, its PA, bytes left
        self._pools: dict[int, int] = {}  # first IPA to bytes
        for _ in range(MAPPINGS):
            near = self.table.random_iova() & self._outside
            self.table.map(near, self.table.random_level(), layout.output(rng, impl.oas_bits))
        self.leaves = list(self.table.leaves)  # what clients may overwrite
        for _ in range(SPOILED):
            self.table.spoil(self.table.random_iova() & self._outside,
                             rng.randrange(start, 4), layout.outside(rng))

    def _geometry(self) -> tuple[int, int, int, int]:
        """Granule, S2SL0, start level and input size, concatenated tables included."""
        rng, impl = self._rng, self._impl
        g = rng.choice(sorted(impl.granules))
        choices = [(sl0, level, ia) for sl0, level in enumerate(S2_START_LEVEL[g])
                   if impl.oas_bits >= S2_START_OAS.get((g, level), 0)
                   for ia in range(max(28, 64 - impl.tsz_max(g)), 65 - impl.s2tsz_min(g))
                   if s2_start_fits(g, level, ia)]
        wide = [c for c in choices if c[2] > shift(g, c[1]) + stride(g)]  # concatenated
        sl0, level, ia = rng.choice(wide if wide and rng.random() < 0.4 else choices)
        return g, sl0, level, ia

    def structures(self, ipa: int) -> bool:
        """Whether the IPA is one of structures."""
        return bool(ipa >> self._half & 1)

    def allocate(self, size: int) -> tuple[int, int]:
        """A zeroed block of structures, aligned to its size: IPA and PA. Now and then stage 2 has
        something against accesses to it."""
        ipa, pa, left = self._pool
        skip = -pa % size
        if left < skip + size:
            ipa, pa, left = self._map_pool(size)
            skip = 0
        self._pool = ipa + skip + size, pa + skip + size, left - skip - size
        return ipa + skip, pa + skip

    def _map_pool(self, size: int) -> tuple[int, int, int]:
        rng, table = self._rng, self.table
        page = 1 << table.g
        whole = max(size, 16 * page)
        pa = self._pages.contiguous(whole, whole)
        while True:
            ipa = 1 << self._half | rng.getrandbits(self._half) & -whole
            if not any(ipa < other + room and other < ipa + whole
                       for other, room in self._pools.items()):
                break
        self._pools[ipa] = whole
        if rng.random() < 0.03:
            table.spoil(ipa + rng.randrange(0, whole, page), rng.randrange(table.start, 4),
                        self._layout.outside(rng))
        for offset in range(0, whole, page):
            leaf = table.random_leaf() if rng.random() < 0.07 else S2Leaf.make(
                MemAttr=0x6 if self.fields["S2FWB"] else 0xF, SH=3, S2AP=S2AP.RW,
                AF=0 if self.fields["S2HA"] and rng.random() < 0.3 else 1)
            far = self._layout.far(rng, self._impl.oas_bits)
            table.map(ipa + offset, 3, far if rng.random() < 0.02 else pa + offset, leaf)
        return ipa, pa, whole

    def _physical(self, size: int) -> tuple[int, int]:
        block = self._pages.contiguous(size, size)
        return block, block

    def output(self) -> int:
        """What a stage-1 leaf may name: an IPA that is mapped, seldom any other."""
        rng = self._rng
        if rng.random() < 0.05:  # beyond the IPA space
            return self._layout.far(rng, self._impl.oas_bits)
        if not self.leaves or rng.random() < 0.1:
            return rng.getrandbits(self.table.ia) & self._outside
        return (rng.choice(self.leaves).iova | rng.getrandbits(14) & -PAGE) & self._outside

    def leaf_of(self, ipa: int) -> Leaf | None:
        """The leaf that maps the IPA for clients."""
        table = self.table
        return next((leaf for leaf in self.leaves
                     if not (leaf.iova ^ ipa) >> shift(table.g, leaf.level)), None)


def output_code(rng: Random, impl: Implementation, least: int | None = None) -> int:
    """CD.IPS or STE.S2PS: most often what is implemented. With `least` now and then the smallest
    of at least so many bits."""
    if least is not None and rng.random() < 0.25:
        return SIZE_CODE[min(bits for bits in SIZE_CODE if bits >= least)]
    return SIZE_CODE[impl.oas_bits] if rng.random() < 0.8 else rng.randrange(8)
