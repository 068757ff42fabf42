"""Every interface between two blocks of the design, declared once.

translation   client AXI4 -> TBU --TranslationRequest--> TCU --TranslationResponse--> TBU
memory        TCU, queues --MemRead, MemWrite--> memory port
invalidation  CMDQ --Invalidation--> TCU caches and every TBU;  Sync: request, then acknowledge
faults        TCU --EventRecord--> EVTQ --StallVerdict--> stall buffer <--StallCommand-- CMDQ
registers     SmmuState, the values of the programming interface that the blocks use; the controls
              of the queues and of their interrupts, with GERROR conditions as pulses
observation   TBU --Trace--> bench;  TbuActivity, TcuActivity --> counters of the harness

All are `amaranth.lib.stream` streams (payload, valid, ready) unless the class says otherwise: a
producer keeps `payload` and `valid` until `ready`, and `valid` never depends on `ready`.
"""

from hdl.streams.faults import EventRecord, StallAction, StallCommand, StallVerdict
from hdl.streams.invalidation import Invalidation, InvOp, Sync
from hdl.streams.memory import (
    MemRead,
    MemReadRequest,
    MemReadResponse,
    MemWrite,
    MemWriteRequest,
    MemWriteResponse,
)
from hdl.streams.observation import TbuActivity, TcuActivity, Trace, TraceRecord
from hdl.streams.registers import (
    CommandQueueControl,
    EventQueueControl,
    InterruptControl,
    Interrupts,
    MsiTarget,
    QueueRegisters,
    SmmuState,
)
from hdl.streams.translation import (
    Attributes,
    Outcome,
    Permissions,
    TranslationRequest,
    TranslationResponse,
)
from hdl.streams.widths import ADDR_BITS, PA_BITS, SID_BITS, SSID_BITS

__all__ = [
    "ADDR_BITS",
    "PA_BITS",
    "SID_BITS",
    "SSID_BITS",
    "Attributes",
    "CommandQueueControl",
    "EventQueueControl",
    "EventRecord",
    "InterruptControl",
    "Interrupts",
    "InvOp",
    "Invalidation",
    "MemRead",
    "MemReadRequest",
    "MemReadResponse",
    "MemWrite",
    "MemWriteRequest",
    "MemWriteResponse",
    "MsiTarget",
    "Outcome",
    "Permissions",
    "QueueRegisters",
    "SmmuState",
    "StallAction",
    "StallCommand",
    "StallVerdict",
    "Sync",
    "TbuActivity",
    "TcuActivity",
    "Trace",
    "TraceRecord",
    "TranslationRequest",
    "TranslationResponse",
]
