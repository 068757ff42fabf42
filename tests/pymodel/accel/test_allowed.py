"""The set of legal endings: the model's own is in it, and it holds no more than it should."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pymodel.accel.allowed import allowed
from pymodel.memory import PAGE, SparseMemory
from spec.sec import BD3, ErrorType, Mode, Operation
from tests.accel.jobs import AES, DATA_MOVER, KINDS, Maker
from tests.pymodel.accel.bench import Bench

BASE = 0x80000


def identity(broken):
    return lambda address, write: None if (address // PAGE, write) in broken else address


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(KINDS), blocks=st.integers(1, 400), seed=st.integers(0, 1 << 32),
       source=st.integers(0, 5), target=st.integers(0, 5), in_place=st.booleans(),
       breaks=st.integers(0, 3), spoil=st.booleans())
def test_what_the_model_does_is_allowed(kind, blocks, seed, source, target, in_place, breaks,
                                        spoil):
    async def case(b):
        await b.driver.bring_up()
        await b.driver.start(0, pasid=1)
        rng = random.Random(seed)
        maker = Maker(b.memory, rng, BASE)
        job = maker.make(kind, blocks * kind.block, source_parts=source, target_parts=target,
                        in_place=in_place, offset=rng.choice((0, 3)))
        bd = job.bd
        if spoil:
            name = rng.choice(["data_src_addr", "data_dst_addr", "c_key_addr", "c_ivin_addr"])
            bd = bd.replace(**{name: rng.choice((0, bd.data_src_addr, BASE - 64))})
        end = maker.place(1)
        b.smmu.broken = {(rng.randrange(BASE, end) // PAGE, rng.random() < 0.5)
                         for _ in range(breaks)}
        legal = allowed(b.memory, identity(b.smmu.broken), bd)
        before = dict(b.memory.pages())
        await b.driver.submit(0, bd)
        sqe = await b.driver.complete(0)
        assert (sqe.error_type, sqe.result) in legal.endings
        changed = {pa + n: byte for pa, data in legal.effect for n, byte in enumerate(data)}
        for start, page in b.memory.pages():
            old = before.get(start, bytes(PAGE))
            for n in range(PAGE) if start >= BASE and page != old else ():
                if page[n] != old[n]:
                    assert page[n] == changed.pop(start + n)
                elif not sqe.error_type:
                    assert page[n] == changed.pop(start + n, page[n])
        if not sqe.error_type:
            assert all(b.memory.read(at, 1)[0] == byte for at, byte in changed.items())
        if not breaks and not spoil:
            assert legal.endings == {(ErrorType.OK, job.result)}
    Bench().run(case)


def place(size):
    memory = SparseMemory(0, 1 << 22)
    return memory, Maker(memory, random.Random(1), BASE)


def test_every_access_that_fails_may_be_named_and_no_other():
    memory = SparseMemory(0, 1 << 22)
    bd = BD3.make(type=3, cipher=3, de=1, data_src_addr=0x10FF0, data_dst_addr=0x20FF8, c_len=32)
    legal = allowed(memory, identity({(0x11, False), (0x21, True)}), bd)
    assert legal.endings == {(ErrorType.DATA_READ, 0x11000), (ErrorType.DATA_WRITE, 0x21000),
                             (ErrorType.DATA_WRITE, 0x21010)}
    assert legal.effect == [(0x20FF8, bytes(8))]     # the part before the lost source


def test_a_key_that_cannot_be_read_writes_nothing():
    memory, maker = place(0)
    cbc = next(kind for kind in AES if kind.name == "encrypt_cbc_256")
    bd = maker.make(cbc, 64).bd.replace(c_key_addr=0x30FF8)
    legal = allowed(memory, identity({(0x31, False)}), bd)
    assert legal.endings == {(ErrorType.KEY_READ, 0x31000), (ErrorType.KEY_READ, 0x31010)}
    assert legal.effect == []
    both = allowed(memory, identity({(0x31, False), (bd.data_src_addr >> 12, False)}), bd)
    assert {error for error, _ in both.endings} == {ErrorType.KEY_READ, ErrorType.DATA_READ} | (
        {ErrorType.IV_READ} if bd.c_ivin_addr >> 12 == bd.data_src_addr >> 12 else set())


def test_ecb_reads_no_iv_and_a_sum_writes_nothing():
    memory, maker = place(0)
    ecb = next(kind for kind in AES if kind.name == "encrypt_ecb_128")
    assert ecb.fields["c_mode"] == Mode.ECB
    bd = maker.make(ecb, 16).bd.replace(c_ivin_addr=0x31000)
    assert allowed(memory, identity({(0x31, False)}), bd).endings == {(ErrorType.OK, 0)}
    total = maker.make(DATA_MOVER[Operation.SUM], 100)
    legal = allowed(memory, identity({(total.bd.data_src_addr >> 12, True)}), total.bd)
    assert legal.endings == {(ErrorType.OK, total.result)}
    assert legal.effect == []
