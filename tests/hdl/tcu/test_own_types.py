"""Memory types of the SMMU's own accesses: RTL against golden model (reference 4.10)."""

import random
from dataclasses import replace

import pytest
from amaranth import Module
from amaranth.hdl import Const
from amaranth.sim import Simulator
from tcu_harness import Access, Machine
from tcu_tables import Nested, machine, page, page2, put_leaf, stage1

from hdl.axi import axi_cache
from pymodel.memory import SparseMemory
from pymodel.reader import MemoryReader
from pymodel.state import SmmuState
from pymodel.transaction import Transaction
from pymodel.translate import translate
from spec.impl import PRESETS
from spec.registers import CR1, CR2, STRTAB_BASE, STRTAB_BASE_CFG

VA = 0x1234_5000
WALKS = {"IR0": 4, "OR0": 4, "SH0": 4, "IR1": 4, "OR1": 4, "SH1": 4}


def outer(mair: int) -> int:
    """What AXI4 can show: the outer half, or the Device type."""
    return mair >> 4 if mair >> 4 else mair


def expected(it: Machine, access: Access, cr1: int) -> list[tuple[int, int]]:
    """Address and outer type of the accesses that the golden model explains."""
    memory = SparseMemory()
    for address, word in it.memory.words.items():
        memory.write(address, word.to_bytes(8, "little"))
    state = SmmuState.from_registers(
        cr0=1, cr1=cr1, cr2=CR2.RECINVSID.mask, gbpa=0,
        strtab_base=it.strtab_base | STRTAB_BASE.RA.put(it.strtab_ra),
        strtab_base_cfg=STRTAB_BASE_CFG.pack(LOG2SIZE=it.strtab_log2size))
    result = translate(it.impl, state, MemoryReader(memory), Transaction(
        sid=access.sid, addr=access.addr, write=access.write), explain=True)
    return [(step.address, outer(step.fields["mair"])) for step in result.steps
            if step.address is not None and step.step != "combine_attributes"]


def registers(rng: random.Random, it: Machine) -> int:
    cr1 = rng.randrange(1 << 12)
    it.strtab_ra, it.table_oc = rng.randrange(2), CR1.TABLE_OC.get(cr1)
    return cr1


def agree(it: Machine, cr1: int, *, write: bool = False) -> None:
    want = expected(it, access := Access(VA, write=write), cr1)
    it.run([access])
    seen = [(address, outer(mair)) for address, mair in it.types]
    assert list(dict.fromkeys(seen)) == list(dict.fromkeys(want))


@pytest.mark.parametrize("coherent", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_stage1_accesses(seed, coherent):
    """STE by CR1, CD by STE, tables by CD, updates included; COHACC changes nothing."""
    rng = random.Random(seed)
    it = machine(impl=replace(PRESETS["base"], COHACC=coherent))
    ttb = stage1(it, ste={name: rng.randrange(4) for name in ("S1CIR", "S1COR", "S1CSH")},
                 HA=1, **{name: rng.randrange(n) for name, n in WALKS.items()})
    put_leaf(it, ttb, VA, page(0x7000_0000, AF=seed & 1))
    agree(it, registers(rng, it))


@pytest.mark.parametrize("ptwnnc", [0, 1])
@pytest.mark.parametrize("fwb", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_nested_accesses(seed, fwb, ptwnnc):
    """CD and stage-1 tables take the type of their stage-2 page too, Device with PTWNNC as NC."""
    rng = random.Random(seed)
    codes = (0, 1, 5, 6, 7) if fwb else (0, 1, 3, 5, 6, 10, 11, 15)
    it = Nested(ste={"S2FWB": fwb, "S2PTW": 0, **{name: rng.randrange(4) for name in (
        "S1CIR", "S1COR", "S1CSH", "S2IR0", "S2OR0", "S2SH0")}},
        HA=1, **{name: rng.randrange(n) for name, n in WALKS.items()})
    it.it.impl = replace(it.it.impl, PTWNNC=ptwnnc)
    it.map2(0x8000_0000, page2(0x8000_0000, level=2, MemAttr=rng.choice(codes)), level=2)
    it.map2(0x4000_0000, page2(0x4000_0000))
    it.map1(VA, page(0x4000_0000, AF=seed & 1))
    agree(it.it, registers(rng, it.it))


@pytest.mark.parametrize(("mair", "read", "write"), [
    (0x00, 0b0000, 0b0000), (0x04, 0b0001, 0b0001), (0x44, 0b0011, 0b0011),
    (0xAA, 0b0110, 0b0110), (0xEE, 0b0111, 0b0111), (0xFF, 0b1111, 0b1111),
    (0xCC, 0b1011, 0b0111)])
def test_types_on_axi(mair, read, write):
    async def check(ctx):
        assert ctx.get(axi_cache(Const(mair, 8), write=False)) == read
        assert ctx.get(axi_cache(Const(mair, 8), write=True)) == write

    sim = Simulator(Module())
    sim.add_testbench(check)
    sim.run()
