"""What a fault does to its transaction: stall, abort or RAZ/WI, recorded or not (reference 4.9)."""

from __future__ import annotations

from pymodel.events import record
from pymodel.job import Fault, Job
from pymodel.transaction import Ending, Result
from spec.events import TRANSLATION_FAULTS, EventType


def conclude(job: Job, fault: Fault) -> Result:
    """The result of a faulting transaction, with the record that is due for it."""
    stall, recorded, ending = _decide(job, fault)
    event = record(job, fault, stall=stall) if recorded else None
    if job.steps is not None:
        job.step("fault", fault.section, type=fault.type.name, why=fault.why, stage=fault.stage,
                 CLASS=fault.cls.name, IPA=fault.ipa, FetchAddr=fault.fetch,
                 ending=ending.value, recorded=recorded)
    return Result(ending, event=event)


def _decide(job: Job, fault: Fault) -> tuple[bool, bool, Ending]:
    """(stall, record, ending) of reference 4.9."""
    # Configuration faults and external aborts: abort, always recorded, except that software
    # chooses whether unknown StreamIDs are.
    if fault.type not in TRANSLATION_FAULTS or fault.always:
        return (False, fault.type != EventType.C_BAD_STREAMID or job.state.recinvsid,
                Ending.ABORT)
    # Stage 2: the stage of the fault alone decides which bits apply.
    if fault.stage == 2:
        if job.ste.s2.stall:
            return True, True, Ending.STALLED
        return False, job.ste.s2.record, Ending.ABORT
    # Stage 1.
    cd = job.cd
    if cd.stall:
        return True, True, Ending.STALLED
    return False, cd.record, Ending.ABORT if cd.abort else Ending.RAZWI
