"""SMMUv3 configuration structures (2, 3) and translation table descriptors (4.6)."""

STREAM_TABLE = """
L1STD 64                    # 2.2
    4:0        Span
    51:6       L2Ptr addr

STE 512                     # 2.3
    dw0 0      V
    dw0 3:1    Config:SteConfig
    dw0 5:4    S1Fmt:SteS1Fmt
    dw0 51:6   S1ContextPtr addr
    dw0 63:59  S1CDMax

    dw1 1:0    S1DSS:SteS1DSS       # 2.4
    dw1 3:2    S1CIR:FetchCacheability
    dw1 5:4    S1COR:FetchCacheability
    dw1 7:6    S1CSH:Shareability
    dw1 8      S2HWU59
    dw1 9      S2HWU60
    dw1 10     S2HWU61
    dw1 11     S2HWU62
    dw1 12     DRE
    dw1 16:13  CONT
    dw1 17     DCP
    dw1 18     PPAR
    dw1 19     MEV
    dw1 23:20  SW_RESERVED
    dw1 24     S1PIE
    dw1 25     S2FWB
    dw1 26     S1MPAM
    dw1 27     S1STALLD
    dw1 29:28  EATS:SteEATS
    dw1 31:30  STRW:SteSTRW
    dw1 35:32  MemAttr
    dw1 36     MTCFG
    dw1 40:37  ALLOCCFG
    dw1 45:44  SHCFG:ShareabilityOverride
    dw1 47:46  NSCFG
    dw1 49:48  PRIVCFG:PrivilegeOverride
    dw1 51:50  INSTCFG:InstructionOverride
    dw1 63:52  IMPDEF

    dw2 15:0   S2VMID               # 2.5
    dw2 37:32  S2T0SZ
    dw2 39:38  S2SL0:S2SL0Code
    dw2 41:40  S2IR0:WalkCacheability
    dw2 43:42  S2OR0:WalkCacheability
    dw2 45:44  S2SH0:Shareability
    dw2 47:46  S2TG:TG0Code
    dw2 50:48  S2PS:SizeCode
    dw2 51     S2AA64
    dw2 52     S2ENDI
    dw2 53     S2AFFD
    dw2 54     S2PTW
    dw2 55     S2HD
    dw2 56     S2HA
    dw2 57     S2S
    dw2 58     S2R
    dw2 59     S2HAFT
    dw2 60     S2PIE
    dw2 61     S2POE
    dw2 63:62  DPT_VMATCH

    dw3 0      S2NSW
    dw3 1      S2NSA
    dw3 2      S2SL0_2
    dw3 3      S2DS
    dw3 51:4   S2TTB addr

    dw4 31:16  PARTID
    dw4 63:48  MECID
    dw5 7:0    PMG
    dw5 8      MPAM_NS
    dw5 55:12  VMSPtr addr
    dw6 ?      S_S2TTB addr
    dw7 ?      S2POI
"""

CONTEXT = """
L1CD 64                     # 3.1
    0          V
    51:12      L2Ptr addr

CD 512                      # 3.2
    dw0 5:0    T0SZ
    dw0 7:6    TG0:TG0Code
    dw0 9:8    IR0:WalkCacheability
    dw0 11:10  OR0:WalkCacheability
    dw0 13:12  SH0:Shareability
    dw0 14     EPD0
    dw0 15     ENDI
    dw0 21:16  T1SZ
    dw0 23:22  TG1:TG1Code
    dw0 25:24  IR1:WalkCacheability
    dw0 27:26  OR1:WalkCacheability
    dw0 29:28  SH1:Shareability
    dw0 30     EPD1
    dw0 31     V
    dw0 34:32  IPS:SizeCode
    dw0 35     AFFD
    dw0 36     WXN
    dw0 37     UWXN
    dw0 38     TBI0
    dw0 39     TBI1
    dw0 40     PAN
    dw0 41     AA64
    dw0 42     HD
    dw0 43     HA
    dw0 44     S
    dw0 45     R
    dw0 46     A
    dw0 47     ASET
    dw0 63:48  ASID

    dw1 0      NSCFG0
    dw1 1      HAD0
    dw1 2      E0PD0
    dw1 3      HAFT
    dw1 51:4   TTB0 addr
    dw1 58     PnCH
    dw1 59     EPAN
    dw1 60     HWU059
    dw1 61     HWU060
    dw1 62     HWU061
    dw1 63     HWU062

    dw2 0      NSCFG1
    dw2 1      HAD1
    dw2 2      E0PD1
    dw2 3      AIE
    dw2 51:4   TTB1 addr
    dw2 58     DS
    dw2 59     PIE
    dw2 60     HWU159
    dw2 61     HWU160
    dw2 62     HWU161
    dw2 63     HWU162

    dw3 31:0   MAIR0
    dw3 63:32  MAIR1
    dw4 31:0   AMAIR0
    dw4 63:32  AMAIR1
    dw5 31:0   IMPDEF
    dw5 47:32  PARTID
    dw5 55:48  PMG
    dw6 ?      PIIU
    dw7 ?      PIIP
"""

VMSA = """
S1Leaf 64                   # 4.6
    1:0        Type:DescriptorType
    4:2        AttrIndx
    5          NS
    7:6        AP:AP
    9:8        SH:Shareability
    10         AF
    11         nG
    47:12      Address addr
    51         DBM
    52         Contiguous
    53         PXN
    54         UXN
    58:55      Software
    62:59      PBHA

LeafOverlay 64              # 52-bit output with 64 KB granules; nT of block descriptors
    15:12      OA_51_48
    16         nT

S1Table 64
    1:0        Type:DescriptorType
    47:12      Address addr
    59         PXNTable
    60         UXNTable
    62:61      APTable
    63         NSTable

S2Leaf 64
    1:0        Type:DescriptorType
    5:2        MemAttr
    7:6        S2AP:S2AP
    9:8        SH:Shareability
    10         AF
    47:12      Address addr
    51         DBM
    52         Contiguous
    54:53      XN:S2XN
    58:55      Software
    62:59      PBHA

S2Table 64
    1:0        Type:DescriptorType
    47:12      Address addr
"""

PRI = """
PPR 128                     # 8.4
    dw0 31:0   StreamID
    dw0 51:32  SubstreamID
    dw0 58     Priv
    dw0 59     Exec
    dw0 60     Read
    dw0 61     Write
    dw0 62     Last
    dw0 63     SSV
    dw1 8:0    PRGIndex
    dw1 63:12  Addr addr
"""

LAYOUTS = {
    "spec.stream_table": STREAM_TABLE,
    "spec.context": CONTEXT,
    "spec.vmsa": VMSA,
    "spec.pri": PRI,
}
