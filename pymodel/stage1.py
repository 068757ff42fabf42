"""Stage-1 walk: VA to IPA, or to PA where stage 2 is off (reference 4.4-4.8)."""

from __future__ import annotations

from pymodel.cd import Region
from pymodel.job import Fault, Job
from pymodel.memory import BusError
from pymodel.own import OwnType
from pymodel.permissions import (
    PRIV_R,
    PRIV_W,
    READ_ONLY,
    S1_LEAF_BITS,
    S1_TABLE_BITS,
    need,
    rights_text,
)
from pymodel.reader import Context
from pymodel.stage2 import table_type, walk_stage2
from pymodel.walk import (
    AF,
    BLOCK,
    HIGH_OA,
    HIGH_OA_SHIFT,
    MAX_RETRIES,
    TABLE_OR_PAGE,
    TYPE_MASK,
    swap64,
)
from spec.events import EventType, FaultClass
from spec.vmsa import DESCRIPTOR_BYTES, LAST_LEVEL, S1Leaf, S1Table

_ENTRY = DESCRIPTOR_BYTES.bit_length() - 1  # log2
_UPPER_HALF = 1 << 55  # the address bit that chooses TT1


def select_table(job: Job) -> Region:
    """The half of the address space that translates the address.

    Faults: F_TRANSLATION, before any descriptor is read.
    """
    cd, addr = job.cd, job.addr
    region = cd.upper if addr & _UPPER_HALF and not cd.single else cd.lower
    if job.steps is not None:
        job.step("select_table", "4.4", region=None if region is None else region.name)
    if region is None:
        raise Fault(EventType.F_TRANSLATION, "walks are disabled (EPD)", "4.4", stage=1)
    if addr & region.check_mask != region.check_value:
        raise Fault(EventType.F_TRANSLATION, f"address is outside {region.name}", "4.4", stage=1)
    if region.e0pd and not job.pnu:
        raise Fault(EventType.F_TRANSLATION, "unprivileged access with E0PD", "4.4", stage=1)
    return region


def walk_stage1(job: Job) -> tuple[int, int, int]:
    """(output address, leaf descriptor, log2 of the leaf's size) of the transaction's address.

    All checks and hardware updates of stage 1 are done. Faults have S2=0, except those of stage 2
    on the tables' own addresses.
    """
    region = select_table(job)
    cd, addr, geometry = job.cd, job.addr, region.geometry
    context = Context(job.sid, job.ssid, job.world, job.ste.vmid, cd.asid, cd.aset, addr)
    for _ in range(MAX_RETRIES):
        where, descriptor, level, tables = _descend(job, region, context)
        output = descriptor & geometry.leaf_masks[level]
        if geometry.wide:
            output |= (descriptor & HIGH_OA) << HIGH_OA_SHIFT
        # Priority: 3 address size, 4 access flag, 5 permission; then the hardware update.
        if output >> cd.output_bits:
            raise Fault(EventType.F_ADDR_SIZE, "output address is above IPS", "4.6", stage=1)
        new = descriptor
        if not descriptor & AF:
            if cd.ha:
                new |= AF
            elif not cd.affd:
                raise Fault(EventType.F_ACCESS, "AF=0", "4.6", stage=1)
        _check_permission(job, descriptor, tables)
        if job.write:
            new &= ~READ_ONLY  # already so, or promoted by a dirty update
        size = geometry.shifts[level]
        if new == descriptor or _update(
                job, region, where, descriptor, new, level, context):
            return output | addr & ((1 << size) - 1), new, size
    raise Fault(EventType.F_WALK_EABT, "the descriptor changed at every attempt to update it",
                "4.6", stage=1, cls=FaultClass.TT, fetch=_physical(job, where)[0])


def _descend(job: Job, region: Region, context: Context) -> tuple[int, int, int, int]:
    """(address or IPA, value, level) of the leaf, and the permission bits of its tables.

    Priority at each level: stage-2 faults of the descriptor's address, 1 external abort,
    2 invalid, 3 address size.
    """
    cd, read, nested = job.cd, job.reader.descriptor, job.ste.s2on
    geometry, addr = region.geometry, job.addr
    shifts, blocks = geometry.shifts, geometry.blocks
    table, level, mask, tables = region.table, region.start, region.start_mask, 0
    while True:
        where = address = table + ((addr >> shifts[level] & mask) << _ENTRY)
        leaf = None
        if nested:
            address, leaf, _ = walk_stage2(job, where, FaultClass.TT, PRIV_R)
        try:
            descriptor = read(address, 1, level, context)
        except BusError:
            raise Fault(EventType.F_WALK_EABT, "external abort on a stage-1 descriptor", "4.6",
                        stage=1, cls=FaultClass.TT, fetch=address) from None
        if cd.big:
            descriptor = swap64(descriptor)
        kind = descriptor & TYPE_MASK
        if job.steps is not None:
            _explain(job, address, descriptor, level, table_type(job, region.type, leaf))
        if kind == TABLE_OR_PAGE and level < LAST_LEVEL:
            table = descriptor & geometry.table_mask
            if geometry.wide:
                table |= (descriptor & HIGH_OA) << HIGH_OA_SHIFT
            if table >> cd.output_bits:
                raise Fault(EventType.F_ADDR_SIZE, "table address is above IPS", "4.6", stage=1)
            tables |= descriptor
            level += 1
            mask = geometry.full_mask
        elif kind == TABLE_OR_PAGE or (kind == BLOCK and blocks[level]):
            return where, descriptor, level, 0 if region.had else tables & S1_TABLE_BITS
        else:
            raise Fault(EventType.F_TRANSLATION, f"descriptor type {kind} at level {level}",
                        "4.6", stage=1)


def _check_permission(job: Job, descriptor: int, tables: int) -> None:
    """AP, XN, PAN and what the tables above take away."""
    rights = job.cd.rights(descriptor & S1_LEAF_BITS | tables)
    needed = need(job.write, job.ind, job.pnu)
    if job.steps is not None:
        job.step("check_permission", "4.6", stage=1, rights=rights_text(rights),
                 need=rights_text(needed))
    if not rights & needed:
        raise Fault(EventType.F_PERMISSION, "stage 1 does not allow the access", "4.6", stage=1)


def _physical(job: Job, where: int) -> tuple[int, int | None]:
    """PA of a stage-1 descriptor that the SMMU is about to write (a data write at stage 2), and
    the stage-2 leaf that maps it."""
    if not job.ste.s2on:
        return where, None
    return walk_stage2(job, where, FaultClass.TT, PRIV_W, update=True)[:2]


def _update(job: Job, region: Region, where: int, old: int, new: int, level: int,
            context: Context) -> bool:
    """Hardware update of access flag and dirty state; False if the descriptor has changed."""
    address, leaf = _physical(job, where)
    if job.steps is not None:
        job.step("walk_stage1", "4.6", address, [new], update=True, level=level,
                 **table_type(job, region.type, leaf)._asdict())
    if job.cd.big:
        old, new = swap64(old), swap64(new)
    try:
        return job.reader.update(address, old, new, 1, level, context)
    except BusError:
        raise Fault(EventType.F_WALK_EABT, "external abort on a descriptor update", "4.6",
                    stage=1, cls=FaultClass.TT, fetch=address) from None


def _explain(job: Job, address: int, descriptor: int, level: int, type: OwnType) -> None:
    table = level < LAST_LEVEL and descriptor & TYPE_MASK == TABLE_OR_PAGE
    layout = S1Table if table else S1Leaf
    job.step("walk_stage1", "4.6", address, [descriptor], level=level, **type._asdict(),
             **dict(layout(descriptor).items()))
