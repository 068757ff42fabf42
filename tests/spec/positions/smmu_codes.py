"""SMMUv3 codes and constants: enumerations, granules, sizes, levels, attribute bytes."""

ENUMS = {
    # 1.3
    "TTF": "AARCH32=1 AARCH64=2 BOTH=3",
    "HTTU": "NONE=0 ACCESS=1 DIRTY=2 TABLE=3",
    "TTENDIAN": "MIXED=0 LITTLE=2 BIG=3",
    "StallModel": "BOTH=0 TERMINATE=1 STALL=2",
    "SizeCode": "B32=0 B36=1 B40=2 B42=3 B44=4 B48=5 B52=6",
    # 1.5, 1.6
    "TableCacheability": "NC=0 WB=1 WT=2",
    "Shareability": "NON=0 OUTER=2 INNER=3",
    "ShareabilityOverride": "NON=0 INCOMING=1 OUTER=2 INNER=3",
    "PrivilegeOverride": "INCOMING=0 UNPRIVILEGED=2 PRIVILEGED=3",
    "InstructionOverride": "INCOMING=0 DATA=2 INSTRUCTION=3",
    # 1.10, 1.11, 1.12
    "StrtabFmt": "LINEAR=0 TWO_LEVEL=1",
    "GatosType": "VA_TO_IPA=1 IPA_TO_PA=2 VA_TO_PA=3",
    "GatosFault": "INTERNAL_ERR=0xFD INV_STAGE=0xFE INV_REQ=0xFF",
    "GatosReason": "STAGE1_OR_OTHER=0 S2_CD=1 S2_TT=2 S2_IN=3",
    "PmcgEvent": "CYCLES=0 TRANSACTIONS=1 TLB_MISSES=2 CONFIG_MISSES=3 WALK_ACCESSES=4 "
                 "CONFIG_ACCESSES=5 ATS_REQUESTS=6 ATS_TRANSLATED=7",
    # 2.3 to 2.6
    "SteConfig": "ABORT=0 BYPASS=4 S1=5 S2=6 NESTED=7",
    "SteS1Fmt": "LINEAR=0 L2_4K=1 L2_64K=2",
    "SteS1DSS": "TERMINATE=0 BYPASS=1 SSID0=2",
    "FetchCacheability": "NC=0 WB_RA=1 WT_RA=2 WB=3",
    "SteEATS": "DENIED=0 FULL=1 SPLIT=2 FULL_DPT=3",
    "SteSTRW": "NS_EL1=0 NS_EL2=2",
    "WalkCacheability": "NC=0 WB_RA_WA=1 WT_RA=2 WB_RA=3",
    "TG0Code": "G4K=0 G64K=1 G16K=2",
    "MemAttr": "DEVICE_nGnRnE=0 DEVICE_nGnRE=1 DEVICE_nGRE=2 DEVICE_GRE=3 NC=0x5 WT=0xA WB=0xF",
    "FwbMemAttr": "NORMAL_NC=0b0101 NORMAL_WB=0b0110 STAGE1=0b0111",
    # 3.2
    "TG1Code": "G16K=1 G4K=2 G64K=3",
    # 4.6, 4.7, 4.10
    "DescriptorType": "INVALID=0 BLOCK=1 TABLE_OR_PAGE=3",
    "AP": "PRIV_RW=0 RW=1 PRIV_RO=2 RO=3",
    "S2AP": "NONE=0 READ=1 WRITE=2 RW=3",
    "S2XN": "ALL=0 UNPRIV_ONLY=1 NONE=2 PRIV_ONLY=3",
    "S2SL0Code": "LOWEST=0 MIDDLE=1 HIGHEST=2 STT=3",
    "Mair": "DEVICE_nGnRnE=0x00 DEVICE_nGnRE=0x04 DEVICE_nGRE=0x08 DEVICE_GRE=0x0C "
            "NC=0x44 WT=0xBB WB=0xFF",
    # 5
    "EventType": "F_UUT=0x01 C_BAD_STREAMID=0x02 F_STE_FETCH=0x03 C_BAD_STE=0x04 "
                 "F_BAD_ATS_TREQ=0x05 F_STREAM_DISABLED=0x06 F_TRANSL_FORBIDDEN=0x07 "
                 "C_BAD_SUBSTREAMID=0x08 F_CD_FETCH=0x09 C_BAD_CD=0x0A F_WALK_EABT=0x0B "
                 "F_TRANSLATION=0x10 F_ADDR_SIZE=0x11 F_ACCESS=0x12 F_PERMISSION=0x13 "
                 "F_TLB_CONFLICT=0x20 F_CFG_CONFLICT=0x21 E_PAGE_REQUEST=0x24 F_VMS_FETCH=0x25",
    "FaultClass": "CD=0 TT=1 IN=2",
    # 6
    "Opcode": "PREFETCH_CONFIG=0x01 PREFETCH_ADDR=0x02 CFGI_STE=0x03 CFGI_STE_RANGE=0x04 "
              "CFGI_CD=0x05 CFGI_CD_ALL=0x06 CFGI_VMS_PIDM=0x07 TLBI_NH_ALL=0x10 "
              "TLBI_NH_ASID=0x11 TLBI_NH_VA=0x12 TLBI_NH_VAA=0x13 TLBI_EL3_ALL=0x18 "
              "TLBI_EL3_VA=0x1A TLBI_EL2_ALL=0x20 TLBI_EL2_ASID=0x21 TLBI_EL2_VA=0x22 "
              "TLBI_EL2_VAA=0x23 TLBI_S12_VMALL=0x28 TLBI_S2_IPA=0x2A TLBI_NSNH_ALL=0x30 "
              "ATC_INV=0x40 PRI_RESP=0x41 RESUME=0x44 STALL_TERM=0x45 SYNC=0x46 "
              "DPTI_ALL=0x70 DPTI_PA=0x73",
    "TGCode": "SINGLE=0 G4K=1 G16K=2 G64K=3",
    "SyncCS": "NONE=0 IRQ=1 SEV=2",
    "PriResponse": "FAILURE=0 INVALID=1 SUCCESS=2",
    "ResumeAction": "TERMINATE=0 RETRY=1 ABORT=2",
    "CommandError": "CERROR_NONE=0x00 CERROR_ILL=0x01 CERROR_ABT=0x02 CERROR_ATC_INV_SYNC=0x03",
    # 8.4
    "AutoResponse": "SUCCESS=0b0000 FAILURE=0b1111",
}

CONSTANTS = {
    # granule codes: code -> log2 of the bytes, and back (2.5, 3.2, 6.3)
    "TG0_SHIFT": {0: 12, 1: 16, 2: 14},
    "TG1_SHIFT": {1: 14, 2: 12, 3: 16},
    "TG_SHIFT": {1: 12, 2: 14, 3: 16},
    "TG0_CODE": {12: 0, 16: 1, 14: 2},
    "TG1_CODE": {14: 1, 12: 2, 16: 3},
    "TG_CODE": {12: 1, 14: 2, 16: 3},
    "SIZE_BITS": {0: 32, 1: 36, 2: 40, 3: 42, 4: 44, 5: 48, 6: 52},
    "SIZE_CODE": {32: 0, 36: 1, 40: 2, 42: 3, 44: 4, 48: 5, 52: 6},
    # sizes of structures and records
    "STE_BYTES": 64,
    "L1STD_BYTES": 8,
    "CD_BYTES": 64,
    "L1CD_BYTES": 8,
    "DESCRIPTOR_BYTES": 8,
    "EVENT_BYTES": 32,
    "COMMAND_BYTES": 16,
    "PRI_BYTES": 16,
    # 2.2: Span 1..11 are legal; SPLIT 6, 8, 10, all others behave as 6
    "SPAN_MAX": 11,
    "SPLITS": (6, 8, 10),
    "SPLIT_RESERVED": 6,
    # 3.1: S1Fmt -> log2 of the CDs in a leaf
    "CD_LEAF_BITS": {1: 6, 2: 10},
    # 4.6
    "GRANULES": (12, 14, 16),
    "LAST_LEVEL": 3,
    "AP_UNPRIV": 0b01,
    "AP_RO": 0b10,
    "APTABLE_NO_UNPRIV": 0b01,
    "APTABLE_NO_WRITE": 0b10,
    "S2AP_READ": 0b01,
    "S2AP_WRITE": 0b10,
    "S2XN_FORBID": 0b10,  # XN[54] of the pair [54:53]
    "WIDE_TABLE_BYTES": 64,  # 4.6: alignment of a start table with 52-bit IPS or S2PS
    "BLOCK_LEVELS": {12: (1, 2), 14: (2,), 16: (2,)},
    "CONTIGUOUS": {(12, 1): 16, (12, 2): 16, (12, 3): 16, (14, 2): 32, (14, 3): 128,
                   (16, 2): 32, (16, 3): 32},
    # 4.7: S2SL0 0, 1, 2; the smallest OAS for a start level; up to 16 concatenated tables
    "S2_START_LEVEL": {12: (2, 1, 0), 14: (3, 2, 1), 16: (3, 2, 1)},
    "S2_START_OAS": {(12, 0): 44, (14, 1): 42, (16, 1): 44},
    "S2_CONCAT_BITS": 4,
    # 2.6, 4.10: 4-bit MemAttr -> MAIR byte
    "MEMATTR_MAIR": (0x00, 0x04, 0x08, 0x0C, 0x00, 0x44, 0x4B, 0x4F,
                     0x00, 0xB4, 0xBB, 0xBF, 0x00, 0xF4, 0xFB, 0xFF),
    "NORMAL_NC_NIBBLE": 4,
    # 5.2: the types that can stall
    "TRANSLATION_FAULTS": frozenset({0x10, 0x11, 0x12, 0x13}),
    # 6.3
    "STE_RANGE_ALL": 31,
    "ATC_SIZE_ALL": 52,
    # 1.1, 1.12
    "PAGE1": 0x10000,
    "PAGE_SIZE": 0x10000,
    "COUNTERS_MAX": 64,
    "EVCNTR_BASE": 0x000,
    "EVTYPER_BASE": 0x400,
    "SVR_BASE": 0x600,
    "SMR_BASE": 0xA00,
    "EVTYPER_STRIDE": 4,
    "SMR_STRIDE": 4,
    "SIZES": (31, 35, 39, 43, 47, 63),
}

# (granule, bits of the input address) -> start level, both ends of every row of the 4.6 table
START_LEVELS = {
    (12, 40): 0, (12, 48): 0, (12, 31): 1, (12, 39): 1, (12, 22): 2, (12, 30): 2,
    (12, 16): 3, (12, 21): 3,
    (14, 48): 0, (14, 37): 1, (14, 47): 1, (14, 26): 2, (14, 36): 2, (14, 16): 3, (14, 25): 3,
    (16, 43): 1, (16, 48): 1, (16, 52): 1, (16, 30): 2, (16, 42): 2, (16, 17): 3, (16, 29): 3,
}

# (granule, level) -> log2 of the bytes one descriptor maps
SHIFTS = {
    (12, 3): 12, (12, 2): 21, (12, 1): 30, (12, 0): 39,
    (14, 3): 14, (14, 2): 25, (14, 1): 36, (14, 0): 47,
    (16, 3): 16, (16, 2): 29, (16, 1): 42,
}

# MAIR byte as written -> as the SMMU uses it (3.2 reserved codes); a few ordinary ones
MAIR_BYTES = {
    0x00: 0x00, 0x04: 0x04, 0x08: 0x08, 0x0C: 0x0C,
    0x01: 0x00, 0x05: 0x04, 0x0A: 0x08, 0x0F: 0x0C,
    0xF0: 0xF3, 0x40: 0x43, 0x44: 0x44, 0xF4: 0xF4, 0xBB: 0xBB, 0xFF: 0xFF,
}
