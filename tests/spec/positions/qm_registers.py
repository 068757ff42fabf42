"""Queue manager and accelerator registers in BAR2: qm.md 2.1 to 2.6, 5.1, 5.2, 6.1, 6.2.

Resets are the picks of 1.5 and 9: masks 1, ready bits 1, everything else 0.
"""

FUNCTION = """
0x000 AEQ_INT_SOURCE 32 W1C         # 2.1 says R; 9: cleared by the doorbell, W1C allowed
0x008 EQ_INT_SOURCE 32 W1C
    0     SOURCE

0x004 AEQ_INT_MASK 32 RW reset=1
0x00c EQ_INT_MASK 32 RW reset=1
0x024 IFC_INT_MASK 32 RW reset=1
    0     MASK

0x020 IFC_INT_SOURCE_V 32 W1C
    0     SOURCE

0x028 IFC_INT_STATUS 32 RO
    0     STATUS

0x02c IFC_INT_SET_V 32 RW
    0     SET

0x030 QUE_ISO_CFG 32 RO reset=1
    0     ISOLATED

0x034 PAGE_SIZE 32 RW
    1:0   SIZE

0x038 FUN_DB_DROP 32 RW
    0     DROP

0x060 VF_STATE 32 RW
    31:0  VALUE

0x200 FUNS_ACTIVE_ST 32 RO
    31:0  VALUE

0x204 CACHE_WB_START 32 WO
    0     START

0x208 CACHE_WB_DONE 32 RO reset=1
    0     DONE

0x210 SUB_VERSION_ID 32 RO
    31:0  VALUE

0x300 Mailbox 128 RW                # 2.4
    @0 7:0     command:MailboxCommand
    @0 8       event
    @0 12:9    status:MailboxStatus
    @0 13      busy
    @0 14      op:MailboxOp
    @2 15:0    queue
    @4 31:0    base_l
    @8 31:0    base_h
    @12 31:0   token

0x1000 Doorbell 64 WO               # 2.6
0x2000 EventDoorbell 64 WO
    11:0  queue
    15:12 command:DoorbellCommand
    31:16 random
    47:32 index
    48    c_flag
    55:49 priority                  # [55:48] is priority, of which b48 is c_flag

0x3100 FUN_CAP 32 RO reset=0x00000601       # 2.2
    7:0   VERSION
    8     FUNC_QOS
    9     STOP_QP
    10    STOP_FUNC
    11    MB_COMMAND
    12    RPM_VF
    13    RPM_PF
    14    SVA_PREFETCH
    15    DAE

0x3104 EQ_AEQ_DEPTH_CAP 32 RO reset=0x00400080
    15:0  EQ_DEPTH
    31:16 AEQ_DEPTH

0x3108 SQ_CQ_DEPTH_CAP 32 RO reset=0x00400040
    15:0  SQ_DEPTH
    31:16 CQ_DEPTH

0x310c EQ_IRQ_CAP 32 RO reset=0x00010000
0x3110 AEQ_IRQ_CAP 32 RO reset=0x00010001
0x3118 PF2VF_IRQ_CAP 32 RO
    15:0  VECTOR
    31:16 TYPE

0x3114 ABNORMAL_IRQ_CAP 32 RO reset=0x00010003
    15:0  VECTOR
    23:16 TYPE

0x311c VECTOR_NUM_CAP 32 RO reset=0x00040003
    15:0  VF
    31:16 PF

0x3120 EXT_BAR_CAP 32 RO
    31:0  VALUE
"""

DEVICE = """
0x100000 ABNORMAL_INT_SOURCE 32 W1C         # 2.3, bits 5.1
0x100004 ABNORMAL_INT_MASK 32 RW reset=0x7fff
0x100008 ABNORMAL_INT_STATUS 32 RO
0x10000c ABNORMAL_INT_SET 32 WO
    0     axi_rresp
    1     axi_bresp
    2     ecc_mbit
    3     ecc_1bit
    4     acc_get_task_timeout
    5     acc_do_task_timeout
    6     acc_wb_not_ready_timeout
    7     sq_cq_vf_invalid
    8     cq_vf_invalid
    9     sq_vf_invalid
    10    db_timeout
    11    of_fifo_of
    12    db_random_invalid
    13    mailbox_timeout
    14    flr_timeout

0x100010 ABNORMAL_INF00 32 RO
    5:0   function
    7:6   type:OverflowType
    31:16 queue

0x100014 ABNORMAL_INF01 32 RO
    5:0   function
    7:6   type
    31:16 queue

0x100018 ABNORMAL_INF02 32 RO
    22    axi_poison

0x100040 MEM_START_INIT 32 WO
    0     START

0x100044 MEM_INIT_DONE 32 RO
    0     DONE

0x100054 VFT_CFG_OP_ENABLE 32 WO
    0     ENABLE

0x100058 VFT_CFG_OP_WR 32 RW
    0     READ

0x10005c VFT_CFG_TYPE 32 RW
    1:0   TYPE

0x100060 VFT_CFG 32 RW
    5:0   FUNCTION
    6     ALG

0x100064 VFT_CFG_DATA_L 32 RW
0x100068 VFT_CFG_DATA_H 32 RW
    31:0  VALUE

0x10006c VFT_CFG_RDY 32 RW reset=1
    0     READY

0x1000dc REVISION_ID 32 RO reset=0x30
    7:0   VERSION

0x100118 DFX_CNT_CLR_CE 32 RW
    0     CLEAR

0x100128 IFC_READY_STATUS 64 RO
    63:0  VFS

0x100130 IFC_INT_SET_P 32 RW
    0     SET

0x100134 IFC_INT_CFG 32 RW
    6:0   VF

0x100138 IFC_INT_SOURCE_P 64 W1C
    63:0  VFS

0x100158 QUE_NUM_CAP 32 RO reset=0x00004008     # (N << 11) | N with the 8 queues of 6.3
    10:0  TOTAL
    21:11 FUNCTION

0x1040e4 IN_IDLE_ST 32 RO reset=1
    0     IDLE

0x300000 MASTER_GLOBAL_CTRL 32 RW
    0     SHUTDOWN

0x300150 TRANS_RETURN 32 RO
    0     READS
    1     WRITES
"""

STORAGE = """
0x100050 CACHE_CTL 32 RW            # 2.3
0x100074 DB_TIMEOUT_CFG 32 RW
0x100088 ARUSER_M_CFG_1 32 RW
0x100090 ARUSER_M_CFG_ENABLE 32 RW
0x100098 AWUSER_M_CFG_1 32 RW
0x1000a0 AWUSER_M_CFG_ENABLE 32 RW
0x1000a8 WUSER_M_CFG_ENABLE 32 RW
0x1000ac AXI_M_CFG 32 RW
0x1000b0 AXI_M_CFG_ENABLE 32 RW
0x1000cc PEH_AXUSER_CFG 32 RW
0x1000d0 PEH_AXUSER_CFG_ENABLE 32 RW
0x1000d8 PEH_VENDOR_ID 32 RW
0x1000ec RAS_CE_ENABLE 32 RW
0x1000f0 RAS_FE_ENABLE 32 RW
0x1000f4 RAS_NFE_ENABLE 32 RW
0x1000f8 RAS_CE_THRESHOLD 32 RW
0x100148 PM_CTRL 32 RW
0x100164 SHAPER_CFG 32 RW
0x104010 MB_CNT_VF 32 RW
0x104020 DB_CNT_VF 32 RW
0x104030 SQE_CNT_VF_SQN 32 RW
0x104040 CQE_CNT_VF_SQN 32 RW
0x1040f8 OOO_SHUTDOWN_SEL 32 RW
0x300014 CFG_SINGLE_PORT_MAX_TRANS 32 RW
0x100070 TIMEOUT_CFG 32 RO
0x100078 FLR_PENDING_TIME_CFG 32 RO
0x1000fc PEH_DFX_INFO0 32 RO
0x100100 PEH_DFX_INFO1 32 RO
0x104000 ECC_1BIT_CNT 32 RO         # 2.9
0x104008 ECC_MBIT_CNT 32 RO
0x104018 MB_CNT 32 RO
0x104028 DB_CNT 32 RO
0x104038 SQE_CNT 32 RO
0x104048 CQE_CNT 32 RO
0x104050 SEND_SQE_TO_ACC_CNT 32 RO
0x104058 WB_SQE_FROM_ACC_CNT 32 RO
0x104060 ACC_FINISH_CNT 32 RO
0x1040b4 CQE_ERR_CNT 32 RO
    31:0  VALUE
"""

SEC = """
0x301000 SEC_CORE_INT_MASK 32 RW    # 5.2
0x301008 SEC_CORE_INT_STATUS 32 RO
0x301010 SEC_CORE_INT_SOURCE 32 W1C
    0     axi_read
    1     axi_write
    2     ecc_2bit
    3     ecc_1bit
    4     trng_timeout
    5     fsm_heartbeat
    6     channel_rng_timeout
    7     bd_error
    8     chain_buffer
    14    secure_access
    15    key_unwrap
    16    km_crc
    17    axi_poison
    18    sva_error

0x301014 SEC_OOO_SHUTDOWN_SEL 32 RW         # 4.1 step 16
0x301050 SEC_RAS_CE 32 RW
0x301054 SEC_RAS_FE 32 RW
0x301058 SEC_RAS_NFE 32 RW
0x301120 SEC_CNT_CLR_CE 32 RW               # 4.1 step 17
0x301130 SEC_PREFETCH_CFG 32 RW             # 6.1
0x30121c SEC_DYNAMIC_GATE 32 RW
0x301220 SEC_INTERFACE_USER_CTRL0 32 RW
0x301224 SEC_INTERFACE_USER_CTRL1 32 RW
0x301270 SEC_SAA_EN 32 RW
0x301380 SEC_BD_ERR_CHK0 32 RW
0x301384 SEC_BD_ERR_CHK1 32 RW
0x30138c SEC_BD_ERR_CHK3 32 RW
0x301508 SEC_SINGLE_PORT 32 RW
0x30212c SEC_CORE_AUTO_GATE 32 RW
0x302220 SEC_INTERFACE_USER_CTRL0_V3 32 RW
0x302224 SEC_INTERFACE_USER_CTRL1_V3 32 RW
    31:0  VALUE

0x301100 SEC_MEM_START_INIT 32 WO
    0     START

0x301104 SEC_MEM_INIT_DONE 32 RO
    0     DONE

0x301200 SEC_CONTROL 32 RW
    0     big_endian
    1     bus_32bit
    2     reserved_2
    3     clock_gate
    7:4   reserved_7_4
    8     trng
    11:9  reserved_11_9
    12    axi_shutdown
    31:13 reserved_31_13

0x3124 QM_NFE_MASK_CAP 32 RO        # 6.2, all RAS masks 0 (1.5)
0x3128 QM_RESET_MASK_CAP 32 RO
0x312c QM_CE_MASK_CAP 32 RO
0x3130 SEC_NFE_MASK_CAP 32 RO
0x3134 SEC_RESET_MASK_CAP 32 RO
0x3138 SEC_CE_MASK_CAP 32 RO
0x3148 DRV_ALG_HIGH_CAP 32 RO
0x3150 DEV_ALG_HIGH_CAP 32 RO
0x3158 CORE1_ALG_HIGH_CAP 32 RO
0x315c CORE2_ALG_LOW_CAP 32 RO
0x3160 CORE2_ALG_HIGH_CAP 32 RO
0x3164 CORE3_ALG_LOW_CAP 32 RO
0x3168 CORE3_ALG_HIGH_CAP 32 RO
0x316c CORE4_ALG_LOW_CAP 32 RO
0x3170 CORE4_ALG_HIGH_CAP 32 RO
    31:0  VALUE

0x313c CORE_INFO_CAP 32 RO reset=?  # our own engine: see OUR_ENGINE
    7:0   CORES_PER_CLUSTER
    15:8  CORES
    19:16 CORE_TYPES
    23:20 CLUSTERS

0x3140 CORE_EN_CAP 32 RO reset=?
0x3154 CORE1_ALG_LOW_CAP 32 RO reset=?
    31:0  VALUE

0x3144 DRV_ALG_LOW_CAP 32 RO reset=?        # our own engine
0x314c DEV_ALG_LOW_CAP 32 RO reset=?
    0     ecb_aes
    1     cbc_aes
    2     ctr_aes
    3     xts_aes
    31:4  others
"""

CONFIG = """
0x00 PCI_ID 32 RO reset=a25519e5    # 1.1
    15:0  VENDOR
    31:16 DEVICE

0x04 PCI_COMMAND 32 RW reset=100006 # PCI: command in the low half, status in the high half
    1     MEMORY
    2     MASTER
    10    INTX_DISABLE
    20    CAPABILITIES

0x08 PCI_CLASS 32 RO reset=10000030 # 1.1
    @0 7:0   REVISION
    @1 23:0  CODE

0x18 PCI_BAR2 32 RW reset=4         # 1.2: 64-bit, so two words each
0x20 PCI_BAR4 32 RW reset=4
    3:0   TYPE
    31:4  ADDRESS

0x1c PCI_BAR3 32 RW
0x24 PCI_BAR5 32 RW
    31:0  ADDRESS

0x34 PCI_CAPABILITIES 32 RO reset=40
    7:0   POINTER

0x40 PCIE_CAP 32 RO reset=27c10     # PCI Express capability: id 0x10
    @0 7:0   ID
    @1 7:0   NEXT
    @2 3:0   VERSION
    @2 7:4   PORT_TYPE

0x44 PCIE_DEVCAP 32 RO reset=10000000
    28    FLR

0x48 PCIE_DEVCTL 32 RW
    14:0  SETTINGS
    15    FLR
    @2 5  PENDING

0x7c MSI_CONTROL 32 RW reset=1840005        # MSI capability: id 5, 1.3
    @0 7:0   ID
    @1 7:0   NEXT
    @2 0     ENABLE
    @2 3:1   ASKED
    @2 6:4   GIVEN
    @2 7     ADDR64
    @2 8     MASKING

0x80 MSI_ADDRESS 32 RW
    31:2  ADDRESS

0x84 MSI_ADDRESS_HIGH 32 RW
    31:0  ADDRESS

0x88 MSI_DATA 32 RW
    15:0  DATA

0x8c MSI_MASK 32 RW                 # capability + 0x10
    3:0   VECTORS

0x90 MSI_PENDING 32 RO              # capability + 0x14
    3:0   VECTORS

0x100 PASID_CAP 32 RO reset=1001b   # extended capability 0x1b, version 1
    15:0  ID
    19:16 VERSION
    31:20 NEXT

0x104 PASID_CONTROL 32 RW reset=1000        # 16 bits, as SQC and CQC hold
    12:8  WIDTH
    16    ENABLE
"""

LAYOUTS = {
    "spec.qm.config": CONFIG,
    "spec.qm.function": FUNCTION,
    "spec.qm.device": DEVICE,
    "spec.qm.storage": STORAGE,
    "spec.sec.registers": SEC,
}

# Capabilities that say what our accelerator is: one core; ecb, cbc and ctr of AES (6.2)
OUR_ENGINE = {
    "CORE_INFO_CAP": {"CORES_PER_CLUSTER": 1, "CORES": 1, "CORE_TYPES": 1, "CLUSTERS": 1},
    "CORE_EN_CAP": {"VALUE": 1},
    "CORE1_ALG_LOW_CAP": {"VALUE": 0b111},
    "DRV_ALG_LOW_CAP": {"ecb_aes": 1, "cbc_aes": 1, "ctr_aes": 1, "xts_aes": 0, "others": 0},
    "DEV_ALG_LOW_CAP": {"ecb_aes": 1, "cbc_aes": 1, "ctr_aes": 1, "xts_aes": 0, "others": 0},
}

# Offsets the reference names that must stay unimplemented: they read 0 and ignore writes (1.2)
READS_ZERO = {
    0x320: "V4 messages", 0x380: "V4 messages", 0x340: "V1 doorbell",
    0x1100: "V5 channel usage", 0x1C00: "EQC image, migration", 0x1C20: "AEQC image, migration",
    0x100120: "AXI timeout, debug", 0x100124: "AXI timeout, debug",
    0x100144: "CQE aggregation timeout, debug", 0x100198: "migration region, above V3",
    0x100250: "doorbell drop, V5", 0x100280: "function AXI error, V5",
    0x1040FC: "RAS MSI select, debug", 0x30001C: "port write enable, V2",
    0x300100: "port status, debug", 0x300104: "ROB ECC status, V2",
    0x300154: "debug", 0x300158: "debug", 0x300180: "debug", 0x300184: "debug",
    0x301C14: "ECC SRAM number", 0x301EC4: "prefetch state, cap b14", 0x301ED4: "prefetch state",
    0x302DA8: "last offset read at probe",
}
