"""Jobs whose accesses are not answered (a stalled fault): they wait, nobody else does."""

import random

from pymodel.memory import PAGE
from spec.qm import SGE, SGL
from spec.sec import AddressType
from tests.accel.bench import Bench as AnyBench
from tests.accel.jobs import AES, Maker
from tests.accel.qm_driver import DATA, copy_bd
from tests.hdl.accel.bench import Bench

SSID = 1
AWAY = DATA + 0x80000


class PageMaker(Maker):
    """Everything on a page of its own."""

    def _bump(self, size: int) -> int:
        return super()._bump(2 * PAGE)


async def others_go_on(b: AnyBench, pages: set[int]) -> None:
    """Queue 1 works while queue 0's job waits for `pages`; its lane has asked for one burst there,
    which is its share of the TBU's slots in this preset."""
    for turn in range(2):
        await b.driver.submit(1, copy_bd(DATA, DATA + PAGE + turn, 50))
        assert (await b.driver.complete(1)).error_type == 0
    assert b.driver.peek(0) is None
    assert sum(access.addr // PAGE in pages for access in b.log) == 1
    b.release()


async def each_read_in_turn(b: AnyBench) -> None:
    """Key, IV, both lists and the source; then all at once."""
    maker = PageMaker(b.memory, random.Random(5), DATA + 16 * PAGE)
    kind = next(kind for kind in AES if kind.name == "encrypt_cbc_256")
    lists = ("c_key_addr", "c_ivin_addr", "data_src_addr", "data_dst_addr")
    for fields in (*((field,) for field in lists), ("source",), lists):
        parts = 0 if fields == ("source",) else 2
        job = maker.make(kind, 48, source_parts=parts, target_parts=parts)
        pages = {getattr(job.bd, "data_src_addr" if field == "source" else field) // PAGE
                 for field in fields}
        for page in pages:
            b.hold(SSID, page)
        await b.driver.submit(0, job.bd)
        await others_go_on(b, pages)
        job.check(b.memory, await b.driver.complete(0))


async def data_and_the_next_list(b: AnyBench) -> None:
    first, data, second, more = (AWAY + n * PAGE for n in range(4))
    for at, following, buffer in ((first, second, data), (second, 0, more)):
        b.memory.write(at, SGL.make(next_dma=following, entry_sum_in_sgl=1).to_bytes()
                       + SGE.make(buffer=buffer, length=16).to_bytes())
        b.memory.write(buffer, at.to_bytes(16, "little"))
    for page in (data, second):
        b.hold(SSID, page // PAGE)
    await b.driver.submit(0, copy_bd(first, AWAY + 8 * PAGE, 32, src_addr_type=AddressType.SGL))
    await others_go_on(b, {data // PAGE, second // PAGE})
    assert (await b.driver.complete(0)).error_type == 0
    assert b.memory.read(AWAY + 8 * PAGE, 32) == b"".join(
        at.to_bytes(16, "little") for at in (first, second))


def test_waits():
    done = []

    async def case(b: AnyBench) -> None:
        await b.driver.bring_up()
        await b.driver.start(0, SSID)
        await b.driver.start(1, SSID + 1)
        for story in (data_and_the_next_list, each_read_in_turn):
            await story(b)
            done.append(story)

    Bench(stall=0.1).run(case)
    assert len(done) == 2
