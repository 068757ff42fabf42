"""Legal and illegal commands by ID bits (reference 6.1 to 6.4, checks 12 and 16 of 10.5)."""

from __future__ import annotations

import pytest
from smmu_rig import Rig, implementation

from pymodel.legality import illegal
from spec import commands as c
from spec import registers as r
from spec.codes import TGCode
from spec.commands import CommandError
from spec.impl import PRESETS

ALL = {"ATS": 1, "PRI": 1, "PRIQS": 4}
NO_STALL = {"STALL_MODEL": 1, "STALL_MAX": 0}
S1_ONLY = {"S2P": 0, "HYP": 0}
S2_ONLY = {"S1P": 0, "HYP": 0}
NO_HYP = {"HYP": 0, "ArchMinorRev": 1}
ILL, OK = CommandError.CERROR_ILL, CommandError.CERROR_NONE

# Command, ID fields that differ from `base`, verdict.
BY_ID = [
    (c.PREFETCH_CONFIG, {}, OK), (c.PREFETCH_ADDR, {}, OK), (c.CFGI_STE, {}, OK),
    (c.CFGI_STE_RANGE, {}, OK), (c.SYNC, {}, OK), (c.TLBI_NSNH_ALL, {}, OK),
    (c.CFGI_CD, {}, OK), (c.CFGI_CD_ALL, {}, OK), (c.CFGI_CD, S2_ONLY, ILL),
    (c.CFGI_CD_ALL, S2_ONLY, ILL), (c.CFGI_STE, S2_ONLY, OK), (c.TLBI_NSNH_ALL, S2_ONLY, OK),
    (c.CFGI_VMS_PIDM, {}, ILL),
    (c.TLBI_NH_ALL, {}, OK), (c.TLBI_NH_ASID, {}, OK), (c.TLBI_NH_VA, {}, OK),
    (c.TLBI_NH_VAA, {}, OK), (c.TLBI_NH_ALL, S2_ONLY, ILL), (c.TLBI_NH_ASID, S2_ONLY, ILL),
    (c.TLBI_NH_VA, S2_ONLY, ILL), (c.TLBI_NH_VAA, S2_ONLY, ILL),
    (c.TLBI_EL3_ALL, {}, ILL), (c.TLBI_EL3_VA, {}, ILL),
    (c.TLBI_EL2_ALL, {}, OK), (c.TLBI_EL2_ASID, {}, OK), (c.TLBI_EL2_VA, {}, OK),
    (c.TLBI_EL2_VAA, {}, OK), (c.TLBI_EL2_ALL, NO_HYP, ILL), (c.TLBI_EL2_ASID, NO_HYP, ILL),
    (c.TLBI_EL2_VA, NO_HYP, ILL), (c.TLBI_EL2_VAA, NO_HYP, ILL),
    (c.TLBI_S12_VMALL, {}, OK), (c.TLBI_S2_IPA, {}, OK), (c.TLBI_S12_VMALL, S1_ONLY, ILL),
    (c.TLBI_S2_IPA, S1_ONLY, ILL),
    (c.ATC_INV, {}, ILL), (c.PRI_RESP, {}, ILL), (c.ATC_INV, ALL, OK), (c.PRI_RESP, ALL, OK),
    (c.ATC_INV, {"ATS": 1}, OK), (c.PRI_RESP, {"ATS": 1}, ILL),
    (c.RESUME, {}, OK), (c.STALL_TERM, {}, OK), (c.RESUME, NO_STALL, ILL),
    (c.STALL_TERM, NO_STALL, ILL), (c.RESUME, {"STALL_MODEL": 2}, OK),
    (c.DPTI_ALL, {}, ILL), (c.DPTI_PA, {}, ILL),
]


@pytest.mark.parametrize(("command", "fields", "verdict"), BY_ID)
def test_by_id_bits(command, fields, verdict):
    rig = Rig(implementation(**fields))
    rig.issue(command.pack())
    assert rig.active(r.GERROR.CMDQ_ERR) == (verdict is ILL)
    assert rig.rd(r.CMDQ_CONS) == r.CMDQ_CONS.make(RD=0 if verdict is ILL else 1, ERR=verdict)


@pytest.mark.parametrize("opcode", [n for n in range(256) if n not in c.COMMANDS])
def test_unknown_opcodes(opcode):
    assert illegal(PRESETS["base"], opcode) is not None


OPERANDS = [
    *[(command.pack(SSec=1), ILL) for command in (
        c.PREFETCH_CONFIG, c.PREFETCH_ADDR, c.CFGI_STE, c.CFGI_STE_RANGE, c.CFGI_CD, c.CFGI_CD_ALL,
        c.RESUME, c.STALL_TERM)],
    (c.SYNC.pack(CS=0), OK), (c.SYNC.pack(CS=1), OK), (c.SYNC.pack(CS=2), OK),
    (c.SYNC.pack(CS=3), ILL),
    *[(c.PRI_RESP.pack(Resp=resp), OK) for resp in range(3)], (c.PRI_RESP.pack(Resp=3), ILL),
    # Nonzero RES0 bits are ignored.
    (c.SYNC.pack() | 1 << 10, OK), (c.CFGI_STE.pack() | 1 << 127, OK),
    (c.TLBI_NSNH_ALL.pack() | 0xFFFF << 32, OK),
    # Operands beyond the implemented sizes have no effect, and are no error.
    (c.CFGI_STE.pack(StreamID=0xFFFF_FFFF), OK), (c.CFGI_CD.pack(SubstreamID=0xFFFFF), OK),
    (c.RESUME.pack(StreamID=0xFFFF_FFFF, STAG=0xFFFF), OK),
]


@pytest.mark.parametrize(("command", "verdict"), OPERANDS)
def test_operands(command, verdict):
    assert (illegal(implementation(**ALL), command) is not None) == (verdict is ILL)


RANGED = [c.TLBI_NH_VA, c.TLBI_NH_VAA, c.TLBI_EL2_VA, c.TLBI_EL2_VAA, c.TLBI_S2_IPA]


@pytest.mark.parametrize("command", RANGED)
@pytest.mark.parametrize(("fields", "verdict"), [
    ({"TG": TGCode.G4K}, ILL), ({"TG": TGCode.G16K}, ILL), ({"TG": TGCode.G64K}, ILL),
    ({"TG": TGCode.G16K, "TTL": 1}, ILL),  # reserved: as 0
    ({"TG": TGCode.G16K, "TTL": 2}, OK), ({"TG": TGCode.G4K, "TTL": 1}, OK),
    ({"TG": TGCode.G64K, "TTL": 1}, OK), ({"TG": TGCode.G4K, "TTL": 3}, OK),
    ({"TG": TGCode.G4K, "NUM": 1}, OK), ({"TG": TGCode.G4K, "SCALE": 1}, OK),
    ({"TG": TGCode.G4K, "SCALE": 63}, OK), ({"TG": TGCode.G64K, "SCALE": 63, "NUM": 31}, OK),
    ({"TG": TGCode.G16K, "TTL": 1, "NUM": 1}, OK),
    ({}, OK), ({"NUM": 3, "SCALE": 2, "TTL": 1}, OK),  # single form: not used
])
def test_range_form(command, fields, verdict):
    value = command.pack(**fields)
    assert (illegal(PRESETS["base"], value) is not None) == (verdict is ILL)
    without = implementation(RIL=0, ArchMinorRev=1)
    assert illegal(without, value) is None  # the fields are RES0
