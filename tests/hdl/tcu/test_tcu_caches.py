"""The TCU's caches: what they save, what each Invalidation drops, what never enters (reference 4.3,
6.3)."""

from tcu_harness import Access, accept, finish, invalidate, request
from tcu_tables import Nested, machine, page, page2, put_leaf, stage1

from hdl.streams import InvOp
from spec import vmsa
from spec.events import EventType
from spec.stream_table import SteSTRW

VA, PA = 0x40_0000_1000, 0x70_0000
STE, CD, TABLES = 1, 1, 3  # reads of a cold translation, besides the leaf's
BLOCK, GB2 = VA & -(1 << 21), 1 << 31
COLD = STE + CD + TABLES + 1
WARM = 1


def world(*, ste: dict | None = None, **cd: int):
    it = machine(walks=2)
    it.caches = 4
    it.ttb = stage1(it, ste=ste, **cd)
    for n in range(8):
        put_leaf(it, it.ttb, VA + (n << 12), page(PA + (n << 12)))
    return it


def with_leaves(it):
    it.leaves = 4
    return it


def reads(it, *steps) -> list[int]:
    """Reads of each access among `steps`; the others are called with (ctx, dut)."""
    counts = []

    async def drive(ctx, dut, events):
        for step in steps:
            before = len(it.reads)
            if isinstance(step, Access):
                del events[:]
                await request(ctx, dut, step, 0)
                finish(step, await accept(ctx, dut.resp), events)
                counts.append(len(it.reads) - before)
            else:
                await step(ctx, dut)

    it.simulate(drive)
    return counts


def inv(op: InvOp, **operands: int):
    async def step(ctx, dut):
        await invalidate(ctx, dut, op, **operands)
    return step


def near(n: int) -> Access:
    return Access(VA + (n << 12))


def test_warm_tables_cost_one_descriptor():
    assert reads(world(), near(0), near(1), near(2)) == [COLD, WARM, WARM]


def test_without_entries_everything_is_read():
    it = world()
    it.caches = 0
    assert reads(it, near(0), near(1)) == [COLD, COLD]


def test_the_lowest_table_kept_wins():
    it = world()
    for va in (VA + (1 << 21), VA + (1 << 30), VA + (1 << 39)):
        put_leaf(it, it.ttb, va, page(PA))
    assert reads(it, near(0), Access(VA + (1 << 21)), Access(VA + (1 << 30)),
                 Access(VA + (1 << 39)), near(1)) == [COLD, 2, 3, 4, WARM]


# op, operands, reads of a translation with the same tables afterwards
KEPT_AND_DROPPED = [
    (InvOp.CFGI_STE, {"sid": 1}, STE + CD + WARM),
    (InvOp.CFGI_STE, {"sid": 0, "mask": 1}, STE + CD + WARM),
    (InvOp.CFGI_STE, {"sid": 5, "mask": 32}, STE + CD + WARM),
    (InvOp.CFGI_STE, {"sid": 2, "mask": 1}, WARM),
    (InvOp.CFGI_CD, {"sid": 1, "ssid": 0}, CD + WARM),
    (InvOp.CFGI_CD, {"sid": 1, "ssid": 1}, WARM),
    (InvOp.CFGI_CD, {"sid": 2, "ssid": 0}, WARM),
    (InvOp.CFGI_CD_ALL, {"sid": 1}, CD + WARM),
    (InvOp.CFGI_CD_ALL, {"sid": 3}, WARM),
    (InvOp.TLBI_NSNH_ALL, {}, TABLES + WARM),
    (InvOp.TLBI_EL2_ALL, {"el2": 1}, WARM),
    (InvOp.TLBI_VMALL, {"vmid": 3}, TABLES + WARM),
    (InvOp.TLBI_VMALL, {"vmid": 2}, WARM),
    (InvOp.TLBI_VMALL, {"vmid": 2, "vmw": 1}, TABLES + WARM),
    (InvOp.TLBI_S12_VMALL, {"vmid": 3}, TABLES + WARM),
    (InvOp.TLBI_ASID, {"vmid": 3, "asid": 7}, TABLES + WARM),
    (InvOp.TLBI_ASID, {"vmid": 3, "asid": 8}, WARM),
    (InvOp.TLBI_ASID, {"vmid": 4, "asid": 7}, WARM),
    (InvOp.TLBI_ASID, {"vmid": 3, "asid": 7, "el2": 1}, WARM),
    (InvOp.TLBI_VA, {"vmid": 3, "asid": 7, "addr": VA}, TABLES + WARM),
    (InvOp.TLBI_VA, {"vmid": 3, "asid": 7, "addr": VA, "leaf": 1}, WARM),
    (InvOp.TLBI_VA, {"vmid": 2, "asid": 7, "addr": VA}, WARM),
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": VA}, TABLES + WARM),
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": VA + (1 << 21)}, WARM),  # the last table stays
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": VA + (1 << 55)}, WARM),
    # a range up to the last table, and one into it
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": BLOCK - GB2, "tg": 1, "num": 1, "scale": 18}, WARM),
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": BLOCK - GB2, "tg": 1, "num": 2, "scale": 18},
     TABLES + WARM),
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": 0, "tg": 3, "num": 31, "scale": 39}, TABLES + WARM),
    # ranges that are longer than any address
    *((InvOp.TLBI_VAA, {"vmid": 3, "addr": BLOCK - GB2, "tg": 1, "num": num, "scale": scale},
       TABLES + WARM) for num, scale in ((0, 40), (31, 48), (1, 52), (0, 53), (31, 63))),
    (InvOp.TLBI_S2_IPA, {"vmid": 3, "addr": VA}, WARM),
]


def after_each(it, operations) -> list[int]:
    """Reads of a translation after each operation, everything being warm before it."""
    steps = [step for op, operands, _ in operations
             for step in (inv(InvOp.TLBI_NSNH_ALL), inv(InvOp.TLBI_EL2_ALL, el2=1), near(0),
                          inv(op, **operands), near(1))]
    return reads(it, *steps)[1::2]


def test_each_invalidation_drops_what_it_names():
    found = after_each(world(ste={"S2VMID": 3}), KEPT_AND_DROPPED)
    assert [(*o[:2], n) for o, n in zip(KEPT_AND_DROPPED, found, strict=True)] == KEPT_AND_DROPPED


def test_the_el2_world_is_apart():
    operations = [
        (InvOp.TLBI_NSNH_ALL, {}, WARM), (InvOp.TLBI_EL2_ALL, {"el2": 1}, TABLES + WARM),
        (InvOp.TLBI_VAA, {"el2": 1, "vmid": 9, "addr": VA}, TABLES + WARM),
        (InvOp.TLBI_VAA, {"addr": VA}, WARM)]
    it = world(ste={"STRW": SteSTRW.NS_EL2, "S2VMID": 3})
    assert after_each(it, operations) == [expected for *_, expected in operations]


def test_streams_of_one_address_space_share_tables():
    it = world()
    for n in range(0, 64, 8):
        it.memory.put(it.strtab_base + 128 + n, it.memory.get(it.strtab_base + 64 + n))
    other = Access(VA, sid=2)
    assert reads(it, near(0), other) == [COLD, STE + CD + WARM]
    assert other.pa == PA


def test_another_asid_or_half_has_its_own_tables():
    it = world()
    ttb2 = stage1(it, sid=2, ASID=9)
    put_leaf(it, ttb2, VA, page(0x90_0000))
    high = VA - (1 << 48) + (1 << 64)
    put_leaf(it, it.ttb + 0x1000, high, page(0xA0_0000))
    accesses = [near(0), Access(VA, sid=2), Access(high), near(0), Access(VA, sid=2), Access(high)]
    assert reads(it, *accesses) == [COLD, COLD, TABLES + 1, WARM, WARM, WARM]
    assert [a.pa for a in accesses] == [PA, 0x90_0000, 0xA0_0000] * 2


def test_hierarchical_bits_come_with_the_table():
    it = machine(walks=1, caches=4)
    ttb = stage1(it)
    for n in range(2):
        put_leaf(it, ttb, VA + (n << 12), page(PA), tables={0: vmsa.S1Table.APTable.put(2)})
    first, second = (Access(VA + (n << 12), write=True) for n in range(2))
    assert reads(it, Access(VA), first, second)[1:] == [WARM, WARM]
    for access in (first, second):
        assert access.event.TYPE == EventType.F_PERMISSION


def test_more_streams_than_entries():
    it = machine(walks=2, caches=2)
    for sid in range(1, 6):
        put_leaf(it, stage1(it, sid, ASID=sid), VA, page(PA + (sid << 12)))
    accesses = [Access(VA, sid=1 + n % 5) for n in range(15)]
    reads(it, *accesses)
    assert [a.pa for a in accesses] == [PA + (1 + n % 5 << 12) for n in range(15)]


def test_nothing_invalid_is_kept():
    """Software may make valid what was invalid without an invalidation of TLBs (reference 4.3)."""
    it = world()
    entry = it.ttb + 8 * vmsa.index(12, 0, VA, 48)
    word = it.memory.get(entry)
    it.memory.put(entry, 0)
    bad = near(0)

    async def repair(ctx, dut):
        it.memory.put(entry, word)

    reads(it, bad, repair, good := near(0))
    assert bad.event.TYPE == EventType.F_TRANSLATION
    assert good.pa == PA


def test_nothing_is_kept_while_the_smmu_is_off():
    it = world()

    async def off_and_on(ctx, dut):
        ctx.set(dut.state.smmuen, 0)
        await ctx.tick()
        ctx.set(dut.state.smmuen, 1)

    assert reads(it, near(0), off_and_on, near(1)) == [COLD, COLD]


def test_a_fill_never_survives_an_invalidation_during_the_walk():
    """Tables change and are invalidated at any moment of a walk: what comes later is new."""
    it = world()
    it.latency = 8
    ste = [[it.memory.get(it.strtab_base + 64 + n) for n in range(0, 64, 8)]]
    other = stage1(it, sid=2)
    ste.append([it.memory.get(it.strtab_base + 128 + n) for n in range(0, 64, 8)])
    for n in range(2):
        put_leaf(it, other, VA + (n << 12), page(0x90_0000 + (n << 12)))

    async def drive(ctx, dut, events):
        for delay in range(0, 90, 3):
            await become(ctx, dut, ste[0])
            answers: dict[int, int] = {}
            await request(ctx, dut, near(0), 0)
            await listen(ctx, dut, answers, delay)
            await become(ctx, dut, ste[1])
            await request(ctx, dut, near(1), 1)
            await listen(ctx, dut, answers, 200)
            assert answers[1] == 0x90_1000, delay

    async def become(ctx, dut, words):
        for n, word in enumerate(words):
            it.memory.put(it.strtab_base + 64 + 8 * n, word)
        await invalidate(ctx, dut, InvOp.CFGI_STE, sid=1)
        await invalidate(ctx, dut)

    it.simulate(drive)


async def listen(ctx, dut, answers: dict[int, int], cycles: int) -> None:
    for _ in range(cycles):
        *_, valid, response = await ctx.tick().sample(dut.resp.valid, dut.resp.payload)
        if valid:
            answers[response.tag] = response.pa


def test_a_cd_behind_stage_2_goes_with_stage_2():
    nested = Nested()
    nested.it.caches = 4
    nested.map1(VA, page(0x8000_0000))
    cold, warm, after = reads(nested.it, Access(VA), Access(VA), inv(InvOp.TLBI_S12_VMALL),
                              Access(VA))
    assert cold - STE == after > warm


# ---- leaves ----

LEAF_DROPPED = [
    (InvOp.CFGI_STE, {"sid": 1}, False), (InvOp.TLBI_NSNH_ALL, {}, True),
    (InvOp.TLBI_EL2_ALL, {"el2": 1}, False), (InvOp.TLBI_VMALL, {"vmid": 3}, True),
    (InvOp.TLBI_VMALL, {"vmid": 4}, False), (InvOp.TLBI_ASID, {"vmid": 3, "asid": 7}, True),
    (InvOp.TLBI_ASID, {"vmid": 3, "asid": 6}, False),
    (InvOp.TLBI_VA, {"vmid": 3, "asid": 7, "addr": VA, "leaf": 1}, True),
    (InvOp.TLBI_VA, {"vmid": 3, "asid": 7, "addr": VA + 0x1000, "leaf": 1}, False),
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": VA - 0x1000, "leaf": 1, "tg": 1, "num": 0}, False),
    (InvOp.TLBI_VAA, {"vmid": 3, "addr": VA - 0x1000, "leaf": 1, "tg": 1, "num": 1}, True),
]


def test_a_kept_page_needs_no_memory_until_it_is_invalidated():
    it = with_leaves(world(ste={"S2VMID": 3}))
    counts = reads(it, *[step for op, operands, _ in LEAF_DROPPED for step in (
        near(0), near(0), inv(op, **operands), near(0))])
    assert counts[1::3] == [0] * len(LEAF_DROPPED)
    assert [(*d[:2], n not in (0, STE + CD)) for d, n in zip(
        LEAF_DROPPED, counts[2::3], strict=True)] == LEAF_DROPPED


def test_a_kept_page_is_judged_for_every_access():
    it = with_leaves(machine(walks=1))
    it.caches = 4
    ttb = stage1(it)
    put_leaf(it, ttb, VA, page(PA, AP=vmsa.AP.RO))
    write, user = Access(VA, write=True), Access(VA)
    assert reads(it, Access(VA), write, user) == [COLD, WARM, 0]
    assert write.event.TYPE == EventType.F_PERMISSION
    assert user.pa == PA


def test_a_clean_page_goes_to_memory_for_a_write_once():
    it = with_leaves(world(HA=1, HD=1))
    put_leaf(it, it.ttb, VA, page(PA, AP=vmsa.AP.RO, DBM=1))
    counts = reads(it, Access(VA), Access(VA, write=True), Access(VA, write=True), Access(VA))
    assert counts[0] == COLD
    assert counts[1] > 0
    assert counts[2:] == [0, 0]
    assert it.writes == 1


def test_a_page_not_accessed_is_never_kept():
    it = with_leaves(world(AFFD=1))
    put_leaf(it, it.ttb, VA, page(PA, AF=0))
    assert reads(it, near(0), near(0)) == [COLD, WARM]


def test_blocks_are_kept_for_their_whole_size():
    it = with_leaves(world())
    put_leaf(it, it.ttb, VA + (1 << 30), page(0x4000_0000, level=2), level=2)
    inside = Access(VA + (1 << 30) + 0x12_3000)
    counts = reads(it, Access(VA + (1 << 30)), inside,
                   inv(InvOp.TLBI_VAA, addr=VA + (1 << 30) + 0x1F_0000, leaf=1),
                   Access(inside.addr))
    assert counts == [STE + CD + 3, 0, 1]
    assert inside.pa == 0x4012_4000


def test_stage_2_is_kept_apart_from_stage_1():
    """Both stages kept: nothing is read. Each stage is dropped by its own commands."""
    it = Nested()
    it.it.caches = it.it.leaves = 4
    it.map1(VA, page(0x8010_0000))
    it.map1(VA + 0x1000, page(0x8011_0000))
    ipa = Access(VA)
    cold, warm, near_by, ipa_only, elsewhere, va_only = reads(
        it.it, Access(VA), Access(VA), Access(VA + 0x1000),
        inv(InvOp.TLBI_S2_IPA, addr=0x8010_0000, leaf=1), ipa,
        inv(InvOp.TLBI_S2_IPA, addr=0x4000_0000), Access(VA),
        inv(InvOp.TLBI_VAA, addr=VA, leaf=1), Access(VA))
    assert cold == STE + CD + TABLES + 1 + 2  # stage 2 has one block, two levels down
    assert (warm, elsewhere) == (0, CD)  # a CD behind stage 2 goes with any IPA
    assert near_by == 1       # its stage-1 leaf; the block of stage 2 is known
    assert 0 < ipa_only <= 2  # the block again
    assert va_only == 1
    assert ipa.pa == 0x8010_0000


def test_a_kept_stage_2_page_is_judged_for_every_access():
    it = Nested(ste={"S2R": 1})
    it.it.caches = it.it.leaves = 4
    it.map1(VA, page(0x9000_0000))
    it.map2(0x9000_0000, page2(0x9000_0000, S2AP=vmsa.S2AP.READ))
    write = Access(VA, write=True)
    reads(it.it, Access(VA), write, last := Access(VA))
    assert (write.event.TYPE, write.event.S2) == (EventType.F_PERMISSION, 1)
    assert last.pa == 0x9000_0000


def test_one_entry():
    """The smallest cache replaces its only entry, key and value."""
    it = with_leaves(world())
    it.caches = it.leaves = 1
    accesses = [near(n % 3) for n in range(6)]
    reads(it, *accesses)
    assert [a.pa for a in accesses] == [PA + (n % 3 << 12) for n in range(6)]
