"""Event queues (EQ and AEQ) and abnormal errors: how the device gets attention."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.accel.dma import AccessError, Dma, Task, Tasks
from spec.fields import Structure
from spec.qm import (
    ABNORMAL_INF00,
    ABNORMAL_INT_MASK,
    ABNORMAL_INT_SOURCE,
    EQC,
    EQE,
    OverflowType,
)

Signal = Callable[[], None]
Want = tuple[int, int]   # a queue, and what happened to it


class EventQueue:
    """An EQ or AEQ: entries are written while there is room; what is wanted while the queue is
    full waits, once per queue and kind. An entry that is being written while a context is loaded or
    forgotten does not count.

    Parameters
    ----------
    entry : callable
        (queue, kind, phase) to the entry.
    irq, bus_error : callable
        The interrupt; an entry that could not be written and is lost.
    overflow : callable
        An entry for this queue waits for room; once per context that is loaded.
    guarded : bool
        One entry per queue at a time between tail and head: the next one waits until the doorbell
        has passed it (reference 2.8: a second one overruns the driver's memory).

    Members
    -------
    context
        As a dump shows it; None until loaded.
    source, mask
        The interrupt registers (reference 2.7).
    """

    def __init__(self, dma: Dma, tasks: Tasks, entry: Callable[[int, int, int], Structure],
                 irq: Signal, bus_error: Signal, overflow: Callable[[int], None],
                 *, guarded: bool = False):
        self._dma, self._tasks, self._entry = dma, tasks, entry
        self._irq, self._bus_error, self._overflow = irq, bus_error, overflow
        self._guarded, self._overflowed = guarded, False
        self._wanted: list[Want] = []
        self._unread: list[int] = []     # queues of the entries between head and tail
        self._writing = False
        self._replaced = False           # the context, since the write began
        self.context: EQC | None = None
        self.source, self.mask = 0, 1

    def load(self, context: EQC) -> None:
        self.context, self._overflowed, self._replaced = context, False, True
        self._unread.clear()
        self._pump()

    def forget(self) -> None:
        self.context, self._replaced = None, True
        self._wanted.clear()
        self._unread.clear()
        self.source = 0

    def want(self, queue: int, kind: int = 0) -> None:
        """Tell software about `queue`."""
        if self.context is not None and (queue, kind) not in self._wanted:
            self._wanted.append((queue, kind))
            self._pump()

    def doorbell(self, index: int) -> None:
        """New head: the source falls, and rises again if entries are left."""
        context = self.context
        if context is None or index > context.depth_minus_1:
            return
        read = (index - context.head) % (context.depth_minus_1 + 1)
        del self._unread[:read]
        self.context = context.replace(head=index)
        self.source = 0
        if index != context.tail:
            self._rise()
        self._pump()

    def set_mask(self, mask: int) -> None:
        lifted = self.mask and not mask
        self.mask = mask
        if lifted and self.source:
            self._irq()

    def _rise(self) -> None:
        if not self.source:
            self.source = 1
            if not self.mask:
                self._irq()

    def _next(self) -> Want | None:
        """What can be written now, if there is room."""
        return next((want for want in self._wanted
                     if not (self._guarded and want[0] in self._unread)), None)

    def _room(self, queue: int) -> bool:
        context = self.context
        if context is None:
            return False
        full = _after(context) == context.head
        if full and not self._overflowed:
            self._overflowed = True
            self._overflow(queue)
        return not full

    def _pump(self) -> None:
        if not self._writing:
            self._tasks.start(self._write_entries())

    def _write_entries(self) -> Task[None]:
        self._writing = True
        while (want := self._next()) is not None and self._room(want[0]):
            context = self.context
            assert context is not None
            self._wanted.remove(want)
            self._unread.append(want[0])
            self._replaced = False
            address = context.base + EQE.size() * context.tail
            try:
                yield from self._dma.write(
                    None, address, self._entry(*want, context.phase).to_bytes())
            except AccessError:
                if not self._replaced:
                    del self._unread[-1:]
                self._bus_error()
                continue
            if self.context is not None and not self._replaced:
                self._count(self.context)
        self._writing = False

    def _count(self, context: EQC) -> None:
        tail = _after(context)
        self.context = context.replace(tail=tail, phase=context.phase ^ (tail == 0))
        self._rise()


def _after(context: EQC) -> int:
    return (context.tail + 1) % (context.depth_minus_1 + 1)


class Abnormal:
    """Errors of the device as a whole (reference 5.1)."""

    def __init__(self, irq: Signal):
        self._irq = irq
        self._active = 0
        self.source = 0
        self.mask = ABNORMAL_INT_MASK.RESET
        self.enabled = 0     # CE or NFE
        self.overflow = 0    # INF00

    @property
    def status(self) -> int:
        return self.source & ~self.mask

    def raise_(self, bits: int) -> None:
        self.source |= bits
        self.update()

    def overflowed(self, kind: OverflowType, queue: int) -> None:
        """Note it in INF00; that of a CQ is no error of the device, since its owner causes it."""
        self.overflow = ABNORMAL_INF00.pack(type=kind, queue=queue)
        if kind != OverflowType.CQ:
            self.raise_(ABNORMAL_INT_SOURCE.of_fifo_of.mask)

    def update(self) -> None:
        """After any change: interrupt for what newly appears."""
        active = self.status & self.enabled
        if active & ~self._active:
            self._irq()
        self._active = active
