"""In-memory structures of the QM: contexts, queue entries, VFT words, SGLs (qm.md 3)."""

from __future__ import annotations

from enum import IntEnum

from spec.fields import Field, Structure


class _Context(Structure):
    """What SQC and CQC share."""

    BITS = 256
    head = Field(15, 0)
    tail = Field(31, 16, doc="in a dump: entries produced")
    base_l = Field(63, 32)
    base_h = Field(31, 0, dw=1)
    depth_minus_1 = Field(43, 32, dw=1, doc="dw3")
    log2_size = Field(47, 44, dw=1, doc="dw3: log2 of the entry size")
    stash = Field(63, 48, dw=1, doc="dw3: stored, ignored")
    w8 = Field(15, 0, dw=2, doc="random: must equal that of the doorbells")
    pasid = Field(47, 32, dw=2)
    head_wrap = Field(53, dw=2, doc="w11")
    tail_wrap = Field(54, dw=2, doc="w11")

    @property
    def base(self) -> int:
        """Address of the ring."""
        return self.base_l | self.base_h << 32


class SQC(_Context):
    """Submission queue context."""

    SECTION = "3.1"
    pasid_enable = Field(55, dw=2, doc="w11")
    cq_num = Field(15, 0, dw=3)
    priority = Field(19, 16, dw=3, doc="w13: stored, ignored")
    order = Field(20, dw=3, doc="w13: stored, ignored")
    fc = Field(21, dw=3, doc="w13: stored, ignored")
    close = Field(22, dw=3, doc="w13")
    type = Field(27, 24, dw=3, doc="w13: stored, ignored")


class CQC(_Context):
    """Completion queue context."""

    SECTION = "3.2"
    pasid_enable = Field(48, dw=2, doc="w11: stored, ignored")
    phase = Field(0, dw=3, doc="dw6: phase of the first lap")
    c_flag = Field(1, dw=3, doc="dw6: armed, one-shot")
    stash_valid = Field(2, dw=3, doc="dw6: stored, ignored")


class EQC(Structure):
    """Event queue context."""

    BITS = 224
    SECTION = "3.3"
    head = Field(15, 0)
    tail = Field(31, 16)
    base_l = Field(63, 32)
    base_h = Field(31, 0, dw=1)
    dw3 = Field(63, 32, dw=1, doc="0")
    depth_minus_1 = Field(15, 0, dw=3, doc="dw6")
    phase = Field(16, dw=3, doc="dw6: phase of the first lap")

    @property
    def base(self) -> int:
        """Address of the ring."""
        return self.base_l | self.base_h << 32


class AEQC(EQC):
    """Asynchronous event queue context."""


class CQE(Structure):
    """Completion queue entry."""

    BITS = 128
    SECTION = "3.4"
    cmd_id = Field(47, 32)
    sq_head = Field(15, 0, dw=1, doc="index of the finished SQE")
    sq_num = Field(31, 16, dw=1)
    phase = Field(48, dw=1)
    status = Field(63, 49, dw=1)


class EQE(Structure):
    """Event queue entry."""

    BITS = 32
    SECTION = "3.4"
    cq_num = Field(15, 0)
    phase = Field(16)


class AeqeType(IntEnum):
    """AEQE.type."""

    CQ_OVERFLOW = 0
    EQ_OVERFLOW = 1
    CQE_ERROR = 2


class AEQE(Structure):
    """Asynchronous event queue entry."""

    BITS = 32
    SECTION = "3.4"
    queue = Field(15, 0)
    phase = Field(16)
    type = Field(20, 17, enum=AeqeType)


class VftType(IntEnum):
    """VFT_CFG_TYPE."""

    SQC = 0
    CQC = 1
    SHAPER = 2


class SQC_VFT(Structure):
    """VFT data word of type SQC, also the answer of mailbox SQC_VFT_V2."""

    SECTION = "3.6"
    first = Field(43, 28, doc="first queue of the function")
    valid = Field(44)
    number_minus_1 = Field(54, 45)


class CQC_VFT(Structure):
    """VFT data word of type CQC."""

    SECTION = "3.6"
    valid = Field(28)


class SHAPER_VFT(Structure):
    """VFT data word of type SHAPER: stored, ignored."""

    SECTION = "3.6"
    cir_b = Field(7, 0)
    cir_u = Field(10, 8)
    cir_s = Field(14, 11)
    cbs_b = Field(18, 15)
    cbs_s = Field(23, 19)


class SGL(Structure):
    """Head of a scatter-gather list; `entry_sum_in_sgl` SGEs follow it."""

    BITS = 512
    SECTION = "3.7"
    next_dma = Field(63, 0, doc="next SGL or 0")
    entry_sum_in_chain = Field(15, 0, dw=1, doc="not to be relied on")
    entry_sum_in_sgl = Field(31, 16, dw=1, doc="valid entries here")
    entry_length_in_sgl = Field(47, 32, dw=1, doc="capacity")


class SGE(Structure):
    """Entry of a scatter-gather list."""

    BITS = 256
    SECTION = "3.7"
    buffer = Field(63, 0)
    length = Field(31, 0, dw=2)


SQE_BYTES = 128
CQE_BYTES = 16
CONTEXT_SLOT = 32   # bytes from one context to the next in the SQC and CQC tables
SGL_ALIGN = 64
