"""Captures with spoilt structures: without expected answers, but model and RTL must agree.

`spoil` keeps the tables of a recorded machine and changes single fields of everything that its
probes read. `addressed` is a machine whose structures name themselves: each one sends the SMMU to
an address without memory that tells its own, so that a wrong table address shows in FetchAddr.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

from pymodel.memory import PAGE
from sim.replay import dut_model
from sim.replay.capture import ID_REGISTERS, Capture, load
from spec.context import CD, CD_BYTES, L1CD, L1CD_BYTES
from spec.fields import Field, Structure
from spec.impl import Implementation
from spec.registers import STRTAB_BASE, STRTAB_BASE_CFG
from spec.stream_table import L1STD, SPLITS, STE, STE_BYTES, SteConfig, StrtabFmt, effective_split
from spec.vmsa import S1Leaf, S1Table, S2Leaf

LOG2_STREAMS = 9
PROBES = 8              # of each stream
STRUCTURE = STE_BYTES   # a CD has as many bytes
TRANSLATED = (SteConfig.S1, SteConfig.S2, SteConfig.NESTED)

# Never changed: what stalls (nobody would answer), what makes stage 1 dirty (docs/differences.md:
# the RTL may be refused by stage 2 first), and what tells the address spaces apart.
_STE_FIXED = (STE.S2S, STE.S2VMID)
_CD_FIXED = (CD.S, CD.HD)
_LEAF = [*S1Leaf.FIELDS.values(), *S2Leaf.FIELDS.values(), *S1Table.FIELDS.values()]


def _numbers(words: list[int]) -> int:
    return sum(word << 64 * n for n, word in enumerate(words))


class Pages:
    """Pages of memory under construction."""

    def __init__(self, pages: dict[int, bytes] | None = None) -> None:
        self._pages = {address: bytearray(page) for address, page in (pages or {}).items()}

    def __contains__(self, address: int) -> bool:
        return address & -PAGE in self._pages

    def read(self, address: int, size: int = 8) -> int:
        page = self._pages.get(address & -PAGE, bytes(PAGE))
        return int.from_bytes(page[address % PAGE:address % PAGE + size], "little")

    def write(self, address: int, value: int, size: int = 8) -> None:
        page = self._pages.setdefault(address & -PAGE, bytearray(PAGE))
        page[address % PAGE:address % PAGE + size] = value.to_bytes(size, "little")

    def records(self) -> bytes:
        return b"".join(address.to_bytes(8, "little") + page
                        for address, page in sorted(self._pages.items()))


def _fields(structure: type[Structure], fixed: tuple[Field, ...]) -> list[Field]:
    return [field for field in structure.FIELDS.values() if field not in fixed]


def _change(rng: Random, value: int, fields: list[Field]) -> int:
    """One to three fields with a wrong bit, an extreme, a neighbour or anything in them."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        field = rng.choice(fields)
        raw = value >> field.lsb & field.max
        raw = rng.choice((raw ^ 1 << rng.randrange(field.width), raw ^ 1 << rng.randrange(
            field.width), 0, field.max, rng.getrandbits(field.width), raw + 1, raw - 1))
        value = value & ~(field.max << field.lsb) | (raw & field.max) << field.lsb
    return value


def _write(directory: Path, source: Capture, registers: dict[str, int], pages: Pages,
           probes: list[dict[str, Any]]) -> Capture:
    text = json.dumps({
        "name": f"spoilt {source.name}", "ram_base": source.ram_base, "ram_size": source.ram_size,
        "regs": source.regs | registers, "regs32": {}, "ncmds": source.ncmds, "structs": [],
        "probes": probes})
    for name, content in (("capture.json.gz", text.encode()), ("pages.bin.gz", pages.records())):
        with gzip.open(directory / name, "wb", compresslevel=1) as file:
            file.write(content)
    return load(directory)


def _probe(rng: Random, sid: int, iova: int, ssid: int | None, write: bool) -> dict[str, Any]:
    return {"sid": sid, "iova": iova & ~3, "ssid": ssid, "write": write,
            "pnu": bool(rng.randrange(2)), "ind": bool(rng.randrange(2)), "trace": None,
            "dev": "spoilt"}


# ---- recorded tables ----------------------------------------------------------------------------

def spoil(source: Capture, impl: Implementation, seed: int, directory: Path) -> Capture:
    """A linear stream table of changed copies of the recorded STEs; those with one CD have changed
    copies of it. Other CDs and descriptors are changed where they are. The machine has `impl`."""
    rng = Random(seed)
    pages = Pages(source.pages)
    stes, cds, descriptors = _read(source)
    for address in sorted(descriptors):
        if rng.random() < 0.2:
            pages.write(address, _change_descriptor(rng, pages.read(address)))
    for address in sorted(cds):
        if rng.random() < 0.25:
            pages.write(address, _change_cd(rng, pages.read(address, STRUCTURE)), STRUCTURE)
    table, contexts = (_free(rng, source, pages, STRUCTURE << LOG2_STREAMS) for _ in range(2))
    asked: dict[int, list[Any]] = {}
    for probe in source.probes:
        asked.setdefault(probe.sid, []).append(probe)
    known = [sid for sid in stes for _ in range(8 if stes[sid].V and stes[sid].Config in TRANSLATED
                                                else 1)]
    probes = []
    for sid in range(1 << LOG2_STREAMS):
        original = rng.choice(known)
        ste = stes[original].replace(S2VMID=sid + 1, S2S=0)
        if ste.Config == SteConfig.S1 and ste.S1ContextPtr in cds:
            cd = CD(pages.read(ste.S1ContextPtr, STRUCTURE)).replace(ASID=sid + 1)
            place = contexts + STRUCTURE * sid
            pages.write(place, _change_cd(rng, cd.value), STRUCTURE)
            ste = ste.replace(S1ContextPtr=place)
        if rng.random() < 0.5:
            ste = STE(_change(rng, ste.value, _fields(STE, _STE_FIXED)))
        pages.write(table + STRUCTURE * sid, ste.value, STRUCTURE)
        for probe in rng.choices(asked[original], k=PROBES):
            iova = probe.iova ^ rng.choice((0,) * 10 + (1 << rng.randrange(64),
                                                        rng.getrandbits(8) << 56))
            ssid = rng.choice((probe.ssid,) * 15 + (None, 0, rng.getrandbits(20)))
            probes.append(_probe(rng, sid, iova, ssid, rng.random() < 0.4))
    registers = {"STRTAB_BASE": STRTAB_BASE.pack(ADDR=table),
                 "STRTAB_BASE_CFG": STRTAB_BASE_CFG.pack(LOG2SIZE=LOG2_STREAMS)} | {
                     name: getattr(impl, name.lower()) for name in ID_REGISTERS}
    return _harmless(_write(directory, source, registers, pages, probes), pages, probes)


def _read(source: Capture) -> tuple[dict[int, STE], set[int], set[int]]:
    """What the recorded probes read: STEs by StreamID, addresses of CDs and of descriptors."""
    smmu, _ = dut_model.machine(source)
    stes: dict[int, STE] = {}
    cds, descriptors = set(), set()
    for probe in source.probes:
        for step in smmu.explain(dut_model.transaction(probe, probe.pnu)).steps:
            whole = len(step.words) == STRUCTURE // 8
            if step.step == "find_ste" and whole:
                stes[probe.sid] = STE(_numbers(step.words))
            elif step.address is not None and step.step == "find_cd" and whole:
                cds.add(step.address)
            elif step.address is not None and step.step in ("walk_stage1", "walk_stage2"):
                descriptors.add(step.address)
    return stes, cds, descriptors


def _change_cd(rng: Random, value: int) -> int:
    cd = CD(_change(rng, value, _fields(CD, _CD_FIXED)) if rng.random() < 0.6 else value)
    return cd.replace(S=0, HD=0).value


def _change_descriptor(rng: Random, value: int) -> int:
    """In its own byte order, which the two lowest bits give away."""
    big = not value & 3
    if big:
        value = int.from_bytes(value.to_bytes(8, "little"), "big")
    value = _change(rng, value, _LEAF)
    return int.from_bytes(value.to_bytes(8, "big" if big else "little"), "little")


def _free(rng: Random, source: Capture, pages: Pages, size: int) -> int:
    """`size` aligned bytes that are none of the pages."""
    while True:
        address = source.ram_base + rng.randrange(source.ram_size) & -size
        if address >= source.ram_base and not any(
                at in pages for at in range(address, address + size, PAGE)):
            for at in range(address, address + size, PAGE):
                pages.write(at, 0)
            return address


def _harmless(capture: Capture, pages: Pages, probes: list[dict[str, Any]]) -> Capture:
    """Writes that would hit a structure become reads."""
    smmu, memory = dut_model.machine(capture)
    for probe, (_, answer) in zip(probes, dut_model.answers(
            capture, smmu, memory, [p.pnu for p in capture.probes]), strict=True):
        if answer.pa is not None and answer.pa in pages:
            probe["write"] = False
    return _write(capture.path, capture, {}, pages, probes)


# ---- structures that name themselves ------------------------------------------------------------

HOLE = 1 << 39          # no memory from here on: structure x sends the SMMU to HOLE + x
BASE = 1 << 32
ROOM = 1 << 21          # of STEs and of CDs
LEVEL1 = 1 << 18        # of L1 descriptors


def addressed(source: Capture, seed: int, directory: Path) -> Capture:
    """Stream tables and CD tables of every format, size, span and alignment."""
    rng = Random(seed)
    queue = source.regs["CMDQ_BASE"] & STRTAB_BASE.ADDR.mask & -PAGE
    pages = Pages({a: p for a, p in source.pages.items() if a == queue})
    log2 = rng.choice((0, 3, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17, 20, 40, 63))
    split = rng.choice((*SPLITS, *SPLITS, rng.randrange(32)))
    fmt = rng.choice((0, 1, 1, 1, 2, 3))
    stes, cds, l1stds, l1cds = (BASE + n * (1 << 24) for n in range(4))
    for place in range(stes, stes + ROOM, STRUCTURE):
        pages.write(place, _naming_ste(rng, place, cds, l1cds).value, STRUCTURE)
    for place in range(cds, cds + ROOM, STRUCTURE):
        pages.write(place, _naming_cd(rng, place).value, STRUCTURE)
    spans = [effective_split(split) + n for n in (0, 1, 1, 1, 2)]
    for offset in range(0, LEVEL1, L1CD_BYTES):
        pages.write(l1stds + offset, L1STD.pack(
            Span=rng.choice((*spans, rng.randrange(32))),
            L2Ptr=_inside(rng, stes, L1STD.L2Ptr)))
        pages.write(l1cds + offset, L1CD.pack(
            V=int(rng.random() < 0.9), L2Ptr=_inside(rng, cds, L1CD.L2Ptr)))
    base = (l1stds if fmt == StrtabFmt.TWO_LEVEL else stes) + rng.choice(
        (0, rng.randrange(LEVEL1) & -STE_BYTES))
    sids = [1, 4, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17, 32]
    probes = []
    for _ in range(PROBES << LOG2_STREAMS):
        sid = rng.choice((rng.getrandbits(rng.choice(sids)), (1 << min(log2, 31)) - 1))
        ssid = rng.getrandbits(rng.choice((0, 1, 5, 6, 7, 9, 10, 11, 12, 15, 20)))
        probes.append(_probe(rng, sid, rng.getrandbits(44), rng.choice((ssid, ssid, None)), False))
    return _write(directory, source, {
        "STRTAB_BASE": STRTAB_BASE.pack(ADDR=base),
        "STRTAB_BASE_CFG": STRTAB_BASE_CFG.pack(FMT=fmt, SPLIT=split, LOG2SIZE=log2)},
        pages, probes)


def _inside(rng: Random, base: int, field: Field) -> int:
    """An address in a region, seldom any at all."""
    where = base + rng.randrange(ROOM) if rng.random() < 0.93 else rng.getrandbits(52)
    return where & -(1 << field.lo)


def _naming_ste(rng: Random, place: int, cds: int, l1cds: int) -> STE:
    log2, fmt = rng.choice((0, 1, 2, 5, 6, 7, 9, 10, 11, 12, 15, 20, 21)), rng.randrange(4)
    if rng.random() < 0.4:
        log2, pointer = 0, HOLE + place
    else:
        pointer = _inside(rng, l1cds & -LEVEL1 if log2 and fmt in (1, 2) else cds,
                          STE.S1ContextPtr)
    return STE.make(V=1, Config=SteConfig.S1, S1Fmt=fmt, S1CDMax=log2, S1ContextPtr=pointer,
                    S1DSS=rng.choice((0, 1, 2, 2, 3)), SHCFG=1)


def _naming_cd(rng: Random, place: int) -> CD:
    """Its table is at HOLE + place: F_WALK_EABT."""
    return CD.make(V=int(rng.random() < 0.9), T0SZ=16 + rng.randrange(2), EPD1=1, IPS=5, AA64=1,
                   R=1, A=1, ASID=rng.getrandbits(16), TTB0=HOLE + place & -CD_BYTES)
