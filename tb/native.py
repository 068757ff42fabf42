"""ctypes view of sim/native: the library that the simulator of this process has loaded too."""

from __future__ import annotations

import ctypes as c
import struct
from functools import cache

U8P, U32P = c.POINTER(c.c_uint8), c.POINTER(c.c_uint32)

# native/batch.h, axi_slave.h and trace.c, field by field.
REQUEST = struct.Struct("<QQIIIBBBBBBBBBB2x")
RESPONSE = struct.Struct("<QQQQII")
LITE_OP = struct.Struct("<QQQQBBB5x")
MEM_LOG = struct.Struct("<QQQHBBBBBBBB6x")
RECORD = struct.Struct("<Q40s")
PULSE = struct.Struct("<QI4x")


class MemKnobs(c.Structure):
    """Settings of a memory port; see native/axi_slave.h for units."""

    _fields_ = [(name, c.c_uint32) for name in (
        "read_latency", "write_latency", "read_jitter", "write_jitter", "read_rate",
        "write_rate", "ar_stall", "aw_stall", "w_stall", "reorder", "early", "interleave",
        "error_rate", "error_resp", "read_depth", "write_depth", "log", "bytes")]


class MemStats(c.Structure):
    """Counters of a memory port since the last `sim_init`."""

    _fields_ = [(name, c.c_uint64) for name in (
        "reads", "writes", "read_beats", "write_beats", "errors", "exclusive_ok",
        "exclusive_failed")]


class ClientKnobs(c.Structure):
    """Settings of a client port; see native/axi_client.h for units."""

    _fields_ = [(name, c.c_uint32) for name in (
        "outstanding", "r_stall", "b_stall", "w_stall", "bytes")]


_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "sim_init": (None, [c.c_uint64, c.c_uint64]),
    "sim_reset": (None, [c.c_uint64]),
    "sim_cycle": (c.c_uint64, []),
    "sim_deadline": (None, [c.c_uint32, c.c_uint64]),
    "sim_deadline_cancel": (None, [c.c_uint32]),
    "sim_take_fired": (c.c_uint32, [U32P, c.c_uint32]),
    "sim_bare": (None, [c.c_uint32, c.c_uint64]),
    "sim_bare_nanoseconds": (c.c_uint64, []),
    "sim_faults": (c.c_uint64, [c.POINTER(c.c_void_p)]),
    "sim_memory_open": (c.c_int, [c.c_uint64, c.c_uint64, c.c_int]),
    "sim_memory_bytes": (c.c_void_p, []),
    "sim_memory_outside": (None, [c.c_int]),
    "sim_error_add": (None, [c.c_uint32, c.c_uint64, c.c_uint64, c.c_uint32, c.c_int, c.c_int,
                             c.c_int, c.c_uint32, c.c_uint32]),
    "sim_memory_watch": (None, [c.c_uint32, c.c_uint64, c.c_uint64, c.c_uint32]),
    "sim_memory_unwatch": (None, [c.c_uint32]),
    "sim_memory_ranges": (None, [c.c_void_p, c.c_uint64]),
    "sim_error_remove": (None, [c.c_uint32]),
    "sim_mem_knobs": (c.POINTER(MemKnobs), [c.c_int]),
    "sim_mem_stats": (c.POINTER(MemStats), [c.c_int]),
    "sim_mem_log": (c.c_uint64, [c.c_int, c.POINTER(c.c_void_p)]),
    "sim_mem_log_clear": (None, [c.c_int]),
    "sim_client_knobs": (c.POINTER(ClientKnobs), [c.c_int]),
    "sim_client_queue": (None, [c.c_int, c.c_uint32, c.c_char_p, c.c_char_p, c.c_uint32,
                                c.c_char_p]),
    "sim_lite_queue": (None, [c.c_int, c.c_uint32, c.c_char_p, c.c_uint32]),
    "sim_trace_log": (c.c_uint64, [c.c_int, c.POINTER(c.c_void_p)]),
    "sim_trace_clear": (None, [c.c_int]),
    "sim_sums_ask": (None, [c.c_uint32, c.c_uint32]),
    "sim_sums": (c.POINTER(c.c_uint64), []),
    "sim_irq_count": (c.c_uint64, [c.c_int]),
    "sim_irq_log": (c.c_uint64, [c.POINTER(c.c_void_p)]),
    "sim_irq_clear": (None, []),
    "sim_irq_watch": (None, [c.c_uint32, c.c_uint32]),
    "sim_irq_cancel": (None, [c.c_uint32]),
}


@cache
def load(path: str) -> c.CDLL:
    """The library at `path`, with argument types."""
    library = c.CDLL(path)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def copy_log(count: int, pointer: c.c_void_p, item: struct.Struct) -> bytes:
    """The bytes of a log of `count` items, which native code may move afterwards."""
    return c.string_at(pointer, count * item.size) if count else b""
