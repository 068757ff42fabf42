"""One access on the RTL in the state of a capture: what the TCU read for it, and how it ended."""

from __future__ import annotations

from typing import Any

from sim.replay.capture import Probe, load
from tb.cases.replay import Machine
from tb.env import Env

LATENCY = 10  # of every memory port


async def explain(env: Env) -> dict[str, Any]:
    """`params["access"]` has `sid`, `ssid`, `iova`, `write`, `pnu`, `ind`.

    Returns `accesses` (the SMMU's own, in order: `cycle` since the first of them, `address`,
    `write`, `words` as memory has them afterwards, `ok`) and `ending`, `pa`, `event`.
    """
    capture = load(env.params["capture"])
    for port in env.mems:
        port.ideal(LATENCY)
    machine = await Machine.restore(env, capture)
    access = env.params["access"]
    probe = Probe(number=0, sid=access["sid"], iova=access["iova"], write=access["write"],
                  ssid=access["ssid"], pnu=access["pnu"], ind=access["ind"], size=1, trace=None,
                  events=(), oddities=(), field_oddities=(), model=None, weak=(), resp=None,
                  pte_after={}, labelled=False)
    answer, = await machine.batch((probe,))
    accesses = machine.accesses
    first = accesses[0].cycle if accesses else 0
    del answer["memory"]
    return answer | {"accesses": [
        {"cycle": item.cycle - first, "address": item.addr, "write": item.write,
         "words": [env.mem.read64(item.addr + at) for at in range(0, item.beats << item.size, 8)],
         "ok": item.resp.name in ("OKAY", "EXOKAY")} for item in accesses]}
