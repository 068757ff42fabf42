"""Random tables against their own writer, and garbage everywhere (reference 4)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from translate_rig import AF, BLOCK, PAGE, SID, STRTAB, Rig, implementation, name

from pymodel.memory import BusError
from pymodel.reader import MemoryReader
from pymodel.state import SmmuState
from pymodel.transaction import Ending, Transaction
from pymodel.translate import translate
from spec.context import CD
from spec.impl import PRESETS
from spec.stream_table import STE

BLOCK_SIZES = {(12, 1): 30, (12, 2): 21, (14, 2): 25, (16, 2): 29}
STAGE1_START = {12: 0, 14: 0, 16: 1}
STAGE2_SL0 = {12: (2, 0), 14: (2, 1), 16: (2, 1)}  # S2SL0 for 48 bits, start level


def place(draw, rig: Rig, table: int, start: int, g: int, taken: dict[int, int], bits: int,
          big: bool) -> tuple[int, int, int]:
    """Map one random leaf where nothing overlaps; (input, output, log2 of the size)."""
    level = draw(st.sampled_from([3, 3] + [level for gg, level in BLOCK_SIZES if gg == g]))
    size = BLOCK_SIZES.get((g, level), g)
    at = draw(st.integers(0, (1 << 48 - size) - 1)) << size
    # One 512 GB (or 128 TB) region per leaf keeps leaves and tables of different levels apart.
    while at >> 42 in taken:
        at = (at + (1 << 42)) % (1 << 48)
    taken[at >> 42] = size
    out = draw(st.integers(0, (1 << 47 - size) - 1)) << size
    kind = PAGE if level == 3 else BLOCK
    rig.map(table, start, 48, g, at, out | kind | AF | bits, level, big=big)
    return at, out, size


@st.composite
def stage1_machines(draw):
    rig = Rig()
    g, big = draw(st.sampled_from([12, 14, 16])), draw(st.booleans())
    table = rig.tt0(g, ENDI=int(big))
    taken: dict[int, int] = {}
    leaves = [place(draw, rig, table, STAGE1_START[g], g, taken, 1 << 6, big)
              for _ in range(draw(st.integers(1, 4)))]
    rig.commit()
    return rig, leaves, taken


@settings(max_examples=60, deadline=None, derandomize=True)
@given(stage1_machines(), st.data())
def test_stage1_translates_what_its_writer_mapped(machine, data):
    rig, leaves, taken = machine
    for at, out, size in leaves:
        offset = data.draw(st.integers(0, (1 << size) - 1))
        result = rig.go(at | offset, write=True)
        assert (result.ending, result.pa, result.size) == (
            Ending.TRANSLATED, out | offset, size)
    unmapped = data.draw(st.integers(0, 63).filter(lambda n: n not in taken))
    assert name(rig.go(unmapped << 42)) == "F_TRANSLATION"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from([12, 14, 16]), st.booleans())
def test_stage2_translates_what_its_writer_mapped(data, g, big):
    rig = Rig()
    sl0, start = STAGE2_SL0[g]
    table = rig.stage2(g, 16, sl0, config=6, S2ENDI=int(big))
    at, out, size = place(data.draw, rig, table, start, g, {}, 3 << 6, big)
    offset = data.draw(st.integers(0, (1 << size) - 1))
    result = rig.run(at | offset)
    assert (result.pa, result.size) == (out | offset, size)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(min_size=64, max_size=64), st.binary(min_size=64, max_size=64),
       st.integers(0, 2**64 - 1), st.sampled_from([None, 0, 1, 2**20 - 1]), st.booleans(),
       st.sampled_from(sorted(PRESETS)))
def test_random_structures(ste, cd, addr, ssid, write, preset):
    """Any 64 bytes as STE and CD: a result, and an explanation that agrees with it."""
    rig = Rig(PRESETS[preset])
    for raw in (ste, STE.from_bytes(ste).replace(
            V=1, S1ContextPtr=0x4010_0000, STRW=0, S1STALLD=0).to_bytes()):
        rig.memory.write(STRTAB + SID * 64, raw)
        rig.memory.write(0x4010_0000, CD.from_bytes(cd).replace(V=1, AA64=1).to_bytes())
        explained = rig.go(addr, ssid=ssid, write=write, explain=True)
        plain = rig.go(addr, ssid=ssid, write=write)
        assert (plain.ending, plain.pa, plain.event) == (
            explained.ending, explained.pa, explained.event)
        assert plain.ending is not Ending.STALLED or preset in ("base", "full")


class _Folded:
    """A small memory that every address falls into; now and then an access aborts, a swap loses."""

    def __init__(self, rng: random.Random, content: bytearray) -> None:
        self.rng, self.content, self.accesses = rng, content, 0

    def _at(self, address: int) -> int:
        self.accesses += 1
        if self.rng.random() < 0.002:
            raise BusError(address)
        return address % (len(self.content) - 64)

    def read(self, address: int, size: int) -> bytes:
        at = self._at(address)
        return bytes(self.content[at:at + size])

    def write(self, address: int, data: bytes) -> None:
        at = self._at(address)
        self.content[at:at + len(data)] = data

    def read64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def cas64(self, address: int, old: int, new: int) -> bool:
        if self.rng.random() < 0.1 or self.read64(address) != old:
            return False
        self.write(address, new.to_bytes(8, "little"))
        return True


class _Plausible(MemoryReader):
    """STEs and CDs that pass their checks nine times in ten, so that the walks get their share."""

    def __init__(self, memory: _Folded, impl) -> None:
        super().__init__(memory)
        self.rng, self.impl = memory.rng, impl

    def ste(self, address: int, sid: int) -> bytes:
        rng, impl = self.rng, self.impl
        value = rng.getrandbits(512)
        if rng.random() < 0.9:
            htu = rng.choice([0, 1]) if impl.HTTU else 0
            start, sizes = rng.choice([(0, (30, 39)), (1, (25, 33)), (2, (16, 24))])
            value = STE(value).replace(
                V=1, Config=rng.choice([5, 6, 7, 7, 7]), STRW=0, S1STALLD=0, S1DSS=2,
                S1CDMax=rng.choice([0, 0, 3]), S2AA64=1, S2ENDI=0, S2T0SZ=rng.randint(*sizes),
                S2SL0=start, S2TG=0, S2TTB=rng.getrandbits(24) << 12, S2PS=6, S2VMID=3,
                S1ContextPtr=rng.getrandbits(26) << 6, S2HA=htu, S2HD=htu,
                S2S=0 if impl.STALL_MODEL == 1 else rng.getrandbits(1)).value
        return value.to_bytes(64, "little")

    def cd(self, address: int, sid: int, ssid: int) -> bytes:
        rng, impl = self.rng, self.impl
        value = rng.getrandbits(512)
        if rng.random() < 0.9:
            htu = rng.choice([0, 1]) if impl.HTTU else 0
            value = CD(value).replace(
                V=1, AA64=1, A=1, ENDI=0, S=0, TG0=0, TG1=2, T0SZ=rng.randint(16, 39), EPD0=0,
                T1SZ=rng.randint(16, 39), TTB0=rng.getrandbits(24) << 12, ASID=1, IPS=5,
                TTB1=rng.getrandbits(24) << 12, HA=htu, HD=htu).value
        return value.to_bytes(64, "little")


def _descriptor(rng: random.Random) -> bytes:
    value = rng.getrandbits(64) & ~(0xFFFF << 32)   # addresses below 4 GB
    if rng.random() < 0.85:
        value |= 3
    if rng.random() < 0.6:
        value |= 3 << 6
    return value.to_bytes(8, "little")


WIDE = implementation(OAS=6, VAX=1, STT=1, E0PD=1, EPAN=1)


@pytest.mark.parametrize("impl", [PRESETS["base"], PRESETS["qemu"], WIDE],
                         ids=["base", "qemu", "wide"])
def test_garbage_never_raises_and_never_takes_long(impl):
    """Tables that run into each other and into themselves, at both stages at once."""
    rng = random.Random(1)
    endings = set()
    for _ in range(20):
        content = bytearray(b"".join(_descriptor(rng) for _ in range(2048)))
        memory = _Folded(rng, content)
        reader = _Plausible(memory, impl)
        state = SmmuState(smmuen=True, strtab_log2size=16)
        for _ in range(200):
            memory.accesses = 0
            ia = rng.choice([20, 30, 39, 64])
            high = 2**64 - 2**ia if rng.random() < 0.3 else 0
            result = translate(impl, state, reader, Transaction(
                sid=rng.getrandbits(16), addr=high | rng.getrandbits(ia), write=rng.random() < 0.5,
                pnu=rng.random() < 0.5, ind=rng.random() < 0.2))
            endings.add((result.ending, result.event and result.event[0]))
            # 4 levels of 4 levels each, 8 attempts at both stages, and a little configuration.
            assert memory.accesses < 8 * (4 * 5 + 2) * 8 * 6
    assert (Ending.TRANSLATED, None) in endings
    assert {kind for _, kind in endings} > {0x0B, 0x10, 0x11, 0x13}
