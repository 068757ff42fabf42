"""What stands behind the sockets: mediated channels of one host, or the whole function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from driver.bus import Bus
from driver.vfio.host import Host
from driver.vfio.pci import PciFunction
from driver.vfio_user.dma import SLAB
from driver.vfio_user.endpoint import ChannelEndpoint, FunctionEndpoint
from driver.vfio_user.memory import Holes, Ram
from driver.vfio_user.server import Machine, Server

FIRST_SLAB = 1 << 32  # above the host's own RAM
SLICE = 200  # cycles between two looks at the sockets while the device works
GAP = 0.001  # seconds; much less than a slice takes on a big design
QUIET = 10  # slices without any memory access after which it does not


def slabs_end(channels: int) -> int:
    """Where the physical addresses end that `channels` use."""
    return FIRST_SLAB + SLAB * channels


class Pace:
    """How the device's time passes.

    Parameters
    ----------
    wait
        Lets cycles pass; None if whatever the device does has happened when a register access
        returns.
    activity
        A number that changes whenever the device accesses memory.
    """

    def __init__(self, wait: Callable[[int], Awaitable[None]] | None = None,
                 activity: Callable[[], int] = lambda: 0) -> None:
        self._wait, self._activity = wait, activity
        self.gap = GAP if wait else 0.0
        self._last = self._quiet = 0

    async def step(self, worked: bool) -> bool:
        """A slice of time; whether the device may go on by itself."""
        if self._wait is None:
            return False
        await self._wait(SLICE)
        now = self._activity()
        self._quiet = 0 if worked or now != self._last else self._quiet + 1
        self._last = now
        return self._quiet < QUIET


class HostMachine(Machine):
    """A host's device, shared by channels."""

    def __init__(self, host: Host, pace: Pace) -> None:
        self._host, self._pace, self.gap = host, pace, pace.gap

    async def step(self, worked: bool) -> bool:
        busy = await self._pace.step(worked)
        await self._host.service(0)
        self._host.iommu.faults.events.clear()  # nobody asks, and clients can make any number
        return busy


class FunctionMachine(Machine):
    """The whole function in one client's hands."""

    def __init__(self, function: PciFunction, pace: Pace) -> None:
        self._function, self._pace, self.gap = function, pace, pace.gap

    async def step(self, worked: bool) -> bool:
        busy = await self._pace.step(worked)
        await self._function.service()
        return busy


@dataclass(frozen=True, kw_only=True)
class Board:
    """A device and its memory, before anybody has touched it.

    Members
    -------
    ram, memory
        Where clients' memory is put in, and how the device sees it.
    """

    bus: Bus
    ram: Ram
    memory: Holes
    sid: int
    queues: int
    pace: Pace


async def channel_server(directory: Path, board: Board) -> Server:
    """Brings the device up; a server of one mediated channel for each queue."""
    host = await Host.start(board.bus, board.sid, log2_pasids=board.queues.bit_length())
    return Server(directory, channel_endpoints(board, host), HostMachine(host, board.pace))


def channel_endpoints(board: Board, host: Host) -> list[ChannelEndpoint]:
    """Each queue of a host as an endpoint."""
    return [ChannelEndpoint(host, board.ram, FIRST_SLAB, n) for n in range(board.queues)]


def function_server(directory: Path, board: Board) -> Server:
    """A server of the whole function, which nobody has touched yet."""
    endpoint = FunctionEndpoint(board.bus, board.ram, board.memory, board.queues)
    return Server(directory, [endpoint], FunctionMachine(endpoint.function, board.pace))
