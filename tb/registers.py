"""Register ports: AXI4-Lite accesses, played by native code."""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tb.client import Resp
from tb.native import LITE_OP

if TYPE_CHECKING:
    from tb.env import Env


class RegisterError(AssertionError):
    """A register access was answered with an error response."""


class Registers:
    """AXI4-Lite master of port `name` ("cfg" or "dev"), accesses in order, one at a time."""

    def __init__(self, env: Env, number: int, name: str):
        self._env, self.number, self.name = env, number, name

    async def run(self, ops: Sequence[tuple[int, int, int | None]]) -> list[int]:
        """Accesses of (offset, size, value or None to read), size 4 or 8; the values read or
        written. RegisterError names the first that the design refused."""
        packed = bytearray()
        for offset, size, value in ops:
            if size not in (4, 8) or offset % size:
                raise ValueError(f"{self.name}: access of {size} bytes at {offset:#x}")
            shift = 8 * (offset % 8)
            packed += LITE_OP.pack(offset, (value or 0) << shift, 0, 0, value is not None,
                                   (1 << size) - 1 << offset % 8, 0)
        buffer = c.create_string_buffer(bytes(packed), len(packed))
        number = self._env.events.new()
        self._env.keep(number, buffer)
        self._env.library.sim_lite_queue(self.number, number, buffer, len(ops))
        await self._env.answer(number, lambda: self._progress(buffer.raw, ops))
        self._env.release(number)
        values = []
        for (offset, size, value), op in zip(ops, LITE_OP.iter_unpack(buffer.raw), strict=True):
            if op[6] > Resp.EXOKAY:
                raise RegisterError(f"{self.name}: {'read' if value is None else 'write'} of "
                                    f"{size} bytes at {offset:#x}: {Resp(op[6]).name}")
            values.append(op[1] >> 8 * (offset % 8) & (1 << 8 * size) - 1)
        return values

    def _progress(self, raw: bytes, ops: Sequence[tuple[int, int, int | None]]) -> tuple[int, str]:
        done = sum(op[3] != 0 for op in LITE_OP.iter_unpack(raw))
        return done, f"{self.name}: no answer to access {done} of {ops}"

    async def read32(self, offset: int) -> int:
        return (await self.run([(offset, 4, None)]))[0]

    async def read64(self, offset: int) -> int:
        return (await self.run([(offset, 8, None)]))[0]

    async def write32(self, offset: int, value: int) -> None:
        await self.run([(offset, 4, value)])

    async def write64(self, offset: int, value: int) -> None:
        await self.run([(offset, 8, value)])
