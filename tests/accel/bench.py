"""What the cases of this folder run on: the RTL, the golden model, or something around them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from pymodel.memory import SparseMemory
from spec.qm import DoorbellCommand
from tests.accel.qm_driver import Bus, QmDriver


class Seen(Protocol):
    """One access of the accelerator to memory; `ssid` None means SSV = 0."""

    @property
    def addr(self) -> int: ...
    @property
    def sid(self) -> int: ...
    @property
    def ssid(self) -> int | None: ...


class Bench(Protocol):
    """The accelerator alone with a memory in which addresses are physical.

    Members
    -------
    queues, sid
        Its configuration.
    irqs
        Interrupts so far, by name.
    log
        Accesses so far.
    """

    queues: int
    sid: int
    memory: SparseMemory
    bus: Bus
    driver: QmDriver
    irqs: dict[str, int]

    @property
    def log(self) -> Sequence[Seen]: ...

    def hold(self, ssid: int | None, page: int) -> None:
        """Let accesses of `ssid` to the 4 KB page wait."""

    def release(self) -> None:
        """Let everything go on."""


Case = Callable[[Bench], Coroutine[Any, Any, None]]
SQ, CQ = DoorbellCommand.SQ, DoorbellCommand.CQ
