"""Every intermediate state of random updates of STEs and CDs, against the golden model.

Between two invalidations the SMMU may have read each doubleword at any moment, in any order, so
every mix of the values that a doubleword had since the last one is tried. A transaction must end
as under the old entry or the new one; if the update goes through an invalid entry, as under that.
"""

import itertools
import random
from types import SimpleNamespace

import pytest

from driver.dma import PageAllocator
from driver.iommu.pagetable import PageTable, Prot
from driver.run import run
from driver.smmu.entry import update_entry
from driver.smmu.used import cd_used, ste_used
from pymodel.memory import PAGE, SparseMemory
from pymodel.reader import MemoryReader
from pymodel.state import SmmuState
from pymodel.transaction import Transaction
from pymodel.translate import translate
from spec.codes import SizeCode
from spec.context import CD, CD_BYTES
from spec.impl import PRESETS
from spec.stream_table import STE, S2SL0Code, SteConfig, SteS1DSS
from spec.vmsa import S2AP, DescriptorType, MemAttr, S2Leaf

BASE, SIZE = 0x8000_0000, 1 << 30
IMPL = PRESETS["base"]
SID = 1
LOG2_CDS = 2
ACCESSES = [Transaction(sid=SID, ssid=ssid, addr=addr, write=write, size=4)
            for ssid in (None, 0, 1, 3) for addr in (0x4000, 0x8_0000, BASE + 0x10)
            for write in (False, True)]


class World:
    """A stream whose STE and CD 1 are what a test says, over two of everything."""

    def __init__(self):
        self.memory = SparseMemory(BASE, SIZE)
        self.pages = PageAllocator(self.memory, BASE, SIZE)
        self.strtab = self.pages.contiguous(PAGE)
        self.state = SmmuState(smmuen=True, strtab_base=self.strtab,
                               strtab_log2size=4)
        self.ste = self.strtab + 64 * SID
        self.roots, self.tables, self.stage2 = [], [], []
        for n in range(2):
            table = PageTable(SimpleNamespace(memory=self.memory, pages=self.pages))
            table.map(0x4000, BASE + 0x100_0000 * (n + 1), PAGE, Prot.READ | Prot.WRITE * n)
            table.map(0x8_0000, BASE + 0x300_0000, PAGE, Prot.READ | Prot.WRITE)
            self.roots.append(table.root)
            self.stage2.append(self._identity(n))
        for _ in range(2):
            self.tables.append(self.pages.contiguous(PAGE))
            for ssid in range(1 << LOG2_CDS):
                self.memory.write(self.tables[-1] + CD_BYTES * ssid,
                                  self.cd(random.Random(ssid), True).to_bytes())
        self.cd1 = self.tables[0] + CD_BYTES

    def _identity(self, n):
        root = self.pages.contiguous(PAGE)
        leaf = S2Leaf.pack(Type=DescriptorType.BLOCK, MemAttr=MemAttr.WB, AF=1, Address=BASE,
                           S2AP=S2AP.RW if n else S2AP.READ)
        self.memory.write(root + 8 * (BASE >> 30), leaf.to_bytes(8, "little"))
        return root

    def cd(self, rng, valid):
        return CD.make(T0SZ=16, EPD1=1, V=valid, AA64=1, IPS=SizeCode.B48, R=rng.randrange(2), A=1,
                       ASET=1, S=rng.random() < 0.2, WXN=rng.random() < 0.2,
                       EPD0=rng.random() < 0.2, ASID=rng.randrange(1, 4),
                       TTB0=rng.choice(self.roots), MAIR0=rng.choice((0xFF, 0x44, 0x04)))

    def ste_of(self, rng):
        config = rng.choice(list(SteConfig))
        overrides = {"PRIVCFG": rng.choice((0, 0, 2)), "INSTCFG": rng.choice((0, 0, 2)),
                     "MEV": rng.randrange(2), "SHCFG": rng.randrange(4),
                     "MTCFG": rng.randrange(2), "MemAttr": rng.choice((0xF, 0x5))}
        ste = STE.make(
            V=rng.random() < 0.9, Config=config, **overrides,
            S1ContextPtr=rng.choice(self.tables), S1CDMax=rng.choice((0, 1, LOG2_CDS)),
            S1DSS=rng.choice(list(SteS1DSS)), S1CSH=rng.randrange(4), S1CIR=rng.randrange(4),
            S1STALLD=rng.random() < 0.1, S2VMID=rng.randrange(3), S2T0SZ=25,
            S2SL0=S2SL0Code.MIDDLE, S2PS=SizeCode.B48, S2AA64=1, S2R=rng.randrange(2),
            S2TTB=rng.choice(self.stage2))
        if rng.random() < 0.7:  # as a driver writes it: nothing that is ignored
            ste = STE.from_words([w & m for w, m in zip(ste.words(), ste_used(ste.words()),
                                                         strict=True)])
        return ste

    def outcomes(self, address, words):
        """How the accesses end when the entry at `address` reads so."""
        entry = b"".join(word.to_bytes(8, "little") for word in words)

        class Mixed(MemoryReader):
            def ste(self, at, sid):
                return entry if at == address else super().ste(at, sid)

            def cd(self, at, sid, ssid):
                return entry if at == address else super().cd(at, sid, ssid)

        found = []
        for txn in ACCESSES:
            result = translate(IMPL, self.state, Mixed(self.memory), txn)
            found.append((result.ending, result.pa, result.attrs, result.event))
        return found


def update(world, address, old, new, used, write=update_entry):
    """Write an update; the sets of values that doublewords had between invalidations."""
    world.memory.write(address, old.to_bytes())
    live = old.words()
    since, periods, changed = [{word} for word in live], [], []

    def watch(at, before, after):
        if address <= at < address + 64:
            assert len(after) == 8, "not one doubleword"
            since[(at - address) // 8].add(int.from_bytes(after, "little"))
            changed.append(at)

    async def sync():
        periods.append([tuple(values) for values in since])
        now = world.memory.read(address, 64)
        since[:] = [{int.from_bytes(now[8 * n:8 * n + 8], "little")} for n in range(8)]
        changed.clear()

    world.memory.watch = watch
    run(write(SimpleNamespace(memory=world.memory), address, new, used, sync))
    world.memory.watch = None
    assert not changed, "the last change was never invalidated"
    assert world.memory.read(address, 64) == new.to_bytes()
    return periods


def breaking(periods, old, new):
    """Whether an update goes through an entry that is invalid, which neither end is."""
    return bool(old.V and new.V) and any(0 in period[0] for period in periods)


def check(world, address, old, new, used, write=update_entry):
    """Every mix that an SMMU can have read ends as it may; the number of mixes."""
    periods = update(world, address, old, new, used, write)
    allowed = [world.outcomes(address, old.words()), world.outcomes(address, new.words())]
    if breaking(periods, old, new):
        allowed.append(world.outcomes(address, [0] * 8))
    mixes = 0
    for period in periods:
        for words in itertools.product(*period):
            mixes += 1
            for n, outcome in enumerate(world.outcomes(address, words)):
                assert outcome in [found[n] for found in allowed], (
                    f"{ACCESSES[n]} under {[hex(word) for word in words]}:\n{old}\n{new}")
    return mixes


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.mark.parametrize("seed", range(60))
def test_ste(world, seed):
    rng = random.Random(seed)
    check(world, world.ste, world.ste_of(rng), world.ste_of(rng), ste_used)


@pytest.mark.parametrize("seed", range(60))
def test_cd(world, seed):
    rng = random.Random(seed)
    world.memory.write(world.ste, STE.make(
        V=1, Config=SteConfig.S1, S1ContextPtr=world.tables[0], S1CDMax=LOG2_CDS).to_bytes())
    old, new = (world.cd(rng, rng.random() < 0.9) for _ in range(2))
    check(world, world.cd1, old, new, cd_used)


ABORT, BYPASS = (STE.make(V=1, Config=SteConfig.ABORT),
                 STE.make(V=1, Config=SteConfig.BYPASS, SHCFG=1))
S1 = STE.make(V=1, Config=SteConfig.S1, S1ContextPtr=BASE, S1CDMax=2, S1DSS=SteS1DSS.SSID0,
              S1CIR=1, S1COR=1, S1CSH=3)
S1_DSS = S1.replace(S1DSS=SteS1DSS.BYPASS, SHCFG=1)
S2 = STE.make(V=1, Config=SteConfig.S2, S2VMID=3, S2AA64=1, S2R=1, S2T0SZ=25, S2TTB=BASE, SHCFG=1)
LIVE = CD.make(T0SZ=16, EPD1=1, V=1, AA64=1, ASID=5, TTB0=BASE, MAIR0=0xFF)
QUIET = LIVE.replace(EPD0=1)
# What the kernel's own test expects: old, new, invalidations, whether transactions are aborted.
TRANSITIONS = [
    ("bypass to abort", BYPASS, ABORT, 2, False), ("abort to bypass", ABORT, BYPASS, 2, False),
    ("stage 1 to abort", S1, ABORT, 2, False), ("abort to stage 1", ABORT, S1, 2, False),
    ("stage 1 to bypass", S1, BYPASS, 3, False), ("bypass to stage 1", BYPASS, S1, 3, False),
    ("stage 2 to abort", S2, ABORT, 2, False), ("abort to stage 2", ABORT, S2, 2, False),
    ("stage 2 to bypass", S2, BYPASS, 2, False), ("bypass to stage 2", BYPASS, S2, 2, False),
    ("stage 1 to stage 2", S1, S2, 3, True), ("stage 2 to stage 1", S2, S1, 3, True),
    ("S1DSS", S1, S1_DSS, 1, False), ("nothing", S1, S1, 0, False),
    ("new ASID", LIVE, LIVE.replace(ASID=6), 1, False),
    ("CD made invalid", LIVE, CD(0), 2, False), ("CD made valid", CD(0), LIVE, 2, False),
    ("quiesced", LIVE, QUIET, 1, False), ("another table", LIVE, LIVE.replace(TTB0=0), 1, False),
    ("another table and ASID", LIVE, LIVE.replace(ASID=6, TTB0=0), 3, True)]


@pytest.mark.parametrize("row", TRANSITIONS, ids=[row[0] for row in TRANSITIONS])
def test_invalidations(world, row):
    _, old, new, syncs, aborts = row
    used = ste_used if isinstance(old, STE) else cd_used
    periods = update(world, world.ste, old, new, used)
    assert (len(periods), breaking(periods, old, new)) == (syncs, aborts)


async def _in_order(bus, address, target, used, sync):
    for n, word in enumerate(target.words()):
        bus.memory.write(address + 8 * n, word.to_bytes(8, "little"))
    await sync()


async def _one_invalidation(bus, address, target, used, sync):
    async def nothing():
        pass

    await update_entry(bus, address, target, used, nothing)
    await sync()


def _forgetful(words):
    """Takes everything of stage 2 for ignored."""
    return [*ste_used(words)[:2], *[0] * 6]


@pytest.mark.parametrize(("write", "used"), [
    (_in_order, ste_used), (_one_invalidation, ste_used), (update_entry, _forgetful)])
def test_wrong_ways_are_noticed(world, write, used):
    failed = 0
    for seed in range(30):
        rng = random.Random(seed)
        try:
            check(world, world.ste, world.ste_of(rng), world.ste_of(rng), used, write)
        except AssertionError:
            failed += 1
    assert failed > 2
