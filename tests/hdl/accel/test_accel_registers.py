"""Every register of BAR2: RTL and golden model show the same, before and after writes."""

from spec.qm import MASTER_GLOBAL_CTRL, Mailbox
from spec.sec import BAR2
from tests.accel.bench import Bench as AnyBench
from tests.hdl.accel.bench import Bench as RtlBench
from tests.pymodel.accel.bench import Bench as ModelBench

WORDS = range(0, BAR2.size, 4)
REGISTERS = [word for word in WORDS if BAR2.find(word) not in (None, Mailbox)]
HOLES = [word + 4 for word in REGISTERS if BAR2.find(word + 4) is None]


def observations():
    seen = []

    async def case(b: AnyBench) -> None:
        async def look(words) -> None:
            seen.append([(hex(word), await b.bus.read(word)) for word in words])

        await look(REGISTERS + HOLES)
        for word in REGISTERS + HOLES:
            register = BAR2.find(word)
            if register is not MASTER_GLOBAL_CTRL:
                await b.bus.write(word, 4, 0xA5A5_5A5B)
        await look(REGISTERS + HOLES)
        for low in REGISTERS[::5]:        # 64-bit accesses reach both words
            await b.bus.write(low & ~7, 8, 0x0123_4567_89AB_CDEE)
            seen.append([(hex(low), await b.bus.read(low & ~7, 8))])

    return case, seen


def test_rtl_and_model_agree():
    case, of_rtl = observations()
    RtlBench(stall=0).run(case)
    case, of_model = observations()
    ModelBench().run(case)
    for rtl, model in zip(of_rtl, of_model, strict=True):
        assert rtl == model
