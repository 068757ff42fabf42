"""Event queues (EQ and AEQ) and abnormal errors: how the device gets attention."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.accel.dma import AccessError, Dma, Task, Tasks
from spec.fields import Structure
from spec.qm import EQC, EQE

Signal = Callable[[], None]


class EventQueue:
    """An EQ or AEQ: entries are written while there is room; what is wanted while the queue is
    full waits, once per queue.

    Parameters
    ----------
    entry : callable
        (queue, phase) to the entry.
    irq, bus_error : callable
        The interrupt; an entry that could not be written and is lost.

    Members
    -------
    context
        As a dump shows it; None until loaded.
    source, mask
        The interrupt registers (reference 2.7).
    """

    def __init__(self, dma: Dma, tasks: Tasks, entry: Callable[[int, int], Structure],
                 irq: Signal, bus_error: Signal):
        self._dma, self._tasks, self._entry = dma, tasks, entry
        self._irq, self._bus_error = irq, bus_error
        self._wanted: list[int] = []
        self._writing = False
        self.context: EQC | None = None
        self.source, self.mask = 0, 1

    def load(self, context: EQC) -> None:
        self.context = context
        self._pump()

    def forget(self) -> None:
        self.context = None
        self._wanted.clear()
        self.source = 0

    def want(self, queue: int) -> None:
        """Tell software about `queue`."""
        if self.context is not None and queue not in self._wanted:
            self._wanted.append(queue)
            self._pump()

    def doorbell(self, index: int) -> None:
        """New head: the source falls, and rises again if entries are left."""
        context = self.context
        if context is None or index > context.depth_minus_1:
            return
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

    def _room(self) -> bool:
        context = self.context
        return context is not None and _next(context) != context.head

    def _pump(self) -> None:
        if not self._writing:
            self._tasks.start(self._write_entries())

    def _write_entries(self) -> Task[None]:
        self._writing = True
        while self._wanted and self._room():
            context = self.context
            assert context is not None
            queue = self._wanted.pop(0)
            address = context.base + EQE.size() * context.tail
            try:
                yield from self._dma.write(
                    None, address, self._entry(queue, context.phase).to_bytes())
            except AccessError:
                self._bus_error()
                continue
            if self.context is not None:
                self._count(self.context)
        self._writing = False

    def _count(self, context: EQC) -> None:
        tail = _next(context)
        self.context = context.replace(tail=tail, phase=context.phase ^ (tail == 0))
        self._rise()


def _next(context: EQC) -> int:
    return (context.tail + 1) % (context.depth_minus_1 + 1)


class Abnormal:
    """Errors of the device as a whole (reference 5.1)."""

    def __init__(self, irq: Signal):
        self._irq = irq
        self._active = 0
        self.source = 0
        self.mask = 0
        self.enabled = 0     # CE or NFE

    @property
    def status(self) -> int:
        return self.source & ~self.mask

    def raise_(self, bits: int) -> None:
        self.source |= bits
        self.update()

    def update(self) -> None:
        """After any change: interrupt for what newly appears."""
        active = self.status & self.enabled
        if active & ~self._active:
            self._irq()
        self._active = active
