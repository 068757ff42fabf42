"""The RTL behind vfio-user sockets, until SIGTERM (`sim/serve`)."""

from __future__ import annotations

import ctypes as c
import signal
import socket
from pathlib import Path
from typing import Any

from driver.vfio_user.memory import Holes, Ram
from sim.serve.machines import Board, Pace, channel_server, function_server, slabs_end
from tb.bus import RAM_BASE, CocotbBus
from tb.env import Env


async def serve(env: Env) -> dict[str, Any]:
    """Serves `params`: directory, function, sid, queues. Connects to the socket `params["ready"]`
    when clients can connect."""
    directory, function = Path(env.params["directory"]), env.params["function"]
    board = rtl_board(env, env.params["sid"], env.params["queues"], function=function)
    server = (function_server(directory, board) if function else
              await channel_server(directory, board))
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ready:
        ready.connect(env.params["ready"])
    await server.run()
    return {"cycles": env.cycles}


def rtl_board(env: Env, sid: int, queues: int, *, function: bool = False) -> Board:
    """The design in the simulator; with `function` all its memory is its owner's."""
    base = 0 if function else RAM_BASE
    size = slabs_end(queues) - base
    bus = CocotbBus(env, env.seed, base=base, size=size)
    ram = Ram(base, size, env.library.sim_memory_bytes(), env.memory_fd)

    def changed(ranges: list[tuple[int, int]]) -> None:
        flat = [number for pair in ranges for number in pair]
        env.library.sim_memory_ranges((c.c_uint64 * len(flat))(*flat), len(ranges))

    return Board(bus=bus, ram=ram, memory=Holes(ram, changed), sid=sid, queues=queues,
                 pace=Pace(env.wait_cycles, lambda: accesses(env)))


def accesses(env: Env) -> int:
    """Beats at all memory ports so far; drops logs, which would grow for ever."""
    for trace in env.traces:
        env.library.sim_trace_clear(trace.number)  # nobody will ask for them
    env.library.sim_irq_clear()
    return sum(port.stats.read_beats + port.stats.write_beats for port in env.mems)
