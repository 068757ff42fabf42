"""The demonstration's story on the RTL, every transaction against the golden model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.demo.scenario import SOURCE, Scenario
from spec.events import Event
from tb.bus import CocotbBus
from tb.env import Env
from tb.machine import register_state
from tb.scoreboard import Scoreboard

LATENCY = 10  # cycles from a memory port's address to its first data


async def demo(env: Env) -> dict[str, Any]:
    """Copies the file `params["file"]`; returns what `sim.demo.command` shows."""
    sid = env.params["sid"]
    bus = CocotbBus(env, env.seed)
    for port in env.mems:
        port.ideal(LATENCY)
        port.set(log=True)
    data = Path(env.params["file"]).read_bytes()
    scenario = Scenario(bus, sid, data, lambda text: print(f"demo: {text}", flush=True))
    story = await scenario.prepare()
    board = Scoreboard(scenario.smmu.impl, env.mem, await register_state(env))
    await scenario.copy(story)
    settle(env, board, [])
    await scenario.intrude(story)
    settle(env, board, story.events)
    assert story.copied, "a copy differs from the file"
    assert story.intrusion is not None
    return {
        "applications": [_application(app, board, sid) for app in story.applications],
        "bytes": len(data), "digest": story.digest,
        "intrusion": story.intrusion.error.name,
        "events": [{"raw": event.to_bytes().hex(), "text": repr(event)}
                   for event in story.events],
        "transactions": board.transactions, "agree": board.agree, "failures": board.failures,
        "cycles": env.cycles,
    }


def settle(env: Env, board: Scoreboard, events: list[Event]) -> None:
    """Hand the scoreboard what happened since the last call. Nothing is in flight."""
    for trace, port in zip(env.traces, env.mems[1:], strict=True):
        board.check(trace.take(), port.log())
        port.clear_log()
    board.events(event.to_bytes() for event in events)


def _application(app: Any, board: Scoreboard, sid: int) -> dict[str, Any]:
    tally = board.tallies[sid, app.queue.pasid]
    return {"name": app.name, "pasid": app.queue.pasid, "asid": app.domain.asid, "iova": SOURCE,
            "page": app.pages[0], "bytes": tally.bytes, "cycles": tally.last - tally.first,
            "hits": tally.hits, "walks": tally.walks, "digest": app.digest}
