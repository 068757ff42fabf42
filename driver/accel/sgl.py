"""Hardware scatter-gather lists (qm.md 3.7)."""

from __future__ import annotations

from collections.abc import Sequence

from spec.qm import SGE, SGL, SGL_ALIGN

CAPACITY = 255  # entries of one list, as UADK makes them


def sgl_bytes(entries: int, capacity: int = CAPACITY) -> int:
    """Room that `pack_sgl` needs for so many entries."""
    full, rest = divmod(entries, capacity)
    return full * _list_bytes(capacity) + (_list_bytes(rest) if rest else 0)


def pack_sgl(at: int, spans: Sequence[tuple[int, int]], capacity: int = CAPACITY) -> bytes:
    """The bytes to put at address `at` for a list over `spans`, each (address, length) in the same
    address space; chained lists behind each other where one does not hold them all.

    ValueError: no entries, an entry that the device refuses, or `at` is not aligned.
    """
    if at % SGL_ALIGN:
        raise ValueError(f"a list cannot begin at {at:#x}")
    if not spans or not all(address and length for address, length in spans):
        raise ValueError("a list needs entries, and these an address and a length")
    out = b""
    for first in range(0, len(spans), capacity):
        part = spans[first:first + capacity]
        more = first + capacity < len(spans)
        head = SGL.make(
            next_dma=at + len(out) + _list_bytes(len(part)) if more else 0,
            entry_sum_in_chain=min(len(spans), 0xFFFF), entry_sum_in_sgl=len(part),
            entry_length_in_sgl=len(part))
        entries = b"".join(SGE.make(buffer=address, length=length).to_bytes()
                           for address, length in part)
        out += (head.to_bytes() + entries).ljust(_list_bytes(len(part)), b"\0")
    return out


def _list_bytes(entries: int) -> int:
    """One list, rounded up so that another may follow."""
    return -(-(SGL.size() + SGE.size() * entries) // SGL_ALIGN) * SGL_ALIGN
