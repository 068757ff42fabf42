"""Hardware update of the access flag and of dirty state (reference 4.6): a descriptor is read again
with a lock, changed by a locked write, and the step that wanted the change is repeated.

Each function adds to the step function `step` the result of one situation.
"""

from amaranth import Module, Value

from hdl.tcu.context import Action, Phase
from hdl.tcu.walk.geometry import DESCRIPTOR_SHIFT


def request_lock(m: Module, step, second: int) -> None:
    """The descriptor at `next.fetch` must change: wait for the lock."""
    m.d.comb += [step.action.eq(Action.LOCK), step.next.phase.eq(Phase.LOCK),
                 step.next.second.eq(second)]


def read_locked(m: Module, step) -> None:
    """Phase LOCK: what is read now is what the write may replace."""
    m.d.comb += [step.action.eq(Action.READ), step.size.eq(DESCRIPTOR_SHIFT), step.lock.eq(1),
                 step.next.locked.eq(1)]
    _back(m, step)


def change(m: Module, step, word: Value, second: int) -> None:
    """The descriptor must become `word` (as memory holds it): write it if it was read for that,
    else ask for the lock."""
    with m.If(step.walk.locked):
        m.d.comb += [step.action.eq(Action.WRITE), step.next.phase.eq(Phase.WROTE),
                     step.word.eq(word), step.lock.eq(step.exclusive),
                     step.next.plain.eq(~step.exclusive)]
    with m.Else():
        request_lock(m, step, second)


def written(m: Module, step, fault1, fault2) -> None:
    """Phase WROTE: abort, lost against another writer (again), or done: read what is there now.

    `fault1`, `fault2` report F_WALK_EABT of a stage-1 or stage-2 descriptor.
    """
    with m.If(step.error & ~step.walk.second):
        fault1()
    with m.Elif(step.error):
        fault2()
    with m.Elif(step.exclusive | step.walk.plain):
        m.d.comb += [step.action.eq(Action.READ), step.size.eq(DESCRIPTOR_SHIFT)]
        with m.If(~step.walk.second):
            m.d.comb += step.next.update.eq(0)
        _back(m, step)
    with m.Else():
        m.d.comb += [step.action.eq(Action.LOCK), step.next.phase.eq(Phase.LOCK)]


def _back(m: Module, step) -> None:
    with m.If(step.walk.second):
        m.d.comb += step.next.phase.eq(Phase.S2)
    with m.Else():
        m.d.comb += step.next.phase.eq(Phase.S1)
