"""Capability chains, and answers that are followed by one (vfio.md 1)."""

from __future__ import annotations

import errno

from driver.vfio.packed import Packed, fail
from driver.vfio.uapi import CapabilityHeader


def chain(base: int, capabilities: list[tuple[int, int, bytes]]) -> bytes:
    """Capabilities (id, version, payload) as they follow a structure of `base` bytes; each begins
    at a multiple of 8."""
    out = bytearray()
    for number, (id_, version, payload) in enumerate(capabilities):
        body = payload + bytes(-(CapabilityHeader.size() + len(payload)) % 8)
        end = base + len(out) + CapabilityHeader.size() + len(body)
        following = end if number + 1 < len(capabilities) else 0
        out += CapabilityHeader(id_, version, following).encode() + body
    return bytes(out)


def capabilities(data: bytes | bytearray, offset: int) -> dict[int, bytes]:
    """Payloads by id of the chain that begins at `offset`; each reaches to the next one's start."""
    found = {}
    while offset:
        header = CapabilityHeader.decode(data, offset)
        end = header.next or len(data)
        found[header.id] = bytes(data[offset + header.size():end])
        offset = header.next
    return found


def answer(argument: bytearray, argsz: int, value: Packed, caps: bytes) -> None:
    """Put an answer whose capabilities follow it where the question was.

    `value` has argsz, flags (with its CAPS bit, if there are any) and cap_offset. An argsz that is
    too small for the capabilities is no error: cap_offset is 0 and argsz what is needed.
    """
    if caps:
        need = value.size() + len(caps)
        fits = argsz >= need and len(argument) >= need
        value = value.change(argsz=argsz if fits else need, cap_offset=value.size() * fits)
        if fits:
            argument[value.size():need] = caps
    room = min(argsz, len(argument), value.size())
    argument[:room] = value.encode()[:room]


def argsz_of(argument: bytearray, least: int) -> int:
    """The argsz that `argument` begins with; EINVAL if it or the argument is below `least`."""
    argsz = int.from_bytes(argument[:4], "little")
    if min(argsz, len(argument)) < least:
        raise fail(errno.EINVAL, f"argsz {argsz} and {len(argument)} bytes, at least {least}")
    return argsz
