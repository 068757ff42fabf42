"""QM registers of the whole device that hold a value for others: bus attributes, masks, counters
(qm.md 2.3, 2.9)."""

from __future__ import annotations

from spec.fields import Register
from spec.qm.function import ReadOnlyWord, Word


class CACHE_CTL(Word):
    OFFSET = 0x10_0050


class TIMEOUT_CFG(ReadOnlyWord):
    OFFSET = 0x10_0070


class DB_TIMEOUT_CFG(Word):
    OFFSET = 0x10_0074


class FLR_PENDING_TIME_CFG(ReadOnlyWord):
    OFFSET = 0x10_0078


class ARUSER_M_CFG_1(Word):
    OFFSET = 0x10_0088


class ARUSER_M_CFG_ENABLE(Word):
    OFFSET = 0x10_0090


class AWUSER_M_CFG_1(Word):
    OFFSET = 0x10_0098


class AWUSER_M_CFG_ENABLE(Word):
    OFFSET = 0x10_00A0


class WUSER_M_CFG_ENABLE(Word):
    OFFSET = 0x10_00A8


class AXI_M_CFG(Word):
    OFFSET = 0x10_00AC


class AXI_M_CFG_ENABLE(Word):
    OFFSET = 0x10_00B0


class PEH_AXUSER_CFG(Word):
    OFFSET = 0x10_00CC


class PEH_AXUSER_CFG_ENABLE(Word):
    OFFSET = 0x10_00D0


class PEH_VENDOR_ID(Word):
    OFFSET = 0x10_00D8


class RAS_CE_ENABLE(Word):
    OFFSET = 0x10_00EC


class RAS_FE_ENABLE(Word):
    OFFSET = 0x10_00F0


class RAS_NFE_ENABLE(Word):
    OFFSET = 0x10_00F4


class RAS_CE_THRESHOLD(Word):
    OFFSET = 0x10_00F8


class PEH_DFX_INFO0(ReadOnlyWord):
    OFFSET = 0x10_00FC


class PEH_DFX_INFO1(ReadOnlyWord):
    OFFSET = 0x10_0100


class PM_CTRL(Word):
    OFFSET = 0x10_0148


class SHAPER_CFG(Word):
    OFFSET = 0x10_0164


class _Counter(ReadOnlyWord):
    SECTION = "2.9"
    DOC = "clears on read while DFX_CNT_CLR_CE"


class ECC_1BIT_CNT(_Counter):
    OFFSET = 0x10_4000


class ECC_MBIT_CNT(_Counter):
    OFFSET = 0x10_4008


class MB_CNT_VF(Word):
    OFFSET = 0x10_4010


class MB_CNT(_Counter):
    OFFSET = 0x10_4018


class DB_CNT_VF(Word):
    OFFSET = 0x10_4020


class DB_CNT(_Counter):
    OFFSET = 0x10_4028


class SQE_CNT_VF_SQN(Word):
    OFFSET = 0x10_4030


class SQE_CNT(_Counter):
    OFFSET = 0x10_4038


class CQE_CNT_VF_SQN(Word):
    OFFSET = 0x10_4040


class CQE_CNT(_Counter):
    OFFSET = 0x10_4048


class SEND_SQE_TO_ACC_CNT(_Counter):
    OFFSET = 0x10_4050


class WB_SQE_FROM_ACC_CNT(_Counter):
    OFFSET = 0x10_4058


class ACC_FINISH_CNT(_Counter):
    OFFSET = 0x10_4060


class CQE_ERR_CNT(_Counter):
    OFFSET = 0x10_40B4


class OOO_SHUTDOWN_SEL(Word):
    OFFSET = 0x10_40F8


class CFG_SINGLE_PORT_MAX_TRANS(Word):
    OFFSET = 0x30_0014


STORAGE: list[type[Register]] = [
    CACHE_CTL, TIMEOUT_CFG, DB_TIMEOUT_CFG, FLR_PENDING_TIME_CFG, ARUSER_M_CFG_1,
    ARUSER_M_CFG_ENABLE, AWUSER_M_CFG_1, AWUSER_M_CFG_ENABLE, WUSER_M_CFG_ENABLE, AXI_M_CFG,
    AXI_M_CFG_ENABLE, PEH_AXUSER_CFG, PEH_AXUSER_CFG_ENABLE, PEH_VENDOR_ID, RAS_CE_ENABLE,
    RAS_FE_ENABLE, RAS_NFE_ENABLE, RAS_CE_THRESHOLD, PEH_DFX_INFO0, PEH_DFX_INFO1, PM_CTRL,
    SHAPER_CFG, ECC_1BIT_CNT, ECC_MBIT_CNT, MB_CNT_VF, MB_CNT, DB_CNT_VF, DB_CNT, SQE_CNT_VF_SQN,
    SQE_CNT, CQE_CNT_VF_SQN, CQE_CNT, SEND_SQE_TO_ACC_CNT, WB_SQE_FROM_ACC_CNT, ACC_FINISH_CNT,
    CQE_ERR_CNT, OOO_SHUTDOWN_SEL, CFG_SINGLE_PORT_MAX_TRANS,
]
