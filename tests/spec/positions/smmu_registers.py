"""SMMUv3 registers: offsets (1.2), fields (1.3 to 1.11), performance monitors (1.12)."""

IDENT = """
0x000 IDR0 32 RO            # 1.3
    0     S2P
    1     S1P
    3:2   TTF:TTF
    4     COHACC
    5     BTM
    7:6   HTTU:HTTU
    8     DORMHINT
    9     HYP
    10    ATS
    11    NS1ATS
    12    ASID16
    13    MSI
    14    SEV
    15    ATOS
    16    PRI
    17    VMW
    18    VMID16
    19    CD2L
    20    VATOS
    22:21 TTENDIAN:TTENDIAN
    23    ATSRECERR
    25:24 STALL_MODEL:StallModel
    26    TERM_MODEL
    28:27 ST_LEVEL
    30    RME_IMPL

0x004 IDR1 32 RO
    5:0   SIDSIZE
    10:6  SSIDSIZE
    15:11 PRIQS
    20:16 EVENTQS
    25:21 CMDQS
    26    ATTR_PERMS_OVR
    27    ATTR_TYPES_OVR
    28    REL
    29    QUEUES_PRESET
    30    TABLES_PRESET
    31    ECMDQ

0x008 IDR2 32 RO
    9:0   BA_VATOS

0x00C IDR3 32 RO
    2     HAD
    3     PBHA
    4     XNX
    5     PPS
    7     MPAM
    8     FWB
    9     STT
    10    RIL
    12:11 BBML
    13    E0PD
    14    PTWNNC
    15    DPT
    16    PASIDTT
    17    EPAN
    18    S1PI
    19    S2PI
    20    S2PO
    21    THE
    22    MTEPERM
    23    AIE

0x010 IDR4 32 RO
    31:0  IMPDEF

0x014 IDR5 32 RO
    2:0   OAS:SizeCode
    4     GRAN4K
    5     GRAN16K
    6     GRAN64K
    7     DS
    8     D128
    11:10 VAX
    31:16 STALL_MAX

0x018 IIDR 32 RO
    11:0  Implementer
    15:12 Revision
    19:16 Variant
    31:20 ProductID

0x01C AIDR 32 RO
    3:0   ArchMinorRev
    7:4   ArchMajorRev

0x190 IDR6 32 RO needs=ECMDQ
    31:0  VALUE

0xFD0 PIDR4 32 RO
0xFD4 PIDR5 32 RO
0xFD8 PIDR6 32 RO
0xFDC PIDR7 32 RO
0xFE0 PIDR0 32 RO
0xFE4 PIDR1 32 RO
0xFE8 PIDR2 32 RO
0xFEC PIDR3 32 RO
0xFF0 CIDR0 32 RO reset=0x0D
0xFF4 CIDR1 32 RO reset=0xF0
0xFF8 CIDR2 32 RO reset=0x05
0xFFC CIDR3 32 RO reset=0xB1
    7:0   VALUE
"""

CONTROL = """
0x020 CR0 32 RWA            # 1.4
0x024 CR0ACK 32 RO
    0     SMMUEN
    1     PRIQEN if=PRI
    2     EVENTQEN
    3     CMDQEN
    4     ATSCHK if=ATS
    8:6   VMW if=VMW
    10    DPT_WALK_EN if=DPT

0x028 CR1 32 RW guard=SMMUEN=0,CMDQEN=0,EVENTQEN=0,PRIQEN=0     # 1.5
    1:0   QUEUE_IC:TableCacheability
    3:2   QUEUE_OC:TableCacheability
    5:4   QUEUE_SH:Shareability
    7:6   TABLE_IC:TableCacheability
    9:8   TABLE_OC:TableCacheability
    11:10 TABLE_SH:Shareability

0x02C CR2 32 RW guard=SMMUEN=0
    0     E2H if=HYP
    1     RECINVSID
    2     PTM if=BTM
    3     REC_CFG_ATS if=ATSRECERR

0x030 S2PII 64 RW needs=S2PI
    63:0  VALUE

0x040 STATUSR 32 RO
    0     DORMANT if=DORMHINT

0x044 GBPA 32 RW reset=0x00001000 guard=Update=0        # 1.6
    3:0   MemAttr
    4     MTCFG
    11:8  ALLOCCFG
    13:12 SHCFG:ShareabilityOverride
    17:16 PRIVCFG:PrivilegeOverride
    19:18 INSTCFG:InstructionOverride
    20    ABORT
    31    Update

0x048 AGBPA 32 RW
    31:0  IMPDEF

0x050 IRQ_CTRL 32 RWA       # 1.7
0x054 IRQ_CTRLACK 32 RO
    0     GERROR_IRQEN
    1     PRIQ_IRQEN if=PRI
    2     EVENTQ_IRQEN

0x060 GERROR 32 RO          # 1.8
0x064 GERRORN 32 RW
    0     CMDQ_ERR
    2     EVENTQ_ABT_ERR
    3     PRIQ_ABT_ERR
    4     MSI_CMDQ_ABT_ERR
    5     MSI_EVENTQ_ABT_ERR
    6     MSI_PRIQ_ABT_ERR
    7     MSI_GERROR_ABT_ERR
    8     SFM_ERR
    9     CMDQP_ERR
    10    DPT_ERR

0x130 MPAMIDR 32 RO needs=MPAM      # access of the out-of-scope registers is not in the reference
0x138 GMPAM 32 RW needs=MPAM
0x13C GBPMPAM 32 RW needs=MPAM
0x180 VATOS_SEL 32 RW needs=VATOS
0x208 DPT_BASE_CFG 32 RW needs=DPT
    31:0  VALUE

0x200 DPT_BASE 64 RW needs=DPT
0x210 DPT_CFG_FAR 64 RW needs=DPT
    63:0  VALUE
"""

QUEUES = """
0x068 GERROR_IRQ_CFG0 64 RW needs=MSI guard=GERROR_IRQEN=0      # 1.9
0x0B0 EVENTQ_IRQ_CFG0 64 RW needs=MSI guard=EVENTQ_IRQEN=0
0x0D0 PRIQ_IRQ_CFG0 64 RW needs=MSI,PRI guard=PRIQ_IRQEN=0
    51:2  ADDR addr

0x070 GERROR_IRQ_CFG1 32 RW needs=MSI guard=GERROR_IRQEN=0
0x0B8 EVENTQ_IRQ_CFG1 32 RW needs=MSI guard=EVENTQ_IRQEN=0
0x0D8 PRIQ_IRQ_CFG1 32 RW needs=MSI,PRI guard=PRIQ_IRQEN=0
    31:0  DATA

0x074 GERROR_IRQ_CFG2 32 RW needs=MSI guard=GERROR_IRQEN=0
0x0BC EVENTQ_IRQ_CFG2 32 RW needs=MSI guard=EVENTQ_IRQEN=0
    3:0   MemAttr
    5:4   SH:Shareability

0x0DC PRIQ_IRQ_CFG2 32 RW needs=PRI guard=PRIQ_IRQEN=0
    3:0   MemAttr if=MSI
    5:4   SH:Shareability if=MSI
    31    LO

0x080 STRTAB_BASE 64 RW guard=SMMUEN=0,TABLES_PRESET=0          # 1.10
    51:6  ADDR addr
    62    RA

0x088 STRTAB_BASE_CFG 32 RW guard=SMMUEN=0,TABLES_PRESET=0
    5:0   LOG2SIZE
    10:6  SPLIT if=ST_LEVEL
    17:16 FMT:StrtabFmt if=ST_LEVEL

0x090 CMDQ_BASE 64 RW guard=CMDQEN=0,QUEUES_PRESET=0
    4:0   LOG2SIZE
    51:5  ADDR addr
    62    RA

0x098 CMDQ_PROD 32 RW
    19:0  WR

0x09C CMDQ_CONS 32 RW guard=CMDQEN=0
    19:0  RD
    30:24 ERR:CommandError

0x0A0 EVENTQ_BASE 64 RW guard=EVENTQEN=0,QUEUES_PRESET=0
0x0C0 PRIQ_BASE 64 RW needs=PRI guard=PRIQEN=0,QUEUES_PRESET=0
    4:0   LOG2SIZE
    51:5  ADDR addr
    62    WA

0x100A8 EVENTQ_PROD 32 RW guard=EVENTQEN=0
0x100C8 PRIQ_PROD 32 RW needs=PRI guard=PRIQEN=0
    19:0  WR
    31    OVFLG

0x100AC EVENTQ_CONS 32 RW
0x100CC PRIQ_CONS 32 RW needs=PRI
    19:0  RD
    31    OVACKFLG
"""

GATOS = """
0x100 GATOS_CTRL 32 RW needs=ATOS guard=SMMUEN=1,RUN=0          # 1.11
    0     RUN

0x108 GATOS_SID 64 RW needs=ATOS guard=RUN=0
    31:0  STREAMID
    51:32 SUBSTREAMID
    52    SSID_VALID

0x110 GATOS_ADDR 64 RW needs=ATOS guard=RUN=0
    6     HTTUI
    7     InD
    8     RnW
    9     PnU
    11:10 TYPE:GatosType
    63:12 ADDR addr

0x118 GATOS_PAR 64 RO needs=ATOS
    0     FAULT
    9:8   SH
    11    Size
    51:12 ADDR addr
    63:56 ATTR

GATOS_PAR_FAULT 64
    0     FAULT
    2:1   REASON:GatosReason
    11:4  FAULTCODE
    51:12 FADDR addr
    63:60 IMPDEF
"""

PMCG = """
0xC00 CNTENSET0 64 RW       # W1S
0xC20 CNTENCLR0 64 W1C
0xC40 INTENSET0 64 RW       # W1S
0xC60 INTENCLR0 64 W1C
0xC80 OVSCLR0 64 W1C
0xCC0 OVSSET0 64 RW         # W1S
    63:0  COUNTERS

EVTYPER 32
    15:0  EVENT:PmcgEvent
    29    FILTER_SID_SPAN
    30    FILTER_SEC_SID
    31    OVFCAP

SMR 32
    31:0  STREAMID

0xD88 CAPR 32 WO
    0     CAPTURE

0xDF8 SCR 32 RW
    31:0  VALUE

0xE00 CFGR 32 RO
    5:0   NCTR
    13:8  SIZE
    20    RELOC_CTRS
    21    MSI
    22    CAPTURE
    23    SID_FILTER_TYPE
    24    MPAM
    25    FILTER_PARTID_PMG

0xE04 CR 32 RW
    0     E

0xE08 PMCG_IIDR 32 RO
    11:0  Implementer
    15:12 Revision
    19:16 Variant
    31:20 ProductID

0xE20 CEID0 64 RO
0xE28 CEID1 64 RO
    63:0  EVENTS

0xE50 PMCG_IRQ_CTRL 32 RWA
0xE54 PMCG_IRQ_CTRLACK 32 RO
    0     IRQEN

0xE58 PMCG_IRQ_CFG0 64 RW
    51:2  ADDR addr

0xE60 PMCG_IRQ_CFG1 32 RW
    31:0  DATA

0xE64 PMCG_IRQ_CFG2 32 RW
    3:0   MemAttr
    5:4   SH

0xE68 PMCG_IRQ_STATUS 32 RO
    0     IRQ_ABT

0xE70 PMCG_AIDR 32 RO
    3:0   ArchMinorRev
    7:4   ArchMajorRev

0xFBC PMDEVARCH 32 RO reset=0x47702A56
0xFCC PMDEVTYPE 32 RO reset=0x56
    31:0  VALUE
"""

LAYOUTS = {
    "spec.registers.ident": IDENT,
    "spec.registers.control": CONTROL,
    "spec.registers.queues": QUEUES,
    "spec.registers.gatos": GATOS,
    "spec.pmcg": PMCG,
}
