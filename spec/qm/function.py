"""QM registers of one function: interrupts, mailbox, doorbells, capabilities (qm.md 2.1 to 2.6).

Reset values are the picks of qm.md 1.5 and 9.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from spec.fields import Access, Field, Register

REVISION = 0x30  # QM V3

BAR2_SIZE = 0x40_0000
BAR4_BASE = BAR2_SIZE        # where BAR4 lies on the accelerator's register port
DOORBELL_PAGE = 0x1_0000     # BAR4: one page for each queue
QUEUES_MAX = 1024
DOORBELL_OFFSET = 0x1000     # the doorbell inside its page, and that of all queues inside BAR2


def event_depths(queues: int) -> tuple[int, int]:
    """EQ and AEQ depth that a function with `queues` queues advertises: one event of each kind per
    queue always fits (qm.md 2.8)."""
    return max(128, 2 * queues), max(64, 4 * queues)


def doorbell_offset(queue: int) -> int:
    """Offset of the queue's doorbell on the accelerator's register port."""
    return BAR4_BASE + queue * DOORBELL_PAGE + DOORBELL_OFFSET


class Word(Register):
    """A plain 32-bit word."""

    SECTION = "2.3"
    VALUE = Field(31, 0)


class ReadOnlyWord(Word):
    ACCESS = Access.RO


class _IntSource(Register):
    ACCESS = Access.W1C
    SECTION = "2.1"
    SOURCE = Field(0, doc="1: an entry waits; cleared by the doorbell")


class _IntMask(Register):
    RESET = 1
    SECTION = "2.1"
    MASK = Field(0, doc="1: masked")


class AEQ_INT_SOURCE(_IntSource):
    OFFSET = 0x000


class AEQ_INT_MASK(_IntMask):
    OFFSET = 0x004


class EQ_INT_SOURCE(_IntSource):
    OFFSET = 0x008


class EQ_INT_MASK(_IntMask):
    OFFSET = 0x00C


class IFC_INT_SOURCE_V(Register):
    OFFSET = 0x020
    ACCESS = Access.W1C
    SECTION = "2.1"
    SOURCE = Field(0, doc="message from the other side")


class IFC_INT_MASK(Register):
    OFFSET = 0x024
    RESET = 1
    SECTION = "2.1"
    MASK = Field(0, doc="1: disabled")


class IFC_INT_STATUS(Register):
    OFFSET = 0x028
    ACCESS = Access.RO
    SECTION = "2.1"
    STATUS = Field(0)


class IFC_INT_SET_V(Register):
    OFFSET = 0x02C
    SECTION = "2.1"
    SET = Field(0, doc="VF: ring the PF")


class QUE_ISO_CFG(Register):
    OFFSET = 0x030
    ACCESS = Access.RO
    RESET = 1
    SECTION = "2.1"
    ISOLATED = Field(0, doc="doorbells in BAR4")


class PAGE_SIZE(Register):
    OFFSET = 0x034
    SECTION = "2.1"
    SIZE = Field(1, 0, doc="SVA prefetch: 0 4K, 1 16K, 2 64K")


class FUN_DB_DROP(Register):
    OFFSET = 0x038
    SECTION = "2.1"
    DROP = Field(0, late=True, doc="V5: drop doorbells")


class VF_STATE(Word):
    OFFSET = 0x060
    SECTION = "2.1"


class FUNS_ACTIVE_ST(ReadOnlyWord):
    OFFSET = 0x200
    SECTION = "2.1"


class CACHE_WB_START(Register):
    OFFSET = 0x204
    ACCESS = Access.WO
    SECTION = "2.1"
    START = Field(0, doc="write contexts back to the base tables")


class CACHE_WB_DONE(Register):
    OFFSET = 0x208
    ACCESS = Access.RO
    RESET = 1
    SECTION = "2.1"
    DONE = Field(0)


class SUB_VERSION_ID(ReadOnlyWord):
    OFFSET = 0x210
    SECTION = "2.1"
    DOC = "0: plain V3"


class MailboxCommand(IntEnum):
    """Mailbox.command (qm.md 2.4)."""

    SQC = 0x0
    CQC = 0x1
    EQC = 0x2
    AEQC = 0x3
    SQC_BT = 0x4
    CQC_BT = 0x5
    SQC_VFT_V2 = 0x6
    CLOSE_QM = 0x7
    STOP_QP = 0x8
    FLUSH_QM = 0x9
    FLUSH_QP = 0xA
    SRC = 0xC
    DST = 0xD
    PAUSE_QM = 0xE


class MailboxOp(IntEnum):
    """Mailbox.op: direction."""

    SET = 0
    GET = 1


class MailboxStatus(IntEnum):
    """Mailbox.status; all but OK are our own codes (qm.md 9)."""

    OK = 0
    BAD_COMMAND = 1   # unknown, or not with this op
    BAD_QUEUE = 2     # not a queue of this function, or one that has no context
    BUS_ERROR = 3     # the memory access was aborted
    BAD_CONTEXT = 4   # a depth or size that is not supported


class Mailbox(Register):
    """One command; starts when all 16 bytes have been written and `busy` is set."""

    BITS = 128
    OFFSET = 0x300
    SECTION = "2.4"
    command = Field(7, 0, enum=MailboxCommand)
    event = Field(8)
    status = Field(12, 9, enum=MailboxStatus)
    busy = Field(13)
    op = Field(14, enum=MailboxOp)
    queue = Field(31, 16, doc="function-relative")
    base_l = Field(63, 32, doc="address or data, low half")
    base_h = Field(31, 0, dw=1, doc="high half")
    token = Field(63, 32, dw=1)

    @classmethod
    def to(cls, command: int, queue: int = 0, base: int = 0, op: int = MailboxOp.SET) -> Self:
        """The words that start `command`."""
        return cls.make(command=command, queue=queue, op=op, busy=1,
                        base_l=base & 0xFFFF_FFFF, base_h=base >> 32)

    @property
    def base(self) -> int:
        """Address or data."""
        return self.base_l | self.base_h << 32


class DoorbellCommand(IntEnum):
    """Doorbell.command."""

    SQ = 0
    CQ = 1
    EQ = 2
    AEQ = 3


class Doorbell(Register):
    """The doorbell word; also the register for all queues inside BAR2."""

    BITS = 64
    OFFSET = DOORBELL_OFFSET
    ACCESS = Access.WO
    SECTION = "2.6"
    queue = Field(11, 0, doc="function-relative; 0 for EQ and AEQ")
    command = Field(15, 12, enum=DoorbellCommand)
    random = Field(31, 16, doc="w8 of the queue's SQC or CQC")
    index = Field(47, 32, doc="SQ: new tail; others: new head")
    c_flag = Field(48, doc="CQ: arm")
    priority = Field(55, 49)


class EventDoorbell(Doorbell):
    """The doorbell of EQ and AEQ."""

    OFFSET = 0x2000


class FUN_CAP(Register):
    OFFSET = 0x3100
    ACCESS = Access.RO
    SECTION = "2.2"
    VERSION = Field(7, 0)
    FUNC_QOS = Field(8)
    STOP_QP = Field(9, doc="mailbox 8 drains a queue")
    STOP_FUNC = Field(10, doc="mailbox 9 drains the function")
    MB_COMMAND = Field(11, doc="PF and VF messages")
    RPM_VF = Field(12)
    RPM_PF = Field(13)
    SVA_PREFETCH = Field(14)
    DAE = Field(15)
    RESET = 0x0601


class EQ_AEQ_DEPTH_CAP(Register):
    OFFSET = 0x3104
    ACCESS = Access.RO
    RESET = 0x0040_0080
    SECTION = "2.2"
    EQ_DEPTH = Field(15, 0)
    AEQ_DEPTH = Field(31, 16)


class SQ_CQ_DEPTH_CAP(Register):
    OFFSET = 0x3108
    ACCESS = Access.RO
    RESET = 0x0040_0040
    SECTION = "2.2"
    SQ_DEPTH = Field(15, 0)
    CQ_DEPTH = Field(31, 16)


class _IrqCap(Register):
    ACCESS = Access.RO
    SECTION = "2.2"
    VECTOR = Field(15, 0)
    TYPE = Field(31, 16, doc="0: not present")


class EQ_IRQ_CAP(_IrqCap):
    OFFSET = 0x310C
    RESET = 0x0001_0000


class AEQ_IRQ_CAP(_IrqCap):
    OFFSET = 0x3110
    RESET = 0x0001_0001


class ABNORMAL_IRQ_CAP(Register):
    OFFSET = 0x3114
    ACCESS = Access.RO
    RESET = 0x0001_0003
    SECTION = "2.2"
    VECTOR = Field(15, 0)
    TYPE = Field(23, 16, doc="0: not present")


class PF2VF_IRQ_CAP(_IrqCap):
    OFFSET = 0x3118


class VECTOR_NUM_CAP(Register):
    OFFSET = 0x311C
    ACCESS = Access.RO
    RESET = 0x0004_0003
    SECTION = "2.2"
    VF = Field(15, 0)
    PF = Field(31, 16)


class EXT_BAR_CAP(ReadOnlyWord):
    OFFSET = 0x3120
    SECTION = "2.2"


FUNCTION: list[type[Register]] = [
    AEQ_INT_SOURCE, AEQ_INT_MASK, EQ_INT_SOURCE, EQ_INT_MASK, IFC_INT_SOURCE_V, IFC_INT_MASK,
    IFC_INT_STATUS, IFC_INT_SET_V, QUE_ISO_CFG, PAGE_SIZE, FUN_DB_DROP, VF_STATE, FUNS_ACTIVE_ST,
    CACHE_WB_START, CACHE_WB_DONE, SUB_VERSION_ID, Mailbox, Doorbell, EventDoorbell, FUN_CAP,
    EQ_AEQ_DEPTH_CAP, SQ_CQ_DEPTH_CAP, EQ_IRQ_CAP, AEQ_IRQ_CAP, ABNORMAL_IRQ_CAP, PF2VF_IRQ_CAP,
    VECTOR_NUM_CAP, EXT_BAR_CAP,
]
