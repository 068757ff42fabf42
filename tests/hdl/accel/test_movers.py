"""The data mover's engines against software."""

import random

import pytest

from hdl.accel.engines.copy import CopyEngine
from hdl.accel.engines.crc32c import Crc32cEngine
from hdl.accel.engines.fill import FillEngine
from hdl.accel.engines.rand48 import Rand48Engine
from hdl.accel.engines.sum import SumEngine
from tests.hdl.accel.engine_bench import Work, run

LENGTHS = [*range(1, 35), 63, 64, 65, 255, 256, 257]


def crc32c(data):
    """Bit by bit, highest coefficient first: the definition, not the engine's way."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= int(f"{byte:08b}"[::-1], 2) << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x1EDC6F41 if crc >> 31 else 0)) & 0xFFFF_FFFF
    return int(f"{crc:032b}"[::-1], 2) ^ 0xFFFF_FFFF


def test_crc32c_vectors():
    """RFC 3720, B.4, and the check value of the catalogue."""
    for data, value in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43),
                        (bytes(range(32)), 0x46DD794E), (bytes(range(31, -1, -1)), 0x113FDB5C),
                        (b"123456789", 0xE3069283)):
        work, = run(Crc32cEngine(), [Work(len(data), data, has_result=False)])
        assert work.value == value == crc32c(data)


@pytest.mark.parametrize("stall", [0, 0.5])
def test_crc32c_and_sum(stall):
    rng = random.Random(1)
    sources = [rng.randbytes(length) for length in LENGTHS]
    for engine, expected in (
            (Crc32cEngine(), crc32c),
            (SumEngine(), lambda data: sum(int.from_bytes(data[at:at + 8], "little")
                                           for at in range(0, len(data), 8)) % 2**64)):
        works = run(engine, [Work(len(data), data, has_result=False) for data in sources],
                    stall=stall)
        assert [work.value for work in works] == [expected(data) for data in sources]


@pytest.mark.parametrize("stall", [0, 0.5])
def test_fill_and_copy(stall):
    rng = random.Random(2)
    pattern = rng.randbytes(8)
    fills = run(FillEngine(), [Work(length, job={"iv": int.from_bytes(pattern, "little")})
                               for length in LENGTHS], stall=stall)
    for work in fills:
        assert work.result == (pattern * 40)[:work.length]
    copies = run(CopyEngine(), [Work(length, rng.randbytes(length)) for length in LENGTHS],
                 stall=stall)
    for work in copies:
        assert work.result == work.source


@pytest.mark.parametrize("stall", [0, 0.5])
def test_rand48(stall):
    """C's lrand48 gives bits 47..17 of the same sequence: its first numbers after srand48(0)."""
    seed = 0x330E
    works = run(Rand48Engine(), [Work(length, job={"iv": seed + length * 2**48})
                                 for length in LENGTHS], stall=stall)
    numbers = [int.from_bytes(works[-1].result[at:at + 4], "little") for at in range(0, 12, 4)]
    assert [n >> 1 for n in numbers] == [366850414, 1610402240, 206956554]
    for work in works:
        state, expected = seed, b""
        while len(expected) < work.length:
            state = (state * 0x5DEECE66D + 0xB) % 2**48
            expected += (state >> 16).to_bytes(4, "little")
        assert work.result == expected[:work.length]


@pytest.mark.parametrize(("engine", "has_result", "bar"), [
    (CopyEngine, True, 16), (FillEngine, True, 16), (Rand48Engine, True, 3.9),
    (SumEngine, False, 15), (Crc32cEngine, False, 15)])
def test_throughput(engine, has_result, bar):
    """Bytes per cycle."""
    source = None if engine in (FillEngine, Rand48Engine) else bytes(1024)
    work, = run(engine(), [Work(1024, source, has_result=has_result)])
    assert 1024 / work.cycles >= bar
