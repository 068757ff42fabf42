"""The RTL behind vfio-user sockets, until SIGTERM (`sim/serve`)."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any

from driver.vfio_user.memory import Ram
from sim.serve.machines import channel_server, slabs_end
from tb.bus import RAM_BASE, CocotbBus
from tb.env import Env


async def serve(env: Env) -> dict[str, Any]:
    """Serves `params`: directory, channels, sid. Connects to the socket `params["ready"]` when
    clients can connect."""
    channels, directory = env.params["channels"], Path(env.params["directory"])
    bus = CocotbBus(env, env.seed, size=slabs_end(channels) - RAM_BASE)
    ram = Ram(RAM_BASE, slabs_end(channels) - RAM_BASE, env.library.sim_memory_bytes(),
              env.memory_fd)
    server = await channel_server(directory, bus, ram, env.params["sid"], channels,
                                  lambda: accesses(env))
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as ready:
        ready.connect(env.params["ready"])
    await server.run()
    return {"cycles": env.cycles}


def accesses(env: Env) -> int:
    """Beats at all memory ports so far; drops logs, which would grow for ever."""
    for trace in env.traces:
        env.library.sim_trace_clear(trace.number)  # nobody will ask for them
    env.library.sim_irq_clear()
    return sum(port.stats.read_beats + port.stats.write_beats for port in env.mems)
