"""SEC engine registers and capabilities, in the same BAR2 as the QM's (qm.md 5.2, 6.1, 6.2)."""

from __future__ import annotations

from spec.fields import Access, Field, Register
from spec.qm.function import ReadOnlyWord


class _SecWord(Register):
    SECTION = "6.1"
    VALUE = Field(31, 0)


class _SecCap(ReadOnlyWord):
    SECTION = "6.2"


class _SecError(Register):
    SECTION = "5.2"
    axi_read = Field(0)
    axi_write = Field(1)
    ecc_2bit = Field(2)
    ecc_1bit = Field(3)
    trng_timeout = Field(4)
    fsm_heartbeat = Field(5)
    channel_rng_timeout = Field(6)
    bd_error = Field(7)
    chain_buffer = Field(8)
    secure_access = Field(14)
    key_unwrap = Field(15)
    km_crc = Field(16)
    axi_poison = Field(17)
    sva_error = Field(18)


class SEC_CORE_INT_MASK(_SecError):
    OFFSET = 0x30_1000
    DOC = "1: enabled, unlike the QM's mask"


class SEC_CORE_INT_STATUS(_SecError):
    OFFSET = 0x30_1008
    ACCESS = Access.RO


class SEC_CORE_INT_SOURCE(_SecError):
    OFFSET = 0x30_1010
    ACCESS = Access.W1C


class SEC_OOO_SHUTDOWN_SEL(_SecWord):
    OFFSET = 0x30_1014


class SEC_RAS_CE(_SecWord):
    OFFSET = 0x30_1050


class SEC_RAS_FE(_SecWord):
    OFFSET = 0x30_1054


class SEC_RAS_NFE(_SecWord):
    OFFSET = 0x30_1058


class SEC_MEM_START_INIT(Register):
    OFFSET = 0x30_1100
    ACCESS = Access.WO
    SECTION = "6.1"
    START = Field(0)


class SEC_MEM_INIT_DONE(Register):
    OFFSET = 0x30_1104
    ACCESS = Access.RO
    SECTION = "6.1"
    DONE = Field(0)


class SEC_CNT_CLR_CE(_SecWord):
    OFFSET = 0x30_1120


class SEC_PREFETCH_CFG(_SecWord):
    OFFSET = 0x30_1130


class SEC_CONTROL(Register):
    OFFSET = 0x30_1200
    SECTION = "6.1"
    DOC = "Storage; bits without a name too"
    big_endian = Field(0)
    bus_32bit = Field(1)
    reserved_2 = Field(2)
    clock_gate = Field(3)
    reserved_7_4 = Field(7, 4)
    trng = Field(8)
    reserved_11_9 = Field(11, 9)
    axi_shutdown = Field(12)
    reserved_31_13 = Field(31, 13)


class SEC_DYNAMIC_GATE(_SecWord):
    OFFSET = 0x30_121C


class SEC_INTERFACE_USER_CTRL0(_SecWord):
    OFFSET = 0x30_1220


class SEC_INTERFACE_USER_CTRL1(_SecWord):
    OFFSET = 0x30_1224


class SEC_SAA_EN(_SecWord):
    OFFSET = 0x30_1270


class SEC_BD_ERR_CHK0(_SecWord):
    OFFSET = 0x30_1380


class SEC_BD_ERR_CHK1(_SecWord):
    OFFSET = 0x30_1384


class SEC_BD_ERR_CHK3(_SecWord):
    OFFSET = 0x30_138C


class SEC_SINGLE_PORT(_SecWord):
    OFFSET = 0x30_1508


class SEC_CORE_AUTO_GATE(_SecWord):
    OFFSET = 0x30_212C


class SEC_INTERFACE_USER_CTRL0_V3(_SecWord):
    OFFSET = 0x30_2220


class SEC_INTERFACE_USER_CTRL1_V3(_SecWord):
    OFFSET = 0x30_2224


class QM_NFE_MASK_CAP(_SecCap):
    OFFSET = 0x3124


class QM_RESET_MASK_CAP(_SecCap):
    OFFSET = 0x3128


class QM_CE_MASK_CAP(_SecCap):
    OFFSET = 0x312C


class SEC_NFE_MASK_CAP(_SecCap):
    OFFSET = 0x3130


class SEC_RESET_MASK_CAP(_SecCap):
    OFFSET = 0x3134


class SEC_CE_MASK_CAP(_SecCap):
    OFFSET = 0x3138


class CORE_INFO_CAP(Register):
    OFFSET = 0x313C
    ACCESS = Access.RO
    RESET = 0x0011_0101
    SECTION = "6.2"
    CORES_PER_CLUSTER = Field(7, 0)
    CORES = Field(15, 8)
    CORE_TYPES = Field(19, 16)
    CLUSTERS = Field(23, 20)


class CORE_EN_CAP(_SecCap):
    OFFSET = 0x3140
    RESET = 1


class _AlgorithmsLow(Register):
    """Algorithm bitmap, low half; only what we may implement has a name."""

    ACCESS = Access.RO
    SECTION = "6.2"
    ecb_aes = Field(0)
    cbc_aes = Field(1)
    ctr_aes = Field(2)
    xts_aes = Field(3)
    others = Field(31, 4)


_AES = _AlgorithmsLow.pack(ecb_aes=1, cbc_aes=1, ctr_aes=1)


class DRV_ALG_LOW_CAP(_AlgorithmsLow):
    OFFSET = 0x3144
    RESET = _AES
    DOC = "Algorithms that the kernel registers"


class DRV_ALG_HIGH_CAP(_SecCap):
    OFFSET = 0x3148


class DEV_ALG_LOW_CAP(_AlgorithmsLow):
    OFFSET = 0x314C
    RESET = _AES
    DOC = "Algorithms that the device has"


class DEV_ALG_HIGH_CAP(_SecCap):
    OFFSET = 0x3150


class CORE1_ALG_LOW_CAP(_SecCap):
    OFFSET = 0x3154
    RESET = _AES


class CORE1_ALG_HIGH_CAP(_SecCap):
    OFFSET = 0x3158


class CORE2_ALG_LOW_CAP(_SecCap):
    OFFSET = 0x315C


class CORE2_ALG_HIGH_CAP(_SecCap):
    OFFSET = 0x3160


class CORE3_ALG_LOW_CAP(_SecCap):
    OFFSET = 0x3164


class CORE3_ALG_HIGH_CAP(_SecCap):
    OFFSET = 0x3168


class CORE4_ALG_LOW_CAP(_SecCap):
    OFFSET = 0x316C


class CORE4_ALG_HIGH_CAP(_SecCap):
    OFFSET = 0x3170


REGISTERS: list[type[Register]] = [
    SEC_CORE_INT_MASK, SEC_CORE_INT_STATUS, SEC_CORE_INT_SOURCE, SEC_OOO_SHUTDOWN_SEL, SEC_RAS_CE,
    SEC_RAS_FE, SEC_RAS_NFE, SEC_MEM_START_INIT, SEC_MEM_INIT_DONE, SEC_CNT_CLR_CE,
    SEC_PREFETCH_CFG, SEC_CONTROL, SEC_DYNAMIC_GATE, SEC_INTERFACE_USER_CTRL0,
    SEC_INTERFACE_USER_CTRL1, SEC_SAA_EN, SEC_BD_ERR_CHK0, SEC_BD_ERR_CHK1, SEC_BD_ERR_CHK3,
    SEC_SINGLE_PORT, SEC_CORE_AUTO_GATE, SEC_INTERFACE_USER_CTRL0_V3, SEC_INTERFACE_USER_CTRL1_V3,
    QM_NFE_MASK_CAP, QM_RESET_MASK_CAP, QM_CE_MASK_CAP, SEC_NFE_MASK_CAP, SEC_RESET_MASK_CAP,
    SEC_CE_MASK_CAP, CORE_INFO_CAP, CORE_EN_CAP, DRV_ALG_LOW_CAP, DRV_ALG_HIGH_CAP,
    DEV_ALG_LOW_CAP, DEV_ALG_HIGH_CAP, CORE1_ALG_LOW_CAP, CORE1_ALG_HIGH_CAP, CORE2_ALG_LOW_CAP,
    CORE2_ALG_HIGH_CAP, CORE3_ALG_LOW_CAP, CORE3_ALG_HIGH_CAP, CORE4_ALG_LOW_CAP,
    CORE4_ALG_HIGH_CAP,
]
