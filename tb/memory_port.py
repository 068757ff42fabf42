"""Memory ports: settings, counters and logs of the native AXI4 slaves, and injected errors."""

from __future__ import annotations

import ctypes as c
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tb.client import CHANCE, Burst, Resp
from tb.native import MEM_LOG, MemKnobs, MemStats, copy_log

if TYPE_CHECKING:
    from tb.env import Env

FULL_RATE = 1024  # beats per this many cycles
_STALLS = ("ar_stall", "aw_stall", "w_stall", "reorder", "early", "interleave")


@dataclass(frozen=True, slots=True)
class MemoryAccess:
    """One burst at a memory port. `cycle` is the address handshake, `done` the last response
    handshake (0: not yet)."""

    addr: int
    cycle: int
    done: int
    id: int
    beats: int
    size: int
    burst: Burst
    write: bool
    lock: bool
    cache: int
    prot: int
    resp: Resp


class MemoryPort:
    """AXI4 slave of port `mem{number}`.

    Members
    -------
    knobs, stats
        The native settings and counters themselves.
    """

    def __init__(self, env: Env, number: int, width: int):
        self._env, self.number = env, number
        self.knobs: MemKnobs = env.library.sim_mem_knobs(number).contents
        self.stats: MemStats = env.library.sim_mem_stats(number).contents
        self.knobs.bytes = width // 8
        self.ideal()

    def ideal(self, latency: int = 1) -> None:
        """Always ready, pipelined, in order: an address accepted at cycle t is answered from
        t + latency on."""
        self.set(read_latency=latency, write_latency=latency, read_jitter=0, write_jitter=0,
                 read_rate=1.0, write_rate=1.0, ar_stall=0.0, aw_stall=0.0, w_stall=0.0,
                 reorder=0.0, early=0.0, interleave=0.0, error_rate=0.0, error_resp=Resp.SLVERR,
                 read_depth=256, write_depth=256, log=False)

    def set(self, **settings: float) -> None:
        """Change settings now; chances and rates are 0.0 to 1.0, latencies in cycles.

        Names: read_latency, write_latency (>= 1), read_jitter, write_jitter, read_rate,
        write_rate, ar_stall, aw_stall, w_stall, reorder, early, interleave, error_rate, error_resp,
        read_depth, write_depth, log. `early` is the chance that a read takes its data at a random
        moment since its acceptance, each beat or not, instead of when it is answered; `interleave`
        that, after a beat that does not end its burst, any id's oldest read may go on.
        """
        for name, value in settings.items():
            if name == "bytes" or not hasattr(self.knobs, name):
                raise ValueError(f"a memory port has no setting {name!r}")
            if name.endswith("_latency") and value < 1:
                raise ValueError(f"{name}={value}: at least 1")
            if name.endswith("_depth") and not 1 <= value <= 256:
                raise ValueError(f"{name}={value}: 1 to 256")
            scale = (FULL_RATE if name.endswith("_rate") and name != "error_rate"
                     else CHANCE if name in _STALLS else 2**32 if name == "error_rate" else 1)
            setattr(self.knobs, name, min(round(value * scale), 2**32 - 1))

    def log(self) -> list[MemoryAccess]:
        """Accesses since the log was switched on or cleared, in order of acceptance."""
        at = c.c_void_p()
        count = self._env.library.sim_mem_log(self.number, c.byref(at))
        return [MemoryAccess(addr, cycle, done, id_, length + 1, size, Burst(burst), bool(write),
                             bool(lock), cache, prot, Resp(resp))
                for addr, cycle, done, id_, length, size, burst, write, lock, cache, prot, resp
                in MEM_LOG.iter_unpack(copy_log(count, at, MEM_LOG))]

    def clear_log(self) -> None:
        self._env.library.sim_mem_log_clear(self.number)


class ErrorRule:
    """Injected errors; `remove` ends them."""

    def __init__(self, env: Env, handle: int):
        self._env, self._handle = env, handle

    def remove(self) -> None:
        self._env.library.sim_error_remove(self._handle)
