"""Registers: existence, RES0 bits, access sizes, guards (reference 1.1, 1.2, 1.5, 1.8 to 1.10)."""

from __future__ import annotations

import pytest
from smmu_rig import Rig, implementation

from pymodel.registers import GUARDS
from spec import registers as r
from spec.fields import Access
from spec.impl import PRESETS

ONES = (1 << 64) - 1
FREE = [register for register in r.SMMU if register.ACCESS is Access.RW
        and register not in (r.GBPA, r.CMDQ_PROD, r.CMDQ_CONS, r.GERRORN)]


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("register", list(r.SMMU), ids=lambda x: x.__name__)
def test_reset_value(preset, register):
    impl = PRESETS[preset]
    rig = Rig(impl, enable=False)
    for base in (r.CMDQ_BASE, r.EVENTQ_BASE, r.STRTAB_BASE, r.STRTAB_BASE_CFG):
        rig.wr(base, 0)
    name = register.__name__.lower()
    expected = getattr(impl, name) if hasattr(impl, name) else register.RESET
    assert rig.rd(register).value == expected


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("register", FREE, ids=lambda x: x.__name__)
def test_only_implemented_bits_are_stored(preset, register):
    impl = PRESETS[preset]
    rig = Rig(impl, enable=False)
    rig.wr(register, ONES & ((1 << register.BITS) - 1))
    value = rig.rd(register).value
    if register in (r.EVENTQ_PROD, r.PRIQ_PROD):
        value |= impl.mask(register) & register.WR.mask  # index bits above the size read 0
    assert value == impl.mask(register)
    rig.wr(register, 0)
    assert rig.rd(register).value == 0


@pytest.mark.parametrize("register", [x for x in r.SMMU if x.ACCESS is Access.RO],
                         ids=lambda x: x.__name__)
def test_read_only(register):
    rig = Rig()
    before = rig.rd(register).value
    rig.wr(register, before ^ ((1 << register.BITS) - 1))
    assert rig.rd(register).value == before


@pytest.mark.parametrize("order", [(0, 4), (4, 0)])
def test_halves_of_a_64_bit_register(order):
    rig = Rig(enable=False)
    value = r.STRTAB_BASE.pack(ADDR=0xABCD_1234_5640, RA=1)
    for at in order:
        rig.smmu.write(r.STRTAB_BASE.OFFSET + at, 4, value >> 8 * at & 0xFFFF_FFFF)
    assert rig.rd(r.STRTAB_BASE).value == value
    assert rig.smmu.read(r.STRTAB_BASE.OFFSET, 4) == value & 0xFFFF_FFFF
    assert rig.smmu.read(r.STRTAB_BASE.OFFSET + 4, 4) == value >> 32
    rig.smmu.write(r.STRTAB_BASE.OFFSET, 4, 0)
    assert rig.rd(r.STRTAB_BASE).value == value >> 32 << 32


def test_a_64_bit_access_reaches_two_32_bit_registers():
    rig = Rig(enable=False)
    rig.smmu.write(r.CMDQ_PROD.OFFSET, 8, 0x0000_0003_0000_0005)
    assert (rig.rd(r.CMDQ_PROD).WR, rig.rd(r.CMDQ_CONS).RD) == (5, 3)
    assert rig.smmu.read(r.IDR0.OFFSET, 8) == rig.impl.idr0 | rig.impl.idr1 << 32


@pytest.mark.parametrize(("offset", "size"), [
    (r.CR2.OFFSET, 1), (r.CR2.OFFSET, 2), (r.CR2.OFFSET, 16), (r.CR2.OFFSET + 2, 4),
    (r.CR2.OFFSET, 8),  # not 8-byte aligned
    (r.STRTAB_BASE.OFFSET + 4, 8), (r.SMMU.size, 4), (-4, 4)])
def test_unsupported_accesses_are_ignored(offset, size):
    rig = Rig(enable=False)
    before = [rig.rd(register).value for register in r.SMMU]
    rig.smmu.write(offset, size, ONES)
    assert [rig.rd(register).value for register in r.SMMU] == before
    assert rig.smmu.read(offset, size) == 0


@pytest.mark.parametrize("offset", [
    r.EVENTQ_PROD.OFFSET - r.PAGE1, r.EVENTQ_CONS.OFFSET - r.PAGE1, r.CR0.OFFSET + r.PAGE1,
    0x04C, 0x8000 + r.CR0.OFFSET, 0xE00, 0x1000, 0x3FFC, 0x1FFFC])
def test_nothing_is_there(offset):
    rig = Rig()
    rig.smmu.write(offset, 4, 0xFFFF_FFFF)
    assert rig.smmu.read(offset, 4) == 0
    assert rig.rd(r.CR0).SMMUEN == 0


GUARDED = [
    ("SMMUEN", [r.CR2, r.STRTAB_BASE, r.STRTAB_BASE_CFG]),
    ("CMDQEN", [r.CMDQ_BASE, r.CMDQ_CONS]),
    ("EVENTQEN", [r.EVENTQ_BASE, r.EVENTQ_PROD]),
    ("GERROR_IRQEN", [r.GERROR_IRQ_CFG0, r.GERROR_IRQ_CFG1, r.GERROR_IRQ_CFG2]),
    ("EVENTQ_IRQEN", [r.EVENTQ_IRQ_CFG0, r.EVENTQ_IRQ_CFG1, r.EVENTQ_IRQ_CFG2]),
    ("PRIQEN", [r.PRIQ_BASE, r.PRIQ_PROD]),
    ("PRIQ_IRQEN", [r.PRIQ_IRQ_CFG0, r.PRIQ_IRQ_CFG1, r.PRIQ_IRQ_CFG2]),
]


@pytest.mark.parametrize(("enable", "register"),
                         [(enable, register) for enable, many in GUARDED for register in many],
                         ids=lambda x: getattr(x, "__name__", x))
@pytest.mark.parametrize("half", ["on", "unacknowledged on", "unacknowledged off"])
def test_write_guard(enable, register, half):
    """A guard wants both the enable and its acknowledge to read 0."""
    rig = Rig(implementation(ATS=1, PRI=1, PRIQS=4), enable=False)
    control, ack = ((r.CR0, r.CR0ACK) if enable in r.CR0.FIELDS else
                    (r.IRQ_CTRL, r.IRQ_CTRLACK))
    mask = control.FIELDS[enable].mask
    if half == "on":
        rig.wr(control, mask)
    else:
        rig.smmu.registers.set(control if half == "unacknowledged on" else ack, mask)
    before = rig.rd(register).value
    rig.wr(register, ~before & rig.impl.mask(register))
    assert rig.rd(register).value == before
    assert rig.log.of("write")[-1][0].guarded == rig.impl.mask(register)
    rig.smmu.registers.set(control, 0)
    rig.smmu.registers.set(ack, 0)
    rig.wr(register, ~before & rig.impl.mask(register))
    assert rig.rd(register).value != before
    assert rig.log.of("write")[-1][0].guarded == 0


@pytest.mark.parametrize("register", list(GUARDS), ids=lambda x: x.__name__)
def test_guards_are_the_declared_ones(register):
    enables, mask = GUARDS[register]
    names = [name for name, field in enables.FIELDS.items() if field.mask & mask]
    assert register.GUARD == f"{names[0]}=0"
    assert len(names) == 1


@pytest.mark.parametrize(("enable", "tables", "queues"), [
    ({}, True, True), ({"SMMUEN": 1}, False, True), ({"CMDQEN": 1}, True, False),
    ({"EVENTQEN": 1}, True, False), ({"PRIQEN": 1}, True, False),
    ({"SMMUEN": 1, "CMDQEN": 1}, False, False)])
def test_cr1_has_two_guards(enable, tables, queues):
    rig = Rig(implementation(ATS=1, PRI=1, PRIQS=4), enable=False)
    rig.enable(**enable)
    rig.wr(r.CR1, r.CR1.pack(TABLE_SH=3, QUEUE_SH=3))
    assert rig.rd(r.CR1) == r.CR1.make(TABLE_SH=3 * tables, QUEUE_SH=3 * queues)


@pytest.mark.parametrize(("preset", "fixed"), [
    ("TABLES_PRESET", [r.STRTAB_BASE, r.STRTAB_BASE_CFG]),
    ("QUEUES_PRESET", [r.CMDQ_BASE, r.EVENTQ_BASE])])
def test_preset_bases_are_read_only(preset, fixed):
    rig = Rig(implementation(**{preset: 1}), enable=False)
    assert [rig.rd(register).value for register in fixed] == [0, 0]


@pytest.mark.parametrize(("fields", "register", "mask"), [
    ({"MSI": 0}, r.GERROR_IRQ_CFG0, 0), ({"MSI": 0}, r.GERROR_IRQ_CFG1, 0),
    ({"MSI": 0}, r.GERROR_IRQ_CFG2, 0), ({"MSI": 0}, r.EVENTQ_IRQ_CFG0, 0),
    ({"MSI": 0}, r.EVENTQ_IRQ_CFG1, 0), ({"MSI": 0}, r.EVENTQ_IRQ_CFG2, 0),
    ({"PRI": 0}, r.PRIQ_BASE, 0), ({"PRI": 0}, r.PRIQ_PROD, 0), ({"PRI": 0}, r.PRIQ_CONS, 0),
    ({"PRI": 0}, r.PRIQ_IRQ_CFG0, 0), ({"PRI": 0}, r.PRIQ_IRQ_CFG1, 0),
    ({"PRI": 0}, r.PRIQ_IRQ_CFG2, 0),
    ({"PRI": 1, "ATS": 1, "MSI": 0}, r.PRIQ_IRQ_CFG2, r.PRIQ_IRQ_CFG2.LO.mask),
    ({"PRI": 1, "ATS": 1, "MSI": 0}, r.PRIQ_IRQ_CFG0, 0),
    ({"ATOS": 0}, r.GATOS_CTRL, 0), ({"ATOS": 0}, r.GATOS_SID, 0),
    ({"ATOS": 0}, r.GATOS_ADDR, 0), ({"ATOS": 0}, r.GATOS_PAR, 0),
    ({"BTM": 0}, r.CR2, r.CR2.E2H.mask | r.CR2.RECINVSID.mask),
    ({"ST_LEVEL": 0, "SIDSIZE": 6}, r.STRTAB_BASE_CFG, r.STRTAB_BASE_CFG.LOG2SIZE.mask),
    ({"OAS": 1}, r.CMDQ_BASE, 0x4000_000F_FFFF_FFFF),
])
def test_features_that_are_absent_are_res0(fields, register, mask):
    rig = Rig(implementation(**fields), enable=False)
    rig.wr(register, ONES & ((1 << register.BITS) - 1))
    assert rig.rd(register).value == mask


@pytest.mark.parametrize(("log2size", "limit", "written", "read"), [
    (3, 16, 0xFFFFF, 0xF), (0, 16, 0xFFFFF, 1), (19, 4, 0xFFFFF, 0x1F), (16, 16, 0x15555, 0x15555)])
def test_index_bits_above_the_wrap_bit(log2size, limit, written, read):
    """They read 0 in the indices that the SMMU writes, and may be kept in the others."""
    rig = Rig(implementation(CMDQS=limit, EVENTQS=limit), cmdq=log2size, eventq=log2size,
              enable=False)
    for register in (r.CMDQ_CONS, r.EVENTQ_PROD, r.CMDQ_PROD, r.EVENTQ_CONS):
        rig.wr(register, written)
    assert (rig.rd(r.CMDQ_CONS).RD, rig.rd(r.EVENTQ_PROD).WR) == (read, read)
    assert (rig.rd(r.CMDQ_PROD).WR, rig.rd(r.EVENTQ_CONS).RD) == (written, written)
    assert rig.rd(r.CMDQ_BASE).LOG2SIZE == log2size  # reads back what was written


def test_observers_see_old_and_new_values():
    rig = Rig(enable=False)
    rig.wr(r.CR2, r.CR2.pack(RECINVSID=1, PTM=1))
    write = rig.log.of("write")[-1][0]
    assert (write.register, write.old, write.new) == (r.CR2, 0, r.CR2.pack(RECINVSID=1))
    rig.smmu.write(r.STRTAB_BASE.OFFSET + 4, 4, 1)
    write = rig.log.of("write")[-1][0]
    assert (write.mask, write.size) == (0xFFFF_FFFF << 32, 4)
    rig.smmu.write(0x04C, 4, 7)
    assert rig.log.of("write")[-1][0].register is None
