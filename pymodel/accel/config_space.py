"""The function's PCI configuration space (reference 1.1 to 1.3) and its messages."""

from __future__ import annotations

from collections.abc import Callable

from pymodel.accel.dma import AccessError, Dma, Task, Tasks
from spec import qm
from spec.fields import Register

VECTOR = {
    "eq": qm.EQ_IRQ_CAP(qm.EQ_IRQ_CAP.RESET).VECTOR,
    "aeq": qm.AEQ_IRQ_CAP(qm.AEQ_IRQ_CAP.RESET).VECTOR,
    "abnormal": qm.ABNORMAL_IRQ_CAP(qm.ABNORMAL_IRQ_CAP.RESET).VECTOR,
}


class ConfigSpace:
    """Registers by word, and MSI: one message at a time, the lowest vector first.

    Parameters
    ----------
    bus_error, reset : callable
        A message was lost; software asked for a function level reset.
    pending : callable
        Whether bus transactions are under way.
    """

    def __init__(self, dma: Dma, tasks: Tasks, queues: int, bus_error: Callable[[], None],
                 reset: Callable[[], None], pending: Callable[[], bool]):
        self._dma, self._tasks, self._bus_error, self._reset = dma, tasks, bus_error, reset
        self._pending = pending
        self._stored: dict[type[Register], int] = {
            register: register.RESET for register in qm.CONFIG}
        self._writable: dict[type[Register], int] = {
            register: register.WRITABLE for register in qm.CONFIG_WORDS}
        self._writable[qm.PCI_BAR4] = qm.bar4_writable(queues)
        self._waiting: set[int] = set()
        self._sending = False

    @property
    def master(self) -> bool:
        """The function may begin bus transactions."""
        return bool(qm.PCI_COMMAND(self._stored[qm.PCI_COMMAND]).MASTER)

    def read(self, offset: int) -> int:
        """A word, without side effect."""
        register = qm.CONFIG.find(offset)
        if register is None:
            return 0
        if register is qm.MSI_PENDING:
            return sum(1 << vector for vector in self._waiting)
        if register is qm.PCIE_DEVCTL:
            return qm.PCIE_DEVCTL(self._stored[register]).replace(PENDING=self._pending()).value
        return self._stored[register]

    def write(self, offset: int, word: int) -> None:
        register = qm.CONFIG.find(offset)
        if register is None:
            return
        writable = self._writable[register]
        self._stored[register] = self._stored[register] & ~writable | word & writable
        if register is qm.PCIE_DEVCTL and qm.PCIE_DEVCTL(word).FLR:
            self._reset()
        elif not self._control.ENABLE:
            self._waiting.clear()
        self._pump()

    def interrupt(self, name: str) -> None:
        """Send a message, now or when the vector is not masked any more."""
        if self._control.ENABLE:
            self._waiting.add(VECTOR[name])
            self._pump()

    @property
    def _control(self) -> qm.MSI_CONTROL:
        return qm.MSI_CONTROL(self._stored[qm.MSI_CONTROL])

    def _pump(self) -> None:
        if not self._sending and self._next() is not None:
            self._tasks.start(self._send())

    def _next(self) -> int | None:
        mask = self._stored[qm.MSI_MASK]
        return min((v for v in self._waiting if not mask >> v & 1), default=None)

    def _send(self) -> Task[None]:
        self._sending = True
        while (vector := self._next()) is not None:
            self._waiting.remove(vector)
            given = (1 << min(self._control.GIVEN, qm.VECTORS.bit_length() - 1)) - 1
            data = self._stored[qm.MSI_DATA] & ~given | vector & given
            address = self._stored[qm.MSI_ADDRESS] | self._stored[qm.MSI_ADDRESS_HIGH] << 32
            try:
                yield from self._dma.write(None, address, data.to_bytes(4, "little"))
            except AccessError:
                self._bus_error()
        self._sending = False
