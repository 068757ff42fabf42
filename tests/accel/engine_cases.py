"""What the engines must do, as cases that run on the RTL and on the golden model.

Results are those of independent software (`tests.accel.software`).
"""

from __future__ import annotations

import random

from spec.qm import SGE, SGL
from spec.sec import AddressType, Cipher, ErrorType, KeyLength, Mode, Operation
from tests.accel.bench import Bench, Case
from tests.accel.jobs import AES, DATA_MOVER, Job, Kind, Maker
from tests.accel.qm_driver import DATA, copy_bd

BOUNDARIES = (1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 255, 256, 257, 4080, 4095, 4096)


async def _open(b: Bench) -> Maker:
    await b.driver.bring_up()
    await b.driver.start(0, pasid=3)
    return Maker(b.memory, random.Random(7), DATA)


async def _do(b: Bench, job: Job) -> None:
    await b.driver.submit(0, job.bd)
    job.check(b.memory, await b.driver.complete(0))


async def _lengths(b: Bench, kinds: list[Kind], sizes: tuple[int, ...]) -> None:
    maker = await _open(b)
    for kind in kinds:
        for size in sizes:
            if size % kind.block == 0:
                await _do(b, maker.make(kind, size, in_place=maker.rng.random() < 0.3))


async def _scattered(b: Bench, kinds: list[Kind]) -> None:
    maker = await _open(b)
    rng = maker.rng
    for kind in kinds:
        for parts in (1, 3, 9):
            size = kind.block * rng.randrange(1, 400 // kind.block)
            await _do(b, maker.make(kind, size, source_parts=parts,
                                   target_parts=rng.randrange(8), in_place=rng.random() < 0.3,
                                   offset=rng.choice((0, 0, 5, 40))))


async def data_mover_lengths(b: Bench) -> None:
    await _lengths(b, DATA_MOVER, BOUNDARIES)


async def aes_lengths(b: Bench) -> None:
    await _lengths(b, AES, (1, 15, 16, 17, 48, 496))


async def data_mover_scattered(b: Bench) -> None:
    await _scattered(b, DATA_MOVER)


async def aes_scattered(b: Bench) -> None:
    await _scattered(b, AES)


async def the_self_test_of_linux(b: Bench) -> None:
    """The SGE lengths that result from its arrangements (reference 6.4)."""
    maker = await _open(b)
    ecb = next(kind for kind in AES if kind.name == "encrypt_ecb_256")
    for parts in ((16,), (8, 8), (3, 5, 8), (12, 4), (496,), (248, 248), (94, 164, 238),
                  (372, 124)):
        size = sum(parts)
        for in_place in (False, True):
            job = maker.make(ecb, size, in_place=in_place)
            spans = [(maker.place(n), n) for n in parts]
            at = 0
            source = b.memory.read(job.bd.data_src_addr, size)
            for address, n in spans:
                b.memory.write(address, source[at:at + n])
                at += n
            bd = job.bd.replace(src_addr_type=AddressType.SGL,
                                data_src_addr=maker.write_list(spans))
            if in_place:                       # two lists over the same memory
                bd = bd.replace(de=1, dst_addr_type=AddressType.SGL,
                                data_dst_addr=maker.write_list(list(spans)))
                job.spans, job.around = spans, {}
            job.bd = bd
            await _do(b, job)


async def what_is_wrong_with_a_descriptor(b: Bench) -> None:
    """Each is reported by its own code, the lowest that applies; what is not used is ignored."""
    maker = await _open(b)
    ecb = next(kind for kind in AES if kind.name == "encrypt_ecb_128")
    copy, fill, total = (maker.make(DATA_MOVER[op], 64).bd for op in (
        Operation.COPY, Operation.FILL, Operation.SUM))
    aes, ctr = maker.make(ecb, 64).bd, Mode.CTR
    bad = {"src_addr_type": 2}
    for expected, bd in (
            (ErrorType.BD_TYPE, copy.replace(type=2, scene=7)),
            (ErrorType.BD_TYPE, copy.replace(invalid=1)),
            (ErrorType.BD_TYPE, copy.replace(de=2)),
            (ErrorType.SCENE, aes.replace(scene=8, c_alg=3)),
            (ErrorType.CIPHER, aes.replace(cipher=Cipher.NONE, c_mode=7)),
            (ErrorType.CIPHER, copy.replace(auth=1, c_len=0)),
            (ErrorType.ALGORITHM, aes.replace(c_alg=3, c_mode=9)),
            (ErrorType.MODE, aes.replace(c_mode=Mode.XTS, c_key_len=3)),
            (ErrorType.MODE, aes.replace(c_mode=Mode.CBC_CTS)),
            (ErrorType.MODE, copy.replace(c_mode=5, c_len=0)),
            (ErrorType.MODE, copy.replace(c_mode=15, **bad)),
            (ErrorType.KEY_LENGTH, aes.replace(c_key_len=3, c_len=15)),
            (ErrorType.LENGTH, aes.replace(c_len=63)),
            (ErrorType.LENGTH, aes.replace(c_mode=Mode.CBC, c_len=8, **bad)),
            (ErrorType.LENGTH, aes.replace(c_len=0)),
            (ErrorType.LENGTH, copy.replace(c_len=0xFFFE01)),
            (ErrorType.ADDRESS_TYPE, copy.replace(**bad)),
            (ErrorType.ADDRESS_TYPE, copy.replace(dst_addr_type=3)),
            (ErrorType.ADDRESS_TYPE, fill.replace(dst_addr_type=2)),
            (ErrorType.ADDRESS_TYPE, fill.replace(de=0, **bad)),
            (ErrorType.ADDRESS_TYPE, total.replace(**bad)),
            (ErrorType.OK, copy.replace(c_alg=3, c_key_len=KeyLength.AES256 + 1)),
            (ErrorType.OK, aes.replace(c_mode=ctr, c_len=63, c_ivin_addr=aes.data_src_addr,
                                       ctr_count_mode=3)),
            (ErrorType.OK, fill.replace(**bad)),
            (ErrorType.OK, total.replace(de=1, dst_addr_type=5, data_dst_addr=0)),
            (ErrorType.OK, aes.replace(c_ivin_addr=1 << 63))):
        await b.driver.submit(0, bd)
        sqe = await b.driver.complete(0)
        assert (sqe.done, sqe.error_type) == (1, expected), bd
        if expected:
            assert (sqe.flag, sqe.result) == (0, 0), bd


async def malformed_lists(b: Bench) -> None:
    """Wherever they are noticed, the error is SGL and nothing outside the job is written."""
    maker = await _open(b)
    memory = b.memory
    for change in ("null next", "odd next", "empty", "null buffer", "no length", "misaligned",
                   "null list", "short target"):
        job = maker.make(DATA_MOVER[Operation.COPY], 300, source_parts=3, target_parts=2)
        bd = job.bd
        at = bd.data_src_addr
        spans = [(maker.place(100), 100) for _ in range(2)]
        head = SGL.make(entry_sum_in_sgl=2, entry_length_in_sgl=2)
        entries = [SGE.make(buffer=a, length=n) for a, n in spans]
        match change:
            case "odd next":
                head = head.replace(next_dma=at + 32)
            case "empty":
                head = head.replace(entry_sum_in_sgl=0)
            case "null buffer":
                entries[1] = entries[1].replace(buffer=0)
            case "no length":
                entries[1] = entries[1].replace(length=0)
            case "misaligned":
                bd = bd.replace(data_src_addr=at + 16)
            case "null list":
                bd = bd.replace(data_src_addr=0)
            case "short target":
                bd = bd.replace(data_dst_addr=bd.data_src_addr)
        memory.write(at, head.to_bytes() + b"".join(e.to_bytes() for e in entries))
        await b.driver.submit(0, bd)
        sqe = await b.driver.complete(0)
        assert (sqe.error_type, sqe.result) == (ErrorType.SGL, 0), change
        for address, data in job.around.items():
            assert memory.read(address, len(data)) == data
    loop = -(-maker.place(256) // 64) * 64         # a list that leads to itself: still an end
    memory.write(loop, SGL.make(next_dma=loop, entry_sum_in_sgl=1).to_bytes()
                 + SGE.make(buffer=maker.place(8), length=8).to_bytes())
    await b.driver.submit(0, copy_bd(loop, maker.place(100), 100, src_addr_type=1))
    assert (await b.driver.complete(0)).error_type == ErrorType.OK


async def failed_accesses_say_where(b: Bench) -> None:
    """The error type names the access, bytes 116 to 123 an address of it that failed."""
    maker = await _open(b)
    page = -(-maker.place(0x8000) // 0x1000) * 0x1000 + 0x1000
    maker.place(0x8000)
    b.memory.poisoned = {page >> 12}
    cbc = next(kind for kind in AES if kind.name == "decrypt_cbc_192")
    copy = maker.make(DATA_MOVER[Operation.COPY], 600).bd
    aes = maker.make(cbc, 64).bd
    listed = maker.make(DATA_MOVER[Operation.COPY], 64, source_parts=2, target_parts=2).bd
    inside = range(page, page + 0x1000, 16)
    for expected, bd in (
            (ErrorType.DATA_READ, copy.replace(data_src_addr=page - 100)),
            (ErrorType.DATA_READ, copy.replace(data_src_addr=page + 0xFFF)),
            (ErrorType.DATA_READ, copy.replace(c_mode=Operation.CRC32C, data_src_addr=page)),
            (ErrorType.DATA_WRITE, copy.replace(data_dst_addr=page - 599)),
            (ErrorType.DATA_WRITE, copy.replace(data_dst_addr=page + 9)),
            (ErrorType.DATA_WRITE, copy.replace(c_mode=Operation.FILL, data_dst_addr=page - 8)),
            (ErrorType.KEY_READ, aes.replace(c_key_addr=page - 23)),
            (ErrorType.IV_READ, aes.replace(c_ivin_addr=page + 0x800)),
            (ErrorType.SGL_READ, listed.replace(data_src_addr=page + 64)),
            (ErrorType.SGL_READ, listed.replace(data_dst_addr=page + 0xFC0))):
        await b.driver.submit(0, bd)
        sqe = await b.driver.complete(0)
        assert sqe.error_type == expected, bd
        assert sqe.result in inside, bd
    await _do(b, maker.make(cbc, 64))


ENGINE_CASES: dict[Case, int] = {
    data_mover_lengths: 8,
    aes_lengths: 8,
    data_mover_scattered: 8,
    aes_scattered: 8,
    the_self_test_of_linux: 8,
    what_is_wrong_with_a_descriptor: 8,
    malformed_lists: 8,
    failed_accesses_say_where: 8,
}
