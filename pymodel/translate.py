"""The translation of one transaction (reference 4.2): the whole procedure in one place."""

from __future__ import annotations

from functools import lru_cache

from pymodel.attributes import Override, combine_attributes
from pymodel.cd import check_cd
from pymodel.faults import conclude
from pymodel.job import Fault, Job
from pymodel.permissions import need
from pymodel.reader import PreviewReader, Reader
from pymodel.rules import Rules, rules_of
from pymodel.stage1 import walk_stage1
from pymodel.stage2 import leaf_attributes, walk_stage2
from pymodel.state import SmmuState
from pymodel.ste import INSTRUCTION, PRIVILEGE, apply_overrides, check_ste
from pymodel.stream_table import find_ste
from pymodel.substream import find_cd, substream_decision
from pymodel.transaction import Ending, Result, Transaction
from spec.events import EventType, FaultClass
from spec.impl import Implementation
from spec.registers import GBPA
from spec.vmsa import AP_RO, S1Leaf, S2Leaf

_ATTRINDX_LSB, _ATTRINDX_MAX = S1Leaf.AttrIndx.lsb, S1Leaf.AttrIndx.max
_SH_LSB, _SH_MAX = S1Leaf.SH.lsb, S1Leaf.SH.max
_READ_ONLY = AP_RO << S1Leaf.AP.lsb
_S2AP_LSB, _S2AP_MAX = S2Leaf.S2AP.lsb, S2Leaf.S2AP.max


def translate(impl: Implementation, state: SmmuState, reader: Reader, txn: Transaction, *,
              explain: bool = False) -> Result:
    """Translate one untranslated transaction.

    Hardware updates of descriptors go through `reader.update`. With `explain` the result's `steps`
    are filled and nothing is written. `Result.event` is the record that is due (None where the
    configuration says not recorded); of a stalled transaction it has Stall=1 and STAG 0. Never
    raises for anything that memory contains.
    """
    job = Job(rules_of(impl), state, PreviewReader(reader) if explain else reader, txn,
              [] if explain else None)
    try:
        result = procedure(job)
    except Fault as fault:
        result = conclude(job, fault)
    if job.steps is not None:
        result.steps = job.steps
    return result


def procedure(job: Job) -> Result:
    """The numbered steps of reference 4.2. Faults: all of them, for `conclude`."""
    # 1. SMMU disabled: GBPA alone decides.
    if not job.state.smmuen:
        return _disabled(job)
    # 2. Stream lookup.
    raw = find_ste(job)
    # 3. STE check; Config[2]=0 aborts without an event.
    if not check_ste(job, raw):
        return Result(Ending.ABORT)
    ste = job.ste
    # 4. Privilege and instruction overrides.
    apply_overrides(job)
    # 6. Substream decision; 5. stage 1 off or bypassed.
    index = substream_decision(job)
    if index is None:
        return _stage2_only(job) if ste.s2on else _bypass(job)
    # 8. CD fetch.
    raw = find_cd(job, index)
    # 9. CD check.
    check_cd(job, raw)
    # 10. Stage-1 walk.
    output, leaf, size = walk_stage1(job)
    stage1 = (job.cd.mair[leaf >> _ATTRINDX_LSB & _ATTRINDX_MAX], leaf >> _SH_LSB & _SH_MAX)
    perm = 1 if leaf & _READ_ONLY else 3
    if not ste.s2on:
        return _finish(job, Ending.TRANSLATED, output, size, perm, 1, stage1, None)
    # 11. Stage-2 walk of the result, once stage 1 has succeeded completely.
    pa, leaf2, size2 = walk_stage2(job, output, FaultClass.IN,
                                   need(job.write, job.ind, job.pnu))
    # 12. Both together.
    return _finish(job, Ending.TRANSLATED, pa, min(size, size2), perm, 3, stage1,
                   leaf_attributes(job, leaf2))


def _stage2_only(job: Job) -> Result:
    """Step 7: the input is the IPA; its size is a stage-1 matter."""
    if job.addr >> job.rules.ias_bits:
        raise Fault(EventType.F_ADDR_SIZE, "IPA is above the intermediate size", "4.2",
                    stage=1, always=True)
    pa, leaf, size = walk_stage2(job, job.addr, FaultClass.IN, need(job.write, job.ind, job.pnu))
    return _finish(job, Ending.TRANSLATED, pa, size, leaf >> _S2AP_LSB & _S2AP_MAX, 2, None,
                   leaf_attributes(job, leaf))


def _bypass(job: Job) -> Result:
    """Step 5: output is input."""
    if job.addr >> job.rules.oas_bits:
        raise Fault(EventType.F_ADDR_SIZE, "address is above the output size", "4.2",
                    stage=1, always=True)
    return _finish(job, Ending.BYPASS, job.addr, job.rules.oas_bits, None, 0, None, None)


def _finish(job: Job, ending: Ending, pa: int, size: int, perm: int | None, stage: int,
            stage1: tuple[int, int] | None, stage2: tuple[int, int, bool] | None) -> Result:
    """A transaction that goes on to memory, with its attributes."""
    txn = job.txn
    attrs = combine_attributes(txn.memattr, txn.sh, job.ste.override, stage1, stage2, job.pnu,
                               job.ind)
    if job.steps is not None:
        job.step("combine_attributes", "4.10", pa, mair=attrs.mair, sh=attrs.sh, pnu=attrs.pnu,
                 ind=attrs.ind, size=size)
    return Result(ending, pa, size, attrs, perm, stage)


@lru_cache(maxsize=64)
def _gbpa(rules: Rules, value: int) -> tuple[Override, bool | None, bool | None]:
    """(type override, privilege, instruction) that GBPA forces."""
    gbpa, impl = GBPA(value), rules.impl
    override = Override.make(impl, gbpa.MTCFG, gbpa.MemAttr, gbpa.ALLOCCFG, gbpa.SHCFG)
    if not impl.ATTR_PERMS_OVR:
        return override, None, None
    return override, PRIVILEGE.get(gbpa.PRIVCFG), INSTRUCTION.get(gbpa.INSTCFG)


def _disabled(job: Job) -> Result:
    """Step 1 with SMMUEN=0. A SubstreamID makes no difference; nothing is ever recorded."""
    gbpa, txn = job.state.gbpa, job.txn
    override, privilege, instruction = _gbpa(job.rules, gbpa)
    abort = bool(gbpa & GBPA.ABORT.mask) or bool(job.addr >> job.rules.oas_bits)
    if job.steps is not None:
        job.step("disabled", "1.6", GBPA=gbpa, abort=abort)
    if abort:
        return Result(Ending.ABORT)
    pnu = job.pnu if privilege is None else privilege
    ind = job.ind if instruction is None or job.write else instruction
    attrs = combine_attributes(txn.memattr, txn.sh, override, None, None, pnu, ind)
    return Result(Ending.BYPASS, job.addr, job.rules.oas_bits, attrs)
