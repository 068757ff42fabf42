"""Stage-1 walks with the 4K granule, their permissions and faults (reference 4.4, 4.6, 4.8)."""

import pytest
from tcu_harness import RAM_END, Access
from tcu_tables import HIGH, IN, fault, machine, page, put_leaf, rights, stage1

from hdl.streams import Outcome
from spec import vmsa
from spec.events import EventType, FaultClass
from spec.vmsa import AP, S1Table

VA = 0x1234_5678_9000
PA = 0x45_6789_A000


def test_levels_blocks_and_halves():
    it = machine()
    ttb = stage1(it, TBI0=1, TBI1=0)
    put_leaf(it, ttb, VA, page(PA))
    put_leaf(it, ttb, 0x20_0000, page(0x4000_0000, level=2), level=2)
    put_leaf(it, ttb, 1 << 30, page(0x80_0000_0000, level=1), level=1)
    put_leaf(it, ttb + 0x1000, HIGH | VA, page(PA + 0x1000))
    cases = [
        (VA | 0xABC, PA | 0xABC, 12), (0x3F_FFF8, 0x401F_FFF8, 21),
        ((1 << 30) + 0x2345_6780, 0x80_2345_6780, 30), (HIGH | VA | 8, PA | 0x1008, 12),
        (0xA5 << 56 | VA | 8, PA | 8, 12),  # TBI0
    ]
    got = it.run(Access(va) for va, *_ in cases)
    assert [(a.outcome, a.pa, a.response.size) for a in got] == [
        (Outcome.TRANSLATED, pa, size) for _, pa, size in cases]
    assert all(a.response.cacheable and not a.response.bypass for a in got)
    assert {(a.response.attrs.mair, a.response.attrs.sh) for a in got} == {(0xFF, 3)}


@pytest.mark.parametrize("walks", [1, 4])
def test_faults(walks):
    it = machine(walks=walks)
    ttb = stage1(it, IPS=0)
    put_leaf(it, ttb, 0x1000, page(0x5000, AF=0, AP=AP.RO))
    put_leaf(it, ttb, 0x2000, page(1 << 32, AF=0))                     # beyond IPS
    put_leaf(it, ttb, 0x3000, page(0x5000, Type=1))                    # reserved at level 3
    put_leaf(it, ttb, 0x4000, page(0x5000, AP=AP.RO))
    put_leaf(it, ttb, 1 << 39, page(0, level=0, Type=1), level=0)      # block at level 0
    put_leaf(it, ttb, 2 << 39, S1Table.pack(Type=3, Address=1 << 33), level=0)
    got = it.run([
        Access(0x1000, write=True), Access(0x2000), Access(0x3008), Access(0x4010, write=True),
        Access(1 << 39), Access(2 << 39), Access(0x9000), Access(1 << 48), Access(1 << 56),
        Access(HIGH), Access(0x4010, ind=True, pnu=True)])
    types = [EventType.F_ACCESS, EventType.F_ADDR_SIZE, EventType.F_TRANSLATION,
             EventType.F_PERMISSION, EventType.F_TRANSLATION, EventType.F_ADDR_SIZE,
             *[EventType.F_TRANSLATION] * 4]
    assert [fault(a) for a in got[:-1]] == [(t, *IN) for t in types]
    assert all(a.outcome == Outcome.ABORT and not a.response.cacheable for a in got[:-1])
    assert got[-1].outcome == Outcome.TRANSLATED  # privileged fetch of a read-only page


def test_external_abort_names_the_descriptor():
    it = machine()
    ttb = stage1(it)
    put_leaf(it, ttb, 0, S1Table.pack(Type=3, Address=RAM_END), level=0)
    access, = it.run([Access(3 << 30 | 0x123)])
    assert fault(access) == (EventType.F_WALK_EABT, 0, FaultClass.TT)
    assert access.event.FetchAddr == RAM_END + 3 * 8


@pytest.mark.parametrize(("a", "r", "outcome"), [
    (0, 0, Outcome.RAZWI), (0, 1, Outcome.RAZWI), (1, 0, Outcome.ABORT), (1, 1, Outcome.ABORT)])
def test_terminate_and_record(a, r, outcome):
    it = machine()
    stage1(it, A=a, R=r)
    access, = it.run([Access(0x1000)])
    assert access.outcome == outcome
    assert (access.event is not None) == bool(r)


@pytest.mark.parametrize("r", [0, 1])
@pytest.mark.parametrize("a", [0, 1])
def test_stall(a, r):
    """S decides alone. Faults that are not about the translation never stall."""
    it = machine()
    ttb = stage1(it, S=1, A=a, R=r)
    put_leaf(it, ttb, 0, S1Table.pack(Type=3, Address=RAM_END), level=0)
    walk, abort = it.run([Access(1 << 40), Access(0)])
    assert walk.outcome == Outcome.RETRY
    assert (walk.event.TYPE, walk.event.Stall, walk.event.STAG) == (EventType.F_TRANSLATION, 1, 0)
    assert abort.outcome == Outcome.ABORT
    assert fault(abort) == (EventType.F_WALK_EABT, 0, FaultClass.TT)


# (leaf fields, CD fields, table attributes, privileged and unprivileged rwx)
RIGHTS = [
    ({"AP": AP.PRIV_RW}, {}, 0, "rwx--x"),
    ({"AP": AP.RW}, {}, 0, "rw-rwx"),
    ({"AP": AP.PRIV_RO}, {}, 0, "r-x--x"),
    ({"AP": AP.RO}, {}, 0, "r-xr-x"),
    ({"AP": AP.RW, "UXN": 1}, {}, 0, "rw-rw-"),
    ({"AP": AP.RO, "PXN": 1}, {}, 0, "r--r-x"),
    ({"AP": AP.RW}, {"WXN": 1}, 0, "rw-rw-"),
    ({"AP": AP.PRIV_RW}, {"WXN": 1}, 0, "rw---x"),
    ({"AP": AP.RO}, {"WXN": 1}, 0, "r-xr-x"),
    ({"AP": AP.RW}, {"PAN": 1}, 0, "---rwx"),
    ({"AP": AP.RO}, {"PAN": 1}, 0, "--xr-x"),
    ({"AP": AP.PRIV_RW}, {"PAN": 1}, 0, "rwx--x"),
    ({"AP": AP.RW}, {}, S1Table.pack(APTable=1), "rwx--x"),
    ({"AP": AP.RW}, {}, S1Table.pack(APTable=2), "r-xr-x"),
    ({"AP": AP.RW}, {}, S1Table.pack(UXNTable=1), "rw-rw-"),
    ({"AP": AP.RO}, {}, S1Table.pack(PXNTable=1), "r--r-x"),
    ({"AP": AP.RW}, {"HAD0": 1}, S1Table.pack(APTable=3, UXNTable=1, PXNTable=1), "rw-rwx"),
    ({"AP": AP.RO, "DBM": 1}, {"HD": 1}, 0, "r-xr-x"),
    ({"AP": AP.RW}, {"UWXN": 1}, 0, "rw-rwx"),
]


def test_permissions():
    it = machine(log2size=5)
    accesses = []
    for sid, (leaf, cd, tables, expected) in enumerate(RIGHTS):
        ttb = stage1(it, sid, **cd)
        put_leaf(it, ttb, 0x1000, page(0x7000, **leaf), tables={1: tables})
        for kind in range(6):
            write, ind, pnu = kind % 3 == 1, kind % 3 == 2, kind < 3
            accesses.append((Access(0x1000, sid, write=write, ind=ind, pnu=pnu),
                             expected[kind] != "-", expected))
    it.run(a for a, *_ in accesses)
    for access, allowed, expected in accesses:
        if allowed:
            assert access.outcome == Outcome.TRANSLATED, (access, expected)
            assert rights(access.response.perms) == expected
        else:
            assert fault(access) == (EventType.F_PERMISSION, *IN), (access, expected)


def test_disabled_half_leaves_the_other():
    it = machine()
    ttb = stage1(it, EPD1=1, T1SZ=0)
    put_leaf(it, ttb, VA, page(PA))
    low, high = it.run([Access(VA), Access(HIGH | VA)])
    assert low.pa == PA
    assert fault(high) == (EventType.F_TRANSLATION, *IN)


def test_privilege_override_and_event():
    it = machine()
    ttb = stage1(it, ste={"PRIVCFG": 2, "INSTCFG": 2})
    put_leaf(it, ttb, 0x1000, page(0x7000, AP=AP.PRIV_RW))
    put_leaf(it, ttb, 0x2000, page(0x7000, AP=AP.RW, UXN=1))
    refused, allowed = it.run([Access(0x1000, pnu=True, ind=True), Access(0x2000, ind=True)])
    event = refused.event
    assert (event.TYPE, event.PnU, event.InD) == (EventType.F_PERMISSION, 0, 0)
    assert rights(allowed.response.perms) == "rwxrwx"
    assert allowed.response.attrs.privcfg == 2


def test_every_input_size():
    sizes = range(25, 49)
    it = machine(log2size=6)
    accesses = []
    for ia in sizes:
        ttb = it.memory.alloc(0x1000)
        size = vmsa.start_table_bytes(12, vmsa.start_level(12, ia), ia)
        stage1(it, ia, T0SZ=64 - ia, TTB0=ttb | size - 1 & ~0xF)  # bits below the size count as 0
        top = (1 << ia) - 0x1000
        put_leaf(it, ttb, top, page(PA + (ia << 12)), ia=ia)
        accesses += [Access(top, ia), Access(1 << ia, ia)]
    it.run(accesses)
    for inside, outside in zip(accesses[::2], accesses[1::2], strict=True):
        assert inside.pa == PA + (inside.sid << 12)
        assert fault(outside) == (EventType.F_TRANSLATION, *IN)
