"""The second table against whole values that the references print: it has typos of its own.

Nothing here reads a position from `spec/`: values are packed by the typed table, and must give the
hexadecimal numbers of smmuv3.md (6.4, 9.2 to 9.4, 12) and qm.md (1.5, 2.2, 5, 6.2).
"""

from itertools import pairwise

import pytest
from positions import (
    grammar,
    qm_registers,
    qm_structures,
    smmu_codes,
    smmu_messages,
    smmu_registers,
    smmu_structures,
)

from spec.impl import PRESETS

TABLES = (smmu_registers, smmu_structures, smmu_messages, qm_registers, qm_structures)
TYPED = {name: layout for table in TABLES for text in table.LAYOUTS.values()
         for name, layout in grammar.parse(text).items()}

DW1 = 64
SMMU_VALUES = [
    # 9.2: what Linux writes while probing
    ("CR1", 0x0D75, {"TABLE_SH": 3, "TABLE_OC": 1, "TABLE_IC": 1,
                     "QUEUE_SH": 3, "QUEUE_OC": 1, "QUEUE_IC": 1}),
    ("CR2", 0x6, {"RECINVSID": 1, "PTM": 1}),
    ("CR2", 0x7, {"RECINVSID": 1, "PTM": 1, "E2H": 1}),
    ("CR0", 0x8, {"CMDQEN": 1}),
    ("CR0", 0xE, {"CMDQEN": 1, "EVENTQEN": 1, "PRIQEN": 1}),
    ("CR0", 0x1D, {"CMDQEN": 1, "EVENTQEN": 1, "ATSCHK": 1, "SMMUEN": 1}),
    ("IRQ_CTRL", 0x5, {"GERROR_IRQEN": 1, "EVENTQ_IRQEN": 1}),
    ("STRTAB_BASE_CFG", 0x0001_0210, {"FMT": 1, "SPLIT": 8, "LOG2SIZE": 16}),
    ("STRTAB_BASE", 1 << 62, {"RA": 1}),
    ("CMDQ_BASE", 1 << 62, {"RA": 1}),
    ("GBPA", 0x1000, {"SHCFG": 1}),
    ("GERROR", 0x1FD, {"CMDQ_ERR": 1, "EVENTQ_ABT_ERR": 1, "PRIQ_ABT_ERR": 1,
                       "MSI_CMDQ_ABT_ERR": 1, "MSI_EVENTQ_ABT_ERR": 1, "MSI_PRIQ_ABT_ERR": 1,
                       "MSI_GERROR_ABT_ERR": 1, "SFM_ERR": 1}),
    ("SYNC", 0x0FC0_2046, {"Opcode": 0x46, "CS": 2, "MSH": 3, "MSIAttr": 0xF}),
    # 9.3: run time
    ("STE", 0x1, {"V": 1}),
    ("STE", 0x9, {"V": 1, "Config": 4}),
    ("STE", 0xD4 << DW1, {"S1CIR": 1, "S1COR": 1, "S1CSH": 3}),
    ("CD", 0x0000_E205_C000_3510, {"T0SZ": 16, "IR0": 1, "OR0": 1, "SH0": 3, "EPD1": 1, "V": 1,
                                   "IPS": 5, "AA64": 1, "R": 1, "A": 1, "ASET": 1}),
    # 9.4: profiles
    ("IDR0", 0x084C_301B, {"S2P": 1, "S1P": 1, "TTF": 2, "COHACC": 1, "ASID16": 1, "MSI": 1,
                           "VMID16": 1, "CD2L": 1, "TTENDIAN": 2, "ST_LEVEL": 1}),
    ("IDR0", 0x0D44_101B, {"S2P": 1, "S1P": 1, "TTF": 2, "COHACC": 1, "ASID16": 1, "VMID16": 1,
                           "TTENDIAN": 2, "STALL_MODEL": 1, "TERM_MODEL": 1, "ST_LEVEL": 1}),
    ("IDR1", 0x0D4A_0410, {"SIDSIZE": 16, "SSIDSIZE": 16, "EVENTQS": 10, "CMDQS": 10,
                           "ATTR_PERMS_OVR": 1, "ATTR_TYPES_OVR": 1}),
    ("IDR1", 0x0273_0010, {"SIDSIZE": 16, "EVENTQS": 19, "CMDQS": 19}),
    ("IDR3", 0x414, {"HAD": 1, "XNX": 1, "RIL": 1}),
    ("IDR3", 0x1404, {"HAD": 1, "RIL": 1, "BBML": 2}),
    ("IDR5", 0x0010_0075, {"STALL_MAX": 16, "GRAN4K": 1, "GRAN16K": 1, "GRAN64K": 1, "OAS": 5}),
    ("IDR5", 0x74, {"GRAN4K": 1, "GRAN16K": 1, "GRAN64K": 1, "OAS": 4}),
    # 12, by number
    ("L1STD", 0x8000_4009, {"L2Ptr": 0x8000_4000 >> 6, "Span": 9}),
    ("STE", 0x8000_0000_8000_102B, {"V": 1, "Config": 5, "S1Fmt": 2, "S1CDMax": 16,
                                    "S1ContextPtr": 0x8000_1000 >> 6}),
    ("STE", 0x1000_00D6 << DW1, {"S1DSS": 2, "S1CIR": 1, "S1COR": 1, "S1CSH": 3, "EATS": 1}),
    ("STE", 0x044A_3558_0000_0003 << 2 * DW1,
     {"S2VMID": 3, "S2T0SZ": 24, "S2SL0": 1, "S2IR0": 1, "S2OR0": 1, "S2SH0": 3, "S2TG": 0,
      "S2PS": 2, "S2AA64": 1, "S2PTW": 1, "S2R": 1}),
    ("CFGI_STE", 1 << DW1 | 0x0000_0123_0000_0003, {"Opcode": 3, "StreamID": 0x123, "Leaf": 1}),
    ("TLBI_NH_VA", 0x1234_5701 << DW1 | 0x0005_0000_0010_4012,
     {"Opcode": 0x12, "ASID": 5, "VMID": 0, "VA": 0x12345, "TG": 1, "SCALE": 1, "NUM": 4,
      "TTL": 3, "Leaf": 1}),
    ("SYNC", 0x1122_3344_0FC0_1046, {"Opcode": 0x46, "CS": 1, "MSH": 3, "MSIAttr": 0xF,
                                     "MSIData": 0x1122_3344}),
    ("RESUME", 0x0000_0042_0000_1044, {"Opcode": 0x44, "StreamID": 0x42, "Ac": 1}),
    ("RESUME", 0x0000_0042_0000_2044, {"Opcode": 0x44, "StreamID": 0x42, "Ab": 1}),
    ("PRI_RESP", 0x201F << DW1 | 0x0000_0042_0000_7841,
     {"Opcode": 0x41, "StreamID": 0x42, "SSV": 1, "SubstreamID": 7, "PRGIndex": 0x1F, "Resp": 2}),
    ("F_TRANSLATION", 0x208 << 96, {"RnW": 1, "CLASS": 2}),
    ("F_TRANSLATION", 0x180 << 96, {"S2": 1, "CLASS": 1}),
    ("F_TRANSLATION", 0x28A << 96, {"RnW": 1, "PnU": 1, "S2": 1, "CLASS": 2}),
]

QM_VALUES = [
    ("FUN_CAP", 0x0601, {"VERSION": 1, "STOP_QP": 1, "STOP_FUNC": 1}),
    ("FUN_CAP", 0x6F01, {"VERSION": 1, "FUNC_QOS": 1, "STOP_QP": 1, "STOP_FUNC": 1,
                         "MB_COMMAND": 1, "RPM_PF": 1, "SVA_PREFETCH": 1}),
    ("CORE_INFO_CAP", 0x11_0404, {"CLUSTERS": 1, "CORE_TYPES": 1, "CORES": 4,
                                  "CORES_PER_CLUSTER": 4}),
    ("ABNORMAL_INT_STATUS", 0x7C77, dict.fromkeys(
        ["axi_rresp", "axi_bresp", "ecc_mbit", "acc_get_task_timeout", "acc_do_task_timeout",
         "acc_wb_not_ready_timeout", "db_timeout", "of_fifo_of", "db_random_invalid",
         "mailbox_timeout", "flr_timeout"], 1)),
    ("ABNORMAL_INT_STATUS", 0x8, {"ecc_1bit": 1}),
    ("SEC_CORE_INT_STATUS", 0x6_0177, dict.fromkeys(
        ["axi_read", "axi_write", "ecc_2bit", "trng_timeout", "fsm_heartbeat",
         "channel_rng_timeout", "chain_buffer", "axi_poison", "sva_error"], 1)),
    ("SEC_CORE_INT_STATUS", 0xC088, dict.fromkeys(
        ["ecc_1bit", "bd_error", "secure_access", "key_unwrap"], 1)),
    ("BD3", 0x0101 << 8 * 112, {"done": 1, "flag": 2}),
    ("Mailbox", 1 << 13, {"busy": 1}),
]


@pytest.mark.parametrize(("name", "value", "fields"), SMMU_VALUES + QM_VALUES,
                         ids=[f"{name}-{value:#x}" for name, value, _ in SMMU_VALUES + QM_VALUES])
def test_values_in_the_references(name, value, fields):
    assert TYPED[name].pack(**fields) == value


@pytest.mark.parametrize("name", TYPED)
def test_fields_do_not_overlap(name):
    rows = [row for row in TYPED[name].rows if row.lo is not None]
    spans = sorted((row.base + row.lo, row.base + row.hi, row.name) for row in rows)
    assert all(a[1] < b[0] for a, b in pairwise(spans))
    assert spans[-1][1] < TYPED[name].bits


def test_stage_2_fields_are_vtcr_bit_for_bit():
    """2.5: STE dw2[50:32] equals VTCR_EL2[18:0]."""
    vtcr = {"S2T0SZ": (5, 0), "S2SL0": (7, 6), "S2IR0": (9, 8), "S2OR0": (11, 10),
            "S2SH0": (13, 12), "S2TG": (15, 14), "S2PS": (18, 16)}
    rows = {row.name: (row.hi - 32, row.lo - 32) for row in TYPED["STE"].rows if row.name in vtcr}
    assert rows == vtcr


def test_range_granules_follow_the_formula():
    """6.3: granule size is 2^(2 x TG + 10)."""
    shifts = smmu_codes.CONSTANTS["TG_SHIFT"]
    assert shifts == {tg: 2 * tg + 10 for tg in (1, 2, 3)}


@pytest.mark.parametrize("g", [12, 14, 16])
def test_both_start_level_formulas_give_the_table(g):
    """4.6: 4 - ceil((IA - g) / stride), equal to 4 - floor((IA - 4) / stride)."""
    stride = g - 3
    for ia in range(g + 1, 53):
        assert 4 - -((g - ia) // stride) == 4 - (ia - 4) // stride
    for (granule, ia), level in smmu_codes.START_LEVELS.items():
        if granule == g:
            assert 4 - (ia - 4) // stride == level


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_pack_by_the_typed_positions(preset):
    i = PRESETS[preset]
    for name in ("IDR0", "IDR1", "IDR3", "IDR5", "IIDR", "AIDR"):
        fields = {row.name: getattr(i, row.name) for row in TYPED[name].rows}
        assert TYPED[name].pack(**fields) == getattr(i, name.lower()), name
