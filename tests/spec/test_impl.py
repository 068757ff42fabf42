"""What is implemented: ID registers of the presets, combinations that must be refused."""

from dataclasses import replace

import pytest

from spec import registers as r
from spec.commands import COMMANDS, Opcode
from spec.fields import SpecError
from spec.impl import FEATURES, PRESETS, Implementation

BASE, FULL, TINY = PRESETS["base"], PRESETS["full"], PRESETS["tiny"]

IDRS = {  # IDR0, IDR1, IDR3, IDR5, AIDR
    "base": (0x080C_329B, 0x0E10_0510, 0x1514, 0x0010_0075, 2),
    "full": (0x080C_329B, 0x0E10_0510, 0x1514, 0x0040_0075, 2),
    "tiny": (0x0940_201A, 0x0D08_0210, 0x0004, 0x0000_0014, 1),
    "tiny-stall": (0x0840_201A, 0x0D08_0210, 0x0004, 0x0003_0014, 1),
    "wide": (0x080E_729B, 0x0E10_0510, 0x2_7714, 0x0010_0476, 3),
    "qemu": (0x0D44_101B, 0x0273_0010, 0x1414, 0x0000_0074, 1),
    "qemu-s1": (0x0D44_101A, 0x0273_0010, 0x1404, 0x0000_0074, 1),
    "qemu-s2": (0x0D44_1019, 0x0273_0010, 0x1414, 0x0000_0074, 1),
}


@pytest.mark.parametrize("name", PRESETS)
def test_id_registers(name):
    i = PRESETS[name]
    assert (i.idr0, i.idr1, i.idr3, i.idr5, i.aidr) == IDRS[name]
    assert Implementation.from_idrs(*IDRS[name]) == i
    assert i.iidr == 0


def test_derived_values():
    assert (BASE.oas_bits, BASE.ias_bits, BASE.asid_bits, BASE.vmid_bits) == (48, 48, 16, 16)
    assert BASE.granules == {12, 14, 16}
    assert (TINY.oas_bits, TINY.ias_bits, TINY.asid_bits, TINY.granules) == (44, 44, 8, {12})
    assert replace(BASE, STALL_MAX=64) == FULL
    assert replace(BASE, TTF=r.TTF.BOTH, OAS=0).ias_bits == 40


def test_translation_sizes():
    assert (BASE.tsz_min(12), BASE.tsz_min(16), BASE.tsz_max(12)) == (16, 16, 39)
    assert [BASE.s2tsz_min(g) for g in (12, 14, 16)] == [16, 16, 16]
    assert [TINY.s2tsz_min(g) for g in (12, 16)] == [20, 20]
    wide = replace(BASE, VAX=1, OAS=6, STT=1)
    assert (wide.tsz_min(16), wide.tsz_min(12), wide.s2tsz_min(16)) == (12, 16, 12)
    assert (wide.tsz_max(12), wide.tsz_max(16)) == (48, 47)


def test_register_masks():
    assert BASE.mask(r.CR0) == 0b1101
    assert BASE.mask(r.CR2) == 0b0011
    assert BASE.mask(r.PRIQ_BASE) == 0
    assert BASE.mask(r.STRTAB_BASE) == 0x4000_FFFF_FFFF_FFC0
    assert TINY.mask(r.STRTAB_BASE) == 0x4000_0FFF_FFFF_FFC0
    assert PRESETS["qemu"].mask(r.EVENTQ_IRQ_CFG0) == 0
    assert BASE.exists(r.EVENTQ_IRQ_CFG0)
    assert not BASE.exists(r.GATOS_CTRL)
    assert replace(BASE, ATOS=1).mask(r.GATOS_ADDR) == 0xFFFF_FFFF_FFFF_FFC0


def test_legal_commands():
    def legal(i):
        return {COMMANDS[o].__name__ for o in COMMANDS if i.legal(o)}

    always = {"PREFETCH_CONFIG", "PREFETCH_ADDR", "CFGI_STE", "CFGI_STE_RANGE", "TLBI_NSNH_ALL",
              "SYNC"}
    stage1 = {"CFGI_CD", "CFGI_CD_ALL", "TLBI_NH_ALL", "TLBI_NH_ASID", "TLBI_NH_VA", "TLBI_NH_VAA"}
    stage2 = {"TLBI_S12_VMALL", "TLBI_S2_IPA"}
    hyp = {"TLBI_EL2_ALL", "TLBI_EL2_ASID", "TLBI_EL2_VA", "TLBI_EL2_VAA"}
    assert legal(TINY) == always | stage1
    assert legal(PRESETS["qemu-s2"]) == always | stage2
    assert legal(BASE) == always | stage1 | stage2 | hyp | {"RESUME", "STALL_TERM"}
    assert not BASE.legal(0)
    assert not BASE.legal(0x99)
    assert replace(BASE, ATS=1, PRI=1).legal(Opcode.PRI_RESP)


@pytest.mark.parametrize(("change", "names"), [
    ({"S1P": 0, "S2P": 0, "HYP": 0}, ("S1P", "S2P")),
    ({"S2P": 0}, ("HYP", "S2P")),
    ({"HYP": 0}, ("HYP", "ArchMinorRev")),
    ({"NS1ATS": 1}, ("NS1ATS", "ATS")),
    ({"PRI": 1}, ("PRI", "ATS")),
    ({"ATSRECERR": 1}, ("ATSRECERR", "ATS")),
    ({"S2P": 0, "HYP": 0, "VMW": 1}, ("VMW", "S2P")),
    ({"TTF": 3, "GRAN4K": 0}, ("TTF", "GRAN4K")),
    ({"GRAN4K": 0, "GRAN16K": 0, "GRAN64K": 0}, ("GRAN4K", "GRAN64K")),
    ({"STALL_MODEL": 1}, ("STALL_MODEL", "STALL_MAX")),
    ({"STALL_MAX": 0}, ("STALL_MODEL", "STALL_MAX")),
    ({"ST_LEVEL": 0}, ("SIDSIZE", "ST_LEVEL")),
    ({"HAD": 0}, ("HAD", "S1P")),
    ({"HAD": 0, "PBHA": 1}, ("PBHA", "HAD")),
    ({"XNX": 0}, ("XNX", "S2P")),
    ({"FWB": 0}, ("FWB", "S2P")),
    ({"RIL": 0}, ("RIL", "ArchMinorRev")),
    ({"BBML": 0}, ("BBML", "ArchMinorRev")),
    ({"ArchMinorRev": 3}, ("E0PD", "ArchMinorRev")),
    ({"ArchMinorRev": 3, "E0PD": 1}, ("PTWNNC", "ArchMinorRev")),
    ({"ArchMinorRev": 4, "E0PD": 1, "PTWNNC": 1}, ("EPAN", "ArchMinorRev")),
    ({"OAS": 7}, ("OAS", "D128")),
    ({"VAX": 1, "GRAN64K": 0}, ("VAX", "GRAN64K")),
    ({"SIDSIZE": 33}, ("SIDSIZE", "StreamID")),
    ({"SSIDSIZE": 21}, ("SSIDSIZE", "SubstreamID")),
    ({"CMDQS": 20}, ("CMDQS", "CMDQ_PROD")),
    ({"EVENTQS": 20}, ("EVENTQS", "EVENTQ_PROD")),
    ({"TTENDIAN": 1}, ("TTENDIAN",)),
    ({"S1P": 2}, ("S1P",)),
])
def test_illegal_combinations_name_their_fields(change, names):
    with pytest.raises(SpecError) as error:
        replace(BASE, **change)
    for name in names:
        assert name in str(error.value)


def test_features_name_fields_once():
    names = [feature.field for feature in FEATURES]
    assert len(set(names)) == len(names)
    assert all(hasattr(BASE, name) for name in names)
