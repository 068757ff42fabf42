"""What stands behind the sockets: mediated channels of one host, or the whole function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from driver.bus import Bus
from driver.vfio.host import Host
from driver.vfio_user.dma import SLAB
from driver.vfio_user.endpoint import ChannelEndpoint
from driver.vfio_user.memory import Ram
from driver.vfio_user.server import Machine, Server

FIRST_SLAB = 1 << 32  # above the host's own RAM
SLICE = 200  # cycles between two looks at the sockets while the device works
QUIET = 10  # slices without any memory access after which it does not

Activity = Callable[[], int]


def slabs_end(channels: int) -> int:
    """Where the physical addresses end that `channels` use."""
    return FIRST_SLAB + SLAB * channels


class HostMachine(Machine):
    """A host's device.

    Parameters
    ----------
    activity
        A number that changes whenever the device accesses memory; None if whatever it does has
        happened when a register access returns.
    """

    def __init__(self, host: Host, activity: Activity | None) -> None:
        self._host, self._activity = host, activity
        self._last = self._quiet = 0

    async def step(self, worked: bool) -> bool:
        await self._host.service(SLICE if self._activity else 0)
        if self._activity is None:
            return False
        now = self._activity()
        self._quiet = 0 if worked or now != self._last else self._quiet + 1
        self._last = now
        return self._quiet < QUIET


async def channel_server(directory: Path, bus: Bus, ram: Ram, sid: int, channels: int,
                         activity: Activity | None) -> Server:
    """Brings the device behind `bus` up; a server of `channels` mediated channels."""
    host = await Host.start(bus, sid, log2_pasids=channels.bit_length())
    endpoints = [ChannelEndpoint(host, ram, FIRST_SLAB, n) for n in range(channels)]
    return Server(directory, endpoints, HostMachine(host, activity))
