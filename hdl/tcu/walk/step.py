"""The table walk steps of a translation (reference 4.2, steps 10 to 12)."""

from amaranth import Module

from hdl.tcu.context import Phase
from hdl.tcu.walk import update
from hdl.tcu.walk.stage1 import StageOne
from hdl.tcu.walk.stage2 import StageTwo
from spec.events import EventType, FaultClass


class WalkStep(StageOne, StageTwo):
    """Step function of the phases SELECT to S2."""

    def elaborate(self, platform):
        m = Module()
        step = self.step
        self._inputs(m)
        with m.Switch(step.walk.phase):
            if self.impl.S1P:
                with m.Case(Phase.SELECT):
                    self._select(m)
                with m.Case(Phase.S1):
                    self._stage1(m)
            if self.impl.HTTU:
                with m.Case(Phase.LOCK):
                    update.read_locked(m, step)
                with m.Case(Phase.WROTE):
                    update.written(
                        m, step, lambda: self._fault(m, EventType.F_WALK_EABT, FaultClass.TT),
                        lambda: self._fault2(m, EventType.F_WALK_EABT))
            if self.impl.S2P:
                with m.Case(Phase.S2START):
                    self._stage2_start(m)
                with m.Case(Phase.S2):
                    self._stage2(m)
        return m
