"""Attributes of both stages together: every code of a stage-2 leaf over every kind of stage 1."""

from amaranth.sim import Simulator

from hdl.tcu.attributes import CombineAttributes
from pymodel.attributes import Override, combine_attributes, stage2_is_device
from spec.vmsa import Mair

STAGE1 = [Mair.DEVICE_nGnRnE, Mair.DEVICE_nGRE, Mair.DEVICE_GRE, Mair.NC, Mair.WT, Mair.WB,
          0x4F, 0xF4, 0x17, 0x63, 0x9E, 0x8C, 0xC8]


def test_every_code():
    """Reserved codes (4, 8, 12; with S2FWB 4) are Device-nGnRnE; S2FWB ignores the top bit, and
    write-back that it forces keeps the hints of stage 1 (reference 2.6, 4.10)."""
    dut = CombineAttributes()

    async def bench(ctx):
        for mair in STAGE1:
            for code in range(16):
                for fwb in (0, 1):
                    ctx.set(dut.mair, mair)
                    ctx.set(dut.memattr, code)
                    ctx.set(dut.fwb, fwb)
                    want = combine_attributes(0xFF, 0, Override(), (mair, 0), (code, 0, bool(fwb)),
                                              False, False)
                    where = f"stage 1 {mair:#x}, MemAttr {code}, S2FWB={fwb}"
                    assert ctx.get(dut.out_mair) == want.mair, where
                    assert ctx.get(dut.device2) == stage2_is_device(code, bool(fwb)), where

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


def test_the_codes_by_the_book():
    """What the model answers for them, by reference 2.6."""
    def mair(stage1, code, fwb):
        return combine_attributes(0xFF, 0, Override(), (stage1, 0), (code, 0, fwb), False,
                                  False).mair

    assert [mair(Mair.WB, code, False) for code in (4, 8, 12)] == [Mair.DEVICE_nGnRnE] * 3
    assert mair(Mair.WB, 4, True) == mair(Mair.WB, 12, True) == Mair.DEVICE_nGnRnE
    assert mair(Mair.WB, 0xF, True) == mair(Mair.WB, 7, True) == Mair.WB
    assert mair(Mair.DEVICE_GRE, 5, True) == Mair.DEVICE_GRE
    assert mair(Mair.WB, 5, True) == Mair.NC
    assert mair(Mair.NC, 6, True) == mair(Mair.DEVICE_GRE, 6, True) == Mair.WB
    assert mair(0x9E, 6, True) == 0xDE
    assert not stage2_is_device(0xF, True)
