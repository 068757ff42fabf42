"""Stage-2 walk: IPA to PA (reference 4.5-4.8)."""

from __future__ import annotations

from pymodel.attributes import stage2_is_device
from pymodel.job import Fault, Job
from pymodel.memory import BusError
from pymodel.own import OwnType, nested
from pymodel.permissions import PRIV_W, S2_LEAF_BITS, UNPRIV_W, WRITABLE, rights_text, stage2_rights
from pymodel.reader import Context, World
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
from spec.vmsa import DESCRIPTOR_BYTES, LAST_LEVEL, S2Leaf, S2Table

_SH_LSB, _SH_MAX = S2Leaf.SH.lsb, S2Leaf.SH.max
_MEMATTR_LSB, _MEMATTR_MAX = S2Leaf.MemAttr.lsb, S2Leaf.MemAttr.max
_ENTRY = DESCRIPTOR_BYTES.bit_length() - 1  # log2


def walk_stage2(job: Job, ipa: int, cls: FaultClass, need: int,
                update: bool = False) -> tuple[int, int, int]:
    """(PA, leaf descriptor, log2 of the leaf's size) of an IPA.

    `need` is the right (pymodel.permissions) that the access checks; `update` marks the hardware
    update of a stage-1 descriptor. Faults carry S2=1, `cls` and the IPA.
    """
    s2 = job.ste.s2
    if ipa >> s2.input_bits:
        raise Fault(EventType.F_TRANSLATION, "IPA is beyond S2T0SZ", "4.7",
                    stage=2, cls=cls, ipa=ipa)
    context = Context(job.sid, job.ssid, World.NS_EL1, s2.vmid, None, False, ipa)
    for _ in range(MAX_RETRIES):
        address, descriptor, level = _descend(job, ipa, cls, context)
        geometry = s2.geometry
        output = descriptor & geometry.leaf_masks[level]
        if geometry.wide:
            output |= (descriptor & HIGH_OA) << HIGH_OA_SHIFT
        # Priority: 3 address size, 4 access flag, 5 permission.
        if output >> s2.output_bits:
            raise Fault(EventType.F_ADDR_SIZE, "output address is above S2PS", "4.6",
                        stage=2, cls=cls, ipa=ipa)
        new = descriptor
        if not descriptor & AF:
            if s2.ha:
                new |= AF
            elif not s2.affd:
                raise Fault(EventType.F_ACCESS, "AF=0", "4.6", stage=2, cls=cls, ipa=ipa)
        _check_permission(job, descriptor, ipa, cls, need, update)
        if need & (PRIV_W | UNPRIV_W):
            new |= WRITABLE  # already so, or promoted by a dirty update
        size = geometry.shifts[level]
        if new == descriptor or _update(job, address, descriptor, new, level, cls, context):
            return output | ipa & ((1 << size) - 1), new, size
    raise Fault(EventType.F_WALK_EABT, "the descriptor changed at every attempt to update it",
                "4.6", stage=2, cls=cls, fetch=address)


def leaf_attributes(job: Job, leaf: int) -> tuple[int, int, bool]:
    """MemAttr and SH of a leaf descriptor, STE.S2FWB."""
    return (leaf >> _MEMATTR_LSB & _MEMATTR_MAX, leaf >> _SH_LSB & _SH_MAX, job.ste.s2.fwb)


def table_type(job: Job, own: OwnType, leaf: int | None) -> OwnType:
    """Memory type of a CD or stage-1 table: its own, with its stage-2 leaf if there is one."""
    if leaf is None:
        return own
    return nested(own, leaf_attributes(job, leaf), ptwnnc=bool(job.rules.impl.PTWNNC))


def _descend(job: Job, ipa: int, cls: FaultClass, context: Context) -> tuple[int, int, int]:
    """(address, value, level) of the leaf that maps the IPA.

    Priority at each level: 1 external abort, 2 invalid, 3 address size.
    """
    s2, read = job.ste.s2, job.reader.descriptor
    geometry = s2.geometry
    shifts, blocks = geometry.shifts, geometry.blocks
    table, level, mask = s2.table, s2.start, s2.start_mask
    while True:
        address = table + ((ipa >> shifts[level] & mask) << _ENTRY)
        try:
            descriptor = read(address, 2, level, context)
        except BusError:
            raise Fault(EventType.F_WALK_EABT, "external abort on a stage-2 descriptor", "4.6",
                        stage=2, cls=cls, fetch=address) from None
        if s2.big:
            descriptor = swap64(descriptor)
        kind = descriptor & TYPE_MASK
        if job.steps is not None:
            _explain(job, address, descriptor, level, ipa)
        if kind == TABLE_OR_PAGE and level < LAST_LEVEL:
            table = descriptor & geometry.table_mask
            if geometry.wide:
                table |= (descriptor & HIGH_OA) << HIGH_OA_SHIFT
            if table >> s2.output_bits:
                raise Fault(EventType.F_ADDR_SIZE, "table address is above S2PS", "4.6",
                            stage=2, cls=cls, ipa=ipa)
            level += 1
            mask = geometry.full_mask
        elif kind == TABLE_OR_PAGE or (kind == BLOCK and blocks[level]):
            return address, descriptor, level
        else:
            raise Fault(EventType.F_TRANSLATION, f"descriptor type {kind} at level {level}",
                        "4.6", stage=2, cls=cls, ipa=ipa)


def _check_permission(job: Job, descriptor: int, ipa: int, cls: FaultClass, need: int,
                      update: bool) -> None:
    """S2AP, XN and S2PTW."""
    s2 = job.ste.s2
    bits = descriptor & S2_LEAF_BITS
    rights = s2.rights.get(bits)
    if rights is None:
        rights = s2.rights[bits] = stage2_rights(bits, hd=s2.hd, xnx=s2.xnx)
    if job.steps is not None:
        job.step("check_permission", "4.6", stage=2, rights=rights_text(rights),
                 need=rights_text(need))
    if not rights & need:
        raise Fault(EventType.F_PERMISSION, "stage 2 does not allow the access", "4.6",
                    stage=2, cls=cls, ipa=ipa, update=update)
    if s2.ptw and cls is not FaultClass.IN and stage2_is_device(
            descriptor >> _MEMATTR_LSB & _MEMATTR_MAX, s2.fwb):
        raise Fault(EventType.F_PERMISSION, "S2PTW: a table or CD lies in Device memory", "4.6",
                    stage=2, cls=cls, ipa=ipa, update=update)


def _update(job: Job, address: int, old: int, new: int, level: int, cls: FaultClass,
            context: Context) -> bool:
    """Hardware update of access flag and dirty state; False if the descriptor has changed."""
    if job.steps is not None:
        job.step("walk_stage2", "4.6", address, [new], update=True, level=level,
                 **job.ste.s2.type._asdict())
    if job.ste.s2.big:
        old, new = swap64(old), swap64(new)
    try:
        return job.reader.update(address, old, new, 2, level, context)
    except BusError:
        raise Fault(EventType.F_WALK_EABT, "external abort on a descriptor update", "4.6",
                    stage=2, cls=cls, fetch=address) from None


def _explain(job: Job, address: int, descriptor: int, level: int, ipa: int) -> None:
    table = level < LAST_LEVEL and descriptor & TYPE_MASK == TABLE_OR_PAGE
    layout = S2Table if table else S2Leaf
    job.step("walk_stage2", "4.6", address, [descriptor], level=level, IPA=ipa,
             **job.ste.s2.type._asdict(), **dict(layout(descriptor).items()))
