"""Whether a run's outcome can be a transaction's: what it must have used itself, and when.

A finished translation needs only its last entry in each TLB, whoever made it by whatever way. An
outcome that no TLB keeps (an invalid descriptor, AF=0, an address size fault) needs a walk of the
transaction's own (reference 4.3).
"""

from __future__ import annotations

from pymodel.checker.lifetime import Window
from pymodel.checker.reader import BranchingReader
from pymodel.checker.reads import Read
from pymodel.job import Fault
from spec.events import EventType, FaultClass


def unmet(run: BranchingReader, fault: Fault | None, window: Window) -> list[Read]:
    """The reads that the outcome needs and the transaction cannot have had; empty: it is legal."""
    late = [read for read in run.updated if not read.fetched(window)]
    return late + _config(run, fault, window)


def _config(run: BranchingReader, fault: Fault | None, window: Window) -> list[Read]:
    if run.ste_read is None:
        return _unusable(run.l1std_read, window)
    own = [] if run.shared else _unusable(run.ste_read, window) + _unusable(run.cd_read, window)
    if own:
        return own  # what lies beyond it is no news
    if run.cd_read is None and fault is not None and _about_cd(fault):
        return _unusable(run.l1cd_read, window) + _broken(run, fault, window)
    return _walks(run, fault, window)


def _about_cd(fault: Fault) -> bool:
    return fault.cls is FaultClass.CD or fault.type in (EventType.F_CD_FETCH,
                                                        EventType.C_BAD_SUBSTREAMID)


def _walks(run: BranchingReader, fault: Fault | None, window: Window) -> list[Read]:
    """The TLB's part."""
    kept = fault is None or fault.type is EventType.F_PERMISSION
    if fault is not None and fault.cls is not FaultClass.IN:
        # A walk of stage 1 that ended on its way.
        before = _unusable(run.stage1[-1].read, window) if run.stage1 else []
        return before + _broken(run, fault, window)
    if fault is not None and fault.stage == 1:
        if not run.stage1:
            return []
        last = run.stage1[-1].read
        return _unusable(last, window) if kept else _unfetched(last, window)
    one = _unusable(run.stage1[-1].read, window) if run.stage1 else []
    if not run.stage2 or not run.job.ste.s2on:
        return one
    if not kept:
        return one + _broken(run, fault, window)
    two = _unusable(run.stage2[-1].read, window)
    if (one or two) and run.stage1 and window.usable(run.combined_life()):
        return []
    return one + two


def _broken(run: BranchingReader, fault: Fault | None, window: Window) -> list[Read]:
    """The latest walk of stage 2, which did not come to its end if the fault is stage 2's."""
    if fault is None or fault.stage != 2 or not run.stage2:
        return []
    last = run.stage2[-1].read
    if run.failed or fault.type is EventType.F_PERMISSION:
        return _unusable(last, window)
    return _unfetched(last, window)


def _unusable(read: Read | None, window: Window) -> list[Read]:
    return [] if read is None or window.usable(read.life) else [read]


def _unfetched(read: Read, window: Window) -> list[Read]:
    return [] if read.fetched(window) else [read]
