"""Register state over time, with the windows in which a change takes effect (reference 1.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from pymodel.checker.lifetime import BEGIN, NEVER, Life, Time, Window
from pymodel.state import SmmuState


class StateVersion(NamedTuple):
    """A state, from when it may have been in effect, and until when it may still have been."""

    state: SmmuState
    since: Time
    until: Time = NEVER

    @property
    def life(self) -> Life:
        """As a way to the stream table."""
        return Life(self.since, self.until)

    def reaches(self, window: Window) -> bool:
        """Whether the transaction may find it in effect. It sees one state, of any moment between
        its arrival and its decision."""
        return self.since <= window.decided and self.until >= window.issued


class States:
    """All states, newest first."""

    def __init__(self, state: SmmuState) -> None:
        self.versions = [StateVersion(replace(state), BEGIN)]

    @property
    def current(self) -> SmmuState:
        return self.versions[0].state

    def on_state(self, state: SmmuState, since: Time, by: Time) -> bool:
        """Another state, possibly in effect from `since` on, surely from `by` on; False if it is
        the same."""
        if state == self.current:
            return False
        self.versions[0] = self.versions[0]._replace(until=by)
        self.versions.insert(0, StateVersion(replace(state), since))
        return True

    def effective(self, window: Window) -> list[StateVersion]:
        """The states that a transaction may have found."""
        if len(self.versions) == 1:
            return self.versions
        return [version for version in self.versions if version.reaches(window)]

    def roots(self) -> list[StateVersion]:
        """The states through which a stream table may have been read."""
        return [version for version in self.versions if version.state.smmuen]

    @staticmethod
    def through(state: SmmuState, root: StateVersion) -> SmmuState:
        """`state`, reading the stream table of `root`."""
        if root.state is state:
            return state
        return replace(state, strtab_base=root.state.strtab_base,
                       strtab_log2size=root.state.strtab_log2size,
                       strtab_split=root.state.strtab_split, strtab_fmt=root.state.strtab_fmt)
