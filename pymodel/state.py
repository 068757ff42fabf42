"""The register values that decide a translation, as one plain object."""

from __future__ import annotations

from dataclasses import dataclass

from pymodel.own import OwnType, by_table
from spec.registers import CR0, CR2, STRTAB_BASE, STRTAB_BASE_CFG

_RESET_TABLE = by_table(0, 0)


@dataclass(slots=True)
class SmmuState:
    """Effective (acknowledged) register values that translation uses (reference 1.4-1.6, 1.10).

    Members
    -------
    smmuen
        CR0.SMMUEN; False means `gbpa` alone decides.
    e2h, recinvsid
        CR2.E2H and CR2.RECINVSID.
    gbpa
        The whole GBPA register.
    strtab_base
        STRTAB_BASE.ADDR as written, an address; aligned to the table's size where it is used.
    strtab_log2size, strtab_split, strtab_fmt
        STRTAB_BASE_CFG's fields as written; reserved values and limits apply where they are used.
    table
        Memory type of the stream table, from CR1 and STRTAB_BASE.RA.
    """

    smmuen: bool = False
    e2h: bool = False
    recinvsid: bool = False
    gbpa: int = 0
    strtab_base: int = 0
    strtab_log2size: int = 0
    strtab_split: int = 0
    strtab_fmt: int = 0
    table: OwnType = _RESET_TABLE

    @classmethod
    def from_registers(cls, *, cr0: int, cr2: int, gbpa: int, strtab_base: int,
                       strtab_base_cfg: int, cr1: int = 0) -> SmmuState:
        """The state that the given whole register values describe."""
        return cls(
            smmuen=bool(CR0.SMMUEN.get(cr0)),
            e2h=bool(CR2.E2H.get(cr2)),
            recinvsid=bool(CR2.RECINVSID.get(cr2)),
            gbpa=gbpa,
            strtab_base=STRTAB_BASE.ADDR.get(strtab_base),
            strtab_log2size=STRTAB_BASE_CFG.LOG2SIZE.get(strtab_base_cfg),
            strtab_split=STRTAB_BASE_CFG.SPLIT.get(strtab_base_cfg),
            strtab_fmt=STRTAB_BASE_CFG.FMT.get(strtab_base_cfg),
            table=by_table(cr1, STRTAB_BASE.RA.get(strtab_base)),
        )
