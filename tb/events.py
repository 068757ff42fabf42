"""Waiting for native agents: Python sleeps on one bit of the harness and is told what happened."""

from __future__ import annotations

import ctypes as c
from typing import Any

import cocotb
from cocotb.triggers import Event, ValueChange


class SimulationFault(AssertionError):
    """A native agent saw a broken protocol rule on a port of the design."""


class Hang(AssertionError):
    """Nothing moved for as long as the environment is willing to wait."""


class Events:
    """Conditions that native code reports, by number; 0 is a fault, which fails the test."""

    def __init__(self, library: c.CDLL, signal: Any):
        self._library, self._signal = library, signal
        self._waiting: dict[int, Event] = {}
        self._done: set[int] = set()
        self._last = 0
        self._buffer = (c.c_uint32 * 256)()
        self._task = cocotb.start_soon(self._dispatch())

    def new(self) -> int:
        """A number for a condition to be queued with native code."""
        self._last += 1
        return self._last

    async def _dispatch(self) -> None:
        take, buffer, trigger = self._library.sim_take_fired, self._buffer, self._signal
        while True:
            await ValueChange(trigger)
            for number in buffer[:take(buffer, len(buffer))]:
                if number == 0:
                    raise SimulationFault(self.faults())
                event = self._waiting.pop(number, None)
                self._done.add(number)
                if event is not None:
                    event.set()

    def faults(self) -> str:
        """What the agents complained of so far, one line each."""
        text = c.c_void_p()
        length = self._library.sim_faults(c.byref(text))
        return c.string_at(text, length).decode().strip() if length else ""

    async def first(self, *numbers: int) -> int:
        """Wait until one of the conditions holds; its number. The others stay possible."""
        if not self._done.intersection(numbers):
            event = Event()
            self._waiting.update(dict.fromkeys(numbers, event))
            await event.wait()
        number = next(n for n in numbers if n in self._done)
        self._done.discard(number)
        for other in numbers:
            self._waiting.pop(other, None)
        return number

    async def at(self, cycle: int) -> None:
        """Wait until the clock edge `cycle` has passed."""
        number = self.new()
        self._library.sim_deadline(number, cycle)
        await self.first(number)

    async def before(self, number: int, cycles: int) -> bool:
        """Wait for a condition, at most `cycles`; whether it held."""
        limit = self.new()
        self._library.sim_deadline(limit, self._library.sim_cycle() + cycles)
        if await self.first(number, limit) == limit:
            return False
        self._library.sim_deadline_cancel(limit)
        self._done.discard(limit)
        return True
