"""SMMUv3 event records (5) and commands (6)."""

EVENT = """
    w0 7:0     TYPE:EventType
    w1 31:0    StreamID"""

EVENT_SUBSTREAM = """
    w0 11      SSV
    w0 31:12   SubstreamID"""

REASON = """
    w2 15:0    Reason"""

WIDE_REASON = """
    w2 31:0    Reason"""

GPCF = """
    w2 16      GPCF"""

STALL = """
    w2 15:0    STAG
    w2 31      Stall"""

ACCESS = """
    w3 1       PnU
    w3 2       InD
    w3 3       RnW"""

CLASS = """
    w3 6       NSIPA
    w3 7       S2
    w3 9:8     CLASS:FaultClass"""

INPUT_ADDRESS = """
    dw2 63:0   InputAddr"""

INPUT_PAGE = """
    dw2 63:12  InputAddr addr"""

IPA = """
    dw3 51:12  IPA addr"""

FETCH_ADDRESS = """
    dw3 51:3   FetchAddr addr"""

EVENTS = f"""
Event 256
{EVENT}

0x01 F_UUT 256
{EVENT}{EVENT_SUBSTREAM}{REASON}{ACCESS}{INPUT_ADDRESS}

0x02 C_BAD_STREAMID 256
0x04 C_BAD_STE 256
0x0A C_BAD_CD 256
{EVENT}{EVENT_SUBSTREAM}

0x03 F_STE_FETCH 256
0x09 F_CD_FETCH 256
0x25 F_VMS_FETCH 256
{EVENT}{EVENT_SUBSTREAM}{REASON}{GPCF}{FETCH_ADDRESS}

0x05 F_BAD_ATS_TREQ 256
{EVENT}{EVENT_SUBSTREAM}{INPUT_PAGE}
    w2 3:0     Span
    w2 28      Priv
    w2 29      Exec
    w2 30      Write
    w2 31      Read

0x06 F_STREAM_DISABLED 256
{EVENT}

0x07 F_TRANSL_FORBIDDEN 256
{EVENT}{INPUT_ADDRESS}
    w3 3       RnW

0x08 C_BAD_SUBSTREAMID 256
{EVENT}
    w0 31:12   SubstreamID

0x0B F_WALK_EABT 256
{EVENT}{EVENT_SUBSTREAM}{REASON}{GPCF}{ACCESS}{CLASS}{INPUT_ADDRESS}{FETCH_ADDRESS}

0x10 F_TRANSLATION 256
0x11 F_ADDR_SIZE 256
0x12 F_ACCESS 256
{EVENT}{EVENT_SUBSTREAM}{STALL}{ACCESS}{CLASS}{INPUT_ADDRESS}{IPA}

0x13 F_PERMISSION 256
{EVENT}{EVENT_SUBSTREAM}{STALL}{ACCESS}{CLASS}{INPUT_ADDRESS}{IPA}
    w3 10      DirtyBit
    w3 11      AssuredOnly
    w3 12      TTRnW
    w3 13      Overlay

0x20 F_TLB_CONFLICT 256
{EVENT}{EVENT_SUBSTREAM}{WIDE_REASON}{ACCESS}{CLASS}{INPUT_ADDRESS}{IPA}

0x21 F_CFG_CONFLICT 256
{EVENT}{EVENT_SUBSTREAM}{WIDE_REASON}

0x24 E_PAGE_REQUEST 256
{EVENT}{EVENT_SUBSTREAM}{INPUT_PAGE}
    w3 1       uX
    w3 2       uW
    w3 3       uR
    w3 5       pX
    w3 6       pW
    w3 7       pR
    w3 19:12   Span
"""

OPCODE = """
    dw0 7:0    Opcode:Opcode"""

SECURE_STREAM = """
    dw0 10     SSec"""

STREAM = """
    dw0 63:32  StreamID"""

SUBSTREAM = """
    dw0 11     SSV
    dw0 31:12  SubstreamID"""

VMID = """
    dw0 47:32  VMID if=S2P"""

ASID = """
    dw0 63:48  ASID"""

LEAF = """
    dw1 0      Leaf"""

RANGE = f"""
    dw0 16:12  NUM if=RIL
    dw0 25:20  SCALE if=RIL
    dw1 7      TTL128
    dw1 9:8    TTL if=RIL
    dw1 11:10  TG:TGCode if=RIL
{LEAF}"""

VA = """
    dw1 63:12  VA addr"""

ADDRESS = """
    dw1 63:12  Addr addr"""

COMMANDS = f"""
Command 128
{OPCODE}

0x01 PREFETCH_CONFIG 128
{OPCODE}{SECURE_STREAM}{STREAM}{SUBSTREAM}

0x02 PREFETCH_ADDR 128
{OPCODE}{SECURE_STREAM}{STREAM}{SUBSTREAM}{ADDRESS}
    dw1 4:0    Size
    dw1 9:5    Stride
    dw1 11     NS

0x03 CFGI_STE 128
{OPCODE}{SECURE_STREAM}{STREAM}{LEAF}

0x04 CFGI_STE_RANGE 128
{OPCODE}{SECURE_STREAM}{STREAM}
    dw1 4:0    Range

0x05 CFGI_CD 128 needs=S1P
{OPCODE}{SECURE_STREAM}{STREAM}{SUBSTREAM}{LEAF}

0x06 CFGI_CD_ALL 128 needs=S1P
0x45 STALL_TERM 128
{OPCODE}{SECURE_STREAM}{STREAM}

0x07 CFGI_VMS_PIDM 128 needs=MPAM
{OPCODE}{SECURE_STREAM}{VMID}

0x10 TLBI_NH_ALL 128 needs=S1P
0x28 TLBI_S12_VMALL 128 needs=S2P
{OPCODE}{VMID}

0x11 TLBI_NH_ASID 128 needs=S1P
{OPCODE}{VMID}{ASID}

0x12 TLBI_NH_VA 128 needs=S1P
{OPCODE}{VMID}{ASID}{RANGE}{VA}

0x13 TLBI_NH_VAA 128 needs=S1P
{OPCODE}{VMID}{RANGE}{VA}

0x18 TLBI_EL3_ALL 128 secure
{OPCODE}

0x1A TLBI_EL3_VA 128 secure
0x23 TLBI_EL2_VAA 128 needs=HYP
{OPCODE}{RANGE}{VA}

0x20 TLBI_EL2_ALL 128 needs=HYP
0x30 TLBI_NSNH_ALL 128
0x70 DPTI_ALL 128 needs=DPT
0x73 DPTI_PA 128 needs=DPT
{OPCODE}

0x21 TLBI_EL2_ASID 128 needs=HYP
{OPCODE}{ASID}

0x22 TLBI_EL2_VA 128 needs=HYP
{OPCODE}{ASID}{RANGE}{VA}

0x2A TLBI_S2_IPA 128 needs=S2P
{OPCODE}{VMID}{RANGE}
    dw1 51:12  IPA addr

0x40 ATC_INV 128 needs=ATS
{OPCODE}{STREAM}{SUBSTREAM}{ADDRESS}
    dw0 9      Global
    dw1 5:0    Size

0x41 PRI_RESP 128 needs=PRI
{OPCODE}{STREAM}{SUBSTREAM}
    dw1 8:0    PRGIndex
    dw1 13:12  Resp:PriResponse

0x44 RESUME 128
{OPCODE}{SECURE_STREAM}{STREAM}
    dw0 12     Ac
    dw0 13     Ab
    dw1 15:0   STAG

0x46 SYNC 128
{OPCODE}
    dw0 13:12  CS:SyncCS
    dw0 23:22  MSH:Shareability
    dw0 27:24  MSIAttr
    dw0 63:32  MSIData
    dw1 51:2   MSIAddr addr
    dw1 63     MSI_NS
"""

LAYOUTS = {
    "spec.events": EVENTS,
    "spec.commands": COMMANDS,
}
