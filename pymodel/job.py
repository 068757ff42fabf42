"""One translation under way: the transaction, what was found for it so far, and its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymodel.reader import Reader, World
from pymodel.state import SmmuState
from pymodel.transaction import Step, Transaction
from spec.events import EventType, FaultClass

if TYPE_CHECKING:
    from pymodel.cd import Cd
    from pymodel.rules import Rules
    from pymodel.ste import Ste

ADDRESS_MASK = 2**64 - 1


class Fault(Exception):
    """A transaction that cannot be translated (reference 4.8, 5.2).

    Members
    -------
    type : EventType
    stage : int
        1 or 2 where a stage of translation found it, 0 for a configuration fault.
    cls : FaultClass
        What was being translated.
    ipa, fetch : int
        The record's IPA or FetchAddr.
    update : bool
        The failed access was a hardware update of a stage-1 descriptor, not a read of it.
    always : bool
        Abort and record whatever CD and STE say (bypassing input, reference 4.9).
    why, section : str
        For people: what is wrong, and the place in the reference that says so.
    """

    def __init__(self, type: EventType, why: str, section: str, *, stage: int = 0,
                 cls: FaultClass = FaultClass.IN, ipa: int = 0, fetch: int = 0,
                 update: bool = False, always: bool = False):
        super().__init__(type.name)
        self.type, self.why, self.section = type, why, section
        self.stage, self.cls, self.ipa, self.fetch = stage, cls, ipa, fetch
        self.update, self.always = update, always


class Job:
    """A transaction and the configuration found for it.

    Members
    -------
    sid, ssid, addr, write
        The transaction's, cut to the widths of the interface; `ssid` None means SSV=0.
    pnu, ind
        Privilege and instruction; `apply_overrides` puts STE.PRIVCFG and INSTCFG over them.
    ste, cd
        Decoded STE and CD, once found and checked.
    world
        StreamWorld of stage 1, known with the CD.
    steps
        Filled when the caller wants an explanation, else None.
    """

    __slots__ = ("addr", "cd", "ind", "pnu", "reader", "rules", "sid", "ssid", "state", "ste",
                 "steps", "txn", "world", "write")

    ste: Ste
    cd: Cd
    world: World

    def __init__(self, rules: Rules, state: SmmuState, reader: Reader, txn: Transaction,
                 steps: list[Step] | None):
        self.rules, self.state, self.reader, self.txn, self.steps = (
            rules, state, reader, txn, steps)
        self.sid, self.ssid, self.write = txn.sid, txn.ssid, txn.write
        self.addr = txn.addr & ADDRESS_MASK
        self.pnu = txn.pnu
        self.ind = txn.ind and not txn.write

    def step(self, step: str, section: str, address: int | None = None,
             words: list[int] | None = None, **fields: Any) -> None:
        """Note one step; call it only while `steps` is not None."""
        assert self.steps is not None
        self.steps.append(Step(step, address, words or [], fields, section))
