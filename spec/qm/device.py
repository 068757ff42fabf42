"""QM registers of the whole device that do something: errors, VFT, bus master (qm.md 2.3).

Reset values are the picks of qm.md 1.5 and 9.
"""

from __future__ import annotations

from enum import IntEnum

from spec.fields import Access, Field, Register
from spec.qm.function import REVISION, Word


class _Abnormal(Register):
    SECTION = "5.1"
    axi_rresp = Field(0, doc="AXI read response")
    axi_bresp = Field(1, doc="AXI write response")
    ecc_mbit = Field(2)
    ecc_1bit = Field(3)
    acc_get_task_timeout = Field(4)
    acc_do_task_timeout = Field(5)
    acc_wb_not_ready_timeout = Field(6)
    sq_cq_vf_invalid = Field(7)
    cq_vf_invalid = Field(8)
    sq_vf_invalid = Field(9)
    db_timeout = Field(10)
    of_fifo_of = Field(11)
    db_random_invalid = Field(12, doc="doorbell random is not w8")
    mailbox_timeout = Field(13)
    flr_timeout = Field(14)


class ABNORMAL_INT_SOURCE(_Abnormal):
    OFFSET = 0x10_0000
    ACCESS = Access.W1C


class ABNORMAL_INT_MASK(_Abnormal):
    OFFSET = 0x10_0004
    RESET = 0x7FFF
    DOC = "1: masked"


class ABNORMAL_INT_STATUS(_Abnormal):
    OFFSET = 0x10_0008
    ACCESS = Access.RO
    DOC = "SOURCE and not MASK"


class ABNORMAL_INT_SET(_Abnormal):
    OFFSET = 0x10_000C
    ACCESS = Access.WO


class OverflowType(IntEnum):
    """ABNORMAL_INF00.type."""

    CQ = 0
    EQ = 1
    AEQ = 2


class ABNORMAL_INF00(Register):
    OFFSET = 0x10_0010
    ACCESS = Access.RO
    SECTION = "2.3"
    DOC = "FIFO overflow"
    function = Field(5, 0)
    type = Field(7, 6, enum=OverflowType)
    queue = Field(31, 16)


class ABNORMAL_INF01(Register):
    OFFSET = 0x10_0014
    ACCESS = Access.RO
    SECTION = "2.3"
    DOC = "Doorbell timeout"
    function = Field(5, 0)
    type = Field(7, 6, doc="0 SQ, 1 CQ, 2 EQ, 3 AEQ")
    queue = Field(31, 16)


class ABNORMAL_INF02(Register):
    OFFSET = 0x10_0018
    ACCESS = Access.RO
    SECTION = "2.3"
    axi_poison = Field(22)


class MEM_START_INIT(Register):
    OFFSET = 0x10_0040
    ACCESS = Access.WO
    SECTION = "2.3"
    START = Field(0, doc="clear VFT and contexts")


class MEM_INIT_DONE(Register):
    OFFSET = 0x10_0044
    ACCESS = Access.RO
    SECTION = "2.3"
    DONE = Field(0)


class VFT_CFG_OP_ENABLE(Register):
    OFFSET = 0x10_0054
    ACCESS = Access.WO
    SECTION = "2.5"
    ENABLE = Field(0, doc="run the operation")


class VFT_CFG_OP_WR(Register):
    OFFSET = 0x10_0058
    SECTION = "2.5"
    READ = Field(0, doc="0 write, 1 read")


class VFT_CFG_TYPE(Register):
    OFFSET = 0x10_005C
    SECTION = "2.5"
    TYPE = Field(1, 0, doc="VftType")


class VFT_CFG(Register):
    OFFSET = 0x10_0060
    SECTION = "2.5"
    FUNCTION = Field(5, 0)
    ALG = Field(6, doc="type SHAPER only")


class VFT_CFG_DATA_L(Word):
    OFFSET = 0x10_0064
    SECTION = "2.5"


class VFT_CFG_DATA_H(Word):
    OFFSET = 0x10_0068
    SECTION = "2.5"


class VFT_CFG_RDY(Register):
    OFFSET = 0x10_006C
    RESET = 1
    SECTION = "2.5"
    READY = Field(0)


class REVISION_ID(Register):
    OFFSET = 0x10_00DC
    ACCESS = Access.RO
    RESET = REVISION
    SECTION = "2.3"
    VERSION = Field(7, 0)


class DFX_CNT_CLR_CE(Register):
    OFFSET = 0x10_0118
    SECTION = "2.3"
    CLEAR = Field(0, doc="1: counters clear on read")


class IFC_READY_STATUS(Register):
    BITS = 64
    OFFSET = 0x10_0128
    ACCESS = Access.RO
    SECTION = "2.3"
    VFS = Field(63, 0)


class IFC_INT_SET_P(Register):
    OFFSET = 0x10_0130
    SECTION = "2.3"
    SET = Field(0)


class IFC_INT_CFG(Register):
    OFFSET = 0x10_0134
    SECTION = "2.3"
    VF = Field(6, 0)


class IFC_INT_SOURCE_P(Register):
    BITS = 64
    OFFSET = 0x10_0138
    ACCESS = Access.W1C
    SECTION = "2.3"
    VFS = Field(63, 0)


class QUE_NUM_CAP(Register):
    OFFSET = 0x10_0158
    ACCESS = Access.RO
    RESET = 8 << 11 | 8
    SECTION = "2.2"
    TOTAL = Field(10, 0)
    FUNCTION = Field(21, 11, doc="queues per function")


class IN_IDLE_ST(Register):
    OFFSET = 0x10_40E4
    ACCESS = Access.RO
    RESET = 1
    SECTION = "2.3"
    IDLE = Field(0)


class MASTER_GLOBAL_CTRL(Register):
    OFFSET = 0x30_0000
    SECTION = "2.3"
    SHUTDOWN = Field(0, doc="1: no new bus transactions")


class TRANS_RETURN(Register):
    OFFSET = 0x30_0150
    ACCESS = Access.RO
    SECTION = "2.3"
    READS = Field(0, doc="all returned, after SHUTDOWN")
    WRITES = Field(1, doc="all returned, after SHUTDOWN")


DEVICE: list[type[Register]] = [
    ABNORMAL_INT_SOURCE, ABNORMAL_INT_MASK, ABNORMAL_INT_STATUS, ABNORMAL_INT_SET, ABNORMAL_INF00,
    ABNORMAL_INF01, ABNORMAL_INF02, MEM_START_INIT, MEM_INIT_DONE, VFT_CFG_OP_ENABLE, VFT_CFG_OP_WR,
    VFT_CFG_TYPE, VFT_CFG, VFT_CFG_DATA_L, VFT_CFG_DATA_H, VFT_CFG_RDY, REVISION_ID, DFX_CNT_CLR_CE,
    IFC_READY_STATUS, IFC_INT_SET_P, IFC_INT_CFG, IFC_INT_SOURCE_P, QUE_NUM_CAP, IN_IDLE_ST,
    MASTER_GLOBAL_CTRL, TRANS_RETURN,
]
